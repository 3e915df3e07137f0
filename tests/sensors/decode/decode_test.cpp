#include <gtest/gtest.h>

#include "tests/sensors/decode/builder.hpp"

namespace ww::decode::test {
namespace {

TEST(Decode, ReadsEthernetIpv4Tcp) {
  const auto seen = decode(
      eth(0x0800, ipv4({}, tcp({.options = hex("020405b4 0101080a00000001 00000002 030307 00")},
                               text("GET /")))));
  ASSERT_EQ(seen.size(), 1U);
  const auto& p = seen[0].packet;
  EXPECT_EQ(p.ip_version, 4);
  EXPECT_EQ(ip_text(p.src), "10.0.0.1");
  EXPECT_EQ(ip_text(p.dst), "10.0.0.2");
  EXPECT_EQ(p.sport, 1234);
  EXPECT_EQ(p.dport, 80);
  EXPECT_EQ(p.tcp_seq, 100U);
  EXPECT_EQ(p.tcp_ack, 200U);
  EXPECT_EQ(p.tcp_flags, 0x10);
  EXPECT_EQ(p.tcp_mss, 1460);
  EXPECT_EQ(p.tcp_ts_value, 1U);
  EXPECT_EQ(p.tcp_ts_echo, 2U);
  EXPECT_EQ(p.tcp_wscale, 7);
  EXPECT_TRUE(p.has_l4);
  EXPECT_EQ(seen[0].payload, "GET /");
  EXPECT_TRUE(seen[0].events.empty());
}

TEST(Decode, TrimsEthernetPadding) {
  const auto seen = decode(eth(0x0800, ipv4({.proto = 17}, udp(53, 53, text("x"))) + zeros(20)));
  EXPECT_EQ(seen.at(0).payload, "x");
  EXPECT_EQ(seen.at(0).ip.size(), 29U);
}

TEST(Decode, ReadsIpv6Udp) {
  const auto seen = decode(eth(0x86dd, ipv6({.next = 17}, udp(1000, 53, text("query")))));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].packet.ip_version, 6);
  EXPECT_EQ(seen[0].packet.dport, 53);
  EXPECT_EQ(seen[0].payload, "query");
}

TEST(Decode, DeliversRebuiltDatagramBeforeItsLastFragment) {
  const auto whole = udp(1000, 2000, text("0123456789abcdefghijklmn"));
  const Octets one(whole.begin(), whole.begin() + 16), two(whole.begin() + 16, whole.end());
  const auto seen = decode_all({eth(0x0800, ipv4({.proto = 17, .flags_offset = 0x2000}, one)),
                                eth(0x0800, ipv4({.proto = 17, .flags_offset = 2}, two))});
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_TRUE(seen[0].packet.is_fragment);
  EXPECT_TRUE(seen[1].packet.rebuilt);
  EXPECT_EQ(seen[1].packet.origin, sig::PacketOrigin::defrag);
  EXPECT_EQ(seen[1].payload, "0123456789abcdefghijklmn");
  EXPECT_EQ(seen[1].packet.dport, 2000);
  EXPECT_TRUE(seen[2].packet.is_fragment);
  EXPECT_FALSE(seen[2].packet.has_l4);
}

TEST(Decode, DeliversInnermostTunnelPacketFirst) {
  const auto inner =
      ipv4({.proto = 17, .src = "c0a80001", .dst = "c0a80002"}, udp(5, 6, text("in")));
  const auto gre = hex("00000800") + inner;
  const auto seen =
      decode(eth(0x0800, ipv4({.proto = 4}, ipv4({.proto = 47, .src = "ac100001"}, gre))));
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].packet.tunnel_depth, 2);
  EXPECT_EQ(seen[0].payload, "in");
  EXPECT_EQ(seen[0].packet.origin, sig::PacketOrigin::gre);
  EXPECT_TRUE(seen[0].has_outer);
  EXPECT_EQ(seen[1].packet.tunnel_depth, 1);
  EXPECT_EQ(seen[1].packet.origin, sig::PacketOrigin::ipv4);
  EXPECT_EQ(seen[2].packet.tunnel_depth, 0);
  EXPECT_FALSE(seen[2].has_outer);
}

}  // namespace
}  // namespace ww::decode::test
