#pragma once
/// The keyword registry: a keyword is a file in keywords/ that registers itself with its help text.
///   KeywordRegistration{ {.name=..., .setup=&...} }   a keyword with code of its own
///   BufferKeyword / NumberKeyword / ...               a keyword that is a row of a table
/// `wardwatchctl rules keywords`, docs/rules.md and the test that every example compiles come from
/// the registry.
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/signature/rule.hpp"
#include "rules/signature/sets.hpp"

namespace ww::sig {

class SharedState;

/// An option as written: `keyword` or `keyword:value`.
struct Option {
  std::string_view keyword, value;
  bool has_value = false;
  std::uint32_t column = 0;
};

/// Builds one rule while its options are read from left to right.
class RuleBuilder {
 public:
  RuleBuilder(Rule& rule, const EngineOptions& options, SharedState& shared)
      : rule_(rule), options_(options), shared_(shared) {}

  [[nodiscard]] Rule& rule() { return rule_; }
  [[nodiscard]] const EngineOptions& options() const { return options_; }
  [[nodiscard]] SharedState& shared() { return shared_; }

  /// Makes a sticky buffer current for the payload keywords that follow.
  void select(Stage stage);
  /// Back to the payload.
  void select_payload();
  [[nodiscard]] bool buffer_selected() const { return selection_ != Selection::payload; }
  /// The selected sticky buffer; 0 when there is none.
  [[nodiscard]] BufferId selected() const {
    return selection_ == Selection::pending ? pending_.buffer
           : selection_ == Selection::stage ? rule_.stages[stage_].buffer
                                            : BufferId{};
  }
  /// The stage that payload keywords go to now; made on first use.
  [[nodiscard]] Stage& stage();
  /// Adds an operation to the current stage (or to base64_data).
  void add(PayloadOp op);
  /// The selected buffer must (or, or_else, may) be absent.
  [[nodiscard]] Status set_absent(Stage::Absent absent);
  /// A transform of the selected buffer; refused once something looked at the buffer.
  [[nodiscard]] Status add_transform(Transform t);
  /// The last content, for its modifiers.
  [[nodiscard]] Result<ContentOp*, std::string> last_content(std::string_view modifier);
  /// Moves the last content or pcre to another buffer: the modifiers of old (`http_uri`).
  [[nodiscard]] Status move_last(const Stage& prototype, bool pcre_only = false);
  /// A stage of its own (number, event, hook).
  Stage& add_stage(Stage stage);
  /// The stage that holds the rule's file conditions.
  Stage& file_stage();
  /// base64_data: operations go to the last base64_decode.
  [[nodiscard]] Status select_base64();
  void test(PacketTest t) { rule_.tests.push_back(std::move(t)); }
  void action(PostAction a) { rule_.actions.push_back(std::move(a)); }

  /// A byte_extract / byte_math result; false when there are too many.
  [[nodiscard]] Result<std::int16_t, std::string> define_var(std::string_view name);
  /// A literal, or a variable defined before.
  [[nodiscard]] Result<Operand, std::string> operand(std::string_view text);

  /// Restricts the rule to application protocols (by rule name: "http", "tls"). Fails when it
  /// contradicts the header.
  [[nodiscard]] Status restrict_protos(std::initializer_list<std::string_view> names);
  [[nodiscard]] Status restrict_protos(std::string_view names);  ///< comma separated
  void remark(std::string text, bool performance = false);

  [[nodiscard]] const std::vector<std::pair<std::string, bool>>& remarks() const {
    return remarks_;
  }
  std::string skipped;              ///< why `requires` leaves the rule out; empty = it stays
  std::map<std::string, int> seen;  ///< keyword -> times used
  std::string hook;                 ///< "response_line" of `http1:response_line`

