#pragma once
/// The collector's configuration: one YAML file, every key known, the rest refused by name.
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "collector/alerts/alerts.hpp"
#include "collector/drills/service.hpp"
#include "collector/notify/webhook.hpp"
#include "telemetry/result.hpp"

namespace ww::collector {

struct Config {
  std::string file;

  // server
  std::vector<std::string> listen{"127.0.0.1:8443"};
  std::vector<std::string> names;
  std::string public_url;
  std::string certificate_file, key_file;
  std::uint32_t network_threads = 2, worker_threads = 4;
  std::uint32_t max_connections = 4096, max_connections_per_peer = 512, requests_per_second = 500;
  std::uint64_t max_inflight = 512ULL << 20;

  // data
  std::string folder;
  std::uint64_t max_size = 0, min_free = 512ULL << 20;
  std::map<std::string, std::chrono::hours> retention;  ///< by event class
  std::map<std::string, std::uint64_t> class_max_size;

  // identity
  std::chrono::seconds sensor_certificate_life{90 * 86'400};
  std::chrono::hours session_life{12};
  std::chrono::minutes session_idle{120};

  // ingest
  std::uint64_t queue = 64ULL << 20, max_request = 16ULL << 20;
  std::string foreign_site = "unknown";
  std::vector<std::string> syslog_udp, syslog_tcp, syslog_tls;
  std::string syslog_site = "unknown", syslog_sensor = "syslog";
  bool syslog_client_certificates = false;

  // rules
  std::vector<std::string> sigma_paths, sigma_pipelines;
  std::string sigma_placeholders;
  std::chrono::seconds correlation_lateness{300};
  std::uint64_t correlation_memory = 384ULL << 20;
  std::chrono::seconds alert_window{3600};

  // backup
  std::string backup_register;
  std::chrono::seconds backup_look{15};

  std::string dashboard_folder;
  std::vector<WebhookOptions> webhooks;
  DrillOptions drills;
  std::string log_level = "info", log_file;

  /// Reads and checks the file. A Problem names file:line, the key, and the nearest valid key when
  /// it is unknown.
  [[nodiscard]] static Result<Config, Problem> load(const std::string& path);
  [[nodiscard]] static Result<Config, Problem> parse(std::string_view yaml,
                                                     const std::string& name);
};

/// Every key with what it means, in the order of the example file: documentation and tests derive
/// from it.
struct ConfigKey {
  std::string_view path, kind, meaning;
};
[[nodiscard]] const std::vector<ConfigKey>& config_keys();

}  // namespace ww::collector
