/// `rules explain` on the shipped captures: a rule that fires, and one for each way of not firing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ctl/commands/command.hpp"
#include "ctl/commands/offline_replay.hpp"
#include "rules/signature/explain.hpp"
#include "rules/signature/trace.hpp"
#include "tests/temp_folder.hpp"

namespace ww::ctl {
namespace {

namespace fs = std::filesystem;

class Explain : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const auto path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  sig::ExplainReport run(const std::string& rules, std::uint32_t sid,
                         const std::string& capture = "http", const std::string& thresholds = "") {
    OfflineReplay replay;
    replay.common.rules = {write("test.rules", rules)};
    if (!thresholds.empty())
      replay.common.sets = {"threshold-file=" + write("threshold.config", thresholds)};
    replay.captures = {capture.starts_with('/')
                           ? capture
                           : WW_SOURCE_DIR "/tests/fixtures/captures/" + capture + ".pcap"};
    std::unique_ptr<sig::Explainer> explainer;
    replay.run([&](sig::Matcher& m) {
      auto made = sig::Explainer::create(replay.engine, 1, sid);
      ASSERT_TRUE(made) << made.error().text();
      explainer = std::move(*made);
      sig::set_trace(m, &explainer->trace());
    });
    return explainer ? explainer->finish() : sig::ExplainReport{};
  }

 private:
  ww::test::TempFolder temp_;
  const fs::path folder_ = temp_.path();
};

/// The step of a try whose keyword begins like that.
const sig::ExplainStep* step(const sig::ExplainTry& t, std::string_view keyword) {
  const auto it = std::find_if(t.steps.begin(), t.steps.end(),
                               [&](const auto& s) { return s.keyword.starts_with(keyword); });
  return it == t.steps.end() ? nullptr : &*it;
}
/// The first step that failed.
const sig::ExplainStep* failed(const sig::ExplainReport& r) {
  if (!r.closest) return nullptr;
  const auto& steps = r.closest->steps;
  const auto it = std::find_if(steps.begin(), steps.end(), [](const auto& s) { return !s.held; });
  return it == steps.end() ? nullptr : &*it;
}

#define EXPECT_SAYS(value, text) \
  EXPECT_NE((value).find(text), std::string::npos) << "in: " << (value)

// --------------------------------------------------------------------------- rules that fire

TEST_F(Explain, ShowsWhatEachKeywordMatchedInTheBuffersOfATransaction) {
  const auto r = run(
      R"(alert http any any -> any 80 (msg:"passwd"; flow:established,to_server; http.method; content:"GET"; bsize:3; http.uri; content:"ETC"; nocase; content:"passwd"; distance:1; within:6; sid:1; rev:4;))",
      1);
  EXPECT_EQ(r.alerts, 1U);
  EXPECT_EQ(r.rev, 4U);
  EXPECT_TRUE(r.reason.empty()) << r.reason;
  ASSERT_EQ(r.matched.size(), 1U);
  const auto& t = r.matched[0];
  EXPECT_EQ(t.fate, "alert");
  EXPECT_EQ(t.protocol, "TCP");
  EXPECT_EQ(t.destination, "10.20.9.10:80");
  EXPECT_TRUE(t.transaction.has_value());
  EXPECT_NE(t.packet, 0U);
  for (const auto& s : t.steps) EXPECT_TRUE(s.held) << s.keyword;
  const auto* method = step(t, "content:\"GET\"");
  ASSERT_TRUE(method);
  EXPECT_EQ(method->buffer, "http.method");
  EXPECT_EQ(method->octets, "GET");
  EXPECT_EQ(method->offset, 0U);
  EXPECT_TRUE(step(t, "bsize:3"));
  const auto* first = step(t, "content:\"ETC\" nocase");
  const auto* second = step(t, "content:\"passwd\" distance:1 within:6");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->octets, "etc");
  EXPECT_EQ(second->buffer, "http.uri");
  EXPECT_EQ(second->octets, "passwd");
  EXPECT_EQ(*second->offset, *first->offset + 4);
  EXPECT_EQ(second->length, 6U);
}

