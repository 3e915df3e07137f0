#pragma once
/// The condition language of detections: `and or not ( )`, identifiers, `1|any|all|N of
/// them|pattern*`.
#include <string>
#include <string_view>
#include <vector>

#include "rules/sigma/detection.hpp"
#include "telemetry/result.hpp"

namespace ww::sigma {

/// Parses one condition over the named search identifiers. Quantifiers are resolved here: `1 of
/// sel_*` becomes an or, `all of them` an and (identifiers that begin with `_` are not part of
/// `them`).
/// @return the tree, or what is wrong in words
[[nodiscard]] Result<Condition, std::string> parse_condition(
    std::string_view text, const std::vector<std::string>& identifiers);

}  // namespace ww::sigma
