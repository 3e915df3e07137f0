/// Bacula and Bareos: rows of the catalogue's Job table as JSON, by psql, sqlite3 or an export. The
/// catalogue's times are the director's local time: `zone` says which.
#include <algorithm>

#include "sensors/backup/input.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"
#include "telemetry/logformats/zone.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

/// PostgreSQL answers names in lower case, SQLite and exports as they are written.
const Json* member(const Json& row, std::string_view name) {
  if (!row.is_object()) return nullptr;
  for (const auto& [k, v] : row.get_object()) {
    const std::string_view key = k;
    if (key.size() == name.size() &&
        std::equal(key.begin(), key.end(), name.begin(), [](char a, char b) {
          return (a >= 'A' && a <= 'Z' ? a + 32 : a) == (b >= 'A' && b <= 'Z' ? b + 32 : b);
        }))
      return &v;
  }
  return nullptr;
}
std::string text_member(const Json& row, std::string_view name) {
  const auto* v = member(row, name);
  return v == nullptr ? std::string() : text_at(*v, "").value_or("");
}
std::optional<std::uint64_t> number_member(const Json& row, std::string_view name) {
  const auto* v = member(row, name);
  return v == nullptr ? std::nullopt : number_at(*v, "");
}

struct Status {
  std::string_view status, text;
};
/// JobStatus letters.
Status status_of(char letter) {
  switch (letter) {
    case 'T':
      return {"success", ""};
    case 'W':
      return {"warning", "ended with warnings"};
    case 'e':
      return {"warning", "errors that were not fatal"};
    case 'D':
      return {"warning", "verify found differences"};
    case 'E':
      return {"failed", "ended with errors"};
    case 'f':
      return {"failed", "fatal error"};
    case 'A':
      return {"failed", "cancelled"};
    case 'I':
      return {"failed", "incomplete"};
    case 'R':
    case 'C':
    case 'B':
    case 'F':
    case 'S':
    case 'm':
    case 'M':
    case 's':
    case 'j':
    case 'c':
    case 'd':
    case 't':
    case 'p':
    case 'q':
    case 'a':
    case 'i':
    case 'l':
    case 'L':
      return {"running", ""};
    default:
      return {"unknown", "unknown job status"};
  }
}

std::string_view level_of(char letter) {
  return letter == 'F' ? "full" : letter == 'D' ? "diff" : letter == 'I' ? "incr" : "full";
}

std::optional<std::string> local_time(const Json& row, std::string_view name,
                                      const logs::Zone& zone) {
  const auto wall = parse_time(text_member(row, name));
  if (!wall || wall->us <= 0) return {};
  return rfc3339(zone.to_utc(*wall));
}

void read_job(const Json& row, const logs::Zone& zone, Report& report) {
  const auto id = text_member(row, "JobId");
  const auto type = text_member(row, "Type");
  const auto letter = text_member(row, "JobStatus");
  if (id.empty() || letter.empty()) return;
  const auto status = status_of(letter.front());
  if (type == "R") {
    auto& e = report.runs.emplace_back();
    e.kind = "restore";
    e.snapshot = cut(id, 40);
    e.status = std::string(status.status);
    e.started = local_time(row, "StartTime", zone);
    e.finished = local_time(row, "EndTime", zone);
    e.bytes_total = number_member(row, "JobBytes");
    return;
  }
  if (type == "V") {  // a verify job: the newest says how integrity is
    report.inventory.integrity = letter == "T" ? "passed" : "failed";
    report.inventory.integrity_at = local_time(row, "EndTime", zone);
    if (letter != "T")
      report.warn("damaged", "verify job " + cut(id, 40) + ": " + std::string(status.text));
    return;
  }
  if (!type.empty() && type != "B") return;
  auto& run = report.add_run(cut(id, 40));
  run.status = std::string(status.status);
  if (!status.text.empty()) run.error = std::string(status.text);
  const auto level = text_member(row, "Level");
  run.level = std::string(level_of(level.empty() ? 'F' : level.front()));
  run.started = run.data_time = local_time(row, "StartTime", zone);
  run.finished = local_time(row, "EndTime", zone);
  run.files_total = number_member(row, "JobFiles");
  run.bytes_stored = number_member(row, "JobBytes");
  run.bytes_total = number_member(row, "ReadBytes");
  if (!run.bytes_total || *run.bytes_total == 0) run.bytes_total = run.bytes_stored;
  if (run.bytes_total && run.bytes_stored && *run.bytes_stored > 0)
    run.compression_ratio =
        static_cast<double>(*run.bytes_total) / static_cast<double>(*run.bytes_stored);
  if (number_member(row, "PurgedFiles").value_or(0) != 0) run.error = "its files are purged";
}

