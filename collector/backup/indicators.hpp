#pragma once
/// Indicators bk-01 to bk-16: what the records of a backup job say about ransomware, sabotage and
/// neglect. Pure functions of records; statistics are robust and keep quiet (`learning`) until
/// there are enough records.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/backup/model.hpp"
#include "collector/backup/statistics.hpp"

namespace ww::collector {

struct IndicatorInfo {
  std::string_view id, title;
  Level level;
  std::string_view attack;  ///< ATT&CK technique, or ""
};
/// bk-01 .. bk-16 and the states' rules, by id.
[[nodiscard]] std::span<const IndicatorInfo> indicator_list();
[[nodiscard]] const IndicatorInfo& indicator(std::string_view id);

/// What statistics know of a job.
struct JobPattern {
  Pattern change_ratio, bytes_added, stored_ratio, compression, entropy, bytes_total, files_total,
      duration;
  std::size_t records = 0;
  [[nodiscard]] bool learning() const { return records < least_records; }
};
/// Over the records before `at` (position in `runs`, oldest first) that are good, not flagged, not
/// older than `since`; of the same class of weekday when there are enough of those.
[[nodiscard]] JobPattern pattern_before(std::span<const BackupRun> runs, std::size_t at,
                                        Timestamp since);

/// Flags of one run against the records before it: of bk-01 to bk-06 those that hold.
[[nodiscard]] std::vector<std::string> flags_of(std::span<const BackupRun> runs, std::size_t at,
                                                Timestamp since);

/// Everything one job's rules look at.
struct JobView {
  const BackupSource& source;
  const BackupBaseline& baseline;
  std::span<const BackupRun> runs;  ///< oldest first; with flags; signals are among them
  std::span<const BackupRestoreSeen> restores;
  std::span<const std::pair<Timestamp, Timestamp>> known_restores;  ///< from drills: start, end
  std::chrono::seconds retention{0};
  Timestamp now;
};
/// Findings that hold now. bk-12 here is duration and idleness; missed runs come from health.
[[nodiscard]] std::vector<BackupFinding> job_findings(const JobView& view);

/// bk-16: rules that opened at three or more sites within an hour.
[[nodiscard]] std::vector<BackupFinding> estate_findings(std::span<const BackupFinding> open);

}  // namespace ww::collector
