#pragma once
/// Small binary encodings of the store's own files: little-endian integers, varints and counted
/// octets.
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ww::collector {

class Encoder {
 public:
  void u8(std::uint8_t v) { out_ += static_cast<char>(v); }
  void u32(std::uint32_t v) { fixed(v); }
  void u64(std::uint64_t v) { fixed(v); }
  void i64(std::int64_t v) { fixed(static_cast<std::uint64_t>(v)); }
  /// LEB128.
  void var(std::uint64_t v) {
    while (v >= 0x80) {
      out_ += static_cast<char>(v | 0x80);
      v >>= 7;
    }
    out_ += static_cast<char>(v);
  }
  void text(std::string_view s) {
    var(s.size());
    out_ += s;
  }
  [[nodiscard]] std::string& out() { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  template <class T>
  void fixed(T v) {
    static_assert(std::endian::native == std::endian::little,
                  "the store's files are little-endian");
    char b[sizeof v];
    std::memcpy(b, &v, sizeof v);
    out_.append(b, sizeof v);
  }
  std::string out_;
};

/// Latches the first overrun, as ByteReader does.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : p_(in.data()), end_(in.data() + in.size()) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - p_); }
  std::uint8_t u8() { return need(1) ? static_cast<std::uint8_t>(*p_++) : std::uint8_t{0}; }
  std::uint32_t u32() { return fixed<std::uint32_t>(); }
  std::uint64_t u64() { return fixed<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(fixed<std::uint64_t>()); }
  std::uint64_t var() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (!need(1)) return 0;
      const auto b = static_cast<std::uint8_t>(*p_++);
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if ((b & 0x80) == 0) return v;
    }
    ok_ = false;
    return 0;
  }
  /// A count of things that take at least one octet each: never more than what is left.
  std::size_t count() {
    const auto n = var();
    if (n > left()) ok_ = false;
    return ok_ ? static_cast<std::size_t>(n) : 0;
  }
  std::string_view text() { return octets(count()); }
  std::string_view octets(std::size_t n) {
    if (!need(n)) return {};
    const std::string_view s(p_, n);
    p_ += n;
    return s;
  }
  std::string copy() { return std::string(text()); }

 private:
  bool need(std::size_t n) {
    if (ok_ && n <= left()) return true;
    ok_ = false;
    p_ = end_;
    return false;
  }
  template <class T>
  T fixed() {
    T v{};
    if (!need(sizeof v)) return v;
    std::memcpy(&v, p_, sizeof v);
    p_ += sizeof v;
    return v;
  }
  const char* p_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace ww::collector
