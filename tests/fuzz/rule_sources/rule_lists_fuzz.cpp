/// Lists and rules from octets: lists, a NUL, rules. Every list is read as each kind; what comes
/// out must be rules that read back as they were written.
#include <cstdint>
#include <string>

#include "rules/signature/rule_diff.hpp"
#include "rules/sources/edits.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::sources;
  if (size > 8192) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto nul = all.find('\0');
  if (nul == std::string_view::npos) return 0;
  Lists lists;
  std::size_t n = 0;
  for (const auto& line : list_lines(all.substr(0, nul))) {
    if (++n > 16) break;
    if (auto m = parse_matcher(line.text)) {
      auto& to = n % 3 == 0 ? lists.disable : n % 3 == 1 ? lists.enable : lists.drop;
      to.push_back(std::move(*m));
    }
    if (auto e = parse_edit(line.text)) lists.modify.push_back(std::move(*e));
  }
  const auto before = ww::sig::read_rule_lines(all.substr(nul + 1), "fuzz.rules");
  auto rules = before;
  EditFigures figures;
  merge_duplicates(rules, figures);
  apply_lists(rules, lists, figures);
  resolve_flowbits(rules, figures);
  (void)ww::sig::diff_rules(before, rules);
  if (!ww::sig::diff_rules(rules, rules).empty()) __builtin_trap();
  for (const auto& r : rules) {
    const auto again = ww::sig::read_rule_line(format_rule(r));
    if (!again || again->text != r.text || again->enabled != r.enabled || again->sid != r.sid)
      __builtin_trap();
  }
  return 0;
}
