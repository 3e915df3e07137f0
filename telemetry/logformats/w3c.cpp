/// Logs whose header names the columns of the lines below it: W3C extended ("#Fields: date time
/// c-ip ...": IIS, Windows Firewall, proxies, content networks), its comma-separated kin
/// (Exchange's transport logs) and Zeek's tab-separated logs ("#separator", "#fields"). The header
/// is kept in the source's memory; a line of which no header is known is not of this format.
#include <algorithm>

#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_columns = 512;
// In the order of the files that begin with them: the first of each kind starts a new header.
constexpr std::string_view w3c_names[] = {"Software",    "Version",  "Date",    "Fields",
                                          "Start-Date",  "End-Date", "Remark",  "GMT-Offset",
                                          "Time Format", "Log-type", "Log-Type"};
constexpr std::string_view zeek_names[] = {"separator",   "set_separator", "empty_field",
                                           "unset_field", "path",          "open",
                                           "fields",      "types",         "close"};

/// A header line's name and value, or two empty texts.
struct Directive {
  std::string_view name, value;
  bool zeek = false;
};

Directive directive(std::string_view line) {
  if (line.size() < 3 || line.front() != '#') return {};
  line.remove_prefix(1);
  for (const auto name : w3c_names)
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':')
      return {name, trim(line.substr(name.size() + 1)), false};
  for (const auto name : zeek_names)
    if (line.starts_with(name) && line.size() > name.size() &&
        (line[name.size()] == '\t' || line[name.size()] == ' '))
      return {name, line.substr(name.size() + 1), true};
  return {};
}

// What a remembered header says under a name.
std::string_view header_value(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const auto line = header.substr(0, header.find('\n'));
    if (line.substr(0, 1) == "#" && line.substr(1).starts_with(name)) {
      const auto d = directive(line);
      if (d.name == name) return d.value;
    }
    header.remove_prefix(std::min(line.size() + 1, header.size()));
  }
  return {};
}

void remember(const Directive& d, std::string_view line, std::string& header) {
  if (d.name == "Software" || d.name == "separator") header.clear();
  if (d.name == "close" || d.name == "Remark" || d.name == "End-Date") return;
  for (std::size_t at = 0; at < header.size();) {
    auto end = header.find('\n', at);
    end = end == std::string::npos ? header.size() : end + 1;
    if (directive(std::string_view(header).substr(at, end - at)).name == d.name)
      header.erase(at, end - at);
    else
      at = end;
  }
  if (header.size() + line.size() + 1 > SourceMemory::max_header_octets) {
    header.clear();  // whoever writes such a header has no columns that could be trusted
    return;
  }
  header += line;
  header += '\n';
}

/// Takes the next value of a line; false at its end.
class Values {
 public:
  Values(std::string_view line, char separator, bool quotes, Record& out)
      : in_{line}, separator_(separator), quotes_(quotes), out_(out) {}

  bool next(std::string_view& value) {
    if (ended_) return false;
    if (separator_ == ' ') in_.spaces();
    if (separator_ == ' ' && in_.end()) return false;
    if (quotes_ && in_.peek() == '"' && quoted(value)) return true;
    const auto start = in_.at;
    while (!in_.end() && !at_separator()) ++in_.at;
    value = in_.text.substr(start, in_.at - start);
    step();
    return true;
  }

 private:
  [[nodiscard]] bool at_separator() const {
    return in_.peek() == separator_ || (separator_ == ' ' && in_.peek() == '\t');
  }
  void step() {
    if (in_.end())
      ended_ = true;
    else
      ++in_.at;
  }
  // A value in quotes, a quote in it doubled. One that does not end before a separator is no such
  // value.
  bool quoted(std::string_view& value) {
    auto at = in_.at + 1;
    bool doubled = false;
    while (at < in_.text.size()) {
      if (in_.text[at] != '"') {
        ++at;
      } else if (at + 1 < in_.text.size() && in_.text[at + 1] == '"' && separator_ == ',') {
        doubled = true;
        at += 2;
      } else {
        break;
      }
    }
    if (at >= in_.text.size()) return false;
    value = in_.text.substr(in_.at + 1, at - in_.at - 1);
    Scan after{in_.text, at + 1};
    if (!after.end() && after.peek() != separator_) return false;
    in_ = after;
    step();
    if (!doubled) return true;
    const auto room = out_.reserve(value.size());
    std::size_t n = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      room[n++] = value[i];
      if (value[i] == '"') ++i;
    }
    value = {room.data(), n};
    return true;
  }

  Scan in_;
  char separator_;
  bool quotes_;
  Record& out_;
  bool ended_ = false;
};

