#include "rules/sigma/modifier.hpp"

#include <gtest/gtest.h>

#include "rules/sigma/regex.hpp"
#include "tests/rules/sigma/support.hpp"

namespace ww::sigma::test {
namespace {

TEST(SigmaModifier, EveryExampleCompiles) {
  for (const auto& [name, modifier] : modifiers()) {
    LoadOptions options;
    options.placeholders["Administrators"] = {"root"};
    const auto loaded =
        load(rule("sel:\n  " + std::string(modifier.example) + "\ncondition: sel"), options);
    EXPECT_EQ(loaded.report.loaded, 1U) << name;
    for (const auto& e : loaded.report.errors) ADD_FAILURE() << name << ": " << e.error;
  }
  EXPECT_GE(modifiers().size(), 30U);
}

TEST(SigmaModifier, UnknownNameSuggestsTheNearest) {
  EXPECT_NE(refusal(item("A|contain: x")).find("did you mean 'contains'"), std::string::npos);
}

struct Case {
  const char* name;
  const char* item;
  std::vector<std::string> events;
  Indexes expected;
};

class SigmaModifierCase : public ::testing::TestWithParam<Case> {};

TEST_P(SigmaModifierCase, MatchesExactly) {
  EXPECT_EQ(hits(item(GetParam().item), GetParam().events), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, SigmaModifierCase,
    ::testing::Values(
        Case{"contains",
             "A|contains: 'Mid'",
             {R"({"A":"a mid b"})", R"({"A":"m id"})", R"({"A":7})"},
             {0}},
        Case{"contains_number",
             "A|contains: 46",
             {R"({"A":4624})", R"({"A":"x46"})", R"({"A":4})"},
             {0, 1}},
        Case{"startswith", "A|startswith: 'ab'", {R"({"A":"ABc"})", R"({"A":"xab"})"}, {0}},
        Case{"endswith",
             "A|endswith: ['.exe', '\\']",
             {R"({"A":"a.EXE"})", R"({"A":"a\\"})", R"({"A":"exe"})"},
             {0, 1}},
        Case{"all", "A|contains|all: [x, y]", {R"({"A":"yx"})", R"({"A":"x"})"}, {0}},
        Case{"all_over_values", "A|all: [x, y]", {R"({"A":["x","y","z"]})", R"({"A":["x"]})"}, {0}},
        Case{"cased", "A|cased: 'Abc'", {R"({"A":"Abc"})", R"({"A":"abc"})"}, {0}},
        Case{"cased_contains", "A|contains|cased: 'B'", {R"({"A":"aBc"})", R"({"A":"abc"})"}, {0}},
        Case{"neq", "A|neq: [x, y]", {R"({"A":"x"})", R"({"A":"z"})"}, {1}},
        Case{"re", "A|re: '^a.c$'", {R"({"A":"abc"})", R"({"A":"ABC"})", R"({"A":"xabc"})"}, {0}},
        Case{"re_i", "A|re|i: 'evil'", {R"({"A":"x EVIL"})", R"({"A":"live"})"}, {0}},
        Case{"re_m", "A|re|m: '^b$'", {R"({"A":"a\nb\nc"})", R"({"A":"ab"})"}, {0}},
        Case{"re_s", "A|re|s: 'a.b'", {R"({"A":"a\nb"})", R"({"A":"ab"})"}, {0}},
        Case{
            "re_look_ahead", "A|re: 'foo(?!bar)'", {R"({"A":"foobar"})", R"({"A":"foobaz"})"}, {1}},
        Case{"lt",
             "A|lt: 10",
             {R"({"A":9})", R"({"A":10})", R"({"A":"9.5"})", R"({"A":"x"})"},
             {0, 2}},
        Case{"lte", "A|lte: 10", {R"({"A":10})", R"({"A":10.1})"}, {0}},
        Case{"gt", "A|gt: -1", {R"({"A":0})", R"({"A":-1})"}, {0}},
        Case{"gte", "A|gte: 0x10", {R"({"A":16})", R"({"A":15})"}, {0}},
        Case{"cidr4",
             "A|cidr: 10.0.0.0/8",
             {R"({"A":"10.9.9.9"})", R"({"A":"110.0.0.1"})", R"({"A":"::1"})"},
             {0}},
        Case{"cidr6", "A|cidr: 'fe80::/10'", {R"({"A":"fe80::1"})", R"({"A":"fec0::1"})"}, {0}},
        Case{"exists",
             "A|exists: true",
             {R"({"A":null})", R"({"A":{"b":1}})", R"({"B":1})"},
             {0, 1}},
        Case{"exists_not", "A|exists: false", {R"({"A":""})", R"({"B":1})"}, {1}},
        Case{"fieldref",
             "A|fieldref: B",
             {R"({"A":"X","B":"x"})", R"({"A":"B","B":"y"})", R"({"A":"x"})"},
             {0}},
        Case{"fieldref_startswith",
             "A|fieldref|startswith: B",
             {R"({"A":"/home/x","B":"/home"})", R"({"A":"/opt","B":"/home"})"},
             {0}},
        Case{"fieldref_endswith",
             "A|fieldref|endswith: B",
             {R"({"A":"xyz","B":"yz"})", R"({"A":"xyz","B":"xy"})"},
             {0}},
        Case{"fieldref_contains",
             "A|fieldref|contains: B",
             {R"({"A":"xyz","B":"y"})", R"({"A":"xyz","B":"q"})"},
             {0}},
        Case{"base64",
             "A|base64|contains: foobar",
             {R"({"A":"Zm9vYmFy"})", R"({"A":"foobar"})"},
             {0}},
        Case{"base64offset",
             "A|base64offset|contains: foobar",
             {R"({"A":"Zm9vYmFy"})", R"({"A":"eGZvb2Jhcg=="})", R"({"A":"eHhmb29iYXI="})",
              R"({"A":"Zm9v"})"},
             {0, 1, 2}},
        Case{"wide", "A|wide|base64: cmd", {R"({"A":"YwBtAGQA"})", R"({"A":"Y21k"})"}, {0}},
        Case{"utf16le", "A|utf16le|base64: cmd", {R"({"A":"YwBtAGQA"})"}, {0}},
        Case{"utf16be",
             "A|utf16be|base64: cmd",
             {R"({"A":"AGMAbQBk"})", R"({"A":"YwBtAGQA"})"},
             {0}},
        Case{"utf16",
             "A|utf16|base64: cmd",
             {R"({"A":"//5jAG0AZAA="})", R"({"A":"YwBtAGQA"})"},
             {0}},
        Case{"windash",
             "A|windash|contains: ' -s '",
             {R"({"A":"x /s y"})", "{\"A\":\"x \u2013s y\"}", R"({"A":"x s y"})"},
             {0, 1}},
        Case{"windash_inside_word",
             "A|windash|contains: 'a-b'",
             {R"({"A":"a-b"})", R"({"A":"a/b"})"},
             {0}},
        Case{"windash_then_encode",
             "A|windash|base64: '-x'",
             {R"({"A":"LXg="})", R"({"A":"L3g="})", R"({"A":"eA=="})"},
             {0, 1}},
        Case{"minute",
             "A|minute: 7",
             {R"({"A":"2023-03-15T08:07:00Z"})", R"({"A":"2023-03-15T08:08:00Z"})", R"({"A":"x"})"},
             {0}},
        Case{"hour",
             "A|hour|gte: 22",
             {R"({"A":"2023-03-15T23:07:00Z"})", R"({"A":"2023-03-15T08:08:00Z"})"},
             {0}},
        Case{"hour_of_epoch",
             "A|hour: 8",
             {R"({"A":1678867620})", R"({"A":1678867620000})", R"({"A":1678863000})"},
             {0, 1}},
        Case{"day",
             "A|day: 15",
             {R"({"A":"2023-03-15T23:07:00Z"})", R"({"A":"2023-03-16T08:08:00Z"})"},
             {0}},
        Case{"week",
             "A|week: 53",
             {R"({"A":"2020-12-31T00:00:00Z"})", R"({"A":"2021-01-03T00:00:00Z"})",
              R"({"A":"2021-01-04T00:00:00Z"})"},
             {0, 1}},
        Case{"month",
             "A|month: [1, 12]",
             {R"({"A":"2020-12-31T00:00:00Z"})", R"({"A":"2020-11-30T00:00:00Z"})"},
             {0}},
        Case{"year",
             "A|year|lt: 2000",
             {R"({"A":"1999-12-31T23:59:59Z"})", R"({"A":"2000-01-01T00:00:00Z"})"},
             {0}}),
    [](const auto& test) { return test.param.name; });

TEST(SigmaModifier, RefusesWhatMakesNoSense) {
  for (const auto* bad : {"A|gt: many", "A|cidr: 10.0.0.0", "A|cidr: x/8", "A|re: '('", "A|i: x",
                          "A|exists: maybe", "A|base64: 'a*'", "A|hour: noon", "A|fieldref: null",
                          "A|contains: null", "A|expand: '%none%'"})
    EXPECT_NE(refusal(item(bad)), "") << bad;
}

TEST(SigmaModifier, ExpandCombinesPlaceholdersAndPlainValues) {
  LoadOptions options;
  options.placeholders["host"] = {"a", "b*"};
  const std::vector<std::string> events = {R"({"A":"x-a"})", R"({"A":"x-bcd"})", R"({"A":"guest"})",
                                           R"({"A":"x-c"})"};
  EXPECT_EQ(hits(item("A|expand: ['x-%host%', guest]"), events, options), (Indexes{0, 1, 2}));
}

TEST(SigmaRegex, RequiredLiteralsAreInEveryMatch) {
  EXPECT_EQ(required_literals("abc+def"), (std::vector<std::string>{"cdef"}));
  EXPECT_EQ(required_literals("(?:foo|barbar)x?"), (std::vector<std::string>{"barbar", "foo"}));
  EXPECT_EQ(required_literals("^(?i)Evil\\.EXE$"), (std::vector<std::string>{"evil.exe"}));
  EXPECT_TRUE(required_literals("a|bcd").empty());
  EXPECT_TRUE(required_literals("(abc)?").empty());
  EXPECT_TRUE(required_literals("[abc]{4}").empty());
  EXPECT_TRUE(required_literals("(?=abc)x").empty());
  EXPECT_TRUE(required_literals("abc{0,2}").empty());
}

TEST(SigmaRegex, HitsItsLimitAndStillAnswers) {
  const auto before = Regex::limit_hits();
  const std::string text(5000, 'a');
  EXPECT_EQ(
      hits(item("A|re: '^(a+)+$'"), {R"({"A":")" + text + R"(!"})", R"({"A":")" + text + R"("})"}),
      (Indexes{1}));
  EXPECT_GT(Regex::limit_hits(), before);
}

}  // namespace
}  // namespace ww::sigma::test
