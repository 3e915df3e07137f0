#pragma once
/// Files that come in pieces, by range requests, perhaps over several connections: pieces of one
/// file at one host are put together, and when none is missing any more the whole file goes to the
/// transaction that brought the last one.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/clock.hpp"

namespace ww::sensor::http {

struct RangeLimits {
  std::uint64_t memory = 100ULL << 20;  ///< octets of all pieces in the process
  std::int64_t timeout_seconds = 60;    ///< a file nothing is added to
};

/// Collects one piece, from `start` on. Thread: the flow's; the table behind it is locked only when
/// a piece ends.
class RangeWriter {
 public:
  /// @param key   host and path
  RangeWriter(std::string key, std::uint64_t start, std::uint64_t end, std::uint64_t size);
  void append(Bytes data);
  void gap() { broken_ = true; }
  /// Adds the piece. @return the whole file when this was what was missing.
  [[nodiscard]] std::optional<std::vector<std::uint8_t>> finish(Timestamp now,
                                                                const RangeLimits& limits);

 private:
  std::string key_;
  std::uint64_t start_, end_, size_;
  std::vector<std::uint8_t> data_;
  bool broken_ = false;
};

/// Octets of all pieces held in the process (for metrics and tests).
[[nodiscard]] std::uint64_t range_memory();

}  // namespace ww::sensor::http
