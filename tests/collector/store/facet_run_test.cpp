// Runs of blocks say what a plain count over the same events says.
#include "collector/store/facet_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "collector/store/codec.hpp"
#include "collector/store/sqlite.hpp"
#include "collector/store/store.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/uuid.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;
using Plain = std::map<std::pair<StreamId, std::string>, std::uint64_t>;

/// A block's facet row, as BlockBuilder writes it.
std::string facet_row(const Plain& counts) {
  Encoder out;
  out.u8(1);
  out.var(counts.size());
  for (const auto& [key, n] : counts) {
    out.var(key.first);
    out.text(key.second);
    out.var(n);
  }
  return out.take();
}

std::map<std::string, std::uint64_t> of_streams(const Plain& counts,
                                                const std::set<StreamId>& streams) {
  std::map<std::string, std::uint64_t> out;
  for (const auto& [key, n] : counts)
    if (streams.contains(key.first)) out[key.second] += n;
  return out;
}
std::map<std::string, std::uint64_t> values_of(const RunFacet& facet) {
  std::map<std::string, std::uint64_t> out;
  for (const auto& c : facet.values()) {
    EXPECT_FALSE(out.contains(std::string(c.value))) << c.value;
    out[std::string(c.value)] = c.events;
  }
  return out;
}

class FacetRun : public ::testing::Test {
 protected:
  std::string value() {
    switch (random_() % 5) {
      case 0:
        return "10.2." + std::to_string(random_() % 4) + "." + std::to_string(random_() % 200);
      case 1:
        return std::string(random_() % 4, '\0') + std::string(random_() % 2, 'a');
      case 2:
        return std::string(200 + random_() % 57, 'x') + std::to_string(random_() % 3);
      case 3:
        return std::string(1, static_cast<char>(random_())) + "\xff";
      default:
        return std::to_string(random_() % 50);
    }
  }
  /// A run of random blocks; @p plain gets what they say.
  RunFacetRow run(std::uint32_t first, std::uint32_t blocks, StreamId streams, Plain& plain) {
    RunFacetBuilder builder;
    for (std::uint32_t b = 0; b < blocks; ++b) {
      Plain counts;
      for (auto n = random_() % 100; n > 0; --n)
        counts[{static_cast<StreamId>(1 + random_() % streams * 1000), value()}] +=
            1 + (random_() % 4 == 0 ? random_() % 1000 : 0);
      for (const auto& [key, n] : counts) plain[key] += n;
      builder.add_block(first + b, facet_row(counts));
    }
    auto row = builder.finish();
    EXPECT_TRUE(row);
    return row ? *row : RunFacetRow{};
  }
  std::mt19937_64 random_{3};
};

TEST_F(FacetRun, SaysWhatItsBlocksSayTogetherAndByStream) {
  for (const StreamId streams : {1U, 2U, 40U}) {
    Plain plain;
    const auto row = run(1, 256, streams, plain);
    RunFacet facet;
    std::set<StreamId> all;
    for (StreamId s = 0; s < streams; ++s) all.insert(1 + s * 1000);
    ASSERT_TRUE(facet.read(row.counts));
    EXPECT_EQ(values_of(facet), of_streams(plain, all));
    for (int i = 0; i < 10; ++i) {
      std::set<StreamId> some;
      for (const auto s : all)
        if (random_() % 3 == 0) some.insert(s);
      ASSERT_TRUE(facet.read(row.counts));
      ASSERT_TRUE(facet.keep(row.by_stream, [&](StreamId s) { return some.contains(s); }));
      EXPECT_EQ(values_of(facet), of_streams(plain, some));
    }
  }
}

TEST_F(FacetRun, OfRunsSaysWhatTheySay) {
  Plain plain;
  RunFacetBuilder builder;
  for (std::uint32_t r = 0; r < 16; ++r) {
    const auto row = run(r * 64, 64, r % 3 == 0 ? 1 : 7, plain);
    builder.add_run(64, row.counts, row.by_stream);
  }
  const auto row = builder.finish();
  ASSERT_TRUE(row);
  RunFacet facet;
  ASSERT_TRUE(facet.read(row->counts));
  ASSERT_TRUE(facet.keep(row->by_stream, [](StreamId s) { return s == 1 || s == 3001; }));
  EXPECT_EQ(values_of(facet), of_streams(plain, {1, 3001}));
}

