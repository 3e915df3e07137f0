/// `lt`: the field is a number below the value.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_number(item, "lt", Compare::lt);
}

const ModifierRegistration registration{{
    .name = "lt",
    .summary = "number below the value",
    .example = "Port|lt: 1024",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
