/// `m` after `re`: `^` and `$` match at line ends.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  for (auto& value : item.values) {
    if (value.kind != Operand::Kind::regex) return fail(std::string("|m belongs after |re"));
    value.regex_m = true;
  }
  return {};
}

const ModifierRegistration registration{{
    .name = "m",
    .summary = "regular expression flag: ^ and $ match at line ends",
    .example = "CommandLine|re|m: 'abc'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
