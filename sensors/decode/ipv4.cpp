#include "sensors/decode/checksum.hpp"
#include "sensors/decode/impl.hpp"

// RFC 791.
namespace ww::decode {
namespace {

constexpr std::size_t min_header = 20;

namespace option {
constexpr std::uint8_t end = 0, nop = 1, record_route = 7, quick_start = 25, timestamp = 68,
                       security = 130, loose_route = 131, extended_security = 133,
                       commercial_security = 134, stream_id = 136, strict_route = 137,
                       router_alert = 148;
}

/// A route option: type, length, pointer, then addresses.
bool route_well_formed(Bytes o) {
  const auto pointer = o[2];
  return pointer >= 4 && pointer % 4 == 0 && pointer <= o.size() + 1;
}

bool timestamp_well_formed(Bytes o) {
  const auto pointer = o[2];
  const unsigned record = (o[3] & 0x0f) == 0 ? 4 : 8;  // without or with addresses
  return pointer >= 5 && (pointer - 5U) % record == 0 && pointer <= o.size() + 1;
}

/// Commercial IP security option: domain of interpretation, then tags (FIPS 188).
bool commercial_security_well_formed(Bytes o) {
  if (load_be32(o.data() + 2) == 0) return false;
  for (auto tags = o.subspan(6); !tags.empty();) {
    if (tags.size() < 2 || tags[1] < 4 || tags[1] > tags.size()) return false;
    if (tags[0] == 0) return false;
    if ((tags[0] == 1 || tags[0] == 2 || tags[0] == 5) && tags[2] != 0)
      return false;  // alignment octet
    tags = tags.subspan(tags[1]);
  }
  return true;
}

struct OptionRule {
  std::uint8_t type;
  std::uint8_t min_length, max_length;
  bool (*well_formed)(Bytes);
};
constexpr OptionRule option_rules[] = {
    {option::record_route, 3, 255, route_well_formed},
    {option::loose_route, 3, 255, route_well_formed},
    {option::strict_route, 3, 255, route_well_formed},
    {option::timestamp, 5, 255, timestamp_well_formed},
    {option::quick_start, 8, 8, nullptr},
    {option::security, 3, 255, nullptr},
    {option::extended_security, 3, 255, nullptr},
    {option::commercial_security, 10, 255, commercial_security_well_formed},
    {option::stream_id, 4, 4, nullptr},
    {option::router_alert, 4, 4, nullptr},
};

}  // namespace

void Decoder::Impl::ipv4_options(Slot& s, Bytes options) {
  auto& seen = s.packet.ip_options;
  if (options.size() % 8 != 0) set_event(s, Event::ipv4_opt_pad_required);
  while (!options.empty()) {
    const auto type = options[0];
    const auto bit = 1U << (type & 31);
    if (type == option::end || type == option::nop) {
      seen |= bit;
      if (type == option::end) return;
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2) {
      set_event(s, Event::ipv4_opt_eol_required);
      return;
    }
    const auto length = options[1];
    if (length < 2 || length > options.size()) {
      invalid(s, Event::ipv4_opt_invalid_len);
      return;
    }
    const OptionRule* rule = nullptr;
    for (const auto& r : option_rules)
      if (r.type == type) rule = &r;
    if (rule == nullptr) {
      set_event(s, Event::ipv4_opt_invalid);
    } else if ((seen & bit) != 0) {
      set_event(s, Event::ipv4_opt_duplicate);
    } else if (length < rule->min_length || length > rule->max_length) {
      invalid(s, Event::ipv4_opt_invalid_len);
      return;
    } else if (rule->well_formed != nullptr && !rule->well_formed(options.first(length))) {
      invalid(s, Event::ipv4_opt_malformed);
      return;
    } else {
      seen |= bit;
    }
    options = options.subspan(length);
  }
}

bool Decoder::Impl::ipv4(Slot& s, Bytes b) {
  counters_.add(Counter::ipv4);
  if (!enter(s)) return false;
  if (b.size() < min_header) return invalid(s, Event::ipv4_pkt_too_small);
  if (b[0] >> 4 != 4) return invalid(s, Event::ipv4_wrong_ip_version);
  const std::size_t header = static_cast<std::size_t>(b[0] & 0x0f) * 4;
  if (header < min_header) return invalid(s, Event::ipv4_hlen_too_small);
  const std::size_t total = load_be16(&b[2]);
  if (total < header) return invalid(s, Event::ipv4_iplen_smaller_than_hlen);
  if (b.size() < total) return invalid(s, Event::ipv4_trunc_pkt);

  auto& p = s.packet;
  p.ip_version = 4;
  p.ip = b.first(total);
  p.ip_header_length = static_cast<std::uint16_t>(header);
  p.tos = b[1];
  p.ip_id = load_be16(&b[4]);
  const auto flags = load_be16(&b[6]);
  p.reserved_bit = (flags & 0x8000) != 0;
  p.dont_fragment = (flags & 0x4000) != 0;
  p.more_fragments = (flags & 0x2000) != 0;
  p.fragment_offset = static_cast<std::uint16_t>((flags & 0x1fff) * 8);
  p.ttl = b[8];
  p.ip_proto = b[9];
  p.src = IpAddress::v4(&b[12]);
  p.dst = IpAddress::v4(&b[16]);
  if (verify_) p.checksum_bad_ip = checksum_finish(checksum_add(b.first(header), 0)) != 0;
  if (header > min_header) ipv4_options(s, b.subspan(min_header, header - min_header));

  const auto body = b.subspan(header, total - header);
  if (p.more_fragments || p.fragment_offset != 0) {
    p.is_fragment = true;
    ipv4_fragment(s, body);
    return true;
  }
  ipv4_payload(s, body);
  return true;
}

void Decoder::Impl::ipv4_fragment(Slot& s, Bytes data) {
  auto& p = s.packet;
  if (std::size_t{p.fragment_offset} + p.ip.size() > 65535) {
    set_event(s, Event::ipv4_frag_pkt_too_large);
    return;
  }
  Fragment f;
  f.key = datagram_key(p, p.ip_id);
  f.key.proto = p.ip_proto;
  f.offset = p.fragment_offset;
  f.more = p.more_fragments;
  f.header = p.ip.first(p.ip_header_length);
  f.data = data;
  defragment(s, f, &Impl::ipv4);
}

void Decoder::Impl::ipv4_payload(Slot& s, Bytes b) {
  switch (s.packet.ip_proto) {
    case ip_proto::tcp:
      tcp(s, b);
      break;
    case ip_proto::udp:
      udp(s, b);
      break;
    case ip_proto::icmp:
      icmpv4(s, b);
      break;
    case ip_proto::sctp:
      sctp(s, b);
      break;
    case ip_proto::esp:
      esp(s, b);
      break;
    case ip_proto::gre:
      gre(s, b);
      break;
    case ip_proto::ipip:
      counters_.add(Counter::ipv4_in_ipv4);
      s.packet.l4 = b;
      tunnel(s, b, &Impl::ipv4, PacketOrigin::ipv4);
      break;
    case ip_proto::ipv6:
      counters_.add(Counter::ipv6_in_ipv4);
      s.packet.l4 = b;
      tunnel(s, b, &Impl::ipv6, PacketOrigin::ipv4);
      break;
    case ip_proto::icmpv6:
      invalid(s, Event::ipv4_icmpv6);
      break;
    default:
      s.packet.l4 = s.packet.payload = b;
      break;
  }
}

}  // namespace ww::decode
