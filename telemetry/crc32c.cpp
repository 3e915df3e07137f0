#include "telemetry/crc32c.hpp"

#include <array>
#include <cstring>
#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace ww {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78;  // reflected

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> t{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? (c >> 1) ^ polynomial : c >> 1;
    t[i] = c;
  }
  return t;
}
constexpr auto table = make_table();

}  // namespace

std::uint32_t crc32c_portable(std::string_view octets, std::uint32_t before) {
  std::uint32_t c = ~before;
  for (const char o : octets) c = table[(c ^ static_cast<unsigned char>(o)) & 0xFF] ^ (c >> 8);
  return ~c;
}

std::uint32_t crc32c(std::string_view octets, std::uint32_t before) {
#if defined(__SSE4_2__)
  std::uint64_t c = static_cast<std::uint32_t>(~before);
  const char* p = octets.data();
  std::size_t n = octets.size();
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t v;
    std::memcpy(&v, p, 8);
    c = _mm_crc32_u64(c, v);
  }
  auto small = static_cast<std::uint32_t>(c);
  for (; n > 0; --n, ++p) small = _mm_crc32_u8(small, static_cast<unsigned char>(*p));
  return ~small;
#else
  return crc32c_portable(octets, before);
#endif
}

}  // namespace ww
