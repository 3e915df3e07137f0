#include "sensors/decode/events.hpp"

#include <array>

namespace ww::decode {
namespace {

constexpr std::array<std::string_view, event_count> names = {
#define WW_X(id, name) "decoder." name,
    WW_DECODE_EVENTS(WW_X)
#undef WW_X
};

const std::array<sig::EventId, event_count>& ids() {
  static const auto table = [] {
    std::array<sig::EventId, event_count> out{};
    for (std::size_t i = 0; i < event_count; ++i) out[i] = sig::events().intern(names[i]);
    return out;
  }();
  return table;
}

// Rules are compiled before the first packet, so the names must be known from the start.
[[maybe_unused]] const auto& registration = ids();

}  // namespace

sig::EventId event_id(Event e) { return ids()[static_cast<std::size_t>(e)]; }
std::string_view event_name(Event e) { return names[static_cast<std::size_t>(e)]; }

}  // namespace ww::decode
