/// RFC 3164 as the world writes it. The RFC only describes what was seen in 2001; this reads:
///   "<PRI>" or none · BSD time, with year, fraction or zone · ISO 8601 time (rsyslog's and
///   systemd's files) · host or none · tag with [pid], spaces in the tag before a [pid], "(sub)"
///   behind it, none at all · Cisco IOS and ASA (sequence number,
///   '*' and '.' time marks, %FAC-SEV-MNEMONIC) · BSD's "<facility.severity>" behind the time,
///   busybox's "facility.severity" before the tag · Solaris "[ID n facility.severity]" · AIX
///   "Message forwarded from HOST:" · macOS
///   "<Level>:" · the "LABEL EPOCH DATE NODE" prefix of supercomputer consoles (Sandia's syslog
///   archives).
#include <algorithm>

#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

constexpr std::size_t max_tag = 160;

bool host_char(char c) {
  return is_alnum(c) || std::string_view(".-_:/@%#+~*").find(c) != std::string_view::npos ||
         static_cast<unsigned char>(c) >= 0x80;
}

// "auth.info" to facility and severity.
bool take_selector(std::string_view text, Record& out) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return false;
  const auto facility = facility_number(text.substr(0, dot));
  const auto severity = severity_from_text(text.substr(dot + 1));
  if (!facility || severity.empty()) return false;
  out.facility = facility_name(*facility);
  out.severity = severity;
  return true;
}

// A header time without a pri is proof enough of syslog only when something like a host and text
// follow.
struct Header {
  WallTime wall;
  bool has_pri = false, has_time = false, cisco_mark = false;
};

bool upper_or_digit(char c) { return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_'; }

// "%SEC-6-IPACCESSLOGP: text", "%ASA-6-302013: text", "%FTD-1-..". Facility may hold dashes
// ("%SYS-SW1-5-X").
bool take_cisco(std::string_view text, Record& out) {
  if (text.size() < 6 || text[0] != '%') return false;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon > 80) return false;
  const auto tag = trim(text.substr(1, colon - 1));
  const auto last = tag.rfind('-');
  if (last == std::string_view::npos || last < 3 || last + 1 == tag.size()) return false;
  const auto middle = tag.rfind('-', last - 1);
  if (middle == std::string_view::npos || last - middle != 2 || tag[middle + 1] < '0' ||
      tag[middle + 1] > '7')
    return false;
  if (!std::all_of(tag.begin(), tag.end(), [](char c) { return upper_or_digit(c) || c == '-'; }))
    return false;
  out.product = "cisco";
  const auto facility = tag.substr(0, middle);
  out.service = facility == "ASA" || facility == "FTD" || facility == "PIX"
                    ? std::string_view("asa")
                    : std::string_view("ios");
  out.add("cisco_facility", facility);
  out.add("mnemonic", tag.substr(last + 1));
  if (out.severity.empty())
    out.severity = severity_name(static_cast<unsigned>(tag[middle + 1] - '0'));
  out.add("program", text.substr(0, colon));
  out.message = trim(text.substr(colon + 1));
  return true;
}

// The tag: program, optional [pid], optional (sub) or <Level>, colon. True and `in` behind it when
// there is one.
bool take_tag(Scan& in, Record& out, bool spaces) {
  const auto rest = in.rest();
  // A [pid] directly followed by ':' or a "(sub):" allows spaces in the name before it.
  const auto bracket = rest.substr(0, max_tag).find('[');
  if (bracket != std::string_view::npos && bracket > 0) {
    const auto close = rest.find(']', bracket);
    const auto name = rest.substr(0, bracket);
    if (close != std::string_view::npos && close - bracket <= 24 &&
        name.find(": ") == std::string_view::npos && name.back() != ' ') {
      const auto pid = rest.substr(bracket + 1, close - bracket - 1);
      const bool number = !pid.empty() && std::all_of(pid.begin(), pid.end(), is_digit);
      const bool one_word = name.find(' ') == std::string_view::npos;
      // A name of several words is believed only before a plain number.
      if (number || (one_word && !pid.empty() && pid.find(' ') == std::string_view::npos)) {
        Scan after{rest, close + 1};
        std::string_view sub, level;
        Scan probe = after;
        if (probe.take(" (")) {
          const auto end = rest.find("):", probe.at);
          if (end != std::string_view::npos && end - probe.at <= 256) {
            sub = rest.substr(probe.at, end - probe.at);
            after.at = end + 1;
          }
        } else if (probe.take(" <")) {
          const auto end = rest.find(">:", probe.at);
          if (end != std::string_view::npos && end - probe.at <= 16) {
            level = rest.substr(probe.at, end - probe.at);
            after.at = end + 1;
          }
        }
        if (after.take(':')) {
          out.add("program", name);
          out.add_number_or_text("pid", pid);
          if (!sub.empty()) out.add("subsystem", sub);
          if (!level.empty() && out.severity.empty()) out.severity = severity_from_text(level);
          out.service = linux_service(name);
          after.take(' ');
          in.at += after.at;
          return true;
        }
        // "prog[123] text" without a colon, as some daemons write it.
        if (one_word && number && after.peek() == ' ' && sub.empty()) {
          out.add("program", name);
          out.add_number_or_text("pid", pid);
          out.service = linux_service(name);
          in.at += after.at + 1;
          return true;
        }
      }
    }
  }
  // Without a [pid] the tag ends at the first colon that a space follows; old daemons put spaces
  // in it ("syslogd 1.4.1: restart.").
  auto colon = rest.substr(0, max_tag).find(": ");
  if (colon == std::string_view::npos && rest.size() <= max_tag && rest.ends_with(':'))
    colon = rest.size() - 1;
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto name = rest.substr(0, colon);
  if (!spaces && name.find(' ') != std::string_view::npos) return false;
  out.add("program", name);
  out.service = linux_service(name);
  in.at += colon + 1;
  in.take(' ');
  return true;
}

