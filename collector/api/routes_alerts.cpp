/// Alerts and incidents: reading, triage.
#include "collector/alerts/alerts.hpp"
#include "collector/api/reply.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {
namespace {

/// Parses each text of a list argument; answers 400 itself for one that is no such name.
template <class T, class F>
bool parse_list(const CallPtr& call, std::string_view arg, F parse, std::vector<T>& out) {
  for (const auto& text : call->list_arg(arg)) {
    const auto v = parse(text);
    if (!v) {
      call->reply_error(
          400, "'" + text.substr(0, 60) + "' is no " + std::string(arg) + "; see docs/api.md");
      return false;
    }
    out.push_back(*v);
  }
  return true;
}

std::string alert_body(const Alert& alert) {
  std::string text;
  JsonWriter json(text);
  write_json(json, alert);
  return text;
}

/// The alert when it is there and the caller may see its site; answers 404 itself otherwise.
std::optional<Alert> visible_alert(const CallPtr& call, std::string_view id) {
  auto alert = call->services.alerts.get(id);
  if (alert && call->sees(alert->site)) return alert;
  call->reply_error(404, "no such alert");
  return {};
}

void list(const CallPtr& call) {
  AlertFilter f;
  if (!parse_list(call, "status", &alert_status, f.statuses) ||
      !parse_list(call, "level", &level, f.levels) ||
      !parse_list(call, "engine", &engine_kind, f.engines) ||
      !parse_list(call, "disposition", &disposition, f.dispositions))
    return;
  f.sites = call->list_arg("site");
  f.sensors = call->list_arg("sensor");
  f.rules = call->list_arg("rule");
  f.assignees = call->list_arg("assignee");
  f.incidents = call->list_arg("incident");
  f.visible_sites = call->visible_sites();
  f.text = call->arg("q");
  f.technique = call->arg("technique");
  if (const auto entity = call->arg("entity"); !entity.empty()) {
    // "ip:10.0.0.1" or just the value; a value may hold colons itself (IPv6), so only a word counts
    // as a type.
    const auto colon = entity.find(':');
    const bool typed = colon != std::string::npos && colon > 0 &&
                       entity.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == colon;
    f.entity =
        typed ? Entity{entity.substr(0, colon), entity.substr(colon + 1)} : Entity{"", entity};
  }
  bool ok = true;
  f.from = time_arg(call, "from", f.from, ok);
  f.to = time_arg(call, "to", f.to, ok);
  if (!ok) return;
  auto sort = call->arg("sort");
  if (sort.starts_with('-')) sort.erase(0, 1);
  using Order = AlertFilter::Order;
  if (sort.empty() || sort == "last_seen")
    f.order = Order::last_seen;
  else if (sort == "first_seen")
    f.order = Order::first_seen;
  else if (sort == "level")
    f.order = Order::level;
  else if (sort == "count")
    f.order = Order::count;
  else
    return call->reply_error(400, "sort must be -last_seen, -first_seen, -level or -count");
  f.limit = limit_arg(*call);
  f.cursor = call->arg("cursor");
  const auto found = call->services.alerts.query(f);
  if (!found) return call->reply_error(400, found.error().text());
  PageWriter page;
  for (const auto& a : found->alerts) write_json(page.item(), a);
  page.end_items().field("total", found->total);
  call->reply_json(200, page.finish(found->next));
}

void get(const CallPtr& call) {
  if (const auto alert = visible_alert(call, call->param("id")))
    call->reply_json(200, alert_body(*alert));
}

void evidence(const CallPtr& call) {
  const auto alert = visible_alert(call, call->param("id"));
  if (!alert) return;
  const auto copies = call->services.alerts.evidence(alert->id);
  PageWriter page;
  std::vector<std::string> missing;
  std::size_t octets = 0;
  for (const auto& id : alert->evidence) {
    const auto copy = std::find_if(copies.begin(), copies.end(), [&](const Evidence& e) {
      return e.event_id == id && !e.json.empty();
    });
    std::string json;
    if (copy != copies.end())
      json = copy->json;
    else if (octets < (8U << 20))
      if (auto stored = call->services.store.event(id, call->visible_sites()))
        json = std::move(stored->json);
    if (json.empty()) {
      missing.push_back(id);
    } else {
      octets += json.size();
      page.item().raw(json);
    }
  }
  auto& json = page.end_items();
  json.begin_array("missing");
  for (const auto& id : missing) json.value(id);
  json.end_array();
  call->reply_json(200, page.finish());
}

/// Why a change was refused, for people.
std::string_view refusal_text(PatchRefusal r) {
  switch (r) {
    case PatchRefusal::not_found:
      return "no such alert";
    case PatchRefusal::conflict:
      return "somebody changed this alert meanwhile; look again";
    case PatchRefusal::bad_transition:
      return "closing needs a disposition: true_positive, false_positive, benign, drill or "
             "duplicate";
    case PatchRefusal::no_incident:
      return "no such incident";
    case PatchRefusal::failed:
      break;
  }
  return "the change could not be stored; see /readyz";
}

/// Applies a patch, answers errors itself.
std::optional<Alert> apply(const CallPtr& call, std::string_view id, const AlertPatch& patch,
                           std::string_view action, std::string_view detail) {
  auto done = call->services.alerts.patch(id, patch, call->caller.name);
  if (!done) {
    switch (done.error()) {
      case PatchRefusal::not_found:
        call->reply_error(404, refusal_text(done.error()));
        break;
      case PatchRefusal::conflict: {
        // The answer carries what it is now, so that a person can decide again.
        const auto now = call->services.alerts.get(id);
        std::string text;
        JsonWriter json(text);
        json.begin_object();
        json.field("error", refusal_text(done.error()));
        if (now) {
          json.key("alert");
          write_json(json, *now);
        }
        json.end_object();
        call->reply_json(409, std::move(text));
        break;
      }
      case PatchRefusal::bad_transition:
      case PatchRefusal::no_incident:
        call->reply_error(400, refusal_text(done.error()));
        break;
      case PatchRefusal::failed:
        call->reply_busy(503, refusal_text(done.error()), 5);
        break;
    }
    return {};
  }
  call->services.accounts.audit(call->actor(), action, id, detail);
  return std::move(*done);
}

void observe_acknowledgement(const CallPtr& call, const Alert& before, const Alert& after) {
  // The first time only: an alert that was set back to new has been looked at before.
  if (before.status == AlertStatus::fresh && after.status != AlertStatus::fresh &&
      !before.acknowledged_at)
    call->services.metrics.observe_acknowledgement(
        name(after.level),
        static_cast<double>((call->services.clock.now() - after.created).count()) / 1e6);
}

/// status, disposition and reason of a body into a patch; answers 400 itself.
std::optional<AlertPatch> status_patch(const CallPtr& call, const boost::json::object& body) {
  AlertPatch patch;
  if (const auto text = text_member(body, "status")) {
    patch.status = alert_status(*text);
    if (!patch.status)
      return call->reply_error(
                 400, "status must be new, acknowledged, in_progress, escalated or closed"),
             std::nullopt;
  }
  if (const auto text = text_member(body, "disposition"); text && !text->empty()) {
    patch.disposition = disposition(*text);
    if (!patch.disposition)
      return call->reply_error(
                 400,
                 "disposition must be true_positive, false_positive, benign, drill or duplicate"),
             std::nullopt;
  }
  if (const auto text = text_member(body, "reason"); text && !text->empty()) patch.comment = *text;
  if (const auto version = integer_member(body, "version"))
    patch.if_version = static_cast<std::uint64_t>(*version);
  if (!patch.status && !patch.disposition)
    return call->reply_error(400, "send a status or a disposition"), std::nullopt;
  if (patch.disposition == Disposition::false_positive && !patch.comment)
    return call->reply_error(400, "a false positive needs a reason"), std::nullopt;
  return patch;
}

std::string detail_of(const AlertPatch& patch) {
  std::string out;
  if (patch.status) out += "status " + std::string(name(*patch.status));
  if (patch.disposition) out += " disposition " + std::string(name(*patch.disposition));
  return out;
}

void set_status(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto before = visible_alert(call, call->param("id"));
  if (!before) return;
  const auto patch = status_patch(call, *body);
  if (!patch) return;
  const auto after = apply(call, before->id, *patch, "alert.status", detail_of(*patch));
  if (!after) return;
  observe_acknowledgement(call, *before, *after);
  call->reply_json(200, alert_body(*after));
}

void bulk_status(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto ids = list_member(*body, "ids");
  if (!ids || ids->empty() || ids->size() > 1000)
    return call->reply_error(400, "send 1 to 1000 ids");
  const auto patch = status_patch(call, *body);
  if (!patch) return;
  std::uint64_t changed = 0;
  std::vector<std::pair<std::string, std::string_view>> failed;
  for (const auto& id : *ids) {
    const auto before = call->services.alerts.get(id);
    if (!before || !call->sees(before->site)) {
      failed.emplace_back(id, "no such alert");
      continue;
    }
    const auto after = call->services.alerts.patch(id, *patch, call->caller.name);
    if (!after) {
      failed.emplace_back(id, refusal_text(after.error()));
      continue;
    }
    ++changed;
    observe_acknowledgement(call, *before, *after);
    call->services.accounts.audit(call->actor(), "alert.status", id, detail_of(*patch));
  }
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("changed", changed);
  json.begin_array("failed");
  for (const auto& [id, why] : failed) {
    json.begin_object();
    json.field("id", id);
    json.field("error", why);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  call->reply_json(200, std::move(text));
}

void assign(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto alert = visible_alert(call, call->param("id"));
  if (!alert) return;
  AlertPatch patch;
  patch.assignee = text_member(*body, "assignee");
  if (!patch.assignee)
    return call->reply_error(400, "send {\"assignee\":\"name\"}, or \"\" for nobody");
  if (!patch.assignee->empty() && !call->services.accounts.user(*patch.assignee))
    return call->reply_error(400, "no user '" + patch.assignee->substr(0, 60) + "'");
  if (const auto after = apply(call, alert->id, patch, "alert.assign", *patch.assignee))
    call->reply_json(200, alert_body(*after));
}

void comment(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto alert = visible_alert(call, call->param("id"));
  if (!alert) return;
  AlertPatch patch;
  patch.comment = text_member(*body, "text");
  if (!patch.comment || patch.comment->empty())
    return call->reply_error(400, "send {\"text\":...}");
  if (apply(call, alert->id, patch, "alert.comment", ""))
    if (const auto full = call->services.alerts.get(alert->id))
      call->reply_json(201, alert_body(*full));
}

// ---- incidents ----

bool sees_incident(const CallPtr& call, const Incident& i) {
  return call->caller.sites.empty() || i.sites.empty() ||
         std::any_of(i.sites.begin(), i.sites.end(), [&](const auto& s) { return call->sees(s); });
}

std::optional<Incident> visible_incident(const CallPtr& call) {
  auto incident = call->services.alerts.incident(call->param("id"));
  if (incident && sees_incident(call, *incident)) return incident;
  call->reply_error(404, "no such incident");
  return {};
}

void incidents(const CallPtr& call) {
  const bool closed = call->arg("status") != "open";
  PageWriter page;
  for (const auto& i :
       call->services.alerts.incidents(closed, limit_arg(*call), call->visible_sites()))
    write_json(page.item(), i);
  page.end_items();
  call->reply_json(200, page.finish());
}

std::string incident_body(const CallPtr& call, const Incident& incident) {
  AlertFilter f;
  f.incidents = {incident.id};
  f.visible_sites = call->visible_sites();
  f.limit = 1000;
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.key("incident");
  write_json(json, incident);
  json.begin_array("alerts");
  if (const auto page = call->services.alerts.query(f))
    for (const auto& a : page->alerts) write_json(json, a);
  json.end_array();
  json.end_object();
  return text;
}

void incident(const CallPtr& call) {
  if (const auto i = visible_incident(call)) call->reply_json(200, incident_body(call, *i));
}

void open_incident(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto title = text_member(*body, "title");
  const auto wanted = level(text_member(*body, "level").value_or("high"));
  const auto ids = list_member(*body, "alerts").value_or(std::vector<std::string>());
  if (!title || title->empty() || title->size() > 500)
    return call->reply_error(400, "an incident needs a title of 1 to 500 characters");
  if (!wanted)
    return call->reply_error(400, "level must be informational, low, medium, high or critical");
  if (ids.size() > 1000) return call->reply_error(400, "at most 1000 alerts at a time");
  for (const auto& id : ids)
    if (!visible_alert(call, id)) return;
  const auto made = call->services.alerts.open_incident(*title, *wanted, ids, call->caller.name);
  if (!made) return call->reply_busy(503, made.error().text(), 5);
  call->services.accounts.audit(call->actor(), "incident.open", made->id, *title);
  call->reply_json(201, incident_body(call, *made));
}

void patch_incident(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto before = visible_incident(call);
  if (!before) return;
  IncidentPatch patch;
  patch.title = text_member(*body, "title");
  patch.status = text_member(*body, "status");
  patch.lead = text_member(*body, "lead");
  patch.summary = text_member(*body, "summary");
  if (const auto text = text_member(*body, "level")) {
    patch.level = level(*text);
    if (!patch.level)
      return call->reply_error(400, "level must be informational, low, medium, high or critical");
  }
  if (patch.status && *patch.status != "open" && *patch.status != "contained" &&
      *patch.status != "closed")
    return call->reply_error(400, "status must be open, contained or closed");
  const auto done = call->services.alerts.patch_incident(before->id, patch, call->caller.name);
  if (!done)
    return call->reply_error(done.error() == PatchRefusal::not_found ? 404
                             : done.error() == PatchRefusal::failed  ? 503
                                                                     : 400,
                             "the incident was not changed: " + std::string(name(done.error())));
  call->services.accounts.audit(call->actor(), "incident.change", before->id,
                                patch.status.value_or(""));
  call->reply_json(200, incident_body(call, *done));
}

void incident_alerts(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto target = visible_incident(call);
  if (!target) return;
  const auto add = list_member(*body, "add").value_or(std::vector<std::string>());
  const auto remove = list_member(*body, "remove").value_or(std::vector<std::string>());
  if (add.size() + remove.size() > 1000)
    return call->reply_error(400, "at most 1000 alerts at a time");
  for (const auto* list_of : {&add, &remove})
    for (const auto& id : *list_of) {
      const auto alert = visible_alert(call, id);
      if (!alert) return;
      if (list_of == &remove && alert->incident != target->id) continue;
      AlertPatch patch;
      patch.incident = list_of == &add ? target->id : "";
      if (!apply(call, id, patch, "alert.incident", *patch.incident)) return;
    }
  if (const auto now = call->services.alerts.incident(target->id))
    call->reply_json(200, incident_body(call, *now));
}

const RouteRegistration registration{{
    {"GET", "/api/v1/alerts", Access::auditor, &list, "alerts by filter"},
    {"POST", "/api/v1/alerts/status", Access::analyst, &bulk_status, "status of many alerts"},
    {"GET", "/api/v1/alerts/{id}", Access::auditor, &get, "one alert"},
    {"GET", "/api/v1/alerts/{id}/evidence", Access::auditor, &evidence,
     "the events behind an alert"},
    {"POST", "/api/v1/alerts/{id}/status", Access::analyst, &set_status, "triage an alert"},
    {"POST", "/api/v1/alerts/{id}/assign", Access::analyst, &assign, "who handles an alert"},
    {"POST", "/api/v1/alerts/{id}/comments", Access::analyst, &comment, "a note on an alert"},
    {"GET", "/api/v1/incidents", Access::auditor, &incidents, "incidents"},
    {"POST", "/api/v1/incidents", Access::analyst, &open_incident, "open an incident"},
    {"GET", "/api/v1/incidents/{id}", Access::auditor, &incident, "one incident and its alerts"},
    {"PATCH", "/api/v1/incidents/{id}", Access::analyst, &patch_incident, "change an incident"},
    {"POST", "/api/v1/incidents/{id}/alerts", Access::analyst, &incident_alerts,
     "alerts of an incident"},
}};

}  // namespace
}  // namespace ww::collector
