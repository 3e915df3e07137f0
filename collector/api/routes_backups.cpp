/// Backups: the board, the register, findings, restore checks, and the clean restore point of an
/// incident.
#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "collector/alerts/alerts.hpp"
#include "collector/api/reply.hpp"
#include "collector/backup/book.hpp"
#include "collector/store/store.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

/// Answers 503 itself when this collector keeps no backups.
BackupBook* book_of(const CallPtr& call) {
  auto* book = call->services.backups;
  if (book == nullptr) call->reply_error(503, "this collector keeps no backup state");
  return book;
}
ControlDb& control(const CallPtr& call) { return call->services.store.control(); }

bool one_of(const std::vector<std::string>& wanted, std::string_view value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool sees_finding(const CallPtr& call, const BackupFinding& f) {
  return call->sees(f.site) || (f.asset.empty() && !call->visible_sites());
}

void board(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  const auto b = book->board();
  const auto sites = call->list_arg("site");
  const auto services = call->list_arg("service");
  const auto states = call->list_arg("state");
  std::vector<AssetHealth> seen;
  for (const auto& a : b->assets)
    if (call->sees(a.spec.site)) seen.push_back(a);
  PageWriter page;
  auto& json = page.item();
  std::map<std::string_view, std::size_t> counts;
  for (const auto& a : seen) {
    ++counts[name(a.state())];
    if (!one_of(sites, a.spec.site) || !one_of(services, a.spec.service) ||
        !one_of(states, name(a.state())))
      continue;
    write_json(json, a, false);
  }
  page.end_items();
  json.field("at", rfc3339(b->at));
  json.begin_object("counts");
  for (const auto& [state, n] : counts) json.field(state, n);
  json.end_object();
  // Of the assets that the caller sees, so that nothing of other sites shows through.
  json.begin_array("services");
  for (const auto& s : service_health(b->reg, seen))
    if (!s.assets.empty() || !call->visible_sites()) write_json(json, s);
  json.end_array();
  json.field("total", seen.size());
  call->reply_json(200, page.finish());
}

/// The asset of the path, or an answer.
const AssetHealth* asset_of(const CallPtr& call, const BackupBoard& b) {
  const auto site = call->param("site");
  if (call->sees(site))
    for (const auto& a : b.assets)
      if (a.spec.site == site && a.spec.name == call->param("asset")) return &a;
  call->reply_error(404, "no such asset; GET /api/v1/backups lists them");
  return nullptr;
}

void asset(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  const auto b = book->board();
  const auto* a = asset_of(call, *b);
  if (a == nullptr) return;
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.key("asset");
  write_json(json, *a, true);
  json.key("register");
  write_json(json, a->spec);
  json.begin_array("findings");
  for (const auto& f : book->findings(false, 1'000))
    if (f.site == a->spec.site && f.asset == a->spec.name) write_json(json, f);
  json.end_array();
  RestoreCheckFilter filter;
  filter.site = a->spec.site;
  filter.asset = a->spec.name;
  json.begin_array("restore_checks");
  for (const auto& c : restore_checks(control(call), filter)) write_json(json, c);
  json.end_array();
  json.end_object();
  call->reply_json(200, std::move(text));
}

void asset_runs(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  if (!call->sees(call->param("site"))) return call->reply_error(404, "no such asset");
  PageWriter page;
  for (const auto& r :
       book->runs(call->param("site"), call->param("asset"), call->arg("job"), limit_arg(*call)))
    write_json(page.item(), r);
  page.end_items();
  call->reply_json(200, page.finish());
}

void put_asset(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  auto body = call->json_body();
  if (!body) return;
  const auto site = call->param("site");
  if (!call->sees(site)) return call->reply_error(403, "this is not a site of yours");
  (*body)["site"] = site;
  (*body)["name"] = call->param("asset");
  auto spec = asset_from_json(*body);
  if (!spec) return call->reply_error(400, spec.error());
  if (!spec->service.empty() && !book->board()->reg.services.contains(spec->service))
    return call->reply_error(400, "there is no service '" + spec->service + "'; add it first");
  if (auto done = book->put_asset(*spec); !done) return call->reply_error(503, done.error().text());
  call->services.accounts.audit(call->actor(), "backup.asset.put", site + "/" + spec->name, "");
  std::string text;
  JsonWriter json(text);
  spec->origin = "api";
  write_json(json, *spec);
  call->reply_json(200, std::move(text));
}

void drop_asset(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  const auto site = call->param("site");
  if (!call->sees(site)) return call->reply_error(404, "no such asset");
  const auto done = book->drop_asset(site, call->param("asset"));
  if (!done) return call->reply_error(503, done.error().text());
  if (!*done)
    return call->reply_error(404, "the API never changed this asset; its file says what it is");
  call->services.accounts.audit(call->actor(), "backup.asset.drop",
                                site + "/" + call->param("asset"), "");
  call->reply_empty();
}

void put_service(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  auto body = call->json_body();
  if (!body) return;
  if (call->visible_sites())
    return call->reply_error(403, "services span sites: somebody who sees all must do this");
  (*body)["name"] = call->param("service");
  const auto spec = service_from_json(*body);
  if (!spec) return call->reply_error(400, spec.error());
  if (auto done = book->put_service(*spec); !done)
    return call->reply_error(503, done.error().text());
  call->services.accounts.audit(call->actor(), "backup.service.put", spec->name, "");
  std::string text;
  JsonWriter json(text);
  write_json(json, *spec);
  call->reply_json(200, std::move(text));
}

void drop_service(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  if (call->visible_sites())
    return call->reply_error(403, "services span sites: somebody who sees all must do this");
  const auto done = book->drop_service(call->param("service"));
  if (!done) return call->reply_error(503, done.error().text());
  if (!*done) return call->reply_error(404, "the API never changed this service");
  call->services.accounts.audit(call->actor(), "backup.service.drop", call->param("service"), "");
  call->reply_empty();
}

void findings(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  const auto open_text = call->arg("open");
  const bool open = open_text.empty() || open_text == "yes" || open_text == "true";
  const auto sites = call->list_arg("site");
  const auto rules = call->list_arg("rule");
  const auto asset_name = call->arg("asset");
  const auto limit = limit_arg(*call);
  std::size_t n = 0;
  PageWriter page;
  for (const auto& f : book->findings(open, 10'000)) {
    if (!sees_finding(call, f) || !one_of(sites, f.site) || !one_of(rules, f.rule)) continue;
    if (!asset_name.empty() && asset_name != f.asset) continue;
    if (n++ < limit) write_json(page.item(), f);
  }
  auto& json = page.end_items();
  json.field("total", n);
  call->reply_json(200, page.finish());
}

void accept_finding(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  const auto body = call->json_body();
  if (!body) return;
  const auto id = call->param("id");
  bool seen = false;
  for (const auto& f : book->findings(true, 10'000))
    seen = seen || (f.id == id && sees_finding(call, f));
  if (!seen) return call->reply_error(404, "no open finding of this id");
  const auto reason = text_member(*body, "reason").value_or("");
  const auto done =
      book->accept(id, call->actor().name, reason, text_member(*body, "note").value_or(""));
  if (!done) return call->reply_error(400, done.error().text());
  call->services.accounts.audit(call->actor(), "backup.finding.accept", id, reason);
  std::string text;
  JsonWriter json(text);
  write_json(json, *done);
  call->reply_json(200, std::move(text));
}

void rules(const CallPtr& call) {
  PageWriter page;
  for (const auto& i : indicator_list()) {
    auto& json = page.item();
    json.begin_object();
    json.field("id", i.id);
    json.field("title", i.title);
    json.field("level", name(i.level));
    if (!i.attack.empty()) json.field("attack", i.attack);
    json.end_object();
  }
  auto& json = page.end_items();
  json.begin_array("reasons");
  for (const auto r : accept_reasons()) json.value(r);
  json.end_array();
  call->reply_json(200, page.finish());
}

// --- machines that backups depend on

void list_hosts(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  PageWriter page;
  for (const auto& h : book->board()->hosts)
    if (call->sees(h.spec.site)) write_json(page.item(), h);
  page.end_items();
  call->reply_json(200, page.finish());
}

void put_host(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  auto body = call->json_body();
  if (!body) return;
  const auto site = call->param("site"), host = call->param("host");
  if (!call->sees(site)) return call->reply_error(403, "this is not a site of yours");
  (*body)["site"] = site;
  (*body)["name"] = host;
  const auto spec = host_from_json(*body);
  if (!spec) return call->reply_error(400, spec.error());
  if (const auto done = book->put_host(*spec); !done)
    return call->reply_error(503, done.error().text());
  call->services.accounts.audit(call->actor(), "backup.host.put", site + "/" + host, "");
  std::string text;
  JsonWriter json(text);
  write_json(json, *spec);
  call->reply_json(200, std::move(text));
}

void drop_host(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr) return;
  const auto site = call->param("site"), host = call->param("host");
  if (!call->sees(site)) return call->reply_error(403, "this is not a site of yours");
  const auto done = book->drop_host(site, host);
  if (!done) return call->reply_error(503, done.error().text());
  if (!*done) return call->reply_error(404, "the API did not say anything of this host");
  call->services.accounts.audit(call->actor(), "backup.host.drop", site + "/" + host, "");
  call->reply_empty();
}

// --- restore checks

void list_checks(const CallPtr& call) {
  RestoreCheckFilter f;
  f.site = call->arg("site");
  f.asset = call->arg("asset");
  f.snapshot = call->arg("snapshot");
  f.limit = limit_arg(*call);
  PageWriter page;
  for (const auto& c : restore_checks(control(call), f))
    if (call->sees(c.site)) write_json(page.item(), c);
  page.end_items();
  call->reply_json(200, page.finish());
}

/// A restore that people did and timed by hand: its times are `entered`.
void add_check(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto text = [&](std::string_view key) { return text_member(*body, key).value_or(""); };
  RestoreCheck c;
  c.site = text("site");
  c.asset = text("asset");
  c.job = text("job");
  c.tool = text("tool");
  c.repository = text("repository");
  c.snapshot = text("snapshot");
  c.scope = text("scope").empty() ? "full" : text("scope");
  c.detail = text("detail");
  c.by = call->actor().name;
  c.observed = false;
  if (!call->sees(c.site)) return call->reply_error(403, "this is not a site of yours");
  const auto started = parse_time(text("started"));
  const auto finished = parse_time(text("finished"));
  if (!started || !finished)
    return call->reply_error(400, "started and finished must be times; write 2026-11-22T02:30:00Z");
  c.started = *started;
  c.finished = *finished;
  c.data_time = parse_time(text("data_time")).value_or(Timestamp{});
  const auto result = restore_result(text("result"));
  if (!result) return call->reply_error(400, "result must be passed, failed or stopped");
  c.result = *result;
  if (const auto scan = text("scan"); !scan.empty()) {
    const auto s = scan_result(scan);
    if (!s) return call->reply_error(400, "scan must be not_done, clean or found");
    c.scan = *s;
  }
  c.verified = list_member(*body, "verified").value_or(std::vector<std::string>());
  c.octets = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, integer_member(*body, "octets").value_or(0)));
  c.files = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, integer_member(*body, "files").value_or(0)));
  const auto id = record_restore_check(control(call), c);
  if (!id) return call->reply_error(400, id.error().text());
  if (call->services.backups != nullptr) call->services.backups->wake();
  call->services.accounts.audit(call->actor(), "restore_check.add", *id, c.site + "/" + c.asset);
  c.id = *id;
  std::string out;
  JsonWriter json(out);
  write_json(json, c);
  call->reply_json(201, std::move(out));
}

void sign_check(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto c = find_restore_check(control(call), call->param("id"));
  if (!c || !call->sees(c->site)) return call->reply_error(404, "no such restore check");
  const auto statement = text_member(*body, "statement").value_or("");
  if (statement.empty()) return call->reply_error(400, "say in `statement` what was looked at");
  const auto done = sign_restore_check(control(call), c->id, call->actor().name,
                                       call->services.clock.now(), statement);
  if (!done) return call->reply_error(409, done.error().text());
  if (call->services.backups != nullptr) call->services.backups->wake();
  call->services.accounts.audit(call->actor(), "restore_check.sign", c->id, statement);
  std::string out;
  JsonWriter json(out);
  write_json(json, *done);
  call->reply_json(200, std::move(out));
}

// --- incidents

/// The incident of the path, or an answer.
std::optional<Incident> incident_of(const CallPtr& call) {
  auto i = call->services.alerts.incident(call->param("id"));
  const bool seen =
      i && (!call->visible_sites() || std::any_of(i->sites.begin(), i->sites.end(),
                                                  [&](const auto& s) { return call->sees(s); }));
  if (seen) return i;
  call->reply_error(404, "no such incident");
  return {};
}

void list_indicators(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr || !incident_of(call)) return;
  PageWriter page;
  for (const auto& i : book->indicators(call->param("id")))
    if (i.site.empty() || call->sees(i.site)) write_json(page.item(), i);
  page.end_items();
  call->reply_json(200, page.finish());
}

