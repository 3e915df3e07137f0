#include "sensors/pipeline/expectations.hpp"

namespace ww::sensor {

bool Expectations::add(Entry entry) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& e) { return entry.made.us - e.made.us > lifetime_us; });
  if (entries_.size() >= max_entries) {
    count_ = entries_.size();
    return false;
  }
  entries_.push_back(std::move(entry));
  count_ = entries_.size();
  return true;
}

bool Expectations::take(const IpAddress& a, std::uint16_t a_port, const IpAddress& b,
                        std::uint16_t b_port, Timestamp now, Entry& out) {
  if (count_.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (now.us - it->made.us > lifetime_us) continue;
    const bool forth = it->from == a && it->to == b && it->to_port == b_port;
    const bool back = it->from == b && it->to == a && it->to_port == a_port;
    if (!forth && !back) continue;
    out = std::move(*it);
    entries_.erase(it);
    count_ = entries_.size();
    return true;
  }
  return false;
}

}  // namespace ww::sensor
