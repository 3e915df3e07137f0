#include "collector/drills/planner.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"
#include "telemetry/logging.hpp"

namespace ww::collector {
namespace json = boost::json;
namespace {

using Kind = DrillError::Kind;
constexpr std::size_t max_metric_plans = 500;

std::string title_of(const DrillPlan& p, const DefinitionSet& definitions) {
  const auto it = definitions.all.find(p.drill);
  return it == definitions.all.end() ? p.drill : it->second.title;
}
std::string kind_of(const DrillPlan& p, const DefinitionSet& definitions) {
  const auto it = definitions.all.find(p.drill);
  return it == definitions.all.end() ? std::string() : it->second.kind;
}
Entity entity_of(const DrillPlan& p) { return {"drill_plan", p.id}; }

json::object run_json(const DrillRun& r) {
  json::object o{{"run", r.id},
                 {"state", r.state},
                 {"started", rfc3339(r.started)},
                 {"ended", rfc3339(r.ended)}};
  if (!r.reason.empty()) o["reason"] = r.reason;
  return o;
}

}  // namespace

bool DrillPlanner::fits(const DrillPlan& p, const DrillRun& r) {
  return r.definition == p.drill && r.site == p.site && (p.sensor.empty() || p.sensor == r.sensor);
}

void DrillPlanner::find_runs(Row& row) const {
  row.last = row.passed = {};
  RunFilter f;
  f.definitions = {row.plan.drill};
  f.sites = {row.plan.site};
  f.states = {"passed", "failed", "stopped"};
  f.limit = 200;
  for (auto& r : p_.book.runs(f)) {
    if (!fits(row.plan, r)) continue;
    if (row.last.id.empty()) row.last = r;
    if (r.state == "passed") {
      row.passed = std::move(r);
      return;
    }
  }
  // Behind many that failed.
  f.states = {"passed"};
  for (auto& r : p_.book.runs(f))
    if (fits(row.plan, r)) {
      row.passed = std::move(r);
      return;
    }
}

void DrillPlanner::save(const DrillPlan& plan) {
  if (auto done = p_.book.save_plan(plan); !done)
    logging::error("drill plans: {}", done.error().text());
}

Result<void, Problem> DrillPlanner::load(const std::vector<DrillPlan>& configured) {
  std::map<std::string, DrillPlan> kept;
  for (auto& p : p_.book.plans()) kept.emplace(p.id, std::move(p));
  std::set<std::string> ids;
  const auto now = p_.clock.now();
  for (auto plan : configured) {
    if (!ids.insert(plan.id).second)
      return fail(
          Problem{"two plans are called " + plan.id, "drills.schedule", "give one another id"});
    plan.origin = "config";
    plan.created = now;
    if (const auto it = kept.find(plan.id); it != kept.end()) {
      if (it->second.origin == "api") continue;
      plan.created = it->second.created;
      plan.attempted = it->second.attempted;
      plan.overdue = it->second.overdue;
    }
    if (auto done = p_.book.save_plan(plan); !done) return fail(done.error());
    kept[plan.id] = std::move(plan);
  }
  rows_.clear();
  for (auto& [id, plan] : kept) {
    Row row;
    row.plan = std::move(plan);
    if (row.plan.origin == "config" && !ids.contains(id)) {  // taken out of the file
      if (row.plan.overdue) clear(row, "the plan is no longer there");
      p_.book.drop_plan(id);
      continue;
    }
    find_runs(row);
    rows_.emplace(id, std::move(row));
  }
  return {};
}

Result<void, DrillError> DrillPlanner::put(DrillPlan plan, const DefinitionSet& definitions) {
  const auto kind = kind_of(plan, definitions);
  if (kind.empty())
    return fail(DrillError{Kind::bad, "drill: no drill of the library is called " + plan.drill});
  if (plan.start && !automatic_.contains(kind))
    return fail(DrillError{Kind::bad, "start: this collector starts no drill of kind " + kind +
                                          " by itself; see drills.automatic in its configuration"});
  const auto it = rows_.find(plan.id);
  if (it == rows_.end() && rows_.size() >= max_plans)
    return fail(DrillError{Kind::conflict, "there are as many plans as there can be"});
  plan.origin = "api";
  plan.created = it == rows_.end() ? p_.clock.now() : it->second.plan.created;
  plan.overdue = it != rows_.end() && it->second.plan.overdue;
  if (auto done = p_.book.save_plan(plan); !done)
    return fail(DrillError{Kind::failed, done.error().text()});
  Row row;
  row.plan = std::move(plan);
  find_runs(row);
  auto id = row.plan.id;
  rows_.insert_or_assign(std::move(id), std::move(row));
  return {};
}

Result<bool, DrillError> DrillPlanner::drop(const std::string& id,
                                            const std::vector<DrillPlan>& configured) {
  const auto it = rows_.find(id);
  if (it == rows_.end()) return false;
  if (it->second.plan.origin != "api")
    return fail(DrillError{Kind::conflict,
                           "it stands in the collector's configuration; take it out there"});
  if (it->second.plan.overdue) clear(it->second, "the plan was taken back");
  p_.book.drop_plan(id);
  rows_.erase(it);
  // What the configuration says holds again.
  if (auto done = load(configured); !done)
    return fail(DrillError{Kind::failed, done.error().text()});
  return true;
}

void DrillPlanner::ended(const DrillRun& run) {
  for (auto& [id, row] : rows_) {
    if (!fits(row.plan, run)) continue;
    row.last = run;
    if (run.state == "passed") row.passed = run;
  }
}

bool DrillPlanner::automatic(const DrillPlan& plan, const DefinitionSet& definitions) const {
  return plan.start && automatic_.contains(kind_of(plan, definitions));
}

void DrillPlanner::look(const DefinitionSet& definitions, const Start& start) {
  const auto now = p_.clock.now();
  for (auto& [id, row] : rows_) {
    const auto due = plan_due(row.plan, row.passed.started);
    const bool overdue = due + row.plan.grace < now;
    if (overdue && !row.plan.overdue) raise(row, due, definitions);
    if (!overdue && row.plan.overdue)
      clear(row, row.passed.id.empty() ? "it is not due now"
                                       : "the drill passed at " + rfc3339(row.passed.ended));
    if (now < due || !automatic(row.plan, definitions)) continue;
    const auto end = window_end(row.plan, now);
    if (!end) continue;
    // Once in a window; without a window once an hour, so that what fails does not run all day.
    const auto opened =
        row.plan.window.empty() ? now + -std::chrono::hours(1) : *end + -row.plan.opens.length;
    if (row.plan.attempted.us != 0 && row.plan.attempted >= opened) continue;
    const auto run = start(row.plan, *end);
    if (!run && run.error().kind == Kind::conflict) {  // another drill runs: later in this window
      row.refused = run.error().what;
      continue;
    }
    row.refused = run ? "" : run.error().what;
    row.plan.attempted = now;
    save(row.plan);
    if (run)
      ++started_;
    else
      logging::warn("drill plan {}: it did not start: {}", id, run.error().what);
  }
}

void DrillPlanner::raise(Row& row, Timestamp due, const DefinitionSet& definitions) {
  const auto& plan = row.plan;
  Hit hit;
  hit.engine = EngineKind::baseline;
  hit.level = Level::medium;
  hit.rule.id = overdue_rule;
  hit.rule.title = "Drill overdue: " + title_of(plan, definitions) + " at " + plan.site;
  hit.rule.source = "drills";
  hit.site = plan.site;
  hit.sensor = plan.sensor;
  hit.entities = {entity_of(plan)};
  hit.first = due;
  hit.last = p_.clock.now();
  hit.caf = {"D1.c", "B5.a"};
  hit.explanation =
      "It was due " + rfc3339(due) + " (period " + plan.period + ", grace " +
      std::to_string(plan.grace.count()) + " s). " +
      (row.passed.id.empty() ? std::string("It has never passed here. ")
                             : "It last passed " + rfc3339(row.passed.ended) + ". ") +
      (row.last.id.empty() || row.last.id == row.passed.id
           ? ""
           : "The last run " + row.last.state +
                 (row.last.reason.empty() ? "" : ": " + row.last.reason.substr(0, 300)) + ". ") +
      (row.refused.empty() ? "" : "It could not be started by itself: " + row.refused + ". ") +
      "What is not rehearsed is not known to work.";
  CommitGroup group;
  group.records.push_back(p_.alerts.record(hit));
  if (auto done = p_.store.commit(std::move(group)); !done) {
    logging::error("drill plans: {}", done.error().text());
    return;  // the next look tries again
  }
  row.plan.overdue = true;
  save(row.plan);
}

void DrillPlanner::clear(Row& row, const std::string& why) {
  AlertFilter f;
  f.rules = {std::string(overdue_rule)};
  f.statuses = {AlertStatus::fresh, AlertStatus::acknowledged, AlertStatus::in_progress,
                AlertStatus::escalated};
  f.entity = entity_of(row.plan);
  const auto page = p_.alerts.query(f);
  if (!page) return;
  for (const auto& a : page->alerts) {
    AlertPatch patch;
    patch.status = AlertStatus::closed;
    if (a.disposition == Disposition::none) patch.disposition = Disposition::true_positive;
    patch.comment = "closed by itself: " + why;
    (void)p_.alerts.patch(a.id, patch, "wardwatch");
  }
  row.plan.overdue = false;
  save(row.plan);
}

json::array DrillPlanner::list(const DefinitionSet& definitions,
                               const std::function<bool(const DrillPlan&)>& runs) const {
  const auto now = p_.clock.now();
  json::array out;
  for (const auto& [id, row] : rows_) {
    const auto due = plan_due(row.plan, row.passed.started);
    auto o = plan_json(row.plan);
    const auto kind = kind_of(row.plan, definitions);
    o["title"] = title_of(row.plan, definitions);
    o["kind"] = kind;
    o["origin"] = row.plan.origin;
    o["due"] = rfc3339(due);
    o["overdue_at"] = rfc3339(due + row.plan.grace);
    o["state"] = kind.empty()                 ? "unknown_drill"
                 : runs(row.plan)             ? "running"
                 : due + row.plan.grace < now ? "overdue"
                 : due < now                  ? "due"
                 : row.passed.id.empty()      ? "never_passed"
                                              : "on_time";
    if (!row.last.id.empty()) o["last"] = run_json(row.last);
    if (!row.passed.id.empty()) o["last_passed"] = run_json(row.passed);
    if (!row.refused.empty()) o["refused"] = row.refused;
    if (automatic(row.plan, definitions)) {
      if (const auto next = window_from(row.plan, std::max(now, due))) o["starts"] = rfc3339(*next);
    } else if (row.plan.start) {
      o["refused"] = "this collector starts no drill of this kind by itself: drills.automatic";
    }
    out.push_back(std::move(o));
  }
  return out;
}

void DrillPlanner::figures(MetricWriter& w, const DefinitionSet& definitions) const {
  const auto now = p_.clock.now();
  std::size_t n = 0;
  for (const auto& [id, row] : rows_) {
    if (++n > max_metric_plans) break;
    const auto due = plan_due(row.plan, row.passed.started);
    const std::string kind(kind_of(row.plan, definitions));  // labels only look at their texts
    const MetricWriter::Labels labels{{"site", row.plan.site}, {"plan", id}, {"kind", kind}};
    w.gauge("wardwatch_drill_due_timestamp_seconds", "when a planned drill is next due", labels,
            static_cast<double>(due.us) / 1e6);
    w.gauge("wardwatch_drill_overdue", "1 when a planned drill is past its due time and grace",
            labels, due + row.plan.grace < now ? 1 : 0);
  }
  w.counter("wardwatch_drills_started_by_plan_total", "drills that the collector started by itself",
            {}, static_cast<double>(started_));
}

}  // namespace ww::collector
