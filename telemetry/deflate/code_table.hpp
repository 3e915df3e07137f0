#pragma once
/// Prefix codes as look-up tables: code lengths (RFC 1951 3.2.2) in, entries that say everything
/// about a symbol out.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ww::deflate {

/// What one look-up tells:
///   bits 0-7    bits to drop: the code and the extra bits behind it
///   bits 8-11   length of the code alone; in a pointer, index bits of the subtable
///   bit 13-15   `end_of_block`, `subtable`, `special` (either of the two, or no symbol at all)
///   bits 16-30  octet of a literal, base of a length or distance, start of a subtable
///   bit 31      `literal`
using Entry = std::uint32_t;
constexpr Entry literal = 1U << 31, special = 1U << 15, subtable = 1U << 14,
                end_of_block = 1U << 13;

[[nodiscard]] constexpr unsigned dropped(Entry e) { return e & 0xff; }
[[nodiscard]] constexpr unsigned code_bits(Entry e) { return (e >> 8) & 15; }
[[nodiscard]] constexpr unsigned value(Entry e) { return (e >> 16) & 0x7fff; }

constexpr unsigned max_code_bits = 15;
/// Index bits of the first tables. Longer codes take a second look-up. One more for literals would
/// make data that hardly repeats 2 % faster and the tables twice as large, which stand beside those
/// of many other streams.
constexpr unsigned literal_table_bits = 10, distance_table_bits = 8, length_table_bits = 7;
/// Entries for the worst complete code of so many symbols and bits, subtables included (as the
/// program `enough` that comes with zlib counts them: 288 symbols, 32 symbols).
constexpr std::size_t literal_entries = 1334, distance_entries = 402,
                      length_entries = std::size_t{1} << length_table_bits;

enum class Kind : std::uint8_t {
  lengths,   ///< the code in which the lengths of the other two are written (3.2.7)
  literals,  ///< literals, end of block and match lengths
  distances
};

/// Fills `table` and tells how many bits index it; zero when the lengths make no code: more codes
/// than there is room for, or fewer. Fewer are allowed as zlib allows them: no code at all, or a
/// single one of one bit for literals or distances; what is then left over decodes to `special`
/// alone. Cost: linear in the lengths and the table.
[[nodiscard]] unsigned build_table(Kind kind, std::span<const std::uint8_t> lengths,
                                   std::span<Entry> table);

/// The fixed code of 3.2.6, made at start-up.
struct FixedCode {
  std::array<Entry, std::size_t{1} << 9> literals;
  std::array<Entry, std::size_t{1} << 5> distances;
  unsigned literal_bits, distance_bits;
};
[[nodiscard]] const FixedCode& fixed_code();

}  // namespace ww::deflate
