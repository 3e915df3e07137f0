/// Any program as a probe: it prints one JSON document (docs/backup.md has the contract).
///
///   {"version": 1, "tool": "acme", "repository": {"id": "...", "kind": "tape", "encrypted": true,
///   "free_bytes": 5},
///    "status": "success", "error": "...", "error_code": "...", "complete": true,
///    "integrity": "passed", "integrity_at": "2026-11-22T02:00:00Z", "recoverable_to": "...",
///    "policy": {"keep-daily": 30}, "keys": ["..."], "locks": 0, "lock_age": 0,
///    "runs": [{"snapshot": "id", "status": "success", "started": "...", "finished": "...",
///    "bytes_total": 1, ...}], "signals": [{"signal": "schedule_changed", "time": "...", "text":
///    "..."}], "restores": [{"snapshot": "id", "started": "...", "finished": "...", "status":
///    "success", "host": "..."}]}
#include <algorithm>

#include "sensors/backup/input.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

bool good_status(std::string_view s) {
  for (const std::string_view known :
       {"success", "warning", "failed", "missing", "running", "unknown"})
    if (s == known) return true;
  return false;
}

void text(const Json& v, std::string_view key, std::optional<std::string>& to,
          std::size_t most = 200) {
  if (const auto t = text_at(v, key)) to = cut(*t, most);
}
void time(const Json& v, std::string_view key, std::optional<std::string>& to) {
  if (const auto t = time_at(v, key)) to = rfc3339(*t);
}
void number(const Json& v, std::string_view key, std::optional<std::uint64_t>& to) {
  if (const auto n = number_at(v, key)) to = n;
}

Parsed read_run(const Json& v, Report& report) {
  const auto id = text_at(v, "snapshot");
  if (!id || id->empty()) return fail(std::string("a run without snapshot"));
  const auto status = text_at(v, "status").value_or("success");
  if (!good_status(status)) return fail("unknown status '" + cut(status, 40) + "'");
  auto& run = report.add_run(cut(*id, 128));
  run.status = status;
  text(v, "parent", run.parent, 128);
  text(v, "level", run.level, 16);
  text(v, "error", run.error);
  text(v, "error_code", run.error_code, 40);
  text(v, "host", run.host);
  text(v, "user", run.user);
  text(v, "selection_sha256", run.selection_sha256, 64);
  time(v, "started", run.started);
  time(v, "finished", run.finished);
  time(v, "data_time", run.data_time);
  time(v, "immutable_until", run.immutable_until);
  time(v, "integrity_at", run.integrity_at);
  text(v, "integrity", run.integrity, 16);
  if (!run.data_time) run.data_time = run.started ? run.started : run.finished;
  number(v, "bytes_total", run.bytes_total);
  number(v, "bytes_added", run.bytes_added);
  number(v, "bytes_stored", run.bytes_stored);
  number(v, "files_total", run.files_total);
  number(v, "files_new", run.files_new);
  number(v, "files_changed", run.files_changed);
  number(v, "files_deleted", run.files_deleted);
  run.compression_ratio = real_at(v, "compression_ratio");
  run.dedup_ratio = real_at(v, "dedup_ratio");
  run.entropy = real_at(v, "entropy");
  run.new_extension_share = real_at(v, "new_extension_share");
  run.offsite = flag_at(v, "offsite");
  run.offline = flag_at(v, "offline");
  run.encrypted = flag_at(v, "encrypted");
  return {};
}

