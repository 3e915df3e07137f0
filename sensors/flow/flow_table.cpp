#include "sensors/flow/flow_table.hpp"

#include <algorithm>
#include <cstring>

#include "sensors/flow/community_id.hpp"
#include "telemetry/logging.hpp"

namespace ww::sensor {
namespace {

constexpr std::uint8_t proto_icmp = 1, proto_tcp = 6, proto_udp = 17, proto_esp = 50,
                       proto_icmp6 = 58, proto_sctp = 132;

std::uint64_t mix(std::uint64_t h) {  // a full-avalanche 64 bit finaliser
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ULL;
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ULL;
  h ^= h >> 32;
  return h;
}

/// Both halves of a product: one multiplication mixes all bits of two words.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t mix_side(const IpAddress& a, std::uint16_t port, std::uint64_t seed) {
  std::uint64_t lo, hi;
  std::memcpy(&lo, a.octets.data(), 8);
  std::memcpy(&hi, a.octets.data() + 8, 8);
  // The port goes in after the address was mixed: whoever may choose both must not be able to let
  // the one undo the other.
  return fold(fold(lo ^ seed ^ 0xa0761d6478bd642fULL, hi ^ ~seed ^ 0xe7037ed1a0b428dbULL) ^ port,
              seed ^ 0x8ebc6af09c88c6e3ULL);
}

bool is_icmp(std::uint8_t proto) { return proto == proto_icmp || proto == proto_icmp6; }

/// Flow named by the datagram inside an ICMP destination-unreachable message (RFC 792).
bool inner_key(const sig::Packet& p, FlowKey& key) {
  if (p.ip_proto != proto_icmp || p.icmp_type != 3 || p.l4.size() < 8 + 20 + 4) return false;
  const auto inner = p.l4.subspan(8);
  if ((inner[0] >> 4) != 4) return false;
  const std::size_t header = std::size_t{inner[0] & 0x0fU} * 4;
  if (header < 20 || inner.size() < header + 4) return false;
  const auto proto = inner[9];
  if (proto != proto_tcp && proto != proto_udp) return false;
  key.ip_proto = proto;
  key.src = IpAddress::v4(inner.data() + 12);
  key.dst = IpAddress::v4(inner.data() + 16);
  key.sport = load_be16(inner.data() + header);
  key.dport = load_be16(inner.data() + header + 2);
  key.icmp_error = true;
  return true;
}

/// As ==, in four words and without a call: this is asked for every packet.
bool same_address(const IpAddress& a, const IpAddress& b) {
  std::uint64_t x[2], y[2];
  static_assert(sizeof x == sizeof a.octets);
  std::memcpy(x, a.octets.data(), sizeof x);
  std::memcpy(y, b.octets.data(), sizeof y);
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0 && a.family == b.family;
}

bool same_key(const Flow& f, const FlowKey& k, const FlowOptions& o) {
  if (f.ip_proto != k.ip_proto) return false;
  if (o.tunnel_tracking && f.tunnel_depth != k.tunnel_depth) return false;
  if (o.vlan_tracking && (f.vlan_count != k.vlan_count || f.vlan != k.vlan)) return false;
  const auto sides = [&](std::uint16_t sport, std::uint16_t dport, const IpAddress& src,
                         const IpAddress& dst) {
    return f.sport == sport && f.dport == dport && same_address(f.src, src) &&
           same_address(f.dst, dst);
  };
  if (sides(k.sport, k.dport, k.src, k.dst)) return true;
  return k.ip_proto != proto_esp && sides(k.dport, k.sport, k.dst, k.src);
}

void read_timeouts(const Settings& s, const std::string& name, FlowTimeouts& t) {
  const auto get = [&](const char* key, std::uint32_t& value) {
    const auto v = s.integer_or("flow-timeouts." + name + "." + key, value);
    if (v >= 0 && v <= 86400 * 7) value = static_cast<std::uint32_t>(v);
  };
  get("new", t.fresh);
  get("established", t.established);
  get("closed", t.closed);
  get("bypassed", t.bypassed);
  get("emergency-new", t.emergency_fresh);
  get("emergency-established", t.emergency_established);
  get("emergency-closed", t.emergency_closed);
  get("emergency-bypassed", t.emergency_bypassed);
}

}  // namespace

