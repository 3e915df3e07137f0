#pragma once
/// Gates: before a regular expression is run over a long buffer, Vectorscan says whether it can
/// match there at all, at a hundredth of the cost. A gate is an approximation that never says no
/// where the expression says yes.
///
/// Only rules that the scan of fast patterns names often have one: those without a fast pattern and
/// those whose fast pattern is short.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rules/signature/profile.hpp"
#include "rules/signature/rule.hpp"
#include "rules/signature/scanner.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {

struct GateExpression {
  std::string pattern;
  unsigned flags = 0;         ///< HS_FLAG_*
  std::uint32_t longest = 0;  ///< octets that a match covers at most; 0: no bound
  auto operator<=>(const GateExpression&) const = default;
};

/// What must occur somewhere in a buffer for `op` to match there, wherever it starts; nothing when
/// Vectorscan cannot tell, or would tell too little.
[[nodiscard]] std::optional<GateExpression> gate_expression(const PcreOp& op);

/// Whether the gate of an expression is worth having in this stage.
[[nodiscard]] bool deserves_gate(const Rule& rule, const Stage& stage);

/// Where the answer about an expression is found.
struct Gate {
  /// Those of payloads are asked for together, as their rules are candidates of most packets;
  /// `piecewise` ones only of what is new of a stream.
  enum class Kind : std::uint8_t { alone, together, piecewise } kind = Kind::alone;
  std::uint32_t scanner = 0;  ///< of its own, or that of its kind
  std::uint32_t number = 0;   ///< among those of its kind
};

/// Asks the gates of one engine. One per worker.
class Gates {
 public:
  /// Shorter buffers are not worth a second look.
  static constexpr std::size_t least_octets = 128;
  /// Longer matches are not looked for piecewise.
  static constexpr std::uint32_t most_overlap = 512;

  /// @param gates, scanners, scratch  borrowed
  void bind(std::span<const Gate> gates, std::span<const Scanner> scanners, hs_scratch* scratch,
            MatchProfile* profile);
  void set_profile(MatchProfile* profile) { profile_ = profile; }
  /// Another packet: octets asked of before may have changed.
  void next_packet() { answers_.clear(); }
  /// What is asked of until leave_stream() is that part of a stream.
  /// @param generation  the engine's, so that answers of another are forgotten
  void enter_stream(FlowData& flow, const StreamChunk& chunk, std::uint64_t generation) {
    stream_ = &flow;
    chunk_ = &chunk;
    generation_ = generation;
  }
  void leave_stream() { stream_ = nullptr; }

  /// False when the expression of `gate` cannot match anywhere in `data`.
  [[nodiscard]] bool open(std::int32_t gate, Bytes data);

 private:
  /// What the scan for one kind of gate said of some octets of this packet.
  struct Answer {
    Bytes data;
    Gate::Kind kind;
    std::vector<std::uint32_t> open;  ///< numbers
  };
  const Answer& answer(const Gate& gate, Bytes data);
  void scan(std::uint32_t scanner, Bytes data, std::vector<std::uint32_t>& open);
  void scan_piece(std::uint32_t scanner, Answer& answer);

  std::span<const Gate> gates_;
  std::span<const Scanner> scanners_;
  hs_scratch* hs_ = nullptr;
  MatchProfile* profile_ = nullptr;
  std::vector<Answer> answers_;
  FlowData* stream_ = nullptr;
  const StreamChunk* chunk_ = nullptr;
  std::uint64_t generation_ = 0;
};

}  // namespace ww::sig
