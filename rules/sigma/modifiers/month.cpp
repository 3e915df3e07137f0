/// `month`: compares the month of a time field, in UTC.
#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

Result<void, std::string> apply(Item& item, const ModifierContext&) {
  return time_part(item, "month", TimePart::month);
}

const ModifierRegistration registration{{
    .name = "month",
    .summary = "month of a time field",
    .example = "LogTime|month|gte: 5",
    .apply = &apply,
}};

}  // namespace
}  // namespace ww::sigma
