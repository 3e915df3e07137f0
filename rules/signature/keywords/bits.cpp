/// State between matches: flowbits, flowint, flowvar, pktvar, xbits, hostbits.
#include <algorithm>

#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

enum : std::uint64_t { kind_xbit = 16, kind_hostbit = 17 };
constexpr std::int64_t xbit_seconds = 30;

/// Names of `flowbits:isset,a|b`.
struct Names : std::vector<std::uint32_t> {};

// --------------------------------------------------------------------------- flowbits

bool flowbit_isset(const PacketTest& t, MatchServices& m) {
  const auto* data = m.flow_data_if_any();
  if (!data) return false;
  const auto& names = *static_cast<const Names*>(t.data.get());
  return std::any_of(names.begin(), names.end(), [&](auto n) { return data->bit(n); });
}
bool flowbit_isnotset(const PacketTest& t, MatchServices& m) {
  if (!m.flow) return false;
  const auto* data = m.flow_data_if_any();
  if (!data) return true;
  const auto& names = *static_cast<const Names*>(t.data.get());
  return std::any_of(names.begin(), names.end(), [&](auto n) { return !data->bit(n); });
}
void flowbit_change(const PostAction& a, MatchServices& m) {
  auto* data = m.flow_data();
  if (!data) return;
  const auto bit = static_cast<std::uint32_t>(a.a);
  if (a.b == 0 || (a.b == 2 && !data->bit(bit)))
    data->set_bit(bit);
  else
    data->clear_bit(bit);
}

Status flowbits(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto comma = o.value.find(',');
  const auto command = trim(o.value.substr(0, comma));
  auto& order = b.rule().order_flowbits;
  if (command == "noalert") {
    b.rule().info.noalert = true;
    return {};
  }
  if (comma == std::string_view::npos) return bad("needs command,name");
  const auto names = split_list(o.value.substr(comma + 1), '|');
  auto ids = std::make_shared<Names>();
  for (const auto n : names) {
    if (n.empty() || n.find_first_of(" \t") != std::string_view::npos)
      return bad("'" + std::string(n) + "' is not a name");
    ids->push_back(variable_id(n));
  }
  if (ids->empty()) return bad("needs a name");
  if (command == "isset" || command == "isnotset") {
    PacketTest t;
    t.test = command == "isset" ? &flowbit_isset : &flowbit_isnotset;
    t.data = ids;
    t.require_packet = false;
    b.test(std::move(t));
    order = order == 4 || order == 3 ? 3 : 2;
    return {};
  }
  if (ids->size() > 1) return bad("only isset and isnotset take several names");
  PostAction a;
  a.run = &flowbit_change;
  a.a = ids->front();
  a.text = std::string(command);
  if (command == "set")
    a.b = 0;
  else if (command == "unset")
    a.b = 1;
  else if (command == "toggle")
    a.b = 2;
  else
    return bad("'" + std::string(command) +
               "' is not set, unset, toggle, isset, isnotset or noalert");
  b.action(std::move(a));
  order = order == 2 || order == 3 ? 3 : 4;
  return {};
}

// --------------------------------------------------------------------------- flowint

struct FlowIntArgument {
  std::uint32_t name = 0, other = 0;  ///< other: a variable on the right side; 0 = the literal
  std::uint32_t value = 0;
};
std::optional<std::uint32_t> flow_int(const FlowData* d, std::uint32_t name) {
  if (d)
    for (const auto& [k, v] : d->ints)
      if (k == name) return v;
  return std::nullopt;
}
std::optional<std::uint32_t> right_side(const FlowData* d, const FlowIntArgument& a) {
  return a.other ? flow_int(d, a.other) : a.value;
}
enum : std::uint64_t { lt, le, eq, ne, ge, gt, isset, isnotset, set, add, sub };

