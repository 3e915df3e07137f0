/// Windows Server Backup: exported events of its channel and of the Application log, and the
/// objects of Get-WBJob and Get-WBSummary, as JSON (docs/backup.md has the scheduled task that
/// exports them). Event numbers: backup.md of the product's references; a number that is not listed
/// says nothing and is passed over.
#include <algorithm>
#include <array>

#include "sensors/backup/input.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

enum class Means : std::uint8_t { success, failed, warning, signal, restored, restore_failed };
struct EventMeaning {
  std::uint32_t id;
  bool application;  ///< of the Application log, else of the backup channel
  Means means;
  std::string_view text;  ///< signal name, or what happened
};
constexpr std::array<EventMeaning, 44> meanings{{
    {4, false, Means::success, ""},
    {5, false, Means::failed, "the backup failed"},
    {7, false, Means::failed, "a volume failed"},
    {8, false, Means::failed, "cancelled"},
    {9, false, Means::failed, "shadow copy failed"},
    {17, false, Means::failed, "the engine could not be reached"},
    {19, false, Means::failed, "failed to start"},
    {49, false, Means::failed, "no backup target"},
    {50, false, Means::failed, "no space on the target"},
    {52, false, Means::failed, "the share cannot be written"},
    {2, false, Means::signal, "catalogue_damaged"},
    {3, false, Means::signal, "catalogue_damaged"},
    {10, false, Means::warning, "backup data is damaged"},
    {11, false, Means::warning, "backup data is damaged"},
    {13, false, Means::warning, "bad clusters"},
    {51, false, Means::warning, "low space on the target"},
    {146, false, Means::warning, "an included volume is missing"},
    {97, false, Means::signal, "schedule_changed"},
    {98, false, Means::signal, "schedule_deleted"},
    {194, false, Means::restored, ""},
    {209, false, Means::restored, ""},
    {196, false, Means::restore_failed, ""},
    {211, false, Means::restore_failed, ""},
    {517, true, Means::failed, "the backup failed"},
    {518, true, Means::failed, "the backup failed"},
    {519, true, Means::failed, "the backup failed"},
    {521, true, Means::failed, "shadow copy failed"},
    {527, true, Means::failed, "the backup failed"},
    {528, true, Means::failed, "the backup failed"},
    {544, true, Means::failed, "the backup failed"},
    {545, true, Means::failed, "the backup failed"},
    {546, true, Means::failed, "the backup failed"},
    {547, true, Means::warning, "some files were not backed up"},
    {561, true, Means::failed, "no backup target"},
    {564, true, Means::failed, "the share cannot be written"},
    {565, true, Means::failed, "the component check failed"},
    {514, true, Means::signal, "catalogue_damaged"},
    {522, true, Means::warning, "no backup on the target"},
    {656, true, Means::warning, "a new volume is not protected"},
    {658, true, Means::warning, "a volume is missing"},
    {524, true, Means::signal, "catalogue_deleted"},
    {609, true, Means::signal, "schedule_changed"},
    {610, true, Means::signal, "schedule_deleted"},
    {612, true, Means::signal, "schedule_deleted"},
}};
constexpr std::array<EventMeaning, 6> more_meanings{{
    {525, true, Means::warning, "bad clusters"},
    {706, true, Means::restored, ""},
    {721, true, Means::restored, ""},
    {707, true, Means::restored, "with errors"},
    {708, true, Means::restore_failed, ""},
    {723, true, Means::restore_failed, ""},
}};

const EventMeaning* meaning_of(std::uint64_t id, bool application) {
  for (const auto& m : meanings)
    if (m.id == id && m.application == application) return &m;
  for (const auto& m : more_meanings)
    if (m.id == id && m.application == application) return &m;
  return nullptr;
}

template <class... P>
std::optional<std::string> first_text(const Json& v, P... paths) {
  std::optional<std::string> out;
  ((out = out ? out : text_at(v, paths)), ...);
  return out;
}
template <class... P>
std::optional<Timestamp> first_time(const Json& v, P... paths) {
  std::optional<Timestamp> out;
  ((out = out ? out : time_at(v, paths)), ...);
  return out;
}

bool read_event(const Json& v, Report& report) {
  auto id = number_at(v, "EventID");
  if (!id) id = number_at(v, "Id");
  if (!id) id = number_at(v, "event.code");
  if (!id) id = number_at(v, "winlog.event_id");
  const auto time =
      first_time(v, "TimeCreated", "SystemTime", "@timestamp", "TimeCreated.DateTime");
  if (!id || !time) return false;
  const auto channel =
      first_text(v, "LogName", "Channel", "winlog.channel", "ProviderName", "Provider")
          .value_or("");
  const bool application = channel == "Application";
  const auto* m = meaning_of(*id, application);
  if (m == nullptr) return true;
  const auto when = rfc3339(*time);
  const auto computer = first_text(v, "MachineName", "Computer", "host.name");
  if (m->means == Means::signal) {
    auto& e = report.runs.emplace_back();
    e.kind = "signal";
    e.signal = std::string(m->text);
    e.started = when;
    e.host = computer;
    e.error =
        "Windows event " + std::to_string(*id) + " of " + (application ? "Application" : "Backup");
    return true;
  }
  if (m->means == Means::restored || m->means == Means::restore_failed) {
    auto& e = report.runs.emplace_back();
    e.kind = "restore";
    e.status = m->means == Means::restored ? "success" : "failed";
    e.started = e.finished = when;
    e.host = computer;
    return true;
  }
  auto& run = report.runs.emplace_back();
  run.kind = "run";
  run.snapshot = "event-" + std::to_string(time->us);
  run.finished = when;
  run.host = computer;
  run.level = "full";
  run.status = m->means == Means::success  ? "success"
               : m->means == Means::failed ? "failed"
                                           : "warning";
  if (m->means == Means::success) run.data_time = when;
  if (!m->text.empty()) run.error = std::string(m->text);
  if (m->means != Means::success)
    run.error_code = *id == 50 ? "disk_full" : "event_" + std::to_string(*id);
  return true;
}

