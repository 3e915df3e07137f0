#pragma once
/// What is left of a detection item when it is compiled: one predicate over one field. Equal
/// predicates of all rules are one pattern, so each is found or evaluated at most once per event.
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "rules/sigma/detection.hpp"
#include "rules/sigma/event.hpp"
#include "rules/sigma/regex.hpp"

namespace ww::sigma {

using PatternId = std::uint32_t;

struct Pattern {
  enum class Kind : std::uint8_t {
    exact,
    prefix,
    suffix,
    contains,  ///< `text`
    wildcard,  ///< `pieces`
    compare,
    part,
    cidr,
    regex,
    exists,
    is_null,
    fieldref
  };
  enum class Found : std::uint8_t {
    by_hand,  ///< evaluated when a rule asks
    index,    ///< the index finds it: not found is false
    hinted    ///< the index finds a necessary part: not found is false, found is evaluated
  };
  Kind kind = Kind::exact;
  Found found = Found::by_hand;
  bool cased = false;
  Compare op = Compare::lt;
  bool equal = false;  ///< part: equality instead of `op`
  TimePart time = TimePart::none;
  RefMode ref = RefMode::equals;
  Slot slot = 0;
  Slot other = 0;  ///< fieldref
  double number = 0;
  IpNetwork network;
  std::string text;  ///< folded unless cased
  std::vector<Piece> pieces;
  const Regex* regex = nullptr;
};

/// The truth of a pattern for the event that `event` holds. `matched` (optional) receives the value
/// that made it true.
[[nodiscard]] bool holds(const Pattern& pattern, EventReader& event,
                         const Value** matched = nullptr);

/// Literals (folded) one of which is in the value whenever the pattern holds; empty when there is
/// none of use.
[[nodiscard]] std::vector<std::string> hints(const Pattern& pattern);

/// The patterns of all rules, each once.
class PatternTable {
 public:
  /// @return the pattern of one operand of an item, or what is wrong with it
  [[nodiscard]] Result<PatternId, std::string> add(const Item& item, const Operand& operand,
                                                   FieldTable& fields);
  /// "The field is there": a way to notice rules whose conditions no index can find.
  [[nodiscard]] PatternId add_exists(Slot slot);
  [[nodiscard]] const std::vector<Pattern>& all() const { return patterns_; }
  [[nodiscard]] std::vector<Pattern>& all() { return patterns_; }

 private:
  PatternId intern(Pattern pattern, const std::string& key);
  std::vector<Pattern> patterns_;
  std::unordered_map<std::string, PatternId> by_key_;
  std::unordered_map<std::string, std::unique_ptr<const Regex>> regexes_;
};

}  // namespace ww::sigma