FlowOptions FlowOptions::from(const Settings& s) {
  FlowOptions o;
  o.vlan_tracking = s.flag_or("vlan.use-for-tracking", true);
  o.tunnel_tracking = s.flag_or("decoder.recursion-level.use-for-tracking", true);
  o.memory_cap = std::max<std::uint64_t>(s.size_or("flow.memcap", o.memory_cap), 1U << 20);
  o.hash_size = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(s.size_or("flow.hash-size", o.hash_size), 256, 1U << 24));
  o.recovery_percent = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(s.integer_or("flow.emergency-recovery", 30), 1, 100));
  if (s.has("flow.rate-tracking.bytes") || s.has("flow.rate-tracking.interval")) {
    const auto octets = s.size_or("flow.rate-tracking.bytes", 0);
    const auto seconds = s.integer_or("flow.rate-tracking.interval", 0);
    if (octets == 0 || seconds < 1 || seconds > FlowRate::max_seconds)
      throw std::runtime_error("flow.rate-tracking needs bytes and an interval of 1 to " +
                               std::to_string(FlowRate::max_seconds) + " seconds");
    o.rate_octets = octets;
    o.rate_seconds = static_cast<std::uint32_t>(seconds);
  }
  read_timeouts(s, "default", o.other);
  read_timeouts(s, "tcp", o.tcp);
  read_timeouts(s, "udp", o.udp);
  read_timeouts(s, "icmp", o.icmp);
  return o;
}

bool make_flow_key(const sig::Packet& p, const FlowOptions& options, FlowKey& key) {
  if (p.ip_version == 0 || p.is_fragment) return false;
  key = {};
  if (options.vlan_tracking) {
    key.vlan = p.vlan;
    key.vlan_count = p.vlan_count;
  }
  if (options.tunnel_tracking) key.tunnel_depth = p.tunnel_depth;
  if (inner_key(p, key)) return true;
  key.src = p.src;
  key.dst = p.dst;
  key.ip_proto = p.ip_proto;
  switch (p.ip_proto) {
    case proto_tcp:
    case proto_udp:
    case proto_sctp:
      if (!p.has_l4) return false;
      key.sport = p.sport;
      key.dport = p.dport;
      break;
    case proto_icmp:
    case proto_icmp6: {
      if (!p.has_l4) return false;
      const int other = p.ip_proto == proto_icmp ? icmp_counterpart(p.icmp_type)
                                                 : icmpv6_counterpart(p.icmp_type);
      const auto code = static_cast<std::uint16_t>(p.icmp_code << 8);
      key.sport = static_cast<std::uint16_t>(p.icmp_type | code);
      key.dport = static_cast<std::uint16_t>((other < 0 ? p.icmp_type : other) | code);
      break;
    }
    case proto_esp:  // an association goes one way, and the other way is one of its own
      if (!p.has_l4) return false;
      key.sport = load_be16(p.l4.data());
      key.dport = load_be16(&p.l4[2]);
      break;
    default:
      return false;  // like Suricata: what has no ports and is no ICMP makes no flow
  }
  return true;
}

bool guess_flow_key(Bytes frame, int datalink, const FlowOptions& options, FlowKey& key) {
  constexpr int dlt_ethernet = 1;
  constexpr std::size_t ethernet = 14, tag = 4, ipv4 = 20, ipv6 = 40, ports = 4;
  if (datalink != dlt_ethernet || frame.size() < ethernet) return false;
  key = {};
  auto type = load_be16(&frame[ethernet - 2]);
  auto at = ethernet;
  while ((type == 0x8100 || type == 0x88a8) && frame.size() >= at + tag) {
    if (options.vlan_tracking) {
      if (key.vlan_count == key.vlan.size()) return false;
      key.vlan[key.vlan_count++] = load_be16(&frame[at]) & 0x0fff;
    }
    type = load_be16(&frame[at + 2]);
    at += tag;
  }
  auto ip = frame.subspan(at);
  if (type == 0x0800 && ip.size() >= ipv4 + ports && ip[0] >> 4 == 4) {
    if ((load_be16(&ip[6]) & 0x3fff) != 0) return false;  // a fragment
    key.ip_proto = ip[9];
    key.src = IpAddress::v4(&ip[12]);
    key.dst = IpAddress::v4(&ip[16]);
    ip = ip.subspan(std::min<std::size_t>(std::size_t{ip[0] & 0x0fU} * 4, ip.size()));
  } else if (type == 0x86dd && ip.size() >= ipv6 + ports && ip[0] >> 4 == 6) {
    key.ip_proto = ip[6];
    key.src = IpAddress::v6(&ip[8]);
    key.dst = IpAddress::v6(&ip[24]);
    ip = ip.subspan(ipv6);
  } else {
    return false;
  }
  if ((key.ip_proto != proto_tcp && key.ip_proto != proto_udp) || ip.size() < ports) return false;
  key.sport = load_be16(&ip[0]);
  key.dport = load_be16(&ip[2]);
  return true;
}

