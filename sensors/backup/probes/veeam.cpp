/// Veeam Backup & Replication: sessions of its REST API, read from the server or from an export of
/// the same shape, and events of its Windows log channel.
#include <algorithm>

#include "sensors/backup/input.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/policy.hpp"
#include "sensors/backup/probe.hpp"
#include "telemetry/net/client.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

void read_session(const Json& s, Report& report) {
  const auto id = text_at(s, "id");
  const auto created = time_at(s, "creationTime");
  if (!id || !created) return;
  const auto type = text_at(s, "sessionType").value_or("");
  const auto state = text_at(s, "state").value_or("");
  const auto result = text_at(s, "result.result").value_or("None");
  const bool restore = contains(type, "Restore") || contains(type, "Recovery");
  const bool backup =
      contains(type, "Backup") || contains(type, "Replica") || contains(type, "Job");
  if (!restore && (!backup || contains(type, "Configuration") || contains(type, "Delete"))) {
    // Who deletes backups or changes the configuration leaves sessions too.
    if (contains(type, "Delete")) {
      auto& e = report.runs.emplace_back();
      e.kind = "signal";
      e.signal = "retention_shortened";
      e.started = rfc3339(*created);
      e.error = cut("session " + type + " " + text_at(s, "name").value_or(""), 200);
    }
    return;
  }
  auto& e = report.runs.emplace_back();
  e.kind = restore ? "restore" : "run";
  e.snapshot = cut(*id, 64);
  e.started = rfc3339(*created);
  if (!restore) e.data_time = e.started;
  if (const auto end = time_at(s, "endTime")) e.finished = rfc3339(*end);
  const bool ended = state == "Stopped" || state == "Idle";
  e.status = result == "Success"   ? "success"
             : result == "Warning" ? "warning"
             : result == "Failed"  ? "failed"
             : ended               ? "unknown"
                                   : "running";
  if (const auto message = text_at(s, "result.message"); message && e.status != "success")
    e.error = cut(*message, 300);
  if (flag_at(s, "result.isCanceled").value_or(false)) {
    e.status = "failed";
    e.error_code = "cancelled";
  }
  if (const auto name = text_at(s, "algorithm"))
    e.level = contains(*name, "Full") ? "full" : "incr";
}

/// Channel "Veeam Backup": 190 job finished (its text has the result), 790 restore finished.
void read_event(const Json& v, Report& report) {
  auto id = number_at(v, "EventID");
  if (!id) id = number_at(v, "Id");
  const auto time = time_at(v, "TimeCreated");
  if (!id || !time) return;
  const auto text = text_at(v, "Message").value_or("");
  if (*id != 190 && *id != 790) return;
  auto& e = report.runs.emplace_back();
  e.kind = *id == 190 ? "run" : "restore";
  e.snapshot = "event-" + std::to_string(time->us);
  e.finished = rfc3339(*time);
  if (*id == 190) e.data_time = e.finished;
  e.status = contains(text, "Success")   ? "success"
             : contains(text, "Warning") ? "warning"
             : contains(text, "Failed")  ? "failed"
                                         : "unknown";
}

Parsed parse_sessions(std::string_view text, Report& report) {
  std::size_t known = 0;
  const auto take = [&](const Json& document) {
    for (const auto* s : items_of(document)) {
      if (report.runs.size() > 20'000) return;
      if (at(*s, "sessionType") != nullptr) {
        read_session(*s, report);
        ++known;
      } else if (at(*s, "TimeCreated") != nullptr) {
        read_event(*s, report);
        ++known;
      } else if (array_at(*s, "data") != nullptr) {
        ++known;  // a page without sessions
      }
    }
  };
  if (const auto v = parse_json(text)) {
    take(*v);
    if (array_at(*v, "data") != nullptr || v->is_array()) ++known;
  } else {
    each_json_line(text, take);
  }
  if (known == 0) return fail(std::string("no session of Veeam"));
  std::stable_sort(report.runs.begin(), report.runs.end(), [](const auto& a, const auto& b) {
    return a.started.value_or(a.finished.value_or("")) <
           b.started.value_or(b.finished.value_or(""));
  });
  return {};
}

std::optional<std::string> fetch(const ProbeSpec& spec, Look& look, Report& report) {
  http::ClientOptions options;
  options.url = spec.text("url");
  options.ca_file = spec.text("ca_file");
  options.timeout = std::max(look.left(), std::chrono::milliseconds(1));
  options.max_response_octets = max_export_octets;
  auto client = http::Client::create(options);
  if (!client) {
    report.failed("failed", client.error().problem.text());
    return {};
  }
  auto token = read_small_file(spec.text("token_file"), 16'384).value_or("");
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  http::Request request;
  request.target = "/api/v1/sessions?limit=500&orderColumn=CreationTime&orderAsc=false";
  if (const auto job = spec.text("job_name"); !job.empty())
    request.target += "&nameFilter=" + http::percent_encode(job);
  request.headers.add("x-api-version", spec.text("api_version", "1.2-rev0"));
  request.headers.add("Accept", "application/json");
  request.headers.add("Authorization", "Bearer " + token);
  const auto answer = (*client)->send(request);
  if (!answer) {
    report.failed(answer.error().code == http::ClientErrc::timeout ? "timeout" : "failed",
                  answer.error().problem.text());
    return {};
  }
  if (answer->status != 200) {
    report.failed(answer->status == 401 || answer->status == 403 ? "wrong_password" : "failed",
                  "the server answered " + std::to_string(answer->status));
    return {};
  }
  return answer->body;
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  report.inventory.repository = spec.text("repository", "Veeam");
  const auto input =
      spec.text("url").empty() ? read_input(spec, look, report) : fetch(spec, look, report);
  if (!input) return;
  report.inventory.raw_sha256 = sha256_hex(*input);
  if (const auto ok = parse_sessions(*input, report); !ok) report.failed("unreadable", ok.error());
}

const ProbeRegistration registration{{
    .tool = "veeam",
    .summary = "Veeam sessions, from its REST API, an export or its event log",
    .keys = {{"url", "https://server:9419"},
             {"token_file", "file with a bearer token of a read-only account"},
             {"ca_file", "authority of the server's certificate (PEM)"},
             {"api_version", "x-api-version; default 1.2-rev0"},
             {"job_name", "only sessions of this job"},
             source_key,
             command_key,
             max_age_key,
             {"repository", "name of the repository in events"}},
    .look = &look,
    .parsers = {{"sessions", &parse_sessions}},
}};

}  // namespace
}  // namespace ww::backup
