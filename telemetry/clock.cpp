#include "telemetry/clock.hpp"

#include <time.h>

namespace ww {
namespace {

void put(std::string& out, unsigned v, int digits) {
  char b[8];
  for (int i = digits - 1; i >= 0; --i) {
    b[i] = static_cast<char>('0' + v % 10);
    v /= 10;
  }
  out.append(b, static_cast<std::size_t>(digits));
}

void append_stamp(std::string& out, Timestamp t) {
  // Formatting a date costs more than the rest of an event's envelope; events come in runs of one
  // second.
  thread_local std::int64_t cached_second = INT64_MIN;
  thread_local char cached[20];
  const std::int64_t s = t.seconds();
  if (s != cached_second) {
    const auto c = civil(Timestamp{s * 1'000'000});
    std::string b;
    put(b, static_cast<unsigned>(c.year), 4);
    b += '-';
    put(b, c.month, 2);
    b += '-';
    put(b, c.day, 2);
    b += 'T';
    put(b, c.hour, 2);
    b += ':';
    put(b, c.minute, 2);
    b += ':';
    put(b, c.second, 2);
    b.copy(cached, 19);
    cached_second = s;
  }
  out.append(cached, 19);
  out += '.';
  put(out, static_cast<unsigned>(t.us - s * 1'000'000), 6);
}

}  // namespace

Timestamp SystemClock::now() const {
  timespec ts{};
  ::clock_gettime(CLOCK_REALTIME, &ts);
  return {static_cast<std::int64_t>(ts.tv_sec) * 1'000'000 + ts.tv_nsec / 1000};
}

// Howard Hinnant's published calendar algorithms ("chrono-compatible low-level date algorithms").
std::int64_t days_from_civil(int year, unsigned month, unsigned day) {
  const std::int64_t y = month <= 2 ? std::int64_t{year} - 1 : year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<std::int64_t>(y - era * 400);
  const std::int64_t mp = (static_cast<std::int64_t>(month) + 9) % 12;
  const std::int64_t doy = (153 * mp + 2) / 5 + day - 1;
  const std::int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

CivilTime civil(Timestamp t) {
  const std::int64_t s = t.seconds();
  std::int64_t days = s / 86400;
  std::int64_t rest = s % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  const std::int64_t z = days + 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const std::int64_t doe = z - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  const auto d = static_cast<unsigned>(doy - (153 * mp + 2) / 5 + 1);
  const auto m = static_cast<unsigned>(mp < 10 ? mp + 3 : mp - 9);
  const int y = static_cast<int>(yoe + era * 400 + (m <= 2 ? 1 : 0));
  return {y,
          m,
          d,
          static_cast<unsigned>(rest / 3600),
          static_cast<unsigned>(rest / 60 % 60),
          static_cast<unsigned>(rest % 60),
          static_cast<unsigned>(t.us - s * 1'000'000)};
}

Timestamp from_civil(const CivilTime& c) {
  const std::int64_t s = days_from_civil(c.year, c.month, c.day) * 86400 + c.hour * 3600LL +
                         c.minute * 60LL + c.second;
  return {s * 1'000'000 + c.microsecond};
}

void append_eve_time(std::string& out, Timestamp t) {
  append_stamp(out, t);
  out += "+0000";
}

std::string eve_time(Timestamp t) {
  std::string out;
  append_eve_time(out, t);
  return out;
}

std::string rfc3339(Timestamp t) {
  std::string out;
  append_stamp(out, t);
  out += 'Z';
  return out;
}

std::optional<Timestamp> parse_time(std::string_view text) {
  std::size_t at = 0;
  const auto number = [&](int digits, unsigned& v) {
    v = 0;
    for (int i = 0; i < digits; ++i, ++at) {
      if (at >= text.size() || text[at] < '0' || text[at] > '9') return false;
      v = v * 10 + static_cast<unsigned>(text[at] - '0');
    }
    return true;
  };
  const auto is = [&](char c) {
    if (at < text.size() && text[at] == c) {
      ++at;
      return true;
    }
    return false;
  };
  unsigned year = 0;
  CivilTime c{};
  if (!number(4, year) || !is('-') || !number(2, c.month) || !is('-') || !number(2, c.day))
    return {};
  c.year = static_cast<int>(year);
  if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31) return {};
  if (at == text.size()) return from_civil(c);
  if (!is('T') && !is('t') && !is(' ')) return {};
  if (!number(2, c.hour) || !is(':') || !number(2, c.minute)) return {};
  if (is(':') && !number(2, c.second)) return {};
  if (c.hour > 23 || c.minute > 59 || c.second > 60) return {};
  if (is('.') || is(',')) {
    unsigned digits = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      if (digits++ < 6) c.microsecond = c.microsecond * 10 + static_cast<unsigned>(text[at] - '0');
      ++at;
    }
    if (digits == 0 || digits > 9) return {};
    for (; digits < 6; ++digits) c.microsecond *= 10;
  }
  std::int64_t zone = 0;
  if (is('Z') || is('z') || at == text.size()) {
    if (at != text.size()) return {};
  } else {
    is(' ');
    const bool minus = at < text.size() && text[at] == '-';
    if (!is('+') && !is('-')) return {};
    unsigned h = 0, m = 0;
    if (!number(2, h)) return {};
    is(':');
    if (at != text.size() && !number(2, m)) return {};
    if (at != text.size() || h > 23 || m > 59) return {};
    zone = (h * 3600LL + m * 60LL) * (minus ? -1 : 1);
  }
  auto t = from_civil(c);
  t.us -= zone * 1'000'000;
  return t;
}

}  // namespace ww