TEST_F(Explain, ShowsThePathThatHeldAfterBacktracking) {
  // The first "H" leads nowhere.
  const auto r = run(
      R"(alert tcp any any -> any 80 (content:"H"; content:"ost|3a|"; within:4; pcre:"/\s(intra\w+)/R"; sid:2;))",
      2);
  ASSERT_GT(r.matches, 0U);
  const auto& t = r.matched[0];
  const auto *h = step(t, "content:\"H\""), *ost = step(t, "content:\"ost"), *re = step(t, "pcre:");
  ASSERT_TRUE(h && ost && re);
  EXPECT_EQ(*ost->offset, *h->offset + 1);
  EXPECT_EQ(re->octets, " intranet");
  EXPECT_EQ(*re->offset, *ost->offset + 4);
  EXPECT_TRUE(h->buffer == "stream" || h->buffer == "payload") << h->buffer;
}

TEST_F(Explain, ShowsNumbersThatWereRead) {
  const auto r = run(
      R"(alert udp any any -> any 53 (content:"|01 20|"; offset:2; depth:2; byte_test:2,=,1,0,relative; byte_extract:2,8,extra; sid:3;))",
      3, "dns");
  ASSERT_GT(r.matches, 0U);
  const auto* s = step(r.matched[0], "byte_test");
  ASSERT_TRUE(s);
  EXPECT_EQ(s->buffer, "payload");
  EXPECT_EQ(s->offset, 4U);
  EXPECT_EQ(s->octets, std::string("\0\1", 2));
  EXPECT_EQ(s->note, "value 1");
}

TEST_F(Explain, NamesOldStyleModifiersAndBase64) {
  const auto r = run(
      R"(alert http any any -> any any (content:"/portal"; http_uri; content:"Basic "; http_header; base64_decode:bytes 64, relative; base64_data; content:"|3a|"; sid:4;))",
      4);
  ASSERT_GT(r.matches, 0U) << r.reason;
  EXPECT_TRUE(step(r.matched[0], "content:\"/portal\" http_uri"));
  const auto* colon = step(r.matched[0], "content:\"|3a|\"");
  ASSERT_TRUE(colon);
  EXPECT_EQ(colon->buffer, "base64_data");
}

TEST_F(Explain, FollowsARuleWithoutPayload) {
  const auto r = run(R"(alert tcp any any -> any 80 (flags:S; ttl:64; sid:5;))", 5);
  EXPECT_GT(r.alerts, 0U);
  ASSERT_FALSE(r.matched.empty());
  EXPECT_TRUE(step(r.matched[0], "flags:S"));
  EXPECT_TRUE(step(r.matched[0], "alert tcp any any -> any 80"));
}

// --------------------------------------------------------------------------- header

TEST_F(Explain, ProtocolThatNeverComes) {
  const auto r = run(R"(alert udp any any -> any any (content:"GET /"; sid:10;))", 10);
  EXPECT_EQ(r.checks, 0U);
  EXPECT_SAYS(r.reason, "never a candidate");
  EXPECT_SAYS(r.reason, "the packet is TCP");
}

TEST_F(Explain, PortThatNeverComes) {
  const auto r = run(R"(alert tcp any any -> any 8080 (flags:S; sid:11;))", 11);
  EXPECT_EQ(r.header_held, 0U);
  EXPECT_SAYS(r.reason, "destination port: 80");
}

TEST_F(Explain, PortOfACandidate) {
  const auto r = run(R"(alert tcp any any -> any 8080 (content:"GET /"; sid:12;))", 12);
  EXPECT_GT(r.checks, 0U);
  EXPECT_GT(r.found, 0U);
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->keyword, "alert tcp any any -> any 8080");
  EXPECT_SAYS(failed(r)->note, "destination port: 80");
}

TEST_F(Explain, AddressOfACandidate) {
  const auto r = run(R"(alert tcp 192.0.2.0/24 any -> any 80 (content:"GET /"; sid:13;))", 13);
  ASSERT_TRUE(failed(r));
  EXPECT_SAYS(failed(r)->note, "source address: 10.20.1.15");
}

TEST_F(Explain, DirectionOfTheFlow) {
  // A capture that ends after its first packet, a question to the server.
  std::ifstream in(WW_SOURCE_DIR "/tests/fixtures/captures/dns.pcap", std::ios::binary);
  std::string whole{std::istreambuf_iterator<char>(in), {}};
  ASSERT_GT(whole.size(), 40U);
  std::uint32_t length = 0;
  std::memcpy(&length, whole.data() + 32, 4);
  const auto one = write("one.pcap", whole.substr(0, 40 + length));
  const auto r =
      run(R"(alert udp any any -> any any (flow:to_client; dsize:>0; sid:14;))", 14, one);
  EXPECT_EQ(r.packets, 1U);
  EXPECT_SAYS(r.reason, "direction: the packet goes to the server");
}

