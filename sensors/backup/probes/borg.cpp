/// BorgBackup repositories, versions 1.1 to 1.4 (borg's "All about JSON"). Reads with --bypass-lock
/// and never writes. Borg's times are local without a zone; the runner sets TZ=UTC, so they are UTC
/// here.
#include <sys/stat.h>

#include <algorithm>

#include "sensors/backup/access.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/probe.hpp"
#include "sensors/backup/sampling.hpp"

namespace ww::backup {
namespace {

constexpr std::size_t default_detail = 4;
using Parsed = Result<void, std::string>;

void read_repository(const Json& v, Report& report) {
  auto& i = report.inventory;
  if (const auto id = text_at(v, "repository.id")) i.repository_id = cut(*id, 64);
  auto mode = text_at(v, "encryption.mode");
  if (!mode) mode = text_at(v, "encryption.encryption");  // 2.x
  if (mode) i.encrypted = *mode != "none" && mode->find("authenticated") == std::string::npos;
}

Parsed parse_list(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  const auto* archives = array_at(*v, "archives");
  if (archives == nullptr) return fail(std::string("no list of archives"));
  read_repository(*v, report);
  report.inventory.snapshots.emplace();
  report.inventory.snapshots_total = 0;
  std::vector<std::pair<Timestamp, const Json*>> ordered;
  for (const auto& a : *archives)
    if (const auto t = time_at(a, "start"); t && text_at(a, "id")) ordered.emplace_back(*t, &a);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [time, a] : ordered) {
    auto& run = report.add_run(cut(*text_at(*a, "id"), 64));
    run.started = run.data_time = rfc3339(time);
    run.level = "snapshot";
  }
  return {};
}

/// Figures of archives that are in the report already.
Parsed parse_info(std::string_view text, Report& report) {
  const auto v = parse_json(text);
  if (!v) return fail(v.error());
  const auto* archives = array_at(*v, "archives");
  if (archives == nullptr) return fail(std::string("no archives"));
  for (const auto& a : *archives) {
    const auto id = text_at(a, "id").value_or("");
    const auto it = std::find_if(report.runs.rbegin(), report.runs.rend(), [&](const auto& r) {
      return r.snapshot == std::optional(cut(id, 64));
    });
    if (it == report.runs.rend()) continue;
    auto& run = *it;
    if (const auto t = time_at(a, "end")) run.finished = rfc3339(*t);
    run.bytes_total = number_at(a, "stats.original_size");
    run.bytes_stored = number_at(a, "stats.deduplicated_size");
    run.files_total = number_at(a, "stats.nfiles");
    const auto compressed = number_at(a, "stats.compressed_size");
    if (run.bytes_total && compressed && *compressed > 0)
      run.compression_ratio =
          static_cast<double>(*run.bytes_total) / static_cast<double>(*compressed);
    if (run.bytes_total && run.bytes_stored && *run.bytes_stored > 0)
      run.dedup_ratio =
          static_cast<double>(*run.bytes_total) / static_cast<double>(*run.bytes_stored);
    run.host = text_at(a, "hostname");
    run.user = text_at(a, "username");
    // The command without its archive's name: what is backed up and what is left out.
    if (const auto* words = array_at(a, "command_line")) {
      std::string selection;
      for (const auto& w : *words)
        if (w.is_string() && std::string_view(w.get_string()).find("::") == std::string_view::npos)
          selection += std::string(w.get_string()) + '\n';
      run.selection_sha256 = sha256_hex(selection);
    }
  }
  return {};
}

struct Diff {
  std::uint64_t added = 0, removed = 0, changed = 0, bytes = 0;
  std::vector<std::string> fresh, paths;
};
Diff read_diff(std::string_view text) {
  Diff d;
  each_json_line(text, [&](const Json& line) {
    const auto path = text_at(line, "path").value_or("");
    const auto* changes = array_at(line, "changes");
    if (path.empty() || changes == nullptr) return;
    for (const auto& c : *changes) {
      const auto type = text_at(c, "type").value_or("");
      if (type == "added") {
        ++d.added;
        d.bytes += std::min<std::uint64_t>(number_at(c, "size").value_or(0), 1ULL << 50);
        if (d.fresh.size() < 100'000) d.fresh.push_back(path);
      } else if (type == "removed") {
        ++d.removed;
      } else if (type == "modified") {
        ++d.changed;
        d.bytes += std::min<std::uint64_t>(number_at(c, "added").value_or(0), 1ULL << 50);
      } else {
        continue;
      }
      if (type != "removed" && d.paths.size() < 100'000) d.paths.push_back(path);
    }
  });
  return d;
}
void use_diff(const Diff& d, events::Backup& run) {
  run.files_new = d.added;
  run.files_deleted = d.removed;
  run.files_changed = d.changed;
  run.bytes_added = d.bytes;
  run.new_extension_share = extension_share(d.fresh);
}
Parsed parse_diff(std::string_view text, Report& report) {
  const auto d = read_diff(text);
  if (!report.runs.empty()) use_diff(d, report.runs.back());
  return {};
}

/// With --log-json, standard error is JSON lines; each has a msgid when borg has one for it.
struct Said {
  std::string id, text;
};
Said last_message(std::string_view err) {
  Said s;
  each_json_line(err, [&](const Json& line) {
    const auto level = text_at(line, "levelname").value_or("");
    if (level != "ERROR" && level != "CRITICAL" && level != "WARNING") return;
    const auto id = text_at(line, "msgid").value_or("");
    if (s.id.empty() || !id.empty()) s = {id, text_at(line, "message").value_or("")};
  });
  return s;
}
Parsed parse_messages(std::string_view text, Report& report) {
  const auto s = last_message(text);
  if (!s.text.empty()) report.warn("failed", s.text);
  return {};
}

void explain(const Finished& f, Report& report) {
  const auto has = [&](std::string_view words) { return f.err.find(words) != std::string::npos; };
  const auto code =
      has("PassphraseWrong") || has("passphrase supplied") || has("PasscommandFailure")
          ? "wrong_password"
      : has("Repository.DoesNotExist") || has("does not exist") || has("not a valid repository")
          ? "no_repository"
      : has("LockTimeout") || has("Failed to create/acquire the lock")   ? "locked"
      : has("No space left") || has("InsufficientFreeSpace")             ? "disk_full"
      : has("IntegrityError") || has("CheckNeeded") || has("NoManifest") ? "damaged"
                                                                         : "failed";
  report.failed(code,
                f.err.empty() ? "borg ended with code " + std::to_string(f.exit_code) : f.err);
}

class Borg {
 public:
  Borg(const ProbeSpec& spec, Look& look, Report& report)
      : spec_(spec), look_(look), report_(report), access_(tool_access(spec)) {}

  void run() {
    auto f = borg({"list", "--json", "--bypass-lock", "::"});
    if (!take(f, &parse_list)) return;
    report_.inventory.raw_sha256 = sha256_hex(f->out);
    locks();
    details();
    check();
  }

 private:
  std::optional<Finished> borg(std::vector<std::string> arguments, std::size_t stop_after = 0) {
    std::erase(arguments, "::");  // BORG_REPO names it
    auto command = access_.with(arguments);
    command.stop_after = stop_after;
    // A check takes hours and touches no cache; what waits for it waits for the repository's lock.
    if (arguments.front() == "check") command.turn = command.cache = {};
    return look_.run(std::move(command), report_);
  }
  bool take(const std::optional<Finished>& f, Parsed (*parse)(std::string_view, Report&)) {
    if (!f) return false;
    if (f->exit_code > 1 || f->exit_code < 0) {
      explain(*f, report_);
      return false;
    }
    if (const auto ok = parse(f->out, report_); !ok) {
      report_.failed("unreadable", "borg: " + ok.error());
      return false;
    }
    return true;
  }

  /// A local repository's lock is a folder in it.
  void locks() {
    const auto repository = spec_.repository();
    if (repository.empty() || repository.front() != '/') return;
    struct stat s{};
    auto& i = report_.inventory;
    i.locks = 0;
    if (::stat((repository + "/lock.exclusive").c_str(), &s) != 0) return;
    i.locks = 1;
    i.lock_age = static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, look_.now().seconds() - static_cast<std::int64_t>(s.st_mtime)));
    const auto most = std::max<std::int64_t>(0, spec_.settings.integer_or("lock_seconds", 7200));
    if (*i.lock_age >= static_cast<std::uint64_t>(most))
      report_.warn("locked", "a lock was left behind " + std::to_string(*i.lock_age) + " s ago");
  }

  void details() {
    Detailed seen(look_.memory()["detailed"]);
    const auto most = static_cast<std::size_t>(std::clamp<std::int64_t>(
        spec_.settings.integer_or("detail", static_cast<std::int64_t>(default_detail)), 0, 100));
    const auto first = report_.runs.size() - std::min(report_.runs.size(), most);
    std::vector<std::size_t> wanted;
    for (auto i = first; i < report_.runs.size(); ++i)
      if (!seen.knows(*report_.runs[i].snapshot)) wanted.push_back(i);
    if (wanted.empty()) return;
    const auto info = borg({"info", "--json", "--bypass-lock", "--last",
                            std::to_string(report_.runs.size() - wanted.front()), "::"});
    if (info && info->exit_code <= 1) (void)parse_info(info->out, report_);
    for (const auto i : wanted) {
      if (look_.stopped()) return;
      if (i > 0) compare(report_.runs[i - 1], report_.runs[i]);
      seen.add(*report_.runs[i].snapshot);
    }
  }
  /// Archives are named, not numbered, on borg's command line.
  void compare(const events::Backup& before, events::Backup& run) {
    const auto a = name_of(*before.snapshot);
    const auto b = name_of(*run.snapshot);
    if (a.empty() || b.empty()) return;
    const auto f = borg({"diff", "--json-lines", "--bypass-lock", "::" + a, b});
    if (!f || f->exit_code > 1) return;
    const auto d = read_diff(f->out);
    use_diff(d, run);
    const auto samples = spec_.settings.integer_or("sample", 0);
    if (samples <= 0) return;
    EntropySample sample;
    for (const auto& path :
         spread(d.paths, static_cast<std::size_t>(std::min<std::int64_t>(samples, 64)))) {
      const auto out = borg({"extract", "--stdout", "--bypass-lock", "::" + b, "pp:" + path},
                            EntropySample::file_octets);
      if (out) sample.add(out->out);
    }
    run.entropy = sample.value();
  }
  std::string name_of(const std::string& id) {
    if (names_.empty()) {
      const auto f = borg({"list", "--json", "--bypass-lock", "::"});
      if (!f) return {};
      if (const auto v = parse_json(f->out))
        if (const auto* archives = array_at(*v, "archives"))
          for (const auto& a : *archives)
            names_[text_at(a, "id").value_or("")] = text_at(a, "name").value_or("");
    }
    const auto it = names_.find(id);
    return it == names_.end() ? std::string() : it->second;
  }

  void check() {
    auto& memory = look_.memory();
    auto& i = report_.inventory;
    if (look_.due("check_every", "checked")) {
      std::vector<std::string> argv{"check"};
      if (spec_.settings.flag_or("check_data", false)) argv.push_back("--verify-data");
      argv.emplace_back("::");
      const auto f = borg(argv);
      if (!f) {
        memory["checked"].clear();
        return;
      }
      if (f->exit_code > 1 && (f->err.find("acquire the lock") != std::string::npos)) {
        memory["checked"].clear();
        report_.warn("locked", f->err);
        return;
      }
      memory["integrity"] = f->exit_code == 0 ? "passed" : "failed";
      memory["integrity_why"] = f->exit_code == 0 ? "" : cut(f->err, 300);
    }
    if (memory["integrity"].empty()) return;
    i.integrity = memory["integrity"];
    i.integrity_at = memory["checked"];
    if (*i.integrity == "failed") report_.warn("damaged", "check: " + memory["integrity_why"]);
  }

  const ProbeSpec& spec_;
  Look& look_;
  Report& report_;
  ToolAccess access_;
  std::map<std::string, std::string> names_;
};

void look(const ProbeSpec& spec, Look& look, Report& report) { Borg(spec, look, report).run(); }

const ProbeRegistration registration{{
    .tool = "borg",
    .summary = "BorgBackup repositories",
    .keys = {{"repository", "where: a folder or ssh://user@host/path", true},
             {"password_file", "file with the repository's passphrase"},
             {"program", "path of borg"},
             {"check_every", "how often to run borg check; absent: never"},
             {"check_data", "yes: check reads all data"},
             {"detail", "new archives compared with the one before, in one look; default 4"},
             {"sample", "files of a new archive whose entropy is measured; default 0"},
             {"lock_seconds", "a lock older than this was left behind; default 7200"}},
    .look = &look,
    .parsers = {{"list", &parse_list},
                {"info", &parse_info},
                {"diff", &parse_diff},
                {"messages", &parse_messages}},
}};

}  // namespace
}  // namespace ww::backup
