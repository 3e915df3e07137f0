#pragma once
/// A PCRE2 expression with bounds on its work, for untrusted lines.
#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::logs {

class Pattern {
 public:
  static constexpr std::uint32_t match_limit =
      20'000;  ///< backtracking steps for one line; beyond it does not match
  static constexpr std::size_t max_groups = 63;

  /// Compiles (JIT where the machine has it). "." matches a line feed too.
  [[nodiscard]] static Result<Pattern, std::string> compile(std::string_view expression);

  [[nodiscard]] bool matches(std::string_view text) const;
  /// @param groups  views into text by group number; not taken part = data() == nullptr
  [[nodiscard]] bool match(std::string_view text, std::span<std::string_view> groups) const;
  struct Name {
    std::string name;
    std::size_t group;
  };
  [[nodiscard]] const std::vector<Name>& names() const { return names_; }
  [[nodiscard]] std::size_t groups() const { return groups_; }
  /// The octets that a match of an expression that begins with \A can start with; all when that is
  /// not known, or when the empty text matches.
  [[nodiscard]] const std::bitset<256>& first_octets() const { return first_; }

 private:
  std::shared_ptr<void> code_;
  std::vector<Name> names_;
  std::size_t groups_ = 0;
  std::bitset<256> first_;
};

}  // namespace ww::logs
