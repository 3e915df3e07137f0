#pragma once
/// Why an alert: the collector's explanations (JSON) as lines for people.
#include <boost/json/value.hpp>
#include <string>

namespace ww::ctl {

/// Of a Sigma rule: its condition tree, each node with its truth and the value that made it so. Of
/// a correlation: what it asks for, the group, the events that met it. Anything else as it is.
[[nodiscard]] std::string explanation_lines(const boost::json::value& explanation);

}  // namespace ww::ctl
