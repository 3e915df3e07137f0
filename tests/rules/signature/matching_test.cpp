/// What matches, on packets, streams and transactions; how often; and what follows.
#include "rules/signature/state.hpp"
#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

/// Whether options match a UDP payload.
bool hit(const std::string& options, const std::string& payload) {
  Rules rules("alert udp any any -> any any (" + options + " sid:1;)\n");
  EXPECT_EQ(rules.errors(), "") << options;
  Wire wire;
  return rules.matcher && !rules.matcher->inspect(wire.make(payload), {}).empty();
}

TEST(Content, PositionModifiers) {
  EXPECT_TRUE(hit("content:\"abc\";", "xxabcxx"));
  EXPECT_FALSE(hit("content:\"ABC\";", "xxabcxx"));
  EXPECT_TRUE(hit("content:\"ABC\"; nocase;", "xxaBcxx"));
  EXPECT_TRUE(hit("content:\"abc\"; offset:2; depth:3;", "xxabcxx"));
  EXPECT_FALSE(hit("content:\"abc\"; offset:3;", "xxabcxx"));
  EXPECT_FALSE(hit("content:\"abc\"; depth:4;", "xxabcxx"));
  EXPECT_TRUE(hit("content:\"ab\"; content:\"cd\"; distance:1; within:2;", "ab-cd"));
  EXPECT_FALSE(hit("content:\"ab\"; content:\"cd\"; distance:2;", "ab-cd"));
  EXPECT_FALSE(hit("content:\"ab\"; content:\"cd\"; within:2;", "ab-cd"));
  EXPECT_TRUE(hit("content:\"cd\"; content:\"ab\"; distance:-10;", "ab-cd"));
  EXPECT_TRUE(hit("content:\"ab\"; startswith;", "abc"));
  EXPECT_FALSE(hit("content:\"bc\"; startswith;", "abc"));
  EXPECT_TRUE(hit("content:\"bc\"; endswith;", "bcabc"));
  EXPECT_FALSE(hit("content:\"ab\"; endswith;", "abc"));
  EXPECT_TRUE(hit("content:!\"zz\";", "abc"));
  EXPECT_FALSE(hit("content:!\"ab\";", "abc"));
  EXPECT_TRUE(hit("content:\"|61 62|c\";", "abc"));
}

TEST(Content, RetriesEarlierOccurrenceForRelativeOnes) {
  EXPECT_TRUE(hit("content:\"ab\"; content:\"cd\"; distance:0; within:2;", "ab--ab--abcd"));
  EXPECT_TRUE(hit("content:\"a\"; content:\"b\"; within:1; content:\"c\"; within:1;", "ab-ac-abc"));
  EXPECT_TRUE(hit("content:\"a\"; content:!\"b\"; within:1;", "abab-ac"));
}

TEST(ByteOps, ReadCompareJumpAndCompute) {
  const std::string data("\x00\x05hello\x2a", 8);
  EXPECT_TRUE(hit("byte_test:2,=,5,0;", data));
  EXPECT_FALSE(hit("byte_test:2,>,5,0;", data));
  EXPECT_TRUE(hit("byte_test:2,=,0x0500,0,little;", data));
  EXPECT_TRUE(hit("byte_jump:2,0; byte_test:1,=,42,0,relative;", data));
  EXPECT_TRUE(hit("byte_extract:2,0,len; content:\"hello\"; depth:7; byte_test:1,=,len,1;", data));
  EXPECT_TRUE(hit(
      "byte_math:bytes 1, offset 1, oper +, rvalue 2, result at; content:\"*\"; offset:at;", data));
  EXPECT_TRUE(hit("byte_test:3,=,123,1,string,dec;", "x123y"));
  EXPECT_TRUE(hit("byte_test:1,=,2,0,bitmask 0x30;", std::string("\x2f", 1)));
  EXPECT_FALSE(hit("byte_test:4,>,0,6;", data)) << "reads past the end";
  EXPECT_TRUE(hit("content:\"hello\"; isdataat:1,relative;", data));
  EXPECT_TRUE(hit("content:\"hello\"; isdataat:!2,relative;", data));
}

TEST(ByteOps, IsDataAtIsOneOctetFurtherWhenRelative) {
  const std::string data = "abcdefgh";  // the documentation's table
  EXPECT_TRUE(hit("isdataat:7;", data));
  EXPECT_FALSE(hit("isdataat:8;", data));
  EXPECT_TRUE(hit("isdataat:7,relative;", data));
  EXPECT_TRUE(hit("isdataat:8,relative;", data));
  EXPECT_FALSE(hit("isdataat:9,relative;", data));
  EXPECT_TRUE(hit("content:\"c\"; isdataat:4,relative;", data));
  EXPECT_TRUE(hit("content:\"c\"; isdataat:5,relative;", data));
  EXPECT_FALSE(hit("content:\"c\"; isdataat:6,relative;", data));
}

