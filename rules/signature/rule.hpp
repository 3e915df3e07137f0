#pragma once
/// A checked rule as the matcher runs it: header, packet tests, stages (a buffer and what it must
/// hold), and what happens after a match. Immutable once the engine is built; shared by all
/// workers.
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "rules/signature/engine.hpp"
#include "rules/signature/inspect.hpp"
#include "rules/signature/text.hpp"

namespace ww::sig {

class MatchServices;
struct Rule;
class Dataset;
class CompiledPcre;

// --------------------------------------------------------------------------- payload operations

/// A literal or the value of a byte_extract / byte_math variable of the same rule.
struct Operand {
  std::int64_t value = 0;
  std::int16_t var = -1;
  [[nodiscard]] std::int64_t get(const std::uint64_t* vars) const noexcept {
    return var < 0 ? value : static_cast<std::int64_t>(vars[var]);
  }
};

struct ContentOp {
  std::string octets;  ///< lower case when nocase
  bool nocase = false, negated = false, startswith = false, endswith = false;
  bool has_offset = false, has_depth = false, has_distance = false, has_within = false;
  bool relative_next = false;  ///< a later operation starts from where this one ended
  bool fast_pattern = false, fast_pattern_only = false;
  std::uint16_t chop_offset = 0, chop_length = 0;
  Operand offset, depth, distance, within;
  [[nodiscard]] bool relative() const { return has_distance || has_within; }
};

struct PcreOp {
  std::shared_ptr<const CompiledPcre> code;
  bool negated = false, relative = false, relative_next = false;
  std::int32_t gate = -1;  ///< index in CompiledEngine::gates; -1: none
  /// Where capture group n+1 goes.
  struct Capture {
    enum class To : std::uint8_t { flow, packet, alert } to;
    std::uint32_t name;       ///< VarId
    bool names_next = false;  ///< what it captures is the name of what the next group captures
  };
  std::vector<Capture> captures;
};

struct IsDataAtOp {
  Operand at;
  bool negated = false, relative = false;
};

enum class Endian : std::uint8_t { big, little, dce };
enum class NumberBase : std::uint8_t { raw, dec, hex, oct };

/// What byte_test, byte_jump, byte_extract and byte_math have in common: how to read the number.
struct ByteRead {
  Operand octets;  ///< how many; a variable only for byte_test and byte_jump
  Operand offset;
  bool relative = false;
  Endian endian = Endian::big;
  NumberBase base = NumberBase::raw;
  std::uint64_t mask = 0;  ///< 0 = none; the result is shifted right by its trailing zeros
  std::uint8_t shift = 0;
};
struct ByteTestOp {
  ByteRead read;
  enum class Compare : std::uint8_t { lt, gt, eq, le, ge, band, bor } compare = Compare::eq;
  bool negated = false;
  Operand value;
};
struct ByteJumpOp {
  ByteRead read;
  std::int64_t multiplier = 1, post_offset = 0;
  Operand post_offset_operand;
  bool align = false, from_beginning = false, from_end = false;
  bool relative_next = false;
};
struct ByteExtractOp {
  ByteRead read;
  std::uint64_t multiplier = 1;
  std::uint8_t align = 0;
  std::int16_t var = 0;
};
struct ByteMathOp {
  ByteRead read;
  enum class Operator : std::uint8_t { add, sub, mul, div, lshift, rshift } op = Operator::add;
  Operand rvalue;
  std::int16_t var = 0;
};
struct SizeOp {  // bsize
  NumberTest test;
};
struct Base64Op {
  std::uint32_t octets = 0, offset = 0;  ///< octets 0: as many as decode
  bool relative = false;
  std::uint32_t inner_from = 0,
                inner_count = 0;  ///< the operations on base64_data, in Stage::inner
};
struct DatasetOp {
  std::shared_ptr<Dataset> set;
  enum class Command : std::uint8_t { isset, isnotset, set, unset } command = Command::isset;
  std::string context_key;
};
struct DatarepOp {
  std::shared_ptr<Dataset> set;
  enum class Compare : std::uint8_t { lt, gt, eq } compare = Compare::eq;
  std::uint16_t value = 0;
};
struct EntropyOp {
  std::uint32_t octets = 0, offset = 0;
  double value = 0, upper = 0;  ///< upper: the other end of a range, both exclusive
  enum class Compare : std::uint8_t {
    lt,
    le,
    gt,
    ge,
    eq,
    ne,
    between,
    outside
  } compare = Compare::eq;
};
/// Anything else that looks at a whole buffer: a function and its numbers.
struct BufferCheckOp {
  bool (*check)(const BufferCheckOp&, Bytes data, std::size_t at, const Packet* packet) = nullptr;
  std::uint64_t a = 0, b = 0, c = 0;
  std::string text;
  bool negated = false;
};

using PayloadOp =
    std::variant<ContentOp, PcreOp, IsDataAtOp, ByteTestOp, ByteJumpOp, ByteExtractOp, ByteMathOp,
                 SizeOp, Base64Op, DatasetOp, DatarepOp, EntropyOp, BufferCheckOp>;

// --------------------------------------------------------------------------- stages

struct Transform {
  /// Appends the transformed octets to `out` (empty on entry). False: the transform failed, the
  /// buffer has no data.
  using Function = bool (*)(const Transform&, Bytes in, std::string& out,
                            std::uint64_t transaction_hint);
  Function run = nullptr;
  std::string name;  ///< with options; equal names are equal transforms
  std::string text;  ///< options, decoded (xor key, strip list...)
  std::uint64_t a = 0, b = 0;
  std::shared_ptr<const CompiledPcre> pcre;
  /// Whether what comes out can hold this content at all; null: anything can come out.
  bool (*can_hold)(std::string_view content) = nullptr;
};

struct File;
/// One condition on a file; all file conditions of a rule must hold for the same file.
struct FileTest {
  enum class Result : std::uint8_t { no, yes, not_yet };
  Result (*test)(const FileTest&, const File&, bool direction_done) = nullptr;
  std::string text;
  NumberTest number;
  bool negated = false;
  std::shared_ptr<const void> data;
};

struct Stage {
  enum class Kind : std::uint8_t {
    payload,        ///< packet payload or stream
    packet_buffer,  ///< a buffer cut from the packet ("tcp.hdr", "ip.src")
    buffer,         ///< a transaction's buffer
    number,         ///< a transaction's number
    event,          ///< a transaction's event
    file,           ///< a file of the transaction
    frame,
    hook  ///< a transaction's progress
  };
  Kind kind = Kind::payload;
  BufferId buffer{};
  NumberId number{};
  EventId event{};
  std::vector<FrameType> frames;
  std::string name;  ///< as users know it, for explanations
  std::vector<Transform> transforms;
  std::vector<PayloadOp> ops, inner;  ///< inner: base64_data
  enum class Absent : std::uint8_t { no, must, or_else } absent = Absent::no;
  std::optional<Dir> only_dir;  ///< asked for by the keyword's option
  bool multi = false;           ///< another use of the keyword makes another stage
  bool has_positive = false;    ///< some operation claims octets
  bool stream = true;           ///< payload: stream mode wanted
  // number
  NumberTest number_test;
  std::uint64_t number_key = 0,
                number_key_mask = 0;  ///< encoded pairs: (value & mask) == key selects
  std::uint8_t number_shift = 0;      ///< value >> shift & shift_mask is tested
  std::uint64_t number_value_mask = UINT64_MAX;
  std::vector<std::uint64_t> one_of, none_of;  ///< sets instead of number_test
  enum class Now : std::uint8_t {
    no,
    before,
    not_before
  } against_now = Now::no;  ///< the number is a time
  enum class Which : std::uint8_t { any, all, all_or_none, index, count } which = Which::any;
  std::int32_t which_index = 0;
  bool or_absent = false;  ///< holds as well when there is no value (`or_absent`, `oob_or`)
  /// Only the values from one index up to, not with, another are looked at; negative ones count
  /// from the end.
  std::optional<std::pair<std::int32_t, std::int32_t>> slice;
  NumberTest count_test;
  // file
  std::vector<FileTest> file_tests;
  // hook
  std::uint8_t progress = 0;
  bool at_end = false;
  bool each_update = false;  ///< the state grows (a body): holds anew with every piece of it
  // packet buffer
  Bytes (*packet_bytes)(const Packet&) = nullptr;
};

// --------------------------------------------------------------------------- packet level

/// What packet tests and post-match actions may use.
struct PacketTest {
  bool (*test)(const PacketTest&, MatchServices&) = nullptr;
  NumberTest number;
  std::uint64_t a = 0, b = 0;
  std::string text;
  bool negated = false;
  bool ip_only_compatible = false;  ///< does not stop a rule from being checked once per flow
  bool require_packet =
      true;  ///< looks at one real packet: not for pseudo packets, and no stream matching
  bool app_protocol = false;  ///< decides by the application protocol alone
  EventId event{};            ///< a decoder or stream event; drives candidate selection
  std::shared_ptr<const void> data;
};

struct PostAction {
  void (*run)(const PostAction&, MatchServices&) = nullptr;
  std::uint64_t a = 0, b = 0;
  std::string text;
  std::shared_ptr<const void> data;
};

enum class Track : std::uint8_t { by_src, by_dst, by_both, by_rule, by_flow };
struct ThresholdSpec {
  enum class Type : std::uint8_t {
    limit,
    threshold,
    both,
    backoff,
    detection_filter,
    rate
  } type = Type::limit;
  Track track = Track::by_src;
  std::uint32_t count = 1, seconds = 60, multiplier = 2, timeout = 0;
  enum class Unique : std::uint8_t { none, src_port, dst_port } unique = Unique::none;
  Action new_action = Action::alert;  ///< rate
};
struct SuppressSpec {
  enum class Track : std::uint8_t { all, by_src, by_dst, by_either } track = Track::all;
  std::uint32_t addresses = 0;  ///< index in the engine's address sets
};
struct TagSpec {
  bool session = true;
  bool src = true;  ///< host: which side
  enum class Metric : std::uint8_t { packets, seconds, octets } metric = Metric::packets;
  std::uint32_t count = 0;  ///< 0: default
};

enum class RuleType : std::uint8_t {
  decode_event,
  ip_only,
  like_ip_only,
  proto_only,
  packet,
  packet_stream,
  stream,
  app_layer,
  transaction,
  frame
};

struct FlowTest {
  bool used = false;
  std::uint8_t dirs = 3;  ///< bit 0 to_server, bit 1 to_client
  enum class Established : std::uint8_t { any, yes, no } established = Established::any;
  bool stateless = false, only_stream = false, no_stream = false, only_frag = false,
       no_frag = false;
};

struct Rule {
  std::uint32_t index = 0;  ///< position in the engine, which is Suricata's inspection order
  RuleInfo info;
  RuleType type = RuleType::packet;

