#pragma once
/// Tables of the alert book, and rows to records and back.
#include <span>

#include "collector/alerts/alerts.hpp"
#include "collector/store/sqlite.hpp"

namespace ww::collector::alert_rows {

[[nodiscard]] std::span<const sql::Migration> migrations();

/// Columns of `alert` in the order read() expects.
inline constexpr std::string_view columns =
    "id, status, disposition, level, engine, rule_id, rule_title, rule_rev, rule_source, site, "
    "sensor, entities,"
    " first_seen, last_seen, created, updated, acknowledged, closed, count, attack, caf, "
    "explanation, assignee,"
    " incident, version";
[[nodiscard]] Alert read(const sql::Statement& row);
void read_evidence_ids(sql::Database& db, Alert& alert);
void read_comments(sql::Database& db, Alert& alert);
[[nodiscard]] std::optional<Alert> find(sql::Database& db, std::string_view id);

[[nodiscard]] std::string encode_entities(const std::vector<Entity>& entities);
/// ",T1059,T1003.001," so that one LIKE finds a technique.
[[nodiscard]] std::string join(const std::vector<std::string>& values);
[[nodiscard]] std::vector<std::string> split(std::string_view joined);

[[nodiscard]] std::optional<Incident> find_incident(sql::Database& db, std::string_view id);
[[nodiscard]] Incident read_incident(sql::Database& db, const sql::Statement& row);
inline constexpr std::string_view incident_columns =
    "id, title, status, level, opened, updated, closed, lead, summary, automatic";

}  // namespace ww::collector::alert_rows
