/// Drills, their evidence and actions; heartbeats; playbooks; orders to sensors.
#include <algorithm>
#include <boost/json.hpp>

#include "collector/api/reply.hpp"
#include "collector/drills/pack.hpp"
#include "collector/drills/service.hpp"
#include "collector/identity/authority.hpp"
#include "telemetry/orders.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

namespace json = boost::json;

/// Answers 503 itself when this collector runs no drills.
DrillService* drills(const CallPtr& call) {
  if (call->services.drills == nullptr)
    call->reply_error(503, "this collector runs no drills; see drills in its configuration");
  return call->services.drills;
}

void reply(const CallPtr& call, unsigned status, const json::value& v) {
  call->reply_json(status, json::serialize(v));
}

void reply_drill_error(const CallPtr& call, const DrillError& e) {
  using Kind = DrillError::Kind;
  call->reply_error(e.kind == Kind::not_found  ? 404
                    : e.kind == Kind::conflict ? 409
                    : e.kind == Kind::failed   ? 503
                                               : 400,
                    e.what);
}

/// The run of {id} when the caller may see its site; answers 404 itself otherwise.
std::optional<DrillRun> visible_run(const CallPtr& call) {
  if (drills(call) == nullptr) return {};
  auto run = call->services.drill_book->run(call->param("id"));
  if (!run || !call->sees(run->site)) {
    call->reply_error(404, "no such drill");
    return {};
  }
  return run;
}

json::object summary(const DrillRun& r) {
  json::object o{
      {"id", r.id},         {"kind", r.kind}, {"definition", r.definition},   {"title", r.title},
      {"level", r.level},   {"site", r.site}, {"sensor", r.sensor},           {"state", r.state},
      {"reason", r.reason}, {"by", r.by},     {"started", rfc3339(r.started)}};
  if (r.ended.us != 0) o["ended"] = rfc3339(r.ended);
  for (const auto* name : {"recovery", "detection", "progress", "steps_on_time_percent"})
    if (const auto* v = r.result.if_contains(name)) o[name] = *v;
  return o;
}

void list(const CallPtr& call) {
  if (drills(call) == nullptr) return;
  RunFilter f;
  f.states = call->list_arg("state");
  f.kinds = call->list_arg("kind");
  f.sites = call->list_arg("site");
  f.definitions = call->list_arg("definition");
  f.visible_sites = call->visible_sites();
  f.limit = limit_arg(*call);
  json::array items;
  for (const auto& r : call->services.drill_book->runs(f)) items.push_back(summary(r));
  reply(call, 200, json::object{{"items", std::move(items)}});
}

void definitions(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  const auto set = service->definitions();
  json::array items, problems;
  for (const auto& [id, d] : set.all) {
    auto o = d.json;
    o.erase("detection");  // inputs may be large: GET of one has them
    o["kind"] = d.kind;
    o["level"] = d.level;
    if (const auto* x = member_object(d.json, "detection")) {
      for (const auto* name : {"expect", "must_not_fire"})
        if (const auto* v = x->if_contains(name)) o[name] = *v;
    }
    items.push_back(std::move(o));
  }
  for (const auto& [file, what] : set.problems)
    problems.push_back({{"file", file}, {"error", what}});
  reply(call, 200, json::object{{"items", std::move(items)}, {"problems", std::move(problems)}});
}

void definition(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  const auto set = service->definitions();
  const auto it = set.all.find(call->param("id"));
  if (it == set.all.end()) return call->reply_error(404, "no such drill definition");
  reply(call, 200, it->second.json);
}

void begin(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  auto body = call->json_body();
  if (!body) return;
  DrillStart s;
  s.definition = text_member(*body, "definition").value_or("");
  s.site = text_member(*body, "site").value_or("");
  s.sensor = text_member(*body, "sensor").value_or("");
  s.by = call->caller.name;
  // What a person may choose; the rest of a definition is not theirs to change here.
  for (const auto* name : {"snapshot", "incident_time", "planned_start", "variables", "approver",
                           "clinical_safety_officer", "scenario_source", "incident"})
    if (const auto* v = body->if_contains(name)) s.choices[name] = *v;
  const auto set = service->definitions();
  const auto it = set.all.find(s.definition);
  const auto site = !s.site.empty()       ? s.site
                    : it != set.all.end() ? member_text(it->second.json, "site")
                                          : std::string();
  if (!call->sees(site)) return call->reply_error(403, "this site is not yours");
  auto run = service->begin(s);
  if (!run) return reply_drill_error(call, run.error());
  call->services.accounts.audit(call->actor(), "drill.start", run->id, run->title);
  reply(call, 201, summary(*run));
}

