#pragma once
/// The configuration of `wardwatch-sensor run` as values. deploy/sensor.example.yaml documents
/// every key.
#include <chrono>
#include <string>
#include <vector>

#include "sensors/backup/probe.hpp"
#include "sensors/capture/source.hpp"
#include "sensors/drills/drill_config.hpp"
#include "sensors/uplink/uplink.hpp"
#include "telemetry/settings.hpp"
#include "telemetry/spool.hpp"

namespace ww::sensor {

struct RunConfig {
  std::string file, text;  ///< where it was read, and what that held
  std::string data_folder, identity_folder;
  std::string site, sensor;  ///< only without a collector: otherwise the certificate says
  bool to_collector = true;  ///< false: fill the spool only
  std::string user;          ///< run as this user once sockets are open; "" = stay
  SpoolOptions spool;
  UplinkOptions uplink;
  std::string privacy_key_file;
  std::vector<capture::LiveOptions> interfaces;
  std::vector<std::string>
      capture_files;  ///< read once through the live path (demonstrations, backfill)
  std::size_t workers = 1;
  std::string checksums;
  std::vector<std::string> rules, vars;
  std::string suricata_yaml;
  Settings logs;
  bool has_logs = false;
  std::vector<backup::ProbeSpec> probes;
  drills::DrillConfig drills;
  std::size_t probe_workers = 2;  ///< looks at one time
  std::string metrics_listen;     ///< address of /metrics and /healthz, plain HTTP; "" = none
  std::string metrics_file;       ///< Prometheus text, written again and again; "" = none
};

/// Reads the file. Relative paths are relative to it. An unknown key is an error that names key,
/// line and nearest key.
[[nodiscard]] Result<RunConfig, Problem> read_run_config(const std::string& path);

}  // namespace ww::sensor
