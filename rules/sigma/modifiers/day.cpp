/// `day`: compares the day of the month of a time field, in UTC.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return time_part(item, "day", TimePart::day);
}

const ModifierRegistration registration{{
    .name = "day",
    .summary = "day of the month of a time field",
    .example = "LogTime|day|gte: 5",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
