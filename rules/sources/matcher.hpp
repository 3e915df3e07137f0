#pragma once
/// Which rules a line of enable.conf, disable.conf, drop.conf or modify.conf means, as
/// suricata-update reads them: SID, GID:SID, GID:SID:REV (several with commas), `*`, `re:`,
/// `group:`, `filename:`, a bare NAME.rules, `metadata: key value`.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/rule_text.hpp"
#include "telemetry/result.hpp"

namespace ww::sources {

class RuleMatcher {
 public:
  virtual ~RuleMatcher() = default;
  /// RuleLine::file is the rule's group: the path inside an archive, or the file's path.
  [[nodiscard]] virtual bool matches(const sig::RuleLine& rule) const = 0;
};

/// Fails with what is wrong with the text.
[[nodiscard]] Result<std::unique_ptr<RuleMatcher>, std::string> parse_matcher(
    std::string_view text);

/// Lines of a list file that say something: without comments (`#` first, or after a blank) and
/// blanks around.
struct ListLine {
  std::string text;
  std::uint32_t line = 0;
};
[[nodiscard]] std::vector<ListLine> list_lines(std::string_view text);

/// All matchers of a list file; the Problem names file and line.
[[nodiscard]] Result<std::vector<std::unique_ptr<RuleMatcher>>, Problem> load_matchers(
    const std::string& path);

/// A file as one text.
[[nodiscard]] Result<std::string, Problem> read_file(const std::string& path);

}  // namespace ww::sources
