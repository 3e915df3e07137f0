#pragma once
/// A numbered stream of events of one sensor, the same every time: what exactly-once is checked on.
#include <string>

#include "collector/ingest/pipeline.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector::test {

inline constexpr std::int64_t stream_start = 1'795'305'600'000'000;  // 2026-11-22T00:00:00Z

inline std::string numbered_id(const std::string& sensor, std::uint64_t n) {
  char b[64];
  const auto ms = static_cast<unsigned long long>(stream_start / 1000) + n;
  std::snprintf(b, sizeof b, "%08llx-%04llx-7%03llx-8%03x-%012llx", ms >> 16, ms & 0xffff,
                static_cast<unsigned long long>(n >> 24) & 0xfff,
                static_cast<unsigned>(sensor.back()), static_cast<unsigned long long>(n));
  return b;
}

inline std::string numbered_event(const std::string& sensor, std::uint64_t n) {
  std::string out;
  JsonWriter j(out);
  j.begin_object();
  j.field("timestamp", eve_time({stream_start + static_cast<std::int64_t>(n) * 1000}));
  // Several classes, so that one commit touches several files.
  j.field("event_type", n % 10 == 0 ? "alert" : n % 3 == 0 ? "dns" : n % 7 == 0 ? "flow" : "log");
  j.field("n", n);
  if (n % 10 == 0) {
    j.begin_object("alert");
    j.field("signature_id", std::uint64_t{2'000'001});
    j.field("signature", "numbered");
    j.field("severity", std::uint64_t{2});
    j.end_object();
    j.field("src_ip", "10.0.0." + std::to_string(n / 10 % 4));
  }
  j.begin_object("ww");
  j.field("id", numbered_id(sensor, n));
  j.field("epoch", std::uint64_t{1});
  j.field("seq", n);
  j.end_object();
  j.end_object();
  return out;
}

/// Events first..last as a batch.
inline Batch numbered_batch(const std::string& sensor, std::uint64_t first, std::uint64_t last) {
  Batch b;
  b.site = "royal-hill";
  b.sensor = sensor;
  b.source = "ingest";
  b.id = ingest::BatchId{1, first};
  b.received = {stream_start + 3'600'000'000};
  for (auto n = first; n <= last; ++n) b.events.push_back({numbered_event(sensor, n)});
  return b;
}

}  // namespace ww::collector::test
