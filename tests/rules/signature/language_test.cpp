/// What loads, what is refused, and how exactly the refusal says where and why.
#include "rules/signature/keyword.hpp"
#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

TEST(RuleLanguage, EveryKeywordExampleCompiles) {
  std::uint32_t sid = 1;
  for (const auto* k : keyword_list()) {
    if (k->example.empty() || k->name == "sid") continue;
    const auto header = k->group == "dcerpc" || k->name == "frame" ? "alert http any any -> any any"
                                                                   : "alert ip any any -> any any";
    const std::string proto =
        k->protos.empty()
            ? header
            : "alert " + k->protos.substr(0, k->protos.find(',')) + " any any -> any any";
    const std::string rule = proto + " (" + k->example + " sid:" + std::to_string(sid++) + ";)\n";
    const Rules rules(rule);
    EXPECT_EQ(rules.errors(), "") << rule;
  }
  EXPECT_GT(sid, 250U);
}

struct Refusal {
  const char* rule;
  std::uint32_t column;
  const char* what;
};
TEST(RuleLanguage, RefusalsNameColumnAndReason) {
  const Refusal cases[] = {
      {"alert tcp any any -> any any (contnt:\"a\"; sid:1;)", 31,
       "unknown keyword 'contnt'; did you mean 'content'?"},
      {"alert tcp any any -> any any (content:\"a|0\"; sid:1;)", 31,
       "content: an opening | has no closing one"},
      {"alert tcp any any -> any any (content:\"|0|\"; sid:1;)", 31,
       "content: odd number of hexadecimal digits between | |"},
      {"alert tcp $NOBODY any -> any any (sid:1;)", 11,
       "address variable '$NOBODY' is not defined"},
      {"alert tcp any 99999 -> any any (sid:1;)", 11, "'99999' is not a port or port range"},
      {"alert tcp any any >> any any (sid:1;)", 19, "direction '>>' is not ->, <> or =>"},
      {"alert tpc any any -> any any (sid:1;)", 7, "unknown protocol 'tpc'"},
      {"alert tcp any any -> any any (content:\"abc\"; depth:2; sid:1;)", 1,
       "depth 2 is less than the content's 3 octets"},
      {"alert tcp any any -> any any (content:\"abc\"; replace:\"x\"; sid:1;)", 46,
       "'replace' is not supported: Wardwatch watches traffic and does not change it"},
      {"alert tcp any any -> any any (distance:1; sid:1;)", 31,
       "distance: 'distance' needs a content before it"},
      {"alert tcp any any -> any any (msg:\"a\";)", 39, "no sid"},
      {"alert tls any any -> any any (http.uri; content:\"a\"; sid:1;)", 31,
       "http.uri: belongs to protocol http,http2,doh2, but the rule is for tls"},
      {"alert tcp any any -> any any (pcre:\"/(/\"; sid:1;)", 31,
       "pcre: regular expression: missing closing parenthesis at offset 1"},
  };
  for (const auto& c : cases) {
    const Rules rules(std::string("\n") + c.rule +
                      "\nalert ip any any -> any any (msg:\"neighbour\"; sid:99;)\n");
    ASSERT_EQ(rules.report.refused, 1U) << c.rule;
    EXPECT_EQ(rules.report.loaded, 1U) << "a refusal takes its neighbour along: " << c.rule;
    const auto& p = rules.report.problems.front();
    EXPECT_EQ(p.line, 2U) << c.rule;
    EXPECT_EQ(p.column, c.column) << c.rule;
    EXPECT_EQ(p.what, c.what) << c.rule;
  }
}

TEST(RuleLanguage, RefusesDirectionsThatCannotMeet) {
  const Rules rules(
      "alert http any any -> any any (http.uri; content:\"a\"; http.server; content:\"b\"; "
      "sid:1;)\n");
  EXPECT_EQ(rules.errors(),
            "its keywords look at opposite directions; use => instead of -> to match request and "
            "response together\n");
}

TEST(RuleLanguage, JoinsLinesAndSkipsComments) {
  const Rules rules("# comment\nalert ip any any -> any any (msg:\"a\"; \\\n  sid:5;)\n");
  EXPECT_EQ(rules.errors(), "");
  EXPECT_EQ(rules.report.loaded, 1U);
}

TEST(RuleLanguage, NewerRevisionReplacesOlder) {
  const Rules rules(
      "alert ip any any -> any any (sid:5; rev:1;)\nalert ip any any -> any any (sid:5; "
      "rev:2;)\nalert ip any any -> any any (sid:5; rev:2;)\n");
  EXPECT_EQ(rules.report.loaded, 1U);
  EXPECT_EQ(rules.report.refused, 1U);
}

TEST(RuleLanguage, RequirementsThatFailLeaveTheRuleOut) {
  const Rules rules("alert ip any any -> any any (requires: version >= 99; nonsense:1; sid:1;)\n");
  EXPECT_EQ(rules.errors(), "");
  EXPECT_EQ(rules.report.loaded, 0U);
  EXPECT_EQ(rules.report.left_out, 1U);
}

