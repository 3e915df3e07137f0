#pragma once
/// Backups at the collector: events become rows inside the commit that stores them, a thread looks
/// at all jobs again and again, opens findings (each with an alert) and clears them when they are
/// no longer true.
///
/// A finding and its alert come in one commit. It clears itself when a later look makes it untrue,
/// or when a person accepts it with a reason; either closes the alert, and the history stays.
/// Missed runs come from the schedule alone, so they are found while a sensor is away.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/backup/access.hpp"
#include "collector/backup/health.hpp"
#include "collector/backup/restore_point.hpp"
#include "collector/detect/watcher.hpp"

namespace ww::collector {

class Metrics;

struct BackupOptions {
  std::string register_file;             ///< "" = only what the API and the events say
  std::chrono::seconds look{15};         ///< between looks when nothing comes in
  std::chrono::seconds points_pause{5};  ///< between rounds of working out restore points again
};

/// The state of everything at one moment. Immutable.
struct BackupBoard {
  Timestamp at;
  BackupRegister reg;
  std::vector<AssetHealth> assets;
  std::vector<ServiceHealth> services;  ///< refers to `assets`
  std::vector<HostAccess> hosts;
  std::vector<BackupFinding> open;  ///< with their ids
};

/// Reasons a person may give for accepting a finding.
[[nodiscard]] std::span<const std::string_view> accept_reasons();

class BackupBook : public EventWatcher {
 public:
  /// @param clock, alerts  borrowed
  [[nodiscard]] static std::unique_ptr<BackupBook> create(const BackupOptions& options,
                                                          const Clock& clock, AlertBook& alerts);
  /// For Store::open; then attach() the opened store.
  [[nodiscard]] virtual ControlModule module() = 0;
  virtual void attach(Store& store) = 0;
  /// Reads the register's file again. The old one stays where the new fails.
  [[nodiscard]] virtual Result<std::string, Problem> reload() = 0;
  /// Starts and ends the thread that looks.
  virtual void start() = 0;
  virtual void stop() = 0;
  /// Something changed that no event tells of, such as a signature: look soon.
  virtual void wake() = 0;
  /// One look now, on this thread (tests).
  virtual void look() = 0;

  [[nodiscard]] virtual std::shared_ptr<const BackupBoard> board() const = 0;
  [[nodiscard]] virtual std::vector<BackupRun> runs(std::string_view site, std::string_view asset,
                                                    std::string_view job,
                                                    std::uint32_t limit) const = 0;
  /// Newest first.
  [[nodiscard]] virtual std::vector<BackupFinding> findings(bool open_only,
                                                            std::uint32_t limit) const = 0;
  /// "This is so and it is all right": clears the finding, closes its alert as benign, and takes
  /// what is there now as normal.
  [[nodiscard]] virtual Result<BackupFinding, Problem> accept(std::string_view id,
                                                              std::string_view author,
                                                              std::string_view reason,
                                                              std::string_view note) = 0;
  [[nodiscard]] virtual Result<void, Problem> put_asset(const BackupAssetSpec& spec) = 0;
  [[nodiscard]] virtual Result<void, Problem> put_service(const BackupServiceSpec& spec) = 0;
  [[nodiscard]] virtual Result<void, Problem> put_host(const BackupHostSpec& spec) = 0;
  /// Takes back what the API said; what the file says holds again.
  [[nodiscard]] virtual Result<bool, Problem> drop_host(std::string_view site,
                                                        std::string_view name) = 0;
  [[nodiscard]] virtual Result<bool, Problem> drop_asset(std::string_view site,
                                                         std::string_view name) = 0;
  [[nodiscard]] virtual Result<bool, Problem> drop_service(std::string_view name) = 0;

  /// Works out the clean restore point of one asset and keeps the verdict when it differs from the
  /// last one. @param incident_time  zero: when the incident was opened
  [[nodiscard]] virtual Result<RestorePoint, Problem> point(
      std::string_view incident, std::string_view site, std::string_view asset,
      std::chrono::seconds margin, Timestamp incident_time,
      const std::set<std::string>& compromised, std::string_view author,
      std::string_view cause) = 0;
  /// Indicators of an incident: kept ones, and its alerts as proposals.
  [[nodiscard]] virtual std::vector<IncidentIndicator> indicators(
      std::string_view incident) const = 0;
  /// Keeps an indicator; an accepted or rejected one makes all the incident's points be worked out
  /// again. @return how many verdicts changed
  [[nodiscard]] virtual Result<std::size_t, Problem> decide(const IncidentIndicator& indicator) = 0;

  virtual void add_metrics(Metrics& metrics) = 0;
};

}  // namespace ww::collector
