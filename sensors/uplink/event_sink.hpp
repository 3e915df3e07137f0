#pragma once
/// Where every event of the sensor goes: envelope, privacy stage, spool. Producers: packet workers,
/// log inputs, probes.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/clock.hpp"

namespace ww {

/// Events of one producer that become durable together or not at all, with what the producer must
/// remember about them (a file position): after a crash either both are there or neither.
struct EventGroup {
  std::string lines;  ///< each event one JSON object ending in '\n', without the `ww` member
  std::uint32_t events = 0;
  /// Producer's memory: key to value; an empty value forgets the key. Written in the same commit.
  std::vector<std::pair<std::string, std::string>> state;
  /// Id of a drill run: the events are a rehearsal and are marked so (`ww.drill`, `ww.drill_run`).
  std::string drill;

  void add(std::string_view json) {
    lines += json;
    lines += '\n';
    ++events;
  }
  void clear() {
    lines.clear();
    events = 0;
    state.clear();
    drill.clear();
  }
  [[nodiscard]] bool empty() const { return events == 0 && state.empty(); }
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Takes a group whole or refuses it whole (disk full, spool stopped). A refused group is the
  /// caller's to keep and offer again, or to drop and count. Threads: any. Cost: one lock per
  /// group, so send groups of about 64 KiB.
  [[nodiscard]] virtual bool submit(const EventGroup& group) = 0;
  /// Offers one event and counts it as dropped when refused: for producers that cannot wait
  /// (packets).
  virtual void submit_or_drop(std::string_view json, std::string_view reason) = 0;
  /// What a producer stored under a key in an earlier run, or "".
  [[nodiscard]] virtual std::string recall(std::string_view key) const = 0;
  /// All keys that start with a prefix, with their values.
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> recall_all(
      std::string_view prefix) const = 0;
  /// Everything taken so far is on the disk when this returns true; until then the end of the
  /// process may take it along, events and state together. For what must be known before it is
  /// acted on. Threads: any. Cost: an fsync. This one is of sinks that hold nothing back.
  virtual bool sync() { return true; }
};

class Privacy;
class Spool;

struct SinkOptions {
  std::string site, sensor;
  std::chrono::milliseconds sync_interval{200};  ///< as the spool's
};

struct SinkStats {
  std::uint64_t events = 0, octets = 0;
  std::uint64_t refused_groups = 0;  ///< the disk did not take them; their producers keep them
  std::map<std::string, std::uint64_t> dropped;  ///< by reason, from submit_or_drop
};

/// The sink that writes to the spool. Its own thread syncs what waits.
class SpoolSink : public EventSink {
 public:
  /// @param spool    outlives the sink; nobody else writes to it
  /// @param privacy  outlives the sink; null: nothing is tokenised
  [[nodiscard]] static std::unique_ptr<SpoolSink> make(SinkOptions options, Spool& spool,
                                                       const Privacy* privacy, const Clock& clock);
  /// Starts the syncing thread. Until then groups are taken and written, but only bounds in octets
  /// sync them: a process that still has to give up privileges (which needs a single thread) calls
  /// this afterwards.
  virtual void start() = 0;
  [[nodiscard]] virtual SinkStats stats() const = 0;
  /// Called (on the syncing thread) whenever new events became readable.
  virtual void on_synced(std::function<void()> notify) = 0;
};

}  // namespace ww
