#include "sensors/protocols/http/fields.hpp"

#include <charconv>

#include "sensors/protocols/http/http.hpp"

namespace ww::sensor::http {
namespace {

bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Where the parameter that starts the text ends: at a semicolon outside quotes.
std::size_t parameter_end(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = i != 0 && text[i - 1] == '\\';
    if (escaped) continue;
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == ';' && !quoted) return i;
  }
  return text.size();
}

/// Takes a decimal number off the front.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (r.ec != std::errc()) return {};
  text.remove_prefix(static_cast<std::size_t>(r.ptr - text.data()));
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<std::string_view> parameter(std::string_view field, std::string_view name) {
  while (!field.empty()) {
    while (!field.empty() && blank(field.front())) field.remove_prefix(1);
    const auto end = parameter_end(field);
    auto one = field.substr(0, end);
    field.remove_prefix(std::min(field.size(), end + 1));
    if (one.size() <= name.size() + 1 || one[name.size()] != '=' ||
        !same_text(one.substr(0, name.size()), name))
      continue;
    one.remove_prefix(name.size() + 1);
    if (one.front() == '"') one.remove_prefix(1);
    if (!one.empty() && one.back() == '"') one.remove_suffix(1);
    return one;
  }
  return {};
}

std::optional<ContentRange> parse_content_range(std::string_view field) {
  ContentRange out;
  if (field.size() < 5 || !same_text(field.substr(0, 5), "bytes")) return {};
  field.remove_prefix(5);
  while (!field.empty() && (blank(field.front()) || field.front() == '=')) field.remove_prefix(1);
  if (!take(field, '*')) {
    out.start = take_number(field);
    if (!out.start || !take(field, '-')) return {};
    out.end = take_number(field);
    if (!out.end) return {};
  }
  if (!take(field, '/')) return {};
  if (!take(field, '*')) {
    out.size = take_number(field);
    if (!out.size) return {};
  }
  if (!out.start && !out.size) return {};
  return out;
}

}  // namespace ww::sensor::http
