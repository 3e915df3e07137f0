#include "sensors/protocols/dnp3/link.hpp"

#include <algorithm>
#include <array>

namespace ww::dnp3 {
namespace {

constexpr std::size_t block_octets = 16, checksum_octets = 2;

constexpr std::array<std::uint16_t, 256> make_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned i = 0; i < 256; ++i) {
    unsigned crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xa6bcU : 0U);
    table[i] = static_cast<std::uint16_t>(crc);
  }
  return table;
}

}  // namespace

std::uint16_t checksum(Bytes octets) {
  static constexpr auto table = make_table();
  std::uint16_t crc = 0;
  for (const auto octet : octets)
    crc = static_cast<std::uint16_t>((crc >> 8) ^ table[(crc ^ octet) & 0xff]);
  return static_cast<std::uint16_t>(~crc);
}

Link read_link(Bytes frame) {
  ByteReader in(frame.subspan(2));
  Link l;
  l.length = in.u8();
  l.control = in.u8();
  l.destination = in.u16le();
  l.source = in.u16le();
  return l;
}

bool header_checksum_right(Bytes frame) {
  return checksum(frame.first(link_header - checksum_octets)) ==
         load_le16(frame.data() + link_header - checksum_octets);
}

std::size_t frame_octets(const Link& link) {
  const std::size_t user = link.length - min_link_length;
  const std::size_t blocks = (user + block_octets - 1) / block_octets;
  return link_header + user + blocks * checksum_octets;
}

std::optional<std::string> user_data(Bytes frame) {
  std::string out;
  for (auto rest = frame.subspan(link_header); !rest.empty();) {
    const auto n = std::min(rest.size(), block_octets + checksum_octets);
    if (n <= checksum_octets) return {};
    const auto block = rest.first(n - checksum_octets);
    if (checksum(block) != load_le16(rest.data() + block.size())) return {};
    out += as_text(block);
    rest = rest.subspan(n);
  }
  return out;
}

Transport read_transport(std::uint8_t octet) {
  return {(octet & 0x80) != 0, (octet & 0x40) != 0, static_cast<std::uint8_t>(octet & 0x3f)};
}

}  // namespace ww::dnp3
