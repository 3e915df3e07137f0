#include "collector/backup/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace ww::collector {
namespace {

double median_of(std::vector<double>& v) {
  if (v.empty()) return 0;
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  if (v.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(v.begin(), middle)) / 2;
}

}  // namespace

double Pattern::z(double x, double floor) const {
  const double scale = std::max({1.4826 * mad, 0.05 * std::fabs(median), floor, 1e-9});
  return (x - median) / scale;
}

Pattern pattern_of(std::vector<double> values) {
  Pattern p;
  p.records = values.size();
  p.median = median_of(values);
  for (auto& v : values) v = std::fabs(v - p.median);
  p.mad = median_of(values);
  return p;
}

}  // namespace ww::collector
