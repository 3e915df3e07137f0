#pragma once
/// Octets from the digits of base64 (RFC 4648 section 4) as they come. What readers do with
/// padding, white space and other octets differs, and is theirs.
#include <cstdint>
#include <string>

namespace ww::sig {

class Base64Digits {
 public:
  /// Appends to `out`, which is borrowed.
  explicit Base64Digits(std::string& out) : out_(out) {}
  /// @return false for what is no digit (the padding `=` too), which changes nothing
  bool take(std::uint8_t c) {
    const int v = value(c);
    if (v < 0) return false;
    bits_ = (bits_ << 6) | static_cast<std::uint32_t>(v);
    have_ += 6;
    if (have_ >= 8) {
      have_ -= 8;
      out_ += static_cast<char>((bits_ >> have_) & 0xff);
    }
    return true;
  }

 private:
  static constexpr int value(std::uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  }
  std::string& out_;
  std::uint32_t bits_ = 0;
  int have_ = 0;
};

}  // namespace ww::sig
