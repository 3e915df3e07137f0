#pragma once
/// What the engine remembers between packets. Per flow: FlowData, owned by the flow, one thread.
/// Across flows and threads: SharedState, sharded and hard-capped.
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "rules/signature/rule.hpp"

namespace ww::sig {

class Dataset;

/// Names of bits, ints and variables as numbers. Process-wide, so that they survive a reload.
/// Called while rules load.
[[nodiscard]] std::uint32_t variable_id(std::string_view name);
[[nodiscard]] std::string variable_name(std::uint32_t id);

/// Kept with each flow once a rule needs it.
class FlowData final : public EngineState {
 public:
  static constexpr std::size_t max_vars = 64, max_value_octets = 1024;
  static FlowData& of(Flow& flow) {
    if (!flow.engine) flow.engine = std::make_unique<FlowData>();
    return static_cast<FlowData&>(*flow.engine);
  }
  [[nodiscard]] bool bit(std::uint32_t id) const noexcept {
    for (const auto b : bits)
      if (b == id) return true;
    return false;
  }
  void set_bit(std::uint32_t id) {
    if (!bit(id) && bits.size() < 4096) bits.push_back(id);
  }
  void clear_bit(std::uint32_t id) { std::erase(bits, id); }
  void set_var(std::uint32_t id, Bytes value);
  void set_entropy(const std::string& buffer, double value);

  std::vector<std::uint32_t> bits;  ///< flowbits, in the order they were set
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ints;  ///< flowints
  std::vector<std::pair<std::uint32_t, std::string>> vars;    ///< flowvars (pcre captures)
  std::vector<std::pair<std::string, double>> entropies;      ///< last value by buffer
  /// Directions (bit 1: to server, bit 2: to client) whose files are to be stored: of the whole
  /// flow, and of single transactions, the files to come too.
  std::uint8_t store_files = 0;
  struct StoreTx {
    std::uint64_t id;
    std::uint8_t dirs;
  };
  std::vector<StoreTx> store_tx;
  bool ip_only_done[2] = {false, false};
  bool proto_only_done[2] = {false, false};
  /// The transaction that stream alerts were last told with, and how often.
  struct StreamTx {
    std::uint64_t next_id = 0;  ///< its id plus one; 0: none yet
    std::uint32_t told = 0;
  };
  StreamTx stream_tx[2];
  struct FlowThreshold {
    std::uint64_t key = 0;
    std::int64_t start_us = 0, until_us = 0;
    std::uint32_t count = 0, next = 0;
  };
  std::vector<FlowThreshold> flow_thresholds;
  struct FrameDone {
    std::uint64_t id;
    std::int64_t inspected;
    bool closed;
  };
  std::vector<FrameDone> frames[2];
  /// Rules whose fast pattern stands in the part of the stream that is shown again with each chunk,
  /// so that a chunk is scanned once and not with all that goes before it.
  struct StreamHits {
    static constexpr std::size_t max = 128;  ///< beyond: everything shown is scanned each time
    std::uint64_t generation = 0;            ///< engine that the rule numbers belong to
    std::uint64_t scanned_to = 0;            ///< stream offset
    bool overflow = false;
    struct Hit {
      std::uint32_t rule;
      std::uint64_t until;  ///< the pattern ends at or before this stream offset
    };
    std::vector<Hit> hits;
  };
  std::unique_ptr<StreamHits> stream_hits[2];
  /// Expressions that may match in the part of the stream that was shown last (gate.hpp).
  struct StreamGates {
    std::uint64_t generation = 0;
    std::uint64_t from = 0, to = 0;  ///< stream offsets of that part
    struct Open {
      std::uint32_t number;
      std::uint64_t until;  ///< its match ends at or before this stream offset
    };
    std::vector<Open> open;
  };
  std::unique_ptr<StreamGates> stream_gates[2];
  std::vector<std::pair<std::uint64_t, std::uint32_t>>
      frame_alerts;  ///< frame id, rule: already told
  struct Tag {
    std::uint32_t left = 0;
    std::int64_t until_us = 0;
    std::uint64_t octets_left = 0;
    std::uint8_t metric = 0;
    std::uint32_t sid = 0;
  };
  std::optional<Tag> tag;
};

/// A bounded table of small counters with expiry: set-associative, oldest entry of a set makes
/// room.
class CounterTable {
 public:
  struct Key {
    std::array<std::uint8_t, 32> addresses{};
    std::uint64_t a = 0, b = 0;
    bool operator==(const Key&) const = default;
  };
  struct Entry {
    Key key;
    std::int64_t start_us = 0, until_us = 0, touched_us = 0;
    std::uint32_t count = 0, extra = 0;
    bool used = false;
  };
  explicit CounterTable(std::uint64_t max_octets);
  ~CounterTable();
  CounterTable(const CounterTable&) = delete;
  CounterTable& operator=(const CounterTable&) = delete;
  /// Runs `f(Entry&)` under the shard's lock. A new entry has used == false on entry; f keeps it by
  /// setting used.
  template <class F>
  void with(const Key& key, std::int64_t now_us, F&& f) {
    const auto h = hash(key);
    const auto set = h % sets_;
    const std::lock_guard lock(locks_[set % locks_.size()]);
    Entry* const base = entries_ + set * ways;
    Entry* victim = base;
    for (std::size_t i = 0; i < ways; ++i) {
      Entry& e = base[i];
      if (e.used && e.key == key) {
        e.touched_us = now_us;
        f(e);
        return;
      }
      if (!e.used) {
        if (victim->used) victim = &e;
      } else if (victim->used && e.touched_us < victim->touched_us) {
        victim = &e;
      }
    }
    const bool evicts = victim->used;
    Entry fresh{};
    fresh.key = key;
    fresh.touched_us = now_us;
    f(fresh);
    if (fresh.used) {
      if (evicts) evicted_.fetch_add(1, std::memory_order_relaxed);
      *victim = fresh;
    }
  }
  /// As `with`, for an entry that exists; false when there is none.
  [[nodiscard]] bool contains(const Key& key, std::int64_t now_us);
  [[nodiscard]] std::uint64_t evicted() const { return evicted_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t ways = 8;
  static std::uint64_t hash(const Key& key);
  std::size_t sets_;
  Entry* entries_;
  std::array<std::mutex, 64> locks_;
  std::atomic<std::uint64_t> evicted_{0};
};

/// Bits on hosts and pairs, thresholds, tags and datasets. Thread-safe; outlives engines.
class SharedState {
 public:
  explicit SharedState(std::uint64_t max_octets);
  ~SharedState();

