#include "telemetry/logformats/time_format.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace ww::logs {
namespace {

constexpr std::array<std::string_view, 12> months{"jan", "feb", "mar", "apr", "may", "jun",
                                                  "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 12> long_months{
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};
constexpr std::int64_t day_us = 86'400'000'000;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_folded(std::string_view a, std::string_view lower_b) {
  return a.size() == lower_b.size() && std::equal(a.begin(), a.end(), lower_b.begin(),
                                                  [](char x, char y) { return lower(x) == y; });
}

unsigned days_in_month(int year, int month) {
  static constexpr unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month - 1];
}

bool take_fraction(Scan& in, int& microsecond) {
  int digits = 0, v = 0;
  while (digit(in.peek())) {
    if (digits < 6) v = v * 10 + (in.peek() - '0');
    ++digits;
    ++in.at;
    if (digits > 12) return false;
  }
  if (digits == 0) return false;
  for (; digits < 6; ++digits) v *= 10;
  microsecond = v;
  return true;
}

bool take_clock(Scan& in, WallTime& out) {
  unsigned h = 0, m = 0, s = 0;
  if (!in.digits(1, 2, h) || !in.take(':') || !in.digits(2, 2, m)) return false;
  if (in.peek() == ':' && digit(in.peek(1))) {
    ++in.at;
    if (!in.digits(2, 2, s)) return false;
  }
  if (h > 23 || m > 59 || s > 60) return false;
  out.hour = static_cast<int>(h);
  out.minute = static_cast<int>(m);
  out.second = static_cast<int>(s);
  if ((in.peek() == '.' || in.peek() == ',') && digit(in.peek(1))) {
    ++in.at;
    return take_fraction(in, out.microsecond);
  }
  return true;
}

bool take_offset(Scan& in, WallTime& out) {
  if (in.peek() == 'Z' || in.peek() == 'z') {
    ++in.at;
    out.offset = 0;
    return true;
  }
  const char sign = in.peek();
  if (sign != '+' && sign != '-') return false;
  const auto start = in.at++;
  unsigned h = 0, m = 0;
  if (!in.digits(2, 2, h)) {
    in.at = start;
    return false;
  }
  if (in.peek() == ':' && digit(in.peek(1))) ++in.at;
  if (digit(in.peek()) && digit(in.peek(1))) (void)in.digits(2, 2, m);
  if (h > 23 || m > 59) {
    in.at = start;
    return false;
  }
  const auto seconds = static_cast<std::int32_t>(h * 3600 + m * 60);
  out.offset = sign == '-' ? -seconds : seconds;
  return true;
}

bool take_month(Scan& in, int& month) {
  for (std::size_t i = 0; i < 12; ++i)
    if (equal_folded(in.rest().substr(0, long_months[i].size()), long_months[i])) {
      in.at += long_months[i].size();
      month = static_cast<int>(i + 1);
      return true;
    }
  const auto m = month_number(in.rest().substr(0, 3));
  if (m == 0) return false;
  in.at += 3;
  month = static_cast<int>(m);
  return true;
}

}  // namespace

bool Scan::digits(int least, int most, unsigned& v) {
  unsigned n = 0;
  int count = 0;
  while (count < most && digit(peek(static_cast<std::size_t>(count)))) {
    n = n * 10 + static_cast<unsigned>(peek(static_cast<std::size_t>(count)) - '0');
    ++count;
  }
  if (count < least) return false;
  at += static_cast<std::size_t>(count);
  v = n;
  return true;
}

std::string_view Scan::word() {
  const auto start = at;
  while (at < text.size() && text[at] != ' ' && text[at] != '\t') ++at;
  return text.substr(start, at - start);
}

unsigned month_number(std::string_view text) {
  if (text.size() != 3) return 0;
  const char a = lower(text[0]), b = lower(text[1]), c = lower(text[2]);
  for (unsigned i = 0; i < 12; ++i)
    if (months[i][0] == a && months[i][1] == b && months[i][2] == c) return i + 1;
  return 0;
}