bool flowint_test(const PacketTest& t, MatchServices& m) {
  if (!m.flow) return false;
  const auto& a = *static_cast<const FlowIntArgument*>(t.data.get());
  const auto* d = m.flow_data_if_any();
  const auto v = flow_int(d, a.name);
  if (t.a == isset) return v.has_value();
  if (t.a == isnotset) return !v.has_value();
  const auto w = right_side(d, a);
  if (!v || !w) return false;
  switch (t.a) {
    case lt:
      return *v < *w;
    case le:
      return *v <= *w;
    case eq:
      return *v == *w;
    case ne:
      return *v != *w;
    case ge:
      return *v >= *w;
    default:
      return *v > *w;
  }
}
void flowint_change(const PostAction& p, MatchServices& m) {
  auto* d = m.flow_data();
  if (!d) return;
  const auto& a = *static_cast<const FlowIntArgument*>(p.data.get());
  const auto w = right_side(d, a);
  if (!w) return;
  for (auto& [k, v] : d->ints)
    if (k == a.name) {
      v = p.a == set ? *w : p.a == add ? v + *w : v - *w;
      return;
    }
  if (d->ints.size() < FlowData::max_vars * 4 && p.a != sub) d->ints.emplace_back(a.name, *w);
}

Status flowint(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  if (parts.size() < 2 || parts[0].empty()) return bad("needs name,command");
  auto a = std::make_shared<FlowIntArgument>();
  a->name = variable_id(parts[0]);
  auto& order = b.rule().order_flowint;
  const auto command = parts[1];
  static constexpr std::pair<std::string_view, std::uint64_t> commands[] = {{"<", lt},
                                                                            {"<=", le},
                                                                            {"==", eq},
                                                                            {"!=", ne},
                                                                            {">=", ge},
                                                                            {">", gt},
                                                                            {"isset", isset},
                                                                            {"isnotset", isnotset},
                                                                            {"notset", isnotset},
                                                                            {"=", set},
                                                                            {"+", add},
                                                                            {"-", sub}};
  const auto* found = std::find_if(std::begin(commands), std::end(commands),
                                   [&](const auto& c) { return c.first == command; });
  if (found == std::end(commands)) return bad("unknown command '" + std::string(command) + "'");
  const auto code = found->second;
  if (code != isset && code != isnotset) {
    if (parts.size() != 3) return bad("needs name,command,value");
    if (const auto v = parse_unsigned(parts[2])) {
      if (*v > UINT32_MAX) return bad("value is over 32 bits");
      a->value = static_cast<std::uint32_t>(*v);
    } else {
      a->other = variable_id(parts[2]);
    }
  }
  if (code >= set) {
    PostAction p;
    p.run = &flowint_change;
    p.a = code;
    p.data = a;
    b.action(std::move(p));
    order = order == 2 || order == 3 ? 3 : 4;
  } else {
    PacketTest t;
    t.test = &flowint_test;
    t.a = code;
    t.data = a;
    t.require_packet = false;
    b.test(std::move(t));
    order = order == 4 || order == 3 ? 3 : 2;
  }
  return {};
}

// --------------------------------------------------------------------------- flowvar, pktvar

struct VarArgument {
  std::uint32_t name = 0;
  std::string octets;
  bool negated = false;
};
bool flowvar_test(const PacketTest& t, MatchServices& m) {
  const auto& a = *static_cast<const VarArgument*>(t.data.get());
  const auto* d = m.flow_data_if_any();
  if (!d) return false;
  for (const auto& [k, v] : d->vars)
    if (k == a.name) return (v.find(a.octets) != std::string::npos) != a.negated;
  return false;
}
/// Captured by a rule that was looked at before, for the same packet.
bool pktvar_test(const PacketTest& t, MatchServices& m) {
  const auto& a = *static_cast<const VarArgument*>(t.data.get());
  if (m.packet_vars == nullptr) return false;
  for (const auto& v : *m.packet_vars)
    if (v.name.empty() && v.id == a.name)
      return (v.value.find(a.octets) != std::string::npos) != a.negated;
  return false;
}
template <bool (*Test)(const PacketTest&, MatchServices&), std::uint8_t Rule::* Order>
Status variable(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto comma = o.value.find(',');
  if (comma == std::string_view::npos) return bad("needs name,\"value\"");
  auto a = std::make_shared<VarArgument>();
  a->name = variable_id(trim(o.value.substr(0, comma)));
  auto v = trim(o.value.substr(comma + 1));
  if (v.starts_with('!')) {
    a->negated = true;
    v = trim(v.substr(1));
  }
  if (const auto q = unquote(v)) v = *q;
  auto octets = decode_content(v);
  if (!octets) return bad(octets.error());
  a->octets = std::move(*octets);
  PacketTest t;
  t.test = Test;
  t.data = a;
  t.require_packet = false;
  b.test(std::move(t));
  auto& order = b.rule().*Order;
  order = order == 4 || order == 3 ? 3 : 2;
  return {};
}

