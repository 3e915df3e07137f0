#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/rules/sigma/support.hpp"

namespace ww::sigma::test {
namespace {

TEST(SigmaStrings, EscapesAndWildcards) {
  EXPECT_EQ(hits(item(R"(A: 'a\*b')"), {R"({"A":"a*b"})", R"({"A":"axb"})"}), (Indexes{0}));
  EXPECT_EQ(hits(item(R"(A: 'C:\\*')"), {R"({"A":"C:\\x"})", R"({"A":"C:*"})"}), (Indexes{0}));
  EXPECT_EQ(
      hits(item("A: 'a?c*e'"), {R"({"A":"abcde"})", R"({"A":"ace"})", "{\"A\":\"a\u00e9ce\"}"}),
      (Indexes{0, 2}));
  EXPECT_EQ(hits(item("A: '*'"), {R"({"A":"x"})", R"({"A":null})", "{}"}), (Indexes{0}));
}

TEST(SigmaStrings, CaseFoldsBeyondAscii) {
  EXPECT_EQ(hits(item("A: '\u00e9COLE'"), {"{\"A\":\"\u00c9cole\"}", R"({"A":"ecole"})"}),
            (Indexes{0}));
  EXPECT_EQ(hits(item("A|contains: '\u03c3'"), {"{\"A\":\"x\u03a3y\"}", "{\"A\":\"x\u03c2\"}"}),
            (Indexes{0, 1}));
}

TEST(SigmaStrings, NullEmptyAndAbsentDiffer) {
  const std::vector<std::string> events = {R"({"A":null})", R"({"A":""})", "{}", R"({"A":"x"})"};
  EXPECT_EQ(hits(item("A: null"), events), (Indexes{0, 2}));
  EXPECT_EQ(hits(item("A: ''"), events), (Indexes{1}));
  EXPECT_EQ(hits(item("A: [null, x]"), events), (Indexes{0, 2, 3}));
}

TEST(SigmaStrings, NumbersCompareAsTextWithText) {
  const std::vector<std::string> events = {R"({"A":1})", R"({"A":"1"})", R"({"A":1.0})",
                                           R"({"A":10})",
                                           R"({"A":123456789012345678901234567890})"};
  EXPECT_EQ(hits(item("A: 1"), events), (Indexes{0, 1, 2}));
  EXPECT_EQ(hits(item("A: 123456789012345678901234567890"), events), (Indexes{4}));
}

TEST(SigmaFields, FlatKeysNestingAndLists) {
  const std::vector<std::string> events = {R"({"a":{"b":{"c":"x"}}})",
                                           R"({"a.b":{"c":"x"}})",
                                           R"({"a":{"b.c":"x"}})",
                                           R"({"a":[{"b":{"c":"y"}},{"b":{"c":"x"}}]})",
                                           R"({"a.b.c":"y","a":{"b":{"c":"x"}}})",
                                           R"({"c":"x"})"};
  EXPECT_EQ(hits(item("a.b.c: x"), events), (Indexes{0, 1, 2, 3}));
}

TEST(SigmaFields, KnownShapesOfWindowsEvents) {
  const auto yaml = rule("sel: {EventID: 1, Image|endswith: x.exe}\ncondition: sel", "r",
                         "{product: windows, category: process_creation}");
  const std::string channel = "Microsoft-Windows-Sysmon/Operational";
  EXPECT_EQ(hits(yaml, {R"({"Channel":")" + channel + R"(","EventID":1,"Image":"C:\\x.exe"})",
                        R"({"winlog":{"channel":")" + channel +
                            R"(","event_id":"1","event_data":{"Image":"x.exe"}}})",
                        R"({"Event":{"System":{"Channel":")" + channel +
                            R"(","EventID":{"#text":1}},"EventData":{"Image":"x.exe"}}})",
                        R"({"event_type":"log","log":{"product":"windows","fields":{"Channel":")" +
                            channel + R"(","EventID":1,"Image":"x.exe"}}})",
                        R"({"Channel":"Security","EventID":1,"Image":"C:\\x.exe"})"}),
            (Indexes{0, 1, 2, 3}));
}

