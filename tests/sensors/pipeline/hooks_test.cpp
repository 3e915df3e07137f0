/// Rules that say where in a packet's way they are looked at, ARP and Ethernet, rates of flows, and
/// rules that configure: the whole worker on frames.
#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

std::string http_get(const std::string& uri) {
  return "GET " + uri + " HTTP/1.1\r\nHost: a.example\r\n\r\n";
}

TEST(Arp, RulesAndRecords) {
  Sensor s(
      "alert arp any any -> any any (sid:1;)\n"
      "alert arp:all any any -> any any (ether.hdr; content:\"|08 06|\"; offset:12; depth:2; "
      "sid:2;)\n"
      "alert ether any any -> any any (ether.hdr; content:\"|08 00|\"; offset:12; depth:2; "
      "sid:3;)\n"
      "alert ether any any -> any any (sid:4;)\n"
      "alert ip any any -> any any (ip_proto:17; sid:5;)\n",
      {}, "outputs:\n  - eve-log:\n      types:\n        - alert\n        - arp\n");
  s.frame(arp(1));
  s.frame(arp(2));
  s.frame(udp(5000, 53000, "x"));
  s.finish();
  EXPECT_EQ(s.alerts(1), 2U);
  EXPECT_EQ(s.alerts(2), 2U);
  EXPECT_EQ(s.alerts(3), 1U);
  EXPECT_EQ(s.alerts(4), 3U);
  EXPECT_EQ(s.alerts(5), 1U);
  EXPECT_EQ(s.count({"\"event_type\":\"arp\"", "\"opcode\":\"request\"",
                     "\"hw_type\":\"ethernet\",\"proto_type\":\"ipv4\"",
                     "\"src_mac\":\"02:00:00:00:00:0a\",\"src_ip\":\"10.0.0.1\"",
                     "\"dest_mac\":\"02:00:00:00:00:0b\",\"dest_ip\":\"192.0.2.1\""}),
            1U);
  EXPECT_EQ(s.count({"\"event_type\":\"arp\"", "\"opcode\":\"reply\""}), 1U);
}

TEST(Arp, RecordsOnlyWhenAskedFor) {
  Sensor s("alert arp any any -> any any (sid:1;)\n");
  s.frame(arp(1));
  s.finish();
  EXPECT_EQ(s.alerts(1), 1U);
  EXPECT_EQ(s.count({"\"event_type\":\"arp\""}), 0U);
}

TEST(PacketHooks, FlowStartIsTheFirstPacketOfEachDirection) {
  Sensor s(
      "alert udp:flow_start any any -> any any (sid:1;)\n"
      "alert udp:all any any -> any any (sid:2;)\n"
      "alert udp any any -> any any (sid:3;)\n");
  for (int i = 0; i < 3; ++i) {
    s.frame(udp(5000, 53000, "ask"));
    s.frame(udp(53000, 5000, "tell", true));
  }
  s.finish();
  EXPECT_EQ(s.alerts(1), 2U);
  EXPECT_EQ(s.alerts(2), 6U);
  EXPECT_EQ(s.alerts(3), 2U);  // addresses only: once a direction
}

TEST(PacketHooks, BeforeTheFlowAndTheStream) {
  Sensor s(
      "alert udp:pre_flow any any -> any 53000 (content:\"ask\"; sid:1;)\n"
      "alert udp:pre_flow any any -> any 9 (sid:2;)\n"
      "alert tcp:pre_stream any any -> any any (tcp.flags:S; sid:3;)\n"
      "alert tcp:pre_stream any any -> any any (flow:established; content:\"GET\"; sid:4;)\n");
  s.frame(udp(5000, 53000, "ask"));
  s.frame(udp(5000, 53000, "tell"));
  Tcp t;
  s.frames(t.open());
  s.frames(t.say(false, http_get("/")));
  s.finish();
  EXPECT_EQ(s.alerts(1), 1U);
  EXPECT_EQ(s.alerts(2), 0U);
  EXPECT_EQ(s.alerts(3), 1U);
  EXPECT_EQ(s.alerts(4), 1U);
  EXPECT_EQ(s.count({"\"signature_id\":1,", "\"flow_id\""}), 1U);  // told with the flow it got
}

