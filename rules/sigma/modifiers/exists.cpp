/// `exists`: whether the event has the field at all; null and empty values count as having it.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  for (auto& value : item.values) {
    std::optional<bool> wanted;
    if (value.kind == Operand::Kind::boolean) wanted = value.flag;
    if (value.raw == "yes" || value.raw == "true") wanted = true;
    if (value.raw == "no" || value.raw == "false") wanted = false;
    if (!wanted) return fail("|exists needs true or false, not '" + value.raw + "'");
    value.kind = Operand::Kind::exists;
    value.flag = *wanted;
  }
  if (item.field.empty()) return fail(std::string("|exists needs a field"));
  return {};
}

const ModifierRegistration registration{{
    .name = "exists",
    .summary = "whether the field is there",
    .example = "ObjectName|exists: true",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
