#include "collector/drills/plan.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "collector/backup/register.hpp"
#include "collector/backup/schedule.hpp"
#include "collector/drills/definition.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {
namespace json = boost::json;
namespace {

constexpr std::size_t max_name = 80;
constexpr auto shortest = std::chrono::seconds(1),
               longest = std::chrono::seconds(10LL * 366 * 86'400);

bool good_name(std::string_view n) {
  return !n.empty() && n.size() <= max_name && n.front() != '.' &&
         std::all_of(n.begin(), n.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

std::optional<bool> flag_of(const json::value& v) {
  if (v.is_bool()) return v.get_bool();
  if (v.is_string()) return parse_flag(std::string_view(v.get_string()));
  return {};
}

}  // namespace

Result<DrillPlan, std::string> plan_from_json(const json::object& o) {
  static constexpr std::array<std::string_view, 10> known{
      "id", "drill", "site", "sensor", "owner", "period", "grace", "start", "window", "from"};
  for (const auto& m : o)
    if (std::find(known.begin(), known.end(), std::string_view(m.key())) == known.end())
      return fail(std::string(m.key()) +
                  ": is unknown; known are id, drill, site, sensor, owner, period, grace, start, "
                  "window, from");
  DrillPlan p;
  p.drill = member_text(o, "drill");
  p.site = member_text(o, "site");
  p.sensor = member_text(o, "sensor");
  p.owner = member_text(o, "owner").substr(0, 200);
  p.period = member_text(o, "period");
  p.window = member_text(o, "window");
  p.id = member_text(o, "id", p.drill + "." + p.site + (p.sensor.empty() ? "" : "." + p.sensor));
  if (!good_name(p.drill)) return fail(std::string("drill: name a drill of the library"));
  if (!good_name(p.site)) return fail(std::string("site: say at which site"));
  if (!p.sensor.empty() && !good_name(p.sensor))
    return fail(std::string("sensor: is no name of a sensor"));
  if (!good_name(p.id))
    return fail(std::string("id: at most 80 letters, digits, dashes, dots, underscores"));
  auto every = parse_schedule(p.period);
  if (!every) return fail("period: " + every.error());
  if (every->every.count() > 0 && (every->every < shortest || every->every > longest))
    return fail(std::string("period: at most ten years"));
  p.every = std::move(*every);
  if (o.contains("grace")) {
    const auto g = backup_duration(member_text(o, "grace"));
    if (!g || *g > longest) return fail(std::string("grace: is no duration; write 3d or 12h"));
    p.grace = *g;
  }
  if (const auto* s = o.if_contains("start")) {
    const auto flag = flag_of(*s);
    if (!flag) return fail(std::string("start: is neither yes nor no"));
    p.start = *flag;
  }
  if (!p.window.empty()) {
    auto w = parse_window(p.window);
    if (!w) return fail("window: " + w.error());
    p.opens = std::move(*w);
  }
  if (const auto from = member_text(o, "from"); !from.empty()) {
    const auto t = parse_time(from);
    if (!t) return fail(std::string("from: is no time; write 2026-11-22T02:30:00Z"));
    p.from = *t;
  }
  return p;
}

json::object plan_json(const DrillPlan& p) {
  json::object o{{"id", p.id},
                 {"drill", p.drill},
                 {"site", p.site},
                 {"period", p.period},
                 {"grace", std::to_string(p.grace.count()) + "s"},
                 {"start", p.start}};
  for (const auto& [key, text] :
       {std::pair{"sensor", &p.sensor}, {"owner", &p.owner}, {"window", &p.window}})
    if (!text->empty()) o[key] = *text;
  if (p.from.us != 0) o["from"] = rfc3339(p.from);
  return o;
}

Timestamp plan_due(const DrillPlan& p, Timestamp passed) {
  if (passed.us == 0) return p.from.us != 0 ? p.from : p.created;
  const auto due = p.every.every.count() > 0 ? passed + p.every.every
                                             : next_due(p.every, passed).value_or(passed);
  return std::max(due, p.from);
}

std::optional<Timestamp> window_end(const DrillPlan& p, Timestamp now) {
  if (p.window.empty()) return now + std::chrono::hours(24);
  return window_end(p.opens, now);
}

std::optional<Timestamp> window_from(const DrillPlan& p, Timestamp at) {
  if (window_end(p, at)) return at;
  return next_due(p.opens.opens, at);
}

}  // namespace ww::collector
