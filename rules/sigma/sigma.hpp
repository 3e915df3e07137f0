#pragma once
/// Sigma (specification 2.1): rules, filters, correlations, pipelines -> matches on events.
///   load -> check -> compile (Engine, immutable, shared) -> Evaluator (one per thread) +
///   Correlator (one, ordered)
/// Events are JSON objects; `a.b` in a rule is the key "a.b" or the member b of a.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/result.hpp"

namespace ww::sigma {

struct LoadError {
  std::string file;
  std::uint32_t line = 0;
  std::string error;
};
struct LoadReport {
  std::uint32_t loaded = 0,
                refused = 0;  ///< documents: detections, correlations and filters count one each
  std::vector<LoadError> errors;
  std::vector<LoadError> warnings;  ///< unmapped log sources and the like
};

struct LoadOptions {
  std::map<std::string, std::vector<std::string>> placeholders;
  std::vector<std::string> pipelines;  ///< files
  bool route_by_logsource = true;      ///< Windows channels etc. by the taxonomy appendix
};

enum class Level : std::uint8_t { informational, low, medium, high, critical };

/// What outputs need to know of a rule. Lives as long as the Engine.
struct RuleInfo {
  std::uint32_t index = 0;
  std::string id, title, name, status, description, author, date;
  Level level = Level::medium;
  std::vector<std::string> tags, references, falsepositives, fields;
  bool correlation = false;
  bool feeds = false;   ///< some correlation refers to it
  bool silent = false;  ///< only feeds a correlation (generate is not true)
  std::string file;
  std::uint32_t line = 0;
};

struct Match {
  const RuleInfo* rule = nullptr;
  std::uint32_t event_index = 0;  ///< position in the batch given to evaluate()
};

class Engine {
 public:
  /// Loads files and folders (recursively, *.yml and *.yaml). A broken document never takes its
  /// neighbours down.
  [[nodiscard]] static Result<std::shared_ptr<const Engine>, Problem> load(
      const std::vector<std::string>& paths, const LoadOptions& options, LoadReport& report);
  /// The same from texts: pairs of a name (as a file's name, for messages) and YAML. For rules that
  /// are kept elsewhere, and for trying a changed rule on history.
  [[nodiscard]] static Result<std::shared_ptr<const Engine>, Problem> from_texts(
      const std::vector<std::pair<std::string, std::string>>& texts, const LoadOptions& options,
      LoadReport& report);
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::span<const RuleInfo> rules() const = 0;
};

/// What a rule costs, estimated from one event in `cost_sample`.
struct RuleCost {
  std::uint64_t looked_at = 0;  ///< events for which its condition was tried
  double seconds = 0;           ///< spent in trying it
};
inline constexpr std::uint32_t cost_sample = 64;

/// Stateless detection. One per thread.
class Evaluator {
 public:
  [[nodiscard]] static std::unique_ptr<Evaluator> create(std::shared_ptr<const Engine> engine);
  virtual ~Evaluator() = default;
  /// @param events  one JSON object each, borrowed for the call; one that does not parse matches
  /// nothing and is counted
  /// @param readable  octets behind each event that may be read too, whatever they are: with 64 of
  /// them no event is copied
  /// @return all matches, silent rules included, by event then rule; borrowed until the next call
  virtual std::span<const Match> evaluate(std::span<const std::string_view> events,
                                          std::size_t readable = 0) = 0;
  /// The condition tree of a rule with the truth of each node and the value that made it so, as one
  /// JSON object.
  virtual void explain(std::uint32_t rule_index, std::string_view event, JsonWriter& out) = 0;
  [[nodiscard]] virtual std::uint64_t unparsable() const = 0;
  /// By rule index, since the evaluator was made.
  [[nodiscard]] virtual std::span<const RuleCost> costs() const = 0;
};

/// What a correlation asks for, in words.
struct CorrelationText {
  std::string type, condition;  ///< "value_count", "Computer gte 10"
  std::chrono::microseconds timespan{};
};
/// A correlation that fired.
struct CorrelationMatch {
  const RuleInfo* rule = nullptr;
  const CorrelationText* about = nullptr;  ///< lives as long as the Engine
  Timestamp first, last;
  std::vector<std::pair<std::string, std::string>> group;  ///< group-by field, value
  double value = 0;                                        ///< count, sum, average...
  std::uint64_t events = 0;                                ///< in the window
  std::vector<std::string> event_ids;  ///< ids given to add(), oldest first, bounded
  std::vector<std::pair<const RuleInfo*, std::uint64_t>>
      rules;  ///< those that it names, with their events in the window
  /// Which rule each event of the window met, oldest first, bounded as the ids are.
  struct Part {
    std::uint32_t event = 0;  ///< position in event_ids
    Timestamp time;
    const RuleInfo* rule = nullptr;
    std::optional<double> number;  ///< what it added to a sum, an average or a rank
  };
  std::vector<Part> parts;
  /// What asked for it and what met that, as one JSON object.
  void explain(JsonWriter& out) const;
};

struct CorrelatorLimits {
  std::uint64_t max_octets = 384ULL << 20;  ///< holds about two million small groups
  std::uint32_t max_events_per_group = 10'000;
  std::chrono::seconds lateness{300};
  bool keep_log = false;  ///< take_change() will be called
};

/// What has to be stored, in the same transaction as the events, for a restart to go on from them.
struct CorrelationChange {
  struct Slice {
    std::uint32_t number = 0;
    std::string state;
  };
  std::uint64_t serial = 0;   ///< of the newest event; changes with a log have each a greater one
  std::string log;            ///< what the events since the last change added; may be empty
  std::vector<Slice> slices;  ///< each replaces what was stored under its number
  std::uint64_t covered = 0;  ///< logs up to this serial are no longer needed
};

/// Correlation state over time: one per shard, fed in arrival order, bounded, saved piece by piece.
class Correlator {
 public:
  [[nodiscard]] static std::unique_ptr<Correlator> create(std::shared_ptr<const Engine> engine,
                                                          const CorrelatorLimits& limits);
  virtual ~Correlator() = default;
  /// @param match     a match of Evaluator on `event`
  /// @param event_id  ww.id or a line number; kept as evidence
  virtual void add(const Match& match, std::string_view event, std::string_view event_id,
                   std::vector<CorrelationMatch>& fired) = 0;
  /// What changed since the last call. Costs as much as the events since then did, whatever the
  /// number of groups: besides them it takes a few of the state's slices in turn.
  [[nodiscard]] virtual CorrelationChange take_change() = 0;
  /// Into a correlator that has seen nothing yet: first all stored slices, in any order, then all
  /// stored logs by serial. One that is damaged, or of another version, is refused and leaves no
  /// trace; a log that is damaged in the middle counts up to there.
  [[nodiscard]] virtual Result<void, Problem> load_slice(std::uint32_t number,
                                                         std::string_view state) = 0;
  [[nodiscard]] virtual Result<void, Problem> load_log(std::string_view log) = 0;
  /// Takes the state of a correlator over other rules, which is then empty: what both have in
  /// common goes on.
  virtual void take_over(Correlator& previous) = 0;
  /// Live groups dropped because memory was full: the one that has been quiet for longest goes
  /// first.
  [[nodiscard]] virtual std::uint64_t evicted() const = 0;
  [[nodiscard]] virtual std::uint64_t too_late()
      const = 0;  ///< events older than the lateness, not counted
  [[nodiscard]] virtual std::size_t groups() const = 0;
  [[nodiscard]] virtual std::size_t octets() const = 0;  ///< memory of the state, estimated
};

}  // namespace ww::sigma
