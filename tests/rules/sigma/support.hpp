#pragma once
/// Rules and events as text, results as positions.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "rules/sigma/sigma.hpp"

namespace ww::sigma::test {

struct Loaded {
  std::shared_ptr<const Engine> engine;
  LoadReport report;
};

inline Loaded load(const std::string& yaml, const LoadOptions& options = {}) {
  Loaded out;
  auto engine = Engine::from_texts({{"test.yml", yaml}}, options, out.report);
  EXPECT_TRUE(engine.has_value());
  if (engine) out.engine = *engine;
  return out;
}

/// A rule around the lines of a detection.
inline std::string rule(const std::string& detection, const std::string& id = "r",
                        const std::string& logsource = "{category: test}") {
  std::string out = "title: t\nid: " + id + "\nlogsource: " + logsource + "\ndetection:\n";
  std::string_view rest = detection;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    out += "  " + std::string(rest.substr(0, end)) + "\n";
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return out;
}
/// `sel: {ITEM}` with condition sel.
inline std::string item(const std::string& text) {
  return rule("sel: {" + text + "}\ncondition: sel");
}

/// Positions of the events that rule `id` matches.
inline std::vector<std::uint32_t> hits(const std::string& yaml,
                                       const std::vector<std::string>& events,
                                       const LoadOptions& options = {}, std::string_view id = "r") {
  const auto loaded = load(yaml, options);
  for (const auto& e : loaded.report.errors) ADD_FAILURE() << e.line << ": " << e.error;
  if (!loaded.engine) return {};
  auto evaluator = Evaluator::create(loaded.engine);
  const std::vector<std::string_view> views(events.begin(), events.end());
  std::vector<std::uint32_t> out;
  for (const auto& match : evaluator->evaluate(views))
    if (match.rule->id == id) out.push_back(match.event_index);
  return out;
}

/// What the first refused document says.
inline std::string refusal(const std::string& yaml) {
  const auto loaded = load(yaml);
  return loaded.report.errors.empty() ? std::string() : loaded.report.errors[0].error;
}

using Indexes = std::vector<std::uint32_t>;

}  // namespace ww::sigma::test
