#pragma once
/// Which files to drop, and whether the clock is to be believed when it says that something is old.
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "collector/store/searcher.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {

/// A clock that leaps ahead would make every file old at once. So after a leap nothing is dropped
/// for its age until the new time has been seen to go on for `trial`.
class Retention {
 public:
  static constexpr std::chrono::hours leap{6};  ///< between two looks, a minute apart as a rule
  static constexpr std::chrono::hours away{24 * 7};  ///< since the newest file, at start-up
  static constexpr std::chrono::minutes back{1};
  static constexpr std::chrono::hours trial{24};

  void start(Timestamp now, std::optional<std::int64_t> newest_day);
  /// @return what to tell the operator when the clock jumped
  std::optional<Problem> observe(Timestamp now);
  [[nodiscard]] std::uint64_t clock_jumps() const { return jumps_; }
  [[nodiscard]] bool age_is_trusted() const { return trial_left_.count() <= 0; }

  /// The bounds that the files which stay (those of the running day) exceed by themselves.
  /// @return what the configuration calls each, in its order
  [[nodiscard]] static std::vector<StoreBound> bounds(const std::vector<FileSummary>& kept,
                                                      const StoreOptions& options);

  /// Files to drop now, by age, by class size, by total size and by free space. Today's files
  /// always stay.
  [[nodiscard]] std::vector<FileKey> choose(std::vector<FileSummary> files,
                                            const StoreOptions& options, Timestamp now,
                                            std::uint64_t free_octets) const;

 private:
  std::optional<Timestamp> last_;
  std::chrono::microseconds trial_left_{0};
  std::uint64_t jumps_ = 0;
};

}  // namespace ww::collector