void show(const CallPtr& call) {
  if (!visible_run(call)) return;
  auto v = call->services.drills->view(call->param("id"));
  if (!v) return call->reply_error(404, "no such drill");
  json::array actions;
  for (const auto& a : call->services.drill_book->actions(call->param("id")))
    actions.push_back({{"id", a.id},
                       {"gap", a.gap},
                       {"text", a.text},
                       {"owner", a.owner},
                       {"due", a.due.us != 0 ? rfc3339(a.due) : ""},
                       {"priority", a.priority},
                       {"state", a.state}});
  (*v)["actions"] = std::move(actions);
  reply(call, 200, *v);
}

void report(const CallPtr& call) {
  if (!visible_run(call)) return;
  auto r = call->services.drills->report(call->param("id"));
  if (!r) return call->reply_error(404, "no such drill");
  if (call->caller.sites.empty()) return reply(call, 200, *r);
  // Who sees some sites is not told of the others in the comparison.
  if (auto* c = r->if_contains("comparison"); c != nullptr && c->is_object())
    for (auto& list : c->get_object())
      if (list.value().is_array()) {
        json::array mine;
        for (auto& v : list.value().get_array())
          if (call->sees(member_text(v.get_object(), "site"))) mine.push_back(std::move(v));
        list.value() = std::move(mine);
      }
  reply(call, 200, *r);
}

void change(const CallPtr& call, const char* action,
            const std::function<Result<void, DrillError>(DrillService&, const json::object&)>& f) {
  if (!visible_run(call)) return;
  const auto body = call->json_body();
  if (!body) return;
  const auto done = f(*call->services.drills, *body);
  if (!done) return reply_drill_error(call, done.error());
  call->services.accounts.audit(call->actor(), action, call->param("id"), "");
  auto run = call->services.drill_book->run(call->param("id"));
  if (!run) return call->reply_empty();
  reply(call, 200, summary(*run));
}

void stop(const CallPtr& call) {
  change(call, "drill.stop", [&](DrillService& s, const json::object& o) {
    return s.stop(call->param("id"), call->caller.name,
                  text_member(o, "reason").value_or("stopped by hand"));
  });
}
void pause(const CallPtr& call) {
  change(call, "drill.pause", [&](DrillService& s, const json::object&) {
    return s.pause(call->param("id"), call->caller.name, true);
  });
}
void resume(const CallPtr& call) {
  change(call, "drill.resume", [&](DrillService& s, const json::object&) {
    return s.pause(call->param("id"), call->caller.name, false);
  });
}
void acknowledge(const CallPtr& call) {
  change(call, "drill.acknowledge", [&](DrillService& s, const json::object& o) {
    return s.acknowledge(call->param("id"), text_member(o, "alert").value_or(""),
                         call->caller.name);
  });
}
void answer(const CallPtr& call) {
  change(
      call, "drill.step", [&](DrillService& s, const json::object& o) -> Result<void, DrillError> {
        playbooks::Outcome outcome;
        const auto text = text_member(o, "outcome").value_or("done");
        const auto parsed = playbooks::step_outcome(text);
        if (!parsed)
          return fail(
              DrillError{DrillError::Kind::bad, "outcome: done, failed, skipped or substituted"});
        outcome.outcome = *parsed;
        outcome.note = text_member(o, "note").value_or("");
        outcome.by = call->caller.name;
        if (outcome.note.size() > 4096)
          return fail(DrillError{DrillError::Kind::bad, "note: at most 4096 octets"});
        if (*parsed != playbooks::StepOutcome::done && outcome.note.empty())
          return fail(DrillError{DrillError::Kind::bad, "note: say why it was not done"});
        if (const auto* vars = member_object(o, "variables"))
          for (const auto& m : *vars)
            if (m.value().is_string()) outcome.variables[m.key()] = m.value().get_string();
        std::uint64_t task = 0;
        const auto id = call->param("task");
        std::from_chars(id.data(), id.data() + id.size(), task);
        return s.complete(call->param("id"), task, outcome);
      });
}

void add_entry(const CallPtr& call) {
  if (!visible_run(call)) return;
  auto body = call->json_body();
  if (!body) return;
  DrillEntry e;
  e.run = call->param("id");
  e.kind = text_member(*body, "kind").value_or("");
  e.by = call->caller.name;
  e.at = call->services.clock.now();
  if (const auto at = text_member(*body, "at")) {
    const auto t = parse_time(*at);
    if (!t) return call->reply_error(400, "at: not a time; write for example 2026-11-22T02:30:00Z");
    e.at = *t;
  }
  body->erase("kind");
  body->erase("at");
  e.doc = std::move(*body);
  const auto id = call->services.drills->enter(e);
  if (!id) return reply_drill_error(call, id.error());
  call->services.accounts.audit(call->actor(), "drill.entry", e.run, e.kind);
  reply(call, 201, json::object{{"id", *id}});
}

