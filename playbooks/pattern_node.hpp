#pragma once
/// The tree of a parsed pattern; private to the pattern_*.cpp files.
#include "playbooks/pattern.hpp"

namespace ww::playbooks {

enum class Comparison : std::uint8_t {
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  like,
  matches,
  subset,
  superset,
  exists,
};

struct Operand {
  std::optional<PatternPath> path;
  PatternValue value;
};

struct PatternNode {
  enum class Kind : std::uint8_t { all, any, comparison, followed_by, qualified } kind = Kind::all;
  std::vector<std::shared_ptr<const PatternNode>> parts;
  Comparison comparison = Comparison::equal;
  bool negated = false;
  Operand left, right;
  std::vector<PatternValue> set;  ///< of IN
};

}  // namespace ww::playbooks