TEST(Asn1, WalksElementsOfAnyTag) {
  const auto is = [](const char* what, std::string_view octets) {
    return hit("asn1:" + std::string(what) + ";", std::string(octets));
  };
  using namespace std::literals;
  EXPECT_TRUE(is("oversize_length 1024", "\x04\x82\x08\x00"sv));
  EXPECT_FALSE(is("oversize_length 1024", "\x04\x02xy"sv));
  EXPECT_TRUE(is("oversize_length 1024", "\x04\x01x\x04\x82\x08\x00"sv)) << "the second element";
  EXPECT_TRUE(is("oversize_length 1024", "\x1f\x81\x22\x82\x08\x00"sv)) << "a tag of three octets";
  EXPECT_FALSE(is("oversize_length 1024", "\x1f\x81\x22\x02xy"sv));
  EXPECT_FALSE(is("oversize_length 0", "\x1f\xff\xff\xff"sv)) << "a tag without an end";
  EXPECT_FALSE(is("oversize_length 0", "\x1f\x81\x22"sv)) << "no length behind the tag";
  EXPECT_TRUE(is("bitstring_overflow", "\x03\x01\x09"sv));
  EXPECT_FALSE(is("bitstring_overflow", "\x03\x02\x01\x80"sv));
  EXPECT_TRUE(is("bitstring_overflow", "\x30\x03\x03\x01\x09"sv)) << "inside a sequence";
  EXPECT_TRUE(is("double_overflow", "\x09\x82\x01\x01\x05"sv));
  EXPECT_FALSE(is("double_overflow", "\x09\x01\x05"sv));
}

TEST(Pcre, FlagsAndRelativeStart) {
  EXPECT_TRUE(hit("content:\"id=\"; pcre:\"/^[0-9]+x/R\";", "id=42x"));
  EXPECT_FALSE(hit("content:\"id=\"; pcre:\"/^[a-z]+x/R\";", "id=42x"));
  EXPECT_TRUE(hit("pcre:!\"/zz/\";", "abc"));
  EXPECT_TRUE(hit("content:\"a\"; pcre:\"/^\\d/R\";", "ab a1"));
}

TEST(Base64, DecodesForInnerContents) {
  EXPECT_TRUE(hit("content:\"k=\"; base64_decode:relative; base64_data; content:\"secret\";",
                  "k=c2VjcmV0"));
  EXPECT_FALSE(hit("content:\"k=\"; base64_decode:relative; base64_data; content:\"public\";",
                   "k=c2VjcmV0"));
}

TEST(Header, DirectionPortsAndAddresses) {
  Rules rules(
      "alert udp 10.0.0.0/8 any -> any 80 (sid:1;)\n"
      "alert udp 10.0.0.0/8 any -> any 81 (sid:2;)\n"
      "alert udp any 80 <> any any (msg:\"both ways\"; ttl:64; sid:3;)\n"
      "alert udp any any -> any any (flow:to_client; ttl:64; sid:4;)\n"
      "alert tcp any any -> any any (ttl:64; sid:5;)\n");
  Wire wire;
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("x"), {})), (Sids{1, 3}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("x", Dir::to_client), {})), (Sids{3, 4}));
}

TEST(Alerts, StandInOrderOfActionPriorityAndSid) {
  Rules rules(
      "alert udp any any -> any any (ttl:64; priority:3; sid:1;)\n"
      "alert udp any any -> any any (ttl:64; priority:1; sid:9;)\n"
      "drop udp any any -> any any (ttl:64; priority:3; sid:5;)\n"
      "alert udp any any -> any any (ttl:64; priority:1; sid:2;)\n");
  Wire wire;
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("x"), {})), (Sids{5, 2, 9, 1}));
}

TEST(Alerts, PassSilencesThePacket) {
  Rules rules(
      "alert udp any any -> any any (content:\"bad\"; sid:1;)\npass udp any any -> any any "
      "(content:\"ok\"; sid:2;)\n");
  Wire wire;
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("bad"), {})), (Sids{1}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("bad but ok"), {})), Sids{});
}

