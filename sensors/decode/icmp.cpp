#include "sensors/decode/checksum.hpp"
#include "sensors/decode/impl.hpp"

// RFC 792 and RFC 4443, with the types that later documents add.
namespace ww::decode {
namespace {

constexpr std::size_t header = 8;

/// Highest code of an ICMPv4 type; -1 when the type is unknown.
int icmpv4_max_code(std::uint8_t type) {
  switch (type) {
    case 3:
      return 15;  // destination unreachable
    case 5:
      return 3;  // redirect
    case 11:
      return 1;  // time exceeded
    case 12:
      return 2;  // parameter problem
    case 0:
    case 8:   // echo
    case 4:   // source quench
    case 10:  // router solicitation
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:  // timestamp, information, address mask
      return 0;
    case 9:
      return 0;  // router advertisement; mobile IP also uses 16
    default:
      return -1;
  }
}

bool quotes_packet(std::uint8_t type) {
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/// Highest code of an ICMPv6 type; -1 when the type is unknown.
int icmpv6_max_code(std::uint8_t type) {
  switch (type) {
    case 1:
      return 7;
    case 3:
      return 1;
    case 4:
      return 2;
    case 2:
    case 128:
    case 129:
    case 130:
    case 131:
    case 132:
    case 133:
    case 134:
    case 135:
    case 136:
    case 137:
    case 141:
    case 142:
    case 143:
    case 144:
    case 145:
    case 146:
    case 147:
      return 0;
    case 138:
      return 255;  // router renumbering: 0, 1, 255
    case 139:
    case 140:
      return 2;  // node information
    case 148:
    case 149:
    case 150:
    case 151:
    case 152:
    case 153:
    case 154:
    case 155:
    case 156:
    case 157:
    case 158:
    case 159:
      return 255;
    default:
      return -1;
  }
}

bool icmpv6_experimental(std::uint8_t t) { return t == 100 || t == 101 || t == 200 || t == 201; }
bool icmpv6_reserved(std::uint8_t t) { return t == 0 || t == 127 || t == 255; }
bool multicast_listener(std::uint8_t t) { return (t >= 130 && t <= 132) || t == 143; }

/// Ports of the quoted transport header, as far as it was quoted.
void quoted_ports(sig::EmbeddedPacket& e, Bytes l4) {
  switch (e.ip_proto) {
    case ip_proto::tcp:
    case ip_proto::udp:
    case ip_proto::sctp:
      if (l4.size() < 4) return;
      e.sport = load_be16(l4.data());
      e.dport = load_be16(&l4[2]);
      return;
    case ip_proto::icmp:
    case ip_proto::icmpv6:
      if (l4.size() < 2) return;
      e.sport = l4[0];
      e.dport = l4[1];
      return;
    default:
      return;
  }
}

}  // namespace

bool Decoder::Impl::icmpv4(Slot& s, Bytes b) {
  counters_.add(Counter::icmpv4);
  if (!enter(s)) return false;
  auto& p = s.packet;
  p.l4 = b;
  if (b.size() < header) return invalid(s, Event::icmpv4_pkt_too_small);
  p.has_l4 = true;
  p.l4_header_length = header;
  p.icmp_type = b[0];
  p.icmp_code = b[1];
  p.payload = b.subspan(header);
  if (verify_) p.checksum_bad_l4 = checksum_finish(checksum_add(b, 0)) != 0;
  const auto highest = icmpv4_max_code(p.icmp_type);
  if (highest < 0) {
    set_event(s, Event::icmpv4_unknown_type);
  } else if (p.icmp_code > highest && !(p.icmp_type == 9 && p.icmp_code == 16)) {
    set_event(s, Event::icmpv4_unknown_code);
  } else if (quotes_packet(p.icmp_type)) {
    quoted_ipv4(s, p.payload);
  } else if (p.icmp_type == 13 || p.icmp_type == 14) {
    if (b.size() < 20) return invalid(s, Event::icmpv4_pkt_too_small);
  }
  return true;
}

void Decoder::Impl::quoted_ipv4(Slot& s, Bytes b) {
  if (b.size() < 20) {
    set_event(s, Event::icmpv4_ipv4_trunc_pkt);
    return;
  }
  if (b[0] >> 4 != 4) {
    set_event(s, Event::icmpv4_ipv4_unknown_ver);
    return;
  }
  auto& e = s.packet.embedded;
  e.ip_version = 4;
  e.ip_proto = b[9];
  e.src = IpAddress::v4(&b[12]);
  e.dst = IpAddress::v4(&b[16]);
  const std::size_t size = static_cast<std::size_t>(b[0] & 0x0f) * 4;
  const bool first_fragment = (load_be16(&b[6]) & 0x1fff) == 0;
  if (size >= 20 && size <= b.size() && first_fragment) quoted_ports(e, b.subspan(size));
}

bool Decoder::Impl::icmpv6(Slot& s, Bytes b) {
  counters_.add(Counter::icmpv6);
  if (!enter(s)) return false;
  auto& p = s.packet;
  p.l4 = b;
  if (b.size() < header) return invalid(s, Event::icmpv6_pkt_too_small);
  p.has_l4 = true;
  p.l4_header_length = header;
  p.icmp_type = b[0];
  p.icmp_code = b[1];
  p.payload = b.subspan(header);
  if (verify_) p.checksum_bad_l4 = !transport_checksum_ok(p.src, p.dst, ip_proto::icmpv6, b);
  const auto highest = icmpv6_max_code(p.icmp_type);
  if (highest < 0) {
    set_event(s, icmpv6_experimental(p.icmp_type) ? Event::icmpv6_experimentation_type
                 : icmpv6_reserved(p.icmp_type)   ? Event::icmpv6_unknown_type
                                                  : Event::icmpv6_unassigned_type);
  } else if (p.icmp_code > highest) {
    set_event(s, Event::icmpv6_unknown_code);
  } else if (p.icmp_type < 128) {
    quoted_ipv6(s, p.payload);
  } else if (multicast_listener(p.icmp_type) && p.ttl != 1) {
    set_event(s, Event::icmpv6_mld_message_with_invalid_hl);
  }
  return true;
}

void Decoder::Impl::quoted_ipv6(Slot& s, Bytes b) {
  if (b.size() < 40) {
    set_event(s, Event::icmpv6_ipv6_trunc_pkt);
    return;
  }
  if (b[0] >> 4 != 6) {
    set_event(s, Event::icmpv6_ipv6_unknown_version);
    return;
  }
  auto& e = s.packet.embedded;
  e.ip_version = 6;
  e.src = IpAddress::v6(&b[8]);
  e.dst = IpAddress::v6(&b[24]);
  e.ip_proto = b[6];
  auto rest = b.subspan(40);
  for (int n = 0; n < 8; ++n) {  // extension headers in front of the quoted transport header
    std::size_t size = 0;
    switch (e.ip_proto) {
      case ip_proto::hop_by_hop:
      case ip_proto::routing:
      case ip_proto::dst_options:
        if (rest.size() < 2) return;
        size = (std::size_t{rest[1]} + 1) * 8;
        break;
      case ip_proto::fragment:
        if (rest.size() < 8 || (load_be16(&rest[2]) & 0xfff8) != 0) return;
        size = 8;
        break;
      default:
        quoted_ports(e, rest);
        return;
    }
    if (size > rest.size()) return;
    e.ip_proto = rest[0];
    rest = rest.subspan(size);
  }
}

}  // namespace ww::decode
