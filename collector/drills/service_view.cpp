/// A run as a page shows it, its report, metrics.
#include <algorithm>
#include <boost/json.hpp>

#include "collector/drills/figures.hpp"
#include "collector/drills/service_impl.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {
namespace json = boost::json;

std::optional<json::object> DrillServiceImpl::view(std::string_view id) {
  const std::lock_guard lock(mutex_);
  auto run = p_.book.run(id);
  if (!run) return {};
  if (auto* a = find(id)) run = a->run;
  json::object o{{"id", run->id},
                 {"kind", run->kind},
                 {"definition", run->definition},
                 {"title", run->title},
                 {"level", run->level},
                 {"site", run->site},
                 {"sensor", run->sensor},
                 {"state", run->state},
                 {"reason", run->reason},
                 {"by", run->by},
                 {"started", rfc3339(run->started)},
                 {"result", run->result}};
  if (run->ended.us != 0) o["ended"] = rfc3339(run->ended);
  for (const auto* name : {"purpose", "safety", "systems"})
    if (const auto* v = run->doc.if_contains(name)) o[name] = *v;
  json::array entries, orders, reports;
  for (const auto& e : p_.book.entries(id)) {
    json::object x = e.doc;
    x["id"] = e.id;
    x["kind"] = e.kind;
    x["at"] = rfc3339(e.at);
    x["time"] = e.observed ? "observed" : "entered";
    x["by"] = e.by;
    entries.push_back(std::move(x));
  }
  for (const auto& r : p_.book.orders(id))
    orders.push_back({{"id", r.id},
                      {"kind", r.kind},
                      {"state", r.state},
                      {"issued", rfc3339(r.issued)},
                      {"fetched", r.fetched.us != 0 ? rfc3339(r.fetched) : ""}});
  const auto all = p_.book.reports(id);
  for (std::size_t i = all.size() > 100 ? all.size() - 100 : 0; i < all.size(); ++i) {
    json::object x = all[i].doc;
    x["what"] = all[i].what;
    x["at"] = rfc3339(all[i].at);
    reports.push_back(std::move(x));
  }
  o["entries"] = std::move(entries);
  o["orders"] = std::move(orders);
  o["reports"] = std::move(reports);
  if (run->kind == "detection") o["detection"] = detection_state(*run, all).json;
  with_play(*run, [&](const playbooks::Run& play) {
    json::array tasks, steps;
    for (const auto& t : play.tasks()) tasks.push_back(task_json(t, play));
    for (const auto& s : play.records()) {
      if (s.type != playbooks::StepType::action) continue;
      steps.push_back({{"step", s.step},
                       {"name", s.name},
                       {"started", rfc3339(s.started)},
                       {"finished", s.finished.us != 0 ? rfc3339(s.finished) : ""},
                       {"outcome", playbooks::name(s.outcome)},
                       {"by", s.by},
                       {"note", s.note},
                       {"time", s.observed ? "observed" : "entered"}});
    }
    o["tasks"] = std::move(tasks);
    o["steps"] = std::move(steps);
    o["playbook"] = {{"id", play.playbook().id},
                     {"name", play.playbook().name},
                     {"version", play.playbook().modified}};
  });
  return o;
}

std::optional<json::object> DrillServiceImpl::report(std::string_view id) {
  const std::lock_guard lock(mutex_);
  auto run = p_.book.run(id);
  if (!run) return {};
  if (auto* a = find(id)) run = a->run;
  const auto entries = p_.book.entries(id);
  const auto reports = p_.book.reports(id);
  const auto actions = p_.book.actions(id);
  ReportParts parts{*run, entries, reports, actions, nullptr, nullptr, {}, {}};
  RunFilter f;
  f.definitions = {run->definition};
  f.states = {"passed", "failed", "stopped"};
  for (auto& r : p_.book.runs(f)) {
    if (r.id == run->id || run->created < r.created) continue;
    if (parts.earlier_gaps.size() < 20) {
      auto gaps = p_.book.entries(r.id);
      std::erase_if(gaps, [](const auto& e) { return e.kind != "gap"; });
      parts.earlier_gaps.emplace_back(r.id, std::move(gaps));
    }
    parts.earlier.push_back(std::move(r));
  }
  std::optional<json::object> out;
  with_play(*run, [&](const playbooks::Run& play) {
    parts.playbook = &play.playbook();
    parts.steps = &play.records();
    out = make_report(parts);
  });
  if (!out) out = make_report(parts);
  return out;
}

