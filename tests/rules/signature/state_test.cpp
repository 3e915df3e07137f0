/// Keywords that remember: variables of packets, bits of hosts, counts of flows and of distinct
/// ports, thresholds; scopes of actions; and numbers that repeat.
#include "telemetry/json_writer.hpp"
#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

std::string refusal(const std::string& rule) { return Rules(rule).errors(); }

bool matches(const std::string& options, const Packet& packet) {
  Rules rules("alert ip any any -> any any (" + options + " sid:1;)\n");
  EXPECT_EQ(rules.errors(), "") << options;
  auto p = packet;
  return rules.matcher->inspect(p, {}).size() == 1;
}

/// What the matcher tells of the packet that was inspected last.
std::string metadata(Rules& rules, Wire& wire) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  rules.matcher->write_metadata(&wire.packet, &wire.flow, json);
  json.end_object();
  return out;
}

TEST(Entropy, ValuesAndRanges) {
  Wire wire;
  const std::string text = "aabbccdd";  // two bits an octet
  const auto p = wire.make(text);
  EXPECT_TRUE(matches("entropy:2.0;", p));
  EXPECT_TRUE(matches("entropy:<2.1;", p));
  EXPECT_FALSE(matches("entropy:<2.0;", p));
  EXPECT_TRUE(matches("entropy:value 1.9-2.1;", p));
  EXPECT_FALSE(matches("entropy:value 2.0-3;", p));  // both ends are outside
  EXPECT_TRUE(matches("entropy:value !2.0-3;", p));
  EXPECT_FALSE(matches("entropy:value !1-3;", p));
  EXPECT_TRUE(matches("entropy:bytes 4, offset 0, value = 1;", p));
  EXPECT_NE(refusal("alert ip any any -> any any (entropy:value 3-2; sid:1;)\n"), "");
  EXPECT_NE(refusal("alert ip any any -> any any (entropy:value 9; sid:1;)\n"), "");
  EXPECT_NE(refusal("alert ip any any -> any any (entropy:bytes 4, 2.0; sid:1;)\n"), "");
}

TEST(FlowCounts, BothSidesAndUnits) {
  Wire wire;
  wire.flow.counters[0] = {3, 2048};
  wire.flow.counters[1] = {5, 4096};
  const auto p = wire.make("x");
  EXPECT_TRUE(matches("flow.pkts:both,>2;", p));
  EXPECT_FALSE(matches("flow.pkts:both,>3;", p));
  EXPECT_TRUE(matches("flow.pkts:either,>3;", p));
  EXPECT_TRUE(matches("flow.bytes:toserver,2kb;", p));
  EXPECT_TRUE(matches("flow.bytes:both,>=2KiB;", p));
  EXPECT_FALSE(matches("flow.bytes:both,>2kb;", p));
  EXPECT_NE(refusal("alert ip any any -> any any (flow.pkts:any,1; sid:1;)\n"), "");
}

TEST(StreamSize, TakesUnits) {
  Wire wire(6);
  wire.flow.stream_octets[0] = 3000;
  const auto p = wire.make("x");
  EXPECT_TRUE(matches("stream_size:client,>,2kb;", p));
  EXPECT_FALSE(matches("stream_size:client,>,3kb;", p));
}

TEST(PacketVariables, AreTestedByLaterRulesOfThePacket) {
  Rules rules(
      "alert udp any any -> any any (pcre:\"/user=(\\w+)/,pkt:user\"; sid:1;)\n"
      "alert udp any any -> any any (pktvar:user,\"root\"; sid:2;)\n"
      "alert udp any any -> any any (pktvar:user,!\"root\"; sid:3;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire;
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("user=root"), {})), (Sids{1, 2}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("user=guest"), {})), (Sids{1, 3}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("nothing"), {})), Sids{});
}

TEST(PacketVariables, NamesMayHoldSlashes) {
  // The documentation's changelog of a package; a comma and a slash in the expression besides.
  Rules rules(
      "alert udp any any -> any any (pcre:\"/([a-z]+)\\/, pkt:(.+)\\/(.+)\\/CHANGELOG$/iG, "
      "pkt:ua/ubuntu/repo,pkt:ua/ubuntu/pkg/base, pkt:ua/ubuntu/pkg/version\"; sid:1;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire;
  const std::string text = "fr/, pkt:curl/2.2.1/changelog";
  auto& p = wire.make(text);
  EXPECT_EQ(sids(rules.matcher->inspect(p, {})), Sids{1});
  EXPECT_EQ(metadata(rules, wire),
            R"({"metadata":{"pktvars":[{"ua/ubuntu/repo":"fr"},)"
            R"({"ua/ubuntu/pkg/base":"curl"},{"ua/ubuntu/pkg/version":"2.2.1"}]}})");
}

TEST(PacketVariables, KeyAndValueAreNamedByTheTraffic) {
  Rules rules(
      "alert udp any any -> any any (pcre:\"/^([A-Z]+) (.*)\\r\\n/,pkt:key,pkt:value\"; sid:1;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire;
  const std::string text = "HELO there\r\n";
  auto& p = wire.make(text);
  EXPECT_EQ(sids(rules.matcher->inspect(p, {})), Sids{1});
  EXPECT_EQ(metadata(rules, wire), R"({"metadata":{"pktvars":[{"HELO":"there"}]}})");
}

TEST(HostBits, RunOutWhenTheySaySo) {
  Rules rules(
      "alert udp any any -> any any (content:\"set\"; hostbits:set,seen,src,10; sid:1;)\n"
      "alert udp any any -> any any (hostbits:isset,seen,src; sid:2;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire;
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("set"), {})), (Sids{1, 2}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("x", Dir::to_server, 9), {})), Sids{2});
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("x", Dir::to_server, 11), {})), Sids{});
}

