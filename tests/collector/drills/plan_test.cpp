/// When a drill is due again, and in which hours the collector may start it.
#include "collector/drills/plan.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace ww::collector {
namespace {
using ::testing::HasSubstr;

Timestamp at(const char* text) { return *parse_time(text); }
DrillPlan plan(const char* more) {
  auto p = plan_from_json(
      boost::json::parse(std::string(R"({"drill":"r","site":"a","sensor":"s",)") + more + "}")
          .get_object());
  EXPECT_TRUE(p) << p.error();
  return p ? *p : DrillPlan{};
}
std::string refused(const char* text) {
  const auto p = plan_from_json(boost::json::parse(text).get_object());
  return p ? "" : p.error();
}

TEST(DrillPlan, SaysWhatIsWrong) {
  EXPECT_THAT(refused(R"({"site":"a","period":"1d"})"), HasSubstr("drill:"));
  EXPECT_THAT(refused(R"({"drill":"r","period":"1d"})"), HasSubstr("site:"));
  EXPECT_THAT(refused(R"({"drill":"r","site":"a"})"), HasSubstr("period:"));
  EXPECT_THAT(refused(R"({"drill":"r","site":"a","period":"0s"})"), HasSubstr("period:"));
  EXPECT_THAT(refused(R"({"drill":"r","site":"a","period":"99999d"})"), HasSubstr("ten years"));
  EXPECT_THAT(refused(R"({"drill":"r","site":"a","period":"1d","grace":"soon"})"),
              HasSubstr("grace:"));
  EXPECT_THAT(refused(R"({"drill":"r","site":"a","period":"1d","start":"perhaps"})"),
              HasSubstr("start:"));
  for (const auto* window : {"02:00-05:00", "sat 02:00", "sat 02:00-25:00", "sat 02:00-02:00",
                             "sat 02:00-03:00 Mars", "sat 02:00-03:00 Europe/London too"})
    EXPECT_THAT(refused((std::string(R"({"drill":"r","site":"a","period":"1d","window":")") +
                         window + "\"}")
                            .c_str()),
                HasSubstr("window:"))
        << window;
  EXPECT_THAT(refused(R"({"drill":"r","site":"a","period":"1d","when":"x"})"),
              HasSubstr("when: is unknown"));
  EXPECT_THAT(refused(R"({"drill":"r","site":"a","period":"1d","id":"a/b"})"), HasSubstr("id:"));
}

TEST(DrillPlan, IsReadAsItWasWritten) {
  const auto p = plan(
      R"("period":"30d","grace":"3d","start":true,"window":"sat,sun 02:00-05:00 Europe/London","owner":"ann","from":"2026-01-01T00:00:00Z")");
  EXPECT_EQ(p.id, "r.a.s");
  const auto again = plan_from_json(plan_json(p));
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(boost::json::serialize(plan_json(*again)), boost::json::serialize(plan_json(p)));
  EXPECT_EQ(again->grace, std::chrono::hours(72));
  EXPECT_TRUE(again->start);
}

TEST(DrillPlan, IsDueAPeriodAfterItPassedAndFromTheStartWhenItNeverDid) {
  auto p = plan(R"("period":"30d")");
  p.created = at("2026-01-10T00:00:00Z");
  EXPECT_EQ(plan_due(p, {}), p.created) << "what never passed is due, not fine";
  EXPECT_EQ(plan_due(p, at("2026-03-01T10:00:00Z")), at("2026-03-31T10:00:00Z"));
  p.from = at("2026-06-01T00:00:00Z");
  EXPECT_EQ(plan_due(p, {}), p.from);
  EXPECT_EQ(plan_due(p, at("2026-03-01T10:00:00Z")), p.from);
}

TEST(DrillPlan, FollowsACalendarOverTheChangeToSummerTime) {
  const auto p = plan(R"("period":"sun 03:00 Europe/London")");
  // 29 March 2026 is the Sunday of the change; 03:00 there is 02:00 UTC then.
  EXPECT_EQ(plan_due(p, at("2026-03-25T00:00:00Z")), at("2026-03-29T02:00:00Z"));
  EXPECT_EQ(plan_due(p, at("2026-03-22T03:00:00Z")), at("2026-03-29T02:00:00Z"))
      << "done on time, the next one is a week later";
}

TEST(DrillPlan, AWindowOpensOnItsDaysAndMayGoOverMidnight) {
  const auto p = plan(R"("period":"7d","window":"sat 22:00-02:30 Europe/London")");
  EXPECT_FALSE(window_end(p, at("2026-11-28T21:59:59Z")));
  EXPECT_EQ(window_end(p, at("2026-11-28T22:00:00Z")), at("2026-11-29T02:30:00Z"));
  EXPECT_EQ(window_end(p, at("2026-11-29T02:29:59Z")), at("2026-11-29T02:30:00Z"));
  EXPECT_FALSE(window_end(p, at("2026-11-29T02:30:00Z")));
  EXPECT_EQ(window_from(p, at("2026-11-29T02:30:00Z")), at("2026-12-05T22:00:00Z"));
  EXPECT_EQ(window_from(p, at("2026-11-28T23:00:00Z")), at("2026-11-28T23:00:00Z"));
  const auto any = plan(R"("period":"7d")");
  EXPECT_EQ(window_from(any, at("2026-11-29T02:30:00Z")), at("2026-11-29T02:30:00Z"));
}

}  // namespace
}  // namespace ww::collector
