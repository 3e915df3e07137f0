#include <gtest/gtest.h>

#include "sensors/protocols/rdp/message.hpp"
#include "tests/sensors/protocols/ber.hpp"
#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string be16(std::size_t v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string le16(std::size_t v) { return {static_cast<char>(v), static_cast<char>(v >> 8)}; }
std::string le32(std::size_t v) { return le16(v & 0xffff) + le16(v >> 16); }
std::string tpkt(const std::string& body) { return "\3\0"s + be16(body.size() + 4) + body; }
std::string connection(int code, const std::string& data) {
  return tpkt(static_cast<char>(6 + data.size()) + std::string(1, static_cast<char>(code)) +
              "\0\0\0\0\0"s + data);
}
std::string negotiation(int type, int flags, std::size_t value) {
  return std::string{static_cast<char>(type), static_cast<char>(flags)} + le16(8) + le32(value);
}
std::string utf16(const std::string& text, std::size_t octets) {
  std::string out;
  for (const char c : text) out += std::string{c, '\0'};
  out.resize(octets);
  return out;
}
std::string block(std::size_t type, const std::string& data) {
  return le16(type) + le16(data.size() + 4) + data;
}
std::string connect_request(bool everything) {
  auto core = le32(0x8000c) + le16(1920) + le16(1080) + le16(0xca01) + le16(0xaa03) + le32(0x809) +
              le32(17763) + utf16("WARD-7", 32) + le32(4) + le32(1) + le32(12) + utf16("ime", 64);
  if (everything)
    core += le16(0xca04) + le16(1) + le32(5) + le16(24) + le16(15) + le16(0x1 | 0x20 | 0x400) +
            utf16("55274-OEM", 64) + "\6\0"s + le32(1) + le32(500) + le32(300) + le16(90) +
            le32(125) + le32(140);
  const auto net = le32(2) + "rdpdr\0\0\0"s + le32(0) + "cliprdr\0"s + le32(0);
  const auto data = block(0xc001, core) + block(0xc002, "security") + block(0xc003, net);
  return tpkt("\2\xf0\x80\x7f\x65 mcs Duca"s + be16(0x8000 | data.size()) + data);
}
const std::string connect_response = tpkt("\2\xf0\x80\x7f\x66 rest"s);

TEST(Rdp, TellsAConnectionInTheClear) {
  Driver d("rdp", 6);
  d.client(connection(0xe0, "Cookie: mstshash=ann\r\n" + negotiation(1, 9, 3)));
  d.server(connection(0xd0, negotiation(2, 0x1b, 2)));
  d.client(connect_request(true));
  d.server(connect_response);
  ASSERT_EQ(d.count(), 4U);
  EXPECT_EQ(d.json(0),
            R"({"rdp":{"tx_id":0,"event_type":"initial_request","cookie":"ann","flags":[)"
            R"("restricted_admin_mode_required","correlation_info_present"]}})");
  EXPECT_EQ(d.json(1),
            R"({"rdp":{"tx_id":1,"event_type":"initial_response","server_supports":[)"
            R"("extended_client_data","dynvc_gfx","restricted_admin","redirected_authentication"],)"
            R"("protocol":"hybrid"}})");
  EXPECT_EQ(d.json(2),
            R"({"rdp":{"tx_id":2,"event_type":"connect_request","client":{"version":"v10.7",)"
            R"("desktop_width":1920,"desktop_height":1080,"color_depth":24,)"
            R"("keyboard_layout":"en-GB","build":"Windows 10 RS5","client_name":"WARD-7",)"
            R"("keyboard_type":"enhanced","keyboard_subtype":1,"function_keys":12,"ime":"ime",)"
            R"("product_id":1,"serial_number":5,"capabilities":["support_errinfo_pdf",)"
            R"("valid_connection_type","support_heartbeat_pdu"],"id":"55274-OEM",)"
            R"("connection_hint":"lan","physical_width":500,"physical_height":300,)"
            R"("desktop_orientation":90,"scale_factor":125,"device_scale_factor":140},)"
            R"("channels":["rdpdr","cliprdr"]}})");
  EXPECT_EQ(d.json(3), R"({"rdp":{"tx_id":3,"event_type":"connect_response"}})");
  d.client("fast path input, not read any more");
  EXPECT_FALSE(d.failed);
}