TEST(DetectionFilter, CountsDifferentPorts) {
  Rules rules(
      "alert udp any any -> any any (detection_filter:track by_src, count 2, seconds 60, "
      "unique_on dst_port; sid:1;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire;
  const auto ask = [&](std::uint16_t port, std::int64_t second) {
    wire.flow.dport = port;
    wire.flow.engine.reset();
    return rules.matcher->inspect(wire.make("x", Dir::to_server, second), {}).size();
  };
  EXPECT_EQ(ask(1, 0), 0U);
  EXPECT_EQ(ask(1, 1), 0U);
  EXPECT_EQ(ask(1, 2), 0U);  // the same port again
  EXPECT_EQ(ask(2, 3), 0U);
  EXPECT_EQ(ask(3, 4), 1U);  // the third port
  EXPECT_EQ(ask(1, 5), 1U);  // and whatever follows in the window
  EXPECT_EQ(ask(1, 100), 0U);
  EXPECT_EQ(ask(2, 101), 0U);
  EXPECT_EQ(ask(3, 102), 1U);
  EXPECT_NE(refusal("alert icmp any any -> any any (detection_filter:track by_src,count 1,seconds "
                    "1,unique_on src_port; sid:1;)\n"),
            "");
  EXPECT_NE(refusal("alert tcp any any -> any any (threshold:type limit,track by_src,count "
                    "1,seconds 1,unique_on src_port; sid:1;)\n"),
            "");
}

TEST(Threshold, BackoffMultiplies) {
  Rules rules(
      "alert udp any any -> any any (content:\"x\"; threshold:type backoff, track by_flow, count "
      "1, "
      "multiplier 3; sid:1;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire;
  std::string seen;
  for (int i = 1; i <= 12; ++i)
    if (!rules.matcher->inspect(wire.make("x"), {}).empty()) seen += std::to_string(i) + " ";
  EXPECT_EQ(seen, "1 3 9 ");
}

TEST(ByteMath, EachOptionOnceAndItsValues) {
  const auto with = [](const std::string& more) {
    return refusal(
        "alert udp any any -> any any (byte_math:bytes 2, offset 0, oper +, rvalue 0, "
        "result v" +
        more + "; sid:1;)\n");
  };
  EXPECT_EQ(with(""), "");
  EXPECT_EQ(with(", endian dce"), "");
  EXPECT_EQ(with(", dce"), "");
  EXPECT_EQ(with(", string hex, relative"), "");
  EXPECT_NE(with(", endian big, endian little"), "");
  EXPECT_NE(with(", endian big, dce"), "");
  EXPECT_NE(with(", relative, relative"), "");
  EXPECT_NE(with(", bytes 1"), "");
  EXPECT_NE(with(", endian middle"), "");
  EXPECT_NE(with(", string binary"), "");
}

TEST(Actions, ScopesOfPassAndDrop) {
  const auto passed = [](const std::string& action) {
    Rules rules(action + " udp any any -> any any (content:\"x\"; sid:1;)\n");
    EXPECT_EQ(rules.errors(), "") << action;
    Wire wire;
    (void)rules.matcher->inspect(wire.make("x"), {});
    return wire.flow.passed;
  };
  EXPECT_FALSE(passed("pass:packet"));
  EXPECT_TRUE(passed("pass:flow"));
  Rules drop("drop:packet udp any any -> any any (content:\"x\"; sid:1;)\n");
  Wire wire;
  const auto alerts = drop.matcher->inspect(wire.make("x"), {});
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].reach, Alert::Reach::packet);
  EXPECT_NE(
      refusal("accept:hook http1:request_line any any -> any any (sid:1;)\n").find("firewall"),
      std::string::npos);
  EXPECT_NE(refusal("drop:hook tcp any any -> any any (sid:1;)\n").find("firewall"),
            std::string::npos);
  EXPECT_NE(refusal("alert:flow tcp any any -> any any (sid:1;)\n"), "");
  EXPECT_NE(refusal("alert tls:<client_hello_done any any -> any any (sid:1;)\n").find("firewall"),
            std::string::npos);
}

