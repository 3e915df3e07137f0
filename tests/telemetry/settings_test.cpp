#include "telemetry/settings.hpp"

#include <gtest/gtest.h>

#include <tuple>

namespace ww {
namespace {

constexpr const char* yaml = R"(
vars:
  address-groups: {HOME_NET: "[10.0.0.0/8]"}
outputs:
  - fast: {enabled: no}
  - eve-log:
      enabled: yes
      types:
        - alert: {payload: yes}
        - http
stream: {memcap: 64 MiB, midstream: false}
)";

TEST(Settings, ReachesSequenceItemsByTheirOnlyKey) {
  const auto s = Settings::from_yaml(yaml, "t.yaml").value();
  EXPECT_TRUE(s.flag_or("outputs.eve-log.enabled", false));
  EXPECT_TRUE(s.flag_or("outputs.1.eve-log.types.0.alert.payload", false));
  EXPECT_FALSE(s.flag_or("outputs.fast.enabled", true));
  EXPECT_EQ(s.children("outputs.eve-log.types"), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(s.text("outputs.eve-log.types.1"), "http");
}

TEST(Settings, RevisionFollowsContent) {
  auto a = Settings::from_yaml(yaml, "t.yaml").value();
  const auto copy = a;
  EXPECT_EQ(copy.revision(), a.revision());
  a.set("stream.midstream", "true");
  EXPECT_NE(copy.revision(), a.revision());
  EXPECT_NE(Settings().revision(), Settings().revision());
}

TEST(Settings, ReadsSizesAndKeepsLines) {
  const auto s = Settings::from_yaml(yaml, "t.yaml").value();
  EXPECT_EQ(s.size_or("stream.memcap", 0), 64ULL << 20);
  EXPECT_EQ(s.where("stream.memcap"), "t.yaml:11");
}

TEST(Settings, AssignmentOverridesAndUnreadNamesTheRest) {
  auto s = Settings::from_yaml(yaml, "t.yaml").value();
  ASSERT_TRUE(s.set_assignment("stream.midstream=true"));
  EXPECT_TRUE(s.flag_or("stream.midstream", false));
  s.mark_read("outputs");
  EXPECT_EQ(s.unread(),
            (std::vector<std::string>{"stream.memcap", "vars.address-groups.HOME_NET"}));
  EXPECT_FALSE(s.set_assignment("nonsense"));
}

// Our own files: nothing is passed over in silence. Suricata's are taken as it takes them.
TEST(Settings, StrictRefusesWhatWouldBePassedOver) {
  for (const auto& [text, line, why] :
       std::initializer_list<std::tuple<const char*, const char*, const char*>>{
           {"a: {b: 1}\na: {c: 2}\n", "t.yaml:2", "'a' is given twice"},
           {"a:\n  b: 1\n  b: 2\n", "t.yaml:3", "'a.b' is given twice"},
           {"a: 1\n---\nb: 2\n", "t.yaml:3", "second document"},
           {"- a\n", "t.yaml:1", "KEY: VALUE"},
           {"words\n", "t.yaml:1", "KEY: VALUE"}}) {
    const auto s = Settings::from_yaml(text, "t.yaml", YamlRules::strict);
    ASSERT_FALSE(s) << text;
    EXPECT_EQ(s.error().where, line);
    EXPECT_NE(s.error().what.find(why), std::string::npos) << s.error().what;
    EXPECT_TRUE(Settings::from_yaml(text, "t.yaml")) << text;
  }
  for (const char* good : {"", "# nothing\n", "---\na: 1\n",
                           "\xEF\xBB\xBF"
                           "a: 1\n",
                           "a: 1\n...\n"})
    EXPECT_TRUE(Settings::from_yaml(good, "t.yaml", YamlRules::strict)) << good;
}

TEST(Settings, WhatIsNoTextFileIsSaidToBeNone) {
  EXPECT_NE(Settings::from_yaml_file("/tmp").error().what.find("folder"), std::string::npos);
  EXPECT_NE(Settings::from_yaml_file("/nowhere/x").error().what.find("No such file"),
            std::string::npos);
  EXPECT_NE(Settings::from_yaml(std::string_view("a\0b", 3), "t").error().what.find("NUL"),
            std::string::npos);
}

TEST(Settings, KnowsShapesAndTheNearestPlace) {
  const auto s = Settings::from_yaml(yaml, "t.yaml").value();
  EXPECT_EQ(s.shape("outputs"), Settings::Shape::list);
  EXPECT_EQ(s.shape("stream"), Settings::Shape::map);
  EXPECT_EQ(s.shape("stream.memcap"), Settings::Shape::value);
  EXPECT_EQ(s.shape("nothing"), Settings::Shape::absent);
  EXPECT_EQ(s.nearest_place("stream"), "t.yaml:11");
  EXPECT_EQ(s.nearest_place("stream.missing"), "t.yaml:11");
  EXPECT_EQ(s.nearest_place("missing.key"), "t.yaml");
  EXPECT_EQ(s.below("stream").nearest_place("missing"), "t.yaml");
  EXPECT_EQ(Settings().nearest_place("x"), "configuration");
}

TEST(Settings, NamesTheLineOfBrokenYaml) {
  const auto s = Settings::from_yaml("a: b\nc: [1,\n", "bad.yaml");
  ASSERT_FALSE(s);
  EXPECT_TRUE(s.error().where.starts_with("bad.yaml:"));
}

}  // namespace
}  // namespace ww
