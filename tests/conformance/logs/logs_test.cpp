/// Real log lines with hand-made columns, ../shared/conformance/logs when it stands beside the
/// checkout (loghub, cite Zhu et al., ISSRE 2023): every line one event, columns as the people who
/// made them saw them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "telemetry/json_writer.hpp"
#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/text.hpp"
#include "telemetry/logformats/time_format.hpp"

namespace ww::logs {
namespace {

std::string folder() {
  const char* shared = std::getenv("WARDWATCH_SHARED");
  return (shared != nullptr ? std::string(shared) : std::string(WW_SOURCE_DIR) + "/../shared") +
         "/conformance/logs";
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

using Row = std::map<std::string, std::string>;

std::vector<Row> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1);
  std::string cell;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"')
        cell += '"', ++i;
      else if (c == '"')
        quoted = false;
      else
        cell += c;
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',' || c == '\n') {
      if (cell.ends_with('\r')) cell.pop_back();
      rows.back().push_back(std::move(cell));
      cell.clear();
      if (c == '\n') rows.emplace_back();
    } else {
      cell += c;
    }
  }
  if (!cell.empty()) rows.back().push_back(cell);
  std::vector<Row> out;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() != rows[0].size()) continue;
    Row row;
    for (std::size_t k = 0; k < rows[0].size(); ++k) row[rows[0][k]] = rows[i][k];
    out.push_back(std::move(row));
  }
  return out;
}

struct Parsed {
  std::string line, host, message, format, severity;
  std::map<std::string, std::string> fields;
  std::optional<Timestamp> time;
};

std::vector<Parsed> parse_all(const std::string& text, Timestamp reference) {
  std::vector<Parsed> out;
  auto parser = SourceParser::make({}, Formats::builtin());
  EXPECT_TRUE(parser.has_value());
  const auto emit = [&](Record& r, std::string_view line) {
    Parsed p{std::string(line),
             std::string(r.host),
             std::string(r.message),
             std::string(r.format),
             std::string(r.severity),
             {},
             r.time};
    for (const auto& f : r.fields) p.fields[std::string(f.name)] = std::string(f.value);
    out.push_back(std::move(p));
  };
  std::size_t at = 0;
  while (at < text.size()) {
    auto end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    auto line = std::string_view(text).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    (*parser)->feed(line, reference, emit);
    at = end + 1;
  }
  (*parser)->flush(reference, emit);
  return out;
}

std::string trimmed(const std::string& s) { return std::string(trim(s)); }

struct Case {
  const char* name;
  const char* format;
  // What we have -> the CSV's column; "" = not in the CSV.
  const char* host;
  const char* program;
  const char* pid;
  const char* level;
  std::map<std::string, std::string> more;
  std::function<std::string(const Row&)> time;  // as %Y-%m-%d %H:%M:%S.ffffff, or without the year
};

std::string stamp(const CivilTime& c, bool year) {
  char text[64];
  if (year)
    std::snprintf(text, sizeof text, "%04d-%02u-%02u %02u:%02u:%02u.%06u", c.year, c.month, c.day,
                  c.hour, c.minute, c.second, c.microsecond);
  else
    std::snprintf(text, sizeof text, "%02u-%02u %02u:%02u:%02u", c.month, c.day, c.hour, c.minute,
                  c.second);
  return text;
}

std::string pad(const std::string& s) { return s.size() < 2 ? "0" + s : s; }

std::string bsd(const std::string& month, const std::string& day, const std::string& clock) {
  return pad(std::to_string(month_number(month))) + "-" + pad(day) + " " + clock;
}

class Logs : public testing::TestWithParam<Case> {};

TEST_P(Logs, EqualTheColumnsMadeByHand) {
  const auto& c = GetParam();
  const auto path = folder() + "/" + c.name + "_2k";
  if (!std::filesystem::exists(path + ".log"))
    GTEST_SKIP() << "no ../shared/conformance/logs beside the checkout";
  const auto rows = read_csv(read_file(path + ".structured.csv"));
  const auto reference = *parse_time("2017-12-31T00:00:00Z");
  const auto parsed = parse_all(read_file(path + ".log"), reference);
  ASSERT_EQ(rows.size(), 2000U);
  ASSERT_EQ(parsed.size(), 2000U) << "every line one event";
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i];
    const auto& p = parsed[i];
    std::string why;
    const auto want = [&](const char* what, const std::string& ours, const std::string& theirs) {
      if (trimmed(ours) != trimmed(theirs))
        why += std::string(" ") + what + " '" + ours + "' != '" + theirs + "'";
    };
    const auto get = [&](const char* name) {
      const auto it = p.fields.find(name);
      return it == p.fields.end() ? std::string() : it->second;
    };
    want("format", p.format, c.format);
    if (*c.host != 0) want("host", p.host, row.at(c.host));
    if (*c.program != 0) want("program", get("program"), row.at(c.program));
    if (*c.pid != 0) want("pid", get("pid"), row.at(c.pid));
    if (*c.level != 0) {
      want("level", get("level"), row.at(c.level));
      if (p.severity.empty()) why += " no severity";
    }
    want("message", p.message, row.at("Content"));
    for (const auto& [ours, theirs] : c.more) want(ours.c_str(), get(ours.c_str()), row.at(theirs));
    const auto wanted = c.time(row);
    if (!p.time)
      why += " no time";
    else
      want("time", stamp(civil(*p.time), wanted.size() > 20), wanted);
    if (!why.empty() && ++wrong <= 12)
      ADD_FAILURE() << c.name << ":" << i + 1 << why << "\n  " << p.line;
  }
  EXPECT_EQ(wrong, 0U) << "of 2000";
}

