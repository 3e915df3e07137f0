#pragma once
/// The application layer of a worker: finds out which protocol a flow speaks, feeds its parser,
/// keeps its transactions until they are inspected and logged.
///
///   stream pieces / datagrams -> detection (both directions) -> parser -> transactions, files,
///   frames, events
#include <cstdint>
#include <memory>
#include <vector>

#include "sensors/files/file_store.hpp"
#include "sensors/pipeline/expectations.hpp"
#include "sensors/pipeline/protocol_table.hpp"
#include "sensors/stream/stream_tracker.hpp"

namespace ww::sensor {

class AppLayer;

/// Application-layer state of one flow.
class AppFlow final : public FlowPart, public ParserContext {
 public:
  AppFlow(AppLayer& owner, Flow& flow);
  ~AppFlow() override;

  // FlowPart
  /// Those of the current parser, after those that the parser before a protocol change still has.
  [[nodiscard]] std::span<sig::Transaction* const> transactions() override;
  [[nodiscard]] std::span<const sig::Frame> frames() override { return frames_; }
  [[nodiscard]] std::span<const sig::EventId> app_events() override { return events; }
  [[nodiscard]] Bytes stream_window(Dir dir, std::uint64_t offset, std::uint64_t length) override;

  // ParserContext
  [[nodiscard]] Timestamp now() const override { return now_; }
  [[nodiscard]] const sig::Flow& flow() const override { return flow_; }
  [[nodiscard]] FileStore& files() override;
  std::uint64_t add_frame(sig::FrameType type, Dir dir, std::uint64_t offset, std::int64_t length,
                          std::uint64_t tx_id) override;
  void set_frame_length(std::uint64_t frame, std::int64_t length) override;
  void set_frame_tx(std::uint64_t frame, std::uint64_t tx_id) override;
  bool change_protocol(std::string_view expected) override;
  void rename_protocol(std::string_view name) override;
  void expect_flow(const IpAddress& from, const IpAddress& to, std::uint16_t to_port,
                   std::string_view proto, std::shared_ptr<void> note) override;
  [[nodiscard]] std::shared_ptr<void> expectation() const override { return flow_.expectation; }
  void add_event(EventId event) override;
  void hand_over(std::shared_ptr<void> note) override { flow_.expectation = std::move(note); }
  void bypass_payload() override {
    payload_bypassed = true;
    flow_.no_payload = true;
  }
  void payload_encrypted() override { flow_.no_payload = true; }

  [[nodiscard]] bool has_files() const { return files_ != nullptr; }
  /// Frames that end before both the stream and detection are past them are forgotten.
  void drop_frames(Dir dir, std::uint64_t before);
  /// Where the oldest frame begins that is not whole at stream offset `edge`, but no further back
  /// than rules look; UINT64_MAX: none.
  [[nodiscard]] std::uint64_t frames_wanted_from(Dir dir, std::uint64_t edge) const;

  std::unique_ptr<Parser> parser;
  std::unique_ptr<Parser> previous;  ///< before a protocol change, while it has transactions
  const Protocol* protocol = nullptr;
  const ProtocolTable::Entry* entry = nullptr;  ///< of `protocol`
  AppProto renamed_from{};  ///< what detection calls the protocol that gave itself another name
  DetectionState detection;
  std::vector<EventId> events;  ///< flow-level events
  std::size_t events_logged = 0;
  bool ended[2] = {false, false};      ///< the parser was told that the direction is over
  bool after_gap[2] = {false, false};  ///< nothing was read since a gap
  bool disrupted[2] = {false, false};  ///< gap, depth or error: the direction will not complete
  bool parser_failed = false;
  /// By direction: something was read since a packet of that direction was last looked at to its
  /// end. Packets without news (most acknowledgements) need no look at the transactions.
  bool news[2] = {true, true};
  bool change_wanted = false;
  bool change_shown = false;  ///< what was read before the wanted change was looked at and logged
  bool changing = false;      ///< the protocol that a change led to has not read anything yet
  bool payload_bypassed = false;
  bool first_given[2] = {false, false};
  std::string change_expected;
  std::uint64_t detection_start[2] = {0, 0};  ///< stream offset where the current protocol began
  std::uint64_t inspected[2] = {0, 0};  ///< transactions before this id were inspected completely

 private:
  friend class AppLayer;
  static constexpr std::size_t max_frames = 512;
  static constexpr std::size_t max_events = 32;
  AppLayer& owner_;
  Flow& flow_;
  Timestamp now_;
  sig::Packet* packet_ = nullptr;
  std::unique_ptr<FileStore> files_;
  std::vector<sig::Frame> frames_;
  std::vector<sig::Transaction*> joined_;
  std::uint64_t next_frame_ = 0;
  std::uint64_t frame_numbers_[2] = {0, 0};
  Bytes datagram_;
  Dir datagram_dir_ = Dir::to_server;
};

struct AppCounters {
  /// Twice the ProtocolTable index, one more over UDP. Gaps: those that ended a parser.
  std::vector<std::uint64_t> flows, transactions, errors, gaps;
  std::uint64_t failed_tcp = 0, failed_udp = 0, expectations = 0, expectations_refused = 0;
};

class AppLayer final : public StreamReader {
 public:
  /// All arguments are borrowed and outlive the layer; settings are this worker's own copy.
  AppLayer(const ProtocolTable& table, const Settings& settings, const FileOptions& files,
           Expectations& expectations);

  /// @param tracker  used to offer a direction again
  /// Whether streams will be inspected: they are kept further back then.
  void expect_rules(bool there, bool frames) {
    rules_ = there;
    frames_ = frames;
  }
  void attach(StreamTracker& tracker) { tracker_ = &tracker; }
  std::uint64_t read(Flow& flow, TcpSession& session, sig::Packet& packet,
                     const StreamPiece& piece) override;
  /// One UDP packet with payload.
  void datagram(Flow& flow, sig::Packet& packet);
  /// The flow is over: parsers learn it, open files are truncated.
  void finish(Flow& flow, sig::Packet& packet);
  /// Ports of a new flow may be expected by another one.
  void greet(Flow& flow);

  static AppFlow* of(const Flow& flow) { return static_cast<AppFlow*>(flow.app.get()); }
  [[nodiscard]] const ProtocolTable& table() const { return table_; }
  [[nodiscard]] const AppCounters& counters() const { return counters_; }
  /// Called when a parser was stopped by an error or a limit (Suricata's app-layer error policy).
  bool want_files = true;

 private:
  friend class AppFlow;
  AppFlow& state(Flow& flow);
  std::uint64_t detect_tcp(Flow& flow, TcpSession& session, sig::Packet& packet,
                           const StreamPiece& piece);
  std::uint64_t parse(Flow& flow, sig::Packet& packet, const StreamPiece& piece, TcpPeer* peer);
  void choose(Flow& flow, AppFlow& app, const ProtocolTable::Entry* entry);
  void disable(Flow& flow, TcpSession& session);
  void check_bail(Flow& flow, AppFlow& app, TcpSession& session, sig::Packet& packet);
  void packet_event(AppFlow& app, std::string_view name);
  void start_change(Flow& flow, AppFlow& app, TcpSession& session);

  const ProtocolTable& table_;
  const Settings& settings_;
  const FileOptions& file_options_;
  Expectations& expectations_;
  StreamTracker* tracker_ = nullptr;
  AppCounters counters_;
  std::uint64_t http_min_inspect_[2] = {0, 0};
  bool rules_ = false, frames_ = false;
  int depth_ = 0;  ///< how deep directions trigger each other
};

}  // namespace ww::sensor
