#pragma once
/// Rule documents: YAML to detections, filters and correlations, with every modifier applied.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rules/sigma/detection.hpp"
#include "rules/sigma/modifier.hpp"
#include "rules/sigma/sigma.hpp"
#include "rules/sigma/yaml.hpp"

namespace ww::sigma {

struct Filter {
  std::vector<std::string> rules;  ///< ids or names; empty = every rule of its log source
  std::vector<Named> identifiers;
  std::vector<Condition> conditions;
  LogSource logsource;
};

enum class CorrelationType : std::uint8_t {
  event_count,
  value_count,
  temporal,
  temporal_ordered,
  value_sum,
  value_avg,
  value_percentile,
  value_median
};

struct Threshold {
  enum class Op : std::uint8_t { lt, lte, gt, gte, eq, neq };
  Op op = Op::gte;
  double value = 0;
};

struct CorrelationSpec {
  CorrelationType type = CorrelationType::event_count;
  std::vector<std::string> rules;  ///< as written: ids or names
  std::vector<std::string> group_by;
  std::map<std::string, std::map<std::string, std::string>> aliases;  ///< alias -> rule -> field
  std::int64_t timespan_us = 0;
  std::vector<Threshold> thresholds;    ///< all must hold
  std::optional<Condition> expression;  ///< temporal: a condition over the rules
  std::string expression_text;
  std::vector<std::string> fields;  ///< value_*: the field (value_count: one or several together)
  double percentile = 95;
  bool generate = false;
};

struct Document {
  RuleInfo info;
  LogSource logsource;
  std::vector<Named> identifiers;
  std::vector<Condition> conditions;  ///< any of them
  std::vector<std::string> condition_texts;
  std::optional<CorrelationSpec> correlation;
  std::optional<Filter> filter;
  std::map<std::string, std::string>
      mapped_fields;  ///< what pipelines made of the fields correlations ask for
  std::map<std::string, std::string> custom;  ///< other scalar attributes, for pipeline conditions
};

/// Reads one document. `placeholders` are applied by |expand, or kept for the pipelines that fill
/// them in.
[[nodiscard]] Result<Document, LoadError> read_document(const YamlNode& root,
                                                        const std::string& file,
                                                        const ModifierContext& context);

/// `sel: ...` of a detection or filter: maps, lists, keywords.
[[nodiscard]] Result<Detection, LoadError> read_detection(const YamlNode& node,
                                                          const ModifierContext& context);
/// Reads a value as it stands in YAML, before modifiers.
[[nodiscard]] Operand read_value(const YamlNode& node);
/// "10s", "5m", "1h", "1d", "1w", "1M" (30 days), "1y" (365 days) in microseconds.
[[nodiscard]] std::optional<std::int64_t> parse_timespan(std::string_view text);
/// The text a JSON or YAML number compares by: integers as they are, fractions in their shortest
/// form.
[[nodiscard]] std::string canonical_number(std::string_view text);
/// True for a JSON integer, or a fraction that is one: what canonical_number leaves without '.' and
/// 'e'.
[[nodiscard]] bool is_plain_integer(std::string_view text);

}  // namespace ww::sigma