TEST(Hooks, RefuseWhatTheyCannotSee) {
  EXPECT_NE(refusal("alert tcp:pre_flow any any -> any any (flow:established; sid:1;)\n"), "");
  EXPECT_NE(refusal("alert tcp:pre_stream any any -> any any (http.uri; content:\"x\"; sid:1;)\n"),
            "");
  EXPECT_NE(refusal("alert tcp:later any any -> any any (sid:1;)\n"), "");
  EXPECT_NE(refusal("alert arp:flow_start any any -> any any (sid:1;)\n"), "");
  EXPECT_NE(refusal("config tcp any any -> any any (config:tracking disable, type flow, scope "
                    "packet; sid:1;)\n"),
            "");
}

/// A protocol whose transactions offer a number several times.
struct ListTx final : Transaction {
  std::vector<std::uint64_t> codes;
};
AppProto list_proto() {
  static const AppProto proto = [] {
    const auto id = app_protos().intern("http2");
    ProtocolBuffers p;
    p.proto = id;
    p.numbers.push_back({numbers().intern("http2.errorcode"), Dir::to_server,
                         [](const Transaction& t, Dir, std::uint32_t i, std::uint64_t& o) {
                           const auto& codes = static_cast<const ListTx&>(t).codes;
                           if (i >= codes.size()) return BufferStatus::absent;
                           o = codes[i];
                           return BufferStatus::ready;
                         }});
    protocol_buffers().push_back(std::move(p));
    return id;
  }();
  return proto;
}
Sids numbers_match(const std::string& value, std::vector<std::uint64_t> codes) {
  (void)list_proto();
  Rules rules("alert http2 any any -> any any (http2.errorcode:" + value + "; sid:1;)\n");
  EXPECT_EQ(rules.errors(), "") << value;
  if (!rules.matcher) return {};
  Wire wire;
  ListTx tx;
  tx.proto = wire.flow.app_proto = list_proto();
  tx.codes = std::move(codes);
  tx.complete[0] = true;
  tx.revision = 1;
  wire.flow.live = {&tx};
  return sids(rules.matcher->inspect(wire.make("x"), {}));
}

TEST(Numbers, ThatRepeat) {
  const Sids yes{1}, no{};
  const std::vector<std::uint64_t> six = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(numbers_match("4", six), yes);
  EXPECT_EQ(numbers_match("7,any", six), no);
  EXPECT_EQ(numbers_match(">0,all1", six), yes);
  EXPECT_EQ(numbers_match(">1,all1", six), no);
  EXPECT_EQ(numbers_match(">0,all1", {}), no);
  EXPECT_EQ(numbers_match(">0,all_or_absent", {}), yes);
  EXPECT_EQ(numbers_match("9,or_absent", {}), yes);
  EXPECT_EQ(numbers_match("9,or_absent", six), no);
  EXPECT_EQ(numbers_match("2,1", six), yes);
  EXPECT_EQ(numbers_match("6,-1", six), yes);
  EXPECT_EQ(numbers_match("2,9", six), no);
  EXPECT_EQ(numbers_match("2,oob_or 9", six), yes);
  EXPECT_EQ(numbers_match("2,oob_or 0", six), no);
  EXPECT_EQ(numbers_match(">3,nb>2", six), yes);
  EXPECT_EQ(numbers_match(">3,nb>3", six), no);
  EXPECT_EQ(numbers_match("count >5", six), yes);
  EXPECT_EQ(numbers_match("count 5", six), no);
  EXPECT_EQ(numbers_match("3,any,2:4", six), yes);
  EXPECT_EQ(numbers_match("2,any,2:4", six), no);
  EXPECT_EQ(numbers_match(">2,all1,2:4", six), yes);
  EXPECT_EQ(numbers_match("3,any,-4:-1", six), yes);
  EXPECT_EQ(numbers_match("6,any,-4:-1", six), no);
  EXPECT_EQ(numbers_match("3,any,2:9", six), no);  // an end outside leaves nothing
  EXPECT_EQ(numbers_match("4,1,2:4", six), yes);
}

TEST(L3Proto, SaysTheVersion) {
  Wire wire;
  const auto p = wire.make("x");
  EXPECT_TRUE(matches("l3_proto:ipv4;", p));
  EXPECT_FALSE(matches("l3_proto:ipv6;", p));
  EXPECT_NE(refusal("alert tcp4 any any -> any any (l3_proto:ipv6; sid:1;)\n"), "");
}

}  // namespace
}  // namespace ww::sig::test
