#pragma once
/// Doing the tasks of playbooks that need no person: our read-only checks, requests, programs on
/// the site's signed list. Blocks; called from a worker thread.
#include <atomic>
#include <string>

#include "collector/drills/service.hpp"
#include "playbooks/policy.hpp"

namespace ww::collector {

[[nodiscard]] const std::vector<std::string>& drill_checks();

class TaskDoer {
 public:
  TaskDoer(const DrillOptions& options, const DrillService::Parts& parts)
      : options_(options), parts_(parts) {}
  /// @param stop  ends a program within 100 ms
  [[nodiscard]] playbooks::Outcome run(const playbooks::Task& task, const std::string& site,
                                       const std::atomic<bool>& stop);

 private:
  std::string check(const std::string& text, const std::string& site, bool& good);
  const DrillOptions& options_;
  DrillService::Parts parts_;
};

}  // namespace ww::collector
