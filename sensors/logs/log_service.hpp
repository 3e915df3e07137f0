#pragma once
/// The log side of a sensor: reads `logs:` of the configuration, runs all inputs on one thread of
/// its own.
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sensors/uplink/event_sink.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"
#include "telemetry/settings.hpp"

namespace ww {

struct LogStats {
  std::uint64_t lines = 0, octets = 0, events = 0;
  std::uint64_t unparsed = 0;   ///< kept as plain text because no format fitted
  std::uint64_t cut_lines = 0;  ///< longer than the limit, kept in pieces
  std::uint64_t dropped = 0;    ///< datagrams that came while the spool refused
  std::uint64_t refused_connections = 0;
  std::uint64_t files = 0;  ///< open now
};

class LogService {
 public:
  /// Checks the configuration (settings below `logs`), opens sockets and files. Sockets are open
  /// when this returns, so privileges can be dropped after it.
  [[nodiscard]] static Result<std::unique_ptr<LogService>, Problem> make(const Settings& logs,
                                                                         EventSink& sink,
                                                                         const Clock& clock);
  virtual ~LogService() = default;
  virtual void start() = 0;
  /// Labels of all inputs, in order of the configuration.
  [[nodiscard]] virtual std::vector<std::string> sources() const = 0;
  /// Before start(): `beat` is called for each input that has something to read from, again and
  /// again, on the thread that serves the inputs: when that thread hangs, nothing is called.
  virtual void on_beat(std::chrono::milliseconds interval,
                       std::function<void(const std::string& source)> beat) = 0;
  /// Reads what is there, flushes open records, joins the thread.
  virtual void stop() = 0;
  [[nodiscard]] virtual LogStats stats() const = 0;
  /// Blocks until every tailed file has been read to its end and handed to the sink (for demos and
  /// tests).
  virtual void drain() = 0;
};

}  // namespace ww
