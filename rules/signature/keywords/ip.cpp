/// Fields of IP, TCP, UDP and ICMP headers.
#include <algorithm>
#include <span>

#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

template <auto Get>
bool number(const PacketTest& t, MatchServices& m) {
  const auto v = Get(*m.packet);
  return v && t.number.test(*v);
}
using Value = std::optional<std::uint64_t>;

Value igmp_type(const Packet& p) {
  return p.ip_version == 4 && p.ip_proto == 2 && !p.l4.empty() ? Value(p.l4[0]) : std::nullopt;
}

template <bool (*Test)(const PacketTest&, MatchServices&)>
Status setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  PacketTest t;
  t.test = Test;
  auto n = parse_named_number(o.value, k);
  if (!n) return bad(n.error());
  t.number = *n;
  t.text = k.name;
  b.test(std::move(t));
  return {};
}

Value ttl(const Packet& p) { return p.ip_version ? Value(p.ttl) : std::nullopt; }
Value id(const Packet& p) { return p.ip_version == 4 ? Value(p.ip_id) : std::nullopt; }
Value tos(const Packet& p) { return p.ip_version == 4 ? Value(p.tos) : std::nullopt; }
/// Also x and hexadecimal digits.
Status tos_setup(RuleBuilder& b, const Option& o, const Keyword& k) {
  std::string value(trim(o.value));
  const std::size_t at = value.starts_with('!') ? 1 : 0;
  if (at < value.size() && (value[at] == 'x' || value[at] == 'X')) value.insert(at, 1, '0');
  Option plain = o;
  plain.value = value;
  return setup<&number<tos>>(b, plain, k);
}
Value fragoffset(const Packet& p) {
  if (p.ip_version == 4) return p.fragment_offset / 8U;  // as the header has it: units of 8 octets
  if (p.ip_version == 6 && p.is_fragment) return p.fragment_offset;  // octets, as Suricata reads it
  return std::nullopt;
}
Value seq(const Packet& p) { return p.ip_proto == 6 && p.has_l4 ? Value(p.tcp_seq) : std::nullopt; }
Value ack(const Packet& p) { return p.ip_proto == 6 && p.has_l4 ? Value(p.tcp_ack) : std::nullopt; }
Value window(const Packet& p) {
  return p.ip_proto == 6 && p.has_l4 ? Value(p.tcp_window) : std::nullopt;
}
Value mss(const Packet& p) {
  return p.ip_proto == 6 && p.tcp_mss ? Value(*p.tcp_mss) : std::nullopt;
}
Value wscale(const Packet& p) {
  return p.ip_proto == 6 && p.tcp_wscale ? Value(*p.tcp_wscale) : std::nullopt;
}
bool icmp(const Packet& p) { return (p.ip_proto == 1 || p.ip_proto == 58) && p.has_l4; }
Value itype(const Packet& p) { return icmp(p) ? Value(p.icmp_type) : std::nullopt; }
Value icode(const Packet& p) { return icmp(p) ? Value(p.icmp_code) : std::nullopt; }
/// Only queries and replies carry identifier and sequence.
bool icmp_query(const Packet& p) {
  if (!icmp(p) || p.l4.size() < 8) return false;
  if (p.ip_proto == 58) return p.icmp_type == 128 || p.icmp_type == 129;
  switch (p.icmp_type) {
    case 0:
    case 8:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
      return true;
    default:
      return false;
  }
}
Value icmp_id(const Packet& p) {
  return icmp_query(p) ? Value(load_be16(p.l4.data() + 4)) : std::nullopt;
}
Value icmp_seq(const Packet& p) {
  return icmp_query(p) ? Value(load_be16(p.l4.data() + 6)) : std::nullopt;
}
Value icmpv6_mtu(const Packet& p) {
  return p.ip_proto == 58 && icmp(p) && p.icmp_type == 2 && p.l4.size() >= 8
             ? Value(load_be32(p.l4.data() + 4))
             : std::nullopt;
}
Value dsize(const Packet& p) {
  return p.ip_version && !p.stream_pseudo ? Value(p.payload.size()) : std::nullopt;
}
/// `!N` asks for a payload of another size, so there must be one.
bool dsize_test(const PacketTest& t, MatchServices& m) {
  const auto v = dsize(*m.packet);
  return v && (*v > 0 || !t.number.negate) && t.number.test(*v);
}
Value vlan_layers(const Packet& p) { return p.vlan_count; }

