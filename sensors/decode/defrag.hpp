#pragma once
/// IP defragmentation: RFC 791 section 3.2 and RFC 8200 section 4.5, with the overlap behaviour of
/// the receiving operating system (Novak, "Target-Based Fragmentation Reassembly", 2005).
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/ip.hpp"
#include "telemetry/settings.hpp"

namespace ww::decode {

/// Who wins the octets that two fragments both carry. "Old" arrived first.
enum class OverlapPolicy : std::uint8_t {
  first,      ///< old, always
  last,       ///< new, always
  bsd,        ///< old when it starts at or before new
  bsd_right,  ///< new when old starts at or before it
  linux_,     ///< old when it starts before new
  windows,    ///< old, unless new starts before and ends after it
  solaris     ///< old, unless new starts before and ends at or after it
};

/// True when the new fragment [new_begin, new_end) takes octets that [old_begin, old_end) holds.
[[nodiscard]] bool new_wins(OverlapPolicy policy, std::uint32_t old_begin, std::uint32_t old_end,
                            std::uint32_t new_begin, std::uint32_t new_end);

/// The overlap policy of a name used in `host-os-policy` (windows, bsd, bsd-right, linux,
/// old-linux, solaris, old-solaris, hpux10, hpux11, irix, macos, vista, windows2k3, first, last).
[[nodiscard]] std::optional<OverlapPolicy> overlap_policy(std::string_view os_name);

/// Limits and policies. Defaults are Suricata's.
struct DefragConfig {
  std::uint64_t memcap = 32ULL << 20;  ///< octets held over all trackers, bookkeeping included
  std::uint32_t max_trackers =
      65535;  ///< datagrams being rebuilt; the longest untouched one makes room
  std::uint32_t max_fragments = 65535;  ///< pieces held over all trackers
  std::int64_t timeout_us = 60'000'000;
  bool use_vlan = true;  ///< datagrams of different VLANs are different
  struct HostPolicy {
    IpNetwork network;
    OverlapPolicy policy;
  };
  std::vector<HostPolicy>
      policies;  ///< longest prefix first; looked up by destination, default bsd
  struct HostTimeout {
    IpNetwork network;
    std::int64_t timeout_us;
  };
  std::vector<HostTimeout> timeouts;  ///< longest prefix first; by destination

  /// Reads defrag.*, host-os-policy.* and vlan.use-for-tracking.
  [[nodiscard]] static DefragConfig from(const Settings& settings);
};

/// What identifies the datagram that a fragment belongs to.
struct DatagramKey {
  IpAddress src, dst;
  std::uint32_t id = 0;
  std::uint8_t proto = 0;  ///< IPv4 only
  std::array<std::uint16_t, 3> vlan{};
  bool operator==(const DatagramKey&) const = default;
};

struct Fragment {
  DatagramKey key;
  std::uint32_t offset = 0;  ///< octets; offset + data.size() fits a datagram (the caller checked)
  bool more = false;
  Bytes link;  ///< what stood before the IP header in the frame; goes with the first fragment
  /// IPv4 header with options; IPv6 header with the extension headers before the fragment header.
  Bytes header;
  std::uint16_t next_header_at =
      0;  ///< IPv6: where in `header` the next-header octet to rewrite stands
  std::uint8_t next_header = 0;  ///< IPv6: what follows the fragment header
  Bytes data;
};

enum class DefragResult : std::uint8_t {
  held,       ///< waiting for more
  rebuilt,    ///< the whole datagram is in the output
  too_large,  ///< the rebuilt datagram would exceed 65535 octets: dropped
  refused     ///< a limit was reached: the fragment was not kept
};

/// Tables of one thread. Cost of a fragment: logarithmic in the pieces of its datagram, plus its
/// octets.
class Defrag {
 public:
  explicit Defrag(DefragConfig config);

  struct Outcome {
    DefragResult result = DefragResult::held;
    bool overlap = false;  ///< some octets were already held
    std::size_t datagram_at =
        0;  ///< where the IP header starts in the output, after the link headers
  };
  /// @param out  receives link headers and datagram when the result is `rebuilt`
  Outcome add(const Fragment& fragment, Timestamp now, std::vector<std::uint8_t>& out);

  [[nodiscard]] std::uint64_t memory() const { return memory_; }
  [[nodiscard]] std::uint32_t trackers() const { return live_; }
  [[nodiscard]] std::uint64_t timeouts() const { return timeouts_; }
  [[nodiscard]] std::uint64_t max_trackers_reached() const { return max_trackers_reached_; }
  [[nodiscard]] std::uint64_t max_fragments_reached() const { return max_fragments_reached_; }
  [[nodiscard]] std::uint64_t memcap_drops() const { return memcap_drops_; }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  /// Octets [begin, end) of the datagram, owned by the fragment that arrived as [own_begin,
  /// own_end).
  struct Piece {
    std::uint32_t begin, end, own_begin, own_end;
    std::uint32_t at;  ///< position in Tracker::octets
  };
  struct Tracker {
    DatagramKey key;
    std::uint64_t hash = 0;
    Timestamp expires;
    std::uint32_t chain = none, older = none, newer = none;
    OverlapPolicy policy = OverlapPolicy::bsd;
    bool seen_last = false;
    std::uint32_t end = 0;      ///< datagram length once the last fragment was seen
    std::uint32_t held = 0;     ///< octets covered by pieces
    std::uint64_t charged = 0;  ///< part of memory_
    std::uint8_t next_header = 0;
    std::uint16_t next_header_at = 0;
    std::size_t link = 0;  ///< octets of `header` before the IP header
    std::vector<std::uint8_t> header;
    std::vector<std::uint8_t> octets;
    std::vector<Piece> pieces;  ///< sorted, disjoint
  };

  std::uint32_t find(const DatagramKey& key, std::uint64_t hash) const;
  std::uint32_t create(const DatagramKey& key, std::uint64_t hash);
  void remove(std::uint32_t index);
  void touch(std::uint32_t index);
  void unlink(std::uint32_t index);
  void expire(Timestamp now);
  bool insert(Tracker& t, const Fragment& f, bool& overlap);
  static void compact(Tracker& t);
  void recharge(Tracker& t);
  [[nodiscard]] static bool complete(const Tracker& t);
  static DefragResult rebuild(const Tracker& t, std::vector<std::uint8_t>& out);
  [[nodiscard]] std::int64_t timeout_for(const IpAddress& dst) const;
  [[nodiscard]] OverlapPolicy policy_for(const IpAddress& dst) const;

  DefragConfig config_;
  std::uint64_t seed_;
  std::vector<std::uint32_t> buckets_;
  std::vector<Tracker> trackers_;
  std::vector<std::uint32_t> free_;
  std::vector<Piece> scratch_;
  std::uint32_t oldest_ = none, newest_ = none, live_ = 0;
  std::uint64_t memory_ = 0, fragments_ = 0;
  std::uint64_t timeouts_ = 0, max_trackers_reached_ = 0, max_fragments_reached_ = 0,
                memcap_drops_ = 0;
};

}  // namespace ww::decode