Result<void, std::string> read_rows(std::string_view text, const logs::Zone& zone, Report& report) {
  std::vector<Json> rows;
  std::size_t seen = 0;
  const auto take = [&](const Json& document) {
    for (const auto* row : items_of(document)) {
      ++seen;
      if (member(*row, "JobId") != nullptr && rows.size() < 20'000) rows.push_back(*row);
    }
  };
  if (const auto v = parse_json(text))
    take(*v);
  else
    each_json_line(text, take);
  const bool blank = text.find_first_not_of(" \r\n\t") == std::string_view::npos;
  if (rows.empty() && !blank && (seen > 0 || text.find('[') == std::string_view::npos))
    return fail(std::string("no rows of the Job table"));
  std::stable_sort(rows.begin(), rows.end(), [](const Json& a, const Json& b) {
    return number_member(a, "JobId").value_or(0) < number_member(b, "JobId").value_or(0);
  });
  report.inventory.snapshots.emplace();
  report.inventory.snapshots_total = 0;
  for (const auto& row : rows) read_job(row, zone, report);
  return {};
}
Parsed parse_jobs(std::string_view text, Report& report) {
  return read_rows(text, logs::Zone::utc(), report);
}

/// A text within SQL quotes.
std::string sql_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    if (c != '\\' && c != '\0') out += c;
  }
  return out + "'";
}

std::vector<std::string> query(const ProbeSpec& spec) {
  std::string select =
      "SELECT JobId, Name, Type, Level, JobStatus, StartTime, EndTime, JobFiles, JobBytes, "
      "ReadBytes, JobErrors, PurgedFiles FROM Job WHERE Type IN ('B','R','V')";
  if (const auto name = spec.text("job_name"); !name.empty())
    select += " AND Name=" + sql_text(name);
  select += " ORDER BY JobId DESC LIMIT 1000";
  if (const auto file = spec.text("sqlite_file"); !file.empty())
    return {spec.text("program", "sqlite3"), "-readonly", "-json", file, select};
  std::vector<std::string> argv{spec.text("program", "psql"), "-X", "-A", "-t", "-q", "-w"};
  for (const auto& [key, option] :
       {std::pair{"db_host", "-h"}, {"db_port", "-p"}, {"db_user", "-U"}, {"database", "-d"}})
    if (const auto v = spec.text(key); !v.empty()) argv.insert(argv.end(), {option, v});
  argv.insert(argv.end(), {"-c", "SELECT row_to_json(j) FROM (" + select + ") j"});
  return argv;
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  report.inventory.repository = spec.text("repository", spec.text("database", "catalogue"));
  const auto zone = logs::Zone::parse(spec.text("zone", "local"));
  if (!zone) return report.failed("failed", zone.error().text());
  std::optional<std::string> input;
  if (spec.settings.has("source") || spec.settings.has("command")) {
    input = read_input(spec, look, report);
  } else if (const auto f = look.run(query(spec), report)) {
    if (!f->good())
      return report.failed(
          f->err.find("password") != std::string::npos ? "wrong_password" : "failed", f->err);
    input = f->out;
  }
  if (!input) return;
  report.inventory.raw_sha256 = sha256_hex(*input);
  if (const auto ok = read_rows(*input, *zone, report); !ok)
    report.failed("unreadable", ok.error());
}

const ProbeRegistration registration{{
    .tool = "bacula",
    .summary = "Bacula and Bareos, from the catalogue's Job table",
    .keys = {{"job_name", "only jobs of this name"},
             {"database", "PostgreSQL database of the catalogue"},
             {"db_host", "its host or socket folder"},
             {"db_port", "its port"},
             {"db_user", "a user that may only read; PGPASSFILE or PGPASSWORD in environment_file"},
             {"sqlite_file", "catalogue in SQLite instead"},
             {"program", "path of psql or sqlite3"},
             {"zone", "time zone of the director: Europe/London; default the sensor's"},
             source_key,
             command_key,
             max_age_key,
             {"repository", "name of the repository in events"}},
    .look = &look,
    .parsers = {{"jobs", &parse_jobs}},
}};

}  // namespace
}  // namespace ww::backup