std::optional<Timestamp> resolve(const WallTime& wall, Timestamp reference, const Zone& zone) {
  if (wall.instant) return wall.instant;
  CivilTime c{};
  const auto clock_us =
      ((wall.hour * 60LL + wall.minute) * 60LL + wall.second) * 1'000'000LL + wall.microsecond;
  const auto at = [&](int year, int month, int day) -> std::optional<Timestamp> {
    if (month < 1 || month > 12 || day < 1 ||
        static_cast<unsigned>(day) > days_in_month(year, month))
      return {};
    const Timestamp t{
        days_from_civil(year, static_cast<unsigned>(month), static_cast<unsigned>(day)) * day_us +
        clock_us};
    if (wall.offset) return Timestamp{t.us - *wall.offset * 1'000'000LL};
    return zone.to_utc(t);
  };
  if (wall.year >= 0) return at(wall.year, wall.month, wall.day);
  c = civil(reference);
  std::optional<Timestamp> best;
  const auto consider = [&](std::optional<Timestamp> t) {
    if (!t) return;
    if (!best || std::abs(t->us - reference.us) < std::abs(best->us - reference.us)) best = t;
  };
  if (wall.month < 0) {  // a clock time alone: yesterday, today or tomorrow
    for (int d = -1; d <= 1; ++d) {
      const auto day = civil(Timestamp{reference.us + d * day_us});
      consider(at(day.year, static_cast<int>(day.month), static_cast<int>(day.day)));
    }
    return best;
  }
  // 29 February may need a leap year further away than the neighbours.
  const int reach = wall.month == 2 && wall.day == 29 ? 8 : 1;
  for (int y = c.year - reach; y <= c.year + reach; ++y) consider(at(y, wall.month, wall.day));
  return best;
}

bool take_bsd_time(Scan& in, WallTime& out) {
  const auto start = in.at;
  WallTime w;
  unsigned n = 0;
  const auto give_up = [&] {
    in.at = start;
    return false;
  };
  if (digit(in.peek()) && digit(in.peek(1)) && digit(in.peek(2)) && digit(in.peek(3)) &&
      in.peek(4) == ' ') {
    (void)in.digits(4, 4, n);  // "2026 Nov 22 02:30:00"
    w.year = static_cast<int>(n);
    in.spaces();
  }
  const auto month = month_number(in.rest().substr(0, 3));
  if (month == 0 || in.peek(3) != ' ') return give_up();
  in.at += 3;
  in.spaces();
  w.month = static_cast<int>(month);
  if (!in.digits(1, 2, n) || in.peek() != ' ' || n < 1 || n > 31) return give_up();
  w.day = static_cast<int>(n);
  in.spaces();
  if (w.year < 0 && digit(in.peek()) && digit(in.peek(1)) && digit(in.peek(2)) &&
      digit(in.peek(3)) && in.peek(4) == ' ') {
    (void)in.digits(4, 4, n);  // Cisco: "Nov 22 2026 02:30:00"
    w.year = static_cast<int>(n);
    in.spaces();
  }
  if (!take_clock(in, w)) return give_up();
  // AIX and OpenWrt put the year behind the clock.
  if (w.year < 0 && in.peek() == ' ' && (in.peek(1) == '1' || in.peek(1) == '2') &&
      digit(in.peek(2)) && digit(in.peek(3)) && digit(in.peek(4)) && in.peek(5) == ' ') {
    const auto before = in.at++;
    (void)in.digits(4, 4, n);
    if (n >= 1970 && n < 2200)
      w.year = static_cast<int>(n);
    else
      in.at = before;
  }
  out = w;
  return true;
}

bool take_iso_time(Scan& in, WallTime& out) {
  const auto start = in.at;
  WallTime w;
  unsigned y = 0, m = 0, d = 0;
  const bool date = in.digits(4, 4, y) && (in.take('-') || in.take('/')) && in.digits(2, 2, m) &&
                    (in.take('-') || in.take('/')) && in.digits(2, 2, d) && m >= 1 && m <= 12 &&
                    d >= 1 && d <= 31 && (in.take('T') || in.take('t') || in.take(' '));
  if (!date || !take_clock(in, w)) {
    in.at = start;
    return false;
  }
  w.year = static_cast<int>(y);
  w.month = static_cast<int>(m);
  w.day = static_cast<int>(d);
  if (!take_offset(in, w) && in.peek() == ' ' && (in.peek(1) == '+' || in.peek(1) == '-') &&
      digit(in.peek(2)) && digit(in.peek(3)) && digit(in.peek(4))) {
    ++in.at;
    if (!take_offset(in, w)) --in.at;
  }
  out = w;
  return true;
}

