#pragma once
/// What detection keeps in the control database: correlation state, rule counters and exceptions.
#include <map>
#include <string>
#include <vector>

#include "collector/detect/detect.hpp"
#include "collector/store/control.hpp"

namespace ww::collector::detect_state {

/// A match that correlations have seen since the snapshot, so that a restart can show it to them
/// again.
struct LoggedMatch {
  std::string rule, event_id, event;
};
struct Saved {
  std::string snapshot;
  std::vector<LoggedMatch> log;
};

struct Count {
  std::uint64_t hits = 0, suppressed = 0;
  Timestamp last;
};
struct CountKey {
  EngineKind engine = EngineKind::sigma;
  std::string rule;
  auto operator<=>(const CountKey&) const = default;
};
struct NamedCount : Count {
  std::string title;
  Level level = Level::medium;
};
using Counts = std::map<CountKey, NamedCount>;
using Suppressions = std::map<std::string, std::uint64_t>;  // by exception id

[[nodiscard]] ControlModule module();
[[nodiscard]] ControlRecord match_record(const std::vector<LoggedMatch>& matches);
[[nodiscard]] ControlRecord snapshot_record(std::string_view snapshot);
[[nodiscard]] ControlRecord count_record(const Counts& counts, const Suppressions& suppressions);

[[nodiscard]] Result<Saved, Problem> load(const ControlDb& control);
[[nodiscard]] Counts load_counts(const ControlDb& control);
[[nodiscard]] std::vector<RuleException> load_exceptions(const ControlDb& control);
[[nodiscard]] Result<void, Problem> save_exception(ControlDb& control, const RuleException& e);
[[nodiscard]] bool delete_exception(ControlDb& control, std::string_view id);

}  // namespace ww::collector::detect_state
