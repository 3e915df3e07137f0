#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "rules/sigma/correlation_state.hpp"
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
    std::snprintf(time, sizeof time, "%04d-03-02T%02d:%02d:%02dZ", h < 24 ? 2026 : 2099, h % 24, m,
                  s);
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

/// What a store would hold of a correlator.
struct Kept {
  std::map<std::uint32_t, std::string> slices;
  std::map<std::uint64_t, std::string> logs;

  void apply(const CorrelationChange& c) {
    if (!c.log.empty()) logs[c.serial] = c.log;
    for (const auto& s : c.slices) slices[s.number] = s.state;
    logs.erase(logs.begin(), logs.upper_bound(c.covered));
  }
  void load(Correlator& into) const {
    for (const auto& [number, state] : slices)
      EXPECT_TRUE(into.load_slice(number, state).has_value());
    for (const auto& [serial, log] : logs) EXPECT_TRUE(into.load_log(log).has_value());
  }
  [[nodiscard]] std::size_t log_octets() const {
    std::size_t n = 0;
    for (const auto& [serial, log] : logs) n += log.size();
    return n;
  }
  [[nodiscard]] std::size_t slice_octets() const {
    std::size_t n = 0;
    for (const auto& [number, state] : slices) n += state.size();
    return n;
  }
};
CorrelatorLimits kept_limits() {
  CorrelatorLimits limits;
  limits.keep_log = true;
  return limits;
}

TEST(SigmaCorrelator, SurvivesARestart) {
  Stream first(three_a_minute, kept_limits());
  first.at(0, R"("A":"x","H":"1")");
  first.at(1, R"("A":"x","H":"1")");
  const auto change = first.correlator().take_change();
  EXPECT_FALSE(change.log.empty());
  Stream second(three_a_minute, kept_limits());
  ASSERT_TRUE(second.correlator().load_log(change.log).has_value());
  EXPECT_EQ(second.correlator().octets(), first.correlator().octets());
  second.at(2, R"("A":"x","H":"1")");
  ASSERT_EQ(second.count(), 1U);
  EXPECT_EQ(second.fired[0].event_ids, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_TRUE(first.correlator().take_change().log.empty()) << "nothing new";
}

TEST(SigmaCorrelator, DamagedStateIsRefusedAndLeavesNoTrace) {
  Stream first(three_a_minute, kept_limits());
  Kept kept;
  for (int i = 0; i < 200; ++i) first.at(1, R"("A":"x","H":")" + std::to_string(i % 5) + "\"");
  kept.apply(first.correlator().take_change());
  ASSERT_FALSE(kept.slices.empty());
  const auto& [number, state] = *kept.slices.begin();
  for (std::size_t n = 0; n < state.size(); ++n) {
    Stream cut(three_a_minute, kept_limits());
    EXPECT_FALSE(cut.correlator().load_slice(number, std::string_view(state).substr(0, n))) << n;
    EXPECT_EQ(cut.correlator().groups(), 0U);
  }
  Stream other(three_a_minute, kept_limits());
  EXPECT_FALSE(other.correlator().load_slice(number + 1, state)) << "not the slice it says";
  EXPECT_FALSE(other.correlator().load_slice(GroupStore::slices, state));
  auto older = state;
  older[0] = 3;
  EXPECT_FALSE(other.correlator().load_slice(number, older)) << "another version";
  ASSERT_TRUE(other.correlator().load_slice(number, state));
  older = state;
  older[1] = static_cast<char>(older[1] + 1);
  EXPECT_FALSE(other.correlator().load_slice(number, older)) << "of another seed";
}

const std::string several =
    base("a", "A: x") + base("b", "A: y") +
    correlation(
        "  type: event_count\n  rules: [a]\n  group-by: [H]\n  timespan: 1m\n  condition: {gte: "
        "4}\n",
        "many") +
    correlation(
        "  type: value_count\n  rules: [a, b]\n  group-by: [H, U]\n  timespan: 2m\n  condition: "
        "{field: V, gte: 3}\n",
        "values") +
    correlation("  type: temporal_ordered\n  rules: [many, b]\n  group-by: [H]\n  timespan: 5m\n",
                "chain");