std::string with_year(const char* format, const std::string& text) {
  WallTime w;
  auto f = TimeFormat::compile(format);
  if (!f || !f->parse(text, w)) return "cannot read " + text;
  const auto t = resolve(w, Timestamp{}, Zone::utc());
  return t ? stamp(civil(*t), true) : "no time in " + text;
}

INSTANTIATE_TEST_SUITE_P(
    Loghub, Logs,
    testing::Values(
        Case{"Linux",
             "rfc3164",
             "Level",
             "Component",
             "PID",
             "",
             {},
             [](const Row& r) { return bsd(r.at("Month"), r.at("Date"), r.at("Time")); }},
        Case{"OpenSSH",
             "rfc3164",
             "Component",
             "",
             "Pid",
             "",
             {},
             [](const Row& r) { return bsd(r.at("Date"), r.at("Day"), r.at("Time")); }},
        Case{"Thunderbird",
             "rfc3164",
             "Location",
             "Component",
             "PID",
             "",
             {{"label", "Label"}, {"epoch", "Timestamp"}, {"node", "User"}},
             [](const Row& r) { return bsd(r.at("Month"), r.at("Day"), r.at("Time")); }},
        Case{"Mac",
             "rfc3164",
             "User",
             "Component",
             "PID",
             "",
             {{"subsystem", "Address"}},
             [](const Row& r) { return bsd(r.at("Month"), r.at("Date"), r.at("Time")); }},
        Case{"Apache",
             "apache-error",
             "",
             "",
             "",
             "Level",
             {},
             [](const Row& r) { return with_year("%a %b %d %H:%M:%S %Y", r.at("Time")); }},
        Case{"OpenStack",
             "openstack",
             "",
             "",
             "Pid",
             "Level",
             {{"component", "Component"}, {"request", "ADDR"}, {"file", "Logrecord"}},
             [](const Row& r) {
               return with_year("%Y-%m-%d %H:%M:%S.%f", r.at("Date") + " " + r.at("Time"));
             }},
        Case{"Zookeeper",
             "zookeeper",
             "",
             "",
             "",
             "Level",
             {{"component", "Component"}, {"node", "Node"}, {"id", "Id"}},
             [](const Row& r) {
               return with_year("%Y-%m-%d %H:%M:%S,%f", r.at("Date") + " " + r.at("Time"));
             }},
        Case{"Windows",
             "windows-cbs",
             "",
             "",
             "",
             "Level",
             {{"component", "Component"}},
             [](const Row& r) {
               return with_year("%Y-%m-%d %H:%M:%S", r.at("Date") + " " + r.at("Time"));
             }},
        Case{"HealthApp",
             "healthapp",
             "",
             "",
             "Pid",
             "",
             {{"component", "Component"}},
             [](const Row& r) { return with_year("%Y%m%d-%H:%M:%S:%L", r.at("Time")); }},
        Case{"Proxifier",
             "proxifier",
             "",
             "Program",
             "",
             "",
             {},
             [](const Row& r) {
               const auto text = r.at("Time");
               return text.substr(0, 2) + "-" + text.substr(3);
             }}),
    [](const auto& i) { return std::string(i.param.name); });

TEST(LogsYear, IsTheOneNearestToTheFilesAge) {
  const auto path = folder() + "/Linux_2k.log";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "no ../shared/conformance/logs beside the checkout";
  for (const auto& [age, year] : {std::pair{"2005-07-28T00:00:00Z", 2005},
                                  {"2005-12-05T00:00:00Z", 2005},
                                  {"2006-05-01T00:00:00Z", 2006}}) {
    const auto parsed = parse_all(read_file(path), *parse_time(age));
    ASSERT_TRUE(parsed.front().time.has_value());
    EXPECT_EQ(civil(*parsed.front().time).year, year) << age;
  }
}

}  // namespace
}  // namespace ww::logs
