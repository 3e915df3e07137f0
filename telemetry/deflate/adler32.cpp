#include "telemetry/deflate/adler32.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

namespace ww::deflate {
namespace {

constexpr std::uint32_t modulus = 65521;
constexpr std::size_t most = 5552;  // octets before the second sum of 32 bits could overflow

struct Sums {
  std::uint32_t a, b;
};

#if defined(__x86_64__)
__attribute__((target("avx2"))) std::uint32_t total(__m256i v) {
  __m128i w = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  w = _mm_add_epi32(w, _mm_shuffle_epi32(w, 0x4e));
  w = _mm_add_epi32(w, _mm_shuffle_epi32(w, 0xb1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(w));
}
/// Whole blocks of 32 octets: how many octets of `p` were added.
__attribute__((target("avx2"))) std::size_t add_wide(const std::uint8_t* p, std::size_t n,
                                                     Sums& s) {
  const std::size_t blocks = n / 32;
  const __m256i weights =
      _mm256_setr_epi8(32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14,
                       13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1);
  const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi16(1);
  __m256i a = zero, before = zero, b = zero;  // before: the a that each block began with
  for (std::size_t i = 0; i < blocks; ++i) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * i));
    before = _mm256_add_epi32(before, a);
    a = _mm256_add_epi32(a, _mm256_sad_epu8(v, zero));
    b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_maddubs_epi16(v, weights), ones));
  }
  b = _mm256_add_epi32(b, _mm256_slli_epi32(before, 5));
  s.b += static_cast<std::uint32_t>(32 * blocks) * s.a + total(b);
  s.a += total(a);
  return 32 * blocks;
}
const bool wide_words = __builtin_cpu_supports("avx2") != 0;
#endif

}  // namespace

std::uint32_t adler32(std::uint32_t sum, Bytes octets) {
  Sums s{sum & 0xffff, sum >> 16};
  while (!octets.empty()) {
    const auto piece = octets.first(std::min(octets.size(), most));
    std::size_t i = 0;
#if defined(__x86_64__)
    if (wide_words) i = add_wide(piece.data(), piece.size(), s);
#endif
    for (; i < piece.size(); ++i) {
      s.a += piece[i];
      s.b += s.a;
    }
    s.a %= modulus;
    s.b %= modulus;
    octets = octets.subspan(piece.size());
  }
  return (s.b << 16) | s.a;
}

}  // namespace ww::deflate
