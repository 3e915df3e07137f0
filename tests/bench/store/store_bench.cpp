// How fast events go into the store and come out again.
//
//   store_bench [EVENTS=1000000] [FOLDER=a temporary one] [ONLY]
//
// EVENTS 0 writes nothing and asks what is in FOLDER. With ONLY just the questions whose name holds
// it are asked, and nothing goes through the pipeline.
// Prints, for commit and for each screen an analyst opens, the time and its ratio to a reference
// measured in the same run on the same events: compressing them with zstd level 1 (for commits),
// and reading one block (for searches).
#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "collector/ingest/pipeline_local.hpp"
#include "collector/store/block.hpp"
#include "collector/store/store.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/uuid.hpp"

namespace {

using namespace ww;
using namespace ww::collector;
using steady = std::chrono::steady_clock;

constexpr std::int64_t start = 1'795'305'600'000'000;
constexpr std::int64_t day_us = 86'400'000'000;
constexpr const char* rare_word = "xneedlex";

double seconds_since(steady::time_point t) {
  return std::chrono::duration<double>(steady::now() - t).count();
}

/// About 800 octets: words from a vocabulary, some fields that repeat, some that never do.
class Maker {
 public:
  Maker() {
    for (int i = 0; i < 3000; ++i) {
      std::string w;
      for (auto n = 3 + random_() % 8; n > 0; --n) w += static_cast<char>('a' + random_() % 26);
      words_.push_back(w);
    }
  }
  std::string word() {
    return words_[static_cast<std::size_t>(std::min(random_() % 3000, random_() % 3000))];
  }

