#pragma once
/// The bits of a piece of input, lowest first (RFC 1951 3.1.1). Inside of the decoder only.
#include <algorithm>

#include "telemetry/deflate/decoder.hpp"

namespace ww::deflate {

struct Decoder::Input {
  const std::uint8_t* begin;
  const std::uint8_t* next;
  const std::uint8_t* end;
  std::uint64_t held;
  std::uint32_t bits;

  [[nodiscard]] std::size_t octets() const { return static_cast<std::size_t>(end - next); }
  /// To 56 bits at least, or to all that there are. Bits above `bits` may be those that follow
  /// anyway.
  void fill() {
    if (octets() >= 8) {
      held |= load_le64(next) << bits;
      next += (63 - bits) >> 3;
      bits |= 56;
      return;
    }
    for (; bits < 56 && next != end; bits += 8) held |= std::uint64_t{*next++} << bits;
  }
  [[nodiscard]] bool have(unsigned n) {
    if (bits >= n) return true;
    fill();
    return bits >= n;
  }
  [[nodiscard]] std::uint32_t peek(unsigned n) const {
    return static_cast<std::uint32_t>(held & ((std::uint64_t{1} << n) - 1));
  }
  void drop(unsigned n) {
    held >>= n;
    bits -= n;
  }
  std::uint32_t take(unsigned n) {
    const auto v = peek(n);
    drop(n);
    return v;
  }
  /// Whole octets that were read too far. Those of earlier pieces stay: they were too few for what
  /// is next, and nothing has been decoded since.
  void give_back() {
    const auto n = std::min<std::size_t>(bits >> 3, static_cast<std::size_t>(next - begin));
    next -= n;
    bits -= static_cast<std::uint32_t>(8 * n);
    held &= (std::uint64_t{1} << bits) - 1;
  }
};

}  // namespace ww::deflate
