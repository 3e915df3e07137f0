/// Correlations over many live groups: matches a second, memory, and what saving and restoring the
/// state costs.
///
///   correlation_bench [--groups N] [--matches N] [--max-mib N]
///
/// Every match is one of N users at a moment of its own within one window, so all groups are alive
/// at once. The first round makes the groups, then matches go on over them in random order. The
/// reference line, in the same run, is hashing the same events with FNV-1a octet by octet.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "rules/sigma/sigma.hpp"
#include "tests/bench/sigma/measure.hpp"

namespace {

using ww::bench::resident_mib;
using ww::bench::seconds;

constexpr const char* rules = R"(title: Logon
id: 5b1f2f5a-0a53-4c4e-9a7e-0b5c7c1f0a01
name: logon
logsource: {category: authentication}
detection:
  selection:
    kind: logon
  condition: selection
---
title: One user from many machines
id: 5b1f2f5a-0a53-4c4e-9a7e-0b5c7c1f0a02
correlation:
  type: value_count
  rules: [logon]
  group-by: [user]
  timespan: 7d
  condition: {field: machine, gte: 1000}
)";

std::string event(std::uint64_t user, std::uint64_t serial) {
  const auto second = serial / 10'000 % 60, minute = serial / 600'000 % 60;
  char text[256];
  std::snprintf(
      text, sizeof text,
      R"({"@timestamp":"2026-11-22T08:%02d:%02d.%04dZ","kind":"logon","user":"user-%08llu","machine":"ws-%llu"})",
      static_cast<int>(minute), static_cast<int>(second), static_cast<int>(serial % 10'000),
      static_cast<unsigned long long>(user), static_cast<unsigned long long>(serial % 7919));
  return text;
}

std::string uuid(std::uint64_t serial) {
  char text[40];
  std::snprintf(text, sizeof text, "0193f2a4-%04llx-7abc-8def-%012llx",
                static_cast<unsigned long long>(serial >> 16 & 0xffff),
                static_cast<unsigned long long>(serial));
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t groups = 1'000'000, matches = 1'000'000;
  ww::sigma::CorrelatorLimits limits;
  limits.keep_log = true;
  for (int i = 1; i + 1 < argc; i += 2) {
    const auto n = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--groups") == 0) groups = n;
    if (std::strcmp(argv[i], "--matches") == 0) matches = n;
    if (std::strcmp(argv[i], "--max-mib") == 0) limits.max_octets = n << 20U;
  }
  ww::sigma::LoadReport report;
  auto engine = ww::sigma::Engine::from_texts({{"bench.yml", rules}}, {}, report);
  if (!engine || report.refused != 0) {
    std::fprintf(stderr, "the benchmark's rules do not load\n");
    return 1;
  }
  auto correlator = ww::sigma::Correlator::create(*engine, limits);
  const auto* rule = &(*engine)->rules()[0];
  const double before = resident_mib();
  std::mt19937_64 random(7);
  std::vector<ww::sigma::CorrelationMatch> fired;
  std::uint64_t serial = 0;
  // As the collector keeps it: slices by number, logs until slices cover them.
  std::map<std::uint32_t, std::string> slices;
  std::map<std::uint64_t, std::string> logs;
  double keeping = 0, longest = 0;
  std::size_t kept_octets = 0;
  const auto keep = [&] {
    const double start = seconds();
    auto change = correlator->take_change();
    const double took = seconds() - start;
    keeping += took;
    longest = std::max(longest, took);
    kept_octets += change.log.size();
    if (!change.log.empty()) logs[change.serial] = std::move(change.log);
    for (auto& s : change.slices) {
      kept_octets += s.state.size();
      slices[s.number] = std::move(s.state);
    }
    logs.erase(logs.begin(), logs.upper_bound(change.covered));
  };
  const auto round = [&](std::uint64_t count, bool fresh) {
    constexpr std::size_t batch = 4096;
    std::vector<std::string> events, ids;
    double took = 0;
    for (std::uint64_t done = 0; done < count;) {
      events.clear();
      ids.clear();
      for (; events.size() < batch && done < count; ++done, ++serial) {
        events.push_back(event(fresh ? done : random() % groups, serial));
        ids.push_back(uuid(serial));
      }
      const double start = seconds();
      for (std::size_t i = 0; i < events.size(); ++i)
        correlator->add({rule, 0}, events[i], ids[i], fired);
      keep();
      took += seconds() - start;
    }
    return static_cast<double>(count) / took;
  };
  const double fill = round(groups, true);
  std::printf("new groups: %.0f matches/s\n", fill);
  std::printf("%zu groups live, %.0f octets each by our count, memory +%.0f MiB, evicted %llu\n",
              correlator->groups(),
              static_cast<double>(correlator->octets()) / static_cast<double>(correlator->groups()),
              resident_mib() - before, static_cast<unsigned long long>(correlator->evicted()));
  const double steady = round(matches, false);
  const double resident = resident_mib() - before;
  double start = seconds();
  auto again = ww::sigma::Correlator::create(*engine, limits);
  bool restored = true;
  std::size_t slice_octets = 0, log_octets = 0;
  for (const auto& [number, state] : slices) {
    restored = again->load_slice(number, state).has_value() && restored;
    slice_octets += state.size();
  }
  for (const auto& [last, log] : logs) {
    restored = again->load_log(log).has_value() && restored;
    log_octets += log.size();
  }
  restored = restored && again->groups() == correlator->groups();
  const double restore = seconds() - start;
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  start = seconds();
  for (std::uint64_t i = 0; i < 200'000; ++i)
    for (const char c : event(i, i))
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  const double reference = 200'000 / (seconds() - start);
  std::printf(
      "over live groups: %.0f matches/s, %zu groups, memory +%.0f MiB, evicted %llu, fired %zu\n",
      steady, correlator->groups(), resident,
      static_cast<unsigned long long>(correlator->evicted()), fired.size());
  std::printf(
      "saved: %.1f MB of slices and %.1f MB of log, %.0f octets written a match, %.2f s in all, "
      "longest %.1f ms; restore %.2f s (%s)\n",
      static_cast<double>(slice_octets) / 1e6, static_cast<double>(log_octets) / 1e6,
      static_cast<double>(kept_octets) / static_cast<double>(groups + matches), keeping,
      longest * 1e3, restore, restored ? "whole" : "FAILED");
  std::printf("reference: making and hashing an event %.0f/s (%llx); correlation at %.2f of it\n",
              reference, static_cast<unsigned long long>(hash), steady / reference);
  return restored ? 0 : 1;
}