/// Events of a random stream, some of them late.
struct Random {
  std::mt19937 random{11};
  int now = 0;
  std::pair<int, std::string> next() {
    const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
    now += below(4);
    return {std::max(0, now - (below(5) == 0 ? below(200) : 0)),
            std::string(R"("A":")") + (below(4) == 0 ? "y" : "x") + R"(","H":"h)" +
                std::to_string(below(40)) + R"(","U":"u)" + std::to_string(below(2)) + R"(","V":)" +
                std::to_string(below(9))};
  }
};
std::string shown(const std::vector<CorrelationMatch>& fired) {
  std::string out;
  for (const auto& f : fired) {
    JsonWriter w(out);
    f.explain(w);
    for (const auto& id : f.event_ids) out += ' ' + id;
    out += '\n';
  }
  return out;
}

TEST(SigmaCorrelator, RestartsAndLostCommitsChangeNothing) {
  Random events;
  Stream whole(several, kept_limits());
  auto broken = std::make_unique<Stream>(several, kept_limits());
  std::string from_whole, from_broken;
  Kept kept;
  std::vector<std::pair<int, std::string>> batch;
  for (int round = 0; round < 1500; ++round) {
    batch.clear();
    for (int i = 0; i < 4; ++i) batch.push_back(events.next());
    for (const auto& [t, members] : batch) whole.at(t, members);
    from_whole += shown(whole.fired);
    whole.fired.clear();
    const bool lost = round % 7 == 3;
    for (int attempt = 0; attempt < (lost ? 2 : 1); ++attempt) {
      for (const auto& [t, members] : batch) broken->at(t, members);
      const auto change = broken->correlator().take_change();
      if (lost && attempt == 0) {  // a commit that failed: back to what is stored, and again
        broken = std::make_unique<Stream>(several, kept_limits());
        kept.load(broken->correlator());
        continue;
      }
      kept.apply(change);
      from_broken += shown(broken->fired);
      broken->fired.clear();
    }
    if (round % 50 == 20) {
      broken = std::make_unique<Stream>(several, kept_limits());
      kept.load(broken->correlator());
    }
  }
  EXPECT_GT(std::count(from_whole.begin(), from_whole.end(), '\n'), 50);
  EXPECT_EQ(from_whole, from_broken);
  // A group whose window is over goes when its slice is visited next, and which slice it lies in
  // differs from process to process.
  EXPECT_NEAR(static_cast<double>(whole.correlator().groups()),
              static_cast<double>(broken->correlator().groups()), 4);
}

