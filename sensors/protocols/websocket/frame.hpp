#pragma once
/// WebSocket frames (RFC 6455 section 5) and the inflating of compressed messages (RFC 7692).
#include <cstdint>
#include <optional>
#include <string>

#include "telemetry/bytes.hpp"
#include "telemetry/deflate/decoder.hpp"

namespace ww::websocket {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  connection_close = 8,
  ping = 9,
  pong = 10
};
/// EVE's name ("text"); "unknown-3" for codes without one.
[[nodiscard]] std::string opcode_name(std::uint8_t code);

struct Header {
  std::uint8_t flags = 0;  ///< fin 0x80, compressed 0x40, reserved 0x30
  std::uint8_t opcode = 0;
  std::optional<std::uint32_t> mask;  ///< as the four octets stand on the wire
  std::uint64_t payload = 0;          ///< octets behind the header
  std::size_t length = 0;             ///< octets of the header itself
  [[nodiscard]] bool fin() const { return (flags & 0x80) != 0; }
  [[nodiscard]] bool compressed() const { return (flags & 0x40) != 0; }
  [[nodiscard]] bool control() const { return opcode >= 8; }
};

/// Nothing while the octets end inside the header.
[[nodiscard]] std::optional<Header> parse_header(Bytes octets);

/// The payload as the sender meant it.
[[nodiscard]] std::string unmasked(Bytes payload, std::optional<std::uint32_t> mask);

/// Inflates the messages of one direction. What one message refers back to may stand in an earlier
/// one, so the window is kept from message to message.
class Inflater {
 public:
  struct Result {
    bool ok = false;   ///< false: not deflate; `text` is what came out before
    bool cut = false;  ///< more than `limit` octets: the rest was dropped
    std::string text;
  };
  /// @param message  a whole compressed message, without the four octets that RFC 7692 takes away
  [[nodiscard]] Result inflate(std::string_view message, std::size_t limit);
  /// Forgets what went before: something was missed.
  void reset();

 private:
  deflate::Borrowed decoder_;
};

}  // namespace ww::websocket
