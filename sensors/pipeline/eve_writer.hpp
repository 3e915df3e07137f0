#pragma once
/// Writes EVE records of one worker: the header every record shares, and the records that belong to
/// no protocol (alert, anomaly, flow, netflow, fileinfo, packet, frame, metadata). Lines collect in
/// one buffer per output and go to its sink in blocks.
#include <memory>
#include <string>
#include <vector>

#include "rules/signature/engine.hpp"
#include "sensors/files/file_store.hpp"
#include "sensors/pipeline/app_layer.hpp"
#include "sensors/pipeline/eve_config.hpp"
#include "sensors/pipeline/event_sink.hpp"

namespace ww::sensor {

struct EveNames {
  std::vector<std::string> interfaces;  ///< EVE in_iface by interface index; empty in replay
  std::string pcap_file;                ///< EVE pcap_filename when asked for
};

class EveWriter {
 public:
  /// Which end is the source in the header.
  enum class Side : std::uint8_t { packet, to_server, to_client };

  EveWriter(const EveConfig& config, std::vector<std::shared_ptr<EventSink>> sinks,
            const FileOptions& files);

  void alerts(const sig::Packet& p, std::span<const sig::Alert> alerts, sig::Matcher* matcher,
              StreamTracker& streams);
  void tagged(const sig::Packet& p);
  /// A packet that inline mode stops.
  /// @param cause  null when an earlier packet had its whole flow dropped
  void drop(const sig::Packet& p, const sig::Alert* cause);
  void arp(const sig::Packet& p);
  void anomalies(const sig::Packet& p, Flow* flow);
  void transactions(const sig::Packet& p, Flow& flow, sig::Matcher* matcher, bool flow_end);
  void flow_end(Flow& flow, FlowEnd reason, sig::Matcher* matcher);
  void metadata(const sig::Packet& p, std::span<const sig::Alert> alerts, sig::Matcher* matcher);
  void flush();
  /// Whose flow bits, variables and the like events show; null for none. Borrowed.
  void set_matcher(sig::Matcher* matcher) { matcher_ = matcher; }
  void set_file(const std::string& name) { names_.pcap_file = name; }
  void set_interfaces(std::vector<std::string> names) { names_.interfaces = std::move(names); }

  [[nodiscard]] const EveConfig& config() const { return config_; }
  [[nodiscard]] std::uint64_t lines() const { return lines_; }

 private:
  struct Open {  // a record under way
    std::size_t output;
    std::size_t start;
  };
  static constexpr std::size_t flush_at = 256 * 1024;
  static constexpr std::size_t max_line = 1U << 20;

  JsonWriter begin(std::size_t output, Timestamp time);
  void end(std::size_t output, JsonWriter& json);
  void discard(std::size_t output);
  void header(JsonWriter& json, std::size_t output, const sig::Packet& p, const Flow* flow,
              Side side, std::string_view event_type);
  void flow_header(JsonWriter& json, std::size_t output, const Flow& flow,
                   std::string_view event_type, bool swapped);
  void common(JsonWriter& json, std::size_t output, const Flow* flow);
  void app_proto(JsonWriter& json, const Flow& flow);
  void packet_octets(JsonWriter& json, const sig::Packet& p, std::size_t limit = 0);
  void alert(std::size_t output, const sig::Packet& p, const sig::Alert& a, sig::Matcher* matcher,
             StreamTracker& streams);
  static void alert_object(JsonWriter& json, const sig::Packet& p, const sig::Alert& a,
                           const AlertOptions& options, bool inline_mode);
  static void verdict(JsonWriter& json, const sig::Packet& p, sig::Action action, bool inline_mode);
  void payload(JsonWriter& json, const EveOutput& out, const sig::Packet& p, const sig::Alert& a,
               StreamTracker& streams);
  void frame(JsonWriter& json, const sig::Packet& p, const Flow& flow, const sig::Frame& f,
             const AlertOptions& options);
  void app_block(JsonWriter& json, const Flow& flow, const sig::Transaction& tx,
                 const Settings& options);
  void fileinfo(const sig::Packet& p, Flow& flow, const sig::Transaction& tx, sig::File& file);
  void tx_anomalies(const sig::Packet& p, Flow& flow, const sig::Transaction& tx);
  void xff(JsonWriter& json, const XffOptions& options, const Flow& flow,
           const sig::Transaction* tx, std::string& line, std::size_t start,
           std::string_view source_key);
  void tcp_block(JsonWriter& json, const Flow& flow);
  void policies(JsonWriter& json, const Flow& flow);
  [[nodiscard]] std::string_view community(std::size_t output, const Flow& flow);

  const EveConfig& config_;
  std::vector<std::shared_ptr<EventSink>> sinks_;
  const FileOptions& files_;
  sig::Matcher* matcher_ = nullptr;
  EveNames names_;
  std::vector<std::string> buffers_;
  std::vector<std::size_t> starts_;
  std::uint64_t lines_ = 0;
  std::uint64_t community_flow_ = 0;
  std::uint16_t community_seed_ = 0;
  std::string community_;
  std::string scratch_;
  std::unordered_map<std::uint64_t, std::uint32_t> event_counts_;
};

/// EVE's name of an IP protocol number ("TCP", "IPv6-ICMP", "047" when unnamed).
[[nodiscard]] std::string ip_proto_name(std::uint8_t proto);

}  // namespace ww::sensor