// "- 1131566461 2005.11.09 dn228 " before the syslog header: alert label, epoch seconds, date,
// node.
bool take_console_prefix(Scan& in, Record& out, int& year) {
  const auto start = in.at;
  const auto label = in.word();
  Scan p{in.text, in.at};
  if (label.empty() || label.size() > 16 || !p.take(' ')) {
    in.at = start;
    return false;
  }
  const auto epoch = p.word();
  unsigned y = 0, m = 0, d = 0;
  const bool ok = epoch.size() >= 9 && epoch.size() <= 11 &&
                  std::all_of(epoch.begin(), epoch.end(), is_digit) && p.take(' ') &&
                  p.digits(4, 4, y) && p.take('.') && p.digits(2, 2, m) && p.take('.') &&
                  p.digits(2, 2, d) && p.take(' ');
  if (!ok) {
    in.at = start;
    return false;
  }
  const auto node = p.word();
  if (node.empty() || !p.take(' ')) {
    in.at = start;
    return false;
  }
  out.add("label", label);
  out.add_number_or_text("epoch", epoch);
  out.add("node", node);
  year = static_cast<int>(y);
  in.at = p.at;
  return true;
}

bool take_zone_name(Scan& in, WallTime& wall) {
  struct Name {
    std::string_view text;
    int seconds;
  };
  static constexpr Name names[] = {{"UTC", 0},         {"GMT", 0},         {"BST", 3600},
                                   {"CET", 3600},      {"CEST", 7200},     {"IST", 3600},
                                   {"EST", -5 * 3600}, {"EDT", -4 * 3600}, {"CST", -6 * 3600},
                                   {"CDT", -5 * 3600}, {"MST", -7 * 3600}, {"MDT", -6 * 3600},
                                   {"PST", -8 * 3600}, {"PDT", -7 * 3600}};
  for (const auto& n : names) {
    if (!in.rest().starts_with(n.text)) continue;
    const char after = in.peek(n.text.size());
    if (after != ':' && after != ' ' && after != '\0') continue;
    wall.offset = n.seconds;
    in.at += n.text.size();
    return true;
  }
  return false;
}

class Rfc3164 final : public Format {
 public:
  [[nodiscard]] std::string_view name() const override { return "rfc3164"; }
  [[nodiscard]] std::string_view summary() const override {
    return "BSD syslog with its variants: with and without priority, host, year; ISO times; Cisco; "
           "macOS; Solaris";
  }
  [[nodiscard]] int order() const override { return 30; }
  [[nodiscard]] std::string_view example() const override {
    return "<34>Oct 11 22:14:15 mymachine su[991]: 'su root' failed for lonvick on /dev/pts/8";
  }

