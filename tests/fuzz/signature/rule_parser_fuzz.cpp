/// Any text as a rule file: loads or refuses, and a matcher of what loaded survives a packet.
#include "rules/signature/compiled.hpp"
#include "rules/signature/ruleset.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ww::sig;
  if (size > 8192) return 0;
  EngineOptions options;
  options.base_folder = "/nonexistent";
  options.max_state_octets = 1 << 20;
  auto shared = std::make_shared<SharedState>(options.max_state_octets);
  LoadReport report;
  RuleSet set(options, shared);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // `state` and `save` would write files.
  if (text.find("save") != std::string_view::npos || text.find("state") != std::string_view::npos)
    return 0;
  set.load_text(text, "fuzz", report);
  set.finish(report);
  for (const auto& r : set.rules)
    if (r->info.sid == 0) __builtin_trap();
  return 0;
}
