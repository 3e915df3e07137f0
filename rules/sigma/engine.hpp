#pragma once
/// The compiled rule set: what load() makes and Evaluator, Correlator and explain() read.
/// Immutable, shared.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rules/sigma/document.hpp"
#include "rules/sigma/event.hpp"
#include "rules/sigma/index.hpp"
#include "rules/sigma/logsource.hpp"
#include "rules/sigma/pattern.hpp"
#include "rules/sigma/sigma.hpp"

namespace ww::sigma {

/// The condition of a rule over patterns. Kept for explain(); the evaluator runs the program made
/// from it.
struct Expr {
  enum class Op : std::uint8_t { all_of, any_of, negate, leaf, constant };
  Op op = Op::leaf;
  bool all = false;    ///< leaf: every pattern, not just one
  bool value = false;  ///< constant
  std::vector<Expr> parts;
  std::vector<PatternId> patterns;
  std::string label;  ///< identifier, quantifier, or field with modifiers
  std::vector<std::string>
      written;  ///< leaf: the values as the rule writes them, one for each pattern
};

/// One test of a rule's program: are any (or all) of these patterns true, and where to go then.
struct Test {
  std::uint32_t first = 0;  ///< into Program::patterns
  std::uint32_t count = 0;
  std::uint16_t on_true = 0, on_false = 0;
  bool all = false;
};
inline constexpr std::uint16_t program_match = 0xffff, program_miss = 0xfffe;

struct Program {
  std::uint32_t first = 0;  ///< into the engine's tests
  std::uint16_t entry = 0;
};

/// What the event's text must hold for some keyword rule of a plan to be possible.
struct KeywordHints {
  LiteralSet parts;
  bool usable = true;    ///< every keyword has a part that stands in the text as it is
  bool numeric = false;  ///< some part is a number, which a value may write otherwise
  bool ascii = true;     ///< no part has other characters
};

/// The rules that can concern an event, once its log source is known.
struct Plan {
  std::vector<std::uint64_t> mask;    ///< a bit for each rule
  std::vector<std::uint32_t> always;  ///< rules that no index can notice
  std::vector<std::uint64_t> slots;   ///< a bit for each field in which these rules need the index
  std::shared_ptr<const KeywordHints> keywords;  ///< null when no rule looks at any value
  [[nodiscard]] bool looks_at(Slot slot) const {
    return (slots[slot >> 6U] >> (slot & 63U) & 1U) != 0;
  }
  [[nodiscard]] bool has(std::uint32_t rule) const {
    return (mask[rule >> 6] >> (rule & 63U) & 1U) != 0;
  }
};

struct CompiledCorrelation {
  std::uint32_t rule = 0;  ///< index of the correlation itself
  CorrelationSpec spec;
  std::vector<std::uint32_t> sources;  ///< rule indexes, in the order of spec.rules
  /// For each source the field of each group-by entry, and of each value; alternatives are
  /// separated by line ends.
  std::vector<std::vector<std::string>> group_fields, value_fields;
  std::uint64_t definition = 0;  ///< hash of what matters for saved state
  CorrelationText about;
};

[[nodiscard]] CorrelationText correlation_text(const CorrelationSpec& spec);

class EngineImpl final : public Engine {
 public:
  [[nodiscard]] std::span<const RuleInfo> rules() const override { return infos; }

