#pragma once
/// A block: some hundred events, compressed together, with what lets a search pass over it unread.
///
/// Body before compression: u32 version, u32 n, n x (i64 time, u32 stream, u32 length), then the
/// JSON texts. Filter: a blocked Bloom filter (512-bit lines, 4 bits a token) over words and
/// path=value pairs. Facets: for chosen paths, how often each value occurs by stream, so that "top
/// values" reads no events. Columns: which events may have a value in a field.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collector/store/columns.hpp"
#include "collector/store/event_scan.hpp"
#include "telemetry/clock.hpp"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace ww::collector {

/// (site, sensor, type) as a small number, per file.
using StreamId = std::uint32_t;

struct EventRef {
  std::string_view json;
  Timestamp time;
  std::uint64_t id_time = 0;
  StreamId stream = 0;
};

struct FacetRow {
  std::string path, data;
};
/// The columns of a block (columns.hpp), compressed, are kept beside its facets as the row of no
/// path. Blocks that were built before there were columns have none.
inline constexpr std::string_view columns_path = "";
struct StreamCount {
  StreamId stream = 0;
  std::uint32_t events = 0;
};
struct Block {
  std::uint32_t id = 0;
  Timestamp t_min, t_max;
  std::uint64_t id_min = 0, id_max = 0;
  std::uint32_t events = 0;
  std::uint64_t raw_octets = 0;
  std::vector<StreamCount> streams;
  std::vector<FacetRow> facets;
  std::string filter, body;
};

class Filter {
 public:
  static constexpr std::size_t max_lines = 1024;  // 64 KiB while building
  Filter() : words_(max_lines * 8) {}
  void clear() { std::fill(words_.begin(), words_.end(), 0); }
  void add(std::uint64_t token) {
    std::uint64_t* line = words_.data() + ((token >> 40) & (max_lines - 1)) * 8;
    for (unsigned k = 0; k < 4; ++k, token >>= 9)
      line[(token >> 6) & 7] |= std::uint64_t{1} << (token & 63);
  }
  /// Folded to the smallest size that keeps false positives near one in a hundred.
  [[nodiscard]] std::string finish();
  /// May the block hold this token? True for an empty or foreign filter.
  [[nodiscard]] static bool may_have(std::string_view filter, std::uint64_t token);

 private:
  std::vector<std::uint64_t> words_;
};

/// Builds blocks. One per thread; keeps its buffers.
class BlockBuilder {
 public:
  BlockBuilder(std::vector<std::string> facets, int zstd_level);
  ~BlockBuilder();
  BlockBuilder(const BlockBuilder&) = delete;
  BlockBuilder& operator=(const BlockBuilder&) = delete;
  [[nodiscard]] Block build(std::uint32_t id, const EventRef* events, std::size_t n);

 private:
  /// How often each value of one path occurs by stream. Keeps its memory from block to block.
  struct FacetTable {
    struct Entry {
      std::uint64_t key;  // hash of value and stream
      StreamId stream;
      std::uint32_t events, last_event, offset, size;
    };
    void clear();
    void add(std::string_view value, StreamId stream, std::uint32_t event);
    void grow();
    [[nodiscard]] std::string_view value(const Entry& e) const {
      return std::string_view(text).substr(e.offset, e.size);
    }
    std::vector<Entry> entries;
    std::vector<std::uint16_t> slots;  // open addressing: number of the entry from 1 up
    std::string text;
    bool complete = true;
  };
  struct Sink;
  [[nodiscard]] std::string compress(std::string_view in);
  std::vector<std::string> facet_paths_;
  std::unordered_map<std::uint64_t, std::size_t> facet_by_hash_;
  std::vector<FacetTable> facet_tables_;
  Filter filter_;
  ColumnBuilder columns_;
  EventScanner scanner_;
  std::string lowered_, raw_;
  ZSTD_CCtx_s* zstd_;
  int level_;
};

struct FacetCount {
  StreamId stream;
  std::string_view value;
  std::uint64_t events;
};
/// @return false when the row does not cover every value (or is damaged): read the events instead
[[nodiscard]] bool read_facet(std::string_view data, std::vector<FacetCount>& out);

/// Reads blocks. One per thread; what it gives is valid until the next read.
class BlockReader {
 public:
  static constexpr std::uint64_t max_raw_octets = 64ULL << 20;
  BlockReader();
  ~BlockReader();
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;
  /// @return false for a damaged body
  [[nodiscard]] bool read(std::string_view body, std::vector<EventRef>& out);
  /// @return false when they are damaged or not of so many events: every event may match
  [[nodiscard]] bool read_columns(std::string_view packed, std::size_t events, Columns& out);
  [[nodiscard]] std::size_t octets() const { return raw_.size(); }

 private:
  [[nodiscard]] bool unpack(std::string_view packed, std::uint64_t most, std::string& out);

  std::string raw_, columns_;
  ZSTD_DCtx_s* zstd_;
};

}  // namespace ww::collector
