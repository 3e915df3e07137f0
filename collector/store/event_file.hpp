#pragma once
/// One day of one event class: the writer's side. A commit is planned against the file's present
/// state (pure), put into the journal, and then applied in one transaction together with the
/// record's number.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "collector/store/block.hpp"
#include "collector/store/codec.hpp"
#include "collector/store/facet_run.hpp"
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

/// What is known of a run of blocks (facet_run.hpp) beside its facets.
struct RunMeta {
  std::size_t level = 0;
  std::uint32_t first = 0;  ///< the first id that it may cover; the last follows from the level
  Timestamp t_min, t_max;
  std::uint32_t blocks = 0;  ///< that it does cover
  std::vector<StreamId> streams;
  [[nodiscard]] std::uint32_t last() const { return first + (run_blocks[level] - 1); }
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
/// The streams of a block as its row has them.
[[nodiscard]] std::vector<StreamCount> decode_streams(std::string_view encoded);
/// The runs of a level that begin at blocks from..to, in order.
[[nodiscard]] std::vector<RunMeta> read_runs(sql::Database& db, std::size_t level,
                                             std::uint32_t from, std::uint32_t to);

class EventFile {
 public:
  /// Opens or makes the file and reads its state.
  [[nodiscard]] static Result<std::unique_ptr<EventFile>, sql::Error> open(const std::string& path,
                                                                           const FileKey& key);

  [[nodiscard]] FilePlan plan(std::vector<NewEvent>& events, const FileLimits& limits,
                              BlockBuilder& builder) const;
  /// Applies a plan once: a record that is not newer than the last applied one is left alone.
  [[nodiscard]] Result<void, sql::Error> apply(const FilePlan& plan, std::uint64_t number);
  /// Whether blocks of before there were runs (an older program wrote them) may lack some.
  [[nodiscard]] bool may_lack_runs() const { return may_lack_runs_; }
  /// Writes one run that is lacking, the newest first. A transaction of its own: what it says is in
  /// the file already.
  [[nodiscard]] Result<void, sql::Error> add_lacking_run();
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
  /// Writes the run of a level that begins there, of blocks that are all applied.
  /// @return false when it cannot be made: the level below lacks some, or the database failed
  bool roll_up(std::size_t level, std::uint32_t first, const std::vector<std::string>& paths);
  [[nodiscard]] std::optional<RunFacetRow> roll_up_blocks(std::string_view path,
                                                          const std::vector<std::uint32_t>& blocks);
  [[nodiscard]] std::optional<RunFacetRow> roll_up_runs(std::string_view path, std::size_t level,
                                                        const std::vector<RunMeta>& runs);
  std::unique_ptr<sql::Database> db_;
  FileKey key_;
  std::uint64_t applied_ = 0, events_ = 0, octets_ = 0;
  Timestamp t_min_{INT64_MAX}, t_max_{INT64_MIN};
  std::map<StreamKey, StreamId> streams_;
  StreamId next_stream_ = 1;
  std::uint32_t next_block_ = 1;
  std::vector<TailEvent> tail_;
  std::size_t tail_octets_ = 0;
  bool may_lack_runs_ = false;
};

/// fsync of a SQLite file and its WAL: afterwards what was committed survives a loss of power.
[[nodiscard]] bool sync_database_files(const std::string& path);

}  // namespace ww::collector
