/// From a rule's tree to its program, and from its program to the patterns that make it worth a
/// look.
#include <algorithm>
#include <cmath>

#include "rules/sigma/engine.hpp"

namespace ww::sigma {
namespace {

constexpr std::uint32_t max_patterns_per_rule = 200'000;
constexpr std::size_t longest_indexed_literal = 256;  // longer ones are found by their beginning
constexpr std::size_t list_worth_indexing = 6;

std::string label_of(const Item& item) {
  std::string out = item.field.empty() ? "any value" : item.field;
  for (const auto& m : item.modifiers) out += "|" + m;
  return out;
}

/// A branch that a pipeline dropped everything of; it is left out of its condition.
bool empty(const Expr& e) {
  return e.op != Expr::Op::leaf && e.op != Expr::Op::constant && e.parts.empty();
}

/// Words that many events hold; a rule noticed by one of them would be looked at in vain all the
/// time.
constexpr std::string_view common[] = {".exe",
                                       ".dll",
                                       ".com",
                                       ".net",
                                       "http",
                                       "https://",
                                       "http://",
                                       "www.",
                                       "c:\\",
                                       "\\windows\\",
                                       "windows",
                                       "system32",
                                       "\\system32\\",
                                       "\\syswow64\\",
                                       "program files",
                                       "\\program files\\",
                                       "c:\\program files",
                                       "c:\\windows\\",
                                       "c:\\users\\",
                                       "\\users\\",
                                       "users",
                                       "appdata",
                                       "\\appdata\\",
                                       "\\appdata\\local\\",
                                       "microsoft",
                                       "\\microsoft\\",
                                       "powershell",
                                       "powershell.exe",
                                       "\\powershell.exe",
                                       "cmd.exe",
                                       "\\cmd.exe",
                                       "cmd",
                                       "svchost.exe",
                                       "\\svchost.exe",
                                       "\\explorer.exe",
                                       "\\rundll32.exe",
                                       "rundll32",
                                       "\\reg.exe",
                                       "hklm",
                                       "hkcu",
                                       "\\software\\",
                                       "software\\",
                                       "\\currentversion\\",
                                       "currentversion",
                                       "currentcontrolset",
                                       "temp",
                                       "\\temp\\",
                                       "\\local\\",
                                       "system",
                                       "user",
                                       "service",
                                       "services",
                                       "\\services\\",
                                       "admin",
                                       "local",
                                       "true",
                                       "false",
                                       "security",
                                       "new",
                                       "get",
                                       "set",
                                       "\\pwsh.exe",
                                       "windows\\",
                                       "/bin/",
                                       "/usr/",
                                       "root",
                                       "bash",
                                       "/bin/bash",
                                       "chrome",
                                       "google"};

template <class F>
void visit_patterns(const Expr& e, const F& visit) {
  for (const auto& part : e.parts) visit_patterns(part, visit);
  for (const auto id : e.patterns) visit(id);
}

double commonness(std::string_view text) {
  double rate = 0.5 * std::pow(0.55, static_cast<double>(std::min<std::size_t>(text.size(), 24)));
  for (const auto word : common) {
    if (word == text) return 0.15;
    // Every longer word that has this text inside makes it at least as common as the word.
    if (word.find(text) != std::string_view::npos) rate = std::max(rate, 0.15);
  }
  return rate;
}

}  // namespace

Result<Expr, std::string> Compiler::detection(const Detection& d, std::uint32_t& budget) {
  Expr out;
  if (d.op != Detection::Op::item) {
    out.op = d.op == Detection::Op::all_of ? Expr::Op::all_of : Expr::Op::any_of;
    for (const auto& part : d.parts) {
      auto e = detection(part, budget);
      if (!e) return e;
      if (!empty(*e)) out.parts.push_back(std::move(*e));
    }
    return out;
  }
  const auto& item = d.item;
  out.all = item.all;
  out.label = label_of(item);
  bool absent = false;  // |exists: false is the opposite of a pattern
  for (const auto& value : item.values) {
    if (budget-- == 0) return fail(std::string("the rule has too many values"));
    auto id = engine_.patterns.add(item, value, engine_.fields);
    if (!id) return fail("'" + out.label + "': " + id.error());
    out.patterns.push_back(*id);
    out.written.push_back(value.kind == Operand::Kind::string ? value.str.written() : value.raw);
    if (value.kind == Operand::Kind::exists && !value.flag) absent = true;
  }
  if (absent && out.patterns.size() > 1) return fail("'" + out.label + "': exists takes one value");
  if (item.negated != absent) {
    Expr negated;
    negated.op = Expr::Op::negate;
    negated.label = out.label;
    negated.parts.push_back(std::move(out));
    return negated;
  }
  return out;
}

Result<Expr, std::string> Compiler::condition(const Condition& c, const std::vector<Named>& names,
                                              std::uint32_t& budget) {
  Expr out;
  switch (c.op) {
    case Condition::Op::constant:
      out.op = Expr::Op::constant;
      out.value = c.value;
      return out;
    case Condition::Op::identifier: {
      const auto it = std::find_if(names.begin(), names.end(),
                                   [&](const Named& n) { return n.name == c.text; });
      if (it == names.end())
        return fail("the condition names '" + c.text + "', which the detection does not define");
      auto e = detection(it->detection, budget);
      if (!e) return e;
      out.op = Expr::Op::all_of;
      out.label = c.text;
      if (!empty(*e)) out.parts.push_back(std::move(*e));
      return out;
    }
    case Condition::Op::negate:
      out.op = Expr::Op::negate;
      break;
    case Condition::Op::all_of:
      out.op = Expr::Op::all_of;
      break;
    case Condition::Op::any_of:
      out.op = Expr::Op::any_of;
      break;
  }
  out.label = c.text;
  for (const auto& part : c.parts) {
    auto e = condition(part, names, budget);
    if (!e) return e;
    if (!empty(*e)) out.parts.push_back(std::move(*e));
  }
  return out;
}

Result<Expr, std::string> Compiler::conditions(const Document& doc,
                                               const std::vector<Condition>& all,
                                               const std::vector<Named>& names,
                                               std::uint32_t& budget) {
  (void)doc;
  Expr out;
  out.op = Expr::Op::any_of;
  for (const auto& c : all) {
    auto e = condition(c, names, budget);
    if (!e) return e;
    if (!empty(*e)) out.parts.push_back(std::move(*e));
  }
  if (out.parts.size() == 1) return std::move(out.parts[0]);
  return out;
}

bool Compiler::findable(PatternId id) const {
  const auto& p = engine_.patterns.all()[id];
  if (p.kind == Pattern::Kind::exists) return p.slot != 0;
  if (p.kind == Pattern::Kind::is_null) return false;
  if (p.slot == 0) {
    const auto literals = hints(p);
    return !literals.empty() && std::none_of(literals.begin(), literals.end(),
                                             [](const auto& l) { return l[0] == '\0'; });
  }
  return true;
}

/// How often finding this pattern makes the engine look at the rule, roughly, per event.
double Compiler::cost_to_find(PatternId id) const {
  const auto& p = engine_.patterns.all()[id];
  switch (p.kind) {
    case Pattern::Kind::exact:
      return p.text.size() <= 5 ? 0.05 : std::min(0.02, commonness(p.text) + 0.001);
    case Pattern::Kind::prefix:
    case Pattern::Kind::suffix:
      return commonness(p.text) * 0.4 + 0.001;
    case Pattern::Kind::contains:
      return commonness(p.text) + 0.001;
    case Pattern::Kind::wildcard:
    case Pattern::Kind::regex: {
      const auto literals = hints(p);
      if (literals.empty()) return p.kind == Pattern::Kind::regex ? 2.0 : 0.7;
      double sum = 0.002;
      for (const auto& l : literals) sum += commonness(l) * 1.5;
      return sum;
    }
    case Pattern::Kind::compare:
    case Pattern::Kind::part:
    case Pattern::Kind::cidr:
    case Pattern::Kind::fieldref:
    case Pattern::Kind::exists:
    case Pattern::Kind::is_null:
      break;
  }
  return 0.7;
}

Compiler::Trigger Compiler::trigger(const Expr& e, bool negated) {
  Trigger none;
  switch (e.op) {
    case Expr::Op::constant:
      none.possible = e.value == negated;  // never true: nothing has to be found
      return none;
    case Expr::Op::negate:
      return trigger(e.parts[0], !negated);
    case Expr::Op::leaf: {
      if (negated) return none;
      Trigger out;
      out.possible = true;
      if (e.all) {
        const PatternId* best = nullptr;
        for (const auto& id : e.patterns)
          if (findable(id) && (best == nullptr || cost_to_find(id) < cost_to_find(*best)))
            best = &id;
        if (best == nullptr) return none;
        out.patterns.push_back(*best);
        out.cost = cost_to_find(*best);
        return out;
      }
      for (const auto id : e.patterns) {
        if (!findable(id)) return none;
        out.patterns.push_back(id);
        out.cost += cost_to_find(id);
      }
      return out;
    }
    case Expr::Op::all_of:
    case Expr::Op::any_of:
      break;
  }
  const bool conjunction = (e.op == Expr::Op::all_of) != negated;
  Trigger out;
  out.possible = !conjunction;
  for (const auto& part : e.parts) {
    auto t = trigger(part, negated);
    if (conjunction) {
      if (t.possible && (!out.possible || t.cost < out.cost)) out = std::move(t);
    } else {
      if (!t.possible) return none;
      out.cost += t.cost;
      out.patterns.insert(out.patterns.end(), t.patterns.begin(), t.patterns.end());
    }
  }
  return out;
}

double Compiler::cost_to_test(const Expr& e) const {
  double sum = 0;
  for (const auto& part : e.parts) sum += cost_to_test(part);
  for (const auto id : e.patterns) {
    const auto& p = engine_.patterns.all()[id];
    switch (p.kind) {
      case Pattern::Kind::regex:
        sum += 20;
        break;
      case Pattern::Kind::wildcard:
        sum += 6;
        break;
      case Pattern::Kind::contains:
        sum += 3;
        break;
      case Pattern::Kind::cidr:
      case Pattern::Kind::part:
      case Pattern::Kind::compare:
        sum += 4;
        break;
      default:
        sum += 1;
    }
    if (p.slot == 0) sum += 20;
  }
  return sum;
}

std::uint32_t Compiler::new_label() {
  labels_.push_back(0);
  return static_cast<std::uint32_t>(labels_.size() - 1);
}
void Compiler::place(std::uint32_t label) {
  labels_[label] = static_cast<std::uint32_t>(code_.size());
}

namespace {
constexpr std::uint32_t label_match = 0, label_miss = 1;
}

/// Writes the tests of a subtree in order; true and false leave to the two labels. Every jump goes
/// forward.
bool Compiler::emit(const Expr& e, bool negated, std::uint32_t on_true, std::uint32_t on_false) {
  if (code_.size() > 60'000) return false;
  switch (e.op) {
    case Expr::Op::negate:
      return emit(e.parts[0], !negated, on_true, on_false);
    case Expr::Op::constant:
    case Expr::Op::leaf: {
      Test t;
      if (e.op == Expr::Op::constant) {
        t.all = e.value;  // all of nothing is true, any of nothing is false
      } else {
        t.first = static_cast<std::uint32_t>(engine_.test_patterns.size());
        t.count = static_cast<std::uint32_t>(e.patterns.size());
        t.all = e.all;
        engine_.test_patterns.insert(engine_.test_patterns.end(), e.patterns.begin(),
                                     e.patterns.end());
      }
      code_.push_back(t);
      jumps_.emplace_back(negated ? on_false : on_true, negated ? on_true : on_false);
      return true;
    }
    case Expr::Op::all_of:
    case Expr::Op::any_of:
      break;
  }
  const bool conjunction = (e.op == Expr::Op::all_of) != negated;
  std::vector<std::pair<double, const Expr*>> order;
  for (const auto& part : e.parts) order.emplace_back(cost_to_test(part), &part);
  std::sort(order.begin(),
            order.end());  // equal costs in the rule's order: the parts are neighbours in memory
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i + 1 == order.size()) return emit(*order[i].second, negated, on_true, on_false);
    const auto next = new_label();
    if (!emit(*order[i].second, negated, conjunction ? next : on_true,
              conjunction ? on_false : next))
      return false;
    place(next);
  }
  return true;
}

