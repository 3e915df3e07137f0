#include "ctl/commands/offline_replay.hpp"

#include "ctl/commands/command.hpp"
#include "sensors/capture/source.hpp"
#include "sensors/pipeline/worker.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

class Discard final : public sensor::EventSink {
 public:
  void write(std::string_view) override {}
};

}  // namespace

void OfflineReplay::add_options(cli::Command command, bool by_name) {
  command.add_option(by_name ? "--capture" : "captures", captures, "capture files or folders")
      .required();
  auto rules = command.add_option("--rules", common.rules, "rule files or folders").required();
  if (!by_name) rules.one_value_each();
  command.add_option("--var", common.vars, "address or port variable, NAME=VALUE").one_value_each();
  command.add_option("--set", common.sets, "Suricata setting, KEY=VALUE").one_value_each();
  command.add_option("--suricata-yaml", common.suricata_yaml, "Suricata's own configuration");
  command.add_option("-k", common.checksums, "checksums: none, auto or all");
}

std::uint64_t OfflineReplay::run(const std::function<void(sig::Matcher&)>& begin,
                                 const std::function<void(std::uint64_t)>& packet) {
  auto settings = sensor::load_suricata_settings(common);
  if (!settings) throw Failure{Exit::usage, settings.error()};
  auto source = capture::open_files(captures);
  if (!source) throw Failure{Exit::usage, source.error()};
  auto loaded = sensor::load_rules(common, *settings, 20);
  if (!loaded) throw Failure{Exit::usage, loaded.error()};
  if (!*loaded || (*loaded)->rule_count() == 0)
    throw Failure{Exit::usage, {"no rules were loaded", "--rules", "name a file with rules in it"}};
  engine = *loaded;
  sensor::settle_auto(*settings, *engine);
  sensor::PipelineShared shared(*settings);
  shared.flows.sweep_from = 10'000;
  shared.checksums = common.checksums == "none"  ? decode::ChecksumMode::none
                     : common.checksums == "all" ? decode::ChecksumMode::all
                                                 : decode::ChecksumMode::automatic;
  shared.files.md5 = engine->wants_md5();
  shared.files.sha1 = engine->wants_sha1();
  shared.files.sha256 = engine->wants_sha256();
  shared.files.magic = engine->wants_magic();
  shared.files.store_folder.clear();  // looking must not write
  const std::vector<std::shared_ptr<sensor::EventSink>> sinks(shared.eve.outputs().size(),
                                                              std::make_shared<Discard>());
  sensor::Worker worker(shared, sinks, engine);
  begin(*worker.matcher());
  std::uint64_t packets = 0;
  capture::CapturedFrame frame;
  for (;;) {
    const auto read = (*source)->next(frame);
    if (!read) {
      std::fprintf(stderr, "wardwatchctl: %s\n", read.error().text().c_str());
      continue;
    }
    if (*read == capture::Read::end) break;
    if (*read == capture::Read::idle) continue;
    ++packets;
    if (packet) packet(frame.number);
    worker.frame(frame.octets, frame.datalink, frame.time, frame.number, frame.interface_index);
  }
  worker.finish();
  return packets;
}

}  // namespace ww::ctl
