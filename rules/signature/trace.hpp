#pragma once
/// What a matcher tells about its work on one rule: `rules explain`. Without a trace the matcher
/// tests a pointer and goes on.
#include <cstdint>
#include <span>

#include "rules/signature/rule.hpp"

namespace ww::sig {

/// The part of a rule's header (with `flow` and the protocols its keywords ask for) that a packet
/// does not fit, in the order in which they are tested; `held` when all of it fits.
enum class HeaderPart : std::uint8_t {
  not_ip,
  ip_version,
  protocol,
  direction,     ///< `flow:to_server`, `flow:to_client`
  established,   ///< `flow:established`, `flow:not_established`
  fragment,      ///< `flow:only_frag`, `flow:no_frag`
  keyword_side,  ///< the keywords look at the other direction
  app_protocol,
  no_ports,  ///< the rule names ports, the packet has none
  source_port,
  destination_port,
  source,
  destination,
  held
};

/// One operation of a stage on one buffer.
struct OpEvent {
  const Stage& stage;
  const PayloadOp& op;
  bool held = false;
  Bytes data;                    ///< the buffer (after transforms), borrowed for the call
  std::uint64_t base = 0;        ///< position of data[0] in the whole buffer
  std::size_t from = 0, to = 0;  ///< in data: what matched, or where it was looked for
  std::uint64_t value = 0;       ///< the number that was read
  bool has_value = false;
};

/// Follows one rule. Calls come in the order of the work and from the matcher's thread; what they
/// refer to is borrowed for the call. Must not outlive the engine that holds the rule.
class Trace {
 public:
  enum class Verdict : std::uint8_t { no, yes, wait };
  /// What became of a match.
  enum class Fate : std::uint8_t {
    alert,
    threshold,
    detection_filter,
    suppressed,
    passed,      ///< a pass rule, named by `by`
    is_pass,     ///< the rule is itself a pass rule
    noalert,     ///< flowbits:noalert or noalert
    over_limit,  ///< packet-alert-max
    queue_full
  };

  explicit Trace(const Rule& watched) : rule(watched) {}
  virtual ~Trace() = default;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  const Rule& rule;

  /// A packet is about to be inspected; `header` says whether the rule's header fits it.
  virtual void packet(const Packet& packet, HeaderPart header) = 0;
  /// A packet that no rule sees: its flow was passed or bypassed.
  virtual void skipped(const Packet& packet) = 0;
  /// A scanner looked for fast patterns.
  virtual void scanned(std::uint32_t scanner, Bytes data) = 0;

  /// The rule is a candidate. Then header(), test() and what the stages say, then end().
  virtual void begin(const Packet& packet, const Transaction* tx, const Frame* frame) = 0;
  virtual void header(HeaderPart part) = 0;
  virtual void test(std::size_t index, bool held) = 0;
  /// What follows looks at the reassembled stream (or, false, at the packet's payload).
  virtual void source(bool stream) = 0;
  /// A transaction's buffer (or number) at `index`, as its getter answers.
  virtual void item(const Stage& stage, std::uint32_t index, BufferStatus status) = 0;
  /// The operations of a stage start on this buffer; `transformed` false: a transform failed.
  virtual void window(const Stage& stage, Bytes data, std::uint64_t base, bool transformed) = 0;
  virtual void op(const OpEvent& event) = 0;
  virtual void number(const Stage& stage, std::uint32_t index, std::uint64_t value, bool held) = 0;
  virtual void file(const Stage& stage, const File& file, std::size_t test,
                    FileTest::Result result) = 0;
  virtual void stage(const Stage& stage, Verdict verdict) = 0;
  virtual void end(Verdict verdict) = 0;

  virtual void fate(Fate fate, const Rule* by) = 0;
};

class Matcher;
/// Tells `trace` of its rule from now on; null ends it. Borrowed.
void set_trace(Matcher& matcher, Trace* trace);

}  // namespace ww::sig