TEST_F(FacetRun, NamesTheBlocksThatItCouldNotCount) {
  RunFacetBuilder below;
  const Plain counts{{{1, "a"}, 3}, {{2, "b"}, 1}, {{2, "a"}, 2}};
  std::vector<std::uint32_t> left_out;
  for (std::uint32_t id = 256; id < 512; ++id) {
    if (id % 50 == 0) {
      left_out.push_back(id);
      // No facet then, one with too many values, a damaged one.
      if (id % 3 == 0)
        below.add_block(id, {});
      else
        below.add_block(id, id % 4 == 0 ? std::string(1, '\0') : facet_row(counts).substr(0, 4));
    } else {
      below.add_block(id, facet_row(counts));
    }
  }
  const auto row = below.finish();
  ASSERT_TRUE(row);
  RunFacet facet;
  ASSERT_TRUE(facet.read(row->counts));
  EXPECT_EQ(facet.left_out(), left_out);
  const std::uint64_t counted = 256 - left_out.size();
  EXPECT_EQ(values_of(facet),
            (std::map<std::string, std::uint64_t>{{"a", 5 * counted}, {"b", counted}}));
  RunFacetBuilder above;
  for (int i = 0; i < 4; ++i) above.add_run(256, row->counts, row->by_stream);
  const auto both = above.finish();
  ASSERT_TRUE(both);
  ASSERT_TRUE(facet.read(both->counts));
  EXPECT_EQ(facet.left_out().size(), 4 * left_out.size());

  RunFacetBuilder most;
  for (std::uint32_t id = 0; id < 100; ++id)
    most.add_block(id, id < 60 ? std::nullopt : std::optional<std::string>(facet_row(counts)));
  EXPECT_FALSE(most.finish()) << "a run that leaves most of its blocks out helps nobody";
}

TEST_F(FacetRun, IsNotKeptWhereItSavesTooLittleOrPassesItsBounds) {
  RunFacetBuilder unlike;
  RunFacetBuilder too_many;
  for (std::uint32_t id = 0; id < 256; ++id) {
    Plain counts;
    for (std::uint32_t i = 0; i < 40; ++i) counts[{1, std::to_string(mix64(id * 64 + i))}] = 1;
    unlike.add_block(id, facet_row(counts));
    counts.clear();
    for (std::uint32_t i = 0; i < 1'000; ++i) counts[{i % 3, std::to_string(id * 1'000 + i)}] = 1;
    too_many.add_block(id, facet_row(counts));
  }
  EXPECT_FALSE(unlike.finish());
  EXPECT_FALSE(too_many.finish());
}

TEST_F(FacetRun, OfVeryManyStreamsKeepsOnlyTheCountsOfAll) {
  RunFacetBuilder builder;
  std::map<std::string, std::uint64_t> plain;
  for (std::uint32_t id = 0; id < 200; ++id) {
    Plain counts;
    for (StreamId s = 0; s < 4'000; ++s) {
      const auto v = std::to_string((s + id) % 300);
      counts[{s, v}] = 1;
      ++plain[v];
    }
    builder.add_block(id, facet_row(counts));
  }
  const auto row = builder.finish();
  ASSERT_TRUE(row);
  EXPECT_TRUE(row->by_stream.empty());
  RunFacet facet;
  ASSERT_TRUE(facet.read(row->counts));
  EXPECT_EQ(values_of(facet), plain);
  EXPECT_FALSE(facet.keep(row->by_stream, [](StreamId) { return true; }));
  RunFacetBuilder above;
  above.add_run(200, row->counts, row->by_stream);
  for (int i = 0; i < 3; ++i) above.add_run(200, row->counts, row->by_stream);
  const auto of_runs = above.finish();
  ASSERT_TRUE(of_runs);
  EXPECT_TRUE(of_runs->by_stream.empty());
}

TEST_F(FacetRun, DamageIsNoticedOrHarmless) {
  Plain plain;
  const auto row = run(256, 100, 9, plain);
  RunFacet facet;
  for (std::size_t n = 0; n < row.counts.size(); ++n)
    EXPECT_FALSE(facet.read(std::string_view(row.counts).substr(0, n))) << n;
  ASSERT_TRUE(facet.read(row.counts));
  for (std::size_t n = 0; n < row.by_stream.size(); ++n) {
    RunFacet copy = facet;
    EXPECT_FALSE(copy.keep(std::string_view(row.by_stream).substr(0, n), [](StreamId) {
      return true;
    })) << n;
  }
  for (int i = 0; i < 2'000; ++i) {
    auto counts = row.counts;
    auto by_stream = row.by_stream;
    for (int k = 0; k < 3; ++k) {
      counts[random_() % counts.size()] = static_cast<char>(random_());
      by_stream[random_() % by_stream.size()] = static_cast<char>(random_());
    }
    if (facet.read(i % 2 == 0 ? counts : row.counts))
      static_cast<void>(facet.keep(by_stream, [](StreamId s) { return s % 2 == 0; }));
  }
}