void read_inventory(const Json& v, Report& report) {
  auto& i = report.inventory;
  text(v, "repository.id", i.repository_id, 128);
  text(v, "repository.name", i.repository);
  text(v, "repository.kind", i.repository_kind, 16);
  i.encrypted = flag_at(v, "repository.encrypted");
  number(v, "repository.free_bytes", i.free_bytes);
  text(v, "integrity", i.integrity, 16);
  time(v, "integrity_at", i.integrity_at);
  time(v, "recoverable_to", i.recoverable_to);
  time(v, "immutable_until", i.immutable_until);
  time(v, "restore_tested_at", i.restore_tested_at);
  i.offsite = flag_at(v, "offsite");
  i.offline = flag_at(v, "offline");
  number(v, "locks", i.locks);
  number(v, "lock_age", i.lock_age);
  text(v, "policy_sha256", i.policy_sha256, 64);
  if (const auto* policy = at(v, "policy"); policy != nullptr && policy->is_object())
    for (const auto& [k, n] : policy->get_object())
      if (const auto value = number_at(*policy, k); value && i.policy.size() < 64)
        i.policy[cut(k, 60)] = *value;
  if (const auto* keys = array_at(v, "keys")) {
    i.keys.emplace();
    for (const auto& k : *keys)
      if (k.is_string() && i.keys->size() < 64) i.keys->push_back(cut(k.get_string(), 128));
    std::sort(i.keys->begin(), i.keys->end());
  }
}

Parsed parse_document(std::string_view input, Report& report) {
  const auto v = parse_json(input);
  if (!v) return fail(v.error());
  if (!v->is_object()) return fail(std::string("not one JSON object"));
  if (number_at(*v, "version") != 1U) return fail(std::string("\"version\": 1 is missing"));
  read_inventory(*v, report);
  // A script that lists some of the backups only must not make the others look deleted.
  const bool complete = flag_at(*v, "complete").value_or(true);
  if (const auto* runs = array_at(*v, "runs")) {
    report.inventory.snapshots.emplace();
    report.inventory.snapshots_total = 0;
    for (const auto& r : *runs)
      if (const auto ok = read_run(r, report); !ok) return ok;
  }
  if (!complete) {
    report.inventory.snapshots.reset();
    report.inventory.snapshots_total.reset();
  }
  if (const auto* signals = array_at(*v, "signals"))
    for (const auto& s : *signals) {
      auto& e = report.runs.emplace_back();
      e.kind = "signal";
      text(s, "signal", e.signal, 40);
      text(s, "text", e.error);
      time(s, "time", e.started);
      if (!e.signal) return fail(std::string("a signal without its name"));
    }
  if (const auto* restores = array_at(*v, "restores"))
    for (const auto& r : *restores) {
      auto& e = report.runs.emplace_back();
      e.kind = "restore";
      e.status = text_at(r, "status").value_or("success");
      if (!good_status(e.status)) return fail(std::string("unknown status of a restore"));
      text(r, "snapshot", e.snapshot, 128);
      text(r, "host", e.host);
      text(r, "user", e.user);
      time(r, "started", e.started);
      time(r, "finished", e.finished);
      number(r, "bytes_total", e.bytes_total);
    }
  const auto status = text_at(*v, "status").value_or("success");
  if (!good_status(status)) return fail("unknown status '" + cut(status, 40) + "'");
  const auto code = cut(text_at(*v, "error_code").value_or("failed"), 40);
  const auto why = cut(text_at(*v, "error").value_or("the script says so"), 400);
  if (status == "failed") report.failed(code, why);
  if (status == "warning") report.warn(code, why);
  return {};
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  const auto input = read_input(spec, look, report);
  if (!input) return;
  report.inventory.raw_sha256 = sha256_hex(*input);
  if (const auto ok = parse_document(*input, report); !ok) {
    report.runs.clear();
    report.inventory.snapshots.reset();
    report.inventory.snapshots_total.reset();
    report.failed("unreadable", "the script's output: " + ok.error());
  }
}

const ProbeRegistration registration{{
    .tool = "script",
    .summary = "any program that prints the JSON document of docs/backup.md",
    .keys = {command_key, source_key, max_age_key, {"repository", "name of the repository"}},
    .look = &look,
    .parsers = {{"document", &parse_document}},
}};

}  // namespace
}  // namespace ww::backup
