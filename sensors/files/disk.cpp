#include "sensors/files/disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace ww::sensor {
namespace {

constexpr mode_t folder_mode = 0750, file_mode = 0640;

bool make_folder(const std::string& path) {
  return ::mkdir(path.c_str(), folder_mode) == 0 || errno == EEXIST;
}

bool make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    if (!make_folder(path.substr(0, at))) return false;
  return make_folder(path);
}

bool write_all(int descriptor, Bytes data) {
  while (!data.empty()) {
    const auto n = ::write(descriptor, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data = data.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

std::string temporary_name(const std::string& folder) {
  static std::atomic<std::uint64_t> serial{0};
  return folder + "/tmp/file." + std::to_string(::getpid()) + "." + std::to_string(++serial);
}

}  // namespace

DiskFile::~DiskFile() { abandon(); }

void DiskFile::swap(DiskFile& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(failed_, other.failed_);
  folder_.swap(other.folder_);
  temporary_.swap(other.temporary_);
}

void DiskFile::abandon() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
  descriptor_ = -1;
}

bool DiskFile::begin(const std::string& folder) {
  abandon();
  failed_ = false;
  folder_ = folder;
  if (!make_folders(folder + "/tmp")) return false;
  temporary_ = temporary_name(folder);
  descriptor_ =
      ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file_mode);
  return descriptor_ >= 0;
}

void DiskFile::append(Bytes data) {
  if (descriptor_ >= 0 && !failed_ && !write_all(descriptor_, data)) failed_ = true;
}

bool DiskFile::commit(const std::string& sha256) {
  if (descriptor_ < 0 || failed_ || sha256.size() < 2) {
    abandon();
    return false;
  }
  const auto path = stored_path(folder_, sha256);
  if (::access(path.c_str(), F_OK) == 0) {
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    abandon();
    return true;
  }
  if (::close(std::exchange(descriptor_, -1)) == 0 &&
      make_folder(folder_ + "/" + sha256.substr(0, 2)) &&
      ::rename(temporary_.c_str(), path.c_str()) == 0)
    return true;
  ::unlink(temporary_.c_str());
  return false;
}

std::string stored_path(const std::string& folder, std::string_view sha256) {
  std::string path = folder;
  path += '/';
  path += sha256.substr(0, 2);
  path += '/';
  path += sha256;
  return path;
}

bool write_small_file(const std::string& path, std::string_view text) {
  const auto temporary = path + ".part";
  const int descriptor =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, file_mode);
  if (descriptor < 0) return false;
  const bool written = write_all(descriptor, as_bytes(text));
  if (::close(descriptor) == 0 && written && ::rename(temporary.c_str(), path.c_str()) == 0)
    return true;
  ::unlink(temporary.c_str());
  return false;
}

}  // namespace ww::sensor
