#pragma once
/// The one way into the collector's store: every input (sensor batches, bulk, Loki, OTLP, syslog,
/// heartbeats) becomes a Batch; detection runs on it; events, cursor and alerts are committed; then
/// the answer is given.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/ingest.hpp"

namespace ww::collector {

/// One event, already a JSON object of contracts.md's shape (event_type, timestamp, ww...).
struct IncomingEvent {
  std::string json;
};

/// A line that could not become an event; kept with its reason.
struct DeadLetter {
  std::string line;
  std::string reason;
};

struct Batch {
  std::string site, sensor;           ///< from the certificate or token, never from the body
  std::string source;                 ///< "ingest", "elastic", "loki", "otlp", "syslog", "internal"
  std::optional<ingest::BatchId> id;  ///< set for sensor batches: exactly-once by cursor
  std::optional<ingest::Skipped> skipped;
  std::vector<ingest::Lost> lost;  ///< why, as far as the sender says
  std::vector<IncomingEvent> events;
  std::vector<DeadLetter> dead;
  /// For sensor batches: position (0-based line) of each dead letter, so that sequence numbers stay
  /// right.
  std::vector<std::uint32_t> dead_positions;
  Timestamp received;
};

struct CommitAnswer {
  enum class Kind : std::uint8_t { committed, out_of_order, busy, failed } kind = Kind::committed;
  std::uint64_t ack = 0;       ///< last stored sequence number of this sensor
  std::uint64_t accepted = 0;  ///< lines of this batch that are stored (repeats counted the same)
  std::uint64_t expected = 0, epoch = 0;  ///< out_of_order
  std::string error;                      ///< failed
};

/// Thread-safe. Bounded: answers `busy` at once when its queue is full.
class Pipeline {
 public:
  virtual ~Pipeline() = default;
  /// @param done  called once, from a pipeline thread, after the durable commit (or the refusal)
  virtual void submit(Batch batch, std::function<void(CommitAnswer)> done) = 0;
};

}  // namespace ww::collector
