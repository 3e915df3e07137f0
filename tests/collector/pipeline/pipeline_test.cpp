#include <gtest/gtest.h>
#include <sys/resource.h>

#include <boost/json.hpp>
#include <future>

#include "collector/ingest/pipeline_local.hpp"
#include "collector/ingest/pipeline_stamp.hpp"
#include "tests/collector/pipeline/numbered.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

namespace json = boost::json;
using Kind = CommitAnswer::Kind;

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    clock_.set({test::stream_start + 3'600'000'000});
    open();
  }
  void open() {
    pipeline_.reset();
    store_.reset();
    StoreOptions o;
    o.folder = folder_.path();
    auto s = Store::open(o, clock_, {});
    ASSERT_TRUE(s) << s.error().text();
    store_ = std::move(*s);
    pipeline_ = LocalPipeline::create(options_, *store_, nullptr, clock_);
  }
  CommitAnswer send(Batch b) {
    std::promise<CommitAnswer> promise;
    auto answer = promise.get_future();
    pipeline_->submit(std::move(b), [&](CommitAnswer a) { promise.set_value(std::move(a)); });
    return answer.get();
  }
  CommitAnswer send(std::uint64_t first, std::uint64_t last) {
    return send(test::numbered_batch("net-1", first, last));
  }
  Batch loose(std::vector<std::string> events) {
    Batch b;
    b.site = "royal-hill";
    b.sensor = "bulk";
    b.source = "elastic";
    b.received = clock_.now();
    for (auto& e : events) b.events.push_back({std::move(e)});
    return b;
  }
  std::vector<std::string> stored(std::string text = "") const {
    SearchQuery q;
    q.text = std::move(text);
    q.limit = 10'000;
    std::vector<std::string> out;
    const auto r = store_->search(q);
    if (r)
      for (const auto& e : r->events) out.push_back(e.json);
    return out;
  }
  json::object only() const {
    const auto all = stored();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? json::object{} : json::parse(all[0]).as_object();
  }

  ww::test::TempFolder folder_;
  ManualClock clock_;
  PipelineOptions options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<LocalPipeline> pipeline_;
};

TEST_F(PipelineTest, ARepeatGetsTheSameAnswerAndStoresNothing) {
  const auto first = send(1, 50);
  EXPECT_EQ(first.kind, Kind::committed);
  EXPECT_EQ(first.ack, 50U);
  EXPECT_EQ(first.accepted, 50U);
  const auto again = send(1, 50);
  EXPECT_EQ(again.kind, Kind::committed);
  EXPECT_EQ(again.ack, 50U);
  EXPECT_EQ(again.accepted, 50U);
  EXPECT_EQ(stored().size(), 50U);
}

TEST_F(PipelineTest, AnOverlapStoresOnlyWhatIsNewAlsoAfterRestart) {
  send(1, 50);
  EXPECT_EQ(send(41, 60).ack, 60U);
  open();
  EXPECT_EQ(send(31, 70).ack, 70U);
  EXPECT_EQ(send(10, 20).ack, 70U);
  EXPECT_EQ(stored().size(), 70U);
}

TEST_F(PipelineTest, ABatchBeyondWhatIsStoredIsToldWhatToSend) {
  send(1, 10);
  const auto a = send(12, 20);
  EXPECT_EQ(a.kind, Kind::out_of_order);
  EXPECT_EQ(a.expected, 11U);
  EXPECT_EQ(a.epoch, 1U);
  const auto never_seen = send(test::numbered_batch("new", 5, 6));
  EXPECT_EQ(never_seen.kind, Kind::out_of_order);
  EXPECT_EQ(never_seen.expected, 1U);
  EXPECT_EQ(stored().size(), 10U);
}

TEST_F(PipelineTest, ShedEventsAreAGapAndTheStreamGoesOn) {
  send(1, 10);
  auto b = test::numbered_batch("net-1", 31, 40);
  b.skipped = ingest::Skipped{5, 30};
  EXPECT_EQ(send(b).ack, 40U);
  EXPECT_EQ(send(b).ack, 40U);
  const auto gaps = store_->gaps({INT64_MIN}, {INT64_MAX});
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].from, 11U);
  EXPECT_EQ(gaps[0].to, 30U);
  EXPECT_EQ(gaps[0].reason, "shed");
  EXPECT_EQ(stored().size(), 20U);
}