/// Get-WBJob: JobType, JobState, StartTime, EndTime, HResult, ErrorDescription.
bool read_job(const Json& v, Report& report) {
  const auto start = time_at(v, "StartTime");
  const auto result = at(v, "HResult");
  if (!start || result == nullptr) return false;
  const auto type = text_at(v, "JobType").value_or("Backup");
  const bool restore =
      type.find("Recover") != std::string::npos || type.find("Restore") != std::string::npos;
  auto& run = report.runs.emplace_back();
  run.kind = restore ? "restore" : "run";
  run.started = rfc3339(*start);
  if (!restore) {
    run.snapshot = text_at(v, "VersionId").value_or("job-" + std::to_string(start->us));
    run.data_time = run.started;
  }
  if (const auto end = time_at(v, "EndTime")) run.finished = rfc3339(*end);
  const auto state = text_at(v, "JobState").value_or("");
  const bool good = (result->is_int64() && result->get_int64() == 0) ||
                    (result->is_uint64() && result->get_uint64() == 0);
  run.status = !run.finished || state == "Running" || state == "1" ? "running"
               : good                                              ? "success"
                                                                   : "failed";
  if (!good) {
    run.error = cut(text_at(v, "ErrorDescription").value_or("failed"), 300);
    run.error_code = "hresult";
  }
  return true;
}

/// Get-WBSummary: LastSuccessfulBackupTime, LastBackupResultHR, NumberOfVersions, NextBackupTime.
bool read_summary(const Json& v, Report& report) {
  if (at(v, "NumberOfVersions") == nullptr && at(v, "LastBackupResultHR") == nullptr) return false;
  if (const auto n = number_at(v, "NumberOfVersions")) report.inventory.snapshots_total = n;
  const auto code = text_at(v, "LastBackupResultHR").value_or("0");
  if (code != "0")
    report.warn("last_failed", "the last backup failed: " +
                                   cut(text_at(v, "DetailedMessage").value_or(code), 200));
  if (const auto t = time_at(v, "LastSuccessfulBackupTime"); t && t->us > 0) {
    auto& run = report.runs.emplace_back();
    run.kind = "run";
    run.status = "success";
    run.snapshot = "version-" + std::to_string(t->us);
    run.finished = run.data_time = rfc3339(*t);
    run.level = "full";
  }
  if (const auto* next = at(v, "NextBackupTime"); next != nullptr && next->is_null()) {
    auto& e = report.runs.emplace_back();
    e.kind = "signal";
    e.signal = "schedule_deleted";
    e.error = "no next backup is scheduled";
  }
  return true;
}

Parsed parse_export(std::string_view text, Report& report) {
  std::size_t known = 0;
  const auto take = [&](const Json& document) {
    for (const auto* item : items_of(document)) {
      if (report.runs.size() > 20'000) return;
      if (read_event(*item, report) || read_job(*item, report) || read_summary(*item, report))
        ++known;
    }
  };
  if (const auto v = parse_json(text)) {
    take(*v);
    if (known == 0 && v->is_array() && v->get_array().empty()) return {};
  } else {
    each_json_line(text, take);  // one event a line
  }
  if (known == 0) return fail(std::string("no event, job or summary of Windows Server Backup"));
  std::stable_sort(report.runs.begin(), report.runs.end(), [](const auto& a, const auto& b) {
    return a.finished.value_or(a.started.value_or("~")) <  // without a time: last
           b.finished.value_or(b.started.value_or("~"));
  });
  return {};
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  report.inventory.repository = spec.text("repository", "Windows Server Backup");
  const auto input = read_input(spec, look, report);
  if (!input) return;
  report.inventory.raw_sha256 = sha256_hex(*input);
  if (const auto ok = parse_export(*input, report); !ok) report.failed("unreadable", ok.error());
}

const ProbeRegistration registration{{
    .tool = "windows",
    .summary = "Windows Server Backup, from exported events, Get-WBJob and Get-WBSummary",
    .keys = {source_key, command_key, max_age_key, {"repository", "name of the target in events"}},
    .look = &look,
    .parsers = {{"export", &parse_export}},
}};

}  // namespace
}  // namespace ww::backup
