#pragma once
/// Time as all parts speak it: microseconds since the Unix epoch, UTC.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ww {

/// Microseconds since 1970-01-01T00:00:00Z. Packets, logs and events all carry this.
struct Timestamp {
  std::int64_t us = 0;
  auto operator<=>(const Timestamp&) const = default;
  [[nodiscard]] std::int64_t seconds() const {
    return us >= 0 ? us / 1'000'000 : -((-us + 999'999) / 1'000'000);
  }
};
[[nodiscard]] inline Timestamp operator+(Timestamp t, std::chrono::microseconds d) {
  return {t.us + d.count()};
}
[[nodiscard]] inline std::chrono::microseconds operator-(Timestamp a, Timestamp b) {
  return std::chrono::microseconds(a.us - b.us);
}

/// Wall clock behind an interface, so that tests and replay drive time themselves.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;
};
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
};
class ManualClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return now_; }
  void set(Timestamp t) { now_ = t; }
  void advance(std::chrono::microseconds d) { now_.us += d.count(); }

 private:
  Timestamp now_{};
};

/// "2026-11-22T02:30:00.123456+0000": what EVE writes. UTC always.
void append_eve_time(std::string& out, Timestamp t);
[[nodiscard]] std::string eve_time(Timestamp t);
/// "2026-11-22T02:30:00.123456Z" (RFC 3339).
[[nodiscard]] std::string rfc3339(Timestamp t);
/// RFC 3339, EVE time, ISO 8601 with or without zone (none = UTC), space or T, any fraction up to
/// ns.
[[nodiscard]] std::optional<Timestamp> parse_time(std::string_view text);
/// Proleptic Gregorian UTC date to days since the epoch, and back.
[[nodiscard]] std::int64_t days_from_civil(int year, unsigned month, unsigned day);
struct CivilTime {
  int year;
  unsigned month, day, hour, minute, second, microsecond;
};
[[nodiscard]] CivilTime civil(Timestamp t);
[[nodiscard]] Timestamp from_civil(const CivilTime& c);

}  // namespace ww
