/// `lte`: the field is a number at most the value.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return each_number(item, "lte", Compare::lte);
}

const ModifierRegistration registration{{
    .name = "lte",
    .summary = "number at most the value",
    .example = "Port|lte: 1024",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
