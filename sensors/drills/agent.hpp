#pragma once
/// The sensor's side of drills: sends the sensor's own heartbeat, asks the collector for orders
/// over mutual TLS, and carries out the ones that are signed by the collector's authority, for this
/// sensor, in time, not done before, and allowed by this sensor's configuration.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sensors/drills/detection.hpp"
#include "sensors/drills/drill_config.hpp"
#include "telemetry/net/client.hpp"

namespace ww::drills {

struct AgentOptions {
  DrillConfig config;
  std::string site, sensor;
  std::string authority_pem;  ///< of the collector; "" : no orders
  /// Makes a connection to the collector with the sensor's certificate.
  std::function<Result<std::unique_ptr<http::Client>, http::ClientError>()> connect;
  PlayFrames frames;
  std::vector<std::string> sources;  ///< labels of everything that sends heartbeats
};

struct AgentStats {
  std::uint64_t polls = 0, poll_failures = 0, orders = 0, refused = 0;
  std::string running;  ///< id of the order under way
};

class DrillAgent {
 public:
  /// @param sink, clock  borrowed
  [[nodiscard]] static std::unique_ptr<DrillAgent> make(AgentOptions options, EventSink& sink,
                                                        const Clock& clock);
  virtual ~DrillAgent() = default;
  /// Cleans up after a process that ended in the middle of a drill, then begins.
  virtual void start() = 0;
  /// Ends a drill under way, cleaned up, and joins the threads.
  virtual void stop() = 0;
  [[nodiscard]] virtual AgentStats stats() const = 0;
};

/// A heartbeat event of one source as a line without its end.
[[nodiscard]] std::string heartbeat_line(std::string_view source,
                                         std::chrono::milliseconds interval, Timestamp now);

}  // namespace ww::drills
