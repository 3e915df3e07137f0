#pragma once
/// Follows files: globs with files that come later, rotation by rename, copy-truncate and
/// compression, positions that survive a restart (in the spool, with the events), lines joined to
/// records.
///
/// A file is known by device and inode and by a checksum of its first octets. What was read of a
/// file is not read again when a copy or a compressed successor of it appears; what was not read
/// yet is read there.
#include <memory>

#include "sensors/logs/inputs/input.hpp"

namespace ww::logs {

struct TailOptions {
  SourceOptions source;
  std::vector<std::string> paths;    ///< files or globs
  std::vector<std::string> exclude;  ///< globs
  /// Folders (globs; relative to the log's own) where rotation puts files: logrotate's olddir.
  std::vector<std::string> archives = {};
  bool from_end = false;  ///< files present at the very first start: only what comes from now on
  std::chrono::milliseconds poll{1000};
  std::chrono::milliseconds rotated_wait{
      30'000};  ///< a rotated file is closed after this long without growth
  std::size_t max_files = 4096;
};

[[nodiscard]] std::unique_ptr<Input> make_tail(TailOptions options, Surroundings& around);

}  // namespace ww::logs
