#pragma once
/// One direction of a TCP connection as octets at absolute offsets: in order, with holes, overlaps
/// resolved by the receiving host's policy. Offsets are 64 bit and count from the first payload
/// octet (sequence ISN + 1).
///
/// The buffer keeps the boundaries of the segments it was given, because policies decide by where
/// the earlier and the later segment start and end. Memory is accounted to a shared budget; data
/// beyond it is refused and counted.
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::sensor {

/// Whose stack resolves overlaps (stream and defragmentation share the names of `host-os-policy`).
enum class OverlapPolicy : std::uint8_t {
  bsd,
  old_linux,
  linux_new,
  solaris,
  hpux10,
  hpux11,
  irix,
  macos,
  windows,
  vista,
  windows2k3,
  first,
  last
};
[[nodiscard]] std::optional<OverlapPolicy> overlap_policy(std::string_view name);

/// Octets of reassembly data all streams of one worker may hold (stream.reassembly.memcap /
/// workers).
struct MemoryBudget {
  std::uint64_t limit = 0;  ///< 0 = none
  std::uint64_t used = 0;
  std::uint64_t refused = 0;  ///< times something did not fit
  [[nodiscard]] bool take(std::uint64_t octets) {
    if (limit != 0 && used + octets > limit) {
      ++refused;
      return false;
    }
    used += octets;
    return true;
  }
  void give(std::uint64_t octets) { used -= octets < used ? octets : used; }
};

class StreamBuffer {
 public:
  struct Insert {
    bool stored = false;           ///< at least one octet was new or replaced
    bool memory = false;           ///< refused: memory budget
    bool too_many = false;         ///< refused: too many separate regions
    bool overlap = false;          ///< met octets that were there
    bool overlap_differs = false;  ///< and at least one of them was different
  };
  struct Block {
    Bytes data;
    std::uint64_t offset = 0;
  };
  struct Segment {
    std::uint64_t start = 0;
    std::uint32_t length = 0;
    [[nodiscard]] std::uint64_t end() const { return start + length; }
  };

  explicit StreamBuffer(MemoryBudget* budget = nullptr) : budget_(budget) {}
  ~StreamBuffer() { clear(); }
  StreamBuffer(StreamBuffer&& other) noexcept;
  StreamBuffer& operator=(StreamBuffer&& other) noexcept;
  StreamBuffer(const StreamBuffer&) = delete;
  StreamBuffer& operator=(const StreamBuffer&) = delete;

  /// Takes a segment; octets before base() are dropped. `final` says up to which offset data was
  /// already handed on and must not change whatever the policy.
  Insert insert(std::uint64_t offset, Bytes data, OverlapPolicy policy, std::uint64_t final,
                std::size_t max_regions);

  /// Contiguous octets from `offset` on; empty when that octet is missing.
  [[nodiscard]] Bytes at(std::uint64_t offset) const;
  /// Offset of the first held octet at or after `offset`; nothing when there is none.
  [[nodiscard]] std::optional<std::uint64_t> next_held(std::uint64_t offset) const;
  /// The block that holds `offset` or the first one behind it.
  [[nodiscard]] std::optional<Block> block_from(std::uint64_t offset) const;

  /// Forgets everything before `offset`: segments go when they end at or before it.
  void release(std::uint64_t offset);
  void clear();

  [[nodiscard]] std::uint64_t base() const { return base_; }
  [[nodiscard]] bool empty() const { return regions_.empty(); }
  [[nodiscard]] std::uint64_t right_edge() const;  ///< end of the last held octet (base when empty)
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
  [[nodiscard]] std::size_t regions() const { return regions_.size(); }
  [[nodiscard]] std::uint64_t memory() const { return held_; }
  [[nodiscard]] bool has_seen_data() const { return seen_data_; }
  [[nodiscard]] std::size_t max_regions_seen() const { return max_regions_seen_; }

 private:
  struct Region {
    std::uint64_t start = 0;
    std::vector<std::uint8_t> octets;
    std::size_t head = 0;  ///< octets released from the front and not yet moved
    [[nodiscard]] std::uint64_t end() const { return start + octets.size() - head; }
    [[nodiscard]] std::size_t size() const { return octets.size() - head; }
    [[nodiscard]] const std::uint8_t* data() const { return octets.data() + head; }
    [[nodiscard]] std::uint8_t* data() { return octets.data() + head; }
    void append(const std::uint8_t* from, std::size_t n);
    void drop_front(std::size_t n);
  };
  void add_segment(std::uint64_t start, std::uint32_t length);
  bool write_missing(std::uint64_t offset, Bytes data, std::size_t max_regions, Insert& result);
  void overwrite(std::uint64_t from, std::uint64_t to, std::uint64_t offset, Bytes data);
  std::size_t region_after(std::uint64_t offset) const;  ///< first region that ends after offset
  void account();

  std::uint64_t base_ = 0;
  std::vector<Region> regions_;    // sorted, never touching
  std::vector<Segment> segments_;  // sorted by start, then by arrival
  std::uint64_t held_ = 0;
  MemoryBudget* budget_;
  bool seen_data_ = false;
  std::size_t max_regions_seen_ = 0;
};

}  // namespace ww::sensor
