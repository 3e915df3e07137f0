#include "sensors/uplink/uplink.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <simdjson.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "sensors/privacy/privacy.hpp"
#include "sensors/uplink/event_sink.hpp"
#include "telemetry/batch/batch.hpp"
#include "telemetry/ingest.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/spool.hpp"
#include "tests/temp_folder.hpp"

namespace ww {
namespace {

namespace fs = std::filesystem;

/// Waits end with what they wait for; only a fault takes as long as this.
constexpr std::chrono::minutes patience{2};

/// A collector as telemetry/ingest.hpp describes it, in memory, that can misbehave on demand.
class Collector {
 public:
  http::Response handle(const http::Request& q) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    if (!script_.empty()) {
      auto answer = script_.front();
      script_.pop_front();
      if (answer.status != 0) {
        changed_.notify_all();
        return answer;
      }
      lose_answer_ = true;  // status 0: store it, but the answer gets lost
    }
    const auto id = ingest::parse_batch_id(q.headers.get(ingest::batch_header));
    const auto body =
        batch::decode(q.headers.get("Content-Encoding"), q.body, ingest::max_batch_octets);
    if (!id || !body) return {400, {}, "{}"};
    if (body->size() > largest_) return {413, {}, "{}"};
    if (id->epoch > epoch_) {
      epoch_ = id->epoch;
      stored_ = 0;
    }
    if (const auto s = ingest::parse_skipped(q.headers.get(ingest::skipped_header));
        s && s->from <= stored_ + 1 && s->to > stored_) {
      const auto why = ingest::parse_skipped_why(q.headers.get(ingest::why_header));
      EXPECT_TRUE(why);
      for (const auto& run : ingest::lost_runs({stored_ + 1, s->to}, *why))
        why_[std::string(run.reason)] += run.to - run.from + 1;
      skipped_ += s->to - stored_;
      stored_ = s->to;
    }
    if (id->epoch < epoch_ || id->seq > stored_ + 1) {
      changed_.notify_all();
      return {409,
              {},
              "{\"expected\":" + std::to_string(stored_ + 1) +
                  ",\"epoch\":" + std::to_string(epoch_) + "}"};
    }
    auto seq = id->seq;
    simdjson::dom::parser parser;
    for (std::size_t at = 0; at < body->size();) {
      const auto end = body->find('\n', at);
      const auto line = std::string_view(*body).substr(at, end - at);
      at = end + 1;
      simdjson::dom::element e;
      EXPECT_EQ(parser.parse(line.data(), line.size(), true).get(e), simdjson::SUCCESS) << line;
      EXPECT_EQ(std::uint64_t(e["ww"]["seq"]), seq);
      EXPECT_EQ(std::uint64_t(e["ww"]["epoch"]), id->epoch);
      if (seq > stored_) {
        lines_.emplace_back(line);
        stored_ = seq;
      }
      ++seq;
    }
    changed_.notify_all();
    return {200,
            {},
            "{\"ack\":" + std::to_string(seq - 1) +
                ",\"accepted\":" + std::to_string(seq - id->seq) + "}"};
  }
  bool lost() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lose_answer_, false);
  }
  void script(std::vector<http::Response> answers) {
    const std::lock_guard lock(mutex_);
    script_.assign(answers.begin(), answers.end());
  }
  template <class F>
  bool wait(F f) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, f);
  }
  /// The numbers of the test's events in the order of the store.
  std::vector<int> numbers() {
    const std::lock_guard lock(mutex_);
    std::vector<int> out;
    for (const auto& l : lines_)
      if (const auto at = l.find("\"n\":"); at != std::string::npos)
        out.push_back(std::atoi(l.c_str() + at + 4));
    return out;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<http::Response> script_;
  std::vector<std::string> lines_;
  std::uint64_t epoch_ = 0, stored_ = 0, skipped_ = 0, requests_ = 0;
  std::map<std::string, std::uint64_t> why_;
  std::size_t largest_ = 100 << 20;
  bool lose_answer_ = false, away_ = false;
};

