#include "sensors/drills/restore.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "sensors/backup/access.hpp"
#include "sensors/drills/scratch.hpp"
#include "sensors/drills/tool.hpp"
#include "sensors/drills/verify.hpp"
#include "telemetry/net/enrol.hpp"

namespace ww::drills {
namespace {

using Steady = std::chrono::steady_clock;
using backup::Command;
using backup::Finished;

/// The run of one drill; each step gives an error text or "".
class Restoring final : public Restore {
 public:
  Restoring(const DrillConfig& config, const RestoreTarget& target, const RestoreRequest& request,
            const Clock& clock, const std::atomic<bool>& stop, const Tell& tell)
      : config_(config),
        target_(target),
        request_(request),
        clock_(clock),
        stop_(stop),
        tell_(tell),
        tool_(restore_tool(target)),
        deadline_(Steady::now() + target.timeout) {}

  events::Drill run() {
    report_.kind = "restore";
    report_.order = request_.order;
    report_.run = request_.run;
    report_.target = target_.name;
    report_.scope = target_.include.empty() ? "full" : "sample";
    report_.tool = target_.probe.tool;
    report_.asset = target_.probe.asset;
    report_.job = target_.probe.job;
    report_.repository = target_.probe.redact(target_.probe.repository());
    report_.started = rfc3339(clock_.now());
    auto scratch = Scratch::make(config_.scratch, request_.order);
    if (!scratch) return finished("failed", scratch.error().text(), true);
    scratch_ = scratch->path();
    report_.isolation = scratch->isolation();
    std::string error = steps();
    bool good = error.empty();
    if (good) report_.finished = rfc3339(clock_.now());
    phase("cleaning", "");
    const auto begin = Steady::now();
    // What lies elsewhere first: how to clean it is written down in the scratch folder.
    const auto outside = tool_ != nullptr && tool_->clean != nullptr
                             ? tool_->clean(target_, scratch_)
                             : std::string();
    bool cleaned = scratch->clean();
    took("cleaning", begin);
    if (!outside.empty()) {
      good = cleaned = false;
      error += (error.empty() ? "" : "; ") + ("not cleaned up: " + outside);
    } else if (!cleaned) {
      good = false;
      error +=
          (error.empty() ? "" : "; ") + ("the scratch folder could not be removed: " + scratch_);
    }
    if (stop_.load())
      return finished("stopped",
                      outside.empty() ? "stopped; what was restored is removed"
                                      : "stopped; not cleaned up: " + outside,
                      cleaned);
    return finished(good ? "passed" : "failed",
                    good ? "restored " + report_.snapshot.value_or("") + " and verified it" : error,
                    cleaned);
  }

  const RestoreTarget& target() const override { return target_; }
  const std::string& wanted() const override { return request_.snapshot; }
  const std::string& scratch() const override { return scratch_; }
  std::string data() const override { return scratch_ + "/data"; }
  bool stopped() const override { return stop_.load(); }
  std::chrono::milliseconds left() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Steady::now());
  }
  std::optional<Finished> tool(std::vector<std::string> arguments, std::string& error,
                               const std::string& folder) override {
    const auto access = backup::tool_access(target_.probe);
    auto c = access.with(arguments);
    for (const auto& [k, v] : target_.probe.environment) c.environment[k] = v;
    c.folder = folder.empty() ? scratch_ : folder;
    return run(std::move(c), error);
  }
  std::optional<Finished> run(Command c, std::string& error) override {
    if (left().count() <= 0) {
      error = "the time limit of the target is over";
      return {};
    }
    c.timeout = left();
    const auto name = c.argv.front();
    auto done = backup::run(c, &abort_);
    if (!done) {
      error = done.error().text();
      return {};
    }
    if (stop_.load()) {
      error = "stopped";
      return {};
    }
    if (over_.load()) {
      error = "more than drills.max_size was written";
      return {};
    }
    if (done->timed_out) {
      error = "the time limit of the target is over";
      return {};
    }
    if (!done->good()) {
      auto last_words = done->err.substr(done->err.size() > 600 ? done->err.size() - 600 : 0);
      std::replace(last_words.begin(), last_words.end(), '\n', ' ');
      error = name + " ended with " + std::to_string(done->exit_code) + ": " + last_words;
      return {};
    }
    return std::move(*done);
  }

 private:
  std::string steps() {
    if (tool_ == nullptr) return "backups of " + target_.probe.tool + " cannot be restored here";
    phase("preparing", "looking for the snapshot");
    auto begin = Steady::now();
    Chosen chosen;
    if (auto error = choose(chosen); !error.empty()) return error;
    report_.snapshot = chosen.id;
    if (chosen.time.us != 0) report_.data_time = rfc3339(chosen.time);
    took("preparing", begin);
    const auto free = free_octets(scratch_);
    if (chosen.octets > config_.max_octets)
      return "the snapshot needs " + std::to_string(chosen.octets) +
             " octets, more than drills.max_size";
    if (free < config_.min_free + chosen.octets)
      return "not enough room: " + std::to_string(free) + " octets are free, " +
             std::to_string(chosen.octets) + " are needed beside drills.min_free";
    begin = Steady::now();
    if (auto error = fetch(chosen); !error.empty()) return error;
    took("restoring", begin);
    phase("verifying", "");
    begin = Steady::now();
    auto error = check(chosen);
    took("verifying", begin);
    return error;
  }

