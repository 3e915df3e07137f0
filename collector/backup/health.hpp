#pragma once
/// How the records of jobs add up to the health of assets and services. Pure functions.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collector/backup/indicators.hpp"
#include "collector/backup/model.hpp"
#include "collector/backup/register.hpp"
#include "collector/backup/restore_check.hpp"
#include "collector/backup/rows.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {

struct JobHealth {
  BackupSource source;
  BackupJobSpec spec;
  bool seen = false;                ///< a probe or an event told of it
  std::vector<BackupState> states;  ///< all that hold, worst first; never empty
  std::optional<BackupRun> last_run, last_good;
  Timestamp newest;                    ///< data time of the newest good backup that is still there
  std::optional<Timestamp> due, next;  ///< by the schedule
  std::optional<std::chrono::seconds> age;  ///< of the newest data that can be restored
  std::size_t backups = 0;                  ///< there now
  std::size_t records = 0;                  ///< that statistics know
  bool learning = true;
  std::string medium;
  bool offsite = false, offline = false, immutable = false, valid = false;
  std::vector<double> sizes;  ///< of the last good runs, oldest first
  [[nodiscard]] BackupState state() const { return states.front(); }
};

/// 3-2-1-1-0: what is there against what is asked for.
struct CopyRule {
  std::uint32_t copies = 0, media = 0, offsite = 0, immutable = 0, errors = 0;
  bool enough_copies = false, enough_media = false, enough_offsite = false,
       enough_immutable = false, no_errors = false;
  [[nodiscard]] bool kept() const {
    return enough_copies && enough_media && enough_offsite && enough_immutable && no_errors;
  }
};

struct AssetHealth {
  BackupAssetSpec spec;
  std::vector<JobHealth> jobs;
  std::vector<BackupState> states;      ///< of the asset, worst first
  std::vector<BackupFinding> findings;  ///< that hold now
  CopyRule rule;
  std::optional<std::chrono::seconds> age;
  std::optional<double> rpo_ratio;
  std::optional<Timestamp> verified, immutable_until;
  std::optional<RestoreCheck> restore_test;  ///< the newest
  std::optional<double> measured_rto;        ///< seconds, median of full restores that passed
  bool restore_overdue = false;
  [[nodiscard]] BackupState state() const { return states.front(); }
};

struct ServiceHealth {
  BackupServiceSpec spec;
  std::vector<const AssetHealth*> assets;
  BackupState state = BackupState::unknown;
  CopyRule rule;  ///< the least of its assets
};

/// Everything a look at one asset needs.
struct AssetInput {
  const BackupAssetSpec& spec;
  std::vector<const backup_rows::JobRows*> jobs;
  std::vector<std::vector<BackupRestoreSeen>> restores;  ///< for each of `jobs`
  std::vector<RestoreCheck> checks;                      ///< newest first
};
[[nodiscard]] AssetHealth asset_health(const AssetInput& input, Timestamp now);
[[nodiscard]] std::vector<ServiceHealth> service_health(const BackupRegister& reg,
                                                        std::span<const AssetHealth> assets);

void write_json(JsonWriter& out, const AssetHealth& asset, bool detail);
void write_json(JsonWriter& out, const ServiceHealth& service);
void write_json(JsonWriter& out, const BackupFinding& finding);
void write_json(JsonWriter& out, const BackupRun& run);

}  // namespace ww::collector