template <auto Get>
constexpr auto row(const char* name, const char* group, const char* summary, const char* example,
                   std::uint64_t max) {
  return Keyword{.name = name,
                 .group = group,
                 .summary = summary,
                 .example = example,
                 .setup = &setup<&number<Get>>,
                 .max = max};
}

// --------------------------------------------------------------------------- flags and bits

struct FlagSpec {
  std::uint8_t bits = 0, ignore = 0;
  enum class Mode : std::uint8_t { exact, all, any, not_all } mode = Mode::exact;
};
Result<std::uint8_t, std::string> flag_letters(std::string_view s) {
  std::uint8_t bits = 0;
  for (const char c : s) {
    switch (c) {
      case 'F':
      case 'f':
        bits |= tcp_flag::fin;
        break;
      case 'S':
      case 's':
        bits |= tcp_flag::syn;
        break;
      case 'R':
      case 'r':
        bits |= tcp_flag::rst;
        break;
      case 'P':
      case 'p':
        bits |= tcp_flag::psh;
        break;
      case 'A':
      case 'a':
        bits |= tcp_flag::ack;
        break;
      case 'U':
      case 'u':
        bits |= tcp_flag::urg;
        break;
      case 'E':
      case 'e':
      case '2':
        bits |= tcp_flag::ece;
        break;
      case 'C':
      case 'c':
      case '1':
        bits |= tcp_flag::cwr;
        break;
      case '0':
        break;
      default:
        return bad(std::string("'") + c + "' is not one of F S R P A U E C 0");
    }
  }
  return bits;
}
bool flags_test(const PacketTest& t, MatchServices& m) {
  const auto& p = *m.packet;
  if (p.ip_proto != 6 || !p.has_l4) return false;
  const auto& f = *static_cast<const FlagSpec*>(t.data.get());
  const auto have = static_cast<std::uint8_t>(p.tcp_flags & ~f.ignore);
  switch (f.mode) {
    case FlagSpec::Mode::exact:
      return have == f.bits;
    case FlagSpec::Mode::all:
      return (have & f.bits) == f.bits;
    case FlagSpec::Mode::any:
      return (have & f.bits) != 0;
    case FlagSpec::Mode::not_all:
      return (have & f.bits) == 0;
  }
  return false;
}
Status flags(RuleBuilder& b, const Option& o, const Keyword&) {
  auto f = std::make_shared<FlagSpec>();
  const auto parts = split_list(o.value);
  if (parts.empty() || parts.size() > 2) return bad("needs flags and at most a mask");
  auto s = parts[0];
  const auto prefix = [&](char c) {
    if (s.starts_with(c)) {
      s.remove_prefix(1);
      return true;
    }
    if (s.ends_with(c)) {
      s.remove_suffix(1);
      return true;
    }
    return false;
  };
  if (prefix('+'))
    f->mode = FlagSpec::Mode::all;
  else if (prefix('*'))
    f->mode = FlagSpec::Mode::any;
  else if (prefix('!'))
    f->mode = FlagSpec::Mode::not_all;
  auto bits = flag_letters(trim(s));
  if (!bits) return bad(bits.error());
  f->bits = *bits;
  if (parts.size() == 2) {
    auto mask = parts[1];
    if (mask.starts_with('!')) mask.remove_prefix(1);
    auto ignore = flag_letters(mask);
    if (!ignore) return bad(ignore.error());
    f->ignore = *ignore;
  }
  PacketTest t;
  t.test = &flags_test;
  t.data = f;
  b.test(std::move(t));
  return {};
}

