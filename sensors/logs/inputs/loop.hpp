#pragma once
/// The one thread of all log inputs: file descriptors by epoll, timers, a stop that wakes it.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace ww::logs {

class Loop {
 public:
  using Ready = std::function<void(std::uint32_t epoll_events)>;
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Level-triggered. The callback may remove its own or other descriptors.
  void add(int fd, std::uint32_t events, Ready ready);
  void change(int fd, std::uint32_t events);
  void remove(int fd);
  /// Calls back again and again, first after one interval.
  void every(std::chrono::milliseconds interval, std::function<void()> f);
  /// Runs until stop().
  void run();
  /// From any thread.
  void stop();

 private:
  struct Timer {
    std::chrono::milliseconds interval;
    std::chrono::steady_clock::time_point next;
    std::function<void()> f;
  };
  int epoll_ = -1, wake_ = -1;
  std::map<int, std::shared_ptr<Ready>> ready_;
  std::vector<Timer> timers_;
};

}  // namespace ww::logs
