/// `wardwatch-sensor run|check|enrol`: the live sensor. Capture threads feed workers, the log
/// thread reads its inputs, all events go through the sink into the spool, the uplink sends them.
#include <net/if.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "sensors/app/command.hpp"
#include "sensors/app/metrics_server.hpp"
#include "sensors/app/run_config.hpp"
#include "sensors/backup/backup_service.hpp"
#include "sensors/drills/agent.hpp"
#include "sensors/host/huge_pages.hpp"
#include "sensors/host/sandbox.hpp"
#include "sensors/logs/log_service.hpp"
#include "sensors/pipeline/replay.hpp"
#include "sensors/pipeline/stats_record.hpp"
#include "sensors/privacy/privacy.hpp"
#include "sensors/setup/options.hpp"
#include "sensors/uplink/event_sink.hpp"
#include "sensors/uplink/uplink.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/net/enrol.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {
namespace {

int problem(const Problem& p, int code) {
  std::fprintf(stderr, "wardwatch-sensor: %s\n", p.text().c_str());
  return code;
}

/// EVE lines of the workers into the spool. Packets cannot wait: what the spool refuses is dropped
/// and counted.
class SpoolEve final : public EventSink {
 public:
  /// @param drill  a drill run: everything is marked as its rehearsal
  explicit SpoolEve(ww::EventSink& sink, std::string drill = {})
      : sink_(sink), drill_(std::move(drill)) {}
  void write(std::string_view lines) override {
    thread_local EventGroup group;
    group.clear();
    group.drill = drill_;
    group.lines = lines;
    group.events = static_cast<std::uint32_t>(std::count(lines.begin(), lines.end(), '\n'));
    if (!sink_.submit(group)) dropped_.fetch_add(group.events, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  ww::EventSink& sink_;
  std::string drill_;
  std::atomic<std::uint64_t> dropped_{0};
};

/// One source of frames with its dispatcher, on a thread of its own.
struct CaptureLane {
  std::unique_ptr<capture::PacketSource> source;
  std::unique_ptr<Dispatcher> dispatcher;
  std::thread thread;
  std::atomic<bool> ended{false};
  std::mutex mutex;  // what follows
  capture::CaptureCounters counters;
  std::shared_ptr<const sig::Engine> next_engine;
  std::function<void(Timestamp now)> alive;  // called every second or so by this thread

  void run() {
    pthread_setname_np(pthread_self(), "capture");
    const SystemClock clock;
    capture::CapturedFrame frame;
    Timestamp beat;
    bool silent = false;  // since something that was said
    while (true) {
      auto r = source->next(frame);
      if (!r) {
        logging::error("{}", r.error().text());
        silent = true;
        continue;
      }
      if (*r == capture::Read::end) break;
      if (*r == capture::Read::frame) {
        if (std::exchange(silent, false) && alive)
          logging::info("interface {}: captures again", source->name());
        dispatcher->frame(frame);
      }
      if (*r == capture::Read::idle || (++since_look_ & 0xFFF) == 0) {
        const auto now = clock.now();
        if (*r == capture::Read::idle || now - beat > std::chrono::seconds(1)) {
          beat = now;
          look();
          if (alive) alive(now);
          if (*r == capture::Read::idle) dispatcher->idle(now);
        }
      }
    }
    dispatcher->finish();
    look();
    ended = true;
  }

 private:
  void look() {
    std::shared_ptr<const sig::Engine> engine;
    {
      const std::lock_guard lock(mutex);
      counters = source->counters();
      engine = std::move(next_engine);
    }
    if (engine) dispatcher->replace_engine(std::move(engine));
  }
  std::uint32_t since_look_ = 0;
};

struct Sensor {
  RunConfig config;
  SystemClock clock;
  std::unique_ptr<Spool> spool;
  std::unique_ptr<Privacy> privacy;
  std::unique_ptr<SpoolSink> sink;
  std::unique_ptr<LogService> logs;
  std::unique_ptr<backup::BackupService> backups;
  std::unique_ptr<drills::DrillAgent> drills;
  std::shared_ptr<SpoolEve> eve;
  std::unique_ptr<PipelineShared> shared;
  std::shared_ptr<const sig::Engine> engine;
  std::vector<std::unique_ptr<CaptureLane>> lanes;
  std::unique_ptr<Uplink> uplink;
  std::unique_ptr<StatsRecorder> stats;
  Timestamp started, next_stats;
  std::atomic<bool> given_up_{false};

  Result<void, Problem> open() {
    std::string site = config.site, name = config.sensor;
    if (config.to_collector) {
      auto identity = net::load_identity(config.identity_folder);
      if (!identity) return fail(identity.error());
      if (!*identity)
        return fail(Problem{"this sensor has no identity yet", config.identity_folder,
                            "run wardwatch-sensor enrol --config FILE --token TOKEN (the token "
                            "comes from wardwatchctl enrol)"});
      site = (*identity)->site;
      name = (*identity)->sensor;
    }
    if (::mkdir(config.data_folder.c_str(), 0700) != 0 && errno != EEXIST)
      return fail(Problem{std::string("cannot make the data folder: ") + std::strerror(errno),
                          config.data_folder, "make its parent folder"});
    auto opened = Spool::open(config.spool, clock);
    if (!opened) return fail(opened.error());
    spool = std::move(*opened);
    if (const auto damages = spool->stats().corrupt_records; damages > 0)
      logging::warn(
          "{}: the spool is damaged in {} places; what can be read is sent, the collector is told "
          "what "
          "is lost; check the disk",
          config.spool.folder, damages);
    if (!config.privacy_key_file.empty()) {
      auto made = Privacy::from_key_file(config.privacy_key_file);
      if (!made) return fail(made.error());
      privacy = std::move(*made);
    }
    sink = SpoolSink::make({site, name, config.spool.sync_interval}, *spool, privacy.get(), clock);
    if (config.has_logs) {
      auto made = LogService::make(config.logs, *sink, clock);
      if (!made) return fail(made.error());
      logs = std::move(*made);
    }
    if (!config.probes.empty()) {
      auto made = backup::BackupService::make(config.probes, *sink, clock, config.probe_workers);
      if (!made) return fail(made.error());
      backups = std::move(*made);
    }
    if (auto ok = open_capture(); !ok) return ok;
    if (config.to_collector) {
      auto made = Uplink::make(config.uplink, *spool, *sink, clock,
                               [this](JsonWriter& json) { status(json); });
      if (!made) return fail(made.error());
      uplink = std::move(*made);
    }
    return open_drills(site, name);
  }

  /// Heartbeats of every source, and orders when the configuration allows them.
  Result<void, Problem> open_drills(const std::string& site, const std::string& name) {
    drills::AgentOptions a;
    a.config = config.drills;
    a.site = site;
    a.sensor = name;
    a.sources = {"sensor"};
    const auto beat = [this](const std::string& source) {
      sink->submit_or_drop(drills::heartbeat_line(source, config.drills.heartbeat, clock.now()),
                           "heartbeat");
    };
    if (logs) {
      for (auto& s : logs->sources()) a.sources.push_back(std::move(s));
      logs->on_beat(config.drills.heartbeat, beat);
    }
    for (std::size_t i = 0; i < config.interfaces.size() && i < lanes.size(); ++i) {
      const auto source = "capture:" + config.interfaces[i].interface;
      a.sources.push_back(source);
      lanes[i]->alive = [beat, source, next = Timestamp{},
                         interval = config.drills.heartbeat](Timestamp now) mutable {
        if (now < next) return;
        next = now + interval;
        beat(source);
      };
    }
    if (config.to_collector && config.drills.orders) {
      const auto identity = net::load_identity(config.identity_folder);
      if (!identity) return fail(identity.error());
      std::ifstream in((*identity)->ca_file, std::ios::binary);
      a.authority_pem.assign(std::istreambuf_iterator<char>(in), {});
      // Read at each connection: the certificate is renewed now and then.
      a.connect = [this]() -> Result<std::unique_ptr<http::Client>, http::ClientError> {
        const auto now = net::load_identity(config.identity_folder);
        if (!now || !*now)
          return fail(http::ClientError{http::ClientErrc::configuration,
                                        {"no identity", config.identity_folder, "enrol again"}});
        http::ClientOptions c;
        c.url = config.uplink.url.empty() ? (*now)->url : config.uplink.url;
        c.ca_file = (*now)->ca_file;
        c.own_authority = true;
        c.cert_file = (*now)->cert_file;
        c.key_file = (*now)->key_file;
        c.timeout = config.uplink.timeout;
        c.user_agent = "wardwatch-sensor";
        c.max_response_octets = 20U << 20;
        return http::Client::create(c);
      };
    }
    a.frames = [this](capture::PacketSource& source, const std::string& run) {
      return play_frames(source, run);
    };
    drills = drills::DrillAgent::make(std::move(a), *sink, clock);
    return {};
  }

  /// Frames of a rehearsal through a pipeline of their own: same settings and rules, other flows.
  Result<std::uint64_t, std::string> play_frames(capture::PacketSource& source,
                                                 const std::string& run) {
    CommonArguments arguments;
    arguments.rules = config.rules;
    arguments.vars = config.vars;
    arguments.suricata_yaml = config.suricata_yaml;
    const auto settings = load_suricata_settings(arguments);
    if (!settings) return fail(settings.error().text());
    auto rules = std::atomic_load(&engine);
    if (!rules && !config.rules.empty()) {
      auto loaded = load_rules(arguments, *settings, 0);
      if (!loaded) return fail(loaded.error().text());
      rules = *loaded;
    }
    PipelineShared own(*settings);
    if (own.eve.outputs().size() > 1) own.eve.outputs().resize(1);
    for (auto& o : own.eve.outputs()) o.stats = false;  // a rehearsal is no part of the counts
    const std::vector<std::shared_ptr<EventSink>> sinks(
        std::max<std::size_t>(1, own.eve.outputs().size()), std::make_shared<SpoolEve>(*sink, run));
    const auto done = replay(source, own, sinks, rules);
    if (!done.problems.empty()) return fail(done.problems.front().text());
    return done.packets;
  }

  std::function<void(const std::string&)> say_unknown = [](const std::string& line) {
    logging::warn("{}", line);
  };

  Result<void, Problem> load_engine() {
    CommonArguments a;
    a.rules = config.rules;
    a.vars = config.vars;
    a.suricata_yaml = config.suricata_yaml;
    auto settings = load_suricata_settings(a);
    if (!settings) return fail(settings.error());
    name_unknown(*settings, say_unknown);
    if (!shared) prefer_huge_pages();
    auto loaded = load_rules(a, *settings, 20);
    if (!loaded) return fail(loaded.error());
    std::atomic_store(&engine, *loaded);
    if (!shared) {
      if (engine) settle_auto(*settings, *engine);
      shared = std::make_unique<PipelineShared>(*settings);
      shared->workers = config.workers;
      shared->live = config.capture_files.empty();
      shared->checksums = config.checksums == "none"  ? decode::ChecksumMode::none
                          : config.checksums == "all" ? decode::ChecksumMode::all
                          : config.interfaces.empty() ? decode::ChecksumMode::automatic
                                                      : decode::ChecksumMode::live;
      shared->on_checksums = [said = std::make_shared<std::array<std::atomic_flag, 2>>()](
                                 const decode::ChecksumFinding& f) {
        // Once for each outcome, however many workers come to it.
        const auto text = decode::checksum_finding_text(f);
        if (!text.empty() && !(*said)[f.verified ? 1 : 0].test_and_set()) logging::warn("{}", text);
      };
      if (engine) {
        shared->files.md5 = shared->files.md5 || engine->wants_md5();
        shared->files.sha1 = shared->files.sha1 || engine->wants_sha1();
        shared->files.sha256 = shared->files.sha256 || engine->wants_sha256();
        shared->files.magic = shared->files.magic || engine->wants_magic();
      }
      if (shared->eve.outputs().size() > 1)
        shared->eve.outputs().resize(1);  // everything goes into the one spool
      // The collector gets its figures with the heartbeat; records only for those who ask.
      if (config.suricata_yaml.empty())
        for (auto& o : shared->eve.outputs()) o.stats = false;
    }
    return {};
  }

  Result<void, Problem> open_capture() {
    if (config.interfaces.empty() && config.capture_files.empty()) return {};
    if (auto ok = load_engine(); !ok) return ok;
    eve = std::make_shared<SpoolEve>(*sink);
    const auto add = [&](std::unique_ptr<capture::PacketSource> source) {
      auto lane = std::make_unique<CaptureLane>();
      lane->source = std::move(source);
      lanes.push_back(std::move(lane));
    };
    for (const auto& i : config.interfaces) {
      auto source = capture::open_live(i);
      if (!source) return fail(source.error());
      add(std::move(*source));
    }
    if (!config.capture_files.empty()) {
      auto source = capture::open_files(config.capture_files);
      if (!source) return fail(source.error());
      add(std::move(*source));
    }
    return {};
  }

  void start(bool once) {
    sink->start();
    if (!lanes.empty()) {
      const std::vector<std::shared_ptr<EventSink>> sinks(
          std::max<std::size_t>(1, shared->eve.outputs().size()), eve);
      std::vector<std::string> names;
      for (const auto& i : config.interfaces) names.push_back(i.interface);
      for (auto& lane : lanes) {
        lane->dispatcher = std::make_unique<Dispatcher>(*shared, sinks, engine);
        if (!names.empty()) lane->dispatcher->set_interfaces(names);
      }
    }
    if (!lanes.empty()) {
      stats = std::make_unique<StatsRecorder>(*shared);
      started = clock.now();
      next_stats = started + stats->interval();
    }
    if (uplink) uplink->start();
    if (drills && !once) drills->start();
    if (logs) logs->start();
    if (backups && !once) backups->start();
    for (auto& lane : lanes) lane->thread = std::thread([l = lane.get()] { l->run(); });
  }

  /// A `stats` record when it is time for one, or `final`. Main thread.
  /// @return when to call next
  Timestamp write_stats(bool final) {
    const auto now = clock.now();
    if (!stats || !stats->wanted()) return now + std::chrono::hours(1);
    if (!final && now < next_stats) return next_stats;
    const auto recorder = final ? std::exchange(stats, nullptr) : nullptr;  // there is one last
    auto& to = recorder ? *recorder : *stats;
    next_stats = std::max(next_stats + to.interval(), now);
    const auto rules = std::atomic_load(&engine);
    StatsInput in{now,
                  std::chrono::duration_cast<std::chrono::seconds>(now - started),
                  {},
                  nullptr,
                  rules.get()};
    capture::CaptureCounters frames;
    for (auto& lane : lanes) {
      for (auto& w : lane->dispatcher->counters()) in.workers.push_back(std::move(w));
      const std::lock_guard lock(lane->mutex);
      frames.kernel_packets += lane->counters.kernel_packets;
      frames.kernel_drops += lane->counters.kernel_drops;
      frames.interface_drops += lane->counters.interface_drops;
    }
    if (!config.interfaces.empty()) in.capture = &frames;
    to.write(std::vector<std::shared_ptr<EventSink>>(shared->eve.outputs().size(), eve), in);
    return next_stats;
  }

  /// For --once: until captures, logs and backups are read and the collector has everything, or a
  /// signal. @return the exit code
  int to_the_end(const sigset_t& signals, bool& interrupted) {
    std::atomic<int> code{0};
    std::atomic<bool> over{false};
    // Each step may take its time; this thread stays free to hear Ctrl-C.
    std::thread work([&] {
      for (auto& lane : lanes)
        if (lane->thread.joinable()) lane->thread.join();
      (void)write_stats(true);
      if (logs) logs->drain();
      if (backups && !given_up_) backups->look_at_all();
      if (uplink && !uplink->drain(std::chrono::minutes(10))) code = 3;
      over = true;
    });
    while (!over) {
      const timespec a_moment{0, 50'000'000};
      const int s = ::sigtimedwait(&signals, nullptr, &a_moment);
      if (s != SIGINT && s != SIGTERM) continue;
      interrupted = given_up_ = true;
      for (auto& lane : lanes) lane->source->stop();
      if (logs) logs->stop();
      if (backups) backups->stop();
      if (uplink) uplink->stop();
      break;
    }
    work.join();
    return interrupted ? 1 : code.load();
  }

  void stop() {
    for (auto& lane : lanes) lane->source->stop();
    for (auto& lane : lanes)
      if (lane->thread.joinable()) lane->thread.join();
    (void)write_stats(true);
    if (drills) drills->stop();
    if (backups) backups->stop();
    if (logs) logs->stop();
    (void)sink->sync();
    // What is spooled may go out now; the rest waits for the next start.
    if (uplink) {
      (void)uplink->drain(std::chrono::seconds(2));
      uplink->stop();
    }
  }

  /// "21 rules (2 refused)", or why there are none.
  [[nodiscard]] std::string rules_text() const {
    const auto rules = std::atomic_load(&engine);
    if (!rules) return "no signature rules";
    const auto f = rules->figures();
    return std::to_string(f.rules) + " signature rules (" + std::to_string(f.refused) + " refused)";
  }
  /// All of them refused: a wrong variable, or files that hold something else.
  [[nodiscard]] bool no_rule_usable() const {
    const auto rules = std::atomic_load(&engine);
    return rules && rules->figures().rules == 0 && rules->figures().refused > 0;
  }

  void reload() {
    const auto said_again = config.text != Settings::file_text(config.file)
                                ? "; " + config.file +
                                      " has changed since the start: only what "
                                      "its rule files hold is taken now, the rest at a restart"
                                : std::string();
    if (lanes.empty()) {
      logging::info("reload: no packets are watched, so there are no rules to read{}", said_again);
      return;
    }
    if (auto ok = load_engine(); !ok) {
      logging::error("reload: {}; the rules before stay", ok.error().text());
      return;
    }
    for (auto& lane : lanes) {
      const std::lock_guard lock(lane->mutex);
      lane->next_engine = engine;
    }
    logging::info("reload: {} read again{}", rules_text(), said_again);
    if (no_rule_usable()) logging::error("no rule can be used: nothing is detected in packets");
  }

  [[nodiscard]] bool files_ended() const {
    return !lanes.empty() &&
           std::all_of(lanes.begin(), lanes.end(), [](const auto& l) { return l->ended.load(); });
  }

  void status(JsonWriter& json) {
    if (logs) {
      const auto s = logs->stats();
      json.begin_object("logs");
      json.field("lines", s.lines);
      json.field("octets", s.octets);
      json.field("events", s.events);
      json.field("unparsed", s.unparsed);
      json.field("dropped", s.dropped);
      json.field("files", s.files);
      json.end_object();
    }
    if (backups) {
      const auto s = backups->stats();
      json.begin_object("backup");
      json.field("probes", s.probes);
      json.field("looks", s.looks);
      json.field("failed", s.failed);
      json.field("refused", s.refused);
      json.end_object();
    }
    if (!lanes.empty()) {
      capture::CaptureCounters sum;
      std::uint64_t alerts = 0, flows = 0;
      for (auto& lane : lanes) {
        {
          const std::lock_guard lock(lane->mutex);
          sum.packets += lane->counters.packets;
          sum.octets += lane->counters.octets;
          sum.kernel_drops += lane->counters.kernel_drops;
          sum.interface_drops += lane->counters.interface_drops;
        }
        for (const auto& w : lane->dispatcher->counters()) {
          alerts += w.alerts;
          flows += w.flows_active;
        }
      }
      json.begin_object("capture");
      json.field("packets", sum.packets);
      json.field("octets", sum.octets);
      json.field("kernel_drops", sum.kernel_drops);
      json.field("interface_drops", sum.interface_drops);
      json.field("flows_active", flows);
      json.field("alerts", alerts);
      json.field("events_dropped", eve ? eve->dropped() : 0);
      json.end_object();
    }
  }

  /// Prometheus text. Any thread.
  std::string render_metrics() {
    std::string out =
        "# TYPE wardwatch_build_info gauge\n"
        "wardwatch_build_info{component=\"sensor\",version=\"" WARDWATCH_VERSION "\"} 1\n";
    const auto put = [&](const char* name, const char* type, std::uint64_t value) {
      out += std::string("# TYPE ") + name + " " + type + "\n" + name + " " +
             std::to_string(value) + "\n";
    };
    const auto s = spool->stats();
    const auto now = clock.now();
    put("wardwatch_sensor_spool_bytes", "gauge", s.octets);
    put("wardwatch_sensor_spool_oldest_age_seconds", "gauge",
        s.oldest.us == 0 ? 0
                         : static_cast<std::uint64_t>(
                               std::max<std::int64_t>(0, (now - s.oldest).count() / 1'000'000)));
    put("wardwatch_sensor_spool_shed_events_total", "counter", s.shed_events);
    put("wardwatch_sensor_spool_corrupt_records_total", "counter", s.corrupt_records);
    put("wardwatch_sensor_spool_write_errors_total", "counter", s.write_errors);
    put("wardwatch_sensor_events_total", "counter", sink->stats().events);
    if (uplink) {
      const auto u = uplink->stats();
      put("wardwatch_sensor_uplink_batches_total", "counter", u.batches);
      put("wardwatch_sensor_uplink_retries_total", "counter", u.retries);
      put("wardwatch_sensor_uplink_bytes_total", "counter", u.octets);
      put("wardwatch_sensor_uplink_connected", "gauge", u.state == "connected" ? 1 : 0);
    }
    if (logs) {
      const auto l = logs->stats();
      put("wardwatch_sensor_log_lines_total", "counter", l.lines);
      put("wardwatch_sensor_log_unparsed_total", "counter", l.unparsed);
      put("wardwatch_sensor_log_dropped_total", "counter", l.dropped);
    }
    if (backups) {
      const auto b = backups->stats();
      put("wardwatch_sensor_backup_probes", "gauge", b.probes);
      put("wardwatch_sensor_backup_looks_total", "counter", b.looks);
      put("wardwatch_sensor_backup_look_failures_total", "counter", b.failed);
    }
    if (!lanes.empty()) {
      std::uint64_t packets = 0, octets = 0, drops = 0, interface_drops = 0;
      for (auto& lane : lanes) {
        const std::lock_guard lock(lane->mutex);
        packets += lane->counters.packets;
        octets += lane->counters.octets;
        drops += lane->counters.kernel_drops;
        interface_drops += lane->counters.interface_drops;
      }
      put("wardwatch_sensor_packets_total", "counter", packets);
      put("wardwatch_sensor_bytes_total", "counter", octets);
      put("wardwatch_sensor_kernel_drops_total", "counter", drops);
      put("wardwatch_sensor_interface_drops_total", "counter", interface_drops);
      WorkerCounters sum;
      for (auto& lane : lanes)
        for (const auto& w : lane->dispatcher->counters()) {
          sum.flows_active += w.flows_active;
          sum.flow_emergency = sum.flow_emergency || w.flow_emergency;
          sum.flows.created += w.flows.created;
          sum.flows.ended_forced += w.flows.ended_forced;
          sum.alerts += w.alerts;
          sum.streams.memory_used += w.streams.memory_used;
          sum.streams.gaps += w.streams.gaps;
          sum.streams.segment_memory_refused += w.streams.segment_memory_refused;
          sum.streams.invalid_checksum += w.streams.invalid_checksum;
        }
      put("wardwatch_sensor_flows_active", "gauge", sum.flows_active);
      put("wardwatch_sensor_flows_total", "counter", sum.flows.created);
      put("wardwatch_sensor_flows_forced_total", "counter", sum.flows.ended_forced);
      put("wardwatch_sensor_flow_emergency", "gauge", sum.flow_emergency ? 1 : 0);
      put("wardwatch_sensor_rule_matches_total", "counter", sum.alerts);
      put("wardwatch_sensor_reassembly_bytes", "gauge", sum.streams.memory_used);
      put("wardwatch_sensor_reassembly_refused_total", "counter",
          sum.streams.segment_memory_refused);
      put("wardwatch_sensor_stream_gaps_total", "counter", sum.streams.gaps);
      put("wardwatch_sensor_invalid_checksums_total", "counter", sum.streams.invalid_checksum);
    }
    return out;
  }
  /// For node_exporter's textfile collector; whole or not at all.
  void write_metrics() {
    if (config.metrics_file.empty()) return;
    if (auto ok = net::write_file(config.metrics_file, render_metrics(), 0644); !ok)
      logging::warn("{}", ok.error().text());
  }
};

/// The data folder was made with privileges and is used without.
Result<void, Problem> give_to_user(const RunConfig& c) {
  if (c.user.empty() || ::geteuid() != 0) return {};
  const passwd* user = ::getpwnam(c.user.c_str());
  if (user == nullptr)
    return fail(
        Problem{"no such user", "user: " + c.user, "create it: adduser --system " + c.user});
  std::vector<std::string> paths{c.data_folder, c.spool.folder, c.identity_folder};
  if (!c.probes.empty()) paths.push_back(c.data_folder + "/backup");
  if (c.drills.orders && ::mkdir(c.drills.scratch.c_str(), 0700) == 0)
    paths.push_back(c.drills.scratch);
  for (std::size_t i = 0, folders = paths.size(); i < folders; ++i) {
    std::error_code ec;
    for (std::filesystem::directory_iterator it(paths[i], ec), end; !ec && it != end;
         it.increment(ec))
      paths.push_back(it->path().string());
  }
  for (const auto& path : paths)
    if (::lchown(path.c_str(), user->pw_uid, user->pw_gid) != 0 && errno != ENOENT)
      return fail(Problem{std::string("cannot give it to the user: ") + std::strerror(errno), path,
                          "check the owner"});
  return {};
}

/// What a start would find missing on this machine, without opening any of it.
Result<void, Problem> check_surroundings(const RunConfig& c) {
  if (!c.user.empty() && ::getpwnam(c.user.c_str()) == nullptr)
    return fail(
        Problem{"no such user", "user: " + c.user, "create it: adduser --system " + c.user});
  if (!c.privacy_key_file.empty())
    if (auto key = Privacy::from_key_file(c.privacy_key_file); !key) return fail(key.error());
  for (const auto& i : c.interfaces)
    if (i.interface != "any" && ::if_nametoindex(i.interface.c_str()) == 0)
      return fail(Problem{"no such interface on this machine", "interface " + i.interface,
                          "correct capture.interfaces; ip link names them"});
  if (!c.capture_files.empty())
    if (auto files = capture::open_files(c.capture_files); !files) return fail(files.error());
  return {};
}

int run(const std::string& file, bool once) {
  auto config = read_run_config(file);
  if (!config) return problem(config.error(), 2);
  sigset_t wanted;  // blocked before any thread starts; the main thread takes them
  sigemptyset(&wanted);
  for (const int s : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&wanted, s);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  rlimit files{};  // many tailed files and senders: as many descriptors as we may have
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  Sensor sensor;
  sensor.config = std::move(*config);
  if (auto ok = sensor.open(); !ok) return problem(ok.error(), 2);
  MetricsServer metrics([&sensor] { return sensor.render_metrics(); });
  if (!sensor.config.metrics_listen.empty())
    if (auto ok = metrics.open(sensor.config.metrics_listen); !ok) return problem(ok.error(), 2);
  // Sockets and files are open, and this is still the only thread.
  if (auto ok = give_to_user(sensor.config); !ok) return problem(ok.error(), 2);
  SandboxOptions sandbox;
  sandbox.user = sensor.config.user;
  sandbox.keep_net_raw = !sensor.config.interfaces.empty();
  sandbox.allow_exec = !sensor.config.probes.empty();  // restore drills use the probes' tools
  if (auto report = enter_sandbox(sandbox); !report) return problem(report.error(), 2);
  sensor.start(once);
  if (!sensor.config.metrics_listen.empty()) metrics.start();
  logging::info("running: {} interfaces, {} capture files{}{}", sensor.config.interfaces.size(),
                sensor.config.capture_files.size(), sensor.logs ? ", logs" : "",
                sensor.lanes.empty() ? "" : ", " + sensor.rules_text());
  if (sensor.no_rule_usable())
    logging::error("no rule can be used: nothing is detected in packets");
  int code = 0;
  bool interrupted = false;
  if (once) {
    code = sensor.to_the_end(wanted, interrupted);
  } else {
    auto stats_at = sensor.write_stats(false);
    while (true) {
      constexpr std::int64_t metrics_us = 15'000'000;
      const auto wait =
          std::clamp<std::int64_t>((stats_at - sensor.clock.now()).count(), 0, metrics_us);
      const timespec interval{static_cast<time_t>(wait / 1'000'000),
                              static_cast<long>(wait % 1'000'000 * 1000)};
      const int s = ::sigtimedwait(&wanted, nullptr, &interval);
      if (s == SIGHUP)
        sensor.reload();
      else if (s > 0)
        break;
      sensor.write_metrics();
      stats_at = sensor.write_stats(false);
    }
  }
  metrics.stop();
  sensor.stop();
  sensor.write_metrics();
  if (interrupted)
    std::fprintf(stderr,
                 "wardwatch-sensor: stopped before the end; what was read is in the spool (%s) and "
                 "goes out at the next start\n",
                 sensor.config.spool.folder.c_str());
  else if (code == 3)
    std::fprintf(
        stderr,
        "wardwatch-sensor: not everything reached the collector: %s; it waits in the spool\n",
        sensor.uplink->stats().last_error.c_str());
  return code;
}

const CommandRegistration run_registration{{
    .name = "run",
    .summary = "watch live: packets, logs; send to the collector",
    .setup =
        [](cli::Command app) {
          auto file = std::make_shared<std::string>();
          auto once = std::make_shared<bool>(false);
          app.add_option("--config", *file, "sensor configuration (YAML)").required();
          app.add_flag("--once", *once,
                       "end when captures and log files are read and everything is acknowledged");
          return [file, once] { return run(*file, *once); };
        },
}};

const CommandRegistration check_registration{{
    .name = "check",
    .summary = "read the configuration and the rules, say what is wrong",
    .setup =
        [](cli::Command app) {
          auto file = std::make_shared<std::string>();
          app.add_option("--config", *file, "sensor configuration (YAML)").required();
          return [file] {
            auto config = read_run_config(*file);
            if (!config) return problem(config.error(), 2);
            Sensor sensor;
            sensor.config = std::move(*config);
            sensor.say_unknown = [](const std::string& line) {
              std::fprintf(stderr, "wardwatch-sensor: %s\n", line.c_str());
            };
            if (auto ok = check_surroundings(sensor.config); !ok) return problem(ok.error(), 2);
            if (!sensor.config.rules.empty() || !sensor.config.suricata_yaml.empty())
              if (auto ok = sensor.load_engine(); !ok) return problem(ok.error(), 2);
            if (sensor.no_rule_usable())
              return problem({"no rule can be used: all " +
                                  std::to_string(sensor.engine->figures().refused) + " are refused",
                              *file, "correct rules and vars"},
                             2);
            std::printf("%s: the configuration is good%s\n", file->c_str(),
                        sensor.config.rules.empty() ? "" : ("; " + sensor.rules_text()).c_str());
            return 0;
          };
        },
}};

struct EnrolArguments {
  std::string config, folder, url, token, token_file;
};

int enrol(const EnrolArguments& a) {
  auto folder = a.folder;
  auto url = a.url;
  if (!a.config.empty()) {
    auto config = read_run_config(a.config);
    if (!config) return problem(config.error(), 2);
    if (folder.empty()) folder = config->identity_folder;
    if (url.empty()) url = config->uplink.url;
  }
  auto token = a.token;
  if (!a.token_file.empty()) {
    std::ifstream in(a.token_file);
    if (!std::getline(in, token))
      return problem({"cannot read the token", a.token_file, "check the path"}, 2);
  }
  if (token.empty())
    if (const char* given = std::getenv("WARDWATCH_ENROL_TOKEN"); given != nullptr) token = given;
  if (folder.empty() || url.empty() || token.empty())
    return problem({"collector, folder and token are needed", "enrol",
                    "give --config (with collector.url) or --url and --folder, and --token"},
                   2);
  const auto slash = folder.rfind('/');
  if (slash != std::string::npos && slash > 0) ::mkdir(folder.substr(0, slash).c_str(), 0700);
  auto identity = net::enrol(url, token, folder);
  if (!identity) {
    const auto code = identity.error().code;
    const bool away = code == http::ClientErrc::unreachable || code == http::ClientErrc::timeout ||
                      code == http::ClientErrc::tls;
    const bool usage = code == http::ClientErrc::configuration;  // address, token, folder
    return problem(identity.error().problem, away ? 3 : usage ? 2 : 1);
  }
  std::printf("enrolled as sensor %s of site %s, certificate valid until %s\n",
              identity->sensor.c_str(), identity->site.c_str(),
              rfc3339(identity->not_after).c_str());
  return 0;
}

const CommandRegistration enrol_registration{{
    .name = "enrol",
    .summary = "get this sensor's certificate with a one-time token",
    .setup =
        [](cli::Command app) {
          auto a = std::make_shared<EnrolArguments>();
          app.add_option("--config", a->config,
                         "sensor configuration: its identity folder and collector URL");
          app.add_option("--folder", a->folder, "identity folder");
          app.add_option("--url", a->url, "https://collector:port");
          app.add_option("--token", a->token,
                         "one-time token; better from --token-file or WARDWATCH_ENROL_TOKEN");
          app.add_option("--token-file", a->token_file, "file that holds the token");
          return [a] { return enrol(*a); };
        },
}};

}  // namespace
}  // namespace ww::sensor
