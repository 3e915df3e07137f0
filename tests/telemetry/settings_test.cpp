#include "telemetry/settings.hpp"

#include <gtest/gtest.h>

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

TEST(Settings, NamesTheLineOfBrokenYaml) {
  const auto s = Settings::from_yaml("a: b\nc: [1,\n", "bad.yaml");
  ASSERT_FALSE(s);
  EXPECT_TRUE(s.error().where.starts_with("bad.yaml:"));
}

}  // namespace
}  // namespace ww
