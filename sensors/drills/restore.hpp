#pragma once
/// One restore drill: finds the snapshot, restores it with the tool itself into the scratch place,
/// verifies it, measures, cleans up. Blocks; at most one at a time.
#include <atomic>
#include <functional>
#include <string>

#include "sensors/drills/drill_config.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/events/drill.hpp"

namespace ww::drills {

struct RestoreRequest {
  std::string order, run;
  std::string snapshot = "latest";  ///< or the tool's id; letters, digits, and - _ . : only
};

/// Called from the running drill: what to tell the collector. Progress comes every few seconds.
using Tell = std::function<void(const events::Drill&)>;

/// @param stop  ends the drill within a moment, cleaned up
/// @return the final report (state "finished"); the scratch folder is gone then
[[nodiscard]] events::Drill restore(const DrillConfig& config, const RestoreTarget& target,
                                    const RestoreRequest& request, const Clock& clock,
                                    const std::atomic<bool>& stop, const Tell& tell);

[[nodiscard]] bool valid_snapshot(std::string_view id);

}  // namespace ww::drills