bool take_clf_time(Scan& in, WallTime& out) {
  const auto start = in.at;
  WallTime w;
  unsigned d = 0, y = 0;
  const bool ok = in.digits(1, 2, d) && in.take('/') && take_month(in, w.month) && in.take('/') &&
                  in.digits(4, 4, y) && in.take(':') && take_clock(in, w);
  if (!ok) {
    in.at = start;
    return false;
  }
  w.day = static_cast<int>(d);
  w.year = static_cast<int>(y);
  in.spaces();
  (void)take_offset(in, w);
  out = w;
  return true;
}

Result<TimeFormat, std::string> TimeFormat::compile(std::string_view layout) {
  TimeFormat f;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout[i] != '%') {
      f.layout_ += layout[i];
      continue;
    }
    if (++i == layout.size()) return fail(std::string("the time layout ends in a single %"));
    switch (layout[i]) {
      case 'T':
        f.layout_ += "%H:%M:%S";
        break;
      case 'F':
        f.layout_ += "%Y-%m-%d";
        break;
      default:
        if (std::string_view("YymdebBaAHIpMSfLzZsQ%").find(layout[i]) == std::string_view::npos)
          return fail(std::string("the time layout has an unknown part %") + layout[i]);
        f.layout_ += '%';
        f.layout_ += layout[i];
    }
  }
  if (f.layout_.find('%') == std::string::npos)
    return fail(std::string("the time layout has no % part"));
  return f;
}

