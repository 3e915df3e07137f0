#pragma once
/// What is known of one TCP connection. Filled by StreamTracker; read by detection, records and
/// tests.
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sensors/flow/flow.hpp"
#include "sensors/stream/stream_buffer.hpp"

namespace ww::sensor {

/// In Suricata's order: what is behind `established` has begun to close.
enum class TcpState : std::uint8_t {
  none,
  listen,
  syn_sent,
  syn_recv,
  established,
  fin_wait1,
  fin_wait2,
  time_wait,
  last_ack,
  close_wait,
  closing,
  closed
};
/// EVE `tcp.state`.
[[nodiscard]] std::string_view tcp_state_name(TcpState state);

constexpr bool seq_lt(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}
constexpr bool seq_leq(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) <= 0;
}
constexpr bool seq_gt(std::uint32_t a, std::uint32_t b) { return seq_lt(b, a); }
constexpr bool seq_geq(std::uint32_t a, std::uint32_t b) { return seq_leq(b, a); }

/// One sender's half of a connection.
struct TcpPeer {
  std::uint32_t isn = 0;       ///< sequence number of its SYN (or one before its first octet)
  std::uint32_t next_seq = 0;  ///< behind the last octet seen
  std::uint32_t last_ack = 0;  ///< highest of its octets that the other side acknowledged
  std::uint32_t window = 0;    ///< how much it may have unacknowledged
  std::uint32_t next_win = 0;  ///< last_ack + window
  std::uint8_t wscale = 0;
  std::uint8_t tcp_flags = 0;  ///< all flags it sent
  bool timestamps = false;     ///< it sent a usable timestamp option in its SYN
  bool zero_timestamp = false;
  std::uint32_t last_ts = 0;
  std::int64_t last_pkt_second = 0;
  bool keepalive = false;  ///< it sent a keep-alive that is not answered yet
  bool rst_received = false;
  bool no_reassembly = false;  ///< its data is no longer kept
  bool depth_reached = false;
  bool raw_off = false;
  bool raw_last = false;      ///< raw_off once the next packet of this direction has been inspected
  bool trigger_raw = false;   ///< inspect raw data now, chunk size or not
  bool app_detected = false;  ///< protocol detection of this direction is over
  bool had_gap = false;
  bool window_probed = false;  ///< an octet was sent into a closed window, to see whether it opens
  bool sent_start = false, sent_end = false, sent_depth = false;
  OverlapPolicy policy = OverlapPolicy::bsd;

  StreamBuffer data;
  std::uint64_t app_progress = 0, raw_progress = 0;  ///< stream offsets
  std::uint64_t min_inspect = 0;                     ///< octets before raw_progress to show again
  std::uint64_t last_gap = 0;         ///< one more than the offset of the last gap told of
  std::uint64_t app_needed = 0;       ///< do not call the application layer with fewer octets
  std::vector<std::uint64_t> urgent;  ///< offsets of octets taken out of the stream

  /// Offset of a sequence number; the distance is taken from the next expected octet so that
  /// streams may wrap.
  [[nodiscard]] std::int64_t offset_of(std::uint32_t seq) const;
  /// Up to where it is acknowledged, in stream offsets.
  [[nodiscard]] std::uint64_t acked() const;
  /// Up to where it was sent, in stream offsets.
  [[nodiscard]] std::uint64_t next_in_stream() const;
  std::uint64_t next_offset = 0;  ///< offset of next_seq
  void set_next_seq(std::uint32_t seq);
};

class TcpSession final : public FlowPart {
 public:
  /// Both budgets must outlive the session; its own size was taken from the second.
  explicit TcpSession(MemoryBudget* reassembly, MemoryBudget* sessions = nullptr);
  ~TcpSession() override;
  [[nodiscard]] Bytes stream_window(Dir dir, std::uint64_t offset, std::uint64_t length) override;
  [[nodiscard]] std::uint64_t stream_held(Dir dir, std::uint64_t offset) override;
  [[nodiscard]] TcpPeer& peer(Dir dir) { return peers[sig::index(dir)]; }
  [[nodiscard]] const TcpPeer& peer(Dir dir) const { return peers[sig::index(dir)]; }

  TcpState state = TcpState::none, previous = TcpState::none;
  bool midstream = false, midstream_synack = false, midstream_established = false;
  bool async = false, timestamps = false, sack = false, client_sack = false;
  bool four_way = false, fast_open = false, server_wscale = false;
  bool handshake_confirmed = false;
  bool data_ignored = false;  ///< the server left what a fast-open SYN carried
  bool evasion = false;       ///< a packet that tried to fool us was seen
  bool app_disabled = false;  ///< nothing reads application data any more
  bool raw_wanted = true;
  std::uint8_t all_flags = 0;
  std::uint8_t first_data =
      0;             ///< direction of the first payload: 1 to server, 2 to client; 0xff handed on
  TcpPeer peers[2];  ///< [0]: the client's octets, [1]: the server's
  std::optional<std::uint64_t>
      depth;  ///< octets of a direction the protocol wants; 0: all; none: as configured for all

  /// Handshake packets that could turn out to be the real one.
  struct Candidate {
    std::uint32_t seq = 0, ack = 0, window = 0, ts = 0;
    std::uint8_t wscale = 0;
    bool has_wscale = false, has_ts = false, sack = false;
  };
  std::vector<Candidate> synacks, syns;

 private:
  MemoryBudget* sessions_;
};

}  // namespace ww::sensor
