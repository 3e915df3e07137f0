#pragma once
/// The sensor's own HTTP endpoint: /metrics (Prometheus text) and /healthz. One thread, one request
/// a connection, bounded in size and time; meant for the local host or a management network.
#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "telemetry/result.hpp"

namespace ww::sensor {

class MetricsServer {
 public:
  explicit MetricsServer(std::function<std::string()> render) : render_(std::move(render)) {}
  ~MetricsServer() { stop(); }
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  /// @param address  "127.0.0.1:9109" or "[::1]:9109"; port 0 chooses one
  [[nodiscard]] Result<void, Problem> open(const std::string& address);
  void start();
  void stop();
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void serve();
  void answer(int connection);
  std::function<std::string()> render_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace ww::sensor
