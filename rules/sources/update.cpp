#include "rules/sources/update.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>

#include "telemetry/net/http.hpp"
#include "telemetry/settings.hpp"

namespace ww::sources {

namespace {

namespace fs = std::filesystem;
using sig::RuleLine;

auto stop(Problem p, bool unreachable = false) {
  return fail(UpdateError{unreachable, std::move(p), {}});
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Problem system_problem(const std::string& what, const std::string& path) {
  return {what + ": " + std::strerror(errno), path, ""};
}

bool ignored(const UpdateConfig& config, const std::string& name) {
  const auto base = fs::path(name).filename().string();
  return std::any_of(config.ignore.begin(), config.ignore.end(), [&](const auto& pattern) {
    return fnmatch(pattern.c_str(), base.c_str(), FNM_NOESCAPE) == 0 ||
           fnmatch(pattern.c_str(), name.c_str(), FNM_NOESCAPE) == 0;
  });
}

/// Takes the rules of one file in.
void take(const UpdateConfig& config, const NamedText& file, SourceReport& report,
          std::vector<RuleLine>& rules) {
  if (ignored(config, file.name)) return;
  auto lines = sig::read_rule_lines(file.text, file.name);
  ++report.files;
  report.rules += lines.size();
  std::move(lines.begin(), lines.end(), std::back_inserter(rules));
}

Result<void, UpdateError> read_local(const UpdateConfig& config, const std::string& pattern,
                                     UpdateReport& report, std::vector<RuleLine>& rules) {
  SourceReport source{pattern, 0, 0, "local"};
  std::vector<std::string> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  globfree(&found);
  if (paths.empty())
    return stop({"no such file or folder", pattern, "see local: in the configuration"});
  for (const auto& path : paths)
    for (const auto& name : sig::list_rule_files(path)) {
      auto octets = read_file(name);
      if (!octets) return stop(octets.error());
      auto files = unpack_rules(*octets, name, config.limits);
      if (!files) return stop({files.error(), name, ""});
      for (const auto& f : *files) take(config, f, source, rules);
    }
  report.sources.push_back(std::move(source));
  return {};
}

Result<void, UpdateError> read_remote(const UpdateConfig& config, const Source& s,
                                      const Fetch& fetch, UpdateReport& report,
                                      std::vector<RuleLine>& rules) {
  auto got = download(s, fetch);
  if (!got) return stop(got.error().problem, got.error().unreachable);
  SourceReport source{s.name, 0, 0, got->verified};
  if (got->verified.empty())
    report.warnings.push_back(s.name + ": no checksum; only the connection vouches for it");
  if (s.url.starts_with("http://") && s.sha256.empty())
    report.warnings.push_back(s.name +
                              ": plain http can be changed on its way; use https or give sha256:");
  const auto path = s.url.substr(0, s.url.find_first_of("?#"));
  auto files = unpack_rules(got->octets, path.substr(path.rfind('/') + 1), config.limits);
  if (!files) return stop({files.error(), s.url, ""});
  for (const auto& f : *files) take(config, f, source, rules);
  if (source.rules == 0)
    return stop({"no rules in it", s.url, "is this the address of a rule file or archive?"});
  report.sources.push_back(std::move(source));
  return {};
}

Result<Lists, UpdateError> load_lists(const UpdateConfig& config) {
  Lists lists;
  for (auto [path, to] :
       {std::pair{&config.disable_conf, &lists.disable},
        std::pair{&config.enable_conf, &lists.enable}, std::pair{&config.drop_conf, &lists.drop}}) {
    if (path->empty()) continue;
    auto loaded = load_matchers(*path);
    if (!loaded) return stop(loaded.error());
    *to = std::move(*loaded);
  }
  if (!config.modify_conf.empty()) {
    auto loaded = load_edits(config.modify_conf);
    if (!loaded) return stop(loaded.error());
    lists.modify = std::move(*loaded);
  }
  return lists;
}

std::string as_text(const std::vector<RuleLine>& rules) {
  std::string out = "# Written by wardwatchctl rules update; changes belong in its lists.\n";
  for (const auto& r : rules) {
    out += format_rule(r);
    out += '\n';
  }
  return out;
}

Result<void, UpdateError> write_synced(const std::string& path, std::string_view text) {
  const Descriptor fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) return stop(system_problem("cannot write", path));
  while (!text.empty()) {
    const auto n = write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return stop(system_problem("cannot write", path));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (fsync(fd.get()) != 0) return stop(system_problem("cannot write", path));
  return {};
}

/// Loads the file as a sensor would; the rules that were refused.
Result<std::vector<sig::RuleProblem>, UpdateError> check(const UpdateConfig& config,
                                                         const std::string& path) {
  sig::EngineOptions options;
  options.classification_file = config.classification;
  options.threshold_file = config.thresholds;
  options.base_folder = fs::path(config.output).parent_path().string();
  Settings settings;
  if (!config.suricata_conf.empty()) {
    auto loaded = Settings::from_yaml_file(config.suricata_conf);
    if (!loaded) return stop(loaded.error());
    settings = std::move(*loaded);
    options.settings = &settings;
  }
  sig::LoadReport report;
  const auto engine = sig::Engine::load({path}, options, report);
  if (!engine) return stop(engine.error());
  std::erase_if(report.problems,
                [](const auto& p) { return p.severity != sig::RuleProblem::Severity::error; });
  return std::move(report.problems);
}

/// The rule that stands on a line of the file that as_text makes.
void switch_off(std::vector<RuleLine>& rules, const std::vector<sig::RuleProblem>& refused,
                const std::string& path) {
  for (const auto& p : refused)
    if (p.file == path && p.line >= 2 && p.line - 2 < rules.size())
      rules[p.line - 2].enabled = false;
}

Result<void, UpdateError> put_in_place(const std::string& fresh, UpdateReport& report) {
  const auto& output = report.output;
  std::error_code ec;
  if (fs::exists(output, ec)) {
    // A second name for what is there; OUTPUT itself never goes away.
    const auto step = report.previous + ".new";
    fs::remove(step, ec);
    fs::create_hard_link(output, step, ec);
    if (ec) fs::copy_file(output, step, fs::copy_options::overwrite_existing, ec);
    if (!ec) fs::rename(step, report.previous, ec);
    if (ec) return stop({"cannot keep the previous rules: " + ec.message(), report.previous, ""});
    report.kept_previous = true;
  }
  if (std::rename(fresh.c_str(), output.c_str()) != 0)
    return stop(system_problem("cannot replace", output));
  const auto folder = fs::path(output).parent_path().string();
  const Descriptor dir(
      open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() >= 0) (void)fsync(dir.get());
  report.replaced = true;
  return {};
}

/// Removes the file it names unless it was moved away.
struct Temporary {
  std::string path;
  ~Temporary() { (void)unlink(path.c_str()); }
};

}  // namespace

Result<UpdateReport, UpdateError> update(const UpdateConfig& config, const Fetch& fetch,
                                         bool dry_run) {
  UpdateReport report;
  report.output = config.output;
  report.previous = config.output + ".previous";
  std::error_code ec;
  if (const auto folder = fs::path(config.output).parent_path(); !folder.empty())
    fs::create_directories(folder, ec);
  const auto lock_path = config.output + ".lock";
  const Descriptor lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.get() < 0) return stop(system_problem("cannot write", lock_path));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return stop({"another update of this file is running", config.output, ""});