// --------------------------------------------------------------------------- xbits, hostbits

struct HostBit {
  std::uint64_t kind = kind_xbit;
  std::uint32_t name = 0;
  enum class Track : std::uint8_t { src, dst, pair, tx } track = Track::src;
  std::int64_t seconds = xbit_seconds;  ///< 0: no expiry
};
CounterTable::Key key_of(const HostBit& h, const MatchServices& m) {
  const auto& p = *m.packet;
  switch (h.track) {
    case HostBit::Track::src:
      return address_key(h.kind, h.name, &p.src, nullptr);
    case HostBit::Track::dst:
      return address_key(h.kind, h.name, &p.dst, nullptr);
    case HostBit::Track::pair: {
      const bool swap = p.dst < p.src;  // a pair has no order
      return address_key(h.kind, h.name, swap ? &p.dst : &p.src, swap ? &p.src : &p.dst);
    }
    case HostBit::Track::tx:
      break;
  }
  auto k = address_key(h.kind + 16, h.name, nullptr, nullptr);
  const std::uint64_t flow = m.flow ? m.flow->id : 0, tx = m.tx ? m.tx->id : 0;
  std::memcpy(k.addresses.data(), &flow, 8);
  std::memcpy(k.addresses.data() + 8, &tx, 8);
  return k;
}
bool host_test(const PacketTest& t, MatchServices& m) {
  if (m.packet->ip_version == 0) return false;
  const auto& h = *static_cast<const HostBit*>(t.data.get());
  return m.shared->bits.contains(key_of(h, m), m.now_us) == (t.a != 0);
}
void host_change(const PostAction& a, MatchServices& m) {
  if (m.packet->ip_version == 0) return;
  const auto& h = *static_cast<const HostBit*>(a.data.get());
  m.shared->bits.with(key_of(h, m), m.now_us, [&](CounterTable::Entry& e) {
    const bool have = e.used && (e.until_us == 0 || e.until_us > m.now_us);
    const bool wanted = a.b == 0 || (a.b == 2 && !have);
    e.used = wanted;
    if (wanted) e.until_us = h.seconds ? m.now_us + h.seconds * 1'000'000 : 0;
  });
}

Status host_bit(RuleBuilder& b, std::string_view command, std::shared_ptr<HostBit> h,
                std::uint8_t& order) {
  if (command == "isset" || command == "isnotset") {
    PacketTest t;
    t.test = &host_test;
    t.a = command == "isset";
    t.data = std::move(h);
    t.require_packet = false;
    b.test(std::move(t));
    order = order == 4 || order == 3 ? 3 : 2;
    return {};
  }
  PostAction a;
  a.run = &host_change;
  if (command == "set")
    a.b = 0;
  else if (command == "unset")
    a.b = 1;
  else if (command == "toggle")
    a.b = 2;
  else
    return bad("'" + std::string(command) +
               "' is not set, unset, toggle, isset, isnotset or noalert");
  a.data = std::move(h);
  b.action(std::move(a));
  order = order == 2 || order == 3 ? 3 : 4;
  return {};
}

