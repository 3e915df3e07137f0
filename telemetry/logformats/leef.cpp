/// QRadar Log Event Extended Format 1.0 and 2.0:
/// "LEEF:2.0|Vendor|Product|Version|EventID|DELIMITER|key=value<delim>...".
#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_attributes = 512;

// "^", "x09", "0x5E" or empty (tab).
char delimiter_of(std::string_view text) {
  if (text.size() == 1) return text[0];
  auto hex = text;
  if (hex.starts_with("0x") || hex.starts_with("0X"))
    hex.remove_prefix(2);
  else if (hex.starts_with("x") || hex.starts_with("X"))
    hex.remove_prefix(1);
  else
    return '\t';
  int v = 0;
  for (const char c : hex) {
    if (is_digit(c))
      v = v * 16 + (c - '0');
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
      v = v * 16 + ((c | 32) - 'a' + 10);
    else
      return '\t';
    if (v > 0x7F) return '\t';
  }
  return v == 0 ? '\t' : static_cast<char>(v);
}

void take_event_time(Record& out, const Context& context) {
  const auto text = out.field("devTime");
  if (text.empty()) return;
  if (const auto n = to_number(text)) {
    if (*n > 0 && *n < 32'503'680'000'000)
      out.time = Timestamp{*n < 100'000'000'000 ? *n * 1'000'000 : *n * 1000};
    return;
  }
  // devTimeFormat is a Java pattern; its default and what products use are these.
  static const TimeFormat layouts[] = {
      *TimeFormat::compile("%b %d %Y %H:%M:%S"),    *TimeFormat::compile("%b %d %Y %H:%M:%S.%f"),
      *TimeFormat::compile("%b %d %H:%M:%S"),       *TimeFormat::compile("%b %d %H:%M:%S.%f"),
      *TimeFormat::compile("%b %d %Y %H:%M:%S %Z"), *TimeFormat::compile("%b %d %Y %H:%M:%S.%f %Z"),
      *TimeFormat::compile("%d %b %Y %H:%M:%S"),    *TimeFormat::compile("%Y-%m-%d %H:%M:%S")};
  for (const auto& layout : layouts) {
    WallTime wall;
    if (!layout.parse(text, wall)) continue;
    out.time = resolve(wall, context.reference, *context.zone);
    return;
  }
  Scan in{text};
  WallTime wall;
  if (take_iso_time(in, wall) && in.end())
    out.time = resolve(wall, context.reference, *context.zone);
}

class Leef final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "leef"; }
  [[nodiscard]] std::string_view summary() const override {
    return "QRadar Log Event Extended Format 1.0 and 2.0";
  }
  [[nodiscard]] int order() const override { return 16; }
  [[nodiscard]] bool may_start(unsigned char first) const override { return first == 'L'; }
  [[nodiscard]] std::string_view example() const override {
    return "LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=192.0.2.0^dst=172.50.123.1^sev=5^cat="
           "anomaly";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    Scan in{line};
    if (!in.take("LEEF:")) return false;
    in.spaces();
    unsigned major = 0, minor = 0;
    if (!in.digits(1, 1, major)) return false;
    if (in.take('.') && !in.digits(1, 1, minor)) return false;
    if (!in.take('|') || major < 1 || major > 2) return false;
    std::string_view h[4];
    for (auto& v : h) {
      const auto bar = in.rest().find('|');
      if (bar == std::string_view::npos) return false;
      v = in.rest().substr(0, bar);
      in.at += bar + 1;
    }
    char delimiter = '\t';
    if (major == 2) {
      const auto bar = in.rest().find('|');
      // Some 2.0 senders leave the delimiter field out altogether.
      if (bar != std::string_view::npos && bar <= 4 &&
          in.rest().substr(0, bar).find('=') == std::string_view::npos) {
        delimiter = delimiter_of(in.rest().substr(0, bar));
        in.at += bar + 1;
      }
    }
    out.product = h[1];
    out.service = {};
    out.add("device_vendor", h[0]);
    out.add("device_product", h[1]);
    out.add("device_version", h[2]);
    out.add("event_id", h[3]);
    read_attributes(in.rest(), delimiter, out);
    if (const auto sev = to_number(out.field("sev")))
      out.severity = severity_name(*sev <= 3 ? 6 : *sev <= 6 ? 4 : *sev <= 8 ? 3 : 2);
    if (const auto host = out.field("identHostName"); !host.empty()) out.host = host;
    take_event_time(out, context);
    const auto message = out.field("msg");
    out.message = message.empty() ? line : message;
    out.format = "leef";
    return true;
  }

 private:
  static void read_attributes(std::string_view text, char delimiter, Record& out) {
    // Tabs are often lost on the way and arrive as spaces; then a key starts behind any space.
    const bool spaces = delimiter == '\t' && text.find('\t') == std::string_view::npos &&
                        text.find(' ') != std::string_view::npos;
    std::size_t count = 0;
    while (!text.empty() && count++ < max_attributes) {
      auto end = text.find(delimiter);
      if (spaces) {
        end = std::string_view::npos;
        for (auto at = text.find('='); at != std::string_view::npos;) {
          const auto next = text.find('=', at + 1);
          if (next == std::string_view::npos) break;
          const auto space_in = text.substr(at, next - at).rfind(' ');
          const auto space = space_in == std::string_view::npos ? space_in : at + space_in;
          if (space != std::string_view::npos && space > at) {
            end = space;
            break;
          }
          at = next;
        }
      }
      const auto pair = text.substr(0, end);
      if (const auto equals = pair.find('='); equals != std::string_view::npos && equals > 0)
        out.add_number_or_text(trim(pair.substr(0, equals)), trim(pair.substr(equals + 1)));
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
  }
};

const FormatRegistration registration{std::make_shared<const Leef>()};

}  // namespace
}  // namespace ww::logs
