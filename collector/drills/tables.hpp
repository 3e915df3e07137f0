#pragma once
/// Tables of the module "drills" in control.db.
#include <array>

#include "collector/store/sqlite.hpp"

namespace ww::collector::drill_tables {

/// drill_run      one exercise: what it is (doc), how it went (result), the playbook's state (play)
/// drill_entry    evidence of a run, only ever added: clocks, people, decisions, gaps, notes...
/// drill_order    what a sensor was told to do
/// drill_report   what the sensor told about it, and marked events and alerts that arrived
/// drill_action   what is to be done about a gap
/// drill_plan     what is to be done again, by when
/// heartbeat      last sign of life of each source of each sensor
inline constexpr std::array<sql::Migration, 2> migrations{{
    {1, "runs, evidence, orders, actions, heartbeats",
     "CREATE TABLE drill_run(id TEXT PRIMARY KEY, kind TEXT NOT NULL, definition TEXT NOT NULL,"
     " title TEXT NOT NULL, level TEXT NOT NULL, site TEXT NOT NULL, sensor TEXT NOT NULL,"
     " state TEXT NOT NULL, created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT "
     "NULL, author TEXT NOT NULL, reason TEXT NOT NULL, doc TEXT NOT NULL, result TEXT NOT NULL,"
     " play TEXT NOT NULL) STRICT;"
     "CREATE INDEX drill_run_state ON drill_run(state, created);"
     "CREATE TABLE drill_entry(id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, kind TEXT "
     "NOT NULL, at INTEGER NOT NULL, made INTEGER NOT NULL, observed INTEGER NOT NULL, author TEXT"
     " NOT NULL, doc TEXT NOT NULL) STRICT;"
     "CREATE INDEX drill_entry_run ON drill_entry(run, id);"
     "CREATE TABLE drill_order(id TEXT PRIMARY KEY, run TEXT NOT NULL, site TEXT NOT NULL, sensor "
     "TEXT NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL, signature TEXT NOT NULL, issued "
     "INTEGER NOT NULL, expires INTEGER NOT NULL, fetched INTEGER NOT NULL, state TEXT NOT NULL)"
     " STRICT;"
     "CREATE INDEX drill_order_sensor ON drill_order(site, sensor, state);"
     "CREATE TABLE drill_report(id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, what TEXT "
     "NOT NULL, at INTEGER NOT NULL, received INTEGER NOT NULL, doc TEXT NOT NULL) STRICT;"
     "CREATE INDEX drill_report_run ON drill_report(run, id);"
     "CREATE TABLE drill_action(id TEXT PRIMARY KEY, run TEXT NOT NULL, site TEXT NOT NULL, gap "
     "INTEGER NOT NULL, text TEXT NOT NULL, owner TEXT NOT NULL, due INTEGER NOT NULL, priority "
     "TEXT NOT NULL, state TEXT NOT NULL, retest TEXT NOT NULL, created INTEGER NOT NULL, author "
     "TEXT NOT NULL, closed INTEGER NOT NULL, closed_by TEXT NOT NULL, note TEXT NOT NULL) STRICT;"
     "CREATE TABLE heartbeat(site TEXT NOT NULL, sensor TEXT NOT NULL, source TEXT NOT NULL,"
     " first INTEGER NOT NULL, sent INTEGER NOT NULL, received INTEGER NOT NULL, interval INTEGER "
     "NOT NULL, count INTEGER NOT NULL, absent INTEGER NOT NULL, retired INTEGER NOT NULL,"
     " PRIMARY KEY(site, sensor, source)) STRICT, WITHOUT ROWID;"},
    {2, "plans",
     "CREATE TABLE drill_plan(id TEXT PRIMARY KEY, origin TEXT NOT NULL, created INTEGER NOT NULL,"
     " attempted INTEGER NOT NULL, overdue INTEGER NOT NULL, doc TEXT NOT NULL) STRICT,"
     " WITHOUT ROWID;"},
}};

}  // namespace ww::collector::drill_tables
