// A collector's inside without its network: sends the numbered streams of two sensors through the
// pipeline from where the store says they end, until it is killed or done. Prints each
// acknowledgement, so that the test knows what was promised.  usage: kill_target FOLDER LAST_NUMBER
// SEED
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>

#include "collector/detect/detect.hpp"
#include "collector/ingest/pipeline_local.hpp"
#include "tests/collector/pipeline/numbered.hpp"

using namespace ww;
using namespace ww::collector;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string folder = argv[1];
  const auto last = std::strtoull(argv[2], nullptr, 10);
  std::mt19937 random(static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)));
  ManualClock clock;
  clock.set({test::stream_start + 3'600'000'000});
  auto alerts = AlertBook::create(clock);
  auto detector = Detector::create({}, clock, *alerts);
  StoreOptions options;
  options.folder = folder;
  options.block_events = 8;                    // many blocks, so that runs of them are made too
  options.journal_segment_octets = 256 << 10;  // segments are closed and deleted often
  auto store = Store::open(options, clock, {alerts->module(), detector->module()});
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().text().c_str());
    return 3;
  }
  alerts->attach((*store)->control());
  if (!detector->start(**store)) return 3;
  PipelineOptions pipeline_options;
  pipeline_options.group_events = 700;
  auto pipeline = LocalPipeline::create(pipeline_options, **store, detector.get(), clock);

  std::mutex mutex;
  std::condition_variable changed;
  int in_flight = 0;
  const std::string sensors[] = {"net-1", "log-2"};
  std::uint64_t next[2];
  for (int s = 0; s < 2; ++s) {
    const auto at = (*store)->cursor("royal-hill", sensors[s]);
    next[s] = at ? at->seq + 1 : 1;
  }
  while (next[0] <= last || next[1] <= last) {
    for (int s = 0; s < 2; ++s) {
      if (next[s] > last) continue;
      // Now and then a batch begins before what is stored, as after a lost answer.
      auto first = next[s];
      if (random() % 4 == 0 && first > 30) first -= random() % 30;
      const auto to = std::min<std::uint64_t>(last, next[s] + random() % 120);
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return in_flight < 6; });
        ++in_flight;
      }
      pipeline->submit(test::numbered_batch(sensors[s], first, to), [&, s](CommitAnswer a) {
        if (a.kind == CommitAnswer::Kind::committed) {
          char line[64];
          const int n = std::snprintf(line, sizeof line, "%d %llu\n", s,
                                      static_cast<unsigned long long>(a.ack));
          if (::write(STDOUT_FILENO, line, static_cast<std::size_t>(n)) != n) std::abort();
        } else {
          std::fprintf(stderr, "refused: %d %s\n", static_cast<int>(a.kind), a.error.c_str());
          std::abort();
        }
        const std::lock_guard lock(mutex);
        --in_flight;
        changed.notify_one();
      });
      next[s] = to + 1;
    }
    if (random() % 16 == 0) (*store)->maintain();
  }
  pipeline->stop();
  return 0;
}
