/// Sensor batches, EVE and Wazuh lines, with the headers that come with them.
#include "collector/ingest/lines.hpp"
#include "telemetry/ingest.hpp"
#include "tests/fuzz/collector_ingest/batch.hpp"

using namespace ww;
using namespace ww::collector;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = text_of(data, size);
  auto batch = empty_batch();
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
