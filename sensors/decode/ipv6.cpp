#include "sensors/decode/impl.hpp"

// RFC 8200.
namespace ww::decode {
namespace {
constexpr std::size_t fixed_header = 40;
}  // namespace

/// Where the walk along the header chain stands.
struct Decoder::Impl::Ipv6Walk {
  Bytes rest;                 ///< from the current header on
  std::uint8_t next = 0;      ///< what `rest` starts with
  std::uint16_t next_at = 6;  ///< where that was announced, from the start of the IPv6 header
  bool fragment = false, routing = false, hop_by_hop = false, auth = false;
  unsigned dst_options = 0;
  // of the fragment header
  std::uint32_t id = 0;
  std::uint32_t offset = 0;
  bool more = false;
  std::uint8_t after_fragment = 0;
};

bool Decoder::Impl::ipv6(Slot& s, Bytes b) {
  counters_.add(Counter::ipv6);
  if (!enter(s)) return false;
  if (b.size() < fixed_header) return invalid(s, Event::ipv6_pkt_too_small);
  if (b[0] >> 4 != 6) return invalid(s, Event::ipv6_wrong_ip_version);
  const std::size_t length = load_be16(&b[4]);
  if (b.size() < fixed_header + length) return invalid(s, Event::ipv6_trunc_pkt);
  auto& p = s.packet;
  p.ip_version = 6;
  p.ip = b.first(fixed_header + length);
  p.ip_header_length = fixed_header;
  p.tos = static_cast<std::uint8_t>(load_be16(b.data()) >> 4);
  p.ttl = b[7];
  p.src = IpAddress::v6(&b[8]);
  p.dst = IpAddress::v6(&b[24]);
  p.ip_proto = b[6];
  Ipv6Walk walk;
  walk.rest = p.ip.subspan(fixed_header);
  walk.next = b[6];
  return ipv6_payload(s, walk);
}

bool Decoder::Impl::ipv6_payload(Slot& s, Ipv6Walk& w) {
  auto& p = s.packet;
  // Moves on past the current header; false when it is longer than what is left.
  const auto skip = [&](std::size_t n) {
    if (n > w.rest.size()) return invalid(s, Event::ipv6_trunc_exthdr);
    w.next_at = static_cast<std::uint16_t>(w.rest.data() - p.ip.data());
    w.next = w.rest[0];
    w.rest = w.rest.subspan(n);
    return true;
  };
  for (;;) {  // every header takes eight octets off the rest
    p.ip_proto = w.next;
    switch (w.next) {
      case ip_proto::tcp:
        tcp(s, w.rest);
        return true;
      case ip_proto::udp:
        udp(s, w.rest);
        return true;
      case ip_proto::icmpv6:
        icmpv6(s, w.rest);
        return true;
      case ip_proto::sctp:
        sctp(s, w.rest);
        return true;
      case ip_proto::esp:
        esp(s, w.rest);
        return true;
      case ip_proto::gre:
        gre(s, w.rest);
        return true;
      case ip_proto::ipip:
        counters_.add(Counter::ipv4_in_ipv6);
        in_ipv6(s, w.rest, 4);
        return true;
      case ip_proto::ipv6:
        counters_.add(Counter::ipv6_in_ipv6);
        in_ipv6(s, w.rest, 6);
        return true;
      case ip_proto::none:
        if (!w.rest.empty()) set_event(s, Event::ipv6_data_after_none_header);
        return true;
      case ip_proto::icmp:
        set_event(s, Event::ipv6_icmpv4);
        return true;
      default:
        break;
    }
    if (w.rest.size() < 2) {
      const bool extension = w.next == ip_proto::hop_by_hop || w.next == ip_proto::dst_options ||
                             w.next == ip_proto::routing || w.next == ip_proto::fragment ||
                             w.next == ip_proto::ah || w.next == ip_proto::mobility ||
                             w.next == ip_proto::hip || w.next == ip_proto::shim6;
      if (extension) {
        invalid(s, Event::ipv6_trunc_exthdr);
        return true;
      }
    }
    switch (w.next) {
      case ip_proto::hop_by_hop:
      case ip_proto::dst_options: {
        const std::size_t size = (std::size_t{w.rest[1]} + 1) * 8;
        const auto header = w.rest;
        const bool hop = w.next == ip_proto::hop_by_hop;
        if (!skip(size)) return true;
        if (hop ? w.hop_by_hop : w.dst_options >= 2) {
          set_event(s, hop ? Event::ipv6_exthdr_dupl_hh : Event::ipv6_exthdr_dupl_dh);
          break;
        }
        if (hop)
          w.hop_by_hop = true;
        else
          ++w.dst_options;
        ipv6_options(s, header.subspan(2, size - 2), hop);
        break;
      }
      case ip_proto::routing: {
        const std::size_t size = (std::size_t{w.rest[1]} + 1) * 8;
        const auto header = w.rest;
        if (!skip(size)) return true;
        if (w.routing) {
          set_event(s, Event::ipv6_exthdr_dupl_rh);
          break;
        }
        w.routing = true;
        if (header[2] == 0) set_event(s, Event::ipv6_rh_type_0);
        break;
      }
      case ip_proto::ah: {
        // Length in 4-octet units minus 2 (RFC 4302 2.2).
        const std::size_t size = (std::size_t{w.rest[1]} + 2) * 4;
        const auto header = w.rest;
        if (!skip(size)) return true;
        if (header.size() >= 4 && load_be16(&header[2]) != 0)
          set_event(s, Event::ipv6_exthdr_ah_res_not_null);
        if (w.auth) set_event(s, Event::ipv6_exthdr_dupl_ah);
        w.auth = true;
        break;
      }
      case ip_proto::fragment: {
        const auto header = w.rest;
        const auto announced_at = w.next_at;
        if (!skip(8)) return true;
        if (w.fragment) {
          set_event(s, Event::ipv6_exthdr_dupl_fh);
          break;
        }
        w.fragment = true;
        if (header[1] != 0) set_event(s, Event::ipv6_fh_non_zero_reserved_field);
        const auto field = load_be16(&header[2]);
        w.offset = field & 0xfff8;
        w.more = (field & 1) != 0;
        w.id = load_be32(&header[4]);
        w.after_fragment = header[0];
        p.ip_id = w.id;
        p.fragment_offset = static_cast<std::uint16_t>(w.offset);
        p.more_fragments = w.more;
        if (w.offset == 0 && !w.more) {  // an atomic fragment (RFC 6946): whole as it stands
          set_event(s, Event::ipv6_exthdr_useless_fh);
          break;
        }
        p.is_fragment = true;
        p.ip_proto = w.after_fragment;
        w.next_at = announced_at;
        ipv6_fragment(s, w);
        return true;
      }
      case ip_proto::mobility:
      case ip_proto::hip:
      case ip_proto::shim6:
        if (!skip((std::size_t{w.rest[1]} + 1) * 8)) return true;
        break;
      default:
        set_event(s, Event::ipv6_unknown_next_header);
        p.l4 = p.payload = w.rest;
        return true;
    }
  }
}

void Decoder::Impl::ipv6_options(Slot& s, Bytes o, bool hop_by_hop) {
  constexpr std::uint8_t pad1 = 0, padn = 1, router_alert = 5, jumbo = 0xc2, home_address = 0xc9;
  unsigned padding = 0, others = 0;
  while (!o.empty()) {
    if (o[0] == pad1) {
      ++padding;
      o = o.subspan(1);
      continue;
    }
    if (o.size() < 2 || std::size_t{o[1]} + 2 > o.size()) {
      set_event(s, Event::ipv6_exthdr_invalid_optlen);
      break;
    }
    const auto type = o[0], length = o[1];
    const auto at_least = [&](std::uint8_t n) {
      ++others;
      if (length >= n) return true;
      set_event(s, Event::ipv6_exthdr_invalid_optlen);
      return false;
    };
    if (type == padn) {
      ++padding;
      if (length == 0) set_event(s, Event::ipv6_zero_len_padn);
    } else if (type == router_alert) {
      if (!at_least(2)) break;
    } else if (type == jumbo) {
      if (!at_least(4)) break;
    } else if (type == home_address) {
      if (!at_least(16)) break;
    } else {
      set_event(s, hop_by_hop ? Event::ipv6_hopopts_unknown_opt : Event::ipv6_dstopts_unknown_opt);
      ++others;
    }
    o = o.subspan(std::size_t{length} + 2);
  }
  if (padding > 0 && others == 0)
    set_event(s, hop_by_hop ? Event::ipv6_hopopts_only_padding : Event::ipv6_dstopts_only_padding);
}

void Decoder::Impl::ipv6_fragment(Slot& s, const Ipv6Walk& w) {
  auto& p = s.packet;
  if (w.more && w.rest.size() % 8 != 0) {
    invalid(s, Event::ipv6_frag_invalid_length);
    return;
  }
  const auto unfragmentable = static_cast<std::size_t>(w.rest.data() - p.ip.data()) - 8;
  if (std::size_t{w.offset} + w.rest.size() + (unfragmentable - fixed_header) > 65535) {
    set_event(s, Event::ipv6_frag_pkt_too_large);
    return;
  }
  Fragment f;
  f.key = datagram_key(p, w.id);
  f.offset = w.offset;
  f.more = w.more;
  f.header = p.ip.first(unfragmentable);
  f.next_header_at = w.next_at;
  f.next_header = w.after_fragment;
  f.data = w.rest;
  defragment(s, f, &Impl::ipv6);
}

void Decoder::Impl::in_ipv6(Slot& s, Bytes b, std::uint8_t version) {
  const bool v4 = version == 4;
  s.packet.l4 = b;
  if (b.size() < (v4 ? 20 : fixed_header)) {
    set_event(s, v4 ? Event::ipv6_ipv4_in_ipv6_too_small : Event::ipv6_ipv6_in_ipv6_too_small);
    return;
  }
  if (b[0] >> 4 != version) {
    set_event(s,
              v4 ? Event::ipv6_ipv4_in_ipv6_wrong_version : Event::ipv6_ipv6_in_ipv6_wrong_version);
    return;
  }
  tunnel(s, b, v4 ? &Impl::ipv4 : &Impl::ipv6, PacketOrigin::ipv6);
}

}  // namespace ww::decode
