#include "telemetry/logformats/record.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "telemetry/events/log.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::logs {
namespace {

constexpr std::array<std::string_view, 8> severities{
    "emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"};
constexpr std::array<std::string_view, 24> facilities{
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog",   "lpr",      "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "logaudit", "logalert", "clock",
    "local0", "local1", "local2",   "local3", "local4", "local5",   "local6",   "local7"};

}  // namespace

void Record::clear() {
  time.reset();
  product = service = category = host = severity = facility = message = format = fields_object = {};
  fields.clear();
  arena_.release();
}

std::string_view Record::keep(std::string_view text) {
  if (text.empty()) return {};
  const auto room = reserve(text.size());
  std::memcpy(room.data(), text.data(), text.size());
  return {room.data(), room.size()};
}

std::span<char> Record::reserve(std::size_t octets) {
  if (octets == 0) return {};
  return {static_cast<char*>(arena_.allocate(octets, 1)), octets};
}

void Record::add_number(std::string_view name, std::int64_t value) {
  char text[24];
  const auto r = std::to_chars(text, text + sizeof text, value);
  add_json(name, keep({text, static_cast<std::size_t>(r.ptr - text)}));
}

void Record::add_number_or_text(std::string_view name, std::string_view value) {
  const auto digits = !value.empty() && value.front() == '-' ? value.substr(1) : value;
  const bool plain =
      !digits.empty() && digits.size() <= 18 && (digits.front() != '0' || digits.size() == 1) &&
      value != "-0" &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (plain)
    add_json(name, value);
  else
    add(name, value);
}

std::string_view Record::field(std::string_view name) const {
  for (const auto& part : fields)
    if (part.name == name) return part.value;
  return {};
}

std::string_view severity_name(unsigned severity) {
  return severity < 8 ? severities[severity] : std::string_view();
}

std::string_view severity_from_text(std::string_view text) {
  struct Spelling {
    std::string_view text;
    std::uint8_t severity;
  };
  static constexpr Spelling spellings[] = {
      {"emerg", 0},       {"emergency", 0},     {"panic", 0},     {"alert", 1},   {"crit", 2},
      {"critical", 2},    {"fatal", 2},         {"severe", 3},    {"err", 3},     {"error", 3},
      {"failure", 3},     {"warn", 4},          {"warning", 4},   {"notice", 5},  {"info", 6},
      {"information", 6}, {"informational", 6}, {"config", 6},    {"default", 6}, {"debug", 7},
      {"trace", 7},       {"verbose", 7},       {"fine", 7},      {"finer", 7},   {"finest", 7},
      {"dbg", 7},         {"wrn", 4},           {"inf", 6},       {"eror", 3},    {"ftl", 2},
      {"log", 6},         {"audit", 5},         {"very-high", 2}, {"high", 3},    {"medium", 4},
      {"low", 5}};
  while (!text.empty() && (text.back() == ' ' || text.back() == ':')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '7')
    return severities[static_cast<std::size_t>(text[0] - '0')];
  if (text.size() < 3 || text.size() > 13) return {};
  char lower[13];
  for (std::size_t i = 0; i < text.size(); ++i)
    lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
  const std::string_view wanted(lower, text.size());
  for (const auto& s : spellings)
    if (s.text == wanted) return severities[s.severity];
  return {};
}

std::string_view severity_from_letter(char letter) {
  switch (letter) {
    case 'F':
      return severities[2];
    case 'E':
      return severities[3];
    case 'W':
      return severities[4];
    case 'N':
      return severities[5];
    case 'I':
      return severities[6];
    case 'D':
    case 'T':
    case 'V':
      return severities[7];
    default:
      return {};
  }
}

std::string_view facility_name(unsigned facility) {
  return facility < facilities.size() ? facilities[facility] : std::string_view();
}

std::optional<unsigned> facility_number(std::string_view name) {
  if (name == "security") name = "auth";
  for (unsigned i = 0; i < facilities.size(); ++i)
    if (facilities[i] == name) return i;
  return {};
}

namespace {

events::Log::Text text_or_absent(std::string_view v) {
  return v.empty() ? events::Log::Text() : events::Log::Text(v);
}

}  // namespace

void append_log_event(std::string& out, const Record& r, const Origin& origin,
                      std::string_view line, Timestamp received) {
  events::Log log;
  log.source = origin.source;
  log.product = text_or_absent(r.product);
  log.service = text_or_absent(r.service);
  log.category = text_or_absent(r.category);
  log.host = text_or_absent(r.host);
  log.severity = text_or_absent(r.severity);
  log.facility = text_or_absent(r.facility);
  log.message = r.message;
  log.fields_of = events::LogFields{&r, origin.sender};
  if (r.fields.empty() && r.fields_object.empty() && origin.sender.empty()) log.fields_of.reset();
  log.file = text_or_absent(origin.file);
  log.format = text_or_absent(r.format);
  std::string raw;
  if (!simdjson::validate_utf8(line.data(), line.size())) {
    append_base64(raw, as_bytes(line));
    log.raw = raw;
  }
  out += "{\"timestamp\":\"";
  append_eve_time(out, r.time.value_or(received));
  out += "\",\"event_type\":\"log\",\"log\":{";
  JsonWriter json(out);
  write_fields(json, log);
  out += "}}";
}

}  // namespace ww::logs

