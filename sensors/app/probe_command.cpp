/// `wardwatch-sensor probe`: one look at a backup, now, for the person who sets a probe up.

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "sensors/app/command.hpp"
#include "sensors/app/run_config.hpp"
#include "sensors/backup/backup_config.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::sensor {
namespace {

int problem(const Problem& p) {
  std::fprintf(stderr, "wardwatch-sensor: %s\n", p.text().c_str());
  return 2;
}

struct Arguments {
  std::string config, asset, job, tool;
  std::vector<std::string> set;
  bool list = false;
};

int list_tools() {
  for (const auto& [tool, type] : backup::probe_types()) {
    std::printf("%s: %s\n", std::string(tool).c_str(), std::string(type.summary).c_str());
    for (const auto& k : type.keys)
      std::printf("  %-18s %s%s\n", std::string(k.name).c_str(), std::string(k.meaning).c_str(),
                  k.required ? " (required)" : "");
  }
  std::puts("every tool:");
  for (const auto& k : backup::common_keys())
    std::printf("  %-18s %s%s\n", std::string(k.name).c_str(), std::string(k.meaning).c_str(),
                k.required ? " (required)" : "");
  return 0;
}

/// Prints the events of one look. @return 1 when the look failed
int look(const backup::ProbeSpec& spec) {
  std::error_code ec;
  std::filesystem::create_directories(spec.folder, ec);
  const SystemClock clock;
  backup::Memory memory;
  const auto report = backup::look_once(spec, clock, memory, nullptr);
  for (const auto& line : backup::event_lines(report, spec, clock.now(), memory, true))
    std::puts(line.c_str());
  const auto& i = report.inventory;
  std::fprintf(stderr, "%s of %s: %s%s%s, %zu backups, %llu ms\n", spec.job.c_str(),
               spec.asset.c_str(), i.status.c_str(), i.error ? ": " : "",
               spec.redact(i.error.value_or("")).c_str(),
               i.snapshots ? i.snapshots->size() : report.runs.size(),
               static_cast<unsigned long long>(i.took_ms.value_or(0)));
  return i.status == "failed" ? 1 : 0;
}

int run(const Arguments& a) {
  if (a.list) return list_tools();
  if (!a.tool.empty()) {
    Settings s;
    s.set("tool", a.tool);
    s.set("asset", a.asset.empty() ? "asset" : a.asset);
    if (!a.job.empty()) s.set("job", a.job);
    for (const auto& one : a.set)
      if (auto ok = s.set_assignment(one); !ok) return problem(ok.error());
    std::string pattern = (std::filesystem::temp_directory_path() / "ww-probe-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      return problem({"cannot make a folder", pattern, "set TMPDIR"});
    auto spec = backup::read_probe(s, std::filesystem::current_path().string(), pattern);
    const int code = spec ? look(*spec) : problem(spec.error());
    std::error_code ec;
    std::filesystem::remove_all(pattern, ec);
    return code;
  }
  if (a.config.empty())
    return problem({"nothing to look at", "probe", "give --config FILE, or --tool and --set"});
  auto config = read_run_config(a.config);
  if (!config) return problem(config.error());
  int code = 0;
  bool any = false;
  for (const auto& spec : config->probes) {
    if (!a.asset.empty() && spec.asset != a.asset) continue;
    if (!a.job.empty() && spec.job != a.job) continue;
    any = true;
    code = std::max(code, look(spec));
  }
  if (!any)
    return problem({"no probe of that asset and job", a.config, "see backup.probes in the file"});
  return code;
}

const CommandRegistration registration{{
    .name = "probe",
    .summary = "look at backups once and print the events",
    .setup =
        [](cli::Command app) {
          auto a = std::make_shared<Arguments>();
          app.add_option("--config", a->config, "sensor configuration: its backup.probes");
          app.add_option("--asset", a->asset, "only probes of this asset");
          app.add_option("--job", a->job, "only this job");
          app.add_option("--tool", a->tool, "without a configuration: which tool");
          app.add_option("--set", a->set, "without a configuration: KEY=VALUE of the probe");
          app.add_flag("--list", a->list, "the tools and their keys");
          return [a] { return run(*a); };
        },
}};

}  // namespace
}  // namespace ww::sensor
