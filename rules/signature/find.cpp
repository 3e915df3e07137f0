#include "rules/signature/find.hpp"

#include <array>
#include <bit>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ww::sig {

namespace {

constexpr std::array<std::uint8_t, 256> fold = [] {
  std::array<std::uint8_t, 256> t{};
  for (std::size_t i = 0; i < 256; ++i)
    t[i] = static_cast<std::uint8_t>(i >= 'A' && i <= 'Z' ? i + 32 : i);
  return t;
}();

constexpr bool is_lower(std::uint8_t c) { return c >= 'a' && c <= 'z'; }

bool stands_at(const std::uint8_t* p, std::string_view literal, bool nocase) {
  if (!nocase) return std::memcmp(p, literal.data(), literal.size()) == 0;
  for (std::size_t i = 0; i < literal.size(); ++i)
    if (fold[p[i]] != static_cast<std::uint8_t>(literal[i])) return false;
  return true;
}

std::size_t find_slowly(Bytes data, std::string_view literal, bool nocase) {
  for (std::size_t at = 0; at + literal.size() <= data.size(); ++at)
    if (stands_at(data.data() + at, literal, nocase)) return at;
  return not_found;
}

}  // namespace

std::size_t find_literal(Bytes data, std::string_view literal, bool nocase) {
  if (data.size() < literal.size()) return not_found;
#if defined(__SSE2__)
  // Sixteen places at once: those where the first and the last octet fit are compared in full.
  constexpr std::size_t width = 16;
  const auto starts = data.size() - literal.size() + 1;
  if (starts < width) return find_slowly(data, literal, nocase);
  const auto first = static_cast<std::uint8_t>(literal.front()),
             last = static_cast<std::uint8_t>(literal.back());
  // A letter's two cases differ in one bit, which is set before comparing.
  const auto splat = [](std::uint8_t c) { return _mm_set1_epi8(static_cast<char>(c)); };
  const auto case_bit = [&](std::uint8_t c) { return splat(nocase && is_lower(c) ? 0x20 : 0); };
  const __m128i first_bit = case_bit(first), last_bit = case_bit(last);
  const __m128i wanted_first = splat(first), wanted_last = splat(last);
  const auto load = [](const std::uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  };
  for (std::size_t at = 0;;) {
    const auto* p = data.data() + at;
    const auto a = _mm_cmpeq_epi8(_mm_or_si128(load(p), first_bit), wanted_first);
    const auto b =
        _mm_cmpeq_epi8(_mm_or_si128(load(p + literal.size() - 1), last_bit), wanted_last);
    for (auto mask = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_and_si128(a, b))); mask != 0;
         mask &= mask - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(mask));
      if (stands_at(p + i, literal, nocase)) return at + i;
    }
    if (at + width >= starts) return not_found;
    at = at + 2 * width <= starts ? at + width : starts - width;  // the last block overlaps
  }
#else
  return find_slowly(data, literal, nocase);
#endif
}

}  // namespace ww::sig
