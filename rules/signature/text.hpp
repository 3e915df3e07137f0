#pragma once
/// Small text work that every keyword needs: trimming, lists, integers, content patterns.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::sig {

/// Success, or a sentence saying what is wrong with the option (no keyword name: the caller adds
/// it).
using Status = Result<void, std::string>;
[[nodiscard]] inline auto bad(std::string why) {
  return tl::unexpected<std::string>(std::move(why));
}

[[nodiscard]] std::string_view trim(std::string_view s);
[[nodiscard]] std::string lower(std::string_view s);
/// Value of a hexadecimal digit; -1: it is none.
[[nodiscard]] int hex_digit(char c);
[[nodiscard]] bool iequals(std::string_view a, std::string_view b);
/// Splits at `separator`, trims every part; empty input gives no parts.
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view s, char separator = ',');
/// Splits at white space.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view s);
/// Decimal or 0x hexadecimal, optional sign.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view s);
[[nodiscard]] std::optional<std::uint64_t> parse_unsigned(std::string_view s);
/// Takes the surrounding quotes off; nothing when there are none or just one.
[[nodiscard]] std::optional<std::string_view> unquote(std::string_view s);

/// `"GET|20|/\;"` without the quotes, to octets: |hex| runs and the escapes \" \; \\ \: .
[[nodiscard]] Result<std::string, std::string> decode_content(std::string_view s);

/// A test of an unsigned number as Suricata 8 writes them: N, =N, !N, <N, >N, <=N, >=N, A-B and
/// A<>B (both exclusive, as there), !A-B, &MASK, &MASK=VALUE, !&MASK; N is decimal or 0x
/// hexadecimal, with kb, mb, gb or kib, mib, gib behind it. A test that holds always or never is
/// refused.
struct NumberTest {
  std::uint64_t lo = 0, hi = UINT64_MAX, mask = UINT64_MAX;
  bool negate = false;
  [[nodiscard]] bool test(std::uint64_t v) const noexcept {
    v &= mask;
    return (v >= lo && v <= hi) != negate;
  }
  [[nodiscard]] static NumberTest equal(std::uint64_t v) { return {v, v, UINT64_MAX, false}; }
};
/// @param max  largest value the field can hold
[[nodiscard]] Result<NumberTest, std::string> parse_number_test(std::string_view s,
                                                                std::uint64_t max);

/// Splits "name value, name value" style lists where the name ends at the first blank.
struct NameValue {
  std::string_view name, value;
};
[[nodiscard]] std::vector<NameValue> split_pairs(std::string_view s, char separator = ',');

}  // namespace ww::sig