  auto lists = load_lists(config);
  if (!lists) return fail(lists.error());
  std::vector<RuleLine> rules;
  for (const auto& s : config.sources)
    if (auto ok = read_remote(config, s, fetch, report, rules); !ok) return fail(ok.error());
  for (const auto& l : config.local)
    if (auto ok = read_local(config, l, report, rules); !ok) return fail(ok.error());
  merge_duplicates(rules, report.edits);
  apply_lists(rules, *lists, report.edits);
  resolve_flowbits(rules, report.edits);

  const Temporary fresh{config.output + ".new"};
  if (auto ok = write_synced(fresh.path, as_text(rules)); !ok) return fail(ok.error());
  auto refused = check(config, fresh.path);
  if (!refused) return fail(refused.error());
  if (!refused->empty()) {
    if (!config.switch_off_refused)
      return fail(
          UpdateError{false,
                      {std::to_string(refused->size()) + " rules are refused; nothing was replaced",
                       config.output, "disable them, or set refused: switch-off"},
                      std::move(*refused)});
    switch_off(rules, *refused, fresh.path);
    report.refused = std::move(*refused);
    if (auto ok = write_synced(fresh.path, as_text(rules)); !ok) return fail(ok.error());
    auto again = check(config, fresh.path);
    if (!again) return fail(again.error());
    if (!again->empty())
      return fail(UpdateError{false,
                              {"rules are refused still; nothing was replaced", config.output, ""},
                              std::move(*again)});
  }
  report.rules = rules.size();
  report.active = static_cast<std::size_t>(
      std::count_if(rules.begin(), rules.end(), [](const auto& r) { return r.enabled; }));
  if (report.active == 0)
    return stop(
        {"no active rule is left; nothing was replaced", config.output, "see disable-conf"});

  const auto text = as_text(rules);
  const auto old = read_file(config.output);
  report.changes =
      sig::diff_rules(old ? sig::read_rule_lines(*old, config.output) : std::vector<RuleLine>(),
                      sig::read_rule_lines(text, config.output));
  if (dry_run || (old && *old == text)) return report;
  if (auto ok = put_in_place(fresh.path, report); !ok) return fail(ok.error());
  return report;
}

}  // namespace ww::sources
