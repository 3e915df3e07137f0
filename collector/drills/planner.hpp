#pragma once
/// Keeps the plans: what is due next, what is overdue (one alert each, which closes itself when the
/// drill has passed), what the collector may start by itself now.
#include <boost/json/array.hpp>
#include <functional>
#include <map>
#include <string>

#include "collector/drills/plan.hpp"
#include "collector/drills/service.hpp"

namespace ww::collector {

inline constexpr std::string_view overdue_rule = "drill-overdue";
inline constexpr std::size_t max_plans = 2'000;

/// Not thread-safe: the service's lock guards it.
class DrillPlanner {
 public:
  /// @param automatic  kinds of drills that may be started without a person
  DrillPlanner(const DrillService::Parts& parts, const std::set<std::string>& automatic)
      : p_(parts), automatic_(automatic) {}
  /// Takes the plans of the configuration and of the API; the API's stay.
  [[nodiscard]] Result<void, Problem> load(const std::vector<DrillPlan>& configured);
  [[nodiscard]] Result<void, DrillError> put(DrillPlan plan, const DefinitionSet& definitions);
  /// @return false when the API never said such a plan
  [[nodiscard]] Result<bool, DrillError> drop(const std::string& id,
                                              const std::vector<DrillPlan>& configured);
  /// A run is over.
  void ended(const DrillRun& run);

  /// Starts a drill in its window; gives the run or why not.
  using Start =
      std::function<Result<DrillRun, DrillError>(const DrillPlan& plan, Timestamp window_end)>;
  void look(const DefinitionSet& definitions, const Start& start);
  [[nodiscard]] boost::json::array list(const DefinitionSet& definitions,
                                        const std::function<bool(const DrillPlan&)>& runs) const;
  void figures(MetricWriter& out, const DefinitionSet& definitions) const;

 private:
  struct Row {
    DrillPlan plan;
    DrillRun last, passed;  ///< newest run that is over, newest that passed; without id: none
    std::string refused;    ///< why the last try to start it by itself did not work
  };
  void find_runs(Row& row) const;
  [[nodiscard]] static bool fits(const DrillPlan& plan, const DrillRun& run);
  [[nodiscard]] bool automatic(const DrillPlan& plan, const DefinitionSet& definitions) const;
  void raise(Row& row, Timestamp due, const DefinitionSet& definitions);
  void clear(Row& row, const std::string& why);
  void save(const DrillPlan& plan);

  DrillService::Parts p_;
  const std::set<std::string>& automatic_;
  std::map<std::string, Row> rows_;
  std::uint64_t started_ = 0;
};

}  // namespace ww::collector
