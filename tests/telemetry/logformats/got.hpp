#pragma once
/// What a line or a source became, as plain strings, for tests of formats.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <string>
#include <vector>

#include "telemetry/json_writer.hpp"
#include "telemetry/logformats/format.hpp"

namespace ww::logs {

inline const Timestamp now = *parse_time("2026-11-22T12:00:00Z");

struct Got {
  std::string format, product, service, category, host, severity, facility, message, time, json;
  std::map<std::string, std::string> fields;
  std::string operator[](const std::string& name) const {
    const auto it = fields.find(name);
    return it == fields.end() ? std::string("(absent)") : it->second;
  }
};

inline Got got(Record& r, std::string_view line) {
  Got g;
  g.format = r.format;
  g.product = r.product;
  g.service = r.service;
  g.category = r.category;
  g.host = r.host;
  g.severity = r.severity;
  g.facility = r.facility;
  g.message = r.message;
  g.time = r.time ? rfc3339(*r.time) : "";
  for (const auto& f : r.fields) g.fields.emplace(f.name, f.value);
  append_log_event(g.json, r, {}, line, now);
  simdjson::dom::parser parser;
  simdjson::dom::element e;
  EXPECT_EQ(parser.parse(g.json).get(e), simdjson::SUCCESS) << g.json;
  return g;
}

inline Got parse(std::string_view line, const Zone& zone = Zone::utc()) {
  Record r;
  const Format* hint = nullptr;
  parse_line(Formats::builtin(), line, {now, &zone}, r, hint);
  return got(r, line);
}

inline std::vector<Got> parse_all(const std::vector<std::string>& lines,
                                  SourceParser::Options options = {}) {
  std::vector<Got> out;
  auto parser = SourceParser::make(std::move(options), Formats::builtin());
  EXPECT_TRUE(parser.has_value());
  const auto emit = [&](Record& r, std::string_view line) { out.push_back(got(r, line)); };
  for (const auto& l : lines) {
    (*parser)->feed(l, now, emit);
    // A restart between any two lines changes nothing.
    const auto saved = (*parser)->save();
    auto again = SourceParser::make(options, Formats::builtin());
    (*again)->restore(saved);
    parser = std::move(again);
  }
  (*parser)->flush(now, emit);
  return out;
}

}  // namespace ww::logs
