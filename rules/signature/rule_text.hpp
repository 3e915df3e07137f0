#pragma once
/// A rule as it is written: header words and options, not yet understood. What loading, `rules
/// diff` and `rules update` share.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/keyword.hpp"
#include "telemetry/result.hpp"

namespace ww::sig {

/// Words of a header; a group in brackets may hold blanks.
[[nodiscard]] std::vector<std::string_view> header_words(std::string_view text);

/// Splits what stands between the parentheses at every `;` that no backslash stands before.
/// @param column  of body's first octet in the rule, for Option::column
[[nodiscard]] std::vector<Option> split_options(std::string_view body, std::uint32_t column,
                                                Status& status);

/// A line of a rule file that is a rule, or one that `#` switches off.
struct RuleLine {
  bool enabled = true;
  std::string text;  ///< from the action to the closing parenthesis, without `#`
  std::string action, header;
  struct Item {
    std::string keyword, value;
    bool has_value = false;
    bool operator==(const Item&) const = default;
  };
  std::vector<Item> options;
  std::uint32_t gid = 1, sid = 0, rev = 0;
  std::string msg;  ///< without quotes
  std::uint32_t line = 0;
  std::string file;

  /// The first option of that name, or null.
  [[nodiscard]] const Item* find(std::string_view keyword) const;
};

/// Reads one line (continuations joined). Nothing when it is a comment, blank, or no rule.
[[nodiscard]] std::optional<RuleLine> read_rule_line(std::string_view line);

/// All rules of a text, those switched off included, in file order.
[[nodiscard]] std::vector<RuleLine> read_rule_lines(std::string_view text, const std::string& file);

/// A folder's *.rules files at any depth in name order, or the path itself.
[[nodiscard]] std::vector<std::string> list_rule_files(const std::string& path);

/// read_rule_lines of a file or of list_rule_files. Fails when one cannot be read.
[[nodiscard]] Result<std::vector<RuleLine>, Problem> read_rule_files(const std::string& path);

}  // namespace ww::sig