json::object action_json(const DrillAction& a) {
  json::object o{{"id", a.id},
                 {"run", a.run},
                 {"site", a.site},
                 {"gap", a.gap},
                 {"text", a.text},
                 {"owner", a.owner},
                 {"priority", a.priority},
                 {"state", a.state},
                 {"retest", a.retest},
                 {"created", rfc3339(a.created)},
                 {"by", a.by},
                 {"note", a.note}};
  if (a.due.us != 0) o["due"] = rfc3339(a.due);
  if (a.closed.us != 0) {
    o["closed"] = rfc3339(a.closed);
    o["closed_by"] = a.closed_by;
  }
  return o;
}

void actions(const CallPtr& call) {
  if (drills(call) == nullptr) return;
  const auto state = call->arg("state");
  const auto now = call->services.clock.now();
  json::array items;
  for (const auto& a : call->services.drill_book->actions()) {
    if (!call->sees(a.site) || (!state.empty() && a.state != state)) continue;
    auto o = action_json(a);
    o["overdue"] = a.state != "closed" && a.due.us != 0 && a.due < now;
    items.push_back(std::move(o));
  }
  reply(call, 200, json::object{{"items", std::move(items)}});
}

void add_action(const CallPtr& call) {
  const auto run = visible_run(call);
  if (!run) return;
  const auto body = call->json_body();
  if (!body) return;
  DrillAction a;
  a.id = uuid7(call->services.clock.now());
  a.run = run->id;
  a.site = run->site;
  a.gap = integer_member(*body, "gap").value_or(0);
  a.text = text_member(*body, "text").value_or("");
  a.owner = text_member(*body, "owner").value_or("");
  a.priority = text_member(*body, "priority").value_or("medium");
  a.state = "open";
  a.created = call->services.clock.now();
  a.by = call->caller.name;
  const auto due = parse_time(text_member(*body, "due").value_or(""));
  if (a.text.empty() || a.owner.empty() || !due || a.text.size() > 4096)
    return call->reply_error(400, "an action needs text, owner and due (a time)");
  if (a.gap != 0) {
    const auto entries = call->services.drill_book->entries(run->id);
    if (std::none_of(entries.begin(), entries.end(),
                     [&](const auto& e) { return e.id == a.gap && e.kind == "gap"; }))
      return call->reply_error(400, "gap: this run has no such gap");
  }
  a.due = *due;
  if (const auto done = call->services.drill_book->save_action(a); !done)
    return call->reply_error(503, done.error().text());
  call->services.accounts.audit(call->actor(), "drill.action", a.id, a.text);
  reply(call, 201, action_json(a));
}

void change_action(const CallPtr& call) {
  if (drills(call) == nullptr) return;
  const auto body = call->json_body();
  if (!body) return;
  auto& book = *call->services.drill_book;
  auto a = book.action(call->param("id"));
  if (!a || !call->sees(a->site)) return call->reply_error(404, "no such action");
  if (const auto v = text_member(*body, "owner")) a->owner = *v;
  if (const auto v = text_member(*body, "priority")) a->priority = *v;
  if (const auto v = text_member(*body, "note")) a->note = *v;
  if (const auto v = text_member(*body, "due")) {
    const auto due = parse_time(*v);
    if (!due) return call->reply_error(400, "due: not a time");
    a->due = *due;
  }
  if (const auto v = text_member(*body, "retest")) a->retest = *v;
  if (const auto v = text_member(*body, "state")) {
    if (*v != "open" && *v != "in_progress" && *v != "closed")
      return call->reply_error(400, "state: open, in_progress or closed");
    if (*v == "closed") {
      // Closed by a run that tested it again and passed, or by somebody who signs that it stays so.
      const auto again = book.run(a->retest);
      const auto accepted = text_member(*body, "accepted").value_or("");
      const bool tested = again && again->state == "passed" && a->created < again->created;
      if (!tested && accepted.empty())
        return call->reply_error(409,
                                 "an action is closed by a later drill that passed (retest), or by "
                                 "a signed acceptance (accepted: the reason)");
      if (!tested) a->note += (a->note.empty() ? "" : "; ") + ("accepted: " + accepted);
      a->closed = call->services.clock.now();
      a->closed_by = call->caller.name;
    } else {
      a->closed = {};
      a->closed_by.clear();
    }
    a->state = *v;
  }
  if (const auto done = book.save_action(*a); !done)
    return call->reply_error(503, done.error().text());
  call->services.accounts.audit(call->actor(), "drill.action", a->id, a->state);
  reply(call, 200, action_json(*a));
}

