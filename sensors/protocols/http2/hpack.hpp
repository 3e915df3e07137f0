#pragma once
/// HPACK header compression (RFC 7541), the decoding half.
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::sensor::http2 {

/// One instruction of a header block that says something.
struct HpackEntry {
  enum class Kind : std::uint8_t {
    field,
    size_update,       ///< of the dynamic table: `number`
    bad_index,         ///< refers to no entry
    integer_overflow,  ///< a number beyond 32 bits
    bad_huffman,       ///< a string that is not valid Huffman code
    truncated          ///< the block ends inside an instruction
  };
  Kind kind = Kind::field;
  std::string name, value;
  std::uint64_t number = 0;
  std::uint64_t table_id =
      0;  ///< which dynamic table entry the field was taken from whole; 0: none
};

struct HpackLimits {
  std::uint32_t table = 64 * 1024;  ///< octets of the dynamic table, whatever the peers agree on
  std::uint32_t block_octets = 256 * 1024;  ///< names and values that one block may expand to
  std::uint32_t block_fields = 4096;
};

/// One direction's decoder: keeps the dynamic table between blocks. Not thread-safe.
class HpackDecoder {
 public:
  explicit HpackDecoder(const HpackLimits& limits = {}) : limits_(limits) {}

  /// Decodes one whole header block. Stops at the first instruction that cannot be followed, which
  /// is the last entry then; decoding later blocks is possible but the table may have missed
  /// entries.
  /// @return false when the block was cut at a limit
  [[nodiscard]] bool decode(Bytes block, std::vector<HpackEntry>& out);
  /// The last block went on behind something that could not be read.
  [[nodiscard]] bool left_over() const { return left_over_; }
  /// SETTINGS_HEADER_TABLE_SIZE of the peer: the table shrinks to it; it grows by a size update
  /// only.
  void set_max_table(std::uint32_t octets);
  [[nodiscard]] std::size_t table_octets() const { return octets_; }

 private:
  struct Row {
    std::string name, value;
    std::uint64_t id;
  };
  bool instruction(ByteReader& in, std::vector<HpackEntry>& out);
  bool literal(ByteReader& in, unsigned prefix, bool keep, HpackEntry& entry);
  bool name_at(std::uint64_t index, HpackEntry& entry, bool with_value) const;
  void insert(const std::string& name, const std::string& value);
  void shrink(std::size_t to);

  HpackLimits limits_;
  std::deque<Row> table_;  // newest first
  std::size_t octets_ = 0, max_octets_ = 4096;
  std::uint64_t last_id_ = 0;
  bool left_over_ = false;
};

/// Decodes a Huffman-coded string (RFC 7541 section 5.2). False when it is not valid or longer than
/// `max`.
[[nodiscard]] bool huffman_decode(Bytes in, std::size_t max, std::string& out);

}  // namespace ww::sensor::http2
