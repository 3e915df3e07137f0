// Keywords are first looked for in the event's own text. However a value is written there, the
// answer must be that of a search in the value.
#include "tests/rules/sigma/support.hpp"

namespace ww::sigma {
namespace {

using test::Indexes;

std::string keywords(const std::string& list) {
  return test::rule("keywords: " + list + "\ncondition: keywords");
}

TEST(SigmaKeywordText, EscapesInTheEventHideNothing) {
  EXPECT_EQ(test::hits(keywords("['mimikatz']"),
                       {R"({"a":"run mimikatz now"})", R"({"a":"run \u006dimikatz now"})",
                        R"({"a":"MIMI\u212AATZ"})", R"({"a":"mimi\/katz"})", R"({"a":"mimi katz"})",
                        R"({"a":"\\mimikatz"})", R"({"a":"x\"mimikatz\""})"}),
            (Indexes{0, 1, 2, 5, 6}));
  EXPECT_EQ(test::hits(keywords("['/etc/shadow']"),
                       {R"({"a":"cat /etc/shadow"})", R"({"a":"cat \/etc\/shadow"})",
                        R"({"a":"cat /etc/passwd"})"}),
            (Indexes{0, 1}));
}

TEST(SigmaKeywordText, QuotesBackslashesAndControlCharactersInAKeyword) {
  EXPECT_EQ(test::hits(keywords(R"(['say "yes"'])"),
                       {R"({"a":"Say \"yes\" twice"})", R"({"a":"say yes"})"}),
            Indexes{0});
  EXPECT_EQ(
      test::hits(keywords(R"(['c:\temp\'])"), {R"({"a":"C:\\Temp\\x"})", R"({"a":"c:/temp/"})"}),
      Indexes{0});
  EXPECT_EQ(test::hits(keywords("[\"a\\tb\"]"), {R"({"a":"xa\tbx"})", R"({"a":"a b"})"}),
            Indexes{0});
}

TEST(SigmaKeywordText, NumbersAreFoundAsTheyAreWrittenCanonically) {
  EXPECT_EQ(test::hits(keywords("[1000]"),
                       {R"({"a":1e3})", R"({"a":1000.0})", R"({"a":"1000"})", R"({"a":100})"}),
            (Indexes{0, 1, 2}));
}

TEST(SigmaKeywordText, NamesOfFieldsAreNotValues) {
  EXPECT_TRUE(test::hits(keywords("['mimikatz']"), {R"({"mimikatz":"x"})"}).empty());
}

TEST(SigmaKeywordText, AKeywordThatOnlyExcludesIsStillLookedFor) {
  EXPECT_EQ(test::hits(test::rule("sel: {A: x}\nskip: ['backup']\ncondition: sel and not skip"),
                       {R"({"A":"x","b":"nightly backup"})", R"({"A":"x","b":"nightly"})"}),
            Indexes{1});
}

TEST(SigmaKeywordText, LettersBeyondAsciiAreFolded) {
  EXPECT_EQ(test::hits(keywords("['ÜBERGABE']"),
                       {R"({"a":"die Übergabe"})", R"({"a":"die \u00fcbergabe"})",
                        R"({"a":"uebergabe"})"}),
            (Indexes{0, 1}));
}

TEST(SigmaCost, ASampleOfEventsSaysWhatARuleCosts) {
  const auto loaded =
      test::load(test::item("A: x") + "---\n" + test::rule("sel: {B: y}\ncondition: sel", "other"));
  ASSERT_TRUE(loaded.engine);
  auto evaluator = Evaluator::create(loaded.engine);
  const std::vector<std::string_view> events(10 * cost_sample, R"({"A":"x"})");
  (void)evaluator->evaluate(events);
  ASSERT_EQ(evaluator->costs().size(), 2U);
  EXPECT_EQ(evaluator->costs()[0].looked_at, events.size());
  EXPECT_GT(evaluator->costs()[0].seconds, 0);
  EXPECT_EQ(evaluator->costs()[1].looked_at, 0U) << "the index never found it";
}

TEST(SigmaCheck, ProductsThatNoInputDeclaresAreNamed) {
  const auto loaded = test::load(test::rule("sel: {A: x}\ncondition: sel", "r", "{product: okta}"));
  ASSERT_EQ(loaded.report.warnings.size(), 1U);
  EXPECT_NE(loaded.report.warnings[0].error.find("'okta'"), std::string::npos);
  EXPECT_TRUE(test::load(test::rule("sel: {A: x}\ncondition: sel", "r", "{product: linux}"))
                  .report.warnings.empty());
}

}  // namespace
}  // namespace ww::sigma