void heartbeats(const CallPtr& call) {
  if (drills(call) == nullptr) return;
  const auto now = call->services.clock.now();
  json::array items;
  for (const auto& h : call->services.drill_book->heartbeats()) {
    if (!call->sees(h.site)) continue;
    const auto due = call->services.drills->heartbeat_bound(h);
    items.push_back({{"site", h.site},
                     {"sensor", h.sensor},
                     {"source", h.source},
                     {"last", rfc3339(h.received)},
                     {"delay_seconds", static_cast<double>((h.received - h.sent).count()) / 1e6},
                     {"interval", h.interval},
                     {"due", rfc3339(due)},
                     {"count", h.count},
                     {"state", h.retired   ? "retired"
                               : due < now ? "absent"
                                           : "present"}});
  }
  reply(call, 200, json::object{{"items", std::move(items)}});
}

/// A source that is gone for good is no longer waited for.
void retire(const CallPtr& call) {
  if (drills(call) == nullptr) return;
  const auto body = call->json_body();
  if (!body) return;
  const auto site = text_member(*body, "site").value_or(""),
             sensor = text_member(*body, "sensor").value_or(""),
             source = text_member(*body, "source").value_or("");
  bool found = false;
  for (auto& h : call->services.drill_book->heartbeats()) {
    if (h.site != site || h.sensor != sensor || (!source.empty() && h.source != source) ||
        !call->sees(h.site))
      continue;
    h.retired = true;
    call->services.drill_book->set_heartbeat(h);
    found = true;
  }
  if (!found) return call->reply_error(404, "no such source");
  call->services.accounts.audit(call->actor(), "heartbeat.retire", site + "/" + sensor, source);
  call->reply_empty();
}

void plans(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  json::array items;
  for (auto& p : service->plans())
    if (call->sees(member_text(p.get_object(), "site"))) items.push_back(std::move(p));
  reply(call, 200, json::object{{"items", std::move(items)}});
}

void put_plan(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  auto body = call->json_body();
  if (!body) return;
  (*body)["id"] = call->param("id");
  const auto plan = plan_from_json(*body);
  if (!plan) return call->reply_error(400, plan.error());
  if (!call->sees(plan->site)) return call->reply_error(403, "this site is not yours");
  // What stands under this id may belong to a site that the caller does not see.
  for (const auto& p : service->plans())
    if (member_text(p.get_object(), "id") == plan->id &&
        !call->sees(member_text(p.get_object(), "site")))
      return call->reply_error(409, "another plan has this id");
  if (const auto done = service->put_plan(*plan); !done)
    return reply_drill_error(call, done.error());
  call->services.accounts.audit(call->actor(), "drill.plan", plan->id, plan->drill);
  for (auto& p : service->plans())
    if (member_text(p.get_object(), "id") == plan->id) return reply(call, 200, p);
  call->reply_empty();
}

void drop_plan(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  const auto id = call->param("id");
  bool mine = false;
  for (const auto& p : service->plans())
    mine = mine || (member_text(p.get_object(), "id") == id &&
                    call->sees(member_text(p.get_object(), "site")));
  if (!mine) return call->reply_error(404, "no such plan");
  if (const auto done = service->drop_plan(id); !done) return reply_drill_error(call, done.error());
  call->services.accounts.audit(call->actor(), "drill.plan.drop", id, "");
  call->reply_empty();
}

void playbook_list(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  json::array items, problems;
  for (const auto* e : service->library()->newest()) {
    const auto& p = *e->playbook;
    json::array signatures;
    for (const auto& s : e->signatures)
      signatures.push_back({{"signee", s.signee},
                            {"algorithm", s.algorithm},
                            {"valid", s.valid},
                            {"trusted", s.trusted},
                            {"why", s.why}});
    items.push_back({{"id", p.id},
                     {"name", p.name},
                     {"description", p.description},
                     {"version", p.modified},
                     {"sha256", p.sha256},
                     {"steps", p.steps.size()},
                     {"labels", json::value_from(p.labels)},
                     {"signatures", std::move(signatures)}});
  }
  for (const auto& x : service->library()->problems())
    problems.push_back({{"file", x.file}, {"error", playbooks::text(x.findings)}});
  reply(call, 200, json::object{{"items", std::move(items)}, {"problems", std::move(problems)}});
}

