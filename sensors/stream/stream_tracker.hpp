#pragma once
/// Follows TCP connections: decides which packets the receiver would accept, reassembles what they
/// carry, and hands it to the application layer and to detection. Behaves as Suricata's stream
/// engine, in IDS mode (data counts when the receiver has acknowledged it) or inline mode (data
/// counts when it arrives).
///
///   packet -> checks of the connection's state -> StreamBuffer -> StreamReader (application layer)
///                                                             \-> raw_chunks() (signature engine)
///
/// One per worker; not thread-safe.
#include <memory>
#include <span>
#include <vector>

#include "sensors/stream/stream_events.hpp"
#include "sensors/stream/stream_options.hpp"
#include "sensors/stream/tcp_session.hpp"

namespace ww::sensor {

/// A piece of one direction, in order, for the application layer.
struct StreamPiece {
  Dir dir{};
  Bytes data;
  std::uint64_t offset = 0;  ///< of data[0]
  std::uint64_t gap = 0;     ///< octets that will never come; data is empty then
  bool start = false;        ///< first piece of the direction
  bool end = false;          ///< nothing follows
  bool cut = false;          ///< with end: there is more behind a hole, which nobody will read
  bool depth = false;        ///< the reassembly depth was reached: nothing more will be kept
};

/// Takes stream data on behalf of a flow's application layer.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  /// @return how far the direction is consumed: an offset between piece.offset and its end (or
  /// behind the gap). The rest
  ///         is offered again, with more behind it. May set session.app_disabled, peer.app_needed,
  ///         peer.trigger_raw.
  virtual std::uint64_t read(Flow& flow, TcpSession& session, sig::Packet& packet,
                             const StreamPiece& piece) = 0;
};

struct StreamCounters {
  std::uint64_t sessions = 0, no_memory_sessions = 0, no_flow = 0;
  std::uint64_t invalid_checksum = 0, syn = 0, synack = 0, rst = 0;
  std::uint64_t midstream_pickups = 0, pseudo = 0, rejected = 0;
  std::uint64_t gaps = 0, segments = 0, segment_memory_refused = 0, overlaps = 0,
                overlap_different = 0;
  std::uint64_t insert_limit = 0, depth_reached = 0;
  std::uint64_t memory_used = 0;
};

class StreamTracker {
 public:
  StreamTracker(const StreamOptions& options, StreamReader& reader, std::uint64_t session_cap,
                std::uint64_t reassembly_cap);
  ~StreamTracker();

  /// Takes a TCP packet of a flow. Sets packet.in_stream, adds stream events, updates flow.state,
  /// may exchange the flow's sides (then packet.dir follows).
  void packet(sig::Packet& packet, Flow& flow);
  /// At the end of a flow: a made-up packet of one direction that hands on what was not
  /// acknowledged yet.
  void finish(sig::Packet& pseudo, Flow& flow);
  /// True when a made-up packet of that direction has something to do.
  [[nodiscard]] static bool needs_finish(const TcpSession& session, Dir dir);

  /// New raw stream data for detection in the packet's direction; empty until a chunk is full, the
  /// flow ends or the application layer asked. Valid until the next call.
  std::span<const sig::StreamChunk> raw_chunks(const sig::Packet& packet, Flow& flow);
  /// Detection has seen raw_chunks(): move on and forget what nobody needs any more.
  void inspected(const sig::Packet& packet, Flow& flow);
  /// Releases what both readers are done with, in the packet's direction.
  /// @param keep_from  stream offset from which octets are still wanted (frames)
  void prune(const sig::Packet& packet, Flow& flow, std::uint64_t keep_from = UINT64_MAX);
  /// Reads this flow's streams up to `depth` octets instead (0: all) when that is more than now.
  void follow(Flow& flow, std::uint64_t depth);
  /// Nothing more is read of this flow: what is held of its streams goes.
  static void let_go(Flow& flow);
  /// More came in that direction than is read.
  [[nodiscard]] static bool depth_reached(const Flow& flow, Dir dir);
  /// Offers data of a direction again (protocol detection succeeded on the other side...).
  void push(Flow& flow, sig::Packet& packet, Dir dir);
  /// True when a packet starts a new connection on the ports of an old one.
  [[nodiscard]] bool reuses(const Flow& flow, const sig::Packet& packet) const;

  [[nodiscard]] const StreamOptions& options() const { return options_; }
  [[nodiscard]] const StreamCounters& counters();
  static TcpSession* session(const Flow& flow) { return static_cast<TcpSession*>(flow.tcp.get()); }

 private:
  struct Context;  // one packet under way
  void set_state(Context& c, TcpState state);
  bool dispatch(Context& c, TcpState state);
  bool on_none(sig::Packet& p, Flow& flow);
  bool on_syn_sent(Context& c);
  bool server_before_ack(Context& c);
  bool on_syn_recv(Context& c);
  bool on_established(Context& c);
  bool on_fin_wait1(Context& c);
  bool on_fin_wait2(Context& c);
  bool on_closing(Context& c);
  bool final_ack(Context& c, TcpState next, StreamEvent wrong_seq, StreamEvent invalid);
  bool on_close_wait(Context& c);
  bool on_last_ack(Context& c);
  bool on_time_wait(Context& c);
  bool on_closed(Context& c);
  bool established_data(Context& c);
  bool handle_fin(Context& c);
  bool handle_rst(Context& c);
  bool accept_ack(Context& c);
  bool timestamp_ok(Context& c);
  void take_timestamp(Context& c);
  bool ack_ok(Context& c);
  void update_last_ack(TcpPeer& peer, std::uint32_t ack);
  void apply_synack(Context& c, const TcpSession::Candidate& s);
  bool is_keepalive(Context& c);
  bool is_keepalive_ack(Context& c);
  bool is_window_update(Context& c);
  bool is_bad_window_update(Context& c);
  bool is_outdated_ack(Context& c);
  bool is_spurious_retransmission(Context& c);
  bool changes_nothing(Context& c);
  bool retransmitted(Context& c);
  bool is_fin_shutdown_ack(Context& c);
  void segment(Context& c);
  void insert(Context& c);
  void deliver(Context& c, Dir dir, bool opposing);
  void swap_sides(Flow& flow, TcpSession& session, sig::Packet& p);
  [[nodiscard]] std::unique_ptr<TcpSession> make_session(const Flow& flow);
  [[nodiscard]] bool gap_ahead(const TcpSession& s, const TcpPeer& peer) const;
  [[nodiscard]] std::uint64_t left_edge(const TcpSession& s, const TcpPeer& peer, Dir dir) const;
  [[nodiscard]] bool raw_ready(const TcpSession& s, const TcpPeer& peer,
                               const sig::Packet& p) const;
  void event(sig::Packet& p, StreamEvent e) { p.add_event(event_id(e)); }

  StreamOptions options_;
  StreamReader& reader_;
  MemoryBudget reassembly_;
  MemoryBudget sessions_;
  StreamCounters counters_;
  std::vector<sig::StreamChunk> chunks_;
  std::uint64_t chunk_progress_ = 0;
  bool chunk_inspected_ = false;
};

}  // namespace ww::sensor
