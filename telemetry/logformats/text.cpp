#include "telemetry/logformats/text.hpp"

#include <charconv>

#include "telemetry/logformats/format.hpp"

namespace ww::logs {

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r'))
    s.remove_suffix(1);
  return s;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (std::size_t i = 0; i < a.size(); ++i)
    if (low(a[i]) != low(b[i])) return false;
  return true;
}

std::optional<std::int64_t> to_number(std::string_view s) {
  std::int64_t v = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  if (s.empty() || r.ec != std::errc() || r.ptr != s.data() + s.size()) return {};
  return v;
}

std::optional<std::string_view> decode_hex(Record& record, std::string_view hex) {
  if (hex.empty() || hex.size() % 2 != 0) return {};
  const auto nibble = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  for (const char c : hex)
    if (nibble(c) < 0) return {};
  const auto room = record.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < room.size(); ++i)
    room[i] = static_cast<char>(nibble(hex[2 * i]) * 16 + nibble(hex[2 * i + 1]));
  return std::string_view(room.data(), room.size());
}

namespace {

bool key_char(char c) {
  return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '@' || c == '/' || c == ':' ||
         c == '$' || c == '#';
}

// A quoted value with backslash escapes, from behind its opening quote. Advances `at` behind the
// closing one.
std::optional<std::string_view> take_quoted(std::string_view text, std::size_t& at, char quote,
                                            Record& record) {
  bool escaped = false;
  const auto start = at;
  for (; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      escaped = true;
      ++at;
    } else if (text[at] == quote) {
      const auto inside = text.substr(start, at - start);
      ++at;
      if (!escaped) return inside;
      const auto room = record.reserve(inside.size());
      std::size_t n = 0;
      for (std::size_t i = 0; i < inside.size(); ++i) {
        char c = inside[i];
        if (c == '\\' && i + 1 < inside.size()) {
          c = inside[++i];
          if (c == 'n')
            c = '\n';
          else if (c == 't')
            c = '\t';
          else if (c == 'r')
            c = '\r';
          else if (c != '"' && c != '\'' && c != '\\' && c != '=')
            room[n++] = '\\';
        }
        room[n++] = c;
      }
      return std::string_view(room.data(), n);
    }
  }
  return {};
}

}  // namespace

PairsRead read_pairs(std::string_view text, Record& record, bool lenient) {
  constexpr std::size_t max_pairs = 512;
  PairsRead out;
  std::size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == ',' || text[at] == ';'))
      ++at;
    if (at == text.size()) break;
    const auto key_start = at;
    while (at < text.size() && key_char(text[at])) ++at;
    const auto key = text.substr(key_start, at - key_start);
    if (key.empty() || at >= text.size() || text[at] != '=' || out.pairs == max_pairs) {
      if (!lenient) return out;
      ++out.loose_words;
      while (at < text.size() && text[at] != ' ' && text[at] != '\t') ++at;
      continue;
    }
    ++at;
    std::string_view value;
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
      const char quote = text[at];
      const auto before = at++;
      if (const auto quoted = take_quoted(text, at, quote, record)) {
        value = *quoted;
      } else {  // the quote never closes: take the word as it is
        at = before;
        const auto start = at;
        while (at < text.size() && text[at] != ' ' && text[at] != '\t') ++at;
        value = text.substr(start, at - start);
      }
    } else {
      const auto start = at;
      while (at < text.size() && text[at] != ' ' && text[at] != '\t') ++at;
      value = text.substr(start, at - start);
      if (at < text.size() && !value.empty() && (value.back() == ',' || value.back() == ';'))
        value.remove_suffix(1);
    }
    record.add_number_or_text(key, value);
    ++out.pairs;
  }
  out.complete = true;
  return out;
}

namespace {

// "time=", "date=", "level=": a message that is nothing but pairs starts with one.
bool starts_with_pair(std::string_view message) {
  std::size_t n = 0;
  while (n < message.size() && n < 32 && (is_alnum(message[n]) || message[n] == '_')) ++n;
  return n > 0 && n < message.size() && message[n] == '=';
}

const Format* inner_format(std::string_view& message, const Record& record) {
  const auto& formats = Formats::builtin();
  if (message.starts_with("audit: type=")) message.remove_prefix(7);
  if (message.starts_with("CEF:")) return formats.find("cef");
  if (message.starts_with("LEEF:")) return formats.find("leef");
  if (message.starts_with("{") && message.ends_with("}")) return formats.find("json");
  if (message.starts_with("@cee:")) {
    message = trim(message.substr(5));
    return formats.find("json");
  }
  if ((message.starts_with("type=") || message.starts_with("node=") ||
       message.starts_with("audit(")) &&
      message.find("audit(") != std::string_view::npos)
    return formats.find("auditd");
  if (starts_with_pair(message)) return formats.find("keyvalue");
  const auto program = record.field("program");
  return program.empty() ? nullptr : formats.of_program(program);
}

}  // namespace

bool parse_inner(std::string_view message, const Context& context, Record& record) {
  const auto* format = inner_format(message, record);
  if (format == nullptr) return false;
  const auto outer_fields = record.fields.size();
  const auto time = record.time;
  const auto host = record.host, severity = record.severity, facility = record.facility,
             outer = record.format, text = record.message;
  record.time.reset();
  record.severity = {};
  // Pairs alone are no proof: firewalls and services that log in them say when or how bad.
  const bool fits = format->parse(message, context, record) &&
                    (format->name() != "keyvalue" || record.time || !record.severity.empty());
  record.facility = facility;
  if (!fits) {
    record.fields.resize(outer_fields);
    record.fields_object = {};
    record.time = time;
    record.host = host;
    record.severity = severity;
    record.format = outer;
    record.message = text;
    return false;
  }
  if (record.format.empty()) record.format = format->name();
  if (record.host.empty()) record.host = host;
  if (record.severity.empty()) record.severity = severity;
  if (!record.time) record.time = time;
  return true;
}

std::string_view linux_service(std::string_view program) {
  if (const auto slash = program.rfind('/');
      slash != std::string_view::npos && !program.starts_with("postfix"))
    program.remove_prefix(slash + 1);
  if (const auto paren = program.find('('); paren != std::string_view::npos)
    program = program.substr(0, paren);
  struct Entry {
    std::string_view program, service;
  };
  static constexpr Entry entries[] = {{"sshd", "sshd"},
                                      {"sshd-session", "sshd"},
                                      {"sudo", "sudo"},
                                      {"su", "auth"},
                                      {"cron", "cron"},
                                      {"CRON", "cron"},
                                      {"crond", "cron"},
                                      {"anacron", "cron"},
                                      {"audit", "auditd"},
                                      {"auditd", "auditd"},
                                      {"audisp-syslog", "auditd"},
                                      {"clamd", "clamav"},
                                      {"freshclam", "clamav"},
                                      {"clamav", "clamav"},
                                      {"vsftpd", "vsftpd"},
                                      {"guacd", "guacamole"},
                                      {"login", "auth"},
                                      {"passwd", "auth"},
                                      {"useradd", "auth"},
                                      {"usermod", "auth"},
                                      {"groupadd", "auth"},
                                      {"polkitd", "auth"},
                                      {"systemd-logind", "auth"},
                                      {"named", "dns"},
                                      {"unbound", "dns"}};
  for (const auto& e : entries)
    if (e.program == program) return e.service;
  return {};
}

}  // namespace ww::logs
