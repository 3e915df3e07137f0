#pragma once
/// Bounded reading of untrusted octets. A reader latches its first overrun: read a whole fixed
/// header, then test ok() once. Nothing here throws or allocates.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ww {

using Bytes = std::span<const std::uint8_t>;

[[nodiscard]] inline Bytes as_bytes(std::string_view s) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}
[[nodiscard]] inline std::string_view as_text(Bytes b) noexcept {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

[[nodiscard]] inline std::uint16_t load_be16(const std::uint8_t* p) noexcept {
  return static_cast<std::uint16_t>((p[0] << 8) | p[1]);
}
[[nodiscard]] inline std::uint32_t load_be32(const std::uint8_t* p) noexcept {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}
[[nodiscard]] inline std::uint64_t load_be64(const std::uint8_t* p) noexcept {
  std::uint64_t v;
  std::memcpy(&v, p, 8);
  return __builtin_bswap64(v);
}
[[nodiscard]] inline std::uint16_t load_le16(const std::uint8_t* p) noexcept {
  return static_cast<std::uint16_t>((p[1] << 8) | p[0]);
}
[[nodiscard]] inline std::uint32_t load_le32(const std::uint8_t* p) noexcept {
  std::uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
[[nodiscard]] inline std::uint64_t load_le64(const std::uint8_t* p) noexcept {
  std::uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

/// A cursor over borrowed octets. After an overrun every read gives zero or empty and ok() is
/// false.
class ByteReader {
 public:
  explicit ByteReader(Bytes octets) noexcept : data_(octets) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t offset() const noexcept { return at_; }
  [[nodiscard]] std::size_t left() const noexcept { return data_.size() - at_; }
  [[nodiscard]] bool empty() const noexcept { return left() == 0; }
  [[nodiscard]] Bytes rest() const noexcept { return data_.subspan(at_); }
  [[nodiscard]] Bytes all() const noexcept { return data_; }

  std::uint8_t u8() noexcept { return need(1) ? data_[at_++] : std::uint8_t{0}; }
  std::uint16_t u16be() noexcept { return take<2>(load_be16); }
  std::uint32_t u24be() noexcept {
    if (!need(3)) return 0;
    const auto* p = data_.data() + at_;
    at_ += 3;
    return (std::uint32_t{p[0]} << 16) | (std::uint32_t{p[1]} << 8) | p[2];
  }
  std::uint32_t u32be() noexcept { return take<4>(load_be32); }
  std::uint64_t u64be() noexcept { return take<8>(load_be64); }
  std::uint16_t u16le() noexcept { return take<2>(load_le16); }
  std::uint32_t u32le() noexcept { return take<4>(load_le32); }
  std::uint64_t u64le() noexcept { return take<8>(load_le64); }

  /// The next n octets, or empty (and not ok) when fewer are left.
  Bytes bytes(std::size_t n) noexcept {
    if (!need(n)) return {};
    const auto out = data_.subspan(at_, n);
    at_ += n;
    return out;
  }
  std::string_view text(std::size_t n) noexcept { return as_text(bytes(n)); }
  void skip(std::size_t n) noexcept {
    if (need(n)) at_ += n;
  }
  /// Moves to an absolute offset; one past the end is allowed.
  void seek(std::size_t to) noexcept {
    if (to > data_.size()) {
      ok_ = false;
      at_ = data_.size();
    } else {
      at_ = to;
    }
  }
  /// A look at the next octet without taking it; zero at the end (ok() is unchanged).
  [[nodiscard]] std::uint8_t peek(std::size_t ahead = 0) const noexcept {
    return left() > ahead ? data_[at_ + ahead] : std::uint8_t{0};
  }
  void fail() noexcept { ok_ = false; }

 private:
  bool need(std::size_t n) noexcept {
    if (ok_ && n <= data_.size() - at_) return true;
    ok_ = false;
    at_ = data_.size();
    return false;
  }
  template <std::size_t N, class F>
  auto take(F load) noexcept -> decltype(load(nullptr)) {
    if (!need(N)) return 0;
    const auto v = load(data_.data() + at_);
    at_ += N;
    return v;
  }

  Bytes data_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace ww