void playbook(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  const auto library = service->library();
  const auto* e = library->entry(call->param("id"), call->arg("version"));
  if (e == nullptr) return call->reply_error(404, "no such playbook");
  reply(call, 200, e->playbook->document);
}

void reply_pack(const CallPtr& call, const std::string& html) {
  http::Response r;
  r.headers.add("Content-Type", "text/html; charset=utf-8");
  r.body = html;
  call->exchange->reply(std::move(r));
}

/// For the day when nothing works: playbook, contacts and injects on paper.
void pack(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  const auto set = service->definitions();
  const auto it = set.all.find(call->param("id"));
  if (it == set.all.end()) return call->reply_error(404, "no such drill definition");
  const auto* e = member_object(it->second.json, "exercise");
  const auto book =
      e != nullptr ? service->library()->find(member_text(*e, "playbook"), {}) : nullptr;
  reply_pack(call, printable_pack(&it->second, book.get(), call->services.clock.now()));
}
void playbook_pack(const CallPtr& call) {
  auto* service = drills(call);
  if (service == nullptr) return;
  const auto book = service->library()->find(call->param("id"), {});
  if (book == nullptr) return call->reply_error(404, "no such playbook");
  reply_pack(call, printable_pack(nullptr, book.get(), call->services.clock.now()));
}

/// A sensor asks what it should do.
void sensor_orders(const CallPtr& call) {
  if (call->services.drill_book == nullptr) return call->reply_json(200, orders::write({}));
  std::vector<orders::SignedOrder> out;
  for (auto& o : call->services.drill_book->waiting_orders(call->caller.sensor.site,
                                                           call->caller.sensor.sensor))
    out.push_back({std::move(o.payload), std::move(o.signature)});
  call->reply_json(200, orders::write(out));
}

const RouteRegistration registration{{
    {"GET", "/api/v1/drills", Access::auditor, &list, "drills that ran or run"},
    {"POST", "/api/v1/drills", Access::lead, &begin, "start a drill"},
    {"GET", "/api/v1/drills/{id}", Access::auditor, &show, "a drill with everything about it"},
    {"GET", "/api/v1/drills/{id}/report", Access::auditor, &report, "its report"},
    {"POST", "/api/v1/drills/{id}/stop", Access::analyst, &stop,
     "stop it: anybody who takes part may"},
    {"POST", "/api/v1/drills/{id}/pause", Access::lead, &pause, "hold an exercise"},
    {"POST", "/api/v1/drills/{id}/resume", Access::lead, &resume, "go on"},
    {"POST", "/api/v1/drills/{id}/acknowledge", Access::analyst, &acknowledge,
     "I have seen the drill's alerts"},
    {"POST", "/api/v1/drills/{id}/tasks/{task}", Access::analyst, &answer,
     "a step is done, or not"},
    {"POST", "/api/v1/drills/{id}/entries", Access::analyst, &add_entry, "evidence, entered"},
    {"POST", "/api/v1/drills/{id}/actions", Access::lead, &add_action,
     "what is to be done about a gap"},
    {"GET", "/api/v1/drill-definitions", Access::auditor, &definitions,
     "drills that can be started"},
    {"GET", "/api/v1/drill-definitions/{id}", Access::auditor, &definition, "one of them"},
    {"GET", "/api/v1/drill-definitions/{id}/pack", Access::auditor, &pack, "printable pack"},
    {"GET", "/api/v1/drill-actions", Access::auditor, &actions, "actions from drills"},
    {"PATCH", "/api/v1/drill-actions/{id}", Access::lead, &change_action, "change or close one"},
    {"GET", "/api/v1/drill-schedule", Access::auditor, &plans, "drills to be done again, by when"},
    {"PUT", "/api/v1/drill-schedule/{id}", Access::lead, &put_plan, "plan a drill"},
    {"DELETE", "/api/v1/drill-schedule/{id}", Access::lead, &drop_plan,
     "take back what the API said of a plan"},
    {"GET", "/api/v1/heartbeats", Access::auditor, &heartbeats, "signs of life of every source"},
    {"POST", "/api/v1/heartbeats/retire", Access::lead, &retire, "no longer wait for a source"},
    {"GET", "/api/v1/playbooks", Access::auditor, &playbook_list, "playbooks of the library"},
    {"GET", "/api/v1/playbooks/{id}", Access::auditor, &playbook, "one as CACAO"},
    {"GET", "/api/v1/playbooks/{id}/pack", Access::auditor, &playbook_pack, "printable pack"},
    {"GET", "/api/v1/orders", Access::sensor, &sensor_orders, "orders for the sensor that asks"},
}};

}  // namespace
}  // namespace ww::collector
