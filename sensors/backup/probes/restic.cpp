/// restic repositories (restic's scripting manual; versions 0.12 to 0.18). Reads with --no-lock and
/// never writes.
///
/// Newer versions tell each backup's figures in the snapshot's summary; for older ones `stats` and
/// `diff` of the newest snapshots give the same figures.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "sensors/backup/access.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"
#include "sensors/backup/sampling.hpp"

namespace ww::backup {
namespace {

constexpr std::size_t default_detail = 4;  // new snapshots looked at closely in one look

using Parsed = Result<void, std::string>;

Parsed parse_config(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  const auto id = text_at(*v, "id");
  if (!id || id->empty()) return fail(std::string("the configuration has no id"));
  report.inventory.repository_id = cut(*id, 64);
  report.inventory.encrypted = true;  // every restic repository is
  return {};
}

Parsed parse_keys(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  std::vector<std::string> keys;
  for (const auto* k : items_of(*v))
    if (const auto id = text_at(*k, "id"); id && keys.size() < 64) keys.push_back(cut(*id, 8));
  std::sort(keys.begin(), keys.end());
  report.inventory.keys = std::move(keys);
  return {};
}

void copy_time(const Json& v, std::string_view path, std::optional<std::string>& to) {
  if (const auto t = time_at(v, path)) to = rfc3339(*t);
}

void read_summary(const Json& s, events::Backup& run) {
  copy_time(s, "backup_start", run.started);
  copy_time(s, "backup_end", run.finished);
  run.files_new = number_at(s, "files_new");
  run.files_changed = number_at(s, "files_changed");
  run.files_total = number_at(s, "total_files_processed");
  run.bytes_total = number_at(s, "total_bytes_processed");
  run.bytes_added = number_at(s, "data_added");
  run.bytes_stored = number_at(s, "data_added_packed");
  if (run.bytes_added && run.bytes_stored && *run.bytes_stored > 0)
    run.compression_ratio =
        static_cast<double>(*run.bytes_added) / static_cast<double>(*run.bytes_stored);
}

Parsed parse_snapshots(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  if (!v->is_array()) return fail(std::string("no list of snapshots"));
  std::vector<std::pair<Timestamp, const Json*>> ordered;
  for (const auto* s : items_of(*v))
    if (const auto t = time_at(*s, "time"); t && text_at(*s, "id")) ordered.emplace_back(*t, s);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (!report.inventory.snapshots) report.inventory.snapshots.emplace();
  report.inventory.snapshots_total = report.inventory.snapshots_total.value_or(0);
  for (const auto& [time, s] : ordered) {
    auto& run = report.add_run(cut(*text_at(*s, "id"), 64));
    run.started = run.data_time = rfc3339(time);
    if (const auto parent = text_at(*s, "parent")) run.parent = cut(*parent, 64);
    run.host = text_at(*s, "hostname");
    run.user = text_at(*s, "username");
    run.level = "snapshot";
    std::string selection;
    for (const auto* list : {"paths", "excludes"})
      if (const auto* a = array_at(*s, list))
        for (const auto& p : *a)
          if (p.is_string())
            selection += std::string(list) + ':' + std::string(p.get_string()) + '\n';
    run.selection_sha256 = sha256_hex(selection);
    if (const auto* summary = at(*s, "summary")) read_summary(*summary, run);
  }
  return {};
}

/// Of the last run in the report.
Parsed parse_stats(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  if (report.runs.empty()) return {};
  report.runs.back().bytes_total = number_at(*v, "total_size");
  report.runs.back().files_total = number_at(*v, "total_file_count");
  return {};
}

struct Diff {
  std::optional<std::uint64_t> changed, added, removed, bytes;
  std::vector<std::string> paths;  ///< files new or changed
  std::vector<std::string> fresh;  ///< files new
};

Diff read_diff(std::string_view text) {
  Diff d;
  each_json_line(text, [&](const Json& line) {
    const auto type = text_at(line, "message_type").value_or("");
    if (type == "statistics") {
      d.changed = number_at(line, "changed_files");
      d.added = number_at(line, "added.files");
      d.removed = number_at(line, "removed.files");
      d.bytes = number_at(line, "added.bytes");
    } else if (type == "change") {
      const auto path = text_at(line, "path").value_or("");
      const auto how = text_at(line, "modifier").value_or("");
      if (path.empty() || path.ends_with('/')) return;
      const bool fresh = how.find('+') != std::string::npos;
      if ((fresh || how.find('M') != std::string::npos) && d.paths.size() < 100'000)
        d.paths.push_back(path);
      if (fresh && d.fresh.size() < 100'000) d.fresh.push_back(path);
    }
  });
  return d;
}

void use_diff(const Diff& d, events::Backup& run) {
  run.files_changed = d.changed;
  run.files_new = d.added;
  run.files_deleted = d.removed;
  if (!run.bytes_added) run.bytes_added = d.bytes;
  run.new_extension_share = extension_share(d.fresh);
}

Parsed parse_diff(std::string_view text, Report& report) {
  const auto d = read_diff(text);
  if (!d.changed) return fail(std::string("no statistics"));
  if (!report.runs.empty()) use_diff(d, report.runs.back());
  return {};
}

Parsed parse_lock(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  const auto t = time_at(*v, "time");
  if (!t) return fail(std::string("a lock without a time"));
  // The earliest, as microseconds, until the look turns it into an age.
  auto& age = report.inventory.lock_age;
  const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(0, t->us));
  age = age ? std::min(*age, us) : us;
  return {};
}

/// What `check` said, in JSON lines or, in versions before 0.17, in words.
std::string check_errors(std::string_view out, std::string_view err) {
  std::string first;
  std::uint64_t errors = 0;
  const auto note = [&](const std::string& text) {
    if (first.empty()) first = text;
  };
  for (const auto text : {out, err})
    each_json_line(text, [&](const Json& line) {
      const auto type = text_at(line, "message_type").value_or("");
      if (type == "error") note(text_at(line, "message").value_or("an error"));
      if (type == "summary") errors += number_at(line, "num_errors").value_or(0);
    });
  if (errors > 0) note(std::to_string(errors) + " errors");
  return first.empty() ? std::string(err) : first;
}
Parsed parse_check(std::string_view text, Report& report) {
  if (const auto e = check_errors(text, ""); !e.empty()) report.warn("damaged", e);
  return {};
}

/// The reason behind an exit code that is not 0.
void explain(const Finished& f, Report& report) {
  const auto has = [&](std::string_view words) { return f.err.find(words) != std::string::npos; };
  const auto code = f.exit_code == 12 || has("wrong password")          ? "wrong_password"
                    : f.exit_code == 10 || has("Is there a repository") ? "no_repository"
                    : f.exit_code == 11 || has("unable to create lock") ? "locked"
                    : has("no space left")                              ? "disk_full"
                                                                        : "failed";
  report.failed(code,
                f.err.empty() ? "restic ended with code " + std::to_string(f.exit_code) : f.err);
}

class Restic {
 public:
  Restic(const ProbeSpec& spec, Look& look, Report& report)
      : spec_(spec), look_(look), report_(report), access_(tool_access(spec)) {}

  void run() {
    if (!text_of({"cat", "config"}, &parse_config)) return;
    std::vector<std::string> list{"snapshots", "--json"};
    for (const auto* key : {"host", "tag", "path"})
      for (const auto& v : spec_.settings.list(key)) {
        list.push_back(std::string("--") + key);
        list.push_back(v);
      }
    if (!text_of(list, &parse_snapshots)) return;
    if (!local()) {
      (void)text_of({"key", "list", "--json"}, &parse_keys);
      locks();
    }
    lock_left_behind();
    details();
    check();
  }

 private:
  std::optional<Finished> restic(std::vector<std::string> arguments, std::size_t stop_after = 0) {
    std::vector<std::string> argv{"--no-lock"};
    if (arguments.front() != "diff") argv.emplace_back("--quiet");  // diff would tell no paths
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    auto command = access_.with(argv);
    command.stop_after = stop_after;
    return look_.run(std::move(command), report_);
  }
  bool text_of(const std::vector<std::string>& arguments,
               Parsed (*parse)(std::string_view, Report&)) {
    const auto f = restic(arguments);
    if (!f) return false;
    if (!f->good()) {
      explain(*f, report_);
      return false;
    }
    if (const auto ok = parse(f->out, report_); !ok) {
      report_.failed("unreadable", "restic " + arguments.front() + ": " + ok.error());
      return false;
    }
    if (arguments.front() == "snapshots") report_.inventory.raw_sha256 = sha256_hex(f->out);
    return true;
  }

  /// In a folder, keys and locks are files: looking at their names spares two slow key derivations.
  bool local() {
    namespace fs = std::filesystem;
    auto folder = spec_.repository();
    if (folder.starts_with("local:")) folder.erase(0, 6);
    if (folder.empty() || folder.front() != '/') return false;
    std::error_code ec;
    std::vector<std::string> keys;
    for (fs::directory_iterator it(folder + "/keys", ec), end; !ec && it != end; it.increment(ec))
      if (keys.size() < 64) keys.push_back(cut(it->path().filename().string(), 8));
    if (ec) return false;
    std::sort(keys.begin(), keys.end());
    auto& i = report_.inventory;
    std::uint64_t n = 0;
    for (fs::directory_iterator it(folder + "/locks", ec), end; !ec && it != end;
         it.increment(ec)) {
      struct stat s{};
      if (::stat(it->path().c_str(), &s) != 0) continue;
      ++n;
      const auto age = static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, look_.now().seconds() - static_cast<std::int64_t>(s.st_mtime)));
      i.lock_age = std::max(i.lock_age.value_or(0), age);
    }
    if (ec) return false;
    i.keys = std::move(keys);
    i.locks = n;
    return true;
  }

