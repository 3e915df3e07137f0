#include "telemetry/ip.hpp"

#include <arpa/inet.h>

#include <bit>
#include <charconv>

namespace ww {

void append_ip(std::string& out, const IpAddress& a) {
  static constexpr char hex[] = "0123456789abcdef";
  if (a.family == 4) {
    char b[16];
    char* p = b;
    for (std::size_t i = 0; i < 4; ++i) {
      if (i != 0) *p++ = '.';
      p = std::to_chars(p, b + sizeof b, a.octets[i]).ptr;
    }
    out.append(b, p);
  } else if (a.family == 6) {
    for (std::size_t i = 0; i < 16; ++i) {
      if (i != 0 && i % 2 == 0) out += ':';
      out += hex[a.octets[i] >> 4];
      out += hex[a.octets[i] & 15];
    }
  }
}

std::string ip_text(const IpAddress& a) {
  std::string out;
  append_ip(out, a);
  return out;
}

std::string ip_short(const IpAddress& a) {
  if (a.family != 6) return ip_text(a);
  char b[INET6_ADDRSTRLEN];
  return ::inet_ntop(AF_INET6, a.octets.data(), b, sizeof b) != nullptr ? std::string(b)
                                                                        : std::string();
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (text.empty() || text.size() > 45) return {};
  char b[46];
  text.copy(b, text.size());
  b[text.size()] = 0;
  IpAddress a;
  if (text.find(':') != std::string_view::npos) {
    if (::inet_pton(AF_INET6, b, a.octets.data()) != 1) return {};
    a.family = 6;
  } else {
    if (::inet_pton(AF_INET, b, a.octets.data()) != 1) return {};
    a.family = 4;
  }
  return a;
}

bool IpNetwork::contains(const IpAddress& a) const {
  if (a.family != address.family) return false;
  const std::size_t whole = prefix / 8;
  if (std::memcmp(a.octets.data(), address.octets.data(), whole) != 0) return false;
  const unsigned rest = prefix % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return ((a.octets[whole] ^ address.octets[whole]) & mask) == 0;
}

std::optional<IpNetwork> parse_network(std::string_view text) {
  const auto slash = text.find('/');
  const auto a = parse_ip(text.substr(0, slash));
  if (!a) return {};
  IpNetwork n{*a, static_cast<std::uint8_t>(a->size() * 8)};
  if (slash == std::string_view::npos) return n;
  const auto tail = text.substr(slash + 1);
  if (a->family == 4 && tail.find('.') != std::string_view::npos) {
    const auto mask = parse_ip(tail);
    if (!mask || mask->family != 4) return {};
    const std::uint32_t m = mask->v4_host();
    if (m != 0 && std::popcount(m) + std::countr_zero(m) != 32) return {};
    n.prefix = static_cast<std::uint8_t>(std::popcount(m));
    return n;
  }
  unsigned p = 0;
  const auto r = std::from_chars(tail.data(), tail.data() + tail.size(), p);
  if (r.ec != std::errc() || r.ptr != tail.data() + tail.size() || p > n.prefix) return {};
  n.prefix = static_cast<std::uint8_t>(p);
  return n;
}

}  // namespace ww
