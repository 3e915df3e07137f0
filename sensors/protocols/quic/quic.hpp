#pragma once
/// QUIC as far as it can be read from outside: headers of RFC 8999/9000/9369 and of Google's QUIC
/// (Q039 to Q050), Initial packets opened with their public keys (RFC 9001 section 5), frames, and
/// the TLS hello or the CHLO tags inside. Pure functions; the parser is register.cpp.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::quic {

namespace version {
constexpr std::uint32_t v1 = 1, v2 = 0x6b3343cf, q039 = 0x51303339, q043 = 0x51303433,
                        q044 = 0x51303434, q045 = 0x51303435, q046 = 0x51303436, q050 = 0x51303530;
}
/// "Q046" for Google's versions, else lower-case hex without leading zeros ("1", "ff00001d").
[[nodiscard]] std::string version_text(std::uint32_t v);
/// Versions whose Initial packets are not encrypted.
[[nodiscard]] bool is_plain(std::uint32_t v);

enum class PacketType : std::uint8_t {
  initial,
  retry,
  handshake,
  zero_rtt,
  version_negotiation,
  one_rtt  ///< short header: nothing to read
};

/// Views borrow the datagram.
struct Header {
  PacketType type = PacketType::one_rtt;
  std::uint32_t version = 0;
  Bytes version_octets;  ///< the four on the wire; empty in a short header
  Bytes dcid;
  std::size_t length = 0;   ///< octets before the packet number (IETF) or the payload (gQUIC)
  std::size_t payload = 0;  ///< octets that follow and belong to this packet
};
/// @param datagram  one packet, maybe with others coalesced behind it
[[nodiscard]] std::optional<Header> parse_header(Bytes datagram);

/// Key material of one direction's Initial packets.
struct Keys {
  std::array<std::uint8_t, 16> key{}, header{};
  std::array<std::uint8_t, 12> iv{};
};
struct InitialKeys {
  Keys side[2];  ///< [0] what the client sends, [1] the server
};
/// @param dcid  destination connection id of the client's first Initial packet
/// @return nothing for versions whose salt is not known
[[nodiscard]] std::optional<InitialKeys> initial_keys(std::uint32_t version, Bytes dcid);
/// Removes header protection and decrypts one packet.
/// @param packet  header and payload, header.length + header.payload octets
/// @return frames; nothing when the packet is too short or not authentic
[[nodiscard]] std::optional<std::string> open_packet(const Keys& keys, Bytes packet,
                                                     std::size_t header_length);

/// A piece of the handshake's octet stream.
struct CryptoPiece {
  std::uint64_t offset = 0;
  Bytes data;
};
/// Tags of a CHLO, REJ or SHLO message, in order: name ("SNI", "UAID"...) and value.
using Tags = std::vector<std::pair<std::string, std::string>>;

struct Frames {
  std::vector<CryptoPiece> crypto;
  std::vector<Tags> messages;  ///< one per stream frame that holds a handshake message
};
/// @return nothing when a frame is cut off or malformed. A frame of unknown type ends the reading
/// without an error, for its length cannot be known.
[[nodiscard]] std::optional<Frames> parse_frames(Bytes payload);

/// Handshake octets that come in any order. Bounded.
class CryptoStream {
 public:
  static constexpr std::size_t max_octets = 65535;
  /// @return false when the piece lies beyond max_octets or there are too many holes
  [[nodiscard]] bool add(const CryptoPiece& piece);
  /// What is there without a hole from the start.
  [[nodiscard]] Bytes prefix() const;
  void clear();

 private:
  static constexpr std::size_t max_ranges = 256;
  std::string data_;
  std::vector<std::pair<std::size_t, std::size_t>> ranges_;  ///< [from, to), sorted, disjoint
};

/// EVE name of a TLS extension ("server_name"); empty when it has none.
[[nodiscard]] std::string_view extension_name(std::uint16_t type);

}  // namespace ww::quic
