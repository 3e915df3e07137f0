#pragma once
/// Drills that run: starts them, hands orders to sensors, takes in what comes back, drives
/// playbooks, watches heartbeats, makes reports. One thread of its own; every public member is
/// thread-safe.
///
/// Everything that matters is in the tables (book.hpp) before it is acted on, so after a crash a
/// run goes on where it was, or ends with the reason; what a sensor has to clean up it cleans up by
/// itself (sensors/drills).
#include <boost/json/array.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "collector/alerts/alerts.hpp"
#include "collector/drills/book.hpp"
#include "collector/drills/definition.hpp"
#include "playbooks/library.hpp"

namespace ww::collector {

class Accounts;
class Authority;
class MetricWriter;
class Store;

struct DrillOptions {
  std::vector<std::string> playbooks, definitions;  ///< folders
  std::vector<playbooks::HttpHost> http_hosts;
  std::string http_ca;                    ///< authority of those hosts
  std::string site;                       ///< of the allow-list
  std::string allow_list;                 ///< file
  std::vector<std::string> trusted_keys;  ///< PEM files
  bool signature_needed = false;
  std::string stop_word = "stop drill";
  std::chrono::seconds order_life{900};  ///< a sensor must fetch an order within this
  std::chrono::seconds restore_limit{6 * 3600}, detection_limit{300};
  std::chrono::seconds heartbeat_grace{30};  ///< beside two intervals of the source
  std::vector<DrillPlan> plans;              ///< what is to be done again, by when
  std::set<std::string> automatic;           ///< kinds that a plan may start: restore, detection
  std::chrono::milliseconds tick{1'000};
};

struct DrillError {
  enum class Kind : std::uint8_t { bad, not_found, conflict, failed } kind = Kind::bad;
  std::string what;
};

struct DrillStart {
  std::string definition, site, sensor, by;
  boost::json::object choices;  ///< snapshot, incident_time, variables, clinical_safety_officer...
};

class DrillService {
 public:
  struct Parts {
    DrillBook& book;
    Store& store;
    AlertBook& alerts;
    Accounts& accounts;
    Authority& authority;
    const Clock& clock;
  };
  /// Takes up what was running. @param parts  borrowed
  [[nodiscard]] static Result<std::unique_ptr<DrillService>, Problem> create(DrillOptions options,
                                                                             const Parts& parts);
  virtual ~DrillService() = default;
  /// Reads definitions, playbooks and keys again.
  [[nodiscard]] virtual Result<std::string, Problem> reload() = 0;

  [[nodiscard]] virtual Result<DrillRun, DrillError> begin(const DrillStart& start) = 0;
  [[nodiscard]] virtual Result<void, DrillError> stop(std::string_view run, std::string_view by,
                                                      std::string_view reason) = 0;
  [[nodiscard]] virtual Result<void, DrillError> pause(std::string_view run, std::string_view by,
                                                       bool on) = 0;
  [[nodiscard]] virtual Result<void, DrillError> complete(std::string_view run, std::uint64_t task,
                                                          const playbooks::Outcome& outcome) = 0;
  /// Evidence that a person enters. Ends the run when the note is the stop word.
  [[nodiscard]] virtual Result<std::int64_t, DrillError> enter(const DrillEntry& entry) = 0;
  /// Somebody saw the drill's alerts. @param alert  empty: all of them
  [[nodiscard]] virtual Result<void, DrillError> acknowledge(std::string_view run,
                                                             std::string_view alert,
                                                             std::string_view by) = 0;
  /// A receiver of rehearsals took this alert.
  virtual void notified(const std::string& alert) = 0;

  /// Everything about a run as a page shows it: state, progress, tasks, steps, evidence.
  [[nodiscard]] virtual std::optional<boost::json::object> view(std::string_view run) = 0;
  /// The record of playbooks.md section 4 with scores, comparison and a hash.
  [[nodiscard]] virtual std::optional<boost::json::object> report(std::string_view run) = 0;
  [[nodiscard]] virtual DefinitionSet definitions() const = 0;
  [[nodiscard]] virtual std::shared_ptr<const playbooks::FolderLibrary> library() const = 0;
  /// Plans with what is due next and whether it is overdue.
  [[nodiscard]] virtual boost::json::array plans() = 0;
  /// Adds or changes a plan; one of the API goes before the configuration's of the same id.
  [[nodiscard]] virtual Result<void, DrillError> put_plan(const DrillPlan& plan) = 0;
  [[nodiscard]] virtual Result<void, DrillError> drop_plan(const std::string& id) = 0;
  /// Heartbeats with the time by which the next is due.
  [[nodiscard]] virtual Timestamp heartbeat_bound(const Heartbeat& h) const = 0;
  virtual void figures(MetricWriter& out) = 0;
  /// One look at the time and what came in; the service's thread does this by itself.
  virtual void tick() = 0;
};

}  // namespace ww::collector
