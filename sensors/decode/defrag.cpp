#include "sensors/decode/defrag.hpp"

#include <algorithm>
#include <random>

#include "sensors/decode/checksum.hpp"

namespace ww::decode {
namespace {

constexpr std::size_t keep_capacity = 4096;  // a freed tracker gives larger buffers back
constexpr std::uint64_t tracker_cost = 256;  // bookkeeping charged per tracker
constexpr std::uint32_t max_datagram = 65535;
constexpr std::size_t max_link = 256;  // octets of link headers kept; deeper ones are cut

std::uint64_t mix(std::uint64_t h, std::uint64_t v) {
  h ^= v;
  h *= 0x9fb21c651e98df25ULL;
  return h ^ (h >> 32);
}

std::uint64_t hash_of(const DatagramKey& k, std::uint64_t seed) {
  std::uint64_t h =
      mix(seed, (std::uint64_t{k.id} << 16) | (std::uint64_t{k.proto} << 8) | k.src.family);
  for (const auto* a : {&k.src, &k.dst}) {
    h = mix(h, load_le64(a->octets.data()));
    if (a->family == 6) h = mix(h, load_le64(a->octets.data() + 8));
  }
  return mix(h, (std::uint64_t{k.vlan[0]} << 32) | (std::uint64_t{k.vlan[1]} << 16) | k.vlan[2]);
}

/// Keeps the list with the longest prefix first; of two equal ones the earlier stays in front.
template <class List, class Item>
void insert_by_prefix(List& list, Item item) {
  const auto spot = std::upper_bound(
      list.begin(), list.end(), item,
      [](const auto& a, const auto& b) { return a.network.prefix > b.network.prefix; });
  list.insert(spot, std::move(item));
}

std::string_view trim(std::string_view s) {
  constexpr std::string_view blank = " \t[]\"'";
  const auto a = s.find_first_not_of(blank);
  return a == std::string_view::npos ? std::string_view()
                                     : s.substr(a, s.find_last_not_of(blank) - a + 1);
}

/// Networks below a key: a YAML list, or one scalar "[10.0.0.0/8, 192.168.0.0/16]".
std::vector<IpNetwork> networks_at(const Settings& s, const std::string& path) {
  std::vector<IpNetwork> out;
  for (const auto& item : s.list(path)) {
    std::string_view rest = item;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      if (const auto net = parse_network(trim(rest.substr(0, comma)))) out.push_back(*net);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return out;
}

}  // namespace

bool new_wins(OverlapPolicy policy, std::uint32_t old_begin, std::uint32_t old_end,
              std::uint32_t new_begin, std::uint32_t new_end) {
  switch (policy) {
    case OverlapPolicy::first:
      return false;
    case OverlapPolicy::last:
      return true;
    case OverlapPolicy::bsd:
      return new_begin < old_begin;
    case OverlapPolicy::bsd_right:
      return old_begin <= new_begin;
    case OverlapPolicy::linux_:
      return new_begin <= old_begin;
    case OverlapPolicy::windows:
      return new_begin < old_begin && new_end > old_end;
    case OverlapPolicy::solaris:
      return new_begin < old_begin && new_end >= old_end;
  }
  return false;
}

std::optional<OverlapPolicy> overlap_policy(std::string_view os) {
  using P = OverlapPolicy;
  static constexpr std::pair<std::string_view, P> table[] = {{"bsd", P::bsd},
                                                             {"bsd-right", P::bsd_right},
                                                             {"old-linux", P::linux_},
                                                             {"linux", P::linux_},
                                                             {"old-solaris", P::first},
                                                             {"solaris", P::solaris},
                                                             {"hpux10", P::bsd},
                                                             {"hpux11", P::first},
                                                             {"irix", P::bsd},
                                                             {"macos", P::first},
                                                             {"windows", P::windows},
                                                             {"vista", P::windows},
                                                             {"windows2k3", P::windows},
                                                             {"first", P::first},
                                                             {"last", P::last}};
  for (const auto& [name, policy] : table)
    if (name == os) return policy;
  return {};
}

DefragConfig DefragConfig::from(const Settings& s) {
  DefragConfig c;
  c.memcap = s.size_or("defrag.memcap", c.memcap);
  const auto count = [&](std::string_view key, std::uint32_t fallback) {
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(s.integer_or(key, fallback), 1, 10'000'000));
  };
  c.max_trackers = count("defrag.trackers", c.max_trackers);
  c.max_fragments = count("defrag.max-frags", c.max_fragments);
  const auto seconds = [&](std::string_view key, std::int64_t fallback_us) {
    const auto v = s.integer_or(key, -1);
    return v < 0 ? fallback_us : std::clamp<std::int64_t>(v, 1, 3600) * 1'000'000;
  };
  c.timeout_us = seconds("defrag.timeout", c.timeout_us);
  c.use_vlan = s.flag_or("vlan.use-for-tracking", true);
  for (const auto& os : s.children("host-os-policy"))
    if (const auto policy = overlap_policy(os))
      for (const auto& net : networks_at(s, "host-os-policy." + os))
        insert_by_prefix(c.policies, HostPolicy{net, *policy});
  for (const auto& item : s.children("defrag.host-config")) {
    const auto at = "defrag.host-config." + item;
    const auto prefix = at + ".";
    for (const auto& name : s.children(at)) {
      const auto base = prefix + name;
      const auto timeout = seconds(base + ".timeout", c.timeout_us);
      for (const auto& net : networks_at(s, base + ".address"))
        insert_by_prefix(c.timeouts, HostTimeout{net, timeout});
    }
  }
  return c;
}

Defrag::Defrag(DefragConfig config) : config_(std::move(config)) {
  // Keyed by chance, so nobody outside can choose what collides.
  std::random_device device;
  seed_ = (std::uint64_t{device()} << 32) | device();
  std::size_t size = 1024;
  while (size < config_.max_trackers && size < 65536) size *= 2;
  buckets_.assign(size, none);
}

std::uint32_t Defrag::find(const DatagramKey& key, std::uint64_t hash) const {
  for (auto i = buckets_[hash & (buckets_.size() - 1)]; i != none; i = trackers_[i].chain)
    if (trackers_[i].hash == hash && trackers_[i].key == key) return i;
  return none;
}

OverlapPolicy Defrag::policy_for(const IpAddress& dst) const {
  for (const auto& p : config_.policies)
    if (p.network.contains(dst)) return p.policy;
  return OverlapPolicy::bsd;
}

std::int64_t Defrag::timeout_for(const IpAddress& dst) const {
  for (const auto& t : config_.timeouts)
    if (t.network.contains(dst)) return t.timeout_us;
  return config_.timeout_us;
}

void Defrag::unlink(std::uint32_t i) {
  auto& t = trackers_[i];
  (t.older == none ? oldest_ : trackers_[t.older].newer) = t.newer;
  (t.newer == none ? newest_ : trackers_[t.newer].older) = t.older;
  t.older = t.newer = none;
}

void Defrag::touch(std::uint32_t i) {
  if (newest_ == i) return;
  auto& t = trackers_[i];
  if (t.older != none || t.newer != none || oldest_ == i) unlink(i);
  t.older = newest_;
  (newest_ == none ? oldest_ : trackers_[newest_].newer) = i;
  newest_ = i;
}

void Defrag::remove(std::uint32_t i) {
  auto& t = trackers_[i];
  auto* link = &buckets_[t.hash & (buckets_.size() - 1)];
  while (*link != i) link = &trackers_[*link].chain;
  *link = t.chain;
  unlink(i);
  memory_ -= t.charged;
  fragments_ -= t.pieces.size();
  t.charged = 0;
  const auto clear = [](auto& v) {
    v.clear();
    if (v.capacity() * sizeof(v[0]) > keep_capacity) v.shrink_to_fit();
  };
  clear(t.header);
  clear(t.octets);
  clear(t.pieces);
  free_.push_back(i);
  --live_;
}

void Defrag::expire(Timestamp now) {
  // Oldest first by last use; host timeouts may differ, so this only trims the tail. A tracker that
  // is met after its time is dropped then.
  for (int n = 0; n < 4 && oldest_ != none && trackers_[oldest_].expires < now; ++n) {
    ++timeouts_;
    remove(oldest_);
  }
}

std::uint32_t Defrag::create(const DatagramKey& key, std::uint64_t hash) {
  if (live_ >= config_.max_trackers) {
    ++max_trackers_reached_;
    remove(oldest_);
  }
  std::uint32_t i = 0;
  if (free_.empty()) {
    i = static_cast<std::uint32_t>(trackers_.size());
    trackers_.emplace_back();
  } else {
    i = free_.back();
    free_.pop_back();
  }
  auto& t = trackers_[i];
  t.key = key;
  t.hash = hash;
  t.policy = policy_for(key.dst);
  t.seen_last = false;
  t.end = t.held = 0;
  t.next_header = 0;
  t.next_header_at = 0;
  auto& bucket = buckets_[hash & (buckets_.size() - 1)];
  t.chain = bucket;
  bucket = i;
  t.older = t.newer = none;
  ++live_;
  touch(i);
  return i;
}

void Defrag::compact(Tracker& t) {
  std::vector<std::uint8_t> kept;
  kept.reserve(t.held + 1024);
  for (auto& p : t.pieces) {
    const auto from = t.octets.begin() + p.at;
    p.at = static_cast<std::uint32_t>(kept.size());
    kept.insert(kept.end(), from, from + (p.end - p.begin));
  }
  t.octets = std::move(kept);
}

void Defrag::recharge(Tracker& t) {
  const auto now =
      tracker_cost + t.octets.size() + t.header.size() + t.pieces.size() * sizeof(Piece);
  memory_ = memory_ - t.charged + now;
  t.charged = now;
}

/// Puts the fragment's octets where no piece stands or where the policy prefers the new one.
/// @return whether it owns octet 0 of the datagram
bool Defrag::insert(Tracker& t, const Fragment& f, bool& overlap) {
  const auto begin = f.offset;
  const auto end = begin + static_cast<std::uint32_t>(f.data.size());
  const auto at = static_cast<std::uint32_t>(t.octets.size());
  const auto fresh = [&](std::uint32_t from, std::uint32_t to) {
    if (from < to) scratch_.push_back({from, to, begin, end, at + (from - begin)});
  };
  auto first =
      std::lower_bound(t.pieces.begin(), t.pieces.end(), begin,
                       [](const Piece& p, std::uint32_t offset) { return p.end <= offset; });
  auto last = first;
  scratch_.clear();
  auto cursor = begin;  // new octets up to here have been placed or given up
  for (; last != t.pieces.end() && last->begin < end; ++last) {
    overlap = true;
    const auto cut_begin = std::max(last->begin, begin), cut_end = std::min(last->end, end);
    if (new_wins(t.policy, last->own_begin, last->own_end, begin, end)) {
      if (last->begin < begin) {
        auto left = *last;
        left.end = begin;
        scratch_.push_back(left);
      }
      fresh(cursor, cut_end);
      if (last->end > end) {
        auto right = *last;
        right.at += end - right.begin;
        right.begin = end;
        scratch_.push_back(right);
      }
    } else {
      fresh(cursor, cut_begin);
      scratch_.push_back(*last);
    }
    cursor = cut_end;
  }
  fresh(cursor, end);
  t.octets.insert(t.octets.end(), f.data.begin(), f.data.end());
  const bool owns_start = begin == 0 && scratch_.front().begin == 0 && scratch_.front().at >= at;
  for (auto p = first; p != last; ++p) t.held -= p->end - p->begin;
  for (const auto& p : scratch_) t.held += p.end - p.begin;
  // Replace [first, last) by the scratch list.
  const auto keep =
      std::min<std::ptrdiff_t>(last - first, static_cast<std::ptrdiff_t>(scratch_.size()));
  const auto spot = std::copy(scratch_.begin(), scratch_.begin() + keep, first);
  if (keep < last - first)
    t.pieces.erase(spot, last);
  else
    t.pieces.insert(spot, scratch_.begin() + keep, scratch_.end());
  if (t.octets.size() > 2 * std::size_t{t.held} + 4096) compact(t);
  return owns_start;
}

bool Defrag::complete(const Tracker& t) {
  if (!t.seen_last || t.pieces.empty() || t.held < t.end) return false;
  std::uint32_t next = 0;
  for (const auto& p : t.pieces) {
    if (p.begin > next) return false;
    next = p.end;
    if (next >= t.end) return true;
  }
  return false;
}

DefragResult Defrag::rebuild(const Tracker& t, std::vector<std::uint8_t>& out) {
  const bool v6 = t.key.src.family == 6;
  const auto header = static_cast<std::uint32_t>(t.header.size() - t.link);
  if ((v6 ? header - 40 : header) + t.end > max_datagram) return DefragResult::too_large;
  out.resize(t.header.size() + t.end);
  std::copy(t.header.begin(), t.header.end(), out.begin());
  auto* const ip = out.data() + t.link;
  for (const auto& p : t.pieces) {
    if (p.begin >= t.end) break;
    const auto n = std::min(p.end, t.end) - p.begin;
    std::copy_n(t.octets.begin() + p.at, n, ip + header + p.begin);
  }
  const auto store16 = [&](std::size_t at, std::uint32_t v) {
    ip[at] = static_cast<std::uint8_t>(v >> 8);
    ip[at + 1] = static_cast<std::uint8_t>(v);
  };
  if (v6) {
    store16(4, header - 40 + t.end);
    ip[t.next_header_at] = t.next_header;
  } else {
    store16(2, header + t.end);
    store16(6, load_be16(ip + 6) & 0xc000U);  // keep reserved and DF, clear MF and the offset
    store16(10, 0);
    store16(10, checksum_finish(checksum_add(Bytes(ip, header), 0)));
  }
  return DefragResult::rebuilt;
}

Defrag::Outcome Defrag::add(const Fragment& f, Timestamp now, std::vector<std::uint8_t>& out) {
  Outcome outcome;
  auto key = f.key;
  if (!config_.use_vlan) key.vlan = {};
  expire(now);
  const auto hash = hash_of(key, seed_);
  auto i = find(key, hash);
  if (i != none && trackers_[i].expires < now) {
    ++timeouts_;
    remove(i);
    i = none;
  }
  if (fragments_ >= config_.max_fragments) {
    ++max_fragments_reached_;
    return {DefragResult::refused, false, 0};
  }
  // Make room from the longest untouched, but never from the datagram this fragment belongs to.
  const auto need = f.data.size() + f.header.size() + sizeof(Piece) + tracker_cost;
  while (memory_ + need > config_.memcap && oldest_ != none && oldest_ != i) {
    ++memcap_drops_;
    remove(oldest_);
  }
  if (memory_ + need > config_.memcap) {
    ++memcap_drops_;
    return {DefragResult::refused, false, 0};
  }
  if (i == none) i = create(key, hash);
  touch(i);
  auto& t = trackers_[i];
  t.expires = Timestamp{now.us + timeout_for(key.dst)};
  if (!f.data.empty()) {
    fragments_ -= t.pieces.size();
    const bool owns_start = insert(t, f, outcome.overlap);
    fragments_ += t.pieces.size();
    if (owns_start) {
      const auto link = f.link.first(std::min(f.link.size(), max_link));
      t.link = link.size();
      t.header.assign(link.begin(), link.end());
      t.header.insert(t.header.end(), f.header.begin(), f.header.end());
      t.next_header_at = f.next_header_at;
      t.next_header = f.next_header;
    }
  }
  if (!f.more) {
    const auto end = f.offset + static_cast<std::uint32_t>(f.data.size());
    // Two "last" fragments that disagree: the shorter datagram is whole first.
    t.end = t.seen_last ? std::min(t.end, end) : end;
    t.seen_last = true;
  }
  recharge(t);
  if (!complete(t)) return outcome;
  outcome.datagram_at = t.link;
  outcome.result = rebuild(t, out);
  remove(i);
  return outcome;
}

}  // namespace ww::decode
