#include "collector/drills/service.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "collector/backup/restore_check.hpp"
#include "collector/backup/tables.hpp"
#include "collector/drills/figures.hpp"
#include "collector/drills/heartbeats.hpp"
#include "collector/drills/tasks.hpp"
#include "collector/identity/accounts.hpp"
#include "collector/identity/authority.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"
#include "playbooks/json_text.hpp"
#include "telemetry/orders.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace json = boost::json;
namespace {

using Kind = DrillError::Kind;
constexpr std::size_t max_entry_octets = 16U << 10, max_active = 64, max_entries_a_run = 5'000;

tl::unexpected<DrillError> refuse(Kind kind, std::string what) {
  return fail(DrillError{kind, std::move(what)});
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

/// What is read from files and replaced as a whole by reload().
struct Content {
  DefinitionSet definitions;
  std::shared_ptr<playbooks::FolderLibrary> library;
  playbooks::AllowList allow_list;
  playbooks::Policy policy;
};

/// One run that is not over.
struct Active {
  DrillRun run;
  std::shared_ptr<const Content> content;  // the policy and library that the play refers to
  std::unique_ptr<playbooks::Run> play;
  std::int64_t last_report = 0;
  Timestamp settled;  // detection: everything expected came
  bool dirty = false;
};

class ServiceImpl final : public DrillService {
 public:
  ServiceImpl(DrillOptions options, const Parts& parts)
      : o_(std::move(options)), p_(parts), doer_(o_, p_), watch_(p_, o_.heartbeat_grace) {}

  ~ServiceImpl() override {
    p_.book.on_news({});
    p_.alerts.unsubscribe(subscription_);
    {
      const std::lock_guard lock(wake_mutex_);
      stopping_ = true;
    }
    stop_tasks_ = true;
    wake_.notify_all();
    work_.notify_all();
    if (thread_.joinable()) thread_.join();
    if (worker_.joinable()) worker_.join();
  }

  Result<void, Problem> open() {
    if (auto done = reload(); !done) return fail(done.error());
    // Restore checks are rows of the backup part; whoever comes first makes its tables.
    if (auto done = p_.store.control().add_tables("backup", backup_tables::migrations()); !done)
      return fail(done.error());
    take_up();
    p_.book.on_news([this] { wake(); });
    subscription_ = p_.alerts.subscribe([this](const AlertNotice& n) { on_alert(n); });
    worker_ = std::thread([this] { work_loop(); });
    thread_ = std::thread([this] {
      while (wait()) tick();
    });
    return {};
  }

  Result<std::string, Problem> reload() override {
    auto next = std::make_shared<Content>();
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
      spdlog::warn("drills: {}: {}", file, what);
    for (const auto& p : next->library->problems())
      spdlog::warn("drills: {}: {}", p.file, text(p.findings));
    const auto summary = std::to_string(next->definitions.all.size()) + " drills, " +
                         std::to_string(next->library->newest().size()) + " playbooks";
    const std::lock_guard lock(mutex_);
    content_ = std::move(next);
    return summary;
  }

  // --- what people do

  Result<DrillRun, DrillError> begin(const DrillStart& s) override {
    const std::lock_guard lock(mutex_);
    const auto it = content_->definitions.all.find(s.definition);
    if (it == content_->definitions.all.end())
      return refuse(Kind::not_found, "no drill definition is called " + s.definition);
    if (active_.size() >= max_active)
      return refuse(Kind::conflict, "too many drills run; stop one first");
    const auto& d = it->second;
    Active a;
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
    if (!valid_slug(r.site)) return refuse(Kind::bad, "site: say at which site");
    if (r.kind == "restore" || r.kind == "detection") {
      if (!valid_slug(r.sensor)) return refuse(Kind::bad, "sensor: say through which sensor");
      for (const auto& [id, other] : active_)
        if (other.run.site == r.site && other.run.sensor == r.sensor && other.run.kind == r.kind)
          return refuse(Kind::conflict, "a drill of this kind runs at this sensor: " + id);
    }
    if (r.level == "functional" && r.kind == "functional" &&
        member_text(r.doc, "clinical_safety_officer").empty())
      return refuse(Kind::bad, "clinical_safety_officer: a functional exercise names one");
    if (auto wrong = begin_kind(a); !wrong.empty()) return refuse(Kind::bad, wrong);
    if (a.play) r.play = a.play->save();
    if (auto done = p_.book.add_run(r); !done) return refuse(Kind::failed, done.error().text());
    clock(r.id, "actual_start", r.started, true, s.by);
    if (const auto planned = parse_time(member_text(r.doc, "planned_start")))
      clock(r.id, "planned_start", *planned, false, s.by);
    if (const auto incident = parse_time(member_text(r.doc, "incident_time")))
      clock(r.id, "incident", *incident, false, s.by);
    if (r.kind == "restore") clock(r.id, "decision_to_restore", r.started, true, s.by);
    if (r.kind == "restore" || r.kind == "detection")
      if (auto done = send_order(r, r.kind); !done)
        return refuse(Kind::failed, done.error().text());
    auto copy = r;
    active_.emplace(r.id, std::move(a));
    wake();
    return copy;
  }

  Result<void, DrillError> stop(std::string_view id, std::string_view by,
                                std::string_view reason) override {
    const std::lock_guard lock(mutex_);
    auto* a = find(id);
    if (a == nullptr) return gone(id);
    stop_run(*a, by, reason);
    return {};
  }

  Result<void, DrillError> pause(std::string_view id, std::string_view by, bool on) override {
    const std::lock_guard lock(mutex_);
    auto* a = find(id);
    if (a == nullptr) return gone(id);
    if (!a->play)
      return refuse(Kind::bad, "a " + a->run.kind + " drill cannot be paused; it can be stopped");
    const auto now = p_.clock.now();
    if (!(on ? a->play->pause(now) : a->play->resume(now)))
      return refuse(Kind::conflict, on ? "it is paused already" : "it is not paused");
    a->run.state = on ? "paused" : "running";
    add(a->run.id, "note", now, true, by, {{"text", on ? "paused" : "resumed"}});
    store_play(*a);
    return {};
  }

  Result<void, DrillError> complete(std::string_view id, std::uint64_t task,
                                    const playbooks::Outcome& outcome) override {
    const std::lock_guard lock(mutex_);
    auto* a = find(id);
    if (a == nullptr) return gone(id);
    if (!a->play) return refuse(Kind::bad, "this drill has no steps to answer");
    if (a->play->say(outcome.note, p_.clock.now(), outcome.by)) {
      add(a->run.id, "note", p_.clock.now(), false, outcome.by, {{"text", outcome.note}});
      settle_play(*a);
      return {};
    }
    const auto tasks = a->play->tasks();
    const auto t =
        std::find_if(tasks.begin(), tasks.end(), [&](const auto& x) { return x.id == task; });
    auto done = a->play->complete(task, outcome, p_.clock.now());
    if (!done) return refuse(Kind::conflict, done.error());
    if (t != tasks.end()) step_clocks(*a, *t, outcome);
    settle_play(*a);
    return {};
  }

  Result<std::int64_t, DrillError> enter(const DrillEntry& e) override {
    static constexpr std::string_view kinds[] = {"person",   "clock", "decision",      "gap",
                                                 "evidence", "note",  "communication", "integrity",
                                                 "sign_off", "scope", "deviation"};
    if (std::find(std::begin(kinds), std::end(kinds), e.kind) == std::end(kinds))
      return refuse(Kind::bad, "kind: no such kind of evidence");
    if (json::serialize(e.doc).size() > max_entry_octets)
      return refuse(Kind::bad, "an entry holds at most 16 KiB");
    if (e.kind == "clock" && member_text(e.doc, "name").empty())
      return refuse(Kind::bad, "name: say which clock");
    const std::lock_guard lock(mutex_);
    const auto run = p_.book.run(e.run);
    if (!run) return refuse(Kind::not_found, "no such drill");
    if (p_.book.entries(e.run).size() >= max_entries_a_run)
      return refuse(Kind::conflict, "this run holds as much evidence as it can");
    auto id = p_.book.add_entry(e);
    if (!id) return refuse(Kind::failed, id.error().text());
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

  Result<void, DrillError> acknowledge(std::string_view id, std::string_view alert,
                                       std::string_view by) override {
    const std::lock_guard lock(mutex_);
    const auto run = p_.book.run(id);
    if (!run) return refuse(Kind::not_found, "no such drill");
    bool any = false;
    for (const auto& r : p_.book.reports(id))
      any = any || (r.what == "alert" && (alert.empty() || member_text(r.doc, "alert") == alert));
    if (!any) return refuse(Kind::conflict, "no alert of this drill came yet");
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

  void notified(const std::string& alert) override {
    const auto a = p_.alerts.get(alert);
    if (!a) return;
    const auto now = p_.clock.now();
    for (const auto& e : a->entities)
      if (e.type == "drill")
        (void)p_.book.add_report({0, e.value, "notified", now, now, {{"alert", alert}}});
    wake();
  }

  // --- what people see

  std::optional<json::object> view(std::string_view id) override {
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

  std::optional<json::object> report(std::string_view id) override {
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

  DefinitionSet definitions() const override {
    const std::lock_guard lock(mutex_);
    return content_->definitions;
  }
  std::shared_ptr<const playbooks::FolderLibrary> library() const override {
    const std::lock_guard lock(mutex_);
    return content_->library;
  }
  Timestamp heartbeat_bound(const Heartbeat& h) const override { return watch_.bound(h); }

  void figures(MetricWriter& w) override {
    watch_.figures(w);
    std::size_t running = 0;
    {
      const std::lock_guard lock(mutex_);
      running = active_.size();
    }
    w.gauge("wardwatch_drills_running", "drills that run now", {}, static_cast<double>(running));
    RunFilter f;
    f.states = {"passed", "failed", "stopped"};
    f.limit = 1000;
    std::map<std::pair<std::string, std::string>, bool> seen;
    for (const auto& r : p_.book.runs(f)) {
      if (seen.size() >= 500 || !seen.emplace(std::pair{r.site, r.definition}, true).second)
        continue;
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

  void tick() override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> ids;
    for (const auto& [id, a] : active_) ids.push_back(id);
    for (const auto& id : ids)
      if (auto* a = find(id)) move(*a);
    watch_.look();
  }

 private:
  Active* find(std::string_view id) {
    const auto it = active_.find(std::string(id));
    return it == active_.end() ? nullptr : &it->second;
  }
  tl::unexpected<DrillError> gone(std::string_view id) const {
    return p_.book.run(id) ? refuse(Kind::conflict, "the drill is over")
                           : refuse(Kind::not_found, "no such drill");
  }

  void add(const std::string& run, std::string_view kind, Timestamp at, bool observed,
           std::string_view by, json::object doc) {
    DrillEntry e;
    e.run = run;
    e.kind = kind;
    e.at = at;
    e.observed = observed;
    e.by = by;
    e.doc = std::move(doc);
    if (auto done = p_.book.add_entry(e); !done) spdlog::error("drills: {}", done.error().text());
  }
  void clock(const std::string& run, std::string_view name, Timestamp at, bool observed,
             std::string_view by) {
    add(run, "clock", at, observed, by, {{"name", name}});
  }

  /// @return what is wrong, or ""
  std::string begin_kind(Active& a) {
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

  Result<void, Problem> send_order(const DrillRun& r, const std::string& kind,
                                   std::string_view other = {}) {
    orders::Order o;
    const auto now = p_.clock.now();
    o.id = uuid7(now);
    o.run = r.id;
    o.site = r.site;
    o.sensor = r.sensor;
    o.kind = kind;
    o.issued = now;
    o.expires = now + (kind == "stop" ? std::chrono::seconds(86'400) : o_.order_life);
    if (kind == "restore") {
      const auto* d = member_object(r.doc, "restore");
      o.parameters["target"] = member_text(*d, "target");
      o.parameters["snapshot"] =
          member_text(r.doc, "snapshot", member_text(*d, "snapshot", "latest"));
    } else if (kind == "detection") {
      o.parameters["inputs"] = member_object(r.doc, "detection")->at("inputs");
    } else {
      o.parameters["order"] = other;
    }
    DrillOrder row{o.id, r.id, r.site,    r.sensor, kind,     orders::payload(o),
                   {},   now,  o.expires, {},       "waiting"};
    row.signature = p_.authority.sign_order(row.payload);
    return p_.book.add_order(row);
  }

  /// After a start: what was running goes on.
  void take_up() {
    RunFilter f;
    f.states = {"running", "paused", "stopping"};
    for (auto& r : p_.book.runs(f)) {
      Active a;
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

  void stop_run(Active& a, std::string_view by, std::string_view reason) {
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

  void finish(Active& a, std::string_view state) {
    auto& r = a.run;
    r.state = state;
    r.ended = p_.clock.now();
    clock(r.id, "end", r.ended, true, "wardwatch");
    r.result["recovery"] = recovery(r, p_.book.entries(r.id));
    r.result.erase("progress");
    for (const auto& o : p_.book.orders(r.id))
      if (o.kind != "stop" && o.state == "waiting") p_.book.set_order_state(o.id, "expired");
    if (auto done = p_.book.save_run(r); !done) {
      spdlog::error("drills: {}", done.error().text());
      return;  // it stays active and is tried again
    }
    spdlog::info("drill {} \"{}\": {} {}", r.id, r.title, r.state, r.reason);
    active_.erase(r.id);
  }

  // --- time and news

  void move(Active& a) {
    if (a.play) return move_play(a);
    const auto now = p_.clock.now();
    for (const auto& r : p_.book.reports(a.run.id, a.last_report)) {
      a.last_report = r.id;
      if (r.what == "report") take_report(a, r);
      if (a.run.over()) return finish(a, std::string(a.run.state));
    }
    if (a.run.kind == "detection") {
      const auto before = a.run.state;
      judge_detection(a, now);
      if (a.run.over()) return finish(a, std::string(a.run.state));
    }
    if (a.run.state == "stopping" &&
        now.us - member_integer(a.run.result, "stop_asked", now.us) > 180'000'000) {
      a.run.reason +=
          "; the sensor has not confirmed that it stopped and cleaned up: it does so when it is "
          "back";
      return finish(a, "stopped");
    }
    bool fetched = false;
    for (const auto& o : p_.book.orders(a.run.id))
      fetched = fetched || (o.kind != "stop" && (o.fetched.us != 0 || o.state != "waiting"));
    if (!fetched && now - a.run.started > o_.order_life) {
      a.run.reason = "the sensor did not fetch the order; is it there, and does it take orders?";
      return finish(a, "failed");
    }
    const auto limit = a.run.kind == "restore" ? o_.restore_limit : o_.detection_limit;
    if (a.run.state == "running" && now - a.run.started > limit + o_.order_life) {
      for (const auto& o : p_.book.orders(a.run.id))
        if (o.kind != "stop" && o.state != "finished") (void)send_order(a.run, "stop", o.id);
      a.run.reason = "no result came within the limit";
      return finish(a, "failed");
    }
    if (a.dirty) {
      a.dirty = false;
      (void)p_.book.save_run(a.run);
    }
  }

  void take_report(Active& a, const DrillReport& r) {
    const auto state = member_text(r.doc, "state");
    if (member_text(r.doc, "kind") == "stop") return;  // that the stop arrived
    a.dirty = true;
    if (state == "started")
      add(a.run.id, "note", r.at, true, "wardwatch",
          {{"text", "the sensor began at " + member_text(r.doc, "started")}});
    if (state != "finished") {
      a.run.result["progress"] = {{"phase", member_text(r.doc, "phase")},
                                  {"percent", member_integer(r.doc, "percent", 0)},
                                  {"text", member_text(r.doc, "text")},
                                  {"at", rfc3339(r.at)}};
      return;
    }
    const auto result = member_text(r.doc, "result");
    a.run.result["sensor"] = r.doc;
    if (a.run.kind == "restore") take_restore(a, r, result);
    if (a.run.kind == "detection" && result != "passed") {
      a.run.state = result == "stopped" ? "stopped" : "failed";
      a.run.reason = member_text(r.doc, "text");
    }
  }

  void take_restore(Active& a, const DrillReport& r, const std::string& result) {
    const auto finished = parse_time(member_text(r.doc, "finished"));
    const auto data_time = parse_time(member_text(r.doc, "data_time"));
    auto until = finished.value_or(r.at);
    if (until < a.run.started || p_.clock.now() < until) until = r.received;  // its clock is off
    if (result == "passed")
      clock(a.run.id, "it_complete", until, true,
            r.doc.contains("reporter") ? member_text(r.doc, "reporter") : "sensor");
    if (data_time && result == "passed")
      clock(a.run.id, "data_time", *data_time, true, member_text(r.doc, "tool"));
    json::object integrity{
        {"snapshot", member_text(r.doc, "snapshot")},
        {"passed", r.doc.contains("passed") ? r.doc.at("passed") : json::array()},
        {"failed", r.doc.contains("failed") ? r.doc.at("failed") : json::array()},
        {"chosen", member_text(r.doc, "text")}};
    add(a.run.id, "integrity", r.at, true, "wardwatch", std::move(integrity));
    a.run.state = result == "passed" ? "passed" : result == "stopped" ? "stopped" : "failed";
    if (a.run.reason.empty() && result != "passed") a.run.reason = member_text(r.doc, "text");
    RestoreCheck c;
    c.site = a.run.site;
    c.asset = member_text(r.doc, "asset");
    c.job = member_text(r.doc, "job");
    c.tool = member_text(r.doc, "tool");
    c.repository = member_text(r.doc, "repository");
    c.snapshot = member_text(r.doc, "snapshot");
    if (c.snapshot.empty() || c.asset.empty()) return;  // it never came so far
    c.data_time = data_time.value_or(Timestamp{});
    c.started = a.run.started;
    c.finished = until;
    c.result = result == "passed"    ? RestoreResult::passed
               : result == "stopped" ? RestoreResult::stopped
                                     : RestoreResult::failed;
    c.scan = scan_result(member_text(r.doc, "scan", "not_done")).value_or(ScanResult::not_done);
    c.scope = member_text(r.doc, "scope", "full");
    c.octets =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, member_integer(r.doc, "bytes", 0)));
    c.files =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, member_integer(r.doc, "files", 0)));
    c.verified = member_texts(r.doc, "passed");
    c.detail = member_text(r.doc, "text");
    c.drill = a.run.id;
    c.by = a.run.by;
    c.evidence_sha256 = playbooks::sha256_hex(playbooks::canonical_json(r.doc));
    auto kept = record_restore_check(p_.store.control(), c);
    if (kept)
      a.run.result["restore_check"] = *kept;
    else
      spdlog::error("drills: {}", kept.error().text());
  }

  void judge_detection(Active& a, Timestamp now) {
    if (a.run.over()) return;
    auto state = detection_state(a.run, p_.book.reports(a.run.id));
    a.run.result["detection"] = state.json;
    a.dirty = true;
    if (!state.played) return;
    // Rules that must not fire get a moment to do so.
    const bool settled = state.met || state.spoiled;
    if (settled && a.settled.us == 0) a.settled = now;
    const auto* d = member_object(a.run.doc, "detection");
    const auto settle = member_integer(*d, "settle_s", 5),
               timeout = member_integer(*d, "timeout_s", 120);
    if (settled && now - a.settled >= std::chrono::seconds(settle)) {
      a.run.state = state.met && !state.spoiled ? "passed" : "failed";
      if (state.spoiled) a.run.reason = "a rule fired that must not, or too often";
    } else if (now - a.run.started > std::chrono::seconds(timeout)) {
      a.run.state = "failed";
      a.run.reason = "not every expected rule fired in time";
    }
  }

  void move_play(Active& a) {
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
  void injects(Active& a, Timestamp now) {
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

  void step_clocks(Active& a, const playbooks::Task& t, const playbooks::Outcome& o) {
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

  void store_play(Active& a) {
    a.run.play = a.play->save();
    if (auto done = p_.book.save_run(a.run); !done)
      spdlog::error("drills: {}", done.error().text());
  }

  void settle_play(Active& a) {
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
        spdlog::error("drills: {}", done.error().text());
    }
  }

  template <class F>
  void with_play(const DrillRun& run, F f) {
    if (auto* a = find(run.id)) {
      if (a->play) f(*a->play);
      return;
    }
    if (run.play.empty()) return;
    const auto play = playbooks::Run::restore(content_->policy, *content_->library, run.play);
    if (play) f(**play);
  }

  static json::object task_json(const playbooks::Task& t, const playbooks::Run& play) {
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

  // --- alerts of drills; called from the committing thread

  void on_alert(const AlertNotice& n) {
    if (n.kind == AlertNotice::Kind::changed || n.alert.disposition != Disposition::drill) return;
    const auto it = std::find_if(n.alert.entities.begin(), n.alert.entities.end(),
                                 [](const auto& e) { return e.type == "drill"; });
    if (it == n.alert.entities.end()) return;
    const std::lock_guard lock(alerts_mutex_);
    if (new_alerts_.size() >= 10'000) return;
    new_alerts_.push_back({0,
                           it->value,
                           "alert",
                           n.alert.updated,
                           n.alert.updated,
                           {{"alert", n.alert.id},
                            {"rule", n.alert.rule.id},
                            {"title", n.alert.rule.title},
                            {"level", name(n.alert.level)},
                            {"count", n.alert.count}}});
    wake();
  }

  void keep_alerts() {
    std::deque<DrillReport> all;
    {
      const std::lock_guard lock(alerts_mutex_);
      all.swap(new_alerts_);
    }
    for (const auto& r : all)
      if (auto done = p_.book.add_report(r); !done)
        spdlog::error("drills: {}", done.error().text());
  }

  // --- threads

  void wake() {
    {
      const std::lock_guard lock(wake_mutex_);
      news_ = true;
    }
    wake_.notify_all();
  }
  bool wait() {
    {
      std::unique_lock lock(wake_mutex_);
      wake_.wait_for(lock, o_.tick, [this] { return news_ || stopping_; });
      news_ = false;
      if (stopping_) return false;
    }
    keep_alerts();
    return true;
  }

  struct Work {
    std::string run, site;
    playbooks::Task task;
  };
  void work_loop() {
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

  DrillOptions o_;
  Parts p_;
  TaskDoer doer_;
  HeartbeatWatch watch_;
  mutable std::mutex mutex_;  // guards content_ and active_
  std::shared_ptr<const Content> content_;
  std::map<std::string, Active> active_;
  std::uint64_t subscription_ = 0;

  std::mutex alerts_mutex_;
  std::deque<DrillReport> new_alerts_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool news_ = false, stopping_ = false;
  std::thread thread_;

  std::mutex work_mutex_;
  std::condition_variable work_;
  std::deque<Work> waiting_work_;
  std::atomic<bool> stop_tasks_{false};
  std::thread worker_;
};

}  // namespace

Result<std::unique_ptr<DrillService>, Problem> DrillService::create(DrillOptions options,
                                                                    const Parts& parts) {
  auto service = std::make_unique<ServiceImpl>(std::move(options), parts);
  if (auto done = service->open(); !done) return fail(done.error());
  return service;
}

}  // namespace ww::collector