std::uint64_t flow_hash(const FlowKey& k, std::uint64_t seed) {
  // A sum of the two sides is the same whichever comes first.
  const auto sides = mix_side(k.src, k.sport, seed) + mix_side(k.dst, k.dport, seed);
  const std::uint64_t vlans =
      k.vlan[0] | (std::uint64_t{k.vlan[1]} << 12) | (std::uint64_t{k.vlan[2]} << 24);
  return mix(sides + (vlans << 16) + (std::uint64_t{k.tunnel_depth} << 8) + k.ip_proto);
}

FlowTable::FlowTable(const FlowOptions& options, std::size_t max_flows, Ended ended, Reuses reuses)
    : options_(options),
      max_flows_(std::max<std::size_t>(max_flows, 16)),
      ended_(std::move(ended)),
      reuses_(std::move(reuses)) {
  std::size_t n = 256;
  while (n < options_.hash_size) n *= 2;
  buckets_.assign(n, nullptr);
  mask_ = n - 1;
}

FlowTable::~FlowTable() = default;

namespace {

/// Fetches the first so many octets of an object, if there is one.
template <std::size_t Octets>
void fetch(const void* object) {
  if (object == nullptr) return;
  constexpr std::size_t line = 64;
  for (std::size_t at = 0; at < Octets; at += line)
    __builtin_prefetch(static_cast<const char*>(object) + at);
}

}  // namespace

void FlowTable::foresee(Bytes frame, int datalink) {
  FlowKey key;
  if (!guess_flow_key(frame, datalink, options_, key)) return;
  const auto hash = flow_hash(key, options_.hash_seed);
  const auto before = [&](std::size_t packets) {
    return foreseen_[(foreseen_at_ - packets) % foreseen_packets];
  };
  foreseen_[foreseen_at_ % foreseen_packets] = hash;
  __builtin_prefetch(static_cast<const void*>(&buckets_[hash & mask_]));
  fetch<sizeof(Flow)>(buckets_[before(1) & mask_]);
  if (const auto* f = buckets_[before(2) & mask_]) {
    fetch<512>(f->tcp.get());
    fetch<448>(f->app.get());
  }
  ++foreseen_at_;
}

Flow* FlowTable::find(const FlowKey& key, std::uint64_t hash) {
  for (auto* f = buckets_[hash & mask_]; f != nullptr; f = f->bucket_next)
    if (f->hash == hash && same_key(*f, key, options_)) return f;
  return nullptr;
}

Flow* FlowTable::take(sig::Packet& p) {
  FlowKey key;
  p.flow = nullptr;
  if (!make_flow_key(p, options_, key)) return nullptr;
  auto hash = flow_hash(key, options_.hash_seed);
  auto* flow = find(key, hash);
  if (key.icmp_error && flow == nullptr) {  // nobody's error: a flow of its own
    key = {};
    sig::Packet own = p;
    own.l4 = {};  // keeps the message inside from naming the flow
    if (!make_flow_key(own, options_, key)) return nullptr;
    hash = flow_hash(key, options_.hash_seed);
    flow = find(key, hash);
  }
  if (flow != nullptr) {
    if (expired(*flow, p.time)) {
      ++totals_.ended_timeout;
      end(*flow, FlowEnd::timeout);
      flow = nullptr;
    } else if (p.ip_proto == proto_tcp && reuses_ && reuses_(*flow, p)) {
      ++totals_.ended_reuse;
      end(*flow, FlowEnd::tcp_reuse);
      flow = nullptr;
    }
  }
  if (flow == nullptr) flow = create(key, hash, p);
  if (flow == nullptr) {
    ++totals_.refused;
    return nullptr;
  }
  count_packet(*flow, p);
  return flow;
}