TEST(SigmaRouting, OurOwnEventsGoByWhatTheyDeclare) {
  const std::vector<std::string> events = {
      R"({"event_type":"log","ww":{},"log":{"product":"linux","service":"sshd","message":"boom"}})",
      R"({"event_type":"log","ww":{},"log":{"product":"linux","service":"auditd","message":"boom"}})",
      R"({"event_type":"http","ww":{},"http":{"url":"/boom"}})", R"({"message":"boom"})"};
  const std::string detection = "kw: [boom]\ncondition: kw";
  EXPECT_EQ(hits(rule(detection, "r", "{product: linux, service: sshd}"), events), (Indexes{0, 3}));
  EXPECT_EQ(hits(rule(detection, "r", "{category: webserver}"), events), (Indexes{0, 1, 2, 3}));
  LoadOptions all;
  all.route_by_logsource = false;
  EXPECT_EQ(hits(rule(detection, "r", "{product: linux, service: sshd}"), events, all),
            (Indexes{0, 1, 2, 3}));
}

TEST(SigmaConditions, QuantifiersPrecedenceAndNesting) {
  const std::string ids = "a: {A: 1}\nb: {B: 1}\n_c: {C: 1}\ncondition: ";
  const std::vector<std::string> events = {"{}", R"({"A":1})", R"({"B":1})", R"({"A":1,"B":1})",
                                           R"({"C":1})"};
  EXPECT_EQ(hits(rule(ids + "1 of them"), events), (Indexes{1, 2, 3}));
  EXPECT_EQ(hits(rule(ids + "all of them"), events), (Indexes{3}));
  EXPECT_EQ(hits(rule(ids + "not 1 of them"), events), (Indexes{0, 4}));
  EXPECT_EQ(hits(rule(ids + "any of _*"), events), (Indexes{4}));
  EXPECT_EQ(hits(rule(ids + "a or b and not a"), events), (Indexes{1, 2, 3}));
  EXPECT_EQ(hits(rule(ids + "2 of (a b)"), events), (Indexes{3}));
  EXPECT_EQ(hits(rule(ids + "[a, b]"), events), (Indexes{1, 2, 3}));
  for (const auto* bad :
       {"a and", "(a", "a b", "1 of x*", "nothing", "a | count() > 3", "not", "sel_*", "''"})
    EXPECT_NE(refusal(rule(ids + bad)), "") << bad;
}

TEST(SigmaKeywords, SearchEveryValueAnywhere) {
  const std::vector<std::string> events = {R"({"m":"an ERROR here"})",
                                           R"({"a":{"b":["x","the error"]}})", R"({"error":"x"})",
                                           R"({"m":404})"};
  EXPECT_EQ(hits(rule("kw: [error, '40?']\ncondition: kw"), events), (Indexes{0, 1, 3}));
  EXPECT_EQ(hits(rule("kw:\n  '|all': [error, here]\ncondition: kw"), events), (Indexes{0}));
  EXPECT_EQ(hits(rule("kw:\n  '|re': '^the'\ncondition: kw"), events), (Indexes{1}));
}

TEST(SigmaKeywords, DoNotDisturbTheFieldsOfTheSameEvent) {
  // Keywords read the event a second time; texts of fields must survive that.
  const auto yaml =
      rule("kw: [needle]\ncondition: kw", "k") + "---\n" +
      rule("sel: {A|startswith: x}\nfilt: {B|re: '^y\\d+$'}\ncondition: sel and not filt");
  EXPECT_EQ(hits(yaml, {R"({"A":"xx","B":"y12","C":"a \"needle\" \\ in hay"})",
                        R"({"A":"xx","B":"z12"})"}),
            (Indexes{1}));
}

TEST(SigmaDocuments, BrokenOnesLeaveTheirNeighboursAlone) {
  const auto good = item("A: x");
  const auto loaded = load(
      good + "---\ntitle: [\n---\n" + rule("sel: {A: x}\ncondition: sel and", "b") +
      "---\n# only a comment\n---\njust text\n---\n" + rule("sel: {A: x}\ncondition: sel", "c"));
  EXPECT_EQ(loaded.report.loaded, 2U);
  EXPECT_EQ(loaded.report.refused, 3U);
  ASSERT_EQ(loaded.report.errors.size(), 3U);
  EXPECT_EQ(loaded.report.errors[0].file, "test.yml");
  EXPECT_GT(loaded.report.errors[1].line, loaded.report.errors[0].line);
}

