/// `gte`: the field is a number at least the value.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_number(item, "gte", Compare::gte);
}

const ModifierRegistration registration{{
    .name = "gte",
    .summary = "number at least the value",
    .example = "Port|gte: 1024",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
