/// `contains`: the value occurs anywhere in the field (modifier appendix, generic modifiers). After
/// `fieldref` it says how the two fields compare.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> change(Operand& value) {
  value.str.prepend_many();
  value.str.append_many();
  return {};
}

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  if (!item.values.empty() && item.values[0].kind == Operand::Kind::fieldref) {
    for (auto& value : item.values) value.ref = RefMode::contains;
    return {};
  }
  for (auto& value : item.values)
    if (value.kind == Operand::Kind::regex) return {};  // an expression searches anywhere already
  return each_string(item, "contains", &change);
}

const ModifierRegistration registration{{
    .name = "contains",
    .summary = "the value occurs anywhere in the field",
    .example = "Image|contains: 'abc'",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
