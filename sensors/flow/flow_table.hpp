#pragma once
/// All flows of one worker: found by addresses, ports, protocol, VLAN ids and tunnel depth,
/// whichever way a packet goes. Records come from a pool that grows in slabs up to a hard cap; a
/// packet of a known flow allocates nothing.
///
/// Time is the packets' own. A timer wheel of one-second slots finds what expired without touching
/// the wheel per packet: a flow is looked at when the slot of its last known deadline comes up and
/// goes back in if it lived on.
///
/// At the cap the table is in emergency: shorter timeouts apply, and a new flow takes the place of
/// the one with the nearest deadline, which ends with reason `forced`. Both are counted; the change
/// of mode is announced once.
#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "sensors/flow/flow.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {

/// Seconds without a packet after which a flow of a protocol class ends.
struct FlowTimeouts {
  std::uint32_t fresh = 30, established = 300, closed = 0, bypassed = 100;
  std::uint32_t emergency_fresh = 10, emergency_established = 100, emergency_closed = 0,
                emergency_bypassed = 50;
};

struct FlowOptions {
  bool vlan_tracking = true;
  bool tunnel_tracking =
      true;  ///< tunnel depth is part of the key (decoder.recursion-level.use-for-tracking)
  std::uint64_t memory_cap = 128ULL << 20;  ///< flow.memcap: flows of all workers together
  std::uint32_t hash_size = 65536;
  std::uint32_t recovery_percent = 30;  ///< emergency ends when this share of the cap is free
  std::uint64_t rate_octets =
      0;  ///< flow.rate-tracking: so many in `rate_seconds` make an elephant
  std::uint32_t rate_seconds = 0;  ///< 0: rates are not tracked
  std::uint32_t sweep_from = 0;  ///< look for expired flows only while more than this many are held
  std::uint64_t hash_seed = 0;
  FlowTimeouts tcp{60, 600, 60, 100, 5, 100, 10, 50}, udp{30, 300, 0, 100, 10, 100, 0, 50},
      icmp{30, 300, 0, 100, 10, 100, 0, 50}, other{30, 300, 0, 100, 10, 100, 0, 50};

  /// Suricata's keys: vlan.use-for-tracking, flow.*, flow-timeouts.*.
  [[nodiscard]] static FlowOptions from(const Settings& settings);
};

struct FlowCountersTotal {
  std::uint64_t created = 0, ended_timeout = 0, ended_forced = 0, ended_reuse = 0;
  std::uint64_t emergencies = 0;                ///< times the table entered emergency mode
  std::uint64_t refused = 0;                    ///< packets left without a flow (no memory at all)
  std::uint64_t by_proto[5] = {0, 0, 0, 0, 0};  ///< tcp, udp, icmpv4, icmpv6, other
};

/// The part of a packet that names its flow. For an ICMP error it is the packet inside that names
/// it.
struct FlowKey {
  IpAddress src, dst;
  std::uint16_t sport = 0, dport = 0;
  std::uint8_t ip_proto = 0;
  std::array<std::uint16_t, 3> vlan{};
  std::uint8_t vlan_count = 0;
  std::uint8_t tunnel_depth = 0;
  bool icmp_error = false;  ///< made from the packet inside an ICMP destination-unreachable message
};

/// Key of a packet; nothing when it can have no flow (not IP, a fragment, or no whole transport
/// header).
[[nodiscard]] bool make_flow_key(const sig::Packet& packet, const FlowOptions& options,
                                 FlowKey& key);
/// Key of an undecoded frame, for foresight: TCP and UDP over Ethernet with up to three VLAN tags,
/// without fragments, IPv6 extension headers and tunnels. Nothing for anything else.
[[nodiscard]] bool guess_flow_key(Bytes frame, int datalink, const FlowOptions& options,
                                  FlowKey& key);
/// Same value for both directions of a flow. Also chooses the worker.
[[nodiscard]] std::uint64_t flow_hash(const FlowKey& key, std::uint64_t seed);

class FlowTable {
 public:
  /// Called when a flow ends, before its record is reused. Must not touch the table.
  using Ended = std::function<void(Flow&, FlowEnd)>;
  /// Asked for a TCP packet of a known flow: does it start a new connection that reuses the ports?
  using Reuses = std::function<bool(const Flow&, const sig::Packet&)>;

  FlowTable(const FlowOptions& options, std::size_t max_flows, Ended ended, Reuses reuses = {});
  ~FlowTable();
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;

  /// The packet's flow, made when it is new. Sets packet.flow and packet.dir and counts the packet.
  Flow* take(sig::Packet& packet);
  /// Tells of the frame that comes after those told of before: what its flow keeps is fetched into
  /// the cache step by step, a few packets ahead of take(). A hint, and free to be wrong.
  void foresee(Bytes frame, int datalink);
  /// A flow by key without making one.
  [[nodiscard]] Flow* find(const FlowKey& key, std::uint64_t hash);
  /// Moves time on and ends what expired. Cheap when the second did not change.
  void advance(Timestamp now);
  /// Ends one flow now.
  void end(Flow& flow, FlowEnd reason);
  /// Ends every flow, oldest start first.
  void end_all(FlowEnd reason);
  /// Call after the state of a flow changed, so that its (maybe shorter) timeout is obeyed.
  void reschedule(Flow& flow);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool emergency() const { return emergency_; }
  [[nodiscard]] const FlowCountersTotal& totals() const { return totals_; }
  /// Runs over all flows, for statistics and tests.
  void for_each(const std::function<void(Flow&)>& visit);

 private:
  static constexpr std::size_t wheel_slots = 1024;
  static constexpr std::size_t slab_flows = 256;

  Flow* create(const FlowKey& key, std::uint64_t hash, sig::Packet& packet);
  Flow* allocate();
  void unlink(Flow& flow);
  void schedule(Flow& flow);
  void unschedule(Flow& flow);
  [[nodiscard]] std::int64_t timeout_us(const Flow& flow) const;
  [[nodiscard]] bool expired(const Flow& flow, Timestamp now) const;
  void make_room();
  void count_packet(Flow& flow, sig::Packet& packet);

  static constexpr std::size_t foreseen_packets = 4;
  FlowOptions options_;
  std::array<std::uint64_t, foreseen_packets> foreseen_{};  ///< hashes, a ring
  std::size_t foreseen_at_ = 0;
  std::size_t max_flows_;
  Ended ended_;
  Reuses reuses_;
  std::vector<Flow*> buckets_;
  std::uint64_t mask_;
  std::array<Flow*, wheel_slots> wheel_{};
  std::int64_t wheel_now_ = 0;  ///< second up to which the wheel was swept
  bool clock_started_ = false;
  Timestamp now_;
  std::vector<std::unique_ptr<Flow[]>> slabs_;
  Flow* free_ = nullptr;
  std::size_t size_ = 0;
  bool emergency_ = false;
  FlowCountersTotal totals_;
};

}  // namespace ww::sensor
