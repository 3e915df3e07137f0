#pragma once
/// What the signature engine sees of the world: packets, flows, streams, transactions, files,
/// frames. The sensor fills these; the engine reads them. Nothing here knows a capture library or a
/// parser.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/interner.hpp"
#include "telemetry/ip.hpp"

namespace ww::sig {

/// Direction within a flow: the originator is the client.
enum class Dir : std::uint8_t { to_server = 0, to_client = 1 };
constexpr Dir opposite(Dir d) { return d == Dir::to_server ? Dir::to_client : Dir::to_server; }
constexpr std::size_t index(Dir d) { return static_cast<std::size_t>(d); }

/// Application protocol; 0 = unknown. Name is EVE's `app_proto` ("http", "dns", "tls",
/// "failed"...).
enum class AppProto : std::uint8_t {};
/// A sticky buffer ("http.uri"), named as Suricata's keyword.
enum class BufferId : std::uint16_t {};
/// A number a transaction offers to keywords ("dns.opcode", "tls.cert_chain_len"...).
enum class NumberId : std::uint16_t {};
/// A named event: decoder ("decoder.ipv4.trunc_pkt"), stream ("stream.3whs_..."), application
/// ("http.request_header_invalid") — the full dotted name as rules and EVE spell it.
enum class EventId : std::uint16_t {};
/// "http1.request", "smb.smb2.hdr", ...
enum class FrameType : std::uint16_t {};

/// Process-wide name tables; filled by static registration and at start-up, then read-only.
Interner<AppProto>& app_protos();
Interner<BufferId>& buffers();
Interner<NumberId>& numbers();
Interner<EventId>& events();
Interner<FrameType>& frame_types();

// --------------------------------------------------------------------------- packets

namespace tcp_flag {
constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32, ece = 64, cwr = 128;
}

/// How a packet came to be; EVE `pkt_src` is packet_origin_name().
enum class PacketOrigin : std::uint8_t {
  wire,
  gre,
  ipv4,
  ipv6,
  teredo,
  vxlan,
  geneve,
  defrag,
  stream,        ///< made up to inspect a stream early
  flow_timeout,  ///< made up at flow end
};
[[nodiscard]] std::string_view packet_origin_name(PacketOrigin origin);

/// Addresses and ports of the packet that an ICMP error quotes, for finding its flow.
struct EmbeddedPacket {
  std::uint8_t ip_version = 0;  ///< 0: nothing usable quoted
  std::uint8_t ip_proto = 0;
  std::uint16_t sport = 0, dport = 0;  ///< TCP, UDP, SCTP; for ICMP echo the quoted type and code
  IpAddress src, dst;
};

struct Flow;

/// One decoded packet. All views borrow the capture buffer and die with it.
struct Packet {
  Timestamp time;
  std::uint64_t number = 0;  ///< `pcap_cnt`: 1-based position in the input; 0 live
  int datalink = 1;          ///< DLT_ value of `frame`
  std::uint16_t interface_index = 0;
  Bytes frame;  ///< whole link-layer frame as captured; in a tunnel what it carried; rebuilt: with
                ///< the first fragment's link headers
  Bytes ethernet;  ///< innermost Ethernet header (14 octets) or empty
  std::uint16_t ethertype = 0;

  std::array<std::uint16_t, 3> vlan{};  ///< ids without priority bits, outermost first
  std::uint8_t vlan_count = 0;
  std::uint8_t tunnel_depth =
      0;  ///< 0: as captured; n: inside n tunnels (ip-in-ip, gre, vxlan, teredo...)

  IpAddress src, dst;
  std::uint8_t ip_version = 0;         ///< 0: not IP
  std::uint8_t ip_proto = 0;           ///< transport protocol after extension headers
  Bytes ip;                            ///< IP header to the end of the datagram (padding trimmed)
  std::uint16_t ip_header_length = 0;  ///< IPv4: with options; IPv6: 40
  std::uint8_t ttl = 0, tos = 0;
  std::uint32_t ip_id = 0;
  bool dont_fragment = false, more_fragments = false, reserved_bit = false, is_fragment = false;
  std::uint16_t fragment_offset = 0;  ///< octets
  std::uint32_t ip_options =
      0;                 ///< bit (type octet & 31) per IPv4 option seen: rr 7, eol 0, nop 1, ts 4,
                         ///< sec 2, lsrr 3, esec 5, cipso 6, satid 8, ssrr 9, router alert 20
  bool rebuilt = false;  ///< result of IP defragmentation
  bool invalid = false;  ///< malformed: an event says why; gets no flow
  PacketOrigin origin = PacketOrigin::wire;
  const Packet* outer =
      nullptr;  ///< what carried this one (tunnel) or its last fragment; null on the wire

