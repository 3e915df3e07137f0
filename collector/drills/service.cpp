#include "collector/drills/service.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "collector/backup/tables.hpp"
#include "collector/drills/figures.hpp"
#include "collector/drills/service_impl.hpp"
#include "collector/identity/authority.hpp"
#include "collector/store/store.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace json = boost::json;
namespace {

using Kind = DrillError::Kind;
constexpr std::size_t max_entry_octets = 16U << 10, max_active = 64, max_entries_a_run = 5'000;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

}  // namespace

Result<void, Problem> DrillServiceImpl::open() {
  if (auto done = reload(); !done) return fail(done.error());
  // Restore checks are rows of the backup part; whoever comes first makes its tables.
  if (auto done = p_.store.control().add_tables("backup", backup_tables::migrations()); !done)
    return fail(done.error());
  take_up();
  if (auto done = planner_.load(o_.plans); !done) return fail(done.error());
  p_.book.on_news([this] { wake(); });
  subscription_ = p_.alerts.subscribe([this](const AlertNotice& n) { on_alert(n); });
  worker_ = std::thread([this] { work_loop(); });
  thread_ = std::thread([this] {
    while (wait()) tick();
  });
  return {};
}

Result<std::string, Problem> DrillServiceImpl::reload() {
  auto next = std::make_shared<DrillContent>();
  playbooks::TrustedKeys keys;
  for (const auto& file : o_.trusted_keys)
    if (auto added = keys.add_pem(read_text(file)); !added)
      return fail(Problem{added.error(), file, "correct drills.trusted_keys"});
  next->definitions = load_definitions(o_.definitions);
  next->library = std::make_shared<playbooks::FolderLibrary>(o_.playbooks, keys,
                                                             o_.signature_needed, p_.clock.now());
  next->policy.http_hosts = o_.http_hosts;
  next->policy.checks = drill_checks();
  next->policy.stop_word = o_.stop_word;
  if (!o_.allow_list.empty()) {
    auto list = playbooks::AllowList::load(read_text(o_.allow_list), keys, o_.site);
    if (!list) return fail(Problem{list.error(), o_.allow_list, "correct drills.allow_list"});
    next->allow_list = std::move(*list);
    next->policy.local = &next->allow_list;
  }
  for (const auto& [file, what] : next->definitions.problems)
    logging::warn("drills: {}: {}", file, what);
  for (const auto& p : next->library->problems())
    logging::warn("drills: {}: {}", p.file, text(p.findings));
  auto summary = std::to_string(next->definitions.all.size()) + " drills, " +
                 std::to_string(next->library->newest().size()) + " playbooks";
  const std::lock_guard lock(mutex_);
  content_ = std::move(next);
  return summary;
}

Result<DrillRun, DrillError> DrillServiceImpl::begin(const DrillStart& s) {
  const std::lock_guard lock(mutex_);
  return begin_locked(s);
}

Result<DrillRun, DrillError> DrillServiceImpl::begin_locked(const DrillStart& s) {
  const auto it = content_->definitions.all.find(s.definition);
  if (it == content_->definitions.all.end())
    return refuse_drill(Kind::not_found, "no drill definition is called " + s.definition);
  if (active_.size() >= max_active)
    return refuse_drill(Kind::conflict, "too many drills run; stop one first");
  const auto& d = it->second;
  ActiveDrill a;
  auto& r = a.run;
  r.id = uuid7(p_.clock.now());
  r.kind = d.kind;
  r.definition = d.id;
  r.title = d.title;
  r.level = d.level;
  r.doc = d.json;
  for (const auto& m : s.choices) r.doc[m.key()] = m.value();
  r.site = s.site.empty() ? member_text(d.json, "site") : s.site;
  r.sensor = s.sensor.empty() ? member_text(d.json, "sensor") : s.sensor;
  r.by = s.by;
  r.state = "running";
  r.created = r.started = p_.clock.now();
  if (!valid_slug(r.site)) return refuse_drill(Kind::bad, "site: say at which site");
  if (r.kind == "restore" || r.kind == "detection") {
    if (!valid_slug(r.sensor)) return refuse_drill(Kind::bad, "sensor: say through which sensor");
    for (const auto& [id, other] : active_)
      if (other.run.site == r.site && other.run.sensor == r.sensor && other.run.kind == r.kind)
        return refuse_drill(Kind::conflict, "a drill of this kind runs at this sensor: " + id);
  }
  if (r.level == "functional" && r.kind == "functional" &&
      member_text(r.doc, "clinical_safety_officer").empty())
    return refuse_drill(Kind::bad, "clinical_safety_officer: a functional exercise names one");
  if (auto wrong = begin_kind(a); !wrong.empty()) return refuse_drill(Kind::bad, wrong);
  if (a.play) r.play = a.play->save();
  if (auto done = p_.book.add_run(r); !done) return refuse_drill(Kind::failed, done.error().text());
  clock(r.id, "actual_start", r.started, true, s.by);
  if (const auto planned = parse_time(member_text(r.doc, "planned_start")))
    clock(r.id, "planned_start", *planned, false, s.by);
  if (const auto incident = parse_time(member_text(r.doc, "incident_time")))
    clock(r.id, "incident", *incident, false, s.by);
  if (r.kind == "restore") clock(r.id, "decision_to_restore", r.started, true, s.by);
  if (r.kind == "restore" || r.kind == "detection")
    if (auto done = send_order(r, r.kind); !done)
      return refuse_drill(Kind::failed, done.error().text());
  auto copy = r;
  active_.emplace(r.id, std::move(a));
  wake();
  return copy;
}

