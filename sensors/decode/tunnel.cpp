#include "sensors/decode/impl.hpp"

// GRE (RFC 2784, 1701, 2637), Teredo (RFC 4380), VXLAN (RFC 7348), Geneve (RFC 8926), ERSPAN.
namespace ww::decode {
namespace {

namespace gre_flag {  // first two octets
constexpr std::uint16_t checksum = 0x8000, routing = 0x4000, key = 0x2000, sequence = 0x1000,
                        strict_route = 0x0800, recursion = 0x0700, v0_reserved = 0x00f8,
                        v1_ack = 0x0080, v1_reserved = 0x0078, version = 0x0007;
}

}  // namespace

bool Decoder::Impl::gre(Slot& s, Bytes b) {
  counters_.add(Counter::gre);
  if (!enter(s)) return false;
  s.packet.l4 = b;
  if (b.size() < 4) return invalid(s, Event::gre_pkt_too_small);
  const auto flags = load_be16(b.data());
  const auto protocol = load_be16(&b[2]);
  std::size_t header = 4;
  switch (flags & gre_flag::version) {
    case 0:
      if ((flags & gre_flag::recursion) != 0) return invalid(s, Event::gre_version0_recur, true);
      if ((flags & gre_flag::v0_reserved) != 0) return invalid(s, Event::gre_version0_flags, true);
      if ((flags & gre_flag::key) != 0) header += 4;
      if ((flags & gre_flag::sequence) != 0) header += 4;
      if ((flags & (gre_flag::checksum | gre_flag::routing)) != 0) header += 4;
      if (header > b.size()) return invalid(s, Event::gre_version0_hdr_too_big, true);
      if ((flags & gre_flag::routing) != 0) {
        // Source route entries: family, offset, length; a zero family and length ends the list.
        for (;;) {
          if (header + 4 > b.size()) return invalid(s, Event::gre_version0_malformed_sre_hdr, true);
          const auto family = load_be16(&b[header]);
          const std::size_t length = b[header + 3];
          header += 4;
          if (family == 0 && length == 0) break;
          header += length;
          if (header > b.size()) return invalid(s, Event::gre_version0_malformed_sre_hdr, true);
        }
      }
      break;
    case 1:  // PPTP
      if ((flags & gre_flag::checksum) != 0) return invalid(s, Event::gre_version1_chksum, true);
      if ((flags & gre_flag::routing) != 0) return invalid(s, Event::gre_version1_route, true);
      if ((flags & gre_flag::strict_route) != 0) return invalid(s, Event::gre_version1_ssr, true);
      if ((flags & gre_flag::recursion) != 0) return invalid(s, Event::gre_version1_recur, true);
      if ((flags & gre_flag::v1_reserved) != 0) return invalid(s, Event::gre_version1_flags, true);
      if (protocol != ethertype::ppp) return invalid(s, Event::gre_version1_wrong_protocol, true);
      if ((flags & gre_flag::key) == 0) return invalid(s, Event::gre_version1_no_key, true);
      header += 4;
      if ((flags & gre_flag::sequence) != 0) header += 4;
      if ((flags & gre_flag::v1_ack) != 0) header += 4;
      if (header > b.size()) return invalid(s, Event::gre_version1_hdr_too_big, true);
      break;
    default:
      return invalid(s, Event::gre_wrong_version, true);
  }
  s.packet.l4_header_length = static_cast<std::uint16_t>(header);
  s.packet.payload = b.subspan(header);
  return gre_payload(s, b.subspan(header), protocol, (flags & gre_flag::sequence) == 0);
}

bool Decoder::Impl::gre_payload(Slot& s, Bytes b, std::uint16_t protocol,
                                bool erspan_without_header) {
  if (b.empty()) return true;  // a keep-alive
  const auto inner = [&](Layer layer) {
    tunnel(s, b, layer, PacketOrigin::gre);
    return true;
  };
  switch (protocol) {
    case ethertype::ipv4:
      return inner(&Impl::ipv4);
    case ethertype::ipv6:
      return inner(&Impl::ipv6);
    case ethertype::ppp:
      return inner(&Impl::ppp);
    case ethertype::vlan:
      return inner(&Impl::vlan_in_tunnel);
    case ethertype::teb:
      return inner(&Impl::ethernet);
    case ethertype::mpls:
    case ethertype::mpls_multicast:
      return inner(&Impl::mpls);
    case ethertype::erspan:  // type I has neither a sequence number nor a header of its own
      if (!erspan_without_header) return inner(&Impl::erspan);
      counters_.add(Counter::erspan);
      return inner(&Impl::ethernet);
    default:
      return true;
  }
}

bool Decoder::Impl::erspan(Slot& s, Bytes b) {
  counters_.add(Counter::erspan);
  if (!enter(s)) return false;
  if (b.size() < 8) return invalid(s, Event::erspan_header_too_small);
  const auto field = load_be16(b.data());
  if (field >> 12 != 1) return invalid(s, Event::erspan_unsupported_version);  // 1 is type II
  auto& p = s.packet;
  if ((field & 0x0fff) != 0) {
    if (p.vlan_count == p.vlan.size()) return invalid(s, Event::erspan_too_many_vlan_layers);
    p.vlan[p.vlan_count++] = field & 0x0fff;
  }
  return ethernet(s, b.subspan(8));
}

/// Teredo has no mark of its own: IPv6 behind an optional origin indication, whose length fits
/// exactly.
bool Decoder::Impl::teredo(Slot& s, Bytes b) {
  constexpr std::size_t ipv6_header = 40, origin_indication = 8;
  if (b.size() < ipv6_header) return false;
  if (b[0] == 0) {
    // An authentication header (0x0001) belongs to the negotiation, which carries nothing for us.
    if (b[1] != 0 || b.size() < origin_indication + ipv6_header) return false;
    b = b.subspan(origin_indication);
  }
  if (b[0] >> 4 != 6 || ipv6_header + load_be16(&b[4]) != b.size()) return false;
  const auto before = counters_;
  if (!tunnel(s, b, &Impl::ipv6, PacketOrigin::teredo, true)) {
    counters_ = before;
    return false;
  }
  counters_.add(Counter::teredo);
  return true;
}

bool Decoder::Impl::vxlan(Slot& s, Bytes b) {
  constexpr std::size_t header = 8;
  if (b.size() < header + 14) return false;
  if ((b[0] & 0x08) == 0) return false;  // no network identifier
  if (vxlan_strict_ && ((b[0] & 0xf7) != 0 || b[1] != 0 || b[2] != 0 || b[3] != 0 || b[7] != 0))
    return false;
  counters_.add(Counter::vxlan);
  const auto inner = b.subspan(header);
  switch (load_be16(&inner[12])) {
    case ethertype::arp:
      return true;
    case ethertype::ipv4:
    case ethertype::ipv6:
    case ethertype::vlan:
    case ethertype::qinq_802_1ad:
    case ethertype::qinq:
      tunnel(s, inner, &Impl::ethernet, PacketOrigin::vxlan);
      return true;
    default:
      return invalid(s, Event::vxlan_unknown_payload_type, true);
  }
}

bool Decoder::Impl::geneve(Slot& s, Bytes b) {
  constexpr std::size_t fixed = 8;
  if (b.size() < fixed || b[0] >> 6 != 0) return false;
  const std::size_t header = fixed + static_cast<std::size_t>(b[0] & 0x3f) * 4;
  if (b.size() < header) return false;
  if ((b[1] & 0x3f) != 0 || b[7] != 0) return false;  // reserved
  counters_.add(Counter::geneve);
  const auto inner = b.subspan(header);
  switch (load_be16(&b[2])) {
    case ethertype::teb:
      tunnel(s, inner, &Impl::ethernet, PacketOrigin::geneve);
      return true;
    case ethertype::ipv4:
      tunnel(s, inner, &Impl::ipv4, PacketOrigin::geneve);
      return true;
    case ethertype::ipv6:
      tunnel(s, inner, &Impl::ipv6, PacketOrigin::geneve);
      return true;
    case ethertype::vlan:
    case ethertype::qinq:
      tunnel(s, inner, &Impl::vlan_in_tunnel, PacketOrigin::geneve);
      return true;
    case ethertype::arp:
      return true;
    default:
      return invalid(s, Event::geneve_unknown_payload_type, true);
  }
}

}  // namespace ww::decode
