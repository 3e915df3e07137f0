#include "collector/store/words.hpp"

#include <charconv>
#include <cmath>

namespace ww::collector {

void lower_into(std::string& out, std::string_view in) {
  out.resize(in.size());
  const char* p = in.data();
  char* q = out.data();
  std::size_t n = in.size();
  for (; n >= 8; p += 8, q += 8, n -= 8) {
    std::uint64_t v;
    std::memcpy(&v, p, 8);
    constexpr std::uint64_t ones = 0x0101010101010101ULL;
    const std::uint64_t low7 = v & (ones * 0x7f);
    const std::uint64_t ge_a = low7 + ones * (0x80 - 'A');
    const std::uint64_t gt_z = low7 + ones * (0x80 - 'Z' - 1);
    const std::uint64_t upper = ge_a & ~gt_z & ~v & (ones * 0x80);
    v |= upper >> 2;
    std::memcpy(q, &v, 8);
  }
  for (; n > 0; ++p, ++q, --n) *q = *p >= 'A' && *p <= 'Z' ? static_cast<char>(*p + 32) : *p;
}

std::string lower(std::string_view in) {
  std::string out;
  lower_into(out, in);
  return out;
}

std::string canonical_number(std::string_view text) {
  if (plain_integer(text)) return text == "-0" ? "0" : std::string(text);
  double d = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), d);
  if (r.ptr != text.data() + text.size()) return lower(text);
  if (r.ec != std::errc() || !std::isfinite(d)) return lower(text);
  char b[40];
  constexpr double exact = 999'999'999'999'999.0;  // fifteen digits, as plain_integer
  if (std::floor(d) == d && std::fabs(d) <= exact) {
    const auto w = std::to_chars(b, b + sizeof b, static_cast<std::int64_t>(d));
    return {b, w.ptr};
  }
  const auto w = std::to_chars(b, b + sizeof b, d, std::chars_format::scientific);
  return {b, w.ptr};
}

}  // namespace ww::collector