namespace ww::events {
namespace {

using logs::Part;

void write_part(JsonWriter& json, const Part& part) {
  if (part.kind == Part::Kind::json)
    json.raw(part.value);
  else
    json.value(part.value);
}

bool plain_key(std::string_view key) {
  for (const char c : key)
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' ||
        static_cast<unsigned char>(c) >= 0x80)
      return false;
  return true;
}

void write_key(JsonWriter& json, std::string_view key) {
  if (plain_key(key))
    json.key(key);
  else
    json.key_text(key);
}

// Whether the text of an object's members has the name in quotes, be it as a key or a value.
bool names(std::string_view members, std::string_view name) {
  for (auto at = members.find(name); at != std::string_view::npos; at = members.find(name, at + 1))
    if (at > 0 && members[at - 1] == '"' && at + name.size() < members.size() &&
        members[at + name.size()] == '"')
      return true;
  return false;
}

// A small open-addressing set over the field names: repeats become arrays, in linear time for
// hostile input.
class Repeats {
 public:
  explicit Repeats(const std::vector<Part>& fields) : fields_(fields) {
    std::size_t slots = 64;
    while (slots < fields.size() * 2) slots *= 2;
    if (slots > heads_.size()) heads_.resize(slots);
    mask_ = slots - 1;
    std::fill_n(heads_.begin(), slots, 0U);
    next_.assign(fields.size(), 0U);
    first_.assign(fields.size(), true);
    last_.resize(fields.size());
    for (std::uint32_t i = 0; i < fields.size(); ++i) insert(i);
  }
  [[nodiscard]] bool first(std::size_t i) const { return first_[i]; }
  /// One more than the index of the next field of the same name, or 0.
  [[nodiscard]] std::uint32_t next(std::size_t i) const { return next_[i]; }

 private:
  void insert(std::uint32_t i) {
    auto slot = std::hash<std::string_view>{}(fields_[i].name) & mask_;
    while (heads_[slot] != 0) {
      const auto head = heads_[slot] - 1;
      if (fields_[head].name == fields_[i].name) {
        next_[last_[head]] = i + 1;
        last_[head] = i;
        first_[i] = false;
        return;
      }
      slot = (slot + 1) & mask_;
    }
    heads_[slot] = i + 1;
    last_[i] = i;
  }
  const std::vector<Part>& fields_;
  std::size_t mask_ = 0;
  static thread_local std::vector<std::uint32_t> heads_, next_, last_;
  static thread_local std::vector<bool> first_;
};
thread_local std::vector<std::uint32_t> Repeats::heads_, Repeats::next_, Repeats::last_;
thread_local std::vector<bool> Repeats::first_;

}  // namespace

void write_log_fields(JsonWriter& json, const LogFields& f) {
  const auto& r = *f.record;
  if (!r.fields_object.empty() && f.sender.empty() && r.fields.empty()) {
    json.raw(r.fields_object);
    return;
  }
  json.begin_object();
  if (!r.fields_object.empty()) {  // splice the object's members in
    auto inside = r.fields_object.substr(1, r.fields_object.size() - 2);
    while (!inside.empty() && (inside.front() == ' ' || inside.front() == '\t'))
      inside.remove_prefix(1);
    bool first = true;
    if (!f.sender.empty()) {
      json.field("sender", f.sender);
      first = false;
    }
    const Repeats repeats(r.fields);
    for (std::size_t i = 0; i < r.fields.size(); ++i) {
      const auto& part = r.fields[i];
      if (!repeats.first(i) || !plain_key(part.name) || names(inside, part.name)) continue;
      json.key(part.name);
      write_part(json, part);
      first = false;
    }
    if (!first && inside.find_first_not_of(" \t\r\n") != std::string_view::npos)
      json.buffer() += ',';
    json.buffer() += inside;
  } else {
    if (!f.sender.empty()) json.field("sender", f.sender);
    const Repeats repeats(r.fields);
    for (std::size_t i = 0; i < r.fields.size(); ++i) {
      if (!repeats.first(i)) continue;
      write_key(json, r.fields[i].name);
      if (repeats.next(i) == 0) {
        write_part(json, r.fields[i]);
        continue;
      }
      json.begin_array();
      for (std::size_t at = i;;) {
        write_part(json, r.fields[at]);
        if (repeats.next(at) == 0) break;
        at = repeats.next(at) - 1;
      }
      json.end_array();
    }
  }
  json.end_object();
}

}  // namespace ww::events
