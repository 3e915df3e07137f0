#include <gtest/gtest.h>

#include <algorithm>

#include "tests/rules/sigma/support.hpp"

namespace ww::sigma::test {
namespace {

std::string base(const std::string& name, const std::string& item_text) {
  return "title: t\nname: " + name + "\nlogsource: {category: test}\ndetection: {sel: {" +
         item_text + "}, condition: sel}\n---\n";
}
std::string correlation(const std::string& body, const std::string& id = "c") {
  return "title: c\nid: " + id + "\nname: " + id + "\ncorrelation:\n" + body + "---\n";
}

/// One stream of events through both halves.
class Stream {
 public:
  explicit Stream(const std::string& yaml, const CorrelatorLimits& limits = {})
      : loaded_(load(yaml)) {
    for (const auto& e : loaded_.report.errors) ADD_FAILURE() << e.error;
    evaluator_ = Evaluator::create(loaded_.engine);
    correlator_ = Correlator::create(loaded_.engine, limits);
  }
  /// @param second  event time; the event's other members follow
  void at(int second, const std::string& members) {
    const int s = second % 60, m = second / 60 % 60, h = second / 3600;
    char time[48];
    std::snprintf(time, sizeof time, "2026-03-02T%02d:%02d:%02dZ", h, m, s);
    const std::string event = std::string(R"({"@timestamp":")") + time + "\"," + members + "}";
    const std::string_view view = event;
    const auto matches = evaluator_->evaluate({&view, 1});
    for (const auto& match : std::vector<Match>(matches.begin(), matches.end()))
      correlator_->add(match, event, std::to_string(second), fired);
  }
  [[nodiscard]] std::size_t count(std::string_view id = "c") const {
    return static_cast<std::size_t>(
        std::count_if(fired.begin(), fired.end(), [&](const auto& f) { return f.rule->id == id; }));
  }
  Correlator& correlator() { return *correlator_; }

  std::vector<CorrelationMatch> fired;