class FakeClient final : public http::Client {
 public:
  explicit FakeClient(Collector& c) : c_(c) {}
  Result<http::Response, http::ClientError> send(const http::Request& q) override {
    {
      const std::lock_guard lock(c_.mutex_);
      if (c_.away_) {
        ++c_.requests_;
        c_.changed_.notify_all();
        return fail(http::ClientError{http::ClientErrc::unreachable,
                                      {"connection refused", "collector", "start it"}});
      }
    }
    auto r = c_.handle(q);
    if (c_.lost())
      return fail(
          http::ClientError{http::ClientErrc::broken, {"connection ended", "collector", ""}});
    return r;
  }
  Result<http::Response, http::ClientError> stream(const http::Request&,
                                                   std::function<bool(std::string_view)>,
                                                   std::chrono::milliseconds) override {
    return fail(http::ClientError{http::ClientErrc::configuration, {}});
  }
  void cancel() override {}
  std::string server_chain_root() const override { return {}; }

 private:
  Collector& c_;
};

class UplinkTest : public testing::Test {
 protected:
  void SetUp() override {
    spool_options_.folder = folder_ + "/spool";
    spool_options_.segment_octets = 64 << 10;
    options_.connect = [this]() -> Result<std::unique_ptr<http::Client>, http::ClientError> {
      return std::make_unique<FakeClient>(collector_);
    };
    options_.pause_first = std::chrono::milliseconds(2);
    options_.pause_most = std::chrono::milliseconds(10);
    options_.heartbeat = std::chrono::hours(1);
    options_.batch_events = 50;
    open();
  }
  void TearDown() override { close(); }
  void open() {
    auto s = Spool::open(spool_options_, clock_);
    ASSERT_TRUE(s.has_value());
    spool_ = std::move(*s);
    sink_ = SpoolSink::make({"trust-a", "s1", std::chrono::milliseconds(5)}, *spool_,
                            privacy_.get(), clock_);
    sink_->start();
  }
  void close() {
    uplink_.reset();
    sink_.reset();
    spool_.reset();
  }
  void start() {
    auto u = Uplink::make(options_, *spool_, *sink_, clock_);
    ASSERT_TRUE(u.has_value());
    uplink_ = std::move(*u);
    uplink_->start();
  }
  void put(int from, int to, std::size_t padding = 0) {
    for (int i = from; i <= to; ++i) {
      EventGroup g;
      g.add("{\"event_type\":\"log\",\"n\":" + std::to_string(i) + ",\"x\":\"" +
            std::string(padding, 'x') + "\"}");
      ASSERT_TRUE(sink_->submit(g));
    }
  }
  void expect(int from, int to) {
    std::vector<int> wanted;
    for (int i = from; i <= to; ++i) wanted.push_back(i);
    EXPECT_EQ(collector_.numbers(), wanted);
  }

  ww::test::TempFolder temp_;
  const std::string& folder_ = temp_.path();
  SystemClock clock_;
  SpoolOptions spool_options_;
  UplinkOptions options_;
  std::unique_ptr<Privacy> privacy_;
  Collector collector_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SpoolSink> sink_;
  std::unique_ptr<Uplink> uplink_;
};

TEST_F(UplinkTest, SendsInOrderAndForgetsWhatIsAcknowledged) {
  start();
  put(1, 500);
  ASSERT_TRUE(uplink_->drain(patience));
  expect(1, 500);
  EXPECT_GE(spool_->stats().acked_seq, 500U);
  const auto stats = uplink_->stats();
  EXPECT_EQ(stats.state, "connected");
  EXPECT_EQ(stats.retries, 0U);
  EXPECT_NE(collector_.lines_[5].find(
                "\"site\":\"trust-a\",\"sensor\":\"s1\",\"schema\":1,\"tokenised\":false}"),
            std::string::npos)
      << collector_.lines_[5];
}

TEST_F(UplinkTest, FirstEventIsItsOwnHeartbeat) {
  start();
  ASSERT_TRUE(collector_.wait([&] { return !collector_.lines_.empty(); }));
  EXPECT_NE(collector_.lines_[0].find("\"event_type\":\"sensor\""), std::string::npos);
  EXPECT_NE(collector_.lines_[0].find("\"spool\":{"), std::string::npos);
}

