/// Buffers cut from the packet itself: ipv4.hdr, ipv6.hdr, tcp.hdr, udp.hdr, icmpv4.hdr,
/// icmpv6.hdr, igmp.hdr, ether.hdr, ip.src, ip.dst.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

Bytes ip_header(const Packet& p) {
  return p.ip.first(std::min<std::size_t>(p.ip_header_length, p.ip.size()));
}
Bytes ipv4(const Packet& p) { return p.ip_version == 4 ? ip_header(p) : Bytes{}; }
Bytes ipv6(const Packet& p) {
  if (p.ip_version != 6) return {};
  // With extension headers: everything up to the transport header.
  const auto length =
      p.l4.data() && p.l4.data() > p.ip.data() && p.l4.data() <= p.ip.data() + p.ip.size()
          ? static_cast<std::size_t>(p.l4.data() - p.ip.data())
          : std::min<std::size_t>(p.ip_header_length, p.ip.size());
  return p.ip.first(length);
}
Bytes l4_header(const Packet& p, std::uint8_t proto) {
  return p.ip_proto == proto && p.has_l4
             ? p.l4.first(std::min<std::size_t>(p.l4_header_length, p.l4.size()))
             : Bytes{};
}
Bytes tcp(const Packet& p) { return l4_header(p, 6); }
Bytes udp(const Packet& p) { return l4_header(p, 17); }
Bytes icmpv4(const Packet& p) {
  return p.ip_proto == 1 && p.has_l4 ? p.l4.first(std::min<std::size_t>(8, p.l4.size())) : Bytes{};
}
Bytes icmpv6(const Packet& p) {
  return p.ip_proto == 58 && p.has_l4 ? p.l4.first(std::min<std::size_t>(8, p.l4.size())) : Bytes{};
}
Bytes igmp(const Packet& p) {
  return p.ip_version == 4 && p.ip_proto == 2 ? p.l4.first(std::min<std::size_t>(8, p.l4.size()))
                                              : Bytes{};
}
Bytes ethernet(const Packet& p) { return p.ethernet; }
Bytes source(const Packet& p) { return p.src.bytes(); }
Bytes destination(const Packet& p) { return p.dst.bytes(); }

Keyword row(const char* name, const char* summary, const char* example,
            Bytes (*get)(const Packet&)) {
  return {.name = name,
          .group = "packet",
          .summary = summary,
          .example = std::string(name) + "; " + example,
          .value = Keyword::Value::none,
          .setup = &setup_buffer,
          .buffer = name,
          .packet_bytes = get};
}
const KeywordRegistration registration{{
    row("ipv4.hdr", "IPv4 header", "content:\"|45|\"; startswith;", &ipv4),
    row("ipv6.hdr", "IPv6 header with its extension headers", "content:\"|60|\"; startswith;",
        &ipv6),
    row("tcp.hdr", "TCP header with options", "content:\"|02 04|\";", &tcp),
    row("udp.hdr", "UDP header", "content:\"|00 35|\";", &udp),
    row("icmpv4.hdr", "ICMP header", "content:\"|08|\"; startswith;", &icmpv4),
    row("icmpv6.hdr", "ICMPv6 header", "content:\"|80|\"; startswith;", &icmpv6),
    row("igmp.hdr", "IGMP header", "content:\"|16|\"; startswith;", &igmp),
    row("ether.hdr", "Ethernet header: destination, source, type",
        "content:\"|08 06|\"; offset:12; depth:2;", &ethernet),
    row("ip.src", "source address, 4 or 16 octets", "dataset:set,scanners,type ip;", &source),
    row("ip.dst", "destination address, 4 or 16 octets", "dataset:set,victims,type ip;",
        &destination),
}};

}  // namespace
}  // namespace ww::sig
