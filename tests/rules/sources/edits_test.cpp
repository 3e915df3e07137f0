#include "rules/sources/edits.hpp"

#include <gtest/gtest.h>

namespace ww::sources {
namespace {

sig::RuleLine rule(const std::string& text,
                   const std::string& file = "rules/emerging-malware.rules") {
  auto r = sig::read_rule_line(text);
  EXPECT_TRUE(r) << text;
  r->file = file;
  return *r;
}
const std::string plain =
    R"(alert http any any -> any any (msg:"ET MALWARE Thing"; metadata:attack_target Client_Endpoint, signature_severity Major; sid:2019401; rev:5;))";

bool matches(const std::string& matcher, const sig::RuleLine& r) {
  const auto m = parse_matcher(matcher);
  EXPECT_TRUE(m) << matcher << ": " << m.error();
  return m && (*m)->matches(r);
}
std::string edited(const std::string& edit, const std::string& text) {
  const auto e = parse_edit(edit);
  EXPECT_TRUE(e) << edit << ": " << e.error();
  return e ? (*e)->apply(text) : "";
}

TEST(RuleMatcher, Ids) {
  const auto r = rule(plain);
  EXPECT_TRUE(matches("2019401", r));
  EXPECT_TRUE(matches("1:2019401", r));
  EXPECT_TRUE(matches("1, 3:7 , 1:2019401", r));
  EXPECT_TRUE(matches("1:2019401:5", r));
  EXPECT_FALSE(matches("1:2019401:4", r));
  EXPECT_FALSE(matches("2:2019401", r));
  EXPECT_FALSE(matches("2019402", r));
  EXPECT_TRUE(matches("*", r));
}

TEST(RuleMatcher, RegexIsWithoutCaseOverTheWholeRule) {
  const auto r = rule(plain);
  EXPECT_TRUE(matches("re:et malware", r));
  EXPECT_TRUE(matches("re: ^alert http .*sid:20194\\d+;", r));
  EXPECT_FALSE(matches("re:^drop", r));
}

TEST(RuleMatcher, GroupsAndFileNames) {
  const auto r = rule(plain);
  EXPECT_TRUE(matches("group:emerging-malware", r));
  EXPECT_TRUE(matches("group:emerging-malware.rules", r));
  EXPECT_TRUE(matches("group:emerging-*", r));
  EXPECT_TRUE(matches("emerging-malware.rules", r));
  EXPECT_FALSE(matches("group:malware", r));
  EXPECT_TRUE(matches("filename:rules/emerging-malware.rules", r));
  EXPECT_TRUE(matches("filename:*malware*", r));
  EXPECT_FALSE(matches("filename:emerging-malware.rules", r));
}

TEST(RuleMatcher, MetadataIsWithoutCase) {
  const auto r = rule(plain);
  EXPECT_TRUE(matches("metadata: attack_target client_endpoint", r));
  EXPECT_TRUE(matches("metadata:SIGNATURE_SEVERITY major", r));
  EXPECT_FALSE(matches("metadata: attack_target server", r));
  EXPECT_FALSE(matches("metadata: severity major", r));
}

TEST(RuleMatcher, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "emerging", "re:(", "metadata: one", "1:2:3:4", "sid:5"})
    EXPECT_FALSE(parse_matcher(text)) << text;
}

TEST(ListLines, SkipsComments) {
  const auto lines = list_lines("# all\n\n  1:5 # why\r\nre:a#b\n#7\n");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].text, "1:5");
  EXPECT_EQ(lines[0].line, 3U);
  EXPECT_EQ(lines[1].text, "re:a#b");
}

TEST(ShellWords, SplitsAsAShellDoes) {
  const auto words = shell_words(R"(a "b \d \" c" 'd "e' f\ g "")");
  ASSERT_TRUE(words);
  EXPECT_EQ(*words, (std::vector<std::string>{"a", R"(b \d " c)", "d \"e", "f g", ""}));
  EXPECT_FALSE(shell_words("\"open"));
  EXPECT_FALSE(shell_words("end\\"));
}

TEST(RuleEdit, SubstitutesEveryOccurrenceWithGroups) {
  EXPECT_EQ(edited(R"x(2019401 "seconds \d+" "seconds 3600")x", "seconds 60, seconds 7"),
            "seconds 3600, seconds 3600");
  EXPECT_EQ(edited(R"x(re:x "(alert)(.*)" "drop\\2")x", "alert tcp"), "drop tcp");
  EXPECT_EQ(edited(R"x(* "^(\w+) (\w+)" "\g<2> ${1}0")x", "a b c"), "b a0 c");
  EXPECT_EQ(edited(R"x(modifysid * "^drop(.*)noalert(.*)" | "alert${1}noalert${2}")x",
                   "drop x noalert; y"),
            "alert x noalert; y");
  EXPECT_EQ(edited(R"x(* "b*" "-")x", "abc"), "-a--c-");
}

TEST(RuleEdit, AddsMetadata) {
  const auto r = rule(plain);
  const auto text = edited("metadata-add 2019401 ward \"st elsewhere\"", r.text);
  EXPECT_TRUE(text.ends_with("rev:5; metadata: ward st elsewhere;)")) << text;
  EXPECT_TRUE(matches("metadata: ward st elsewhere", rule(text)));
}

