/// What protocol detection and parsers say: app-layer-protocol, app-layer-event, decode-event,
/// stream-event, frame.
#include <algorithm>

#include "rules/signature/protocols.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

struct ProtocolArgument {
  std::vector<AppProto> wanted;
  bool negated = false, failed = false;
  enum class Mode : std::uint8_t {
    direction,
    final,
    original,
    to_server,
    to_client,
    either
  } mode = Mode::direction;
};

bool protocol_test(const PacketTest& t, MatchServices& m) {
  if (!m.flow) return false;
  const auto& a = *static_cast<const ProtocolArgument*>(t.data.get());
  const auto& f = *m.flow;
  using M = ProtocolArgument::Mode;
  const auto failed = app_protos().find("failed");
  // Unknown so far decides nothing, not even a negation.
  const auto holds = [&](AppProto have, bool& known) {
    if (a.failed) {
      known = f.app_proto_done;
      return have == AppProto{} || have == failed;
    }
    known = have != AppProto{} || f.app_proto_done;
    return std::find(a.wanted.begin(), a.wanted.end(), have) != a.wanted.end();
  };
  bool known = false;
  const auto decide = [&](AppProto have) {
    const bool yes = holds(have, known);
    return known && yes != a.negated;
  };
  const auto by_dir = [&](Dir d) {
    return f.app_proto_dir[index(d)] != AppProto{} ? f.app_proto_dir[index(d)] : AppProto{};
  };
  switch (a.mode) {
    case M::direction: {
      const auto own = by_dir(m.packet->dir);
      return decide(own != AppProto{} || m.packet->ip_proto != 6
                        ? (own != AppProto{} ? own : f.app_proto)
                        : f.app_proto);
    }
    case M::final:
      return decide(f.app_proto);
    case M::original:
      return decide(f.app_proto_original);
    case M::to_server:
      return decide(by_dir(Dir::to_server));
    case M::to_client:
      return decide(by_dir(Dir::to_client));
    case M::either: {
      bool ts_known = false, tc_known = false;
      const bool ts = holds(by_dir(Dir::to_server), ts_known),
                 tc = holds(by_dir(Dir::to_client), tc_known);
      if (a.negated) return (ts_known && !ts) || (tc_known && !tc);
      return (ts_known && ts) || (tc_known && tc);
    }
  }
  return false;
}

Status protocol(RuleBuilder& b, const Option& o, const Keyword&) {
  auto a = std::make_shared<ProtocolArgument>();
  const auto parts = split_list(o.value);
  auto name = parts[0];
  if (name.starts_with('!')) {
    a->negated = true;
    name = trim(name.substr(1));
  }
  if (name == "failed" || name == "unknown") {
    a->failed = true;
  } else {
    const auto family = protocol_family(lower(name));
    for (const auto p : family) a->wanted.push_back(app_protos().intern(p));
    if (a->wanted.empty()) {
      const auto known = app_protos().find(lower(name));
      if (known == AppProto{}) return bad("unknown protocol '" + std::string(name) + "'");
      a->wanted.push_back(known);
    }
  }
  using M = ProtocolArgument::Mode;
  if (parts.size() > 2) return bad("has too many parts");
  if (parts.size() == 2) {
    const auto mode = parts[1];
    if (mode == "final")
      a->mode = M::final;
    else if (mode == "original")
      a->mode = M::original;
    else if (mode == "to_server" || mode == "toserver")
      a->mode = M::to_server;
    else if (mode == "to_client" || mode == "toclient")
      a->mode = M::to_client;
    else if (mode == "either")
      a->mode = M::either;
    else if (mode != "direction")
      return bad("'" + std::string(mode) +
                 "' is not direction, final, original, either, to_server or to_client");
  }
  PacketTest t;
  t.test = &protocol_test;
  t.data = a;
  t.require_packet = false;
  t.app_protocol = true;
  b.test(std::move(t));
  return {};
}

// --------------------------------------------------------------------------- events

bool packet_event(const PacketTest& t, MatchServices& m) {
  const auto events = m.packet->events();
  return std::find(events.begin(), events.end(), t.event) != events.end();
}
template <char Kind>  // 'd' decoder, 's' stream
Status packet_event_keyword(RuleBuilder& b, const Option& o, const Keyword&) {
  auto name = lower(trim(o.value));
  const std::string_view prefix = Kind == 'd' ? "decoder." : "stream.";
  if (!name.starts_with(prefix)) name = std::string(prefix) + name;
  PacketTest t;
  t.test = &packet_event;
  t.event = events().intern(name);
  t.text = name;
  t.require_packet = false;
  b.test(std::move(t));
  return {};
}

