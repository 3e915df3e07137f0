#include "telemetry/deflate/code_table.hpp"

#include <bit>
#include <cassert>
#include <cstring>

namespace ww::deflate {
namespace {

constexpr unsigned max_symbols = 288;

/// Entries by symbol, to which the length of the code is added in both of its places.
constexpr Entry with_length(Entry e, unsigned bits) { return e + bits * 0x101; }

constexpr auto literal_symbols = [] {
  constexpr std::uint16_t base[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                      15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                      67, 83, 99, 115, 131, 163, 195, 227, 258};
  constexpr std::uint8_t extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                      2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
  std::array<Entry, max_symbols> out{};
  for (unsigned i = 0; i < 256; ++i) out[i] = literal | (i << 16);
  out[256] = special | end_of_block;
  for (unsigned i = 0; i < 29; ++i) out[257 + i] = (Entry{base[i]} << 16) | extra[i];
  out[286] = out[287] = special;  // have a place in the fixed code and no meaning
  return out;
}();

constexpr auto distance_symbols = [] {
  std::array<Entry, 32> out{};
  unsigned base = 1;
  for (unsigned i = 0; i < 30; ++i) {
    const unsigned extra = i < 4 ? 0 : i / 2 - 1;
    out[i] = (base << 16) | extra;
    base += 1U << extra;
  }
  out[30] = out[31] = special;
  return out;
}();

constexpr auto length_symbols = [] {
  std::array<Entry, 19> out{};
  for (unsigned i = 0; i < 19; ++i) out[i] = i << 16;
  return out;
}();

std::span<const Entry> symbols_of(Kind kind) {
  switch (kind) {
    case Kind::lengths:
      return length_symbols;
    case Kind::literals:
      return literal_symbols;
    case Kind::distances:
      break;
  }
  return distance_symbols;
}
unsigned first_table_bits(Kind kind) {
  switch (kind) {
    case Kind::lengths:
      return length_table_bits;
    case Kind::literals:
      return literal_table_bits;
    case Kind::distances:
      break;
  }
  return distance_table_bits;
}

/// The code after `code` among those of `bits` bits, first bit lowest as in the stream. The one
/// after the last is meaningless and not used.
unsigned next_code(unsigned code, unsigned bits) {
  const unsigned zeros = code ^ ((1U << bits) - 1);
  if (zeros == 0) return 0;
  const unsigned bit = std::bit_floor(zeros);
  return (code & (bit - 1)) | bit;
}

struct Builder {
  std::span<const Entry> symbols;
  std::span<Entry> table;
  std::array<std::uint16_t, max_code_bits + 1> count{};  // codes of a length
  std::array<std::uint16_t, max_symbols> sorted;         // symbols by length, then by value
  unsigned longest = 0;

  void sort(std::span<const std::uint8_t> lengths) {
    for (const auto l : lengths) ++count[l];
    std::array<std::uint16_t, max_code_bits + 2> offset;
    offset[1] = 0;
    for (unsigned l = 1; l <= max_code_bits; ++l) {
      offset[l + 1] = static_cast<std::uint16_t>(offset[l] + count[l]);
      if (count[l] != 0) longest = l;
    }
    for (unsigned i = 0; i < lengths.size(); ++i)
      if (lengths[i] != 0) sorted[offset[lengths[i]]++] = static_cast<std::uint16_t>(i);
  }
  /// How much of the code space is free, in codes of the greatest length; negative: too many codes.
  [[nodiscard]] int free_space() const {
    int left = 1;
    for (unsigned l = 1; l <= max_code_bits; ++l) {
      left = 2 * left - count[l];
      if (left < 0) return left;
    }
    return left;
  }

  void fill(unsigned bits) {
    const std::uint16_t* symbol = sorted.data();
    unsigned code = 0;
    // A table for codes of one bit more is the table twice, with the new codes over what is free.
    for (unsigned l = 1; l <= bits; ++l) {
      for (unsigned n = count[l]; n != 0; --n) {
        table[code] = with_length(symbols[*symbol++], l);
        code = next_code(code, l);
      }
      if (l < bits)
        std::memcpy(&table[std::size_t{1} << l], table.data(),
                    (std::size_t{1} << l) * sizeof(Entry));
    }
    if (longest > bits) fill_subtables(bits, symbol, code);
  }

  void fill_subtables(unsigned bits, const std::uint16_t* symbol, unsigned code) {
    const unsigned mask = (1U << bits) - 1;
    std::size_t end = std::size_t{1} << bits, start = 0;
    unsigned prefix = ~0U, sub_bits = 0;
    for (unsigned l = bits + 1; l <= longest; ++l)
      for (; count[l] != 0; --count[l]) {
        if ((code & mask) != prefix) {
          prefix = code & mask;
          start = end;
          sub_bits = bits_for(l, bits);
          end += std::size_t{1} << sub_bits;
          assert(end <= table.size());
          table[prefix] =
              (static_cast<Entry>(start) << 16) | special | subtable | (sub_bits << 8) | bits;
        }
        for (std::size_t i = code >> bits; i < std::size_t{1} << sub_bits;
             i += std::size_t{1} << (l - bits))
          table[start + i] = with_length(symbols[*symbol], l - bits);
        ++symbol;
        code = next_code(code, l);
      }
  }
  /// Index bits of the subtable which starts with the codes of length l that are left.
  [[nodiscard]] unsigned bits_for(unsigned l, unsigned bits) const {
    unsigned used = count[l], sub_bits = l - bits;
    while (used < 1U << sub_bits) {
      ++sub_bits;
      used = 2 * used + count[bits + sub_bits];
    }
    return sub_bits;
  }
};

}  // namespace

unsigned build_table(Kind kind, std::span<const std::uint8_t> lengths, std::span<Entry> table) {
  Builder b{.symbols = symbols_of(kind), .table = table, .sorted = {}};
  b.sort(lengths);
  if (b.longest == 0) {
    // zlib reads the lengths of a block without any code for them as zeros of one bit each.
    table[0] = table[1] = kind == Kind::lengths ? with_length(0, 1) : special | 1;
    return 1;
  }
  const int left = b.free_space();
  if (left < 0) return 0;
  if (left > 0) {
    if (kind == Kind::lengths || b.longest != 1) return 0;
    table[0] = with_length(b.symbols[b.sorted[0]], 1);
    table[1] = special | 1;
    return 1;
  }
  const unsigned bits = std::min(b.longest, first_table_bits(kind));
  b.fill(bits);
  return bits;
}

const FixedCode& fixed_code() {
  static const FixedCode code = [] {
    std::array<std::uint8_t, 288> lengths;
    for (unsigned i = 0; i < 288; ++i) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    FixedCode f;
    f.literal_bits = build_table(Kind::literals, lengths, f.literals);
    lengths.fill(5);
    f.distance_bits =
        build_table(Kind::distances, std::span<const std::uint8_t>(lengths).first(32), f.distances);
    return f;
  }();
  return code;
}

}  // namespace ww::deflate
