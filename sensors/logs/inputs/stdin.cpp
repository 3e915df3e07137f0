#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sensors/logs/inputs/others.hpp"

namespace ww::logs {
namespace {

class Stdin final : public Input {
 public:
  Stdin(StdinOptions options, Surroundings& around)
      : o_(std::move(options)), a_(around), out_(around) {}

  Result<void, Problem> open() override {
    auto made = SourceParser::make(o_.source.parser_options(), a_.formats);
    if (!made) return fail(made.error());
    parser_ = std::move(*made);
    return {};
  }
  void start() override {
    struct stat st{};
    polled_ = ::fstat(o_.fd, &st) == 0 && S_ISREG(st.st_mode);  // epoll refuses plain files
    if (!polled_) {
      ::fcntl(o_.fd, F_SETFL, ::fcntl(o_.fd, F_GETFL) | O_NONBLOCK);
      a_.loop.add(o_.fd, EPOLLIN, [this](std::uint32_t) { readable(); });
    }
    a_.loop.every(std::chrono::milliseconds(100), [this] {
      if (polled_ && !ended_) readable();
      if (out_.hand_over() && stopped_) {
        stopped_ = false;
        if (!polled_ && !ended_) a_.loop.change(o_.fd, EPOLLIN);
      }
    });
  }
  void finish() override {
    for (int i = 0; i < 10'000 && !ended_ && !out_.blocked(); ++i)
      if (!readable()) break;
    end();
    (void)out_.hand_over();
  }
  std::string label() const override { return "stdin"; }
  bool idle() const override { return ended_ && out_.blocked() == false; }

 private:
  /// @return false when nothing more can be read now
  bool readable() {
    if (out_.full() && !out_.hand_over()) {
      stopped_ = true;
      if (!polled_) a_.loop.change(o_.fd, 0);
      return false;
    }
    const auto n = ::read(o_.fd, buffer_.data(), buffer_.size());
    if (n < 0) return false;
    if (n == 0) {
      end();
      return false;
    }
    partial_.append(buffer_.data(), static_cast<std::size_t>(n));
    std::size_t at = 0;
    for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', at)) {
      line(std::string_view(partial_).substr(at, end - at));
      at = end + 1;
    }
    partial_.erase(0, at);
    while (partial_.size() > max_event) {
      line(std::string_view(partial_).substr(0, max_event));
      partial_.erase(0, max_event);
    }
    return true;
  }

  void line(std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) return;
    a_.counters.lines.fetch_add(1, std::memory_order_relaxed);
    a_.counters.octets.fetch_add(text.size(), std::memory_order_relaxed);
    const auto now = a_.clock.now();
    const Origin origin{"stdin", {}, {}};
    in_pieces(text, o_.source.max_line_octets, a_.counters, [&](std::string_view piece) {
      parser_->feed(piece, now,
                    [&](Record& r, std::string_view whole) { out_.event(r, origin, whole, now); });
    });
  }
  void end() {
    if (ended_) return;
    if (!partial_.empty()) line(std::exchange(partial_, {}));
    const auto now = a_.clock.now();
    parser_->flush(now, [&](Record& r, std::string_view whole) {
      out_.event(r, {"stdin", {}, {}}, whole, now);
    });
    ended_ = true;
    if (!polled_) a_.loop.remove(o_.fd);
  }

  static constexpr std::size_t max_event = 900 << 10;
  StdinOptions o_;
  Surroundings& a_;
  Outlet out_;
  std::unique_ptr<SourceParser> parser_;
  std::string partial_;
  std::array<char, 64 << 10> buffer_;
  bool polled_ = false, ended_ = false, stopped_ = false;
};

}  // namespace

std::unique_ptr<Input> make_stdin(StdinOptions options, Surroundings& around) {
  return std::make_unique<Stdin>(std::move(options), around);
}

}  // namespace ww::logs
