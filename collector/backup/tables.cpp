#include "collector/backup/tables.hpp"

#include <array>
#include <string>

#include "collector/backup/restore_check.hpp"

namespace ww::collector::backup_tables {
namespace {

constexpr std::string_view first =
    "CREATE TABLE backup_asset(site TEXT NOT NULL, name TEXT NOT NULL, origin TEXT NOT NULL,"
    " doc TEXT NOT NULL, PRIMARY KEY(site, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE backup_service(name TEXT PRIMARY KEY, origin TEXT NOT NULL, doc TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE backup_source(site TEXT NOT NULL, asset TEXT NOT NULL, job TEXT NOT NULL,"
    " tool TEXT NOT NULL, sensor TEXT NOT NULL, repository TEXT NOT NULL, first_seen INTEGER NOT "
    "NULL, looked INTEGER NOT NULL, good INTEGER NOT NULL, status TEXT NOT NULL, code TEXT NOT "
    "NULL, error TEXT NOT NULL, interval INTEGER NOT NULL, doc TEXT NOT NULL, baseline TEXT NOT "
    "NULL, PRIMARY KEY(site, asset, job)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE backup_run(id INTEGER PRIMARY KEY, site TEXT NOT NULL, asset TEXT NOT NULL,"
    " job TEXT NOT NULL, repository TEXT NOT NULL, snapshot TEXT NOT NULL, parent TEXT NOT NULL,"
    " level TEXT NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL, error TEXT NOT NULL, started "
    "INTEGER NOT NULL, finished INTEGER NOT NULL, data_time INTEGER NOT NULL, bytes_total INTEGER,"
    " bytes_added INTEGER, bytes_stored INTEGER, files_total INTEGER, files_new INTEGER,"
    " files_changed INTEGER, files_deleted INTEGER, dedup REAL, compression REAL, entropy REAL,"
    " extension REAL, integrity TEXT NOT NULL, integrity_at INTEGER NOT NULL, immutable_until "
    "INTEGER NOT NULL, host TEXT NOT NULL, selection TEXT NOT NULL, event TEXT NOT NULL,"
    " first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, vanished INTEGER NOT NULL, flags "
    "TEXT NOT NULL, UNIQUE(site, asset, job, snapshot)) STRICT;"
    "CREATE INDEX backup_run_time ON backup_run(site, asset, job, data_time);"
    "CREATE TABLE backup_finding(id TEXT PRIMARY KEY, site TEXT NOT NULL, asset TEXT NOT NULL,"
    " job TEXT NOT NULL, rule TEXT NOT NULL, subject TEXT NOT NULL, level INTEGER NOT NULL, title "
    "TEXT NOT NULL, detail TEXT NOT NULL, opened INTEGER NOT NULL, last INTEGER NOT NULL, cleared "
    "INTEGER NOT NULL, why TEXT NOT NULL, accepted_by TEXT NOT NULL, reason TEXT NOT NULL) STRICT;"
    "CREATE INDEX backup_finding_open ON backup_finding(cleared, site, asset);"
    "CREATE TABLE backup_restore(id INTEGER PRIMARY KEY, site TEXT NOT NULL, asset TEXT NOT NULL,"
    " job TEXT NOT NULL, tool TEXT NOT NULL, snapshot TEXT NOT NULL, host TEXT NOT NULL, user TEXT"
    " NOT NULL, status TEXT NOT NULL, started INTEGER NOT NULL, finished INTEGER NOT NULL, octets"
    " INTEGER, event TEXT NOT NULL, UNIQUE(site, asset, job, snapshot, started, host)) STRICT;"
    "CREATE TABLE incident_indicator(id TEXT PRIMARY KEY, incident TEXT NOT NULL, time INTEGER NOT "
    "NULL, site TEXT NOT NULL, entity TEXT NOT NULL, source TEXT NOT NULL, confidence TEXT NOT "
    "NULL, offset_us INTEGER NOT NULL, state TEXT NOT NULL, decided_by TEXT NOT NULL, decided_at "
    "INTEGER NOT NULL, note TEXT NOT NULL) STRICT;"
    "CREATE INDEX incident_indicator_incident ON incident_indicator(incident);"
    "CREATE TABLE restore_verdict(id TEXT PRIMARY KEY, incident TEXT NOT NULL, site TEXT NOT NULL,"
    " asset TEXT NOT NULL, at INTEGER NOT NULL, author TEXT NOT NULL, cause TEXT NOT NULL, verdict"
    " TEXT NOT NULL, snapshot TEXT NOT NULL, data_time INTEGER NOT NULL, doc TEXT NOT NULL) STRICT;"
    "CREATE INDEX restore_verdict_incident ON restore_verdict(incident, at);";

}  // namespace

std::span<const sql::Migration> migrations() {
  static const std::string text = std::string(first) + std::string(restore_check_table);
  static const std::array<sql::Migration, 3> steps{
      {{1, "register, jobs, runs, findings, restores, verdicts", text},
       {2, "runs of another repository",
        "ALTER TABLE backup_run ADD COLUMN other_repository TEXT NOT NULL DEFAULT '';"},
       {3, "machines that backups depend on: sign-ins and reads",
        "CREATE TABLE backup_host(site TEXT NOT NULL, name TEXT NOT NULL, origin TEXT NOT NULL,"
        " doc TEXT NOT NULL, PRIMARY KEY(site, name)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE backup_login(site TEXT NOT NULL, host TEXT NOT NULL, account TEXT NOT NULL,"
        " source TEXT NOT NULL, how TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
        " good INTEGER NOT NULL, refused INTEGER NOT NULL, burst INTEGER NOT NULL, burst_from "
        "INTEGER NOT NULL, learned INTEGER NOT NULL, odd INTEGER NOT NULL, off_hours INTEGER NOT "
        "NULL, burst_at INTEGER NOT NULL, accepted INTEGER NOT NULL, event TEXT NOT NULL,"
        " PRIMARY KEY(site, host, account, source)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE backup_read(site TEXT NOT NULL, host TEXT NOT NULL, client TEXT NOT NULL,"
        " hour INTEGER NOT NULL, octets INTEGER NOT NULL, flows INTEGER NOT NULL,"
        " PRIMARY KEY(site, host, client, hour)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE backup_reader(site TEXT NOT NULL, host TEXT NOT NULL, client TEXT NOT NULL,"
        " first INTEGER NOT NULL, last INTEGER NOT NULL, flagged INTEGER NOT NULL, level INTEGER "
        "NOT NULL, detail TEXT NOT NULL, accepted INTEGER NOT NULL, event TEXT NOT NULL,"
        " PRIMARY KEY(site, host, client)) STRICT, WITHOUT ROWID;"}}};
  return steps;
}

}  // namespace ww::collector::backup_tables
