#pragma once
/// When a drill is to be done again: by a period or a calendar, at one site. Pure functions.
///
///   {"id":"pacs-monthly","drill":"restore-pacs","site":"trust-a","sensor":"dc-1","period":"30d",
///    "grace":"3d","start":true,"window":"sat,sun 02:00-05:00 Europe/London","owner":"ann"}
///
/// Due is one period after the last run that passed began (or the next date of the calendar after
/// it); a drill that never passed is due from the start. Overdue is due and the grace gone by.
#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "collector/backup/schedule.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

struct DrillPlan {
  std::string id, drill, site, sensor, owner;
  std::string period;  ///< as written: "30d" or "sun 03:00 Europe/London"
  BackupSchedule every;
  std::chrono::seconds grace{86'400};
  bool start = false;  ///< the collector may start it by itself, in the window
  std::string window;  ///< as written; "" = at any time
  DayWindow opens;
  Timestamp from;                 ///< first due; zero: when the plan was made
  std::string origin = "config";  ///< config or api
  Timestamp created;
  Timestamp attempted;   ///< when the collector last started it by itself
  bool overdue = false;  ///< an alert is open
};

/// Reads and checks a plan as configuration and API write it. Unknown members are refused.
[[nodiscard]] Result<DrillPlan, std::string> plan_from_json(const boost::json::object& o);
[[nodiscard]] boost::json::object plan_json(const DrillPlan& plan);

/// @param passed  start of the last run that passed; zero: none did
[[nodiscard]] Timestamp plan_due(const DrillPlan& plan, Timestamp passed);
/// The end of the window that is open at `now`, when the plan may start by itself then. Without a
/// window it is open at any time and ends a day later.
[[nodiscard]] std::optional<Timestamp> window_end(const DrillPlan& plan, Timestamp now);
/// The first moment at or after `at` in an open window.
[[nodiscard]] std::optional<Timestamp> window_from(const DrillPlan& plan, Timestamp at);

}  // namespace ww::collector
