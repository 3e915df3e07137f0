/// `i` after `re`: ignores case.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  for (auto& value : item.values) {
    if (value.kind != Operand::Kind::regex) return fail(std::string("|i belongs after |re"));
    value.regex_i = true;
  }
  return {};
}

const ModifierRegistration registration{{
    .name = "i",
    .summary = "regular expression flag: ignores case",
    .example = "CommandLine|re|i: 'abc'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