TEST_F(PipelineTest, AGapHasTheReasonThatTheSensorGives) {
  send(1, 10);
  auto b = test::numbered_batch("net-1", 31, 40);
  b.skipped = ingest::Skipped{5, 30};
  b.lost = {{3, 12, ingest::lost::damaged},
            {15, 15, ingest::lost::refused},
            {29, 90, ingest::lost::damaged}};
  EXPECT_EQ(send(b).ack, 40U);
  std::string found;
  auto gaps = store_->gaps({INT64_MIN}, {INT64_MAX});
  std::sort(gaps.begin(), gaps.end(), [](auto& a, auto& b2) { return a.from < b2.from; });
  for (const auto& g : gaps)
    found += g.reason + " " + std::to_string(g.from) + "-" + std::to_string(g.to) + "; ";
  EXPECT_EQ(found, "damaged 11-12; shed 13-14; refused 15-15; shed 16-28; damaged 29-30; ");
}

TEST_F(PipelineTest, ASkipNeverTakesEventsThatAreInTheBatchNorHidesAHole) {
  send(1, 10);
  auto b = test::numbered_batch("net-1", 11, 20);
  b.skipped = ingest::Skipped{1, 1'000};
  EXPECT_EQ(send(b).ack, 20U);
  EXPECT_EQ(stored().size(), 20U);
  b = test::numbered_batch("net-1", 50, 60);
  b.skipped = ingest::Skipped{30, 49};
  const auto a = send(b);
  EXPECT_EQ(a.kind, Kind::out_of_order);
  EXPECT_EQ(a.expected, 21U);
}

TEST_F(PipelineTest, ANewEpochBeginsAgainAndAnOldOneIsRefused) {
  send(1, 10);
  auto b = test::numbered_batch("net-1", 1, 5);
  b.id->epoch = 2;
  for (auto& e : b.events)
    e.json.replace(e.json.find("-7"), 2, "-7");  // other ids are not needed: epochs differ
  EXPECT_EQ(send(b).ack, 5U);
  const auto old = send(11, 12);
  EXPECT_EQ(old.kind, Kind::out_of_order);
  EXPECT_EQ(old.epoch, 2U);
  EXPECT_EQ(old.expected, 6U);
  const auto gaps = store_->gaps({INT64_MIN}, {INT64_MAX});
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].reason, "epoch");
  EXPECT_EQ(store_->cursor("royal-hill", "net-1"), (SensorCursor{2, 5}));
}

TEST_F(PipelineTest, TwoSpoolsOfOneSensorAreToldAndWhatIsRenumberedIsNoGap) {
  std::vector<std::string> told;
  options_.on_shared_identity = [&](const std::string& site, const std::string& sensor) {
    told.push_back(site + "/" + sensor);
  };
  open();
  send(1, 10);
  auto b = test::numbered_batch("net-1", 1, 5);
  b.id->epoch = 3;
  EXPECT_EQ(send(b).kind, Kind::committed);
  EXPECT_TRUE(told.empty()) << "a new spool alone is nothing to tell";
  EXPECT_EQ(send(11, 12).kind, Kind::out_of_order);
  EXPECT_EQ(send(11, 12).kind, Kind::out_of_order);
  EXPECT_EQ(told, std::vector<std::string>{"royal-hill/net-1"});
  // The sensor takes a later epoch and goes on where it was.
  auto again = test::numbered_batch("net-1", 11, 12);
  again.id->epoch = 4;
  again.skipped = ingest::Skipped{1, 10};
  again.lost = {{1, 10, ingest::lost::renumbered}};
  EXPECT_EQ(send(again).ack, 12U);
  for (const auto& g : store_->gaps({INT64_MIN}, {INT64_MAX})) EXPECT_EQ(g.reason, "epoch");
  EXPECT_EQ(pipeline_->stats().skipped_events, 0U);
}