  // header
  bool any_proto = true;
  std::bitset<256> protos;       ///< IP protocols when not any
  std::uint8_t ip_versions = 3;  ///< bit 0: 4, bit 1: 6
  bool pkthdr = false, tcp_pkt = false, tcp_stream = false;
  bool arp = false, ether = false;  ///< ARP messages, Ethernet frames of any kind
  PacketHook hook = PacketHook::none;
  enum class Scope : std::uint8_t { automatic, packet, flow } scope = Scope::automatic;
  std::string header_proto;
  std::vector<AppProto> app_protos;  ///< wanted application protocols; empty = any
  std::uint32_t src = 0, dst = 0, sport = 0, dport = 0;  ///< set indexes; 0 = any
  bool negated_address = false;
  bool bidirectional = false, transactional = false;

  FlowTest flow;
  std::vector<PacketTest> tests;
  std::vector<Stage> stages;
  std::int32_t payload = -1;  ///< index of the payload stage
  std::vector<PostAction> actions;
  std::optional<ThresholdSpec> threshold, detection_filter;
  std::vector<TagSpec> tags;
  std::vector<ThresholdSpec> config_thresholds;  ///< from threshold.config
  std::vector<SuppressSpec> suppressions;
  std::uint16_t var_count = 0;
  bool vars_cross_stages = false;
  bool require_packet = false, require_stream = false;
  bool uses_files = false, bypass = false, app_layer_event_packet = false;
  std::uint32_t gid_sid_extra = 0;
  std::uint8_t dirs = 3;  ///< directions in which it can match at all
  // ordering: 4 sets, 3 sets and reads, 2 reads, 1 none
  std::uint8_t order_flowbits = 1, order_flowint = 1, order_flowvar = 1, order_pktvar = 1,
               order_hostbits = 1, order_xbits = 1;
  // fast pattern
  std::int32_t fast_stage = -1;
  std::string fast_pattern;
  bool fast_nocase = false;
  /// A content that can only stand within the first `head_end` octets of a packet, for scanning
  /// just those; head_end 0: none.
  std::string head_pattern;
  bool head_nocase = false;
  std::uint32_t head_end = 0;
  [[nodiscard]] bool is_transaction() const { return type == RuleType::transaction; }
  /// Gives back what the lists hold in reserve; tens of thousands of rules live side by side.
  void compact();
};

}  // namespace ww::sig
