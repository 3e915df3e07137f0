#include "rules/sigma/pipeline.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "rules/sigma/condition.hpp"
#include "rules/sigma/engine.hpp"

namespace ww::sigma {
namespace {

constexpr std::string_view probe_name =
    "\x01probe";  // carries the fields that correlations need through the mapping

bool is_probe(const Named& n) { return n.name == probe_name; }

bool any_item(const Detection& d, const std::function<bool(const Item&)>& test) {
  if (d.op == Detection::Op::item) return test(d.item);
  return std::any_of(d.parts.begin(), d.parts.end(),
                     [&](const auto& p) { return any_item(p, test); });
}
bool any_item(const Document& rule, const std::function<bool(const Item&)>& test) {
  for (const auto& named : rule.identifiers)
    if (!is_probe(named) && any_item(named.detection, test)) return true;
  return false;
}

std::shared_ptr<const Regex> shared_regex(const std::string& pattern, LoadError& bad,
                                          const YamlNode& node) {
  auto compiled = Regex::compile(pattern, {});
  if (!compiled) {
    bad = {{}, node.line, compiled.error()};
    return nullptr;
  }
  return std::shared_ptr<const Regex>(std::move(*compiled));
}

template <class Subject>
using Test = std::function<bool(const Subject&)>;
template <class Subject>
using MadeTest = Result<Test<Subject>, LoadError>;

template <class Subject>
Test<Subject> applied_test(const YamlNode& node) {
  const std::string id(node.get("processing_item_id"));
  return [id](const Subject& s) {
    if constexpr (std::is_same_v<Subject, RuleSubject>) {
      return s.state.applied.contains(id);
    } else if constexpr (std::is_same_v<Subject, ItemSubject>) {
      return std::find(s.item.applied.begin(), s.item.applied.end(), id) != s.item.applied.end();
    } else {
      return s.item != nullptr &&
             std::find(s.item->applied.begin(), s.item->applied.end(), id) != s.item->applied.end();
    }
  };
}
template <class Subject>
Test<Subject> state_test(const YamlNode& node) {
  const std::string key(node.get("key")), value(node.get("val"));
  return [key, value](const Subject& s) {
    const auto it = s.state.values.find(key);
    return it != s.state.values.end() && it->second == value;
  };
}

LoadError unknown(const YamlNode& node, std::string_view what, std::string_view type) {
  return {{}, node.line, "unknown " + std::string(what) + " '" + std::string(type) + "'"};
}

std::optional<std::string> attribute_of(const Document& rule, const std::string& name) {
  if (name == "level") {
    const auto it = rule.custom.find("level");
    return it == rule.custom.end() ? std::optional<std::string>() : it->second;
  }
  const auto it = rule.custom.find(name);
  if (it == rule.custom.end()) return std::nullopt;
  return it->second;
}

/// Levels and statuses have an order of their own; other attributes compare as numbers, else as
/// text.
double rank_of(const std::string& name, const std::string& value) {
  static const std::map<std::string, std::vector<std::string>> orders = {
      {"level", {"informational", "low", "medium", "high", "critical"}},
      {"status", {"unsupported", "deprecated", "experimental", "test", "stable"}}};
  if (const auto it = orders.find(name); it != orders.end())
    for (std::size_t i = 0; i < it->second.size(); ++i)
      if (it->second[i] == value) return static_cast<double>(i);
  return number_of(value).value_or(-1);
}

MadeTest<RuleSubject> make_rule_test(const YamlNode& node) {
  const std::string type(node.get("type"));
  if (type == "logsource") {
    const LogSource wanted{std::string(node.get("category")),
                           std::string(node.get("product")),
                           std::string(node.get("service")),
                           {}};
    return [wanted](const RuleSubject& s) { return wanted.covers(s.rule.logsource); };
  }
  if (type == "contains_detection_item") {
    const std::string field(node.get("field"));
    const auto* value = node.find("value");
    const std::string text = value == nullptr ? std::string() : value->text;
    const bool any_value = value == nullptr;
    return [=](const RuleSubject& s) {
      return any_item(s.rule, [&](const Item& item) {
        return item.field == field &&
               (any_value ||
                std::any_of(item.values.begin(), item.values.end(), [&](const Operand& v) {
                  return v.raw == text ||
                         (v.kind == Operand::Kind::string && v.str.written() == text);
                }));
      });
    };
  }
  if (type == "contains_field") {
    const std::string field(node.get("field"));
    return [=](const RuleSubject& s) {
      return any_item(s.rule, [&](const Item& item) { return item.field == field; });
    };
  }
  if (type == "processing_item_applied") return applied_test<RuleSubject>(node);
  if (type == "processing_state") return state_test<RuleSubject>(node);
  if (type == "is_sigma_rule")
    return [](const RuleSubject& s) { return !s.rule.correlation.has_value(); };
  if (type == "is_sigma_correlation_rule")
    return [](const RuleSubject& s) { return s.rule.correlation.has_value(); };
  if (type == "tag") {
    const std::string tag(node.get("tag"));
    return [=](const RuleSubject& s) {
      return std::find(s.rule.info.tags.begin(), s.rule.info.tags.end(), tag) !=
             s.rule.info.tags.end();
    };
  }
  if (type == "rule_attribute") {
    const std::string name(node.get("attribute")), value(node.get("value"));
    const std::string op = node.find("op") == nullptr ? "eq" : std::string(node.get("op"));
    std::vector<std::string> list;
    if (const auto* v = node.find("value")) list = v->texts();
    return [=](const RuleSubject& s) {
      const auto have = attribute_of(s.rule, name);
      if (!have) return false;
      const bool listed = std::find(list.begin(), list.end(), *have) != list.end();
      if (op == "eq" || op == "in") return listed;
      if (op == "ne" || op == "not_in") return !listed;
      const double a = rank_of(name, *have), b = rank_of(name, value);
      return op == "gte" ? a >= b : op == "gt" ? a > b : op == "lte" ? a <= b : op == "lt" && a < b;
    };
  }
  return fail(unknown(node, "rule condition", type));
}

MadeTest<ItemSubject> make_item_test(const YamlNode& node) {
  const std::string type(node.get("type"));
  const bool all = node.get("cond") == "all";
  const auto over = [all](const Item& item, const std::function<bool(const Operand&)>& test) {
    return all ? std::all_of(item.values.begin(), item.values.end(), test)
               : std::any_of(item.values.begin(), item.values.end(), test);
  };
  if (type == "match_string") {
    LoadError bad;
    // pySigma matches the expression at the start of the value.
    const auto regex = shared_regex("^(?:" + std::string(node.get("pattern")) + ")", bad, node);
    if (!regex) return fail(bad);
    const auto* negate = node.find("negate");
    const bool negated = negate != nullptr && negate->boolean().value_or(false);
    return [=](const ItemSubject& s) {
      return over(s.item, [&](const Operand& v) {
               const bool text = v.kind == Operand::Kind::string || v.kind == Operand::Kind::number;
               return text && regex->search(v.str.written());
             }) != negated;
    };
  }
  if (type == "match_value") {
    const auto* value = node.find("value");
    const std::string text = value == nullptr ? std::string() : value->text;
    return [=](const ItemSubject& s) {
      return over(s.item, [&](const Operand& v) { return v.raw == text; });
    };
  }
  if (type == "is_null")
    return [=](const ItemSubject& s) {
      return over(s.item, [](const Operand& v) { return v.kind == Operand::Kind::null; });
    };
  if (type == "contains_wildcard")
    return [=](const ItemSubject& s) {
      return over(s.item, [](const Operand& v) {
        return v.kind == Operand::Kind::string && !v.str.is_plain();
      });
    };
  if (type == "processing_item_applied") return applied_test<ItemSubject>(node);
  if (type == "processing_state") return state_test<ItemSubject>(node);
  return fail(unknown(node, "detection item condition", type));
}

MadeTest<FieldSubject> make_field_test(const YamlNode& node) {
  const std::string type(node.get("type"));
  if (type == "include_fields" || type == "exclude_fields") {
    const bool include = type == "include_fields";
    std::vector<std::string> fields;
    if (const auto* list = node.find("fields")) fields = list->texts();
    // The kind of names is under `mode` in some versions and under `type` of a nested map in none.
    const bool regex = node.get("mode") == "re";
    std::vector<std::shared_ptr<const Regex>> expressions;
    LoadError bad;
    if (regex)
      for (const auto& f : fields) {
        expressions.push_back(shared_regex("^(?:" + f + ")", bad, node));
        if (!expressions.back()) return fail(bad);
      }
    return [=](const FieldSubject& s) {
      const bool listed = regex ? std::any_of(expressions.begin(), expressions.end(),
                                              [&](const auto& e) { return e->search(s.field); })
                                : std::find(fields.begin(), fields.end(), s.field) != fields.end();
      return listed == include;
    };
  }
  if (type == "processing_item_applied") return applied_test<FieldSubject>(node);
  if (type == "processing_state") return state_test<FieldSubject>(node);
  return fail(unknown(node, "field name condition", type));
}

/// Conditions stand in a list, or in a map that names them for an expression.
template <class Subject, class Make>
Result<ConditionSet<Subject>, LoadError> read_conditions(const YamlNode& item,
                                                         const std::string& kind, Make make) {
  ConditionSet<Subject> out;
  const auto* list = item.find(kind + "_conditions");
  std::vector<std::string> names;
  const auto add = [&](const std::string& name, const YamlNode& node) -> Result<void, LoadError> {
    if (!node.is_map())
      return fail(LoadError{{}, node.line, kind + "_conditions: a condition is a map"});
    auto test = make(node);
    if (!test) return fail(test.error());
    names.push_back(name);
    out.conditions.push_back({name, std::move(*test)});
    return {};
  };
  if (list != nullptr && list->is_list()) {
    for (std::size_t i = 0; i < list->items.size(); ++i)
      if (auto done = add(std::to_string(i), list->items[i]); !done) return fail(done.error());
  } else if (list != nullptr && list->is_map()) {
    for (std::size_t i = 0; i + 1 < list->items.size(); i += 2)
      if (auto done = add(list->items[i].text, list->items[i + 1]); !done)
        return fail(done.error());
  }
  const auto prefix = kind == "rule" ? std::string("rule") : kind;
  out.any = item.get(prefix + "_cond_op") == "or";
  if (const auto* negated = item.find(prefix + "_cond_not"))
    out.negated = negated->boolean().value_or(false);
  if (const auto* expression = item.find(prefix + "_cond_expr")) {
    auto parsed = parse_condition(expression->text, names);
    if (!parsed) return fail(LoadError{{}, expression->line, parsed.error()});
    out.expression = std::move(*parsed);
  }
  return out;
}

}  // namespace

Result<std::vector<ProcessingItem>, LoadError> read_items(const YamlNode& list) {
  std::vector<ProcessingItem> out;
  if (!list.is_list()) return fail(LoadError{{}, list.line, "transformations are a list"});
  for (const auto& node : list.items) {
    if (!node.is_map()) return fail(LoadError{{}, node.line, "a transformation is a map"});
    ProcessingItem item;
    item.id = node.get("id");
    auto made = make_transformation(node);
    if (!made) return fail(made.error());
    item.transformation = std::move(*made);
    auto rule = read_conditions<RuleSubject>(node, "rule", make_rule_test);
    if (!rule) return fail(rule.error());
    auto detection = read_conditions<ItemSubject>(node, "detection_item", make_item_test);
    if (!detection) return fail(detection.error());
    auto field = read_conditions<FieldSubject>(node, "field_name", make_field_test);
    if (!field) return fail(field.error());
    item.rule = std::move(*rule);
    item.item = std::move(*detection);
    item.field = std::move(*field);
    out.push_back(std::move(item));
  }
  return out;
}

Result<Pipeline, Problem> Pipeline::from_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (in) text << in.rdbuf();
  if (!in) return fail(Problem{"cannot be read", path, "check the path of the pipeline"});
  return from_text(text.str(), path);
}

