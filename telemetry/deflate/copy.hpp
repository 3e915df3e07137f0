#pragma once
/// Copies of matches (RFC 1951 2: "duplicated strings"). Inside of the decoder only.
#include <cstring>

#include "telemetry/deflate/decoder.hpp"

namespace ww::deflate {

using Word8 = std::uint64_t;
using Word16 = std::uint64_t __attribute__((vector_size(16)));

/// Reads the whole word before it writes it, so that the two places may overlap.
template <class Word>
[[gnu::always_inline]] inline void move(std::uint8_t* to, const std::uint8_t* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  std::memcpy(to, &word, sizeof word);
}

/// Copies `length` octets and up to 31 more behind them; what was just written is read again when
/// the distance is less than the length.
[[gnu::always_inline]] inline void copy_wide(std::uint8_t* to, const std::uint8_t* from,
                                             std::size_t distance, std::size_t length) {
  const std::uint8_t* const end = to + length;
  if (distance >= sizeof(Word16)) [[likely]] {
    move<Word16>(to, from);
    move<Word16>(to + 16, from + 16);
    for (; length > 32; length -= 32) {
      to += 32;
      from += 32;
      move<Word16>(to, from);
      move<Word16>(to + 16, from + 16);
    }
  } else if (distance == 1) {
    const Word8 run = *from * std::uint64_t{0x0101010101010101};
    do {
      std::memcpy(to, &run, sizeof run);
      std::memcpy(to + 8, &run, sizeof run);
      to += 16;
    } while (to < end);
  } else if (distance >= sizeof(Word8)) {
    do {
      move<Word8>(to, from);
      move<Word8>(to + 8, from + 8);
      to += 16;
      from += 16;
    } while (to < end);
  } else {
    // Each word brings `distance` right octets; the next one is written over the rest.
    do {
      move<Word8>(to, from);
      to += distance;
      from += distance;
    } while (to < end);
  }
}

/// The match may begin in the last lap of the ring, behind the place it goes to, and then end in
/// this one.
[[gnu::always_inline]] inline void Decoder::copy(std::size_t to, std::size_t distance,
                                                 std::size_t length) {
  const auto from = to - distance + (distance > to ? ring_octets : 0);
  if (from + length > ring_octets && from > to) [[unlikely]]
    return copy_around(from, to, length);
  copy_wide(ring_.data() + to, ring_.data() + from, distance, length);
}

}  // namespace ww::deflate
