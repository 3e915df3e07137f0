#pragma once
/// Plays harmless telemetry of a detection drill through this sensor: log lines through the log
/// formats, frames through the packet pipeline and its rules. Everything that comes out is marked.
#include <boost/json/array.hpp>
#include <functional>
#include <set>
#include <string>

#include "sensors/capture/source.hpp"
#include "sensors/uplink/event_sink.hpp"

namespace ww::drills {

/// Runs frames through the packet pipeline into a sink. @return packets, or why it cannot
using PlayFrames = std::function<Result<std::uint64_t, std::string>(capture::PacketSource& source,
                                                                    const std::string& run)>;

struct Played {
  std::uint64_t count = 0;  ///< lines and packets
  std::string error;        ///< "" when all was played
};

/// @param inputs   of the order: untrusted in shape, each kind must be allowed
/// @param scratch  folder for a capture on its way
[[nodiscard]] Played play(const boost::json::array& inputs, const std::set<std::string>& allowed,
                          const std::string& run, EventSink& sink, const Clock& clock,
                          const PlayFrames& frames, const std::string& scratch);

}  // namespace ww::drills