Result<Pipeline, Problem> Pipeline::from_text(std::string_view text, const std::string& name) {
  const auto where = [&](std::uint32_t line) { return name + ":" + std::to_string(line); };
  const auto parts = split_documents(text);
  if (parts.size() != 1)
    return fail(
        Problem{"a pipeline is one YAML document", name, "put each pipeline in a file of its own"});
  auto root = parse_yaml(parts[0]);
  if (!root)
    return fail(Problem{root.error().message, where(root.error().line), "correct the YAML"});
  Pipeline out;
  out.name_ = root->get("name");
  if (const auto* priority = root->find("priority")) {
    const auto number = number_of(priority->text);
    if (!number)
      return fail(
          Problem{"priority is not a number", where(priority->line), "write a whole number"});
    out.priority_ = static_cast<int>(std::clamp(*number, -1e6, 1e6));
  }
  if (const auto* vars = root->find("vars"); vars != nullptr && vars->is_map())
    for (std::size_t i = 0; i + 1 < vars->items.size(); i += 2)
      out.vars_[vars->items[i].text] = vars->items[i + 1].texts();
  if (const auto* list = root->find("transformations")) {
    auto items = read_items(*list);
    if (!items)
      return fail(Problem{items.error().error, where(items.error().line),
                          "see docs/sigma.md for what pipelines can do"});
    out.items_ = std::move(*items);
  }
  return out;
}

