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
///             Wardwatch-Skipped: FROM-TO     events that the spool shed and that will never come
///             (optional) body: NDJSON, Content-Encoding zstd | gzip | identity
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
#include <string>
#include <string_view>

namespace ww::ingest {

inline constexpr std::string_view path = "/api/v1/ingest";
inline constexpr std::string_view batch_header = "Wardwatch-Batch";
inline constexpr std::string_view skipped_header = "Wardwatch-Skipped";
inline constexpr std::size_t max_batch_octets = 16U << 20;  ///< after decompression
inline constexpr std::size_t max_batch_events = 20'000;
inline constexpr std::size_t max_line_octets = 1U << 20;

struct BatchId {
  std::uint64_t epoch = 0, seq = 0;
};
struct Skipped {
  std::uint64_t from = 0, to = 0;
};
/// "EPOCH-SEQ", decimal.
[[nodiscard]] std::optional<BatchId> parse_batch_id(std::string_view text);
[[nodiscard]] std::string batch_id_text(BatchId id);
[[nodiscard]] std::optional<Skipped> parse_skipped(std::string_view text);

}  // namespace ww::ingest
