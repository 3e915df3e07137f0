#pragma once
/// Backup files in a folder, as the `files` probe tells of them and restore drills find them again.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "telemetry/clock.hpp"

namespace ww::backup {

struct FileFound {
  std::string path;
  std::uint64_t size = 0;
  Timestamp changed;
};
struct FilesFound {
  std::vector<FileFound> files;  ///< regular ones that fit, oldest first
  std::string error;             ///< the folder cannot be read
  bool cut = false;              ///< not all were looked at
  std::string cut_why;
};
inline constexpr std::size_t max_backup_files = 500'000;

/// @param pattern  of the name, as a shell has it
/// @param go_on    asked for each entry; false ends the look
[[nodiscard]] FilesFound find_files(const std::string& root, const std::string& pattern,
                                    const std::function<bool()>& go_on);
/// File names are not told: an id is a digest of path, size and time.
[[nodiscard]] std::string file_backup_id(const FileFound& file);

struct SetBackup {
  std::string id;
  Timestamp time;  ///< of the newest file
  std::uint64_t octets = 0;
};
/// All files as one backup. @param files  not empty
[[nodiscard]] SetBackup set_backup(const std::vector<FileFound>& files);

}  // namespace ww::backup