TEST_F(Explain, StateOfTheFlow) {
  const auto r =
      run(R"(alert tcp any any -> any 80 (flow:not_established; content:"GET /"; sid:15;))", 15);
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->keyword, "flow:not_established");
  EXPECT_SAYS(failed(r)->note, "the flow is established");
}

TEST_F(Explain, ApplicationProtocolOfTheFlow) {
  const auto r = run(R"(alert smb any any -> any any (smb.share; content:"wards"; sid:16;))", 16);
  EXPECT_EQ(r.checks, 0U);
  EXPECT_SAYS(r.reason, "application protocol");
  EXPECT_SAYS(r.reason, "http");
}

// --------------------------------------------------------------------------- keywords

TEST_F(Explain, FastPatternThatIsNotThere) {
  const auto r =
      run(R"(alert http any any -> any any (http.uri; content:"/no-such-page"; sid:20;))", 20);
  EXPECT_EQ(r.checks, 0U);
  EXPECT_EQ(r.found, 0U);
  EXPECT_GT(r.scans, 5U);
  EXPECT_EQ(r.fast_pattern, "/no-such-page");
  EXPECT_SAYS(r.reason, "was not found in http.uri");
  EXPECT_SAYS(r.reason, "/missing.html");
}

TEST_F(Explain, FirstContentThatFailsAndWhatStoodThere) {
  const auto r = run(
      R"(alert http any any -> any any (http.uri; content:"/portal"; content:"/logout"; distance:0; within:7; sid:21;))",
      21);
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->keyword, "content:\"/logout\" distance:0 within:7");
  EXPECT_EQ(failed(r)->buffer, "http.uri");
  EXPECT_EQ(failed(r)->offset, 7U);
  const auto* held = step(*r.closest, "content:\"/portal\"");
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->held);
  EXPECT_SAYS(r.reason, "it failed at content:\"/logout\"");
}

TEST_F(Explain, NegatedContentThatIsThere) {
  const auto r = run(
      R"(alert http any any -> any any (http.uri; content:"/portal"; content:!"login"; sid:22;))",
      22);
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->octets, "login");
  EXPECT_EQ(failed(r)->note, "found");
}

TEST_F(Explain, SizeOfABuffer) {
  const auto r = run(
      R"(alert http any any -> any any (http.uri; content:"/portal"; bsize:>100; sid:23;))", 23);
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->keyword, "bsize:>100");
  EXPECT_SAYS(failed(r)->note, "13 octets");
}

TEST_F(Explain, BufferThatIsAbsentOrMustBe) {
  const auto there = run(
      R"(alert http any any -> any any (http.uri; content:"/portal"; http.user_agent; absent; sid:24;))",
      24);
  ASSERT_TRUE(failed(there));
  EXPECT_EQ(failed(there)->keyword, "absent");
  const auto missing = run(
      R"(alert http any any -> any any (http.uri; content:"/portal"; http.referer; content:"x"; sid:25;))",
      25);
  ASSERT_TRUE(failed(missing));
  EXPECT_EQ(failed(missing)->buffer, "http.referer");
  EXPECT_SAYS(failed(missing)->note, "not in this transaction");
}

TEST_F(Explain, NumberOfATransaction) {
  const auto r =
      run(R"(alert dns any any -> any any (dns.query; content:"intranet"; dns.opcode:4; sid:26;))",
          26, "dns");
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->keyword, "dns.opcode:4");
  EXPECT_EQ(failed(r)->note, "value 0");
}

TEST_F(Explain, ConditionOnAFile) {
  const auto r = run(
      R"(alert http any any -> any any (flow:to_client; http.stat_code; content:"200"; filesize:>1GB; sid:27;))",
      27);
  ASSERT_TRUE(failed(r)) << r.reason;
  EXPECT_EQ(failed(r)->keyword, "filesize:>1GB");
  EXPECT_SAYS(failed(r)->note, "octets");
}