bool fragbits_test(const PacketTest& t, MatchServices& m) {
  const auto& p = *m.packet;
  if (p.ip_version != 4) return false;
  const std::uint64_t have =
      (p.more_fragments ? 1U : 0U) | (p.dont_fragment ? 2U : 0U) | (p.reserved_bit ? 4U : 0U);
  switch (t.b) {
    case 1:
      return (have & t.a) == t.a;
    case 2:
      return (have & t.a) != 0;
    case 3:
      return (have & t.a) == 0;
    default:
      return have == t.a;
  }
}
Status fragbits(RuleBuilder& b, const Option& o, const Keyword&) {
  PacketTest t;
  t.test = &fragbits_test;
  for (const char c : o.value) switch (c) {
      case 'M':
      case 'm':
        t.a |= 1;
        break;
      case 'D':
      case 'd':
        t.a |= 2;
        break;
      case 'R':
      case 'r':
        t.a |= 4;
        break;
      case '+':
        t.b = 1;
        break;
      case '*':
        t.b = 2;
        break;
      case '!':
        t.b = 3;
        break;
      case ' ':
        break;
      default:
        return bad(std::string("'") + c + "' is not one of M D R + * !");
    }
  b.test(std::move(t));
  return {};
}

/// Names of IPv4 options by kind; Packet::ip_options has a bit per kind (the low five bits of the
/// option number).
bool ipopts_test(const PacketTest& t, MatchServices& m) {
  return m.packet->ip_version == 4 && (m.packet->ip_options & t.a) != 0;
}
Status ipopts(RuleBuilder& b, const Option& o, const Keyword&) {
  static constexpr std::pair<std::string_view, unsigned> names[] = {
      {"eol", 0},   {"nop", 1}, {"sec", 2},   {"lsrr", 3}, {"ts", 4},  {"esec", 5},
      {"cipso", 6}, {"rr", 7},  {"satid", 8}, {"ssrr", 9}, {"qs", 25}, {"rtralt", 20}};
  PacketTest t;
  t.test = &ipopts_test;
  if (o.value == "any") {
    t.a = UINT32_MAX;
  } else if (o.value == "lsrre") {
    t.a = 1U << 3;
  } else {
    const auto* n = std::find_if(std::begin(names), std::end(names),
                                 [&](const auto& x) { return x.first == o.value; });
    if (n == std::end(names)) return bad("unknown option '" + std::string(o.value) + "'");
    t.a = 1U << n->second;
  }
  b.test(std::move(t));
  return {};
}

bool same_address(const PacketTest&, MatchServices& m) {
  return m.packet->ip_version && m.packet->src == m.packet->dst;
}
Status sameip(RuleBuilder& b, const Option&, const Keyword&) {
  PacketTest t;
  t.test = &same_address;
  b.test(std::move(t));
  return {};
}

Status ip_proto(RuleBuilder& b, const Option& o, const Keyword& k) {
  auto v = trim(o.value);
  PacketTest t;
  t.require_packet = false;
  t.ip_only_compatible = true;
  char op = 0;
  if (!v.empty() && (v.front() == '!' || v.front() == '<' || v.front() == '>')) {
    op = v.front();
    v = trim(v.substr(1));
  }
  std::optional<std::uint64_t> n = parse_unsigned(v);
  for (const auto& [name, value] : k.names)
    if (iequals(name, v)) n = value;
  if (!n || *n > 255) return bad("unknown protocol '" + std::string(v) + "'");
  t.number = op == '<'   ? NumberTest{0, *n - 1, UINT64_MAX, false}
             : op == '>' ? NumberTest{*n + 1, 255, UINT64_MAX, false}
                         : NumberTest::equal(*n);
  t.negated = op == '!';
  if (op == '<' && *n == 0) return bad("no protocol is below 0");
  t.test = [](const PacketTest& x, MatchServices& m) {
    return m.packet->ip_version != 0 && x.number.test(m.packet->ip_proto);
  };
  b.test(std::move(t));
  return {};
}

Status l3_proto(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto v = lower(trim(o.value));
  if (v == "ipv4" || v == "ip4")
    b.rule().ip_versions &= 1;
  else if (v == "ipv6" || v == "ip6")
    b.rule().ip_versions &= 2;
  else
    return bad("is ipv4 or ipv6");
  if (b.rule().ip_versions == 0) return bad("contradicts the rule's header");
  return {};
}

// --------------------------------------------------------------------------- checksums, VLAN

