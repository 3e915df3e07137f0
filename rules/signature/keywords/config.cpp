/// config: what the sensor does with what the rule matched.
#include "rules/signature/keyword.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {
namespace {

void no_log(const PostAction&, MatchServices& m) {
  if (m.tx != nullptr) m.tx->no_log = true;
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
  if (action != "disable") return bad("the action is disable");
  if (subsystem != "logging") return bad("only logging can be disabled by a rule");
  if (words(parts[1]) != std::pair<std::string_view, std::string_view>{"type", "tx"} ||
      words(parts[2]) != std::pair<std::string_view, std::string_view>{"scope", "tx"})
    return bad("logging goes with type tx, scope tx");
  PostAction a;
  a.run = &no_log;
  b.action(std::move(a));
  return {};
}

const KeywordRegistration registration{{
    {.name = "config",
     .group = "meta",
     .summary = "write no records of the transaction that matched",
     .example = "config:logging disable, type tx, scope tx;",
     .notes = "with the action config the rule itself stays silent",
     .setup = &config},
}};

}  // namespace
}  // namespace ww::sig
