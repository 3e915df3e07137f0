#pragma once
/// The Internet checksum (RFC 1071).
#include <cstddef>
#include <cstdint>

#include "telemetry/bytes.hpp"
#include "telemetry/ip.hpp"

namespace ww::decode {

/// Adds octets to a running sum; every part but the last must have an even length.
[[nodiscard]] std::uint64_t checksum_add(Bytes octets, std::uint64_t sum);
/// The checksum field value for a sum, in host order; 0 when the summed octets held a right
/// checksum.
[[nodiscard]] std::uint16_t checksum_finish(std::uint64_t sum);

enum class ChecksumVerdict : std::uint8_t {
  right,
  left_to_hardware,  ///< holds the sum of the pseudo-header alone, which a sender with checksum
                     ///< offload puts there for its network card to complete
  wrong
};
/// What the checksum field at `at` of a TCP or UDP segment holds.
[[nodiscard]] ChecksumVerdict transport_checksum(const IpAddress& src, const IpAddress& dst,
                                                 std::uint8_t proto, Bytes segment, std::size_t at);

/// Whether a TCP, UDP, ICMPv6 segment carries a right checksum (RFC 793, 768, 8200 section 8.1).
[[nodiscard]] bool transport_checksum_ok(const IpAddress& src, const IpAddress& dst,
                                         std::uint8_t proto, Bytes segment);

}  // namespace ww::decode