bool Compiler::write_program(const Expr& tree) {
  labels_.assign(2, 0);
  code_.clear();
  jumps_.clear();
  if (!emit(tree, false, label_match, label_miss)) return false;
  Program program;
  program.first = static_cast<std::uint32_t>(engine_.tests.size());
  const auto target = [&](std::uint32_t label) {
    return label == label_match  ? program_match
           : label == label_miss ? program_miss
                                 : static_cast<std::uint16_t>(labels_[label]);
  };
  for (std::size_t i = 0; i < code_.size(); ++i) {
    code_[i].on_true = target(jumps_[i].first);
    code_[i].on_false = target(jumps_[i].second);
    engine_.tests.push_back(code_[i]);
  }
  engine_.programs.push_back(program);
  return true;
}

Result<void, LoadError> Compiler::add(const Document& rule) {
  const auto bad = [&](std::string text) {
    return fail(LoadError{rule.info.file, rule.info.line, std::move(text)});
  };
  std::uint32_t budget = max_patterns_per_rule;
  auto tree = conditions(rule, rule.conditions, rule.identifiers, budget);
  if (!tree) return bad(tree.error());
  if (empty(*tree)) return bad("a pipeline left nothing of the rule");
  if (!write_program(*tree)) return bad("the condition is too large");
  auto t = trigger(*tree, false);
  const auto index = static_cast<std::uint32_t>(engine_.infos.size());
  engine_.infos.push_back(rule.info);
  engine_.infos.back().index = index;
  engine_.sources.push_back(rule.logsource);
  std::string text;
  for (const auto& c : rule.condition_texts) text += (text.empty() ? "" : " or ") + c;
  engine_.conditions.push_back(std::move(text));
  engine_.trees.push_back(std::move(*tree));
  if (!t.possible) engine_.untriggered.push_back(index);
  std::sort(t.patterns.begin(), t.patterns.end());
  t.patterns.erase(std::unique(t.patterns.begin(), t.patterns.end()), t.patterns.end());
  rule_triggers_.push_back(std::move(t.patterns));
  return {};
}