bool Pipeline::fills_placeholders() const {
  const std::function<bool(const std::vector<ProcessingItem>&)> any = [&](const auto& items) {
    return std::any_of(items.begin(), items.end(), [&](const ProcessingItem& item) {
      return item.transformation->fills_placeholders() ||
             (item.transformation->nested() != nullptr && any(*item.transformation->nested()));
    });
  };
  return any(items_);
}

namespace {

/// Runs one processing item over the rule's detection items.
class Walk {
 public:
  Walk(const ProcessingItem& item, PipelineState& state) : item_(item), state_(state) {}

  Result<void, std::string> detection(Detection& d, bool probe, bool& gone) {
    gone = false;
    if (d.op == Detection::Op::item) return one(d, probe, gone);
    for (std::size_t i = 0; i < d.parts.size();) {
      bool dropped = false;
      if (auto done = detection(d.parts[i], probe, dropped); !done) return done;
      if (dropped)
        d.parts.erase(d.parts.begin() + static_cast<std::ptrdiff_t>(i));
      else
        ++i;
    }
    gone = d.parts.empty();
    return {};
  }
  [[nodiscard]] bool touched() const { return touched_; }

 private:
  Result<void, std::string> one(Detection& d, bool probe, bool& gone) {
    auto& transformation = *item_.transformation;
    if (probe && !transformation.maps_fields()) return {};
    if (!item_.item.holds({d.item, state_})) return {};
    const auto field_ok = [&](const std::string& field) {
      return item_.field.holds({field, &d.item, state_});
    };
    if (!transformation.maps_fields() && !field_ok(d.item.field)) return {};
    auto outcome = transformation.on_item(d.item, state_, field_ok);
    if (!outcome) return fail(outcome.error());
    if (outcome->kind == ItemOutcome::Kind::untouched) return {};
    touched_ = true;
    gone = outcome->kind == ItemOutcome::Kind::drop;
    if (outcome->kind == ItemOutcome::Kind::replace) d = std::move(outcome->replacement);
    if (!item_.id.empty()) mark(d);
    return {};
  }
  void mark(Detection& d) {
    if (d.op == Detection::Op::item) d.item.applied.push_back(item_.id);
    for (auto& part : d.parts) mark(part);
  }

