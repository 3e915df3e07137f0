#include "sensors/decode/checksum.hpp"

#include <bit>

namespace ww::decode {

static_assert(std::endian::native == std::endian::little);

std::uint64_t checksum_add(Bytes octets, std::uint64_t sum) {
  // The one's-complement sum does not depend on byte order, so words are added as loaded and only
  // the result is swapped. 32-bit halves in 64-bit lanes cannot overflow below 2^32 words.
  const auto* p = octets.data();
  auto n = octets.size();
  std::uint64_t a = 0, b = 0;
  for (; n >= 16; n -= 16, p += 16) {
    const auto x = load_le64(p), y = load_le64(p + 8);
    a += (x & 0xffffffff) + (y & 0xffffffff);
    b += (x >> 32) + (y >> 32);
  }
  for (; n >= 4; n -= 4, p += 4) a += load_le32(p);
  if (n >= 2) {
    a += load_le16(p);
    p += 2;
    n -= 2;
  }
  if (n != 0) a += *p;
  return sum + a + b;
}

std::uint16_t checksum_finish(std::uint64_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~__builtin_bswap16(static_cast<std::uint16_t>(sum)));
}

bool transport_checksum_ok(const IpAddress& src, const IpAddress& dst, std::uint8_t proto,
                           Bytes segment) {
  auto sum = checksum_add(src.bytes(), 0);
  sum = checksum_add(dst.bytes(), sum);
  const auto n = static_cast<std::uint32_t>(segment.size());
  const std::uint8_t tail[8] = {static_cast<std::uint8_t>(n >> 24),
                                static_cast<std::uint8_t>(n >> 16),
                                static_cast<std::uint8_t>(n >> 8),
                                static_cast<std::uint8_t>(n),
                                0,
                                0,
                                0,
                                proto};
  sum = checksum_add(tail, sum);
  return checksum_finish(checksum_add(segment, sum)) == 0;
}

}  // namespace ww::decode
