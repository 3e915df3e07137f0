#include <gtest/gtest.h>

#include "tests/sensors/protocols/conversation.hpp"

namespace ww::sensor::test {
namespace {

using std::string_literals::operator""s;

const std::string id = "abcdefghij0123456789";
const std::string id_hex = "6162636465666768696a30313233343536373839";

std::string eve_of(std::string_view datagram) {
  Talk t("bittorrent-dht", {}, 17);
  t.client(datagram);
  EXPECT_EQ(t.all_events(), "");
  return t.eve(0);
}

TEST(BittorrentDht, LogsRequests) {
  EXPECT_EQ(
      eve_of("d1:ad2:id20:" + id + "e1:q4:ping1:t2:aa1:y1:qe"),
      R"({"bittorrent_dht":{"transaction_id":"6161","request_type":"ping","request":{"id":")" +
          id_hex + R"("}}})");
  EXPECT_EQ(eve_of("d1:ad2:id20:" + id + "12:implied_porti1e9:info_hash20:" + id +
                   "4:porti6881e5:token2:tte1:q13:announce_peer1:t1:x1:v4:UT011:y1:qe"),
            R"({"bittorrent_dht":{"transaction_id":"78","client_version":"55543031",)"
            R"("request_type":"announce_peer","request":{"id":")" +
                id_hex + R"(","info_hash":")" + id_hex +
                R"(","token":"7474","implied_port":1,"port":6881}}})");
}

TEST(BittorrentDht, LogsResponses) {
  const std::string node6 =
      id + octets({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}) + octets({0x1a, 0xe1});
  EXPECT_EQ(eve_of("d1:rd2:id20:" + id + "5:nodes26:" + id + octets({10, 0, 0, 1, 0x1a, 0xe1}) +
                   "6:nodes638:" + node6 + "5:token1:t6:valuesl6:" + octets({10, 0, 0, 2, 0, 80}) +
                   "ee1:t1:x1:y1:re"),
            R"({"bittorrent_dht":{"transaction_id":"78","response":{"id":")" + id_hex +
                R"(","nodes":[{"id":")" + id_hex + R"(","ip":"10.0.0.1","port":6881}],)" +
                R"("nodes6":[{"id":")" + id_hex + R"(","ip":"2001:db8::1","port":6881}],)" +
                R"("values":[{"ip":"10.0.0.2","port":80}],"token":"74"}}})");
}

TEST(BittorrentDht, LogsErrors) {
  EXPECT_EQ(eve_of("d1:eli201e5:Oh noe1:t1:x1:y1:ee"),
            R"({"bittorrent_dht":{"transaction_id":"78","error":{"num":201,"msg":"Oh no"}}})");
}

TEST(BittorrentDht, PassesOverWhatItDoesNotKnow) {
  eve_of("d1:ad2:id20:" + id + "4:wantl2:n42:n6ee1:q4:ping2:roi1e1:t1:x3:xtrd1:ai1ee1:y1:qe");
}

TEST(BittorrentDhtEvent, MalformedPacket) {
  for (const auto& bad : {"d1:ad2:id20:" + id + "e1:q4:ping1:y1:qe",  // no transaction
                          "d1:ad2:id20:" + id + "e1:t1:x1:y1:qe",     // no type of request
                          "d1:ade1:q4:ping1:t1:x1:y1:qe"s,            // no id
                          "d1:rd2:id20:" + id + "e1:t1:x1:y1:ee",     // another kind than it says
                          "d1:eli201ee1:t1:x1:y1:ee"s,                // no text
                          "d1:ad2:id99:" + id, "d1:t9999999999999999999:"s,  // runs over
                          "d1:ai-e1:t1:x"s, "li1ee"s, ""s + "x",             // no dictionary
                          "d1:x" + std::string(50, 'l')}) {                  // too deep
    Talk t("bittorrent-dht", {}, 17);
    t.client(bad);
    EXPECT_EQ(t.all_events(), "bittorrent-dht.malformed_packet") << bad;
  }
}

TEST(BittorrentDht, CutAnywhereItIsMalformedNotWorse) {
  const auto whole = "d1:rd2:id20:" + id + "6:valuesl6:abcdefee1:t1:x1:y1:re";
  for (std::size_t n = 1; n < whole.size(); ++n) {
    Talk t("bittorrent-dht", {}, 17);
    t.client(whole.substr(0, n));
    EXPECT_TRUE(t.event(0, "bittorrent-dht.malformed_packet")) << n;
    EXPECT_NE(t.eve(0), "");
  }
}

TEST(BittorrentDht, ListsOfPeersAreBounded) {
  std::string values;
  for (int n = 0; n < 1000; ++n) values += "6:abcdef";
  const auto eve = eve_of("d1:rd2:id20:" + id + "6:valuesl" + values + "ee1:t1:x1:y1:re");
  std::size_t count = 0;
  for (auto at = eve.find("\"ip\""); at != std::string::npos; at = eve.find("\"ip\"", at + 1))
    ++count;
  EXPECT_EQ(count, 256U);
}

}  // namespace
}  // namespace ww::sensor::test
