#include "sensors/protocols/enip/enip.hpp"

#include <gtest/gtest.h>

#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string le16(std::size_t v) { return {static_cast<char>(v), static_cast<char>(v >> 8)}; }
std::string le32(std::uint32_t v) { return le16(v & 0xffff) + le16(v >> 16); }
std::string message(unsigned command, const std::string& data, std::uint32_t session = 7,
                    std::uint32_t status = 0) {
  return le16(command) + le16(data.size()) + le32(session) + le32(status) + std::string(8, 'c') +
         le32(0) + data;
}
std::string item(unsigned type, const std::string& data) {
  return le16(type) + le16(data.size()) + data;
}
std::string unconnected(const std::string& cip) {
  return message(0x6f, le32(0) + le16(0) + le16(2) + item(0, "") + item(0xb2, cip));
}
std::string connected(unsigned sequence, const std::string& cip) {
  return message(
      0x70, le32(0) + le16(0) + le16(2) + item(0xa1, "abcd") + item(0xb1, le16(sequence) + cip));
}
// Get Attribute List of class 1, instance 2: attributes 3 and 4.
const std::string ask = unhex("03 02 2001 2402 0200 0300 0400");
const std::string reply = unhex("83 00 00 00 0200");
using Names = std::vector<std::string>;

TEST(Enip, TellsARequestWithItsResponse) {
  Driver d("enip", 6);
  d.client(unconnected(ask));
  d.server(unconnected(unhex("83 00 01 01 0701")));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_TRUE(d.complete(0));
  EXPECT_EQ(d.json(0),
            R"({"enip":{"request":{"command":"send_rr_data","status":"success","cip":{)"
            R"("service":"Get Attribute List","path":[{"segment_type":"class","value":1},)"
            R"({"segment_type":"instance","value":2}],"class_name":"Identity"}},)"
            R"("response":{"command":"send_rr_data","status":"success","cip":{)"
            R"("service":"Get Attribute List","status":"Connection Failure",)"
            R"("status_extended":"0701",)"
            R"("status_extended_meaning":"Target connection not found"}}}})");
  EXPECT_EQ(d.number(0, "enip.command", Dir::to_server), 0x6fU);
  EXPECT_EQ(d.number(0, "enip.cip_class", Dir::to_server), 1U);
  EXPECT_EQ(d.number(0, "enip.cip_instance", Dir::to_server), 2U);
  EXPECT_EQ(d.number(0, "enip.cip_attribute", Dir::to_server, 1), 4U);
  EXPECT_EQ(d.number(0, "enip.cip_status", Dir::to_client), 1U);
  EXPECT_EQ(d.number(0, "enip.cip_extendedstatus", Dir::to_client), 0x107U);
  EXPECT_EQ(d.buffer(0, "enip.cip_service", Dir::to_server),
            unhex("03 00000001 00000001 00000003 00000004"));
}

TEST(Enip, MatchesConnectedMessagesBySequence) {
  Driver d("enip", 6);
  d.client(connected(1, ask) + connected(2, ask));
  d.server(connected(2, reply));
  ASSERT_EQ(d.count(), 2U);
  EXPECT_EQ(d.json(0).find("response"), std::string::npos);
  EXPECT_NE(d.json(1).find("response"), std::string::npos);
  EXPECT_TRUE(d.complete(0));  // it will not be answered any more
}

TEST(Enip, GivesTheSameHoweverTheStreamIsCut) {
  const auto multiple =
      unhex("0a 02 2002 2401 0200 0600 0e00") + unhex("0e 03 2001 2401 3001") + unhex("4c 01 2004");
  expect_split_anywhere(
      "enip", {{Dir::to_server, message(0x65, unhex("01000000"), 0) + unconnected(multiple)},
               {Dir::to_client,
                message(0x65, unhex("01000000")) + unconnected(unhex("8a 00 00 00 0000"))}});
}

TEST(Enip, ReadsMultipleServicePackets) {
  Driver d("enip", 6);
  d.client(unconnected(unhex("0a 02 2002 2401 0200 0600 0e00") + unhex("0e 03 2001 2401 3001") +
                       unhex("4c 01 2004")));
  const auto json = d.json(0);
  EXPECT_NE(json.find(R"("multiple":[{"service":"Get Attributes Single","path":[)"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"({"service":"Read Data","path":[{"segment_type":"class","value":4}],)"
                      R"("class_name":"Assembly"}]})"),
            std::string::npos)
      << json;
  EXPECT_EQ(d.number(0, "enip.cip_class", Dir::to_server, 2), 4U);
  EXPECT_EQ(d.buffer(0, "enip.cip_service", Dir::to_server, 2)[0], '\x4c');
  EXPECT_EQ(d.buffer(0, "enip.cip_service", Dir::to_server, 3), "<absent>");
}

