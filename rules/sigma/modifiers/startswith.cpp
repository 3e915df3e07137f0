/// `startswith`: the value is the beginning of the field (modifier appendix, generic modifiers).
/// After `fieldref` it says how the two fields compare.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> change(Operand& value) {
  value.str.append_many();
  return {};
}

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  if (!item.values.empty() && item.values[0].kind == Operand::Kind::fieldref) {
    for (auto& value : item.values) value.ref = RefMode::startswith;
    return {};
  }
  return each_string(item, "startswith", &change);
}

const ModifierRegistration registration{{
    .name = "startswith",
    .summary = "the value is the beginning of the field",
    .example = "Image|startswith: 'abc'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