  const ProcessingItem& item_;
  PipelineState& state_;
  bool touched_ = false;
};

Result<void, std::string> apply_items(const std::vector<ProcessingItem>& items, Document& rule,
                                      PipelineState& state) {
  for (const auto& item : items) {
    if (!item.rule.holds({rule, state})) continue;
    if (const auto* nested = item.transformation->nested()) {
      if (auto done = apply_items(*nested, rule, state); !done) return done;
      if (!item.id.empty()) state.applied.insert(item.id);
      continue;
    }
    auto whole = item.transformation->on_rule(rule, state);
    if (!whole) return fail(whole.error());
    Walk walk(item, state);
    for (auto& named : rule.identifiers) {
      bool gone = false;
      if (auto done = walk.detection(named.detection, is_probe(named), gone); !done) return done;
      if (gone) {
        named.detection = Detection{};  // nothing left: the compiler leaves the identifier out
      }
    }
    if ((*whole || walk.touched()) && !item.id.empty()) state.applied.insert(item.id);
  }
  return {};
}

void collect_fields(const Detection& d, std::vector<std::string>& out) {
  if (d.op == Detection::Op::item && std::find(out.begin(), out.end(), d.item.field) == out.end())
    out.push_back(d.item.field);
  for (const auto& part : d.parts) collect_fields(part, out);
}

/// The fields by which correlations group or count the events of this rule, each as an item to be
/// mapped along.
void add_probe(Document& rule, const Loaded& loaded, std::vector<std::string>& fields) {
  for (const auto& c : loaded.correlations) {
    const auto& spec = *c.correlation;
    // Correlations upon correlations group by fields of the event below: ask every rule for every
    // field.
    for (const auto& f : spec.group_by) fields.push_back(f);
    for (const auto& f : spec.fields) fields.push_back(f);
    for (const auto& [alias, map] : spec.aliases)
      for (const auto& [name, f] : map)
        if (name == rule.info.id || name == rule.info.name) fields.push_back(f);
  }
  std::sort(fields.begin(), fields.end());
  fields.erase(std::unique(fields.begin(), fields.end()), fields.end());
  Named probe;
  probe.name = probe_name;
  probe.detection.op = Detection::Op::all_of;
  for (const auto& f : fields) {
    Detection wrapper;  // a list of its own, so that each field's alternatives stay together
    Detection item;
    item.op = Detection::Op::item;
    item.item.field = f;
    wrapper.parts.push_back(std::move(item));
    probe.detection.parts.push_back(std::move(wrapper));
  }
  rule.identifiers.push_back(std::move(probe));
}

void take_probe(Document& rule, const std::vector<std::string>& fields) {
  const auto it = std::find_if(rule.identifiers.begin(), rule.identifiers.end(), is_probe);
  if (it == rule.identifiers.end()) return;
  for (std::size_t i = 0; i < fields.size() && i < it->detection.parts.size(); ++i) {
    std::vector<std::string> names;
    collect_fields(it->detection.parts[i], names);
    std::string joined;
    for (const auto& n : names) joined += (joined.empty() ? "" : "\n") + n;
    if (!joined.empty() && joined != fields[i]) rule.mapped_fields[fields[i]] = joined;
  }
  rule.identifiers.erase(it);
}

}  // namespace

