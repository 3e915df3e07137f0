#include "sensors/logs/inputs/input.hpp"

namespace ww::logs {

void Outlet::event(Record& record, const Origin& origin, std::string_view line,
                   Timestamp received) {
  append_log_event(group_.lines, record, origin, line, received);
  group_.lines += '\n';
  ++group_.events;
  a_.counters.events.fetch_add(1, std::memory_order_relaxed);
  if (record.format.empty()) a_.counters.unparsed.fetch_add(1, std::memory_order_relaxed);
}

void Outlet::ready_event(std::string_view json) {
  group_.add(json);
  a_.counters.events.fetch_add(1, std::memory_order_relaxed);
}

bool Outlet::hand_over() {
  if (group_.empty()) {
    blocked_ = false;
    return true;
  }
  blocked_ = !a_.sink.submit(group_);
  if (!blocked_) group_.clear();
  return !blocked_;
}

}  // namespace ww::logs
