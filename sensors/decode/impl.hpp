#pragma once
/// Inside of Decoder, shared by the files that hold one layer each. Not for use elsewhere.
#include <array>
#include <memory>
#include <vector>

#include "sensors/decode/decoder.hpp"
#include "sensors/decode/defrag.hpp"

namespace ww::decode {

using sig::Packet;
using sig::PacketOrigin;

namespace ethertype {
constexpr std::uint16_t ipv4 = 0x0800, arp = 0x0806, teb = 0x6558, vlan = 0x8100, ipv6 = 0x86dd,
                        ppp = 0x880b, mpls = 0x8847, mpls_multicast = 0x8848,
                        pppoe_discovery = 0x8863, pppoe_session = 0x8864, qinq_802_1ad = 0x88a8,
                        erspan = 0x88be, ah_802_1 = 0x88e7, dce = 0x8903, vntag = 0x8926,
                        nsh = 0x894f, qinq = 0x9100;
}
namespace ip_proto {
constexpr std::uint8_t hop_by_hop = 0, icmp = 1, ipip = 4, tcp = 6, udp = 17, ipv6 = 41,
                       routing = 43, fragment = 44, gre = 47, esp = 50, ah = 51, icmpv6 = 58,
                       none = 59, dst_options = 60, sctp = 132, mobility = 135, hip = 139,
                       shim6 = 140;
}

/// A packet under construction.
struct Slot {
  Packet packet;
  std::uint8_t layers = 0;  ///< headers so far, those of its carriers included
};

/// UDP ports that carry a tunnel.
struct TunnelPorts {
  bool enabled = true;
  bool any = false;
  std::vector<std::uint16_t> ports;
  [[nodiscard]] bool has(std::uint16_t port) const {
    for (const auto p : ports)
      if (p == port) return true;
    return false;
  }
};

class Decoder::Impl {
 public:
  Impl(const Settings& settings, ChecksumMode checksums,
       std::function<void(const ChecksumFinding&)> found);
  void decode(Bytes frame, int datalink, Timestamp time, std::uint64_t number, Sink& sink,
              std::uint16_t interface_index);
  const Counters& counters();

 private:
  // A layer function reads its header from the front of the octets and goes on with the next layer.
  // It returns false when there was nothing that could be called a packet of that layer; a tunnel
  // that carries such octets gives no packet of its own.

  // link.cpp
  bool datalink(Slot& s, Bytes b, int type);
  bool ethernet(Slot& s, Bytes b);
  bool network(Slot& s, Bytes b, std::uint16_t type);
  bool vlan(Slot& s, Bytes b, std::uint16_t tag_type);
  bool vntag(Slot& s, Bytes b);
  bool mac_in_mac(Slot& s, Bytes b);
  bool fabric_path(Slot& s, Bytes b);
  bool mpls(Slot& s, Bytes b);
  bool ppp(Slot& s, Bytes b);
  bool ppp_protocol(Slot& s, Bytes b, std::uint16_t protocol);
  bool pppoe_session(Slot& s, Bytes b);
  bool pppoe_discovery(Slot& s, Bytes b);
  bool linux_cooked(Slot& s, Bytes b);
  bool linux_cooked2(Slot& s, Bytes b);
  bool null_loopback(Slot& s, Bytes b, bool big_endian);
  bool raw_ip(Slot& s, Bytes b);
  bool cisco_hdlc(Slot& s, Bytes b);
  bool arp(Slot& s, Bytes b);
  bool nsh(Slot& s, Bytes b);

  // ipv4.cpp
  bool ipv4(Slot& s, Bytes b);
  void ipv4_options(Slot& s, Bytes options);
  void ipv4_fragment(Slot& s, Bytes data);
  void ipv4_payload(Slot& s, Bytes b);

  // ipv6.cpp
  struct Ipv6Walk;
  bool ipv6(Slot& s, Bytes b);
  bool ipv6_payload(Slot& s, Ipv6Walk& walk);
  void ipv6_options(Slot& s, Bytes options, bool hop_by_hop);
  void ipv6_fragment(Slot& s, const Ipv6Walk& walk);
  void in_ipv6(Slot& s, Bytes b, std::uint8_t version);

  // icmp.cpp
  bool icmpv4(Slot& s, Bytes b);
  bool icmpv6(Slot& s, Bytes b);
  void quoted_ipv4(Slot& s, Bytes b);
  void quoted_ipv6(Slot& s, Bytes b);

  // transport.cpp
  bool tcp(Slot& s, Bytes b);
  void tcp_options(Slot& s, Bytes options);
  bool udp(Slot& s, Bytes b);
  bool sctp(Slot& s, Bytes b);
  bool esp(Slot& s, Bytes b);
  bool wants_l4_checksum() const { return verify_; }

  // tunnel.cpp
  bool gre(Slot& s, Bytes b);
  bool gre_payload(Slot& s, Bytes b, std::uint16_t protocol, bool erspan_without_header);
  bool teredo(Slot& s, Bytes b);
  bool vxlan(Slot& s, Bytes b);
  bool geneve(Slot& s, Bytes b);
  bool erspan(Slot& s, Bytes b);

  using Layer = bool (Impl::*)(Slot&, Bytes);
  /// Decodes what a tunnel carries as a packet of its own.
  /// @param guess  the tunnel is only suspected (Teredo): what does not decode leaves no trace
  bool tunnel(Slot& carrier, Bytes inner, Layer layer, PacketOrigin origin, bool guess = false);
  bool vlan_in_tunnel(Slot& s, Bytes b) { return vlan(s, b, ethertype::vlan); }
  /// Decodes a datagram made from fragments; link headers stand before it in the frame.
  void rebuilt(Slot& last, Bytes frame, std::size_t datagram_at, Layer layer);

  Slot* take_slot();
  void set_event(Slot& s, Event e);
  /// Raises the event and marks the packet as one that must not be tracked.
  bool invalid(Slot& s, Event e, bool result = false) {
    set_event(s, e);
    s.packet.invalid = true;
    return result;
  }
  /// Counts a layer; false once there are too many (tunnels in tunnels).
  bool enter(Slot& s) {
    if (++s.layers < max_layers_) return true;
    return invalid(s, Event::too_many_layers);
  }
  void learn_checksums(const Packet& p);
  /// Of a TCP or UDP segment whose checksum field is at `at`.
  void verify(Packet& p, std::uint8_t proto, std::size_t at);
  [[nodiscard]] DatagramKey datagram_key(const Packet& p, std::uint32_t id) const;
  void defragment(Slot& s, Fragment f, Layer layer);

  static constexpr std::size_t max_packets =
      33;  // decoder.max-layers at most 32, plus the captured one
  std::uint8_t max_layers_ = 16;
  bool vxlan_strict_ = true;
  bool verify_ = true;
  bool learning_, accept_left_;  ///< still within the sample; offloaded ones count as right
  ChecksumFinding checksum_;
  std::function<void(const ChecksumFinding&)> found_;
  TunnelPorts vxlan_ports_, geneve_ports_, teredo_ports_;
  Counters counters_;
  Defrag defrag_;
  std::unique_ptr<std::array<Slot, max_packets>> slots_;
  std::size_t used_ = 0;
  std::array<Slot*, max_packets> ready_{};  ///< in the order of delivery
  std::size_t ready_count_ = 0;
  std::vector<std::vector<std::uint8_t>>
      rebuild_buffers_;  ///< kept; one per datagram rebuilt in one frame
  std::size_t buffers_used_ = 0;
};

}  // namespace ww::decode
