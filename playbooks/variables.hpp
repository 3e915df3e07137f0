#pragma once
/// Variables of a run: scopes, and `__name__:value` (also `$$name$$:value`) put into text.
#include <optional>
#include <string>
#include <string_view>

#include "playbooks/playbook.hpp"

namespace ww::playbooks {

/// The variable that a whole reference names: "__ip__:value", "$$ip$$.value" or "__ip__" to
/// "__ip__".
[[nodiscard]] std::optional<std::string> variable_in(std::string_view reference);

/// Playbook variables with the step's own in front.
struct Scope {
  Variables* outer = nullptr;
  Variables* inner = nullptr;  ///< may be null
  [[nodiscard]] const Variable* find(std::string_view name) const;
  /// @return false when it is unknown or constant
  bool set(std::string_view name, std::string value) const;
};

/// Replaces every reference by its value; one that has none stays as written.
/// @param unknown  names of those, when wanted
[[nodiscard]] std::string substitute(std::string_view text, const Scope& scope,
                                     std::vector<std::string>* unknown = nullptr);
/// A value of a declared type fits it ("integer", "ipv4-addr", ...; types we do not know take all).
[[nodiscard]] bool fits(std::string_view type, std::string_view value);
/// For conditions.
[[nodiscard]] PatternLookup lookup_in(const Scope& scope);

}  // namespace ww::playbooks
