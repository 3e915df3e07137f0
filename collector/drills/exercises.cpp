/// Table-top and functional exercises: a playbook that people go through, with injects.

#include <algorithm>
#include <boost/json.hpp>

#include "collector/drills/service_impl.hpp"
#include "telemetry/logging.hpp"

namespace ww::collector {
namespace json = boost::json;

/// @return what is wrong, or ""
std::string DrillServiceImpl::begin_kind(ActiveDrill& a) {
  auto& r = a.run;
  a.content = content_;
  if (r.kind != "tabletop" && r.kind != "functional") return {};
  const auto* e = member_object(r.doc, "exercise");
  const auto playbook =
      content_->library->find(member_text(*e, "playbook"), member_text(*e, "playbook_version"));
  if (playbook == nullptr) return "exercise.playbook: it is not in the library";
  std::map<std::string, std::string> given;
  if (const auto* vars = member_object(r.doc, "variables"))
    for (const auto& m : *vars)
      if (m.value().is_string()) given[m.key()] = m.value().get_string();
  auto play = playbooks::Run::start(a.content->policy, *a.content->library, playbook, given,
                                    p_.clock.now());
  if (!play) return play.error();
  a.play = std::move(*play);
  return {};
}

void DrillServiceImpl::move_play(ActiveDrill& a) {
  const auto now = p_.clock.now();
  a.play->advance(now);
  injects(a, now);
  for (const auto& t : a.play->tasks()) {
    const bool machine = t.kind == playbooks::TaskKind::check ||
                         t.kind == playbooks::TaskKind::http ||
                         t.kind == playbooks::TaskKind::local;
    if (!machine || t.begun) continue;
    if (!a.play->begin(t.id)) continue;
    store_play(a);  // that it was begun is known before it is done
    const std::lock_guard lock(work_mutex_);
    waiting_work_.push_back({a.run.id, a.run.site, t});
    work_.notify_one();
  }
  settle_play(a);
}

/// Injects whose minute has come. Time that the exercise was paused does not count: it is what
/// the step clocks say, so the notes of pause and resume are read back.
void DrillServiceImpl::injects(ActiveDrill& a, Timestamp now) {
  const auto* e = member_object(a.run.doc, "exercise");
  const auto* list = e != nullptr ? member_list(*e, "injects") : nullptr;
  if (list == nullptr || a.run.state != "running") return;
  std::int64_t paused = 0, since = 0;
  std::size_t given = 0;
  for (const auto& x : p_.book.entries(a.run.id)) {
    const auto text = member_text(x.doc, "text");
    if (x.kind == "inject") ++given;
    if (x.kind != "note" || !x.observed) continue;
    if (text == "paused") since = x.at.us;
    if (text == "resumed" && since != 0) paused += x.at.us - since, since = 0;
  }
  for (; given < list->size(); ++given) {
    if (!list->at(given).is_object()) continue;
    const auto& inject = list->at(given).get_object();
    const auto due = a.run.started.us + paused + member_integer(inject, "at_min", 0) * 60'000'000;
    if (now.us < due) return;  // they are in order of time
    add(a.run.id, "inject", now, true, "wardwatch", inject);
  }
}

void DrillServiceImpl::step_clocks(ActiveDrill& a, const playbooks::Task& t,
                                   const playbooks::Outcome& o) {
  const auto playbook = content_->library->find(t.playbook, {});
  const auto* s = playbook != nullptr ? playbook->step(t.step) : nullptr;
  if (s == nullptr || o.outcome == playbooks::StepOutcome::failed) return;
  const auto now = p_.clock.now();
  if (s->hints.rto_clock == "start") clock(a.run.id, "decision_to_restore", now, true, o.by);
  if (s->hints.rto_clock == "stop") clock(a.run.id, "clinical_sign_off", now, true, o.by);
  if (!s->hints.decision_question.empty())
    add(a.run.id, "decision", now, true, o.by,
        {{"question", s->hints.decision_question},
         {"options", json::value_from(s->hints.decision_options)},
         {"chosen", o.note},
         {"step", t.step},
         {"role", s->hints.role}});
}

void DrillServiceImpl::store_play(ActiveDrill& a) {
  a.run.play = a.play->save();
  if (auto done = p_.book.save_run(a.run); !done) logging::error("drills: {}", done.error().text());
}

void DrillServiceImpl::settle_play(ActiveDrill& a) {
  const auto text = a.play->save();
  const bool changed = text != a.run.play;
  a.run.play = text;
  const auto state = a.play->state();
  if (playbooks::ended(state)) {
    if (a.run.reason.empty()) a.run.reason = a.play->reason();
    std::size_t timed = 0, on_time = 0;
    for (const auto& s : a.play->records()) {
      const auto* step = a.play->playbook().step(s.step);
      if (step == nullptr || !step->hints.expected_minutes || s.finished.us == 0) continue;
      ++timed;
      on_time += s.finished - s.started <= std::chrono::minutes(*step->hints.expected_minutes);
    }
    if (timed > 0)
      a.run.result["steps_on_time_percent"] =
          100.0 * static_cast<double>(on_time) / static_cast<double>(timed);
    finish(a, state == playbooks::RunState::succeeded ? "passed"
              : state == playbooks::RunState::stopped ? "stopped"
                                                      : "failed");
    return;
  }
  if (changed || a.dirty) {
    a.dirty = false;
    if (auto done = p_.book.save_run(a.run); !done)
      logging::error("drills: {}", done.error().text());
  }
}

}  // namespace ww::collector
