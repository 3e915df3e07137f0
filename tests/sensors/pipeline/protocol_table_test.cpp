/// Which protocol is recognised where several would take the octets.
#include "sensors/pipeline/protocol_table.hpp"

#include <gtest/gtest.h>

#include "sensors/flow/flow.hpp"
#include "sensors/pipeline/defaults.hpp"

namespace ww::sensor {
namespace {

std::string detected(const std::string& octets, std::uint16_t sport, std::uint16_t dport,
                     std::uint8_t ip_proto = 17) {
  Settings settings;
  add_default_settings(settings);
  const ProtocolTable table(settings);
  sig::Flow flow;
  flow.ip_proto = ip_proto;
  flow.sport = sport;
  flow.dport = dport;
  DetectionState state;
  const auto found = table.detect(as_bytes(octets), Dir::to_server, flow, state, false);
  return found.protocol == nullptr ? "" : found.protocol->name;
}

TEST(ProtocolTable, PatternsOfDatagramsComeBeforePorts) {
  // A connectionless DCE/RPC request with an empty body: a QUIC short header could look so too.
  std::string request(80, '\0');
  request[0] = 4;
  request[4] = 0x10;
  EXPECT_EQ(detected(request, 80, 8000), "dcerpc");
  EXPECT_EQ(detected(request, 50000, 443), "dcerpc");
  // Without the second octet it is no request.
  std::string other = request;
  other[1] = 0x7f;
  EXPECT_NE(detected(other, 50000, 443), "dcerpc");
}

/// The first octet decides whether a pattern is compared at all: in either case, and as it is when
/// it is no letter.
TEST(ProtocolTable, PatternsAreFoundInEitherCase) {
  constexpr std::uint8_t tcp = 6;
  for (const auto* method : {"GET", "get", "gET", "Get", "POST", "post"})
    EXPECT_EQ(detected(std::string(method) + " / HTTP/1.1\r\n", 50000, 50001, tcp), "http");
  for (const auto* other : {"FET", "HET", "\x07\x45\x54", "\x27\x45\x54"})
    EXPECT_NE(detected(std::string(other) + " / HTTP/1.1\r\n", 50000, 50001, tcp), "http");
  EXPECT_EQ(detected("\r\nGet / HTTP/1.1\r\n", 50000, 50001, tcp), "http");
  EXPECT_NE(detected("\r\n\rGET / HTTP/1.1\r\n", 50000, 50001, tcp), "http");
  EXPECT_EQ(detected("SSH-2.0-x\r\n", 50000, 50001, tcp), "ssh");
  EXPECT_EQ(detected("", 50000, 50001, tcp), "");
}

}  // namespace
}  // namespace ww::sensor
