#pragma once
/// The store's write-ahead journal: numbered records in append-only segments, each synced before it
/// counts.
///
/// Segment FIRST.wwj: "WWJRNL01", then records: u32 magic, u32 CRC-32C of what follows, u64 number,
/// u64 length, payload. A torn record at the end was never acknowledged and is cut off. A damaged
/// record before good ones is skipped and counted.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::collector {

class Journal {
 public:
  struct Options {
    std::string folder;
    std::uint64_t segment_octets = 32ULL << 20;
  };
  /// Reads what is there, calling `record` for each whole record in order; then ready to append.
  [[nodiscard]] static Result<std::unique_ptr<Journal>, Problem> open(
      const Options& options,
      const std::function<Result<void, Problem>(std::uint64_t, std::string_view)>& record);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Appends and syncs. On failure nothing of the record will be read again; its number must not be
  /// used again.
  [[nodiscard]] Result<void, Problem> append(std::uint64_t number, std::string_view payload);
  /// True when the current segment is full and a trim would free something.
  [[nodiscard]] bool wants_trim() const { return at_ >= options_.segment_octets; }
  /// Everything up to and including `number` is durable elsewhere: deletes whole segments. A full
  /// segment is closed first; with `all` any is.
  void trim(std::uint64_t number, bool all);
  [[nodiscard]] std::uint64_t last() const { return last_; }
  [[nodiscard]] std::uint64_t octets() const;
  [[nodiscard]] std::uint64_t corrupt_octets() const { return corrupt_; }

 private:
  struct Segment {
    std::string path;
    std::uint64_t first = 0, last = 0, octets = 0;
  };
  Journal() = default;
  Result<void, Problem> roll(std::uint64_t first);
  Options options_;
  std::vector<Segment> closed_;
  Segment current_;
  int fd_ = -1;
  std::uint64_t at_ = 0;  // end of the good records of the current segment
  std::uint64_t last_ = 0;
  std::uint64_t corrupt_ = 0;
  bool broken_ = false;  // the current segment could not be cut back: never append to it again
};

}  // namespace ww::collector
