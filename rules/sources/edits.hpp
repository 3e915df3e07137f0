#pragma once
/// What an owner's lists do to a set of rules: switch off, switch on, drop, modify, in
/// suricata-update's order; then rules that others need for their flowbits.
#include <memory>
#include <string>
#include <vector>

#include "rules/sources/matcher.hpp"

namespace ww::sources {

/// `MATCH "from" "to"`, `modifysid MATCH "from" | "to"` or `metadata-add MATCH key value`.
class RuleEdit {
 public:
  virtual ~RuleEdit() = default;
  [[nodiscard]] virtual bool matches(const sig::RuleLine& rule) const = 0;
  /// The text with `# ` in front when the rule is off, changed.
  [[nodiscard]] virtual std::string apply(const std::string& text) const = 0;
};
[[nodiscard]] Result<std::unique_ptr<RuleEdit>, std::string> parse_edit(std::string_view line);

/// Words as a POSIX shell splits them: quotes of both kinds, backslash.
[[nodiscard]] Result<std::vector<std::string>, std::string> shell_words(std::string_view text);

struct Lists {
  std::vector<std::unique_ptr<RuleMatcher>> disable, enable, drop;
  std::vector<std::unique_ptr<RuleEdit>> modify;
};
[[nodiscard]] Result<std::vector<std::unique_ptr<RuleEdit>>, Problem> load_edits(
    const std::string& path);

struct EditFigures {
  std::size_t disabled = 0, enabled = 0, dropped = 0, modified = 0;
  std::size_t for_flowbits = 0;  ///< switched on because an active rule reads their bit
  std::size_t duplicates = 0;    ///< left out for a higher revision, or the first of equals
  std::vector<std::string>
      failed_edits;  ///< rules that an edit would have broken, left as they were
};

/// Keeps one rule for each gid and sid: the highest revision, of equals the first.
void merge_duplicates(std::vector<sig::RuleLine>& rules, EditFigures& figures);
void apply_lists(std::vector<sig::RuleLine>& rules, const Lists& lists, EditFigures& figures);
/// Switches on, without alerts, what sets a bit that an active rule tests; until nothing changes.
void resolve_flowbits(std::vector<sig::RuleLine>& rules, EditFigures& figures);

/// The rule as a line of a rules file.
[[nodiscard]] std::string format_rule(const sig::RuleLine& rule);

}  // namespace ww::sources
