/// `minute`: compares the minute of a time field, in UTC.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return time_part(item, "minute", TimePart::minute);
}

const ModifierRegistration registration{{
    .name = "minute",
    .summary = "minute of a time field",
    .example = "LogTime|minute|gte: 5",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