TEST(SigmaCorrelator, WhatIsSavedStaysInProportionToTheStateAndToEachChange) {
  Stream s(three_a_minute, kept_limits());
  Kept kept;
  std::size_t largest = 0;
  for (int i = 0; i < 60'000; ++i) {
    s.at(i / 1000, R"("A":"x","H":"host-)" + std::to_string(i * 7919 % 20'000) + "\"");
    if (i % 20 != 0) continue;
    const auto change = s.correlator().take_change();
    for (const auto& slice : change.slices) largest = std::max(largest, slice.state.size());
    EXPECT_LE(change.slices.size(), 4U);
    kept.apply(change);
  }
  EXPECT_GT(s.correlator().groups(), 19'000U);
  EXPECT_LT(largest, 20'000U) << "a slice is a small part of the state";
  EXPECT_LT(kept.log_octets(), 3 * kept.slice_octets() / 2);
  Stream again(three_a_minute, kept_limits());
  kept.load(again.correlator());
  EXPECT_EQ(again.correlator().groups(), s.correlator().groups());
}

TEST(SigmaCorrelator, StateGoesOnUnderNewRules) {
  Stream first(three_a_minute, kept_limits());
  Kept kept;
  first.at(0, R"("A":"x","H":"1")");
  kept.apply(first.correlator().take_change());
  first.at(1, R"("A":"x","H":"1")");
  const std::string other =
      base("z", "A: z") +
      correlation("  type: event_count\n  rules: [z]\n  timespan: 1m\n  condition: {gte: 1}\n",
                  "z") +
      three_a_minute;
  Stream second(other, kept_limits());
  second.correlator().take_over(first.correlator());
  EXPECT_EQ(first.correlator().groups(), 0U);
  kept.apply(second.correlator().take_change());  // with what the old ones had not given yet
  Stream third(other, kept_limits());
  kept.load(third.correlator());
  for (auto* s : {&second, &third}) {
    s->at(2, R"("A":"x","H":"1")");
    EXPECT_EQ(s->count(), 1U);
  }
  Stream without(base("z", "A: z") + correlation("  type: event_count\n  rules: [z]\n  timespan: "
                                                 "1m\n  condition: {gte: 1}\n",
                                                 "z"),
                 kept_limits());
  without.correlator().take_over(second.correlator());
  EXPECT_EQ(without.correlator().groups(), 0U) << "its correlation is gone";
  EXPECT_EQ(without.correlator().octets(), 0U);
}

TEST(SigmaCorrelator, SaysWhatMetIt) {
  Stream s(base("a", "A: x") + base("b", "A: y") +
           correlation("  type: temporal\n  rules: [a, b]\n  group-by: [H]\n  timespan: 1m\n"));
  s.at(1, R"("A":"x","H":"1")");
  s.at(2, R"("A":"x","H":"1")");
  s.at(5, R"("A":"y","H":"1")");
  ASSERT_EQ(s.count(), 1U);
  std::string text;
  JsonWriter w(text);
  s.fired[0].explain(w);
  EXPECT_EQ(text,
            R"({"type":"temporal","condition":"all rules","timespan_seconds":60,"value":2,)"
            R"("first":"2026-03-02T00:00:01.000000Z","last":"2026-03-02T00:00:05.000000Z",)"
            R"("group":{"H":"1"},"events":3,)"
            R"("rules":[{"id":"a","title":"t","events":2},{"id":"b","title":"t","events":1}],)"
            R"("parts":[{"event":"1","time":"2026-03-02T00:00:01.000000Z","rule":"a"},)"
            R"({"event":"2","time":"2026-03-02T00:00:02.000000Z","rule":"a"},)"
            R"({"event":"5","time":"2026-03-02T00:00:05.000000Z","rule":"b"}]})");
}

TEST(SigmaCorrelator, AClockThatRunsAheadDoesNotMakeAllOthersLate) {
  Stream s(three_a_minute);
  s.at(0, R"("A":"x","H":"1")");
  s.at(36'000'000, R"("A":"x","H":"2","ww":{"received":"2026-03-02T00:00:01Z"})");
  s.at(2, R"("A":"x","H":"1","ww":{"received":"2026-03-02T00:00:02Z"})");
  s.at(3, R"("A":"x","H":"1","ww":{"received":"2026-03-02T00:00:03Z"})");
  EXPECT_EQ(s.count(), 1U);
  EXPECT_EQ(s.correlator().too_late(), 0U);
}

TEST(SigmaCorrelator, IdsComeBackAsTheyWere) {
  for (const std::string& id : std::vector<std::string>{
           std::string(), std::string("7"), std::string("sixteen octets!!"),
           std::string("seventeen octets!"), std::string("0193f2a4-0001-7abc-8def-000000000001"),
           std::string("0193F2A4-0001-7abc-8def-000000000001"), std::string(300, 'x')}) {
    EventId made{id};
    EXPECT_EQ(made.text(), id);
    auto moved = std::move(made);
    EXPECT_EQ(moved.text(), id);
    Entry e;
    e.id = std::move(moved);
    e.time = -5;
    std::string saved;
    StateWriter w(saved);
    write_entry(w, e, 77);
    StateReader r(saved);
    const auto back = read_entry(r, 77);
    EXPECT_EQ(back.id.text(), id);
    EXPECT_EQ(back.time, -5);
    EXPECT_TRUE(r.ok() && r.done());
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
  EXPECT_LT(s.correlator().groups(), limits.max_octets / 100);
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
