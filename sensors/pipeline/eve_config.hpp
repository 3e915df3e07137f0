#pragma once
/// Suricata's `outputs: - eve-log:` settings: which files, which event types, with which options.
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sensors/protocols/parser.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {

/// One event type of one output, with its own options ("extended: yes").
struct EveType {
  std::string name;
  Settings options;
};

struct AlertOptions {
  bool metadata = true, app_layer = true, flow = true, rule_metadata = true, rule_raw = false,
       rule_reference = false;
  bool payload = false, payload_printable = false, payload_length = false, packet = false;
  bool tagged_packets = true, verdict = false;
  std::uint64_t payload_buffer = 4096;
  Settings options;  ///< the type's own, for what a protocol shows of itself in an alert
};

struct AnomalyOptions {
  bool decode = false, stream = false, applayer = true, packethdr = false;
};

struct StatsOptions {
  bool totals = true;       ///< all workers together
  bool threads = false;     ///< each worker, below `threads`
  bool deltas = false;      ///< "name_delta": what was added since the record before
  bool null_values = true;  ///< zeros are written, too
};

/// When a dropped packet has a record of its own.
struct DropOptions {
  bool alerts = false;    ///< with the alert that dropped it
  bool all_flow = false;  ///< `flows: all`: every packet of a dropped flow, not only the first of
                          ///< each direction
  bool verdict = false;
};

struct XffOptions {
  bool enabled = false, overwrite = false, forward = false;
  std::string header = "X-Forwarded-For";
};

/// One eve-log.
struct EveOutput {
  std::string filename = "eve.json";
  bool append = false;
  bool community_id = false;
  std::uint16_t community_seed = 0;
  bool ethernet = false;
  bool metadata = true;
  bool pcap_file = false;
  bool version = false;
  std::string host;    ///< Suricata's sensor-name; empty: none
  std::string prefix;  ///< stands before each line, for receivers that want one ("@cee: ")
  XffOptions xff;
  std::vector<EveType> types;
  bool alert = false, anomaly = false, flow = false, netflow = false, files = false, stats = false,
       frames = false, arp = false;
  bool drop = false, metadata_events = false;
  AlertOptions alerts;
  XffOptions alert_xff, files_xff;
  AnomalyOptions anomalies;
  StatsOptions statistics;
  DropOptions drops;
  bool force_magic = false;
};

/// A logger of a protocol as one output wants it.
struct LoggerTarget {
  std::size_t output = 0;
  const Settings* options = nullptr;
  XffOptions xff;  ///< the type's own, or else the output's
};

class EveConfig {
 public:
  /// Suricata's shipped defaults when the settings name no outputs.
  explicit EveConfig(const Settings& settings);

  [[nodiscard]] const std::vector<EveOutput>& outputs() const { return outputs_; }
  [[nodiscard]] std::vector<EveOutput>& outputs() { return outputs_; }
  /// Outputs that want a protocol's logger; the bit of a logger in Transaction::logged_mask is its
  /// position.
  [[nodiscard]] const std::vector<LoggerTarget>& targets(const Logger& logger) const;
  [[nodiscard]] bool any_flow() const;
  [[nodiscard]] bool any_ethernet() const;
  [[nodiscard]] bool any_files() const;
  [[nodiscard]] bool any_anomaly() const;
  [[nodiscard]] bool any_app() const { return !by_logger_.empty(); }

 private:
  void read_output(const Settings& settings, const std::string& path);
  void defaults();
  void take_type(EveOutput& out, const std::string& name, const Settings& options);
  void bind_loggers();
  std::vector<EveOutput> outputs_;
  std::unordered_map<const Logger*, std::vector<LoggerTarget>> by_logger_;
};

}  // namespace ww::sensor
