#include "sensors/backup/file_set.hpp"

#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "sensors/backup/json.hpp"

namespace ww::backup {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t id_digits = 16;

Timestamp time_of(const timespec& t) {
  return {static_cast<std::int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000};
}

}  // namespace

FilesFound find_files(const std::string& root, const std::string& pattern,
                      const std::function<bool()>& go_on) {
  FilesFound out;
  std::error_code ec;
  fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, ec), end;
  if (ec) {
    out.error = "cannot read the folder " + root + ": " + ec.message();
    return out;
  }
  for (; it != end; it.increment(ec)) {
    if (ec) break;
    if (!go_on()) {
      out.cut = true;
      out.cut_why = "the folder could not be read within the time";
      break;
    }
    struct stat s{};
    const auto path = it->path().string();
    if (::lstat(path.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) continue;
    if (::fnmatch(pattern.c_str(), it->path().filename().c_str(), 0) != 0) continue;
    if (out.files.size() >= max_backup_files) {
      out.cut = true;
      out.cut_why = "more than 500000 files; the rest is not looked at";
      break;
    }
    out.files.push_back({path, static_cast<std::uint64_t>(s.st_size), time_of(s.st_mtim)});
  }
  std::sort(out.files.begin(), out.files.end(), [](const auto& a, const auto& b) {
    return a.changed != b.changed ? a.changed < b.changed : a.path < b.path;
  });
  return out;
}

std::string file_backup_id(const FileFound& f) {
  return sha256_hex(f.path + '\n' + std::to_string(f.size) + '\n' + std::to_string(f.changed.us))
      .substr(0, id_digits);
}

SetBackup set_backup(const std::vector<FileFound>& files) {
  SetBackup out;
  for (const auto& f : files) out.octets += f.size;
  out.time = files.back().changed;
  out.id = sha256_hex(std::to_string(files.size()) + ':' + std::to_string(out.octets) + ':' +
                      std::to_string(out.time.us))
               .substr(0, id_digits);
  return out;
}

}  // namespace ww::backup
