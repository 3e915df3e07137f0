/// Keywords on headers of a packet, and rules that configure.
#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

bool matches(const std::string& options, const Packet& packet, const std::string& proto = "ip") {
  Rules rules("alert " + proto + " any any -> any any (" + options + " sid:1;)\n");
  EXPECT_EQ(rules.errors(), "") << options;
  auto p = packet;
  return rules.matcher->inspect(p, {}).size() == 1;
}

TEST(PacketKeywords, VlanLayers) {
  Wire wire;
  auto p = wire.make("x");
  EXPECT_FALSE(matches("vlan.id:>0,all;", p));
  EXPECT_TRUE(matches("vlan.layers:0;", p));
  p.vlan = {200, 300, 0};
  p.vlan_count = 2;
  EXPECT_TRUE(matches("vlan.id:300;", p));
  EXPECT_TRUE(matches("vlan.id:300,any;", p));
  EXPECT_TRUE(matches("vlan.id:300,-1;", p));
  EXPECT_FALSE(matches("vlan.id:300,0;", p));
  EXPECT_FALSE(matches("vlan.id:300,2;", p));
  EXPECT_TRUE(matches("vlan.id:>100,all;", p));
  EXPECT_FALSE(matches("vlan.id:>200,all;", p));
}

TEST(PacketKeywords, TypeOfServiceInHexadecimal) {
  Wire wire;
  auto p = wire.make("x");
  p.tos = 0x1a;
  EXPECT_TRUE(matches("tos:x1a;", p));
  EXPECT_TRUE(matches("tos:26;", p));
  EXPECT_FALSE(matches("tos:!X1A;", p));
  EXPECT_TRUE(matches("tos:!x1b;", p));
}

TEST(PacketKeywords, Igmp) {
  const std::string report("\x16\0\xf9\x04\xef\xff\xff\xfa", 8);
  Wire wire(2);
  auto p = wire.make("");
  p.l4 = octets(report);
  EXPECT_TRUE(matches("igmp.type:22;", p, "igmp"));
  EXPECT_FALSE(matches("igmp.type:17;", p, "igmp"));
  EXPECT_TRUE(matches("igmp.hdr; content:\"|ef ff ff fa|\"; endswith;", p, "igmp"));
  p.ip_proto = 17;
  EXPECT_FALSE(matches("igmp.type:22;", p));
}

TEST(ConfigRules, SwitchRecordsOfATransactionOff) {
  Rules rules(
      "config http any any -> any any (http.uri; content:\"/quiet\"; "
      "config:logging disable, type tx, scope tx; sid:1;)\n");
  ASSERT_EQ(rules.errors(), "");
  for (const std::string uri : {"/quiet", "/loud"}) {
    Wire wire;
    DemoTx tx;
    tx.proto = wire.flow.app_proto = demo_proto();
    tx.name = uri;
    tx.revision = 1;
    wire.flow.live = {&tx};
    EXPECT_EQ(sids(rules.matcher->inspect(wire.make("x"), {})), Sids{});
    EXPECT_EQ(tx.no_log, uri == "/quiet");
  }
  Rules odd("config ip any any -> any any (config:logging enable, type tx, scope tx; sid:1;)\n");
  EXPECT_EQ(odd.errors(), "config: the action is disable\n");
}

}  // namespace
}  // namespace ww::sig::test
