/// The engine against an evaluator that is slow and obvious: it knows nothing of indexes, programs
/// or folding tables, walks a model of the rule over a model of the event, and must give the same
/// answer for random rules and events.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <functional>
#include <random>

#include "tests/rules/sigma/support.hpp"

namespace ww::sigma::test {
namespace {

namespace json = boost::json;

struct Leaf {
  std::string field, modifier;
  bool all = false;
  std::vector<std::string> values;
};
struct Model {
  std::vector<std::pair<std::string, std::vector<Leaf>>> identifiers;  // each an and of leaves
  std::string condition;                                               // in words
  std::function<bool(const std::function<bool(std::size_t)>&)> holds;  // the same as a function
};

std::string lower(std::string s) {
  for (auto& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return s;
}

/// Wildcards by recursion over single characters.
bool matches(const char* p, const char* t) {
  if (*p == '\0') return *t == '\0';
  if (*p == '*') return matches(p + 1, t) || (*t != '\0' && matches(p, t + 1));
  return *t != '\0' && (*p == '?' || *p == *t) && matches(p + 1, t + 1);
}

std::string text_of(const json::value& v) {
  if (v.is_string()) return std::string(v.as_string());
  if (v.is_bool()) return v.as_bool() ? "true" : "false";
  return json::serialize(v);
}

void values_of(const json::value& v, const std::string& field, std::vector<json::value>& out) {
  const auto* object = v.if_object();
  if (object == nullptr) return;
  const auto* found = object->if_contains(field);
  if (found == nullptr) {
    const auto dot = field.find('.');
    if (dot == std::string::npos) return;
    if (const auto* inner = object->if_contains(field.substr(0, dot)))
      values_of(*inner, field.substr(dot + 1), out);
    return;
  }
  if (const auto* list = found->if_array())
    for (const auto& item : *list) out.push_back(item);
  else
    out.push_back(*found);
}

void all_values(const json::value& v, std::vector<json::value>& out) {
  if (const auto* object = v.if_object())
    for (const auto& [k, inner] : *object) all_values(inner, out);
  else if (const auto* list = v.if_array())
    for (const auto& inner : *list) all_values(inner, out);
  else
    out.push_back(v);
}

bool leaf_holds(const Leaf& leaf, const json::value& event) {
  std::vector<json::value> values;
  if (leaf.field.empty())
    all_values(event, values);
  else
    values_of(event, leaf.field, values);
  const auto one = [&](const std::string& wanted) {
    if (wanted == "null") {
      for (const auto& v : values)
        if (v.is_null()) return true;
      return values.empty();
    }
    for (const auto& v : values) {
      if (v.is_null() || v.is_object()) continue;
      const auto text = leaf.modifier == "cased" ? text_of(v) : lower(text_of(v));
      auto pattern = leaf.modifier == "cased" ? wanted : lower(wanted);
      if (leaf.modifier == "lt" || leaf.modifier == "gte") {
        char* end = nullptr;
        const double number = std::strtod(text.c_str(), &end);
        if (text.empty() || *end != '\0' || std::isdigit(static_cast<unsigned char>(text[0])) == 0)
          continue;
        if (leaf.modifier == "lt" ? number < std::stod(wanted) : number >= std::stod(wanted))
          return true;
        continue;
      }
      if (leaf.modifier == "contains" || leaf.modifier == "endswith" || leaf.field.empty())
        pattern = "*" + pattern;
      if (leaf.modifier == "contains" || leaf.modifier == "startswith" || leaf.field.empty())
        pattern += "*";
      if (matches(pattern.c_str(), text.c_str())) return true;
    }
    return false;
  };
  if (leaf.all) return std::all_of(leaf.values.begin(), leaf.values.end(), one);
  return std::any_of(leaf.values.begin(), leaf.values.end(), one);
}

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  /// Few letters, so that random strings meet.
  std::string word(std::size_t longest) {
    std::string out;
    for (auto n = 1 + below(longest); n > 0; --n) out += "aAbB1"[below(5)];
    return out;
  }
  std::string field() {
    static const std::vector<std::string> names = {"f", "g", "h", "o.p", "o.q"};
    return names[below(names.size())];
  }

  Leaf leaf() {
    Leaf out;
    static const std::vector<std::string> modifiers = {
        "", "", "contains", "startswith", "endswith", "cased", "lt", "gte"};
    if (below(10) != 0) {
      out.field = field();
      out.modifier = modifiers[below(modifiers.size())];
    }
    out.all = !out.field.empty() && out.modifier != "lt" && out.modifier != "gte" && below(6) == 0;
    for (auto n = 1 + below(below(5) == 0 ? 12 : 3); n > 0; --n) {
      if (out.modifier == "lt" || out.modifier == "gte") {
        out.values.push_back(std::to_string(below(20)));
        continue;
      }
      std::string value = word(4);
      if (below(5) == 0) value.insert(below(value.size() + 1), below(2) == 0 ? "*" : "?");
      if (!out.field.empty() && out.modifier.empty() && below(12) == 0) value = "null";
      out.values.push_back(value);
    }
    return out;
  }

  Model model() {
    Model out;
    const auto n = 1 + below(4);
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<Leaf> leaves;
      for (auto k = 1 + below(3); k > 0; --k) {
        auto one = leaf();
        // Keys of a map must differ, and keywords stand alone.
        const bool clash = std::any_of(leaves.begin(), leaves.end(), [&](const Leaf& l) {
          return l.field.empty() || one.field.empty() || key(l) == key(one);
        });
        if (!clash) leaves.push_back(std::move(one));
      }
      out.identifiers.emplace_back("s" + std::to_string(i), std::move(leaves));
    }
    std::tie(out.condition, out.holds) = condition(n, 0);
    return out;
  }

