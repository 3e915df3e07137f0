#pragma once
/// Finds many literals in a short text: at every octet of the text one hash of the eight (four,
/// two, one) octets from there, one bit looked up, and a compare where the bit is set. What a value
/// costs does not depend on how much the literals look like each other or like the text, which is
/// what a general matcher suffers from in the fields of events (lists of hashes, paths). For long
/// texts the general matcher is better: it skips.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace ww::sigma {

class ProbeSet {
 public:
  /// @param texts  not empty; a literal's number is its position
  void build(const std::vector<std::string_view>& texts);

  /// Calls `found(number)` for each place where a literal stands.
  template <class F>
  void scan(std::string_view text, const F& found) const {
    if (!eight_.empty()) probe<std::uint64_t>(eight_, text, found);
    if (!four_.empty()) probe<std::uint32_t>(four_, text, found);
    if (!two_.empty()) probe<std::uint16_t>(two_, text, found);
    if (!one_.empty()) probe<std::uint8_t>(one_, text, found);
  }

 private:
  /// A literal that has a window of `key` at `at`.
  struct Item {
    std::uint64_t key = 0;
    std::uint32_t text = 0, size = 0, at = 0, number = 0;
  };
  struct Table {
    std::vector<std::uint64_t> bits;
    std::vector<std::uint32_t> first;  // by hash, into items; one more at the end
    std::vector<Item> items;           // by hash
    unsigned bits_shift = 0, first_shift = 0;
    [[nodiscard]] bool empty() const { return items.empty(); }
  };

  template <class Word, class F>
  void probe(const Table& t, std::string_view text, const F& found) const {
    if (text.size() < sizeof(Word)) return;
    const auto* bits = t.bits.data();
    const std::size_t last = text.size() - sizeof(Word);
    for (std::size_t i = 0; i <= last; ++i) {
      Word w;
      std::memcpy(&w, text.data() + i, sizeof w);
      const auto hash = std::uint64_t{w} * 0x9e3779b97f4a7c15ULL;
      const auto bit = hash >> t.bits_shift;
      if ((bits[bit >> 6U] >> (bit & 63U) & 1U) != 0) confirm(t, hash, w, text, i, found);
    }
  }

  template <class F>
  void confirm(const Table& t, std::uint64_t hash, std::uint64_t key, std::string_view text,
               std::size_t at, const F& found) const {
    const auto row = hash >> t.first_shift;
    for (auto k = t.first[row]; k < t.first[row + 1]; ++k) {
      const auto& item = t.items[k];
      if (item.key != key || at < item.at || text.size() - (at - item.at) < item.size ||
          std::memcmp(text.data() + (at - item.at), texts_.data() + item.text, item.size) != 0)
        continue;
      found(item.number);
    }
  }

  template <class Word>
  void fill(Table& table, const std::vector<std::string_view>& texts, std::size_t shortest,
            std::size_t longest);

  Table eight_, four_, two_, one_;
  std::string texts_;
};

}  // namespace ww::sigma