TEST(Config, TrackingKeepsPacketsOutOfTheFlowTable) {
  Sensor s(
      "config udp:pre_flow any any <> any 666 (config:tracking disable, type flow, scope packet; "
      "sid:1;)\n"
      "alert udp any any -> any any (content:\"ask\"; sid:2;)\n");
  s.frame(udp(5000, 666, "ask"));
  s.frame(udp(666, 5000, "ask", true));
  s.frame(udp(5000, 667, "ask"));
  s.finish();
  EXPECT_EQ(s.alerts(1), 0U);
  EXPECT_EQ(s.alerts(2), 3U);
  EXPECT_EQ(s.count({"\"event_type\":\"flow\""}), 1U);
  EXPECT_EQ(s.count({"\"event_type\":\"flow\"", "\"dest_port\":667"}), 1U);
}

TEST(Config, LoggingOfOneTransactionOfAFlowAndOfTheFlow) {
  const auto run = [](const std::string& config) {
    auto s = std::make_unique<Sensor>("config http any any -> any any (http.uri; content:\"/b\"; " +
                                      config + " sid:1;)\n");
    Tcp t;
    s->frames(t.open());
    for (const auto* uri : {"/a", "/b", "/c"}) {
      s->frames(t.say(false, http_get(uri)));
      s->frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    }
    s->frames(t.close());
    s->finish();
    return s;
  };
  auto tx = run("config:logging disable, type tx, scope tx;");
  EXPECT_EQ(tx->count({"\"event_type\":\"http\""}), 2U);
  EXPECT_EQ(tx->count({"\"event_type\":\"http\"", "\"url\":\"/b\""}), 0U);
  EXPECT_EQ(tx->count({"\"event_type\":\"flow\""}), 1U);
  auto all = run("config:logging disable, type tx, scope flow;");
  EXPECT_EQ(all->count({"\"event_type\":\"http\""}), 1U);
  EXPECT_EQ(all->count({"\"event_type\":\"http\"", "\"url\":\"/a\""}), 1U);
  auto flow = run("config:logging disable, type flow, scope flow;");
  EXPECT_EQ(flow->count({"\"event_type\":\"http\""}), 3U);
  EXPECT_EQ(flow->count({"\"event_type\":\"flow\""}), 0U);
}

TEST(BodyHook, MatchesWithEachPieceOfTheBody) {
  Sensor s(
      "alert http1:response_headers any any -> any any (sid:1;)\n"
      "alert http1:response_body any any -> any any (sid:2;)\n"
      "alert http1:response_complete any any -> any any (sid:3;)\n"
      "alert http1:response_body any any -> any any (http.stat_code; content:\"404\"; sid:4;)\n");
  Tcp t;
  s.frames(t.open());
  s.frames(t.say(false, http_get("/")));
  s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"));
  for (int i = 0; i < 4; ++i) s.frames(t.say(true, "0123456789"));
  s.frames(t.close());
  s.finish();
  EXPECT_EQ(s.alerts(1), 1U);
  EXPECT_GE(s.alerts(2), 4U);
  EXPECT_EQ(s.alerts(3), 1U);
  EXPECT_EQ(s.alerts(4), 0U);
}

TEST(BodyHook, TheDepthOfTheStreamCompletesTheTransaction) {
  const std::string rule = "alert http1:response_complete any any -> any any (sid:1;)\n";
  const auto run = [&](const std::string& depth) {
    Sensor s(rule, {"stream.reassembly.depth=" + depth});
    Tcp t;
    s.frames(t.open());
    s.frames(t.say(false, http_get("/")));
    s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"));
    for (int i = 0; i < 5; ++i) s.frames(t.say(true, std::string(1000, 'x')));
    s.flush();
    return s.alerts(1);
  };
  EXPECT_EQ(run("2000"), 1U);
  EXPECT_EQ(run("100000"), 0U);
}