Status xbits(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  const auto command = parts[0];
  if (command == "noalert") {
    b.rule().info.noalert = true;
    return {};
  }
  if (parts.size() < 3) return bad("needs command,name,track");
  auto h = std::make_shared<HostBit>();
  h->name = variable_id(parts[1]);
  for (std::size_t i = 2; i < parts.size(); ++i) {
    const auto words = split_words(parts[i]);
    if (words.size() != 2) return bad("unknown part '" + std::string(parts[i]) + "'");
    if (words[0] == "track") {
      if (words[1] == "ip_src")
        h->track = HostBit::Track::src;
      else if (words[1] == "ip_dst")
        h->track = HostBit::Track::dst;
      else if (words[1] == "ip_pair")
        h->track = HostBit::Track::pair;
      else if (words[1] == "tx")
        h->track = HostBit::Track::tx;
      else
        return bad("track is ip_src, ip_dst, ip_pair or tx");
    } else if (words[0] == "expire") {
      const auto v = parse_unsigned(words[1]);
      if (!v || *v == 0 || *v > UINT32_MAX) return bad("expire is a number of seconds");
      h->seconds = static_cast<std::int64_t>(*v);
    } else {
      return bad("unknown part '" + std::string(parts[i]) + "'");
    }
  }
  return host_bit(b, command, std::move(h), b.rule().order_xbits);
}
Status hostbits(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  const auto command = parts[0];
  if (command == "noalert") {
    b.rule().info.noalert = true;
    return {};
  }
  if (parts.size() < 2 || parts.size() > 4)
    return bad("needs command,name and at most a side and seconds");
  auto h = std::make_shared<HostBit>();
  h->kind = kind_hostbit;
  h->seconds = 0;
  h->name = variable_id(parts[1]);
  if (parts.size() == 4) {
    const auto v = parse_unsigned(parts[3]);
    if (!v || *v == 0 || *v > UINT32_MAX)
      return bad("'" + std::string(parts[3]) + "' is not a number of seconds");
    h->seconds = static_cast<std::int64_t>(*v);
  }
  if (parts.size() >= 3) {
    if (parts[2] == "src")
      h->track = HostBit::Track::src;
    else if (parts[2] == "dst")
      h->track = HostBit::Track::dst;
    else if (parts[2] == "both")
      return bad("'both' is not supported by the language: name src or dst");
    else
      return bad("side is src or dst");
  }
  return host_bit(b, command, std::move(h), b.rule().order_hostbits);
}

const KeywordRegistration registration{{
    {.name = "flowbits",
     .group = "state",
     .summary = "set and test named bits of the flow",
     .example = "flowbits:set,login.seen;",
     .notes = "set, unset, toggle, isset (a|b: any of them), isnotset, noalert",
     .setup = &flowbits},
    {.name = "flowint",
     .group = "state",
     .summary = "count with named integers of the flow",
     .example = "flowint:tries,+,1;",
     .notes = "= + - < <= == != >= > isset isnotset",
     .setup = &flowint},
    {.name = "flowvar",
     .group = "state",
     .summary = "test a value that a pcre captured in the flow",
     .example = "flowvar:user,\"admin\";",
     .setup = &variable<flowvar_test, &Rule::order_flowvar>},
    {.name = "pktvar",
     .group = "state",
     .summary = "test a value that a pcre captured for the packet",
     .example = "pktvar:user,\"admin\";",
     .setup = &variable<pktvar_test, &Rule::order_pktvar>},
    {.name = "xbits",
     .group = "state",
     .summary = "set and test bits of hosts or pairs of hosts, with expiry",
     .example = "xbits:set,scanner,track ip_src,expire 3600;",
     .setup = &xbits},
    {.name = "hostbits",
     .group = "state",
     .summary = "set and test bits of hosts",
     .example = "hostbits:set,scanner,src;",
     .notes = "a number after the side is when a bit that is set runs out, in seconds",
     .setup = &hostbits},
}};

}  // namespace
}  // namespace ww::sig
