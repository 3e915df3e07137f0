#pragma once
/// What detection keeps in the control database: correlation state, rule counters and exceptions.
#include <map>
#include <string>
#include <vector>

#include "collector/detect/detect.hpp"
#include "collector/store/control.hpp"

namespace ww::collector::detect_state {

/// Correlations of real events and of rehearsals know nothing of each other.
enum class Space : std::uint8_t { real = 0, rehearsal = 1 };

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
/// @param fresh  nothing that was stored before belongs to this state
[[nodiscard]] ControlRecord change_record(Space space, bool fresh,
                                          const sigma::CorrelationChange& change);
[[nodiscard]] ControlRecord count_record(const Counts& counts, const Suppressions& suppressions);

struct LoadedState {
  std::uint64_t pieces = 0, damaged = 0;  ///< slices and logs
};
/// Shows a correlator that has seen nothing yet what is stored.
[[nodiscard]] Result<LoadedState, Problem> load(const ControlDb& control, Space space,
                                                sigma::Correlator& correlator);
[[nodiscard]] Counts load_counts(const ControlDb& control);
[[nodiscard]] std::vector<RuleException> load_exceptions(const ControlDb& control);
[[nodiscard]] Result<void, Problem> save_exception(ControlDb& control, const RuleException& e);
[[nodiscard]] bool delete_exception(ControlDb& control, std::string_view id);

}  // namespace ww::collector::detect_state