Flow* FlowTable::create(const FlowKey& key, std::uint64_t hash, sig::Packet& p) {
  auto* f = allocate();
  if (f == nullptr) return nullptr;
  f->src = key.src;
  f->dst = key.dst;
  f->sport = key.sport;
  f->dport = key.dport;
  f->ip_proto = key.ip_proto;
  f->vlan = p.vlan;  // shown in records even when it is no part of the key
  f->vlan_count = p.vlan_count;
  f->tunnel_depth = p.tunnel_depth;
  f->interface_index = p.interface_index;
  f->start = f->last = p.time;
  f->hash = hash;
  // 51 bits, so that every JSON reader keeps the number exactly; never zero.
  f->id = (mix(hash + static_cast<std::uint64_t>(p.time.us) * 0x9e3779b97f4a7c15ULL) >> 13) | 1U;
  if (is_icmp(key.ip_proto)) {
    f->icmp_type[0] = static_cast<std::uint8_t>(key.sport & 0xff);
    f->icmp_code[0] = static_cast<std::uint8_t>(key.sport >> 8);
    f->icmp_type[1] = static_cast<std::uint8_t>(key.dport & 0xff);
    f->icmp_code[1] = static_cast<std::uint8_t>(key.dport >> 8);
  }
  auto*& bucket = buckets_[hash & mask_];
  f->bucket_next = bucket;
  bucket = f;
  ++size_;
  ++totals_.created;
  ++totals_.by_proto[key.ip_proto == proto_tcp   ? 0
                     : key.ip_proto == proto_udp ? 1
                     : !is_icmp(key.ip_proto)    ? 4
                     : key.ip_proto == 1         ? 2
                                                 : 3];
  schedule(*f);
  return f;
}

void FlowTable::count_packet(Flow& f, sig::Packet& p) {
  const auto dir = f.direction(p);
  const auto d = sig::index(dir);
  p.flow = &f;
  p.dir = dir;
  f.seen[d] = true;
  ++f.counters[d].packets;
  f.counters[d].octets += p.frame.size();
  if (options_.rate_seconds != 0 && !f.elephant[d]) {
    if (!f.rate) f.rate = std::make_unique<FlowRate>(options_.rate_seconds);
    f.elephant[d] = f.rate->add(d, p.time, p.frame.size()) >= options_.rate_octets;
  }
  if (p.time > f.last) f.last = p.time;
  if (p.ttl != 0) {
    if (f.min_ttl[d] == 0 || p.ttl < f.min_ttl[d]) f.min_ttl[d] = p.ttl;
    if (p.ttl > f.max_ttl[d]) f.max_ttl[d] = p.ttl;
  }
}

Flow* FlowTable::allocate() {
  if (size_ >= max_flows_) make_room();
  if (free_ == nullptr) {
    if (slabs_.size() * slab_flows >= max_flows_ + slab_flows) return nullptr;
    slabs_.push_back(std::make_unique<Flow[]>(slab_flows));
    for (std::size_t i = slab_flows; i-- > 0;) {
      auto& f = slabs_.back()[i];
      f.bucket_next = free_;
      free_ = &f;
    }
  }
  auto* f = free_;
  free_ = f->bucket_next;
  f->bucket_next = nullptr;
  return f;
}

void FlowTable::make_room() {
  if (!emergency_) {
    emergency_ = true;
    ++totals_.emergencies;
    logging::warn(
        "flow table full ({} flows): emergency timeouts apply and the flow next to expire makes "
        "room; raise flow.memcap",
        size_);
  }
  // The wheel is in order of deadline, so the first flow met is (about) the next to go.
  for (std::size_t i = 0; i < wheel_slots; ++i) {
    auto* f = wheel_[static_cast<std::size_t>(wheel_now_ + 1 + static_cast<std::int64_t>(i)) %
                     wheel_slots];
    if (f == nullptr) continue;
    ++totals_.ended_forced;
    end(*f, FlowEnd::forced);
    return;
  }
}

void FlowTable::end(Flow& flow, FlowEnd reason) {
  flow.ended = now_ > flow.last ? now_ : flow.last;
  ended_(flow, reason);
  unlink(flow);
  flow.reset();
  flow.bucket_next = free_;
  free_ = &flow;
  --size_;
  if (emergency_ && size_ * 100 <= max_flows_ * (100 - options_.recovery_percent)) {
    emergency_ = false;
    logging::info("flow table left emergency mode ({} flows)", size_);
  }
}

