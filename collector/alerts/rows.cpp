#include "collector/alerts/rows.hpp"

#include <array>

#include "collector/store/codec.hpp"

namespace ww::collector::alert_rows {
namespace {

constexpr std::array<sql::Migration, 1> steps{{
    {1, "alerts, evidence, history and incidents",
     "CREATE TABLE alert(id TEXT PRIMARY KEY, fold_key TEXT NOT NULL, status INTEGER NOT NULL,"
     " disposition INTEGER NOT NULL, level INTEGER NOT NULL, engine INTEGER NOT NULL, rule_id TEXT "
     "NOT NULL,"
     " rule_title TEXT NOT NULL, rule_rev TEXT NOT NULL, rule_source TEXT NOT NULL, site TEXT NOT "
     "NULL,"
     " sensor TEXT NOT NULL, entities BLOB NOT NULL, first_seen INTEGER NOT NULL, last_seen "
     "INTEGER NOT NULL,"
     " created INTEGER NOT NULL, updated INTEGER NOT NULL, acknowledged INTEGER, closed INTEGER,"
     " count INTEGER NOT NULL, attack TEXT NOT NULL, caf TEXT NOT NULL, explanation TEXT NOT NULL,"
     " assignee TEXT NOT NULL, incident TEXT NOT NULL, version INTEGER NOT NULL) STRICT;"
     "CREATE INDEX alert_fold ON alert(fold_key, last_seen) WHERE status <> 4;"
     "CREATE INDEX alert_last ON alert(last_seen, id);"
     "CREATE INDEX alert_open ON alert(status, level);"
     "CREATE INDEX alert_incident ON alert(incident) WHERE incident <> '';"
     "CREATE TABLE alert_entity(value TEXT NOT NULL, type TEXT NOT NULL, alert TEXT NOT NULL,"
     " PRIMARY KEY(value, type, alert)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE alert_evidence(alert TEXT NOT NULL, n INTEGER NOT NULL, event_id TEXT NOT NULL,"
     " time INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY(alert, n)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE alert_comment(id INTEGER PRIMARY KEY, alert TEXT NOT NULL, at INTEGER NOT NULL,"
     " author TEXT NOT NULL, text TEXT NOT NULL) STRICT;"
     "CREATE INDEX comment_alert ON alert_comment(alert);"
     "CREATE TABLE alert_change(id INTEGER PRIMARY KEY, alert TEXT NOT NULL, at INTEGER NOT NULL,"
     " author TEXT NOT NULL, what TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL) STRICT;"
     "CREATE INDEX change_alert ON alert_change(alert);"
     "CREATE TABLE incident(id TEXT PRIMARY KEY, title TEXT NOT NULL, status TEXT NOT NULL, level "
     "INTEGER NOT NULL,"
     " opened INTEGER NOT NULL, updated INTEGER NOT NULL, closed INTEGER, lead TEXT NOT NULL, "
     "summary TEXT NOT NULL,"
     " automatic INTEGER NOT NULL) STRICT;"},
}};

template <class E>
E as(std::int64_t v) {
  return static_cast<E>(v);
}

}  // namespace

std::span<const sql::Migration> migrations() { return steps; }

std::string encode_entities(const std::vector<Entity>& entities) {
  Encoder out;
  for (const auto& e : entities) {
    out.text(e.type);
    out.text(e.value);
  }
  return out.take();
}

std::string join(const std::vector<std::string>& values) {
  std::string out = ",";
  for (const auto& v : values) {
    for (const char c : v) out += c == ',' ? ' ' : c;
    out += ',';
  }
  return out;
}

std::vector<std::string> split(std::string_view joined) {
  std::vector<std::string> out;
  for (std::size_t at = 1; at < joined.size();) {
    const auto end = joined.find(',', at);
    if (end == std::string_view::npos) break;
    out.emplace_back(joined.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Alert read(const sql::Statement& s) {
  Alert a;
  int c = 0;
  a.id = s.copy(c++);
  a.status = as<AlertStatus>(s.integer(c++));
  a.disposition = as<Disposition>(s.integer(c++));
  a.level = as<Level>(s.integer(c++));
  a.engine = as<EngineKind>(s.integer(c++));
  a.rule.id = s.copy(c++);
  a.rule.title = s.copy(c++);
  a.rule.rev = s.copy(c++);
  a.rule.source = s.copy(c++);
  a.site = s.copy(c++);
  a.sensor = s.copy(c++);
  Decoder entities(s.blob(c++));
  while (entities.ok() && entities.left() > 0) {
    Entity e;
    e.type = entities.copy();
    e.value = entities.copy();
    if (entities.ok()) a.entities.push_back(std::move(e));
  }
  a.first_seen.us = s.integer(c++);
  a.last_seen.us = s.integer(c++);
  a.created.us = s.integer(c++);
  a.updated.us = s.integer(c++);
  if (!s.is_null(c)) a.acknowledged_at = Timestamp{s.integer(c)};
  ++c;
  if (!s.is_null(c)) a.closed_at = Timestamp{s.integer(c)};
  ++c;
  a.count = static_cast<std::uint64_t>(s.integer(c++));
  a.attack = split(s.text(c++));
  a.caf = split(s.text(c++));
  a.explanation = s.copy(c++);
  a.assignee = s.copy(c++);
  a.incident = s.copy(c++);
  a.version = static_cast<std::uint64_t>(s.integer(c++));
  return a;
}

void read_evidence_ids(sql::Database& db, Alert& alert) {
  auto s = db.prepare("SELECT event_id FROM alert_evidence WHERE alert=?1 ORDER BY n");
  s.bind(alert.id);
  while (s.step()) alert.evidence.push_back(s.copy(0));
}

void read_comments(sql::Database& db, Alert& alert) {
  {
    auto s = db.prepare("SELECT at, author, text FROM alert_comment WHERE alert=?1 ORDER BY id");
    s.bind(alert.id);
    while (s.step()) alert.comments.push_back({{s.integer(0)}, s.copy(1), s.copy(2)});
  }
  auto s =
      db.prepare("SELECT at, author, what, old, new FROM alert_change WHERE alert=?1 ORDER BY id");
  s.bind(alert.id);
  while (s.step())
    alert.history.push_back({{s.integer(0)}, s.copy(1), s.copy(2), s.copy(3), s.copy(4)});
}

std::optional<Alert> find(sql::Database& db, std::string_view id) {
  static const std::string query = "SELECT " + std::string(columns) + " FROM alert WHERE id=?1";
  auto s = db.prepare(query);
  s.bind(id);
  if (!s.step()) return {};
  auto a = read(s);
  s.reset();
  read_evidence_ids(db, a);
  return a;
}

Incident read_incident(sql::Database& db, const sql::Statement& s) {
  Incident i;
  i.id = s.copy(0);
  i.title = s.copy(1);
  i.status = s.copy(2);
  i.level = as<Level>(s.integer(3));
  i.opened.us = s.integer(4);
  i.updated.us = s.integer(5);
  if (!s.is_null(6)) i.closed = Timestamp{s.integer(6)};
  i.lead = s.copy(7);
  i.summary = s.copy(8);
  i.automatic = s.integer(9) != 0;
  auto sites = db.prepare(
      "SELECT site, count(*) FROM alert WHERE incident=?1 AND incident<>'' GROUP BY site ORDER BY "
      "site");
  sites.bind(i.id);
  while (sites.step()) {
    i.sites.push_back(sites.copy(0));
    i.alerts += static_cast<std::uint64_t>(sites.integer(1));
  }
  return i;
}

std::optional<Incident> find_incident(sql::Database& db, std::string_view id) {
  static const std::string query =
      "SELECT " + std::string(incident_columns) + " FROM incident WHERE id=?1";
  auto s = db.prepare(query);
  s.bind(id);
  if (!s.step()) return {};
  return read_incident(db, s);
}

}  // namespace ww::collector::alert_rows
