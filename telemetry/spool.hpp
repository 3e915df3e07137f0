#pragma once
/// The sensor's disk queue: append-only segments of CRC-protected records, bounded by octets and
/// age, and a small key-value memory for producers (file positions) that changes in the same commit
/// as the events.
///
/// One writer thread at a time and one reader thread, which may be different. Survives kill -9 at
/// any moment: what was not committed whole is cut, so a group of events and the memory written
/// with it are both there or both not.
///
///   FOLDER/lock                      one process at a time
///   FOLDER/cursor                    epoch, acknowledged and handed-out sequence numbers (two
///   slots, CRC each) FOLDER/NNNNNNNNNNNNNNNNNNNN.seg  first sequence number in the name; a bad one
///   is set aside as .bad
///
/// Segment: "WWSPOOL1", u64 epoch, u64 first seq, i64 created_us, u32 CRC-32C of these, u32 0; then
/// records:
///   u32 length (24 bits) and flags (8 bits), u32 CRC-32C over everything else, u64 seq, i64
///   time_us, payload. flags: 1 event, 2 memory, 4 last of its group, 8 memory starts from nothing
///   (snapshot). Little-endian.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/ingest.hpp"
#include "telemetry/result.hpp"

namespace ww {

struct SpoolOptions {
  std::string folder;
  std::uint64_t segment_octets = 8ULL << 20;
  std::uint64_t max_octets = 2ULL << 30;  ///< beyond it the oldest segment is shed
  std::chrono::seconds max_age{14 * 86400};
  /// A group is durable (and readable) when its sync is done: after this many octets or this long,
  /// whichever is first.
  std::uint64_t sync_octets = 4ULL << 20;
  std::chrono::milliseconds sync_interval{200};
  std::uint64_t write_octets = 256ULL << 10;  ///< groups are written in pieces of about this size
};

struct SpoolStats {
  std::uint64_t epoch = 0;
  std::uint64_t octets = 0, segments = 0;
  std::uint64_t first_seq = 0, next_seq = 1;  ///< first still held; next to be given
  std::uint64_t acked_seq = 0;
  Timestamp oldest;  ///< time of the oldest event not acknowledged; 0 when none
  std::uint64_t shed_events = 0, shed_octets = 0;  ///< dropped oldest-first because of a bound
  std::uint64_t torn_octets = 0;      ///< cut off at start: a group that was never committed
  std::uint64_t corrupt_records = 0;  ///< places where records could not be read and were skipped
  std::uint64_t write_errors = 0;
  std::uint64_t syncs = 0;
  bool refusing = false;  ///< the disk does not take writes at this moment
};

/// Events as one run of octets: no allocation for each record.
struct SpoolBatch {
  struct Entry {
    std::uint64_t seq = 0;
    Timestamp time;
    std::size_t offset = 0, length = 0;
  };
  std::string octets;
  std::vector<Entry> entries;
  [[nodiscard]] std::string_view payload(const Entry& e) const {
    return std::string_view(octets).substr(e.offset, e.length);
  }
  void clear() {
    octets.clear();
    entries.clear();
  }
};

class Spool {
 public:
  static constexpr std::size_t max_payload = (1U << 24) - 1;

  [[nodiscard]] static Result<std::unique_ptr<Spool>, Problem> open(const SpoolOptions& options,
                                                                    const Clock& clock);
  virtual ~Spool() = default;

  // --- writer ---
  /// Starts a group. Refused while the disk refuses what came before; then nothing of the group may
  /// be appended.
  [[nodiscard]] virtual Result<void, Problem> begin() = 0;
  /// Appends one event, given in two pieces (an envelope and the rest). @return its sequence number
  virtual std::uint64_t append(std::string_view head, std::string_view rest = {}) = 0;
  /// Remembers `value` under `key`; empty forgets the key.
  virtual void remember(std::string_view key, std::string_view value) = 0;
  /// Ends the group; writes and syncs when a bound is reached.
  virtual void commit() = 0;
  /// Writes and syncs everything committed so far.
  [[nodiscard]] virtual Result<void, Problem> sync() = 0;
  /// To be called every sync_interval or so by a thread that may write: syncs what waits, applies
  /// the age bound, tries a refusing disk again.
  virtual void tick() = 0;
  /// What is remembered (committed groups only). Any thread.
  [[nodiscard]] virtual std::string recall(std::string_view key) const = 0;
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> recall_all(
      std::string_view prefix) const = 0;

  // --- reader ---
  /// Appends events from `from` on (or the first still held after it) to `out` until a limit. Only
  /// synced events are given; at least one if there is one. Sequence numbers may have holes where
  /// events were shed or unreadable.
  [[nodiscard]] virtual Result<std::size_t, Problem> read(std::uint64_t from,
                                                          std::size_t max_events,
                                                          std::size_t max_octets,
                                                          SpoolBatch& out) = 0;
  /// Everything up to seq is stored at the collector; whole segments behind it are deleted.
  [[nodiscard]] virtual Result<void, Problem> acknowledge(std::uint64_t seq) = 0;
  /// Why the events of a hole that read() met are not there, in order and without holes.
  [[nodiscard]] virtual std::vector<ingest::Lost> lost(std::uint64_t from,
                                                       std::uint64_t to) const = 0;
  /// Takes an epoch of at least `minimum` (the collector has seen a later one than ours). Numbers
  /// go on counting.
  [[nodiscard]] virtual Result<void, Problem> renew_epoch(std::uint64_t minimum) = 0;

  [[nodiscard]] virtual std::uint64_t epoch() const = 0;
  [[nodiscard]] virtual SpoolStats stats() const = 0;
};

}  // namespace ww
