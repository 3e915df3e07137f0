#pragma once
/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): by the processor's instruction where there is one.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ww {

/// Continues a checksum: crc32c("ab") == crc32c("b", crc32c("a")).
[[nodiscard]] std::uint32_t crc32c(std::string_view octets, std::uint32_t before = 0);
/// The table version, for machines without the instruction and for comparison in tests.
[[nodiscard]] std::uint32_t crc32c_portable(std::string_view octets, std::uint32_t before = 0);

}  // namespace ww
