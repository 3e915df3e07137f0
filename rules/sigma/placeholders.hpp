#pragma once
/// The site's values for %placeholders%: a YAML map from name to a value or a list of values.
#include <map>
#include <string>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::sigma {

[[nodiscard]] Result<std::map<std::string, std::vector<std::string>>, Problem> read_placeholders(
    const std::string& path);

}  // namespace ww::sigma
