/// What is seen of a protocol when another one follows in the same connection.
#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

constexpr auto types =
    "outputs:\n - eve-log:\n    enabled: yes\n    types:\n     - alert\n     - http\n     - smtp\n";

TEST(ProtocolChange, ShowsTheAnswerToConnectBeforeWhatFollows) {
  Sensor s(
      "alert http any any -> any any (msg:\"answer\"; http.stat_code; content:\"200\"; sid:1;)\n"
      "alert http any any -> any any (msg:\"field\"; http.response_header; content:\"X-A|3a| b\"; "
      "sid:2;)\n",
      {}, types);
  Tcp t(8080);
  s.frames(t.open());
  s.frames(t.say(false, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"));
  s.frames(t.say(true, "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"));
  s.frames(t.say(false, std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10)));
  s.frames(t.say(true, std::string("\x16\x03\x03\x00\x02\x02\x00", 7)));
  s.finish();
  EXPECT_EQ(s.count({R"("signature_id":1,)", R"x("pkt_src":"stream (detect/log)")x"}), 1U)
      << s.text();
  EXPECT_EQ(s.count({R"("signature_id":2,)"}), 1U) << s.text();
  EXPECT_EQ(s.count({R"("event_type":"http")", R"("status":200)",
                     R"x("pkt_src":"stream (detect/log)")x"}),
            1U)
      << s.text();
}

TEST(ProtocolChange, IsShownOnceWhereNothingChanges) {
  Sensor s(
      "alert http any any -> any any (msg:\"answer\"; http.stat_code; content:\"200\"; sid:1;)", {},
      types);
  Tcp t(8080);
  s.frames(t.open());
  s.frames(t.say(false, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  s.frames(t.close());
  s.finish();
  EXPECT_EQ(s.count({R"("signature_id":1,)"}), 1U) << s.text();
  EXPECT_EQ(s.count({"detect/log"}), 0U) << s.text();
}

TEST(Esp, EachAssociationIsAFlowWithItsIndex) {
  Sensor s("alert ip any any -> any any (msg:\"any\"; sid:1;)", {},
           "outputs:\n - eve-log:\n    enabled: yes\n    types:\n     - alert\n     - flow\n");
  const auto esp = [](std::uint64_t spi, bool back) {
    return ipv4(50, Octets().u32(spi).u32(1).text("0123456789abcdef").out, back);
  };
  s.frame(esp(0x12345678, false));
  s.frame(esp(0x12345678, false));
  s.frame(esp(0x12345679, true));
  s.frame(esp(0x12345678, true));  // the same number the other way is another association
  s.finish();
  // Rules of addresses alone are asked once a flow.
  EXPECT_EQ(s.count({R"("event_type":"alert")", R"("spi":305419896,)"}), 2U) << s.text();
  EXPECT_EQ(s.count({R"("event_type":"flow")"}), 3U) << s.text();
  EXPECT_EQ(s.count({R"("event_type":"flow")", R"("src_ip":"10.0.0.1")", R"("spi":305419896,)",
                     R"("pkts_toserver":2)"}),
            1U)
      << s.text();
  EXPECT_EQ(s.count({R"("event_type":"flow")", R"("spi":305419897,)"}), 1U) << s.text();
}

}  // namespace
}  // namespace ww::sensor::test
