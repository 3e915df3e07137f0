#pragma once
/// The checksum of zlib frames (RFC 1950 section 8.2).
#include <cstdint>

#include "telemetry/bytes.hpp"

namespace ww::deflate {

/// The sum over what `sum` covers and `octets` behind it; that of nothing is 1. With AVX2 where the
/// processor has it.
[[nodiscard]] std::uint32_t adler32(std::uint32_t sum, Bytes octets);

}  // namespace ww::deflate
