/// Sensor batches, EVE and Wazuh lines, with the headers that come with them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <simdjson.h>

#include "collector/ingest/foreign.hpp"
#include "collector/ingest/lines.hpp"
#include "telemetry/ingest.hpp"

namespace {

using namespace ww;
using namespace ww::collector;

// What the pipeline is given must be one JSON object each, whatever came in.
void check(const Batch& batch) {
  static simdjson::dom::parser parser;
  for (const auto& e : batch.events) {
    simdjson::dom::element root;
    if (parser.parse(e.json).get(root) != simdjson::SUCCESS || !root.is_object()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ForeignLimits limits;
  limits.max_events = 200;
  Batch batch;
  batch.received = {1'790'000'000'000'000};
  const auto end = input.find(0x0a);
  (void)ingest::parse_batch_id(input.substr(0, end));
  (void)ingest::parse_skipped(input.substr(0, end));
  LineLimits lines;
  lines.max_line_octets = 64 * 1024;
  if (!split_lines(input, lines, batch)) return 0;
  if (batch.dead.size() != batch.dead_positions.size()) std::abort();
  if (size % 3 == 1) convert_lines(Foreign::eve, batch);
  if (size % 3 == 2) convert_lines(Foreign::wazuh, batch);
  check(batch);
  return 0;
}