void FlowTable::end_all(FlowEnd reason) {
  std::vector<Flow*> all;
  all.reserve(size_);
  for_each([&](Flow& f) { all.push_back(&f); });
  std::sort(all.begin(), all.end(), [](const Flow* a, const Flow* b) {
    return a->start != b->start ? a->start < b->start : a->id < b->id;
  });
  for (auto* f : all) end(*f, reason);
}

void FlowTable::for_each(const std::function<void(Flow&)>& visit) {
  for (auto* f : buckets_)
    while (f != nullptr) {
      auto* next = f->bucket_next;
      visit(*f);
      f = next;
    }
}

void FlowTable::unlink(Flow& flow) {
  unschedule(flow);
  for (auto** at = &buckets_[flow.hash & mask_]; *at != nullptr; at = &(*at)->bucket_next)
    if (*at == &flow) {
      *at = flow.bucket_next;
      break;
    }
}

std::int64_t FlowTable::timeout_us(const Flow& f) const {
  const auto& t = f.ip_proto == proto_tcp   ? options_.tcp
                  : f.ip_proto == proto_udp ? options_.udp
                  : is_icmp(f.ip_proto)     ? options_.icmp
                                            : options_.other;
  std::uint32_t seconds = 0;
  switch (f.state) {
    case sig::FlowState::fresh:
      seconds = emergency_ ? t.emergency_fresh : t.fresh;
      break;
    case sig::FlowState::established:
      seconds = emergency_ ? t.emergency_established : t.established;
      break;
    case sig::FlowState::closed:
      seconds = emergency_ ? t.emergency_closed : t.closed;
      break;
    case sig::FlowState::bypassed:
      seconds = emergency_ ? t.emergency_bypassed : t.bypassed;
      break;
  }
  return std::int64_t{seconds} * 1'000'000;
}

bool FlowTable::expired(const Flow& f, Timestamp now) const {
  return now.us - f.last.us > timeout_us(f);
}

void FlowTable::schedule(Flow& f) {
  // One second late rather than early: expired() needs more than the timeout to have passed.
  f.wheel_second = (f.last.us + timeout_us(f)) / 1'000'000 + 1;
  const auto slot_second = std::clamp(f.wheel_second, wheel_now_ + 1,
                                      wheel_now_ + static_cast<std::int64_t>(wheel_slots) - 1);
  auto*& head = wheel_[static_cast<std::size_t>(slot_second) % wheel_slots];
  f.wheel_next = head;
  f.wheel_prev = &head;
  if (head != nullptr) head->wheel_prev = &f.wheel_next;
  head = &f;
}

void FlowTable::unschedule(Flow& f) {
  if (f.wheel_prev == nullptr) return;
  *f.wheel_prev = f.wheel_next;
  if (f.wheel_next != nullptr) f.wheel_next->wheel_prev = f.wheel_prev;
  f.wheel_next = nullptr;
  f.wheel_prev = nullptr;
}

void FlowTable::reschedule(Flow& f) {
  unschedule(f);
  schedule(f);
}

void FlowTable::advance(Timestamp now) {
  if (now > now_) now_ = now;
  const auto second = now_.seconds();
  if (!clock_started_) {
    clock_started_ = true;
    wheel_now_ = second - 1;
  }
  if (second <= wheel_now_) return;
  if (size_ <= options_.sweep_from && !emergency_) {
    // Too few to be worth it: lookups still expire what they meet. Move the wheel and keep
    // everything in it.
    if (second - wheel_now_ < static_cast<std::int64_t>(wheel_slots) / 2) return;
  }
  const auto steps =
      std::min<std::int64_t>(second - wheel_now_, static_cast<std::int64_t>(wheel_slots));
  const auto from = second - steps + 1;
  std::vector<Flow*> again;
  for (std::int64_t s = from; s <= second; ++s) {
    auto*& head = wheel_[static_cast<std::size_t>(s) % wheel_slots];
    while (head != nullptr) {
      auto* f = head;
      unschedule(*f);
      if (expired(*f, now_) && size_ > options_.sweep_from) {
        ++totals_.ended_timeout;
        end(*f, FlowEnd::timeout);
      } else {
        again.push_back(f);
      }
    }
  }
  wheel_now_ = second;
  for (auto* f : again) schedule(*f);
}

}  // namespace ww::sensor
