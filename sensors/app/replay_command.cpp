/// `wardwatch-sensor replay FILE...`: captures in, EVE out.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <set>

#include "sensors/app/command.hpp"
#include "sensors/app/run_config.hpp"
#include "sensors/host/huge_pages.hpp"
#include "sensors/host/sandbox.hpp"
#include "sensors/pipeline/replay.hpp"
#include "sensors/setup/options.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::sensor {
namespace {

struct Arguments {
  CommonArguments common;
  std::vector<std::string> files, reading;  // as arguments, and with -r
  std::string eve = "eve.json", config, runmode, data_dir, log_dir, buffer, filter_file;
  std::string user, group, reject_interface, pid_file;
  std::size_t workers = 0;  // not given: 1, or what the configuration says
  bool quiet = false, simulate_ips = false;
  std::optional<cli::Command> app;
};

int problem(const Problem& p, int code) {
  std::fprintf(stderr, "wardwatch-sensor: %s\n", p.text().c_str());
  return code;
}

/// The BPF expression in a file, comments (#) left out.
Result<std::string, Problem> read_filter(const std::string& path) {
  std::string out;
  if (path.empty()) return out;
  std::ifstream in(path);
  if (!in) return fail(Problem{"cannot read the filter", path, "check the -F path"});
  for (std::string line; std::getline(in, line); out += '\n') out += line.substr(0, line.find('#'));
  return out;
}

/// What the live sensor would use, where the command line says nothing else.
Result<void, Problem> take_config(Arguments& a) {
  if (a.config.empty()) return {};
  auto config = read_run_config(a.config);
  if (!config) return fail(config.error());
  if (a.common.rules.empty()) a.common.rules = config->rules;
  if (a.common.suricata_yaml.empty()) a.common.suricata_yaml = config->suricata_yaml;
  if (a.common.checksums.empty() && config->checksums != "auto")
    a.common.checksums = config->checksums;
  if (a.workers == 0) a.workers = config->workers;
  // A variable of the command line comes later and counts.
  a.common.vars.insert(a.common.vars.begin(), config->vars.begin(), config->vars.end());
  return {};
}

/// As with Suricata a BPF expression may stand behind everything else: from the first word on that
/// begins one and is no file. @return the expression, taken out of the captures
std::string trailing_filter(std::vector<std::string>& files) {
  static const std::set<std::string, std::less<>> first = {
      "tcp",     "udp",       "icmp",      "icmp6",   "ip",      "ip6",       "arp",
      "rarp",    "ether",     "vlan",      "mpls",    "pppoes",  "host",      "net",
      "port",    "src",       "dst",       "not",     "proto",   "sctp",      "less",
      "greater", "gateway",   "len",       "geneve",  "igmp",    "portrange", "esp",
      "ah",      "broadcast", "multicast", "inbound", "outbound"};
  std::string out;
  for (std::size_t i = 1; i < files.size(); ++i) {
    const auto word = files[i].substr(0, files[i].find_first_of(" [("));
    const bool begins =
        first.contains(word) || files[i].starts_with('(') || files[i].starts_with('!');
    if (!begins || ::access(files[i].c_str(), F_OK) == 0) continue;
    for (auto rest = i; rest < files.size(); ++rest) out += (out.empty() ? "" : " ") + files[rest];
    files.resize(i);
    break;
  }
  return out;
}

int run(Arguments a) {
  a.files.insert(a.files.begin(), a.reading.begin(), a.reading.end());
  if (a.files.empty())
    return problem(Problem{"no captures are named", "replay",
                           "name files or folders, or - for standard input"},
                   2);
  if (auto ok = take_config(a); !ok) return problem(ok.error(), 2);
  auto settings = load_suricata_settings(a.common);
  if (!settings) return problem(settings.error(), 2);
  name_unknown(*settings, [](const std::string& line) {
    std::fprintf(stderr, "wardwatch-sensor: %s\n", line.c_str());
  });
  // As if packets waited for the verdict: Suricata derives the stream's mode from that.
  if (a.simulate_ips && settings->text_or("stream.inline", "auto") == "auto")
    settings->set("stream.inline", "yes");
  std::vector<std::string> ignored;
  if (!a.runmode.empty()) ignored.push_back("--runmode");
  if (!a.data_dir.empty()) ignored.push_back("--data-dir");
  if (!a.log_dir.empty()) ignored.push_back("-l");
  if (!a.buffer.empty()) ignored.push_back("--pcap-file-buffer-size");
  if (!a.group.empty()) ignored.push_back("--group");
  if (!a.reject_interface.empty()) ignored.push_back("--reject-dev");
  if (!a.pid_file.empty()) ignored.push_back("--pidfile");
  for (const auto& option : a.app->remaining()) {
    if (!option.starts_with("-"))
      return problem(Problem{"unexpected argument", option, "see wardwatch-sensor replay --help"},
                     2);
    ignored.push_back(option);
  }

  auto filter = read_filter(a.filter_file);
  if (!filter) return problem(filter.error(), 2);
  if (const auto trailing = trailing_filter(a.files); !trailing.empty()) {
    if (!a.filter_file.empty())
      return problem(Problem{"a filter is given twice", "-F " + a.filter_file + " and " + trailing,
                             "give one of them"},
                     2);
    *filter = trailing;
  }
  auto source = capture::open_files(a.files, {.filter = *filter});
  if (!source) return problem(source.error(), 2);
  prefer_huge_pages();
  auto engine = load_rules(a.common, *settings, 20);
  if (!engine) return problem(engine.error(), 2);

  if (a.eve != "-") {
    const auto slash = a.eve.rfind('/');
    settings->set("default-log-dir", slash == std::string::npos ? "." : a.eve.substr(0, slash));
  }
  if (*engine) settle_auto(*settings, **engine);
  PipelineShared shared(*settings);
  shared.workers = std::max<std::size_t>(a.workers, 1);
  shared.flows.sweep_from =
      10'000;  // short captures end before Suricata's flow manager would have looked
  auto mode = a.common.checksums;
  if (mode.empty()) mode = settings->text_or("pcap-file.checksum-checks", "auto");
  shared.checksums = mode == "none" || mode == "no"   ? decode::ChecksumMode::none
                     : mode == "all" || mode == "yes" ? decode::ChecksumMode::all
                                                      : decode::ChecksumMode::automatic;
  std::atomic_flag said;
  shared.on_checksums = [&](const decode::ChecksumFinding& f) {
    if (!a.quiet && !f.verified && !said.test_and_set())
      std::fprintf(stderr, "%s\n", decode::checksum_finding_text(f).c_str());
  };
  if (*engine) {
    shared.files.md5 = shared.files.md5 || (*engine)->wants_md5();
    shared.files.sha1 = shared.files.sha1 || (*engine)->wants_sha1();
    shared.files.sha256 = shared.files.sha256 || (*engine)->wants_sha256();
    shared.files.magic = shared.files.magic || (*engine)->wants_magic();
  } else {
    shared.files.window = 0;  // nobody will look at bodies
  }
  auto sinks = open_outputs(shared.eve, a.eve);
  if (!sinks) return problem(sinks.error(), 2);
  if (!a.user.empty()) {
    SandboxOptions sandbox;
    sandbox.user = a.user;
    sandbox.system_calls = false;
    if (auto report = enter_sandbox(sandbox); !report) return problem(report.error(), 2);
  }

  const bool terminal = !a.quiet && ::isatty(2) == 1;
  auto shown = std::chrono::steady_clock::now();
  const auto started = shown;
  const auto result = replay(**source, shared, *sinks, *engine, [&](const ReplayProgress& p) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal || now - shown < std::chrono::milliseconds(200)) return;
    shown = now;
    std::fprintf(stderr, "\r\033[K%s: %llu packets, %llu MiB", p.file.c_str(),
                 static_cast<unsigned long long>(p.packets),
                 static_cast<unsigned long long>(p.octets >> 20));
  });
  if (terminal) std::fprintf(stderr, "\r\033[K");
  for (const auto& p : result.problems) problem(p, 1);
  std::uint64_t alerts = 0, events = 0, flows = 0;
  for (const auto& w : result.workers) {
    alerts += w.alerts;
    events += w.events_written;
    flows += w.flows.created;
  }
  if (!a.quiet) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    std::fprintf(stderr, "%llu packets, %llu flows, %llu events, %llu alerts in %.1f s\n",
                 static_cast<unsigned long long>(result.packets),
                 static_cast<unsigned long long>(flows), static_cast<unsigned long long>(events),
                 static_cast<unsigned long long>(alerts), took.count());
  }
  name_ignored(*settings, ignored);
  bool lost = false;
  for (const auto& sink : std::set<std::shared_ptr<EventSink>>(sinks->begin(), sinks->end()))
    if (const auto failure = sink ? sink->failure() : std::nullopt) {
      problem(*failure, 1);
      lost = true;
    }
  if (lost) return 1;
  return result.problems.empty() || result.packets != 0 ? 0 : 2;
}