  std::string make(Timestamp t, std::string_view type, std::string_view site, std::string_view id) {
    std::string out;
    out.reserve(1000);
    JsonWriter j(out);
    j.begin_object();
    j.field("timestamp", eve_time(t));
    j.field("flow_id", random_() >> 11);
    j.field("event_type", type);
    j.field("src_ip", "10." + std::to_string(random_() % 4) + "." + std::to_string(random_() % 50) +
                          "." + std::to_string(random_() % 250));
    j.field("src_port", random_() % 64'000 + 1024);
    j.field("dest_ip",
            "192.0." + std::to_string(random_() % 9) + "." + std::to_string(random_() % 250));
    j.field("dest_port", random_() % 3 == 0 ? std::uint64_t{443} : random_() % 1000);
    if (type == "log") {
      j.begin_object("log");
      j.field("source", "windows");
      j.field("product", "windows");
      j.field("service", "security");
      j.field("host", "ws" + std::to_string(random_() % 2000));
      std::string message;
      for (int i = 0; i < 40; ++i) message += word() + ' ';
      j.field("message", message);
      j.begin_object("fields");
      j.field("EventID", std::uint64_t{4600} + random_() % 100);
      j.field("Image", "C:\\Windows\\System32\\" + word() + ".exe");
      j.field("CommandLine", word() + " /" + word() + " " + word());
      j.field("Hashes", std::to_string(random_()) + std::to_string(random_()));
      j.end_object();
      j.end_object();
    } else if (type == "dns") {
      j.begin_object("dns");
      j.field("rrname", word() + "." + word() + ".example.org");
      j.field("rrtype", "A");
      j.end_object();
    } else if (type == "alert") {
      j.begin_object("alert");
      j.field("signature_id", 2'000'000 + random_() % 300);
      j.field("signature", "ET " + word());
      j.field("severity", 1 + random_() % 4);
      j.end_object();
    } else {
      std::string filler;
      for (int i = 0; i < 30; ++i) filler += word() + '/';
      j.begin_object("http");
      j.field("hostname", word() + ".nhs.uk");
      j.field("url", filler);
      j.end_object();
    }
    j.begin_object("ww");
    j.field("id", id);
    j.field("site", site);
    j.field("sensor", "s1");
    j.end_object();
    j.end_object();
    return out;
  }
  std::uint64_t random() { return random_(); }

 private:
  std::mt19937_64 random_{42};
  std::vector<std::string> words_;
};

struct Sample {
  std::string json, type, site;
  Timestamp time;
  std::uint64_t id_time;
};

Sample sample(Maker& maker, std::uint64_t i, std::uint64_t total) {
  Sample s;
  // One day's worth, mildly out of order, two thirds logs.
  s.time = {start +
            static_cast<std::int64_t>(static_cast<double>(i) / static_cast<double>(total) *
                                      static_cast<double>(day_us)) +
            static_cast<std::int64_t>(maker.random() % 2'000'000)};
  const auto r = maker.random() % 1000;
  s.type = r < 650 ? "log" : r < 800 ? "dns" : r < 990 ? "http" : "alert";
  s.site = "site-" + std::to_string(maker.random() % 30);
  const auto id = uuid7(s.time);
  s.id_time = std::stoull(id.substr(0, 8) + id.substr(9, 4), nullptr, 16);
  s.json = maker.make(s.time, s.type, s.site, id);
  return s;
}

std::string only;

void report_search(const char* name, double reference,
                   const std::function<Work(bool& partial)>& one) {
  if (std::string_view(name).find(only) == std::string_view::npos) return;
  std::vector<double> times;
  Work last;
  bool partial = false;
  for (int i = 0; i < 25; ++i) {
    const auto t = steady::now();
    bool p = false;
    last = one(p);
    partial = partial || p;
    times.push_back(seconds_since(t));
  }
  std::sort(times.begin(), times.end());
  std::printf(
      "%-42s p50 %7.1f ms  p95 %7.1f ms  = %6.0f block reads   blocks %llu, skipped %llu%s\n", name,
      times[times.size() / 2] * 1e3, times[times.size() * 95 / 100] * 1e3,
      times[times.size() * 95 / 100] / reference, static_cast<unsigned long long>(last.blocks),
      static_cast<unsigned long long>(last.blocks_skipped), partial ? "  PARTIAL" : "");
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t total = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  std::string folder = argc > 2 ? argv[2] : "";
  const bool own = folder.empty();
  if (argc > 3) only = argv[3];
  if (own) {
    std::string name = (std::filesystem::temp_directory_path() / "ww-bench-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ManualClock clock;
  clock.set({start + day_us / 2});
  StoreOptions options;
  options.folder = folder;
  auto opened = Store::open(options, clock, {});
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().text().c_str());
    return 1;
  }
  auto& store = **opened;
  Maker maker;

  // --- commits, and zstd alone on the same octets as reference
  double commit_time = 0;
  double zstd_time = 0;
  std::uint64_t octets = 0;
  std::string joined;
  std::string packed;
  std::string a_host;
  std::string an_id;
  constexpr std::uint64_t group_events = 5'000;
  for (std::uint64_t i = 0; i < total;) {
    CommitGroup group;
    std::map<std::string, BatchWrite> by_site;
    joined.clear();
    for (std::uint64_t n = 0; n < group_events && i < total; ++n, ++i) {
      auto s = sample(maker, i, total);
      octets += s.json.size();
      joined += s.json;
      if (i == total / 3) {
        const auto at = s.json.find("\"id\":\"");
        an_id = s.json.substr(at + 6, 36);
      }
      if (i == total / 2) {
        const std::string marker = rare_word;
        s.json.insert(s.json.find("\"ww\""), "\"marker\":\"" + marker + "\",");
      }
      auto& b = by_site[s.site];
      b.site = s.site;
      b.sensor = "s1";
      b.received = s.time;
      b.events.push_back({std::move(s.json), std::move(s.type), s.time, s.id_time});
    }
    for (auto& [site, b] : by_site) group.batches.push_back(std::move(b));
    packed.resize(ZSTD_compressBound(joined.size()));
    auto t = steady::now();
    packed.resize(ZSTD_compress(packed.data(), packed.size(), joined.data(), joined.size(), 1));
    zstd_time += seconds_since(t);
    t = steady::now();
    if (const auto done = store.commit(std::move(group)); !done) {
      std::fprintf(stderr, "%s\n", done.error().text().c_str());
      return 1;
    }
    commit_time += seconds_since(t);
  }
  store.maintain();
  if (total > 0) {
    const auto stats = store.stats();
    std::printf("events %llu of %.0f octets; on disk %.0f octets an event\n",
                static_cast<unsigned long long>(total),
                static_cast<double>(octets) / static_cast<double>(total),
                static_cast<double>(stats.file_octets) / static_cast<double>(total));
    std::printf(
        "commit (index, compress, journal, sync, apply) %.0f events/s, %.1f times zstd-1 alone\n",
        static_cast<double>(total) / commit_time, commit_time / zstd_time);
  }

  // --- one block read, the reference for searches
  SearchQuery one;
  one.limit = 1;
  one.types = {"http"};
  static_cast<void>(store.search(one));
  double reference = 1;
  for (int i = 0; i < 20; ++i) {
    const auto t = steady::now();
    static_cast<void>(store.search(one));
    reference = std::min(reference, seconds_since(t));
  }
  std::printf("reference: newest event, about one block read: %.2f ms\n", reference * 1e3);

  std::mt19937_64 random(7);
  const auto window = [&](std::int64_t length) {
    const auto from =
        start + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(day_us - length));
    return std::pair{Timestamp{from}, Timestamp{from + length}};
  };
  const auto search = [&](std::string text, std::int64_t length,
                          std::vector<std::string> sites = {}) {
    return [&, text, length, sites](bool& partial) {
      SearchQuery q;
      q.text = text;
      q.sites = sites;
      if (length > 0) std::tie(q.from, q.to) = window(length);
      const auto r = store.search(q);
      partial = r && r->partial;
      return r ? r->work : Work{};
    };
  };
  constexpr std::int64_t hour = 3'600'000'000;
  report_search("newest 200, everything", reference, search("", 0));
  report_search("newest 200 of a random hour", reference, search("", hour));
  report_search("newest 200 alerts, whole day", reference, search("type:alert", 0));
  report_search("200 dns of one site in 6 h", reference, search("type:dns", 6 * hour, {"site-7"}));
  report_search("src_ip = one address, whole day", reference, search("src_ip:10.2.17.88", 0));
  report_search("network a.b.c.0/24, 1 h", reference, search("src_ip:10.2.17.0/24", hour));
  report_search("host and event id, whole day", reference,
                search("log.host:ws777 log.fields.EventID:4625", 0));
  report_search("word once in all", reference, search(rare_word, 0));
  report_search("word nowhere", reference, search("qqqqqqqqqq", 0));
  report_search("flow_id that never was, whole day", reference, search("flow_id:123456789", 0));
  if (total > 0)
    report_search("event by id", reference, [&](bool& partial) {
      partial = !store.event(an_id);
      return Work{};
    });
  const auto count = [&](std::string text, std::int64_t length, CountQuery::By by) {
    return [&, text, length, by](bool& partial) {
      CountQuery q;
      q.search.text = text;
      if (length > 0) std::tie(q.search.from, q.search.to) = window(length);
      q.by = by;
      const auto r = store.count(q);
      partial = r && r->partial;
      return r ? r->work : Work{};
    };
  };
  report_search("count by minute and type, whole day", reference,
                count("", 0, CountQuery::By::type));
  report_search("count by minute, one site", reference,
                count("site:site-7", 0, CountQuery::By::none));
  report_search("count by minute of a word, 1 h (reads)", reference,
                count(rare_word, hour, CountQuery::By::none));
  const auto top = [&](std::string path, std::string text, std::int64_t length) {
    return [&, path, text, length](bool& partial) {
      TopQuery q;
      q.path = path;
      q.search.text = text;
      if (length > 0) std::tie(q.search.from, q.search.to) = window(length);
      const auto r = store.top(q);
      partial = r && r->partial;
      return r ? r->work : Work{};
    };
  };
  report_search("top log.service, whole day", reference, top("log.service", "", 0));
  report_search("top dest_port, 6 h", reference, top("dest_port", "", 6 * hour));
  report_search("top src_ip, 1 h", reference, top("src_ip", "", hour));
  report_search("top src_ip, whole day", reference, top("src_ip", "", 0));
  report_search("top src_ip of one site, whole day", reference, top("src_ip", "site:site-7", 0));
  report_search("top src_ip of dns, 12 h", reference, top("src_ip", "type:dns", 12 * hour));
  report_search("top dns.rrname, whole day", reference, top("dns.rrname", "", 0));

