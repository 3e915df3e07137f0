#pragma once
/// A bounded queue between exactly one producer and one consumer thread. Push and pop are
/// wait-free; waiting (only when full or empty) sleeps on a futex through std::atomic::wait.
#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

namespace ww::sensor {

template <class T>
class SpscRing {
 public:
  explicit SpscRing(std::size_t capacity) : slots_(capacity) {}

  bool try_push(T& value) {
    const auto head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == slots_.size()) return false;
    slots_[head % slots_.size()] = std::move(value);
    head_.store(head + 1, std::memory_order_release);
    head_.notify_one();
    return true;
  }
  /// Waits while the ring is full.
  void push(T value) {
    while (!try_push(value)) {
      const auto tail = tail_.load(std::memory_order_acquire);
      if (head_.load(std::memory_order_relaxed) - tail == slots_.size())
        tail_.wait(tail, std::memory_order_acquire);
    }
  }
  bool try_pop(T& value) {
    const auto tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return false;
    value = std::move(slots_[tail % slots_.size()]);
    tail_.store(tail + 1, std::memory_order_release);
    tail_.notify_one();
    return true;
  }
  /// Waits while the ring is empty.
  T pop() {
    T value;
    while (!try_pop(value)) {
      const auto head = head_.load(std::memory_order_acquire);
      if (head == tail_.load(std::memory_order_relaxed))
        head_.wait(head, std::memory_order_acquire);
    }
    return value;
  }

 private:
  std::vector<T> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace ww::sensor
