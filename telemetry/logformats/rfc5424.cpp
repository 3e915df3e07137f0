/// RFC 5424: "<PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]".
#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_parameters = 256;

// One SD-ELEMENT behind its '[': "name="value" ..." with \" \\ \] escapes. False when malformed.
bool take_element(Scan& in, Record& out, std::size_t& count) {
  const auto id_start = in.at;
  while (!in.end() && in.peek() != ' ' && in.peek() != ']') ++in.at;
  const auto id = in.text.substr(id_start, in.at - id_start);
  if (id.empty() || id.find('=') != std::string_view::npos ||
      id.find('"') != std::string_view::npos)
    return false;
  if (in.peek() == ']') {  // an element without parameters still says something
    ++in.at;
    if (count++ < max_parameters) out.add_json(id, "{}");
    return true;
  }
  while (true) {
    in.spaces();
    if (in.take(']')) return true;
    const auto name_start = in.at;
    while (!in.end() && in.peek() != '=' && in.peek() != ' ' && in.peek() != ']') ++in.at;
    const auto name = in.text.substr(name_start, in.at - name_start);
    if (name.empty() || !in.take('=') || !in.take('"')) return false;
    const auto value_start = in.at;
    bool escaped = false;
    while (!in.end() && in.peek() != '"') {
      if (in.peek() == '\\') {
        escaped = true;
        ++in.at;
      }
      ++in.at;
    }
    if (in.end()) return false;
    auto value = in.text.substr(value_start, in.at - value_start);
    ++in.at;
    if (count++ >= max_parameters) continue;
    if (escaped) {
      const auto room = out.reserve(value.size());
      std::size_t n = 0;
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] == '\\' && i + 1 < value.size() &&
            (value[i + 1] == '"' || value[i + 1] == '\\' || value[i + 1] == ']'))
          ++i;
        room[n++] = value[i];
      }
      value = {room.data(), n};
    }
    const auto key = out.reserve(id.size() + 1 + name.size());
    id.copy(key.data(), id.size());
    key[id.size()] = '.';
    name.copy(key.data() + id.size() + 1, name.size());
    out.add({key.data(), key.size()}, value);
  }
}

class Rfc5424 final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "rfc5424"; }
  [[nodiscard]] std::string_view summary() const override {
    return "syslog as of RFC 5424, with structured data";
  }
  [[nodiscard]] int order() const override { return 10; }
  [[nodiscard]] bool may_start(unsigned char first) const override { return first == '<'; }
  [[nodiscard]] std::string_view example() const override {
    return "<165>1 2026-11-22T02:30:00.003Z web1 nginx 871 ID47 [exampleSDID@32473 iut=\"3\"] "
           "reload";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    Scan in{line};
    unsigned pri = 0, version = 0;
    if (!in.take('<') || !in.digits(1, 3, pri) || !in.take('>') || pri > 191) return false;
    if (!in.digits(1, 2, version) || version == 0 || !in.take(' ')) return false;
    if (in.take("- ")) {
      // NILVALUE: the time of arrival counts
    } else {
      WallTime wall;
      if (!take_iso_time(in, wall) || !in.take(' ')) return false;
      out.time = resolve(wall, context.reference, *context.zone);
    }
    std::string_view header[4];  // HOSTNAME APP-NAME PROCID MSGID
    for (auto& h : header) {
      h = in.word();
      if (h.empty()) return false;
      if (h == "-") h = {};
      if (!in.take(' ') && &h != &header[3]) return false;
    }
    out.severity = severity_name(pri & 7);
    out.facility = facility_name(pri >> 3);
    out.host = header[0];
    out.product = "linux";
    out.service = linux_service(header[1]);
    if (!header[1].empty()) out.add("program", header[1]);
    if (!header[2].empty()) out.add_number_or_text("pid", header[2]);
    if (!header[3].empty()) out.add("msgid", header[3]);
    if (!in.take('-')) {
      std::size_t count = 0;
      const auto before = in.at;
      const auto fields = out.fields.size();
      while (in.take('['))
        if (!take_element(in, out,
                          count)) {  // malformed structured data stays readable in the message
          in.at = before;
          out.fields.resize(fields);
          break;
        }
    }
    in.take(' ');
    auto message = in.rest();
    if (message.starts_with("\xEF\xBB\xBF")) message.remove_prefix(3);
    out.message = message;
    parse_inner(message, context, out);
    return true;
  }
};

const FormatRegistration registration{std::make_shared<const Rfc5424>()};

}  // namespace
}  // namespace ww::logs