class W3c final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "w3c"; }
  [[nodiscard]] std::string_view summary() const override {
    return "logs whose header names the columns: IIS and Windows Firewall (W3C extended), "
           "Exchange, "
           "Zeek";
  }
  [[nodiscard]] int order() const override { return 15; }
  [[nodiscard]] std::string_view example() const override {
    return "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip "
           "cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    if (const auto d = directive(line); !d.name.empty()) {
      if (context.memory != nullptr) remember(d, line, context.memory->header);
      if (d.zeek) out.product = "zeek";
      out.message = line;
      return true;
    }
    if (context.memory == nullptr || context.memory->header.empty() || line.starts_with('#'))
      return false;
    const std::string_view header = context.memory->header;
    if (const auto columns = header_value(header, "fields"); !columns.empty())
      return parse_zeek(line, header, columns, context, out);
    const auto columns = header_value(header, "Fields");
    return !columns.empty() && parse_w3c(line, header, columns, context, out);
  }

 private:
  static bool parse_w3c(std::string_view line, std::string_view header, std::string_view columns,
                        const Context& context, Record& out) {
    const char listed = columns.find(',') != std::string_view::npos    ? ','
                        : columns.find('\t') != std::string_view::npos ? '\t'
                                                                       : ' ';
    // Content networks name the columns with spaces between and write the values with tabs.
    const char between = listed == ' ' && line.find('\t') != std::string_view::npos ? '\t' : listed;
    Values names(columns, listed, false, out),
        values(trim_end(line), between, between != '\t', out);
    WallTime wall;
    std::string_view name, value, date, clock;
    bool web = false, source = false, target = false, action = false;
    std::size_t count = 0;
    while (names.next(name)) {
      name = trim(name);
      if (!values.next(value) || ++count > max_columns) return false;
      if (name == "date") {
        date = value;
      } else if (name == "time") {
        clock = value;
      } else if (name == "date-time" || name == "DateTime") {
        Scan in{value};
        if (!take_iso_time(in, wall) || !in.end()) return false;
        out.time = resolve(wall, context.reference, *context.zone);
      } else if (value != "-" && !value.empty()) {
        if (name == "s-computername" || name == "server-hostname") out.host = value;
        out.add_number_or_text(column(name, out), value);
      }
      web = web || name == "cs-method" || name == "cs-uri-stem";
      source = source || name == "src-ip";
      target = target || name == "dst-ip";
      action = action || name == "action";
    }
    if (values.next(value) || count < 2) return false;
    if (!clock.empty()) {
      // A file may give the date once, in its header.
      if (date.empty()) date = header_value(header, "Date").substr(0, 10);
      if (!take_parts(date, clock, wall)) return false;
      const bool local = header_value(header, "Time Format") == "Local";
      out.time = resolve(wall, context.reference, local ? *context.zone : Zone::utc());
    }
    if (web)
      out.category = "webserver";
    else if (source && target && action)
      out.category = "firewall";
    if (const auto software = header_value(header, "Software"); !software.empty())
      out.add("software", software);
    out.message = line;
    return true;
  }

  static bool parse_zeek(std::string_view line, std::string_view header, std::string_view columns,
                         const Context& context, Record& out) {
    char separator = '\t';
    if (const auto text = header_value(header, "separator"); text.starts_with("\\x")) {
      const auto octet = decode_hex(out, trim(text.substr(2)));
      if (octet && octet->size() == 1) separator = octet->front();
    }
    auto unset = header_value(header, "unset_field"), none = header_value(header, "empty_field");
    if (unset.empty()) unset = "-";
    if (none.empty()) none = "(empty)";
    Values names(columns, separator, false, out), values(line, separator, false, out);
    std::string_view name, value;
    std::size_t count = 0;
    while (names.next(name)) {
      if (!values.next(value) || ++count > max_columns) return false;
      if (name == "ts") {
        static const auto epoch = TimeFormat::compile("%s.%f");
        WallTime wall;
        Scan in{value};
        if (epoch->parse(value, wall) || (take_iso_time(in, wall) && in.end()))
          out.time = resolve(wall, context.reference, *context.zone);
      } else if (value != unset && value != none) {
        out.add_number_or_text(name, value);
      }
    }
    if (values.next(value) || count < 2) return false;
    out.product = "zeek";
    out.service = header_value(header, "path");
    out.message = line;
    return true;
  }

  static std::string_view trim_end(std::string_view s) {
    while (!s.empty() && (s.back() == ' ' || s.back() == '\r')) s.remove_suffix(1);
    return s;
  }

  // "cs(User-Agent)" is "cs-user-agent", the name that Sigma and our other web logs use.
  static std::string_view column(std::string_view name, Record& out) {
    const auto open = name.find('(');
    if (open == std::string_view::npos || !name.ends_with(')') || open == 0) return name;
    const auto room = out.reserve(name.size() - 1);
    std::size_t n = 0;
    for (std::size_t i = 0; i + 1 < name.size(); ++i) {
      const char c = name[i];
      room[n++] = i == open ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    return {room.data(), n};
  }

  static bool take_parts(std::string_view date, std::string_view clock, WallTime& wall) {
    if (date.size() != 10 || clock.size() < 5 || clock.size() > 20) return false;
    char text[32];
    date.copy(text, 10);
    text[10] = ' ';
    clock.copy(text + 11, clock.size());
    Scan in{{text, 11 + clock.size()}};
    return take_iso_time(in, wall) && in.end();
  }
};

const FormatRegistration registration{std::make_shared<const W3c>()};

}  // namespace
}  // namespace ww::logs