TEST(Rdp, TellsWhyAServerRefuses) {
  Driver d("rdp", 6);
  d.server(connection(0xd0, negotiation(3, 0, 5)));
  EXPECT_EQ(d.json(0), R"({"rdp":{"tx_id":0,"event_type":"initial_response","error_code":5,)"
                       R"("reason":"hybrid required by server"}})");
}

TEST(Rdp, TakesASettingsBlockWithoutItsOptionalPart) {
  Driver d("rdp", 6);
  d.client(connect_request(false));
  EXPECT_NE(d.json(0).find(R"("color_depth":8,)"), std::string::npos) << d.json(0);
  EXPECT_EQ(d.json(0).find("product_id"), std::string::npos);
}

std::string tls_record(int type, const std::string& data) {
  return static_cast<char>(type) + "\3\3"s + be16(data.size()) + data;
}
std::string handshake(int type, const std::string& data) {
  return static_cast<char>(type) + "\0"s + be16(data.size()) + data;
}
std::string certificate(const std::string& serial) {
  const auto der = ber_sequence(
      ber_sequence(ber_explicit(0, ber_integer(2)) + tlv(0x02, serial) + ber_sequence("")));
  const auto one = "\0"s + be16(der.size()) + der;
  return handshake(11, "\0"s + be16(one.size()) + one);
}

TEST(Rdp, ReadsCertificatesWhenItTurnsToTls) {
  const auto flight = handshake(2, "hello") + certificate("\0\xab\xcd"s);
  const std::vector<Turn> turns = {
      {Dir::to_server, connection(0xe0, negotiation(1, 0, 1))},
      {Dir::to_client, connection(0xd0, negotiation(2, 0, 1))},
      {Dir::to_server, tls_record(22, handshake(1, "hello"))},
      {Dir::to_client, tls_record(22, flight.substr(0, 20)) + tls_record(22, flight.substr(20)) +
                           tls_record(23, "secret")}};
  Driver d("rdp", 6);
  for (const auto& t : turns) d.say(t.dir, t.octets);
  ASSERT_EQ(d.count(), 3U);
  EXPECT_EQ(d.json(2),
            R"({"rdp":{"tx_id":2,"event_type":"tls_handshake","x509_serials":["abcd"]}})");
  expect_split_anywhere("rdp", turns);
}

TEST(Rdp, IsTheSameHoweverItIsCut) {
  expect_split_anywhere("rdp", {{Dir::to_server, connection(0xe0, "Cookie: mstshash=ann\r\n")},
                                {Dir::to_client, connection(0xd0, "")},
                                {Dir::to_server, connect_request(true)},
                                {Dir::to_client, connect_response}});
}

TEST(Rdp, GivesUpOnWhatIsNoTpkt) {
  Driver d("rdp", 6);
  d.client("GET / HTTP/1.1");
  EXPECT_TRUE(d.failed);
  Driver e("rdp", 6);
  e.client("\3\0\0\3"s);  // shorter than its own header
  EXPECT_TRUE(e.failed);
  EXPECT_EQ(e.probe("\3", Dir::to_server), Probe::yes);
  EXPECT_EQ(e.probe("\x16", Dir::to_server), Probe::no);
}

TEST(RdpNames, CoverTheirTables) {
  EXPECT_EQ(ww::rdp::locale_name(0x1), "ar");
  EXPECT_EQ(ww::rdp::locale_name(0x7c92), "ku-Arab");
  EXPECT_EQ(ww::rdp::locale_name(0xffff), "unknown");
  EXPECT_EQ(ww::rdp::build_name(2600), "Windows XP");
  EXPECT_EQ(ww::rdp::version_name(1), "unknown");
  EXPECT_EQ(ww::rdp::keyboard_name(7), "jp");
}

}  // namespace
}  // namespace ww::sensor::test
