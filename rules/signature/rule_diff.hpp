#pragma once
/// What changed between two sets of rules, rule by rule and option by option.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rules/signature/rule_text.hpp"

namespace ww::sig {

struct OptionChange {
  std::string keyword;  ///< "action", "header" (without action), or the option's
  std::optional<std::string> before, after;
};

struct RuleChange {
  enum class Kind : std::uint8_t { added, removed, changed };
  Kind kind = Kind::changed;
  std::uint32_t gid = 1, sid = 0;
  std::uint32_t old_rev = 0, new_rev = 0;  ///< 0: not there
  bool was_enabled = false, is_enabled = false;
  std::string msg;  ///< of the newer one
  std::vector<OptionChange> options;
  /// "added", "changed, disabled" ...
  [[nodiscard]] std::string summary() const;
};

/// By gid and sid, in that order. Of rules that one side has twice, the higher revision counts, of
/// equal ones the first. White space and the file a rule stands in are no difference.
[[nodiscard]] std::vector<RuleChange> diff_rules(const std::vector<RuleLine>& before,
                                                 const std::vector<RuleLine>& after);

}  // namespace ww::sig
