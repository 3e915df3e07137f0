#pragma once
/// A whole commit as one journal record.
#include <optional>
#include <string>
#include <vector>

#include "collector/store/event_file.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {

struct CommitPlan {
  std::vector<FilePlan> files;
  std::vector<BatchWrite> batches;  ///< without their events
  std::vector<std::uint64_t> batch_events;
  std::vector<ControlRecord> records;
};

[[nodiscard]] std::string encode(const CommitPlan& plan);
[[nodiscard]] std::optional<CommitPlan> decode_commit(std::string_view payload);

}  // namespace ww::collector
