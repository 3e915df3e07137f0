#pragma once
/// DNP3 link and transport layers: IEEE 1815-2012 clauses 9 and 8.
#include <cstdint>
#include <optional>
#include <string>

#include "telemetry/bytes.hpp"

namespace ww::dnp3 {

constexpr std::size_t link_header = 10;  ///< with its checksum
constexpr std::uint8_t start0 = 0x05, start1 = 0x64;
/// Octets that the link length counts without user data: control, destination, source.
constexpr std::uint8_t min_link_length = 5;

/// CRC-16/DNP, least significant octet first on the wire.
[[nodiscard]] std::uint16_t checksum(Bytes octets);

struct Link {
  std::uint8_t length = 0;
  std::uint8_t control = 0;
  std::uint16_t destination = 0, source = 0;
  [[nodiscard]] bool from_master() const { return (control & 0x80) != 0; }
  [[nodiscard]] bool primary() const { return (control & 0x40) != 0; }
  [[nodiscard]] bool frame_count() const { return (control & 0x20) != 0; }
  [[nodiscard]] bool frame_count_valid() const { return (control & 0x10) != 0; }
  [[nodiscard]] std::uint8_t function() const { return control & 0x0f; }
  [[nodiscard]] bool has_user_data() const { return function() == 3 || function() == 4; }
};
/// @param frame  at least link_header octets that start with the start octets
[[nodiscard]] Link read_link(Bytes frame);
[[nodiscard]] bool header_checksum_right(Bytes frame);
/// Octets of the whole frame with all checksums. link.length >= min_link_length.
[[nodiscard]] std::size_t frame_octets(const Link& link);
/// User data of a whole frame: transport octet and application octets, checksums checked and taken
/// out.
/// @return nothing when a checksum is wrong
[[nodiscard]] std::optional<std::string> user_data(Bytes frame);

/// The transport octet.
struct Transport {
  bool final = false, first = false;
  std::uint8_t sequence = 0;  ///< six bits
};
[[nodiscard]] Transport read_transport(std::uint8_t octet);

}  // namespace ww::dnp3