 private:
  enum class Selection : std::uint8_t { payload, pending, stage, base64 };
  Rule& rule_;
  const EngineOptions& options_;
  SharedState& shared_;
  Selection selection_ = Selection::payload;
  Stage pending_;
  std::size_t stage_ = 0;
  std::size_t base64_stage_ = 0, base64_op_ = 0;
  // where the last content or pcre went
  enum class Last : std::uint8_t { none, content, pcre } last_ = Last::none;
  std::size_t last_stage_ = 0;
  bool last_inner_ = false;
  std::map<std::string, std::int16_t, std::less<>> vars_;
  std::vector<std::pair<std::string, bool>> remarks_;
};

struct Keyword {
  enum class Value : std::uint8_t { none, optional, required };
  std::string name = {};
  std::vector<std::string> aliases = {};
  std::string group = {};    ///< heading on the documentation page: "payload", "http", ...
  std::string summary = {};  ///< one sentence
  std::string example = {};  ///< options that compile: `ttl:<10;`
  std::string notes = {};    ///< what else an author should know; may be empty
  Value value = Value::required;
  Status (*setup)(RuleBuilder&, const Option&, const Keyword&) = nullptr;
  bool once = false;        ///< may appear once
  std::string buffer = {};  ///< the BufferId / NumberId / table name behind it; may be empty
  std::string protos = {};  ///< application protocols it belongs to
  std::uint64_t max = 0;    ///< largest number
  bool multi = false;
  bool inclusive = false;                                         ///< a<>b and a-b hold their ends
  std::vector<std::pair<std::string, std::uint64_t>> names = {};  ///< symbolic numbers or flag bits
  Bytes (*packet_bytes)(const Packet&) = nullptr;
  std::string refused = {};  ///< not supported, and why; the rule is refused with these words
};

/// All keywords in name order.
[[nodiscard]] const std::map<std::string, const Keyword*, std::less<>>&
keywords();                                                ///< aliases included
[[nodiscard]] std::vector<const Keyword*> keyword_list();  ///< each once
[[nodiscard]] const Keyword* find_keyword(std::string_view name);

struct KeywordRegistration {
  explicit KeywordRegistration(Keyword keyword);
  KeywordRegistration(std::initializer_list<Keyword> keywords);
};

/// A sticky buffer of transactions: BufferId named as the keyword.
/// @param legacy  a content modifier of old that means the same buffer ("http_uri"), or empty
struct BufferRow {
  std::string name;
  std::string summary;
  std::string example;  ///< what follows `name;` in the example, e.g. `content:"/login";`
  std::vector<std::string> aliases = {};
  std::string legacy = {};
  bool multi = false;
  std::string buffer = {};  ///< when not the name
};
/// A transaction's number with Suricata's number syntax; NumberId named as the keyword.
struct NumberRow {
  std::string name;
  std::string summary;
  std::string example;  ///< the value
  std::uint64_t max = UINT32_MAX;
  std::vector<std::pair<std::string, std::uint64_t>> names = {};
  std::vector<std::string> aliases = {};
  std::string number = {};
  bool multi = false;
  bool inclusive = false;  ///< a<>b and a-b hold their ends
};
struct BufferRegistration {
  BufferRegistration(std::string_view group, std::string_view protos,
                     std::initializer_list<BufferRow> rows);
};
struct NumberRegistration {
  NumberRegistration(std::string_view group, std::string_view protos,
                     std::initializer_list<NumberRow> rows);
};

/// Sets up a number stage from a value, with Suricata 8's index suffix (`,any`, `,all`, `,nb>2`,
/// `,1`).
[[nodiscard]] Status setup_number(RuleBuilder& b, std::string_view number, std::string_view value,
                                  const Keyword& k);
[[nodiscard]] Result<NumberTest, std::string> parse_named_number(std::string_view value,
                                                                 const Keyword& k);
/// `a,!b,c` of named bits: every named bit must be set, every negated one clear.
[[nodiscard]] Status setup_flag_list(RuleBuilder& b, std::string_view number,
                                     std::string_view value, const Keyword& k);

/// What stands in a rule where a buffer is selected: `http.connection: to_client`.
[[nodiscard]] Status setup_buffer(RuleBuilder& b, const Option& o, const Keyword& k);
/// Prototype stage of a registered buffer keyword.
[[nodiscard]] Stage buffer_stage(const Keyword& k);

}  // namespace ww::sig
