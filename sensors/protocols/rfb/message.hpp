#pragma once
/// The RFB (VNC) handshake (RFC 6143 section 7.1 to 7.3).
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ww::rfb {

struct Version {
  std::string major, minor;  ///< three digits each, as sent
};

struct PixelFormat {
  std::uint8_t bits_per_pixel = 0, depth = 0;
  bool big_endian = false, true_color = false;
  std::uint16_t red_max = 0, green_max = 0, blue_max = 0;
  std::uint8_t red_shift = 0, green_shift = 0, blue_shift = 0;
};

struct ServerInit {
  std::uint16_t width = 0, height = 0;
  PixelFormat pixels;
  std::string name;
};

/// What a connection has said so far.
struct Handshake {
  std::optional<Version> server, client;
  std::vector<std::uint8_t> offered;      ///< security types
  std::optional<std::uint32_t> security;  ///< the one chosen
  std::string challenge, response;        ///< VNC authentication, 16 octets each
  std::optional<std::uint32_t> result;
  std::optional<std::string> failure;  ///< the server's reason
  std::optional<bool> shared;
  std::optional<ServerInit> init;
};

}  // namespace ww::rfb