void DrillServiceImpl::figures(MetricWriter& w) {
  watch_.figures(w);
  std::size_t running = 0;
  {
    const std::lock_guard lock(mutex_);
    running = active_.size();
    planner_.figures(w, content_->definitions);
  }
  w.gauge("wardwatch_drills_running", "drills that run now", {}, static_cast<double>(running));
  RunFilter f;
  f.states = {"passed", "failed", "stopped"};
  f.limit = 1000;
  std::map<std::pair<std::string, std::string>, bool> seen;
  for (const auto& r : p_.book.runs(f)) {
    if (seen.size() >= 500 || !seen.emplace(std::pair{r.site, r.definition}, true).second) continue;
    w.gauge("wardwatch_drill_last_run_timestamp_seconds", "end of the last run of a drill",
            {{"site", r.site}, {"drill", r.definition}}, static_cast<double>(r.ended.us) / 1e6);
    w.gauge("wardwatch_drill_last_passed", "1 when the last run passed",
            {{"site", r.site}, {"drill", r.definition}}, r.state == "passed" ? 1 : 0);
    const auto* figures = member_object(r.result, "recovery");
    const auto put = [&](const char* member, const char* name, const char* help) {
      const auto* v = figures != nullptr ? figures->if_contains(member) : nullptr;
      if (v != nullptr && v->is_number())
        w.gauge(name, help, {{"site", r.site}, {"drill", r.definition}}, v->to_number<double>());
    };
    put("rto_seconds", "wardwatch_drill_rto_seconds", "recovery time achieved in the last run");
    put("rto_target_seconds", "wardwatch_drill_rto_target_seconds", "recovery time wanted");
    put("rpo_seconds", "wardwatch_drill_rpo_seconds", "data loss achieved in the last run");
    put("rpo_target_seconds", "wardwatch_drill_rpo_target_seconds", "data loss accepted");
  }
  std::size_t open = 0, overdue = 0;
  const auto now = p_.clock.now();
  for (const auto& a : p_.book.actions()) {
    if (a.state == "closed") continue;
    ++open;
    overdue += a.due.us != 0 && a.due < now ? 1 : 0;
  }
  w.gauge("wardwatch_drill_actions_open", "actions from drills that are not closed", {},
          static_cast<double>(open));
  w.gauge("wardwatch_drill_actions_overdue", "of those, past their date", {},
          static_cast<double>(overdue));
}

json::object DrillServiceImpl::task_json(const playbooks::Task& t, const playbooks::Run& play) {
  json::object o{{"id", t.id},
                 {"kind", playbooks::name(t.kind)},
                 {"step", t.step},
                 {"name", t.step_name},
                 {"text", t.text},
                 {"type", t.command_type},
                 {"agent", t.agent},
                 {"since", rfc3339(t.since)},
                 {"targets", json::value_from(t.targets)},
                 {"outputs", json::value_from(t.out_args)}};
  if (!t.why.empty()) o["why"] = t.why;
  if (t.deadline.us != 0) o["deadline"] = rfc3339(t.deadline);
  if (const auto* s = play.playbook().step(t.step)) {
    if (s->hints.expected_minutes) o["expected_minutes"] = *s->hints.expected_minutes;
    if (!s->hints.role.empty()) o["role"] = s->hints.role;
    if (!s->hints.clinical_impact.empty()) o["clinical_impact"] = s->hints.clinical_impact;
    if (!s->hints.evidence_required.empty())
      o["evidence_required"] = json::value_from(s->hints.evidence_required);
    if (!s->hints.decision_question.empty())
      o["decision"] = {{"question", s->hints.decision_question},
                       {"options", json::value_from(s->hints.decision_options)}};
  }
  return o;
}

}  // namespace ww::collector