void Compiler::add_correlation(const Document& rule) {
  const auto index = static_cast<std::uint32_t>(engine_.infos.size());
  engine_.infos.push_back(rule.info);
  engine_.infos.back().index = index;
  engine_.sources.push_back(rule.logsource);
  engine_.conditions.emplace_back();
  Expr never;
  never.op = Expr::Op::constant;
  engine_.trees.push_back(never);
  engine_.programs.push_back({});
  rule_triggers_.emplace_back();
}

FieldIndex& Compiler::field_index(Slot slot) {
  if (engine_.index.size() <= slot) engine_.index.resize(std::size_t{slot} + 1);
  if (!engine_.index[slot]) engine_.index[slot] = std::make_unique<FieldIndex>();
  return *engine_.index[slot];
}

void Compiler::put_in_index(PatternId id) {
  auto& p = engine_.patterns.all()[id];
  if (p.found != Pattern::Found::by_hand) return;
  auto& fi = field_index(p.slot);
  const auto literals = hints(p);
  const bool plain = p.kind == Pattern::Kind::exact || p.kind == Pattern::Kind::prefix ||
                     p.kind == Pattern::Kind::suffix || p.kind == Pattern::Kind::contains;
  if (p.kind == Pattern::Kind::exact && (p.text.empty() || p.slot != 0)) {
    fi.exact.add(p.cased ? folded(p.text) : p.text, id);
  } else if (p.kind == Pattern::Kind::prefix && !p.text.empty() && p.slot != 0) {
    fi.prefix.add(literals[0], id);
  } else if (p.kind == Pattern::Kind::suffix && !p.text.empty() && p.slot != 0) {
    fi.suffix.add(
        [&] {
          auto s = literals[0];
          std::reverse(s.begin(), s.end());
          return s;
        }(),
        id);
  } else if (!literals.empty() && std::none_of(literals.begin(), literals.end(),
                                               [](const auto& l) { return l[0] == '\0'; })) {
    bool cut = false;
    for (auto literal : literals) {
      if (literal.size() > longest_indexed_literal) {
        literal.resize(longest_indexed_literal);
        cut = true;
      }
      fi.anywhere.add(std::move(literal), id);
    }
    p.found = plain && !cut && !p.cased && p.kind == Pattern::Kind::contains
                  ? Pattern::Found::index
                  : Pattern::Found::hinted;
    return;
  } else {
    fi.present.push_back(id);
    p.found = p.kind == Pattern::Kind::exists ? Pattern::Found::index : Pattern::Found::hinted;
    return;
  }
  p.found = p.cased ? Pattern::Found::hinted : Pattern::Found::index;
}

