#pragma once
/// Robust statistics of a job's records: median and median absolute deviation, which one odd night
/// cannot move.
#include <cstddef>
#include <optional>
#include <vector>

namespace ww::collector {

inline constexpr std::size_t pattern_records = 30;  ///< looked at most
inline constexpr std::size_t least_records = 8;     ///< fewer: still learning

struct Pattern {
  double median = 0, mad = 0;
  std::size_t records = 0;
  [[nodiscard]] bool learning() const { return records < least_records; }
  /// (x - median) / (1.4826 MAD). The scale is at least 5 % of the median and `floor`, so that a
  /// job that never varied does not make any change infinitely odd.
  [[nodiscard]] double z(double x, double floor = 0) const;
};
[[nodiscard]] Pattern pattern_of(std::vector<double> values);

}  // namespace ww::collector