bool TimeFormat::parse(std::string_view text, WallTime& out) const {
  Scan in{text};
  WallTime w;
  unsigned n = 0;
  int half = -1;  // am 0, pm 1
  for (std::size_t i = 0; i < layout_.size(); ++i) {
    const char c = layout_[i];
    if (c == ' ') {
      if (in.peek() != ' ' && in.peek() != '\t') return false;
      in.spaces();
      continue;
    }
    if (c != '%') {
      if (!in.take(c)) return false;
      continue;
    }
    switch (layout_[++i]) {
      case 'Y':
        if (!in.digits(4, 4, n)) return false;
        w.year = static_cast<int>(n);
        break;
      case 'y':
        if (!in.digits(2, 2, n)) return false;
        w.year = static_cast<int>(n < 69 ? 2000 + n : 1900 + n);
        break;
      case 'm':
        if (!in.digits(1, 2, n)) return false;
        w.month = static_cast<int>(n);
        break;
      case 'd':
      case 'e':
        in.spaces();
        if (!in.digits(1, 2, n)) return false;
        w.day = static_cast<int>(n);
        break;
      case 'b':
      case 'B':
        if (!take_month(in, w.month)) return false;
        break;
      case 'a':
      case 'A': {
        const auto start = in.at;
        while (alpha(in.peek())) ++in.at;
        if (in.at - start < 2) return false;
        break;
      }
      case 'H':
      case 'I':
        if (!in.digits(1, 2, n) || n > 23) return false;
        w.hour = static_cast<int>(n);
        break;
      case 'p': {
        const char h = lower(in.peek());
        if ((h != 'a' && h != 'p') || lower(in.peek(1)) != 'm') return false;
        half = h == 'p' ? 1 : 0;
        in.at += 2;
        break;
      }
      case 'M':
        if (!in.digits(1, 2, n) || n > 59) return false;
        w.minute = static_cast<int>(n);
        break;
      case 'S':
        if (!in.digits(1, 2, n) || n > 60) return false;
        w.second = static_cast<int>(n);
        break;
      case 'f':
        if (!take_fraction(in, w.microsecond)) return false;
        break;
      case 'L':
        if (!in.digits(1, 3, n)) return false;
        w.microsecond = static_cast<int>(n * 1000);
        break;
      case 'z':
        if (!take_offset(in, w)) return false;
        break;
      case 'Z': {
        const auto start = in.at;
        while (alpha(in.peek())) ++in.at;
        const auto name = in.text.substr(start, in.at - start);
        if (name.empty()) return false;
        if (name == "UTC" || name == "GMT" || name == "Z") w.offset = 0;
        if (name == "BST") w.offset = 3600;
        break;
      }
      case 's':
      case 'Q': {
        std::int64_t v = 0;
        int count = 0;
        for (; digit(in.peek()) && count < 16; ++in.at, ++count) v = v * 10 + (in.peek() - '0');
        if (count == 0 || v > 4'000'000'000'000'000) return false;
        w.instant =
            Timestamp{layout_[i] == 's' ? std::min<std::int64_t>(v, 9'000'000'000'000) * 1'000'000
                                        : v * 1000};
        break;
      }
      default:
        if (!in.take('%')) return false;
    }
  }
  if (!in.end()) return false;
  if (half >= 0) {
    if (w.hour < 1 || w.hour > 12) return false;
    w.hour = w.hour % 12 + (half == 1 ? 12 : 0);
  }
  if (w.instant) w.instant->us += w.microsecond;
  out = w;
  return true;
}

std::optional<std::vector<TimeFormat::DigitRun>> TimeFormat::digit_runs() const {
  std::vector<DigitRun> out;
  unsigned least = 0, most = 0;
  const auto end = [&](char next) {
    out.push_back({static_cast<std::uint8_t>(least), static_cast<std::uint8_t>(most), next});
  };
  for (std::size_t i = 0; i < layout_.size(); ++i) {
    const char c = layout_[i];
    if (most > 200) return {};  // no layout that a program writes
    if (c != '%') {
      if (digit(c)) {
        ++least, ++most;
        continue;
      }
      if (most == 0) return {};
      end(c);
      if (c == ' ') end('\t');
      return out;
    }
    switch (layout_[++i]) {
      case 'Y':
        least += 4, most += 4;
        break;
      case 'y':
        least += 2, most += 2;
        break;
      case 'd':
      case 'e':
        if (most > 0) end(' ');  // a day of one digit may have spaces before it
        least += 1, most += 2;
        break;
      case 'm':
      case 'H':
      case 'I':
      case 'M':
      case 'S':
        least += 1, most += 2;
        break;
      case 'f':
        least += 1, most += 12;
        break;
      case 'L':
        least += 1, most += 3;
        break;
      case 's':
      case 'Q':
        least += 1, most += 16;
        break;
      default:
        if (most == 0) return {};
        end('\0');
        return out;
    }
  }
  end('\0');
  return out;
}

std::string TimeFormat::expression() const {
  std::string out;
  for (std::size_t i = 0; i < layout_.size(); ++i) {
    const char c = layout_[i];
    if (c == ' ') {
      out += "[ \\t]+";
    } else if (c != '%') {
      if (!alpha(c) && !digit(c)) out += '\\';
      out += c;
    } else {
      switch (layout_[++i]) {
        case 'Y':
          out += "\\d{4}";
          break;
        case 'y':
          out += "\\d{2}";
          break;
        case 'd':
        case 'e':
          out += " *\\d{1,2}";
          break;
        case 'm':
        case 'H':
        case 'I':
        case 'M':
        case 'S':
          out += "\\d{1,2}";
          break;
        case 'b':
        case 'B':
        case 'a':
        case 'A':
        case 'Z':
          out += "[A-Za-z]+";
          break;
        case 'p':
          out += "[AaPp][Mm]";
          break;
        case 'f':
          out += "\\d{1,12}";
          break;
        case 'L':
          out += "\\d{1,3}";
          break;
        case 'z':
          out += "(?:[Zz]|[+-]\\d{2}:?(?:\\d{2})?)";
          break;
        case 's':
        case 'Q':
          out += "\\d{1,16}";
          break;
        default:
          out += "%";
      }
    }
  }
  return out;
}

}  // namespace ww::logs