  std::vector<RuleInfo> infos;
  std::vector<LogSource> sources;       ///< by rule
  std::vector<std::string> conditions;  ///< by rule, as written
  std::vector<Expr> trees;              ///< by rule; empty constant for correlations
  FieldTable fields;
  PatternTable patterns;
  std::vector<Test> tests;
  std::vector<PatternId> test_patterns;
  std::vector<Program> programs;  ///< by rule
  std::vector<std::vector<std::uint32_t>>
      triggers;                           ///< by pattern: rules to look at when it is found
  std::vector<bool> any_value;            ///< by pattern: the index finds it in all values
  std::vector<Pattern::Found> how_found;  ///< by pattern, apart from the rest of it for the cache
  std::vector<std::uint32_t>
      trigger_first;  ///< the same, flat: [first[p], first[p+1]) of trigger_rules
  std::vector<std::uint32_t> trigger_rules;
  std::vector<std::uint32_t> untriggered;                ///< rules that no index can notice
  std::vector<std::vector<PatternId>> keyword_triggers;  ///< by rule: patterns over any value
  std::vector<std::vector<Slot>> indexed_slots;  ///< by rule: fields in which it needs the index
  std::vector<std::unique_ptr<FieldIndex>>
      index;  ///< by slot; null when nothing is looked for there
  /// Plain parts of what keyword rules wait for, looked for in the event's text before its values
  /// are gathered. None: the keyword has no such part.
  std::map<PatternId, std::vector<std::string>> keyword_parts;
  std::vector<CompiledCorrelation> correlations;
  std::vector<std::vector<std::uint32_t>> feeds;  ///< by rule: correlations that it is a source of

  // Routing.
  bool route = true;
  Slot channel = no_slot, event_id = no_slot, event_type = no_slot, marker_ww = no_slot,
       marker_flow = no_slot;
  Slot log_product = no_slot, log_service = no_slot, log_category = no_slot;
  Plan everything;
  struct Channel {
    Plan other;  ///< event ids that no category names
    std::vector<std::pair<std::int64_t, Plan>> by_id;
  };
  std::map<std::string, Channel, std::less<>> channels;
  Plan unknown_channel;

  /// Plans with the same keywords share what finds them.
  using HintCache = std::map<std::vector<PatternId>, std::shared_ptr<const KeywordHints>>;
  [[nodiscard]] Plan make_plan(const std::vector<bool>& wanted, HintCache& cache) const;
  /// Those made with the engine.
  [[nodiscard]] std::vector<const Plan*> plans() const;
  [[nodiscard]] std::shared_ptr<const KeywordHints> keyword_hints(
      const std::vector<PatternId>& patterns) const;
  void build_routes();
};

/// Reads files and folders into documents; what cannot be read is in the report.
struct Loaded {
  std::vector<Document> detections, filters, correlations;
};
[[nodiscard]] Result<Loaded, Problem> load_documents(const std::vector<std::string>& paths,
                                                     const ModifierContext& context,
                                                     LoadReport& report);
/// Reads the documents of one file's text.
void load_text(std::string_view text, const std::string& file, const ModifierContext& context,
               Loaded& out, LoadReport& report);

/// Adds the rules to an engine: patterns, programs, triggers, index.
class Compiler {
 public:
  explicit Compiler(EngineImpl& engine) : engine_(engine) {}
  [[nodiscard]] Result<void, LoadError> add(const Document& rule);
  /// Reserves the place of a correlation among the rules.
  void add_correlation(const Document& rule);
  /// After all rules: builds the index.
  void finish(LoadReport& report);

 private:
  struct Trigger {
    double cost = 0;
    std::vector<PatternId> patterns;
    bool possible = false;
  };
  Result<Expr, std::string> detection(const Detection& d, std::uint32_t& budget);
  Result<Expr, std::string> condition(const Condition& c, const std::vector<Named>& names,
                                      std::uint32_t& budget);
  Result<Expr, std::string> conditions(const Document& doc, const std::vector<Condition>& all,
                                       const std::vector<Named>& names, std::uint32_t& budget);
  [[nodiscard]] Trigger trigger(const Expr& e, bool negated);
  [[nodiscard]] double cost_to_find(PatternId id) const;
  [[nodiscard]] double cost_to_test(const Expr& e) const;
  [[nodiscard]] bool findable(PatternId id) const;
  bool emit(const Expr& e, bool negated, std::uint32_t on_true, std::uint32_t on_false);
  std::uint32_t new_label();
  void place(std::uint32_t label);
  bool write_program(const Expr& tree);
  void put_in_index(PatternId id);
  void note_keyword_parts(PatternId id);
  void note_indexed_slots();
  FieldIndex& field_index(Slot slot);

  EngineImpl& engine_;
  std::vector<std::vector<PatternId>> rule_triggers_;
  std::vector<std::uint32_t> labels_;
  std::vector<Test> code_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> jumps_;
};

}  // namespace ww::sigma
