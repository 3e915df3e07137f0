/// pgBackRest stanzas: `pgbackrest info --output=json` (its own info.c). What can be restored
/// reaches to the last archived log, so the moment when the archive last moved is the recoverable
/// time, not the last backup.
#include <algorithm>
#include <set>

#include "sensors/backup/access.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/policy.hpp"
#include "sensors/backup/probe.hpp"

namespace ww::backup {
namespace {

using Parsed = Result<void, std::string>;

std::string status_code(std::uint64_t code) {
  switch (code) {
    case 1:
    case 3:
      return "no_repository";
    case 2:
      return "no_backup";
    case 4:
    case 5:
      return "mismatch";
    default:
      return "failed";
  }
}

void read_backup(const Json& b, const std::string& cipher, Report& report) {
  const auto label = text_at(b, "label");
  if (!label) return;
  auto& run = report.add_run(cut(*label, 64));
  const auto type = text_at(b, "type").value_or("");
  run.level = type == "diff" || type == "incr" ? type : "full";
  if (const auto prior = text_at(b, "prior")) run.parent = cut(*prior, 64);
  if (const auto t = time_at(b, "timestamp.start")) run.started = rfc3339(*t);
  if (const auto t = time_at(b, "timestamp.stop")) run.finished = run.data_time = rfc3339(*t);
  run.bytes_total = number_at(b, "info.size");
  run.bytes_added = number_at(b, "info.delta");
  run.bytes_stored = number_at(b, "info.repository.delta");
  if (run.bytes_added && run.bytes_stored && *run.bytes_stored > 0)
    run.compression_ratio =
        static_cast<double>(*run.bytes_added) / static_cast<double>(*run.bytes_stored);
  if (run.bytes_total && run.bytes_added && *run.bytes_added > 0)
    run.dedup_ratio = static_cast<double>(*run.bytes_total) / static_cast<double>(*run.bytes_added);
  run.encrypted = cipher != "none" && !cipher.empty();
  if (flag_at(b, "error").value_or(false)) {
    run.status = "warning";
    run.error_code = "damaged";
    run.error = "page checksum errors were found during the backup";
  }
}

/// The newest archived log of all stanzas.
std::string last_log(const Json& v) {
  std::string newest;
  for (const auto* stanza : items_of(v))
    if (const auto* archive = array_at(*stanza, "archive"))
      for (const auto& a : *archive)
        if (const auto max = text_at(a, "max")) newest = std::max(newest, cut(*max, 64));
  return newest;
}

Parsed parse_info(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  if (!v->is_array()) return fail(std::string("no list of stanzas"));
  auto& i = report.inventory;
  i.snapshots.emplace();
  i.snapshots_total = 0;
  if (v->get_array().empty()) report.failed("no_repository", "there is no stanza");
  for (const auto* stanza : items_of(*v)) {
    const auto cipher = text_at(*stanza, "cipher").value_or("");
    i.encrypted = !cipher.empty() && cipher != "none";
    // The database's identity: another cluster writing into this stanza is another id.
    if (const auto* db = array_at(*stanza, "db"); db != nullptr && !db->empty())
      if (const auto id = text_at(db->back(), "system-id"))
        i.repository_id = cut(text_at(*stanza, "name").value_or("") + ":" + *id, 64);
    if (const auto* backups = array_at(*stanza, "backup"))
      for (const auto& b : *backups) read_backup(b, cipher, report);
    if (flag_at(*stanza, "status.lock.backup.held").value_or(false)) i.locks = 1;
    const auto code = number_at(*stanza, "status.code").value_or(99);
    if (code == 2)
      report.warn("no_backup", "no valid backups yet");
    else if (code != 0)
      report.failed(status_code(code), text_at(*stanza, "status.message").value_or("failed"));
  }
  return {};
}

void look(const ProbeSpec& spec, Look& look, Report& report) {
  const auto access = tool_access(spec);
  const auto f = look.run(access.with({"info", "--output=json"}), report);
  if (!f) return;
  if (!f->good()) {
    const bool crypt = f->err.find("CryptoError") != std::string::npos ||
                       f->err.find("cipher") != std::string::npos;
    return report.failed(
        crypt ? "wrong_password" : "failed",
        f->err.empty() ? "pgbackrest ended with code " + std::to_string(f->exit_code) : f->err);
  }
  if (const auto ok = parse_info(f->out, report); !ok)
    return report.failed("unreadable", "pgbackrest info: " + ok.error());
  auto& i = report.inventory;
  i.raw_sha256 = sha256_hex(f->out);
  auto& memory = look.memory();
  if (const auto v = parse_json(f->out)) {
    const auto log = last_log(*v);
    if (!log.empty() && memory["log"] != log) {
      memory["log"] = log;
      memory["log_at"] = rfc3339(look.now());
    }
    if (!memory["log_at"].empty()) i.recoverable_to = memory["log_at"];
  }
  if (const auto file = spec.text("config_file"); !file.empty()) read_policies({file}, report);
  if (look.due("check_every", "checked")) {
    const auto done = look.run(access.with({"verify"}), report);
    if (!done) {
      memory["checked"].clear();
    } else {
      // Some versions end with 0 and say it in words.
      const bool bad = !done->good() || done->out.find("status: error") != std::string::npos ||
                       done->err.find("ERROR") != std::string::npos;
      memory["integrity"] = bad ? "failed" : "passed";
      memory["integrity_why"] = bad ? cut(done->err.empty() ? done->out : done->err, 300) : "";
    }
  }
  if (memory["integrity"].empty()) return;
  i.integrity = memory["integrity"];
  i.integrity_at = memory["checked"];
  if (*i.integrity == "failed") report.warn("damaged", "verify: " + memory["integrity_why"]);
}

const ProbeRegistration registration{{
    .tool = "pgbackrest",
    .summary = "PostgreSQL backups by pgBackRest",
    .keys = {{"stanza", "the stanza; absent: all of the configuration"},
             {"config_file", "pgbackrest.conf; its retention settings are watched too"},
             {"repository", "name of the repository in events"},
             {"program", "path of pgbackrest"},
             {"check_every", "how often to run pgbackrest verify; absent: never"}},
    .look = &look,
    .parsers = {{"info", &parse_info}},
}};

}  // namespace
}  // namespace ww::backup
