/// Keywords over CIP messages.
#include <unistd.h>

#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

std::string send_rr(const std::string& cip) {
  const auto le16 = [](std::size_t v) {
    return std::string{static_cast<char>(v), static_cast<char>(v >> 8)};
  };
  const auto data = std::string(6, '\0') + le16(1) + le16(0xb2) + le16(cip.size()) + cip;
  return le16(0x6f) + le16(data.size()) + std::string(20, '\0') + data;
}
// Two packets in one: attribute 1 of class 1, and a read of class 4.
const std::string both =
    send_rr(unhex("0a 02 2002 2401 0200 0600 0e00 0e 03 2001 2401 3001") + unhex("4c 01 2004"));
std::vector<std::uint32_t> sids(const std::string& option) {
  RuleCheck rules("alert enip any any -> any any (" + option + "; sid:1;)\n");
  EXPECT_EQ(rules.refused, "") << option;
  Driver d("enip", 6);
  d.client(both);
  return rules.match(d, "enip", Dir::to_server);
}
using Sids = std::vector<std::uint32_t>;

TEST(CipService, TestsOneMessageAsAWhole) {
  EXPECT_EQ(sids("cip_service:10"), Sids{1});
  EXPECT_EQ(sids("cip_service:14"), Sids{1});
  EXPECT_EQ(sids("cip_service:14,1"), Sids{1});
  EXPECT_EQ(sids("cip_service:14,4"), Sids{});  // that class is the other message's
  EXPECT_EQ(sids("cip_service:14,1,1"), Sids{1});
  EXPECT_EQ(sids("cip_service:14,1,2"), Sids{});
  EXPECT_EQ(sids("cip_service:14,1,!1"), Sids{1});
  EXPECT_EQ(sids("cip_service:76,4"), Sids{1});
  EXPECT_EQ(sids("cip_service:5"), Sids{});
}

TEST(CipNumbers, LookIntoMultipleServicePackets) {
  EXPECT_EQ(sids("cip_class:4"), Sids{1});
  EXPECT_EQ(sids("cip_class:5"), Sids{});
  EXPECT_EQ(sids("cip_attribute:1"), Sids{1});
  EXPECT_EQ(sids("enip_command:send_rr_data"), Sids{1});
  EXPECT_EQ(sids("enip.status:success"), Sids{1});
}

TEST(CipNumbers, TellInstanceAndStatus) {
  EXPECT_EQ(sids("cip_instance:1"), Sids{1});
  EXPECT_EQ(sids("enip.cip_instance:1"), Sids{1});
  EXPECT_EQ(sids("cip_instance:2"), Sids{});
  EXPECT_EQ(sids("cip_status:0"), Sids{});  // requests have none
  Driver d("enip", 6);
  d.client(send_rr(unhex("0e 03 2001 2401 3001")));
  d.server(send_rr(unhex("8e 00 05 01 0c02")));
  const auto says = [&](const std::string& o) { return holds(d, "enip", Dir::to_client, o); };
  EXPECT_TRUE(says("cip_status:5"));
  EXPECT_FALSE(says("cip_status:<5"));
  EXPECT_TRUE(says("enip.cip_status:5"));
  EXPECT_TRUE(says("cip_extendedstatus:524"));
  EXPECT_FALSE(says("cip_extendedstatus:!524"));
  // Forward Open refused: the connection is in use.
  Driver refused("enip", 6);
  refused.client(send_rr(unhex("54 02 2006 2401")));
  refused.server(send_rr(unhex("d4 00 01 01 0001")));
  EXPECT_NE(refused.json(0).find(R"("status_extended":"0001","status_extended_meaning":)"
                                 R"("Connection in use or duplicate Forward Open")"),
            std::string::npos)
      << refused.json(0);
}

TEST(EnipKeyword, AnEventThatTheProtocolDoesNotHaveIsRefused) {
  const auto refused = [](const std::string& event) {
    return RuleCheck("alert enip any any -> any any (app-layer-event:" + event + "; sid:1;)\n")
        .refused;
  };
  EXPECT_EQ(refused("enip.invalid_pdu"), "");
  EXPECT_NE(refused("enip.no_such_thing").find("'enip' has no event 'no_such_thing'"),
            std::string::npos)
      << refused("enip.no_such_thing");
  EXPECT_NE(refused("nothing.invalid_pdu").find("unknown protocol"), std::string::npos);
}

}  // namespace
}  // namespace ww::sensor::test