TEST(RuleLanguage, RequirementsAreLookedAtBeforeTheRestOfTheHeader) {
  const Rules rules(
      "alert carrierpigeon any any -> any any (requires: version >= 99; sid:1;)\n"
      "alert udp $NOWHERE any ~> any any (requires: keyword foobar; sid:2;)\n"
      "alert carrierpigeon any any -> any any (requires: version >= 8; sid:3;)\n");
  EXPECT_EQ(rules.report.left_out, 2U);
  EXPECT_EQ(rules.report.refused, 1U);
  EXPECT_NE(rules.errors().find("unknown protocol 'carrierpigeon'"), std::string::npos);
}

TEST(AddressSets, GroupsNegationVariablesAndRanges) {
  const Variables vars{
      {"HOME", "[10.0.0.0/8,192.168.0.0/16]"}, {"AWAY", "!$HOME"}, {"LOOP", "$LOOP"}};
  const auto in = [&](const char* set, const char* a) {
    const auto s = parse_addresses(set, vars);
    return s && s->contains(*parse_ip(a));
  };
  EXPECT_TRUE(in("$HOME", "10.255.255.255"));
  EXPECT_FALSE(in("$AWAY", "10.1.1.1"));
  EXPECT_TRUE(in("$AWAY", "2001:db8::1"));
  EXPECT_TRUE(in("[$HOME,!10.1.0.0/16]", "10.2.0.1"));
  EXPECT_FALSE(in("[$HOME,!10.1.0.0/16]", "10.1.2.3"));
  EXPECT_TRUE(in("1.2.3.4-1.2.3.9", "1.2.3.9"));
  EXPECT_FALSE(in("1.2.3.4-1.2.3.9", "1.2.3.10"));
  EXPECT_TRUE(in("[2001:db8::/32,![2001:db8:1::/48]]", "2001:db8::7"));
  EXPECT_FALSE(parse_addresses("$LOOP", vars).has_value());
  EXPECT_FALSE(parse_addresses("[$HOME,!$HOME]", vars).has_value());
  EXPECT_FALSE(parse_addresses("!any", vars).has_value());
}

TEST(PortSets, RangesAndNegation) {
  const auto in = [](const char* set, std::uint16_t p) {
    const auto s = parse_ports(set, {});
    return s && s->contains(p);
  };
  EXPECT_TRUE(in("[80,443,8000:8100,!8042]", 8041));
  EXPECT_FALSE(in("[80,443,8000:8100,!8042]", 8042));
  EXPECT_TRUE(in("!80", 81));
  EXPECT_TRUE(in(":1023", 0));
  EXPECT_TRUE(in("1024:", 65535));
  EXPECT_FALSE(parse_ports("90:80", {}).has_value());
}

/// The whole of Emerging Threats Open, disabled rules too, when it stands beside the checkout.
TEST(RuleFiles, AreReadTheSameWhereverThePiecesEnd) {
  // More than one piece of 256 KiB, every kind of line somewhere across the border: comments,
  // continued rules, CR LF.
  std::string text = "\xef\xbb\xbf# first\r\n";
  constexpr std::uint32_t many = 6000;
  for (std::uint32_t i = 1; i <= many; ++i) {
    const auto n = std::to_string(i);
    text += "alert tcp any any -> any any (msg:\"" + std::string(i % 97, 'm') + "\"; ";
    if (i % 3 == 0) text += "\\\r\n  ";
    text += "content:\"needle\"; sid:" + n + ";)" + (i % 2 == 0 ? "\r\n" : "\n");
    if (i % 5 == 0) text += "#" + std::string(i % 301, 'c') + "\n";
  }
  ASSERT_GT(text.size(), 2U * 256 * 1024);
  text += "alert tcp any any -> any any (msg:\"" + std::string(70'000, 'x') + "\"; sid:7001;)\n";
  text += "alert tcp any any -> any any (msg:\"last, without an end of line\"; sid:7002;)";
  const Rules rules(text);
  EXPECT_EQ(rules.report.loaded, many + 1);
  EXPECT_EQ(rules.report.refused, 1U);
  ASSERT_EQ(rules.report.problems.size(), 1U) << rules.errors();
  EXPECT_EQ(rules.report.problems[0].what, "a rule over 64 KiB");
  EXPECT_EQ(rules.report.problems[0].line, 2 + many + many / 3 + many / 5);
}

TEST(RuleCorpus, EmergingThreatsOpenLoadsWithoutRefusal) {
  const char* shared = std::getenv("WARDWATCH_SHARED");
  const std::string root = shared ? shared : WW_SOURCE_DIR "/../shared";
  std::ifstream in(root + "/conformance/et-open/emerging-open-2025-07.rules");
  if (!in) GTEST_SKIP() << "the rule corpus does not stand beside the checkout";
  std::string text, line;
  while (std::getline(in, line)) {
    std::string_view s = line;
    while (!s.empty() && (s.front() == '#' || s.front() == ' ')) s.remove_prefix(1);
    if (s.starts_with("alert ") || s.starts_with("drop ") || s.starts_with("pass "))
      (text += s) += '\n';
  }
  const Rules rules(text);
  EXPECT_EQ(rules.errors(), "");
  EXPECT_EQ(rules.report.loaded, 21865U);
}

}  // namespace
}  // namespace ww::sig::test
