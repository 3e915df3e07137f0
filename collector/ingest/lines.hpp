#pragma once
/// Newline-delimited JSON to a Batch: sensor batches, EVE of a Suricata, Wazuh's alerts.json.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "collector/ingest/pipeline.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

struct LineLimits {
  std::size_t max_lines = ingest::max_batch_events;
  std::size_t max_line_octets = ingest::max_line_octets;
  std::size_t max_dead_octets = 16 * 1024;  ///< kept of a line that could not become an event
};
struct LineError {
  std::string what;
  std::uint32_t line = 0;  ///< 1-based; 0 = the body as a whole
};

/// Splits NDJSON into batch.events and batch.dead (with dead_positions). A line that is not a JSON
/// object becomes a dead letter with its reason; only a body of too many lines is refused as a
/// whole. Empty lines do not count.
[[nodiscard]] Result<void, LineError> split_lines(std::string_view body, const LineLimits& limits,
                                                  Batch& batch);

/// One EVE line of somebody else's Suricata: taken as it is when it has event_type; otherwise a
/// dead letter. One alert of a Wazuh manager becomes a `log` event: full_log as message, agent as
/// host, rule.level as severity, the decoder's data and the rule in fields.
enum class Foreign : std::uint8_t { eve, wazuh };
/// Rewrites batch.events in place (split_lines ran before); what does not fit moves to batch.dead.
void convert_lines(Foreign kind, Batch& batch);

}  // namespace ww::collector
