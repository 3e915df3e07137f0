#pragma once
/// Words of event values, the same for indexing and for searching: runs of ASCII letters, digits,
/// underscore and non-ASCII octets, ASCII lower-cased. A dotted quad also counts as one token, or
/// addresses would be four common small numbers. The hashes are on disk (block filters): changing
/// them means a new filter version.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "collector/store/hash.hpp"

namespace ww::collector {

inline constexpr std::array<bool, 256> word_octet = [] {
  std::array<bool, 256> t{};
  for (unsigned c = 0; c < 256; ++c)
    t[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c >= 0x80;
  return t;
}();
[[nodiscard]] inline bool is_word(char c) { return word_octet[static_cast<unsigned char>(c)]; }

inline constexpr std::uint64_t seed_word = 0x77;
inline constexpr std::uint64_t seed_quad = 0x71;
inline constexpr std::size_t max_whole_value = 256;  ///< longer values have no path=value token

/// Values of these say nothing a person would search for by word; ww.id is found by its pair token.
[[nodiscard]] inline bool wordless(std::string_view path) {
  return path == "timestamp" || path.starts_with("ww.");
}

/// ASCII lower case, eight octets a step.
void lower_into(std::string& out, std::string_view in);
[[nodiscard]] std::string lower(std::string_view in);

/// A JSON number in the one form used for comparing: 445, 445.0 and 4.45e2 all give "445".
[[nodiscard]] std::string canonical_number(std::string_view text);
[[nodiscard]] inline bool plain_integer(std::string_view t) {
  if (!t.empty() && t[0] == '-') t.remove_prefix(1);
  if (t.empty() || t.size() > 15 || (t[0] == '0' && t.size() > 1)) return false;
  for (const char c : t)
    if (c < '0' || c > '9') return false;
  return true;
}

[[nodiscard]] inline std::uint64_t pair_token(std::string_view path,
                                              std::string_view lowered_value) {
  return mix64(hash64(path) * 3 + hash64(lowered_value, 0x9a));
}

/// Calls f(begin, end) for each run of word octets.
template <class F>
void for_each_run(std::string_view s, F f) {
  std::size_t i = 0;
  while (i < s.size()) {
    if (!is_word(s[i])) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < s.size() && is_word(s[i])) ++i;
    f(begin, i);
  }
}

/// Calls f(token, begin, end) for every token of lower-case text; runs of one octet give none.
template <class F>
void for_each_token(std::string_view s, F f) {
  std::array<std::size_t, 4> starts{};  // of the latest decimal runs joined by single dots
  unsigned chain = 0;
  std::size_t chain_end = 0;
  for_each_run(s, [&](std::size_t begin, std::size_t end) {
    if (end - begin >= 2) f(hash64(s.substr(begin, end - begin), seed_word), begin, end);
    bool decimal = end - begin <= 3;
    for (std::size_t i = begin; decimal && i < end; ++i) decimal = s[i] >= '0' && s[i] <= '9';
    if (!decimal) {
      chain = 0;
      return;
    }
    if (chain > 0 && !(chain_end + 1 == begin && s[chain_end] == '.')) chain = 0;
    if (chain == 4) {
      starts = {starts[1], starts[2], starts[3], 0};
      chain = 3;
    }
    starts[chain++] = begin;
    chain_end = end;
    if (chain == 4) f(hash64(s.substr(starts[0], end - starts[0]), seed_quad), starts[0], end);
  });
}

}  // namespace ww::collector
