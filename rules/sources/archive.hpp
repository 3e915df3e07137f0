#pragma once
/// Rule files out of a download: a tar (gzip, xz, zstd, bzip2) or zip archive, or the rules
/// themselves. Nothing is written to disk and no name of an archive is used as a path.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::sources {

struct ArchiveLimits {
  std::size_t max_octets = 256U << 20;  ///< of all files, unpacked
  std::size_t max_entries = 10'000;
};

struct NamedText {
  std::string name;  ///< path inside the archive
  std::string text;
};

/// @param name  of the download, for contents that are no archive
/// @return      regular files whose names end in .rules, in archive order. Over a limit, damaged or
///              encrypted archives fail as a whole.
[[nodiscard]] Result<std::vector<NamedText>, std::string> unpack_rules(
    std::string_view octets, const std::string& name, const ArchiveLimits& limits = {});

}  // namespace ww::sources
