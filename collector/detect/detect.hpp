#pragma once
/// Streaming detection: events in, hits out.
///   - `alert` events of the sensors become hits of engine `signature`
///   - every event goes through the Sigma rules; matches become hits of engine `sigma`
///   - matches feed the correlations; those that fire become hits of engine `correlation`
/// Correlation state is kept in the control database, a few slices and the matches since in every
/// commit, so that a restart goes on exactly where the last durable commit was.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/alerts/alerts.hpp"
#include "collector/store/store.hpp"
#include "rules/sigma/sigma.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {

struct DetectOptions {
  std::vector<std::string> sigma_paths;
  sigma::LoadOptions sigma;
  std::string placeholders_file;  ///< values for `|expand`, read whenever rules are; may be empty
  sigma::CorrelatorLimits correlator;
  std::chrono::seconds window{3600};  ///< folding window of a rule that names none
};

/// "This rule, for this scope, is expected here": hits are counted but raise no alert.
struct RuleException {
  std::string id;     ///< given by add_exception
  std::string rule;   ///< rule id, or sid as text; "*" for every rule
  std::string site;   ///< empty: every site
  std::string query;  ///< store query language on the event; empty: every event
  std::string reason, author;
  Timestamp created, review;  ///< after `review` it no longer holds
  std::uint64_t suppressed = 0;
};

struct RuleCounter {
  std::string id, title;
  EngineKind engine = EngineKind::sigma;
  Level level = Level::medium;
  std::string status, file;
  std::uint64_t hits = 0, suppressed = 0;
  Timestamp last_hit;  ///< zero: never
  /// Of a loaded Sigma rule since it was loaded, estimated from a sample of events.
  std::uint64_t looked_at = 0;
  double seconds = 0;
};

struct DetectStats {
  std::uint64_t events = 0, matches = 0, hits = 0, suppressed = 0, unparsable = 0, evicted = 0;
  std::uint64_t state_errors = 0;  ///< pieces of correlation state that could not be restored
  std::uint64_t groups = 0, group_octets = 0;  ///< live in correlations, and the memory they take
  std::uint64_t too_late = 0;                  ///< matches older than the lateness
  std::uint32_t rules = 0, refused = 0;
  std::uint64_t reloads = 0;
};

/// An event as the pipeline hands it over; everything is borrowed for the call.
struct DetectEvent {
  std::string_view json, id, site, sensor, type;
  Timestamp time;
  std::string_view drill_run = {};  ///< of a known drill: hits are the drill's, nobody is called
  std::size_t readable = 0;         ///< octets behind `json` that may be read, whatever they are
};

struct BacktestQuery {
  std::vector<std::string> paths;  ///< rule files or folders
  /// Rules by name and text instead of, or beside, what is in files.
  std::vector<std::pair<std::string, std::string>> texts;
  std::optional<std::vector<std::string>> sites;  ///< events of other sites are left out
  Timestamp from, to;
  std::uint32_t max_matches = 1'000;  ///< listed; all are counted
  /// Called now and then with events done so far; return false to stop.
  std::function<bool(std::uint64_t events)> progress;
};
struct BacktestReport {
  sigma::LoadReport load;
  std::uint64_t events = 0, matches = 0;
  struct Row {
    std::string rule, title, site, event_id;
    Timestamp time;
    bool correlation = false;
  };
  std::vector<Row> rows;
  struct PerRule {
    std::string rule, title;
    std::uint64_t matches = 0;
  };
  std::vector<PerRule> per_rule;  ///< most first
  bool stopped = false;
};

class Detector {
 public:
  /// @param clock, alerts  borrowed
  [[nodiscard]] static std::unique_ptr<Detector> create(const DetectOptions& options,
                                                        const Clock& clock, AlertBook& alerts);
  virtual ~Detector() = default;
  /// Tables and applier for correlation state and exceptions: give it to Store::open.
  [[nodiscard]] virtual ControlModule module() = 0;
  /// Loads the rules and restores the state. Broken rule files are in the report and do not fail
  /// it.
  [[nodiscard]] virtual Result<sigma::LoadReport, Problem> start(Store& store) = 0;
  /// Compiles the rules again and swaps them in at the next batch; on a Problem the old ones stay.
  /// Any thread.
  [[nodiscard]] virtual Result<sigma::LoadReport, Problem> reload() = 0;

  /// Runs detection over events in arrival order, and appends what must be committed with them. One
  /// thread.
  virtual void process(std::span<const DetectEvent> events, std::vector<ControlRecord>& out) = 0;
  /// A commit failed: forget everything since the last durable one. The thread of process().
  virtual void rewind() = 0;

  [[nodiscard]] virtual std::vector<RuleCounter> counters() const = 0;
  [[nodiscard]] virtual DetectStats stats() const = 0;
  [[nodiscard]] virtual Result<RuleException, Problem> add_exception(
      const RuleException& exception) = 0;
  [[nodiscard]] virtual bool remove_exception(std::string_view id) = 0;
  [[nodiscard]] virtual std::vector<RuleException> exceptions() const = 0;
  /// Runs rules over stored events without raising alerts. Any thread; own evaluator.
  [[nodiscard]] virtual Result<BacktestReport, Problem> backtest(
      const BacktestQuery& query) const = 0;
  /// How a loaded Sigma rule sees an event: the condition tree with the truth of each node (JSON).
  /// Any thread.
  [[nodiscard]] virtual std::optional<std::string> explain(std::string_view rule_id,
                                                           std::string_view event) const = 0;
};

}  // namespace ww::collector
