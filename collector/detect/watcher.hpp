#pragma once
/// A part that looks at events as they are stored and keeps what it learns in the same commit.
#include <span>
#include <vector>

#include "collector/detect/detect.hpp"

namespace ww::collector {

class EventWatcher {
 public:
  virtual ~EventWatcher() = default;
  /// Events of one commit, in order; adds its records to that commit. Must not keep state that a
  /// failed commit would make wrong: what is to be kept goes through the records.
  virtual void watch(std::span<const DetectEvent> events, std::vector<ControlRecord>& out) = 0;
};

}  // namespace ww::collector
