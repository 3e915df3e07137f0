/// config: what the sensor does with what the rule matched.
#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

enum : std::uint64_t { transactions, flow_record };

/// `scope tx`: the transaction at hand; `scope flow`: all that its flow still brings.
void no_log(const PostAction& a, MatchServices& m) {
  if (a.b == 0) {
    if (m.tx != nullptr) m.tx->no_log = true;
    return;
  }
  if (m.flow == nullptr) return;
  (a.a == transactions ? m.flow->no_tx_log : m.flow->no_flow_log) = true;
}
void untrack(const PostAction&, MatchServices& m) {
  if (m.flow == nullptr) m.packet->untracked = true;
}

Status config(RuleBuilder& b, const Option& o, const Keyword&) {
  const auto parts = split_list(o.value);
  if (parts.size() != 3) return bad("needs a subsystem with an action, a type and a scope");
  const auto words = [](std::string_view text) {
    const auto space = text.find(' ');
    return std::pair{text.substr(0, space), space == std::string_view::npos
                                                ? text.substr(text.size())
                                                : trim(text.substr(space))};
  };
  const auto [subsystem, action] = words(parts[0]);
  const auto [type_word, type] = words(parts[1]);
  const auto [scope_word, scope] = words(parts[2]);
  if (action != "disable") return bad("the action is disable");
  if (type_word != "type" || scope_word != "scope")
    return bad("needs a subsystem with an action, a type and a scope");
  PostAction a;
  if (subsystem == "logging") {
    if (type == "tx" && (scope == "tx" || scope == "flow"))
      a.a = transactions;
    else if (type == "flow" && scope == "flow")
      a.a = flow_record;
    else
      return bad("logging goes with type tx, scope tx or flow, and with type flow, scope flow");
    a.b = scope == "flow";
    a.run = &no_log;
  } else if (subsystem == "tracking") {
    if (type != "flow" || scope != "packet")
      return bad("tracking goes with type flow, scope packet");
    if (b.rule().hook != PacketHook::pre_flow)
      return bad("tracking can only be disabled before there is a flow: write " +
                 b.rule().header_proto + ":pre_flow in the header");
    a.run = &untrack;
  } else {
    return bad("the subsystem is logging or tracking");
  }
  b.action(std::move(a));
  return {};
}

const KeywordRegistration registration{{
    {.name = "config",
     .group = "meta",
     .summary = "write no records of what matched, or keep the packet out of the flow table",
     .example = "config:logging disable, type tx, scope tx;",
     .notes =
         "logging disable with type tx, scope tx or flow, and with type flow, scope flow; tracking "
         "disable, type flow, scope packet at the hook pre_flow; with the action config the rule "
         "itself stays silent",
     .setup = &config},
}};

}  // namespace
}  // namespace ww::sig
