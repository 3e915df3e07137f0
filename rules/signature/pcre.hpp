#pragma once
/// Regular expressions of rules: PCRE2 behind match limits, JIT-compiled on first use (most are
/// never reached).
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/required_literals.hpp"
#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace ww::sig {

/// Space for one match; one per worker.
class PcreScratch {
 public:
  PcreScratch();
  ~PcreScratch();
  PcreScratch(const PcreScratch&) = delete;
  PcreScratch& operator=(const PcreScratch&) = delete;
  struct Group {
    std::size_t from = 0, to = 0;
    bool set = false;
  };
  /// Group n of the last successful match; group 0 is the whole.
  [[nodiscard]] Group group(std::size_t n) const;

 private:
  friend class CompiledPcre;
  pcre2_real_match_data_8* data_;
  int groups_ = 0;
};

class CompiledPcre {
 public:
  /// @param limits  false: rule asked to lift the match limits (`/O`); a higher bound still holds
  [[nodiscard]] static Result<std::shared_ptr<const CompiledPcre>, std::string> compile(
      std::string_view pattern, std::uint32_t options, bool limits = true);
  ~CompiledPcre();
  CompiledPcre(const CompiledPcre&) = delete;
  CompiledPcre& operator=(const CompiledPcre&) = delete;
  /// Searches from `from`; running into a limit counts as no match.
  [[nodiscard]] bool search(Bytes subject, std::size_t from, PcreScratch& scratch) const;
  [[nodiscard]] const std::string& pattern() const { return pattern_; }
  [[nodiscard]] std::uint32_t options() const { return options_; }  ///< PCRE2_*
  [[nodiscard]] std::uint32_t groups() const { return groups_; }
  /// What no match can be without.
  [[nodiscard]] const RequiredLiterals& required() const { return required_; }
  /// Suricata's pcre.match-limit and pcre.match-limit-recursion, before rules load.
  static void set_limits(std::uint32_t match, std::uint32_t depth);

 private:
  CompiledPcre() = default;
  pcre2_real_code_8* code_ = nullptr;
  mutable std::once_flag jit_once_;
  std::string pattern_;
  RequiredLiterals required_;
  std::uint32_t options_ = 0, groups_ = 0;
  bool limited_ = true;
};

}  // namespace ww::sig
