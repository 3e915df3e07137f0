#include "collector/ingest/lines.hpp"

#include <simdjson.h>

#include "collector/ingest/log_event.hpp"

namespace ww::collector {
namespace {

namespace dom = simdjson::dom;

// Bounded depth: the parser's default of 1024 would let a peer build deep trees for everybody after
// us.
constexpr std::size_t max_depth = 64;

// One parser a thread: its buffers grow once.
dom::parser& parser() {
  static thread_local dom::parser p(2U << 20);
  static thread_local const bool ready = p.allocate(2U << 20, max_depth) == simdjson::SUCCESS;
  (void)ready;
  return p;
}

std::string clip(std::string_view text, std::size_t n) { return std::string(text.substr(0, n)); }

void dead(Batch& batch, std::string_view line, std::string reason, std::size_t keep,
          std::uint32_t position) {
  batch.dead.push_back({clip(line, keep), std::move(reason)});
  batch.dead_positions.push_back(position);
}

std::string_view text_of(const dom::element& e, const char* pointer) {
  std::string_view out;
  if (e.at_pointer(pointer).get(out) != simdjson::SUCCESS) return {};
  return out;
}

// Wazuh: rule level 0..15 (documented scale) to syslog's words.
std::string_view wazuh_severity(std::int64_t level) {
  if (level >= 13) return "critical";
  if (level >= 10) return "error";
  if (level >= 7) return "warning";
  if (level >= 4) return "notice";
  return "informational";
}

bool wazuh_event(std::string_view line, const dom::element& alert, Timestamp received,
                 std::string& out) {
  const auto rule = alert["rule"];
  if (rule.error() != simdjson::SUCCESS) return false;
  LogEvent e;
  e.time = parse_time(text_of(alert, "/timestamp"));
  e.source = "file";
  e.host = text_of(alert, "/agent/name");
  e.service = text_of(alert, "/decoder/name");
  e.message = text_of(alert, "/full_log");
  if (e.message.empty()) e.message = text_of(alert, "/rule/description");
  std::int64_t level = 0;
  if (alert.at_pointer("/rule/level").get(level) == simdjson::SUCCESS)
    e.severity = wazuh_severity(level);
  if (text_of(alert, "/decoder/name").starts_with("windows")) e.product = "windows";
  std::string fields(line);
  e.fields_object = fields;
  e.format = "wazuh";
  append_log_event(out, e, received);
  return true;
}

}  // namespace

Result<void, LineError> split_lines(std::string_view body, const LineLimits& limits, Batch& batch) {
  std::uint32_t position = 0;
  while (!body.empty()) {
    const auto end = body.find('\n');
    auto line = body.substr(0, end);
    body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    if (position >= limits.max_lines)
      return fail(LineError{
          "more than " + std::to_string(limits.max_lines) + " lines in one request", position + 1});
    if (line.size() > limits.max_line_octets) {
      dead(batch, line, "line longer than " + std::to_string(limits.max_line_octets) + " octets",
           limits.max_dead_octets, position);
    } else {
      dom::element root;
      const auto error = parser().parse(line.data(), line.size()).get(root);
      if (error != simdjson::SUCCESS)
        dead(batch, line, std::string("not JSON: ") + simdjson::error_message(error),
             limits.max_dead_octets, position);
      else if (!root.is_object())
        dead(batch, line, "not a JSON object", limits.max_dead_octets, position);
      else
        batch.events.push_back({std::string(line)});
    }
    ++position;
  }
  return {};
}

void convert_lines(Foreign kind, Batch& batch) {
  std::vector<IncomingEvent> kept;
  kept.reserve(batch.events.size());
  for (auto& event : batch.events) {
    dom::element root;
    const bool parsed = parser().parse(event.json).get(root) == simdjson::SUCCESS;
    if (kind == Foreign::eve) {
      if (parsed && !text_of(root, "/event_type").empty())
        kept.push_back(std::move(event));
      else
        batch.dead.push_back(
            {clip(event.json, LineLimits().max_dead_octets), "an EVE line needs event_type"});
    } else {
      std::string out;
      if (parsed && wazuh_event(event.json, root, batch.received, out))
        kept.push_back({std::move(out)});
      else
        batch.dead.push_back(
            {clip(event.json, LineLimits().max_dead_octets), "a Wazuh alert needs rule"});
    }
  }
  batch.events = std::move(kept);
}

}  // namespace ww::collector