const CommandRegistration registration{{
    .name = "replay",
    .summary = "read captures, write EVE, exit",
    .setup =
        [](cli::Command app) {
          auto a = std::make_shared<Arguments>();
          a->app = app;
          app.allow_extras();  // Suricata's other switches are named and ignored
          app.add_option("files", a->files,
                         "capture files (pcap, pcapng, also .gz and .zst), folders, or - for "
                         "standard input; a BPF expression may stand behind them");
          app.add_option("--rules,-s,-S", a->common.rules, "rule files or folders of *.rules")
              .one_value_each();
          app.add_option("--eve", a->eve, "where events go; - is standard output").show_default();
          app.add_option("--var", a->common.vars, "rule variable NAME=VALUE").one_value_each();
          app.add_option("--set", a->common.sets, "Suricata setting KEY=VALUE").one_value_each();
          app.add_option("-k", a->common.checksums, "checksums: none, auto or all");
          app.add_option(
              "--config", a->config,
              "sensor configuration (YAML): rules, vars, suricata_yaml, checksums, workers");
          app.add_option("--suricata-yaml,-c", a->common.suricata_yaml,
                         "Suricata configuration; empty file = defaults");
          app.add_option("--include", a->common.include,
                         "another Suricata configuration, whose sections replace those before it")
              .one_value_each();
          app.add_option("-F", a->filter_file, "file with a BPF filter");
          app.add_option("--workers", a->workers, "worker threads [1]").in_range(1, 64);
          app.add_option("--runmode", a->runmode, "accepted for Suricata's sake, without effect");
          app.add_option("--data-dir", a->data_dir, "accepted for Suricata's sake, without effect");
          app.add_option("-r", a->reading, "a capture, as with Suricata").one_value_each();
          app.add_option("--user", a->user, "become this user when everything is open");
          app.add_option("--group", a->group,
                         "accepted for Suricata's sake: the group is that of --user");
          app.add_option("--reject-dev", a->reject_interface,
                         "accepted for Suricata's sake: nothing is rejected on replay");
          app.add_option("--pidfile", a->pid_file, "accepted for Suricata's sake, without effect");
          app.add_option("-l", a->log_dir, "accepted for Suricata's sake, without effect");
          app.add_option("--pcap-file-buffer-size", a->buffer,
                         "accepted for Suricata's sake, without effect");
          app.add_flag("--simulate-ips", a->simulate_ips,
                       "inspect and record as if drop rules stopped packets");
          app.add_flag("-q,--quiet", a->quiet, "no summary");
          return [a] { return run(*a); };
        },
}};

}  // namespace
}  // namespace ww::sensor
