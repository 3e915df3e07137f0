#pragma once
/// `log` events (contracts.md) from what foreign inputs carry.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/clock.hpp"

namespace ww::collector {

/// Already structured: written as it is. Empty members are left out; views are borrowed for the
/// call.
struct LogEvent {
  std::optional<Timestamp> time;
  std::string_view source, product, service, category, host, severity, facility, message, format;
  std::string_view fields_object;  ///< a JSON object, already valid
};
/// Appends {"timestamp":..,"event_type":"log","log":{..}} without a newline and without the `ww`
/// envelope.
void append_log_event(std::string& out, const LogEvent& event, Timestamp received);

/// A line of text (or a JSON document) that came with labels: the log formats find out what it is,
/// labels join the fields.
struct LabelledLine {
  std::string_view source;  ///< loki, otlp, elastic, syslog
  std::string_view line;
  std::optional<Timestamp> time;             ///< the carrier's; wins over the line's own
  std::string_view host, service, severity;  ///< the carrier's, used where the line says nothing
  std::string_view sender;
  std::vector<std::pair<std::string_view, std::string_view>> labels = {};
};
void append_line_event(std::string& out, const LabelledLine& line, Timestamp received);

}  // namespace ww::collector
