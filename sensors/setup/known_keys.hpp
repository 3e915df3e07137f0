#pragma once
/// Which keys Suricata's configuration has in the sections that have a meaning here, so that a
/// misspelt one is named instead of passed over. Keys that Suricata knows and that have no meaning
/// here are no mistakes.
#include <string>
#include <vector>

#include "telemetry/settings.hpp"

namespace ww::sensor {

struct UnknownKey {
  std::string path;   ///< as written
  std::string where;  ///< file:line, or --set
  std::string
      suggestion;  ///< the last part of the path as it was probably meant; "" when none is near
  [[nodiscard]] std::string text() const;
};

/// Keys of `given` that Suricata does not know, in the sections listed in known_keys.cpp and at the
/// top; at most one for each misspelt word, however much stands below it. In order.
[[nodiscard]] std::vector<UnknownKey> unknown_keys(const Settings& given);

}  // namespace ww::sensor