  CounterTable bits;  ///< xbits and hostbits
  CounterTable thresholds;
  CounterTable host_tags;
  std::atomic<bool> tags_used{false};

  /// A dataset by name, made by `make` when new.
  std::shared_ptr<Dataset> dataset(const std::string& name) const;
  void add_dataset(const std::string& name, std::shared_ptr<Dataset> set);
  /// Writes datasets that have a `save` or `state` file.
  void save();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Dataset>> datasets_;
};

/// A value that a pcre captured for the packet under way.
struct PacketVar {
  std::uint32_t id = 0;
  std::string name;  ///< in place of `id` when the traffic named it (`pkt:key,pkt:value`)
  std::string value;
};

/// What keyword functions see while a packet is matched.
class MatchServices {
 public:
  Packet* packet = nullptr;
  Flow* flow = nullptr;
  const Rule* rule = nullptr;
  SharedState* shared = nullptr;
  Transaction* tx = nullptr;
  const std::vector<PacketVar>* packet_vars = nullptr;
  std::vector<const File*> files;  ///< those of `tx` that the rule's conditions on files chose
  Dir dir{};
  std::int64_t now_us = 0;
  std::uint64_t max_value_octets = 1024;
  /// State of the packet's flow, made on demand; null without a flow.
  [[nodiscard]] FlowData* flow_data() { return flow ? &FlowData::of(*flow) : nullptr; }
  [[nodiscard]] const FlowData* flow_data_if_any() const {
    return flow && flow->engine ? static_cast<const FlowData*>(flow->engine.get()) : nullptr;
  }
};

[[nodiscard]] CounterTable::Key address_key(std::uint64_t kind, std::uint64_t id,
                                            const IpAddress* a, const IpAddress* b);

}  // namespace ww::sig
