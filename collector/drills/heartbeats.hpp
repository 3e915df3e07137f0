#pragma once
/// Watches the heartbeats: a source whose next one does not come by its bound raises an alert; the
/// alert closes itself when the heartbeat is back. When nothing of a sensor comes, one alert names
/// the sensor, not one for each of its sources.
#include <chrono>
#include <map>
#include <set>
#include <string>

#include "collector/drills/service.hpp"

namespace ww::collector {

inline constexpr std::string_view heartbeat_rule = "heartbeat-absent";

class HeartbeatWatch {
 public:
  HeartbeatWatch(const DrillService::Parts& parts, std::chrono::seconds grace)
      : p_(parts), grace_(grace), since_(parts.clock.now()) {}
  /// Two intervals and the grace after the last one; not before this process has listened so long.
  [[nodiscard]] Timestamp bound(const Heartbeat& h) const;
  void look();
  void figures(MetricWriter& out) const;

 private:
  void raise(const Heartbeat& h, bool whole_sensor, std::size_t sources);
  void clear(const Heartbeat& h);
  std::set<std::pair<std::string, std::string>> revoked() const;
  DrillService::Parts p_;
  std::chrono::seconds grace_;
  Timestamp since_;  // this process listens since then
};

}  // namespace ww::collector
