#pragma once
/// One worker of the packet path: decode -> flow -> stream -> application layer -> signatures ->
/// EVE. Owns everything it touches per packet; nothing is shared or locked except what is said so.
#include <atomic>
#include <functional>
#include <memory>

#include "rules/signature/engine.hpp"
#include "sensors/capture/source.hpp"
#include "sensors/decode/decoder.hpp"
#include "sensors/flow/flow_table.hpp"
#include "sensors/pipeline/app_layer.hpp"
#include "sensors/pipeline/eve_writer.hpp"
#include "sensors/stream/stream_tracker.hpp"

namespace ww::sensor {

/// What all workers share, made once at start and read-only afterwards (Expectations has its own
/// lock).
struct PipelineShared {
  explicit PipelineShared(const Settings& settings);
  Settings settings;
  EveConfig eve;
  ProtocolTable protocols;
  FlowOptions flows;
  StreamOptions streams;
  FileOptions files;
  Expectations expectations;
  decode::ChecksumMode checksums = decode::ChecksumMode::automatic;
  /// Told what each worker's first packets showed; from the workers' threads.
  std::function<void(const decode::ChecksumFinding&)> on_checksums;
  std::size_t workers = 1;
  bool live = false;
};

/// A snapshot of one worker's counters, for metrics and the stats event.
struct WorkerCounters {
  std::uint64_t packets = 0, octets = 0;
  std::uint64_t alerts = 0;
  FlowCountersTotal flows;
  std::uint64_t flows_active = 0;
  bool flow_emergency = false;
  StreamCounters streams;
  std::uint64_t events_written = 0;
  decode::Counters decoder;
  AppCounters app;
};

class Worker final : public decode::Sink {
 public:
  /// @param sinks  one per EVE output, in order; may be shared between workers
  Worker(PipelineShared& shared, std::vector<std::shared_ptr<EventSink>> sinks,
         std::shared_ptr<const sig::Engine> engine);
  ~Worker() override;

  /// One captured frame. Octets are borrowed for the call.
  void frame(Bytes octets, int datalink, Timestamp time, std::uint64_t number,
             std::uint16_t interface_index = 0);
  /// A frame that will come some packets later, see FlowTable::foresee.
  void foresee(Bytes octets, int datalink) { flows_.foresee(octets, datalink); }
  static constexpr std::size_t foresight = 4;  ///< packets between a frame told of and its turn
  /// Moves time on when nothing arrives (live).
  void idle(Timestamp now);
  /// Ends all flows and writes everything out.
  void finish();
  /// Hands complete lines to the sinks.
  void flush() { eve_.flush(); }
  /// Swaps the rules between two packets.
  void replace_engine(std::shared_ptr<const sig::Engine> engine);
  void set_file(const std::string& name) { eve_.set_file(name); }
  void set_interfaces(std::vector<std::string> names) { eve_.set_interfaces(std::move(names)); }
  [[nodiscard]] WorkerCounters counters();
  /// Null without rules. For tools that watch matching from the same thread.
  [[nodiscard]] sig::Matcher* matcher() { return matcher_.get(); }

  void packet(sig::Packet& p) override;

 private:
  void note_wishes(const sig::Engine* engine);
  void take_rules();
  void inspect(sig::Packet& p, Flow* flow);
  static void cut_files(Flow& flow, Dir dir);
  void end_flow(Flow& flow, FlowEnd reason);
  /// Inline, and a rule dropped the whole flow: it is counted and otherwise left alone.
  [[nodiscard]] bool stopped(const Flow& flow) const {
    return flow.dropped && streams_.options().inline_mode;
  }
  void before_change(const sig::Packet& p, Flow& flow);
  void pseudo(Flow& flow, Dir dir, sig::PacketOrigin origin);
  void release(Flow& flow, bool all);

  Settings settings_;  ///< own copy: reading marks keys
  decode::Decoder decoder_;
  AppLayer app_;
  StreamTracker streams_;
  const FileOptions& files_;
  EveWriter eve_;
  std::unique_ptr<sig::Matcher> matcher_;
  bool wants_frames_ = false;                       ///< some rule looks at frames
  bool early_flow_ = false, early_stream_ = false;  ///< some rule looks before the flow, the stream
  bool macs_ = false;
  std::uint64_t packets_ = 0, octets_ = 0, alerts_ = 0;
  std::array<std::uint8_t, 64> pseudo_octets_{};
  FlowTable flows_;  ///< last: its flows refer to what is above
};

}  // namespace ww::sensor