template <int Layer>  // 4: IPv4, 6: TCP, 17: UDP, 1 and 58: ICMP; Version 0: any
bool checksum_test(const PacketTest& t, MatchServices& m) {
  const auto& p = *m.packet;
  const auto version = t.b;
  if (version && p.ip_version != version) return false;
  if constexpr (Layer == 4) {
    return p.ip_version == 4 && p.checksum_bad_ip == (t.a != 0);
  } else {
    return p.ip_proto == Layer && p.has_l4 && p.checksum_bad_l4 == (t.a != 0);
  }
}
template <int Layer, std::uint64_t Version>
Status checksum(RuleBuilder& b, const Option& o, const Keyword&) {
  auto v = trim(o.value);
  if (const auto q = unquote(v)) v = *q;
  PacketTest t;
  t.test = &checksum_test<Layer>;
  t.b = Version;
  if (v == "invalid")
    t.a = 1;
  else if (v != "valid")
    return bad("is valid or invalid");
  b.test(std::move(t));
  return {};
}

enum class VlanLayers : std::uint64_t { any, all, one };
bool vlan_test(const PacketTest& t, MatchServices& m) {
  const auto& p = *m.packet;
  const auto ids = std::span(p.vlan).first(p.vlan_count);
  const auto holds = [&](std::uint16_t id) { return t.number.test(id); };
  if (static_cast<VlanLayers>(t.b) == VlanLayers::any)
    return std::any_of(ids.begin(), ids.end(), holds);
  if (static_cast<VlanLayers>(t.b) == VlanLayers::all)
    return !ids.empty() && std::all_of(ids.begin(), ids.end(), holds);
  auto i = static_cast<std::int64_t>(t.a);
  if (i < 0) i += p.vlan_count;
  return i >= 0 && i < p.vlan_count && t.number.test(p.vlan[static_cast<std::size_t>(i)]);
}
Status vlan_id(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  if (parts.empty() || parts.size() > 2) return bad("needs an id and at most a layer");
  PacketTest t;
  t.test = &vlan_test;
  auto n = parse_number_test(parts[0], 4095);
  if (!n) return bad(n.error());
  t.number = *n;
  auto layers = VlanLayers::any;
  if (parts.size() == 2 && parts[1] == "all") {
    layers = VlanLayers::all;
  } else if (parts.size() == 2 && parts[1] != "any") {
    const auto layer = parse_integer(parts[1]);
    if (!layer || *layer < -3 || *layer > 2) return bad("layer is any, all or -3 to 2");
    layers = VlanLayers::one;
    t.a = static_cast<std::uint64_t>(*layer);
  }
  t.b = static_cast<std::uint64_t>(layers);
  b.test(std::move(t));
  return {};
}

