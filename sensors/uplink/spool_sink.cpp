#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "sensors/privacy/privacy.hpp"
#include "sensors/uplink/event_sink.hpp"
#include "telemetry/batch/batch.hpp"
#include "telemetry/ingest.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/spool.hpp"
#include "telemetry/uuid.hpp"

namespace ww {
namespace {

class Sink final : public SpoolSink {
 public:
  Sink(SinkOptions options, Spool& spool, const Privacy* privacy, const Clock& clock)
      : options_(std::move(options)), spool_(spool), privacy_(privacy), clock_(clock) {
    envelope_tail_ = "\",\"site\":\"";
    append_json_escaped(envelope_tail_, options_.site);
    envelope_tail_ += "\",\"sensor\":\"";
    append_json_escaped(envelope_tail_, options_.sensor);
    envelope_tail_ += "\",\"schema\":1,\"tokenised\":";
    envelope_tail_ += privacy_ != nullptr ? "true}" : "false}";
  }
  void start() override {
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  ~Sink() override {
    {
      const std::lock_guard lock(wake_mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    (void)spool_.sync();
  }

  bool submit(const EventGroup& group) override {
    const std::lock_guard lock(mutex_);
    return take(group);
  }

  void submit_or_drop(std::string_view json, std::string_view reason) override {
    const std::lock_guard lock(mutex_);
    single_.clear();
    single_.add(json);
    if (!take(single_)) ++stats_.dropped[std::string(reason)];
  }

  std::string recall(std::string_view key) const override { return spool_.recall(key); }
  std::vector<std::pair<std::string, std::string>> recall_all(
      std::string_view prefix) const override {
    return spool_.recall_all(prefix);
  }
  SinkStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  bool sync() override {
    bool ok = false;
    {
      const std::lock_guard lock(mutex_);
      ok = spool_.sync().has_value();
    }
    notify();
    return ok;
  }
  void on_synced(std::function<void()> f) override {
    const std::lock_guard lock(wake_mutex_);
    notify_ = std::move(f);
  }

 private:
  bool take(const EventGroup& group) {
    if (group.empty()) return true;
    if (!spool_.begin()) {
      ++stats_.refused_groups;
      return false;
    }
    const auto now = clock_.now();
    std::string_view rest = group.lines;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      auto line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (privacy_ != nullptr && privacy_->tokenise(line, tokenised_)) line = tokenised_;
      append(line, now, group.drill);
    }
    for (const auto& [key, value] : group.state) spool_.remember(key, value);
    spool_.commit();
    return true;
  }

  void append(std::string_view line, Timestamp now, const std::string& drill) {
    if (line.size() < 2 || line.front() != '{') return;
    // The collector refuses a longer line; producers bound theirs far below, so this is a fault to
    // see in the counters.
    if (line.size() > ingest::max_line_octets - 512) {
      ++stats_.dropped["too-long"];
      return;
    }
    head_ = batch::envelope_start;
    if (!drill.empty()) {
      head_ += "\"drill\":true,\"drill_run\":\"";
      append_json_escaped(head_, drill);
      head_ += "\",";
    }
    head_ += "\"id\":\"";
    append_uuid7(head_, now);
    head_ += envelope_tail_;
    if (line != "{}") head_ += ',';
    spool_.append(head_, line.substr(1));
    ++stats_.events;
    stats_.octets += line.size();
  }

  void notify() {
    std::function<void()> f;
    {
      const std::lock_guard lock(wake_mutex_);
      f = notify_;
    }
    if (f) f();
  }

  /// A disk that takes nothing is said once, and once that it does again.
  void say_trouble() {
    const bool refusing = spool_.stats().refusing;
    if (refusing == std::exchange(refused_, refusing)) return;
    if (refusing)
      logging::error(
          "spool: the disk takes no events (spool.folder); files and TCP senders wait, events of "
          "packets and of UDP senders are dropped and counted; make room, or mount it writable");
    else
      logging::info("spool: the disk takes events again");
  }

  void run() {
    std::unique_lock wake(wake_mutex_);
    std::uint64_t seen = 0;
    while (!stopping_) {
      wake_.wait_for(wake, options_.sync_interval);
      wake.unlock();
      bool fresh = false;
      {
        const std::lock_guard lock(mutex_);
        spool_.tick();
        fresh = stats_.events != seen;
        seen = stats_.events;
      }
      say_trouble();
      if (fresh) notify();
      wake.lock();
    }
  }

  const SinkOptions options_;
  Spool& spool_;
  const Privacy* privacy_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // the spool's writer side and what follows
  SinkStats stats_;
  EventGroup single_;
  std::string envelope_tail_, head_, tokenised_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  std::function<void()> notify_;
  bool stopping_ = false;
  bool refused_ = false;  // the thread's own
  std::thread thread_;
};

}  // namespace

std::unique_ptr<SpoolSink> SpoolSink::make(SinkOptions options, Spool& spool,
                                           const Privacy* privacy, const Clock& clock) {
  return std::make_unique<Sink>(std::move(options), spool, privacy, clock);
}

}  // namespace ww
