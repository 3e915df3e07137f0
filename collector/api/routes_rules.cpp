/// What people do with rules: exceptions, reload, and trying a rule on stored events.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>

#include "collector/api/reply.hpp"
#include "collector/detect/detect.hpp"

namespace ww::collector {
namespace {

constexpr std::uint64_t max_rule_octets = 4ULL << 20;
constexpr std::chrono::seconds longest_backtest{120};
constexpr std::int64_t day_us = 86'400'000'000;

bool no_rules(const CallPtr& call) {
  if (call->services.detector != nullptr) return false;
  call->reply_error(404, "no rules are loaded");
  return true;
}

void write(JsonWriter& json, const RuleException& e, Timestamp now) {
  json.begin_object();
  json.field("id", e.id);
  json.field("rule", e.rule);
  if (!e.site.empty()) json.field("site", e.site);
  if (!e.query.empty()) json.field("query", e.query);
  json.field("reason", e.reason);
  json.field("author", e.author);
  json.field("created", rfc3339(e.created));
  json.field("review", rfc3339(e.review));
  json.field("holds", now < e.review);
  json.field("suppressed", e.suppressed);
  json.end_object();
}

void exceptions(const CallPtr& call) {
  if (no_rules(call)) return;
  PageWriter page;
  for (const auto& e : call->services.detector->exceptions())
    if (e.site.empty() || call->sees(e.site)) write(page.item(), e, call->services.clock.now());
  page.end_items();
  call->reply_json(200, page.finish());
}

void add_exception(const CallPtr& call) {
  if (no_rules(call)) return;
  const auto body = call->json_body();
  if (!body) return;
  RuleException e;
  e.rule = text_member(*body, "rule").value_or("");
  e.site = text_member(*body, "site").value_or("");
  e.query = text_member(*body, "query").value_or("");
  e.reason = text_member(*body, "reason").value_or("");
  e.author = call->caller.name;
  const auto review = parse_time(text_member(*body, "review").value_or(""));
  if (!review) return call->reply_error(400, "review is not a time; write for example 2027-03-01");
  e.review = *review;
  // Who sees some sites only cannot silence a rule for the others.
  if (e.site.empty() ? call->visible_sites().has_value() : !call->sees(e.site))
    return call->reply_error(403, "name a site that is yours");
  const auto made = call->services.detector->add_exception(e);
  if (!made)
    return call->reply_error(
        400, made.error().where + ": " + made.error().what + "; " + made.error().remedy);
  call->services.accounts.audit(
      call->actor(), "exception.add", made->id,
      made->rule + (made->site.empty() ? "" : " at " + made->site) + ": " + made->reason);
  std::string text;
  JsonWriter json(text);
  write(json, *made, call->services.clock.now());
  call->reply_json(201, std::move(text));
}

void remove_exception(const CallPtr& call) {
  if (no_rules(call)) return;
  const auto id = call->param("id");
  for (const auto& e : call->services.detector->exceptions()) {
    if (e.id != id || !(e.site.empty() ? !call->visible_sites().has_value() : call->sees(e.site)))
      continue;
    if (!call->services.detector->remove_exception(id)) break;
    call->services.accounts.audit(call->actor(), "exception.remove", id, e.rule);
    return call->reply_empty();
  }
  call->reply_error(404, "no such exception");
}

void reload(const CallPtr& call) {
  if (no_rules(call)) return;
  const auto report = call->services.detector->reload();
  if (!report) return call->reply_error(409, "the old rules stay: " + report.error().text());
  call->services.accounts.audit(
      call->actor(), "rules.reload", "",
      std::to_string(report->loaded) + " loaded, " + std::to_string(report->refused) + " refused");
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("loaded", report->loaded);
  json.field("refused", report->refused);
  json.begin_array("errors");
  for (const auto& e : report->errors) {
    json.begin_object();
    json.field("file", e.file);
    json.field("line", e.line);
    json.field("error", e.error);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  call->reply_json(200, std::move(text));
}

void write(JsonWriter& json, const BacktestReport& r) {
  json.begin_object();
  json.field("events", r.events);
  json.field("matches", r.matches);
  json.field("stopped", r.stopped);
  json.field("loaded", r.load.loaded);
  json.field("refused", r.load.refused);
  json.begin_array("errors");
  for (const auto& e : r.load.errors) {
    json.begin_object();
    json.field("file", e.file);
    json.field("line", e.line);
    json.field("error", e.error);
    json.end_object();
  }
  json.end_array();
  json.begin_array("rules");
  for (const auto& p : r.per_rule) {
    json.begin_object();
    json.field("rule", p.rule);
    json.field("title", p.title);
    json.field("matches", p.matches);
    json.end_object();
  }
  json.end_array();
  json.begin_array("items");
  for (const auto& row : r.rows) {
    json.begin_object();
    json.field("rule", row.rule);
    json.field("title", row.title);
    json.field("time", rfc3339(row.time));
    json.field("site", row.site);
    json.field("event", row.event_id);
    json.field("correlation", row.correlation);
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

void backtest(const CallPtr& call) {
  if (no_rules(call)) return;
  const auto body = call->json_body();
  if (!body) return;
  BacktestQuery q;
  const auto* rules = body->if_contains("rules");
  if (rules == nullptr || !rules->is_array())
    return call->reply_error(400, "rules: give a list of {\"name\",\"text\"}");
  for (const auto& rule : rules->get_array()) {
    const auto text = rule.is_object() ? text_member(rule.get_object(), "text") : std::nullopt;
    if (!text) return call->reply_error(400, "rules: each needs its YAML as text");
    q.texts.emplace_back(text_member(rule.get_object(), "name").value_or("rule"), *text);
  }
  if (q.texts.empty()) return call->reply_error(400, "rules: the list is empty");
  const auto time = [&](std::string_view name, Timestamp fallback) -> std::optional<Timestamp> {
    const auto text = text_member(*body, name);
    return text ? parse_time(*text) : fallback;
  };
  const auto now = call->services.clock.now();
  const auto from = time("from", Timestamp{now.us - day_us}), to = time("to", now);
  if (!from || !to) return call->reply_error(400, "from and to are times, as 2026-11-22T02:30:00Z");
  q.from = *from;
  q.to = *to;
  q.max_matches = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(integer_member(*body, "limit").value_or(100), 0, 10'000));
  q.sites = call->visible_sites();
  const auto until = std::chrono::steady_clock::now() + longest_backtest;
  q.progress = [until](std::uint64_t) { return std::chrono::steady_clock::now() < until; };
  const auto report = call->services.detector->backtest(q);
  if (!report) return call->reply_error(400, report.error().text());
  std::string text;
  JsonWriter json(text);
  write(json, *report);
  call->reply_json(200, std::move(text));
}

const RouteRegistration registration{{
    {"GET", "/api/v1/exceptions", Access::auditor, &exceptions, "what rules must not alert on"},
    {"POST", "/api/v1/exceptions", Access::lead, &add_exception, "expect a rule's hits here"},
    {"DELETE", "/api/v1/exceptions/{id}", Access::lead, &remove_exception, "alert again"},
    {"POST", "/api/v1/rules/reload", Access::admin, &reload, "read the rule files again"},
    {"POST", "/api/v1/backtest", Access::analyst, &backtest, "rules over stored events",
     max_rule_octets},
}};

}  // namespace
}  // namespace ww::collector