TEST(StateHooks, OfTlsAreReachedInOrder) {
  const std::vector<std::string> states = {
      "client_in_progress",    "client_hello_done",  "client_cert_done",
      "client_handshake_done", "server_in_progress", "server_hello",
      "server_cert_done",      "server_hello_done",  "server_handshake_done"};
  std::string rules;
  for (std::size_t i = 0; i < states.size(); ++i)
    rules +=
        "alert tls:" + states[i] + " any any -> any any (sid:" + std::to_string(i + 1) + ";)\n";
  rules +=
      "alert tls:client_hello_done any any -> any any (tls.sni; content:\"example\"; sid:20;)\n"
      "alert tls:client_hello_done any any -> any any (tls.sni; content:\"nosuch\"; sid:21;)\n";
  Sensor s(rules);
  s.capture("tls.pcap");
  s.finish();
  const auto flows = s.count({"\"event_type\":\"flow\"", "\"app_proto\":\"tls\""});
  ASSERT_GT(flows, 0U);
  for (std::size_t i = 0; i < states.size(); ++i) {
    EXPECT_GT(s.alerts(static_cast<unsigned>(i + 1)), 0U) << states[i];
    EXPECT_LE(s.alerts(static_cast<unsigned>(i + 1)), flows) << states[i];
  }
  EXPECT_EQ(s.alerts(21), 0U);
}

TEST(StateHooks, OfSshAreReachedInOrder) {
  Sensor s(
      "alert ssh:request_in_progress any any -> any any (sid:1;)\n"
      "alert ssh:request_banner_done any any -> any any (ssh.software; content:\"SSH\"; sid:2;)\n"
      "alert ssh:response_banner_done any any -> any any (sid:3;)\n"
      "alert ssh:response_finished any any -> any any (sid:4;)\n"
      "alert ssh:request_banner_done any any -> any any (ssh.software; content:\"nosuch\"; "
      "sid:5;)\n");
  s.capture("ssh.pcap");
  s.finish();
  for (const unsigned sid : {1U, 2U, 3U, 4U}) EXPECT_GT(s.alerts(sid), 0U) << sid;
  EXPECT_EQ(s.alerts(5), 0U);
}