// --- in the store

struct Known {
  std::string site, sensor, type;
  std::int64_t time;
  std::map<std::string, std::vector<std::string>> values;  // by path, each once
};

class TopOverRuns : public ::testing::Test {
 protected:
  static constexpr std::int64_t start = 1'795'305'600'000'000;  // 2026-11-22T00:00:00Z
  static constexpr std::int64_t hour = 3'600'000'000;
  static constexpr std::int64_t minute = 60'000'000;

  void SetUp() override {
    clock_.set({start});
    open();
  }
  void open() {
    store_.reset();
    StoreOptions o;
    o.folder = folder_.path() + "/data";
    o.block_events = 2;  // many blocks from few events
    o.min_free_octets = 0;
    auto opened = Store::open(o, clock_, {});
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& f : fs::recursive_directory_iterator(folder_.path() + "/data/events"))
      if (f.path().extension() == ".db") out.push_back(f.path().string());
    return out;
  }
  [[nodiscard]] static std::int64_t number(const std::string& file, const std::string& sql) {
    auto db = sql::Database::open(file, {.read_only = true});
    if (!db) return -1;
    auto s = (*db)->prepare_once(sql);
    return s.step() ? s.integer(0) : -1;
  }
  void change_all(const std::vector<std::string>& statements) {
    store_.reset();
    for (const auto& file : files()) {
      auto db = sql::Database::open(file, {});
      ASSERT_TRUE(db);
      (*db)->begin();
      for (const auto& s : statements) (*db)->exec(s);
      const auto done = (*db)->commit();
      ASSERT_TRUE(done) << done.error().text;
    }
  }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  /// Commits n events of six hours; one in eight comes up to five hours late.
  void fill(std::size_t n) {
    while (n > 0) {
      CommitGroup group;
      std::map<std::pair<std::string, std::string>, BatchWrite> batches;
      for (auto k = 1 + below(200); k > 0 && n > 0; --k, --n) {
        now_ += static_cast<std::int64_t>(below(4'000'000));
        auto& e = known_.emplace_back();
        e.time = now_ - (below(8) == 0 ? static_cast<std::int64_t>(below(5 * hour)) : 0);
        e.site = "site-" + std::to_string(below(3));
        e.sensor = below(2) == 0 ? "net-1" : "log-1";
        e.type = below(3) == 0 ? "dns" : below(6) == 0 ? "http" : "log";
        std::string out;
        JsonWriter j(out);
        j.begin_object();
        const auto field = [&](std::string_view path, std::string_view key,
                               const std::string& value) {
          j.field(key, value);
          e.values[std::string(path)] = {value};
        };
        field("event_type", "event_type", e.type);
        field("src_ip", "src_ip",
              "10.0." + std::to_string(below(3)) + "." +
                  std::to_string(std::min(below(60), below(60))));
        if (below(3) == 0) field("dest_port", "dest_port", std::to_string(below(5)));
        if (e.type == "log") {
          j.begin_object("log");
          field("log.host", "host", "ws" + std::to_string(below(30)));
          j.end_object();
        } else if (e.type == "http") {
          j.begin_object("http");
          // Now and then too long for a facet: such blocks are read.
          field("http.http_user_agent", "http_user_agent",
                std::string(below(20) == 0 ? 300 : 10, 'u') + std::to_string(below(4)));
          j.end_object();
        } else {
          j.begin_object("dns");
          j.begin_array("rrname");  // not in any protocol, but a facet of several values
          auto& names = e.values["dns.rrname"];
          for (auto i = below(4); i > 0; --i) {
            const auto name = "n" + std::to_string(below(6));
            j.value(name);
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
          }
          j.end_array();
          j.end_object();
        }
        j.end_object();
        auto& b = batches[{e.site, e.sensor}];
        b.site = e.site;
        b.sensor = e.sensor;
        b.received = {now_};
        b.events.push_back({std::move(out), e.type, {e.time}, 0});
      }
      for (auto& [key, b] : batches) group.batches.push_back(std::move(b));
      const auto done = store_->commit(std::move(group));
      ASSERT_TRUE(done) << done.error().text();
    }
  }

  struct Filter {
    std::string text;
    std::vector<std::string> types, sites, sensors;
    std::optional<std::vector<std::string>> visible;
    std::function<bool(const Known&)> plain;
  };
  static const std::vector<Filter>& filters() {
    static const std::vector<Filter> all{
        {"", {}, {}, {}, {}, [](const Known&) { return true; }},
        {"site:site-1", {}, {}, {}, {}, [](const Known& e) { return e.site == "site-1"; }},
        {"type:dns", {}, {}, {}, {}, [](const Known& e) { return e.type == "dns"; }},
        {"", {"http", "log"}, {}, {}, {}, [](const Known& e) { return e.type != "dns"; }},
        {"",
         {},
         {"site-0", "site-2"},
         {"log-1"},
         {},
         [](const Known& e) { return e.site != "site-1" && e.sensor == "log-1"; }},
        {"", {}, {}, {}, {{"site-2"}}, [](const Known& e) { return e.site == "site-2"; }},
        {"", {}, {}, {}, {{}}, [](const Known&) { return false; }},
        {"-site:site-1 type:log",
         {},
         {},
         {},
         {},
         [](const Known& e) { return e.site != "site-1" && e.type == "log"; }},
        {"dest_port:3",
         {},
         {},
         {},
         {},
         [](const Known& e) {
           const auto it = e.values.find("dest_port");
           return it != e.values.end() && it->second.front() == "3";
         }},
        {"type:dns OR log.host:ws7",
         {},
         {},
         {},
         {},
         [](const Known& e) {
           const auto it = e.values.find("log.host");
           return e.type == "dns" || (it != e.values.end() && it->second.front() == "ws7");
         }},
    };
    return all;
  }

  void agree(const std::string& path, const Filter& filter, std::int64_t from, std::int64_t to) {
    std::map<std::string, std::uint64_t> plain;
    std::uint64_t events = 0;
    for (const auto& e : known_) {
      if (e.time < from || e.time >= to || !filter.plain(e)) continue;
      const auto it = e.values.find(path);
      if (it == e.values.end()) continue;
      for (const auto& v : it->second) {
        ++plain[v];
        ++events;
      }
    }
    std::vector<std::pair<std::string, std::uint64_t>> want(plain.begin(), plain.end());
    std::stable_sort(want.begin(), want.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    TopQuery q;
    q.path = path;
    q.limit = 1'000;
    q.search.text = filter.text;
    q.search.types = filter.types;
    q.search.sites = filter.sites;
    q.search.sensors = filter.sensors;
    q.search.visible_sites = filter.visible;
    q.search.from = {from};
    q.search.to = {to};
    q.search.budget.time = std::chrono::minutes(1);
    const auto r = store_->top(q);
    ASSERT_TRUE(r);
    std::vector<std::pair<std::string, std::uint64_t>> got;
    for (const auto& row : r->rows) got.emplace_back(row.value, row.events);
    EXPECT_FALSE(r->partial);
    EXPECT_EQ(got, want) << path << " / " << filter.text << " " << from << ".." << to;
    EXPECT_EQ(r->events, events);
    EXPECT_EQ(r->distinct, plain.size());
  }
  void agree_everywhere() {
    static const std::vector<std::string> paths{"src_ip",   "event_type",           "dest_port",
                                                "log.host", "http.http_user_agent", "dns.rrname",
                                                "tls.sni"};
    const auto length = now_ - start + 1;
    for (const auto& filter : filters()) {
      for (const auto& path : paths) {
        agree(path, filter, INT64_MIN, INT64_MAX);
        const auto a = start + static_cast<std::int64_t>(below(static_cast<unsigned>(length)));
        const auto b = start + static_cast<std::int64_t>(below(static_cast<unsigned>(length)));
        agree(path, filter, std::min(a, b), std::max(a, b));
        agree(path, filter, std::min(a, b) / hour * hour, std::max(a, b) / minute * minute);
        if (HasFailure()) return;
      }
    }
  }

  ww::test::TempFolder folder_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::mt19937_64 random_{11};
  std::int64_t now_ = start - 0;
  std::vector<Known> known_;
};

