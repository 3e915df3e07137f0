/// `week`: compares the week (ISO 8601 week) of a time field, in UTC.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return time_part(item, "week", TimePart::week);
}

const ModifierRegistration registration{{
    .name = "week",
    .summary = "week (ISO 8601 week) of a time field",
    .example = "LogTime|week|gte: 5",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
