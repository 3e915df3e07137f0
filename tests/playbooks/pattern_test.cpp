#include "playbooks/pattern.hpp"

#include <gtest/gtest.h>

#include "playbooks/variables.hpp"

namespace ww::playbooks {
namespace {

bool truth(std::string_view text, const Variables& vars = {}) {
  auto p = parse_pattern(text);
  EXPECT_TRUE(p.has_value()) << text << ": " << (p ? "" : p.error().what);
  if (!p) return false;
  auto copy = vars;
  const Scope scope{&copy, nullptr};
  return evaluate(*p, lookup_in(scope));
}
std::string error(std::string_view text) {
  const auto p = parse_pattern(text);
  return p ? "" : p.error().what;
}
const Variables vars{{"__count__", {"integer", "12", "", false, false}},
                     {"__host__", {"string", "pacs-01", "", false, false}},
                     {"__ip__", {"ipv4-addr", "10.1.2.3", "", false, false}},
                     {"__clean__", {"bool", "true", "", false, false}},
                     {"__since__", {"string", "2026-03-01T00:00:00Z", "", false, false}},
                     {"__other__", {"string", "pacs-01", "", false, false}},
                     {"__nothing__", {"string", std::nullopt, "", false, false}}};

TEST(StixPattern, ComparesVariablesByTheirType) {
  EXPECT_TRUE(truth("__count__:value = 12", vars));
  EXPECT_TRUE(truth("__count__:value > '9'", vars)) << "as numbers, not as text";
  EXPECT_FALSE(truth("__count__:value <= 11", vars));
  EXPECT_TRUE(truth("__host__:value == 'pacs-01'", vars));
  EXPECT_TRUE(truth("__host__:value != 'ris'", vars));
  EXPECT_TRUE(truth("__host__:value <> 'ris'", vars));
  EXPECT_TRUE(truth("__clean__:value = true", vars));
  EXPECT_TRUE(truth("__clean__:value", vars));
  EXPECT_TRUE(truth("__since__:value < t'2026-04-01T00:00:00Z'", vars));
  EXPECT_TRUE(truth("__host__:value = __other__:value", vars));
  EXPECT_TRUE(truth("$$host$$:value = 'pacs-01'", vars));
  EXPECT_TRUE(truth("'a' = 'a'", vars));
}

TEST(StixPattern, SetsTextAndNetworks) {
  EXPECT_TRUE(truth("__host__:value IN ('ris', 'pacs-01')", vars));
  EXPECT_TRUE(truth("__host__:value NOT IN ('ris')", vars));
  EXPECT_TRUE(truth("__host__:value LIKE 'pacs-__'", vars));
  EXPECT_TRUE(truth("__host__:value LIKE '%01'", vars));
  EXPECT_FALSE(truth("__host__:value LIKE 'pacs'", vars));
  EXPECT_TRUE(truth("__host__:value MATCHES '^pacs-[0-9]+$'", vars));
  EXPECT_TRUE(truth("__ip__:value ISSUBSET '10.0.0.0/8'", vars));
  EXPECT_FALSE(truth("__ip__:value ISSUBSET '192.168.0.0/16'", vars));
  EXPECT_FALSE(truth("__ip__:value ISSUPERSET '10.0.0.0/8'", vars));
  EXPECT_TRUE(truth("EXISTS __host__:value", vars));
  EXPECT_TRUE(truth("NOT EXISTS __nothing__:value", vars));
}

TEST(StixPattern, AndBindsTighterThanOrAndBracketsChangeIt) {
  EXPECT_TRUE(truth("'a'='a' OR 'a'='b' AND 'a'='c'"));
  EXPECT_FALSE(truth("('a'='a' OR 'a'='b') AND 'a'='c'"));
  EXPECT_TRUE(
      truth("[ __count__:value = 12 AND (__host__:value = 'x' OR __clean__:value = true) ]", vars));
  EXPECT_TRUE(truth("[ __count__:value = 1 ] OR [ __count__:value = 12 ]", vars));
}

TEST(StixPattern, UnknownIsFalseAlsoUnderNot) {
  EXPECT_FALSE(truth("__missing__:value = 'x'", vars));
  EXPECT_FALSE(truth("__missing__:value NOT = 'x'", vars));
  EXPECT_FALSE(truth("__nothing__:value != 'x'", vars));
}

TEST(StixPattern, ReadsTheWholeGrammar) {
  for (const auto* text :
       {"[ipv4-addr:value = '1.2.3.4']", "[file:hashes.'SHA-256' = 'aa' AND file:size >= 1.5]",
        "[network-traffic:dst_ref.type = 'domain-name'] FOLLOWEDBY [process:pid IN (1, 2)] WITHIN "
        "300 SECONDS",
        "([a:b = 1] REPEATS 5 TIMES) START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00.5Z'",
        "[a:b[*].c[0].d = h'00ff' OR a:x = b'AAE=']", "[a:b = -1 /* comment */ ]",
        "[a:b IN (true, false)]", "[a:b = 'it\\'s \\\\ here']",
        "[EXISTS a:b] AND [a:b MATCHES 'x']"}) {
    const auto p = parse_pattern(text);
    EXPECT_TRUE(p.has_value()) << text << ": " << (p ? "" : p.error().what);
  }
  EXPECT_TRUE(parse_pattern("[a:b = 1] FOLLOWEDBY [a:c = 2]")->temporal);
  EXPECT_FALSE(parse_pattern("[a:b = 1] AND [a:c = 2]")->temporal);
}

TEST(StixPattern, RefusesWithPlace) {
  EXPECT_EQ(error(""), "a path (type:property) or a constant was expected");
  EXPECT_NE(error("[a:b = 1"), "");
  EXPECT_NE(error("[a:b = 'x]"), "");
  EXPECT_NE(error("[a:b LIKE 5]"), "");
  EXPECT_NE(error("[a:b IN ()]"), "");
  EXPECT_NE(error("[a:b = 1] extra"), "");
  EXPECT_NE(error("[a:b = 1] WITHIN 5 MINUTES"), "");
  EXPECT_NE(error("[a:b = t'yesterday']"), "");
  EXPECT_NE(error("[a:b = 1] REPEATS 0 TIMES"), "");
  EXPECT_NE(error("__a__:value = 1 ; rm"), "");
}

TEST(StixPattern, IsBounded) {
  EXPECT_EQ(error(std::string(100'000, 'a')), "the pattern is too long");
  EXPECT_EQ(error(std::string(500, '(') + "'a'='a'"), "nested too deep");
  std::string many = "'a'='b'";
  for (int i = 0; i < 1500; ++i) many += " OR 1=2";
  EXPECT_FALSE(truth(many)) << "wide is fine";
  // A regular expression that explodes gives up instead of running on.
  const Variables slow{{"__x__", {"string", std::string(60, 'a') + "!", "", false, false}}};
  EXPECT_FALSE(truth("__x__:value MATCHES '^(a+)+$'", slow));
}

TEST(Variables, SubstituteOnlyWhatHasAValue) {
  auto copy = vars;
  Variables inner{{"__host__", {"string", "inner", "", false, false}}};
  const Scope scope{&copy, &inner};
  std::vector<std::string> unknown;
  EXPECT_EQ(substitute("ping __host__:value __count__:value, __who__:value $$ip$$.value", scope,
                       &unknown),
            "ping inner 12, __who__:value 10.1.2.3");
  EXPECT_EQ(unknown, std::vector<std::string>{"__who__"});
  EXPECT_EQ(substitute("____", scope), "____");
}

TEST(Variables, TypesAreKept) {
  auto copy = vars;
  copy["__fixed__"] = {"string", "a", "", true, false};
  const Scope scope{&copy, nullptr};
  EXPECT_TRUE(scope.set("__count__", "13"));
  EXPECT_FALSE(scope.set("__count__", "many"));
  EXPECT_FALSE(scope.set("__ip__", "::1"));
  EXPECT_TRUE(scope.set("__ip__", "10.0.0.0/8"));
  EXPECT_FALSE(scope.set("__fixed__", "b"));
  EXPECT_FALSE(scope.set("__missing__", "b"));
  EXPECT_FALSE(fits("sha256-hash", "abc"));
  EXPECT_TRUE(fits("mac-addr", "00:11:22:aa:bb:cc"));
  EXPECT_FALSE(fits("mac-addr", "00:11:22:aa:bb:cg"));
}

}  // namespace
}  // namespace ww::playbooks