TEST(Actions, TheirOrderCanBeSet) {
  const std::string text =
      "alert udp any any -> any any (content:\"bad\"; sid:1;)\n"
      "pass udp any any -> any any (content:\"bad\"; sid:2;)\n"
      "drop udp any any -> any any (content:\"bad\"; sid:3;)\n";
  const auto fires = [&](const std::string& order, LoadReport* report = nullptr) {
    const auto settings = Settings::from_yaml(order.empty() ? "{}" : "action-order: " + order, "s");
    EngineOptions options;
    options.settings = &*settings;
    Rules r(text, options);
    if (report != nullptr) *report = r.report;
    Wire wire;
    return sids(r.matcher->inspect(wire.make("a bad word"), {}));
  };
  EXPECT_EQ(fires(""), Sids{});
  EXPECT_EQ(fires("[pass, drop, reject, alert]"), Sids{});
  EXPECT_EQ(fires("[drop, pass, reject, alert]"), Sids{3});
  EXPECT_EQ(fires("[alert, drop, reject, pass]"), (Sids{1, 3}));
  LoadReport report;
  EXPECT_EQ(fires("[alert, alert, drop, pass]", &report), Sids{}) << "as if it was not given";
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.problems[0].file, "action-order");
}

TEST(Alerts, AtMostFifteenOnAPacket) {
  std::string text;
  for (int i = 1; i <= 40; ++i)
    text += "alert udp any any -> any any (ttl:64; sid:" + std::to_string(i) + ";)\n";
  Rules rules(text);
  Wire wire;
  EXPECT_EQ(rules.matcher->inspect(wire.make("x"), {}).size(), 15U);
}

TEST(Flowbits, OneRuleSetsAnotherSees) {
  Rules rules(
      "alert udp any any -> any any (content:\"login\"; flowbits:set,in; flowbits:noalert; "
      "sid:1;)\n"
      "alert udp any any -> any any (content:\"delete\"; flowbits:isset,in; sid:2;)\n"
      "alert udp any any -> any any (content:\"bye\"; flowbits:isset,in; flowbits:unset,in; "
      "sid:3;)\n");
  Wire wire;
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("delete"), {})), Sids{});
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("login"), {})), Sids{});
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("delete"), {})), (Sids{2}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("bye"), {})), (Sids{3}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("delete"), {})), Sids{});
}

TEST(Flowbits, SurviveAReload) {
  const std::string text =
      "alert udp any any -> any any (content:\"login\"; flowbits:set,in; noalert; sid:1;)\n"
      "alert udp any any -> any any (content:\"delete\"; flowbits:isset,in; sid:2;)\n";
  Rules first(text), second("alert ip any any -> any any (ttl:1; sid:7;)\n" + text);
  Wire wire;
  (void)first.matcher->inspect(wire.make("login"), {});
  first.matcher->replace(second.engine);
  EXPECT_EQ(sids(first.matcher->inspect(wire.make("delete"), {})), (Sids{2}));
}

TEST(Xbits, ExpireByPacketTime) {
  Rules rules(
      "alert udp any any -> any any (content:\"mark\"; xbits:set,seen,track ip_src,expire 10; "
      "noalert; sid:1;)\n"
      "alert udp any any -> any any (content:\"test\"; xbits:isset,seen,track ip_src; sid:2;)\n");
  Wire wire;
  (void)rules.matcher->inspect(wire.make("mark", Dir::to_server, 0), {});
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("test", Dir::to_server, 9), {})), (Sids{2}));
  EXPECT_EQ(sids(rules.matcher->inspect(wire.make("test", Dir::to_server, 11), {})), Sids{});
}

