#pragma once
/// The bodies that others' shippers send, as `log` events of a Batch. All input is untrusted,
/// already decompressed and bounded; what cannot become an event becomes a dead letter.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/ingest/pipeline.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

struct ForeignLimits {
  std::size_t max_events = ingest::max_batch_events;
  std::size_t max_line_octets = ingest::max_line_octets;
  std::size_t max_labels = 64;  ///< per stream, resource or record; the rest is dropped
  std::size_t max_dead_octets = 16 * 1024;
};

/// Why a whole body was refused (400, or 413 for too many events).
struct ForeignError {
  std::string what;
  bool too_many = false;
};

/// Elasticsearch bulk (NDJSON of action and document lines). Only `index` and `create` carry
/// events; `update` and `delete` are refused item by item with 400.
struct BulkItem {
  bool create = false;
  std::string index, id;
  bool accepted = true;
  std::string reason;
};
struct BulkResult {
  std::vector<BulkItem> items;  ///< one per action, in order
};
/// @param default_index  of the path, for actions that name none
[[nodiscard]] Result<BulkResult, ForeignError> parse_bulk(std::string_view body,
                                                          std::string_view default_index,
                                                          const ForeignLimits& limits,
                                                          Batch& batch);
/// The answer that clients expect: {"took":..,"errors":..,"items":[..]}.
[[nodiscard]] std::string bulk_answer(const BulkResult& result, std::uint64_t took_ms, bool stored);

/// Loki push: {"streams":[{"stream":{..},"values":[["NS","LINE",{metadata}],..]}]}
[[nodiscard]] Result<void, ForeignError> parse_loki_json(std::string_view body,
                                                         const ForeignLimits& limits, Batch& batch);
/// logproto.PushRequest, after snappy.
[[nodiscard]] Result<void, ForeignError> parse_loki_protobuf(std::string_view body,
                                                             const ForeignLimits& limits,
                                                             Batch& batch);

/// opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest in its JSON mapping and on the
/// wire.
[[nodiscard]] Result<void, ForeignError> parse_otlp_json(std::string_view body,
                                                         const ForeignLimits& limits, Batch& batch);
[[nodiscard]] Result<void, ForeignError> parse_otlp_protobuf(std::string_view body,
                                                             const ForeignLimits& limits,
                                                             Batch& batch);

}  // namespace ww::collector
