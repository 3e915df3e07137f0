#include <gtest/gtest.h>

#include "tests/sensors/protocols/conversation.hpp"

namespace ww::sensor::test {
namespace {

const std::string v33 = "RFB 003.003\n", v37 = "RFB 003.007\n", v38 = "RFB 003.008\n";
const std::string secret = "0123456789abcdef";
const std::string ok = octets({0, 0, 0, 0});

std::string text(std::string_view s) {
  return octets({0, 0, 0, static_cast<int>(s.size())}) + std::string(s);
}
const std::string init =
    octets({5, 0, 3, 32, 32, 24, 0, 1, 0, 255, 0, 254, 0, 253, 16, 8, 0, 0, 0, 0}) +
    text("ward pc");

/// A whole 3.8 conversation with VNC authentication, by turns.
Talk& authenticate(Talk& t, std::size_t piece = SIZE_MAX) {
  t.server(v38, piece).client(v38, piece).server(octets({2, 1, 2}), piece);
  t.client(octets({2}), piece).server(secret, piece).client(secret, piece);
  return t.server(ok, piece).client(octets({1}), piece).server(init, piece);
}
std::string authenticated() {
  Talk t("rfb");
  return authenticate(t).summary();
}

TEST(Rfb, ReadsAHandshakeOfVersion38) {
  Talk t("rfb");
  authenticate(t);
  ASSERT_EQ(t.count(), 1U);
  EXPECT_TRUE(t.ready(0));
  EXPECT_EQ(t.eve(0),
            R"({"rfb":{"server_protocol_version":{"major":"003","minor":"008"},)"
            R"("client_protocol_version":{"major":"003","minor":"008"},)"
            R"("authentication":{"security_type":2,"vnc":{)"
            R"("challenge":"30313233343536373839616263646566",)"
            R"("response":"30313233343536373839616263646566"},"security_result":"OK"},)"
            R"("screen_shared":true,"framebuffer":{"width":1280,"height":800,"name":"ward pc",)"
            R"("pixel_format":{"bits_per_pixel":32,"depth":24,"big_endian":false,)"
            R"("true_color":true,"red_max":255,"green_max":254,"blue_max":253,"red_shift":16,)"
            R"("green_shift":8,"blue_shift":0}}}})");
  EXPECT_EQ(t.buffer(0, "rfb.name", Dir::to_client), "ward pc");
  EXPECT_EQ(t.number(0, "rfb.sectype"), "2");
  EXPECT_EQ(t.number(0, "rfb.secresult", Dir::to_client), "0");
  EXPECT_EQ(t.all_events(), "");
}

TEST(Rfb, ReadsTheSameHoweverItIsCut) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    Talk t("rfb");
    EXPECT_EQ(authenticate(t, piece).summary(), authenticated()) << "pieces of " << piece;
  }
}

TEST(Rfb, FramesAreItsMessages) {
  Talk t("rfb");
  authenticate(t);
  EXPECT_EQ(t.frames(Dir::to_server), "pdu@0+12 pdu@12+1 pdu@13+16 pdu@29+1");
  EXPECT_EQ(t.frames(Dir::to_client), "pdu@0+12 pdu@12+3 pdu@15+16 pdu@31+4 pdu@35+31");
}

TEST(Rfb, WaitsForWhatIsNotSaidYet) {
  Talk t("rfb");
  t.server(v38).client(v38);
  EXPECT_EQ(t.buffer(0, "rfb.name", Dir::to_client), "<not ready>");
  EXPECT_EQ(t.number(0, "rfb.sectype"), "...");
  EXPECT_EQ(t.number(0, "rfb.secresult", Dir::to_client), "...");
  EXPECT_FALSE(t.ready(0));
}