std::size_t alerts_of(const std::string& option, int packets, int seconds_apart) {
  Rules rules("alert udp any any -> any any (content:\"x\"; " + option + " sid:1;)\n");
  EXPECT_EQ(rules.errors(), "");
  Wire wire;
  std::size_t n = 0;
  for (int i = 0; i < packets; ++i)
    n += rules.matcher->inspect(wire.make("x", Dir::to_server, i * seconds_apart), {}).size();
  return n;
}
TEST(Threshold, BothWaysBetweenTwoHostsAreOnePair) {
  Rules rules(
      "alert udp any any -> any any (content:\"x\"; threshold:type threshold,track by_both,count 4,"
      "seconds 60; sid:1;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire;
  std::vector<std::size_t> n;
  for (const auto dir : {Dir::to_server, Dir::to_client, Dir::to_server, Dir::to_client})
    n.push_back(rules.matcher->inspect(wire.make("x", dir, 1), {}).size());
  EXPECT_EQ(n, (std::vector<std::size_t>{0, 0, 0, 1}));
}

TEST(Threshold, TypesCountAsTheLanguageSays) {
  EXPECT_EQ(alerts_of("threshold:type limit,track by_src,count 3,seconds 60;", 10, 1), 3U);
  EXPECT_EQ(alerts_of("threshold:type threshold,track by_dst,count 3,seconds 60;", 10, 1), 3U);
  EXPECT_EQ(alerts_of("threshold:type both,track by_both,count 3,seconds 60;", 10, 1), 1U);
  EXPECT_EQ(alerts_of("threshold:type limit,track by_rule,count 1,seconds 5;", 12, 1), 2U);
  EXPECT_EQ(alerts_of("detection_filter:track by_src,count 4,seconds 60;", 10, 1), 6U);
  EXPECT_EQ(alerts_of("threshold:type backoff,track by_flow,count 1,multiplier 10;", 101, 1), 3U);
}

// --------------------------------------------------------------------------- streams

TEST(Stream, MatchesAcrossChunksOnceEach) {
  Rules rules("alert tcp any any -> any any (content:\"needle\"; sid:1;)\n");
  Wire wire(6);
  const std::string stream = "hay needle hay hay";
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    std::size_t n = 0;
    const std::size_t overlap = std::min<std::size_t>(cut, 8);
    const auto first = stream.substr(0, cut), second = stream.substr(cut - overlap);
    auto& a = wire.make(first);
    a.in_stream = true;
    StreamChunk c1{Dir::to_server, octets(first), 0, 0, false};
    n += rules.matcher->inspect(a, {&c1, 1}).size();
    auto& b = wire.make(stream.substr(cut));
    b.in_stream = true;
    StreamChunk c2{Dir::to_server, octets(second), cut - overlap,
                   static_cast<std::uint32_t>(overlap), false};
    n += rules.matcher->inspect(b, {&c2, 1}).size();
    EXPECT_EQ(n, 1U) << "cut at " << cut;
  }
}

// --------------------------------------------------------------------------- transactions

struct TxWire : Wire {
  DemoTx tx;
  TxWire() : Wire(6) {
    flow.app_proto = demo_proto();
    tx.proto = demo_proto();
    flow.live.push_back(&tx);
  }
  Sids see(Rules& rules, Dir dir = Dir::to_server) {
    ++tx.revision;
    auto& p = make("x", dir);
    p.in_stream = true;
    return sids(rules.matcher->inspect(p, {}));
  }
};

TEST(Transaction, WaitsForBuffersAndAlertsOnce) {
  Rules rules("alert http any any -> any any (http.uri; content:\"admin\"; sid:1;)\n");
  TxWire wire;
  EXPECT_EQ(wire.see(rules), Sids{});
  wire.tx.name = "/admin";
  EXPECT_EQ(wire.see(rules), (Sids{1}));
  EXPECT_EQ(wire.see(rules), Sids{});
}

TEST(Transaction, RequestAndResponseTogether) {
  Rules rules(
      "alert http any any => any any (http.uri; content:\"admin\"; http.server; content:\"nginx\"; "
      "sid:1;)\n");
  EXPECT_EQ(rules.errors(), "");
  TxWire wire;
  wire.tx.name = "/admin";
  wire.tx.complete[0] = true;
  EXPECT_EQ(wire.see(rules), Sids{});
  wire.tx.answer = "nginx";
  EXPECT_EQ(wire.see(rules, Dir::to_client), (Sids{1}));
  EXPECT_EQ(wire.see(rules, Dir::to_client), Sids{});
}

TEST(Transaction, RepeatingBuffersMatchEachOnItsOwn) {
  Rules rules(
      "alert http any any -> any any (http.request_header; content:\"a\"; content:\"b\"; sid:1;)\n"
      "alert http any any -> any any (http.request_header; content:\"a\"; http.request_header; "
      "content:\"b\"; sid:2;)\n");
  TxWire wire;
  wire.tx.items = {"a", "b"};
  EXPECT_EQ(wire.see(rules), (Sids{2})) << "one item holds both only in rule 1";
}

TEST(Transaction, AbsentBuffersAndNumbers) {
  Rules rules(
      "alert http any any -> any any (http.request_header; absent; sid:1;)\n"
      "alert http any any -> any any (http.uri; content:\"x\"; sid:2;)\n");
  TxWire wire;
  wire.tx.items_done = false;
  EXPECT_EQ(wire.see(rules), Sids{}) << "not decided while headers may come";
  wire.tx.items_done = true;
  EXPECT_EQ(wire.see(rules), (Sids{1}));
}

