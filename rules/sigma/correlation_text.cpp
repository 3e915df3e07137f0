/// Correlations in words: what one asks for, and what met it.
#include <algorithm>
#include <charconv>

#include "rules/sigma/engine.hpp"

namespace ww::sigma {
namespace {

constexpr std::size_t max_parts_shown = 20;

std::string_view type_name(CorrelationType type) {
  switch (type) {
    case CorrelationType::event_count:
      return "event_count";
    case CorrelationType::value_count:
      return "value_count";
    case CorrelationType::temporal:
      return "temporal";
    case CorrelationType::temporal_ordered:
      return "temporal_ordered";
    case CorrelationType::value_sum:
      return "value_sum";
    case CorrelationType::value_avg:
      return "value_avg";
    case CorrelationType::value_percentile:
      return "value_percentile";
    case CorrelationType::value_median:
      return "value_median";
  }
  return "";
}

std::string_view op_name(Threshold::Op op) {
  switch (op) {
    case Threshold::Op::lt:
      return "lt";
    case Threshold::Op::lte:
      return "lte";
    case Threshold::Op::gt:
      return "gt";
    case Threshold::Op::gte:
      return "gte";
    case Threshold::Op::eq:
      return "eq";
    case Threshold::Op::neq:
      return "neq";
  }
  return "";
}

std::string number_text(double v) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v);
  return {text, end.ptr};
}

const std::string& name_of(const RuleInfo& r) {
  return !r.id.empty() ? r.id : !r.name.empty() ? r.name : r.title;
}

}  // namespace

CorrelationText correlation_text(const CorrelationSpec& spec) {
  CorrelationText out;
  out.type = type_name(spec.type);
  out.timespan = std::chrono::microseconds(spec.timespan_us);
  if (!spec.expression_text.empty()) {
    out.condition = spec.expression_text;
    return out;
  }
  for (const auto& field : spec.fields)
    out.condition += (out.condition.empty() ? "" : ", ") + field;
  if (spec.type == CorrelationType::value_percentile)
    out.condition += " percentile " + number_text(spec.percentile);
  bool first = true;
  for (const auto& t : spec.thresholds) {
    if (!first) out.condition += " and";
    first = false;
    if (!out.condition.empty()) out.condition += ' ';
    out.condition += std::string(op_name(t.op)) + ' ' + number_text(t.value);
  }
  if (spec.thresholds.empty())
    out.condition =
        spec.type == CorrelationType::temporal_ordered ? "all rules, in this order" : "all rules";
  return out;
}

void CorrelationMatch::explain(JsonWriter& out) const {
  out.begin_object();
  if (about != nullptr) {
    out.field("type", about->type);
    out.field("condition", about->condition);
    out.field("timespan_seconds", static_cast<double>(about->timespan.count()) / 1e6);
  }
  out.field("value", value);
  out.field("first", rfc3339(first));
  out.field("last", rfc3339(last));
  out.begin_object("group");
  for (const auto& [field, text] : group) {
    out.key_text(field);
    out.value(text);
  }
  out.end_object();
  out.field("events", events);
  out.begin_array("rules");
  for (const auto& [info, n] : rules) {
    out.begin_object();
    out.field("id", name_of(*info));
    out.field("title", info->title);
    out.field("events", n);
    out.end_object();
  }
  out.end_array();
  // The newest ones: they are what completed it.
  out.begin_array("parts");
  for (auto i = parts.size() - std::min(parts.size(), max_parts_shown); i < parts.size(); ++i) {
    const auto& p = parts[i];
    out.begin_object();
    if (p.event < event_ids.size()) out.field("event", event_ids[p.event]);
    out.field("time", rfc3339(p.time));
    out.field("rule", name_of(*p.rule));
    if (p.number) out.field("number", *p.number);
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

}  // namespace ww::sigma
