#include "sensors/stream/stream_events.hpp"

#include <array>

namespace ww::sensor {
namespace {

constexpr std::size_t count = static_cast<std::size_t>(StreamEvent::count_);
constexpr std::array<std::string_view, count> names = {
#define WW_X(id, name) "stream." name,
    WW_STREAM_EVENTS(WW_X)
#undef WW_X
};

const std::array<sig::EventId, count> ids = [] {
  std::array<sig::EventId, count> out{};
  for (std::size_t i = 0; i < count; ++i) out[i] = sig::events().intern(names[i]);
  return out;
}();

}  // namespace

sig::EventId event_id(StreamEvent e) { return ids[static_cast<std::size_t>(e)]; }
std::string_view event_name(StreamEvent e) { return names[static_cast<std::size_t>(e)]; }

}  // namespace ww::sensor