Result<void, std::string> Pipeline::apply(Document& rule, PipelineState& state) const {
  return apply_items(items_, rule, state);
}

void apply_pipelines(std::vector<Pipeline> pipelines, const Placeholders& placeholders,
                     Loaded& loaded, LoadReport& report) {
  if (pipelines.empty()) return;
  // By priority, those of one priority in the order given.
  std::multimap<int, Pipeline> by_priority;
  for (auto& p : pipelines) {
    const int priority = p.priority();
    by_priority.emplace(priority, std::move(p));
  }
  pipelines.clear();
  for (auto& [priority, p] : by_priority) pipelines.push_back(std::move(p));
  PipelineState fresh;
  for (const auto& [name, values] : placeholders) fresh.vars[name] = values;
  for (const auto& p : pipelines)
    for (const auto& [name, values] : p.vars()) fresh.vars[name] = values;
  const auto run = [&](std::vector<Document>& documents) {
    std::vector<Document> kept;
    for (auto& doc : documents) {
      std::vector<std::string> fields;
      if (!loaded.correlations.empty()) add_probe(doc, loaded, fields);
      PipelineState state = fresh;
      Result<void, std::string> done;
      for (const auto& p : pipelines)
        if (done) done = p.apply(doc, state);
      if (!done) {
        ++report.refused;
        report.errors.push_back({doc.info.file, doc.info.line, "pipeline: " + done.error()});
        continue;
      }
      take_probe(doc, fields);
      kept.push_back(std::move(doc));
    }
    documents = std::move(kept);
  };
  run(loaded.detections);
}

}  // namespace ww::sigma
