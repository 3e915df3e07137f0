/// `drop` records: what inline mode stops.
#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

std::string yaml(const std::string& options, bool in_line = true) {
  return "outputs:\n  - eve-log:\n      types:\n        - drop:\n" + options +
         (in_line ? "stream:\n  inline: yes\n" : "");
}
const std::string plain = yaml("            enabled: yes\n");
constexpr std::string_view is_drop = "\"event_type\":\"drop\"";

TEST(Drop, ASensorThatOnlyListensDropsNothing) {
  Sensor s("drop udp any any -> any 53 (sid:1;)\n", {}, yaml("            enabled: yes\n", false));
  s.frame(udp(5000, 53, "x"));
  s.finish();
  EXPECT_EQ(s.count({is_drop}), 0U);
}

TEST(Drop, FieldsOfUdpOverIpv4) {
  Sensor s("drop udp any any -> any 53 (msg:\"no names\"; sid:1;)\n", {}, plain);
  s.frame(udp(5000, 53, "xyz"));
  s.frame(udp(5000, 54, "xyz"));  // is no concern of the rule
  s.finish();
  EXPECT_EQ(s.count({is_drop}), 1U);
  EXPECT_EQ(s.count({is_drop, "\"src_ip\":\"10.0.0.1\",\"src_port\":5000,\"dest_ip\":\"192.0.2.1\"",
                     "\"pcap_cnt\":1,", "\"direction\":\"to_server\"",
                     "\"drop\":{\"len\":31,\"tos\":0,\"ttl\":64,\"ipid\":1,\"udplen\":11,"
                     "\"reason\":\"rules\"}"}),
            1U)
      << s.text();
  EXPECT_EQ(s.count({"\"alert\":{"}), 0U);
  EXPECT_EQ(s.count({"\"verdict\":{"}), 0U);
}

TEST(Drop, FieldsOfTcpAndIcmp) {
  Sensor s(
      "drop:packet tcp any any -> any any (flags:S; sid:1;)\n"
      "drop icmp any any -> any any (sid:2;)\n",
      {}, plain);
  s.frame(Tcp().segment(false, 2, ""));
  s.frame(ipv4(1, Octets().u8(8).u8(0).u16(0).u16(0x1234).u16(5).out));
  s.finish();
  EXPECT_EQ(s.count({is_drop,
                     "\"tcpseq\":1000,\"tcpack\":0,\"tcpwin\":65535,\"syn\":true,"
                     "\"ack\":false,\"psh\":false,\"rst\":false,\"urg\":false,"
                     "\"fin\":false,\"tcpres\":0,\"tcpurgp\":0,\"reason\":\"rules\""}),
            1U)
      << s.text();
  EXPECT_EQ(s.count({is_drop, "\"icmp_id\":4660,\"icmp_seq\":5,"}), 1U) << s.text();
}

TEST(Drop, FieldsOfIpv6) {
  Sensor s("drop ip any any -> any any (sid:1;)\n", {}, plain);
  Octets o;
  o.text(mac_b).text(mac_a).u16(0x86dd);
  o.u32(0x6a012345).u16(9).u8(17).u8(63);  // class 0xa0, label 0x12345
  for (int i = 0; i < 2; ++i) o.u32(0x20010db8).u32(0).u32(0).u32(static_cast<unsigned>(i + 1));
  o.u16(5000).u16(53).u16(9).u16(0).text("x");
  s.frame(o.out);
  s.finish();
  EXPECT_EQ(s.count({is_drop,
                     "\"drop\":{\"len\":9,\"tc\":160,\"hoplimit\":63,\"flowlbl\":74565,"
                     "\"udplen\":9,\"reason\":\"rules\"}"}),
            1U)
      << s.text();
}

std::string conversation(const std::string& options) {
  Sensor s(
      "drop http any any -> any any (http.uri; content:\"/ward\"; msg:\"no\"; sid:7; rev:2;)\n", {},
      yaml(options));
  Tcp t;
  s.frames(t.open());
  s.frames(t.say(false, "GET /ward HTTP/1.1\r\nHost: a\r\n\r\n"));
  for (int i = 0; i < 2; ++i) {
    s.frames(t.say(false, "more"));
    s.frames(t.say(true, "more"));
  }
  return s.finish();
}

