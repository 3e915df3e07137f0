#include "sensors/backup/probe.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "sensors/backup/json.hpp"
#include "sensors/backup/policy.hpp"
#include "sensors/logs/log_config.hpp"

namespace ww::backup {
namespace {

constexpr std::size_t max_sent = 1'500;  // runs remembered as sent
constexpr std::uint64_t default_min_free = 64ULL << 20;

std::map<std::string_view, ProbeType>& table() {
  static std::map<std::string_view, ProbeType> probes;
  return probes;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t i = 0; (i = text.find(what, i)) != std::string::npos; i += with.size())
    text.replace(i, what.size(), with);
}

/// "scheme://user:password@host" without the password.
void hide_userinfo(std::string& text) {
  for (std::size_t i = 0; (i = text.find("://", i)) != std::string::npos;) {
    i += 3;
    const auto end = text.find_first_of("/ \t\n\"'", i);
    const auto sign = text.substr(0, end).rfind('@');
    if (sign == std::string::npos || sign < i) continue;
    const auto colon = text.find(':', i);
    if (colon < sign) text.replace(colon, sign - colon, ":***");
  }
}

/// The words of a program's error, in one line.
std::string last_words(const std::string& err) {
  std::string_view text = err;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  if (text.size() > 400) text.remove_prefix(text.size() - 400);
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out;
}

void look_at_disk(const ProbeSpec& spec, Report& report) {
  const auto path = spec.text("disk", spec.repository());
  if (path.empty() || path.front() != '/' || report.inventory.free_bytes) return;
  struct statvfs s{};
  if (::statvfs(path.c_str(), &s) != 0 || s.f_blocks == 0) return;
  const auto free = static_cast<std::uint64_t>(s.f_bavail) * s.f_frsize;
  report.inventory.free_bytes = free;
  report.inventory.free_ratio = static_cast<double>(s.f_bavail) / static_cast<double>(s.f_blocks);
  const auto least = spec.settings.size_or("min_free", default_min_free);
  if (free < least)
    report.warn("disk_full", "the repository's disk has " + std::to_string(free) +
                                 " octets free, fewer than " + std::to_string(least));
}

void common(const ProbeSpec& spec, Report& report) {
  auto& i = report.inventory;
  look_at_disk(spec, report);
  read_policies(spec.settings.list("policy_files"), report);
  const auto flag = [&](const char* key, std::optional<bool>& to) {
    if (spec.settings.has(key)) to = spec.settings.flag_or(key, false);
  };
  flag("offsite", i.offsite);
  flag("offline", i.offline);
  if (const auto medium = spec.text("medium"); !medium.empty()) i.repository_kind = medium;
}

void fill(events::Backup& e, const ProbeSpec& spec, const events::Backup& inventory) {
  e.tool = e.tool.empty() ? spec.tool : e.tool;
  e.asset = spec.asset;
  e.job = spec.job;
  if (!e.repository) e.repository = inventory.repository;
  if (!e.repository_id) e.repository_id = inventory.repository_id;
  if (!e.repository_kind) e.repository_kind = inventory.repository_kind;
  if (!e.offsite) e.offsite = inventory.offsite;
  if (!e.offline) e.offline = inventory.offline;
  if (!e.encrypted) e.encrypted = inventory.encrypted;
  for (auto* text : {&e.repository, &e.snapshot, &e.parent, &e.error, &e.host, &e.user})
    if (*text) *text = cut(spec.redact(**text), max_text_octets);
}

std::string line_of(const events::Backup& e, Timestamp now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("timestamp", eve_time(now));
  json.field("event_type", events::Backup::type);
  json.begin_object("backup");
  write_fields(json, e);
  json.end_object();
  json.end_object();
  return out;
}

}  // namespace

ProbeRegistration::ProbeRegistration(ProbeType type) {
  const auto tool = type.tool;
  if (!table().emplace(tool, std::move(type)).second) {
    std::fprintf(stderr, "two probes of the name %s\n", std::string(tool).c_str());
    std::abort();
  }
}
const std::map<std::string_view, ProbeType>& probe_types() { return table(); }

const std::vector<ProbeKey>& common_keys() {
  static const std::vector<ProbeKey> keys{
      {"tool", "which probe", true},
      {"asset", "what is backed up: letters, digits, dash, dot, underscore", true},
      {"job", "the backup job of the asset; the tool's name unless given"},
      {"every", "how often to look; default 15m"},
      {"timeout", "time of one look; default 2m"},
      {"environment_file", "file of NAME=VALUE lines for the tool (keys of object stores...)"},
      {"policy_files", "scripts and configurations of the job; a change is reported"},
      {"disk", "a path on the repository's disk, to watch its free space"},
      {"min_free", "free space below which the disk counts as full; default 64MiB"},
      {"medium", "disk, object, tape, cloud or snapshot"},
      {"offsite", "yes when the copy is at another place"},
      {"offline", "yes when the copy cannot be reached over a network"},
  };
  return keys;
}

