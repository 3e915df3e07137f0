/// `cased`: comparison minds upper and lower case.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  item.cased = true;
  return {};
}

const ModifierRegistration registration{{
    .name = "cased",
    .summary = "case-sensitive comparison",
    .example = "Image|cased: 'Abc'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
