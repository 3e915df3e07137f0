#pragma once
/// Which option of a rule's text made which test, stage and operation: the words of `rules
/// explain`. Compiled rules do not keep this; one rule is read again when it is asked for.
#include <string>
#include <unordered_map>
#include <vector>

#include "rules/signature/engine.hpp"
#include "rules/signature/rule.hpp"

namespace ww::sig {

struct RuleLabels {
  std::vector<std::string> tests;               ///< by Rule::tests
  std::vector<std::string> stages;              ///< by Rule::stages: option, or buffer's name
  std::vector<std::vector<std::string>> files;  ///< by stage and Stage::file_tests
  std::unordered_map<const PayloadOp*, std::string> ops;
  std::string header;  ///< `alert tcp any any -> any 80`
  std::string flow;    ///< `flow:established,to_server`; empty when there is none

  [[nodiscard]] std::string op(const PayloadOp& op) const;
  [[nodiscard]] std::string test(std::size_t index) const;
};

/// @param rule  of a loaded engine; the labels refer to it
[[nodiscard]] RuleLabels label_rule(const Rule& rule, std::shared_ptr<SharedState> shared);

}  // namespace ww::sig