TEST(Rfb, InVersion33TheServerDecides) {
  Talk t("rfb");
  t.server(v33).client(v33).server(octets({0, 0, 0, 2}) + secret).client(secret).server(ok);
  t.client(octets({0})).server(init);
  EXPECT_TRUE(t.ready(0));
  EXPECT_EQ(t.number(0, "rfb.sectype"), "2");
  EXPECT_NE(t.eve(0).find("\"screen_shared\":false"), std::string::npos);
}

TEST(Rfb, WithoutAuthentication) {
  Talk before("rfb");  // 3.7 sends no result for it
  before.server(v37).client(v37).server(octets({1, 1})).client(octets({1, 1})).server(init);
  EXPECT_TRUE(before.ready(0));
  EXPECT_EQ(before.all_events(), "");
  Talk since("rfb");
  since.server(v38).client(v38).server(octets({1, 1})).client(octets({1}));
  since.server(ok).client(octets({1})).server(init);
  EXPECT_TRUE(since.ready(0));
  EXPECT_EQ(since.all_events(), "");
}

TEST(Rfb, TellsWhyTheServerRefused) {
  Talk types("rfb");
  types.server(v38).client(v38).server(octets({0}) + text("full"));
  EXPECT_NE(types.eve(0).find("\"server_security_failure_reason\":\"full\""), std::string::npos);
  EXPECT_TRUE(types.ready(0));
  Talk result("rfb");
  result.server(v38).client(v38).server(octets({1, 2})).client(octets({2})).server(secret);
  result.client(secret).server(octets({0, 0, 0, 1}) + text("no"));
  EXPECT_NE(result.eve(0).find("\"security_result\":\"FAIL\""), std::string::npos);
  EXPECT_EQ(result.number(0, "rfb.secresult", Dir::to_client), "1");
  Talk old("rfb");
  old.server(v33).client(v33).server(octets({0, 0, 0, 0}) + text("no"));
  EXPECT_NE(old.eve(0).find("\"server_security_failure_reason\":\"no\""), std::string::npos);
}

TEST(RfbEvent, UnimplementedSecurityType) {
  Talk t("rfb");
  t.server(v38).client(v38).server(octets({1, 30})).client(octets({30}) + "whatever");
  EXPECT_EQ(t.all_events(), "rfb.unimplemented_security_type");
  EXPECT_EQ(t.number(0, "rfb.sectype"), "30");
  EXPECT_FALSE(t.failed);
}
TEST(RfbEvent, UnknownSecurityResult) {
  Talk t("rfb");
  t.server(v38).client(v38).server(octets({1, 2})).client(octets({2})).server(secret);
  t.client(secret).server(octets({0, 0, 0, 9}));
  EXPECT_EQ(t.all_events(), "rfb.unknown_security_result");
  EXPECT_EQ(t.number(0, "rfb.secresult", Dir::to_client), "3");
  EXPECT_NE(t.eve(0).find("\"UNKNOWN (9)\""), std::string::npos);
}
TEST(RfbEvent, MalformedMessage) {
  Talk t("rfb");
  t.server(v38).client(v38).server(octets({0, 255, 0, 0, 0}));
  EXPECT_EQ(t.all_events(), "rfb.malformed_message");
  Talk name("rfb");
  authenticate(name);
  Talk long_name("rfb");
  long_name.server(v37).client(v37).server(octets({1, 1})).client(octets({1, 1}));
  long_name.server(init.substr(0, 20) + octets({1, 0, 0, 0}));
  EXPECT_EQ(long_name.all_events(), "rfb.malformed_message");
}
TEST(RfbEvent, ConfusedState) {
  Talk t("rfb");
  t.server(v38).client(v38).client("too early");
  EXPECT_EQ(t.all_events(), "rfb.confused_state");
}
TEST(Rfb, OtherOctetsAreNoVersion) {
  Talk t("rfb");
  t.server("RFB 3.8 hello");
  EXPECT_TRUE(t.failed);
  EXPECT_EQ(t.count(), 0U);
}

}  // namespace
}  // namespace ww::sensor::test
