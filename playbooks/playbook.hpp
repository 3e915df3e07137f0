#pragma once
/// A CACAO v2.0 security playbook, loaded and checked.
///
/// load() refuses what the standard calls wrong and what a run could not survive: broken ids and
/// times, steps that name what is not there, steps nobody reaches, cycles that are no `while`, more
/// steps than the limit. Each finding says where in the document it is.
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "playbooks/pattern.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::playbooks {

enum class StepType : std::uint8_t {
  start,
  end,
  action,
  playbook_action,
  parallel,
  if_condition,
  while_condition,
  switch_condition,
};
[[nodiscard]] std::string_view name(StepType t);

struct Variable {
  std::string type;                  ///< "string", "integer", "ipv4-addr", ...
  std::optional<std::string> value;  ///< unset: JSON null, the value is not known
  std::string description;
  bool constant = false, external = false;
};
using Variables = std::map<std::string, Variable>;  ///< by "__name__"

struct Command {
  std::string type;     ///< "manual", "http-api", "bash", "wardwatch-check", ...
  std::string command;  ///< text; command_b64 is decoded. Empty when there is none
  std::string description, activity, version;
  std::vector<std::pair<std::string, std::string>> headers;  ///< http-api
  std::string content;                                       ///< http-api body, decoded
};

/// Our step extension (docs/playbooks.md): what a drill wants to know about a step.
struct StepHints {
  std::optional<std::uint32_t> expected_minutes;
  std::vector<std::string> evidence_required;
  std::string clinical_impact, rto_clock, system_id, role;
  std::optional<std::int64_t> restore_order;
  std::string decision_question;
  std::vector<std::string> decision_options;
};
/// Id of the extension definition that StepHints are read from.
inline constexpr std::string_view hints_extension =
    "extension-definition--5f3b8f0e-9c57-4a47-9d0a-6b1f5d7c2e10";

struct Step {
  std::string id, name, description, owner;
  StepType type = StepType::start;
  std::uint64_t delay_ms = 0, timeout_ms = 0;  ///< timeout 0: the run's default
  Variables variables;
  std::string on_completion, on_success, on_failure;  ///< step ids or ""
  std::vector<Command> commands;                      ///< action
  std::string agent;                                  ///< action; id of a definition or a variable
  std::vector<std::string> targets, in_args, out_args;
  std::string playbook_id, playbook_version;  ///< playbook-action
  std::vector<std::string> next_steps;        ///< parallel
  std::string condition;                      ///< if, while
  Pattern pattern;                            ///< the condition, parsed
  std::string on_true, on_false;
  std::string switch_on;                                   ///< "__name__:value"
  std::vector<std::pair<std::string, std::string>> cases;  ///< value to step; "default" too
  StepHints hints;
};

struct Party {
  std::string id, type, name;
  boost::json::object json;  ///< as in the document
};

struct Playbook {
  std::string id, name, description, created_by;
  std::string created, modified;  ///< RFC 3339 as written; `modified` is the version
  std::vector<std::string> types, activities, labels;
  std::optional<int> priority, severity, impact;
  bool revoked = false;
  std::string valid_from, valid_until;
  Variables variables;
  std::string workflow_start, workflow_exception;
  std::map<std::string, Step> steps;
  std::map<std::string, Party> agents, targets;
  std::string sha256;            ///< of the canonical document without signatures
  boost::json::object document;  ///< all of it

  [[nodiscard]] const Step* step(std::string_view id) const;
  /// Now is within valid_from..valid_until and it is not revoked.
  [[nodiscard]] bool valid_at(Timestamp now) const;
};
using PlaybookPtr = std::shared_ptr<const Playbook>;

struct Finding {
  std::string where;  ///< "workflow.action--....on_success"
  std::string what;
};
/// "where: what" a line.
[[nodiscard]] std::string text(const std::vector<Finding>& findings);

struct LoadLimits {
  std::size_t steps = 500, commands = 50, variables = 500, text_octets = 64 << 10;
  std::size_t findings = 50;  ///< said; more are only counted
};

/// Reads one document. Untrusted.
[[nodiscard]] Result<PlaybookPtr, std::vector<Finding>> load(std::string_view json,
                                                             const LoadLimits& limits = {});
/// The steps in the order a person reads them: from the start, depth first, each once.
[[nodiscard]] std::vector<const Step*> reading_order(const Playbook& playbook);

/// "object-type--UUID". @param step  must be a version 4 UUID
[[nodiscard]] bool is_identifier(std::string_view id, std::string_view type = {},
                                 bool step = false);
/// "__name__"
[[nodiscard]] bool is_variable_name(std::string_view name);

}  // namespace ww::playbooks