  // --- through the pipeline: check, stamp, compress, commit
  if (total > 0 && only.empty()) {
    StoreOptions second = options;
    second.folder = folder + "/pipeline";
    auto other = Store::open(second, clock, {});
    if (!other) return 1;
    auto pipeline = LocalPipeline::create({}, **other, nullptr, clock);
    const auto n = std::min<std::uint64_t>(total, 400'000);
    std::vector<Batch> batches;
    for (std::uint64_t i = 0; i < n;) {
      Batch b;
      b.site = "site-1";
      b.sensor = "s1";
      b.source = "ingest";
      b.id = ingest::BatchId{1, i + 1};
      b.received = clock.now();
      for (int k = 0; k < 1000 && i < n; ++k, ++i)
        b.events.push_back({sample(maker, i, total).json});
      batches.push_back(std::move(b));
    }
    std::atomic<std::uint64_t> done{0};
    const auto cpu = std::clock();
    const auto t = steady::now();
    for (auto& b : batches) {
      for (;;) {
        if (pipeline->stats().queue_octets < (32ULL << 20)) {
          pipeline->submit(std::move(b), [&done](CommitAnswer a) {
            done += a.kind == CommitAnswer::Kind::committed ? a.accepted : 0;
          });
          break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    pipeline->stop();
    const auto wall = seconds_since(t);
    std::printf("pipeline without rules: %.0f events/s (%llu), %.2f cores\n",
                static_cast<double>(done) / wall, static_cast<unsigned long long>(done.load()),
                static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / wall);
  }
  opened->reset();
  if (own) std::filesystem::remove_all(folder);
  return 0;
}
