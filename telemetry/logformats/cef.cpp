/// ArcSight Common Event Format: "CEF:0|Vendor|Product|Version|ID|Name|Severity|key=value ..." (CEF
/// guide rev. 25).
#include <array>

#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_extensions = 512;

// Up to the next unescaped '|'; "\|" and "\\" are unescaped.
bool take_header(Scan& in, Record& out, std::string_view& value) {
  const auto start = in.at;
  bool escaped = false;
  while (!in.end() && in.peek() != '|') {
    if (in.peek() == '\\') {
      escaped = true;
      ++in.at;
    }
    ++in.at;
  }
  if (in.at > in.text.size()) in.at = in.text.size();
  value = in.text.substr(start, in.at - start);
  if (escaped) {
    const auto room = out.reserve(value.size());
    std::size_t n = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\\' && i + 1 < value.size() && (value[i + 1] == '|' || value[i + 1] == '\\'))
        ++i;
      room[n++] = value[i];
    }
    value = {room.data(), n};
  }
  return in.take('|');
}

std::string_view unescape_value(std::string_view value, Record& out) {
  if (value.find('\\') == std::string_view::npos) return value;
  const auto room = out.reserve(value.size());
  std::size_t n = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (c == '\\' && i + 1 < value.size()) {
      const char e = value[i + 1];
      if (e == '=' || e == '\\' || e == '|')
        c = e, ++i;
      else if (e == 'n')
        c = '\n', ++i;
      else if (e == 'r')
        c = '\r', ++i;
    }
    room[n++] = c;
  }
  return {room.data(), n};
}

bool key_char(char c) {
  return is_alnum(c) || c == '_' || c == '.' || c == '-' || c == '[' || c == ']';
}

// The key that starts a new pair ends at '=' and starts behind the last space before it.
void read_extensions(std::string_view text, Record& out) {
  std::size_t count = 0;
  const auto next_equals = [&](std::size_t from) {
    for (auto i = from; i < text.size(); ++i) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '=')
        return i;
    }
    return std::string_view::npos;
  };
  auto equals = next_equals(0);
  std::size_t key_start = 0;
  while (key_start < text.size() && text[key_start] == ' ') ++key_start;
  while (equals != std::string_view::npos && count++ < max_extensions) {
    const auto key = trim(text.substr(key_start, equals - key_start));
    auto from = equals + 1;
    auto next = next_equals(from);
    std::size_t value_end = text.size(), next_key = text.size();
    while (next != std::string_view::npos) {
      auto k = next;
      while (k > from && key_char(text[k - 1])) --k;
      if (k < next && k > from && text[k - 1] == ' ') {
        next_key = k;
        value_end = k - 1;
        break;
      }
      if (k < next && k == from) {  // "a=b=c" right behind: the value of a is empty only when a
                                    // space follows the '='
        next = next_equals(next + 1);
        continue;
      }
      next = next_equals(next + 1);  // an unescaped '=' inside a value, as many products write
    }
    if (next == std::string_view::npos) next_key = value_end = text.size();
    if (!key.empty())
      out.add_number_or_text(key, trim(unescape_value(text.substr(from, value_end - from), out)));
    if (next == std::string_view::npos) break;
    key_start = next_key;
    equals = next;
  }
}

std::string_view cef_severity(std::string_view text) {
  if (const auto n = to_number(text)) {
    if (*n <= 3) return severity_name(6);
    if (*n <= 6) return severity_name(4);
    if (*n <= 8) return severity_name(3);
    return severity_name(2);
  }
  if (text == "Unknown") return {};
  return severity_from_text(text);
}

void take_event_time(Record& out, const Context& context) {
  static const std::array<TimeFormat, 4> layouts{
      *TimeFormat::compile("%b %d %Y %H:%M:%S.%f"), *TimeFormat::compile("%b %d %Y %H:%M:%S"),
      *TimeFormat::compile("%b %d %H:%M:%S"), *TimeFormat::compile("%b %d %Y %H:%M:%S %Z")};
  for (const std::string_view key : {"rt", "end", "start", "deviceReceiptTime"}) {
    const auto text = out.field(key);
    if (text.empty()) continue;
    if (const auto n = to_number(text)) {
      if (*n > 0 && *n < 32'503'680'000'000)
        out.time = Timestamp{*n < 100'000'000'000 ? *n * 1'000'000 : *n * 1000};
      return;
    }
    WallTime wall;
    for (const auto& layout : layouts)
      if (layout.parse(text, wall)) {
        out.time = resolve(wall, context.reference, *context.zone);
        return;
      }
    if (const auto t = parse_time(text)) {
      out.time = t;
      return;
    }
  }
}

class Cef final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "cef"; }
  [[nodiscard]] std::string_view summary() const override { return "ArcSight Common Event Format"; }
  [[nodiscard]] int order() const override { return 15; }
  [[nodiscard]] bool may_start(unsigned char first) const override { return first == 'C'; }
  [[nodiscard]] std::string_view example() const override {
    return "CEF:0|Security|threatmanager|1.0|100|worm stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232 "
           "msg=Two words";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    Scan in{line};
    unsigned version = 0;
    if (!in.take("CEF:")) return false;
    in.spaces();
    if (!in.digits(1, 2, version) || !in.take('|')) return false;
    std::string_view h[6];
    for (auto& v : h)
      if (!take_header(in, out, v) && &v != &h[5]) return false;
    static constexpr std::string_view names[6] = {
        "device_vendor", "device_product", "device_version", "signature_id", "name", "severity"};
    out.product = out.keep(h[1]);
    out.service = {};
    for (std::size_t i = 0; i < 6; ++i) out.add(names[i], h[i]);
    read_extensions(in.rest(), out);
    out.severity = cef_severity(h[5]);
    if (const auto host = out.field("dvchost"); !host.empty()) out.host = host;
    take_event_time(out, context);
    const auto message = out.field("msg");
    out.message = message.empty() ? h[4] : message;
    out.format = "cef";
    return true;
  }
};

const FormatRegistration registration{std::make_shared<const Cef>()};

}  // namespace
}  // namespace ww::logs
