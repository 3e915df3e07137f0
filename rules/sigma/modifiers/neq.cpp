/// `neq`: the field differs from the value, from all of them when there are several.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  item.negated = !item.negated;
  return {};
}

const ModifierRegistration registration{{
    .name = "neq",
    .summary = "the field differs from every value",
    .example = "User|neq: 'root'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
