#pragma once
/// How often each of many values occurs. A million additions to some ten thousand values are a
/// screen of an analyst, so: open addressing, no allocation for a value that is known, and memory
/// is fetched ahead. Values are numbered from 0 up in the order in which they came.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/store/hash.hpp"

namespace ww::collector {

class ValueCounts {
 public:
  struct Bounds {
    std::size_t values = 200'000;
    std::size_t octets = 64U << 20;  ///< of all values together
  };
  struct Row {
    std::string_view value;  ///< lives as long as the counts are not added to
    std::uint64_t count = 0;
  };

  static constexpr std::uint32_t no_room = UINT32_MAX;

  explicit ValueCounts(const Bounds& bounds) : bounds_(bounds), slots_(1024) {}

  /// @return the value's number, or no_room: then it is not counted
  std::uint32_t add(std::string_view value, std::uint64_t n) {
    return add(value, n, hash64(value));
  }
  /// Adds many: @p value and @p count give what an item holds, @p added is told of each item and
  /// what add() would return. What is needed of memory is fetched while the items before are added.
  template <class Items, class Value, class Count, class Added>
  void add_all(const Items& items, Value value, Count count, Added added) {
    constexpr std::size_t ahead = 32;
    std::array<std::uint64_t, ahead> hashes{};
    for (std::size_t from = 0; from < items.size(); from += ahead) {
      const auto n = std::min(ahead, items.size() - from);
      for (std::size_t i = 0; i < n; ++i) {
        hashes[i] = hash64(value(items[from + i]));
        __builtin_prefetch(&slots_[hashes[i] & (slots_.size() - 1)]);
      }
      for (std::size_t i = 0; i < n; ++i) {
        const auto entry = slots_[hashes[i] & (slots_.size() - 1)].entry;
        if (entry != 0) __builtin_prefetch(&entries_[entry - 1], 1);
      }
      for (std::size_t i = 0; i < n; ++i) {
        const auto& item = items[from + i];
        added(item, add(value(item), count(item), hashes[i]));
      }
    }
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] Row row(std::size_t number) const {
    return {text(entries_[number]), entries_[number].count};
  }
  /// The most frequent, ties by value.
  [[nodiscard]] std::vector<Row> top(std::size_t most) const {
    std::vector<Row> rows;
    rows.reserve(entries_.size());
    for (const auto& e : entries_) rows.push_back({text(e), e.count});
    const auto n = static_cast<std::ptrdiff_t>(std::min(most, rows.size()));
    std::partial_sort(rows.begin(), rows.begin() + n, rows.end(), [](const Row& a, const Row& b) {
      return a.count != b.count ? a.count > b.count : a.value < b.value;
    });
    rows.resize(static_cast<std::size_t>(n));
    return rows;
  }

 private:
  struct alignas(64) Entry {  // one line of the cache: what is counted often is compared in place
    static constexpr std::size_t most_in_place = 40;
    std::uint64_t hash = 0, count = 0;
    std::uint32_t size = 0;
    union {
      char in_place[most_in_place];
      std::size_t offset;  // of a longer value
    };
  };
  struct Slot {
    std::uint32_t mark = 0, entry = 0;  // entry: its number from 1 up; 0 is a free slot
  };
  std::uint32_t add(std::string_view value, std::uint64_t n, std::uint64_t hash) {
    const auto mark = static_cast<std::uint32_t>(hash >> 32);
    auto at = hash & (slots_.size() - 1);
    for (; slots_[at].entry != 0; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].mark != mark) continue;
      auto& e = entries_[slots_[at].entry - 1];
      if (e.hash != hash || text(e) != value) continue;
      e.count += n;
      return slots_[at].entry - 1;
    }
    if (entries_.size() >= bounds_.values || value.size() > bounds_.octets - octets_)
      return no_room;
    auto& e = entries_.emplace_back();
    e.hash = hash;
    e.count = n;
    e.size = static_cast<std::uint32_t>(value.size());
    octets_ += value.size();
    if (value.size() <= Entry::most_in_place) {
      std::copy(value.begin(), value.end(), e.in_place);
    } else {
      e.offset = text_.size();
      text_ += value;
    }
    slots_[at] = {mark, static_cast<std::uint32_t>(entries_.size())};
    if (entries_.size() * 2 > slots_.size()) grow();
    return static_cast<std::uint32_t>(entries_.size() - 1);
  }
  [[nodiscard]] std::string_view text(const Entry& e) const {
    if (e.size <= Entry::most_in_place) return {e.in_place, e.size};
    return std::string_view(text_).substr(e.offset, e.size);
  }
  void grow() {
    slots_.assign(slots_.size() * 2, {});
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      auto at = entries_[i].hash & (slots_.size() - 1);
      while (slots_[at].entry != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = {static_cast<std::uint32_t>(entries_[i].hash >> 32),
                    static_cast<std::uint32_t>(i + 1)};
    }
  }

  Bounds bounds_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // a power of two of them
  std::string text_;
  std::size_t octets_ = 0;
};

}  // namespace ww::collector
