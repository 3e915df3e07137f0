#include "telemetry/logformats/zone.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::logs {

/// Transitions of a tz database file (RFC 8536), version 2 data; after the last one the year's
/// pattern repeats every 28 years (Debian's files reach 2037, so the fold is exact for the
/// Gregorian calendar until 2100).
struct Zone::Table {
  std::vector<std::int64_t> at;      // seconds, UTC, ascending
  std::vector<std::int32_t> offset;  // from that instant on
  std::int32_t before = 0;           // before the first transition
};

namespace {

constexpr std::int64_t fold_seconds = 883'612'800;  // 28 Gregorian years between 1901 and 2099
constexpr std::size_t max_transitions = 4096;

std::shared_ptr<const Zone::Table> read_tzif(const std::string& path) {
  // A folder opens as a stream does and throws when it is read.
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec)) return nullptr;
  std::ifstream in(path, std::ios::binary);
  if (!in) return nullptr;
  constexpr std::size_t most = 1U << 20;
  std::string text(most, '\0');
  in.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<std::size_t>(in.gcount()));
  ByteReader r(as_bytes(text));
  auto table = std::make_shared<Zone::Table>();
  for (int block = 0; block < 2; ++block) {
    if (r.text(4) != "TZif") return nullptr;
    const auto version = r.u8();
    if (version < '2') return nullptr;
    r.skip(15);
    const auto utc_count = r.u32be(), std_count = r.u32be(), leap_count = r.u32be(),
               time_count = r.u32be(), type_count = r.u32be(), char_count = r.u32be();
    if (!r.ok() || time_count > max_transitions || type_count > 256 || char_count > 4096 ||
        leap_count > 4096)
      return nullptr;
    if (block == 0) {
      r.skip(time_count * 5 + type_count * 6 + char_count + leap_count * 8 + std_count + utc_count);
      continue;
    }
    std::vector<std::int64_t> at;
    for (std::uint32_t i = 0; i < time_count; ++i)
      at.push_back(static_cast<std::int64_t>(r.u64be()));
    const auto kinds = r.bytes(time_count);
    std::vector<std::int32_t> offsets;
    std::vector<bool> summer;
    for (std::uint32_t i = 0; i < type_count; ++i) {
      offsets.push_back(static_cast<std::int32_t>(r.u32be()));
      summer.push_back(r.u8() != 0);
      r.skip(1);
    }
    if (!r.ok() || offsets.empty()) return nullptr;
    table->before = offsets[0];
    for (std::uint32_t i = 0; i < time_count; ++i) {
      if (kinds[i] >= offsets.size()) return nullptr;
      table->at.push_back(at[i]);
      table->offset.push_back(offsets[kinds[i]]);
    }
    return table;
  }
  return nullptr;
}

}  // namespace

const Zone& Zone::utc() {
  static const Zone zone;
  return zone;
}

Result<Zone, Problem> Zone::parse(std::string_view text) {
  Zone zone;
  if (text.empty() || text == "UTC" || text == "utc" || text == "Z") return zone;
  if (text.front() == '+' || text.front() == '-') {
    std::string digits;
    for (const char c : text.substr(1))
      if (c >= '0' && c <= '9')
        digits += c;
      else if (c != ':')
        return fail(Problem{"not a UTC offset", std::string(text), "write for example +01:00"});
    if (digits.size() == 2) digits += "00";
    if (digits.size() != 4)
      return fail(Problem{"not a UTC offset", std::string(text), "write for example +01:00"});
    const int hours = std::stoi(digits.substr(0, 2)), minutes = std::stoi(digits.substr(2));
    if (hours > 14 || minutes > 59)
      return fail(Problem{"not a UTC offset", std::string(text), "write for example +01:00"});
    zone.fixed_ = (hours * 3600 + minutes * 60) * (text.front() == '-' ? -1 : 1);
    return zone;
  }
  std::string path;
  if (text == "local") {
    const char* tz = std::getenv("TZ");
    if (tz != nullptr && *tz == ':') ++tz;
    if (tz != nullptr && *tz != '\0') {
      if (std::string_view(tz) == "local")
        return fail(Problem{"TZ names no zone", "TZ=local", "set TZ=Europe/London"});
      return parse(tz);
    }
    path = "/etc/localtime";
    if (!std::ifstream(path)) return zone;  // no zone installed: the machine runs on UTC
  } else {
    if (text.empty() || text.find("..") != std::string_view::npos ||
        text.find('\0') != std::string_view::npos)
      return fail(Problem{"unknown time zone", std::string(text),
                          "use UTC, local, +01:00 or a name as Europe/London"});
    path = text.front() == '/' ? std::string(text) : "/usr/share/zoneinfo/" + std::string(text);
  }
  zone.table_ = read_tzif(path);
  if (!zone.table_)
    return fail(Problem{"unknown time zone (no readable " + path + ")", std::string(text),
                        "use UTC, local, +01:00 or a name as Europe/London, and install tzdata"});
  return zone;
}

std::int32_t Zone::offset_at(Timestamp instant) const {
  if (!table_) return fixed_;
  auto s = instant.seconds();
  if (table_->at.empty() || s < table_->at.front()) return table_->before;
  while (s >= table_->at.back() && table_->at.size() > 60 && s - fold_seconds > table_->at.front())
    s -= fold_seconds;
  const auto it = std::upper_bound(table_->at.begin(), table_->at.end(), s);
  return table_->offset[static_cast<std::size_t>(it - table_->at.begin()) - 1];
}

Timestamp Zone::to_utc(Timestamp wall) const {
  if (!table_) return {wall.us - fixed_ * 1'000'000LL};
  // Offsets of the two candidates around a change; the larger offset is the earlier instant.
  const auto a = offset_at({wall.us - 86'400'000'000}), b = offset_at({wall.us + 86'400'000'000});
  const auto first = Timestamp{wall.us - std::max(a, b) * 1'000'000LL};
  const auto second = Timestamp{wall.us - std::min(a, b) * 1'000'000LL};
  if (a == b) return first;
  if (first.us + offset_at(first) * 1'000'000LL == wall.us) return first;
  return second;
}

}  // namespace ww::logs
