/// Any text as a rule file: loading must end in rules or errors. What loads is run over one event,
/// and explained.
#include <cstdint>
#include <string>

#include "rules/sigma/sigma.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 20'000) return 0;
  ww::sigma::LoadReport report;
  ww::sigma::LoadOptions options;
  options.placeholders["p"] = {"a", "b*"};
  auto engine = ww::sigma::Engine::from_texts(
      {{"fuzz.yml", std::string(reinterpret_cast<const char*>(data), size)}}, options, report);
  if (!engine || (*engine)->rules().empty()) return 0;
  auto evaluator = ww::sigma::Evaluator::create(*engine);
  ww::sigma::CorrelatorLimits limits;
  limits.keep_log = true;
  auto correlator = ww::sigma::Correlator::create(*engine, limits);
  std::vector<ww::sigma::CorrelationMatch> fired;
  const std::string_view event =
      R"({"@timestamp":"2026-01-01T00:00:00Z","A":"x -a b","B":[1,"2",null],"C":{"D":true},"E":"10.0.0.1"})";
  for (int i = 0; i < 3; ++i)
    for (const auto& match : evaluator->evaluate({&event, 1}))
      correlator->add(match, event, "1", fired);
  std::string out;
  for (const auto& rule : (*engine)->rules()) {
    ww::JsonWriter w(out);
    evaluator->explain(rule.index, event, w);
  }
  // What is saved loads, whatever the rules are.
  const auto change = correlator->take_change();
  auto again = ww::sigma::Correlator::create(*engine, limits);
  for (const auto& slice : change.slices)
    if (!again->load_slice(slice.number, slice.state)) __builtin_trap();
  if (!change.log.empty() && !again->load_log(change.log)) __builtin_trap();
  return 0;
}
