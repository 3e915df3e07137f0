#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "rules/sigma/modifier.hpp"

namespace ww::sigma {
namespace {

std::map<std::string_view, Modifier>& registry() {
  static std::map<std::string_view, Modifier> all;
  return all;
}

}  // namespace

const std::map<std::string_view, Modifier>& modifiers() { return registry(); }

ModifierRegistration::ModifierRegistration(const Modifier& modifier) {
  if (!registry().emplace(modifier.name, modifier).second) {
    std::fprintf(stderr, "sigma: modifier '%s' is registered twice\n",
                 std::string(modifier.name).c_str());
    std::abort();
  }
}

std::optional<double> number_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  bool negative = false;
  auto digits = text;
  if (digits[0] == '+' || digits[0] == '-') {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    std::uint64_t v = 0;
    const auto [end, ec] = std::from_chars(digits.data() + 2, digits.data() + digits.size(), v, 16);
    if (ec != std::errc{} || end != digits.data() + digits.size() || digits.size() == 2)
      return std::nullopt;
    return negative ? -static_cast<double>(v) : static_cast<double>(v);
  }
  if (digits.empty() || (digits[0] != '.' && (digits[0] < '0' || digits[0] > '9')))
    return std::nullopt;
  double v = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
  if (ec != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return negative ? -v : v;
}

Result<void, std::string> each_string(Item& item, std::string_view modifier,
                                      Result<void, std::string> (*change)(Operand& value)) {
  for (auto& value : item.values) {
    if (value.kind == Operand::Kind::number || value.kind == Operand::Kind::boolean)
      value.kind = Operand::Kind::string;  // its text is what counts from here on
    if (value.kind != Operand::Kind::string)
      return fail("|" + std::string(modifier) + " needs text" +
                  (value.kind == Operand::Kind::null ? ", not null" : ""));
    if (auto done = change(value); !done) return done;
  }
  return {};
}

Result<void, std::string> each_plain(
    Item& item, std::string_view modifier,
    std::vector<std::string> (*change)(const std::string& octets)) {
  std::vector<Operand> out;
  for (auto& value : item.values) {
    if (value.kind == Operand::Kind::number || value.kind == Operand::Kind::boolean)
      value.kind = Operand::Kind::string;
    if (value.kind != Operand::Kind::string)
      return fail("|" + std::string(modifier) + " needs text");
    const auto variants = value.str.without_dashes();
    if (variants.empty())
      return fail("|" + std::string(modifier) + " after |windash: too many dashes");
    for (const auto& variant : variants) {
      if (!variant.is_plain())
        return fail("|" + std::string(modifier) +
                    " cannot encode a wildcard: put it before |contains, "
                    "and escape * and ? that are meant literally");
      for (const auto& text : change(variant.plain_text())) {
        Operand next = value;
        next.str = Str::plain(text);
        out.push_back(std::move(next));
      }
    }
  }
  item.values = std::move(out);
  return {};
}

Result<void, std::string> each_number(Item& item, std::string_view modifier, Compare op) {
  for (auto& value : item.values) {
    const auto number = value.kind == Operand::Kind::number || value.kind == Operand::Kind::string
                            ? number_of(value.raw)
                            : std::nullopt;
    if (!number)
      return fail("|" + std::string(modifier) + " needs a number, not '" + value.raw + "'");
    value.kind = Operand::Kind::compare;
    value.number = *number;
    value.op = op;
  }
  return {};
}

Result<void, std::string> time_part(Item& item, std::string_view modifier, TimePart part) {
  if (item.field.empty()) return fail("|" + std::string(modifier) + " needs a field");
  if (item.part != TimePart::none) return fail("two time modifiers on one field");
  for (auto& value : item.values)
    if (value.kind != Operand::Kind::compare && !number_of(value.raw))
      return fail("|" + std::string(modifier) + " needs a number, not '" + value.raw + "'");
  item.part = part;
  return {};
}

std::string to_utf16(std::string_view text, bool big_endian) {
  std::string out;
  out.reserve(text.size() * 2);
  const auto unit = [&](std::uint32_t u) {
    const char hi = static_cast<char>(static_cast<unsigned char>(u >> 8));
    const char lo = static_cast<char>(static_cast<unsigned char>(u & 0xffU));
    out += big_endian ? hi : lo;
    out += big_endian ? lo : hi;
  };
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const auto n = utf8_step(lead);
    std::uint32_t cp = n == 1 ? lead : n == 2 ? lead & 0x1fU : n == 3 ? lead & 0x0fU : lead & 0x07U;
    bool good = i + n <= text.size() && (n > 1 || lead < 0x80);
    for (std::size_t k = 1; good && k < n; ++k) {
      const auto c = static_cast<unsigned char>(text[i + k]);
      good = (c & 0xc0U) == 0x80U;
      cp = (cp << 6) | (c & 0x3fU);
    }
    if (!good || cp > 0x10ffff) {
      unit(0xfffd);
      ++i;
      continue;
    }
    if (cp >= 0x10000) {
      unit(0xd800 + ((cp - 0x10000) >> 10));
      unit(0xdc00 + ((cp - 0x10000) & 0x3ffU));
    } else {
      unit(cp);
    }
    i += n;
  }
  return out;
}

}  // namespace ww::sigma
