/// `all`: every value of the list must match instead of one (modifier appendix, generic modifiers).
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  item.all = true;
  return {};
}

const ModifierRegistration registration{{
    .name = "all",
    .summary = "all values of the list must match",
    .example = "CommandLine|contains|all: ['a', 'b']",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