namespace {

/// A number is compared as it is written canonically, not as the text has it.
bool numeric(std::string_view part) {
  return part.find_first_not_of("0123456789+-.e") == std::string_view::npos;
}

}  // namespace

/// The rarest part of each literal that stands in an event's text as it stands in the value.
void Compiler::note_keyword_parts(PatternId id) {
  const auto special = [](char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == '\x7f';
  };
  const auto literals = hints(engine_.patterns.all()[id]);
  auto& parts = engine_.keyword_parts[id];
  for (const std::string_view literal : literals) {
    std::string_view best;
    for (std::size_t at = 0; at < literal.size();) {
      std::size_t end = at;
      while (end < literal.size() && !special(literal[end])) ++end;
      const auto run = literal.substr(at, std::min(end - at, longest_indexed_literal));
      const auto better = [&] {
        return best.empty() ||
               (numeric(run) != numeric(best) ? numeric(best) : commonness(run) < commonness(best));
      };
      if (!run.empty() && better()) best = run;
      at = end + 1;
    }
    if (best.empty()) {  // nothing can be said of it
      parts.clear();
      return;
    }
    parts.emplace_back(best);
  }
}

std::shared_ptr<const KeywordHints> EngineImpl::keyword_hints(
    const std::vector<PatternId>& of) const {
  auto out = std::make_shared<KeywordHints>();
  for (const auto id : of) {
    const auto it = keyword_parts.find(id);
    if (it == keyword_parts.end() || it->second.empty()) out->usable = false;
    if (!out->usable) return out;
    for (const auto& part : it->second) {
      out->numeric = out->numeric || numeric(part);
      out->ascii = out->ascii && std::none_of(part.begin(), part.end(), [](char c) {
                     return static_cast<unsigned char>(c) >= 0x80;
                   });
      out->parts.add(part, id);
    }
  }
  out->usable = out->parts.build(true).empty() && !out->parts.empty();
  return out;
}