  void locks() {
    const auto f = restic({"list", "locks"});
    if (!f || !f->good()) return;
    std::uint64_t n = 0;
    std::string_view rest = f->out;
    while (!rest.empty() && n < 32) {
      const auto end = rest.find('\n');
      const auto id = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      if (id.empty()) continue;
      ++n;
      if (n > 4) continue;
      if (const auto lock = restic({"cat", "lock", std::string(id)}); lock && lock->good())
        (void)parse_lock(lock->out, report_);
    }
    auto& i = report_.inventory;
    i.locks = n;
    if (i.lock_age)
      i.lock_age = static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, look_.now().us - static_cast<std::int64_t>(*i.lock_age)) /
          1'000'000);
  }
  void lock_left_behind() {
    const auto& i = report_.inventory;
    const auto most = spec_.settings.integer_or("lock_seconds", 7200);
    if (i.lock_age && *i.lock_age >= static_cast<std::uint64_t>(std::max<std::int64_t>(0, most)))
      report_.warn("locked", "a lock was left behind " + std::to_string(*i.lock_age) + " s ago");
  }

  /// Figures of the newest snapshots that were not looked at before.
  void details() {
    Detailed seen(look_.memory()["detailed"]);
    const auto most = static_cast<std::size_t>(std::clamp<std::int64_t>(
        spec_.settings.integer_or("detail", static_cast<std::int64_t>(default_detail)), 0, 100));
    std::vector<std::size_t> wanted;
    for (auto i = report_.runs.size() - std::min(report_.runs.size(), most);
         i < report_.runs.size(); ++i)
      if (!seen.knows(*report_.runs[i].snapshot)) wanted.push_back(i);
    for (const auto i : wanted) {
      if (look_.stopped()) return;
      auto& run = report_.runs[i];
      detail(run, i > 0 ? &report_.runs[i - 1] : nullptr, wanted.size() == 1);
      seen.add(*run.snapshot);
    }
  }
  void detail(events::Backup& run, const events::Backup* before, bool alone) {
    if (!run.bytes_total) {
      if (const auto f = restic({"stats", "--json", *run.snapshot}); f && f->good())
        if (const auto v = parse_json(f->out)) {
          run.bytes_total = number_at(*v, "total_size");
          run.files_total = number_at(*v, "total_file_count");
        }
      stored(run, alone);
    }
    if (before == nullptr) return;
    const auto f = restic({"diff", "--json", *before->snapshot, *run.snapshot});
    if (!f || !f->good()) return;
    const auto d = read_diff(f->out);
    if (d.changed) use_diff(d, run);
    if (run.bytes_added && run.bytes_stored && *run.bytes_stored > 0 && !run.compression_ratio)
      run.compression_ratio =
          static_cast<double>(*run.bytes_added) / static_cast<double>(*run.bytes_stored);
    const auto samples = spec_.settings.integer_or("sample", 0);
    if (samples > 0)
      sample(run, d.paths, static_cast<std::size_t>(std::min<std::int64_t>(samples, 64)));
  }
  /// The growth of the repository since the look before, when one snapshot alone made it.
  void stored(events::Backup& run, bool alone) {
    const auto f = restic({"stats", "--json", "--mode", "raw-data"});
    if (!f || !f->good()) return;
    const auto v = parse_json(f->out);
    const auto size = v ? number_at(*v, "total_size") : std::nullopt;
    if (!size) return;
    auto& remembered = look_.memory()["raw_octets"];
    const auto old = remembered.empty() ? 0 : std::strtoull(remembered.c_str(), nullptr, 10);
    if (alone && old > 0 && *size >= old) run.bytes_stored = *size - old;
    remembered = std::to_string(*size);
  }
  void sample(events::Backup& run, const std::vector<std::string>& paths, std::size_t most) {
    EntropySample sample;
    for (const auto& path : spread(paths, most)) {
      const auto f = restic({"dump", *run.snapshot, path}, EntropySample::file_octets);
      if (f) sample.add(f->out);
    }
    run.entropy = sample.value();
  }

  void check() {
    auto& memory = look_.memory();
    const auto key = std::string("checked");
    auto& i = report_.inventory;
    if (look_.due("check_every", key)) {
      std::vector<std::string> argv{"--no-lock", "check"};
      if (const auto part = spec_.text("check_read"); !part.empty())
        argv.push_back("--read-data-subset=" + part);
      const auto f = look_.run(access_.with(argv), report_);
      if (!f) {
        memory[key].clear();
        return;
      }
      memory["integrity"] = f->good() ? "passed" : "failed";
      memory["integrity_why"] = f->good() ? "" : cut(check_errors(f->out, f->err), 300);
    }
    if (memory["integrity"].empty()) return;
    i.integrity = memory["integrity"];
    i.integrity_at = memory[key];
    if (*i.integrity == "failed") report_.warn("damaged", "check: " + memory["integrity_why"]);
  }

  const ProbeSpec& spec_;
  Look& look_;
  Report& report_;
  ToolAccess access_;
};

void look(const ProbeSpec& spec, Look& look, Report& report) { Restic(spec, look, report).run(); }

const ProbeRegistration registration{{
    .tool = "restic",
    .summary = "restic repositories",
    .keys = {{"repository", "where: a folder, sftp:, s3:, rest: ... (without a password)", true},
             {"password_file", "file with the repository's password"},
             {"program", "path of restic"},
             {"host", "only snapshots of this host"},
             {"tag", "only snapshots with this tag"},
             {"path", "only snapshots of this path"},
             {"check_every", "how often to run restic check; absent: never"},
             {"check_read", "how much of the data check reads: 5%, 1/20, 500M"},
             {"detail", "new snapshots compared with the one before, in one look; default 4"},
             {"sample", "files of a new snapshot whose entropy is measured; default 0"},
             {"lock_seconds", "a lock older than this was left behind; default 7200"}},
    .look = &look,
    .parsers = {{"config", &parse_config},
                {"snapshots", &parse_snapshots},
                {"keys", &parse_keys},
                {"stats", &parse_stats},
                {"diff", &parse_diff},
                {"lock", &parse_lock},
                {"check", &parse_check}},
}};

}  // namespace
}  // namespace ww::backup
