#pragma once
/// A drill and its playbook on paper, for when no screen works: plain HTML without style or script,
/// every text escaped.
#include <string>

#include "collector/drills/definition.hpp"
#include "playbooks/playbook.hpp"

namespace ww::collector {

/// @param definition, playbook  either may be null
[[nodiscard]] std::string printable_pack(const DrillDefinition* definition,
                                         const playbooks::Playbook* playbook, Timestamp now);

}  // namespace ww::collector