void Compiler::note_indexed_slots() {
  engine_.indexed_slots.resize(engine_.infos.size());
  for (std::uint32_t rule = 0; rule < engine_.infos.size(); ++rule) {
    auto& slots = engine_.indexed_slots[rule];
    const auto note = [&](PatternId id) {
      const auto& p = engine_.patterns.all()[id];
      if (p.found != Pattern::Found::by_hand) slots.push_back(p.slot);
    };
    for (const auto id : rule_triggers_[rule]) note(id);
    visit_patterns(engine_.trees[rule], note);
    std::sort(slots.begin(), slots.end());
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  }
}

void Compiler::finish(LoadReport& report) {
  const auto patterns = engine_.patterns.all().size();
  engine_.index.resize(engine_.fields.slots());
  std::vector<std::vector<std::uint32_t>> triggers(patterns);
  for (std::uint32_t rule = 0; rule < rule_triggers_.size(); ++rule)
    for (const auto id : rule_triggers_[rule]) {
      triggers[id].push_back(rule);
      put_in_index(id);
      if (engine_.patterns.all()[id].slot == 0 && triggers[id].size() == 1) note_keyword_parts(id);
    }
  // Long lists are cheaper to find in passing than to try one by one, and so is everything that is
  // looked for in all values.
  for (const auto& test : engine_.tests) {
    for (std::uint32_t k = 0; k < test.count; ++k) {
      const auto id = engine_.test_patterns[test.first + k];
      const auto kind = engine_.patterns.all()[id].kind;
      if (test.count < list_worth_indexing && engine_.patterns.all()[id].slot != 0) continue;
      if (findable(id) && (kind == Pattern::Kind::exact || kind == Pattern::Kind::prefix ||
                           kind == Pattern::Kind::suffix || kind == Pattern::Kind::contains ||
                           kind == Pattern::Kind::wildcard))
        put_in_index(id);
    }
  }
  note_indexed_slots();
  for (const auto& p : engine_.patterns.all()) {
    engine_.how_found.push_back(p.found);
    engine_.any_value.push_back(p.slot == 0 && p.found != Pattern::Found::by_hand);
  }
  engine_.trigger_first.assign(patterns + 1, 0);
  for (std::size_t p = 0; p < patterns; ++p) {
    engine_.trigger_first[p] = static_cast<std::uint32_t>(engine_.trigger_rules.size());
    engine_.trigger_rules.insert(engine_.trigger_rules.end(), triggers[p].begin(),
                                 triggers[p].end());
  }
  engine_.trigger_first[patterns] = static_cast<std::uint32_t>(engine_.trigger_rules.size());
  engine_.keyword_triggers.resize(engine_.infos.size());
  for (std::uint32_t rule = 0; rule < rule_triggers_.size(); ++rule)
    for (const auto id : rule_triggers_[rule])
      if (engine_.patterns.all()[id].slot == 0) engine_.keyword_triggers[rule].push_back(id);
  for (std::size_t slot = 0; slot < engine_.index.size(); ++slot)
    if (engine_.index[slot])
      if (auto said = engine_.index[slot]->build(); !said.empty())
        report.warnings.push_back(
            {{},
             0,
             "field '" + engine_.fields.name(static_cast<Slot>(slot)) + "': Vectorscan: " + said});
}