TEST_F(UplinkTest, StoresNothingTwiceWhenAnswersGetLostOrTheCollectorIsFull) {
  http::Response full{503, {}, ""};
  full.headers.add("Retry-After", "0");
  collector_.script({{0, {}, ""}, full, {500, {}, "oops"}, {0, {}, ""}, full, {429, {}, ""}});
  put(1, 300);
  start();
  ASSERT_TRUE(uplink_->drain(patience));
  expect(1, 300);
  EXPECT_GE(uplink_->stats().retries, 5U);
}

TEST_F(UplinkTest, WaitsForACollectorThatIsAwayAndCatchesUp) {
  collector_.away_ = true;
  start();
  put(1, 200);
  ASSERT_TRUE(collector_.wait([&] { return collector_.requests_ >= 4; }));
  EXPECT_EQ(uplink_->stats().state, "waiting");
  EXPECT_NE(uplink_->stats().last_error.find("connection refused"), std::string::npos);
  {
    const std::lock_guard lock(collector_.mutex_);
    collector_.away_ = false;
  }
  ASSERT_TRUE(uplink_->drain(patience));
  expect(1, 200);
}

TEST_F(UplinkTest, GoesOnAfterARestartWhereItWas) {
  start();
  put(1, 100);
  ASSERT_TRUE(uplink_->drain(patience));
  close();
  open();
  put(101, 150);
  start();
  ASSERT_TRUE(uplink_->drain(patience));
  expect(1, 150);
}

TEST_F(UplinkTest, TellsWhatWasShed) {
  spool_options_.max_octets = 400 << 10;
  close();
  open();
  put(1, 3000, 300);
  ASSERT_TRUE(spool_->sync().has_value());
  const auto shed = spool_->stats().shed_events;
  ASSERT_GT(shed, 0U);
  start();
  ASSERT_TRUE(uplink_->drain(patience));
  expect(static_cast<int>(shed) + 1, 3000);
  EXPECT_EQ(collector_.skipped_, shed);
  EXPECT_EQ(uplink_->stats().skipped_events, shed);
  EXPECT_EQ(collector_.why_, (std::map<std::string, std::uint64_t>{{"shed", shed}}));
}

TEST_F(UplinkTest, TellsWhatADamagedSpoolLostAndThatItWasNotShed) {
  put(1, 1000, 300);
  ASSERT_TRUE(spool_->sync().has_value());
  close();
  std::vector<std::string> segments;
  for (const auto& e : fs::directory_iterator(spool_options_.folder))
    if (e.path().extension() == ".seg") segments.push_back(e.path());
  std::sort(segments.begin(), segments.end());
  ASSERT_GT(segments.size(), 2U);
  {
    std::fstream f(segments[1], std::ios::binary | std::ios::in | std::ios::out);
    f.seekp(10'000);
    f << std::string(2000, '\xEE');
  }
  open();
  start();
  ASSERT_TRUE(uplink_->drain(patience));
  const auto lost = 1000 - collector_.numbers().size();
  EXPECT_GT(lost, 3U);
  EXPECT_EQ(collector_.why_, (std::map<std::string, std::uint64_t>{{"damaged", lost}}));
  EXPECT_EQ(uplink_->stats().skipped_events, lost);
}

TEST_F(UplinkTest, ACollectorThatLostItsEndGetsWhatIsStillHeldAndHearsOfTheRest) {
  start();
  put(1, 100);
  ASSERT_TRUE(uplink_->drain(patience));
  {
    const std::lock_guard lock(collector_.mutex_);
    collector_.stored_ -= 40;  // restored from a backup
  }
  put(101, 110);
  ASSERT_TRUE(uplink_->drain(patience));
  const auto all = collector_.numbers();
  EXPECT_EQ(all.back(), 110);
  EXPECT_EQ(collector_.stored_, spool_->stats().next_seq - 1);
  for (const auto& [why, n] : collector_.why_) EXPECT_EQ(why, "acknowledged") << n;
}

TEST_F(UplinkTest, TakesALaterEpochThanTheCollectorHasSeen) {
  const auto before = spool_->epoch();
  {
    const std::lock_guard lock(collector_.mutex_);
    collector_.epoch_ = before + 1'000'000;
    collector_.stored_ = 77;
  }
  put(1, 60);
  start();
  ASSERT_TRUE(uplink_->drain(patience));
  expect(1, 60);
  EXPECT_GT(spool_->epoch(), before + 1'000'000);
}

TEST_F(UplinkTest, AnotherSpoolWithTheSameIdentityIsNoLoss) {
  start();
  put(1, 100);
  ASSERT_TRUE(uplink_->drain(patience));
  std::uint64_t acknowledged = 0;  // the sensor's own events too
  {
    const std::lock_guard lock(collector_.mutex_);
    acknowledged = collector_.stored_;
    collector_.epoch_ = spool_->epoch() + 5;  // a copy of this sensor began later and has sent
    collector_.stored_ = 7;
  }
  put(101, 120);
  ASSERT_TRUE(uplink_->drain(patience));
  expect(1, 120);
  EXPECT_EQ(collector_.why_, (std::map<std::string, std::uint64_t>{{"renumbered", acknowledged}}))
      << "what was acknowledged is stored, under the earlier epoch";
  {
    const std::lock_guard lock(collector_.mutex_);
    collector_.stored_ = 100;
    collector_.why_.clear();  // and now a backup is restored: that is a loss
  }
  put(121, 130);
  ASSERT_TRUE(uplink_->drain(patience));
  EXPECT_EQ(collector_.why_.count("renumbered"), 0U);
}

TEST_F(UplinkTest, StopEndsADrainAtOnce) {
  {
    const std::lock_guard lock(collector_.mutex_);
    collector_.away_ = true;
  }
  put(1, 3);
  start();
  bool drained = true;
  std::thread waiting([&] { drained = uplink_->drain(std::chrono::minutes(10)); });
  ASSERT_TRUE(collector_.wait([&] { return collector_.requests_ > 0; }));
  const auto begin = std::chrono::steady_clock::now();
  uplink_->stop();
  waiting.join();
  EXPECT_FALSE(drained);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(1));
}