using K = Keyword;
const KeywordRegistration registration{{
    row<ttl>("ttl", "ip", "IPv4 time to live or IPv6 hop limit", "ttl:<10;", 255),
    row<id>("id", "ip", "IPv4 identification", "id:1;", 65535),
    {.name = "tos",
     .group = "ip",
     .summary = "IPv4 type of service",
     .example = "tos:8;",
     .notes = "hexadecimal with x before it: tos:!x10;",
     .setup = &tos_setup,
     .max = 255},
    {.name = "igmp.type",
     .group = "ip",
     .summary = "type of an IGMP message",
     .example = "igmp.type:17-22;",
     .setup = &setup<&number<igmp_type>>,
     .max = 255},
    row<fragoffset>("fragoffset", "ip",
                    "fragment offset: IPv4 in units of 8 octets, IPv6 fragments in octets",
                    "fragoffset:>0;", 65535),
    row<seq>("tcp.seq", "tcp", "TCP sequence number", "tcp.seq:0;", UINT32_MAX),
    row<ack>("tcp.ack", "tcp", "TCP acknowledgement number", "tcp.ack:1;", UINT32_MAX),
    row<mss>("tcp.mss", "tcp", "TCP maximum segment size option", "tcp.mss:<536;", 65535),
    row<wscale>("tcp.wscale", "tcp", "TCP window scale option", "tcp.wscale:>10;", 255),
    row<itype>("itype", "icmp", "ICMP type", "itype:8;", 255),
    row<icode>("icode", "icmp", "ICMP code", "icode:0;", 255),
    row<icmp_id>("icmp_id", "icmp", "identifier of an ICMP query or reply", "icmp_id:0;", 65535),
    row<icmp_seq>("icmp_seq", "icmp", "sequence of an ICMP query or reply", "icmp_seq:0;", 65535),
    row<icmpv6_mtu>("icmpv6.mtu", "icmp", "MTU of an ICMPv6 packet-too-big", "icmpv6.mtu:<1280;",
                    UINT32_MAX),
    {.name = "dsize",
     .group = "payload",
     .summary = "size of the packet's payload",
     .example = "dsize:>100;",
     .setup = &setup<&dsize_test>,
     .max = 65535},
    row<vlan_layers>("vlan.layers", "vlan", "number of VLAN tags", "vlan.layers:0;", 255),
}};
const KeywordRegistration others{{
    {.name = "seq",
     .group = "tcp",
     .summary = "TCP sequence number",
     .example = "seq:0;",
     .setup = &setup<&number<seq>>,
     .max = UINT32_MAX},
    {.name = "ack",
     .group = "tcp",
     .summary = "TCP acknowledgement number",
     .example = "ack:1;",
     .setup = &setup<&number<ack>>,
     .max = UINT32_MAX},
    {.name = "window",
     .aliases = {"tcp.window"},
     .group = "tcp",
     .summary = "TCP window as sent",
     .example = "window:55808;",
     .setup = &setup<&number<window>>,
     .max = 65535},
    {.name = "tcp.flags",
     .aliases = {"flags"},
     .group = "tcp",
     .summary = "TCP flags: F S R P A U E C, + all of, * any of, ! none of; second part ignores",
     .example = "tcp.flags:S,CE;",
     .setup = &flags},
    {.name = "fragbits",
     .group = "ip",
     .summary = "IPv4 fragment bits M D R, + * !",
     .example = "fragbits:D;",
     .setup = &fragbits},
    {.name = "ipopts",
     .group = "ip",
     .summary = "an IPv4 option",
     .example = "ipopts:lsrr;",
     .setup = &ipopts},
    {.name = "sameip",
     .group = "ip",
     .summary = "source and destination are the same",
     .example = "sameip;",
     .value = K::Value::none,
     .setup = &sameip},
    {.name = "l3_proto",
     .group = "ip",
     .summary = "version of IP, where the header names neither",
     .example = "l3_proto:ipv4;",
     .setup = &l3_proto},
    {.name = "ip_proto",
     .group = "ip",
     .summary = "IP protocol, by number or name",
     .example = "ip_proto:6;",
     .setup = &ip_proto,
     .names = {{"icmp", 1},
               {"igmp", 2},
               {"ipip", 4},
               {"tcp", 6},
               {"egp", 8},
               {"igrp", 9},
               {"udp", 17},
               {"ipv6", 41},
               {"rsvp", 46},
               {"gre", 47},
               {"esp", 50},
               {"ah", 51},
               {"icmpv6", 58},
               {"ipv6-icmp", 58},
               {"eigrp", 88},
               {"ospf", 89},
               {"pim", 103},
               {"sctp", 132}}},
    {.name = "ipv4-csum",
     .group = "ip",
     .summary = "IPv4 header checksum",
     .example = "ipv4-csum:invalid;",
     .setup = &checksum<4, 4>},
    {.name = "tcpv4-csum",
     .group = "tcp",
     .summary = "TCP checksum over IPv4",
     .example = "tcpv4-csum:invalid;",
     .setup = &checksum<6, 4>},
    {.name = "tcpv6-csum",
     .group = "tcp",
     .summary = "TCP checksum over IPv6",
     .example = "tcpv6-csum:invalid;",
     .setup = &checksum<6, 6>},
    {.name = "udpv4-csum",
     .group = "udp",
     .summary = "UDP checksum over IPv4",
     .example = "udpv4-csum:invalid;",
     .setup = &checksum<17, 4>},
    {.name = "udpv6-csum",
     .group = "udp",
     .summary = "UDP checksum over IPv6",
     .example = "udpv6-csum:invalid;",
     .setup = &checksum<17, 6>},
    {.name = "icmpv4-csum",
     .group = "icmp",
     .summary = "ICMP checksum",
     .example = "icmpv4-csum:invalid;",
     .setup = &checksum<1, 4>},
    {.name = "icmpv6-csum",
     .group = "icmp",
     .summary = "ICMPv6 checksum",
     .example = "icmpv6-csum:invalid;",
     .setup = &checksum<58, 6>},
    {.name = "vlan.id",
     .group = "vlan",
     .summary = "id of a VLAN tag, optionally of one layer",
     .example = "vlan.id:300,0;",
     .setup = &vlan_id},
}};

}  // namespace
}  // namespace ww::sig