TEST_F(Explain, TestOfThePacket) {
  const auto r = run(R"(alert tcp any any -> any 80 (content:"GET /"; ttl:<5; sid:28;))", 28);
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->keyword, "ttl:<5");
  EXPECT_EQ(failed(r)->note, "ttl 64");
}

TEST_F(Explain, FlowbitThatNoRuleSet) {
  const auto r =
      run("alert tcp any any -> any 80 (content:\"GET /\"; flowbits:isset,staff.login; sid:29;)\n"
          "alert tcp any any -> any 80 (content:\"GET /\"; flowbits:set,page.asked; noalert; "
          "sid:30;)\n",
          29);
  ASSERT_TRUE(failed(r));
  EXPECT_EQ(failed(r)->keyword, "flowbits:isset,staff.login");
  EXPECT_SAYS(failed(r)->note, "set in the flow: page.asked");
}

// --------------------------------------------------------------------------- what ate the alert

constexpr const char* get_rule =
    R"(alert tcp any any -> any 80 (flow:established,to_server; content:"GET /"; sid:40;))";

TEST_F(Explain, Suppressed) {
  const auto r = run(get_rule, 40, "http", "suppress gen_id 1, sig_id 40\n");
  EXPECT_GT(r.matches, 0U);
  EXPECT_EQ(r.alerts, 0U);
  EXPECT_EQ(r.matched.at(0).fate, "suppressed");
  EXPECT_SAYS(r.reason, "suppressed");
}

TEST_F(Explain, HeldBackByAThreshold) {
  const auto r = run(
      R"(alert tcp any any -> any 80 (flow:established,to_server; content:"GET /"; threshold:type threshold,track by_src,count 1000,seconds 60; sid:40;))",
      40);
  EXPECT_GT(r.matches, 1U);
  EXPECT_EQ(r.alerts, 0U);
  EXPECT_SAYS(r.reason, "threshold (" + std::to_string(r.matches) + ")");
}

TEST_F(Explain, HeldBackByADetectionFilter) {
  const auto r = run(
      R"(alert tcp any any -> any 80 (flow:established,to_server; content:"GET /"; detection_filter:track by_src,count 1000,seconds 60; sid:40;))",
      40);
  EXPECT_EQ(r.alerts, 0U);
  EXPECT_EQ(r.matched.at(0).fate, "detection_filter");
}

TEST_F(Explain, Passed) {
  const auto r = run(std::string(get_rule) +
                         "\npass tcp any any -> any 80 (flow:established; content:\"HTTP/1.1\"; "
                         "sid:41;)\n",
                     40);
  EXPECT_EQ(r.alerts, 0U);
  ASSERT_FALSE(r.matched.empty()) << r.reason;
  EXPECT_EQ(r.matched[0].fate, "passed");
  EXPECT_EQ(r.matched[0].by, "sid 41");
  EXPECT_GT(r.skipped, 0U);
}

TEST_F(Explain, Noalert) {
  const auto r =
      run(R"(alert tcp any any -> any 80 (content:"GET /"; flowbits:set,a; noalert; sid:40;))", 40);
  EXPECT_GT(r.matches, 0U);
  EXPECT_EQ(r.alerts, 0U);
  EXPECT_EQ(r.matched.at(0).fate, "noalert");
}

TEST_F(Explain, TurnsOnWhatOnlyRulesAskFor) {
  const auto r = run(
      R"(alert ssh any any -> any any (ssh.hassh; content:"472b5de333ad665af5cbf10ff892c4df"; sid:50;))",
      50, "ssh");
  EXPECT_GT(r.alerts, 0U) << r.reason;
}

TEST_F(Explain, UnknownRule) {
  OfflineReplay replay;
  replay.common.rules = {write("test.rules", get_rule)};
  replay.captures = {WW_SOURCE_DIR "/tests/fixtures/captures/http.pcap"};
  bool made = true;
  replay.run(
      [&](sig::Matcher&) { made = sig::Explainer::create(replay.engine, 1, 999).has_value(); });
  EXPECT_FALSE(made);
}

TEST(VisibleOctets, MixesTextAndHex) {
  EXPECT_EQ(sig::visible_octets(std::string("GET\r\n|\0x", 8)), "GET|0d 0a 7c 00|x");
  EXPECT_EQ(sig::visible_octets(""), "");
}

}  // namespace
}  // namespace ww::ctl
