#pragma once
/// STIX 2.1 patterning (section 9): the grammar that CACAO conditions are written in.
///
/// Parsed is the whole grammar: observations in brackets joined by AND, OR, FOLLOWEDBY, with
/// WITHIN, REPEATS and START..STOP; inside, comparisons joined by AND and OR with = != < <= > >= IN
/// LIKE MATCHES ISSUBSET ISSUPERSET EXISTS and NOT. Also what CACAO playbooks in the field write: a
/// comparison without brackets, `==`, a path or a literal on either side, `$$name$$`.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::playbooks {

struct PatternError {
  std::string what;
  std::size_t offset;  ///< octets from the start
};

struct PatternLimits {
  std::size_t octets = 16 << 10, depth = 200, nodes = 4096;
};

/// A constant of a pattern, or what a path stands for.
struct PatternValue {
  enum class Kind : std::uint8_t { none, text, number, flag, time, octets } kind = Kind::none;
  std::string text;   ///< text, time (as written) and octets
  double number = 0;  ///< number; flag as 0 or 1
};

/// "file:hashes.'SHA-256'": type and the steps behind it; an index is a step "[2]" or "[*]".
struct PatternPath {
  std::string type;
  std::vector<std::string> steps;
  [[nodiscard]] std::string text() const;
};

struct PatternNode;
struct Pattern {
  std::shared_ptr<const PatternNode> root;
  /// It speaks of time or of several observations: FOLLOWEDBY, WITHIN, REPEATS, START.
  bool temporal = false;
  std::vector<PatternPath> paths;  ///< all that are named, in order
};

/// Untrusted text.
[[nodiscard]] Result<Pattern, PatternError> parse_pattern(std::string_view text,
                                                          const PatternLimits& limits = {});

/// The value of a path, or nothing when it is not known.
using PatternLookup = std::function<std::optional<PatternValue>(const PatternPath&)>;

/// Truth of a pattern without temporal parts against one observation. A comparison with something
/// unknown is false, also under NOT. A regular expression that costs too much does not match.
[[nodiscard]] bool evaluate(const Pattern& pattern, const PatternLookup& lookup);

}  // namespace ww::playbooks
