#include <gtest/gtest.h>

#include "sensors/protocols/dnp3/link.hpp"
#include "sensors/protocols/dnp3/objects.hpp"
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string le16(unsigned v) { return {static_cast<char>(v), static_cast<char>(v >> 8)}; }
std::string with_checksum(const std::string& s) { return s + le16(dnp3::checksum(as_bytes(s))); }

/// A link frame around a transport octet and application octets.
std::string frame(bool master, unsigned transport, const std::string& application) {
  const std::string user = static_cast<char>(transport) + application;
  std::string out = with_checksum("\x05\x64"s + static_cast<char>(5 + user.size()) +
                                  static_cast<char>(master ? 0xc4 : 0x44) + le16(2) + le16(2));
  for (std::size_t at = 0; at < user.size(); at += 16) out += with_checksum(user.substr(at, 16));
  return out;
}
constexpr unsigned whole = 0xc0;  ///< first and final

const std::string select_relay = unhex("c7 03 0c 01 28 01 00 01 00 03 01 64000000 64000000 00");
const std::string answer = unhex("c7 81 80 02 34 02 07 01 01 00 1e 05 00 00 01 05 0000c03f");

TEST(Dnp3Checksum, IsTheStandards) {
  // The link header of IEEE 1815's example frames.
  EXPECT_EQ(dnp3::checksum(as_bytes(unhex("0564 05 c0 0100 0a00"))), 0x8ce0);
}

TEST(Dnp3, TellsRequestsAndResponses) {
  Driver d("dnp3", 6);
  d.client(frame(true, whole, select_relay));
  d.server(frame(false, whole, answer));
  ASSERT_EQ(d.count(), 2U);
  const auto request = d.json(0), response = d.json(1);
  EXPECT_NE(request.find(R"("type":"request","control":{"dir":true,"pri":true,"fcb":false,)"
                         R"("fcv":false,"function_code":4},"src":2,"dst":2)"),
            std::string::npos)
      << request;
  EXPECT_NE(request.find(R"("points":[{"prefix":1,"index":1,"op_type":3,"qu":0,"cr":0,"tcc":0,)"
                         R"("count":1,"ontime":100,"offtime":100,"status_code":0,"reserved":0}]}],)"
                         R"("complete":true)"),
            std::string::npos)
      << request;
  EXPECT_NE(response.find(R"({"prefix":0,"index":0,"delay_ms":1})"), std::string::npos) << response;
  EXPECT_NE(response.find(R"("reference_err":0,"reserved0":0,"value":1.5)"), std::string::npos)
      << response;
  EXPECT_NE(response.find(R"("iin":{"indicators":["object_unknown","device_restart"]})"),
            std::string::npos)
      << response;
  EXPECT_NE(request.find(R"("application":{"control":{"fir":true,"fin":true,"con":false,)"
                         R"("uns":false,"sequence":7},"function_code":3,"objects":[{"group":12,)"
                         R"("variation":1,"qualifier":40,"prefix_code":2,"range_code":8,"start":0,)"
                         R"("stop":0,"count":1,"points":)"),
            std::string::npos)
      << request;
  EXPECT_NE(response.find(R"({"group":30,"variation":5,"qualifier":0,"prefix_code":0,)"
                          R"("range_code":0,"start":0,"stop":1,"count":2,)"),
            std::string::npos)
      << response;
  EXPECT_EQ(d.number(0, "dnp3.func", Dir::to_server), 3U);
  EXPECT_EQ(d.number(0, "dnp3.obj", Dir::to_server), 0x0c01U);
  EXPECT_EQ(d.number(1, "dnp3.ind", Dir::to_client), 0x8002U);
  EXPECT_EQ(d.number(1, "dnp3.obj", Dir::to_client, 1), 0x1e05U);
  EXPECT_EQ(d.buffer(0, "dnp3.data", Dir::to_server), select_relay);
}

TEST(Dnp3Keyword, SeesRequestsAndResponses) {
  Driver request("dnp3", 6), response("dnp3", 6);
  request.client(frame(true, whole, select_relay));
  response.server(frame(false, whole, answer));
  const auto asks = [&](const std::string& o) { return holds(request, "dnp3", Dir::to_server, o); };
  const auto says = [&](const std::string& o) {
    return holds(response, "dnp3", Dir::to_client, o);
  };
  EXPECT_TRUE(asks("dnp3_func:select"));
  EXPECT_TRUE(asks("dnp3_func:3"));
  EXPECT_TRUE(asks("dnp3.func:select"));
  EXPECT_FALSE(asks("dnp3_func:response"));
  EXPECT_TRUE(says("dnp3_func:response"));
  EXPECT_TRUE(asks("dnp3_obj:12,1"));
  EXPECT_FALSE(asks("dnp3_obj:12,2"));
  EXPECT_TRUE(says("dnp3_obj:52,2"));
  EXPECT_TRUE(says("dnp3_obj:30,5"));  // any object of the message
  EXPECT_TRUE(says("dnp3_ind:device_restart"));
  EXPECT_TRUE(says("dnp3_ind:need_time,object_unknown"));  // any of them
  EXPECT_FALSE(says("dnp3_ind:need_time"));
  EXPECT_FALSE(asks("dnp3_ind:device_restart"));  // requests have none
  EXPECT_TRUE(asks("dnp3_data; content:\"|0c 01|\"; offset:2; depth:2"));
}

TEST(Dnp3, GivesTheSameHoweverTheStreamIsCut) {
  expect_split_anywhere(
      "dnp3",
      {{Dir::to_server, frame(true, whole, select_relay) + frame(true, whole, select_relay)},
       {Dir::to_client,
        frame(false, 0x40, answer.substr(0, 10)) + frame(false, 0x81, answer.substr(10))}});
}