TEST(StreamAlerts, ShowTheTransactionSoManyTimes) {
  const std::string rule = "alert tcp any any -> any any (content:\"needle\"; sid:1;)\n";
  const auto shown = [&](const std::vector<std::string>& sets) {
    Sensor s(rule, sets);
    Tcp t;
    s.frames(t.open());
    s.frames(t.say(false, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n"));
    for (int i = 0; i < 10; ++i) s.frames(t.say(false, "needle" + std::string(2994, '.')));
    s.finish();
    return std::pair{s.alerts(1), s.count({"\"signature_id\":1,", "\"tx_id\":0"})};
  };
  const auto [all, with] = shown({});
  EXPECT_GT(all, 5U);
  EXPECT_EQ(with, 4U);
  EXPECT_EQ(shown({"detect.stream-tx-log-limit=2"}).second, 2U);
  EXPECT_EQ(shown({"detect.stream-tx-log-limit=0"}).second, 0U);
}

TEST(PacketAlerts, GuessTheTransactionWhenAskedTo) {
  const auto guessed = [&](const std::vector<std::string>& sets) {
    Sensor s("alert tcp any any -> any 80 (flags:PA; flow:to_server; sid:1;)\n", sets);
    Tcp t;
    s.frames(t.open());
    s.frames(t.say(false, http_get("/a")));
    s.frames(t.say(false, "more"));
    s.finish();
    return s.count({"\"signature_id\":1,", "\"tx_id\":0,\"tx_guessed\":true", "\"url\":\"/a\""});
  };
  EXPECT_EQ(guessed({}), 0U);
  EXPECT_EQ(guessed({"detect.guess-applayer-tx=yes"}), 1U);
}

TEST(AlertRecords, VerdictWhenAskedFor) {
  const std::string yaml =
      "outputs:\n  - eve-log:\n      types:\n        - alert:\n            verdict: yes\n";
  const std::string rules =
      "alert udp any any -> any 1 (sid:1;)\nreject udp any any -> any 2 (sid:2;)\n"
      "drop udp any any -> any 3 (sid:3;)\n";
  const auto run = [&](const std::vector<std::string>& sets) {
    auto s = std::make_unique<Sensor>(rules, sets, yaml);
    for (const unsigned port : {1U, 2U, 3U}) s->frame(udp(5000, port, "x"));
    s->finish();
    return s;
  };
  auto listening = run({});
  EXPECT_EQ(listening->count({"\"signature_id\":1,", "\"verdict\":{\"action\":\"alert\"}"}), 1U);
  EXPECT_EQ(
      listening->count({"\"signature_id\":2,", "\"verdict\":{\"action\":\"drop\",\"reject\":["}),
      1U);
  EXPECT_EQ(listening->count({"\"signature_id\":3,", "\"verdict\":{\"action\":\"alert\"}"}), 1U);
  auto inlined = run({"stream.inline=true"});
  EXPECT_EQ(inlined->count({"\"signature_id\":3,", "\"verdict\":{\"action\":\"drop\"}"}), 1U);
}

TEST(RawStream, ShowsAtOnceWhatFollowsAGap) {
  const auto run = [](bool gap) {
    Sensor s("alert http any any -> any any (flow:to_client; content:\"needle\"; sid:1;)\n");
    Tcp t;
    s.frames(t.open());
    s.frames(t.say(false, http_get("/")));
    s.frames(t.say(true, "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"));
    if (gap) s.frames({t.say(true, std::string(50, 'x'))[1]});  // only its acknowledgement is seen
    s.frames(t.say(true, "the needle"));
    s.frames(t.say(true, "hay"));
    s.flush();
    return s.alerts(1);
  };
  EXPECT_EQ(run(true), 1U);
  EXPECT_EQ(run(false), 0U);  // waits for a chunk
}

TEST(Elephant, ARateOverTheWindowMarksTheDirection) {
  const std::string rules =
      "alert udp any any -> any any (flow.elephant:toserver; sid:1;)\n"
      "alert udp any any -> any any (flow.elephant:toclient; sid:2;)\n"
      "alert udp any any -> any any (flow.elephant:either; sid:3;)\n"
      "alert udp any any -> any any (flow.elephant:both; sid:4;)\n";
  const std::vector<std::string> on = {"flow.rate-tracking.bytes=2500",
                                       "flow.rate-tracking.interval=10"};
  const std::string big(958, 'x');  // 1000 octets a frame
  {
    Sensor s(rules, on);
    for (int i = 0; i < 4; ++i) s.frame(udp(5000, 53000, big), i);
    s.frame(udp(53000, 5000, "y", true), 5);
    s.finish();
    EXPECT_EQ(s.alerts(1), 3U);  // the third frame goes over it
    EXPECT_EQ(s.alerts(2), 0U);
    EXPECT_EQ(s.alerts(3), 3U);
    EXPECT_EQ(s.alerts(4), 0U);
    EXPECT_EQ(s.count({"\"event_type\":\"flow\"", "\"elephant_toserver\":true"}), 1U);
    EXPECT_EQ(s.count({"\"event_type\":\"flow\"", "\"elephant_toclient\""}), 0U);
  }
  {
    Sensor slow(rules, on);
    for (int i = 0; i < 6; ++i) slow.frame(udp(5000, 53000, big), i * 6);
    slow.finish();
    EXPECT_EQ(slow.alerts(3), 0U);  // two frames fit the window, never three
  }
  {
    Sensor off(rules);
    for (int i = 0; i < 6; ++i) off.frame(udp(5000, 53000, big), i);
    off.finish();
    EXPECT_EQ(off.alerts(3), 0U);
  }
}

TEST(ProtocolChange, AChangeWhileChangingFails) {
  Sensor s(
      "alert http any any -> any any (app-layer-event:http.failed_protocol_change; sid:1;)\n"
      "alert smtp any any -> any any (app-layer-event:smtp.failed_protocol_change; sid:2;)\n");
  Tcp t(25);
  s.frames(t.open());
  s.frames(t.say(true, "220 mail\r\n"));
  s.frames(t.say(false, "EHLO x\r\nSTARTTLS\r\n"));
  s.frames(t.say(true, "220 go\r\n220 go\r\n"));
  s.frames(t.say(true, "HTTP/1.1 101\nUpgrade:h2c\n\n"));
  s.frames(t.say(true, "x"));
  s.finish();
  EXPECT_GE(s.alerts(1), 1U);
  EXPECT_EQ(s.alerts(2), 0U);
  EXPECT_EQ(s.count({"\"event_type\":\"flow\"", "\"app_proto\":\"http\"",
                     "\"app_proto_expected\":\"tls\"", "\"app_proto_orig\":\"smtp\""}),
            1U);
}

}  // namespace
}  // namespace ww::sensor::test
