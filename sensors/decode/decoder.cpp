#include "sensors/decode/decoder.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <type_traits>

#include "sensors/decode/checksum.hpp"
#include "sensors/decode/impl.hpp"

namespace ww::decode {
namespace {

constexpr std::uint32_t checksum_sample = 1000;  // packets that decide in ChecksumMode::automatic
constexpr std::size_t max_tunnel_ports = 16;

/// "4789", "[4789, 8472]", a YAML list, "any" or "$VXLAN_PORTS".
TunnelPorts tunnel_ports(const Settings& s, const std::string& name, const std::string& variable,
                         std::uint16_t usual) {
  TunnelPorts out;
  const auto base = "decoder." + name;
  out.enabled = s.flag_or(base + ".enabled", true);
  auto values = s.list(base + ".ports");
  for (auto& v : values)
    if (v.starts_with('$')) v = s.text_or("vars.port-groups." + v.substr(1), std::to_string(usual));
  if (values.empty())
    values.push_back(s.text_or("vars.port-groups." + variable, std::to_string(usual)));
  for (const auto& v : values) {
    if (v.find("any") != std::string::npos) out.any = true;
    for (std::size_t i = 0; i < v.size();) {
      std::uint16_t port = 0;
      const auto r = std::from_chars(v.data() + i, v.data() + v.size(), port);
      if (r.ec == std::errc() && out.ports.size() < max_tunnel_ports) out.ports.push_back(port);
      i = r.ec == std::errc() ? static_cast<std::size_t>(r.ptr - v.data()) : i + 1;
    }
  }
  return out;
}

}  // namespace

Decoder::Impl::Impl(const Settings& settings, ChecksumMode checksums,
                    std::function<void(const ChecksumFinding&)> found)
    : verify_(checksums != ChecksumMode::none),
      learning_(checksums == ChecksumMode::automatic || checksums == ChecksumMode::live),
      accept_left_(checksums == ChecksumMode::live),
      found_(std::move(found)),
      vxlan_ports_(tunnel_ports(settings, "vxlan", "VXLAN_PORTS", 4789)),
      geneve_ports_(tunnel_ports(settings, "geneve", "GENEVE_PORTS", 6081)),
      teredo_ports_(tunnel_ports(settings, "teredo", "TEREDO_PORTS", 3544)),
      defrag_(DefragConfig::from(settings)),
      slots_(std::make_unique<std::array<Slot, max_packets>>()) {
  max_layers_ = static_cast<std::uint8_t>(
      std::clamp<std::int64_t>(settings.integer_or("decoder.max-layers", 16), 1, max_packets - 1));
  vxlan_strict_ = settings.text_or("decoder.vxlan.reserved-bits-check", "strict") != "permissive";
  (void)settings.flag_or("decoder.erspan.typeI.enabled",
                         true);           // always on, as in Suricata since 6
  rebuild_buffers_.reserve(max_packets);  // datagrams refer to them while others are rebuilt
}

void Decoder::Impl::set_event(Slot& s, Event e) {
  const auto before = s.packet.event_count;
  s.packet.add_event(event_id(e));
  if (s.packet.event_count != before) ++counters_.events[static_cast<std::size_t>(e)];
}

Slot* Decoder::Impl::take_slot() {
  if (used_ == max_packets) return nullptr;
  auto* s = &(*slots_)[used_++];
  static_assert(std::is_trivially_destructible_v<Packet>);
  std::construct_at(&s->packet);  // in place: assigning would write everything twice
  s->layers = 0;
  return s;
}

void Decoder::Impl::decode(Bytes frame, int datalink_type, Timestamp time, std::uint64_t number,
                           Sink& sink, std::uint16_t interface_index) {
  used_ = ready_count_ = buffers_used_ = 0;
  Slot& s = *take_slot();
  auto& p = s.packet;
  p.time = time;
  p.number = number;
  p.datalink = datalink_type;
  p.interface_index = interface_index;
  p.frame = frame;
  counters_.add(Counter::pkts);
  counters_.add(Counter::bytes, frame.size());
  auto& largest = counters_.values[static_cast<std::size_t>(Counter::max_pkt_size)];
  largest = std::max<std::uint64_t>(largest, frame.size());
  datalink(s, frame, datalink_type);
  ready_[ready_count_++] = &s;
  for (std::size_t i = 0; i < ready_count_; ++i) {
    auto& packet = ready_[i]->packet;
    if (packet.invalid) counters_.add(Counter::invalid);
    if (learning_) learn_checksums(packet);
    sink.packet(packet);
  }
}

void Decoder::Impl::learn_checksums(const Packet& p) {
  // A host that captures its own traffic sees checksums that its network card has yet to fill in.
  if (!p.has_l4) return;
  ++checksum_.seen;
  if (p.checksum_bad_l4 || p.checksum_bad_ip) ++checksum_.wrong;
  if (checksum_.seen < checksum_sample) return;
  learning_ = false;
  verify_ = checksum_.verified = checksum_.wrong <= checksum_sample / 10;
  // Where no host with offload is captured, such a checksum is one that its receiver refuses.
  accept_left_ = accept_left_ && checksum_.left_to_hardware > 0;
  if (found_) found_(checksum_);
}

void Decoder::Impl::verify(Packet& p, std::uint8_t proto, std::size_t at) {
  const auto verdict = transport_checksum(p.src, p.dst, proto, p.l4, at);
  p.checksum_bad_l4 = verdict != ChecksumVerdict::right;
  if (verdict == ChecksumVerdict::left_to_hardware && accept_left_) {
    p.checksum_bad_l4 = false;
    if (learning_) ++checksum_.left_to_hardware;
  }
}

bool Decoder::Impl::tunnel(Slot& carrier, Bytes inner, Layer layer, PacketOrigin origin,
                           bool guess) {
  if (carrier.layers + 1 >= max_layers_) return invalid(carrier, Event::too_many_layers);
  const auto used_before = used_, ready_before = ready_count_;
  Slot* s = take_slot();
  if (s == nullptr) return invalid(carrier, Event::too_many_layers);
  s->layers = static_cast<std::uint8_t>(carrier.layers + 1);
  auto& p = s->packet;
  const auto& c = carrier.packet;
  p.time = c.time;
  p.number = c.number;
  p.interface_index = c.interface_index;
  p.datalink = 12;  // raw IP, as Suricata names what a tunnel carried
  p.frame = inner;
  p.tunnel_depth = static_cast<std::uint8_t>(c.tunnel_depth + 1);
  p.origin = origin;
  p.outer = &c;
  const bool decoded = (this->*layer)(*s, inner);
  if (decoded && !(guess && p.invalid)) {
    ready_[ready_count_++] = s;
    return true;
  }
  if (!guess) {
    // No packet to show, but a carrier with rubbish inside must not look clean.
    for (const auto e : p.events()) carrier.packet.add_event(e);
  } else {
    used_ = used_before;
    ready_count_ = ready_before;
  }
  return false;
}

DatagramKey Decoder::Impl::datagram_key(const Packet& p, std::uint32_t id) const {
  DatagramKey key;
  key.src = p.src;
  key.dst = p.dst;
  key.id = id;
  key.vlan = p.vlan;
  return key;
}

void Decoder::Impl::defragment(Slot& s, Fragment f, Layer layer) {
  const bool v4 = s.packet.ip_version == 4;
  counters_.add(v4 ? Counter::defrag_ipv4_fragments : Counter::defrag_ipv6_fragments);
  if (buffers_used_ == rebuild_buffers_.size()) {
    if (rebuild_buffers_.size() == rebuild_buffers_.capacity()) return;
    rebuild_buffers_.emplace_back();
  }
  auto& buffer = rebuild_buffers_[buffers_used_];
  f.link = Bytes(s.packet.frame.data(),
                 static_cast<std::size_t>(s.packet.ip.data() - s.packet.frame.data()));
  const auto outcome = defrag_.add(f, s.packet.time, buffer);
  if (outcome.overlap) set_event(s, v4 ? Event::ipv4_frag_overlap : Event::ipv6_frag_overlap);
  switch (outcome.result) {
    case DefragResult::held:
      return;
    case DefragResult::refused:
      set_event(s, v4 ? Event::ipv4_frag_ignored : Event::ipv6_frag_ignored);
      return;
    case DefragResult::too_large:
      set_event(s, v4 ? Event::ipv4_frag_pkt_too_large : Event::ipv6_frag_pkt_too_large);
      return;
    case DefragResult::rebuilt:
      break;
  }
  counters_.add(v4 ? Counter::defrag_ipv4_reassembled : Counter::defrag_ipv6_reassembled);
  ++buffers_used_;
  rebuilt(s, buffer, outcome.datagram_at, layer);
}

void Decoder::Impl::rebuilt(Slot& last, Bytes frame, std::size_t datagram_at, Layer layer) {
  Slot* s = last.layers + 1 < max_layers_ ? take_slot() : nullptr;
  if (s == nullptr) {
    invalid(last, Event::too_many_layers);
    return;
  }
  s->layers = static_cast<std::uint8_t>(last.layers + 1);
  auto& p = s->packet;
  const auto& c = last.packet;
  p.time = c.time;
  p.number = c.number;
  p.interface_index = c.interface_index;
  p.datalink = c.datalink;
  p.frame = frame;
  p.ethernet = c.ethernet;
  p.ethertype = c.ethertype;
  p.vlan = c.vlan;
  p.vlan_count = c.vlan_count;
  p.tunnel_depth = c.tunnel_depth;
  p.origin = PacketOrigin::defrag;
  p.rebuilt = true;
  p.outer = &c;
  if ((this->*layer)(*s, frame.subspan(datagram_at)))
    ready_[ready_count_++] = s;
  else
    for (const auto e : p.events()) last.packet.add_event(e);
}

const Counters& Decoder::Impl::counters() {
  const auto set = [&](Counter c, std::uint64_t v) {
    counters_.values[static_cast<std::size_t>(c)] = v;
  };
  set(Counter::defrag_max_trackers_reached, defrag_.max_trackers_reached());
  set(Counter::defrag_max_frags_reached, defrag_.max_fragments_reached());
  set(Counter::defrag_memcap_drops, defrag_.memcap_drops());
  set(Counter::defrag_timeouts, defrag_.timeouts());
  set(Counter::defrag_memuse, defrag_.memory());
  return counters_;
}

std::string checksum_finding_text(const ChecksumFinding& f) {
  const auto of = " of the first " + std::to_string(f.seen) + " packets ";
  if (!f.verified)
    return "checksums: " + std::to_string(f.wrong) + of +
           "have wrong ones, so they are no longer verified (all and none decide it beforehand)";
  if (f.left_to_hardware > 0)
    return "checksums: " + std::to_string(f.left_to_hardware) + of +
           "left them to their sender's network card: such packets are taken, others are verified";
  return {};
}

Decoder::Decoder(const Settings& settings, ChecksumMode checksums,
                 std::function<void(const ChecksumFinding&)> found)
    : impl_(std::make_unique<Impl>(settings, checksums, std::move(found))) {}
Decoder::~Decoder() = default;
void Decoder::decode(Bytes frame, int datalink, Timestamp time, std::uint64_t number, Sink& sink,
                     std::uint16_t interface_index) {
  impl_->decode(frame, datalink, time, number, sink, interface_index);
}
const Counters& Decoder::counters() { return impl_->counters(); }

}  // namespace ww::decode
