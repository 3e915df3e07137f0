#include "collector/drills/figures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "collector/drills/definition.hpp"
#include "collector/drills/pack.hpp"

namespace ww::collector {
namespace {
namespace json = boost::json;
using ::testing::HasSubstr;

DrillEntry entry(std::string kind, std::int64_t second, bool observed, json::object doc) {
  DrillEntry e;
  e.kind = std::move(kind);
  e.at = {second * 1'000'000};
  e.observed = observed;
  e.doc = std::move(doc);
  return e;
}
DrillEntry clock(const char* name, std::int64_t second, bool observed = true) {
  return entry("clock", second, observed, {{"name", name}});
}
double number(const json::object& o, std::string_view name) {
  return o.at(name).to_number<double>();
}
DrillRun restore_run() {
  DrillRun r;
  r.id = "r1";
  r.kind = "restore";
  r.definition = "d";
  r.site = "a";
  r.state = "passed";
  r.doc = {{"restore", {{"target", "x"}, {"rto_target_s", 100}, {"rpo_target_s", 3600}}}};
  return r;
}

TEST(DrillRecovery, CountsFromTheDecisionToTheSignOff) {
  auto r = restore_run();
  std::vector<DrillEntry> e{clock("decision_to_restore", 1000), clock("it_complete", 1050),
                            clock("data_time", 400)};
  auto o = recovery(r, e);
  EXPECT_EQ(number(o, "rto_seconds"), 50);
  EXPECT_EQ(o.at("rto_until"), "it_complete");
  EXPECT_EQ(o.at("rto_time"), "observed");
  EXPECT_TRUE(o.at("rto_met").as_bool());
  EXPECT_EQ(number(o, "rpo_seconds"), 600) << "without an incident time, from the decision";

  e.push_back(clock("clinical_sign_off", 1200, false));
  e.push_back(clock("incident", 4100, false));
  o = recovery(r, e);
  EXPECT_EQ(number(o, "rto_seconds"), 200);
  EXPECT_EQ(number(o, "technical_seconds"), 50);
  EXPECT_EQ(o.at("rto_until"), "clinical_sign_off");
  EXPECT_EQ(o.at("rto_time"), "entered") << "one entered time makes the figure entered";
  EXPECT_FALSE(o.at("rto_met").as_bool());
  EXPECT_EQ(number(o, "rpo_seconds"), 3700);
  EXPECT_FALSE(o.at("rpo_met").as_bool());
  EXPECT_FALSE(recovery(r, {}).contains("rto_seconds")) << "nothing measured is absent, not zero";
}

TEST(DrillRecovery, TheLastReadingOfAClockCounts) {
  const auto c =
      clock_reading({clock("it_complete", 10), clock("it_complete", 20, false)}, "it_complete");
  ASSERT_TRUE(c.has_value());
  EXPECT_EQ(c->at.us, 20'000'000);
  EXPECT_FALSE(c->observed);
}

DrillReport came(const char* what, std::int64_t second, json::object doc) {
  return {0, "r1", what, {second * 1'000'000}, {second * 1'000'000}, std::move(doc)};
}
DrillRun detection_run(std::int64_t within, std::int64_t max) {
  DrillRun r;
  r.kind = "detection";
  r.doc = {{"detection",
            {{"expect", {{{"rule", "R"}, {"within_s", within}, {"max", max}}}},
             {"must_not_fire", {"N"}}}}};
  return r;
}
const DrillReport started =
    came("report", 1000, {{"state", "started"}, {"started", "1970-01-01T00:16:40Z"}});
const DrillReport finished = came("report", 1001, {{"state", "finished"}});

TEST(DrillDetection, MeasuresAndJudges) {
  std::vector<DrillReport> all{started, came("event", 1001, {}), finished};
  auto s = detection_state(detection_run(10, 5), all);
  EXPECT_TRUE(s.played);
  EXPECT_FALSE(s.met);
  EXPECT_EQ(number(s.json, "seconds_to_event"), 1);
  all.push_back(came("alert", 1004, {{"rule", "R"}, {"alert", "a"}}));
  all.push_back(came("notified", 1006, {}));
  all.push_back(came("acknowledged", 1030, {}));
  s = detection_state(detection_run(10, 5), all);
  EXPECT_TRUE(s.met && !s.spoiled);
  EXPECT_EQ(number(s.json, "seconds_to_alert"), 4);
  EXPECT_EQ(number(s.json, "seconds_to_notification"), 6);
  EXPECT_EQ(number(s.json, "seconds_to_acknowledge"), 30);
  EXPECT_FALSE(detection_state(detection_run(3, 5), all).met) << "too late";
  auto often = all;
  often.push_back(came("alert", 1005, {{"rule", "R"}, {"count", 9}}));
  EXPECT_TRUE(detection_state(detection_run(10, 5), often).spoiled);
  all.push_back(came("alert", 1005, {{"rule", "N"}}));
  EXPECT_TRUE(detection_state(detection_run(10, 5), all).spoiled) << "a rule that must not fire";
}

TEST(DrillReport, FlagsTooEasyAndRepeatedGaps) {
  const auto r = restore_run();
  std::vector<DrillEntry> e{clock("decision_to_restore", 1000), clock("it_complete", 1050),
                            clock("data_time", 900)};
  const std::vector<DrillReport> reports;
  const std::vector<DrillAction> actions;
  const auto make = [&](std::vector<std::pair<std::string, std::vector<DrillEntry>>> before = {}) {
    return make_report({r, e, reports, actions, nullptr, nullptr, {}, std::move(before)});
  };
  auto report = make();
  EXPECT_TRUE(report.at("score").at("too_easy").as_bool());
  const auto hash = std::string(report.at("sha256").as_string());
  EXPECT_EQ(hash, make().at("sha256").as_string()) << "the same record has the same hash";

  e.push_back(entry("gap", 1100, false,
                    {{"description", "The contact list was old!"}, {"severity", "high"}}));
  report = make({{"r0", {entry("gap", 1, false, {{"description", "the contact LIST was old"}})}}});
  EXPECT_FALSE(report.at("score").at("too_easy").as_bool());
  EXPECT_EQ(number(report.at("score").as_object(), "repeat_gaps"), 1);
  EXPECT_EQ(report.at("gaps").at(0).at("repeat_of"), "r0");
  EXPECT_EQ(report.at("gaps").at(0).at("time"), "entered");
  EXPECT_NE(report.at("sha256").as_string(), hash);

  e.pop_back();
  e.push_back(clock("clinical_sign_off", 5000, false));
  EXPECT_FALSE(make().at("score").at("too_easy").as_bool()) << "a missed target is not easy";
}

TEST(DrillReport, ComparesWithEarlierRunsAndOtherSites) {
  const auto r = restore_run();
  auto mine = restore_run();
  mine.id = "r0";
  mine.result = {{"recovery", {{"rto_seconds", 70}}}};
  auto theirs = mine;
  theirs.id = "x1";
  theirs.site = "b";
  const std::vector<DrillEntry> e;
  const std::vector<DrillReport> reports;
  const std::vector<DrillAction> actions;
  const auto report =
      make_report({r, e, reports, actions, nullptr, nullptr, {mine, theirs, theirs}, {}});
  const auto& c = report.at("comparison");
  ASSERT_EQ(c.at("earlier").as_array().size(), 1U);
  EXPECT_EQ(c.at("earlier").at(0).at("rto_seconds").to_number<int>(), 70);
  EXPECT_EQ(c.at("other_sites").as_array().size(), 1U) << "the newest of each other site";
}

TEST(DrillDefinitions, SayWhatIsMissing) {
  json::object d{{"type", "wardwatch-drill"},   {"id", "x"},      {"title", "X"},
                 {"kind", "restore"},           {"purpose", "p"}, {"safety", {"s"}},
                 {"restore", {{"target", "t"}}}};
  const auto error = [&](auto change) {
    auto copy = d;
    change(copy);
    const auto r = parse_definition(json::serialize(copy));
    return r ? "" : r.error();
  };
  EXPECT_EQ(error([](auto&) {}), "");
  EXPECT_THAT(error([](auto& o) { o["type"] = "other"; }), HasSubstr("type"));
  EXPECT_THAT(error([](auto& o) { o["id"] = "../x"; }), HasSubstr("id"));
  EXPECT_THAT(error([](auto& o) { o.erase("purpose"); }), HasSubstr("purpose"));
  EXPECT_THAT(error([](auto& o) { o.erase("safety"); }), HasSubstr("safety"));
  EXPECT_THAT(error([](auto& o) { o["kind"] = "attack"; }), HasSubstr("kind"));
  EXPECT_THAT(error([](auto& o) { o.erase("restore"); }), HasSubstr("restore.target"));
  EXPECT_THAT(error([](auto& o) {
                o["kind"] = "detection";
                o["detection"] = {{"inputs", {{{"kind", "shell"}}}}};
              }),
              HasSubstr("kind must be"));
  EXPECT_THAT(error([](auto& o) {
                o["kind"] = "detection";
                o["detection"] = {{"inputs", {{{"kind", "log"}, {"lines", {"x"}}}}}};
              }),
              HasSubstr("expect"));
  EXPECT_FALSE(parse_definition("{").has_value());
}

TEST(DrillDefinitions, EveryShippedOneLoads) {
  const auto set = load_definitions({WW_SOURCE_DIR "/playbooks/drills"});
  for (const auto& [file, what] : set.problems) ADD_FAILURE() << file << ": " << what;
  EXPECT_GE(set.all.size(), 12U);
}

TEST(DrillPack, EscapesWhatItPrints) {
  const auto d = parse_definition(
      R"({"type":"wardwatch-drill","id":"x","title":"<script>alert(1)</script>","kind":"tabletop","purpose":"a & b","safety":["s"],
          "exercise":{"playbook":"playbook--x","contacts":[{"name":"<b>Ann</b>","role":"r","phone":"1"}]}})");
  ASSERT_TRUE(d.has_value()) << d.error();
  const auto html = printable_pack(&*d, nullptr, {0});
  EXPECT_THAT(html, ::testing::Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;b&gt;Ann"));
  EXPECT_THAT(html, HasSubstr("a &amp; b"));
  EXPECT_THAT(html, ::testing::Not(HasSubstr("style")));
}

}  // namespace
}  // namespace ww::collector
