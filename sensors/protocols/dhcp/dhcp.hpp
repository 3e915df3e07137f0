#pragma once
/// DHCP messages for IPv4: RFC 2131 and the options of RFC 2132.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::dhcp {

namespace option {
constexpr std::uint8_t pad = 0, subnet_mask = 1, routers = 3, dns_servers = 6, hostname = 12,
                       requested_ip = 50, lease_time = 51, message_type = 53, parameters = 55,
                       renewal_time = 58, rebinding_time = 59, vendor_class = 60, client_id = 61,
                       end = 255;
}
namespace type {
constexpr std::uint8_t discover = 1, offer = 2, request = 3, decline = 4, ack = 5, nak = 6,
                       release = 7, inform = 8;
}

struct Option {
  std::uint8_t code = 0;
  std::string data;
};
struct Message {
  std::uint8_t opcode = 0;  ///< 1 request, 2 reply
  std::uint32_t id = 0;
  std::string client_ip, your_ip, server_ip, relay_ip;  ///< four octets each
  std::string client_hardware;                          ///< as long as the message says, 16 at most
  std::vector<Option> options;                          ///< in order, at most max_options
  bool truncated = false;  ///< the last option is cut off, or there is no end
  bool malformed = false;  ///< an option has a wrong length

  /// First option of that kind; null when there is none.
  [[nodiscard]] const Option* find(std::uint8_t code) const;
  /// A time in seconds.
  [[nodiscard]] std::optional<std::uint32_t> seconds(std::uint8_t code) const;
};
constexpr std::size_t max_options = 256;
constexpr std::size_t header_octets = 240;  ///< with the magic number

/// @return nothing when it is no DHCP message
[[nodiscard]] std::optional<Message> parse_message(Bytes datagram);
/// "ack"; "unknown" for codes without a name
[[nodiscard]] std::string_view type_name(std::uint8_t code);
/// A requested parameter's name; empty when events do not name it.
[[nodiscard]] std::string_view parameter_name(std::uint8_t code);

}  // namespace ww::dhcp
