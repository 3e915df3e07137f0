#pragma once
/// Processing pipelines in pySigma's YAML: what changes rules before they are compiled, so that the
/// taxonomy's field names meet the names of a source. Transformations and conditions are listed in
/// docs/sigma.md.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rules/sigma/document.hpp"
#include "telemetry/result.hpp"

namespace ww::sigma {

/// What a pipeline knows while it works on one rule.
struct PipelineState {
  std::map<std::string, std::vector<std::string>>
      vars;  ///< `vars:` of the pipelines and the site's placeholders
  std::map<std::string, std::string> values;  ///< set_state
  std::set<std::string> applied;              ///< ids of items that did something to the rule
};

struct ProcessingItem;

/// What to do with one detection item.
struct ItemOutcome {
  enum class Kind : std::uint8_t { untouched, changed, drop, replace };
  Kind kind = Kind::untouched;
  Detection replacement;
};

class Transformation {
 public:
  virtual ~Transformation() = default;
  /// Changes the rule as a whole. Most transformations work on items instead.
  virtual Result<bool, std::string> on_rule(Document&, PipelineState&) { return false; }
  virtual Result<ItemOutcome, std::string> on_item(Item&, PipelineState&,
                                                   const std::function<bool(const std::string&)>&) {
    return ItemOutcome{};
  }
  /// Only the name of the field matters to it, so it can also be asked what a correlation's fields
  /// become.
  [[nodiscard]] virtual bool maps_fields() const { return false; }
  [[nodiscard]] virtual bool fills_placeholders() const { return false; }
  [[nodiscard]] virtual const std::vector<ProcessingItem>* nested() const { return nullptr; }
};

/// The transformation of a `type:`, or what is wrong with its parameters.
[[nodiscard]] Result<std::unique_ptr<Transformation>, LoadError> make_transformation(
    const YamlNode& item);

/// A condition with its place among the others of an item.
template <class Subject>
struct PipelineCondition {
  std::string name;
  std::function<bool(const Subject&)> test;
};
struct RuleSubject {
  const Document& rule;
  const PipelineState& state;
};
struct ItemSubject {
  const Item& item;
  const PipelineState& state;
};
struct FieldSubject {
  const std::string& field;
  const Item* item;
  const PipelineState& state;
};
template <class Subject>
struct ConditionSet {
  std::vector<PipelineCondition<Subject>> conditions;
  bool any = false, negated = false;
  std::optional<Condition> expression;
  [[nodiscard]] bool holds(const Subject& subject) const {
    if (conditions.empty()) return true;
    bool result = !any;
    if (expression) {
      result = evaluate(*expression, subject);
    } else {
      for (const auto& c : conditions)
        if (c.test(subject) == any) {
          result = any;
          break;
        }
    }
    return result != negated;
  }

 private:
  bool evaluate(const Condition& c, const Subject& subject) const {
    switch (c.op) {
      case Condition::Op::negate:
        return !evaluate(c.parts[0], subject);
      case Condition::Op::all_of:
        for (const auto& p : c.parts)
          if (!evaluate(p, subject)) return false;
        return true;
      case Condition::Op::any_of:
        for (const auto& p : c.parts)
          if (evaluate(p, subject)) return true;
        return false;
      case Condition::Op::constant:
        return c.value;
      case Condition::Op::identifier:
        break;
    }
    for (const auto& known : conditions)
      if (known.name == c.text) return known.test(subject);
    return false;
  }
};

struct ProcessingItem {
  std::string id;
  std::shared_ptr<Transformation> transformation;
  ConditionSet<RuleSubject> rule;
  ConditionSet<ItemSubject> item;
  ConditionSet<FieldSubject> field;
};
[[nodiscard]] Result<std::vector<ProcessingItem>, LoadError> read_items(const YamlNode& list);

class Pipeline {
 public:
  [[nodiscard]] static Result<Pipeline, Problem> from_file(const std::string& path);
  [[nodiscard]] static Result<Pipeline, Problem> from_text(std::string_view text,
                                                           const std::string& name);
  /// @return what a failure transformation, or a change that cannot be made, says
  [[nodiscard]] Result<void, std::string> apply(Document& rule, PipelineState& state) const;
  [[nodiscard]] bool fills_placeholders() const;
  [[nodiscard]] int priority() const { return priority_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& vars() const {
    return vars_;
  }

 private:
  std::string name_;
  int priority_ = 0;
  std::map<std::string, std::vector<std::string>> vars_;
  std::vector<ProcessingItem> items_;
};

struct Loaded;
/// Applies the pipelines by priority to every rule and fills in placeholders that are left. Rules
/// that a pipeline refuses are taken out and reported.
void apply_pipelines(std::vector<Pipeline> pipelines, const Placeholders& placeholders,
                     Loaded& loaded, LoadReport& report);

/// `\1` and `\g<name>` replacements, every match. Used by transformations.
[[nodiscard]] Result<std::string, std::string> regex_replace(const std::string& expression,
                                                             const std::string& replacement,
                                                             const std::string& text);

}  // namespace ww::sigma
