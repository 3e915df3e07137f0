#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "collector/alerts/alerts.hpp"
#include "collector/detect/detect.hpp"
#include "collector/store/store.hpp"
#include "tests/collector/pipeline/numbered.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;

struct Opened {
  ManualClock clock;
  std::unique_ptr<AlertBook> alerts;
  std::unique_ptr<Detector> detector;
  std::unique_ptr<Store> store;
};
std::unique_ptr<Opened> open(const std::string& folder) {
  auto o = std::make_unique<Opened>();
  o->clock.set({test::stream_start + 3'600'000'000});
  o->alerts = AlertBook::create(o->clock);
  o->detector = Detector::create({}, o->clock, *o->alerts);
  StoreOptions options;
  options.folder = folder;
  auto s = Store::open(options, o->clock, {o->alerts->module(), o->detector->module()});
  EXPECT_TRUE(s) << s.error().text();
  if (!s) return nullptr;
  o->store = std::move(*s);
  o->alerts->attach(o->store->control());
  return o;
}

/// How often each event of a sensor is stored, and in @p types how many there are of each type.
std::map<std::string, int> stored(const Store& store, std::map<std::string, std::uint64_t>& types) {
  std::map<std::string, int> out;
  for (const std::string type : {"alert", "dns", "flow", "log"})
    store.scan({INT64_MIN}, {INT64_MAX}, {type}, [&](std::span<const StoredEvent> events) {
      types[type] += events.size();
      for (const auto& e : events) ++out[e.id];
      return true;
    });
  return out;
}

void check(const std::string& folder, const std::array<std::uint64_t, 2>& promised) {
  const auto o = open(folder);
  ASSERT_NE(o, nullptr);
  std::map<std::string, std::uint64_t> types;
  const auto events = stored(*o->store, types);
  const std::string sensors[] = {"net-1", "log-2"};
  std::size_t total = 0;
  std::uint64_t alert_events = 0;
  for (std::size_t s = 0; s < 2; ++s) {
    const auto cursor = o->store->cursor("royal-hill", sensors[s]);
    const auto end = cursor ? cursor->seq : 0;
    ASSERT_GE(end, promised[s]) << "an acknowledged event is lost";
    for (std::uint64_t n = 1; n <= end; ++n) {
      const auto it = events.find(test::numbered_id(sensors[s], n));
      ASSERT_NE(it, events.end()) << sensors[s] << " " << n << " of " << end;
      ASSERT_EQ(it->second, 1) << sensors[s] << " " << n;
    }
    total += end;
    alert_events += end / 10;
  }
  EXPECT_EQ(events.size(), total) << "events beyond the cursor";
  // Roll-ups, the sensors' counts and the alerts' counts come from the same commits.
  const auto count = o->store->count({});
  ASSERT_TRUE(count);
  std::uint64_t counted = 0;
  for (const auto& r : count->rows) counted += r.events;
  EXPECT_EQ(counted, total);
  TopQuery by_type;
  by_type.path = "event_type";
  const auto top = o->store->top(by_type);
  ASSERT_TRUE(top);
  std::map<std::string, std::uint64_t> facets;
  for (const auto& r : top->rows) facets[r.value] = r.events;
  std::erase_if(types, [](const auto& t) { return t.second == 0; });
  EXPECT_EQ(facets, types);
  std::uint64_t by_sensor = 0;
  for (const auto& c : o->store->cursors()) by_sensor += c.events;
  EXPECT_EQ(by_sensor, total);
  std::uint64_t hits = 0;
  AlertFilter everything;
  everything.limit = 1'000;
  const auto page = o->alerts->query(everything);
  ASSERT_TRUE(page);
  for (const auto& a : page->alerts) hits += a.count;
  EXPECT_EQ(hits, alert_events) << "an alert's hits must be stored as often as its events";
}

TEST(ExactlyOnce, SurvivesKill) {
  const char* wanted = std::getenv("WARDWATCH_KILL_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 6;
  const ww::test::TempFolder folder;
  std::uint64_t last = 1'500U * static_cast<unsigned>(rounds);
  std::mt19937 random(7);
  std::array<std::uint64_t, 2> promised{};
  int killed = 0;
  bool finished = false;
  for (int round = 0; !finished && round < rounds * 20; ++round) {
    int out[2];
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    const auto number = std::to_string(last);
    const auto seed = std::to_string(round);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::execl(WW_KILL_TARGET, WW_KILL_TARGET, folder.path().c_str(), number.c_str(), seed.c_str(),
              nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    // The moment of the kill is counted in acknowledgements and then some microseconds, not in time
    // since the start.
    const auto after = random() % 40;
    FILE* answers = ::fdopen(out[0], "r");
    unsigned seen = 0;
    int sensor = 0;
    unsigned long long ack = 0;
    bool sent = false;
    while (std::fscanf(answers, "%d %llu", &sensor, &ack) == 2) {
      promised[static_cast<std::size_t>(sensor)] =
          std::max<std::uint64_t>(promised[static_cast<std::size_t>(sensor)], ack);
      if (++seen > after && !sent && killed < rounds) {
        ::usleep(static_cast<useconds_t>(random() % 3'000));
        ::kill(child, SIGKILL);
        sent = true;
      }
    }
    std::fclose(answers);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) {
      ASSERT_EQ(WTERMSIG(status), SIGKILL);
      ++killed;
    } else {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      // On a busy machine it may end before it is killed; then there is more for it to do.
      finished = killed >= rounds / 2;
      if (!finished) last += 1'500;
    }
    if (finished || killed % 3 == 0) check(folder.path(), promised);
    if (HasFatalFailure()) return;
  }
  EXPECT_TRUE(finished);
  EXPECT_EQ(promised[0], last);
}

/// What a loss of power may leave: database files older than the journal, in any mixture, and a
/// torn journal tail.
TEST(ExactlyOnce, SurvivesDatabaseFilesThatLagBehindTheJournal) {
  const ww::test::TempFolder folder;
  const auto data = folder.path() + "/data";
  const auto copies = folder.path() + "/old";
  std::mt19937 random(11);
  std::uint64_t next = 1;
  std::array<std::uint64_t, 2> promised{};
  for (int round = 0; round < 8; ++round) {
    {
      const auto o = open(data);
      ASSERT_NE(o, nullptr);
      for (int commits = 0; commits < 6; ++commits) {
        if (commits == static_cast<int>(random() % 6)) {
          fs::remove_all(copies);
          fs::copy(data, copies, fs::copy_options::recursive);
        }
        CommitGroup g;
        BatchWrite b;
        b.site = "royal-hill";
        b.sensor = "net-1";
        for (const auto to = next + random() % 300; next <= to; ++next) {
          EventWrite e;
          e.json = test::numbered_event("net-1", next);
          e.type = next % 10 == 0  ? "alert"
                   : next % 3 == 0 ? "dns"
                   : next % 7 == 0 ? "flow"
                                   : "log";
          e.time = {test::stream_start + static_cast<std::int64_t>(next) * 1000};
          b.events.push_back(std::move(e));
          if (next % 10 == 0) {
            Hit h;
            h.rule.id = "2000001";
            h.site = "royal-hill";
            h.first = h.last = {test::stream_start};
            g.records.push_back(o->alerts->record(h));
          }
        }
        b.cursor = SensorCursor{1, next - 1};
        g.batches.push_back(std::move(b));
        ASSERT_TRUE(o->store->commit(std::move(g)));
        promised[0] = next - 1;
      }
      // The state on the disk now, before a clean end trims the journal.
      fs::remove_all(folder.path() + "/crash");
      fs::copy(data, folder.path() + "/crash", fs::copy_options::recursive);
    }
    fs::remove_all(data);
    fs::rename(folder.path() + "/crash", data);
    // Any of the databases falls back to an earlier state of its own.
    if (fs::exists(copies)) {
      std::vector<std::string> databases;
      for (const auto& f : fs::recursive_directory_iterator(data))
        if (f.path().extension() == ".db")
          databases.push_back(fs::relative(f.path(), data).string());
      for (const auto& d : databases) {
        if (random() % 2 == 0) continue;
        for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(data + "/" + d + suffix);
        for (const char* suffix : {"", "-wal"})
          if (fs::exists(copies + "/" + d + suffix))
            fs::copy_file(copies + "/" + d + suffix, data + "/" + d + suffix);
      }
    }
    fs::remove_all(copies);
    // A torn record at the end.
    for (const auto& f : fs::directory_iterator(data + "/journal"))
      std::ofstream(f.path(), std::ios::app | std::ios::binary)
          << "WJR1" << std::string(random() % 40, 'x');
    check(data, promised);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace ww::collector
