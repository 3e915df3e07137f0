#pragma once
/// Files carried by protocols: bounded windows of their data, hashes, type, and the EVE fileinfo event.
/// One store per flow; files belong to it and live until their transaction is released.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::sensor {

/// What to compute; shared by all flows of a worker, fixed between reloads.
struct FileOptions {
  bool md5 = false, sha1 = false, sha256 = false, magic = false;
  std::uint64_t window = 100 * 1024;    ///< octets of data kept per file for file.data
  std::uint32_t max_files = 1024;       ///< per flow at one time
  bool store_all = false;               ///< file-store force-filestore
  std::uint64_t store_depth = 0;        ///< 0 = whole file
  std::string store_folder;             ///< empty = nothing is written to disk
};

/// Not thread-safe: one per flow, used on the flow's worker.
class FileStore {
 public:
  explicit FileStore(const FileOptions& options);
  ~FileStore();
  FileStore(const FileStore&) = delete;
  FileStore& operator=(const FileStore&) = delete;

  /// Opens a file and links it to the transaction. Null when max_files is reached (counted).
  sig::File* open(sig::Transaction& tx, sig::Dir dir, Bytes name);
  /// Appends data; hashes go on, the window slides.
  void append(sig::File& file, Bytes data);
  /// Octets that are missing: hashes and magic become unknown, `gaps` is set.
  void gap(sig::File& file, std::uint64_t octets);
  /// Ends the file. Hashes and size are final.
  void close(sig::File& file, sig::FileState state = sig::FileState::closed);
  /// Closes everything still open as truncated (flow end).
  void truncate_all();
  /// Frees the files of a transaction that is released.
  void drop(const sig::Transaction& tx);
  [[nodiscard]] std::span<sig::File* const> files() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes the EVE `fileinfo` object of a finished file (filename, gaps, state, md5..., stored, size, tx_id).
void write_fileinfo(const sig::File& file, bool force_magic, JsonWriter& json);

/// Process-wide counters of file handling.
struct FileCounters {
  std::uint64_t opened = 0, refused = 0, stored = 0, store_errors = 0;
};
[[nodiscard]] FileCounters file_counters();

}  // namespace ww::sensor
