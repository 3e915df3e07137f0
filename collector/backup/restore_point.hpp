#pragma once
/// The clean restore point: for an incident, the newest backup of an asset that is older than the
/// first sign of compromise, whole, without anomaly, and out of the attacker's reach.
///
///   t0      earliest indicator that an analyst accepted, corrected by its clock's offset
///   window  t0 - margin (24 h by default: who came in was there before he was seen)
///   keep    backups with data before the window
///   drop    failed, check failed, flagged (it or one it needs), chain incomplete, written over by
///   the compromised rank    newest first; then immutable, offline, deletable; then restore-tested,
///   verified, untested
///
/// It is `clean` only when a restore of exactly that backup was checked, scanned and signed
/// (restore_check.hpp).
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "collector/backup/model.hpp"
#include "collector/backup/restore_check.hpp"
#include "collector/store/control.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {

enum class CleanVerdict : std::uint8_t { clean, clean_candidate, suspect, unknown };
[[nodiscard]] std::string_view name(CleanVerdict v);

struct IncidentIndicator {
  std::string id, incident;
  Timestamp time;                       ///< as the source's clock says
  std::chrono::microseconds offset{0};  ///< that clock's error: true time = time - offset
  bool offset_known = false;
  std::string site, entity, source;   ///< entity: host:pacs-01, repository:/srv/r, user:x
  std::string confidence = "medium";  ///< low, medium, high
  std::string state = "proposed";     ///< proposed, accepted, rejected
  std::string decided_by, note;
  Timestamp decided_at;
  [[nodiscard]] Timestamp true_time() const { return time + -offset; }
};
void write_json(JsonWriter& out, const IncidentIndicator& i);

struct Candidate {
  BackupRun run;
  std::string medium, reach;         ///< reach: immutable, offline, deletable
  std::string proof;                 ///< signed, restored, verified, untested
  std::vector<std::string> dropped;  ///< why not; empty: kept
  [[nodiscard]] bool kept() const { return dropped.empty(); }
};

struct JobReach {
  std::string job, medium, repository;
  bool immutable = false, offline = false;
  std::string integrity;
  Timestamp integrity_at;
};

struct PointQuestion {
  std::string incident, site, asset;
  Timestamp incident_time;  ///< what data loss is counted from
  std::chrono::seconds margin{24 * 3600};
  std::vector<IncidentIndicator> indicators;
  std::vector<BackupRun> runs;
  std::vector<JobReach> jobs;
  std::vector<RestoreCheck> checks;
  bool learning = true;
  std::set<std::string> compromised;  ///< further entities: host:..., repository:..., user:...
};

struct RestorePoint {
  std::string id, incident, site, asset, author, cause;
  Timestamp at, incident_time;
  std::optional<Timestamp> t0, window_start;
  std::string t0_indicator;
  bool provisional = false;  ///< no indicator was accepted: the earliest proposed one was taken
  std::chrono::seconds margin{0};
  CleanVerdict verdict = CleanVerdict::unknown;
  std::optional<Candidate> chosen;
  std::vector<Candidate> candidates;  ///< kept ones by rank, then dropped ones, newest first
  std::optional<std::chrono::seconds> data_loss;
  std::optional<double> expected_restore_seconds;  ///< median of full restores that passed
  std::size_t restores_measured = 0;
  std::vector<std::string> facts, missing;
  std::set<std::string> compromised;  ///< as asked with
};

[[nodiscard]] RestorePoint restore_point(const PointQuestion& question);
void write_json(JsonWriter& out, const RestorePoint& point);

/// Points of systems that exchange data, brought close together.
struct LinkedPoints {
  std::vector<const RestorePoint*> points;  ///< as asked, in restore order
  std::map<std::string, Candidate>
      aligned;  ///< by "site/asset": the nearest not after the oldest point
  std::optional<Timestamp> oldest, newest;  ///< data times of the points chosen one by one
  std::chrono::seconds spread{0}, aligned_spread{0};
  std::optional<Timestamp> replay_from, replay_to;  ///< messages to be sent again
  std::vector<std::string> without;                 ///< assets that have no point
};
/// @param directories  assets to be restored first, as "site/asset"
[[nodiscard]] LinkedPoints link_points(std::span<const RestorePoint> points,
                                       const std::set<std::string>& directories);
void write_json(JsonWriter& out, const LinkedPoints& set);

// --- kept in control.db

[[nodiscard]] Result<void, Problem> save_indicator(ControlDb& control, const IncidentIndicator& i);
[[nodiscard]] std::vector<IncidentIndicator> indicators_of(const ControlDb& control,
                                                           std::string_view incident);
[[nodiscard]] Result<void, Problem> save_verdict(ControlDb& control, const RestorePoint& point);
struct VerdictRow {
  std::string id, incident, site, asset, author, cause, verdict, snapshot, doc;
  Timestamp at, data_time;
};
/// Newest first. @param asset  "" for all of the incident
[[nodiscard]] std::vector<VerdictRow> verdicts(const ControlDb& control, std::string_view incident,
                                               std::string_view site, std::string_view asset,
                                               std::uint32_t limit = 100);
/// Newest verdict of each asset, for metrics.
[[nodiscard]] std::vector<VerdictRow> latest_verdicts(const ControlDb& control);

}  // namespace ww::collector
