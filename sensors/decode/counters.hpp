#pragma once
/// What the decoder counts, under EVE's stats names.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sensors/decode/events.hpp"

namespace ww::decode {

#define WW_DECODE_COUNTERS(X)                                   \
  X(pkts, "decoder.pkts")                                       \
  X(bytes, "decoder.bytes")                                     \
  X(invalid, "decoder.invalid")                                 \
  X(ipv4, "decoder.ipv4")                                       \
  X(ipv6, "decoder.ipv6")                                       \
  X(ethernet, "decoder.ethernet")                               \
  X(arp, "decoder.arp")                                         \
  X(unknown_ethertype, "decoder.unknown_ethertype")             \
  X(chdlc, "decoder.chdlc")                                     \
  X(raw, "decoder.raw")                                         \
  X(null, "decoder.null")                                       \
  X(sll, "decoder.sll")                                         \
  X(sll2, "decoder.sll2")                                       \
  X(tcp, "decoder.tcp")                                         \
  X(udp, "decoder.udp")                                         \
  X(sctp, "decoder.sctp")                                       \
  X(esp, "decoder.esp")                                         \
  X(icmpv4, "decoder.icmpv4")                                   \
  X(icmpv6, "decoder.icmpv6")                                   \
  X(ppp, "decoder.ppp")                                         \
  X(pppoe, "decoder.pppoe")                                     \
  X(geneve, "decoder.geneve")                                   \
  X(gre, "decoder.gre")                                         \
  X(vlan, "decoder.vlan")                                       \
  X(vlan_qinq, "decoder.vlan_qinq")                             \
  X(vlan_qinqinq, "decoder.vlan_qinqinq")                       \
  X(vxlan, "decoder.vxlan")                                     \
  X(vntag, "decoder.vntag")                                     \
  X(ieee8021ah, "decoder.ieee8021ah")                           \
  X(teredo, "decoder.teredo")                                   \
  X(ipv4_in_ipv4, "decoder.ipv4_in_ipv4")                       \
  X(ipv6_in_ipv4, "decoder.ipv6_in_ipv4")                       \
  X(ipv4_in_ipv6, "decoder.ipv4_in_ipv6")                       \
  X(ipv6_in_ipv6, "decoder.ipv6_in_ipv6")                       \
  X(mpls, "decoder.mpls")                                       \
  X(erspan, "decoder.erspan")                                   \
  X(nsh, "decoder.nsh")                                         \
  X(max_pkt_size, "decoder.max_pkt_size")                       \
  X(defrag_ipv4_fragments, "defrag.ipv4.fragments")             \
  X(defrag_ipv4_reassembled, "defrag.ipv4.reassembled")         \
  X(defrag_ipv6_fragments, "defrag.ipv6.fragments")             \
  X(defrag_ipv6_reassembled, "defrag.ipv6.reassembled")         \
  X(defrag_max_trackers_reached, "defrag.max_trackers_reached") \
  X(defrag_max_frags_reached, "defrag.max_frags_reached")       \
  X(defrag_memcap_drops, "defrag.memcap_drops")                 \
  X(defrag_timeouts, "defrag.mgr.tracker_timeout")              \
  X(defrag_memuse, "defrag.memuse")

enum class Counter : std::uint8_t {
#define WW_X(id, name) id,
  WW_DECODE_COUNTERS(WW_X)
#undef WW_X
      count_
};
constexpr std::size_t counter_count = static_cast<std::size_t>(Counter::count_);

/// Dotted name of the counter in EVE's stats event.
[[nodiscard]] std::string_view counter_name(Counter c);

/// Plain numbers: one decoder, one thread. Sum over workers when reporting.
struct Counters {
  std::array<std::uint64_t, counter_count> values{};
  std::array<std::uint64_t, event_count> events{};  ///< packets that raised each event
  void add(Counter c, std::uint64_t n = 1) { values[static_cast<std::size_t>(c)] += n; }
  [[nodiscard]] std::uint64_t get(Counter c) const { return values[static_cast<std::size_t>(c)]; }
};

}  // namespace ww::decode
