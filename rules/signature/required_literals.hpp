#pragma once
/// What every match of a regular expression must hold: looked for before the expression is run,
/// at a hundredth of its cost.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ww::sig {

struct RequiredLiterals {
  std::vector<std::string> list;  ///< lower case when nocase; the most telling first
  bool nocase = false;
};

/// Runs of two or more literal octets that stand outside of groups, classes and alternatives, so
/// that no match can be without any of them; at most three. Where the syntax leaves a doubt, none.
/// Source: pcre2pattern(3).
/// @param options  PCRE2_* as given to the compiler; the pattern is one that compiles
[[nodiscard]] RequiredLiterals required_literals(std::string_view pattern, std::uint32_t options);

/// Whether these PCRE2_* options leave the syntax as it is without any (PCRE2_EXTENDED does not).
[[nodiscard]] bool usual_syntax(std::uint32_t options);

/// How much a literal tells apart: distinct octets count by how rare they are in traffic, repeats
/// count little.
[[nodiscard]] int strength(std::string_view literal);

}  // namespace ww::sig
