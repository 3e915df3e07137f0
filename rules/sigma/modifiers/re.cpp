/// `re`: the value is a regular expression (PCRE, searched anywhere unless anchored,
/// case-sensitive).
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  for (auto& value : item.values) {
    if (value.kind == Operand::Kind::null)
      return fail(std::string("|re needs an expression, not null"));
    value.kind = Operand::Kind::regex;
  }
  return {};
}

const ModifierRegistration registration{{
    .name = "re",
    .summary = "regular expression",
    .example = "CommandLine|re: '^cmd.*'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
