/// `fieldref`: compares with another field of the same event instead of a value. `contains`,
/// `startswith` and `endswith` before or after it say how.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  if (item.field.empty()) return fail(std::string("|fieldref needs a field"));
  for (auto& value : item.values) {
    if (value.kind != Operand::Kind::string || value.raw.empty())
      return fail(std::string("|fieldref needs the name of a field"));
    const bool front = value.str.starts_with_many(), back = value.str.ends_with_many();
    value.ref = front && back ? RefMode::contains
                : front       ? RefMode::endswith
                : back        ? RefMode::startswith
                              : RefMode::equals;
    value.kind = Operand::Kind::fieldref;
  }
  return {};
}

const ModifierRegistration registration{{
    .name = "fieldref",
    .summary = "compare with another field",
    .example = "User|fieldref: ParentUser",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
