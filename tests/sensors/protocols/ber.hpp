#pragma once
/// Writes BER for tests.
#include <string>

namespace ww::sensor::test {

inline std::string tlv(int tag, const std::string& content) {
  std::string out(1, static_cast<char>(tag));
  if (content.size() < 128) {
    out += static_cast<char>(content.size());
  } else {
    out += '\x82';
    out += static_cast<char>(content.size() >> 8);
    out += static_cast<char>(content.size());
  }
  return out + content;
}
inline std::string ber_octets(const std::string& s) { return tlv(0x04, s); }
inline std::string ber_integer(int v) {
  std::string out;
  for (int shift = v >= -128 && v < 128       ? 0
                   : v >= -32768 && v < 32768 ? 8
                                              : 24;
       shift >= 0; shift -= 8)
    out += static_cast<char>(v >> shift);
  return tlv(0x02, out);
}
inline std::string ber_sequence(const std::string& content) { return tlv(0x30, content); }
/// Explicit context tag [n].
inline std::string ber_explicit(int n, const std::string& content) {
  return tlv(0xa0 + n, content);
}

}  // namespace ww::sensor::test
