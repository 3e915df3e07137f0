#pragma once
/// Sigma value modifiers. One file each in rules/sigma/modifiers/, registered by name; they run in
/// the order in which the rule writes them and change the item in place.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/sigma/detection.hpp"
#include "telemetry/result.hpp"

namespace ww::sigma {

using Placeholders = std::map<std::string, std::vector<std::string>>;

struct ModifierContext {
  const Placeholders* placeholders = nullptr;
  bool keep_placeholders = false;  ///< a pipeline will fill them in
};

struct Modifier {
  std::string_view name;
  std::string_view summary;
  std::string_view example;  ///< a detection item that uses it; the tests compile every one
  /// @return what is wrong with the item, in words, or nothing
  Result<void, std::string> (*apply)(Item& item, const ModifierContext& context);
};

/// All modifiers by name. A duplicate name ends the process at start-up.
[[nodiscard]] const std::map<std::string_view, Modifier>& modifiers();

struct ModifierRegistration {
  explicit ModifierRegistration(const Modifier& modifier);
};

// What several modifiers share.

/// Applies `change` to every string value; other kinds are an error that names the modifier.
[[nodiscard]] Result<void, std::string> each_string(
    Item& item, std::string_view modifier, Result<void, std::string> (*change)(Operand& value));
/// Replaces every plain string by one or more others; dashes are written out first, wildcards
/// refused.
[[nodiscard]] Result<void, std::string> each_plain(
    Item& item, std::string_view modifier,
    std::vector<std::string> (*change)(const std::string& octets));
/// Turns every value into a numeric comparison.
[[nodiscard]] Result<void, std::string> each_number(Item& item, std::string_view modifier,
                                                    Compare op);
/// Marks the item as one about a part of a time.
[[nodiscard]] Result<void, std::string> time_part(Item& item, std::string_view modifier,
                                                  TimePart part);
/// UTF-8 to UTF-16; octets that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string to_utf16(std::string_view text, bool big_endian);
/// A number as text reads it: decimal or hexadecimal integer, or decimal fraction.
[[nodiscard]] std::optional<double> number_of(std::string_view text);

}  // namespace ww::sigma
