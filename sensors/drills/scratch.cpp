#include "sensors/drills/scratch.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace ww::drills {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view prefix = "wwdrill-";
constexpr int max_depth = 512;

/// Removes everything below an open folder without following a link; folders that came back
/// read-only are opened up first. Works on descriptors, so what is restored cannot lead it away.
bool empty_folder(int fd, int depth) {
  if (depth > max_depth) return false;
  (void)!::fchmod(fd, 0700);
  DIR* dir = ::fdopendir(fd);  // owns fd
  if (dir == nullptr) {
    ::close(fd);
    return false;
  }
  bool good = true;
  while (const auto* e = ::readdir(dir)) {
    const std::string_view name = e->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(::dirfd(dir), e->d_name, 0) == 0) continue;
    // A folder without rights for us: make it ours to enter (we own what was restored).
    (void)!::fchmodat(::dirfd(dir), e->d_name, 0700, 0);
    const int inner =
        ::openat(::dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0 || !empty_folder(inner, depth + 1) ||
        ::unlinkat(::dirfd(dir), e->d_name, AT_REMOVEDIR) != 0)
      good = false;
  }
  ::closedir(dir);
  return good;
}

bool remove_tree(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT;
  // readdir() may miss entries while others are removed: until it is empty, a few times.
  for (int i = 0; i < 3; ++i) {
    const int again =
        i == 0 ? fd : ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (again < 0) return errno == ENOENT;
    (void)empty_folder(again, 0);
    if (::rmdir(path.c_str()) == 0) return true;
  }
  return false;
}

}  // namespace

Result<Scratch, Problem> Scratch::make(const std::string& root, const std::string& order) {
  std::error_code ec;
  fs::create_directories(root, ec);
  struct stat st{};
  if (::lstat(root.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    return fail(Problem{"cannot make the scratch place", root,
                        "make the folder, owned by the sensor's user"});
  if (st.st_uid != ::geteuid() || (st.st_mode & 077) != 0) {
    if (st.st_uid != ::geteuid() || ::chmod(root.c_str(), 0700) != 0)
      return fail(Problem{"the scratch place belongs to somebody else", root,
                          "give it to the sensor's user, mode 0700"});
  }
  Scratch s;
  s.root_ = root;
  std::string name;
  for (const char c : order)
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') name += c;
  s.path_ = root + "/" + std::string(prefix) + name;
  if (::mkdir(s.path_.c_str(), 0700) != 0) {
    const auto path = std::exchange(s.path_, {});
    return fail(Problem{std::string("cannot make the scratch folder: ") + std::strerror(errno),
                        path, "check the folder and its disk"});
  }
  return s;
}

Scratch::Scratch(Scratch&& o) noexcept
    : root_(std::move(o.root_)), path_(std::exchange(o.path_, {})) {}
Scratch::~Scratch() { (void)clean(); }

bool Scratch::clean() {
  if (path_.empty()) return true;
  if (!remove_tree(path_)) return false;
  path_.clear();
  return true;
}

std::map<std::string, std::string> Scratch::isolation() const {
  std::map<std::string, std::string> out{{"mode", "0700"}};
  struct statvfs v{};
  if (::statvfs(root_.c_str(), &v) == 0) {
    out["noexec"] = (v.f_flag & ST_NOEXEC) != 0 ? "yes" : "no";
    out["nosuid"] = (v.f_flag & ST_NOSUID) != 0 ? "yes" : "no";
    out["nodev"] = (v.f_flag & ST_NODEV) != 0 ? "yes" : "no";
  }
  struct stat here{}, above{};
  if (::stat(root_.c_str(), &here) == 0 && ::stat((root_ + "/..").c_str(), &above) == 0)
    out["own_filesystem"] = here.st_dev != above.st_dev ? "yes" : "no";
  return out;
}

TreeSize tree_size(const std::string& path) {
  TreeSize out;
  std::error_code ec;
  for (fs::recursive_directory_iterator it(path, fs::directory_options::skip_permission_denied, ec),
       end;
       !ec && it != end; it.increment(ec)) {
    std::error_code one;
    if (!it->is_symlink(one) && it->is_regular_file(one)) {
      ++out.files;
      const auto n = it->file_size(one);
      if (!one) out.octets += n;
    }
  }
  return out;
}

std::uint64_t free_octets(const std::string& path) {
  struct statvfs v{};
  if (::statvfs(path.c_str(), &v) != 0) return 0;
  return static_cast<std::uint64_t>(v.f_bavail) * v.f_frsize;
}

std::vector<std::string> left_in_scratch(const std::string& root) {
  std::vector<std::string> left;
  std::error_code ec;
  for (fs::directory_iterator it(root, ec), end; !ec && it != end; it.increment(ec))
    if (it->path().filename().string().starts_with(prefix)) left.push_back(it->path().string());
  return left;
}

Result<std::size_t, Problem> clean_scratch(const std::string& root) {
  std::size_t n = 0;
  for (const auto& path : left_in_scratch(root)) {
    if (!remove_tree(path))
      return fail(Problem{"cannot remove what an earlier drill left", path,
                          "remove it by hand; no restore drill starts until then"});
    ++n;
  }
  return n;
}

}  // namespace ww::drills
