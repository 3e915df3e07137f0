#pragma once
/// The `stats` record: what the workers counted, under Suricata's names
/// ("stats.decoder.pkts", "stats.app_layer.flow.dns_udp").
/// Only numbers that are counted here appear; a name of Suricata that has no counter stays away
/// rather than showing zero.
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sensors/pipeline/worker.hpp"

namespace ww::sensor {

struct StatsInput {
  Timestamp now;
  std::chrono::seconds uptime{0};
  std::vector<WorkerCounters> workers;
  const capture::CaptureCounters* capture = nullptr;  ///< live only
  const sig::Engine* engine = nullptr;                ///< null without rules
};

/// Remembers what it wrote last, for deltas. One thread.
class StatsRecorder {
 public:
  explicit StatsRecorder(const PipelineShared& shared);
  /// Some output asks for it and `stats.enabled` does not say no.
  [[nodiscard]] bool wanted() const { return wanted_; }
  /// Time between two records of a live sensor (`stats.interval`).
  [[nodiscard]] std::chrono::seconds interval() const { return interval_; }
  /// One record for every output that wants them.
  /// @param sinks  one per output
  void write(const std::vector<std::shared_ptr<EventSink>>& sinks, const StatsInput& in);

 private:
  using Numbers = std::map<std::string, std::uint64_t, std::less<>>;
  [[nodiscard]] Numbers numbers(const WorkerCounters& w) const;
  void protocols(const AppCounters& app, Numbers& out) const;

  const PipelineShared& shared_;
  bool wanted_ = false, decoder_events_ = true;
  std::string decoder_event_prefix_;
  std::chrono::seconds interval_{8};
  std::vector<Numbers> before_;  ///< all workers together, then each
};

}  // namespace ww::sensor
