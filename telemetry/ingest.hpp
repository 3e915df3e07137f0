#pragma once
/// The contract between a sensor's uplink and the collector (POST /api/v1/ingest). Both sides use
/// these.
///
/// Every event of a sensor has a sequence number, counted from 1 within an epoch (`ww.epoch`,
/// `ww.seq`). An epoch is the life of one spool; a new spool (first start, or one that could not be
/// recovered) takes a larger epoch.
///
///   request   Wardwatch-Batch: EPOCH-SEQ     SEQ is the number of the first event; lines follow
///   without holes
///             Wardwatch-Skipped: FROM-TO     (optional) events that will never come
///             Wardwatch-Skipped-Why: REASON FROM-TO[, ...]   (optional) of which these were not
///             shed because the spool reached its bound: `damaged` on the sensor's disk, `refused`
///             by the collector one by one, `acknowledged` before by a collector whose data is now
///             older than that. `renumbered` ones are not lost: they are stored under an earlier
///             epoch, before another spool of the same identity made this one take a new epoch
///             body: NDJSON, Content-Encoding zstd | gzip | identity
///   answers   200 {"ack":LAST,"accepted":N}  durable up to LAST; a repeat of a stored batch gets
///   the same answer,
///                                            an overlap stores only what is new
///             409 {"expected":SEQ,"epoch":E} the batch starts beyond what is stored, or belongs to
///             an older epoch 400 {"error":..,"line":N}      the batch is not readable at all
///             (encoding, header) 413, 429 and 503 with Retry-After
/// Lines that are not a JSON object are stored as dead letters and count as accepted: nothing is
/// lost, nothing blocks.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ww::ingest {

inline constexpr std::string_view path = "/api/v1/ingest";
inline constexpr std::string_view batch_header = "Wardwatch-Batch";
inline constexpr std::string_view skipped_header = "Wardwatch-Skipped";
inline constexpr std::string_view why_header = "Wardwatch-Skipped-Why";
inline constexpr std::size_t max_lost_ranges = 64;          ///< in one header
inline constexpr std::size_t max_batch_octets = 16U << 20;  ///< after decompression
inline constexpr std::size_t max_batch_events = 20'000;
inline constexpr std::size_t max_line_octets = 1U << 20;

struct BatchId {
  std::uint64_t epoch = 0, seq = 0;
};
struct Skipped {
  std::uint64_t from = 0, to = 0;
};
/// Why events will never come; `shed` when nothing else is known.
namespace lost {
inline constexpr std::string_view shed = "shed", damaged = "damaged", refused = "refused",
                                  acknowledged = "acknowledged", renumbered = "renumbered";
}
struct Lost {
  std::uint64_t from = 0, to = 0;
  std::string_view reason = lost::shed;  ///< one of the above
};
/// "EPOCH-SEQ", decimal.
[[nodiscard]] std::optional<BatchId> parse_batch_id(std::string_view text);
[[nodiscard]] std::string batch_id_text(BatchId id);
[[nodiscard]] std::optional<Skipped> parse_skipped(std::string_view text);
/// Ranges in rising order that do not overlap, of known reasons; nothing otherwise.
[[nodiscard]] std::optional<std::vector<Lost>> parse_skipped_why(std::string_view text);
/// The same as text. What was shed is left out, as is what exceeds max_lost_ranges.
[[nodiscard]] std::string skipped_why_text(std::span<const Lost> lost);
/// Cuts the events of a skip into runs of one reason each, in order: what no range covers was shed.
[[nodiscard]] std::vector<Lost> lost_runs(Skipped skipped, std::span<const Lost> known);

}  // namespace ww::ingest
