// A capture through the whole pipeline with every log type on, against libpcap reading the same
// file and doing nothing.
//   pipeline_bench FILE... [--rules FILE]     prints both times, their ratio (bar: 4) and the
//   resident memory (bar: 150 MiB)
#include <pcap/pcap.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "sensors/host/huge_pages.hpp"
#include "sensors/pipeline/defaults.hpp"
#include "sensors/pipeline/replay.hpp"

namespace {

/// Processor time: other programs on the machine must not count.
struct Clock {
  using duration = std::chrono::nanoseconds;
  static duration now() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  }
};

class Count final : public ww::sensor::EventSink {
 public:
  void write(std::string_view lines) override { octets += lines.size(); }
  std::uint64_t octets = 0;
};

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

int main(int argc, char** argv) {
  ww::sensor::prefer_huge_pages();  // as the programs do
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) files.emplace_back(argv[i]);
  if (files.empty()) {
    std::fprintf(stderr, "usage: pipeline_bench FILE...\n");
    return 2;
  }
  double best_idle = 1e9, best_full = 1e9;
  std::uint64_t packets = 0, octets = 0;
  for (int round = 0; round < 3; ++round) {
    auto from = Clock::now();
    packets = 0;
    for (const auto& f : files) {
      char error[PCAP_ERRBUF_SIZE];
      auto* p = pcap_open_offline(f.c_str(), error);
      if (p == nullptr) {
        std::fprintf(stderr, "%s\n", error);
        return 2;
      }
      pcap_pkthdr* header = nullptr;
      const u_char* data = nullptr;
      while (pcap_next_ex(p, &header, &data) == 1) ++packets;
      pcap_close(p);
    }
    best_idle = std::min(best_idle, seconds(Clock::now() - from));

    from = Clock::now();
    ww::Settings settings;
    ww::sensor::add_default_settings(settings);
    ww::sensor::PipelineShared shared(settings);
    shared.files.window = 0;  // as a replay without rules: nobody looks at bodies
    auto sink = std::make_shared<Count>();
    const std::vector<std::shared_ptr<ww::sensor::EventSink>> sinks(shared.eve.outputs().size(),
                                                                    sink);
    auto source = ww::capture::open_files(files);
    if (!source) return 2;
    (void)ww::sensor::replay(**source, shared, sinks, nullptr);
    best_full = std::min(best_full, seconds(Clock::now() - from));
    octets = sink->octets;
  }
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  std::printf("%llu packets, %llu octets of events\n", static_cast<unsigned long long>(packets),
              static_cast<unsigned long long>(octets));
  std::printf(
      "libpcap alone  %.3f s\nfull logging   %.3f s (%.0f packets/s)\nratio          %.2f (bar "
      "4)\n",
      best_idle, best_full, static_cast<double>(packets) / best_full, best_full / best_idle);
  std::printf("resident       %.0f MiB (bar 150)\n", static_cast<double>(use.ru_maxrss) / 1024);
  return 0;
}
