#include "rules/signature/rule_diff.hpp"

#include <gtest/gtest.h>

namespace ww::sig {
namespace {

std::vector<RuleChange> diff(const std::string& a, const std::string& b) {
  return diff_rules(read_rule_lines(a, "a"), read_rule_lines(b, "b"));
}

TEST(RuleLine, ReadsRulesAndThoseSwitchedOff) {
  const auto rules = read_rule_lines(
      "# a comment (with parentheses)\n"
      "alert tcp any any -> any 80 (msg:\"a\\; b\"; content:\"x(\"; sid:1; rev:3;) # note\r\n"
      "#  alert udp any any -> any any (gid:7; \\\n"
      "   sid:2;)\n"
      "## drop ip any any -> any any (sid:3;)\n"
      "alert tcp any any -> any any (no sid here;)\n",
      "f");
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_TRUE(rules[0].enabled);
  EXPECT_EQ(rules[0].rev, 3U);
  EXPECT_EQ(rules[0].msg, "a\\; b");
  EXPECT_EQ(rules[0].line, 2U);
  EXPECT_TRUE(rules[0].text.ends_with("rev:3;)"));
  ASSERT_TRUE(rules[0].find("content"));
  EXPECT_EQ(rules[0].find("content")->value, "\"x(\"");
  EXPECT_FALSE(rules[1].enabled);
  EXPECT_EQ(rules[1].gid, 7U);
  EXPECT_EQ(rules[1].line, 3U);
  EXPECT_EQ(rules[2].action, "drop");
}

TEST(RuleDiff, SeesWhatCameAndWent) {
  const auto c =
      diff("alert tcp any any -> any any (sid:1;)\nalert tcp any any -> any any (sid:2;)\n",
           "alert tcp any any -> any any (sid:2;)\n#alert ip any any -> any any (sid:3;)\n");
  ASSERT_EQ(c.size(), 2U);
  EXPECT_EQ(c[0].sid, 1U);
  EXPECT_EQ(c[0].summary(), "removed");
  EXPECT_EQ(c[1].sid, 3U);
  EXPECT_EQ(c[1].summary(), "added, disabled");
}

TEST(RuleDiff, NamesOptionsThatChanged) {
  const auto c = diff(
      "alert tcp any any -> any 80 (msg:\"m\"; content:\"a\"; content:\"b\"; depth:3; sid:1; "
      "rev:1;)",
      "drop tcp any any -> any 81 (msg:\"m\"; content:\"a\"; content:\"c\"; nocase; sid:1; "
      "rev:2;)");
  ASSERT_EQ(c.size(), 1U);
  EXPECT_EQ(c[0].old_rev, 1U);
  EXPECT_EQ(c[0].new_rev, 2U);
  ASSERT_EQ(c[0].options.size(), 5U);
  EXPECT_EQ(c[0].options[0].keyword, "action");
  EXPECT_EQ(*c[0].options[0].after, "drop");
  EXPECT_EQ(c[0].options[1].keyword, "header");
  EXPECT_EQ(*c[0].options[1].before, "tcp any any -> any 80");
  EXPECT_EQ(*c[0].options[2].before, "\"b\"");
  EXPECT_EQ(*c[0].options[2].after, "\"c\"");
  EXPECT_EQ(c[0].options[3].keyword, "depth");
  EXPECT_FALSE(c[0].options[3].after);
  EXPECT_EQ(c[0].options[4].keyword, "nocase");
  EXPECT_FALSE(c[0].options[4].before);
}

TEST(RuleDiff, SeesRulesSwitchedOnAndOff) {
  const auto c =
      diff("alert ip any any -> any any (sid:1;)\n#alert ip any any -> any any (sid:2; rev:1;)",
           "#alert ip any any -> any any (sid:1;)\nalert ip any any -> any any (sid:2; rev:2;)");
  ASSERT_EQ(c.size(), 2U);
  EXPECT_EQ(c[0].summary(), "disabled");
  EXPECT_EQ(c[1].summary(), "changed, enabled");
}

TEST(RuleDiff, TakesSpacingForNoDifferenceButOrderForOne) {
  EXPECT_TRUE(diff("alert tcp any any -> any any (flow:established,to_server; sid:1;)",
                   "alert  tcp any any ->  any any ( flow: established, to_server ; sid:1; )")
                  .empty());
  const auto c = diff("alert tcp any any -> any any (content:\"a\"; content:\"b\"; sid:1;)",
                      "alert tcp any any -> any any (content:\"b\"; content:\"a\"; sid:1;)");
  ASSERT_EQ(c.size(), 1U);
  EXPECT_EQ(c[0].options.at(0).keyword, "order of options");
}

TEST(RuleDiff, CountsTheHigherRevisionOfADuplicate) {
  EXPECT_TRUE(
      diff("alert ip any any -> any any (sid:1; rev:2;)",
           "alert ip any any -> any any (sid:1; rev:2;)\nalert tcp any any -> any any (sid:1; "
           "rev:1;)")
          .empty());
}

}  // namespace
}  // namespace ww::sig
