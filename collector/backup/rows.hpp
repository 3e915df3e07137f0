#pragma once
/// Rows of the backup tables as values and back.
#include <string>
#include <vector>

#include "collector/backup/model.hpp"
#include "collector/store/sqlite.hpp"

namespace ww::collector::backup_rows {

/// Everything known of one job, for the rules.
struct JobRows {
  BackupSource source;
  BackupBaseline baseline;
  std::vector<BackupRun>
      runs;  ///< oldest first by data time, vanished ones too; the newest `max_runs`
};
inline constexpr std::size_t max_runs = 120;

[[nodiscard]] std::vector<JobRows> jobs(sql::Database& db);
/// All runs of an asset, newest data first, at most `limit`.
[[nodiscard]] std::vector<BackupRun> runs(sql::Database& db, std::string_view site,
                                          std::string_view asset, std::string_view job,
                                          std::uint32_t limit);
void save_baseline(sql::Database& db, const BackupSource& key, const BackupBaseline& baseline);
[[nodiscard]] BackupBaseline read_baseline(std::string_view doc);
[[nodiscard]] std::string baseline_text(const BackupBaseline& baseline);

[[nodiscard]] std::vector<BackupFinding> findings(sql::Database& db, bool open_only,
                                                  std::uint32_t limit = 10'000);
void open_finding(sql::Database& db, const BackupFinding& finding);
void touch_finding(sql::Database& db, const BackupFinding& finding);
void clear_finding(sql::Database& db, std::string_view id, Timestamp at, std::string_view why,
                   std::string_view accepted_by, std::string_view reason);

[[nodiscard]] std::vector<BackupRestoreSeen> restores(sql::Database& db, std::string_view site,
                                                      std::string_view asset, std::string_view job,
                                                      Timestamp from);

/// What a `backup` event says, into the rows. Skips what cannot be read.
/// @return false when it was skipped
bool take_event(sql::Database& db, std::string_view event, std::string_view id,
                std::string_view site, std::string_view sensor, Timestamp received);

}  // namespace ww::collector::backup_rows