TEST(SigmaDocuments, GlobalActionGivesItsValuesToTheFollowing) {
  const std::string yaml =
      "action: global\ntitle: g\nlogsource: {category: test}\ndetection: {condition: "
      "sel}\n---\nid: r\ndetection: {sel: {A: 1}}\n"
      "---\nid: s\ndetection: {sel: {A: 2}}\n";
  EXPECT_EQ(hits(yaml, {R"({"A":1})", R"({"A":2})"}), (Indexes{0}));
  EXPECT_EQ(hits(yaml, {R"({"A":1})", R"({"A":2})"}, {}, "s"), (Indexes{1}));
  EXPECT_EQ(load(yaml).report.loaded, 2U);
}

TEST(SigmaDocuments, DuplicateKeysAndHugeAliasesAreRefused) {
  EXPECT_NE(refusal(rule("sel: {A: 1, A: 2}\ncondition: sel")).find("duplicate"),
            std::string::npos);
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i)
      bomb += std::string(i != 0 ? "," : "") + "*" + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  EXPECT_NE(refusal(bomb).find("too many"), std::string::npos);
}

TEST(SigmaFilters, AreAndedAsWrittenToTheRulesTheyName) {
  const std::string filter =
      "title: f\nlogsource: {category: test}\nfilter:\n  rules: [r]\n  sel: {U|startswith: adm_}\n "
      " condition: not sel\n";
  const std::vector<std::string> events = {R"({"A":"x","U":"adm_1"})", R"({"A":"x","U":"bob"})"};
  EXPECT_EQ(hits(item("A: x") + "---\n" + filter, events), (Indexes{1}));
  const auto other = rule("sel: {A: x}\ncondition: sel", "r", "{category: other}");
  EXPECT_EQ(hits(other + "---\n" + filter, events), (Indexes{0, 1})) << "another log source";
}

TEST(SigmaEvaluator, CountsWhatIsNotAnObjectAndGoesOn) {
  const auto loaded = load(item("A: x"));
  auto evaluator = Evaluator::create(loaded.engine);
  const std::vector<std::string_view> events = {
      "",         "[1]",           "{\"A\":",     R"({"A":"x"})",
      "nonsense", R"({"A":nulL})", R"({"A":1x})", R"({"A":tru})"};
  const auto matches = evaluator->evaluate(events);
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].event_index, 3U);
  EXPECT_EQ(evaluator->unparsable(), 7U);
}

TEST(SigmaEvaluator, BadEscapesDoNotHideAnEvent) {
  EXPECT_EQ(hits(item("A|contains: evil"), {R"({"A":"x \ud800 evil"})"}), (Indexes{0}));
}

TEST(SigmaExplain, ShowsEachNodeWithTheValueThatDecided) {
  const auto loaded =
      load(rule("sel: {A|contains: [foo, bar]}\nfilt: {B: y}\ncondition: sel and not filt"));
  auto evaluator = Evaluator::create(loaded.engine);
  std::string out;
  JsonWriter w(out);
  evaluator->explain(0, R"({"A":"a BAR b","B":"n"})", w);
  EXPECT_NE(out.find(R"("matches":true)"), std::string::npos);
  EXPECT_NE(out.find(R"("value":"*bar*","result":true,"found_in":"a BAR b")"), std::string::npos)
      << out;
  EXPECT_NE(out.find(R"("name":"filt","result":false)"), std::string::npos);
  EXPECT_NE(out.find(R"("event_value":"n")"), std::string::npos);
}

TEST(SigmaHq, LoadsCompletely) {
  const char* shared = std::getenv("WARDWATCH_SHARED");
  const std::string root =
      (shared != nullptr ? std::string(shared) : std::string(WW_SOURCE_DIR "/../shared")) +
      "/conformance/sigma/sigmahq/rules";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "no SigmaHQ rules beside the checkout";
  LoadReport report;
  const auto engine = Engine::load({root}, {}, report);
  ASSERT_TRUE(engine.has_value());
  EXPECT_EQ(report.refused, 0U);
  EXPECT_GT(report.loaded, 3000U);
}

}  // namespace
}  // namespace ww::sigma::test
