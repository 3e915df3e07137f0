#include "collector/backup/schedule.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "telemetry/logformats/zone.hpp"

namespace ww::collector {
namespace {

constexpr std::array<std::string_view, 7> day_names{"mon", "tue", "wed", "thu",
                                                    "fri", "sat", "sun"};
constexpr std::int64_t day_us = 86'400'000'000;

std::optional<int> day_of(std::string_view text) {
  for (std::size_t i = 0; i < day_names.size(); ++i)
    if (text.substr(0, 3) == day_names[i]) return static_cast<int>(i);
  return {};
}

std::optional<std::uint8_t> days_of(std::string_view text) {
  if (text == "daily") return std::uint8_t{0x7F};
  std::uint8_t days = 0;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const auto dash = part.find('-');
    const auto from = day_of(part.substr(0, dash));
    const auto to = dash == std::string_view::npos ? from : day_of(part.substr(dash + 1));
    if (!from || !to) return {};
    for (int d = *from;; d = (d + 1) % 7) {
      days = static_cast<std::uint8_t>(days | (1U << d));
      if (d == *to) break;
    }
  }
  return days;
}

std::optional<std::int64_t> seconds_of(std::string_view text) {
  std::int64_t n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string_view unit(r.ptr, static_cast<std::size_t>(text.data() + text.size() - r.ptr));
  if (r.ec != std::errc() || n < 0 || n > 1'000'000'000) return {};
  if (unit.empty() || unit == "s") return n;
  if (unit == "m") return n * 60;
  if (unit == "h") return n * 3600;
  if (unit == "d") return n * 86'400;
  return {};
}

/// The due moment of the local day that is `day` days since the epoch, when that day is chosen.
std::optional<Timestamp> due_on(const BackupSchedule& s, const logs::Zone& zone, std::int64_t day) {
  const auto weekday = static_cast<int>(((day + 3) % 7 + 7) % 7);  // day 0 was a Thursday
  if ((s.days & (1U << weekday)) == 0) return {};
  return zone.to_utc({day * day_us + std::int64_t{*s.minute} * 60'000'000});
}

std::int64_t local_day(const logs::Zone& zone, Timestamp t) {
  const auto local = t.us + std::int64_t{zone.offset_at(t)} * 1'000'000;
  return local >= 0 ? local / day_us : -((-local + day_us - 1) / day_us);
}

std::optional<Timestamp> search(const BackupSchedule& s, Timestamp now, int step) {
  if (!s.minute) return {};
  const auto zone = logs::Zone::parse(s.zone);
  if (!zone) return {};
  const auto today = local_day(*zone, now);
  for (int i = -1; i <= 8; ++i) {
    const auto due = due_on(s, *zone, today + step * i);
    if (due && (step < 0 ? *due <= now : *due > now)) return due;
  }
  return {};
}

}  // namespace

std::optional<Timestamp> last_due(const BackupSchedule& s, Timestamp now) {
  return search(s, now, -1);
}
std::optional<Timestamp> next_due(const BackupSchedule& s, Timestamp now) {
  return search(s, now, 1);
}

Result<BackupSchedule, std::string> parse_schedule(std::string_view text) {
  BackupSchedule s;
  std::istringstream in{std::string(text)};
  std::string first, time, zone, more;
  in >> first >> time >> zone >> more;
  if (!more.empty() || first.empty())
    return fail(std::string("write for example 24h or daily 02:00"));
  if (time.empty()) {
    const auto n = seconds_of(first);
    if (!n || *n <= 0) return fail("not an interval: " + first);
    s.every = std::chrono::seconds(*n);
    return s;
  }
  const auto days = days_of(first);
  if (!days || *days == 0) return fail("not days: " + first + "; write daily, mon-fri or sat,sun");
  int hour = -1, minute = -1;
  const auto colon = time.find(':');
  const auto digits = [](std::string_view t, int& out) {
    const auto r = std::from_chars(t.data(), t.data() + t.size(), out);
    return r.ec == std::errc() && r.ptr == t.data() + t.size() && t.size() == 2;
  };
  if (colon == std::string::npos || !digits(std::string_view(time).substr(0, colon), hour) ||
      !digits(std::string_view(time).substr(colon + 1), minute) || hour > 23 || minute > 59 ||
      hour < 0 || minute < 0)
    return fail("not a time of day: " + time + "; write 02:30");
  s.days = *days;
  s.minute = hour * 60 + minute;
  if (!zone.empty()) s.zone = zone;
  if (s.zone.front() == '/' || !logs::Zone::parse(s.zone))
    return fail("no such time zone: " + s.zone);
  return s;
}

std::string schedule_text(const BackupSchedule& s) {
  if (s.every.count() > 0) {
    const auto n = s.every.count();
    return n % 3600 == 0 ? std::to_string(n / 3600) + "h"
           : n % 60 == 0 ? std::to_string(n / 60) + "m"
                         : std::to_string(n) + "s";
  }
  if (!s.minute) return {};
  std::string days;
  if (s.days == 0x7F) days = "daily";
  for (std::size_t i = 0; s.days != 0x7F && i < day_names.size(); ++i)
    if ((s.days & (1U << i)) != 0) days += (days.empty() ? "" : ",") + std::string(day_names[i]);
  const auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return days + " " + two(*s.minute / 60) + ":" + two(*s.minute % 60) + " " + s.zone;
}

Result<DayWindow, std::string> parse_window(std::string_view text) {
  const auto dash = [](std::string_view t) { return t.size() == 11 && t[5] == '-'; };
  std::istringstream in{std::string(text)};
  std::string days, hours, zone, more;
  in >> days >> hours >> zone >> more;
  if (!more.empty() || !dash(hours))
    return fail(std::string("write for example sat,sun 02:00-05:00 Europe/London"));
  const auto tail = zone.empty() ? std::string() : " " + zone;
  auto opens = parse_schedule(days + " " + hours.substr(0, 5) + tail);
  if (!opens) return fail(opens.error());
  const auto closes = parse_schedule(days + " " + hours.substr(6) + tail);
  if (!closes) return fail(closes.error());
  constexpr int day = 24 * 60;
  const auto length = (*closes->minute - *opens->minute + day) % day;
  if (length == 0) return fail(std::string("the window has no length"));
  return DayWindow{std::move(*opens), std::chrono::minutes(length)};
}

std::optional<Timestamp> window_end(const DayWindow& w, Timestamp now) {
  const auto opened = last_due(w.opens, now);
  if (!opened) return {};
  const auto end = *opened + w.length;
  if (end <= now) return {};
  return end;
}

}  // namespace ww::collector
