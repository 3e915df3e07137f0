#pragma once
/// What a job's own scripts and configuration say about keeping backups.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sensors/backup/probe.hpp"

namespace ww::backup {

/// Retention settings in a script or configuration: `--keep-daily 7`, `keep_daily: 7`,
/// `repo1-retention-full=2`, `-RetainDays 30`. Lower-case names with dashes; of a name that comes
/// twice the least counts. At most 64.
[[nodiscard]] std::map<std::string, std::uint64_t> retention_settings(std::string_view text);

/// Adds digest and settings of the files to the inventory. A file that cannot be read is a warning.
void read_policies(const std::vector<std::string>& files, Report& report);

/// At most `most` octets of a file, or nothing.
[[nodiscard]] std::optional<std::string> read_small_file(const std::string& path,
                                                         std::size_t most = 1U << 20);

}  // namespace ww::backup
