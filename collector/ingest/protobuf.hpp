#pragma once
/// Protocol Buffers wire format (protobuf.dev/programming-guides/encoding), reading only: as much
/// as Loki and OTLP need.
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include "telemetry/bytes.hpp"

namespace ww::collector {

/// Walks the fields of one message. Nothing is copied; a nested message is another reader over
/// text().
///
///   for (ProtoReader m(octets); m.next();)
///     if (m.field() == 1) name = m.text();
///   A malformed message ends the loop with ok() false.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : in_(as_bytes(message)) {}

  /// Moves to the next field. False at the end or when the message is malformed.
  bool next() {
    if (!ok_ || in_.empty()) return false;
    const auto tag = varint();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    wire_ = static_cast<std::uint8_t>(tag & 7);
    text_ = {};
    number_ = 0;
    switch (wire_) {
      case 0:
        number_ = varint();
        break;
      case 1:
        number_ = in_.u64le();
        break;
      case 2: {
        const auto n = varint();
        if (n > in_.left()) return bad();
        text_ = in_.text(static_cast<std::size_t>(n));
        break;
      }
      case 5:
        number_ = in_.u32le();
        break;
      default:
        return bad();  // groups were never used by the messages read here
    }
    if (field_ == 0 || !in_.ok()) return bad();
    return ok_;
  }
  [[nodiscard]] std::uint32_t field() const { return field_; }
  [[nodiscard]] std::uint8_t wire() const { return wire_; }
  /// varint, fixed64 or fixed32, as it came.
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] double real() const { return std::bit_cast<double>(number_); }
  /// Strings, octets, nested messages; empty for numbers.
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  bool bad() {
    ok_ = false;
    return false;
  }
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const auto b = in_.u8();
      if (!in_.ok()) break;
      if (shift == 63 && b > 1) break;
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if ((b & 0x80) == 0) return v;
    }
    ok_ = false;
    return 0;
  }

  ByteReader in_;
  std::uint32_t field_ = 0;
  std::uint8_t wire_ = 0;
  std::uint64_t number_ = 0;
  std::string_view text_;
  bool ok_ = true;
};

}  // namespace ww::collector
