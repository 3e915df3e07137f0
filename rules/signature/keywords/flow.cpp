/// `flow` and what it counts: flow.age, flow.pkts, flow.bytes, flow.elephant, stream_size.
#include <algorithm>

#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

Status flow(RuleBuilder& b, const Option& o, const Keyword&) {
  auto& f = b.rule().flow;
  using E = FlowTest::Established;
  f.used = true;
  for (const auto raw : split_list(o.value)) {
    const auto w = lower(raw);
    if (w == "to_server" || w == "toserver" || w == "from_client" || w == "fromclient") {
      if (!(f.dirs & 1)) return bad("both directions are asked for");
      f.dirs = 1;
    } else if (w == "to_client" || w == "toclient" || w == "from_server" || w == "fromserver") {
      if (!(f.dirs & 2)) return bad("both directions are asked for");
      f.dirs = 2;
    } else if (w == "established") {
      if (f.established == E::no || f.stateless) return bad("established contradicts another word");
      f.established = E::yes;
    } else if (w == "not_established") {
      if (f.established == E::yes || f.stateless)
        return bad("not_established contradicts another word");
      f.established = E::no;
    } else if (w == "stateless") {
      if (f.established != E::any) return bad("stateless contradicts another word");
      f.stateless = true;
    } else if (w == "only_stream") {
      f.only_stream = true;
    } else if (w == "no_stream") {
      f.no_stream = true;
    } else if (w == "only_frag") {
      f.only_frag = true;
    } else if (w == "no_frag") {
      f.no_frag = true;
    } else {
      return bad("unknown word '" + std::string(raw) + "'");
    }
  }
  if (f.only_stream && f.no_stream) return bad("only_stream and no_stream exclude each other");
  if (f.only_frag && f.no_frag) return bad("only_frag and no_frag exclude each other");
  return {};
}

enum : std::uint64_t { to_server = 0, to_client = 1, either = 2, both = 3 };

Result<std::uint64_t, std::string> parse_side(std::string_view side) {
  if (side == "toserver" || side == "to_server") return to_server;
  if (side == "toclient" || side == "to_client") return to_client;
  if (side == "either") return either;
  if (side == "both") return both;
  return bad("'" + std::string(side) + "' is not toserver, toclient, either or both");
}

bool match_count(const PacketTest& t, std::uint64_t a, std::uint64_t b) {
  switch (t.a) {
    case to_server:
      return t.number.test(a);
    case to_client:
      return t.number.test(b);
    case both:
      return t.number.test(a) && t.number.test(b);
    default:
      return t.number.test(a) || t.number.test(b);
  }
}
bool packets_test(const PacketTest& t, MatchServices& m) {
  return m.flow && match_count(t, m.flow->counters[0].packets, m.flow->counters[1].packets);
}
bool octets_test(const PacketTest& t, MatchServices& m) {
  return m.flow && match_count(t, m.flow->counters[0].octets, m.flow->counters[1].octets);
}
bool elephant_test(const PacketTest& t, MatchServices& m) {
  return m.flow && match_count(t, m.flow->elephant[0], m.flow->elephant[1]);
}
Status elephant(RuleBuilder& b, const Option& o, const Keyword&) {
  PacketTest t;
  t.test = &elephant_test;
  const auto side = parse_side(trim(o.value));
  if (!side) return bad(side.error());
  t.a = *side;
  t.number = NumberTest::equal(1);
  b.test(std::move(t));
  return {};
}
bool age_test(const PacketTest& t, MatchServices& m) {
  if (!m.flow) return false;
  // Whole seconds on the clock, as EVE's flow.age has them: 0.9 to 1.1 is one.
  const auto seconds = m.flow->last.us / 1'000'000 - m.flow->start.us / 1'000'000;
  return t.number.test(static_cast<std::uint64_t>(std::max<std::int64_t>(0, seconds)));
}

Status counted(RuleBuilder& b, std::string_view side, std::string_view value,
               decltype(PacketTest::test) test, std::uint64_t max) {
  PacketTest t;
  t.test = test;
  const auto which = parse_side(side);
  if (!which) return bad(which.error());
  t.a = *which;
  auto n = parse_number_test(value, max);
  if (!n) return bad(n.error());
  t.number = *n;
  b.test(std::move(t));
  return {};
}
template <bool (*Test)(const PacketTest&, MatchServices&)>
Status with_side(RuleBuilder& b, const Option& o, const Keyword& k) {
  const auto comma = o.value.find(',');
  if (comma == std::string_view::npos) return bad("needs direction,number");
  return counted(b, trim(o.value.substr(0, comma)), o.value.substr(comma + 1), Test, k.max);
}
template <bool (*Test)(const PacketTest&, MatchServices&)>
Status fixed_side(RuleBuilder& b, const Option& o, const Keyword& k) {
  return counted(b, k.buffer, o.value, Test, k.max);
}
Status age(RuleBuilder& b, const Option& o, const Keyword&) {
  PacketTest t;
  t.test = &age_test;
  auto n = parse_number_test(o.value, UINT32_MAX);
  if (!n) return bad(n.error());
  t.number = *n;
  b.test(std::move(t));
  return {};
}

