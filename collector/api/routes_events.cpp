/// Events, figures, rules, dead letters.
#include <map>

#include "collector/alerts/alerts.hpp"
#include "collector/api/reply.hpp"
#include "collector/detect/detect.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// FIELD=VALUE, FIELD!=VALUE, FIELD~TEXT, FIELD<N..., FIELD -> the store's query language.
std::optional<std::string> where_text(std::string_view where) {
  const auto op = where.find_first_of("=!~<>");
  const auto path = where.substr(0, op);
  const bool plain =
      !path.empty() && path.size() <= 200 && std::all_of(path.begin(), path.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-' || c == '@';
      });
  if (!plain) return {};
  if (op == std::string_view::npos) return std::string(path) + ":*";
  auto sign = where.substr(op, 1);
  if (op + 1 < where.size() && where[op + 1] == '=') sign = where.substr(op, 2);
  if (sign == "!") return {};
  const auto value = where.substr(op + sign.size());
  if (value.empty()) return {};
  if (sign == "=" || sign == "==") return std::string(path) + ":" + quoted(value);
  return std::string(path) + std::string(sign) + quoted(value);
}

/// Time range, sites and text of a request as a search; answers 400 itself.
std::optional<SearchQuery> search_of(const CallPtr& call, std::chrono::seconds back) {
  SearchQuery q;
  bool ok = true;
  const auto now = call->services.clock.now();
  q.to = time_arg(call, "to", {now.us + 86'400'000'000}, ok);  // clocks of sources run ahead
  q.from = time_arg(call, "from", {std::min(now.us, q.to.us) - back.count() * 1'000'000}, ok);
  if (!ok || !numbers_ok(call, {"limit", "step"})) return {};
  if (q.from > q.to) {
    call->reply_error(400, "from lies after to: " + rfc3339(q.from) + ", " + rfc3339(q.to));
    return {};
  }
  q.types = call->list_arg("type");
  q.sites = call->list_arg("site");
  q.sensors = call->list_arg("sensor");
  q.visible_sites = call->visible_sites();
  q.text = call->arg("q");
  for (const auto& where : call->args("where")) {
    const auto text = where_text(where);
    if (!text) {
      call->reply_error(
          400,
          "'" + where.substr(0, 80) +
              "' is no condition; write FIELD=VALUE, FIELD!=VALUE, FIELD~TEXT, FIELD<N or FIELD");
      return {};
    }
    q.text = q.text.empty() ? *text : "(" + q.text + ") " + *text;
  }
  return q;
}

void reply_query_error(const CallPtr& call, const QueryError& e) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  if (e.offset == QueryError::elsewhere) {
    json.field("error", e.what);
  } else {
    json.field("error", "q, character " + std::to_string(e.offset + 1) + ": " + e.what);
    json.field("offset", e.offset);
  }
  json.end_object();
  call->reply_json(400, std::move(text));
}

void write_partial(JsonWriter& json, bool partial, const std::vector<std::string>& problems) {
  json.field("partial", partial);
  if (!partial) return;
  std::string why = problems.empty()
                        ? "the time for this search was over; go on with next, or narrow it"
                        : problems.front();
  json.field("partial_reason", why);
}

void list(const CallPtr& call) {
  auto q = search_of(call, std::chrono::hours(1));
  if (!q) return;
  q->limit = limit_arg(*call);
  q->cursor = call->arg("cursor");
  const auto found = call->services.store.search(*q);
  if (!found) return reply_query_error(call, found.error());
  PageWriter page;
  for (const auto& e : found->events) page.item().raw(e.json);
  auto& json = page.end_items();
  write_partial(json, found->partial, found->problems);
  if (found->partial) json.field("searched_to", rfc3339(found->searched_to));
  json.field("scanned", found->work.events);
  json.field("took_ms", found->work.took.count() / 1000);
  call->reply_json(200, page.finish(found->next));
}

void get(const CallPtr& call) {
  const auto event = call->services.store.event(call->param("id"), call->visible_sites());
  if (!event) return call->reply_error(404, "no such event; retention may have removed it");
  call->reply_json(200, event->json);
}

void count(const CallPtr& call) {
  auto q = search_of(call, std::chrono::hours(24));
  if (!q) return;
  CountQuery c;
  c.search = std::move(*q);
  const auto step = integer_arg(*call, "step", 60);
  if (step < 60 || step > 86'400 || step % 60 != 0)
    return call->reply_error(400, "step must be a multiple of 60 seconds, at most 86400");
  c.step = std::chrono::seconds(step);
  const auto by = call->arg("by");
  if (!by.empty() && by != "type" && by != "site" && by != "sensor")
    return call->reply_error(400, "by must be type, site or sensor");
  c.by = by == "type"     ? CountQuery::By::type
         : by == "site"   ? CountQuery::By::site
         : by == "sensor" ? CountQuery::By::sensor
                          : CountQuery::By::none;
  // At most 2000 steps, however long the range.
  const auto span = (c.search.to.us - c.search.from.us) / 1'000'000;
  while (span / c.step.count() > 2000) c.step *= 2;
  const auto found = call->services.store.count(c);
  if (!found) return reply_query_error(call, found.error());
  PageWriter page;
  for (const auto& r : found->rows) {
    auto& json = page.item();
    json.begin_object();
    json.field("start", rfc3339(r.start));
    if (!r.key.empty()) json.field("key", r.key);
    json.field("count", r.events);
    json.end_object();
  }
  auto& json = page.end_items();
  json.field("step", c.step.count());
  write_partial(json, found->partial, found->problems);
  call->reply_json(200, page.finish());
}

void top(const CallPtr& call) {
  auto q = search_of(call, std::chrono::hours(1));
  if (!q) return;
  TopQuery t;
  t.search = std::move(*q);
  t.path = call->arg("field");
  t.limit = limit_arg(*call, 10, 100);
  if (t.path.empty()) return call->reply_error(400, "name the field: ?field=dns.queries.rrname");
  const auto found = call->services.store.top(t);
  if (!found) return reply_query_error(call, found.error());
  PageWriter page;
  for (const auto& r : found->rows) {
    auto& json = page.item();
    json.begin_object();
    json.field("value", r.value);
    json.field("count", r.events);
    json.end_object();
  }
  auto& json = page.end_items();
  json.field("events", found->events);
  json.field("distinct", found->distinct);
  write_partial(json, found->partial, found->problems);
  call->reply_json(200, page.finish());
}

void overview(const CallPtr& call) {
  // Up to ten years; a long range is counted in longer steps, so the answer stays small.
  const auto minutes =
      std::clamp<std::int64_t>(integer_arg(*call, "minutes", 60), 1, 10 * 366 * 24 * 60);
  const auto now = call->services.clock.now();
  CountQuery q;
  q.search.to = {(now.us / 60'000'000 + 1) * 60'000'000};
  q.search.from = {q.search.to.us - minutes * 60'000'000};
  q.search.sites = call->list_arg("site");
  q.search.visible_sites = call->visible_sites();
  while (minutes * 60 / q.step.count() > 2000) q.step *= 2;
  const auto& store = call->services.store;
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("from", rfc3339(q.search.from));
  json.field("to", rfc3339(q.search.to));
  json.begin_object("events");
  json.field("step", q.step.count());
  std::uint64_t total = 0;
  bool partial = false;
  json.begin_array("by_minute");
  // Rehearsals and heartbeats (stored as type "drill") are no telemetry of the estate.
  const auto rehearsed = [&store](CountQuery only) {
    only.search.types = {"drill"};
    std::map<std::pair<std::int64_t, std::string>, std::uint64_t> out;
    if (const auto found = store.count(only))
      for (const auto& r : found->rows) out[{r.start.us, r.key}] += r.events;
    return out;
  };
  if (const auto found = store.count(q)) {
    partial = found->partial;
    auto drills = rehearsed(q);
    for (const auto& r : found->rows) {
      const auto n = r.events - std::min(r.events, drills[{r.start.us, r.key}]);
      if (n == 0) continue;
      total += n;
      json.begin_object();
      json.field("minute", rfc3339(r.start));
      json.field("count", n);
      json.end_object();
    }
  }
  json.end_array();
  json.field("total", total);
  json.field("per_second", static_cast<double>(total) / (static_cast<double>(minutes) * 60));
  const auto by = [&](std::string_view list_name, std::string_view key_name, CountQuery::By what) {
    std::map<std::string, std::uint64_t> sums;
    q.by = what;
    q.step = std::chrono::minutes(minutes);
    if (const auto found = store.count(q)) {
      auto drills = rehearsed(q);
      for (const auto& r : found->rows)
        if (const auto n = r.events - std::min(r.events, drills[{r.start.us, r.key}]); n > 0)
          sums[r.key] += n;
    }
    std::vector<std::pair<std::string, std::uint64_t>> sorted(sums.begin(), sums.end());
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.second > b.second; });
    json.begin_array(list_name);
    for (const auto& [key, n] : sorted) {
      json.begin_object();
      json.field(key_name, key);
      json.field("count", n);
      json.end_object();
    }
    json.end_array();
  };
  by("by_type", "type", CountQuery::By::type);
  by("by_site", "site", CountQuery::By::site);
  json.end_object();

  json.begin_object("alerts");
  const auto total_of = [&](AlertFilter f) {
    f.sites = call->list_arg("site");
    f.visible_sites = call->visible_sites();
    f.limit = 1;
    const auto page = call->services.alerts.query(f);
    return page ? page->total : 0;
  };
  const std::vector<AlertStatus> open{AlertStatus::fresh, AlertStatus::acknowledged,
                                      AlertStatus::in_progress, AlertStatus::escalated};
  AlertFilter f;
  f.statuses = open;
  json.field("open", total_of(f));
  json.begin_array("by_level");
  for (const auto l :
       {Level::critical, Level::high, Level::medium, Level::low, Level::informational}) {
    f.levels = {l};
    json.begin_object();
    json.field("level", name(l));
    json.field("count", total_of(f));
    json.end_object();
  }
  json.end_array();
  f.levels.clear();
  json.begin_array("by_status");
  for (const auto s : {AlertStatus::fresh, AlertStatus::acknowledged, AlertStatus::in_progress,
                       AlertStatus::escalated, AlertStatus::closed}) {
    f.statuses = {s};
    json.begin_object();
    json.field("status", name(s));
    json.field("count", total_of(f));
    json.end_object();
  }
  json.end_array();
  json.end_object();

  if (!call->visible_sites()) {
    const auto stats = store.stats();
    json.begin_object("store");
    json.field("events", stats.events);
    json.field("octets", stats.file_octets);
    json.field("files", stats.files);
    json.field("healthy", stats.healthy);
    json.end_object();
    json.field("dead_letters", stats.dead_letters);
  }
  json.field("partial", partial);
  json.end_object();
  call->reply_json(200, std::move(text));
}

