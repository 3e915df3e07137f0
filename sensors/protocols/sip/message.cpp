#include "sensors/protocols/sip/message.hpp"

#include <algorithm>
#include <charconv>

namespace ww::sip {
namespace {

bool alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool version_char(char c) { return alnum(c) || c == '.' || c == '/'; }
bool name_char(char c) {
  return alnum(c) || std::string_view("!%'*+-._`~").find(c) != std::string_view::npos;
}

template <class F>
bool all(std::string_view s, F test) {
  return !s.empty() && std::all_of(s.begin(), s.end(), test);
}
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}
std::string_view trimmed(std::string_view s) {
  constexpr std::string_view space = " \t\r\n";
  const auto from = s.find_first_not_of(space);
  if (from == std::string_view::npos) return {};
  return s.substr(from, s.find_last_not_of(space) - from + 1);
}

/// Compact forms (RFC 3261 7.3.3).
std::string_view full_name(std::string_view name) {
  if (name.size() != 1) return name;
  switch (lower(name[0])) {
    case 'c':
      return "Content-Type";
    case 'e':
      return "Content-Encoding";
    case 'f':
      return "From";
    case 'i':
      return "Call-ID";
    case 'k':
      return "Supported";
    case 'l':
      return "Content-Length";
    case 'm':
      return "Contact";
    case 's':
      return "Subject";
    case 't':
      return "To";
    case 'v':
      return "Via";
    default:
      return name;
  }
}

/// A line at `at` without its end; moves `at` behind it. False: the line has no end yet.
bool take_line(std::string_view text, std::size_t& at, std::string_view& line) {
  const auto nl = text.find('\n', at);
  if (nl == std::string_view::npos) return false;
  line = text.substr(at, nl - at);
  if (line.ends_with('\r')) line.remove_suffix(1);
  at = nl + 1;
  return true;
}

bool read_first_line(std::string_view line, Message& m) {
  m.line = line;
  const auto a = line.find(' ');
  if (a == std::string_view::npos) return false;
  const auto first = line.substr(0, a);
  const auto rest = line.substr(a + 1);
  if (first.starts_with("SIP/")) {
    if (!all(first, version_char) || rest.size() < 3) return false;
    if (rest.size() > 3 && rest[3] != ' ') return false;
    m.version = first;
    m.code = rest.substr(0, 3);
    m.reason = rest.size() > 4 ? rest.substr(4) : std::string_view();
    return true;
  }
  const auto b = rest.rfind(' ');
  if (b == std::string_view::npos || b == 0) return false;
  const auto version = rest.substr(b + 1);
  if (!all(first, alpha) || !all(version, version_char) || !version.starts_with("SIP/"))
    return false;
  m.request = true;
  m.method = first;
  m.uri = rest.substr(0, b);
  m.version = version;
  return true;
}

bool read_header(std::string_view line, Message& m) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const auto name = trimmed(line.substr(0, colon));
  if (!all(name, name_char)) return false;
  m.headers.push_back({std::string(full_name(name)), std::string(trimmed(line.substr(colon + 1)))});
  return true;
}

Result<void, Errc> read_headers(std::string_view text, Message& m, const Limits& limits) {
  auto at = m.line_length;
  for (;;) {
    const auto start = at;
    std::string_view line;
    if (!take_line(text, at, line)) return fail(Errc::incomplete);
    if (line.empty()) {
      m.headers_length = start - m.line_length;
      m.body_offset = at;
      return {};
    }
    // A line that begins with a space goes on with the header before it.
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) {
      std::string_view more;
      if (!take_line(text, at, more)) return fail(Errc::incomplete);
    }
    if (at == text.size()) return fail(Errc::incomplete);  // the next line may go on
    if (m.headers.size() >= limits.max_headers) return fail(Errc::invalid);
    if (!read_header(text.substr(start, at - start), m)) return fail(Errc::invalid);
  }
}

Result<std::size_t, Errc> body_length(const Message& m, std::size_t there, bool stream,
                                      const Limits& limits) {
  const auto* text = find_header(m, "Content-Length");
  std::size_t said = 0;
  const bool known =
      text != nullptr && !text->empty() &&
      std::from_chars(text->data(), text->data() + text->size(), said).ec == std::errc();
  if (!stream) return known ? std::min(said, there) : there;
  if (!known) return std::size_t{0};
  if (said > limits.max_body) return fail(Errc::invalid);
  if (there < said) return fail(Errc::incomplete);
  return said;
}

}  // namespace

const std::string* find_header(const Message& m, std::string_view name, std::size_t n) {
  for (const auto& h : m.headers)
    if (same(h.name, name) && n-- == 0) return &h.value;
  return nullptr;
}

Result<Message, Errc> parse(Bytes octets, bool stream, const Limits& limits) {
  const auto text = as_text(octets);
  Message m;
  std::string_view line;
  std::size_t at = 0;
  if (!take_line(text.substr(0, limits.max_head), at, line))
    return fail(text.size() >= limits.max_head ? Errc::invalid : Errc::incomplete);
  if (!read_first_line(line, m)) return fail(Errc::invalid);
  m.line_length = at;
  const auto head = text.substr(0, limits.max_head);
  if (const auto ok = read_headers(head, m, limits); !ok)
    return fail(head.size() >= limits.max_head ? Errc::invalid : ok.error());
  const auto length = body_length(m, text.size() - m.body_offset, stream, limits);
  if (!length) return fail(length.error());
  m.body_length = *length;
  const auto* type = find_header(m, "Content-Type");
  if (type != nullptr && m.body_length > 0 &&
      same(trimmed(std::string_view(*type).substr(0, type->find(';'))), "application/sdp"))
    m.sdp = sdp::parse(octets.subspan(m.body_offset, m.body_length));
  return m;
}

}  // namespace ww::sip
