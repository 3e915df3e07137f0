#include "sensors/protocols/dhcp/dhcp.hpp"

#include <gtest/gtest.h>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string message(char opcode, const std::string& options) {
  return opcode + "\1\6\0"s + unhex("ef656404 0000 0000 0a100104 0a100105 0a100101 00000000") +
         unhex("001132 1749f0") + std::string(10 + 64 + 128, '\0') + unhex("63825363") + options;
}
std::string option(int code, const std::string& data) {
  return std::string{static_cast<char>(code), static_cast<char>(data.size())} + data;
}
const std::string end = "\xff";
const std::string ack = option(53, "\5") + option(51, unhex("00000e10")) +
                        option(58, unhex("00000691")) + option(59, unhex("00000bd7")) +
                        option(1, unhex("ffff0000")) + option(6, unhex("0a10010108080808"));
Settings extended() {
  Settings s;
  s.set("extended", "yes");
  return s;
}

TEST(Dhcp, WritesAnAcknowledgement) {
  Driver d("dhcp", 17);
  d.server(message(2, ack + end));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_EQ(d.json(0), R"({"dhcp":{"type":"reply","id":4016399364,)"
                       R"("client_mac":"00:11:32:17:49:f0","assigned_ip":"10.16.1.5",)"
                       R"("dhcp_type":"ack","renewal_time":1681}})");
  const auto more = d.json(0, extended());
  for (const auto* part :
       {R"("client_ip":"10.16.1.4")", R"("relay_ip":"0.0.0.0")", R"("next_server_ip":"10.16.1.1")",
        R"("lease_time":3600)", R"("rebinding_time":3031)", R"("subnet_mask":"255.255.0.0")",
        R"("dns_servers":["10.16.1.1","8.8.8.8"])"})
    EXPECT_NE(more.find(part), std::string::npos) << part << " in " << more;
  EXPECT_EQ(d.number(0, "dhcp.leasetime", Dir::to_client), 3600U);
  EXPECT_EQ(d.number(0, "dhcp.renewal_time", Dir::to_client), 1681U);
  EXPECT_EQ(d.number(0, "dhcp.rebinding_time", Dir::to_client), 3031U);
}

TEST(Dhcp, WritesRequestsOnlyWhenAsked) {
  Driver d("dhcp", 17);
  d.client(message(1, option(53, "\3") + option(61, "\1abcdef") + option(12, "nas1") +
                          option(55, "\1\3\x0f\x2a\x7b") + option(50, unhex("0a100104")) +
                          option(60, "MSFT 5.0") + end));
  EXPECT_EQ(d.json(0), "");
  const auto json = d.json(0, extended());
  for (const auto* part : {R"("client_id":"61:62:63:64:65:66")", R"("hostname":"nas1")",
                           R"("params":["subnet_mask","router","domain","ntp_server"])",
                           R"("requested_ip":"10.16.1.4")",
                           R"("vendor_class_identifier":"MSFT 5.0")", R"("dhcp_type":"request")"})
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
}

TEST(Dhcp, NamesWhatIsWrongWithOptions) {
  Driver d("dhcp", 17);
  d.client(message(1, option(53, "\1")));
  d.client(message(1, option(53, "\1") + "\x0c\x20short"));
  d.client(message(1, option(51, "ab") + end));
  d.client(message(1, option(61, "") + end));
  EXPECT_EQ(d.events(0), std::vector<std::string>{"dhcp.truncated_options"});
  EXPECT_EQ(d.events(1), std::vector<std::string>{"dhcp.truncated_options"});
  EXPECT_EQ(d.events(2), std::vector<std::string>{"dhcp.malformed_options"});
  EXPECT_EQ(d.events(3), std::vector<std::string>{"dhcp.malformed_options"});
}

TEST(Dhcp, RefusesEveryCutOfTheHeader) {
  const auto whole = message(1, end);
  for (std::size_t n = 0; n + 1 < whole.size(); ++n)
    EXPECT_FALSE(dhcp::parse_message(as_bytes(whole).first(n)).has_value() && n < 240) << n;
  EXPECT_TRUE(dhcp::parse_message(as_bytes(whole)));
}

TEST(Dhcp, TurnsALoneReplyRound) {
  Driver d("dhcp", 17);
  EXPECT_EQ(d.probe(message(1, ack + end), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(message(2, ack + end), Dir::to_server), Probe::reversed);
  EXPECT_EQ(d.probe(message(3, ack + end), Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe("short", Dir::to_server), Probe::no);
}

}  // namespace
}  // namespace ww::sensor::test
