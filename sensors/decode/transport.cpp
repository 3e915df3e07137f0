#include "sensors/decode/impl.hpp"

// TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260), ESP (RFC 4303).
namespace ww::decode {
namespace {

namespace option {
constexpr std::uint8_t end = 0, nop = 1, mss = 2, window_scale = 3, sack_permitted = 4, sack = 5,
                       timestamp = 8, md5 = 19, authentication = 29, fast_open = 34,
                       experiment1 = 253, experiment2 = 254;
constexpr std::uint16_t fast_open_magic = 0xf989;  // RFC 7413 appendix A, experimental use
}  // namespace option

}  // namespace

bool Decoder::Impl::tcp(Slot& s, Bytes b) {
  counters_.add(Counter::tcp);
  if (!enter(s)) return false;
  auto& p = s.packet;
  p.l4 = b;
  if (b.size() < 20) return invalid(s, Event::tcp_pkt_too_small);
  const std::size_t header = static_cast<std::size_t>(b[12] >> 4) * 4;
  if (header > b.size()) return invalid(s, Event::tcp_hlen_too_small);
  if (header < 20) return invalid(s, Event::tcp_invalid_optlen);
  p.has_l4 = true;
  p.sport = load_be16(b.data());
  p.dport = load_be16(&b[2]);
  p.tcp_seq = load_be32(&b[4]);
  p.tcp_ack = load_be32(&b[8]);
  p.tcp_flags = b[13];
  p.tcp_window = load_be16(&b[14]);
  p.tcp_urgent = load_be16(&b[18]);
  p.l4_header_length = static_cast<std::uint16_t>(header);
  p.payload = b.subspan(header);
  if (verify_) verify(p, ip_proto::tcp, 16);
  if (header > 20) tcp_options(s, b.subspan(20, header - 20));
  return true;
}

void Decoder::Impl::tcp_options(Slot& s, Bytes o) {
  auto& p = s.packet;
  bool sack = false, fast_open = false;
  while (!o.empty()) {
    const auto type = o[0];
    if (type == option::end) return;
    if (type == option::nop) {
      o = o.subspan(1);
      continue;
    }
    if (o.size() < 2) return;
    const auto length = o[1];
    if (length < 2 || length > o.size()) {
      invalid(s, Event::tcp_opt_invalid_len);
      return;
    }
    // What a good option of each kind looks like, whether it was there before, and how to take it.
    const auto take = [&](bool well_formed, bool before, auto&& keep) {
      if (!well_formed)
        set_event(s, Event::tcp_opt_invalid_len);
      else if (before)
        set_event(s, Event::tcp_opt_duplicate);
      else
        keep();
    };
    switch (type) {
      case option::mss:
        take(length == 4, p.tcp_mss.has_value(), [&] { p.tcp_mss = load_be16(&o[2]); });
        break;
      case option::window_scale:
        take(length == 3, p.tcp_wscale.has_value(), [&] { p.tcp_wscale = o[2]; });
        break;
      case option::sack_permitted:
        take(length == 2, p.tcp_sack_ok, [&] { p.tcp_sack_ok = true; });
        break;
      case option::timestamp:
        take(length == 10, p.tcp_ts_value.has_value(), [&] {
          p.tcp_ts_value = load_be32(&o[2]);
          p.tcp_ts_echo = load_be32(&o[6]);
        });
        break;
      case option::sack:
        if (length != 2)
          take(length >= 10 && length <= 34 && (length - 2) % 8 == 0, sack, [&] { sack = true; });
        break;
      case option::fast_open:
        take(length == 2 || (length >= 6 && length <= 18 && length % 2 == 0), fast_open,
             [&] { fast_open = true; });
        break;
      case option::experiment1:
      case option::experiment2:
        if (length == 4 || length == 12) {
          if (load_be16(&o[2]) == option::fast_open_magic)
            take(true, fast_open, [&] { fast_open = true; });
        } else {
          set_event(s, Event::tcp_opt_invalid_len);
        }
        break;
      case option::md5:
        take(length == 18, false, [] {});
        break;
      case option::authentication:
        take(length >= 4, false, [] {});
        break;
      default:
        break;
    }
    o = o.subspan(length);
  }
}

bool Decoder::Impl::udp(Slot& s, Bytes b) {
  counters_.add(Counter::udp);
  if (!enter(s)) return false;
  auto& p = s.packet;
  p.l4 = b;
  if (b.size() < 8) return invalid(s, Event::udp_pkt_too_small);
  const std::size_t length = load_be16(&b[4]);
  if (length > b.size()) return invalid(s, Event::udp_pkt_too_small);
  if (length < 8) return invalid(s, Event::udp_len_invalid);
  // Octets after the UDP length reach no application, so the datagram itself is still good.
  if (length < b.size()) set_event(s, Event::udp_len_invalid);
  p.has_l4 = true;
  p.l4 = b.first(length);
  p.sport = load_be16(b.data());
  p.dport = load_be16(&b[2]);
  p.l4_header_length = 8;
  p.payload = p.l4.subspan(8);
  // Zero means "not computed" (IPv4; RFC 6935 allows it for tunnels over IPv6).
  if (verify_ && load_be16(&b[6]) != 0) verify(p, ip_proto::udp, 6);
  if (teredo_ports_.enabled &&
      (teredo_ports_.any || teredo_ports_.has(p.sport) || teredo_ports_.has(p.dport)) &&
      teredo(s, p.payload))
    return true;
  if (geneve_ports_.enabled && (geneve_ports_.has(p.dport) || geneve_ports_.has(p.sport)) &&
      geneve(s, p.payload))
    return true;
  if (vxlan_ports_.enabled && vxlan_ports_.has(p.dport)) vxlan(s, p.payload);
  return true;
}

bool Decoder::Impl::sctp(Slot& s, Bytes b) {
  counters_.add(Counter::sctp);
  if (!enter(s)) return false;
  auto& p = s.packet;
  p.l4 = b;
  if (b.size() < 12) return invalid(s, Event::sctp_pkt_too_small);
  p.has_l4 = true;
  p.sport = load_be16(b.data());
  p.dport = load_be16(&b[2]);
  p.l4_header_length = 12;
  p.payload = b.subspan(12);
  return true;
}

bool Decoder::Impl::esp(Slot& s, Bytes b) {
  counters_.add(Counter::esp);
  if (!enter(s)) return false;
  auto& p = s.packet;
  p.l4 = b;
  if (b.size() < 8) return invalid(s, Event::esp_pkt_too_small);
  p.has_l4 = true;
  p.l4_header_length = 8;
  p.payload = b.subspan(8);
  return true;
}

}  // namespace ww::decode
