/// Modifiers, values and conditions from octets: first line a field with modifiers, second a
/// condition, the rest values. The index and the explanation, which evaluates by hand, must agree.
#include <cstdint>
#include <string>

#include "rules/sigma/sigma.hpp"

namespace {

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7f) continue;
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

std::string_view line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const auto out = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4'000) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto key = line(rest), condition = line(rest);
  std::string yaml = "title: t\nlogsource: {category: test}\ndetection:\n  a:\n    " +
                     quoted("A" + std::string(key)) + ":\n";
  std::string event_text;
  while (!rest.empty()) {
    const auto value = line(rest);
    yaml += "      - " + quoted(value) + "\n";
    event_text += value;
  }
  yaml +=
      "  b: {B: 1}\n  condition: " + quoted(condition.empty() ? "a and not b" : condition) + "\n";
  ww::sigma::LoadReport report;
  auto engine = ww::sigma::Engine::from_texts({{"fuzz.yml", yaml}}, {}, report);
  if (!engine || (*engine)->rules().empty()) return 0;
  std::string event;
  ww::JsonWriter w(event);
  w.begin_object();
  w.field("A", event_text);
  w.end_object();
  auto evaluator = ww::sigma::Evaluator::create(*engine);
  const std::string_view view = event;
  const bool fast = !evaluator->evaluate({&view, 1}).empty();
  std::string explained;
  ww::JsonWriter e(explained);
  evaluator->explain(0, view, e);
  if ((explained.find(R"("matches":true)") != std::string::npos) != fast) __builtin_trap();
  return 0;
}