Result<void, DrillError> DrillServiceImpl::stop(std::string_view id, std::string_view by,
                                                std::string_view reason) {
  const std::lock_guard lock(mutex_);
  auto* a = find(id);
  if (a == nullptr) return gone(id);
  stop_run(*a, by, reason);
  return {};
}

Result<void, DrillError> DrillServiceImpl::pause(std::string_view id, std::string_view by,
                                                 bool on) {
  const std::lock_guard lock(mutex_);
  auto* a = find(id);
  if (a == nullptr) return gone(id);
  if (!a->play)
    return refuse_drill(Kind::bad,
                        "a " + a->run.kind + " drill cannot be paused; it can be stopped");
  const auto now = p_.clock.now();
  if (!(on ? a->play->pause(now) : a->play->resume(now)))
    return refuse_drill(Kind::conflict, on ? "it is paused already" : "it is not paused");
  a->run.state = on ? "paused" : "running";
  add(a->run.id, "note", now, true, by, {{"text", on ? "paused" : "resumed"}});
  store_play(*a);
  return {};
}

Result<void, DrillError> DrillServiceImpl::complete(std::string_view id, std::uint64_t task,
                                                    const playbooks::Outcome& outcome) {
  const std::lock_guard lock(mutex_);
  auto* a = find(id);
  if (a == nullptr) return gone(id);
  if (!a->play) return refuse_drill(Kind::bad, "this drill has no steps to answer");
  if (a->play->say(outcome.note, p_.clock.now(), outcome.by)) {
    add(a->run.id, "note", p_.clock.now(), false, outcome.by, {{"text", outcome.note}});
    settle_play(*a);
    return {};
  }
  const auto tasks = a->play->tasks();
  const auto t =
      std::find_if(tasks.begin(), tasks.end(), [&](const auto& x) { return x.id == task; });
  auto done = a->play->complete(task, outcome, p_.clock.now());
  if (!done) return refuse_drill(Kind::conflict, done.error());
  if (t != tasks.end()) step_clocks(*a, *t, outcome);
  settle_play(*a);
  return {};
}

Result<std::int64_t, DrillError> DrillServiceImpl::enter(const DrillEntry& e) {
  static constexpr std::string_view kinds[] = {"person",   "clock", "decision",      "gap",
                                               "evidence", "note",  "communication", "integrity",
                                               "sign_off", "scope", "deviation"};
  if (std::find(std::begin(kinds), std::end(kinds), e.kind) == std::end(kinds))
    return refuse_drill(Kind::bad, "kind: no such kind of evidence");
  if (json::serialize(e.doc).size() > max_entry_octets)
    return refuse_drill(Kind::bad, "an entry holds at most 16 KiB");
  if (e.kind == "clock" && member_text(e.doc, "name").empty())
    return refuse_drill(Kind::bad, "name: say which clock");
  const std::lock_guard lock(mutex_);
  const auto run = p_.book.run(e.run);
  if (!run) return refuse_drill(Kind::not_found, "no such drill");
  if (p_.book.entries(e.run).size() >= max_entries_a_run)
    return refuse_drill(Kind::conflict, "this run holds as much evidence as it can");
  auto id = p_.book.add_entry(e);
  if (!id) return refuse_drill(Kind::failed, id.error().text());
  if (auto* a = find(e.run)) {
    a->run.result["recovery"] = recovery(a->run, p_.book.entries(e.run));
    a->dirty = true;
    if (e.kind == "note" && a->play &&
        a->play->say(member_text(e.doc, "text"), p_.clock.now(), e.by))
      settle_play(*a);
  } else {
    auto over = *run;  // a sign-off may come later than the end
    over.result["recovery"] = recovery(over, p_.book.entries(e.run));
    (void)p_.book.save_run(over);
  }
  return *id;
}

