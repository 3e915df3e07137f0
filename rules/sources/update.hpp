#pragma once
/// Sources to one rules file: read, verify, edit, check with the engine, and only then replace.
#include <string>
#include <vector>

#include "rules/signature/engine.hpp"
#include "rules/signature/rule_diff.hpp"
#include "rules/sources/config.hpp"
#include "rules/sources/edits.hpp"
#include "rules/sources/fetch.hpp"

namespace ww::sources {

struct SourceReport {
  std::string name;
  std::size_t files = 0, rules = 0;
  std::string verified;  ///< empty: it was not
};

struct UpdateReport {
  std::vector<SourceReport> sources;
  EditFigures edits;
  std::size_t rules = 0, active = 0;
  std::vector<sig::RuleProblem> refused;  ///< rules of the new set that the engine refuses
  std::vector<sig::RuleChange> changes;   ///< against the file that is there
  std::vector<std::string> warnings;
  std::string output, previous;
  bool replaced = false;
  bool kept_previous = false;  ///< there were rules before
};

struct UpdateError {
  bool unreachable = false;
  Problem problem;
  std::vector<sig::RuleProblem> refused;  ///< when they are the reason
};

/// OUTPUT is replaced by one rename after the new file was written, synced and loaded by the
/// engine; OUTPUT.previous is the file before. On any error nothing is replaced. One update of an
/// output at a time.
/// @param dry_run  everything but the replacement
[[nodiscard]] Result<UpdateReport, UpdateError> update(const UpdateConfig& config,
                                                       const Fetch& fetch, bool dry_run);

}  // namespace ww::sources