TEST(Drop, OfADroppedFlowOneRecordADirectionOrAll) {
  const auto one = conversation("            enabled: yes\n");
  EXPECT_EQ(count_lines(one, {is_drop}), 2U) << one;
  EXPECT_EQ(count_lines(one, {is_drop, "\"direction\":\"to_server\"", "\"reason\":\"rules\""}), 1U);
  EXPECT_EQ(count_lines(one, {is_drop, "\"direction\":\"to_client\"", "\"reason\":\"flow drop\""}),
            1U);
  const auto all = conversation("            flows: all\n");
  // The request, its acknowledgement, and eight packets after them.
  EXPECT_EQ(count_lines(all, {is_drop}), 10U) << all;
  EXPECT_EQ(count_lines(all, {is_drop, "\"reason\":\"flow drop\""}), 9U);
}

TEST(Drop, OfADroppedFlowNothingMoreIsReadInlineAndAllOtherwise) {
  for (const bool in_line : {true, false}) {
    SCOPED_TRACE(in_line);
    Sensor s("drop http any any -> any any (http.uri; content:\"/ward\"; sid:7;)\n", {},
             "outputs:\n  - eve-log:\n      types: [ alert, http, dns, flow, drop ]\n" +
                 std::string(in_line ? "stream:\n  inline: yes\n" : ""));
    Tcp t;
    s.frames(t.open());
    s.frames(t.say(false, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n"));
    s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    s.frames(t.say(false, "GET /ward HTTP/1.1\r\nHost: a\r\n\r\n"));
    s.frames(t.say(true, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    s.frames(t.say(false, "GET /third HTTP/1.1\r\nHost: a\r\n\r\n"));
    s.frames(t.close());
    const auto text = s.finish();
    constexpr std::string_view http = "\"event_type\":\"http\"";
    EXPECT_EQ(count_lines(text, {http, "\"url\":\"/first\"", "\"status\":200"}), 1U) << text;
    EXPECT_EQ(count_lines(text, {http, "\"url\":\"/ward\""}), 1U) << "it was read";
    EXPECT_EQ(count_lines(text, {http, "\"status\":404"}), in_line ? 0U : 1U) << text;
    EXPECT_EQ(count_lines(text, {http, "/third"}), in_line ? 0U : 1U) << text;
    EXPECT_EQ(count_lines(text, {"\"event_type\":\"alert\""}), 1U);
    // Its packets are counted all the same.
    EXPECT_EQ(count_lines(
                  text, {"\"event_type\":\"flow\"", "\"pkts_toserver\":9", "\"pkts_toclient\":8"}),
              1U)
        << text;
  }
}

TEST(Drop, OfADroppedUdpFlowNothingMoreIsRead) {
  const auto query = [](char name) {
    Octets o;
    o.u16(7).u16(0x0100).u16(1).u16(0).u16(0).u16(0).u8(1).text(std::string(1, name));
    return o.u8(0).u16(1).u16(1).out;
  };
  Sensor s("drop dns any any -> any any (dns.query; content:\"b\"; sid:7;)\n", {},
           "outputs:\n  - eve-log:\n      types: [ alert, dns ]\nstream:\n  inline: yes\n");
  for (const char name : {'a', 'b', 'c'}) s.frame(udp(5000, 53, query(name)));
  const auto text = s.finish();
  for (const auto& [name, n] : {std::pair{"\"a\"", 1U}, {"\"b\"", 1U}, {"\"c\"", 0U}})
    EXPECT_EQ(count_lines(text, {"\"event_type\":\"dns\"", std::string("\"rrname\":") + name}), n)
        << text;
}

TEST(Drop, WithTheAlertThatDroppedAndTheVerdict) {
  const auto text = conversation("            alerts: yes\n            verdict: yes\n");
  EXPECT_EQ(count_lines(text, {is_drop, "\"reason\":\"rules\"",
                               "\"alert\":{\"action\":\"blocked\",\"gid\":1,\"signature_id\":7,"
                               "\"rev\":2,\"signature\":\"no\"",
                               "\"verdict\":{\"action\":\"drop\"}"}),
            1U)
      << text;
  EXPECT_EQ(count_lines(text, {is_drop, "\"reason\":\"flow drop\"", "\"alert\":{"}), 0U);
}

TEST(Drop, ARejectSaysSo) {
  Sensor s("reject udp any any -> any any (sid:1;)\n", {}, yaml("            verdict: yes\n"));
  s.frame(udp(5000, 53, "x"));
  s.finish();
  EXPECT_EQ(s.count({is_drop, "\"verdict\":{\"action\":\"drop\",\"reject\":[\"icmp-prohib\"]}"}),
            1U)
      << s.text();
}

}  // namespace
}  // namespace ww::sensor::test
