#include <array>

#include "sensors/protocols/http2/hpack.hpp"

namespace ww::sensor::http2 {
namespace {

/// Code lengths of RFC 7541 Appendix B; the code is canonical, so the lengths tell all of it.
constexpr std::array<std::uint8_t, 257> lengths = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,
    7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,
    7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30};
constexpr unsigned longest = 30, end_of_string = 256;

/// Canonical decoding tables: for each length the first code and where its symbols start.
struct Tables {
  std::array<std::uint32_t, longest + 2> first{};
  std::array<std::uint16_t, longest + 2> start{}, count{};
  std::array<std::uint16_t, lengths.size()> symbols{};

  constexpr Tables() {
    std::uint32_t code = 0;
    std::uint16_t at = 0;
    for (unsigned length = 1; length <= longest; ++length) {
      code <<= 1;
      first[length] = code;
      start[length] = at;
      for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol)
        if (lengths[symbol] == length) symbols[at++] = static_cast<std::uint16_t>(symbol);
      count[length] = static_cast<std::uint16_t>(at - start[length]);
      code += count[length];
    }
  }
};
constexpr Tables tables;

}  // namespace

bool huffman_decode(Bytes in, std::size_t max, std::string& out) {
  std::uint32_t code = 0;
  unsigned length = 0;
  for (const auto octet : in) {
    for (int bit = 7; bit >= 0; --bit) {
      code = (code << 1) | ((octet >> bit) & 1U);
      if (++length > longest) return false;
      const auto offset = code - tables.first[length];
      if (code < tables.first[length] || offset >= tables.count[length]) continue;
      const auto symbol = tables.symbols[tables.start[length] + offset];
      if (symbol == end_of_string || out.size() == max) return false;
      out += static_cast<char>(symbol);
      code = 0;
      length = 0;
    }
  }
  // What is left must be the start of the end-of-string code: ones, and less than an octet.
  return length < 8 && code == (1U << length) - 1;
}

}  // namespace ww::sensor::http2