  using Truth = std::function<bool(const std::function<bool(std::size_t)>&)>;
  std::pair<std::string, Truth> condition(std::size_t n, int depth) {
    const auto kind = below(depth > 3 ? 2 : 6);
    if (kind <= 1) {
      const auto i = below(n);
      return {"s" + std::to_string(i), [i](const auto& id) { return id(i); }};
    }
    if (kind == 2) {
      const bool all = below(2) == 0;
      return {all ? "all of s*" : "1 of s*", [=](const auto& id) {
                for (std::size_t i = 0; i < n; ++i)
                  if (id(i) != all) return !all;
                return all;
              }};
    }
    auto a = condition(n, depth + 1);
    if (kind == 3)
      return {"not (" + a.first + ")", [t = a.second](const auto& id) { return !t(id); }};
    auto b = condition(n, depth + 1);
    const bool conjunction = kind == 4;
    return {"(" + a.first + (conjunction ? ") and (" : ") or (") + b.first + ")",
            [=, s = a.second, t = b.second](const auto& id) {
              return conjunction ? s(id) && t(id) : s(id) || t(id);
            }};
  }

  static std::string key(const Leaf& l) {
    return l.field + (l.modifier.empty() ? "" : "|" + l.modifier) + (l.all ? "|all" : "");
  }

  std::string event() {
    json::object out, inner;
    for (const auto* name : {"f", "g", "h"})
      if (below(4) != 0) out[name] = value(true);
    for (const auto* name : {"p", "q"})
      if (below(2) != 0) inner[name] = value(true);
    if (below(3) != 0) out["o"] = inner;
    if (below(3) == 0) out["other"] = value(false);
    return json::serialize(out);
  }
  json::value value(bool lists) {
    switch (below(lists ? 8 : 6)) {
      case 0:
        return static_cast<std::int64_t>(below(20));
      case 1:
        return nullptr;
      case 2:
        return below(2) == 0;
      case 6:
      case 7: {
        json::array list;
        for (auto n = 1 + below(3); n > 0; --n) list.push_back(value(false));
        return list;
      }
      default:
        return json::value(word(below(4) == 0 ? 12 : 4));
    }
  }

 private:
  std::mt19937 random_;
};

std::string yaml_of(const Model& model, const std::string& id) {
  std::string detection;
  for (const auto& [name, leaves] : model.identifiers) {
    detection += name + ":\n";
    for (const auto& leaf : leaves) {
      detection += leaf.field.empty() ? "" : "  " + Maker::key(leaf) + ":\n";
      for (const auto& v : leaf.values) {
        const bool plain = v == "null" || leaf.modifier == "lt" || leaf.modifier == "gte";
        detection += std::string(leaf.field.empty() ? "  - " : "    - ") +
                     (plain ? v : "'" + v + "'") + "\n";
      }
    }
  }
  return rule(detection + "condition: " + model.condition, id);
}

TEST(SigmaDifferential, SameMatchesAsTheObviousEvaluator) {
  constexpr unsigned rounds = 40, rules = 60, events = 120;
  std::size_t matched = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    Maker make(round + 1);
    std::vector<Model> models;
    std::string yaml;
    for (unsigned i = 0; i < rules; ++i) {
      models.push_back(make.model());
      yaml += yaml_of(models.back(), std::to_string(i)) + "\n---\n";
    }
    const auto loaded = load(yaml);
    for (const auto& e : loaded.report.errors) ADD_FAILURE() << e.error << "\n" << yaml;
    ASSERT_EQ(loaded.report.loaded, rules);
    auto evaluator = Evaluator::create(loaded.engine);
    for (unsigned n = 0; n < events; ++n) {
      const auto text = make.event();
      const auto event = json::parse(text);
      std::vector<bool> fast(rules);
      const std::string_view view = text;
      for (const auto& match : evaluator->evaluate({&view, 1})) fast[match.rule->index] = true;
      for (unsigned i = 0; i < rules; ++i) {
        const auto& model = models[i];
        const bool slow = model.holds([&](std::size_t k) {
          const auto& leaves = model.identifiers[k].second;
          return std::all_of(leaves.begin(), leaves.end(),
                             [&](const Leaf& l) { return leaf_holds(l, event); });
        });
        matched += slow ? 1U : 0U;
        ASSERT_EQ(fast[i], slow) << "round " << round << "\n"
                                 << yaml_of(model, "x") << "\n"
                                 << text;
      }
    }
  }
  EXPECT_GT(matched, 10'000U) << "the random rules hardly ever match: the comparison says little";
}

}  // namespace
}  // namespace ww::sigma::test