  [[nodiscard]] bool parse(std::string_view line, const Context& context,
                           Record& out) const override {
    Scan in{line};
    Header h;
    take_pri(in, h, out);
    if (h.has_pri && is_rfc5424(in, line, context)) return false;
    int prefix_year = -1;
    if (!h.has_pri) take_console_prefix(in, out, prefix_year);
    std::string_view early_host;
    take_cisco_lead(in, out, early_host, h);
    h.has_time = take_time(in, h);
    if (!h.has_time && !h.has_pri) return false;
    if (h.has_time) {
      if (h.wall.year < 0) h.wall.year = prefix_year;
      out.time = resolve(h.wall, context.reference, *context.zone);
      if (!out.time) {  // 31 February and the like: keep the line, count the arrival
        if (!h.has_pri) return false;
      }
      if (in.peek() == ':') ++in.at;  // Cisco ends the time with a colon
      if (!in.end() && in.peek() != ' ' && in.peek() != '\t' && !h.cisco_mark) return false;
      in.spaces();
    }
    out.product = "linux";
    if (!early_host.empty()) out.host = early_host;
    read_rest(in, h, out);
    parse_inner(out.message, context, out);
    return true;
  }

 private:
  /// What is left of a source that has sent RFC 3164 before is asked here first; a relay sends
  /// both.
  static bool is_rfc5424(Scan in, std::string_view line, const Context& context) {
    unsigned version = 0;
    if (!in.digits(1, 2, version) || version == 0 || !in.take(' ')) return false;
    static const Format* const newer = Formats::builtin().find("rfc5424");
    Record probe;
    return newer != nullptr && newer->parse(line, context, probe);
  }

  static void take_pri(Scan& in, Header& h, Record& out) {
    const auto start = in.at;
    unsigned pri = 0;
    if (in.take('<') && in.digits(1, 3, pri) && in.take('>') && pri <= 191) {
      h.has_pri = true;
      out.severity = severity_name(pri & 7);
      out.facility = facility_name(pri >> 3);
      in.spaces();
    } else {
      in.at = start;
    }
  }

  // "45: ", "000045: host: ", "host: *" and the mark '*' or '.' before the time.
  static void take_cisco_lead(Scan& in, Record& out, std::string_view& host, Header& h) {
    const auto start = in.at;
    Scan p = in;
    unsigned sequence = 0;
    const auto sequence_start = p.at;
    bool numbered = false;
    if (p.digits(1, 9, sequence) && p.take(": "))
      numbered = true;
    else
      p.at = start;
    const auto number = p.text.substr(sequence_start, numbered ? p.at - 2 - sequence_start : 0);
    // A host before the time, "router1: *Mar  1 ...", possibly with another number behind it.
    Scan q = p;
    const auto word = q.word();
    std::string_view named;
    if (h.has_pri && word.size() > 1 && word.back() == ':' && is_alpha(word.front()) &&
        std::all_of(word.begin(), word.end() - 1, host_char) && q.take(' ')) {
      unsigned again = 0;
      Scan n = q;
      if (n.digits(1, 9, again) && n.take(": ")) q = n;
      Scan t = q;
      WallTime probe;
      if (t.peek() == '*' || t.peek() == '.') ++t.at;
      if (take_bsd_time(t, probe)) {
        named = word.substr(0, word.size() - 1);
        p = q;
      }
    }
    const bool mark = p.peek() == '*' || (p.peek() == '.' && is_alpha(p.peek(1)));
    if (mark) ++p.at;
    Scan t = p;
    WallTime probe;
    if ((numbered || mark || !named.empty()) && (take_bsd_time(t, probe) || p.peek() == '%')) {
      if (numbered) out.add_number_or_text("sequence", number);
      host = named;
      h.cisco_mark = mark;
      in.at = p.at;
    }
  }