TEST_F(PipelineTest, DeadLinesKeepTheirPlaceInTheSequence) {
  auto b = test::numbered_batch("net-1", 1, 6);
  b.events[1].json = "{broken";  // found dead here
  b.dead = {{"not json at all", "no object"},
            {"nor this", "no object"}};  // found dead by the endpoint
  b.dead_positions = {0, 3};
  // Lines: 1 dead, 2 event, 3 broken, 4 dead, 5.. events.
  const auto a = send(b);
  EXPECT_EQ(a.ack, 8U);
  EXPECT_EQ(a.accepted, 8U);
  EXPECT_EQ(stored().size(), 5U);
  const auto dead = store_->dead_letters(10);
  ASSERT_EQ(dead.size(), 3U);
  std::map<std::uint64_t, std::string> by_seq;
  for (const auto& d : dead) by_seq[d.seq] = d.line;
  EXPECT_EQ(by_seq, (std::map<std::uint64_t, std::string>{
                        {1, "not json at all"}, {3, "{broken"}, {4, "nor this"}}));
  // An overlap skips by line, dead ones included.
  b = test::numbered_batch("net-1", 7, 9);
  EXPECT_EQ(send(b).ack, 9U);
  EXPECT_EQ(store_->dead_letters(10).size(), 3U);
  EXPECT_EQ(stored().size(), 6U);
}

TEST_F(PipelineTest, TheEnvelopeIsTheCollectorsAndTheRestStays) {
  send(loose(
      {R"({"a":1,"ww":{"site":"other","id":"my-id","epoch":4,"extra":{"x":[1]},"received":"1999"},"event_type":"log","timestamp":"2026-11-22T00:30:00Z"})"}));
  const auto e = only();
  const auto& ww = e.at("ww").as_object();
  EXPECT_EQ(ww.at("site").as_string(), "royal-hill");
  EXPECT_EQ(ww.at("sensor").as_string(), "bulk");
  EXPECT_EQ(ww.at("id").as_string(), "my-id");
  EXPECT_EQ(ww.at("received").as_string(), "2026-11-22T01:00:00.000000Z");
  EXPECT_EQ(json::serialize(ww.at("extra")), R"({"x":[1]})");
  EXPECT_EQ(ww.at("epoch").to_number<int>(), 4);
  EXPECT_EQ(e.at("a").to_number<int>(), 1);
  EXPECT_EQ(pipeline_->stats().wrong_identity, 1U);
}

TEST_F(PipelineTest, AnEventWithoutEnvelopeGetsOneWithAFreshId) {
  for (const auto* text :
       {"{}", R"( { "a" : "}" } )", R"({"ww":7})", R"({"ww":"{\"id\":1}","b":2})"}) {
    SCOPED_TRACE(text);
    SetUp();
    const auto before = stored().size();
    send(loose({text}));
    const auto all = stored();
    ASSERT_EQ(all.size(), before + 1);
    for (const auto& one : all) {
      const auto id = json::parse(one).at("ww").at("id").as_string();
      EXPECT_TRUE(store_->event(std::string_view(id.data(), id.size())));
    }
  }
}

TEST_F(PipelineTest, TwoEventsThatClaimOneIdAreBothKept) {
  const std::string e =
      R"({"event_type":"log","timestamp":"2026-11-22T00:30:00Z","n":1,"ww":{"id":"same"}})";
  send(loose({e, e, e}));
  EXPECT_EQ(stored().size(), 3U);
}

TEST_F(PipelineTest, AnUnusableTimeBecomesTheTimeOfArrivalAndIsCounted) {
  send(loose({R"({"event_type":"log","timestamp":"yesterday"})", R"({"event_type":"log"})",
              R"({"event_type":"log","timestamp":"1970-01-01T00:00:10Z"})",
              R"({"event_type":"log","timestamp":"2027-11-22T00:00:00Z"})",
              R"({"event_type":"log","timestamp":"2015-03-04T05:06:07Z"})"}));
  SearchQuery q;
  q.from = clock_.now();
  q.to = clock_.now() + std::chrono::microseconds(1);
  EXPECT_EQ(store_->search(q)->events.size(), 4U);
  EXPECT_EQ(pipeline_->stats().bad_times, 4U);
  EXPECT_EQ(pipeline_->stats().clock_skew, 0U);
  send(loose({R"({"event_type":"log","timestamp":"2026-11-22T01:02:00Z"})"}));
  EXPECT_EQ(pipeline_->stats().clock_skew, 1U);
  EXPECT_EQ(stored("ww.clock:received").size(), 4U);
}

