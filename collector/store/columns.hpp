#pragma once
/// The columns of a block: for each field, a code of the value that each event has there. Two
/// conditions that are common but seldom meet are told apart by them without unpacking the block.
///
/// Encoded: u8 version, u8 whether every field has a column, events, columns, then for each column
/// u64 hash of the path, u8 kind and
///   kind 1  the number of values, u32 code of each, one octet an event: 0 no value, 1 not known,
///           else 2 + index
///   kind 2  two octets an event: 0 no value, 1 not known, else 2 + code scaled to what is left
/// A code is half of a pair token (words.hpp), so what a filter says of a value and what a column
/// says of it follow from the same spelling. "Not known": the event has several values there, or
/// one too long for a token.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ww::collector {

/// A bit for each event of a block.
class EventBits {
 public:
  EventBits(std::size_t events, bool value)
      : words_((events + 63) / 64, value ? ~std::uint64_t{0} : 0), events_(events) {
    if (value && events % 64 != 0) words_.back() >>= 64 - events % 64;
  }
  void set(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  [[nodiscard]] bool operator[](std::size_t i) const {
    return i < events_ && (words_[i / 64] >> (i % 64) & 1) != 0;
  }
  [[nodiscard]] std::size_t size() const { return events_; }
  [[nodiscard]] bool none() const {
    for (const auto w : words_)
      if (w != 0) return false;
    return true;
  }
  EventBits& operator&=(const EventBits& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= o.words_[i];
    return *this;
  }
  EventBits& operator|=(const EventBits& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= o.words_[i];
    return *this;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t events_;
};

/// Collects the values of one block after the other; keeps its buffers.
class ColumnBuilder {
 public:
  static constexpr std::size_t max_columns = 256;  ///< fields beyond these have none

  ColumnBuilder() { places_.fill(none); }
  void begin(std::size_t events);
  /// @param token  the pair token of the value, 0 when it has none
  void add(std::size_t event, std::uint64_t path_hash, std::uint64_t token);
  [[nodiscard]] std::string finish();

 private:
  static constexpr std::uint16_t none = UINT16_MAX;
  struct Column {
    std::uint64_t path = 0;
    std::vector<std::uint32_t> values;  // by event
  };
  [[nodiscard]] Column* column(std::uint64_t path_hash);

  std::size_t events_ = 0, used_ = 0;
  bool complete_ = true;
  std::vector<Column> columns_;
  std::array<std::uint16_t, max_columns * 4> places_{};  // open addressing by hash of the path
  std::array<std::uint32_t, 1024> values_{};             // of one column, open addressing
  std::array<std::uint8_t, 1024> codes_{};
};

/// Reads what ColumnBuilder wrote. Borrows it.
class Columns {
 public:
  static constexpr std::size_t max_octets = 64U << 20;
  static constexpr std::size_t max_events = 1U << 22;

  /// @return false when it is damaged, foreign, or of another number of events
  [[nodiscard]] bool read(std::string_view encoded, std::size_t events);
  [[nodiscard]] std::size_t events() const { return events_; }
  /// Events that may have a value of one of these tokens there.
  [[nodiscard]] EventBits having(std::uint64_t path_hash,
                                 std::span<const std::uint64_t> tokens) const;
  /// Events that may have any value there.
  [[nodiscard]] EventBits having(std::uint64_t path_hash) const;

 private:
  struct Column {
    std::uint64_t path;
    std::string_view values;  // kind 1: the codes of its values
    std::string_view events;
  };
  [[nodiscard]] const Column* find(std::uint64_t path_hash) const;

  std::size_t events_ = 0;
  bool complete_ = false;
  std::vector<Column> columns_;
};

}  // namespace ww::collector