Result<void, DrillError> DrillServiceImpl::acknowledge(std::string_view id, std::string_view alert,
                                                       std::string_view by) {
  const std::lock_guard lock(mutex_);
  const auto run = p_.book.run(id);
  if (!run) return refuse_drill(Kind::not_found, "no such drill");
  bool any = false;
  for (const auto& r : p_.book.reports(id))
    any = any || (r.what == "alert" && (alert.empty() || member_text(r.doc, "alert") == alert));
  if (!any) return refuse_drill(Kind::conflict, "no alert of this drill came yet");
  const auto now = p_.clock.now();
  (void)p_.book.add_report(
      {0, std::string(id), "acknowledged", now, now, {{"by", by}, {"alert", alert}}});
  if (find(id) == nullptr) {  // after the end: the figures learn of it too
    auto over = *run;
    over.result["detection"] = detection_state(over, p_.book.reports(id)).json;
    (void)p_.book.save_run(over);
  }
  wake();
  return {};
}

void DrillServiceImpl::notified(const std::string& alert) {
  const auto a = p_.alerts.get(alert);
  if (!a) return;
  const auto now = p_.clock.now();
  for (const auto& e : a->entities)
    if (e.type == "drill")
      (void)p_.book.add_report({0, e.value, "notified", now, now, {{"alert", alert}}});
  wake();
}

DefinitionSet DrillServiceImpl::definitions() const {
  const std::lock_guard lock(mutex_);
  return content_->definitions;
}

std::shared_ptr<const playbooks::FolderLibrary> DrillServiceImpl::library() const {
  const std::lock_guard lock(mutex_);
  return content_->library;
}

json::array DrillServiceImpl::plans() {
  const std::lock_guard lock(mutex_);
  return planner_.list(content_->definitions, [this](const DrillPlan& p) {
    return std::any_of(active_.begin(), active_.end(), [&](const auto& a) {
      const auto& r = a.second.run;
      return r.definition == p.drill && r.site == p.site &&
             (p.sensor.empty() || p.sensor == r.sensor);
    });
  });
}

Result<void, DrillError> DrillServiceImpl::put_plan(const DrillPlan& plan) {
  const std::lock_guard lock(mutex_);
  auto done = planner_.put(plan, content_->definitions);
  wake();
  return done;
}

Result<void, DrillError> DrillServiceImpl::drop_plan(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto done = planner_.drop(id, o_.plans);
  if (!done) return fail(done.error());
  if (!*done) return refuse_drill(Kind::not_found, "no such plan");
  return {};
}

Timestamp DrillServiceImpl::heartbeat_bound(const Heartbeat& h) const { return watch_.bound(h); }

void DrillServiceImpl::tick() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, a] : active_) ids.push_back(id);
  for (const auto& id : ids)
    if (auto* a = find(id)) move(*a);
  watch_.look();
  planner_.look(content_->definitions, [this](const DrillPlan& plan, Timestamp window_end) {
    DrillStart s{plan.drill, plan.site, plan.sensor, "plan " + plan.id, {{"plan", plan.id}}};
    if (!plan.window.empty()) s.choices["window_end"] = rfc3339(window_end);
    return begin_locked(s);
  });
}

ActiveDrill* DrillServiceImpl::find(std::string_view id) {
  const auto it = active_.find(std::string(id));
  return it == active_.end() ? nullptr : &it->second;
}

tl::unexpected<DrillError> DrillServiceImpl::gone(std::string_view id) const {
  return p_.book.run(id) ? refuse_drill(Kind::conflict, "the drill is over")
                         : refuse_drill(Kind::not_found, "no such drill");
}

void DrillServiceImpl::add(const std::string& run, std::string_view kind, Timestamp at,
                           bool observed, std::string_view by, json::object doc) {
  DrillEntry e;
  e.run = run;
  e.kind = kind;
  e.at = at;
  e.observed = observed;
  e.by = by;
  e.doc = std::move(doc);
  if (auto done = p_.book.add_entry(e); !done) logging::error("drills: {}", done.error().text());
}

