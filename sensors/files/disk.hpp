#pragma once
/// Extracted files on disk, laid out as Suricata's file-store version 2: DIR/<first two digits of
/// SHA-256>/<SHA-256>, written through DIR/tmp so that a half-written file never carries its final
/// name.
#include <string>
#include <string_view>

#include "telemetry/bytes.hpp"

namespace ww::sensor {

/// One file being written. Nothing throws; a failure stops the file and is reported once by ok().
class DiskFile {
 public:
  DiskFile() = default;
  ~DiskFile();
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;
  DiskFile(DiskFile&& other) noexcept { swap(other); }
  DiskFile& operator=(DiskFile&& other) noexcept {
    swap(other);
    return *this;
  }

  [[nodiscard]] bool begin(const std::string& folder);
  void append(Bytes data);
  /// Gives the file its final name. A file of the same content that is already there is kept and
  /// only touched.
  [[nodiscard]] bool commit(const std::string& sha256);
  [[nodiscard]] bool active() const { return descriptor_ >= 0; }

 private:
  void swap(DiskFile& other) noexcept;
  void abandon();
  int descriptor_ = -1;
  bool failed_ = false;
  std::string folder_, temporary_;
};

/// DIR/ab/abcd... for a SHA-256.
[[nodiscard]] std::string stored_path(const std::string& folder, std::string_view sha256);
/// Writes a small file atomically. False on any error.
[[nodiscard]] bool write_small_file(const std::string& path, std::string_view text);

}  // namespace ww::sensor
