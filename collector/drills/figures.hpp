#pragma once
/// What follows from a run's rows: clocks, expectations of a detection drill, scores, the report.
/// Pure functions of their arguments.
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "collector/drills/book.hpp"
#include "playbooks/run.hpp"

namespace ww::collector {

/// The last clock entry with this name.
struct ClockReading {
  Timestamp at;
  bool observed = false;
  std::string by;
};
[[nodiscard]] std::optional<ClockReading> clock_reading(const std::vector<DrillEntry>& entries,
                                                        std::string_view name);

/// How a detection drill stands.
struct DetectionState {
  bool played = false;       ///< the sensor has finished playing
  bool met = false;          ///< every expected rule fired often enough and in time
  bool spoiled = false;      ///< a rule that must not fire did, or too often
  boost::json::object json;  ///< expectations with times, for view and report
};
[[nodiscard]] DetectionState detection_state(const DrillRun& run,
                                             const std::vector<DrillReport>& reports);

struct ReportParts {
  const DrillRun& run;
  const std::vector<DrillEntry>& entries;
  const std::vector<DrillReport>& reports;
  const std::vector<DrillAction>& actions;
  const playbooks::Playbook* playbook = nullptr;              ///< exercises
  const std::vector<playbooks::StepRecord>* steps = nullptr;  ///< exercises
  std::vector<DrillRun> earlier;  ///< finished runs of the same definition, newest first
  std::vector<std::pair<std::string, std::vector<DrillEntry>>> earlier_gaps;  ///< run, its gaps
};
[[nodiscard]] boost::json::object make_report(const ReportParts& parts);
/// Recovery time and point: target, achieved, met.
[[nodiscard]] boost::json::object recovery(const DrillRun& run,
                                           const std::vector<DrillEntry>& entries);

/// An hour-and-minute text for people: "1 h 05 min", "12.3 s".
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace ww::collector
