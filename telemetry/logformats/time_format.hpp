#pragma once
/// Reading times by a layout a person can write, and the small number readers that formats share.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/logformats/zone.hpp"
#include "telemetry/result.hpp"

namespace ww::logs {

/// A cursor over text for hand-written formats; never reads past the end.
struct Scan {
  std::string_view text;
  std::size_t at = 0;

  [[nodiscard]] bool end() const { return at >= text.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at + ahead < text.size() ? text[at + ahead] : '\0';
  }
  bool take(char c) {
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  }
  bool take(std::string_view s) {
    if (!text.substr(at).starts_with(s)) return false;
    at += s.size();
    return true;
  }
  void spaces() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  }
  /// Between `least` and `most` digits.
  bool digits(int least, int most, unsigned& v);
  /// Up to the next space or the end.
  std::string_view word();
  [[nodiscard]] std::string_view rest() const {
    return text.substr(at < text.size() ? at : text.size());
  }
};

/// English month name of three letters, any case, to 1..12; 0 otherwise.
[[nodiscard]] unsigned month_number(std::string_view text);

/// A time as a line gives it: parts that are missing are negative.
struct WallTime {
  int year = -1;
  int month = -1, day = -1, hour = 0, minute = 0, second = 0;
  int microsecond = 0;
  std::optional<std::int32_t> offset;  ///< seconds east, when the line says
  std::optional<Timestamp> instant;    ///< from an epoch number; nothing else counts then
};

/// The instant of a wall time. Without a year: the year that brings it nearest to `reference`;
/// without a date: the day that does. Without an offset: in `zone`.
/// @return nothing for an impossible date
[[nodiscard]] std::optional<Timestamp> resolve(const WallTime& wall, Timestamp reference,
                                               const Zone& zone);

/// "MMM d hh:mm:ss" with what the real world adds: a year before or after, fractions. Advances `in`
/// past it.
[[nodiscard]] bool take_bsd_time(Scan& in, WallTime& out);
/// ISO 8601 / RFC 3339 with T or space, fraction with . or , and optional zone. Advances `in` past
/// it.
[[nodiscard]] bool take_iso_time(Scan& in, WallTime& out);
/// "22/Nov/2026:02:30:00 +0000".
[[nodiscard]] bool take_clf_time(Scan& in, WallTime& out);

/// A compiled time layout: %Y %y %m %d %e %b %B %a %A %H %I %p %M %S %f (fraction digits) %L
/// (milliseconds as a number) %z %Z %s (epoch seconds) %Q (epoch milliseconds) %T %F %%; other
/// characters stand for themselves, a space for any number of spaces. Numbers may lack their
/// leading zeros.
class TimeFormat {
 public:
  [[nodiscard]] static Result<TimeFormat, std::string> compile(std::string_view layout);
  /// The whole text must fit.
  [[nodiscard]] bool parse(std::string_view text, WallTime& out) const;
  /// How what the layout reads begins when it begins with a digit: so many digits, then `next`.
  struct DigitRun {
    std::uint8_t least = 0, most = 0;
    char next = '\0';  ///< '\0': anything
  };
  /// All such beginnings; `std::nullopt` when the layout may begin with no digit or with any.
  [[nodiscard]] std::optional<std::vector<DigitRun>> digit_runs() const;
  /// A PCRE expression that matches what the layout can read.
  [[nodiscard]] std::string expression() const;

 private:
  std::string layout_;
};

}  // namespace ww::logs
