#include "sensors/pipeline/event_sink.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace ww::sensor {
namespace {

class FileSink final : public EventSink {
 public:
  FileSink(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~FileSink() override {
    if (descriptor_ > 2) ::close(descriptor_);
  }
  void write(std::string_view lines) override {
    const std::lock_guard lock(mutex_);
    while (!lines.empty() && error_ == 0) {
      const auto n = ::write(descriptor_, lines.data(), lines.size());
      if (n >= 0)
        lines.remove_prefix(static_cast<std::size_t>(n));
      else if (errno != EINTR)
        error_ = errno;
    }
    if (error_ != 0)
      lost_ += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  [[nodiscard]] std::optional<Problem> failure() const override {
    const std::lock_guard lock(mutex_);
    if (error_ == 0) return {};
    return Problem{std::string("cannot write events: ") + std::strerror(error_) + "; " +
                       std::to_string(lost_) + " lines are lost",
                   path_ == "-" ? "standard output" : path_,
                   "make room or choose another place, and run it again"};
  }
  void reopen() override {
    if (path_ == "-") return;
    const int fresh = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fresh < 0) return;
    const std::lock_guard lock(mutex_);
    ::close(descriptor_);
    descriptor_ = fresh;
    error_ = 0;
  }

 private:
  std::string path_;
  mutable std::mutex mutex_;
  int descriptor_;
  int error_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace

Result<std::shared_ptr<EventSink>, Problem> open_event_file(const std::string& path, bool append) {
  if (path == "-") return std::make_shared<FileSink>(path, 1);
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC);
  const int descriptor = ::open(path.c_str(), flags, 0640);
  if (descriptor < 0)
    return fail(Problem{std::string("cannot write events: ") + std::strerror(errno), path,
                        "choose a path in a folder you may write to"});
  return std::make_shared<FileSink>(path, descriptor);
}

}  // namespace ww::sensor
