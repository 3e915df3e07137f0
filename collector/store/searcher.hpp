#pragma once
/// Answers questions about stored events from a list of files. The store owns one and gives it the
/// files of the moment; a search holds no lock of the store.
#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "collector/store/event_reader.hpp"
#include "collector/store/query.hpp"

namespace ww::collector {

struct FileSummary {
  FileKey key;
  std::string path;
  Timestamp t_min{INT64_MAX}, t_max{INT64_MIN};
  std::uint64_t events = 0, octets = 0;  ///< octets: on disk
};

class Searcher {
 public:
  /// @param damaged  told of a file that could not be read
  explicit Searcher(std::function<void(const sql::Error&)> damaged)
      : pool_(48), damaged_(std::move(damaged)) {}

  [[nodiscard]] Result<SearchResult, QueryError> search(const SearchQuery& q,
                                                        std::vector<FileSummary> files);
  [[nodiscard]] Result<CountResult, QueryError> count(const CountQuery& q,
                                                      const std::vector<FileSummary>& files);
  [[nodiscard]] Result<TopResult, QueryError> top(const TopQuery& q,
                                                  const std::vector<FileSummary>& files);
  [[nodiscard]] std::optional<StoredEvent> event(
      std::string_view id, const std::optional<std::vector<std::string>>& visible,
      std::vector<FileSummary> files);
  void scan(Timestamp from, Timestamp to, const std::vector<std::string>& types,
            const std::function<bool(std::span<const StoredEvent>)>& each,
            std::vector<FileSummary> files);
  [[nodiscard]] ReaderPool& pool() { return pool_; }

 private:
  ReaderPool pool_;
  std::function<void(const sql::Error&)> damaged_;
};

}  // namespace ww::collector