TEST_F(PipelineTest, WhatIsNoEventBecomesADeadLetterWithItsReason) {
  const std::vector<std::string> bad{"",
                                     "[]",
                                     "5",
                                     "{\"a\":1}{\"b\":2}",
                                     "{\"a\":01}",
                                     "{\"a\":tru}",
                                     "{\"a\":\"\xff\"}",
                                     "{\"a\":\"\x01\"}",
                                     R"({"ww":{},"ww":{}})",
                                     std::string(70, '[')};
  send(loose(bad));
  EXPECT_TRUE(stored().empty());
  const auto dead = store_->dead_letters(100);
  ASSERT_EQ(dead.size(), bad.size());
  for (const auto& d : dead) EXPECT_FALSE(d.reason.empty());
}

TEST_F(PipelineTest, AFullQueueAnswersBusyAtOnce) {
  options_.queue_batches = 0;
  open();
  EXPECT_EQ(send(1, 5).kind, Kind::busy);
  EXPECT_EQ(pipeline_->stats().busy, 1U);
}

TEST_F(PipelineTest, AStoppedPipelineFinishesWhatItHasAndTakesNoMore) {
  std::atomic<int> committed{0};
  for (int i = 0; i < 20; ++i)
    pipeline_->submit(test::numbered_batch("net-1", static_cast<std::uint64_t>(i) * 10 + 1,
                                           static_cast<std::uint64_t>(i) * 10 + 10),
                      [&](CommitAnswer a) { committed += a.kind == Kind::committed ? 1 : 0; });
  pipeline_->stop();
  EXPECT_EQ(committed, 20);
  EXPECT_EQ(send(201, 210).kind, Kind::busy);
  EXPECT_EQ(stored().size(), 200U);
}

TEST_F(PipelineTest, ManyThreadsAndSensorsGetEveryEventStoredOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto sensor = "s" + std::to_string(t);
      for (std::uint64_t n = 1; n <= 400; n += 20) {
        auto a = send(test::numbered_batch(sensor, n > 7 ? n - 7 : n, n + 19));
        wrong += a.kind == Kind::committed && a.ack == n + 19 ? 0 : 1;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(stored().size(), 1'600U);
}

/// A limit on the size of files makes every write fail as a full disk does (EFBIG instead of
/// ENOSPC).
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t most) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit now{most, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &old_); }

 private:
  rlimit old_{};
};

TEST_F(PipelineTest, ARefusingDiskLosesNothingThatWasAcknowledgedAndIsOverWhenItIsOver) {
  std::vector<std::string> told;
  options_.on_trouble = [&](const std::string& why) { told.push_back(why); };
  open();
  EXPECT_EQ(send(1, 100).kind, Kind::committed);
  std::uint64_t acked = 100;
  {
    const FileSizeLimit limit(64 << 10);
    for (std::uint64_t n = 101; n <= 2'000; n += 100) {
      const auto a = send(acked + 1, acked + 100);
      if (a.kind == Kind::committed)
        acked = a.ack;
      else
        EXPECT_FALSE(a.error.empty());
    }
    EXPECT_LT(acked, 2'000U);
    EXPECT_FALSE(store_->stats().healthy);
    EXPECT_FALSE(store_->problems().empty());
  }
  EXPECT_EQ(send(acked + 1, acked + 100).kind, Kind::committed);
  EXPECT_TRUE(store_->stats().healthy);
  EXPECT_EQ(stored().size(), acked + 100);
  ASSERT_FALSE(told.empty());
  EXPECT_FALSE(told.front().empty());
  EXPECT_EQ(told.back(), "");
  open();
  EXPECT_EQ(stored().size(), acked + 100);
}

}  // namespace
}  // namespace ww::collector
