/// `s` after `re`: `.` matches line ends.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  for (auto& value : item.values) {
    if (value.kind != Operand::Kind::regex) return fail(std::string("|s belongs after |re"));
    value.regex_s = true;
  }
  return {};
}

const ModifierRegistration registration{{
    .name = "s",
    .summary = "regular expression flag: . matches line ends",
    .example = "CommandLine|re|s: 'abc'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
