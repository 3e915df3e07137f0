#pragma once
/// Turns captured octets into sig::Packet values: link layers, IPv4/IPv6, tunnels, defragmentation
/// and transport headers, with an event (decode::Event) for everything malformed.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "sensors/decode/counters.hpp"
#include "telemetry/settings.hpp"

namespace ww::decode {

/// Link types (DLT_ values as libpcap hands them out on Linux) that the decoder reads.
[[nodiscard]] bool datalink_supported(int datalink);
/// "EN10MB", "LINUX_SLL", ...: EVE's packet_info.linktype_name; "" when unknown.
[[nodiscard]] std::string_view datalink_name(int datalink);

/// Receives decoded packets. The packet and all its views are valid during the call only; the sink
/// may fill the flow fields.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void packet(sig::Packet& p) = 0;
};

/// What to do with IP, TCP, UDP and ICMP checksums: Suricata's `-k` and
/// `pcap-file.checksum-checks`.
enum class ChecksumMode : std::uint8_t {
  none,       ///< never verified: checksum_bad_* stay false
  all,        ///< always verified
  automatic,  ///< verified until the first 1000 packets show that the capturing host offloads them
  live        ///< as automatic, and what a host with offload sends counts as right from the first
              ///< packet on: it is known by its checksum (ChecksumVerdict::left_to_hardware)
};

/// What the first packets showed, when the mode is automatic or live.
struct ChecksumFinding {
  std::uint32_t seen = 0, wrong = 0, left_to_hardware = 0;
  bool verified = true;  ///< whether checksums are verified from here on
};
/// For people; "" when there is nothing to say: all was right.
[[nodiscard]] std::string checksum_finding_text(const ChecksumFinding& finding);

/// One per worker thread: owns packet storage, fragment trackers and counters; shares nothing.
///
/// Settings read: decoder.max-layers, decoder.{vxlan,geneve,teredo}.{enabled,ports},
/// decoder.vxlan.reserved-bits-check, vlan.use-for-tracking, defrag.*, host-os-policy.*,
/// vars.port-groups.{VXLAN,GENEVE,TEREDO}_PORTS.
///
/// Cost: linear in the header octets plus, when checksums are verified, the payload; nothing is
/// allocated per packet except fragments, which are held up to defrag.memcap.
class Decoder {
 public:
  /// @param found  called once, when the sample of ChecksumMode automatic or live is complete
  explicit Decoder(const Settings& settings, ChecksumMode checksums = ChecksumMode::all,
                   std::function<void(const ChecksumFinding&)> found = {});
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Decodes one captured frame. `sink` gets every packet found in it: those inside tunnels and
  /// those rebuilt from fragments first (innermost first), the captured one last, which is
  /// Suricata's order.
  void decode(Bytes frame, int datalink, Timestamp time, std::uint64_t number, Sink& sink,
              std::uint16_t interface_index = 0);

  /// Brings gauges (defrag.memuse) up to date and returns all counters.
  [[nodiscard]] const Counters& counters();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A number that is the same for both directions of a flow, all fragments of a datagram and, for
/// tunnels, everything between the two outer endpoints: use it to choose the worker.
[[nodiscard]] std::uint64_t steering_hash(Bytes frame, int datalink);

}  // namespace ww::decode
