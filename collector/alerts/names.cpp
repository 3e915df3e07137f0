// Names of the alert enumerations, as contracts.md spells them, and JSON.
#include <array>

#include "collector/alerts/alerts.hpp"

namespace ww::collector {
namespace {

constexpr std::array<std::string_view, 5> statuses{"new", "acknowledged", "in_progress",
                                                   "escalated", "closed"};
constexpr std::array<std::string_view, 6> dispositions{"",       "true_positive", "false_positive",
                                                       "benign", "drill",         "duplicate"};
constexpr std::array<std::string_view, 5> levels{"informational", "low", "medium", "high",
                                                 "critical"};
constexpr std::array<std::string_view, 6> engines{"signature", "sigma",  "correlation",
                                                  "baseline",  "backup", "intel"};
constexpr std::array<std::string_view, 5> refusals{"not_found", "conflict", "bad_transition",
                                                   "no_incident", "failed"};

template <class E, std::size_t n>
std::optional<E> parse(const std::array<std::string_view, n>& names, std::string_view text) {
  for (std::size_t i = 0; i < n; ++i)
    if (names[i] == text && !text.empty()) return static_cast<E>(i);
  return {};
}
template <class E, std::size_t n>
std::string_view text(const std::array<std::string_view, n>& names, E e) {
  const auto i = static_cast<std::size_t>(e);
  return i < n ? names[i] : std::string_view();
}

void list(JsonWriter& out, std::string_view key, const std::vector<std::string>& values) {
  out.begin_array(key);
  for (const auto& v : values) out.value(v);
  out.end_array();
}

}  // namespace

std::string_view name(AlertStatus s) { return text(statuses, s); }
std::string_view name(Disposition d) { return text(dispositions, d); }
std::string_view name(Level l) { return text(levels, l); }
std::string_view name(EngineKind e) { return text(engines, e); }
std::string_view name(PatchRefusal r) { return text(refusals, r); }
std::optional<AlertStatus> alert_status(std::string_view t) {
  return parse<AlertStatus>(statuses, t);
}
std::optional<Disposition> disposition(std::string_view t) {
  return parse<Disposition>(dispositions, t);
}
std::optional<Level> level(std::string_view t) { return parse<Level>(levels, t); }
std::optional<EngineKind> engine_kind(std::string_view t) { return parse<EngineKind>(engines, t); }

void write_json(JsonWriter& out, const Alert& a) {
  out.begin_object();
  out.field("id", a.id);
  out.field("status", name(a.status));
  if (a.disposition != Disposition::none) out.field("disposition", name(a.disposition));
  out.field("level", name(a.level));
  out.field("engine", name(a.engine));
  out.begin_object("rule");
  out.field("id", a.rule.id);
  out.field("title", a.rule.title);
  if (!a.rule.rev.empty()) out.field("rev", a.rule.rev);
  if (!a.rule.source.empty()) out.field("source", a.rule.source);
  out.end_object();
  out.field("site", a.site);
  out.field("sensor", a.sensor);
  out.begin_array("entities");
  for (const auto& e : a.entities) {
    out.begin_object();
    out.field("type", e.type);
    out.field("value", e.value);
    out.end_object();
  }
  out.end_array();
  out.field("first_seen", rfc3339(a.first_seen));
  out.field("last_seen", rfc3339(a.last_seen));
  out.field("created", rfc3339(a.created));
  out.field("updated", rfc3339(a.updated));
  if (a.acknowledged_at) out.field("acknowledged_at", rfc3339(*a.acknowledged_at));
  if (a.closed_at) out.field("closed_at", rfc3339(*a.closed_at));
  out.field("count", a.count);
  list(out, "attack", a.attack);
  list(out, "caf", a.caf);
  list(out, "evidence", a.evidence);
  if (!a.explanation.empty()) out.field("explanation", a.explanation);
  if (!a.assignee.empty()) out.field("assignee", a.assignee);
  if (!a.incident.empty()) out.field("incident", a.incident);
  if (!a.comments.empty()) {
    out.begin_array("comments");
    for (const auto& c : a.comments) {
      out.begin_object();
      out.field("time", rfc3339(c.at));
      out.field("user", c.author);
      out.field("text", c.text);
      out.end_object();
    }
    out.end_array();
  }
  if (!a.history.empty()) {
    out.begin_array("history");
    for (const auto& c : a.history) {
      out.begin_object();
      out.field("time", rfc3339(c.at));
      out.field("user", c.author);
      out.field("what", c.what);
      out.field("from", c.from);
      out.field("to", c.to);
      out.end_object();
    }
    out.end_array();
  }
  out.field("version", a.version);
  out.end_object();
}

void write_json(JsonWriter& out, const Incident& i) {
  out.begin_object();
  out.field("id", i.id);
  out.field("title", i.title);
  out.field("status", i.status);
  out.field("level", name(i.level));
  list(out, "sites", i.sites);
  out.field("opened", rfc3339(i.opened));
  out.field("updated", rfc3339(i.updated));
  if (i.closed) out.field("closed", rfc3339(*i.closed));
  if (!i.lead.empty()) out.field("lead", i.lead);
  if (!i.summary.empty()) out.field("summary", i.summary);
  out.field("alerts", i.alerts);
  out.field("automatic", i.automatic);
  out.end_object();
}

}  // namespace ww::collector