/// Keeps what is logged while it lives.
class Heard {
 public:
  Heard() : before_(spdlog::default_logger()), sink_(std::make_shared<Sink>()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("heard", sink_));
  }
  ~Heard() { spdlog::set_default_logger(before_); }
  bool waits_for(const std::string& text) {
    std::unique_lock lock(sink_->lines_mutex);
    return sink_->changed.wait_for(lock, patience,
                                   [&] { return sink_->text.find(text) != std::string::npos; });
  }

 private:
  struct Sink : spdlog::sinks::base_sink<spdlog::details::null_mutex> {
    void sink_it_(const spdlog::details::log_msg& m) override {
      const std::lock_guard lock(lines_mutex);
      text.append(m.payload.data(), m.payload.size()).append("\n");
      changed.notify_all();
    }
    void flush_() override {}
    std::mutex lines_mutex;
    std::condition_variable changed;
    std::string text;
  };
  std::shared_ptr<spdlog::logger> before_;
  std::shared_ptr<Sink> sink_;
};

TEST_F(UplinkTest, ADiskThatTakesNothingIsSaidAndThatItDoesAgain) {
  Heard heard;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full{20'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto group = [](int n) {
    EventGroup g;
    g.add("{\"event_type\":\"log\",\"n\":" + std::to_string(n) + ",\"x\":\"" +
          std::string(500, 'x') + "\"}");
    return g;
  };
  int taken = 0;
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until && sink_->submit(group(taken))) ++taken;
  EXPECT_TRUE(heard.waits_for("spool: the disk takes no events"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  put(1, 3);
  EXPECT_TRUE(heard.waits_for("spool: the disk takes events again"));
  close();  // nobody logs while the logger is put back
}

TEST_F(UplinkTest, HalvesBatchesThatAreTooLargeAndLeavesOutAnEventThatNeverFits) {
  collector_.largest_ = 20'000;
  put(1, 40, 1000);
  EventGroup g;
  g.add("{\"n\":41,\"x\":\"" + std::string(30'000, 'x') + "\"}");
  ASSERT_TRUE(sink_->submit(g));
  put(42, 50, 1000);
  start();
  ASSERT_TRUE(uplink_->drain(patience));
  auto all = collector_.numbers();
  EXPECT_EQ(all.size(), 49U);
  EXPECT_EQ(std::count(all.begin(), all.end(), 41), 0);
  EXPECT_EQ(uplink_->stats().refused_events, 1U);
  EXPECT_EQ(collector_.skipped_, 1U);
  EXPECT_EQ(collector_.why_, (std::map<std::string, std::uint64_t>{{"refused", 1}}));
}

TEST_F(UplinkTest, StopEndsAWaitAtOnce) {
  collector_.away_ = true;
  options_.pause_first = std::chrono::hours(1);
  options_.pause_most = std::chrono::hours(1);
  put(1, 1);
  start();
  ASSERT_TRUE(collector_.wait([&] { return collector_.requests_ >= 1; }));
  uplink_->stop();
}

TEST_F(UplinkTest, TokenisesBeforeTheSpool) {
  close();
  privacy_ = std::make_unique<Privacy>(std::string(32, 'k'));
  open();
  EventGroup g;
  g.add("{\"log\":{\"message\":\"opened 943 476 5919\"}}");
  ASSERT_TRUE(sink_->submit(g));
  ASSERT_TRUE(spool_->sync().has_value());
  for (const auto& e : fs::recursive_directory_iterator(folder_)) {
    if (!e.is_regular_file()) continue;
    std::ifstream in(e.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    EXPECT_EQ(text.find("5919"), std::string::npos);
  }
  start();
  ASSERT_TRUE(uplink_->drain(patience));
  EXPECT_NE(collector_.lines_[0].find("opened nhs_"), std::string::npos);
  EXPECT_NE(collector_.lines_[0].find("\"tokenised\":true"), std::string::npos);
}

TEST(Privacy, FindsNumbersAsPeopleWriteThemAndNothingElse) {
  const Privacy p("0123456789abcdef0123456789abcdef");
  const auto t = p.token("9434765919");
  const auto done = [&](const std::string& json) {
    std::string out;
    return p.tokenise(json, out) ? out : json;
  };
  EXPECT_EQ(done(R"({"a":"9434765919"})"), R"({"a":")" + t + R"("})");
  EXPECT_EQ(done(R"({"a":"x 943-476-5919, y"})"), R"({"a":"x )" + t + R"(, y"})");
  EXPECT_EQ(done(R"({"nhsNumber":9434765919,"n":1})"), R"({"nhsNumber":")" + t + R"(","n":1})");
  EXPECT_EQ(done(R"({"url":"/Patient/9434765919/x"})"), R"({"url":"/Patient/)" + t + R"(/x"})");
  for (const char* same :
       {R"({"bytes":9434765919})", R"({"a":"9434765918"})", R"({"a":"19434765919"})",
        R"({"a":"94347659190"})", R"({"a":"943 476-5919"})", R"({"a":"9434765919abc"})",
        R"({"t":"1700000000"})", R"({"a":"1.9434765919"})", R"({"a":"\u00394347659190"})", "{}",
        ""})
    EXPECT_EQ(done(same), same);
  EXPECT_NE(p.token("9434765919"), Privacy("another key of thirty-two octets").token("9434765919"));
}

TEST(Batch, DecodesWithABound) {
  batch::Encoder e;
  e.begin();
  for (int i = 0; i < 1000; ++i) e.add("{\"ww\":{\"id\":\"x\"}}", 7, static_cast<std::uint64_t>(i));
  const auto body = e.finish();
  const auto plain = batch::decode("zstd", body, 1 << 20);
  ASSERT_TRUE(plain.has_value());
  EXPECT_TRUE(plain->starts_with("{\"ww\":{\"epoch\":7,\"seq\":0,\"id\":\"x\"}}\n"));
  EXPECT_FALSE(batch::decode("zstd", body, plain->size() - 1).has_value());
  EXPECT_TRUE(batch::decode("zstd", body, plain->size()).has_value());
  EXPECT_FALSE(batch::decode("zstd", std::string_view(body).substr(0, body.size() - 3), 1 << 20)
                   .has_value());
  EXPECT_FALSE(batch::decode("zstd", "not zstd", 1 << 20).has_value());
  EXPECT_FALSE(batch::decode("gzip", "not gzip", 1 << 20).has_value());
  EXPECT_FALSE(batch::decode("br", "x", 1 << 20).has_value());
  EXPECT_EQ(*batch::decode("identity", "x", 1), "x");
  EXPECT_TRUE(batch::decode("zstd", body + body, 1 << 20).has_value()) << "frames in a row";
}

}  // namespace
}  // namespace ww
