#pragma once
/// One day of one event class: the writer's side. A commit is planned against the file's present
/// state (pure), put into the journal, and then applied in one transaction together with the
/// record's number.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "collector/store/block.hpp"
#include "collector/store/codec.hpp"
#include "collector/store/query_eval.hpp"
#include "collector/store/sqlite.hpp"

namespace ww::collector {

struct FileKey {
  std::string event_class;
  std::int64_t day = 0;  ///< days since 1970-01-01, of arrival
  auto operator<=>(const FileKey&) const = default;
};

struct MinuteCount {
  std::int64_t minute = 0;
  StreamId stream = 0;
  std::uint64_t events = 0, octets = 0;
};
/// An event kept as a row until enough have come for a block.
struct TailEvent {
  std::string json;
  Timestamp time;
  std::uint64_t id_time = 0;
  StreamId stream = 0;
};

/// What one commit does to one file. Goes through the journal.
struct FilePlan {
  FileKey file;
  /// Every stream the plan uses, so that it also applies to a file made anew after damage.
  std::vector<std::pair<StreamId, StreamName>> streams;
  std::vector<MinuteCount> minutes;
  bool clear_tail = false;  ///< its events are in `blocks` or `tail` again
  std::vector<Block> blocks;
  std::vector<TailEvent> tail;
  std::uint64_t events = 0, octets = 0;  ///< new ones
  Timestamp t_min, t_max;

  void encode(Encoder& out) const;
  [[nodiscard]] static FilePlan decode(Decoder& in);
};

/// An event on its way into a file.
struct NewEvent {
  const std::string* json = nullptr;
  const std::string* site = nullptr;
  const std::string* sensor = nullptr;
  const std::string* type = nullptr;
  Timestamp time;
  std::uint64_t id_time = 0;
};

struct FileLimits {
  std::uint32_t block_events = 1024;
  std::uint32_t block_octets = 1U << 20;
};

[[nodiscard]] std::span<const sql::Migration> event_file_migrations();

class EventFile {
 public:
  /// Opens or makes the file and reads its state.
  [[nodiscard]] static Result<std::unique_ptr<EventFile>, sql::Error> open(const std::string& path,
                                                                           const FileKey& key);

  [[nodiscard]] FilePlan plan(std::vector<NewEvent>& events, const FileLimits& limits,
                              BlockBuilder& builder) const;
  /// Applies a plan once: a record that is not newer than the last applied one is left alone.
  [[nodiscard]] Result<void, sql::Error> apply(const FilePlan& plan, std::uint64_t number);
  /// Makes everything applied durable. @return false when the disk refused
  [[nodiscard]] bool sync();

  [[nodiscard]] const FileKey& key() const { return key_; }
  [[nodiscard]] const std::string& path() const { return db_->path(); }
  [[nodiscard]] std::uint64_t applied() const { return applied_; }
  [[nodiscard]] Timestamp t_min() const { return t_min_; }
  [[nodiscard]] Timestamp t_max() const { return t_max_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  using StreamKey = std::tuple<std::string, std::string, std::string>;
  EventFile() = default;
  std::unique_ptr<sql::Database> db_;
  FileKey key_;
  std::uint64_t applied_ = 0, events_ = 0, octets_ = 0;
  Timestamp t_min_{INT64_MAX}, t_max_{INT64_MIN};
  std::map<StreamKey, StreamId> streams_;
  StreamId next_stream_ = 1;
  std::uint32_t next_block_ = 1;
  std::vector<TailEvent> tail_;
  std::size_t tail_octets_ = 0;
};

/// fsync of a SQLite file and its WAL: afterwards what was committed survives a loss of power.
[[nodiscard]] bool sync_database_files(const std::string& path);

}  // namespace ww::collector
