#include "sensors/decode/impl.hpp"

namespace ww::decode {
namespace {

struct Link {
  int type;
  std::string_view name;
};
// DLT_ values as libpcap gives them out on Linux.
namespace dlt {
constexpr int null = 0, ethernet = 1, ppp = 9, raw = 12, raw_bsd = 14, ppp_serial = 50,
              ppp_ether = 51, linktype_raw = 101, chdlc = 104, loop = 108, sll = 113, ipv4 = 228,
              ipv6 = 229, sll2 = 276;
}
constexpr Link links[] = {
    {dlt::null, "NULL"},
    {dlt::ethernet, "EN10MB"},
    {dlt::ppp, "PPP"},
    {dlt::raw, "RAW"},
    {dlt::raw_bsd, "RAW"},
    {dlt::ppp_serial, "PPP_SERIAL"},
    {dlt::ppp_ether, "PPP_ETHER"},
    {dlt::linktype_raw, "RAW"},
    {dlt::chdlc, "C_HDLC"},
    {dlt::loop, "LOOP"},
    {dlt::sll, "LINUX_SLL"},
    {dlt::ipv4, "IPv4"},
    {dlt::ipv6, "IPv6"},
    {dlt::sll2, "LINUX_SLL2"},
};

}  // namespace

bool datalink_supported(int datalink) { return !datalink_name(datalink).empty(); }

std::string_view datalink_name(int datalink) {
  for (const auto& l : links)
    if (l.type == datalink) return l.name;
  return {};
}

bool Decoder::Impl::datalink(Slot& s, Bytes b, int type) {
  switch (type) {
    case dlt::ethernet:
      return ethernet(s, b);
    case dlt::sll:
      return linux_cooked(s, b);
    case dlt::sll2:
      return linux_cooked2(s, b);
    case dlt::raw:
    case dlt::raw_bsd:
    case dlt::linktype_raw:
    case dlt::ipv4:
    case dlt::ipv6:
      return raw_ip(s, b);
    case dlt::ppp:
    case dlt::ppp_serial:
      return ppp(s, b);
    case dlt::ppp_ether:
      return pppoe_session(s, b);
    case dlt::chdlc:
      return cisco_hdlc(s, b);
    case dlt::null:
      return null_loopback(s, b, false);
    case dlt::loop:
      return null_loopback(s, b, true);
    default:
      return false;
  }
}

bool Decoder::Impl::ethernet(Slot& s, Bytes b) {
  counters_.add(Counter::ethernet);
  if (!enter(s)) return false;
  if (b.size() < 14) return invalid(s, Event::ethernet_pkt_too_small);
  s.packet.ethernet = b.first(14);
  network(s, b.subspan(14), load_be16(&b[12]));
  return true;
}

/// The layer behind an EtherType. False when the type is not one of ours.
bool Decoder::Impl::network(Slot& s, Bytes b, std::uint16_t type) {
  s.packet.ethertype = type;
  switch (type) {
    case ethertype::ipv4:
      ipv4(s, b);
      return true;
    case ethertype::ipv6:
      ipv6(s, b);
      return true;
    case ethertype::vlan:
    case ethertype::qinq_802_1ad:
    case ethertype::qinq:
      vlan(s, b, type);
      return true;
    case ethertype::arp:
      arp(s, b);
      return true;
    case ethertype::pppoe_session:
      pppoe_session(s, b);
      return true;
    case ethertype::pppoe_discovery:
      pppoe_discovery(s, b);
      return true;
    case ethertype::mpls:
    case ethertype::mpls_multicast:
      mpls(s, b);
      return true;
    case ethertype::ah_802_1:
      mac_in_mac(s, b);
      return true;
    case ethertype::dce:
      fabric_path(s, b);
      return true;
    case ethertype::vntag:
      vntag(s, b);
      return true;
    case ethertype::nsh:
      nsh(s, b);
      return true;
    default:
      counters_.add(Counter::unknown_ethertype);
      set_event(s, Event::ethernet_unknown_ethertype);
      return false;
  }
}

// IEEE 802.1Q and 802.1ad.
bool Decoder::Impl::vlan(Slot& s, Bytes b, std::uint16_t) {
  auto& p = s.packet;
  constexpr Counter by_depth[] = {Counter::vlan, Counter::vlan_qinq, Counter::vlan_qinqinq};
  if (p.vlan_count < 3) counters_.add(by_depth[p.vlan_count]);
  if (!enter(s)) return false;
  if (b.size() < 4) return invalid(s, Event::vlan_header_too_small);
  if (p.vlan_count == p.vlan.size()) return invalid(s, Event::vlan_too_many_layers);
  p.vlan[p.vlan_count++] = load_be16(b.data()) & 0x0fff;
  if (!network(s, b.subspan(4), load_be16(&b[2]))) return invalid(s, Event::vlan_unknown_type);
  return true;
}

// IEEE 802.1BR / Cisco VN-Tag: direction and interfaces (4 octets), then an EtherType.
bool Decoder::Impl::vntag(Slot& s, Bytes b) {
  counters_.add(Counter::vntag);
  if (!enter(s)) return false;
  if (b.size() < 6) return invalid(s, Event::vntag_header_too_small);
  if (!network(s, b.subspan(6), load_be16(&b[4]))) return invalid(s, Event::vntag_unknown_type);
  return true;
}

// IEEE 802.1ah: service tag (4 octets), then the customer's addresses and EtherType.
bool Decoder::Impl::mac_in_mac(Slot& s, Bytes b) {
  counters_.add(Counter::ieee8021ah);
  if (!enter(s)) return false;
  if (b.size() < 18) return invalid(s, Event::ieee8021ah_header_too_small);
  s.packet.ethernet = b.subspan(4, 14);
  network(s, b.subspan(18), load_be16(&b[16]));
  return true;
}

// Cisco FabricPath (EtherType 0x8903): a 2-octet tag, then the inner Ethernet frame.
bool Decoder::Impl::fabric_path(Slot& s, Bytes b) {
  if (b.size() < 16) return invalid(s, Event::dce_pkt_too_small);
  return ethernet(s, b.subspan(2));
}

// RFC 3032; payload is guessed as RFC 4385 and RFC 4928 describe.
bool Decoder::Impl::mpls(Slot& s, Bytes b) {
  counters_.add(Counter::mpls);
  if (!enter(s)) return false;
  std::uint32_t label = 0;
  for (bool bottom = false; !bottom; b = b.subspan(4)) {
    if (b.size() < 4) return invalid(s, Event::mpls_header_too_small);
    const auto entry = load_be32(b.data());
    label = entry >> 12;
    bottom = (entry & 0x100) != 0;
  }
  switch (label) {
    case 0:  // IPv4 explicit null
      return ipv4(s, b);
    case 1:
      return invalid(s, Event::mpls_bad_label_router_alert);
    case 2:  // IPv6 explicit null
      return ipv6(s, b);
    case 3:
      return invalid(s, Event::mpls_bad_label_implicit_null);
    default:
      break;
  }
  if (label < 16) return invalid(s, Event::mpls_bad_label_reserved);
  // One octet would tell IP from a pseudowire, whose control word has four.
  if (b.size() < 4) return invalid(s, Event::mpls_pkt_too_small);
  switch (b[0] >> 4) {
    case 4:
      return ipv4(s, b);
    case 6:
      return ipv6(s, b);
    case 0:  // pseudowire control word
      return ethernet(s, b.subspan(4));
    default:
      return invalid(s, Event::mpls_unknown_payload_type);
  }
}

// RFC 1661/1662: optional address and control octets, protocol of one or two octets.
bool Decoder::Impl::ppp(Slot& s, Bytes b) {
  counters_.add(Counter::ppp);
  if (!enter(s)) return false;
  if (b.size() >= 2 && b[0] == 0xff && b[1] == 0x03) b = b.subspan(2);
  if (b.empty()) return invalid(s, Event::ppp_pkt_too_small);
  if ((b[0] & 1) != 0) return ppp_protocol(s, b.subspan(1), b[0]);
  if (b.size() < 2) return invalid(s, Event::ppp_pkt_too_small);
  return ppp_protocol(s, b.subspan(2), load_be16(b.data()));
}

bool Decoder::Impl::ppp_protocol(Slot& s, Bytes b, std::uint16_t protocol) {
  constexpr std::uint16_t known[] = {
      0x0023, 0x0025, 0x0027, 0x0029, 0x002b, 0x002d, 0x0031, 0x0033, 0x0035, 0x0039, 0x003b,
      0x003d, 0x003f, 0x0041, 0x0045, 0x0047, 0x0049, 0x004b, 0x004d, 0x0053, 0x00fb, 0x00fd,
      0x8021, 0x8023, 0x8025, 0x8027, 0x8029, 0x802b, 0x8031, 0x8033, 0x8035, 0x8041, 0x804b,
      0x8053, 0x8057, 0x80fb, 0x80fd, 0x8281, 0x8283, 0xc021, 0xc023, 0xc025, 0xc223};
  switch (protocol) {
    case 0x0021:
      if (b.size() < 20) return invalid(s, Event::ppp_ip4_pkt_too_small);
      return ipv4(s, b);
    case 0x0057:
      if (b.size() < 40) return invalid(s, Event::ppp_ip6_pkt_too_small);
      return ipv6(s, b);
    case 0x002f:  // Van Jacobson, uncompressed: IPv4 with the protocol octet replaced
      if (b.size() < 20) return invalid(s, Event::ppp_vju_pkt_too_small);
      return b[0] >> 4 == 4 ? ipv4(s, b) : true;
    case 0x0281:
      return mpls(s, b);
    case 0x0283:
      return mpls(s, b);
    default:
      break;
  }
  for (const auto k : known)
    if (k == protocol) {
      set_event(s, Event::ppp_unsup_proto);
      return true;
    }
  return invalid(s, Event::ppp_wrong_type);
}

// RFC 2516.
bool Decoder::Impl::pppoe_session(Slot& s, Bytes b) {
  counters_.add(Counter::pppoe);
  if (!enter(s)) return false;
  if (b.size() < 7) return invalid(s, Event::pppoe_pkt_too_small);
  if (b[1] != 0) return invalid(s, Event::pppoe_wrong_code);
  if ((b[6] & 1) != 0) return ppp_protocol(s, b.subspan(7), b[6]);
  if (b.size() < 8) return invalid(s, Event::pppoe_pkt_too_small);
  return ppp_protocol(s, b.subspan(8), load_be16(&b[6]));
}

bool Decoder::Impl::pppoe_discovery(Slot& s, Bytes b) {
  counters_.add(Counter::pppoe);
  if (!enter(s)) return false;
  if (b.size() < 6) return invalid(s, Event::pppoe_pkt_too_small);
  switch (b[1]) {
    case 0x07:
    case 0x09:
    case 0x19:
    case 0x65:
    case 0xa7:
      break;
    default:
      set_event(s, Event::pppoe_wrong_code);
      return true;
  }
  const std::size_t length = load_be16(&b[4]);
  auto tags = b.subspan(6);
  if (length > tags.size()) return invalid(s, Event::pppoe_malformed_tags);
  for (tags = tags.first(length); tags.size() >= 4;) {
    const std::size_t size = std::size_t{load_be16(&tags[2])} + 4;
    if (size > tags.size()) {
      set_event(s, Event::pppoe_malformed_tags);
      return true;
    }
    tags = tags.subspan(size);
  }
  return true;
}

bool Decoder::Impl::linux_cooked(Slot& s, Bytes b) {
  counters_.add(Counter::sll);
  if (!enter(s)) return false;
  if (b.size() < 16) return invalid(s, Event::sll_pkt_too_small);
  network(s, b.subspan(16), load_be16(&b[14]));
  return true;
}

bool Decoder::Impl::linux_cooked2(Slot& s, Bytes b) {
  counters_.add(Counter::sll2);
  if (!enter(s)) return false;
  if (b.size() < 20) return invalid(s, Event::sll2_pkt_too_small);
  network(s, b.subspan(20), load_be16(b.data()));
  return true;
}

/// BSD loopback: the address family in the byte order of the host that wrote the capture (DLT_NULL)
/// or in network order (DLT_LOOP).
bool Decoder::Impl::null_loopback(Slot& s, Bytes b, bool big_endian) {
  counters_.add(Counter::null);
  if (!enter(s)) return false;
  if (b.size() < 4) return invalid(s, Event::ltnull_pkt_too_small);
  auto family = big_endian ? load_be32(b.data()) : load_le32(b.data());
  if (family > 0xffff) family = __builtin_bswap32(family);
  switch (family) {
    case 2:
      return ipv4(s, b.subspan(4));
    case 10:  // Linux, NetBSD, FreeBSD, Darwin
    case 24:
    case 28:
    case 30:
      return ipv6(s, b.subspan(4));
    default:
      return invalid(s, Event::ltnull_unsupported_type);
  }
}

bool Decoder::Impl::raw_ip(Slot& s, Bytes b) {
  counters_.add(Counter::raw);
  if (!enter(s)) return false;
  if (b.size() < 20) return invalid(s, Event::ipv4_pkt_too_small);
  switch (b[0] >> 4) {
    case 4:
      return ipv4(s, b);
    case 6:
      return ipv6(s, b);
    default:
      return invalid(s, Event::ipraw_invalid_ip_version);
  }
}

// RFC 1547: address, control, EtherType.
bool Decoder::Impl::cisco_hdlc(Slot& s, Bytes b) {
  counters_.add(Counter::chdlc);
  if (!enter(s)) return false;
  if (b.size() < 4) return invalid(s, Event::chdlc_pkt_too_small);
  if (b[0] != 0x0f && b[0] != 0x8f) return false;
  network(s, b.subspan(4), load_be16(&b[2]));
  return true;
}

// RFC 826, for IPv4 over Ethernet.
bool Decoder::Impl::arp(Slot& s, Bytes b) {
  constexpr std::size_t message = 28, with_padding = 46;
  counters_.add(Counter::arp);
  if (!enter(s)) return false;
  if (b.size() < message) return invalid(s, Event::arp_pkt_too_small);
  if (b.size() > with_padding) return invalid(s, Event::arp_unsupported_pkt);
  if (load_be16(b.data()) != 1) return invalid(s, Event::arp_unsupported_hardware);
  if (load_be16(&b[2]) != ethertype::ipv4) return invalid(s, Event::arp_unsupported_protocol);
  if (b[4] != 6) return invalid(s, Event::arp_invalid_hardware_size);
  if (b[5] != 4) return invalid(s, Event::arp_invalid_protocol_size);
  switch (load_be16(&b[6])) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 8:
    case 9:
      break;
    default:
      return invalid(s, Event::arp_unsupported_opcode);
  }
  s.packet.arp = b.first(message);
  return true;
}

