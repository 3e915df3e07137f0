#include "sensors/backup/backup_service.hpp"

#include <pthread.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "sensors/backup/json.hpp"
#include "telemetry/logging.hpp"

namespace ww::backup {
namespace {

using Steady = std::chrono::steady_clock;

std::string state_key(const ProbeSpec& p) { return "backup/" + p.asset + "/" + p.job; }

Memory memory_from(const std::string& text) {
  Memory out;
  if (text.empty()) return out;
  if (const auto v = parse_json(text); v && v->is_object())
    for (const auto& [k, x] : v->get_object())
      if (x.is_string()) out.emplace(k, x.get_string());
  return out;
}

std::string text_of(const Memory& memory) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  for (const auto& [k, v] : memory) {
    if (v.empty()) continue;
    json.key_text(k);
    json.value(v);
  }
  json.end_object();
  return out;
}

class Service final : public BackupService {
 public:
  Service(std::vector<ProbeSpec> probes, EventSink& sink, const Clock& clock, std::size_t workers)
      : sink_(sink), clock_(clock), workers_(std::clamp<std::size_t>(workers, 1, 16)) {
    for (auto& p : probes) {
      auto job = std::make_unique<Job>();
      job->memory = memory_from(sink.recall(state_key(p)));
      job->spec = std::move(p);
      jobs_.push_back(std::move(job));
    }
    stats_.probes = jobs_.size();
  }
  ~Service() override { stop(); }

  void start() override {
    const auto now = Steady::now();
    // Spread over the first second, so that twenty probes do not start at one moment.
    for (std::size_t i = 0; i < jobs_.size(); ++i)
      jobs_[i]->due =
          now + std::chrono::milliseconds(1000 * i / std::max<std::size_t>(1, jobs_.size()));
    for (std::size_t i = 0; i < std::min(workers_, jobs_.size()); ++i)
      threads_.emplace_back([this] { work(); });
  }
  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
    threads_.clear();
  }
  void look_at_all() override {
    for (auto& job : jobs_) look(*job);
  }
  BackupStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  struct Job {
    ProbeSpec spec;
    Memory memory;
    Steady::time_point due;
    bool running = false;
  };

  void work() {
    pthread_setname_np(pthread_self(), "backup-probe");
    std::unique_lock lock(mutex_);
    while (!stop_) {
      Job* next = nullptr;
      for (const auto& j : jobs_)
        if (!j->running && (next == nullptr || j->due < next->due)) next = j.get();
      if (next == nullptr) {
        wake_.wait(lock);
        continue;
      }
      if (const auto now = Steady::now(); next->due > now) {
        wake_.wait_until(lock, next->due);
        continue;
      }
      next->running = true;
      ++stats_.running;
      lock.unlock();
      look(*next);
      lock.lock();
      next->running = false;
      --stats_.running;
      next->due = Steady::now() + next->spec.every;
      wake_.notify_all();
    }
  }

  void look(Job& job) {
    auto memory = job.memory;
    const auto report = look_once(job.spec, clock_, memory, &stop_);
    if (stop_) return;
    EventGroup group;
    for (const auto& line : event_lines(report, job.spec, clock_.now(), memory)) group.add(line);
    if (memory != job.memory) group.state.emplace_back(state_key(job.spec), text_of(memory));
    const bool taken = sink_.submit(group);
    // What was not taken is found again by the next look, because it is not remembered as sent.
    if (taken) job.memory = std::move(memory);
    const auto& i = report.inventory;
    if (i.status == "failed")
      logging::warn("backup probe {} of {}: {}", job.spec.job, job.spec.asset,
                    job.spec.redact(i.error.value_or("")));
    const std::lock_guard lock(mutex_);
    ++stats_.looks;
    if (i.status == "failed") ++stats_.failed;
    if (taken)
      stats_.events += group.events;
    else
      ++stats_.refused;
  }

  EventSink& sink_;
  const Clock& clock_;
  const std::size_t workers_;
  mutable std::mutex mutex_;  // jobs' due and running, stats
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Job>> jobs_;
  BackupStats stats_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<BackupService>, Problem> BackupService::make(std::vector<ProbeSpec> probes,
                                                                    EventSink& sink,
                                                                    const Clock& clock,
                                                                    std::size_t workers) {
  for (const auto& p : probes) {
    std::error_code ec;
    std::filesystem::create_directories(p.folder, ec);
    if (ec)
      return fail(Problem{"cannot make the probe's folder: " + ec.message(), p.folder,
                          "check its parent's permissions"});
    std::filesystem::permissions(p.folder, std::filesystem::perms::owner_all, ec);
  }
  return std::make_unique<Service>(std::move(probes), sink, clock, workers);
}

}  // namespace ww::backup
