#include "sensors/decode/checksum.hpp"

#include <bit>

namespace ww::decode {

static_assert(std::endian::native == std::endian::little);

std::uint64_t checksum_add(Bytes octets, std::uint64_t sum) {
  // The one's-complement sum does not depend on byte order, so words are added as loaded and only
  // the result is swapped. Whole 64-bit words into 128-bit sums: an add and an add-with-carry each.
  const auto* p = octets.data();
  auto n = octets.size();
  unsigned __int128 wide = 0, wide2 = 0;
  for (; n >= 32; n -= 32, p += 32) {
    wide += load_le64(p);
    wide2 += load_le64(p + 8);
    wide += load_le64(p + 16);
    wide2 += load_le64(p + 24);
  }
  for (; n >= 8; n -= 8, p += 8) wide += load_le64(p);
  wide += wide2;
  const auto low = static_cast<std::uint64_t>(wide), high = static_cast<std::uint64_t>(wide >> 64);
  std::uint64_t a = (low & 0xffffffff) + (low >> 32) + high;
  for (; n >= 4; n -= 4, p += 4) a += load_le32(p);
  if (n >= 2) {
    a += load_le16(p);
    p += 2;
    n -= 2;
  }
  if (n != 0) a += *p;
  return sum + a;
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
