#include "rules/sigma/probe_set.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>

namespace ww::sigma {
namespace {

constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15ULL;

template <class Word>
std::uint64_t word_at(std::string_view text, std::size_t at) {
  Word w;
  std::memcpy(&w, text.data() + at, sizeof w);
  return w;
}

unsigned shift_for(std::size_t rows) { return 64U - static_cast<unsigned>(std::countr_zero(rows)); }

}  // namespace

/// The window of each literal is the one that fewest literals share: what all of them have, such as
/// "imphash=", tells nothing.
template <class Word>
void ProbeSet::fill(Table& t, const std::vector<std::string_view>& texts, std::size_t shortest,
                    std::size_t longest) {
  const auto fits = [&](std::string_view s) { return s.size() >= shortest && s.size() <= longest; };
  std::unordered_map<std::uint64_t, std::uint32_t> shared;
  std::size_t count = 0;
  for (const auto text : texts) {
    if (!fits(text)) continue;
    ++count;
    for (std::size_t i = 0; i + sizeof(Word) <= text.size(); ++i) ++shared[word_at<Word>(text, i)];
  }
  if (count == 0) return;
  for (std::size_t number = 0; number < texts.size(); ++number) {
    const auto text = texts[number];
    if (!fits(text)) continue;
    Item item;
    auto fewest = UINT32_MAX;
    for (std::size_t i = 0; i + sizeof(Word) <= text.size(); ++i) {
      const auto key = word_at<Word>(text, i);
      const auto n = shared[key];
      if (n > fewest) continue;
      fewest = n;
      item.key = key;
      item.at = static_cast<std::uint32_t>(i);
    }
    item.text = static_cast<std::uint32_t>(texts_.size());
    item.size = static_cast<std::uint32_t>(text.size());
    item.number = static_cast<std::uint32_t>(number);
    texts_ += text;
    t.items.push_back(item);
  }
  const auto rows = std::bit_ceil(count * 2);
  const auto bits = std::clamp<std::size_t>(std::bit_ceil(count * 16), 64, 1U << 18U);
  t.first_shift = shift_for(rows);
  t.bits_shift = shift_for(bits);
  t.bits.assign(bits / 64, 0);
  std::sort(t.items.begin(), t.items.end(), [](const Item& a, const Item& b) {
    const auto x = a.key * multiplier, y = b.key * multiplier;
    return x != y ? x < y : a.number < b.number;
  });
  t.first.assign(rows + 1, 0);
  for (const auto& item : t.items) {
    const auto hash = item.key * multiplier;
    ++t.first[(hash >> t.first_shift) + 1];
    const auto bit = hash >> t.bits_shift;
    t.bits[bit >> 6U] |= std::uint64_t{1} << (bit & 63U);
  }
  for (std::size_t row = 0; row < rows; ++row) t.first[row + 1] += t.first[row];
}

void ProbeSet::build(const std::vector<std::string_view>& texts) {
  fill<std::uint64_t>(eight_, texts, 8, SIZE_MAX);
  fill<std::uint32_t>(four_, texts, 4, 7);
  fill<std::uint16_t>(two_, texts, 2, 3);
  fill<std::uint8_t>(one_, texts, 1, 1);
}

}  // namespace ww::sigma
