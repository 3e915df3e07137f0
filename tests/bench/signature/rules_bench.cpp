/// What signatures cost on a capture, against a floor measured in the same run: reading the file
/// with libpcap and one Vectorscan block scan of every TCP and UDP payload for the fast patterns of
/// all rules.
///   rules_bench CAPTURE --rules FILE [--counts 0,1000,5000,15000] [--cache FOLDER]
/// Every line is a process of its own, so that resident memory is that line's. Times are processor
/// time. Bars: total at most 3 times the floor, 250 MiB, start 1 s from the cache and 15 s cold.
#include <hs.h>
#include <pcap/pcap.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "sensors/host/huge_pages.hpp"
#include "sensors/pipeline/replay.hpp"
#include "sensors/setup/options.hpp"

namespace {

struct Figures {
  double load = 0, run = 0;
  std::uint64_t packets = 0, octets = 0, events = 0, alerts = 0, rules = 0;
  long peak_kib = 0;
  bool ok = false;
};

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

/// Runs `work` in a child and brings its figures back.
Figures apart(const std::function<void(Figures&)>& work) {
  int ends[2];
  Figures f;
  if (pipe(ends) != 0) return f;
  const auto child = fork();
  if (child == 0) {
    work(f);
    rusage use{};
    getrusage(RUSAGE_SELF, &use);
    f.peak_kib = use.ru_maxrss;
    f.ok = true;
    const bool sent = write(ends[1], &f, sizeof f) == static_cast<ssize_t>(sizeof f);
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  if (read(ends[0], &f, sizeof f) != static_cast<ssize_t>(sizeof f)) f.ok = false;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return f;
}

/// TCP or UDP payload of an Ethernet/IPv4 frame; empty for anything else (the made-up capture has
/// nothing else).
std::pair<const u_char*, std::size_t> payload(const u_char* data, std::size_t n) {
  if (n < 34 || data[12] != 8 || data[13] != 0) return {nullptr, 0};
  const std::size_t ip = 14, header = (data[ip] & 15U) * 4U;
  const std::size_t total = static_cast<std::size_t>(data[ip + 2]) << 8 | data[ip + 3];
  const auto end = std::min(n, ip + total);
  std::size_t at = ip + header;
  if (data[ip + 9] == 6 && at + 20 <= end)
    at += static_cast<std::size_t>(data[at + 12] >> 4) * 4;
  else if (data[ip + 9] == 17)
    at += 8;
  else
    return {nullptr, 0};
  return at < end ? std::pair{data + at, end - at} : std::pair<const u_char*, std::size_t>{};
}

void read_capture(const std::string& file, Figures& f,
                  const std::function<void(const u_char*, std::size_t)>& use) {
  char error[PCAP_ERRBUF_SIZE];
  auto* p = pcap_open_offline(file.c_str(), error);
  if (p == nullptr) {
    std::fprintf(stderr, "%s\n", error);
    _exit(2);
  }
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  while (pcap_next_ex(p, &header, &data) == 1) {
    ++f.packets;
    f.octets += header->caplen;
    if (use) use(data, header->caplen);
  }
  pcap_close(p);
}

hs_database_t* compile(const ww::sig::Engine& engine) {
  std::set<std::string> all;
  for (std::size_t i = 0; i < engine.rule_count(); ++i)
    if (const auto p = engine.fast_pattern(i); !p.empty()) all.emplace(p);
  std::vector<const char*> text;
  std::vector<std::size_t> lengths;
  std::vector<unsigned> flags, ids;
  for (const auto& p : all) {
    text.push_back(p.data());
    lengths.push_back(p.size());
    flags.push_back(HS_FLAG_SINGLEMATCH | HS_FLAG_CASELESS);
    ids.push_back(static_cast<unsigned>(ids.size()));
  }
  hs_database_t* db = nullptr;
  hs_compile_error_t* problem = nullptr;
  if (hs_compile_lit_multi(text.data(), flags.data(), ids.data(), lengths.data(),
                           static_cast<unsigned>(text.size()), HS_MODE_BLOCK, nullptr, &db,
                           &problem) != HS_SUCCESS) {
    std::fprintf(stderr, "the floor's patterns do not compile\n");
    _exit(2);
  }
  std::printf("floor: %zu fast patterns in one database\n", all.size());
  std::fflush(stdout);
  return db;
}

/// The first `count` rules of a file, in a file of their own.
std::string first_rules(const std::string& file, std::size_t count) {
  const auto out = std::string("/tmp/rules_bench_") + std::to_string(getpid()) + ".rules";
  std::ifstream in(file);
  std::ofstream to(out);
  std::size_t n = 0;
  for (std::string line; n < count && std::getline(in, line);)
    if (line.starts_with("alert") || line.starts_with("drop")) {
      to << line << '\n';
      ++n;
    }
  return out;
}

class Count final : public ww::sensor::EventSink {
 public:
  void write(std::string_view) override {}
};

void whole(const std::string& capture, const std::string& rules, const std::string& cache,
           Figures& f) {
  ww::sensor::CommonArguments a;
  if (!rules.empty()) a.rules = {rules};
  if (!cache.empty()) a.sets = {"detect.cache-folder=" + cache};
  auto settings = ww::sensor::load_suricata_settings(a);
  if (!settings) _exit(2);
  auto from = processor_seconds();
  auto engine = ww::sensor::load_rules(a, *settings, 0);
  if (!engine) _exit(2);
  f.load = processor_seconds() - from;
  ww::sensor::PipelineShared shared(*settings);
  if (*engine) {
    f.rules = (*engine)->rule_count();
    shared.files.md5 = (*engine)->wants_md5();
    shared.files.sha1 = (*engine)->wants_sha1();
    shared.files.sha256 = (*engine)->wants_sha256();
    shared.files.magic = (*engine)->wants_magic();
  } else {
    shared.files.window = 0;
  }
  const std::vector<std::shared_ptr<ww::sensor::EventSink>> sinks(shared.eve.outputs().size(),
                                                                  std::make_shared<Count>());
  auto source = ww::capture::open_files({capture});
  if (!source) _exit(2);
  from = processor_seconds();
  const auto result = ww::sensor::replay(**source, shared, sinks, *engine);
  f.run = processor_seconds() - from;
  f.packets = result.packets;
  f.octets = result.octets;
  for (const auto& w : result.workers) {
    f.events += w.events_written;
    f.alerts += w.alerts;
  }
}

}  // namespace

int main(int argc, char** argv) {
  ww::sensor::prefer_huge_pages();  // as the programs do
  std::string capture, rules, cache, counts = "0,1000,5000,15000,22000";
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    const bool more = i + 1 < argc;
    if (a == "--rules" && more)
      rules = argv[++i];
    else if (a == "--cache" && more)
      cache = argv[++i];
    else if (a == "--counts" && more)
      counts = argv[++i];
    else
      capture = a;
  }
  if (capture.empty() || rules.empty()) {
    std::fprintf(stderr,
                 "usage: rules_bench CAPTURE --rules FILE [--counts 0,1000] [--cache DIR]\n");
    return 2;
  }
  const auto reading = apart([&](Figures& f) {
    const auto from = processor_seconds();
    read_capture(capture, f, {});
    f.run = processor_seconds() - from;
  });
  const auto floor = apart([&](Figures& f) {
    ww::sensor::CommonArguments a;
    a.rules = {rules};
    auto settings = ww::sensor::load_suricata_settings(a);
    if (!settings) _exit(2);
    auto engine = ww::sensor::load_rules(a, *settings, 0);
    if (!engine || !*engine) _exit(2);
    auto* db = compile(**engine);
    hs_scratch_t* scratch = nullptr;
    hs_alloc_scratch(db, &scratch);
    const auto from = processor_seconds();
    read_capture(capture, f, [&](const u_char* data, std::size_t n) {
      const auto [p, length] = payload(data, n);
      if (length == 0) return;
      hs_scan(
          db, reinterpret_cast<const char*>(p), static_cast<unsigned>(length), 0, scratch,
          [](unsigned, unsigned long long, unsigned long long, unsigned, void*) { return 0; },
          nullptr);
    });
    f.run = processor_seconds() - from;
  });
  if (!reading.ok || !floor.ok) return 2;
  std::printf(
      "%llu packets, %llu octets\nlibpcap alone            %8.3f s\nlibpcap and one scan     %8.3f "
      "s   (the floor)\n",
      static_cast<unsigned long long>(reading.packets),
      static_cast<unsigned long long>(reading.octets), reading.run, floor.run);
  std::printf("%8s %9s %9s %12s %9s %9s %9s %8s\n", "rules", "load s", "run s", "packets/s", "MB/s",
              "x floor", "peak MiB", "alerts");
  for (std::size_t at = 0; at < counts.size();) {
    const auto comma = std::min(counts.find(',', at), counts.size());
    const auto n = std::strtoull(counts.substr(at, comma - at).c_str(), nullptr, 10);
    at = comma + 1;
    const auto subset = n == 0 ? std::string() : first_rules(rules, n);
    for (int round = 0; round < (cache.empty() || n == 0 ? 1 : 2); ++round) {
      const auto f = apart([&](Figures& x) { whole(capture, subset, cache, x); });
      if (!f.ok) return 2;
      std::printf("%8llu %9.3f %9.3f %12.0f %9.0f %9.2f %9.0f %8llu\n",
                  static_cast<unsigned long long>(f.rules), f.load, f.run,
                  static_cast<double>(f.packets) / f.run,
                  static_cast<double>(f.octets) / f.run / 1e6, f.run / floor.run,
                  static_cast<double>(f.peak_kib) / 1024,
                  static_cast<unsigned long long>(f.alerts));
      std::fflush(stdout);
    }
    if (!subset.empty()) unlink(subset.c_str());
  }
  return 0;
}