  static bool take_time(Scan& in, Header& h) {
    // OpenWrt and asctime put the day's name first: "Wed Nov 22 02:30:00 2026".
    const auto start = in.at;
    if (is_alpha(in.peek()) && is_alpha(in.peek(1)) && is_alpha(in.peek(2)) && in.peek(3) == ' ' &&
        month_number(in.rest().substr(0, 3)) == 0) {
      in.at += 4;
      if (!take_bsd_time(in, h.wall)) {
        in.at = start;
        return false;
      }
      return true;
    }
    if (take_bsd_time(in, h.wall)) {
      if (in.peek() == ' ') {
        Scan zone{in.text, in.at + 1};
        if (take_zone_name(zone, h.wall) && (zone.peek() == ':' || zone.peek() == ' '))
          in.at = zone.at;
      } else if ((in.peek() == '+' || in.peek() == '-' || in.peek() == 'Z')) {
        Scan zone = in;
        const bool minus = zone.peek() == '-';
        unsigned hours = 0, minutes = 0;
        if (zone.take('Z')) {
          h.wall.offset = 0;
          in = zone;
        } else {
          ++zone.at;
          if (zone.digits(2, 2, hours)) {
            zone.take(':');
            if (zone.digits(2, 2, minutes) && hours < 24) {
              h.wall.offset =
                  static_cast<std::int32_t>(hours * 3600 + minutes * 60) * (minus ? -1 : 1);
              in = zone;
            }
          }
        }
      }
      return true;
    }
    if (!take_iso_time(in, h.wall)) return false;
    if (in.end() || in.peek() == ' ' || in.peek() == ':') {
      // A file whose lines start with an ISO time and a comma, a dash or a level is not syslog:
      // want "host tag:".
      if (h.has_pri) return true;
      Scan probe = in;
      probe.spaces();
      const auto host = probe.word();
      probe.spaces();
      const auto tag = probe.rest().substr(0, max_tag);
      const bool host_ok =
          !host.empty() && host.back() != ':' && std::all_of(host.begin(), host.end(), host_char) &&
          !std::all_of(host.begin(), host.end(), is_digit) && severity_from_text(host).empty();
      const auto end = tag.find_first_of(" :");
      const bool tag_ok =
          end != std::string_view::npos && end > 0 && tag[end] == ':' &&
          (end + 1 == tag.size() || tag[end + 1] == ' ') &&
          (is_alnum(tag.front()) || tag.front() == '(' || tag.front() == '/' || tag.front() == '_');
      // "2026-11-22 02:30:00.123 P00 INFO: text": a level where the program should be.
      const auto word = tag.substr(0, tag_ok ? end : 0);
      const bool level =
          std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) &&
          !severity_from_text(word).empty();
      if (host_ok && tag_ok && !level) return true;
    }
    in.at = start;
    return false;
  }

  // Behind the time: [<fac.sev>] [host] [fac.sev] tag message.
  static void read_rest(Scan& in, const Header& h, Record& out) {
    if (h.has_time && in.peek() == '<') {  // FreeBSD -v: "<kern.crit>"
      const auto end = in.rest().find('>');
      if (end != std::string_view::npos && end < 24 &&
          take_selector(in.rest().substr(1, end - 1), out)) {
        in.at += end + 1;
        in.spaces();
      }
    }
    if (take_cisco(in.rest(), out)) return;
    const auto start = in.at;
    const auto first = in.word();
    if (h.has_time && take_selector(first, out)) {  // OpenWrt: no host, "user.notice prog:"
      in.spaces();
    } else if (first == "Message" && in.rest().starts_with(" forwarded from ")) {  // AIX
      in.at += 16;
      auto host = in.word();
      if (!host.empty() && host.back() == ':') host.remove_suffix(1);
      out.host = host;
      in.spaces();
    } else if (h.has_time && out.host.empty() && host_like(first, in.rest())) {
      out.host = first;
      in.spaces();
      if (in.take(": ")) {  // ASA: "asa1 : %ASA-6-..."
      }
      if (take_cisco(in.rest(), out)) return;
      if (in.rest().starts_with("Message forwarded from ")) {
        in.at += 23;
        auto host = in.word();
        if (!host.empty() && host.back() == ':') host.remove_suffix(1);
        out.host = host;
        in.spaces();
      }
      const auto before = in.at;
      if (take_selector(in.word(), out))  // busybox: "host user.notice prog:"
        in.spaces();
      else
        in.at = before;
    } else {
      in.at = start;
    }
    const bool tagged = take_tag(in, out, h.has_time && !h.cisco_mark);
    auto message = in.rest();
    if (tagged && message.starts_with("[ID ")) {  // Solaris: "[ID 800047 auth.info] text"
      const auto end = message.find(']');
      if (end != std::string_view::npos && end < 48) {
        const auto inside = message.substr(4, end - 4);
        const auto space = inside.find(' ');
        if (space != std::string_view::npos && take_selector(inside.substr(space + 1), out)) {
          out.add_number_or_text("msgid", inside.substr(0, space));
          message = trim(message.substr(end + 1));
        }
      }
    }
    out.message = message;
  }

  // Whether the word behind the time is a host: a tag there (with colon or [pid]) means there is
  // none.
  static bool host_like(std::string_view word, std::string_view rest) {
    if (word.empty() || word.size() > 255) return false;
    if (word.back() == ':') return false;
    if (word.find('[') != std::string_view::npos) return false;
    if (rest.empty()) return false;
    return std::all_of(word.begin(), word.end(), host_char);
  }
};

const FormatRegistration registration{std::make_shared<const Rfc3164>()};

}  // namespace
}  // namespace ww::logs
