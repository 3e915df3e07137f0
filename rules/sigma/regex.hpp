#pragma once
/// Regular expressions of rules: PCRE2 with just-in-time code, a match limit, and Vectorscan as the
/// second opinion when the limit is hit (Vectorscan is linear in the text, whatever the
/// expression).
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::sigma {

class Regex {
 public:
  struct Flags {
    bool i = false, m = false, s = false;
    bool operator==(const Flags&) const = default;
  };
  [[nodiscard]] static Result<std::unique_ptr<const Regex>, std::string> compile(
      const std::string& expression, Flags flags);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  /// Searches anywhere in `text` (valid UTF-8). Threads: any, each with scratch of its own kept by
  /// the library.
  [[nodiscard]] bool search(std::string_view text) const;
  [[nodiscard]] const std::string& expression() const { return expression_; }
  [[nodiscard]] Flags flags() const { return flags_; }
  /// Searches that hit the match limit since the process started.
  [[nodiscard]] static std::uint64_t limit_hits();

 private:
  Regex() = default;
  [[nodiscard]] bool search_linear(std::string_view text) const;
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::string expression_;
  Flags flags_;
};

/// Literals (folded) of which every match contains at least one; empty when no useful set is known.
[[nodiscard]] std::vector<std::string> required_literals(std::string_view expression,
                                                         std::size_t shortest = 3);

}  // namespace ww::sigma