  Bytes l4;  ///< transport header and payload
  std::uint16_t l4_header_length = 0;
  Bytes payload;  ///< transport payload
  std::uint16_t sport = 0, dport = 0;
  bool has_l4 = false;  ///< a whole transport header was there (ip_proto says which)

  // TCP
  std::uint32_t tcp_seq = 0, tcp_ack = 0;
  std::uint16_t tcp_window = 0, tcp_urgent = 0;
  std::uint8_t tcp_flags = 0;
  std::optional<std::uint16_t> tcp_mss;
  std::optional<std::uint8_t> tcp_wscale;
  bool tcp_sack_ok = false;
  std::optional<std::uint32_t> tcp_ts_value, tcp_ts_echo;
  // ICMP
  std::uint8_t icmp_type = 0, icmp_code = 0;
  EmbeddedPacket embedded;
  Bytes arp;  ///< ARP message (28 octets, Ethernet/IPv4) or empty

  bool checksum_bad_ip = false, checksum_bad_l4 = false;
  bool no_inspect = false;  ///< flow was passed or bypassed
  bool no_payload = false;  ///< its payload is encrypted: rules on payload and stream do not apply
  bool untracked = false;   ///< a config rule keeps it out of the flow table

  /// Decoder and stream events of this packet.
  std::array<EventId, 24> event_ids{};
  std::uint8_t event_count = 0;
  void add_event(EventId e) {
    for (std::uint8_t i = 0; i < event_count; ++i)
      if (event_ids[i] == e) return;
    if (event_count < event_ids.size()) event_ids[event_count++] = e;
  }
  [[nodiscard]] std::span<const EventId> events() const { return {event_ids.data(), event_count}; }

  // Filled by flow and stream handling.
  Flow* flow = nullptr;
  Dir dir = Dir::to_server;
  bool flow_established = false;  ///< what `flow:established` means for this packet
  bool stream_pseudo = false;     ///< made up at flow end to inspect what is left; no wire octets
  bool in_stream = false;         ///< TCP payload was accepted into the reassembled stream
};

// --------------------------------------------------------------------------- flows

/// State the engine keeps with a flow, transaction or host. The engine casts to its own type.
struct EngineState {
  virtual ~EngineState() = default;
};

struct Transaction;
struct Frame;
struct File;

enum class FlowState : std::uint8_t { fresh, established, closed, bypassed };

struct FlowCounters {
  std::uint64_t packets = 0, octets = 0;
};

/// A flow as the engine sees it; the sensor's own flow record derives from this.
struct Flow {
  std::uint64_t id = 0;  ///< EVE flow_id
  IpAddress src, dst;    ///< originator, responder
  std::uint16_t sport = 0, dport = 0;
  std::uint8_t ip_proto = 0;
  std::array<std::uint16_t, 3> vlan{};
  std::uint8_t vlan_count = 0;
  Timestamp start, last;
  FlowState state = FlowState::fresh;
  FlowCounters counters[2];  ///< by Dir
  bool seen[2] = {false, false};
  AppProto app_proto{};         ///< agreed protocol
  AppProto app_proto_dir[2]{};  ///< per direction, before they agree (Suricata's alproto_ts/_tc)
  AppProto app_proto_expected{}, app_proto_original{};
  bool app_proto_done = false;                  ///< detection finished, successfully or not
  bool passed = false;                          ///< a pass rule or bypass switched inspection off
  bool no_payload = false;                      ///< from the next packet on payload is encrypted
  bool alerted = false;                         ///< EVE flow.alerted
  bool elephant[2] = {false, false};            ///< by Dir: went over flow.rate-tracking
  bool no_tx_log = false, no_flow_log = false;  ///< a config rule wants no records
  std::uint64_t parent_id = 0;                  ///< expectation (ftp-data) or tunnel
  std::uint64_t stream_octets[2] = {0, 0};      ///< reassembled, for stream_size
  std::unique_ptr<EngineState> engine;          ///< flowbits, flowints, flowvars, stream cursors