/// A new indicator, or a decision on a proposed one (`id`).
void decide_indicator(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr || !incident_of(call)) return;
  const auto body = call->json_body();
  if (!body) return;
  const auto text = [&](std::string_view key) { return text_member(*body, key).value_or(""); };
  IncidentIndicator i;
  if (const auto id = text("id"); !id.empty()) {
    const auto known = book->indicators(call->param("id"));
    const auto it =
        std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.id == id; });
    if (it == known.end()) return call->reply_error(404, "no such indicator in this incident");
    i = *it;
  } else {
    const auto t = parse_time(text("time"));
    if (!t) return call->reply_error(400, "time is not a time; write 2026-11-22T02:30:00Z");
    i.id = uuid7(call->services.clock.now());
    i.incident = call->param("id");
    i.time = *t;
    i.site = text("site");
    i.entity = text("entity");
    i.source = text("source").empty() ? call->actor().name : text("source");
    if (const auto c = text("confidence"); !c.empty()) i.confidence = c;
    if (i.confidence != "low" && i.confidence != "medium" && i.confidence != "high")
      return call->reply_error(400, "confidence must be low, medium or high");
  }
  if (!i.site.empty() && !call->sees(i.site))
    return call->reply_error(403, "this is not a site of yours");
  const auto state = text("state").empty() ? "accepted" : text("state");
  if (state != "accepted" && state != "rejected" && state != "proposed")
    return call->reply_error(400, "state must be accepted, rejected or proposed");
  i.state = state;
  if (const auto* offset = body->if_contains("offset_seconds");
      offset != nullptr && offset->is_number()) {
    const auto seconds = offset->to_number<double>();
    if (!(seconds > -1e9 && seconds < 1e9))
      return call->reply_error(400, "offset_seconds is out of range");
    i.offset = std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
    i.offset_known = true;
  }
  i.note = text("note");
  i.decided_by = call->actor().name;
  i.decided_at = call->services.clock.now();
  const auto changed = book->decide(i);
  if (!changed) return call->reply_error(503, changed.error().text());
  call->services.accounts.audit(call->actor(), "incident.indicator." + state, i.incident, i.id);
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("indicator");
  write_json(json, i);
  json.field("verdicts_changed", *changed);
  json.end_object();
  call->reply_json(200, std::move(out));
}

