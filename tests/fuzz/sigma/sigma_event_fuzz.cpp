/// Any octets as an event, against rules that use every kind of pattern; and as saved correlation
/// state.
#include <cstdint>
#include <string>

#include "rules/sigma/sigma.hpp"

namespace {

constexpr const char* rules = R"(
title: t
name: a
logsource: {category: test}
detection:
  k: [error, 'f*l', 'x?z']
  s: {A|contains: abc, o.p: 1}
  e: {B|re: '(a|b)+c', C|cidr: 10.0.0.0/8}
  n: {D: null, E|exists: true, F|fieldref: G}
  t: {T|hour|gte: 3, N|lt: 5, A|cased|endswith: Zz}
  condition: k or s or e or n or t
---
title: u
name: b
logsource: {category: test}
detection: {s: {A: '*', B|windash|contains: ' -x', C|base64offset|contains: 'hello'}, condition: not s}
---
title: c
id: c
correlation: {type: value_count, rules: [a, b], group-by: [A], timespan: 1m, condition: {field: B, gte: 2}}
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto engine = [] {
    ww::sigma::LoadReport report;
    return *ww::sigma::Engine::from_texts({{"rules.yml", rules}}, {}, report);
  }();
  static const auto evaluator = ww::sigma::Evaluator::create(engine);
  static const auto correlator = ww::sigma::Correlator::create(engine, {});
  const std::string_view event(reinterpret_cast<const char*>(data), size);
  std::vector<ww::sigma::CorrelationMatch> fired;
  const auto matches = evaluator->evaluate({&event, 1});
  bool fast = false;
  for (const auto& match : matches) {
    correlator->add(match, event, "1", fired);
    fast = fast || match.rule->index == 0;
  }
  std::string out;
  ww::JsonWriter w(out);
  evaluator->explain(0, event, w);
  if ((out.find(R"("matches":true,"tree")") != std::string::npos) != fast) __builtin_trap();
  auto other = ww::sigma::Correlator::create(engine, {});
  (void)other->load_slice(size % 1024, event);
  (void)other->load_log(event);
  (void)other->load_log("\x04" + std::string(16, '\0') + std::string(event));
  (void)other->load_slice(size % 1024, "\x04" + std::string(16, '\0') + std::string(event));
  (void)other->groups();
  return 0;
}
