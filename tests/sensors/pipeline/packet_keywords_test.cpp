/// Keywords on the headers of packets, over frames as they come from the wire.
#include "sensors/decode/checksum.hpp"
#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

struct V4 {
  std::string options = {};
  unsigned flags_offset = 0x4000, tos = 0, ttl = 64, id = 1;
  std::uint64_t src = 0x0a000001, dst = 0xc0000201;
  bool wrong_checksum = false;
};
void put16(std::string& s, std::size_t at, unsigned v) {
  s[at] = static_cast<char>(v >> 8);
  s[at + 1] = static_cast<char>(v);
}
unsigned sum(const std::string& s, std::uint32_t start = 0) {
  return decode::checksum_finish(decode::checksum_add(as_bytes(s), start));
}
std::string ethernet(unsigned type, const std::string& payload) {
  Octets o;
  o.text(mac_b).text(mac_a).u16(type).text(payload);
  return o.out;
}
std::string v4(const V4& h, unsigned proto, const std::string& l4) {
  Octets o;
  o.u8(0x45 + static_cast<unsigned>(h.options.size()) / 4).u8(h.tos);
  o.u16(static_cast<unsigned>(20 + h.options.size() + l4.size())).u16(h.id).u16(h.flags_offset);
  o.u8(h.ttl).u8(proto).u16(0).u32(h.src).u32(h.dst).text(h.options);
  put16(o.out, 10, sum(o.out) ^ (h.wrong_checksum ? 1 : 0));
  return ethernet(0x0800, o.out + l4);
}
const std::string v6_src("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
const std::string v6_dst("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
std::string v6(unsigned next, const std::string& payload) {
  Octets o;
  o.u32(0x60000000).u16(static_cast<unsigned>(payload.size())).u8(next).u8(64);
  return ethernet(0x86dd, o.text(v6_src).text(v6_dst).text(payload).out);
}
/// The transport header with its checksum at `at`, over the pseudo header of the version.
std::string summed(int version, unsigned proto, std::string l4, std::size_t at, bool wrong) {
  Octets pseudo;
  if (version == 4)
    pseudo.u32(0x0a000001).u32(0xc0000201).u16(proto).u16(static_cast<unsigned>(l4.size()));
  else
    pseudo.text(v6_src).text(v6_dst).u32(l4.size()).u32(proto);
  put16(l4, at, sum(pseudo.out + l4) ^ (wrong ? 1 : 0));
  return l4;
}
struct Segment {
  unsigned flags = 2;
  std::uint64_t seq = 1000, ack = 0;
  std::string options = {}, payload = {};
};
std::string tcp(const Segment& s) {
  Octets o;
  o.u16(40000).u16(80).u32(s.seq).u32(s.ack);
  o.u8((5 + static_cast<unsigned>(s.options.size()) / 4) << 4).u8(s.flags).u16(65535).u32(0);
  return o.text(s.options).text(s.payload).out;
}
std::string udp_of(const std::string& payload) {
  Octets o;
  return o.u16(5000)
      .u16(53000)
      .u16(static_cast<unsigned>(8 + payload.size()))
      .u16(0)
      .text(payload)
      .out;
}
std::string icmp(unsigned type, unsigned code, unsigned id, unsigned seq,
                 const std::string& payload = "") {
  Octets o;
  o.u8(type).u8(code).u16(0).u16(id).u16(seq).text(payload);
  put16(o.out, 2, sum(o.out));
  return o.out;
}

/// Alerts of one rule over frames.
std::size_t hits(const std::string& rule, const std::vector<std::string>& frames,
                 decode::ChecksumMode checksums = decode::ChecksumMode::none) {
  Sensor s("alert " + rule + " sid:1;)\n", {}, "", checksums);
  s.frames(frames);
  s.finish();
  return s.alerts(1);
}
std::size_t ip_hits(const std::string& options, const std::string& frame) {
  return hits("ip any any -> any any (" + options, {frame});
}

TEST(IpKeywords, FragmentBitsAndOffset) {
  const auto first = v4({.flags_offset = 0x2000}, 17, udp_of(std::string(16, 'a')));
  const auto later = v4({.flags_offset = 0x2003}, 17, std::string(16, 'b'));
  const auto whole = v4({.flags_offset = 0x4000}, 17, udp_of("x"));
  EXPECT_EQ(ip_hits("fragbits:M;", first), 1U);
  EXPECT_EQ(ip_hits("fragbits:D;", first), 0U);
  EXPECT_EQ(ip_hits("fragbits:D;", whole), 1U);
  EXPECT_EQ(ip_hits("fragbits:!M;", whole), 1U);
  EXPECT_EQ(ip_hits("fragbits:!D;", whole), 0U);
  EXPECT_EQ(ip_hits("fragbits:*MD;", first), 1U);
  EXPECT_EQ(ip_hits("fragbits:+MD;", first), 0U);
  EXPECT_EQ(ip_hits("fragbits:R;", v4({.flags_offset = 0x8000}, 17, udp_of("x"))), 1U);
  EXPECT_EQ(ip_hits("fragoffset:0;", first), 1U);
  EXPECT_EQ(ip_hits("fragoffset:3;", later), 1U);
  EXPECT_EQ(ip_hits("fragoffset:>2;", later), 1U);
  EXPECT_EQ(ip_hits("fragoffset:!3;", later), 0U);
  // IPv6: octets, and only where there is a fragment header.
  Octets fragment;
  fragment.u8(17).u8(0).u16(24 | 1).u32(7).text(std::string(16, 'c'));
  EXPECT_EQ(ip_hits("fragoffset:24;", v6(44, fragment.out)), 1U);
  EXPECT_EQ(ip_hits("fragoffset:3;", v6(44, fragment.out)), 0U);
  EXPECT_EQ(ip_hits("fragoffset:0;", v6(17, udp_of("x"))), 0U);
}

TEST(IpKeywords, OptionsByName) {
  const auto with = [](const std::string& options) {
    return v4({.options = options}, 17, udp_of("x"));
  };
  const std::string record_route("\x07\x07\x04\0\0\0\0\0", 8),
      source_route("\x83\x07\x04\0\0\0\0\0", 8);
  const std::string strict("\x89\x07\x04\0\0\0\0\0", 8), stamp("\x44\x08\x05\0\0\0\0\0", 8);
  const std::string stream_id("\x88\x04\0\x01", 4), alert("\x94\x04\0\0", 4),
      none("\x01\x01\x01\0", 4);
  EXPECT_EQ(ip_hits("ipopts:rr;", with(record_route)), 1U);
  EXPECT_EQ(ip_hits("ipopts:lsrr;", with(record_route)), 0U);
  EXPECT_EQ(ip_hits("ipopts:lsrr;", with(source_route)), 1U);
  EXPECT_EQ(ip_hits("ipopts:ssrr;", with(strict)), 1U);
  EXPECT_EQ(ip_hits("ipopts:ts;", with(stamp)), 1U);
  EXPECT_EQ(ip_hits("ipopts:satid;", with(stream_id)), 1U);
  EXPECT_EQ(ip_hits("ipopts:rtralt;", with(alert)), 1U);
  EXPECT_EQ(ip_hits("ipopts:nop;", with(none)), 1U);
  EXPECT_EQ(ip_hits("ipopts:eol;", with(none)), 1U);
  EXPECT_EQ(ip_hits("ipopts:any;", with(strict)), 1U);
  EXPECT_EQ(ip_hits("ipopts:any;", v4({}, 17, udp_of("x"))), 0U);
}

TEST(IpKeywords, SameAddressOnBothSides) {
  EXPECT_EQ(ip_hits("sameip;", v4({.dst = 0x0a000001}, 17, udp_of("x"))), 1U);
  EXPECT_EQ(ip_hits("sameip;", v4({}, 17, udp_of("x"))), 0U);
}

TEST(IpKeywords, HeadersAndAddressesAsBuffers) {
  const auto four = v4({.tos = 0x10, .ttl = 9}, 17, udp_of("x"));
  EXPECT_EQ(ip_hits("ipv4.hdr; content:\"|45 10|\"; startswith; content:\"|09 11|\"; offset:8; "
                    "depth:2; bsize:20;",
                    four),
            1U);
  EXPECT_EQ(ip_hits("ipv4.hdr; content:\"|13 88|\";", four), 0U);  // the ports are behind it
  EXPECT_EQ(ip_hits("ip.src; content:\"|0a 00 00 01|\"; bsize:4;", four), 1U);
  EXPECT_EQ(ip_hits("ip.dst; content:\"|c0 00 02 01|\"; bsize:4;", four), 1U);
  EXPECT_EQ(ip_hits("ip.dst; content:\"|0a 00 00 01|\";", four), 0U);
  const auto six = v6(0, std::string("\x11\0\x01\x04\0\0\0\0", 8) + udp_of("x"));
  EXPECT_EQ(ip_hits("ipv6.hdr; content:\"|60|\"; startswith; bsize:48;", six),
            1U);  // hop-by-hop too
  EXPECT_EQ(ip_hits("ipv6.hdr; content:\"|13 88|\";", six), 0U);
  EXPECT_EQ(ip_hits("ipv6.hdr; content:\"|45|\";", four), 0U);
  EXPECT_EQ(ip_hits("ip.src; content:\"|20 01 0d b8|\"; startswith; bsize:16;", six), 1U);
}

TEST(TcpKeywords, NumbersOfTheHeaderAndItsOptions) {
  const std::string options("\x02\x04\x02\x00\x01\x03\x03\x0b", 8);
  const auto syn = v4({}, 6, tcp({.seq = 4000000000, .options = options}));
  const auto tcp_hits = [](const std::string& options_wanted, const std::string& frame) {
    return hits("tcp any any -> any any (" + options_wanted, {frame});
  };
  EXPECT_EQ(tcp_hits("tcp.seq:4000000000;", syn), 1U);
  EXPECT_EQ(tcp_hits("tcp.seq:<4000000000;", syn), 0U);
  EXPECT_EQ(tcp_hits("tcp.ack:0; seq:4000000000; ack:0;", syn), 1U);
  EXPECT_EQ(tcp_hits("tcp.ack:>0;", syn), 0U);
  EXPECT_EQ(tcp_hits("tcp.mss:512;", syn), 1U);
  EXPECT_EQ(tcp_hits("tcp.mss:<536;", syn), 1U);
  EXPECT_EQ(tcp_hits("tcp.mss:123-512;", syn), 0U);  // both ends exclusive
  EXPECT_EQ(tcp_hits("tcp.mss:511-513;", syn), 1U);
  EXPECT_EQ(tcp_hits("tcp.wscale:11;", syn), 1U);
  EXPECT_EQ(tcp_hits("tcp.wscale:>11;", syn), 0U);
  EXPECT_EQ(
      tcp_hits(
          "tcp.hdr; content:\"|02 04|\"; offset:20; byte_test:2,<,536,0,big,relative; bsize:28;",
          syn),
      1U);
  EXPECT_EQ(
      tcp_hits("tcp.hdr; content:\"|02 04|\"; offset:20; byte_test:2,>,536,0,big,relative;", syn),
      0U);
  const auto plain = v4({}, 6, tcp({}));
  EXPECT_EQ(tcp_hits("tcp.mss:!1;", plain), 0U);  // there is none
  EXPECT_EQ(tcp_hits("tcp.wscale:!1;", plain), 0U);
  EXPECT_EQ(ip_hits("tcp.seq:!1;", v4({}, 17, udp_of("x"))), 0U);
}

TEST(UdpKeywords, HeaderAsABuffer) {
  EXPECT_EQ(
      hits("udp any any -> any any (udp.hdr; content:\"|00 08|\"; offset:4; depth:2; bsize:8;",
           {v4({}, 17, udp_of(""))}),
      1U);
  EXPECT_EQ(hits("udp any any -> any any (udp.hdr; content:\"|00 08|\"; offset:4; depth:2;",
                 {v4({}, 17, udp_of("x"))}),
            0U);
}

TEST(IcmpKeywords, TypeCodeIdentifierAndSequence) {
  const auto icmp_hits = [](const std::string& options, const std::string& frame) {
    return hits("icmp any any -> any any (" + options, {frame});
  };
  const auto echo = v4({}, 1, icmp(8, 0, 0x1234, 7, "ping"));
  const auto unreachable = v4({}, 1, icmp(3, 13, 0x1234, 7, v4({}, 17, udp_of("x")).substr(14)));
  EXPECT_EQ(icmp_hits("itype:8;", echo), 1U);
  EXPECT_EQ(icmp_hits("itype:>10;", echo), 0U);
  EXPECT_EQ(icmp_hits("itype:7<>9;", echo), 1U);
  EXPECT_EQ(icmp_hits("itype:8<>10;", echo), 0U);
  EXPECT_EQ(icmp_hits("icode:0;", echo), 1U);
  EXPECT_EQ(icmp_hits("icode:>5;", unreachable), 1U);
  EXPECT_EQ(icmp_hits("icode:!13;", unreachable), 0U);
  EXPECT_EQ(icmp_hits("icmp_id:4660;", echo), 1U);
  EXPECT_EQ(icmp_hits("icmp_id:\"4660\";", echo), 1U);
  EXPECT_EQ(icmp_hits("icmp_id:0;", echo), 0U);
  EXPECT_EQ(icmp_hits("icmp_id:4660;", unreachable), 0U);  // no such field in an error
  EXPECT_EQ(icmp_hits("icmp_seq:7;", echo), 1U);
  EXPECT_EQ(icmp_hits("icmp_seq:8;", echo), 0U);
  EXPECT_EQ(icmp_hits("icmp_seq:!8;", unreachable), 0U);
  EXPECT_EQ(
      icmp_hits("icmpv4.hdr; content:\"|08 00|\"; startswith; content:\"|12 34 00 07|\"; bsize:8;",
                echo),
      1U);
  EXPECT_EQ(icmp_hits("icmpv4.hdr; content:\"ping\";", echo), 0U);
  const auto echo6 = v6(58, icmp(128, 0, 0x1234, 7, "ping"));
  const auto big = v6(58, icmp(2, 0, 0, 1280, v6(17, udp_of("x")).substr(14)));
  EXPECT_EQ(icmp_hits("itype:128; icmp_id:4660; icmp_seq:7;", echo6), 1U);
  EXPECT_EQ(icmp_hits("icmpv6.hdr; content:\"|80 00|\"; startswith; bsize:8;", echo6), 1U);
  EXPECT_EQ(icmp_hits("icmpv6.hdr; content:\"|08|\"; startswith;", echo), 0U);
  EXPECT_EQ(icmp_hits("icmpv6.mtu:1280;", big), 1U);
  EXPECT_EQ(icmp_hits("icmpv6.mtu:<1280;", big), 0U);
  EXPECT_EQ(icmp_hits("icmpv6.mtu:!1;", echo6), 0U);
}

TEST(ChecksumKeywords, RightAndWrongOnes) {
  struct Case {
    const char* keyword;
    const char* proto;
    std::string right, wrong;
  };
  const auto t = tcp({}), u = udp_of("x");
  auto broken4 = icmp(8, 0, 1, 1), icmp6 = icmp(128, 0, 1, 1);
  broken4[7] ^= 1;
  put16(icmp6, 2, 0);
  const Case cases[] = {
      {"ipv4-csum", "ip", v4({}, 17, u), v4({.wrong_checksum = true}, 17, u)},
      {"tcpv4-csum", "tcp", v4({}, 6, summed(4, 6, t, 16, false)),
       v4({}, 6, summed(4, 6, t, 16, true))},
      {"tcpv6-csum", "tcp", v6(6, summed(6, 6, t, 16, false)), v6(6, summed(6, 6, t, 16, true))},
      {"udpv4-csum", "udp", v4({}, 17, summed(4, 17, u, 6, false)),
       v4({}, 17, summed(4, 17, u, 6, true))},
      {"udpv6-csum", "udp", v6(17, summed(6, 17, u, 6, false)), v6(17, summed(6, 17, u, 6, true))},
      {"icmpv4-csum", "icmp", v4({}, 1, icmp(8, 0, 1, 1)), v4({}, 1, broken4)},
      {"icmpv6-csum", "icmp", v6(58, summed(6, 58, icmp6, 2, false)),
       v6(58, summed(6, 58, icmp6, 2, true))},
  };
  const auto all = decode::ChecksumMode::all;
  for (const auto& c : cases) {
    const auto rule = std::string(c.proto) + " any any -> any any (" + c.keyword;
    EXPECT_EQ(hits(rule + ":invalid;", {c.wrong}, all), 1U) << c.keyword;
    EXPECT_EQ(hits(rule + ":invalid;", {c.right}, all), 0U) << c.keyword;
    EXPECT_EQ(hits(rule + ":valid;", {c.right}, all), 1U) << c.keyword;
    EXPECT_EQ(hits(rule + ":valid;", {c.wrong}, all), 0U) << c.keyword;
  }
  // Of another version or protocol there is nothing to say.
  EXPECT_EQ(hits("tcp any any -> any any (tcpv6-csum:valid;",
                 {v4({}, 6, summed(4, 6, t, 16, false))}, all),
            0U);
}

TEST(PacketEvents, DecodeAndStreamEventsByBothNames) {
  const auto bad_version = ethernet(0x0800, "\x55" + std::string(30, '\0'));
  EXPECT_EQ(hits("pkthdr any any -> any any (decode-event:ipv4.wrong_ip_version;", {bad_version}),
            1U);
  EXPECT_EQ(
      hits("pkthdr any any -> any any (engine-event:decoder.ipv4.wrong_ip_version;", {bad_version}),
      1U);
  EXPECT_EQ(hits("pkthdr any any -> any any (decode-event:ipv4.wrong_ip_version;",
                 {v4({}, 17, udp_of("x"))}),
            0U);
  // The answer of the handshake acknowledges what was never sent.
  const std::vector<std::string> frames = {
      v4({}, 6, tcp({.seq = 1000})),
      ipv4(6, Octets().u16(80).u16(40000).u32(2000).u32(777).u8(0x50).u8(0x12).u16(9999).u32(0).out,
           true)};
  EXPECT_EQ(hits("tcp any any -> any any (stream-event:3whs_synack_with_wrong_ack;", frames), 1U);
  EXPECT_EQ(hits("tcp any any -> any any (stream-event:3whs_synack_in_wrong_direction;", frames),
            0U);
}

TEST(VxlanKeyword, KnowsTheNetworkAroundThePacket) {
  const auto inner = v4({}, 17, udp_of("inside"));
  Octets outer;
  outer.u16(40000).u16(4789).u16(static_cast<unsigned>(16 + inner.size())).u16(0);
  outer.u8(8).u8(0).u16(0).u8(0).u16(0x00ab).u8(0).text(inner);
  const auto wrapped = v4({}, 17, outer.out);
  EXPECT_EQ(hits("udp any any -> any any (content:\"inside\"; vxlan_vni:171;", {wrapped}), 1U);
  EXPECT_EQ(hits("udp any any -> any any (content:\"inside\"; vxlan_vni:10;", {wrapped}), 0U);
  EXPECT_EQ(hits("udp any any -> any any (content:\"inside\"; vxlan_vni:!10;", {inner}), 0U);
}

}  // namespace
}  // namespace ww::sensor::test
