#pragma once
/// The Pipeline that runs inside one collector process: a bounded queue, one thread that checks,
/// stamps and detects, one that compresses and commits. Many batches share one durable commit.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "collector/detect/detect.hpp"
#include "collector/detect/watcher.hpp"
#include "collector/ingest/pipeline.hpp"
#include "collector/store/store.hpp"
#include "telemetry/clock.hpp"

namespace ww::collector {

struct PipelineOptions {
  std::uint64_t queue_octets = 64ULL << 20;  ///< waiting batches; above it submit() answers busy
  std::uint32_t queue_batches = 1'024;
  std::uint32_t group_events = 20'000;  ///< a commit takes at most about this many events
  std::uint64_t group_octets = 16ULL << 20;
  std::chrono::hours max_future{
      25};  ///< an event further ahead than this is given its time of arrival
  /// Called after every commit (metrics); from pipeline threads.
  std::function<void(double seconds)> on_commit;  ///< duration of the durable commit
  /// Called when commits begin to fail, with the reason, and with "" when they work again; from the
  /// committing thread.
  std::function<void(const std::string& why)> on_trouble;
  /// Called when a batch comes from a spool that began before another one of the same sensor: two
  /// machines with one identity, or one that went back to an older copy of its disk. At most once
  /// an hour for each sensor; from a pipeline thread.
  std::function<void(const std::string& site, const std::string& sensor)> on_shared_identity;
  std::function<void(double seconds)> on_detect;  ///< arrival to detected, per batch
  /// Borrowed; each sees the events of every commit, after detection.
  std::vector<EventWatcher*> watchers;
  /// As in StampContext.
  std::function<bool(std::string_view run, std::string_view site, std::string_view sensor)>
      is_rehearsal;
};

struct PipelineStats {
  std::uint64_t batches = 0, events = 0, octets = 0, dead_letters = 0;
  std::uint64_t busy = 0, failed = 0, out_of_order = 0, repeated_events = 0, skipped_events = 0;
  std::uint64_t bad_times = 0, missing_ids = 0, wrong_identity = 0, clock_skew = 0;
  std::uint64_t queue_batches = 0, queue_octets = 0;
};

class LocalPipeline : public Pipeline {
 public:
  /// @param store, clock  borrowed; they outlive the pipeline
  /// @param detector      borrowed; may be null (store only)
  [[nodiscard]] static std::unique_ptr<LocalPipeline> create(const PipelineOptions& options,
                                                             Store& store, Detector* detector,
                                                             const Clock& clock);
  /// Finishes what is queued, then stops. Later submit() calls answer busy.
  virtual void stop() = 0;
  [[nodiscard]] virtual PipelineStats stats() const = 0;
};

}  // namespace ww::collector
