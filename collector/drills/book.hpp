#pragma once
/// The rows of drills: runs, evidence, orders, actions, heartbeats. Reading and writing, no
/// decisions; those are DrillService's (service.hpp).
#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "collector/detect/watcher.hpp"
#include "collector/drills/plan.hpp"
#include "collector/store/control.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {

struct DrillRun {
  std::string id, kind, definition, title, level, site, sensor;
  std::string state;  ///< running, paused, stopping, passed, failed, stopped
  Timestamp created, started, ended;
  std::string by, reason;
  boost::json::object doc;     ///< the definition with what was chosen at the start
  boost::json::object result;  ///< figures, as the service works them out
  std::string play;            ///< state of the playbook's run
  [[nodiscard]] bool over() const {
    return state == "passed" || state == "failed" || state == "stopped";
  }
};

struct DrillEntry {
  std::int64_t id = 0;
  std::string run, kind;
  Timestamp at, made;     ///< when it happened; when it was written down
  bool observed = false;  ///< by the product; false: entered by a person
  std::string by;
  boost::json::object doc;
};

struct DrillOrder {
  std::string id, run, site, sensor, kind, payload, signature;
  Timestamp issued, expires, fetched;
  std::string state;  ///< waiting, started, finished, expired
};

/// Something that came in for a run: a sensor's report, a marked event, an alert of the drill, a
/// notification that a receiver took.
struct DrillReport {
  std::int64_t id = 0;
  std::string run, what;  ///< report, event, alert, notified
  Timestamp at, received;
  boost::json::object doc;
};

struct DrillAction {
  std::string id, run, site, text, owner, priority, state, retest, by, closed_by, note;
  std::int64_t gap = 0;
  Timestamp due, created, closed;
};

struct Heartbeat {
  std::string site, sensor, source;
  Timestamp first, sent, received;
  std::int64_t interval = 0;  ///< seconds
  std::uint64_t count = 0;
  bool absent = false, retired = false;
};

struct RunFilter {
  std::vector<std::string> states, kinds, sites, definitions;
  std::optional<std::vector<std::string>> visible_sites;
  std::uint32_t limit = 100;
};

class DrillBook final : public EventWatcher {
 public:
  explicit DrillBook(const Clock& clock) : clock_(clock) {}
  /// Give it to Store::open, then attach().
  [[nodiscard]] ControlModule module();
  void attach(ControlDb& control);

  /// For PipelineOptions: `drill` events and marked events become rows in their own commit.
  void watch(std::span<const DetectEvent> events, std::vector<ControlRecord>& out) override;
  /// A run is known, at that site, and began within two days.
  [[nodiscard]] bool is_rehearsal(std::string_view run, std::string_view site,
                                  std::string_view sensor) const;
  /// Called after rows came in with a commit. From the committing thread.
  void on_news(std::function<void()> f);

  [[nodiscard]] Result<void, Problem> add_run(const DrillRun& run);
  [[nodiscard]] Result<void, Problem> save_run(const DrillRun& run);
  [[nodiscard]] std::optional<DrillRun> run(std::string_view id) const;
  [[nodiscard]] std::vector<DrillRun> runs(const RunFilter& filter) const;  ///< newest first

  [[nodiscard]] Result<std::int64_t, Problem> add_entry(const DrillEntry& entry);
  [[nodiscard]] std::vector<DrillEntry> entries(std::string_view run) const;

  [[nodiscard]] Result<void, Problem> add_order(const DrillOrder& order);
  /// Orders that a sensor should get now; marks them as fetched.
  [[nodiscard]] std::vector<DrillOrder> waiting_orders(std::string_view site,
                                                       std::string_view sensor);
  [[nodiscard]] std::vector<DrillOrder> orders(std::string_view run) const;
  void set_order_state(std::string_view id, std::string_view state);

  [[nodiscard]] Result<void, Problem> add_report(const DrillReport& report);
  [[nodiscard]] std::vector<DrillReport> reports(std::string_view run,
                                                 std::int64_t after = 0) const;

  [[nodiscard]] Result<void, Problem> save_action(const DrillAction& action);
  [[nodiscard]] std::vector<DrillAction> actions(std::string_view run = {}) const;
  [[nodiscard]] std::optional<DrillAction> action(std::string_view id) const;

  [[nodiscard]] Result<void, Problem> save_plan(const DrillPlan& plan);
  void drop_plan(std::string_view id);
  [[nodiscard]] std::vector<DrillPlan> plans() const;

  [[nodiscard]] std::vector<Heartbeat> heartbeats() const;
  void set_heartbeat(const Heartbeat& h);

 private:
  void apply(sql::Database& db, std::string_view payload) const;
  const Clock& clock_;
  ControlDb* control_ = nullptr;
  mutable std::mutex mutex_;
  std::set<std::pair<std::string, std::string>> known_;  // run, site
  std::function<void()> news_;
};

inline constexpr std::size_t max_reports_a_run = 5'000;
inline constexpr std::size_t max_sources_a_sensor = 500;

}  // namespace ww::collector
