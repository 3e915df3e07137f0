#pragma once
/// IP addresses and networks as values. IPv4 occupies the first four octets.
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "telemetry/bytes.hpp"

namespace ww {

struct IpAddress {
  std::array<std::uint8_t, 16> octets{};
  std::uint8_t family = 0;  ///< 0 none, 4 or 6

  static IpAddress v4(const std::uint8_t* p) {
    IpAddress a;
    std::memcpy(a.octets.data(), p, 4);
    a.family = 4;
    return a;
  }
  static IpAddress v6(const std::uint8_t* p) {
    IpAddress a;
    std::memcpy(a.octets.data(), p, 16);
    a.family = 6;
    return a;
  }
  [[nodiscard]] std::size_t size() const { return family == 4 ? 4U : family == 6 ? 16U : 0U; }
  [[nodiscard]] Bytes bytes() const { return {octets.data(), size()}; }
  [[nodiscard]] std::uint32_t v4_host() const { return load_be32(octets.data()); }
  auto operator<=>(const IpAddress&) const = default;
  bool operator==(const IpAddress&) const = default;
};

/// IPv4 dotted; IPv6 as eight full groups ("fe80:0000:...") because that is how EVE writes it.
void append_ip(std::string& out, const IpAddress& a);
/// RFC 5952 short form for IPv6.
[[nodiscard]] std::string ip_short(const IpAddress& a);
[[nodiscard]] std::string ip_text(const IpAddress& a);
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);

/// address/prefix.
struct IpNetwork {
  IpAddress address;
  std::uint8_t prefix = 0;
  [[nodiscard]] bool contains(const IpAddress& a) const;
};
/// "10.0.0.0/8", "10.0.0.0/255.0.0.0" or a single address.
[[nodiscard]] std::optional<IpNetwork> parse_network(std::string_view text);

}  // namespace ww
