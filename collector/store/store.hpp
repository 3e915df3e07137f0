#pragma once
/// The collector's embedded store.
///
///   FOLDER/journal/*.wwj           what was committed lately, one fsync a group: the durability of
///   everything FOLDER/control.db              cursors, gaps, dead letters, alerts, incidents,
///   detection state FOLDER/events/CLASS/DAY.db     events in zstd blocks, block index and filters,
///   minute roll-ups
///
/// A commit writes ONE journal record (events, cursors, dead letters, alert hits, detection state),
/// syncs it, and then applies it to the SQLite files, each of which remembers the last record
/// applied to it in the same transaction. After a crash open() applies again what a file has not
/// got. So a commit is there once and whole, whatever files it touches
/// (docs/decisions/002-store.md).
///
/// Days are days of ARRIVAL (UTC); searches are by event time. Retention drops whole files.
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/store/control.hpp"
#include "collector/store/query.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/ingest.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

/// Events kept together in files of their own, so that they can be dropped together.
struct EventClass {
  std::string name;                ///< folder name: letters, digits, dash
  std::vector<std::string> types;  ///< event types; the class with none takes what no other names
  std::chrono::hours max_age{24 * 90};
  std::uint64_t max_octets = 0;  ///< 0: no bound of its own
};
/// alert, clinical, health, log, flow, network. When the whole store is too big, the last class
/// sheds first.
[[nodiscard]] std::vector<EventClass> default_classes();

struct StoreOptions {
  std::string folder;
  std::vector<EventClass> classes = default_classes();
  std::uint64_t max_octets = 0;  ///< of all event files; 0: no bound
  std::uint64_t min_free_octets = 512ULL
                                  << 20;  ///< below this on the disk, the oldest files are dropped
  std::uint32_t block_events = 1024;
  std::uint32_t block_octets = 1U << 20;
  int zstd_level = 1;
  std::uint64_t journal_segment_octets = 32ULL << 20;
  /// Fields whose most frequent values are answered without reading events (dotted paths).
  std::vector<std::string> facets = default_facets();
  [[nodiscard]] static std::vector<std::string> default_facets();
};

/// An event on its way in. The envelope is already right (ww.id, ww.site, ww.sensor, ww.received).
struct EventWrite {
  std::string json;
  std::string type;
  Timestamp time;
  std::uint64_t id_time =
      0;  ///< first 48 bits of the UUIDv7 (milliseconds); 0 when the id is no UUIDv7
};

struct DeadLetterWrite {
  std::string line, reason;
  std::uint64_t seq = 0;  ///< 0 when the input has no sequence
};

struct SensorCursor {
  std::uint64_t epoch = 0, seq = 0;
  auto operator<=>(const SensorCursor&) const = default;
};

/// Sequence numbers that will never come, or a time when a site could not be seen.
struct GapWrite {
  std::uint64_t epoch = 0, from = 0, to = 0;
  std::string reason;  ///< as in telemetry/ingest.hpp, or "epoch" (a new spool)
  Timestamp noticed;
};

struct BatchWrite {
  std::string site, sensor, source;
  Timestamp received;
  std::vector<EventWrite> events;
  std::vector<DeadLetterWrite> dead;
  std::vector<GapWrite> gaps;
  std::optional<SensorCursor> cursor;  ///< after this batch
};

struct CommitGroup {
  std::vector<BatchWrite> batches;
  std::vector<ControlRecord> records;
};

struct Gap {
  std::string site, sensor, reason;
  std::uint64_t epoch = 0, from = 0, to = 0;
  Timestamp noticed;
};
struct DeadLetterRow {
  std::int64_t id = 0;
  std::string site, sensor, source, line, reason;
  std::uint64_t seq = 0;
  Timestamp received;
};
struct CursorRow {
  std::string site, sensor;
  SensorCursor cursor;
  Timestamp last_batch;
  std::uint64_t events = 0, dead = 0, skipped = 0;
};