  void took(const char* name, Steady::time_point begin) {
    report_.took_ms[name] = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begin).count());
  }

  void phase(std::string_view name, std::string_view text, std::uint64_t percent = 0) {
    phase_ = name;
    events::Drill e;
    e.kind = "restore";
    e.order = request_.order;
    e.run = request_.run;
    e.state = "progress";
    e.phase = name;
    if (!text.empty()) e.text = text;
    e.percent = percent;
    tell_(e);
  }

  events::Drill finished(std::string_view result, std::string text, bool cleaned) {
    report_.state = "finished";
    report_.result = result;
    report_.text = target_.probe.redact(text).substr(0, 2000);
    report_.cleaned = cleaned;
    return report_;
  }

  // --- which snapshot

  std::string choose(Chosen& out) {
    const Watch watch(*this, 0);
    return tool_->choose(*this, out);
  }

  // --- restoring

  /// Watches size, time and the stop flag while a program runs, and tells how far it is.
  class Watch {
   public:
    Watch(Restoring& r, std::uint64_t expected) : r_(r), expected_(expected) {
      thread_ = std::thread([this] { loop(); });
    }
    ~Watch() {
      {
        const std::lock_guard lock(mutex_);
        done_ = true;
      }
      wake_.notify_all();
      thread_.join();
    }

   private:
    void loop() {
      std::unique_lock lock(mutex_);
      auto next = Steady::now() + std::chrono::seconds(1);
      while (!wake_.wait_for(lock, std::chrono::milliseconds(50), [this] { return done_; })) {
        if (r_.stop_.load()) r_.abort_ = true;
        if (expected_ == 0 && r_.phase_ != "restoring") continue;
        if (Steady::now() < next) continue;
        const auto size = tree_size(r_.scratch_);
        // Walking a large tree takes a while: not more than a tenth of the time.
        const auto cost = Steady::now() - next;
        next = Steady::now() + std::max<Steady::duration>(std::chrono::seconds(2), cost * 10);
        if (size.octets > r_.config_.max_octets) {
          r_.over_ = true;
          r_.abort_ = true;
        }
        r_.phase("restoring",
                 std::to_string(size.files) + " files, " + std::to_string(size.octets) + " octets",
                 expected_ == 0 ? 0 : std::min<std::uint64_t>(99, size.octets * 100 / expected_));
      }
    }
    Restoring& r_;
    std::uint64_t expected_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_ = false;
    std::thread thread_;
  };

  std::string fetch(const Chosen& chosen) {
    phase("restoring", chosen.id);
    const Watch watch(*this, chosen.octets);
    std::error_code ec;
    std::filesystem::create_directory(data(), ec);
    auto error = tool_->fetch(*this, chosen);
    if (error.empty() && over_.load()) error = "more than drills.max_size was written";
    if (error.empty() && stop_.load()) error = "stopped";
    return error;
  }

  // --- verifying

  std::string check(const Chosen& chosen) {
    const Watch watch(*this, 0);
    const auto spec = scratch_ + "/verify.json";
    if (auto written = net::write_file(spec, verify_spec(data(), target_), 0600); !written)
      return written.error().text();
    Command c;
    // This very program, also when an upgrade has put another in its place.
    c.argv = {config_.verifier.empty() ? "/proc/self/exe" : config_.verifier, "verify-restore",
              "--spec", spec};
    c.folder = scratch_;
    c.max_output = 1U << 20;
    std::string error;
    const auto done = run(std::move(c), error);
    if (!done) return "verifying: " + error;
    auto result = read_verify_result(done->out);
    if (!result) return "verifying: " + result.error();
    report_.files = result->files;
    report_.bytes = result->octets;
    result->passed.insert(result->passed.end(), said.passed.begin(), said.passed.end());
    result->failed.insert(result->failed.end(), said.failed.begin(), said.failed.end());
    if (tool_->check != nullptr) tool_->check(*this, chosen, *result);
    if (auto why = scan(*result); !why.empty()) return why;
    report_.passed = result->passed;
    report_.failed = result->failed;
    return result->failed.empty() ? "" : "verified and found wrong: " + result->failed.front();
  }

  /// The site's own scanner over what was restored: 0 is clean, 1 found something, as clamscan
  /// says.
  std::string scan(VerifyResult& r) {
    if (target_.scan.empty()) return {};
    Command c;
    c.argv = target_.scan;
    c.argv.push_back(data());
    c.folder = scratch_;
    c.max_output = 16U << 20;
    c.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Steady::now());
    const auto done = backup::run(c, &abort_);
    if (!done) return "scan: " + done.error().text();
    if (stop_.load()) return "stopped";
    if (done->timed_out || done->too_large || done->exit_code > 1)
      return "the scanner ended with " + std::to_string(done->exit_code) + ": " +
             (done->err + done->out).substr(0, 300);
    report_.scan = done->exit_code == 0 ? "clean" : "found";
    (done->exit_code == 0 ? r.passed : r.failed)
        .push_back("scan: " + (done->exit_code == 0 ? "clean" : done->out.substr(0, 300)));
    return {};
  }

  const DrillConfig& config_;
  const RestoreTarget& target_;
  const RestoreRequest& request_;
  const Clock& clock_;
  const std::atomic<bool>& stop_;
  const Tell& tell_;
  const RestoreTool* tool_;
  const Steady::time_point deadline_;
  std::atomic<bool> abort_{false}, over_{false};
  std::string scratch_;
  std::string phase_;
  events::Drill report_;
};

}  // namespace

bool valid_snapshot(std::string_view id) {
  return !id.empty() && id.size() <= 200 && id.front() != '-' &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.' || c == ':';
         });
}

events::Drill restore(const DrillConfig& config, const RestoreTarget& target,
                      const RestoreRequest& request, const Clock& clock,
                      const std::atomic<bool>& stop, const Tell& tell) {
  return Restoring(config, target, request, clock, stop, tell).run();
}

}  // namespace ww::drills
