#pragma once
/// Reading event files: connections kept open, and one file seen as blocks plus a tail.
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/store/block.hpp"
#include "collector/store/event_file.hpp"
#include "collector/store/query_eval.hpp"
#include "collector/store/sqlite.hpp"

namespace ww::collector {

/// Read connections that are not in use, by file. Thread-safe.
class ReaderPool {
 public:
  explicit ReaderPool(std::size_t max_idle) : max_idle_(max_idle) {}
  [[nodiscard]] Result<std::unique_ptr<sql::Database>, sql::Error> take(const std::string& path);
  void give(std::unique_ptr<sql::Database> db);
  /// The file is gone: closes idle connections to it.
  void forget(const std::string& path);

 private:
  std::mutex mutex_;
  std::size_t max_idle_;
  std::vector<std::unique_ptr<sql::Database>> idle_;  // least recently used first
};

struct BlockMeta {
  std::uint32_t id = 0;
  Timestamp t_min, t_max;
  std::uint64_t id_min = 0, id_max = 0;
  std::uint32_t events = 0;
  std::uint64_t raw_octets = 0;
  std::vector<StreamCount> streams;
};

/// A consistent view of one file, for the life of the object. One thread.
class FileReader {
 public:
  [[nodiscard]] static Result<std::shared_ptr<FileReader>, sql::Error> open(
      ReaderPool& pool, const std::string& path);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  [[nodiscard]] const std::unordered_map<StreamId, StreamName>& streams() const { return streams_; }
  /// Blocks that overlap [from, to) in event time.
  [[nodiscard]] std::vector<BlockMeta> blocks(Timestamp from, Timestamp to) {
    return blocks(from, to, 0, UINT32_MAX);
  }
  /// ... with ids from `first` to `last`.
  [[nodiscard]] std::vector<BlockMeta> blocks(Timestamp from, Timestamp to, std::uint32_t first,
                                              std::uint32_t last);
  /// Runs of a level whose events are all in [from, to) and that begin at blocks `first` to `last`,
  /// in order.
  [[nodiscard]] std::vector<RunMeta> runs(std::size_t level, Timestamp from, Timestamp to,
                                          std::uint32_t first, std::uint32_t last);
  [[nodiscard]] std::vector<TailEvent> tail(Timestamp from, Timestamp to);
  /// Valid until the next call of the same function.
  [[nodiscard]] std::string_view filter(std::uint32_t block);
  [[nodiscard]] std::string_view body(std::uint32_t block);
  /// None when the path was no facet when the block was built.
  [[nodiscard]] std::optional<std::string_view> facet(std::string_view path, std::uint32_t block);
  /// None when the run has no row for the path. @param by_stream  whether that is asked for
  [[nodiscard]] std::optional<RunFacetRow> run_facet(std::string_view path, const RunMeta& run,
                                                     bool by_stream);
  [[nodiscard]] std::vector<MinuteCount> minutes(std::int64_t from, std::int64_t to);
  [[nodiscard]] const std::optional<sql::Error>& error() const { return db_->error(); }
  [[nodiscard]] const std::string& path() const { return db_->path(); }

 private:
  FileReader() = default;
  ReaderPool* pool_ = nullptr;
  std::unique_ptr<sql::Database> db_;
  std::unordered_map<StreamId, StreamName> streams_;
  std::string filter_, body_, facet_;
};

}  // namespace ww::collector
