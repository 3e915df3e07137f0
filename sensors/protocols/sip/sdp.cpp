#include "sensors/protocols/sip/sdp.hpp"

namespace ww::sdp {
namespace {

struct Line {
  char type = 0;  ///< 0: no more lines
  std::string_view value;
};

Line next(std::string_view& rest) {
  const auto nl = rest.find('\n');
  auto line = rest.substr(0, nl);
  rest = nl == std::string_view::npos ? std::string_view() : rest.substr(nl + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z') return {};
  return {line[0], line.substr(2)};
}

std::string words(std::string_view s) {
  std::string out;
  for (const char c : s) {
    const bool space = c == ' ' || c == '\t';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

/// A line of the session, before the first `m=`.
void session_line(Description& d, const Line& line) {
  const std::string value(line.value);
  switch (line.type) {
    case 'i':
      d.info = value;
      break;
    case 'u':
      d.uri = value;
      break;
    case 'e':
      d.email = value;
      break;
    case 'p':
      d.phone = value;
      break;
    case 'c':
      d.connection = words(value);
      break;
    case 'b':
      d.bandwidths.push_back(value);
      break;
    case 't':
      d.times.push_back({words(value), {}});
      break;
    case 'r':
      if (!d.times.empty()) d.times.back().repeats.push_back(words(value));
      break;
    case 'z':
      d.timezone = words(value);
      break;
    case 'k':
      d.key = value;
      break;
    case 'a':
      d.attributes.push_back(value);
      break;
    default:  // what later versions add is no reason to stop
      break;
  }
}

void media_line(Media& m, const Line& line) {
  const std::string value(line.value);
  switch (line.type) {
    case 'i':
      m.title = value;
      break;
    case 'c':
      m.connection = words(value);
      break;
    case 'b':
      m.bandwidths.push_back(value);
      break;
    case 'k':
      m.key = value;
      break;
    case 'a':
      m.attributes.push_back(value);
      break;
    default:
      break;
  }
}

}  // namespace

std::optional<Description> parse(Bytes octets, const Limits& limits) {
  auto rest = as_text(octets);
  const auto version = next(rest), origin = next(rest), name = next(rest);
  if (version.type != 'v' || version.value != "0" || origin.type != 'o' || name.type != 's')
    return {};
  Description d;
  d.origin = words(origin.value);
  d.name = name.value;
  for (std::size_t n = 3; n < limits.max_lines && !rest.empty(); ++n) {
    const auto line = next(rest);
    if (line.type == 0) break;
    if (line.type == 'm')
      d.media.emplace_back().media = words(line.value);
    else if (d.media.empty())
      session_line(d, line);
    else
      media_line(d.media.back(), line);
  }
  return d;
}

}  // namespace ww::sdp