  virtual ~Flow() = default;
  /// Live transactions, oldest first. Empty when there is no application layer.
  [[nodiscard]] virtual std::span<Transaction* const> transactions() { return {}; }
  [[nodiscard]] virtual std::span<const Frame> frames() { return {}; }
  /// Octets of the reassembled stream [offset, offset+length) that are still held, for frames and
  /// alerts.
  [[nodiscard]] virtual Bytes stream_window(Dir, std::uint64_t /*offset*/,
                                            std::uint64_t /*length*/) {
    return {};
  }
  /// Offset of the first octet at or after `offset` that is held; UINT64_MAX: there is none.
  [[nodiscard]] virtual std::uint64_t stream_held(Dir, std::uint64_t offset) { return offset; }
  [[nodiscard]] virtual std::span<const EventId> app_events() {
    return {};
  }  ///< flow-level (no tx) events
};

/// A newly available piece of a reassembled stream, with some already inspected octets before it so
/// that matches across pieces are found.
struct StreamChunk {
  Dir dir{};
  Bytes data;
  std::uint64_t offset = 0;      ///< stream offset of data[0]
  std::uint32_t fresh_from = 0;  ///< index in data where uninspected octets start
  bool end = false;              ///< stream ended or reached its depth
};

// --------------------------------------------------------------------------- application layer

enum class BufferStatus : std::uint8_t {
  not_ready,  ///< may come later: do not decide on absence yet
  absent,     ///< never will be there in this transaction
  partial,    ///< data so far of something that grows (bodies); `offset` says where it starts
  ready       ///< whole
};
struct BufferSlice {
  Bytes data;
  std::uint64_t offset = 0;  ///< position of data[0] in the whole buffer (streaming bodies)
};

/// One request with its response, one message, one handshake: what a parser hands to detection.
/// Parsers derive from it; the engine reads it through the getters that the protocol registered.
struct Transaction {
  AppProto proto{};
  std::uint64_t id = 0;               ///< counts from 0 in its flow: EVE tx_id
  std::uint8_t progress[2] = {0, 0};  ///< by Dir; meaning is the protocol's, larger is later
  bool complete[2] = {false, false};  ///< nothing more will come in that direction
  bool only[2] = {false, false};      ///< only[d]: the transaction has just direction d
  bool no_log = false;                ///< a config rule wants no records of it
  bool logged = false;
  std::uint64_t logged_mask = 0;  ///< which of the protocol's loggers have run
  bool inspected_end[2] = {false, false};
  Timestamp first_seen;
  std::vector<EventId> event_ids;       ///< application events
  std::vector<File*> files;             ///< owned by the flow's file store, in order of appearance
  std::unique_ptr<EngineState> engine;  ///< per rule: already matched, how far
  std::uint64_t revision =
      0;  ///< the parser adds one on every change; unchanged = nothing to inspect

  virtual ~Transaction() = default;
  void add_event(EventId e) {
    for (const auto x : event_ids)
      if (x == e) return;
    if (event_ids.size() < 32) event_ids.push_back(e);
  }
};

/// @param index  0.. for buffers that repeat (dns.query, tls.certs, http.request_header); stop at
/// `absent`
using BufferGetter = BufferStatus (*)(const Transaction&, Dir, std::uint32_t index,
                                      BufferSlice& out);
using NumberGetter = BufferStatus (*)(const Transaction&, Dir, std::uint32_t index,
                                      std::uint64_t& out);

enum class FileState : std::uint8_t { open, closed, truncated, error };

/// A file carried by a protocol.
struct File {
  std::uint64_t tx_id = 0;
  std::uint32_t file_id = 0;  ///< EVE file_id / store id
  Dir dir{};
  std::string name;                  ///< raw octets
  std::uint64_t size = 0;            ///< octets seen, gaps included
  std::uint64_t start = 0, end = 0;  ///< range of a partial file (HTTP Content-Range)
  bool has_range = false;
  FileState state = FileState::open;
  bool gaps = false;
  bool stored = false;  ///< a filestore rule or force-filestore asked for it
  bool no_md5 = false, no_sha1 = false, no_sha256 = false;
  std::string magic;                ///< libmagic text; empty until known
  std::string md5, sha1, sha256;    ///< lower-case hex; set when closed and asked for
  std::vector<std::uint32_t> sids;  ///< filestore rules that matched
  Bytes data;                       ///< what is held
  std::uint64_t data_offset = 0;    ///< file offset of data[0]
  bool logged = false;
  std::unique_ptr<EngineState> engine;
};

/// A protocol data unit inside a stream ("tls.pdu"), inspected by `frame:`.
struct Frame {
  FrameType type{};
  Dir dir{};
  std::uint64_t offset = 0;  ///< stream offset (TCP) or payload offset (UDP)
  std::int64_t length = -1;  ///< -1 until known
  std::uint64_t tx_id = UINT64_MAX;
  std::uint64_t id = 0;      ///< counts the frames of the flow
  std::uint64_t number = 0;  ///< counts those of its direction: EVE frame.id
};

/// What a protocol offers to rules. Registered once per protocol by its folder.
struct ProtocolBuffers {
  struct Buffer {
    BufferId id;
    Dir dir;  ///< a buffer that exists in both directions is registered twice
    BufferGetter get;
    bool file = false;  ///< `file.data` of this protocol: use Transaction::files
  };
  struct Number {
    NumberId id;
    Dir dir;
    NumberGetter get;
  };
  AppProto proto{};
  std::vector<Buffer> buffers;
  std::vector<Number> numbers;
};

/// All registered protocols; the engine binds rules to getters when it compiles.
std::vector<ProtocolBuffers>& protocol_buffers();

}  // namespace ww::sig