void DrillServiceImpl::clock(const std::string& run, std::string_view name, Timestamp at,
                             bool observed, std::string_view by) {
  add(run, "clock", at, observed, by, {{"name", name}});
}

/// After a start: what was running goes on.
void DrillServiceImpl::take_up() {
  RunFilter f;
  f.states = {"running", "paused", "stopping"};
  for (auto& r : p_.book.runs(f)) {
    ActiveDrill a;
    a.content = content_;
    a.run = std::move(r);
    if (!a.run.play.empty()) {
      auto play = playbooks::Run::restore(a.content->policy, *a.content->library, a.run.play);
      if (!play) {
        a.run.state = "failed";
        a.run.reason = "it could not go on after a restart: " + play.error();
        a.run.ended = p_.clock.now();
        (void)p_.book.save_run(a.run);
        continue;
      }
      a.play = std::move(*play);
    }
    add(a.run.id, "note", p_.clock.now(), true, "wardwatch",
        {{"text", "the collector was restarted; the drill goes on"}});
    active_.emplace(a.run.id, std::move(a));
  }
}

void DrillServiceImpl::stop_run(ActiveDrill& a, std::string_view by, std::string_view reason) {
  const auto now = p_.clock.now();
  add(a.run.id, "note", now, true, by, {{"text", "stopped: " + std::string(reason)}});
  if (a.play) {
    (void)a.play->stop(now, by, reason);
    settle_play(a);
    return;
  }
  bool underway = false;
  for (const auto& o : p_.book.orders(a.run.id)) {
    if (o.kind == "stop") continue;
    if (o.state == "waiting" && o.fetched.us == 0) {
      p_.book.set_order_state(o.id, "expired");
    } else if (o.state == "waiting" || o.state == "started") {
      underway = true;
      if (a.run.state != "stopping") (void)send_order(a.run, "stop", o.id);
    }
  }
  a.run.reason = reason;
  if (!underway) return finish(a, "stopped");
  a.run.state = "stopping";
  a.run.result["stop_asked"] = now.us;
  (void)p_.book.save_run(a.run);
}

void DrillServiceImpl::finish(ActiveDrill& a, std::string_view state) {
  auto& r = a.run;
  r.state = state;
  r.ended = p_.clock.now();
  clock(r.id, "end", r.ended, true, "wardwatch");
  r.result["recovery"] = recovery(r, p_.book.entries(r.id));
  r.result.erase("progress");
  for (const auto& o : p_.book.orders(r.id))
    if (o.kind != "stop" && o.state == "waiting") p_.book.set_order_state(o.id, "expired");
  if (auto done = p_.book.save_run(r); !done) {
    logging::error("drills: {}", done.error().text());
    return;  // it stays active and is tried again
  }
  logging::info("drill {} \"{}\": {} {}", r.id, r.title, r.state, r.reason);
  planner_.ended(r);
  active_.erase(r.id);
}

void DrillServiceImpl::wake() {
  {
    const std::lock_guard lock(wake_mutex_);
    news_ = true;
  }
  wake_.notify_all();
}

bool DrillServiceImpl::wait() {
  {
    std::unique_lock lock(wake_mutex_);
    wake_.wait_for(lock, o_.tick, [this] { return news_ || stopping_; });
    news_ = false;
    if (stopping_) return false;
  }
  keep_alerts();
  return true;
}

void DrillServiceImpl::work_loop() {
  for (;;) {
    Work w;
    {
      std::unique_lock lock(work_mutex_);
      work_.wait(lock, [this] { return stop_tasks_.load() || !waiting_work_.empty(); });
      if (stop_tasks_) return;
      w = std::move(waiting_work_.front());
      waiting_work_.pop_front();
    }
    const auto outcome = doer_.run(w.task, w.site, stop_tasks_);
    if (stop_tasks_) return;  // after the restart a person decides
    (void)complete(w.run, w.task.id, outcome);
    wake();
  }
}

Result<std::unique_ptr<DrillService>, Problem> DrillService::create(DrillOptions options,
                                                                    const Parts& parts) {
  auto service = std::make_unique<DrillServiceImpl>(std::move(options), parts);
  if (auto done = service->open(); !done) return fail(done.error());
  return service;
}

}  // namespace ww::collector