TEST(Enip, TellsIdentityAndServices) {
  const auto identity = le16(1) + std::string(16, '\0') + le16(1) + le16(12) + le16(58) + "\4\3" +
                        le16(0x30) + le32(0xabcdef) + "\4"s + "1756" + '\3';
  Driver d("enip", 17);
  d.client(message(0x63, ""));
  d.server(message(0x63, le16(1) + item(0x0c, identity)));
  const auto json = d.json(0);
  EXPECT_NE(json.find(R"("identity":{"protocol_version":1,"revision":"4.3",)"
                      R"("vendor_id":"Rockwell Automation/Allen-Bradley",)"
                      R"("device_type":"Communications Adapter","product_code":58,"status":48,)"
                      R"("serial":11259375,"product_name":"1756","state":3})"),
            std::string::npos)
      << json;
  EXPECT_EQ(d.buffer(0, "enip.product_name", Dir::to_client), "1756");
  EXPECT_EQ(d.number(0, "enip.revision", Dir::to_client), 0x403U);
  EXPECT_EQ(d.number(0, "enip.vendor_id", Dir::to_client), 1U);
  const auto says = [&](const std::string& o) { return holds(d, "enip", Dir::to_client, o); };
  EXPECT_TRUE(says("enip.protocol_version:1"));
  EXPECT_TRUE(says("enip.device_type:12"));
  EXPECT_FALSE(says("enip.device_type:!12"));
  EXPECT_TRUE(says("enip.product_code:50-60"));
  EXPECT_TRUE(says("enip.identity_status:0x30"));
  EXPECT_TRUE(says("enip.serial:>11259374"));
  EXPECT_FALSE(says("enip.serial:>11259375"));
  EXPECT_TRUE(says("enip.state:3"));
  EXPECT_FALSE(holds(d, "enip", Dir::to_server, "enip.state:3"));
  d.client(message(4, ""));
  d.server(message(4, le16(1) + item(0x100, le16(1) + le16(0x120) + "Communications\0\0"s)));
  EXPECT_EQ(d.number(1, "enip.capabilities", Dir::to_client), 0x120U);
  EXPECT_EQ(d.buffer(1, "enip.service_name", Dir::to_client), "Communications\0\0"s);
  EXPECT_NE(d.json(1).find(R"("list_services":{"protocol_version":1,"capabilities":288,)"
                           R"("service_name":"Communications)"),
            std::string::npos)
      << d.json(1);
}

TEST(Enip, TellsARegistrationAndOptionsThatAreNotZero) {
  Driver d("enip", 6);
  d.client(le16(0x65) + le16(4) + le32(0) + le32(0) + std::string(8, 'c') + le32(9) + le16(1) +
           le16(2));
  EXPECT_NE(d.json(0).find(R"("command":"register_session","status":"success","options":9,)"
                           R"("register_session":{"protocol_version":1,"options":2})"),
            std::string::npos)
      << d.json(0);
}

TEST(Enip, NamesWhatIsWrong) {
  Driver d("enip", 6);
  d.client(message(0x65, "a"));
  EXPECT_EQ(d.events(0), Names{"enip.invalid_pdu"});
  d.client(unconnected(unhex("03 09 2001")));
  EXPECT_EQ(d.events(1), Names{"enip.invalid_pdu"});
  Settings s;
  s.set("app-layer.protocols.enip.max-tx", "2");
  Driver flooded("enip", 6, s);
  for (int i = 0; i < 3; ++i) flooded.client(message(0, ""));
  EXPECT_EQ(flooded.events(0), Names{"enip.too_many_transactions"});
  EXPECT_EQ(flooded.count(), 2U);
}

TEST(Enip, FindsItsWayAfterAGap) {
  Driver d("enip", 6);
  d.client(unconnected(ask));
  d.lose(Dir::to_server, 100);
  d.client("the end of something");
  d.client(unconnected(ask));
  EXPECT_EQ(d.count(), 2U);
  EXPECT_FALSE(d.failed);
}

TEST(Enip, FramesItems) {
  Driver d("enip", 6);
  d.client(unconnected(ask));
  Names names;
  for (const auto& f : d.ctx.frames) names.emplace_back(sig::frame_types().name(f.type));
  EXPECT_EQ(names, (Names{"enip.hdr", "enip.data", "enip.pdu", "enip.enip_item", "enip.enip_item",
                          "enip.cip"}));
  EXPECT_EQ(d.ctx.frames[5].offset, 24U + 8 + 4 + 4);
  EXPECT_EQ(d.ctx.frames[5].length, static_cast<std::int64_t>(ask.size()));
}

}  // namespace
}  // namespace ww::sensor::test
