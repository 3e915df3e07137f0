/// `hour`: compares the hour of a time field, in UTC.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return time_part(item, "hour", TimePart::hour);
}

const ModifierRegistration registration{{
    .name = "hour",
    .summary = "hour of a time field",
    .example = "LogTime|hour|gte: 5",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
