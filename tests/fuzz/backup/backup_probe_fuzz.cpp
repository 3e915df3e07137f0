/// Every registered parser of every backup probe: the first octet chooses it. What comes out must
/// become valid events.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "sensors/backup/input.hpp"
#include "sensors/backup/policy.hpp"
#include "sensors/backup/probe.hpp"

namespace {

using namespace ww;
using namespace ww::backup;

std::vector<ProbeParser> all_parsers() {
  std::vector<ProbeParser> out;
  for (const auto& [tool, type] : probe_types())
    for (const auto& p : type.parsers) out.push_back(p);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto parsers = all_parsers();
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Report report;
  report.inventory.kind = "inventory";
  report.inventory.status = "success";
  report.add_run("before");
  const auto choice = static_cast<std::size_t>(data[0]) % (parsers.size() + 2);
  if (choice < parsers.size())
    (void)parsers[choice].parse(text, report);
  else if (choice == parsers.size())
    report.inventory.policy = retention_settings(text);
  else
    report.failed("failed", from_utf16(text));
  ProbeSpec spec;
  spec.tool = "fuzz";
  spec.asset = "asset";
  spec.job = "job";
  Memory memory;
  static simdjson::dom::parser parser;
  for (const auto& line : event_lines(report, spec, {1'790'000'000'000'000}, memory)) {
    simdjson::dom::element root;
    if (parser.parse(line).get(root) != simdjson::SUCCESS || !root.is_object()) std::abort();
  }
  return 0;
}
