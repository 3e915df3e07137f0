#include "collector/store/store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "collector/store/journal.hpp"
#include "collector/store/retention.hpp"
#include "tests/collector/store/made_events.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using ww::test::TempFolder;
constexpr std::int64_t start = 1'795'305'600'000'000;  // 2026-11-22T00:00:00Z

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    clock_.set({start});
    options_.folder = folder_.path();
    options_.min_free_octets = 0;
  }
  Result<void, Problem> open(std::vector<ControlModule> modules = {}) {
    store_.reset();
    auto s = Store::open(options_, clock_, std::move(modules));
    if (!s) return fail(s.error());
    store_ = std::move(*s);
    return {};
  }
  void put(int n, const std::string& type = "log", Timestamp t = {0}) {
    CommitGroup g;
    auto& b = g.batches.emplace_back();
    b.site = "royal-hill";
    b.sensor = "net-1";
    b.received = clock_.now();
    for (int i = 0; i < n; ++i) {
      const auto at = t.us != 0 ? t : clock_.now();
      const auto id = uuid7(clock_.now());
      b.events.push_back(
          {R"({"event_type":")" + type + R"(","ww":{"id":")" + id + R"("}})", type, at, 0});
    }
    const auto done = store_->commit(std::move(g));
    ASSERT_TRUE(done) << done.error().text();
  }
  [[nodiscard]] std::size_t held() const {
    SearchQuery q;
    q.limit = 10'000;
    const auto r = store_->search(q);
    return r ? r->events.size() : 0;
  }
  void pass(hours h) {  // in steps that no one takes for a jump
    for (auto left = h; left.count() > 0; left -= hours(4)) {
      clock_.advance(std::min(left, hours(4)));
      store_->maintain();
    }
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& f : fs::recursive_directory_iterator(folder_.path() + "/events"))
      if (f.path().extension() == ".db")
        out.push_back(f.path().parent_path().filename().string() + "/" + f.path().stem().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  TempFolder folder_;
  ManualClock clock_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, EventsOfAClassAndDayShareAFileByTheDayOfArrival) {
  ASSERT_TRUE(open());
  put(3, "log");
  put(2, "dns", {start - 40 * 86'400'000'000});  // late, but arrived today
  clock_.advance(hours(25));
  put(1, "log");
  EXPECT_EQ(files(),
            (std::vector<std::string>{"log/2026-11-22", "log/2026-11-23", "network/2026-11-22"}));
  EXPECT_EQ(held(), 6U);
  EXPECT_EQ(store_->stats().held_events, 6U);
  EXPECT_EQ(store_->stats().oldest.us, start - 40 * 86'400'000'000);
}

TEST_F(StoreTest, RetentionDropsWholeFilesByAgeOfTheirClass) {
  ASSERT_TRUE(open());
  put(5, "flow");
  put(5, "log");
  pass(hours(24 * 31));
  EXPECT_EQ(files(), (std::vector<std::string>{"flow/2026-11-22", "log/2026-11-22"}));
  pass(hours(24 * 2));
  EXPECT_EQ(files(), std::vector<std::string>{"log/2026-11-22"});
  EXPECT_EQ(held(), 5U);
  EXPECT_EQ(store_->stats().files_dropped, 1U);
  pass(hours(24 * 60));
  EXPECT_TRUE(files().empty());
  ASSERT_TRUE(open());
  EXPECT_EQ(held(), 0U) << "what was dropped must not come back from the journal";
}

TEST_F(StoreTest, ASearchThatBeganBeforeADropStillReads) {
  ASSERT_TRUE(open());
  put(3, "flow");
  const auto before = held();
  pass(hours(24 * 40));
  EXPECT_EQ(before, 3U);
  EXPECT_EQ(held(), 0U);
}

TEST_F(StoreTest, AClockThatLeapsAheadDropsNothing) {
  ASSERT_TRUE(open());
  put(5, "flow");
  clock_.advance(hours(24 * 4000));
  store_->maintain();
  EXPECT_EQ(files().size(), 1U);
  EXPECT_EQ(store_->stats().clock_jumps, 1U);
  ASSERT_FALSE(store_->problems().empty());
  EXPECT_NE(store_->problems()[0].what.find("clock jumped"), std::string::npos);
  const auto news = store_->news();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_NE(news[0].text.find("clock jumped"), std::string::npos);
  EXPECT_TRUE(store_->news().empty());
  put(5, "flow");
  clock_.set({start + 60'000'000});  // and back
  store_->maintain();
  EXPECT_EQ(store_->stats().clock_jumps, 2U);
  put(5, "flow");
  EXPECT_EQ(held(), 15U);
  // A start with a clock far from the newest file is not believed at once either.
  clock_.advance(hours(24 * 4000));
  ASSERT_TRUE(open());
  store_->maintain();
  EXPECT_EQ(held(), 15U);
}

TEST(Retention, SizeBoundsShedTheLastClassFirstAndNeverToday) {
  StoreOptions o;
  o.min_free_octets = 0;
  o.max_octets = 100;
  Retention r;
  const Timestamp now{start + 30 * 86'400'000'000};
  const auto today = now.seconds() / 86400;
  r.start(now, today);
  std::vector<FileSummary> files;
  for (const char* c : {"alert", "network", "flow"})
    for (const std::int64_t back : {20, 10, 3, 0}) {
      FileSummary f;
      f.key = {c, today - back};
      f.octets = 10;
      files.push_back(f);
    }
  const auto dropped = r.choose(files, o, now, UINT64_MAX);
  EXPECT_EQ(dropped, (std::vector<FileKey>{{"flow", today - 20}, {"flow", today - 10}}));
  o.max_octets = 1;
  EXPECT_EQ(r.choose(files, o, now, UINT64_MAX).size(), 9U)
      << "today's files stay whatever the bound says";
  o.max_octets = 0;
  EXPECT_TRUE(r.choose(files, o, now, UINT64_MAX).empty());
  o.min_free_octets = 15;
  EXPECT_EQ(r.choose(files, o, now, 0).size(), 2U);
  o.min_free_octets = 0;
  o.classes[0].max_octets = 25;  // alert holds 40
  EXPECT_EQ(r.choose(files, o, now, UINT64_MAX),
            (std::vector<FileKey>{{"alert", today - 20}, {"alert", today - 10}}));
}

TEST_F(StoreTest, ABoundThatOneDayExceedsIsToldOnceAndWhenItIsKeptAgain) {
  options_.max_octets = 1;
  options_.classes[0].max_octets = 1;  // alert: nothing is put there
  ASSERT_TRUE(open());
  store_->maintain();
  EXPECT_TRUE(store_->news().empty());
  put(5, "log");
  store_->maintain();
  store_->maintain();
  auto news = store_->news();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_TRUE(news[0].trouble);
  EXPECT_NE(news[0].text.find("data.max_size: "), std::string::npos) << news[0].text;
  EXPECT_NE(news[0].text.find("only the running day is left"), std::string::npos) << news[0].text;
  auto bounds = store_->stats().bounds;
  ASSERT_EQ(bounds.size(), 2U);
  EXPECT_EQ(bounds[0].name, "max_size");
  EXPECT_TRUE(bounds[0].exceeded());
  EXPECT_EQ(bounds[1].name, "class_max_size.alert");
  EXPECT_FALSE(bounds[1].exceeded());
  pass(hours(25));
  news = store_->news();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_FALSE(news[0].trouble);
  EXPECT_FALSE(store_->stats().bounds[0].exceeded());
  EXPECT_EQ(held(), 0U);
}

TEST_F(StoreTest, ADamagedDayFileIsSetAsideAndTheDayGoesOn) {
  ASSERT_TRUE(open());
  put(600, "log");
  put(2, "dns");
  store_.reset();
  std::ofstream(folder_.path() + "/events/log/2026-11-22.db", std::ios::binary | std::ios::in)
      << std::string(4096, 'Z');
  ASSERT_TRUE(open());
  EXPECT_EQ(held(), 2U);
  EXPECT_EQ(store_->stats().files_corrupt, 1U);
  ASSERT_FALSE(store_->problems().empty());
  EXPECT_NE(store_->problems().back().what.find("damaged"), std::string::npos);
  put(3, "log");
  EXPECT_EQ(held(), 5U);
  EXPECT_TRUE(fs::exists(folder_.path() + "/events/log/2026-11-22.db.damaged-1"));
}

TEST_F(StoreTest, ADamagedControlDatabaseIsRefusedWithWhatToDo) {
  ASSERT_TRUE(open());
  put(1);
  store_.reset();
  std::ofstream(folder_.path() + "/control.db", std::ios::binary | std::ios::in)
      << std::string(4096, 'Z');
  const auto r = open();
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().text().find("control.db"), std::string::npos);
  EXPECT_NE(r.error().remedy.find("restore"), std::string::npos);
}

TEST_F(StoreTest, TwoProcessesCannotShareAFolder) {
  ASSERT_TRUE(open());
  const auto second = Store::open(options_, clock_, {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().what.find("another process"), std::string::npos);
}

TEST_F(StoreTest, ModulesMigrateInStepsAndANewerDatabaseIsRefused) {
  ControlModule m{"thing", {{1, "first", "CREATE TABLE thing(a INTEGER) STRICT"}}, {}, {}};
  ASSERT_TRUE(open({m}));
  ASSERT_TRUE(
      store_->control().write([](sql::Database& db) { db.exec("INSERT INTO thing VALUES(7)"); }));
  m.migrations.push_back({2, "second", "ALTER TABLE thing ADD COLUMN b TEXT NOT NULL DEFAULT 'x'"});
  ASSERT_TRUE(open({m}));
  std::string b;
  ASSERT_TRUE(store_->control().read([&](sql::Database& db) {
    auto s = db.prepare("SELECT b FROM thing WHERE a=7");
    if (s.step()) b = s.copy(0);
    EXPECT_EQ(sql::schema_version(db, "thing"), 2);
  }));
  EXPECT_EQ(b, "x");
  auto broken = m;
  broken.migrations.push_back({3, "third", "CREATE TABLE half(a INTEGER) STRICT; NONSENSE"});
  const auto failed = open({broken});
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().what.find("thing/3"), std::string::npos);
  ASSERT_TRUE(open({m})) << "a step that fails leaves nothing behind";
  auto older = m;
  older.migrations.pop_back();
  const auto refused = open({older});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("version 2"), std::string::npos);
}

TEST_F(StoreTest, AFailedWriteLeavesNothingAndSaysWhy) {
  ControlModule m{"thing", {{1, "first", "CREATE TABLE thing(a INTEGER) STRICT"}}, {}, {}};
  ASSERT_TRUE(open({m}));
  const auto r = store_->control().write([](sql::Database& db) {
    db.exec("INSERT INTO thing VALUES(1)");
    db.exec("INSERT INTO nothing VALUES(1)");
    db.exec("INSERT INTO thing VALUES(2)");
  });
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().what.find("nothing"), std::string::npos);
  std::int64_t n = -1;
  ASSERT_TRUE(store_->control().read([&](sql::Database& db) {
    auto s = db.prepare("SELECT count(*) FROM thing");
    if (s.step()) n = s.integer(0);
  }));
  EXPECT_EQ(n, 0);
}

TEST_F(StoreTest, SmallCommitsAreHeldAsRowsAndSealedTogether) {
  options_.block_events = 100;
  ASSERT_TRUE(open());
  for (int i = 0; i < 120; ++i) put(1);
  EXPECT_EQ(held(), 120U);
  SearchQuery q;
  q.limit = 10'000;
  EXPECT_EQ(store_->search(q)->work.blocks, 2U);  // two of 50, and 20 rows
  ASSERT_TRUE(open());
  EXPECT_EQ(held(), 120U);
}

TEST(Journal, PassesOverDamageAndGoesOnWithWhatFollows) {
  const TempFolder folder;
  const Journal::Options o{folder.path() + "/j", 1 << 20};
  std::vector<std::pair<std::uint64_t, std::string>> seen;
  const auto collect = [&](std::uint64_t n, std::string_view p) -> Result<void, Problem> {
    seen.emplace_back(n, std::string(p));
    return {};
  };
  std::string path;
  {
    auto j = Journal::open(o, collect);
    ASSERT_TRUE(j);
    for (std::uint64_t n = 1; n <= 5; ++n)
      ASSERT_TRUE((*j)->append(n, std::string(100, static_cast<char>('a' + n))));
    path = fs::directory_iterator(o.folder)->path().string();
  }
  {
    std::fstream f(path, std::ios::binary | std::ios::in | std::ios::out);
    f.seekp(8 + 124 * 2 + 50);  // inside the third record
    f << "damage";
  }
  auto j = Journal::open(o, collect);
  ASSERT_TRUE(j);
  std::vector<std::uint64_t> numbers;
  for (const auto& [n, p] : seen) numbers.push_back(n);
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{1, 2, 4, 5}));
  EXPECT_EQ((*j)->corrupt_octets(), 124U);
  EXPECT_EQ((*j)->last(), 5U);
  (*j)->trim(5, true);
  EXPECT_EQ((*j)->octets(), 0U);
  EXPECT_TRUE(fs::is_empty(o.folder));
}

}  // namespace
}  // namespace ww::collector
