#pragma once
/// A sink in memory that commits groups as the spool does, and can refuse.
#include <condition_variable>
#include <map>
#include <mutex>

#include "sensors/uplink/event_sink.hpp"

namespace ww {

class MemorySink final : public EventSink {
 public:
  bool submit(const EventGroup& group) override {
    const std::lock_guard lock(mutex_);
    if (refusing) {
      refused_ = true;
      changed_.notify_all();
      return false;
    }
    std::string_view rest = group.lines;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      events_.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
    for (const auto& [k, v] : group.state) {
      if (v.empty())
        state_.erase(k);
      else
        state_[k] = v;
    }
    changed_.notify_all();
    return true;
  }
  void submit_or_drop(std::string_view json, std::string_view) override {
    EventGroup g;
    g.add(json);
    (void)submit(g);
  }
  std::string recall(std::string_view key) const override {
    const std::lock_guard lock(mutex_);
    const auto it = state_.find(std::string(key));
    return it == state_.end() ? std::string() : it->second;
  }
  std::vector<std::pair<std::string, std::string>> recall_all(
      std::string_view prefix) const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& e : state_)
      if (e.first.starts_with(prefix)) out.push_back(e);
    return out;
  }
  std::vector<std::string> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  /// Waits until there are so many events; false after two minutes, which only a fault takes.
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return events_.size() >= count; });
  }
  void refuse(bool yes) {
    const std::lock_guard lock(mutex_);
    refusing = yes;
  }
  /// Waits until a group was refused.
  bool wait_for_refusal() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return refused_; });
  }
  bool refusing = false;

 private:
  static constexpr std::chrono::minutes patience{2};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool refused_ = false;
  std::vector<std::string> events_;
  std::map<std::string, std::string> state_;
};

}  // namespace ww
