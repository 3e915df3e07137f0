#include "sensors/decode/checksum.hpp"

#include <bit>
#include <cstring>

namespace ww::decode {

static_assert(std::endian::native == std::endian::little);

namespace {

#if defined(__x86_64__)
/// Four words at a time where the processor can: the low and the high 32-bit half of each are added
/// apart, so that no carry is lost in fewer than 2^32 steps (a packet has not 2^12). Returns how
/// many octets it took.
__attribute__((target("avx2"))) std::size_t add_wide(const std::uint8_t* p, std::size_t n,
                                                     std::uint64_t& sum) {
  typedef std::uint64_t Words __attribute__((vector_size(32), aligned(1)));
  Words low = {}, high = {}, low2 = {}, high2 = {};
  const auto whole = n & ~std::size_t{63};
  for (std::size_t i = 0; i < whole; i += 64) {
    Words a, b;
    std::memcpy(&a, p + i, sizeof a);
    std::memcpy(&b, p + i + 32, sizeof b);
    low += a & 0xffffffff;
    high += a >> 32;
    low2 += b & 0xffffffff;
    high2 += b >> 32;
  }
  low += low2 + high + high2;
  sum += low[0] + low[1] + low[2] + low[3];
  return whole;
}
const bool wide_words = __builtin_cpu_supports("avx2") != 0;
#endif

/// The sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1), as its octets would be loaded.
std::uint64_t pseudo_header(const IpAddress& src, const IpAddress& dst, std::uint8_t proto,
                            std::size_t octets) {
  const auto n = static_cast<std::uint32_t>(octets);
  std::uint64_t sum = std::uint64_t{__builtin_bswap32(n)} + (std::uint64_t{proto} << 24);
  for (const auto& address : {src.bytes(), dst.bytes()})
    for (std::size_t i = 0; i + 4 <= address.size(); i += 4) sum += load_le32(address.data() + i);
  return sum;
}

}  // namespace

std::uint64_t checksum_add(Bytes octets, std::uint64_t sum) {
  // The one's-complement sum does not depend on byte order, so words are added as loaded and only
  // the result is swapped.
  const auto* p = octets.data();
  auto n = octets.size();
#if defined(__x86_64__)
  if (n >= 64 && wide_words) {
    const auto taken = add_wide(p, n, sum);
    p += taken;
    n -= taken;
  }
#endif
  for (; n >= 8; n -= 8, p += 8) {
    const auto word = load_le64(p);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  if (n >= 4) {
    sum += load_le32(p);
    p += 4;
    n -= 4;
  }
  if (n >= 2) {
    sum += load_le16(p);
    p += 2;
    n -= 2;
  }
  if (n != 0) sum += *p;
  return sum;
}

std::uint16_t checksum_finish(std::uint64_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~__builtin_bswap16(static_cast<std::uint16_t>(sum)));
}

bool transport_checksum_ok(const IpAddress& src, const IpAddress& dst, std::uint8_t proto,
                           Bytes segment) {
  return checksum_finish(checksum_add(segment, pseudo_header(src, dst, proto, segment.size()))) ==
         0;
}

ChecksumVerdict transport_checksum(const IpAddress& src, const IpAddress& dst, std::uint8_t proto,
                                   Bytes segment, std::size_t at) {
  const auto pseudo = pseudo_header(src, dst, proto, segment.size());
  if (checksum_finish(checksum_add(segment, pseudo)) == 0) return ChecksumVerdict::right;
  const auto left = static_cast<std::uint16_t>(~checksum_finish(pseudo));
  return at + 2 <= segment.size() && load_be16(&segment[at]) == left
             ? ChecksumVerdict::left_to_hardware
             : ChecksumVerdict::wrong;
}

}  // namespace ww::decode
