#include "sensors/logs/inputs/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ww::logs {

Loop::Loop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = wake_;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &e);
}
Loop::~Loop() {
  ::close(wake_);
  ::close(epoll_);
}

void Loop::add(int fd, std::uint32_t events, Ready ready) {
  ready_[fd] = std::make_shared<Ready>(std::move(ready));
  epoll_event e{};
  e.events = events;
  e.data.fd = fd;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
}
void Loop::change(int fd, std::uint32_t events) {
  epoll_event e{};
  e.events = events;
  e.data.fd = fd;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e);
}
void Loop::remove(int fd) {
  ready_.erase(fd);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}
void Loop::every(std::chrono::milliseconds interval, std::function<void()> f) {
  timers_.push_back({interval, std::chrono::steady_clock::now() + interval, std::move(f)});
}

void Loop::run() {
  while (true) {
    auto now = std::chrono::steady_clock::now();
    auto next = now + std::chrono::seconds(60);
    for (std::size_t i = 0; i < timers_.size(); ++i) {
      if (timers_[i].next <= now) {
        timers_[i].f();
        timers_[i].next = std::chrono::steady_clock::now() + timers_[i].interval;
      }
      next = std::min(next, timers_[i].next);
    }
    now = std::chrono::steady_clock::now();
    const auto wait = std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::milliseconds>(next - now).count() + 1);
    std::array<epoll_event, 64> events{};
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                               static_cast<int>(wait));
    for (int i = 0; i < n; ++i) {
      const auto& e = events[static_cast<std::size_t>(i)];
      if (e.data.fd == wake_) {
        std::uint64_t v = 0;
        if (::read(wake_, &v, sizeof v) > 0) return;
        continue;
      }
      const auto it = ready_.find(e.data.fd);
      if (it == ready_.end()) continue;
      const auto keep = it->second;  // it may remove itself
      (*keep)(e.events);
    }
  }
}

void Loop::stop() {
  const std::uint64_t one = 1;
  if (::write(wake_, &one, sizeof one) < 0) return;  // already signalled
}

}  // namespace ww::logs
