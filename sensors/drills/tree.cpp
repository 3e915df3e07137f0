#include "sensors/drills/tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

namespace ww::drills {
namespace fs = std::filesystem;
namespace {

constexpr int max_depth = 256;

std::string why(const std::string& path) { return path + ": " + std::strerror(errno); }

void copy_below(const fs::path& from, const fs::path& to, const std::function<bool()>& go_on,
                int depth, Copied& out) {
  if (depth > max_depth) {
    out.error = from.string() + ": folders lie too deep in each other";
    return;
  }
  std::error_code ec;
  fs::directory_iterator it(from, ec);
  for (const fs::directory_iterator end; !ec && it != end; it.increment(ec)) {
    const auto target = to / it->path().filename();
    std::error_code one;
    const auto status = it->symlink_status(one);
    if (fs::is_symlink(status)) {
      fs::copy_symlink(it->path(), target, one);
    } else if (fs::is_directory(status)) {
      if (::mkdir(target.c_str(), 0700) != 0) out.error = why(target.string());
      if (out.error.empty()) copy_below(it->path(), target, go_on, depth + 1, out);
    } else if (fs::is_regular_file(status)) {
      out.error = copy_file(it->path().string(), target.string(), go_on);
      ++out.files;
    } else {
      ++out.left_out;
    }
    if (one) out.error = it->path().string() + ": " + one.message();
    if (!out.error.empty()) return;
  }
  if (ec) out.error = from.string() + ": " + ec.message();
}

}  // namespace

std::string copy_file(const std::string& from, const std::string& to,
                      const std::function<bool()>& go_on) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (in < 0) return why(from);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out < 0) {
    auto said = why(to);
    ::close(in);
    return said;
  }
  std::string error;
  std::vector<char> buffer(1U << 20);
  while (error.empty()) {
    if (!go_on()) {
      error = "ended in the middle of the copy";
      break;
    }
    const auto n = ::read(in, buffer.data(), buffer.size());
    if (n < 0) error = why(from);
    if (n <= 0) break;
    for (ssize_t done = 0; done < n && error.empty();) {
      const auto w = ::write(out, buffer.data() + done, static_cast<std::size_t>(n - done));
      if (w < 0) error = why(to);
      done += w;
    }
  }
  struct stat s{};
  if (::fstat(in, &s) == 0) {
    const timespec times[2] = {s.st_atim, s.st_mtim};
    (void)::futimens(out, times);
  }
  ::close(in);
  if (::close(out) != 0 && error.empty()) error = why(to);
  return error;
}

Copied copy_tree(const std::string& from, const std::string& to,
                 const std::function<bool()>& go_on) {
  Copied out;
  copy_below(from, to, go_on, 0, out);
  return out;
}

}  // namespace ww::drills
