#pragma once
/// Why a rule matches an event, or does not: the condition tree with the truth of each node.
#include <cstdint>
#include <string_view>

#include "telemetry/json_writer.hpp"

namespace ww::sigma {

class EngineImpl;
class EventReader;

/// Writes {"rule":..,"condition":..,"matches":..,"tree":..}. Every pattern is evaluated by hand,
/// without the index.
void explain_rule(const EngineImpl& engine, EventReader& reader, std::uint32_t rule,
                  std::string_view event, JsonWriter& out);

}  // namespace ww::sigma