// RFC 8300.
bool Decoder::Impl::nsh(Slot& s, Bytes b) {
  counters_.add(Counter::nsh);
  if (!enter(s)) return false;
  if (b.size() < 8) return invalid(s, Event::nsh_header_too_small);
  const auto flags = load_be16(b.data());
  if (flags >> 14 != 0) return invalid(s, Event::nsh_unsupported_version);
  const std::size_t size = std::size_t{flags & 0x3fU} * 4;
  if (size < 8 || size > b.size()) return invalid(s, Event::nsh_bad_header_length);
  switch (b[2] & 0x0f) {
    case 0:
      return invalid(s, Event::nsh_reserved_type);
    case 1:
      if (size != 24) return invalid(s, Event::nsh_bad_header_length);
      break;
    case 2:
      break;
    case 15:
      return invalid(s, Event::nsh_unsupported_type);  // experiments
    default:
      return invalid(s, Event::nsh_unsupported_type);
  }
  const auto inner = b.subspan(size);
  switch (b[3]) {
    case 1:
      if (inner.size() < 20) return invalid(s, Event::nsh_bad_header_length);
      return ipv4(s, inner);
    case 2:
      if (inner.size() < 40) return invalid(s, Event::nsh_bad_header_length);
      return ipv6(s, inner);
    case 3:
      if (inner.size() < 14) return invalid(s, Event::nsh_bad_header_length);
      return ethernet(s, inner);
    case 5:
      return mpls(s, inner);
    case 4:
      return invalid(s, Event::nsh_unsupported_type);  // NSH in NSH
    default:
      return invalid(s, Event::nsh_unknown_payload);
  }
}

}  // namespace ww::decode