/// A bound of the configuration, and what the files hold that it is for.
struct StoreBound {
  std::string name;  ///< max_size, class_max_size.flow
  std::uint64_t limit = 0, octets = 0;
  [[nodiscard]] bool exceeded() const { return octets > limit; }
};

/// Something that began or ended, to be said once.
struct StoreNews {
  bool trouble = true;
  std::string text;
};

struct StoreStats {
  std::uint64_t commits = 0, events = 0, event_octets = 0, stored_octets = 0, dead_letters = 0;
  std::uint64_t commit_failures = 0, apply_failures = 0, recovered_records = 0;
  std::uint64_t journal_octets = 0, journal_corrupt_octets = 0;
  std::uint64_t files = 0, file_octets = 0, files_dropped = 0, files_corrupt = 0;
  std::uint64_t clock_jumps = 0, searches = 0, partial_searches = 0;
  std::uint64_t held_events = 0;  ///< in all files now
  Timestamp oldest;               ///< earliest event time held; zero when empty
  /// As of the last maintain(). One is exceeded only by the running day's own events.
  std::vector<StoreBound> bounds;
  bool healthy = true;
};

class Store {
 public:
  /// Opens or makes the store, brings schemas up to date and finishes what a crash left.
  /// @param clock    borrowed for the store's life
  /// @param modules  everything whose records may be in the journal (alerts, detection)
  [[nodiscard]] static Result<std::unique_ptr<Store>, Problem> open(
      const StoreOptions& options, const Clock& clock, std::vector<ControlModule> modules);
  virtual ~Store() = default;

  /// Makes a group durable and visible, wholly or not at all. Returns after the sync. Any thread;
  /// one at a time. On failure nothing of the group is stored (disk full, broken disk) and the same
  /// group may be sent again.
  [[nodiscard]] virtual Result<void, Problem> commit(CommitGroup&& group) = 0;
  /// Where a sensor's stored events end; unset for one never seen.
  [[nodiscard]] virtual std::optional<SensorCursor> cursor(const std::string& site,
                                                           const std::string& sensor) const = 0;

  [[nodiscard]] virtual Result<SearchResult, QueryError> search(const SearchQuery& query) const = 0;
  [[nodiscard]] virtual Result<CountResult, QueryError> count(const CountQuery& query) const = 0;
  [[nodiscard]] virtual Result<TopResult, QueryError> top(const TopQuery& query) const = 0;
  /// The event with this ww.id, or none. @param visible_sites as in SearchQuery
  [[nodiscard]] virtual std::optional<StoredEvent> event(
      std::string_view id,
      const std::optional<std::vector<std::string>>& visible_sites = {}) const = 0;
  /// Calls `each` with batches of events, oldest file first, in stored order; stop by returning
  /// false. For back-testing and export: the whole range, no budget.
  virtual void scan(Timestamp from, Timestamp to, const std::vector<std::string>& types,
                    const std::function<bool(std::span<const StoredEvent>)>& each) const = 0;

  [[nodiscard]] virtual std::vector<CursorRow> cursors() const = 0;
  [[nodiscard]] virtual std::vector<Gap> gaps(Timestamp from, Timestamp to) const = 0;
  /// Newest first. @param before_id  0 for the first page, then the last row's id
  [[nodiscard]] virtual std::vector<DeadLetterRow> dead_letters(
      std::uint32_t limit, std::int64_t before_id = 0) const = 0;

  [[nodiscard]] virtual ControlDb& control() = 0;
  /// Retention, checkpoints, trimming of the journal. Call about once a minute, from any thread.
  virtual void maintain() = 0;
  /// What an operator must know now (disk full, a damaged file, clock jumps), newest first,
  /// bounded.
  [[nodiscard]] virtual std::vector<Problem> problems() const = 0;
  /// What began or ended since the last call: a bound exceeded by one day alone, little room on the
  /// disk, a clock that jumped, a file set aside. For the log; bounded.
  [[nodiscard]] virtual std::vector<StoreNews> news() = 0;
  [[nodiscard]] virtual StoreStats stats() const = 0;
};

}  // namespace ww::collector
