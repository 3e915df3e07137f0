#pragma once
/// Runs the payload operations of one stage over one buffer, with backtracking over relative
/// matches.
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rules/signature/pcre.hpp"
#include "rules/signature/rule.hpp"
#include "rules/signature/state.hpp"

namespace ww::sig {

class Gates;  // rules/signature/gate.hpp
class Trace;  // rules/signature/trace.hpp

/// Per worker; reused for every evaluation.
struct EvalScratch {
  PcreScratch pcre;
  std::array<std::uint64_t, 32> vars{};
  std::string decoded;  ///< base64_decode
  std::string transformed[2];
  std::vector<std::pair<std::string, std::string>> context;  ///< dataset JSON
  std::vector<std::pair<std::uint32_t, std::string>> captured_flow;
  std::vector<PacketVar> captured_packet;
  std::uint32_t steps = 0;
  std::uint32_t step_limit = 3000;  ///< detect.inspection-recursion-limit
  std::uint64_t limit_hits = 0;
  Gates* gates = nullptr;
  Trace* trace = nullptr;  ///< set while the rule that it watches is checked
};

struct Window {
  Bytes data;
  std::uint64_t base = 0;        ///< position of data[0] in the whole buffer or stream
  std::uint32_t fresh_from = 0;  ///< a match must claim an octet at or after this
  bool whole_to_end = true;      ///< data reaches the end of what there is now
};

/// @return true when every operation holds. Variables and captures stay in the scratch.
[[nodiscard]] bool evaluate(const Stage& stage, const Window& window, EvalScratch& scratch,
                            MatchServices& services);

/// Applies a stage's transforms; false when one fails. The result is borrowed from `in` or the
/// scratch.
[[nodiscard]] bool apply_transforms(const std::vector<Transform>& list, Bytes in,
                                    EvalScratch& scratch, Bytes& out);

/// base64 with embedded junk skipped as RFC 2045 says; stops at the first `=`.
void decode_base64_lenient(Bytes in, std::string& out);

}  // namespace ww::sig