TEST(Dnp3, PutsSegmentsTogetherInOrder) {
  Driver d("dnp3", 6);
  d.client(frame(true, 0x40 | 63, select_relay.substr(0, 5)));
  d.client(frame(true, 0x05, "out of order"));
  EXPECT_FALSE(d.complete(0));
  EXPECT_EQ(d.json(0), "");
  d.client(frame(true, 0x80, select_relay.substr(5)));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_EQ(d.buffer(0, "dnp3.data", Dir::to_server), select_relay);
}

TEST(Dnp3, IgnoresConfirmationsAndLinkCommands) {
  Driver d("dnp3", 6);
  d.client(frame(true, whole, unhex("c000")));
  d.client(with_checksum("\x05\x64\x05\xc0\x02\x00\x03\x00"s));  // reset link
  EXPECT_EQ(d.count(), 0U);
  EXPECT_FALSE(d.failed);
}

std::vector<std::string> events_of(const std::string& octets, const Settings& settings = {}) {
  Driver d("dnp3", 6, settings);
  d.client(frame(true, whole, select_relay));  // a transaction for events without one
  d.client(octets);
  return d.events(d.count() - 1);
}
using Names = std::vector<std::string>;

TEST(Dnp3, NamesWhatIsWrong) {
  auto bad_header = frame(true, whole, select_relay);
  bad_header[8] = static_cast<char>(bad_header[8] ^ 1);
  EXPECT_EQ(events_of(bad_header), Names{"dnp3.bad_link_crc"});
  auto bad_block = frame(true, whole, select_relay);
  bad_block.back() = static_cast<char>(bad_block.back() ^ 1);
  EXPECT_EQ(events_of(bad_block), Names{"dnp3.bad_transport_crc"});
  EXPECT_EQ(events_of(with_checksum("\x05\x64\x04\xc4\x02\x00\x03\x00"s)),
            Names{"dnp3.len_too_small"});
  EXPECT_EQ(events_of(frame(true, whole, "\xc0")), Names{"dnp3.len_too_small"});
  EXPECT_EQ(events_of(frame(true, whole, unhex("c001 c8 01 07 01 00"))),
            Names{"dnp3.unknown_object"});
  EXPECT_EQ(events_of(frame(true, whole, unhex("c001 0c 01 07 02 00"))), Names{"dnp3.malformed"});
}

TEST(Dnp3, KeepsItsLimits) {
  Settings s;
  s.set("app-layer.protocols.dnp3.max-objects", "2");
  s.set("app-layer.protocols.dnp3.max-points", "8");
  s.set("app-layer.protocols.dnp3.max-tx", "3");
  EXPECT_EQ(events_of(frame(true, whole, unhex("c001 3c0206 3c0306 3c0406")), s),
            Names{"dnp3.too_many_objects"});
  EXPECT_EQ(events_of(frame(true, whole, unhex("c001 01010700 01010709 ffff")), s),
            Names{"dnp3.too_many_points"});
  Driver d("dnp3", 6, s);
  for (int i = 0; i < 4; ++i) d.client(frame(true, whole, select_relay));
  EXPECT_EQ(d.events(3), Names{"dnp3.flooded"});
  Driver longer("dnp3", 6);
  longer.client(frame(true, 0x40, std::string(249, 'A')));
  for (unsigned i = 1; i <= 64; ++i) longer.client(frame(true, i % 64, std::string(249, 'A')));
  EXPECT_EQ(longer.events(0), Names{"dnp3.too_long_reassembly"});
  EXPECT_TRUE(longer.complete(0));
}

TEST(Dnp3, TurnsAFlowRoundThatTheOutstationStarts) {
  Driver d("dnp3", 6);
  const auto request = frame(true, whole, select_relay), response = frame(false, whole, answer);
  EXPECT_EQ(d.probe(request, Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(response, Dir::to_server), Probe::reversed);
  EXPECT_EQ(d.probe("DNP3 outstation", Dir::to_client), Probe::yes);
  EXPECT_EQ(d.probe(request.substr(0, 4), Dir::to_server), Probe::maybe);
  EXPECT_EQ(d.probe("GET / HTTP/1.0", Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe("", Dir::to_server), Probe::maybe);
}

TEST(Dnp3Objects, ReadsPackedSizedAndPrefixedPoints) {
  std::vector<dnp3::Object> objects;
  const auto octets = unhex("01 01 00 03 06 05")                            // bits 3 to 6
                      + unhex("46 05 5b 01 0b00 01000000 02000080 616263")  // file block
                      + unhex("1e 02 17 01 09 81 feff");                    // analog with index
  ASSERT_EQ(dnp3::read_objects(as_bytes(octets), {}, objects), dnp3::ObjectError::none);
  ASSERT_EQ(objects.size(), 3U);
  ASSERT_EQ(objects[0].points.size(), 4U);
  EXPECT_EQ(objects[0].points[2].index, 5U);
  EXPECT_EQ(objects[0].points[2].values[0].number, 1);
  EXPECT_EQ(objects[0].points[3].values[0].number, 0);
  EXPECT_EQ(objects[1].points[0].values.back().data, "abc");
  EXPECT_EQ(objects[2].points[0].index, 9U);
  EXPECT_EQ(objects[2].points[0].values.back().number, -2);
}

TEST(Dnp3Objects, RefusesEveryCutOfAPoint) {
  const auto octets = unhex("1e 02 17 01 09 81 feff");
  for (std::size_t n = 1; n < octets.size(); ++n) {
    std::vector<dnp3::Object> objects;
    EXPECT_NE(dnp3::read_objects(as_bytes(octets).first(n), {}, objects), dnp3::ObjectError::none)
        << n;
  }
}

}  // namespace
}  // namespace ww::sensor::test