/// Names of older rule files for events that are called otherwise now.
std::string_view current_event(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> old[] = {
      {"ike.weak_crypto_nodh", "ike.weak_crypto_no_dh"},
      {"ike.weak_crypto_noauth", "ike.weak_crypto_no_auth"}};
  for (const auto& [before, now] : old)
    if (before == name) return now;
  return name;
}

Status app_event(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto name = lower(trim(o.value));
  const auto dot = name.find('.');
  if (dot == std::string::npos && !name.starts_with("applayer_"))
    return bad("needs protocol.event");
  if (name.starts_with("applayer_")) {
    // Found by protocol detection, not by a parser.
    PacketTest t;
    t.test = &packet_event;
    t.event =
        events().intern("applayer." + name);  // the packet on which detection found it carries it
    t.text = name;
    t.require_packet = false;
    b.rule().app_layer_event_packet = true;
    b.test(std::move(t));
    return {};
  }
  const auto proto = name.substr(0, dot);
  auto family = protocol_family(proto);
  if (family.empty() && app_protos().find(proto) == AppProto{})
    return bad("unknown protocol '" + proto + "'");
  std::string list;
  for (const auto p : family) (list += p) += ',';
  if (list.empty()) list = proto + ",";
  list.pop_back();
  if (auto ok = b.restrict_protos(std::string_view(list)); !ok) return ok;
  Stage s;
  s.kind = Stage::Kind::event;
  s.name = "app-layer-event:" + name;
  // A protocol's other names ("ikev2", "ssl") mean the same events.
  const auto whole = std::string(protocol_name(proto)) + name.substr(dot);
  const auto event = current_event(whole);
  if (events().find(event) == EventId{} && has_registered_events(protocol_name(proto)))
    return bad("'" + proto + "' has no event '" + name.substr(dot + 1) + "'");
  s.event = events().intern(event);
  b.add_stage(std::move(s));
  return {};
}

Status frame(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto name = trim(o.value);
  Stage s;
  s.kind = Stage::Kind::frame;
  s.name = "frame:" + std::string(name);
  // A name may be whole ("http1.request") or belong to the header's protocol ("request",
  // "smb2.data").
  const auto& header = b.rule().header_proto;
  s.frames.push_back(frame_types().intern(name));
  const auto add = [&](std::string full) {
    const auto id = frame_types().intern(full);
    if (std::find(s.frames.begin(), s.frames.end(), id) == s.frames.end()) s.frames.push_back(id);
  };
  add(header + "." + std::string(name));
  if (header == "http" || header == "http1") {
    add("http1." + std::string(name));
    add("http." + std::string(name));
  }
  if (name.starts_with("http1.")) add("http." + std::string(name.substr(6)));
  if (header == "tcp" || header == "udp" || header == "ip") {
    const auto dot = name.find('.');
    if (dot == std::string_view::npos)
      return bad("needs protocol.frame when the rule's header names no protocol");
    auto family = protocol_family(name.substr(0, dot));
    std::string list;
    for (const auto p : family) (list += p) += ',';
    if (!list.empty()) {
      list.pop_back();
      if (auto ok = b.restrict_protos(std::string_view(list)); !ok) return ok;
    }
  }
  // Even a frame keyword without content is a condition: the frame exists.
  b.select(s);
  (void)b.stage();
  return {};
}

const KeywordRegistration registration{{
    {.name = "app-layer-protocol",
     .group = "app-layer",
     .summary = "protocol that was detected",
     .example = "app-layer-protocol:!tls;",
     .notes = "second part: direction, final, original, either, to_server, to_client; `failed` "
              "when detection gave up",
     .setup = &protocol},
    {.name = "app-layer-event",
     .group = "app-layer",
     .summary = "something a protocol parser found wrong",
     .example = "app-layer-event:http.request_header_invalid;",
     .setup = &app_event},
    {.name = "decode-event",
     .group = "app-layer",
     .summary = "something the decoder found wrong",
     .example = "decode-event:ipv4.trunc_pkt;",
     .setup = &packet_event_keyword<'d'>},
    {.name = "stream-event",
     .group = "app-layer",
     .summary = "something TCP reassembly found wrong",
     .example = "stream-event:reassembly_seq_gap;",
     .setup = &packet_event_keyword<'s'>},
    {.name = "engine-event",
     .group = "app-layer",
     .summary = "same as decode-event",
     .example = "engine-event:ipv4.trunc_pkt;",
     .setup = &packet_event_keyword<'d'>},
    {.name = "frame",
     .group = "app-layer",
     .summary = "a protocol data unit as a sticky buffer",
     .example = "frame:http1.request; content:\"GET\"; startswith;",
     .setup = &frame},
}};

}  // namespace
}  // namespace ww::sig