Plan EngineImpl::make_plan(const std::vector<bool>& wanted, HintCache& cache) const {
  Plan plan;
  plan.mask.assign(infos.size() / 64 + 1, 0);
  plan.slots.assign(fields.slots() / 64 + 1, 0);
  std::vector<PatternId> keywords;
  for (std::size_t rule = 0; rule < infos.size(); ++rule)
    if (wanted[rule] && !infos[rule].correlation) {
      plan.mask[rule >> 6] |= std::uint64_t{1} << (rule & 63U);
      keywords.insert(keywords.end(), keyword_triggers[rule].begin(), keyword_triggers[rule].end());
      for (const auto slot : indexed_slots[rule])
        plan.slots[slot >> 6U] |= std::uint64_t{1} << (slot & 63U);
    }
  for (const auto rule : untriggered)
    if (plan.has(rule)) plan.always.push_back(rule);
  if (keywords.empty()) return plan;
  std::sort(keywords.begin(), keywords.end());
  keywords.erase(std::unique(keywords.begin(), keywords.end()), keywords.end());
  auto& shared = cache[keywords];
  if (shared == nullptr) shared = keyword_hints(keywords);
  plan.keywords = shared;
  return plan;
}

std::vector<const Plan*> EngineImpl::plans() const {
  std::vector<const Plan*> out{&everything, &unknown_channel};
  for (const auto& [name, entry] : channels) {
    out.push_back(&entry.other);
    for (const auto& [id, plan] : entry.by_id) out.push_back(&plan);
  }
  return out;
}

void EngineImpl::build_routes() {
  HintCache cache;
  everything = make_plan(std::vector<bool>(infos.size(), true), cache);
  std::vector<bool> wanted(infos.size());
  std::map<std::string, std::uint32_t> known_sources;  // rules share few different log sources
  std::vector<std::uint32_t> source_of;
  std::vector<const LogSource*> distinct;
  for (const auto& s : sources) {
    const auto key = s.product + "\n" + s.category + "\n" + s.service;
    const auto [it, fresh] =
        known_sources.try_emplace(key, static_cast<std::uint32_t>(distinct.size()));
    if (fresh) distinct.push_back(&s);
    source_of.push_back(it->second);
  }
  const auto plan_for = [&](std::string_view name, std::int64_t id) {
    std::vector<bool> applies;
    for (const auto* s : distinct) applies.push_back(windows_applies(*s, name, id));
    for (std::size_t rule = 0; rule < infos.size(); ++rule) wanted[rule] = applies[source_of[rule]];
    return make_plan(wanted, cache);
  };
  unknown_channel = plan_for("", -1);
  for (const auto* table : {&windows_categories(), &windows_services()})
    for (const auto& source : *table)
      for (const auto name : source.channels) {
        auto& entry = channels[folded(name)];
        for (const auto id : source.event_ids) {
          const auto known = std::find_if(entry.by_id.begin(), entry.by_id.end(),
                                          [&](const auto& e) { return e.first == id; });
          if (known == entry.by_id.end()) entry.by_id.emplace_back(id, Plan{});
        }
      }
  for (auto& [name, entry] : channels) {
    entry.other = plan_for(name, -1);
    for (auto& [id, plan] : entry.by_id) plan = plan_for(name, id);
  }
}

}  // namespace ww::sigma
