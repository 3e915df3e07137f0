#pragma once
/// The isolated place that restore drills write to: one folder for each order, mode 0700, removed
/// when the drill ends however it ends, and at the next start when the process did not live to do
/// so.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::drills {

class Scratch {
 public:
  /// @param root  made when missing; must belong to us and be closed to others
  [[nodiscard]] static Result<Scratch, Problem> make(const std::string& root,
                                                     const std::string& order);
  Scratch(Scratch&& o) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  [[nodiscard]] const std::string& path() const { return path_; }
  /// @return true when nothing is left
  bool clean();
  /// What holds the place apart: mode, noexec, nosuid, nodev, own_filesystem.
  [[nodiscard]] std::map<std::string, std::string> isolation() const;

 private:
  Scratch() = default;
  std::string root_, path_;
};

struct TreeSize {
  std::uint64_t octets = 0, files = 0;
};
/// Regular files below a folder, symbolic links not followed.
[[nodiscard]] TreeSize tree_size(const std::string& path);
[[nodiscard]] std::uint64_t free_octets(const std::string& path);
/// Folders of drills that earlier processes left.
[[nodiscard]] std::vector<std::string> left_in_scratch(const std::string& root);
/// Removes what earlier processes left. Touches only folders that Scratch makes.
/// @return how many were removed; a Problem when one could not be
[[nodiscard]] Result<std::size_t, Problem> clean_scratch(const std::string& root);

}  // namespace ww::drills