TEST_F(TopOverRuns, AgreesWithAPlainCountThroughRestarts) {
  fill(300);
  agree_everywhere();
  for (int part = 0; part < 4; ++part) {
    fill(4'000 + below(1'000));
    open();
    fill(1 + below(300));
    agree_everywhere();
    if (HasFailure()) return;
  }
  for (const auto& file : files()) {
    if (file.find("/log/") == std::string::npos) {
      EXPECT_GT(number(file, "SELECT count(*) FROM run_facet WHERE path='http.http_user_agent'"), 4)
          << "runs that leave out blocks with values too long for a facet";
      continue;
    }
    EXPECT_GT(number(file, "SELECT count(*) FROM run_facet WHERE level=0 AND path='src_ip'"), 16);
    EXPECT_GT(number(file, "SELECT count(*) FROM run_facet WHERE level=1 AND path='src_ip'"), 0);
  }
}

TEST_F(TopOverRuns, WholeRunsAnswerWithoutTheirBlocks) {
  fill(9'000);
  change_all(
      {"DELETE FROM facet WHERE path IN ('src_ip', 'event_type') AND block < "
       "(SELECT max(first) + 256 FROM run WHERE level=0)"});
  open();
  for (const auto& filter : filters()) {
    if (filter.text.find("dest_port") != std::string::npos ||
        filter.text.find("log.host") != std::string::npos)
      continue;
    for (const auto* path : {"src_ip", "event_type"}) {
      TopQuery q;
      q.path = path;
      q.search.text = filter.text;
      q.search.types = filter.types;
      q.search.sites = filter.sites;
      q.search.visible_sites = filter.visible;
      const auto r = store_->top(q);
      ASSERT_TRUE(r);
      EXPECT_EQ(r->work.blocks, 0U) << path << " / " << filter.text;
      agree(path, filter, INT64_MIN, INT64_MAX);
    }
  }
}

TEST_F(TopOverRuns, AFileOfBeforeThereWereRunsAnswersTheSameAndGoesOn) {
  fill(2'000);
  change_all({"DROP TABLE run", "DROP TABLE run_facet",
              "DELETE FROM migration WHERE component='events' AND version=2"});
  open();
  agree_everywhere();
  fill(9'000);  // the run that had begun, whole ones, and the level above them
  agree_everywhere();
  for (const auto& file : files()) {
    EXPECT_EQ(number(file, "SELECT count(*) FROM run WHERE level=0 AND first=0"), 0);
    EXPECT_GT(number(file, "SELECT count(*) FROM run WHERE level=0"), 4);
  }
  // The runs of what the older program wrote are made a few at a time.
  open();
  for (int i = 0; i < 10; ++i) store_->maintain();
  agree_everywhere();
  for (const auto& file : files()) {
    for (const std::string level : {"0", "1"}) {
      const auto size = std::to_string(run_blocks[level == "0" ? 0 : 1]);
      EXPECT_EQ(number(file, "SELECT count(*) FROM run WHERE level=" + level),
                number(file, "SELECT (max(id)+1)/" + size + " FROM block"));
      EXPECT_EQ(
          number(file, "SELECT count(*) FROM run_facet WHERE path='src_ip' AND level=" + level),
          number(file, "SELECT (max(id)+1)/" + size + " FROM block"));
    }
  }
}

TEST_F(TopOverRuns, AFileThatLagsBehindTheJournalIsRolledUpOnce) {
  for (int round = 0; round < 4; ++round) {
    fill(1'500);
    const auto old = folder_.path() + "/old";
    fs::remove_all(old);
    fs::copy(folder_.path() + "/data", old, fs::copy_options::recursive);
    fill(800);
    // What a loss of power leaves: the journal of now, a day file of before.
    const auto crash = folder_.path() + "/crash";
    fs::copy(folder_.path() + "/data", crash, fs::copy_options::recursive);
    store_.reset();
    fs::remove_all(folder_.path() + "/data");
    fs::rename(crash, folder_.path() + "/data");
    for (const auto& file : files()) {
      const auto before = old + file.substr((folder_.path() + "/data").size());
      for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file + suffix);
      for (const char* suffix : {"", "-wal"})
        if (fs::exists(before + suffix)) fs::copy_file(before + suffix, file + suffix);
    }
    open();
    agree_everywhere();
    if (HasFailure()) return;
  }
}

TEST_F(TopOverRuns, ADamagedRowOfARunIsPassedOver) {
  fill(5'000);
  change_all({"UPDATE run_facet SET counts = x'01ff' WHERE path='src_ip'",
              "UPDATE run_facet SET by_stream = x'05' WHERE path='log.host'"});
  open();
  agree_everywhere();
}

}  // namespace
}  // namespace ww::collector
