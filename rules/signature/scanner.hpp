#pragma once
/// The first stage of matching: one Vectorscan database per kind of buffer, which names the rules
/// worth checking. A pattern is the fast pattern of one or more rules; ports, addresses and the
/// rest are checked after a hit. Other scanners hold expressions (gate.hpp) in place of literals.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

struct hs_database;
struct hs_scratch;

namespace ww::sig {

class Scanner {
 public:
  Scanner() = default;
  ~Scanner();
  Scanner(Scanner&& other) noexcept;
  Scanner& operator=(Scanner&&) = delete;
  Scanner(const Scanner&) = delete;

  /// Before compile: rule `value` has this fast pattern (lower case when nocase).
  void add(std::string_view pattern, bool nocase, std::uint32_t value);
  /// Before compile: `value` is named where this expression matches, and perhaps elsewhere. A
  /// scanner has literals or expressions, not both.
  /// @param flags  HS_FLAG_*
  void add_expression(std::string_view pattern, unsigned flags, std::uint32_t value);
  [[nodiscard]] bool empty() const { return patterns_.empty() && first_.empty(); }
  /// Freezes the pattern list; `text()` is what a cache key is made from.
  void seal();
  void append_identity(std::string& out) const;
  [[nodiscard]] Result<void, std::string> compile();
  [[nodiscard]] bool restore(std::string_view serialised);
  [[nodiscard]] std::string serialise() const;
  /// Frees the database; the patterns stay.
  void drop();

  /// Calls `f(context, value)` for each rule whose pattern occurs; a rule may come twice.
  void scan(Bytes data, hs_scratch* scratch, void (*f)(void*, std::uint32_t), void* context) const;
  /// True when anything occurs; stops there.
  [[nodiscard]] bool occurs(Bytes data, hs_scratch* scratch) const;
  [[nodiscard]] hs_database* database() const { return db_; }
  [[nodiscard]] std::size_t pattern_count() const { return sealed_.size(); }
  [[nodiscard]] std::size_t longest() const { return longest_; }
  [[nodiscard]] std::size_t octets() const;
  std::string name;

 private:
  struct Pattern {
    std::string octets;
    unsigned flags;  ///< HS_FLAG_*
    auto operator<=>(const Pattern&) const = default;
  };
  friend struct ScanContext;
  void add(Pattern pattern, std::uint32_t value);
  [[nodiscard]] Result<void, std::string> compile_literals();
  [[nodiscard]] Result<void, std::string> compile_expressions();
  std::map<Pattern, std::vector<std::uint32_t>> patterns_;
  std::vector<Pattern> sealed_;
  std::vector<std::uint32_t> first_,
      values_;  ///< rules of pattern i: values_[first_[i] .. first_[i + 1])
  hs_database* db_ = nullptr;
  std::size_t longest_ = 0;
  bool expressions_ = false;
};

}  // namespace ww::sig