TEST(RuleEdit, RefusesBrokenLines) {
  for (const char* text : {"1 \"a\"", "1 \"(\" \"b\"", "nothing \"a\" \"b\"", "metadata-add 1 key"})
    EXPECT_FALSE(parse_edit(text)) << text;
}

Lists lists(const std::vector<std::string>& disable, const std::vector<std::string>& enable,
            const std::vector<std::string>& drop, const std::vector<std::string>& modify) {
  Lists out;
  for (const auto& t : disable) out.disable.push_back(std::move(*parse_matcher(t)));
  for (const auto& t : enable) out.enable.push_back(std::move(*parse_matcher(t)));
  for (const auto& t : drop) out.drop.push_back(std::move(*parse_matcher(t)));
  for (const auto& t : modify) out.modify.push_back(std::move(*parse_edit(t)));
  return out;
}

TEST(ApplyLists, EnableWinsOverDisable) {
  std::vector rules = {rule("alert ip any any -> any any (sid:1;)"),
                       rule("alert ip any any -> any any (sid:2;)"),
                       rule("#alert ip any any -> any any (sid:3;)")};
  EditFigures f;
  apply_lists(rules, lists({"*"}, {"2,3"}, {}, {}), f);
  EXPECT_FALSE(rules[0].enabled);
  EXPECT_TRUE(rules[1].enabled);
  EXPECT_TRUE(rules[2].enabled);
  EXPECT_EQ(f.disabled, 2U);
  EXPECT_EQ(f.enabled, 2U);
}

TEST(ApplyLists, DropsRulesThatAlert) {
  std::vector rules = {rule("alert ip any any -> any any (sid:1;)"),
                       rule("alert ip any any -> any any (noalert; sid:2;)"),
                       rule("alert ip any any -> any any (flowbits:noalert; sid:3;)"),
                       rule("# alert ip any any -> any any (sid:4;)")};
  EditFigures f;
  apply_lists(rules, lists({}, {}, {"*"}, {}), f);
  EXPECT_EQ(rules[0].text, "drop ip any any -> any any (sid:1;)");
  EXPECT_EQ(rules[0].action, "drop");
  EXPECT_EQ(rules[1].action, "alert");
  EXPECT_EQ(rules[2].action, "alert");
  EXPECT_EQ(format_rule(rules[3]), "# drop ip any any -> any any (sid:4;)");
  EXPECT_EQ(f.dropped, 2U);
}

TEST(ApplyLists, KeepsARuleThatAnEditWouldBreak) {
  std::vector rules = {rule("alert ip any any -> any any (sid:1;)")};
  EditFigures f;
  apply_lists(rules, lists({}, {}, {}, {R"(1 "sid:1;" "")", R"(1 "any" "10.0.0.1")"}), f);
  EXPECT_EQ(f.failed_edits, std::vector<std::string>{"1:1"});
  EXPECT_EQ(f.modified, 1U);
  EXPECT_EQ(rules[0].text, "alert ip 10.0.0.1 10.0.0.1 -> 10.0.0.1 10.0.0.1 (sid:1;)");
  EXPECT_EQ(rules[0].file, "rules/emerging-malware.rules");
}

TEST(MergeDuplicates, KeepsTheHighestRevisionAndTheFirstOfEquals) {
  std::vector rules = {rule("alert ip any any -> any any (msg:\"a\"; sid:1; rev:2;)"),
                       rule("alert ip any any -> any any (msg:\"b\"; sid:1; rev:2;)"),
                       rule("alert ip any any -> any any (msg:\"c\"; sid:2; rev:1;)"),
                       rule("alert ip any any -> any any (msg:\"d\"; sid:2; rev:3;)"),
                       rule("alert ip any any -> any any (msg:\"e\"; gid:2; sid:2; rev:1;)")};
  EditFigures f;
  merge_duplicates(rules, f);
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_EQ(rules[0].msg, "a");
  EXPECT_EQ(rules[1].msg, "d");
  EXPECT_EQ(rules[2].msg, "e");
  EXPECT_EQ(f.duplicates, 2U);
}

TEST(ResolveFlowbits, SwitchesOnWhatActiveRulesNeedWithoutAlerts) {
  std::vector rules = {
      rule("alert ip any any -> any any (flowbits:isset,b|c; sid:1;)"),
      rule("#alert ip any any -> any any (flowbits:isset,a; flowbits:set,b; sid:2;)"),
      rule("#alert ip any any -> any any (flowbits:set,a; flowbits:noalert; sid:3;)"),
      rule("#alert ip any any -> any any (flowbits:set,other; sid:4;)"),
      rule("#alert ip any any -> any any (flowbits:isset,z; sid:5;)")};
  EditFigures f;
  resolve_flowbits(rules, f);
  EXPECT_TRUE(rules[1].enabled);
  EXPECT_TRUE(rules[1].find("noalert"));
  EXPECT_TRUE(rules[2].enabled);
  EXPECT_FALSE(rules[2].find("noalert"));
  EXPECT_FALSE(rules[3].enabled);
  EXPECT_FALSE(rules[4].enabled);
  EXPECT_EQ(f.for_flowbits, 2U);
}

}  // namespace
}  // namespace ww::sources