void rules(const CallPtr& call) {
  PageWriter page;
  if (call->services.detector != nullptr)
    for (const auto& r : call->services.detector->counters()) {
      auto& json = page.item();
      json.begin_object();
      json.field("id", r.id);
      json.field("title", r.title);
      json.field("level", name(r.level));
      json.field("engine", name(r.engine));
      if (!r.status.empty()) json.field("status", r.status);
      if (!r.file.empty()) json.field("source", r.file);
      json.field("hits", r.hits);
      json.field("suppressed", r.suppressed);
      time_field(json, "last_hit", r.last_hit);
      if (r.looked_at != 0) {
        json.field("looked_at", r.looked_at);
        json.field("seconds", r.seconds);
      }
      json.end_object();
    }
  page.end_items();
  call->reply_json(200, page.finish());
}

void explain(const CallPtr& call) {
  if (call->services.detector == nullptr) return call->reply_error(404, "no rules are loaded");
  const auto event = call->services.store.event(call->arg("event"), call->visible_sites());
  if (!event) return call->reply_error(404, "no such event; retention may have removed it");
  const auto text = call->services.detector->explain(call->param("id"), event->json);
  if (!text) return call->reply_error(404, "no such Sigma rule is loaded");
  call->reply_json(200, *text);
}

void dead_letters(const CallPtr& call) {
  const auto limit = limit_arg(*call);
  const auto rows = call->services.store.dead_letters(limit, integer_arg(*call, "cursor", 0));
  PageWriter page;
  for (const auto& r : rows) {
    if (!call->sees(r.site)) continue;
    auto& json = page.item();
    json.begin_object();
    json.field("id", r.id);
    json.field("received", rfc3339(r.received));
    json.field("site", r.site);
    json.field("sensor", r.sensor);
    json.field("source", r.source);
    json.field("reason", r.reason);
    json.field("line", r.line);
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish(rows.size() == limit ? std::to_string(rows.back().id) : ""));
}

const RouteRegistration registration{{
    {"GET", "/api/v1/events", Access::auditor, &list, "events by time, field and word"},
    {"GET", "/api/v1/events/count", Access::auditor, &count, "events over time"},
    {"GET", "/api/v1/events/top", Access::auditor, &top, "most frequent values of a field"},
    {"GET", "/api/v1/events/{id}", Access::auditor, &get, "one event"},
    {"GET", "/api/v1/stats/overview", Access::auditor, &overview, "figures of the first screen"},
    {"GET", "/api/v1/rules", Access::auditor, &rules, "rules that are loaded"},
    {"GET", "/api/v1/rules/{id}/explain", Access::auditor, &explain, "how a rule sees an event"},
    {"GET", "/api/v1/dead-letters", Access::auditor, &dead_letters,
     "lines that could not become events"},
}};

}  // namespace
}  // namespace ww::collector