 private:
  Loaded loaded_;
  std::unique_ptr<Evaluator> evaluator_;
  std::unique_ptr<Correlator> correlator_;
};

const std::string three_a_minute =
    base("a", "A: x") + correlation(
                            "  type: event_count\n  rules: [a]\n  group-by: [H]\n  timespan: 1m\n  "
                            "condition: {gte: 3}\n");

TEST(SigmaCorrelator, CountsInASlidingWindowPerGroup) {
  Stream s(three_a_minute);
  s.at(0, R"("A":"x","H":"1")");
  s.at(40, R"("A":"x","H":"1")");
  s.at(70, R"("A":"x","H":"1")");
  s.at(71, R"("A":"x","H":"2")");
  EXPECT_EQ(s.count(), 0U);
  s.at(95, R"("A":"x","H":"1")");
  ASSERT_EQ(s.count(), 1U);
  EXPECT_EQ(s.fired[0].event_ids, (std::vector<std::string>{"40", "70", "95"}));
  EXPECT_EQ(s.fired[0].value, 3);
  ASSERT_EQ(s.fired[0].group.size(), 1U);
  EXPECT_EQ(s.fired[0].group[0], (std::pair<std::string, std::string>{"H", "1"}));
}

TEST(SigmaCorrelator, DoesNotRepeatItselfWhileTheConditionHolds) {
  Stream s(three_a_minute);
  for (int t = 0; t < 50; t += 2) s.at(t, R"("A":"x","H":"1")");
  EXPECT_EQ(s.count(), 1U);
  for (int t = 50; t < 120; t += 2) s.at(t, R"("A":"x","H":"1")");
  EXPECT_EQ(s.count(), 2U) << "once more after a timespan";
}

TEST(SigmaCorrelator, LateEventsCountWithinTheLateness) {
  CorrelatorLimits limits;
  limits.lateness = std::chrono::seconds(100);
  Stream s(three_a_minute, limits);
  s.at(0, R"("A":"x","H":"1")");
  s.at(20, R"("A":"x","H":"1")");
  s.at(90, R"("A":"x","H":"2")");
  EXPECT_EQ(s.count(), 0U);
  s.at(10, R"("A":"x","H":"1")");
  EXPECT_EQ(s.count(), 1U);
  s.at(300, R"("A":"x","H":"2")");
  s.at(100, R"("A":"x","H":"1")");
  EXPECT_EQ(s.correlator().too_late(), 1U);
}

TEST(SigmaCorrelator, OrderOfArrivalDoesNotChangeWhatFires) {
  const std::string yaml =
      base("a", "A: x") + base("b", "A: y") +
      correlation("  type: temporal_ordered\n  rules: [a, b]\n  group-by: [H]\n  timespan: 1m\n");
  for (const bool late : {false, true}) {
    Stream s(yaml);
    if (!late) s.at(1, R"("A":"x","H":"1")");
    s.at(5, R"("A":"y","H":"1")");
    if (late) s.at(1, R"("A":"x","H":"1")");
    EXPECT_EQ(s.count(), 1U) << late;
  }
  Stream wrong(yaml);
  wrong.at(1, R"("A":"y","H":"1")");
  wrong.at(5, R"("A":"x","H":"1")");
  EXPECT_EQ(wrong.count(), 0U);
}

TEST(SigmaCorrelator, ValuesAreCountedSummedAveragedAndRanked) {
  const auto made = [](const std::string& type, const std::string& condition) {
    return base("a", "A: x") +
           correlation("  type: " + type +
                       "\n  rules: [a]\n  timespan: 1h\n  condition: {field: V, " + condition +
                       "}\n");
  };
  const auto fires = [&](const std::string& type, const std::string& condition,
                         std::vector<std::string> values) {
    Stream s(made(type, condition));
    int t = 0;
    for (const auto& v : values) s.at(++t, R"("A":"x","V":)" + v);
    return s.count() > 0;
  };
  EXPECT_TRUE(fires("value_count", "gte: 3", {"\"a\"", "\"b\"", "\"a\"", "\"c\""}));
  EXPECT_FALSE(fires("value_count", "gte: 3", {"\"a\"", "\"b\"", "\"a\"", "null"}));
  EXPECT_TRUE(fires("value_sum", "gt: 10", {"5", "\"5.5\""}));
  EXPECT_FALSE(fires("value_sum", "gt: 10", {"5", "5", "\"x\""}));
  EXPECT_TRUE(fires("value_avg", "lt: 3", {"4", "1"}));
  EXPECT_TRUE(fires("value_median", "eq: 2", {"1", "2", "9"}));
  EXPECT_TRUE(fires("value_percentile", "gt: 80, percentile: 90", {"1", "50", "100"}));
  EXPECT_FALSE(fires("value_percentile", "gt: 95, percentile: 50", {"1", "50", "90"}));
}

TEST(SigmaCorrelator, TemporalConditionsInWords) {
  const std::string yaml =
      base("a", "A: x") + base("b", "A: y") + base("z", "A: z") +
      correlation(
          "  type: temporal\n  rules: [a, b, z]\n  timespan: 1m\n  condition: a and (b or z)\n");
  Stream s(yaml);
  s.at(1, R"("A":"y")");
  s.at(2, R"("A":"z")");
  EXPECT_EQ(s.count(), 0U);
  s.at(3, R"("A":"x")");
  EXPECT_EQ(s.count(), 1U);
}

TEST(SigmaCorrelator, ChainsAndGenerate) {
  const std::string yaml =
      correlation(
          "  type: temporal_ordered\n  rules: [many, ok]\n  group-by: [U]\n  timespan: 10m\n") +
      correlation(
          "  type: event_count\n  rules: [bad]\n  group-by: [U]\n  timespan: 1m\n  condition: "
          "{gte: 2}\n",
          "many") +
      base("bad", "A: f") + base("ok", "A: s");
  const auto loaded = load(yaml);
  for (const auto& info : loaded.engine->rules())
    EXPECT_EQ(info.silent, info.id != "c") << info.name << info.id;
  Stream s(yaml);
  s.at(1, R"("A":"f","U":"u")");
  s.at(2, R"("A":"s","U":"u")");
  s.at(3, R"("A":"f","U":"u")");
  EXPECT_EQ(s.count(), 0U);
  s.at(9, R"("A":"s","U":"u")");
  EXPECT_EQ(s.count(), 1U);
  const auto loud = load(
      base("a", "A: x") + "generate: true\n" +
      correlation("  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition: {gte: 3}\n"));
  EXPECT_FALSE(loud.engine->rules()[0].silent);
}

TEST(SigmaCorrelator, SurvivesARestart) {
  Stream first(three_a_minute);
  first.at(0, R"("A":"x","H":"1")");
  first.at(1, R"("A":"x","H":"1")");
  const auto state = first.correlator().save();
  Stream second(three_a_minute);
  ASSERT_TRUE(second.correlator().restore(state).has_value());
  EXPECT_EQ(second.correlator().octets(), first.correlator().octets());
  second.at(2, R"("A":"x","H":"1")");
  ASSERT_EQ(second.count(), 1U);
  EXPECT_EQ(second.fired[0].event_ids, (std::vector<std::string>{"0", "1", "2"}));
  for (std::size_t n = 0; n < state.size(); ++n) {
    Stream cut(three_a_minute);
    EXPECT_FALSE(cut.correlator().restore(std::string_view(state).substr(0, n)).has_value()) << n;
  }
}

TEST(SigmaCorrelator, MemoryIsBoundedAndTheLongestQuietGroupGoesFirst) {
  CorrelatorLimits limits;
  limits.max_octets = 100'000;
  Stream s(three_a_minute, limits);
  s.at(0, R"("A":"x","H":"kept")");
  for (int i = 0; i < 2000; ++i) {
    s.at(1, R"("A":"x","H":")" + std::to_string(i) + "\"");
    if (i % 20 == 0 && i < 40) s.at(1, R"("A":"x","H":"other")");
  }
  EXPECT_GT(s.correlator().evicted(), 1000U);
  EXPECT_LT(s.correlator().octets(), limits.max_octets + 2000);
  EXPECT_LT(s.correlator().groups(), limits.max_octets / 150);
}

TEST(SigmaCorrelator, OneGroupKeepsABoundedNumberOfEvents) {
  CorrelatorLimits limits;
  limits.max_events_per_group = 10;
  Stream s(base("a", "A: x") +
               correlation(
                   "  type: event_count\n  rules: [a]\n  timespan: 1h\n  condition: {gte: 11}\n"),
           limits);
  for (int i = 0; i < 100; ++i) s.at(i, R"("A":"x")");
  EXPECT_EQ(s.count(), 0U);
  EXPECT_LT(s.correlator().octets(), 10'000U);
}

TEST(SigmaCorrelator, RefusesWhatItCannotPlace) {
  EXPECT_NE(
      refusal(
          correlation(
              "  type: event_count\n  rules: [nobody]\n  timespan: 1m\n  condition: {gte: 3}\n"))
          .find("nobody"),
      std::string::npos);
  const auto self =
      correlation("  type: event_count\n  rules: [c]\n  timespan: 1m\n  condition: {gte: 3}\n");
  EXPECT_NE(refusal(self), "");
  for (const auto* bad :
       {"  type: odd\n  rules: [a]\n  timespan: 1m\n",
        "  type: event_count\n  rules: [a]\n  timespan: 1\n  condition: {gte: 1}\n",
        "  type: event_count\n  rules: [a]\n  timespan: 1m\n",
        "  type: value_sum\n  rules: [a]\n  timespan: 1m\n  condition: {gte: 1}\n",
        "  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition: {gte: many}\n"})
    EXPECT_NE(refusal(base("a", "A: x") + correlation(bad)), "") << bad;
}

}  // namespace
}  // namespace ww::sigma::test
