#pragma once
/// What matching costs, by rule and by scanner: `rules profile` and the tuning of fast patterns.
#include <chrono>
#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace ww::sig {

/// Filled by one Matcher while it is set there; nothing is counted otherwise.
struct MatchProfile {
  struct RuleCost {
    std::uint64_t checks = 0;   ///< times the rule was a candidate
    std::uint64_t matches = 0;  ///< times all of it held
    std::uint64_t ticks = 0;    ///< of the processor's time stamp counter
  };
  struct ScanCost {
    std::uint64_t calls = 0, octets = 0, ticks = 0;
    std::uint64_t named = 0;  ///< candidates found, repeats included
  };
  std::vector<RuleCost> rules;  ///< by Engine::rule index
  std::vector<ScanCost> scans;  ///< by Engine::scanner index
};

/// Time stamp counter; nanoseconds where there is none.
[[nodiscard]] inline std::uint64_t profile_ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// Adds the time of its life to a rule's cost.
class RuleTimer {
 public:
  RuleTimer(MatchProfile* profile, std::uint32_t rule)
      : cost_(profile != nullptr ? &profile->rules[rule] : nullptr),
        from_(cost_ != nullptr ? profile_ticks() : 0) {}
  ~RuleTimer() {
    if (cost_ == nullptr) return;
    cost_->ticks += profile_ticks() - from_;
    ++cost_->checks;
    cost_->matches += matched_;
  }
  RuleTimer(const RuleTimer&) = delete;
  RuleTimer& operator=(const RuleTimer&) = delete;
  /// Passes the verdict through.
  bool verdict(bool matched) {
    matched_ = matched;
    return matched;
  }

 private:
  MatchProfile::RuleCost* cost_;
  std::uint64_t from_;
  bool matched_ = false;
};

/// Adds the time of its life to a scanner's cost.
class ScanTimer {
 public:
  ScanTimer(MatchProfile* profile, std::uint32_t scanner, std::size_t octets)
      : cost_(profile != nullptr ? &profile->scans[scanner] : nullptr),
        from_(cost_ != nullptr ? profile_ticks() : 0) {
    if (cost_ != nullptr) cost_->octets += octets;
  }
  ~ScanTimer() {
    if (cost_ == nullptr) return;
    cost_->ticks += profile_ticks() - from_;
    ++cost_->calls;
  }
  ScanTimer(const ScanTimer&) = delete;
  ScanTimer& operator=(const ScanTimer&) = delete;

 private:
  MatchProfile::ScanCost* cost_;
  std::uint64_t from_;
};

}  // namespace ww::sig
