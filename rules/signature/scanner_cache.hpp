#pragma once
/// Compiled pattern databases on disk: a start from the cache takes a tenth of the time of one that
/// compiles, and none of the compiler's memory.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/engine.hpp"
#include "rules/signature/scanner.hpp"

namespace ww::sig {

/// The databases of a list of scanners, serialised, in its order. An empty one: a scanner without
/// patterns.
class Databases {
 public:
  void add(std::string_view database);
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t i) const;
  /// As in a file: the number of databases, the length of each, their octets.
  [[nodiscard]] std::string head() const;
  [[nodiscard]] std::string_view octets() const { return std::string_view(octets_).substr(start_); }
  /// Takes over what stands in `file` from `at` on. False when it is not what head() and octets()
  /// give.
  [[nodiscard]] bool parse(std::string file, std::size_t at);

 private:
  std::string octets_;  ///< six megabytes for fifteen thousand rules: held once
  std::size_t start_ = 0;
  std::vector<std::size_t> ends_;
};

/// What makes databases interchangeable: the patterns, the compiler's version, the processor they
/// are built for.
[[nodiscard]] std::string database_identity(std::span<const Scanner> scanners);

class ScannerCache {
 public:
  /// @param folder  made when something is written; empty: there is no cache
  explicit ScannerCache(std::string folder) : folder_(std::move(folder)) {}

  /// Only from a file that nobody but this user (or root) can have written: a database is
  /// machine-level input to the matcher.
  /// @return nothing when there is none; a damaged or foreign file is a warning
  [[nodiscard]] std::optional<Databases> load(std::string_view identity,
                                              std::vector<RuleProblem>& problems) const;
  /// Replaces atomically; keeps the newest `kept` files. Failing is a warning.
  void store(std::string_view identity, const Databases& databases,
             std::vector<RuleProblem>& problems) const;

  static constexpr std::size_t kept = 8;

 private:
  [[nodiscard]] std::string path(std::string_view identity) const;
  void prune() const;
  std::string folder_;
};

}  // namespace ww::sig
