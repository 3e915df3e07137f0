#pragma once
/// The Internet checksum (RFC 1071).
#include <cstdint>

#include "telemetry/bytes.hpp"
#include "telemetry/ip.hpp"

namespace ww::decode {

/// Adds octets to a running sum; every part but the last must have an even length.
[[nodiscard]] std::uint64_t checksum_add(Bytes octets, std::uint64_t sum);
/// The checksum field value for a sum, in host order; 0 when the summed octets held a right
/// checksum.
[[nodiscard]] std::uint16_t checksum_finish(std::uint64_t sum);

/// Whether a TCP, UDP, ICMPv6 segment carries a right checksum (RFC 793, 768, 8200 section 8.1).
[[nodiscard]] bool transport_checksum_ok(const IpAddress& src, const IpAddress& dst,
                                         std::uint8_t proto, Bytes segment);

}  // namespace ww::decode
