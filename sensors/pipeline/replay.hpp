#pragma once
/// Reads captures through the whole pipeline: one worker, or N workers by flow hash.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sensors/pipeline/worker.hpp"

namespace ww::sensor {

struct ReplayProgress {
  std::string file;
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;
};

struct ReplayResult {
  std::uint64_t packets = 0, octets = 0;
  std::vector<Problem> problems;  ///< damaged captures; what could be read was processed
  std::vector<WorkerCounters> workers;
};

/// Distributes frames over workers: a frame is copied into a block, full blocks go to the worker's
/// ring. Frames of one flow always reach the same worker in order. With one worker everything runs
/// on the calling thread.
class Dispatcher {
 public:
  Dispatcher(PipelineShared& shared, const std::vector<std::shared_ptr<EventSink>>& sinks,
             const std::shared_ptr<const sig::Engine>& engine);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  void frame(const capture::CapturedFrame& frame);
  /// Frames that come after the last one given, when the source holds them: makes frame() faster,
  /// and need not be called.
  void foresee(capture::PacketSource& source);
  /// Live only: moves time on and hands over what waits.
  void idle(Timestamp now);
  /// Ends all flows, waits for the workers. Call once.
  void finish();
  void replace_engine(std::shared_ptr<const sig::Engine> engine);
  void set_file(const std::string& name);
  void set_interfaces(const std::vector<std::string>& names);
  /// Counters as each worker published them last (exact after finish()).
  [[nodiscard]] std::vector<WorkerCounters> counters() const;

 private:
  struct Lane;
  void start();
  std::vector<std::unique_ptr<Lane>> lanes_;
  bool started_ = false;
  std::size_t foreseen_ = 0;  ///< frames told of and not yet given
  bool finished_ = false;
};

[[nodiscard]] ReplayResult replay(capture::PacketSource& source, PipelineShared& shared,
                                  const std::vector<std::shared_ptr<EventSink>>& sinks,
                                  const std::shared_ptr<const sig::Engine>& engine,
                                  const std::function<void(const ReplayProgress&)>& progress = {});

}  // namespace ww::sensor
