#pragma once
/// Small samples of large sets: a few files, a little of each.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sensors/backup/json.hpp"

namespace ww::backup {

/// Ids that were looked at closely, in the probe's memory: the first twelve characters of each, the
/// last 300.
class Detailed {
 public:
  explicit Detailed(std::string& memory) : memory_(memory) {}
  [[nodiscard]] bool knows(const std::string& id) const {
    auto mark = id.substr(0, length);
    mark.resize(length, '.');
    for (std::size_t i = 0; i + length < memory_.size() + 1; i += length + 1)
      if (memory_.compare(i, mark.size(), mark) == 0) return true;
    return false;
  }
  void add(const std::string& id) {
    auto mark = id.substr(0, length);
    mark.resize(length, '.');
    memory_ += mark + ' ';
    constexpr std::size_t most = 300 * (length + 1);
    if (memory_.size() > most) memory_.erase(0, memory_.size() - most);
  }

 private:
  static constexpr std::size_t length = 12;
  std::string& memory_;
};

/// At most `most` of the items, evenly spread.
[[nodiscard]] inline std::vector<std::string> spread(const std::vector<std::string>& all,
                                                     std::size_t most) {
  std::vector<std::string> out;
  if (most == 0) return out;
  const auto n = std::min(all.size(), most);
  for (std::size_t i = 0; i < n; ++i) out.push_back(all[i * all.size() / n]);
  return out;
}

/// Share of the most frequent extension among paths, when there are at least ten. What has none
/// counts as one kind.
[[nodiscard]] inline std::optional<double> extension_share(const std::vector<std::string>& paths) {
  if (paths.size() < 10) return {};
  std::map<std::string_view, std::size_t> count;
  std::size_t most = 0;
  for (const auto& p : paths) {
    const std::string_view name = std::string_view(p).substr(p.rfind('/') + 1);
    const auto dot = name.rfind('.');
    most = std::max(most, ++count[dot == std::string_view::npos ? "" : name.substr(dot)]);
  }
  return static_cast<double>(most) / static_cast<double>(paths.size());
}

/// Mean entropy of the beginnings of files. Files under 512 octets say too little and are left out.
class EntropySample {
 public:
  static constexpr std::size_t file_octets = 64U << 10;
  void add(std::string_view beginning) {
    if (beginning.size() < 512) return;
    sum_ += entropy(beginning);
    ++files_;
  }
  [[nodiscard]] std::optional<double> value() const {
    if (files_ == 0) return {};
    return sum_ / static_cast<double>(files_);
  }

 private:
  double sum_ = 0;
  std::size_t files_ = 0;
};

}  // namespace ww::backup
