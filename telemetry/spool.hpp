#pragma once
/// The sensor's disk queue: append-only segments of CRC-protected records, bounded by octets and age.
/// One writer, one reader (may be different threads). Survives kill -9 at any moment: a torn tail is cut.
///
/// Layout: FOLDER/epoch, FOLDER/cursor, FOLDER/NNNNNNNNNNNNNNNNNNNN.seg (first sequence number in the name).
/// Record: u32 length, u32 CRC-32C over (seq, time, payload), u64 seq, i64 time_us, payload. Little-endian.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww {

struct SpoolOptions {
  std::string folder;
  std::uint64_t segment_octets = 8ULL << 20;
  std::uint64_t max_octets = 2ULL << 30;
  std::chrono::seconds max_age{14 * 86400};
  /// A record is durable when append()'s group is synced: after this many octets or this long, whichever is first.
  std::uint64_t sync_octets = 4ULL << 20;
  std::chrono::milliseconds sync_interval{200};
};

struct SpoolStats {
  std::uint64_t epoch = 0;
  std::uint64_t octets = 0, segments = 0;
  std::uint64_t first_seq = 0, next_seq = 1;       ///< first still held; next to be given
  std::uint64_t acked_seq = 0;
  Timestamp oldest;                                ///< time of the oldest record not acknowledged
  std::uint64_t shed_events = 0, shed_octets = 0;  ///< dropped oldest-first because of a bound
  std::uint64_t torn_octets = 0, corrupt_records = 0, write_errors = 0;
};

struct SpoolRecord {
  std::uint64_t seq = 0;
  Timestamp time;
  std::string payload;
};

class Spool {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Spool>, Problem> open(const SpoolOptions& options, const Clock& clock);
  virtual ~Spool() = default;

  /// Appends one event. Callers that write ww.seq into it ask next_seq() first.
  /// @return the sequence number, or why the disk refused (the event is then NOT taken)
  [[nodiscard]] virtual Result<std::uint64_t, Problem> append(std::string_view payload) = 0;
  [[nodiscard]] virtual Result<void, Problem> sync() = 0;
  /// Sequence number the next append will get (for `ww.seq`). Writer thread only.
  [[nodiscard]] virtual std::uint64_t next_seq() const = 0;
  [[nodiscard]] virtual std::uint64_t epoch() const = 0;

  /// Copies records from `from` on (or the first still held after it) until a limit. Reader thread.
  /// Only synced records are given.
  [[nodiscard]] virtual Result<std::size_t, Problem> read(std::uint64_t from, std::size_t max_events,
                                                          std::size_t max_octets, std::vector<SpoolRecord>& out) = 0;
  /// Everything up to seq is stored at the collector; whole segments behind it are deleted. Durable.
  [[nodiscard]] virtual Result<void, Problem> acknowledge(std::uint64_t seq) = 0;
  [[nodiscard]] virtual SpoolStats stats() const = 0;
};

}  // namespace ww
