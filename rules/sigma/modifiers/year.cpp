/// `year`: compares the year of a time field, in UTC.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return time_part(item, "year", TimePart::year);
}

const ModifierRegistration registration{{
    .name = "year",
    .summary = "year of a time field",
    .example = "LogTime|year|gte: 5",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
