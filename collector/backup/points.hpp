#pragma once
/// Clean restore points of incidents: worked out when asked for, when a sign is decided, and again
/// by themselves when the backups or restore checks of an asset change while its incident is open.
/// Each verdict that differs is kept, and announced as an alert.
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "collector/backup/health.hpp"
#include "collector/backup/restore_point.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {

struct BackupBoard;
class MetricWriter;

inline constexpr std::string_view point_changed_rule = "restore-point-changed";

/// What the verdicts on one asset rest on, as far as it can change by itself.
struct PointFacts {
  std::size_t digest = 0;
  std::set<std::string> there;  ///< job and snapshot, of good backups that are there
  std::size_t gone = 0, damaged = 0, flagged = 0, checks = 0, signatures = 0;
};
[[nodiscard]] PointFacts point_facts(const AssetHealth& asset,
                                     const std::vector<const backup_rows::JobRows*>& jobs,
                                     const std::vector<RestoreCheck>& checks);
/// What is new since `before`, for people: "new backup abc; a restore check was signed".
[[nodiscard]] std::string facts_changed(const PointFacts& before, const PointFacts& now);

class RestorePoints {
 public:
  /// @param clock, alerts  borrowed
  RestorePoints(const Clock& clock, AlertBook& alerts, std::chrono::seconds pause)
      : clock_(clock), alerts_(alerts), pause_(pause) {}
  void attach(Store& store);

  struct Question {
    std::string incident, site, asset;
    std::chrono::seconds margin{24 * 3600};
    Timestamp incident_time;  ///< zero: when the incident was opened
    std::set<std::string> compromised;
    std::string author, cause;
  };
  /// Works one out and keeps the verdict when it differs from the last one.
  [[nodiscard]] Result<RestorePoint, Problem> point(const Question& question,
                                                    const BackupBoard& board);
  [[nodiscard]] std::vector<IncidentIndicator> indicators(std::string_view incident) const;
  [[nodiscard]] Result<std::size_t, Problem> decide(const IncidentIndicator& indicator,
                                                    const BackupBoard& board);

  /// Facts of one asset as a look found them; what changed waits for refresh().
  void saw(const std::string& site, const std::string& asset, PointFacts facts);
  /// Works out what waits, at most `max_at_once` points and not more often than the pause.
  /// @return false when something still waits
  bool refresh(const BackupBoard& board);
  void write_metrics(MetricWriter& out) const;

  static constexpr std::size_t max_at_once = 50, max_waiting = 10'000;

 private:
  using Key = std::pair<std::string, std::string>;  // site, asset
  void announce(const VerdictRow& before, const RestorePoint& now, const std::string& cause);
  void close_announced(const std::string& incident, const std::string& site,
                       const std::string& asset, const std::string& why);
  void find_waiting();

  const Clock& clock_;
  AlertBook& alerts_;
  const std::chrono::seconds pause_;
  Store* store_ = nullptr;
  ControlDb* control_ = nullptr;
  // Of the looking thread:
  std::map<Key, PointFacts> facts_;
  std::map<Key, std::string> changed_;              // why
  std::map<std::string, std::uint64_t> alerts_of_;  // by incident
  struct Waiting {
    std::string incident, site, asset, cause;
  };
  std::deque<Waiting> waiting_;
  Timestamp refreshed_;
  bool started_ = false;
  std::atomic<std::uint64_t> worked_out_{0}, changes_{0}, dropped_{0}, waits_{0};
};

}  // namespace ww::collector