struct PointArguments {
  std::chrono::seconds margin{24 * 3600};
  Timestamp incident_time;
  std::set<std::string> compromised;
};

void one_point(const CallPtr& call, BackupBook& book, const std::string& site,
               const std::string& asset_name, const PointArguments& a) {
  if (!call->sees(site)) return call->reply_error(404, "no such asset");
  const auto p = book.point(call->param("id"), site, asset_name, a.margin, a.incident_time,
                            a.compromised, call->actor().name, "asked");
  if (!p) return call->reply_error(404, p.error().text());
  std::string out;
  JsonWriter json(out);
  write_json(json, *p);
  call->reply_json(200, std::move(out));
}

/// The assets of a service and of those linked with it.
void linked_points(const CallPtr& call, BackupBook& book, const std::string& service,
                   const PointArguments& a) {
  const auto b = book.board();
  const auto it = b->reg.services.find(service);
  if (it == b->reg.services.end()) return call->reply_error(404, "no such service");
  std::set<std::string> services{service};
  for (const auto& l : it->second.linked) services.insert(l);
  std::vector<RestorePoint> points;
  std::set<std::string> directories;
  std::size_t hidden = 0;
  for (const auto& x : b->assets) {
    const bool directory = x.spec.kind == "directory";
    if (!services.contains(x.spec.service)) continue;
    if (!call->sees(x.spec.site)) {
      ++hidden;
      continue;
    }
    auto p = book.point(call->param("id"), x.spec.site, x.spec.name, a.margin, a.incident_time,
                        a.compromised, call->actor().name, "asked for service " + service);
    if (!p) return call->reply_error(503, p.error().text());
    if (directory) directories.insert(x.spec.site + "/" + x.spec.name);
    points.push_back(std::move(*p));
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("service", service);
  json.key("set");
  write_json(json, link_points(points, directories));
  json.field("assets_of_other_sites", hidden);
  json.end_object();
  call->reply_json(200, std::move(out));
}

void ask_point(const CallPtr& call) {
  auto* book = book_of(call);
  if (book == nullptr || !incident_of(call)) return;
  const auto body = call->json_body();
  if (!body) return;
  PointArguments a;
  if (const auto hours = integer_member(*body, "margin_hours")) {
    if (*hours < 0 || *hours > 24 * 366)
      return call->reply_error(400, "margin_hours must be 0 to 8784");
    a.margin = std::chrono::hours(*hours);
  }
  if (const auto text = text_member(*body, "incident_time")) {
    const auto t = parse_time(*text);
    if (!t) return call->reply_error(400, "incident_time is not a time");
    a.incident_time = *t;
  }
  for (auto& c : list_member(*body, "compromised").value_or(std::vector<std::string>()))
    a.compromised.insert(c);
  const auto service = text_member(*body, "service").value_or("");
  const auto site = text_member(*body, "site").value_or("");
  const auto asset_name = text_member(*body, "asset").value_or("");
  if (!service.empty()) return linked_points(call, *book, service, a);
  if (site.empty() || asset_name.empty())
    return call->reply_error(400, "name site and asset, or a service");
  one_point(call, *book, site, asset_name, a);
}

void point_history(const CallPtr& call) {
  if (!incident_of(call)) return;
  PageWriter page;
  for (const auto& v : verdicts(control(call), call->param("id"), call->arg("site"),
                                call->arg("asset"), limit_arg(*call))) {
    if (!call->sees(v.site)) continue;
    auto& json = page.item();
    json.begin_object();
    json.field("id", v.id);
    json.field("at", rfc3339(v.at));
    json.field("author", v.author);
    json.field("cause", v.cause);
    json.field("site", v.site);
    json.field("asset", v.asset);
    json.field("verdict", v.verdict);
    if (!v.snapshot.empty()) json.field("snapshot", v.snapshot);
    time_field(json, "data_time", v.data_time);
    json.key("point");
    json.raw(v.doc);
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish());
}

const RouteRegistration registration{{
    {"GET", "/api/v1/backups", Access::auditor, &board,
     "services and assets with the state of their backups"},
    {"GET", "/api/v1/backups/rules", Access::auditor, &rules,
     "indicators, and reasons for accepting"},
    {"GET", "/api/v1/backups/findings", Access::auditor, &findings,
     "what is or was wrong with backups"},
    {"POST", "/api/v1/backups/findings/{id}/accept", Access::analyst, &accept_finding,
     "take what a finding complains of as normal"},
    {"GET", "/api/v1/backups/assets/{site}/{asset}", Access::auditor, &asset, "one asset in full"},
    {"PUT", "/api/v1/backups/assets/{site}/{asset}", Access::lead, &put_asset, "register an asset"},
    {"DELETE", "/api/v1/backups/assets/{site}/{asset}", Access::lead, &drop_asset,
     "take back what the API said of an asset"},
    {"GET", "/api/v1/backups/assets/{site}/{asset}/runs", Access::auditor, &asset_runs,
     "its backups"},
    {"PUT", "/api/v1/backups/services/{service}", Access::lead, &put_service, "register a service"},
    {"DELETE", "/api/v1/backups/services/{service}", Access::lead, &drop_service,
     "take back what the API said of a service"},
    {"GET", "/api/v1/backups/hosts", Access::auditor, &list_hosts,
     "backup servers: who signs in, who reads"},
    {"PUT", "/api/v1/backups/hosts/{site}/{host}", Access::lead, &put_host,
     "watch a backup server"},
    {"DELETE", "/api/v1/backups/hosts/{site}/{host}", Access::lead, &drop_host,
     "take back what the API said of a backup server"},
    {"GET", "/api/v1/restore-checks", Access::auditor, &list_checks, "what restores proved"},
    {"POST", "/api/v1/restore-checks", Access::analyst, &add_check, "a restore done by hand"},
    {"POST", "/api/v1/restore-checks/{id}/sign", Access::lead, &sign_check, "sign a restore check"},
    {"GET", "/api/v1/incidents/{id}/indicators", Access::auditor, &list_indicators,
     "first signs of an incident"},
    {"POST", "/api/v1/incidents/{id}/indicators", Access::analyst, &decide_indicator,
     "add, accept or reject a sign"},
    {"POST", "/api/v1/incidents/{id}/restore-point", Access::analyst, &ask_point,
     "the clean restore point"},
    {"GET", "/api/v1/incidents/{id}/restore-point", Access::auditor, &point_history,
     "verdicts on restore points"},
}};

}  // namespace
}  // namespace ww::collector
