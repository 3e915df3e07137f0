/// `gt`: the field is a number above the value.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_number(item, "gt", Compare::gt);
}

const ModifierRegistration registration{{
    .name = "gt",
    .summary = "number above the value",
    .example = "Port|gt: 1024",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
