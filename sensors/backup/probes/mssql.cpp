/// Microsoft SQL Server: msdb's backup history as JSON (`FOR JSON PATH`; docs/backup.md has the
/// query). Only successful backups have a row; rows of sysjobhistory tell the failures. A log
/// backup that does not begin where the one before ended breaks the chain.
#include <algorithm>
#include <map>

#include "sensors/backup/input.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

/// msdb's times are the server's local time; `time_zone` is its offset in quarter hours, 127 when
/// unknown.
std::optional<Timestamp> server_time(const Json& row, std::string_view name) {
  const auto wall = time_at(row, name);
  if (!wall) return {};
  const auto* zone = at(row, "time_zone");
  const auto quarters = zone != nullptr && zone->is_int64() ? zone->get_int64() : 127;
  if (quarters == 127 || quarters < -60 || quarters > 60) return wall;
  return *wall + std::chrono::minutes(-15 * quarters);
}

std::string_view level_of(std::string_view type) {
  return type == "I" || type == "G" || type == "Q" ? "diff" : type == "L" ? "log" : "full";
}

struct Chain {
  std::string last_log_end;
};

void read_backup(const Json& row, std::map<std::string, Chain>& chains, Report& report) {
  const auto id = text_at(row, "backup_set_uuid");
  const auto type = text_at(row, "type").value_or("D");
  auto& run = report.add_run(cut(*id, 64));
  run.level = std::string(level_of(type));
  const auto start = server_time(row, "backup_start_date");
  const auto finish = server_time(row, "backup_finish_date");
  if (start) run.started = rfc3339(*start);
  if (finish) run.finished = run.data_time = rfc3339(*finish);
  run.bytes_total = number_at(row, "backup_size");
  run.bytes_stored = number_at(row, "compressed_backup_size");
  if (run.bytes_total && run.bytes_stored && *run.bytes_stored > 0)
    run.compression_ratio =
        static_cast<double>(*run.bytes_total) / static_cast<double>(*run.bytes_stored);
  run.host = text_at(row, "server_name");
  run.user = text_at(row, "user_name");
  if (const auto* key = at(row, "key_algorithm")) run.encrypted = key->is_string();
  if (flag_at(row, "is_damaged").value_or(false)) {
    run.status = "warning";
    run.error_code = "damaged";
    run.error = "the database was damaged when it was backed up";
    run.integrity = "failed";
  }
  auto& chain = chains[text_at(row, "database_name").value_or("")];
  const auto first = text_at(row, "first_lsn").value_or("");
  const auto last = text_at(row, "last_lsn").value_or("");
  if (type != "L" || flag_at(row, "is_copy_only").value_or(false)) return;
  if (!chain.last_log_end.empty() && !first.empty() && first != chain.last_log_end) {
    run.status = "warning";
    run.error_code = "chain_broken";
    run.error = "the log chain is broken: this log does not begin where the one before ended";
  }
  if (!last.empty()) chain.last_log_end = last;
}

Parsed parse_history(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  std::vector<const Json*> backups;
  std::size_t known = 0;
  const auto rows = [&](std::string_view name) {
    std::vector<const Json*> out;
    if (const auto* a = array_at(*v, name))
      for (const auto& r : *a)
        if (r.is_object() && out.size() < 20'000) out.push_back(&r);
    return out;
  };
  for (const auto* row : v->is_array() ? items_of(*v) : rows("backups"))
    if (text_at(*row, "backup_set_uuid")) backups.push_back(row);
  known += backups.size();
  std::stable_sort(backups.begin(), backups.end(), [](const Json* a, const Json* b) {
    return time_at(*a, "backup_finish_date").value_or(Timestamp{}) <
           time_at(*b, "backup_finish_date").value_or(Timestamp{});
  });
  std::map<std::string, Chain> chains;
  report.inventory.snapshots.emplace();
  report.inventory.snapshots_total = 0;
  std::optional<std::string> logs_until;
  for (const auto* row : backups) {
    read_backup(*row, chains, report);
    if (report.runs.back().level == "log") logs_until = report.runs.back().finished;
  }
  report.inventory.recoverable_to = logs_until;
  for (const auto* row : rows("failures")) {  // sysjobhistory
    const auto time = time_at(*row, "run_time");
    if (!time) continue;
    ++known;
    auto& run = report.runs.emplace_back();
    run.kind = "run";
    run.status = "failed";
    run.snapshot = "failure-" + std::to_string(time->us);
    run.started = run.finished = rfc3339(*time);
    run.error = cut(text_at(*row, "message").value_or("the job failed"), 300);
  }
  for (const auto* row : rows("restores")) {  // restorehistory
    const auto time = time_at(*row, "restore_date");
    if (!time) continue;
    ++known;
    auto& e = report.runs.emplace_back();
    e.kind = "restore";
    e.status = "success";
    e.snapshot = cut(text_at(*row, "backup_set_uuid").value_or(""), 64);
    e.started = e.finished = rfc3339(*time);
    e.user = text_at(*row, "user_name");
  }
  if (const auto t = time_at(*v, "last_good_checkdb"); t && t->us > 0) {
    ++known;
    report.inventory.integrity = "passed";
    report.inventory.integrity_at = rfc3339(*t);
  }
  const bool empty =
      (v->is_array() && v->get_array().empty()) || array_at(*v, "backups") != nullptr;
  if (known == 0 && !empty) return fail(std::string("no rows of msdb.dbo.backupset"));
  return {};
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  report.inventory.repository = spec.text("repository", "msdb");
  const auto input = read_input(spec, look, report);
  if (!input) return;
  report.inventory.raw_sha256 = sha256_hex(*input);
  if (const auto ok = parse_history(*input, report); !ok) report.failed("unreadable", ok.error());
}

const ProbeRegistration registration{{
    .tool = "mssql",
    .summary = "Microsoft SQL Server, from msdb's history as JSON",
    .keys =
        {source_key, command_key, max_age_key, {"repository", "name of the repository in events"}},
    .look = &look,
    .parsers = {{"history", &parse_history}},
}};

}  // namespace
}  // namespace ww::backup
