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

TEST(ByteKeywords, NoOctetsOfAStringAreAllItsDigits) {
  Wire wire;
  const std::string text = "len=1234\r\n";
  const auto p = wire.make(text);
  EXPECT_TRUE(matches("content:\"len=\"; byte_test:0,=,1234,0,relative,string,dec;", p, "udp"));
  EXPECT_TRUE(matches("byte_test:0,=,0x1234,4,string,hex;", p, "udp"));
  EXPECT_FALSE(matches("byte_test:0,>=,0,0,string,dec;", p, "udp"));
  EXPECT_FALSE(matches("byte_test:0,>=,0,10,string,dec;", p, "udp"));
}

std::string tagged_packets(const std::string& tag, std::int64_t seconds_apart = 0) {
  Rules rules("alert udp any any -> any any (content:\"start\"; " + tag +
              " sid:1;)\nalert udp any any -> any any (content:\"p2\"; sid:2;)\n");
  EXPECT_EQ(rules.errors(), "");
  Wire wire;
  std::string out;
  const std::string frame(100, 'x');
  for (int i = 0; i < 7; ++i) {
    const auto text = i == 0 ? std::string("start") : "p" + std::to_string(i);
    auto& p = wire.make(text, Dir::to_server, i * seconds_apart);
    p.frame = octets(frame);
    (void)rules.matcher->inspect(p, {});
    if (rules.matcher->tagged(p)) out += std::to_string(i);
  }
  return out;
}

TEST(Tag, TheFirstPacketCountsButIsNotReported) {
  EXPECT_EQ(tagged_packets("tag:session,3,packets;"), "12");
  EXPECT_EQ(tagged_packets("tag:host,4,packets,src;"), "123");
  EXPECT_EQ(tagged_packets("tag:host,4,packets,dst;"), "123");
  EXPECT_EQ(tagged_packets("tag:session,350,bytes;"), "12");
  EXPECT_EQ(tagged_packets("tag:host,300,bytes,src;"), "12");
  EXPECT_EQ(tagged_packets("tag:session,3,seconds;", 1), "123");
  EXPECT_EQ(tagged_packets("tag:session;"), "123456");
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
