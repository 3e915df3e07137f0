#pragma once
/// Facets of a run: what the facet rows of many consecutive blocks say together, so that the top
/// values of a long time read one row for a quarter of a million events and not one for each block.
///
/// A run covers blocks, not hours: a block never changes once it is there, so neither does a run,
/// and events that come late are in a later block and its run. Which times a run covers is seen
/// from its bounds, as with a block.
///
/// Encoded counts: u8 version, the number of blocks left out and their ids (each as the distance
/// from the one before), the number of values, the octets of all values, then for each value in the
/// order of their octets: how many octets it begins with of the value before, the rest, its events.
/// Encoded by stream: nothing when that is not known, else the number of streams and for each its
/// id and the number of its values; none, where there is one stream, means all with all events.
/// Each value is the distance from the one before times two, plus one when it has more events than
/// one, which follow as the number beyond two.
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/store/block.hpp"
#include "collector/store/codec.hpp"
#include "collector/store/value_counts.hpp"

namespace ww::collector {

/// How many blocks the runs of each level cover; a run begins at a block whose id is a multiple. On
/// disk: never change them.
inline constexpr std::array<std::uint32_t, 2> run_blocks{256, 4096};

struct RunFacetRow {
  std::string counts, by_stream;
};

/// Reads one run's row for one path; keeps its buffers. What it gives is valid until the next read.
class RunFacet {
 public:
  static constexpr std::size_t max_text = 64U << 20;

  /// @return false when it is damaged or foreign: its blocks tell the same
  [[nodiscard]] bool read(std::string_view counts);
  /// Leaves only the events of wanted streams in values().
  /// @return false when that is not known or damaged; values() are then of no use
  [[nodiscard]] bool keep(std::string_view by_stream, const std::function<bool(StreamId)>& wanted);
  /// Calls each(stream, index of the value, events). @return false as keep() does
  template <class F>
  [[nodiscard]] bool for_each_pair(std::string_view by_stream, F each) const;

  /// The values with their events; their streams say nothing.
  [[nodiscard]] const std::vector<FacetCount>& values() const { return values_; }
  /// Blocks that are not counted here, as their own rows do not cover every value.
  [[nodiscard]] const std::vector<std::uint32_t>& left_out() const { return left_out_; }

 private:
  std::string text_;
  std::vector<FacetCount> values_;
  std::vector<std::uint32_t> left_out_;
};

/// Makes one run's row for one path.
class RunFacetBuilder {
 public:
  /// Beyond these there is no row, and beyond max_pairs none by stream: while a run is written, its
  /// builder holds at most some 50 MiB.
  static constexpr ValueCounts::Bounds bounds{.values = 200'000, .octets = 8U << 20};
  static constexpr std::size_t max_pairs = 1U << 19;

  RunFacetBuilder() : counts_(bounds) {}
  /// @param row  what the block has for the path; none when it was no facet then
  void add_block(std::uint32_t id, std::optional<std::string_view> row);
  /// @param blocks  how many it covers
  void add_run(std::size_t blocks, std::string_view counts, std::string_view by_stream);
  /// None when a row would save too little: it must be half as long as what was added.
  [[nodiscard]] std::optional<RunFacetRow> finish();

 private:
  struct Pair {
    std::uint64_t key;  // stream, then number of the value
    std::uint64_t events;
  };
  void add_pair(StreamId stream, std::uint32_t number, std::uint64_t events);
  void merge_pairs();
  /// The numbers of the values in the order of their octets.
  [[nodiscard]] std::vector<std::uint32_t> ordered() const;
  [[nodiscard]] std::string encode_counts(const std::vector<std::uint32_t>& order) const;
  [[nodiscard]] std::string encode_streams(const std::vector<std::uint32_t>& order);

  ValueCounts counts_;
  std::vector<Pair> pairs_, spare_;
  std::vector<std::uint32_t> left_out_;
  std::vector<FacetCount> facet_;
  std::vector<std::uint32_t> numbers_;
  RunFacet run_;
  std::size_t blocks_ = 0;
  std::size_t octets_ = 0;  // of all rows added
  bool complete_ = true, by_stream_ = true;
};

template <class F>
bool RunFacet::for_each_pair(std::string_view by_stream, F each) const {
  Decoder in(by_stream);
  const auto streams = in.count();
  for (std::size_t s = 0; s < streams; ++s) {
    const auto stream = static_cast<StreamId>(in.var());
    const auto values = in.count();
    if (!in.ok()) return false;
    if (values == 0) {
      if (streams != 1) return false;
      for (std::size_t i = 0; i < values_.size(); ++i) each(stream, i, values_[i].events);
      continue;
    }
    std::uint64_t next = 0;
    for (std::size_t n = 0; n < values; ++n) {
      const auto v = in.var();
      next += v >> 1;
      if (next >= values_.size()) return false;
      each(stream, static_cast<std::size_t>(next++), (v & 1) != 0 ? in.var() + 2 : 1);
    }
  }
  return in.ok() && !by_stream.empty();
}

}  // namespace ww::collector
