#include "telemetry/spool.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "telemetry/crc32c.hpp"
#include "tests/temp_folder.hpp"

namespace ww {
namespace {

namespace fs = std::filesystem;

class SpoolTest : public testing::Test {
 protected:
  void SetUp() override {
    clock_.set(*parse_time("2026-11-22T02:30:00Z"));
    options_.folder = folder_ + "/spool";
    options_.segment_octets = 64 << 10;
    options_.write_octets = 4 << 10;
  }

  std::unique_ptr<Spool> open() {
    auto s = Spool::open(options_, clock_);
    EXPECT_TRUE(s.has_value()) << (s ? "" : s.error().text());
    return s ? std::move(*s) : nullptr;
  }
  static std::uint64_t put(Spool& s, const std::string& text, const std::string& key = {},
                           const std::string& value = {}) {
    EXPECT_TRUE(s.begin().has_value());
    const auto seq = s.append(text);
    if (!key.empty()) s.remember(key, value);
    s.commit();
    return seq;
  }
  static std::string numbered(std::uint64_t n, std::size_t octets = 200) {
    auto t = "{\"n\":" + std::to_string(n) + ",\"x\":\"";
    t.resize(std::max(octets, t.size() + 2) - 2, 'x');
    return t + "\"}";
  }
  /// Every event from `from` on; checks that numbers go up.
  static SpoolBatch read_all(Spool& s, std::uint64_t from = 1) {
    SpoolBatch all;
    while (true) {
      const auto n = s.read(from, 1000, 1 << 20, all);
      EXPECT_TRUE(n.has_value());
      if (!n || *n == 0) return all;
      from = all.entries.back().seq + 1;
    }
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> out;
    for (const auto& e : fs::directory_iterator(options_.folder))
      if (e.path().extension() == ".seg") out.push_back(e.path().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  // Hundreds of syncs: in memory where there is such a place.
  ww::test::TempFolder temp_{::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm")
                                                             : fs::temp_directory_path()};
  const std::string& folder_ = temp_.path();
  ManualClock clock_;
  SpoolOptions options_;
};

TEST(Crc32c, HasTheValuesOfRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c_portable("123456789"), 0xE3069283U);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  for (std::size_t cut = 0; cut < text.size(); cut += 13)
    EXPECT_EQ(
        crc32c(std::string_view(text).substr(cut), crc32c(std::string_view(text).substr(0, cut))),
        crc32c_portable(text));
}

TEST_F(SpoolTest, GivesBackWhatWasAppendedInOrder) {
  auto s = open();
  for (std::uint64_t i = 1; i <= 2000; ++i) EXPECT_EQ(put(*s, numbered(i)), i);
  ASSERT_TRUE(s->sync().has_value());
  const auto all = read_all(*s);
  ASSERT_EQ(all.entries.size(), 2000U);
  for (std::size_t i = 0; i < 2000; ++i) {
    EXPECT_EQ(all.entries[i].seq, i + 1);
    EXPECT_EQ(all.payload(all.entries[i]), numbered(i + 1));
  }
  EXPECT_GT(s->stats().segments, 3U);
}

TEST_F(SpoolTest, GivesOnlyWhatIsSynced) {
  auto s = open();
  put(*s, numbered(1));
  SpoolBatch b;
  EXPECT_EQ(*s->read(1, 10, 1 << 20, b), 0U);
  ASSERT_TRUE(s->sync().has_value());
  EXPECT_EQ(*s->read(1, 10, 1 << 20, b), 1U);
}

TEST_F(SpoolTest, ContinuesNumbersAndCursorAfterARestart) {
  std::uint64_t epoch = 0;
  {
    auto s = open();
    epoch = s->epoch();
    for (std::uint64_t i = 1; i <= 1000; ++i) put(*s, numbered(i));
    ASSERT_TRUE(s->sync().has_value());
    ASSERT_TRUE(s->acknowledge(900).has_value());
  }
  auto s = open();
  EXPECT_EQ(s->epoch(), epoch);
  EXPECT_EQ(s->stats().acked_seq, 900U);
  EXPECT_EQ(put(*s, numbered(1001)), 1001U);
  ASSERT_TRUE(s->sync().has_value());
  const auto left = read_all(*s, 901);
  ASSERT_EQ(left.entries.size(), 101U);
  EXPECT_EQ(left.entries.front().seq, 901U);
  EXPECT_LT(s->stats().segments, 4U) << "segments behind the cursor are gone";
}

TEST_F(SpoolTest, RemembersWithTheEventsAndAcrossSegments) {
  {
    auto s = open();
    for (std::uint64_t i = 1; i <= 3000; ++i)
      put(*s, numbered(i), i == 5 ? "old" : "file", std::to_string(i));
    put(*s, numbered(3001), "gone", "x");
    put(*s, numbered(3002), "gone", "");
    ASSERT_TRUE(s->sync().has_value());
    ASSERT_TRUE(s->acknowledge(3002).has_value());
  }
  auto s = open();
  EXPECT_EQ(s->recall("file"), "3000");
  EXPECT_EQ(s->recall("old"), "5") << "written long ago, carried by every segment's start";
  EXPECT_EQ(s->recall("gone"), "");
  EXPECT_EQ(s->recall_all("").size(), 2U);
}

TEST_F(SpoolTest, ForgetsAGroupThatWasNotCommitted) {
  {
    auto s = open();
    put(*s, numbered(1), "file", "1");
    ASSERT_TRUE(s->begin().has_value());
    s->append(numbered(2));
    s->remember("file", "2");
    // no commit: given up by the next begin
    put(*s, numbered(3), "other", "3");
    ASSERT_TRUE(s->sync().has_value());
  }
  auto s = open();
  const auto all = read_all(*s);
  ASSERT_EQ(all.entries.size(), 2U);
  EXPECT_EQ(all.payload(all.entries[1]), numbered(3));
  EXPECT_EQ(s->recall("file"), "1");
}

TEST_F(SpoolTest, CutsATornTailAtEveryOctet) {
  {
    auto s = open();
    for (std::uint64_t i = 1; i <= 5; ++i) put(*s, numbered(i, 40), "at", std::to_string(i));
    ASSERT_TRUE(s->sync().has_value());
  }
  const auto files = segments();
  ASSERT_EQ(files.size(), 1U);
  std::ifstream in(files[0], std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    fs::remove(options_.folder + "/cursor");
    std::ofstream(files[0], std::ios::binary | std::ios::trunc) << whole.substr(0, cut);
    auto s = open();
    ASSERT_NE(s, nullptr);
    const auto all = read_all(*s);
    const auto remembered = s->recall("at");
    EXPECT_EQ(std::to_string(all.entries.size()), remembered.empty() ? "0" : remembered)
        << "cut at " << cut;
    const auto seq = put(*s, "{}");
    ASSERT_TRUE(s->sync().has_value());
    EXPECT_EQ(read_all(*s).entries.back().seq, seq);
    s.reset();
    for (const auto& f : segments()) fs::remove(f);
  }
}

/// Why events are not there, a word for each run of them.
std::string reasons(const Spool& s, std::uint64_t from, std::uint64_t to) {
  std::string out;
  auto next = from;
  for (const auto& l : s.lost(from, to)) {
    EXPECT_EQ(l.from, next);
    next = l.to + 1;
    out += std::string(l.reason) + " ";
  }
  EXPECT_EQ(next, to + 1);
  return out;
}

TEST_F(SpoolTest, StepsOverDamageAndCountsIt) {
  {
    auto s = open();
    for (std::uint64_t i = 1; i <= 1000; ++i) put(*s, numbered(i));
    ASSERT_TRUE(s->sync().has_value());
  }
  const auto files = segments();
  {  // overwrite some octets in the middle of the first segment
    std::fstream f(files[0], std::ios::binary | std::ios::in | std::ios::out);
    f.seekp(20'000);
    f << std::string(700, '\xEE');
  }
  auto s = open();
  const auto all = read_all(*s);
  EXPECT_LT(all.entries.size(), 1000U);
  EXPECT_GT(all.entries.size(), 990U);
  for (const auto& e : all.entries) EXPECT_EQ(all.payload(e), numbered(e.seq));
  EXPECT_EQ(all.entries.back().seq, 1000U);
  EXPECT_GT(s->stats().corrupt_records, 0U);
  const auto hole = std::adjacent_find(all.entries.begin(), all.entries.end(),
                                       [](auto& a, auto& b) { return b.seq != a.seq + 1; });
  ASSERT_NE(hole, all.entries.end());
  const auto from = hole->seq + 1, to = std::next(hole)->seq - 1;
  SpoolBatch behind;
  ASSERT_GT(*s->read(from, 1, 1 << 20, behind), 0U);
  EXPECT_EQ(behind.entries[0].seq, to + 1);
  EXPECT_EQ(reasons(*s, from, to), "damaged ");
  EXPECT_EQ(reasons(*s, from - 1, to), "damaged ") << "all of it should be held";
  ASSERT_TRUE(s->acknowledge(from - 1));
  EXPECT_EQ(reasons(*s, from - 1, to), "acknowledged damaged ");
}

TEST_F(SpoolTest, SetsAsideASegmentWithoutAHeaderAndGoesOn) {
  {
    auto s = open();
    for (std::uint64_t i = 1; i <= 1000; ++i) put(*s, numbered(i));
    ASSERT_TRUE(s->sync().has_value());
  }
  const auto files = segments();
  ASSERT_GT(files.size(), 2U);
  {
    std::fstream f(files[1], std::ios::binary | std::ios::in | std::ios::out);
    f << "garbage that is no header";
  }
  auto s = open();
  const auto all = read_all(*s);
  EXPECT_GT(all.entries.size(), 500U);
  EXPECT_EQ(all.entries.back().seq, 1000U);
  EXPECT_TRUE(fs::exists(files[1] + ".bad"));
  s.reset();
  fs::remove(files[0]);
  s = open();
  const auto front = read_all(*s).entries.front().seq;
  const auto set_aside = std::stoull(fs::path(files[1]).filename().string());
  EXPECT_EQ(reasons(*s, 1, front - 1), "shed damaged ")
      << "what was set aside in an earlier life is told from what is gone for a bound";
  EXPECT_EQ(s->lost(1, front - 1)[0].to, set_aside - 1);
}

TEST_F(SpoolTest, NeverGivesANumberTwiceEvenWhenSentRecordsAreLost) {
  std::uint64_t epoch = 0;
  {
    auto s = open();
    epoch = s->epoch();
    for (std::uint64_t i = 1; i <= 100; ++i) put(*s, numbered(i));
    ASSERT_TRUE(s->sync().has_value());
    EXPECT_EQ(read_all(*s).entries.size(),
              100U);  // handed to the uplink, perhaps stored over there
  }
  for (const auto& f : segments()) fs::resize_file(f, 5000);
  auto s = open();
  EXPECT_EQ(s->epoch(), epoch);
  EXPECT_EQ(put(*s, numbered(101)), 101U);
  ASSERT_TRUE(s->sync().has_value());
  const auto all = read_all(*s);
  EXPECT_EQ(all.entries.back().seq, 101U);
  EXPECT_TRUE(reasons(*s, 90, 100).ends_with("damaged ")) << "handed out, and not there any more";
}

TEST_F(SpoolTest, TakesALaterEpochWhenNothingIsLeft) {
  const auto first = open()->epoch();
  fs::remove_all(options_.folder);
  clock_.advance(std::chrono::seconds(5));
  EXPECT_GT(open()->epoch(), first);
}

TEST_F(SpoolTest, ShedsTheOldestWhenFullAndCountsIt) {
  options_.max_octets = 512 << 10;
  auto s = open();
  for (std::uint64_t i = 1; i <= 5000; ++i) put(*s, numbered(i));
  ASSERT_TRUE(s->sync().has_value());
  const auto stats = s->stats();
  EXPECT_LE(stats.octets, options_.max_octets);
  EXPECT_GT(stats.shed_events, 1000U);
  const auto all = read_all(*s);
  EXPECT_EQ(all.entries.front().seq, stats.shed_events + 1)
      << "the reader sees the hole and can announce it";
  EXPECT_EQ(all.entries.size() + stats.shed_events, 5000U);
  EXPECT_EQ(reasons(*s, 1, stats.shed_events), "shed ");
}

TEST_F(SpoolTest, ShedsByAgeButNotBecauseTheClockJumped) {
  {
    auto s = open();
    for (std::uint64_t i = 1; i <= 2000; ++i) put(*s, numbered(i));
    ASSERT_TRUE(s->sync().has_value());
    clock_.advance(std::chrono::hours(24 * 30));
    s->tick();
    EXPECT_EQ(read_all(*s).entries.size(), 2000U) << "this process has not seen 30 days pass";
  }
  auto s = open();
  s->tick();
  EXPECT_LT(read_all(*s).entries.size(), 2000U);
  EXPECT_GT(s->stats().shed_events, 0U);
}

TEST_F(SpoolTest, IsForOneProcess) {
  auto s = open();
  const auto second = Spool::open(options_, clock_);
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().text().find("in use"), std::string::npos);
}

// A full disk, really: RLIMIT_FSIZE stands in for it everywhere, a small tmpfs where mounting is
// allowed.
TEST_F(SpoolTest, RefusesOnAFullDiskTearsNothingAndRecovers) {
  const auto disk = folder_ + "/disk";
  fs::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=300k") != 0)
    GTEST_SKIP() << "mount is not permitted here";
  const std::unique_ptr<const std::string,
                        decltype([](const std::string* at) { ::umount2(at->c_str(), MNT_DETACH); })>
      mounted(&disk);
  options_.folder = disk + "/spool";
  options_.max_octets = 100 << 20;
  options_.segment_octets = 8 << 20;  // far more than the disk has
  {
    auto s = open();
    ASSERT_NE(s, nullptr);
    std::uint64_t taken = 0;
    bool refused = false;
    for (std::uint64_t i = 1; i <= 5000 && !refused; ++i) {
      if (!s->begin()) {
        refused = true;
        break;
      }
      s->append(numbered(i));
      s->remember("at", std::to_string(i));
      s->commit();
      taken = i;
    }
    EXPECT_TRUE(refused);
    EXPECT_TRUE(s->stats().refusing);
    EXPECT_GT(s->stats().write_errors, 0U);
    EXPECT_FALSE(s->sync().has_value());
    // The uplink sends what is there; that frees segments, and the spool goes on by itself.
    SpoolBatch b;
    ASSERT_GT(*s->read(1, 100'000, 10 << 20, b), 500U);
    for (std::size_t i = 0; i < b.entries.size(); ++i)
      ASSERT_EQ(b.payload(b.entries[i]), numbered(i + 1));
    ASSERT_TRUE(s->acknowledge(b.entries.back().seq).has_value());
    ASSERT_TRUE(s->begin().has_value());
    s->append(numbered(taken + 1));
    s->commit();
    ASSERT_TRUE(s->sync().has_value());
    const auto rest = read_all(*s, b.entries.back().seq + 1);
    EXPECT_EQ(rest.entries.back().seq, taken + 1) << "everything that was taken is there";
    EXPECT_EQ(rest.entries.size(), taken + 1 - b.entries.back().seq);
    EXPECT_EQ(s->recall("at"), std::to_string(taken));
    EXPECT_EQ(s->stats().torn_octets, 0U);
  }
}

TEST_F(SpoolTest, SurvivesAFileSizeLimitAsItDoesAFullDisk) {
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{40'000, 40'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto made = Spool::open(options_, clock_);
    if (!made) ::_exit(10);
    std::uint64_t taken = 0;
    for (; taken < 5000; ++taken) {
      if (!(*made)->begin()) break;
      (*made)->append(numbered(taken + 1));
      (*made)->commit();
    }
    ::_exit(taken > 50 && taken < 5000 && (*made)->stats().refusing ? 0 : 11);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  auto s = open();
  const auto all = read_all(*s);
  EXPECT_GT(all.entries.size(), 50U);
  for (const auto& e : all.entries) EXPECT_EQ(all.payload(e), numbered(e.seq));
  EXPECT_EQ(s->stats().corrupt_records, 0U);
}

// A real process, really killed, at random moments: what it wrote with a memory is there with that
// memory.
TEST_F(SpoolTest, KeepsEventsAndMemoryTogetherThroughKill9) {
  options_.sync_octets = 32 << 10;
  std::mt19937 random(4711);
  std::uint64_t before = 0;
  const int rounds = std::getenv("WARDWATCH_KILL_ROUNDS") != nullptr
                         ? std::atoi(std::getenv("WARDWATCH_KILL_ROUNDS"))
                         : 12;
  for (int round = 0; round < rounds; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto made = Spool::open(options_, clock_);
      if (!made) ::_exit(10);
      auto& s = **made;
      const auto at = s.recall("at");
      std::uint64_t n = at.empty() ? 0 : std::stoull(at);
      char go = 'g';
      // Killed from the first commit on in some rounds, in others not before it wrote something.
      for (int commits = 0;; ++commits) {
        if (commits == round % 3 * 50 && ::write(ready[1], &go, 1) != 1) ::_exit(11);
        if (!s.begin()) ::_exit(12);
        for (int k = 0; k < 7; ++k) {
          ++n;
          s.append(numbered(n, 50 + n % 900));
        }
        s.remember("at", std::to_string(n));
        s.commit();
      }
    }
    char go = 0;
    ASSERT_EQ(::read(ready[0], &go, 1), 1);
    ::usleep(static_cast<useconds_t>(
        1000 + random() % 30'000));  // the moment of the kill is the input here
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    ::close(ready[0]);
    ::close(ready[1]);

    auto s = open();
    ASSERT_NE(s, nullptr);
    const auto at = s->recall("at");
    const auto last = at.empty() ? 0 : std::stoull(at);
    const auto all = read_all(*s);
    if (!all.entries.empty()) {
      // Numbered payloads without a hole or a repeat, up to exactly what was remembered.
      std::uint64_t expected = std::stoull(std::string(all.payload(all.entries.front())).substr(5));
      EXPECT_LE(expected, before + 1);
      for (const auto& e : all.entries) {
        ASSERT_EQ(all.payload(e), numbered(expected, 50 + expected % 900));
        ++expected;
      }
      EXPECT_EQ(expected - 1, last);
      before = last;
      ASSERT_TRUE(s->acknowledge(all.entries.back().seq).has_value());
    }
  }
  EXPECT_GT(before, 0U);
}

}  // namespace
}  // namespace ww
