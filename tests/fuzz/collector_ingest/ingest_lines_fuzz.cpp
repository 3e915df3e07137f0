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
  if (const auto why = ingest::parse_skipped_why(input.substr(0, end))) {
    // What is read is written the same again, and cuts a skip into runs without a hole.
    const auto again = ingest::parse_skipped_why(ingest::skipped_why_text(*why));
    if (!again || again->size() != why->size()) __builtin_trap();
    auto next = std::uint64_t{2};
    for (const auto& run : ingest::lost_runs({2, UINT64_MAX}, *why)) {
      if (run.from != next || run.to < run.from) __builtin_trap();
      next = run.to + 1;
    }
    if (next != 0) __builtin_trap();
  }
  LineLimits lines;
  lines.max_line_octets = 64 * 1024;
  if (!split_lines(input, lines, batch)) return 0;
  if (batch.dead.size() != batch.dead_positions.size()) std::abort();
  if (size % 3 == 1) convert_lines(Foreign::eve, batch);
  if (size % 3 == 2) convert_lines(Foreign::wazuh, batch);
  check(batch);
  return 0;
}