bool stream_size_test(const PacketTest& t, MatchServices& m) {
  if (!m.flow || m.packet->ip_proto != 6) return false;
  const auto c = m.flow->stream_octets[0], s = m.flow->stream_octets[1];
  switch (t.a) {
    case 0:
      return t.number.test(c);
    case 1:
      return t.number.test(s);
    case 2:
      return t.number.test(c) && t.number.test(s);
    default:
      return t.number.test(c) || t.number.test(s);
  }
}
Status stream_size(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  if (parts.size() != 3) return bad("needs side, operator, size");
  PacketTest t;
  t.test = &stream_size_test;
  if (parts[0] == "client")
    t.a = 0;
  else if (parts[0] == "server")
    t.a = 1;
  else if (parts[0] == "both")
    t.a = 2;
  else if (parts[0] == "either")
    t.a = 3;
  else
    return bad("side is client, server, both or either");
  const auto op = parts[1];
  if (op != "<" && op != ">" && op != "=" && op != "!=" && op != "<=" && op != ">=" && op != "!")
    return bad("unknown operator '" + std::string(op) + "'");
  auto n = parse_number_test(std::string(op) + std::string(parts[2]), UINT32_MAX);
  if (!n) return bad(n.error());
  t.number = *n;
  b.test(std::move(t));
  return {};
}

const KeywordRegistration registration{{
    {.name = "flow",
     .group = "flow",
     .summary = "direction and state of the flow",
     .example = "flow:established,to_server;",
     .notes = "to_server, to_client, established, not_established, stateless, only_stream, "
              "no_stream, only_frag, no_frag",
     .setup = &flow},
    {.name = "flow.age",
     .group = "flow",
     .summary = "seconds since the flow began",
     .example = "flow.age:>3600;",
     .setup = &age},
    {.name = "flow.pkts",
     .group = "flow",
     .summary = "packets of the flow so far",
     .example = "flow.pkts:toclient,>10;",
     .setup = &with_side<packets_test>,
     .max = UINT32_MAX},
    {.name = "flow.pkts_toserver",
     .group = "flow",
     .summary = "packets to the server so far",
     .example = "flow.pkts_toserver:3;",
     .setup = &fixed_side<packets_test>,
     .buffer = "toserver",
     .max = UINT32_MAX},
    {.name = "flow.pkts_toclient",
     .group = "flow",
     .summary = "packets to the client so far",
     .example = "flow.pkts_toclient:>3;",
     .setup = &fixed_side<packets_test>,
     .buffer = "toclient",
     .max = UINT32_MAX},
    {.name = "flow.bytes",
     .group = "flow",
     .summary = "octets of the flow so far",
     .example = "flow.bytes:either,>3000;",
     .setup = &with_side<octets_test>,
     .max = UINT64_MAX},
    {.name = "flow.bytes_toserver",
     .group = "flow",
     .summary = "octets to the server so far",
     .example = "flow.bytes_toserver:<3000;",
     .setup = &fixed_side<octets_test>,
     .buffer = "toserver",
     .max = UINT64_MAX},
    {.name = "flow.bytes_toclient",
     .group = "flow",
     .summary = "octets to the client so far",
     .example = "flow.bytes_toclient:>8000;",
     .setup = &fixed_side<octets_test>,
     .buffer = "toclient",
     .max = UINT64_MAX},
    {.name = "flow.elephant",
     .group = "flow",
     .summary = "the flow has gone over the rate of flow.rate-tracking",
     .example = "flow.elephant:toserver;",
     .notes =
         "toserver, toclient, either or both; needs flow.rate-tracking (bytes, interval) in the "
         "configuration",
     .setup = &elephant},
    {.name = "stream_size",
     .group = "flow",
     .summary = "octets that a TCP stream has carried",
     .example = "stream_size:server,<,1111;",
     .setup = &stream_size},
}};

}  // namespace
}  // namespace ww::sig
