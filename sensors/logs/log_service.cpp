#include "sensors/logs/log_service.hpp"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sensors/logs/log_config.hpp"

namespace ww {
namespace {

using namespace logs;  // NOLINT: the service is the outer face of that folder

class Service final : public LogService {
 public:
  Service(EventSink& sink, const Clock& clock) : around_{loop_, sink, clock, formats_, counters_} {}
  ~Service() override { stop(); }

  Result<void, Problem> build(LogConfig config) {
    for (const auto& path : config.declared)
      if (auto ok = formats_.add_declared_file(path); !ok) return ok;
    for (auto& o : config.files) inputs_.push_back(make_tail(std::move(o), around_));
    for (auto& o : config.syslog) inputs_.push_back(make_syslog(std::move(o), around_));
    for (auto& o : config.journald) inputs_.push_back(make_journald(std::move(o), around_));
    for (auto& o : config.standard_input) inputs_.push_back(make_stdin(std::move(o), around_));
    for (auto& o : config.evtx) inputs_.push_back(make_evtx(std::move(o), around_));
    for (auto& i : inputs_)
      if (auto ok = i->open(); !ok) return ok;
    return {};
  }

  std::vector<std::string> sources() const override {
    std::vector<std::string> out;
    for (const auto& i : inputs_) out.push_back(i->label());
    return out;
  }

  void on_beat(std::chrono::milliseconds interval,
               std::function<void(const std::string&)> beat) override {
    beat_ = std::move(beat);
    beat_interval_ = interval;
  }

  void start() override {
    if (thread_.joinable()) return;
    for (auto& i : inputs_) i->start();
    if (beat_) {
      const auto all = [this] {
        for (const auto& i : inputs_)
          if (i->watching()) beat_(i->label());
      };
      all();
      loop_.every(beat_interval_, all);
    }
    // Idle long enough for what arrived meanwhile to be seen: two rounds of the pollers without
    // anything to do.
    loop_.every(std::chrono::milliseconds(100), [this] {
      bool idle = true;
      for (const auto& i : inputs_) idle = idle && i->idle();
      const std::lock_guard lock(mutex_);
      idle_rounds_ = idle ? idle_rounds_ + 1 : 0;
      if (idle_rounds_ >= wanted_rounds_) drained_.notify_all();
    });
    sigset_t all, before;
    sigfillset(&all);  // signals are the main thread's business
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "logs");
      loop_.run();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void stop() override {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
    for (auto& i : inputs_) i->finish();
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    drained_.notify_all();
  }

  void drain() override {
    std::unique_lock lock(mutex_);
    idle_rounds_ = 0;
    drained_.wait(lock, [this] { return stopped_ || idle_rounds_ >= wanted_rounds_; });
  }

  LogStats stats() const override {
    LogStats s;
    s.lines = counters_.lines;
    s.octets = counters_.octets;
    s.events = counters_.events;
    s.unparsed = counters_.unparsed;
    s.cut_lines = counters_.cut_lines;
    s.dropped = counters_.dropped;
    s.refused_connections = counters_.refused_connections;
    s.files = counters_.files;
    return s;
  }

 private:
  static constexpr int wanted_rounds_ = 15;  // longer than a poll of the file systems
  Formats formats_;
  Counters counters_;
  Loop loop_;
  Surroundings around_;
  std::vector<std::unique_ptr<Input>> inputs_;
  std::function<void(const std::string&)> beat_;
  std::chrono::milliseconds beat_interval_{0};
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable drained_;
  int idle_rounds_ = 0;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<LogService>, Problem> LogService::make(const Settings& settings,
                                                              EventSink& sink, const Clock& clock) {
  auto config = read_log_config(settings);
  if (!config) return fail(config.error());
  auto service = std::make_unique<Service>(sink, clock);
  if (auto ok = service->build(std::move(*config)); !ok) return fail(ok.error());
  return service;
}

}  // namespace ww