void Report::failed(std::string_view code, std::string_view text) {
  if (inventory.status == "failed") return;
  inventory.status = "failed";
  inventory.error_code = std::string(code);
  inventory.error = cut(text, max_text_octets);
}
void Report::warn(std::string_view code, std::string_view text) {
  if (inventory.status == "failed" || inventory.status == "warning") return;
  inventory.status = "warning";
  inventory.error_code = std::string(code);
  inventory.error = cut(text, max_text_octets);
}
events::Backup& Report::add_run(std::string id) {
  if (!inventory.snapshots) inventory.snapshots.emplace();
  inventory.snapshots_total = inventory.snapshots_total.value_or(0) + 1;
  inventory.snapshots->push_back(id);
  auto& run = runs.emplace_back();
  run.kind = "run";
  run.status = "success";
  run.snapshot = std::move(id);
  return run;
}

std::string ProbeSpec::redact(std::string_view given) const {
  std::string out(given);
  hide_userinfo(out);
  for (const auto& [name, value] : environment)
    if (value.size() >= 4 && value.front() != '/') replace_all(out, value, "***");
  return out;
}

std::optional<Finished> Look::run(std::vector<std::string> argv, Report& report) {
  Command c;
  c.argv = std::move(argv);
  return run(std::move(c), report);
}

std::optional<Finished> Look::run(Command c, Report& report) {
  for (const auto& [name, value] : spec_.environment) c.environment[name] = value;
  c.folder = spec_.folder;
  c.timeout = left();
  if (c.timeout <= std::chrono::milliseconds(0)) {
    report.failed("timeout", "no time left for " + c.argv.front());
    return {};
  }
  auto done = backup::run(c, stop_);
  if (!done) {
    report.failed(done.error().what == "no such program" ? "no_program" : "failed",
                  done.error().text());
    return {};
  }
  if (done->cancelled) {
    report.failed("cancelled", "the sensor is stopping");
    return {};
  }
  if (done->timed_out) {
    report.failed("timeout", c.argv.front() + " did not end within " +
                                 std::to_string(c.timeout.count() / 1000) + " s");
    return {};
  }
  if (done->too_large) {
    report.failed("too_large", c.argv.front() + " wrote more than " +
                                   std::to_string(c.max_output >> 20) + " MiB");
    return {};
  }
  done->err = last_words(spec_.redact(done->err));
  return std::move(*done);
}

std::chrono::milliseconds Look::left() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - now_steady());
}

bool Look::due(const std::string& setting, const std::string& key) {
  const auto every = logs::parse_duration(spec_.text(setting));
  if (!every || every->count() <= 0) return false;
  const auto last = parse_time(memory_[key]);
  if (last && now() - *last < *every && now() >= *last) return false;
  memory_[key] = rfc3339(now());
  return true;
}

Report look_once(const ProbeSpec& spec, const Clock& clock, Memory& memory,
                 const std::atomic<bool>* stop) {
  Report report;
  auto& i = report.inventory;
  i.kind = "inventory";
  i.status = "success";
  i.interval = static_cast<std::uint64_t>(spec.every.count());
  if (const auto r = spec.repository(); !r.empty()) i.repository = r;
  const auto begin = std::chrono::steady_clock::now();
  const auto it = probe_types().find(spec.tool);
  if (it == probe_types().end()) {
    report.failed("failed", "no probe for " + spec.tool);
  } else {
    Look look(spec, clock, memory, stop);
    try {
      it->second.look(spec, look, report);
    } catch (const std::exception& e) {
      report.failed("failed", std::string("the probe failed: ") + e.what());
    }
  }
  common(spec, report);
  if (i.snapshots && i.snapshots->size() > max_listed)
    i.snapshots->erase(i.snapshots->begin(),
                       i.snapshots->end() - static_cast<std::ptrdiff_t>(max_listed));
  i.took_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                             std::chrono::steady_clock::now() - begin)
                                             .count());
  return report;
}

std::vector<std::string> event_lines(const Report& report, const ProbeSpec& spec, Timestamp now,
                                     Memory& memory, bool fresh) {
  std::vector<std::string> out;
  std::vector<std::string> sent;
  std::set<std::string_view> known;
  constexpr std::size_t digits = 12;
  for (std::string_view rest = memory["sent"]; rest.size() >= digits; rest.remove_prefix(digits))
    sent.emplace_back(rest.substr(0, digits));
  for (const auto& s : sent) known.insert(s);
  std::vector<std::string> added;
  const auto first = report.runs.size() > max_runs ? report.runs.size() - max_runs : std::size_t{0};
  for (std::size_t n = first; n < report.runs.size(); ++n) {
    auto e = report.runs[n];
    fill(e, spec, report.inventory);
    const auto mark = sha256_hex(e.kind + '\n' + e.snapshot.value_or("") + '\n' + e.status + '\n' +
                                 e.signal.value_or("") + '\n' + e.started.value_or("") + '\n' +
                                 e.integrity.value_or("") + e.integrity_at.value_or(""))
                          .substr(0, digits);
    if (!fresh && known.contains(mark)) continue;
    if (!known.contains(mark)) added.push_back(mark);
    out.push_back(line_of(e, now));
  }
  auto i = report.inventory;
  fill(i, spec, report.inventory);
  out.push_back(line_of(i, now));
  if (!added.empty()) {
    sent.insert(sent.end(), added.begin(), added.end());
    std::string all;
    for (auto n = sent.size() > max_sent ? sent.size() - max_sent : 0; n < sent.size(); ++n)
      all += sent[n];
    memory["sent"] = all;
  }
  return out;
}

}  // namespace ww::backup
