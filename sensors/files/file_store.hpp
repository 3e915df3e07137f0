#pragma once
/// Files carried by protocols: bounded windows of their data, hashes, type, and the EVE fileinfo
/// event. One store per flow; files belong to it and live until their transaction is released.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {

/// What to compute; shared by all flows of a worker, fixed between reloads.
struct FileOptions {
  bool md5 = false, sha1 = false, sha256 = false, magic = false;
  std::uint64_t window = 64 * 1024;  ///< octets of data kept per file for file.data; 0 = keep none
  std::uint64_t burst = 4 << 20;   ///< most octets held for one file before begin_batch() trims it
  std::uint32_t max_files = 1024;  ///< per flow at one time
  bool store_all = false;          ///< file-store force-filestore
  std::uint64_t store_depth =
      0;  ///< file-store stream-depth: octets of a file followed; 0 = whole file
  bool store_follows =
      false;                 ///< ... and streams that carry a file stored by a rule are read as far
  std::string store_folder;  ///< empty = nothing is written to disk
  bool write_fileinfo = false;  ///< file-store write-fileinfo: the record beside the file

  /// Reads Suricata's keys: the enabled `file-store` output (version 2: dir, force-filestore,
  /// force-magic, force-hash, stream-depth, write-fileinfo) and `outputs.eve-log.types.files`
  /// (force-magic, force-hash). `log_folder` is where a relative `dir` starts ("default-log-dir").
  static FileOptions from_settings(const Settings& settings, const std::string& log_folder);
};

/// Not thread-safe: one per flow, used on the flow's worker. Costs nothing until the first file.
class FileStore {
 public:
  /// @param options  borrowed; outlives the store
  explicit FileStore(const FileOptions& options);
  ~FileStore();
  FileStore(const FileStore&) = delete;
  FileStore& operator=(const FileStore&) = delete;

  /// Starts a new batch of input (one packet's octets): windows are trimmed here and not while data
  /// comes, so that all octets of a batch can be inspected after it. Parsers call it at the start
  /// of parse().
  void begin_batch();
  /// Opens a file and links it to the transaction. Null when max_files is reached (counted).
  sig::File* open(sig::Transaction& tx, sig::Dir dir, Bytes name);
  /// Holds `octets` of this file's data for inspection in place of FileOptions::window.
  void keep(sig::File& file, std::uint64_t octets);
  /// Appends data; hashes go on, the window slides. Ignored after close.
  void append(sig::File& file, Bytes data);
  /// Octets that are missing: MD5 and SHA-1 become unknown, SHA-256 is of what was there, `gaps` is
  /// set.
  void gap(sig::File& file, std::uint64_t octets);
  /// Ends the file. Hashes and size are final. A file with gaps ends as truncated. Closing twice
  /// does nothing.
  void close(sig::File& file, sig::FileState state = sig::FileState::closed);
  /// Closes everything still open as truncated (flow end).
  void truncate_all();
  /// The same for one direction, of which nothing more will be read.
  void truncate(sig::Dir dir);
  /// A rule, not the configuration, asked for a file to be stored.
  [[nodiscard]] bool stored_by_rule() const;
  /// Writes to disk what was asked for by rules after the data had come, and finishes closed files.
  /// Call after inspection and before the fileinfo event is written.
  void settle();
  /// Frees the files of a transaction that is released.
  void drop(const sig::Transaction& tx);
  [[nodiscard]] std::span<sig::File* const> files() const;
  [[nodiscard]] const FileOptions& options() const { return options_; }

 private:
  struct Entry;
  struct Impl;
  Impl& impl();
  Entry* entry(const sig::File& file);
  const FileOptions& options_;
  std::unique_ptr<Impl> impl_;
};

/// Writes the members of the EVE `fileinfo` object of a finished file (filename, gaps, state,
/// md5..., stored, size, tx_id) as `"fileinfo": {...}` into the open event object.
/// @param storing  a file-store output is on, so `stored` and `file_id` can be true
void write_fileinfo(const sig::File& file, bool storing, JsonWriter& json);

/// Keeps the whole EVE record of a stored file beside it (file-store write-fileinfo):
/// DIR/ab/<sha256>.<seconds>.<id>.json.
void store_fileinfo(const FileOptions& options, const sig::File& file, Timestamp time,
                    std::string_view record);

/// libmagic's description of the first octets of a file. One handle a thread; empty when libmagic
/// cannot load.
[[nodiscard]] std::string file_magic(Bytes head);

/// Process-wide counters of file handling.
struct FileCounters {
  std::uint64_t opened = 0, refused = 0, stored = 0, store_errors = 0;
};
[[nodiscard]] FileCounters file_counters();

}  // namespace ww::sensor
