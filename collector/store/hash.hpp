#pragma once
/// Hashes of the store's files. Their values are on disk (block filters, journal): never change
/// them.
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ww::collector {

[[nodiscard]] inline std::uint64_t mix64(std::uint64_t x) noexcept {  // finaliser of splitmix64
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// One to seven octets, the first the lowest. No call for so little: an event has some fifty words.
[[nodiscard]] inline std::uint64_t load_few(const char* p, std::size_t n) noexcept {
  if (n >= 4) {  // the two halves overlap where they say the same
    std::uint32_t low;
    std::uint32_t high;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + n - 4, 4);
    return low | std::uint64_t{high} << (n - 4) * 8;
  }
  const auto at = [&](std::size_t i) {
    return std::uint64_t{static_cast<unsigned char>(p[i])} << i * 8;
  };
  return at(0) | at(n / 2) | at(n - 1);
}

/// Eight octets a step; fast on the short keys and words of events. Not for secrets.
[[nodiscard]] inline std::uint64_t hash64(std::string_view s, std::uint64_t seed = 0) noexcept {
  std::uint64_t h = seed ^ (s.size() * 0x9e3779b97f4a7c15ULL);
  const char* p = s.data();
  std::size_t n = s.size();
  for (; n >= 8; p += 8, n -= 8) {
    std::uint64_t v;
    std::memcpy(&v, p, 8);
    h = (h ^ v) * 0xff51afd7ed558ccdULL;
    h ^= h >> 32;
  }
  if (n > 0) {
    const auto v = load_few(p, n);
    h = (h ^ v) * 0xff51afd7ed558ccdULL;
    h ^= h >> 32;
  }
  return mix64(h);
}

/// CRC-32C (Castagnoli), as in iSCSI (RFC 3720 B.4).
[[nodiscard]] std::uint32_t crc32c(std::string_view octets, std::uint32_t crc = 0) noexcept;

}  // namespace ww::collector
