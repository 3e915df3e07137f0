#pragma once
/// Suricata's `stream` settings, with its defaults.
#include <vector>

#include "sensors/stream/stream_buffer.hpp"
#include "telemetry/ip.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {

enum class UrgentPolicy : std::uint8_t { inlined, drop, oob, gap };

struct StreamOptions {
  bool midstream = false;      ///< pick up connections whose handshake was missed
  bool async_oneside = false;  ///< accept connections of which one side is not seen
  bool inline_mode = false;    ///< inspect data when it arrives rather than when it is acknowledged
  bool checksum_validation = true;
  bool drop_invalid = true;
  std::uint64_t session_cap = 64ULL << 20;      ///< stream.memcap
  std::uint64_t reassembly_cap = 256ULL << 20;  ///< stream.reassembly.memcap
  std::uint64_t depth = 1ULL << 20;             ///< stream.reassembly.depth; 0 = no limit
  std::uint32_t chunk[2] = {2560, 2560};  ///< octets acknowledged before raw inspection, by Dir
  bool raw = true;                        ///< stream.reassembly.raw
  std::uint32_t max_regions = 8;  ///< separate pieces per direction beyond the holes' left edge
  std::uint32_t max_synack_queued = 5, max_syn_queued = 10;
  UrgentPolicy urgent = UrgentPolicy::oob;
  UrgentPolicy urgent_limit = UrgentPolicy::drop;
  std::uint32_t urgent_limit_count = 65536;
  bool bypass = false;         ///< a stream of which no more is read is not followed either
  bool check_overlap = false;  ///< overlaps with different data are events
  std::string midstream_policy = "ignore";

  struct HostPolicy {
    IpNetwork network;
    OverlapPolicy policy;
  };
  std::vector<HostPolicy> hosts;  ///< most specific first
  OverlapPolicy default_policy = OverlapPolicy::bsd;

  [[nodiscard]] OverlapPolicy policy_for(const IpAddress& address) const;
  [[nodiscard]] static StreamOptions from(const Settings& settings);
};

}  // namespace ww::sensor
