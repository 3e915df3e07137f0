/// Sites, sensors, enrolment, gaps.
#include <map>
#include <set>

#include "collector/alerts/alerts.hpp"
#include "collector/api/live.hpp"
#include "collector/api/reply.hpp"
#include "collector/store/store.hpp"
#include "telemetry/net/enrol.hpp"

namespace ww::collector {
namespace {

// Events of the last 24 hours by "site/sensor", from the store's minute roll-ups.
std::map<std::string, std::uint64_t> events_by_sensor(const CallPtr& call) {
  const auto now = call->services.clock.now();
  CountQuery q;
  q.search.from = {now.us - 86'400'000'000};
  q.search.to = {now.us + 60'000'000};
  q.search.visible_sites = call->visible_sites();
  q.step = std::chrono::hours(24);
  q.by = CountQuery::By::sensor;
  std::map<std::string, std::uint64_t> out;
  if (const auto counted = call->services.store.count(q))
    for (const auto& row : counted->rows) out[row.key] += row.events;
  return out;
}

void sites(const CallPtr& call) {
  struct Site {
    std::set<std::string> sensors;
    std::uint64_t events = 0, alerts = 0;
    Timestamp last;
  };
  std::map<std::string, Site> all;
  for (const auto& c : call->services.store.cursors()) {
    auto& s = all[c.site];
    s.sensors.insert(c.sensor);
    s.last = std::max(s.last, c.last_batch);
  }
  for (const auto& c : call->services.accounts.certificates()) all[c.site].sensors.insert(c.sensor);
  for (const auto& [key, events] : events_by_sensor(call)) {
    const auto slash = key.find('/');
    auto& s = all[key.substr(0, slash)];
    s.events += events;
    if (slash != std::string::npos) s.sensors.insert(key.substr(slash + 1));
  }
  for (auto& [name, s] : all) {
    AlertFilter f;
    f.statuses = {AlertStatus::fresh, AlertStatus::acknowledged, AlertStatus::in_progress,
                  AlertStatus::escalated};
    f.sites = {name};
    f.limit = 1;
    if (const auto page = call->services.alerts.query(f)) s.alerts = page->total;
  }
  PageWriter page;
  for (const auto& [name, s] : all) {
    if (!call->sees(name)) continue;
    auto& json = page.item();
    json.begin_object();
    json.field("site", name);
    json.field("sensors", s.sensors.size());
    json.field("events_24h", s.events);
    json.field("alerts_open", s.alerts);
    time_field(json, "last_seen", s.last);
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish());
}

void sensors(const CallPtr& call) {
  struct Sensor {
    const CursorRow* cursor = nullptr;
    std::optional<CertificateRow> certificate;  // the newest
    std::uint64_t events = 0;
  };
  std::map<SensorName, Sensor> all;
  const auto cursors = call->services.store.cursors();
  for (const auto& c : cursors) all[{c.site, c.sensor}].cursor = &c;
  for (auto& c : call->services.accounts.certificates()) {
    auto& s = all[{c.site, c.sensor}];
    if (!s.certificate || s.certificate->issued < c.issued) s.certificate = c;
  }
  for (const auto& [key, events] : events_by_sensor(call))
    if (const auto slash = key.find('/'); slash != std::string::npos)
      all[{key.substr(0, slash), key.substr(slash + 1)}].events = events;
  PageWriter page;
  for (const auto& [name, s] : all) {
    if (!call->sees(name.site)) continue;
    auto& json = page.item();
    json.begin_object();
    json.field("site", name.site);
    json.field("sensor", name.sensor);
    const bool revoked = s.certificate && s.certificate->revoked.us != 0;
    const auto last = s.cursor != nullptr ? s.cursor->last_batch : Timestamp{};
    // Inputs without a certificate (tokens, syslog) have no cursor: that they sent within a day is
    // all that is known.
    const bool foreign = s.cursor == nullptr && !s.certificate;
    json.field("status", revoked   ? "revoked"
                         : foreign ? "ok"
                                   : sensor_status(last, call->services.clock.now()));
    time_field(json, "last_seen", last);
    if (s.cursor != nullptr) {
      json.field("epoch", s.cursor->cursor.epoch);
      json.field("ack", s.cursor->cursor.seq);
      json.field("events", s.cursor->events);
      json.field("dead_letters", s.cursor->dead);
      json.field("skipped", s.cursor->skipped);
    }
    json.field("events_24h", s.events);
    if (s.certificate) {
      json.begin_object("certificate");
      json.field("serial", s.certificate->serial);
      time_field(json, "not_before", s.certificate->not_before);
      time_field(json, "not_after", s.certificate->not_after);
      json.field("revoked", revoked);
      json.end_object();
      time_field(json, "enrolled", s.certificate->issued);
    }
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish());
}

void revoke(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  if (!call->sees(call->param("site"))) return call->reply_error(404, "no such sensor");
  const auto done =
      call->services.accounts.revoke({call->param("site"), call->param("sensor")},
                                     text_member(*body, "reason").value_or(""), call->actor());
  if (!done) return reply_account_error(call, done.error());
  call->reply_empty();
}

void add_enrolment(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const SensorName name{text_member(*body, "site").value_or(""),
                        text_member(*body, "sensor").value_or("")};
  const auto life = integer_member(*body, "expires_in").value_or(86400);
  if (!call->sees(name.site)) return call->reply_error(403, "this site is not yours");
  const auto made = call->services.accounts.add_enrolment(
      name, std::chrono::seconds(std::clamp<std::int64_t>(life, 0, 365 * 86400)), call->actor());
  if (!made) return reply_account_error(call, made.error());
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("id", made->enrolment.id);
  json.field("site", name.site);
  json.field("sensor", name.sensor);
  json.field("token",
             net::enrolment_token_text({made->secret, call->services.authority.fingerprint()}));
  json.field("expires", rfc3339(made->enrolment.expires));
  json.field("ca_sha256", call->services.authority.fingerprint());
  json.field("url", call->services.options.public_url);
  json.end_object();
  call->reply_json(201, std::move(text));
}

void list_enrolments(const CallPtr& call) {
  PageWriter page;
  for (const auto& e : call->services.accounts.enrolments()) {
    if (!call->sees(e.site)) continue;
    auto& json = page.item();
    json.begin_object();
    json.field("id", e.id);
    json.field("site", e.site);
    json.field("sensor", e.sensor);
    json.field("created_by", e.created_by);
    time_field(json, "created", e.created);
    time_field(json, "expires", e.expires);
    time_field(json, "used", e.used);
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish());
}

void remove_enrolment(const CallPtr& call) {
  const auto done = call->services.accounts.remove_enrolment(call->param("id"), call->actor());
  if (!done) return reply_account_error(call, done.error());
  call->reply_empty();
}

void reply_certificate(const CallPtr& call, const SensorName& name, const Issued& issued) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("certificate", issued.certificate_pem + call->services.authority.certificate_pem());
  json.field("ca", call->services.authority.certificate_pem());
  json.field("site", name.site);
  json.field("sensor", name.sensor);
  json.field("not_after", rfc3339(issued.not_after));
  json.end_object();
  call->reply_json(200, std::move(text));
}

void enrol(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto token = text_member(*body, "token"), csr = text_member(*body, "csr");
  if (!token || !csr) return call->reply_error(400, "send {\"token\":..., \"csr\":...}");
  // The pin behind the dot is for the sensor; the secret before it is ours.
  const auto secret = token->substr(0, token->find('.'));
  const auto done = call->services.accounts.enrol(secret, *csr, call->services.authority,
                                                  call->exchange->peer.address);
  if (!done) {
    using Kind = AccountError::Kind;
    if (done.error().kind == Kind::not_found)
      return call->reply_error(401, done.error().what + "; make a new one with wardwatchctl enrol");
    if (done.error().kind == Kind::conflict) return call->reply_busy(429, done.error().what, 900);
    return reply_account_error(call, done.error());
  }
  reply_certificate(call, done->first, done->second);
}

void renew(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto csr = text_member(*body, "csr");
  if (!csr) return call->reply_error(400, "send {\"csr\":...}");
  const auto done = call->services.accounts.renew(
      call->caller.sensor, *csr, call->services.authority, call->exchange->peer.address);
  if (!done) return reply_account_error(call, done.error());
  reply_certificate(call, call->caller.sensor, *done);
}

void gaps(const CallPtr& call) {
  bool ok = true;
  const auto now = call->services.clock.now();
  const auto from = time_arg(call, "from", {now.us - 30 * 86'400'000'000}, ok);
  const auto to = time_arg(call, "to", {now.us + 1}, ok);
  if (!ok) return;
  const auto wanted = call->list_arg("site");
  PageWriter page;
  for (const auto& g : call->services.store.gaps(from, to)) {
    if (!call->sees(g.site)) continue;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), g.site) == wanted.end())
      continue;
    auto& json = page.item();
    json.begin_object();
    json.field("site", g.site);
    json.field("sensor", g.sensor);
    json.field("reason", g.reason);
    json.field("epoch", g.epoch);
    json.field("from", g.from);
    json.field("to", g.to);
    json.field("events", g.to >= g.from ? g.to - g.from + 1 : 0);
    json.field("noticed", rfc3339(g.noticed));
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish());
}

const RouteRegistration registration{{
    {"GET", "/api/v1/sites", Access::auditor, &sites, "sites and their figures"},
    {"GET", "/api/v1/sensors", Access::auditor, &sensors, "sensors and their state"},
    {"POST", "/api/v1/sensors/{site}/{sensor}/revoke", Access::lead, &revoke,
     "a sensor's certificates end now"},
    {"POST", "/api/v1/enrolments", Access::lead, &add_enrolment, "a one-time enrolment token"},
    {"GET", "/api/v1/enrolments", Access::lead, &list_enrolments, "enrolment tokens"},
    {"DELETE", "/api/v1/enrolments/{id}", Access::lead, &remove_enrolment,
     "withdraw an enrolment token"},
    {"POST", "/api/v1/enrol", Access::open, &enrol, "token and request to certificate", 32 * 1024},
    {"POST", "/api/v1/renew", Access::sensor, &renew, "a new certificate for a known sensor",
     32 * 1024},
    {"GET", "/api/v1/gaps", Access::auditor, &gaps, "what could not be seen"},
}};

}  // namespace
}  // namespace ww::collector