TEST(Transaction, TransformsLeadToTheRightOctets) {
  Rules rules(
      "alert http any any -> any any (http.uri; dotprefix; content:\".example.org\"; endswith; "
      "sid:1;)\n"
      "alert http any any -> any any (http.uri; to_md5; content:\"|90 01 50 98 3c d2 4f b0 d6 96 "
      "3f 7d 28 e1 7f 72|\"; sid:2;)\n"
      "alert http any any -> any any (http.uri; url_decode; strip_whitespace; content:\"ab\"; "
      "bsize:2; sid:3;)\n"
      "alert http any any -> any any (http.uri; xor:\"2020\"; content:\"ABC\"; sid:4;)\n"
      "alert http any any -> any any (http.uri; subslice:1,1; content:\"b\"; bsize:1; sid:5;)\n"
      "alert http any any -> any any (http.uri; domain; content:\"example.org\"; bsize:11; "
      "sid:6;)\n");
  EXPECT_EQ(rules.errors(), "");
  const auto on = [&](const char* name) {
    TxWire wire;
    wire.tx.name = name;
    return wire.see(rules);
  };
  EXPECT_EQ(on("example.org"), (Sids{1, 6}));
  EXPECT_EQ(on("notexample.org"), Sids{});
  EXPECT_EQ(on("abc"), (Sids{2, 4, 5}));
  EXPECT_EQ(on("a%20+b"), (Sids{3}));
  EXPECT_EQ(on("www.example.org"), (Sids{1, 6}));
}

TEST(Transaction, PublicSuffixesAreThoseOfTheList) {
  Rules rules(
      "alert http any any -> any any (http.uri; domain; content:\"trust.nhs.uk\"; bsize:12; "
      "sid:1;)\n"
      "alert http any any -> any any (http.uri; tld; content:\"co.uk\"; bsize:5; sid:2;)\n"
      "alert http any any -> any any (http.uri; tld; content:\"kobe.jp\"; endswith; sid:3;)\n"
      "alert http any any -> any any (http.uri; domain; content:\"City.kobe.jp\"; bsize:12; "
      "sid:4;)\n"
      "alert http any any -> any any (http.uri; domain; content:\"uk\"; sid:5;)\n"
      "alert http any any -> any any (http.uri; tld; content:\"nosuchtld\"; bsize:9; sid:6;)\n");
  EXPECT_EQ(rules.errors(), "");
  const auto on = [&](const char* name) {
    TxWire wire;
    wire.tx.name = name;
    return wire.see(rules);
  };
  EXPECT_EQ(on("a.b.trust.nhs.uk"), (Sids{1, 5}));
  EXPECT_EQ(on("www.shop.co.uk"), (Sids{2, 5}));
  EXPECT_EQ(on("co.uk"), Sids{2});                  // a suffix has no domain
  EXPECT_EQ(on("x.ward.kobe.jp"), Sids{3});         // *.kobe.jp
  EXPECT_EQ(on("www.City.kobe.jp"), (Sids{3, 4}));  // !city.kobe.jp, written as it came
  EXPECT_EQ(on("host.nosuchtld"), Sids{6});
  EXPECT_EQ(on(".uk"), Sids{});
}

TEST(Transaction, ReloadForgetsRuleNumbersOfTheOldRules) {
  Rules first(
      "alert http any any -> any any (http.uri; content:\"admin\"; http.request_header; "
      "content:\"late\"; sid:1;)\n");
  Rules second("alert http any any -> any any (http.uri; content:\"admin\"; sid:2;)\n");
  TxWire wire;
  wire.tx.name = "/admin";
  wire.tx.items_done = false;
  EXPECT_EQ(wire.see(first), Sids{});
  first.matcher->replace(second.engine);
  EXPECT_EQ(wire.see(first), (Sids{2}));
}

TEST(Dataset, RemembersAndAsks) {
  Rules rules(
      "alert http any any -> any any (http.uri; content:\"add\"; dataset:set,seen-uris,type "
      "string; sid:1;)\n"
      "alert http any any -> any any (http.uri; content:\"add\"; dataset:isset,seen-uris; "
      "sid:2;)\n");
  EXPECT_EQ(rules.errors(), "");
  const auto on = [&](const char* name) {
    TxWire wire;
    wire.tx.name = name;
    return wire.see(rules);
  };
  EXPECT_EQ(on("/add/1"), (Sids{1, 2}));
  EXPECT_EQ(on("/add/1"), (Sids{2})) << "set matches only when the value is new";
}

TEST(State, TablesStayWithinTheirCap) {
  CounterTable table(1 << 20);
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    auto key = address_key(1, i, nullptr, nullptr);
    table.with(key, i, [](CounterTable::Entry& e) { e.used = true; });
  }
  EXPECT_GT(table.evicted(), 100'000U);
}

}  // namespace
}  // namespace ww::sig::test
