#pragma once
/// Frames of HTTP/2 (RFC 9113 section 4) and header fields without compression (RFC 7541 6.2.2).
#include <string>
#include <string_view>

#include "sensors/protocols/http2/http2.hpp"

namespace ww::sensor::test {

inline const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string frame(http2::FrameKind kind, unsigned flags, std::uint32_t stream,
                         std::string_view payload) {
  std::string out;
  for (const int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
  out += static_cast<char>(kind);
  out += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  return out + std::string(payload);
}
inline std::string literal(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) +
         static_cast<char>(value.size()) + std::string(value);
}

}  // namespace ww::sensor::test
