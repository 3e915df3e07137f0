// Link layers, tunnels, ICMP errors, checksums and settings.
#include <gtest/gtest.h>

#include "tests/sensors/decode/builder.hpp"

namespace ww::decode::test {
namespace {

Octets datagram(std::string_view payload = "inner") {
  return ipv4({.proto = 17, .src = "c0a80001", .dst = "c0a80002"}, udp(1000, 2000, text(payload)));
}
Octets datagram6(std::string_view payload = "inner") {
  return ipv6({.next = 17}, udp(1000, 2000, text(payload)));
}
Octets outer_udp(unsigned sport, unsigned dport, const Octets& payload) {
  return eth(0x0800, ipv4({.proto = 17}, udp(sport, dport, payload)));
}

TEST(Link, EveryKindLeadsToTheSamePacket) {
  const auto ip = datagram();
  const std::pair<int, Octets> frames[] = {
      {1, eth(0x0800, ip)},
      {12, ip},
      {228, ip},
      {101, ip},
      {113, hex("0000 0001 0006 020000000001 0000 0800") + ip},
      {276, hex("0800 0000 00000001 0001 00 06 0200000000010000") + ip},
      {9, hex("ff030021") + ip},
      {9, hex("0021") + ip},
      {9, hex("21") + ip},
      {50, hex("ff030021") + ip},
      {51, hex("11000001 0000 0021") + ip},
      {104, hex("0f000800") + ip},
      {0, hex("02000000") + ip},
      {0, hex("00000002") + ip},
      {108, hex("00000002") + ip},
  };
  for (const auto& [link, frame] : frames) {
    ASSERT_TRUE(datalink_supported(link)) << link;
    const auto seen = decode(frame, link);
    ASSERT_EQ(seen.size(), 1U) << link;
    EXPECT_EQ(seen[0].payload, "inner") << link;
    EXPECT_TRUE(seen[0].events.empty()) << link << seen[0].events[0];
    EXPECT_EQ(steering_hash(frame, link), steering_hash(frames[0].second, 1)) << link;
  }
  for (const char* family : {"0a000000", "18000000", "1c000000", "1e000000"})
    EXPECT_EQ(decode(hex(family) + datagram6(), 0).at(0).packet.ip_version, 6);
  EXPECT_EQ(decode(datagram6(), 229).at(0).packet.ip_version, 6);
  EXPECT_FALSE(datalink_supported(105));
  EXPECT_EQ(datalink_name(1), "EN10MB");
  EXPECT_EQ(datalink_name(104), "C_HDLC");
  EXPECT_EQ(datalink_name(228), "IPv4");  // EVE's spelling, not libpcap's
}

TEST(Link, EveryShimLeadsToTheSamePacket) {
  const auto ip = datagram();
  const Octets frames[] = {
      eth(0x8100, hex("00050800") + ip),
      eth(0x88a8, hex("00058100 00060800") + ip),
      eth(0x9100, hex("00058100 00060800") + ip),
      eth(0x8926, hex("00000000 0800") + ip),
      eth(0x8847, hex("00064140") + ip),
      eth(0x8847, hex("00064040 00065140") + ip),
      eth(0x8848, hex("00000140") + ip),
      eth(0x8847, hex("00064140 00000000") + eth(0x0800, ip)),
      eth(0x8864, hex("11000001 0000 0021") + ip),
      eth(0x8864, hex("11000001 0000 21") + ip),
      eth(0x88e7, hex("00000005 020000000004 020000000003 0800") + ip),
      eth(0x8903, hex("0001") + eth(0x0800, ip)),
      eth(0x894f, hex("0002 02 01 00000100") + ip),
      eth(0x894f, hex("0006 01 03 00000100 00000000000000000000000000000000") + eth(0x0800, ip)),
  };
  for (const auto& frame : frames) {
    const auto seen = decode(frame);
    ASSERT_EQ(seen.size(), 1U) << frame[12] << frame[13];
    EXPECT_EQ(seen[0].payload, "inner") << std::hex << int{frame[12]} << int{frame[13]};
    EXPECT_TRUE(seen[0].events.empty()) << seen[0].events[0];
  }
}

TEST(Link, KeepsVlanIdsOutermostFirstWithoutPriority) {
  const auto p = decode(eth(0x88a8, hex("e0058100 20068100 00070800") + datagram())).at(0).packet;
  EXPECT_EQ(p.vlan_count, 3);
  EXPECT_EQ(p.vlan, (std::array<std::uint16_t, 3>{5, 6, 7}));
}

TEST(Link, ShowsTheArpMessage) {
  const auto message = hex("0001080006040001 020000000001 0a000001 000000000000 0a000002");
  const auto seen = decode(eth(0x0806, message + zeros(18)));
  EXPECT_EQ(seen.at(0).packet.arp.size(), 28U);
  EXPECT_EQ(seen.at(0).packet.ethertype, 0x0806);
}

struct TunnelCase {
  const char* name;
  Octets frame;
  sig::PacketOrigin origin;
  std::vector<std::uint16_t> vlans = {};
};

TEST(Tunnel, GivesInnerAndOuterPacket) {
  using O = sig::PacketOrigin;
  const auto gre = [](std::string_view header, const Octets& inner) {
    return eth(0x0800, ipv4({.proto = 47}, hex(header) + inner));
  };
  const TunnelCase cases[] = {
      {"4in4", eth(0x0800, ipv4({.proto = 4}, datagram())), O::ipv4},
      {"6in4", eth(0x0800, ipv4({.proto = 41}, datagram6())), O::ipv4},
      {"4in6", eth(0x86dd, ipv6({.next = 4}, datagram())), O::ipv6},
      {"6in6", eth(0x86dd, ipv6({.next = 41}, datagram6())), O::ipv6},
      {"gre", gre("00000800", datagram()), O::gre},
      {"gre ipv6", gre("000086dd", datagram6()), O::gre},
      {"gre key sequence checksum", gre("b0000800 00000000 00000001 00000002", datagram()), O::gre},
      {"gre source route", gre("40000800 00000000 08000004 0a000001 00000000", datagram()), O::gre},
      {"gre transparent ethernet", gre("00006558", eth(0x0800, datagram())), O::gre},
      {"gre vlan", gre("00008100", hex("00090800") + datagram()), O::gre, {9}},
      {"pptp", gre("3081880b 00000001 00000002 00000003", hex("ff030021") + datagram()), O::gre},
      {"gre over ipv6", eth(0x86dd, ipv6({.next = 47}, hex("00000800") + datagram())), O::gre},
      {"erspan I", gre("000088be", eth(0x0800, datagram())), O::gre},
      {"erspan II",
       gre("100088be 00000001", hex("1007000000000000") + eth(0x0800, datagram())),
       O::gre,
       {7}},
      {"vxlan", outer_udp(5, 4789, hex("0800000000000100") + eth(0x0800, datagram())), O::vxlan},
      {"geneve", outer_udp(5, 6081, hex("0000655800000100") + eth(0x0800, datagram())), O::geneve},
      {"geneve options", outer_udp(5, 6081, hex("0100080000000100 00000000") + datagram()),
       O::geneve},
      {"teredo", outer_udp(3544, 5000, datagram6()), O::teredo},
      {"teredo origin", outer_udp(5000, 3544, hex("0000ffffffffffff") + datagram6()), O::teredo},
  };
  for (const auto& c : cases) {
    const auto seen = decode(c.frame);
    ASSERT_EQ(seen.size(), 2U) << c.name;
    const auto& inner = seen[0].packet;
    EXPECT_EQ(seen[0].payload, "inner") << c.name;
    EXPECT_EQ(inner.origin, c.origin) << c.name;
    EXPECT_EQ(inner.tunnel_depth, 1) << c.name;
    EXPECT_TRUE(seen[0].has_outer) << c.name;
    EXPECT_EQ(std::vector<std::uint16_t>(inner.vlan.begin(), inner.vlan.begin() + inner.vlan_count),
              c.vlans)
        << c.name;
    EXPECT_EQ(seen[1].packet.origin, sig::PacketOrigin::wire) << c.name;
    EXPECT_TRUE(seen[1].events.empty()) << c.name;
  }
}

TEST(Tunnel, FollowsTheSettings) {
  const auto vxlan = outer_udp(5, 8472, hex("0800000000000100") + eth(0x0800, datagram()));
  EXPECT_EQ(decode(vxlan).size(), 1U);
  EXPECT_EQ(decode(vxlan, 1, settings({"decoder.vxlan.ports=[4789, 8472]"})).size(), 2U);
  EXPECT_EQ(
      decode(vxlan, 1,
             settings({"decoder.vxlan.ports=$VXLAN_PORTS", "vars.port-groups.VXLAN_PORTS=8472"}))
          .size(),
      2U);
  const auto usual = outer_udp(5, 4789, hex("0800000000000100") + eth(0x0800, datagram()));
  EXPECT_EQ(decode(usual, 1, settings({"decoder.vxlan.enabled=no"})).size(), 1U);
  const auto reserved = outer_udp(5, 4789, hex("0880000000000100") + eth(0x0800, datagram()));
  EXPECT_EQ(decode(reserved).size(), 1U);
  EXPECT_EQ(decode(reserved, 1, settings({"decoder.vxlan.reserved-bits-check=permissive"})).size(),
            2U);
  const auto teredo = outer_udp(1, 2, datagram6());
  EXPECT_EQ(decode(teredo).size(), 1U);
  EXPECT_EQ(decode(teredo, 1, settings({"decoder.teredo.ports=any"})).size(), 2U);
  EXPECT_EQ(
      decode(teredo, 1, settings({"decoder.teredo.ports=any", "decoder.teredo.enabled=false"}))
          .size(),
      1U);
  const auto geneve = outer_udp(5, 6081, hex("0000655800000100") + eth(0x0800, datagram()));
  EXPECT_EQ(decode(geneve, 1, settings({"decoder.geneve.enabled=false"})).size(), 1U);
}

TEST(Tunnel, LeavesNoTraceOfATeredoGuessThatFails) {
  // Looks like IPv6 of the right length, but what it carries does not decode.
  const auto seen = decode(outer_udp(3544, 5000, ipv6({.next = 6}, zeros(8))));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(seen[0].events.empty());
  EXPECT_EQ(seen[0].packet.dport, 5000);
}

TEST(Tunnel, StopsAtTheLayerLimit) {
  Octets deep = datagram();
  for (int i = 0; i < 100; ++i) deep = ipv4({.proto = 4}, deep);
  const auto usual = decode(eth(0x0800, deep));
  EXPECT_LE(usual.size(), 16U);
  EXPECT_TRUE(usual.at(0).event("too_many_layers"));
  const auto few = decode(eth(0x0800, deep), 1, settings({"decoder.max-layers=4"}));
  EXPECT_LE(few.size(), 4U);
}

TEST(Tunnel, RebuildsFragmentsInsideTunnels) {
  const auto data = udp(7, 8, text("0123456789abcdef"));
  const Octets one(data.begin(), data.begin() + 16), two(data.begin() + 16, data.end());
  const auto frame = [](unsigned flags, const Octets& d) {
    return eth(0x0800, ipv4({.proto = 47},
                            hex("00000800") + ipv4({.proto = 17, .flags_offset = flags}, d)));
  };
  const auto seen = decode_all({frame(0x2000, one), frame(2, two)});
  ASSERT_EQ(seen.size(), 5U);
  EXPECT_EQ(seen[2].payload, "0123456789abcdef");
  EXPECT_EQ(seen[2].packet.tunnel_depth, 1);
  EXPECT_TRUE(seen[2].packet.rebuilt);
  EXPECT_EQ(seen[3].packet.tunnel_depth, 1);
  EXPECT_EQ(seen[4].packet.tunnel_depth, 0);
}

TEST(IcmpError, ShowsTheQuotedAddressesAndPorts) {
  const auto quoted = ipv4({.proto = 17, .src = "01020304", .dst = "05060708"}, udp(53, 4444, {}));
  const auto p =
      decode(eth(0x0800, ipv4({.proto = 1}, icmp(3, 3, zeros(4) + quoted)))).at(0).packet;
  EXPECT_EQ(p.icmp_type, 3);
  EXPECT_EQ(p.icmp_code, 3);
  EXPECT_EQ(p.embedded.ip_version, 4);
  EXPECT_EQ(p.embedded.ip_proto, 17);
  EXPECT_EQ(ip_text(p.embedded.src), "1.2.3.4");
  EXPECT_EQ(ip_text(p.embedded.dst), "5.6.7.8");
  EXPECT_EQ(p.embedded.sport, 53);
  EXPECT_EQ(p.embedded.dport, 4444);
}

TEST(IcmpError, FindsIpv6PortsBehindExtensionHeaders) {
  const auto quoted =
      ipv6({.next = 60}, hex("06000104 00000000") + tcp({.sport = 443, .dport = 5555}, {}));
  const auto p =
      decode(eth(0x86dd, ipv6({.next = 58}, icmp(1, 4, zeros(4) + quoted)))).at(0).packet;
  EXPECT_EQ(p.embedded.ip_proto, 6);
  EXPECT_EQ(p.embedded.sport, 443);
  EXPECT_EQ(p.embedded.dport, 5555);
}

TEST(Ipv4, ReadsFlagsAndOptions) {
  const auto p = decode(eth(0x0800, ipv4({.proto = 253,
                                          .flags_offset = 0xc000,
                                          .options = hex("94040000 07070400 00000001")},
                                         text("xyz"))))
                     .at(0);
  EXPECT_TRUE(p.packet.reserved_bit);
  EXPECT_TRUE(p.packet.dont_fragment);
  EXPECT_FALSE(p.packet.more_fragments);
  EXPECT_EQ(p.packet.ip_options, 1U << 20 | 1U << 7 | 1U << 1);
  EXPECT_EQ(p.payload, "xyz");
  EXPECT_FALSE(p.packet.has_l4);
}

/// A frame as a host with checksum offload hands it to its network card, and so to a capture.
Octets left_to_hardware(unsigned proto, bool v6) {
  auto frame = proto == 6 ? v6 ? eth(0x86dd, ipv6({.next = 6}, tcp({}, text("words"))))
                               : eth(0x0800, ipv4({.proto = 6}, tcp({}, text("words"))))
               : v6 ? eth(0x86dd, ipv6({.next = 17}, udp(1, 2, text("words"))))
                          : eth(0x0800, ipv4({.proto = 17}, udp(1, 2, text("words"))));
  const std::size_t l4 = v6 ? 54 : 34;
  auto sum = checksum_add(v6 ? Bytes(frame).subspan(22, 32) : Bytes(frame).subspan(26, 8), 0);
  sum = checksum_add(be16(proto) + be16(static_cast<unsigned>(frame.size() - l4)), sum);
  put16(frame, l4 + (proto == 6 ? 16 : 6), static_cast<unsigned>(0xffff & ~checksum_finish(sum)));
  return frame;
}

struct CountWrong final : Sink {
  void packet(sig::Packet& p) override { wrong += p.checksum_bad_l4 || p.checksum_bad_ip ? 1 : 0; }
  unsigned wrong = 0;
};

TEST(Checksum, WhatIsLeftToTheHardwareIsTakenLiveFromTheFirstPacketOn) {
  for (const auto& [proto, v6] : {std::pair{6U, false}, {6U, true}, {17U, false}, {17U, true}}) {
    auto frame = left_to_hardware(proto, v6);
    ChecksumFinding finding;
    Decoder decoder(settings(), ChecksumMode::live, [&](const auto& f) { finding = f; });
    CountWrong live;
    for (std::uint64_t i = 1; i <= 1500; ++i) decoder.decode(frame, 1, {}, i, live);
    EXPECT_EQ(live.wrong, 0U) << proto << v6;
    EXPECT_TRUE(finding.verified);
    EXPECT_EQ(finding.left_to_hardware, 1000U);
    EXPECT_NE(checksum_finding_text(finding).find("1000 of the first 1000"), std::string::npos);
    frame.back() ^= 1;  // the sum of the pseudo-header does not see the payload
    CountWrong changed;
    decoder.decode(frame, 1, {}, 1501, changed);
    EXPECT_EQ(changed.wrong, 0U);
    put16(frame, v6 ? 54 + (proto == 6 ? 16 : 6) : 34 + (proto == 6 ? 16 : 6), 0x1234);
    decoder.decode(frame, 1, {}, 1502, changed);
    EXPECT_EQ(changed.wrong, 1U) << "what is wrong otherwise is still refused";
    frame = left_to_hardware(proto, v6);
    for (const auto mode : {ChecksumMode::all, ChecksumMode::automatic})
      EXPECT_TRUE(decode(frame, 1, settings(), mode).at(0).packet.checksum_bad_l4);
  }
}

TEST(Checksum, TheFirstPacketsDecideAndItIsTold) {
  const auto offloaded = left_to_hardware(6, false);
  auto right = eth(0x86dd, ipv6({.next = 6}, tcp({}, text("words"))));
  auto sum = checksum_add(Bytes(right).subspan(22, 32), 0);
  sum = checksum_add(be16(6) + be16(static_cast<unsigned>(right.size() - 54)), sum);
  put16(right, 54 + 16, checksum_finish(checksum_add(Bytes(right).subspan(54), sum)));
  auto wrong = right;
  wrong.back() ^= 1;
  const auto after = [&](ChecksumMode mode, unsigned bad, ChecksumFinding& finding) {
    unsigned told = 0;
    Decoder decoder(settings(), mode, [&](const auto& f) { finding = f, ++told; });
    CountWrong sample;
    for (unsigned i = 1; i <= 1000; ++i) decoder.decode(i <= bad ? wrong : right, 1, {}, i, sample);
    EXPECT_EQ(sample.wrong, bad);
    EXPECT_EQ(told, 1U);
    CountWrong then;
    decoder.decode(wrong, 1, {}, 1001, then);
    decoder.decode(offloaded, 1, {}, 1002, then);
    EXPECT_EQ(told, 1U);
    return then.wrong;
  };
  ChecksumFinding finding;
  for (const auto mode : {ChecksumMode::automatic, ChecksumMode::live}) {
    EXPECT_EQ(after(mode, 100, finding), 2U) << "no host with offload was seen";
    EXPECT_TRUE(finding.verified);
    EXPECT_EQ(checksum_finding_text(finding), "");
    EXPECT_EQ(after(mode, 101, finding), 0U);
    EXPECT_FALSE(finding.verified);
    EXPECT_NE(checksum_finding_text(finding).find("101 of the first 1000 packets have wrong ones"),
              std::string::npos);
  }
}

TEST(Checksum, IsVerifiedForEveryProtocol) {
  const auto check = [](Octets frame, std::size_t l4, std::size_t field, unsigned proto, bool v6) {
    const auto before = decode(frame, 1, settings(), ChecksumMode::all).at(0).packet;
    EXPECT_TRUE(before.checksum_bad_l4) << proto;
    // Fill in the right one.
    const Bytes segment = Bytes(frame).subspan(l4);
    auto sum = checksum_add(segment, 0);
    if (proto != 1) {
      sum = checksum_add(v6 ? Bytes(frame).subspan(22, 32) : Bytes(frame).subspan(26, 8), sum);
      sum = checksum_add(be16(proto) + be16(static_cast<unsigned>(segment.size())), sum);
    }
    put16(frame, l4 + field, checksum_finish(sum));
    const auto after = decode(frame, 1, settings(), ChecksumMode::all).at(0).packet;
    EXPECT_FALSE(after.checksum_bad_l4) << proto;
    EXPECT_FALSE(after.checksum_bad_ip);
    EXPECT_FALSE(decode(frame, 1, settings(), ChecksumMode::none).at(0).packet.checksum_bad_l4);
  };
  check(eth(0x0800, ipv4({.proto = 6}, tcp({}, text("odd")))), 34, 16, 6, false);
  check(eth(0x86dd, ipv6({.next = 6}, tcp({}, text("even")))), 54, 16, 6, true);
  check(eth(0x0800, ipv4({.proto = 1}, icmp(8, 0, text("odd") + zeros(2)))), 34, 2, 1, false);
  check(eth(0x86dd, ipv6({.next = 58}, icmp(128, 0, text("abcdefg")))), 54, 2, 58, true);
  auto with_sum = udp(1, 2, text("abc"));
  put16(with_sum, 6, 0x1234);
  EXPECT_TRUE(decode(eth(0x0800, ipv4({.proto = 17}, with_sum)), 1, settings(), ChecksumMode::all)
                  .at(0)
                  .packet.checksum_bad_l4);
  EXPECT_FALSE(decode(eth(0x0800, ipv4({.proto = 17}, udp(1, 2, text("abc")))), 1, settings(),
                      ChecksumMode::all)
                   .at(0)
                   .packet.checksum_bad_l4)
      << "zero means not computed";
  auto bad_ip = eth(0x0800, datagram());
  bad_ip[24] ^= 1;
  EXPECT_TRUE(decode(bad_ip, 1, settings(), ChecksumMode::all).at(0).packet.checksum_bad_ip);
}

TEST(Checksum, AutomaticModeGivesUpOnOffloadedCaptures) {
  Decoder d(settings(), ChecksumMode::automatic);
  Collect sink;
  const auto offloaded = eth(0x0800, ipv4({}, tcp({}, text("x"))));
  for (int i = 0; i < 1001; ++i) d.decode(offloaded, 1, Timestamp{1}, 1, sink);
  EXPECT_TRUE(sink.seen[0].packet.checksum_bad_l4);
  EXPECT_FALSE(sink.seen[1000].packet.checksum_bad_l4);
}

TEST(Decode, SurvivesEveryTruncation) {
  const Octets frames[] = {
      eth(0x8100, hex("00058100 00060800") +
                      ipv4({.options = hex("94040000")}, tcp({.options = hex("020405b4")}, {}))),
      eth(0x86dd,
          ipv6({.next = 0},
               hex("3c000502 00000000 2b000502 00000000 2c000000 00000000 1100 0000 00000001") +
                   udp(1, 3544, datagram6()))),
      outer_udp(5, 4789, hex("0800000000000100") + eth(0x0800, datagram())),
      outer_udp(5, 6081, hex("0100655800000100 00000000") + eth(0x0800, datagram())),
      eth(0x0800,
          ipv4({.proto = 47},
               hex("f0000800 00000000 00000001 00000002 08000004 0a000001 00000000") + datagram())),
      eth(0x0800, ipv4({.proto = 1}, icmp(3, 3, zeros(4) + datagram()))),
      eth(0x894f,
          hex("0006 01 03 00000100 00000000000000000000000000000000") + eth(0x0800, datagram())),
      eth(0x8863, hex("11090000 0008 0101 0004 61626364")),
      eth(0x8847, hex("00064040 00065140 00000000") + eth(0x0800, datagram())),
  };
  for (const auto& f : frames)
    for (std::size_t n = 0; n <= f.size(); ++n) {
      const std::vector<std::uint8_t> exact(f.begin(), f.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_GE(decode(exact, 1, settings(), ChecksumMode::all).size(), 1U);
      (void)steering_hash(exact, 1);
    }
}

TEST(Steering, IsTheSameForBothDirectionsAndAllFragments) {
  const auto a = eth(0x0800, ipv4({.src = "0a000001", .dst = "0a000002"}, tcp({}, {})));
  const auto b = eth(0x0800, ipv4({.src = "0a000002", .dst = "0a000001"}, tcp({}, {})));
  const auto other = eth(0x0800, ipv4({.src = "0a000002", .dst = "0a000003"}, tcp({}, {})));
  const auto tagged = eth(0x8100, hex("00050800") + ipv4({.flags_offset = 5}, zeros(8)));
  EXPECT_EQ(steering_hash(a, 1), steering_hash(b, 1));
  EXPECT_EQ(steering_hash(a, 1), steering_hash(tagged, 1));
  EXPECT_NE(steering_hash(a, 1), steering_hash(other, 1));
}

}  // namespace
}  // namespace ww::decode::test
