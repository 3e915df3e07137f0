#include "rules/signature/text.hpp"

#include <charconv>

namespace ww::sig {

namespace {
bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}
char low(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
}  // namespace

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = low(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (auto& c : out) c = low(c);
  return out;
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (low(a[i]) != low(b[i])) return false;
  return true;
}

std::vector<std::string_view> split_list(std::string_view s, char separator) {
  std::vector<std::string_view> out;
  if (trim(s).empty()) return out;
  for (;;) {
    const auto at = s.find(separator);
    out.push_back(trim(s.substr(0, at)));
    if (at == std::string_view::npos) return out;
    s.remove_prefix(at + 1);
  }
}

std::vector<std::string_view> split_words(std::string_view s) {
  std::vector<std::string_view> out;
  for (;;) {
    s = trim(s);
    if (s.empty()) return out;
    std::size_t n = 0;
    while (n < s.size() && !blank(s[n])) ++n;
    out.push_back(s.substr(0, n));
    s.remove_prefix(n);
  }
}

std::optional<std::uint64_t> parse_unsigned(std::string_view s) {
  s = trim(s);
  if (!s.empty() && s.front() == '+') s.remove_prefix(1);
  int base = 10;
  if (s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
    base = 16;
    s.remove_prefix(2);
  }
  if (s.empty()) return std::nullopt;
  std::uint64_t v = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v, base);
  if (ec != std::errc{} || end != s.data() + s.size()) return std::nullopt;
  return v;
}

std::optional<std::int64_t> parse_integer(std::string_view s) {
  s = trim(s);
  const bool minus = !s.empty() && s.front() == '-';
  if (minus) s.remove_prefix(1);
  const auto v = parse_unsigned(s);
  if (!v || *v > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  const auto i = static_cast<std::int64_t>(*v);
  return minus ? -i : i;
}

std::optional<std::string_view> unquote(std::string_view s) {
  s = trim(s);
  if (s.size() < 2 || s.front() != '"' || s.back() != '"') return std::nullopt;
  return s.substr(1, s.size() - 2);
}

Result<std::string, std::string> decode_content(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  bool hex = false;
  int high = -1;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '|') {
      if (hex && high >= 0) return bad("odd number of hexadecimal digits between | |");
      hex = !hex;
      continue;
    }
    if (hex) {
      if (blank(c)) continue;
      const int d = hex_digit(c);
      if (d < 0) return bad(std::string("'") + c + "' between | | is not a hexadecimal digit");
      if (high < 0) {
        high = d;
      } else {
        out += static_cast<char>(high * 16 + d);
        high = -1;
      }
      continue;
    }
    if (c == '\\') {
      if (i + 1 >= s.size()) return bad("pattern ends with a backslash");
      const char e = s[++i];
      if (e != '"' && e != '\\' && e != ';' && e != ':')
        return bad(std::string("'\\") + e + "' is not an escape; only \\\" \\\\ \\; \\: are");
      out += e;
      continue;
    }
    if (c == '"') return bad("an unescaped \" inside the pattern");
    out += c;
  }
  if (hex) return bad("an opening | has no closing one");
  if (out.empty()) return bad("the pattern is empty");
  return out;
}

Result<NumberTest, std::string> parse_number_test(std::string_view s, std::uint64_t max) {
  s = trim(s);
  NumberTest t;
  const auto literal = [&](std::string_view text) -> std::optional<std::uint64_t> {
    text = trim(text);
    std::uint64_t unit = 1;
    const auto l = lower(text);
    for (const auto& [suffix, factor] : {std::pair{"kib", 1ULL << 10},
                                         {"mib", 1ULL << 20},
                                         {"gib", 1ULL << 30},
                                         {"kb", 1ULL << 10},
                                         {"mb", 1ULL << 20},
                                         {"gb", 1ULL << 30}}) {
      const std::string_view sv = suffix;
      if (l.ends_with(sv)) {
        unit = factor;
        text.remove_suffix(sv.size());
        break;
      }
    }
    const auto v = parse_unsigned(text);
    if (!v || *v > max / unit) return std::nullopt;
    return *v * unit;
  };
  const auto wrong = [&] {
    return bad("'" + std::string(s) + "' is not a number or range up to " + std::to_string(max));
  };
  const auto set = [&](std::string_view text, auto&& apply) -> Result<NumberTest, std::string> {
    const auto v = literal(text);
    if (!v) return wrong();
    apply(*v);
    return t;
  };
  if (s.starts_with("!&") || s.starts_with("&")) {
    t.negate = s.front() == '!';
    auto rest = s.substr(t.negate ? 2 : 1);
    std::optional<std::uint64_t> value;
    if (const auto eq = rest.find('='); eq != std::string_view::npos) {
      auto left = trim(rest.substr(0, eq));
      if (left.ends_with('!')) {
        left.remove_suffix(1);
        t.negate = !t.negate;
      }
      value = literal(rest.substr(eq + 1));
      if (!value) return wrong();
      rest = left;
    }
    const auto m = literal(rest);
    if (!m) return wrong();
    t.mask = *m;
    if (value) {
      if ((*value & ~*m) != 0)
        return bad("'" + std::string(s) + "' has a value with bits that the mask takes away");
      t.lo = t.hi = *value;
    } else {  // "any of these bits"
      t.lo = 1;
    }
    return t;
  }
  if (s.starts_with('!')) {
    t.negate = true;
    s.remove_prefix(1);
    s = trim(s);
    if (s.starts_with('=')) s = trim(s.substr(1));
  }
  const auto never = [&] { return bad("'" + std::string(s) + "' never holds"); };
  const auto always = [&] { return bad("'" + std::string(s) + "' always holds"); };
  if (s.starts_with("<=") || s.starts_with(">=")) {
    const bool below = s.front() == '<';
    const auto v = literal(s.substr(2));
    if (!v) return wrong();
    if (*v == (below ? max : 0)) return always();
    (below ? t.hi : t.lo) = *v;
    return t;
  }
  if ((s.starts_with('<') && !s.starts_with("<>")) || s.starts_with('>')) {
    const bool below = s.front() == '<';
    const auto v = literal(s.substr(1));
    if (!v) return wrong();
    if (*v == (below ? 0 : max)) return never();
    (below ? t.hi : t.lo) = below ? *v - 1 : *v + 1;
    return t;
  }
  if (s.starts_with('=')) return set(s.substr(1), [&](auto v) { t.lo = t.hi = v; });
  auto at = s.find("<>");
  std::size_t width = 2;
  if (at == std::string_view::npos) {
    at = s.find('-');
    width = 1;
  }
  if (at != std::string_view::npos) {
    const auto a = literal(s.substr(0, at)), b = literal(s.substr(at + width));
    if (!a || !b) return wrong();
    if (*a >= *b)
      return bad("range '" + std::string(s) + "' is empty: the first number must be the smaller");
    if (*b - *a == 1)
      return bad("range '" + std::string(s) + "' holds no number: both ends are exclusive");
    t.lo = *a + 1;
    t.hi = *b - 1;
    return t;
  }
  return set(s, [&](auto v) { t.lo = t.hi = v; });
}

std::vector<NameValue> split_pairs(std::string_view s, char separator) {
  std::vector<NameValue> out;
  for (const auto part : split_list(s, separator)) {
    std::size_t n = 0;
    while (n < part.size() && !blank(part[n])) ++n;
    out.push_back({part.substr(0, n), trim(part.substr(n))});
  }
  return out;
}

}  // namespace ww::sig
