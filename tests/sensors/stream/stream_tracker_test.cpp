#include "sensors/stream/stream_tracker.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace ww::sensor {
namespace {

using namespace sig::tcp_flag;  // NOLINT

/// A connection under test: builds packets of both sides and keeps what the application layer would
/// see.
class Wire : public StreamReader {
 public:
  explicit Wire(StreamOptions o = {}) : tracker(o, *this, 1 << 20, 1 << 20) {
    flow.src = *parse_ip("10.0.0.1");
    flow.dst = *parse_ip("10.0.0.2");
    flow.sport = 1000;
    flow.dport = 80;
    flow.ip_proto = 6;
  }
  std::uint64_t read(Flow&, TcpSession&, sig::Packet&, const StreamPiece& p) override {
    if (keep) return p.offset;
    const auto d = sig::index(p.dir);
    if (p.gap != 0) seen[d] += "[" + std::to_string(p.gap) + "]";
    seen[d] += as_text(p.data);
    if (p.end) ended[d] = true;
    return p.offset + p.gap + p.data.size();
  }
  /// seq and ack count from the first data octet of each side (0 = first octet).
  sig::Packet& send(Dir dir, std::uint8_t flags, std::int64_t seq, std::int64_t acknowledged,
                    const std::string& data = "", std::uint16_t window = 8192) {
    const bool forth = dir == Dir::to_server;
    auto& p = packets.emplace_back();
    storage.push_back(data);
    p.src = forth ? flow.src : flow.dst;
    p.dst = forth ? flow.dst : flow.src;
    p.sport = forth ? flow.sport : flow.dport;
    p.dport = forth ? flow.dport : flow.sport;
    p.ip_version = 4;
    p.ip_proto = 6;
    p.has_l4 = true;
    p.tcp_flags = flags;
    p.tcp_seq = static_cast<std::uint32_t>((forth ? 1001 : 5001) + seq + start);
    p.tcp_ack = (flags & ack) != 0
                    ? static_cast<std::uint32_t>((forth ? 5001 : 1001) + acknowledged + start)
                    : 0;
    p.tcp_window = window;
    p.payload = as_bytes(storage.back());
    p.l4 = as_bytes(header);
    p.l4_header_length = static_cast<std::uint16_t>(header.size());
    if (stamp) {
      p.tcp_ts_value = stamp->first;
      p.tcp_ts_echo = stamp->second;
    }
    p.flow = &flow;
    p.dir = dir;
    p.time = {1'000'000};
    flow.seen[sig::index(dir)] = true;
    tracker.packet(p, flow);
    return p;
  }
  void handshake() {
    send(Dir::to_server, syn, -1, 0);
    send(Dir::to_client, syn | ack, -1, 0);
    send(Dir::to_server, ack, 0, 0);
  }
  /// The flow ends with what was seen.
  void finish() {
    sig::Packet pseudo;
    pseudo.flow = &flow;
    pseudo.dir = Dir::to_server;
    tracker.finish(pseudo, flow);
  }
  TcpState state() const {
    const auto* s = StreamTracker::session(flow);
    return s == nullptr ? TcpState::none : s->state;
  }
  bool has(const sig::Packet& p, StreamEvent e) const {
    for (const auto x : p.events())
      if (x == event_id(e)) return true;
    return false;
  }
  std::uint32_t start = 0;
  std::string header;  ///< of packets to come, for its options
  std::optional<std::pair<std::uint32_t, std::uint32_t>> stamp;  ///< their timestamps
  bool keep = false;  ///< read nothing: all of the stream is kept
  std::string seen[2];
  bool ended[2] = {false, false};
  std::deque<sig::Packet> packets;
  std::deque<std::string> storage;
  StreamTracker tracker;
  Flow flow;  // before the tracker: its session returns memory to it
};

constexpr auto up = Dir::to_server, down = Dir::to_client;

TEST(StreamTracker, HandshakeGoesThroughItsStates) {
  Wire w;
  w.send(up, syn, -1, 0);
  EXPECT_EQ(w.state(), TcpState::syn_sent);
  w.send(down, syn | ack, -1, 0);
  EXPECT_EQ(w.state(), TcpState::syn_recv);
  w.send(up, ack, 0, 0);
  EXPECT_EQ(w.state(), TcpState::established);
  EXPECT_EQ(w.flow.state, sig::FlowState::established);
}

TEST(StreamTracker, DataIsReadWhenAcknowledged) {
  Wire w;
  w.handshake();
  w.send(up, ack | psh, 0, 0, "hello");
  EXPECT_EQ(w.seen[0], "");
  w.send(down, ack, 0, 5);
  EXPECT_EQ(w.seen[0], "hello");
}

TEST(StreamTracker, InlineModeReadsAtOnce) {
  StreamOptions o;
  o.inline_mode = true;
  Wire w(o);
  w.handshake();
  w.send(up, ack | psh, 0, 0, "hello");
  EXPECT_EQ(w.seen[0], "hello");
}

TEST(StreamTracker, SequenceNumbersMayWrap) {
  Wire w;
  w.start = 0xfffffff0U - 1000;
  w.handshake();
  w.send(up, ack, 0, 0, "0123456789");
  w.send(up, ack, 10, 0, "abcdefghij");
  w.send(down, ack, 0, 20);
  EXPECT_EQ(w.seen[0], "0123456789abcdefghij");
}

TEST(StreamTracker, ReorderedSegmentsAreReadInOrder) {
  Wire w;
  w.handshake();
  w.send(up, ack, 5, 0, "world");
  w.send(up, ack, 0, 0, "hello");
  w.send(down, ack, 0, 10);
  EXPECT_EQ(w.seen[0], "helloworld");
}

TEST(StreamTracker, AcknowledgedHoleIsAGap) {
  Wire w;
  w.handshake();
  w.send(up, ack, 0, 0, "ab");
  w.send(up, ack, 6, 0, "gh");
  auto& p = w.send(down, ack, 0, 8);
  EXPECT_EQ(w.seen[0], "ab[4]gh");
  EXPECT_TRUE(w.has(p, StreamEvent::reassembly_seq_gap));
}

TEST(StreamTracker, ClosesByFinFromTheClientFirst) {
  Wire w;
  w.handshake();
  w.send(up, fin | ack, 0, 0);
  EXPECT_EQ(w.state(), TcpState::close_wait);
  w.send(down, fin | ack, 0, 1);
  EXPECT_EQ(w.state(), TcpState::last_ack);
  w.send(up, ack, 1, 1);
  EXPECT_EQ(w.state(), TcpState::closed);
  EXPECT_EQ(w.flow.state, sig::FlowState::closed);
}

TEST(StreamTracker, ClosesByFinFromTheServerFirst) {
  Wire w;
  w.handshake();
  w.send(down, fin | ack, 0, 0);
  EXPECT_EQ(w.state(), TcpState::fin_wait1);
  w.send(up, ack, 0, 1);
  EXPECT_EQ(w.state(), TcpState::fin_wait2);
  w.send(up, fin | ack, 0, 1);
  EXPECT_EQ(w.state(), TcpState::time_wait);
  w.send(down, ack, 1, 1);
  EXPECT_EQ(w.state(), TcpState::closed);
}

TEST(StreamTracker, ResetInWindowCloses) {
  Wire w;
  w.handshake();
  w.send(down, rst | ack, 0, 0);
  EXPECT_EQ(w.state(), TcpState::closed);
}

TEST(StreamTracker, ResetOutOfWindowIsIgnored) {
  Wire w;
  w.handshake();
  auto& p = w.send(down, rst, 5'000'000, 0);
  EXPECT_EQ(w.state(), TcpState::established);
  EXPECT_TRUE(w.has(p, StreamEvent::rst_invalid_ack));
}

TEST(StreamTracker, RefusesSynAckWithWrongAck) {
  Wire w;
  w.send(up, syn, -1, 0);
  auto& p = w.send(down, syn | ack, -1, 77);
  EXPECT_TRUE(w.has(p, StreamEvent::whs3_synack_with_wrong_ack));
  EXPECT_EQ(w.state(), TcpState::syn_sent);
}

TEST(StreamTracker, SynAckFromTheClientIsTheWrongWay) {
  Wire w;
  w.send(up, syn, -1, 0);
  auto& p = w.send(up, syn | ack, -1, 0);
  EXPECT_TRUE(w.has(p, StreamEvent::whs3_synack_in_wrong_direction));
}

TEST(StreamTracker, NewestSynThatIsAnsweredCounts) {
  Wire w;
  for (int i = 0; i < 30; ++i) w.send(up, syn, 100 * i, 0);
  w.send(down, syn | ack, -1, 100 * 28 + 1);
  EXPECT_EQ(w.state(), TcpState::syn_recv);
}

TEST(StreamTracker, ServerMayGoOnAfterALostAckOfTheHandshake) {
  Wire w;
  w.send(up, syn, -1, 0);
  w.send(up, ack, 0, 0);  // overtook the SYN/ACK: says nothing yet
  w.send(down, syn | ack, -1, 0);
  auto& p = w.send(down, ack | psh, 0, 0, "220 hello");
  EXPECT_EQ(w.state(), TcpState::established);
  EXPECT_FALSE(w.has(p, StreamEvent::whs3_ack_data_inject));
  w.send(up, ack, 0, 9);
  EXPECT_EQ(w.seen[1], "220 hello");
}

TEST(StreamTracker, InlineServerDataBeforeTheAckMayBeInjected) {
  StreamOptions o;
  o.inline_mode = true;
  Wire w(o);
  w.send(up, syn, -1, 0);
  w.send(down, syn | ack, -1, 0);
  EXPECT_TRUE(w.has(w.send(down, ack, 0, 0, "220 hello"), StreamEvent::whs3_ack_data_inject));
  EXPECT_TRUE(w.has(w.send(down, ack, 0, 0), StreamEvent::whs3_ack_in_wrong_dir));
  EXPECT_EQ(w.state(), TcpState::syn_recv);
}

TEST(StreamTracker, ServerFarFromItsSynAckIsNotBelieved) {
  Wire w;
  w.send(up, syn, -1, 0);
  w.send(down, syn | ack, -1, 0);
  auto& p = w.send(down, ack, 1'000'000, 0, "x");
  EXPECT_TRUE(w.has(p, StreamEvent::whs3_wrong_seq_wrong_ack));
  EXPECT_EQ(w.state(), TcpState::syn_recv);
}

TEST(StreamTracker, PacketOutOfWindowIsRefused) {
  Wire w;
  w.handshake();
  auto& p = w.send(up, ack, 1'000'000, 0, "x");
  EXPECT_TRUE(w.has(p, StreamEvent::est_packet_out_of_window));
  EXPECT_FALSE(p.in_stream);
}

TEST(StreamTracker, AckOfDataNeverSentIsInvalid) {
  Wire w;
  w.handshake();
  auto& p = w.send(up, ack, 0, 5'000'000);
  EXPECT_TRUE(w.has(p, StreamEvent::est_invalid_ack));
}

TEST(StreamTracker, KeepAliveChangesNothing) {
  Wire w;
  w.handshake();
  w.send(up, ack, 0, 0, "hello");
  w.send(down, ack, 0, 5);
  auto& p = w.send(up, ack, 4, 0, "X");
  EXPECT_FALSE(p.in_stream);
  w.send(down, ack, 0, 5);
  EXPECT_EQ(w.seen[0], "hello");
}

TEST(StreamTracker, RetransmissionIsReadOnce) {
  Wire w;
  w.handshake();
  w.send(up, ack, 0, 0, "hello");
  w.send(down, ack, 0, 5);
  w.send(up, ack, 0, 0, "HELLO");
  w.send(down, ack, 0, 5);
  EXPECT_EQ(w.seen[0], "hello");
}

TEST(StreamTracker, MidstreamIsPickedUpOnlyWhenAsked) {
  Wire off;
  off.send(up, ack | psh, 0, 0, "hello");
  EXPECT_EQ(off.state(), TcpState::none);
  StreamOptions o;
  o.midstream = true;
  Wire on(o);
  on.send(up, ack | psh, 0, 0, "hello");
  EXPECT_EQ(on.state(), TcpState::established);
  on.send(down, ack, 0, 5);
  EXPECT_EQ(on.seen[0], "hello");
}

TEST(StreamTracker, MidstreamSynAckShowsWhoTheServerIs) {
  StreamOptions o;
  o.midstream = true;
  Wire w(o);
  const auto first = w.flow.src;
  auto& p = w.send(up, syn | ack, -1, 0);  // the flow was opened by a SYN/ACK
  EXPECT_EQ(w.flow.dst, first);
  EXPECT_EQ(p.dir, down);
}

TEST(StreamTracker, OneSidedConnectionIsReadWhenAsked) {
  StreamOptions o;
  o.async_oneside = true;
  Wire w(o);
  w.send(up, syn, -1, 0);
  w.send(up, ack, 0, 0);
  w.send(up, ack | psh, 0, 0, "hello");
  w.send(up, ack | psh, 5, 100, "world");
  EXPECT_EQ(w.seen[0], "helloworld");
}

TEST(StreamTracker, WhatAResetLeftUnacknowledgedIsReadAtTheEnd) {
  Wire w;
  w.handshake();
  w.send(up, ack | psh, 0, 0, "hello");
  w.send(up, ack | psh, 5, 0, "world");
  w.send(down, rst | ack, 0, 5);
  EXPECT_EQ(w.seen[0], "hello");
  w.finish();
  EXPECT_EQ(w.seen[0], "helloworld");
  EXPECT_TRUE(w.ended[0]);
}

TEST(StreamTracker, WhatStandsBehindAHoleAtAResetIsNotRead) {
  Wire w;
  w.handshake();
  w.send(up, ack, 0, 0, "ab");
  w.send(up, ack, 6, 0, "gh");
  w.send(down, rst | ack, 0, 2);
  w.finish();
  EXPECT_EQ(w.seen[0], "ab");
  EXPECT_TRUE(w.ended[0]);
}

TEST(StreamTracker, FlowEndDeliversTheRest) {
  Wire w;
  w.handshake();
  w.send(up, ack | psh, 0, 0, "hello");
  w.finish();
  EXPECT_EQ(w.seen[0], "hello");
  EXPECT_TRUE(w.ended[0]);
}

TEST(StreamTracker, FlowEndJumpsAHole) {
  Wire w;
  w.handshake();
  w.send(up, ack, 0, 0, "ab");
  w.send(up, ack, 6, 0, "gh");
  w.finish();
  EXPECT_EQ(w.seen[0], "ab[4]gh");
}

TEST(StreamTracker, DepthStopsReassembly) {
  StreamOptions o;
  o.depth = 8;
  Wire w(o);
  w.handshake();
  w.send(up, ack, 0, 0, "01234");
  auto& p = w.send(up, ack, 5, 0, "56789");
  w.send(down, ack, 0, 10);
  EXPECT_TRUE(w.has(p, StreamEvent::reassembly_depth_reached));
  EXPECT_EQ(w.seen[0], "01234567");
}

TEST(StreamTracker, UrgentOctetLeavesTheStream) {
  Wire w;
  w.handshake();
  w.storage.emplace_back();
  auto& p = w.packets.emplace_back(w.packets.back());
  (void)p;
  // "abc" whose last octet is urgent, then "de".
  sig::Packet u = w.packets.front();
  u.event_count = 0;
  u.tcp_flags = ack | urg;
  u.tcp_seq = 1001;
  u.tcp_ack = 5001;
  u.tcp_urgent = 3;
  const std::string abc = "abc";
  u.payload = as_bytes(abc);
  u.dir = up;
  w.tracker.packet(u, w.flow);
  w.send(up, ack, 3, 0, "de");
  w.send(down, ack, 0, 5);
  EXPECT_EQ(w.seen[0], "abde");
  // What was taken out is no hole when the connection ends.
  w.send(up, fin | ack, 5, 0);
  w.send(down, fin | ack, 0, 6);
  w.send(up, ack, 6, 1);
  EXPECT_EQ(w.tracker.counters().gaps, 0U);
  EXPECT_FALSE(StreamTracker::session(w.flow)->peer(up).had_gap);
}

TEST(StreamTracker, BadChecksumIsNotBelieved) {
  Wire w;
  w.handshake();
  sig::Packet bad = w.packets.back();
  bad.tcp_flags = rst;
  bad.checksum_bad_l4 = true;
  w.tracker.packet(bad, w.flow);
  EXPECT_EQ(w.state(), TcpState::established);
  EXPECT_EQ(w.tracker.counters().invalid_checksum, 1U);
}

TEST(StreamTracker, RawChunksWaitForTheirSize) {
  StreamOptions o;
  o.chunk[0] = 10;
  Wire w(o);
  w.handshake();
  w.send(up, ack, 0, 0, "01234");
  w.send(down, ack, 0, 5);
  EXPECT_TRUE(w.tracker.raw_chunks(w.send(up, ack, 5, 0, "56789"), w.flow).empty());
  w.send(down, ack, 0, 10);
  auto& p = w.send(up, ack, 10, 0, "x");
  const auto chunks = w.tracker.raw_chunks(p, w.flow);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(as_text(chunks[0].data), "0123456789");
  w.tracker.inspected(p, w.flow);
  EXPECT_TRUE(w.tracker.raw_chunks(p, w.flow).empty());
}

TEST(StreamTracker, PortReuseIsSeenAfterClose) {
  Wire w;
  w.handshake();
  sig::Packet again = w.packets.front();
  again.tcp_seq = 77;
  EXPECT_FALSE(w.tracker.reuses(w.flow, again));
  w.send(down, rst | ack, 0, 0);
  EXPECT_TRUE(w.tracker.reuses(w.flow, again));
}

TEST(StreamTracker, DataSentAgainAfterTheFinIsNamed) {
  Wire w;
  w.handshake();
  w.send(down, ack, 0, 0, "abc");
  w.send(down, fin | ack, 3, 0);
  EXPECT_TRUE(w.has(w.send(down, ack, 0, 0, "abc"), StreamEvent::pkt_retransmission));
  EXPECT_FALSE(w.has(w.send(up, ack, 0, 4), StreamEvent::pkt_retransmission));
}

TEST(StreamTracker, FastOpenDataThatTheServerLeftComesAgain) {
  Wire w;
  w.header = std::string(20, '\0') + std::string(
                                         "\x22\x06"
                                         "cook\0\0",
                                         8);
  w.send(up, syn, -1, 0, "GET");
  w.header.clear();
  EXPECT_TRUE(w.has(w.send(down, syn | ack, -1, 0), StreamEvent::whs3_synack_tfo_data_ignored));
  w.send(up, ack, 0, 0, "GET");
  w.send(down, ack, 0, 3);
  EXPECT_EQ(w.seen[0], "GET");
}

TEST(StreamTracker, FinWithSynChangesNothing) {
  Wire w;
  EXPECT_FALSE(w.has(w.send(up, fin | syn, -1, 0), StreamEvent::fin_syn));
  w.handshake();
  EXPECT_TRUE(w.has(w.send(up, fin | syn, 0, 0), StreamEvent::fin_syn));
  EXPECT_EQ(w.state(), TcpState::established);
}

TEST(StreamTracker, WrongSequenceWithAWrongAckEndsNoHandshake) {
  Wire w;
  w.send(up, syn, -1, 0);
  w.send(down, syn | ack, -1, 0);
  EXPECT_TRUE(w.has(w.send(up, ack, 100, 700), StreamEvent::whs3_wrong_seq_wrong_ack));
  EXPECT_EQ(w.state(), TcpState::syn_recv);
  EXPECT_FALSE(w.has(w.send(up, ack, 100, 0), StreamEvent::whs3_wrong_seq_wrong_ack));
  EXPECT_EQ(w.state(), TcpState::established);
}

TEST(StreamTracker, TheOctetOfAWindowProbeMayBeTaken) {
  Wire w;
  w.handshake();
  w.send(down, ack, 0, 0, "", 0);  // no room
  w.send(up, ack, 0, 0, "a");
  auto& taken = w.send(down, ack, 0, 1);
  EXPECT_TRUE(w.has(taken, StreamEvent::est_ack_zwp_data));
  EXPECT_FALSE(w.has(taken, StreamEvent::est_invalid_ack));
  w.send(up, ack, 1, 0, "bc");
  w.send(down, ack, 0, 3);
  EXPECT_EQ(w.seen[0], "abc");
}

TEST(StreamTracker, DataAcknowledgedBeforeIsNamedAndStillCompared) {
  StreamOptions o;
  for (const bool check : {true, false}) {
    o.check_overlap = check;
    Wire w(o);
    w.handshake();
    w.keep = true;
    w.send(up, ack, 0, 0, "abc");
    w.send(down, ack, 0, 3);
    auto& again = w.send(up, ack, 0, 0, "abd");
    EXPECT_TRUE(w.has(again, StreamEvent::pkt_spurious_retransmission));
    EXPECT_EQ(w.has(again, StreamEvent::reassembly_overlap_different_data), check);
    EXPECT_FALSE(w.has(w.send(up, ack, 3, 0, "d"), StreamEvent::pkt_spurious_retransmission));
  }
}

TEST(StreamTracker, SynAckAgainIsOddOnceTheServerHasGoneOn) {
  Wire w;
  w.handshake();
  EXPECT_FALSE(w.has(w.send(down, syn | ack, -1, 0), StreamEvent::est_synack_resend));
  w.send(down, ack, 0, 0);
  EXPECT_TRUE(w.has(w.send(down, syn | ack, -1, 0), StreamEvent::est_synack_resend));
  w.send(up, ack, 0, 0, "abc");
  w.send(down, ack, 0, 3);
  EXPECT_TRUE(
      w.has(w.send(down, syn | ack, -1, 0), StreamEvent::est_synack_resend_with_different_ack));
}

TEST(StreamTracker, AnswersShowTheTimestampOfAnAttempt) {
  Wire w;
  w.stamp = {{100, 0}};
  w.send(up, syn, -1, 0);
  w.stamp = {{200, 0}};
  w.send(up, syn, -1, 0);
  w.stamp = {{900, 50}};
  EXPECT_TRUE(w.has(w.send(down, syn | ack, -1, 0), StreamEvent::pkt_invalid_timestamp));
  EXPECT_EQ(w.state(), TcpState::syn_sent);
  w.stamp = {{900, 100}};  // the first attempt is answered
  EXPECT_FALSE(w.has(w.send(down, syn | ack, -1, 0), StreamEvent::pkt_invalid_timestamp));
  EXPECT_EQ(w.state(), TcpState::syn_recv);
}

TEST(StreamTracker, FinMayRepeatWhatIsOnItsWay) {
  Wire w;
  w.handshake();
  w.send(up, ack, 0, 0, "abc");
  EXPECT_FALSE(w.has(w.send(up, fin | ack, 0, 0, "abc"), StreamEvent::fin_out_of_window));
  EXPECT_EQ(w.state(), TcpState::close_wait);
}

TEST(StreamTracker, TheServersFinIsOverWhenItIsAcknowledged) {
  Wire w;
  w.handshake();
  w.send(down, fin | ack, 0, 0);
  EXPECT_EQ(w.state(), TcpState::fin_wait1);
  w.send(up, ack, 0, 0);  // for what came before
  EXPECT_EQ(w.state(), TcpState::fin_wait1);
  w.send(down, fin | ack, 0, 0);  // again
  EXPECT_EQ(w.state(), TcpState::fin_wait1);
  w.send(up, ack, 0, 1);
  EXPECT_EQ(w.state(), TcpState::fin_wait2);
  w.send(up, fin | ack, 0, 1);
  EXPECT_EQ(w.state(), TcpState::time_wait);
  w.send(down, ack, 1, 1);
  EXPECT_EQ(w.state(), TcpState::closed);
}

TEST(StreamTracker, BothFinsAtOnceAreClosing) {
  Wire w;
  w.handshake();
  w.send(down, fin | ack, 0, 0);
  w.send(up, fin, 0, 0);
  EXPECT_EQ(w.state(), TcpState::closing);
}

TEST(StreamTracker, OnlyTheServersFinLeavesCloseWait) {
  Wire w;
  w.handshake();
  w.send(up, fin | ack, 0, 0);
  w.send(up, fin | ack, 0, 0);
  EXPECT_EQ(w.state(), TcpState::close_wait);
  EXPECT_TRUE(w.has(w.send(down, ack, 60'000, 1), StreamEvent::closewait_ack_out_of_window));
  w.send(down, fin | ack, 0, 1);
  EXPECT_EQ(w.state(), TcpState::last_ack);
  w.send(down, ack, 1, 1);
  EXPECT_EQ(w.state(), TcpState::last_ack);
  w.send(up, ack, 1, 1);
  EXPECT_EQ(w.state(), TcpState::closed);
}

}  // namespace
}  // namespace ww::sensor
