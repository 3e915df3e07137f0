/// logfmt and its relatives: "time=... level=info msg=\"started\" user=7" (FortiGate, Go programs,
/// Heroku).
#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

void take_event_time(Record& out, const Context& context) {
  for (const std::string_view key :
       {"time", "ts", "timestamp", "@timestamp", "t", "datetime", "eventtime"}) {
    const auto text = out.field(key);
    if (text.empty()) continue;
    if (const auto n = to_number(text)) {
      const auto v = *n;  // seconds, milli-, micro- or nanoseconds by magnitude
      if (v < 100'000'000) continue;
      if (v < 100'000'000'000)
        out.time = Timestamp{v * 1'000'000};
      else if (v < 100'000'000'000'000)
        out.time = Timestamp{v * 1000};
      else if (v < 100'000'000'000'000'000)
        out.time = Timestamp{v};
      else
        out.time = Timestamp{v / 1000};
      return;
    }
    Scan in{text};
    WallTime wall;
    if (take_iso_time(in, wall)) {
      out.time = resolve(wall, context.reference, *context.zone);
      return;
    }
  }
  // FortiGate: date=2026-11-22 time=02:30:00 tz="+0000"
  const auto date = out.field("date"), clock = out.field("time");
  if (date.size() == 10 && clock.size() >= 5 && clock.size() <= 20) {
    char text[32];
    date.copy(text, 10);
    text[10] = ' ';
    clock.copy(text + 11, clock.size());
    Scan in{{text, 11 + clock.size()}};
    WallTime wall;
    if (!take_iso_time(in, wall)) return;
    const auto zone = out.field("tz");
    if (zone.size() == 5 && (zone[0] == '+' || zone[0] == '-')) {
      const auto hours = to_number(zone.substr(1, 2)), minutes = to_number(zone.substr(3, 2));
      if (hours && minutes)
        wall.offset =
            static_cast<std::int32_t>(*hours * 3600 + *minutes * 60) * (zone[0] == '-' ? -1 : 1);
    }
    out.time = resolve(wall, context.reference, *context.zone);
  }
}

class KeyValue final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "keyvalue"; }
  [[nodiscard]] std::string_view summary() const override {
    return "logfmt and other lines of key=value pairs";
  }
  [[nodiscard]] int order() const override { return 900; }
  [[nodiscard]] std::string_view example() const override {
    return "time=2026-11-22T02:30:00Z level=info msg=\"backup finished\" job=nightly bytes=1024";
  }
  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    const auto read = read_pairs(line, out, false);
    if (!read.complete || read.pairs < 2) return false;
    for (const std::string_view key : {"level", "lvl", "severity", "loglevel", "priority", "pri"})
      if (const auto v = out.field(key); !v.empty()) {
        out.severity = severity_from_text(v);
        if (!out.severity.empty()) break;
      }
    for (const std::string_view key : {"host", "hostname", "devname"})
      if (const auto v = out.field(key); !v.empty()) {
        out.host = v;
        break;
      }
    for (const std::string_view key : {"msg", "message", "logdesc"})
      if (const auto v = out.field(key); !v.empty()) {
        out.message = v;
        break;
      }
    if (out.message.empty()) out.message = line;
    take_event_time(out, context);
    return true;
  }
};

const FormatRegistration registration{std::make_shared<const KeyValue>()};

}  // namespace
}  // namespace ww::logs
