/// The transformations of processing pipelines, under pySigma's names.
#include <algorithm>
#include <cctype>

#include "rules/sigma/pipeline.hpp"

namespace ww::sigma {
namespace {

using FieldTest = std::function<bool(const std::string&)>;
using Made = Result<std::unique_ptr<Transformation>, LoadError>;
using Outcome = Result<ItemOutcome, std::string>;

ItemOutcome untouched() { return {}; }
ItemOutcome changed() { return {ItemOutcome::Kind::changed, {}}; }

/// The item under other field names: one replaces it, several become alternatives.
ItemOutcome renamed(const Item& item, const std::vector<std::string>& names) {
  if (names.size() == 1 && names[0] == item.field) return changed();
  ItemOutcome out;
  out.kind = ItemOutcome::Kind::replace;
  out.replacement.op = Detection::Op::any_of;
  for (const auto& name : names) {
    Detection one;
    one.op = Detection::Op::item;
    one.item = item;
    one.item.field = name;
    one.item.applied.emplace_back("field mapping");
    out.replacement.parts.push_back(std::move(one));
  }
  if (names.size() == 1) {
    auto only = std::move(out.replacement.parts[0]);
    out.replacement = std::move(only);
  }
  return out;
}

/// What all field renamings share: they see the field conditions per name, and rename references to
/// fields too.
class FieldRename : public Transformation {
 public:
  [[nodiscard]] bool maps_fields() const final { return true; }
  /// The new names, or nothing when the field is not concerned.
  [[nodiscard]] virtual std::vector<std::string> rename(const std::string& field) const = 0;

  Outcome on_item(Item& item, PipelineState&, const FieldTest& field_ok) final {
    bool touched = false;
    for (auto& value : item.values)
      if (value.kind == Operand::Kind::fieldref && field_ok(value.raw))
        if (const auto names = rename(value.raw); !names.empty()) {
          value.raw = names.front();
          touched = true;
        }
    if (!item.field.empty() && field_ok(item.field))
      if (const auto names = rename(item.field); !names.empty()) {
        auto out = renamed(item, names);
        if (out.kind == ItemOutcome::Kind::changed) item.applied.emplace_back("field mapping");
        return out;
      }
    return touched ? changed() : untouched();
  }
};

class FieldNameMapping final : public FieldRename {
 public:
  explicit FieldNameMapping(std::map<std::string, std::vector<std::string>> map)
      : map_(std::move(map)) {}
  [[nodiscard]] std::vector<std::string> rename(const std::string& field) const override {
    const auto it = map_.find(field);
    return it == map_.end() ? std::vector<std::string>() : it->second;
  }

 private:
  std::map<std::string, std::vector<std::string>> map_;
};

class FieldPrefixMapping final : public FieldRename {
 public:
  explicit FieldPrefixMapping(std::map<std::string, std::vector<std::string>> map)
      : map_(std::move(map)) {}
  [[nodiscard]] std::vector<std::string> rename(const std::string& field) const override {
    std::vector<std::string> out;
    for (const auto& [prefix, to] : map_)
      if (field.starts_with(prefix)) {
        for (const auto& t : to) out.push_back(t + field.substr(prefix.size()));
        break;
      }
    return out;
  }

 private:
  std::map<std::string, std::vector<std::string>> map_;
};

class FieldAffix final : public FieldRename {
 public:
  FieldAffix(std::string front, std::string back)
      : front_(std::move(front)), back_(std::move(back)) {}
  [[nodiscard]] std::vector<std::string> rename(const std::string& field) const override {
    return {front_ + field + back_};
  }

 private:
  std::string front_, back_;
};

std::string recase(const std::string& text, const std::string& how) {
  const auto lower = [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  };
  const auto upper = [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  };
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::string out;
  bool start = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (how == "lower_case" || how == "lower") {
      out += lower(c);
    } else if (how == "upper_case" || how == "upper") {
      out += upper(c);
    } else if (how == "snake_case") {
      const bool boundary =
          i > 0 && is_upper(c) &&
          (!is_upper(text[i - 1]) ||
           (i + 1 < text.size() && std::islower(static_cast<unsigned char>(text[i + 1])) != 0));
      if (boundary && !out.empty() && out.back() != '_') out += '_';
      out += c == '-' || c == ' ' ? '_' : lower(c);
    } else {  // title_case, camel_case
      const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
      if (how == "camel_case" && !letter) {
        start = true;
        continue;
      }
      const bool first_word = out.empty();
      out += start && !(how == "camel_case" && first_word) ? upper(c) : lower(c);
      start = !letter;
    }
  }
  return out;
}

class FieldTransform final : public FieldRename {
 public:
  FieldTransform(std::string how, std::map<std::string, std::vector<std::string>> map)
      : how_(std::move(how)), map_(std::move(map)) {}
  [[nodiscard]] std::vector<std::string> rename(const std::string& field) const override {
    if (const auto it = map_.find(field); it != map_.end()) return it->second;
    return {recase(field, how_)};
  }

 private:
  std::string how_;
  std::map<std::string, std::vector<std::string>> map_;
};

/// A transformation that is a function on items.
class OnItem final : public Transformation {
 public:
  using Function = std::function<Outcome(Item&, PipelineState&)>;
  OnItem(Function function, bool placeholders)
      : function_(std::move(function)), placeholders_(placeholders) {}
  Outcome on_item(Item& item, PipelineState& state, const FieldTest&) override {
    return function_(item, state);
  }
  [[nodiscard]] bool fills_placeholders() const override { return placeholders_; }

 private:
  Function function_;
  bool placeholders_;
};
class OnRule final : public Transformation {
 public:
  using Function = std::function<Result<bool, std::string>(Document&, PipelineState&)>;
  explicit OnRule(Function function) : function_(std::move(function)) {}
  Result<bool, std::string> on_rule(Document& rule, PipelineState& state) override {
    return function_(rule, state);
  }

 private:
  Function function_;
};
Made on_item(OnItem::Function f, bool placeholders = false) {
  return std::make_unique<OnItem>(std::move(f), placeholders);
}
Made on_rule(OnRule::Function f) { return std::make_unique<OnRule>(std::move(f)); }

class Nested final : public Transformation {
 public:
  explicit Nested(std::vector<ProcessingItem> items) : items_(std::move(items)) {}
  [[nodiscard]] const std::vector<ProcessingItem>* nested() const override { return &items_; }

 private:
  std::vector<ProcessingItem> items_;
};

Result<std::map<std::string, std::vector<std::string>>, LoadError> mapping_of(
    const YamlNode& node) {
  std::map<std::string, std::vector<std::string>> out;
  const auto* map = node.find("mapping");
  if (map == nullptr || !map->is_map()) return fail(LoadError{{}, node.line, "needs a `mapping`"});
  for (std::size_t i = 0; i + 1 < map->items.size(); i += 2) {
    auto names = map->items[i + 1].texts();
    if (names.empty())
      return fail(
          LoadError{{}, map->items[i].line, "'" + map->items[i].text + "' maps to nothing"});
    out[map->items[i].text] = std::move(names);
  }
  return out;
}

bool flag_of(const YamlNode& node, std::string_view key, bool fallback) {
  const auto* value = node.find(key);
  return value == nullptr ? fallback : value->boolean().value_or(fallback);
}

// ---- placeholders

/// Replaces placeholders in the strings of an item. `values` gives the strings for a name, or
/// nothing to leave it.
Outcome replace_placeholders(
    Item& item, const std::function<std::optional<std::vector<Str>>(const std::string&)>& values) {
  bool touched = false;
  std::vector<Operand> out;
  for (const auto& value : item.values) {
    std::vector<Str> done(1);
    if (value.kind != Operand::Kind::string) {
      out.push_back(value);
      continue;
    }
    for (const auto& piece : value.str.pieces()) {
      const auto given = piece.kind == Piece::Kind::placeholder ? values(piece.text) : std::nullopt;
      if (!given) {
        for (auto& s : done) s.push(piece);
        continue;
      }
      touched = true;
      if (given->empty() || done.size() * given->size() > 100'000)
        return fail("placeholder %" + piece.text + "% has " +
                    (given->empty() ? "no value" : "too many values"));
      std::vector<Str> next;
      for (const auto& s : done)
        for (const auto& g : *given) {
          next.push_back(s);
          for (const auto& p : g.pieces()) next.back().push(p);
        }
      done = std::move(next);
    }
    for (auto& s : done) {
      Operand one = value;
      one.str = std::move(s);
      out.push_back(std::move(one));
    }
  }
  item.values = std::move(out);
  return touched ? changed() : untouched();
}

std::function<bool(const std::string&)> placeholder_filter(const YamlNode& node) {
  std::vector<std::string> include, exclude;
  if (const auto* list = node.find("include")) include = list->texts();
  if (const auto* list = node.find("exclude")) exclude = list->texts();
  return [=](const std::string& name) {
    const auto in = [&](const auto& list) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    return (include.empty() || in(include)) && !in(exclude);
  };
}

Made value_placeholders(const YamlNode& node) {
  const auto wanted = placeholder_filter(node);
  return on_item(
      [wanted](Item& item, PipelineState& state) {
        return replace_placeholders(
            item, [&](const std::string& name) -> std::optional<std::vector<Str>> {
              const auto it = state.vars.find(name);
              if (!wanted(name) || it == state.vars.end()) return std::nullopt;
              std::vector<Str> out;
              for (const auto& text : it->second) out.push_back(Str::parse(text));
              return out;
            });
      },
      true);
}

Made wildcard_placeholders(const YamlNode& node) {
  const auto wanted = placeholder_filter(node);
  return on_item(
      [wanted](Item& item, PipelineState&) {
        return replace_placeholders(
            item, [&](const std::string& name) -> std::optional<std::vector<Str>> {
              if (!wanted(name)) return std::nullopt;
              Str star;
              star.append_many();
              return std::vector<Str>{star};
            });
      },
      true);
}

// ---- values

/// Changes each string of an item; true when the text changed.
Outcome each_text(Item& item, const std::function<Result<bool, std::string>(Operand&)>& change) {
  bool touched = false;
  for (auto& value : item.values) {
    if (value.kind != Operand::Kind::string) continue;
    auto done = change(value);
    if (!done) return fail(done.error());
    touched = touched || *done;
  }
  return touched ? changed() : untouched();
}

Made replace_string(const YamlNode& node) {
  const std::string expression(node.get("regex")), replacement(node.get("replacement"));
  const bool literals_only = flag_of(node, "skip_special", false);
  if (auto check = regex_replace(expression, replacement, ""); !check)
    return fail(LoadError{{}, node.line, check.error()});
  return on_item([=](Item& item, PipelineState&) {
    return each_text(item, [&](Operand& value) -> Result<bool, std::string> {
      const auto before = value.str;
      if (literals_only) {
        for (auto& piece : value.str.pieces()) {
          if (piece.kind != Piece::Kind::literal) continue;
          auto text = regex_replace(expression, replacement, piece.text);
          if (!text) return fail(text.error());
          piece.text = std::move(*text);
        }
        return !(value.str == before);
      }
      auto text = regex_replace(expression, replacement, value.str.written());
      if (!text) return fail(text.error());
      value.str = Str::parse(*text);
      return !(value.str == before);
    });
  });
}

Made map_string(const YamlNode& node) {
  auto map = mapping_of(node);
  if (!map) return fail(map.error());
  return on_item([map = std::move(*map)](Item& item, PipelineState&) -> Outcome {
    std::vector<Operand> out;
    bool touched = false;
    for (const auto& value : item.values) {
      const auto it = value.kind == Operand::Kind::string || value.kind == Operand::Kind::number
                          ? map.find(value.str.written())
                          : map.end();
      if (it == map.end()) {
        out.push_back(value);
        continue;
      }
      touched = true;
      for (const auto& text : it->second) {
        Operand one = value;
        one.kind = Operand::Kind::string;
        one.str = Str::parse(text);
        one.raw = text;
        out.push_back(std::move(one));
      }
    }
    item.values = std::move(out);
    return touched ? changed() : untouched();
  });
}

Made set_value(const YamlNode& node) {
  const auto* value = node.find("value");
  if (value == nullptr || !value->is_scalar())
    return fail(LoadError{{}, node.line, "set_value needs a `value`"});
  auto operand = read_value(*value);
  const auto force = node.get("force_type");
  if (force == "str" && operand.kind != Operand::Kind::string) {
    operand.kind = Operand::Kind::string;
    operand.str = Str::plain(value->text);
  }
  return on_item([operand](Item& item, PipelineState&) -> Outcome {
    item.values = {operand};
    return changed();
  });
}

Made convert_type(const YamlNode& node) {
  const std::string to(node.get("target_type"));
  if (to != "str" && to != "num")
    return fail(LoadError{{}, node.line, "convert_type needs target_type str or num"});
  return on_item([to](Item& item, PipelineState&) -> Outcome {
    bool touched = false;
    for (auto& value : item.values) {
      if (to == "str" && value.kind == Operand::Kind::number) {
        value.kind = Operand::Kind::string;
        touched = true;
      } else if (to == "num" && value.kind == Operand::Kind::string) {
        const auto number = value.str.is_plain() ? number_of(value.str.plain_text()) : std::nullopt;
        if (!number) return fail("'" + value.raw + "' cannot become a number");
        value.kind = Operand::Kind::number;
        value.number = *number;
        value.str = Str::plain(canonical_number(value.str.plain_text()));
        touched = true;
      }
    }
    return touched ? changed() : untouched();
  });
}

Made change_case(const YamlNode& node) {
  const std::string how(node.get("method"));
  if (how != "lower" && how != "upper" && how != "snake_case")
    return fail(LoadError{{}, node.line, "case needs method lower, upper or snake_case"});
  return on_item([how](Item& item, PipelineState&) {
    return each_text(item, [&](Operand& value) -> Result<bool, std::string> {
      for (auto& piece : value.str.pieces())
        if (piece.kind == Piece::Kind::literal) piece.text = recase(piece.text, how);
      return true;
    });
  });
}

Made regex_method(const YamlNode& node) {
  const std::string how =
      node.find("method") == nullptr ? "plain" : std::string(node.get("method"));
  return on_item([how](Item& item, PipelineState&) -> Outcome {
    bool touched = false;
    for (auto& value : item.values)
      if (value.kind == Operand::Kind::regex && how.starts_with("ignore_case")) {
        value.regex_i = true;
        touched = true;
      }
    return touched ? changed() : untouched();
  });
}

/// `Hashes: 'SHA256=...'` and the like to one field for each kind of hash.
Made hashes_fields(const YamlNode& node) {
  std::vector<std::string> algorithms;
  if (const auto* list = node.find("valid_hash_algos")) algorithms = list->texts();
  for (auto& a : algorithms) a = folded(a);
  const std::string prefix(node.get("field_prefix"));
  const bool drop = flag_of(node, "drop_algo_prefix", false);
  return on_item([=](Item& item, PipelineState&) -> Outcome {
    if (item.field != "Hashes" && item.field != "Hash") return untouched();
    ItemOutcome out;
    out.kind = ItemOutcome::Kind::replace;
    out.replacement.op = item.all ? Detection::Op::all_of : Detection::Op::any_of;
    for (const auto& value : item.values) {
      if (value.kind != Operand::Kind::string) return fail(std::string("a hash is not text"));
      for (const auto& piece : value.str.pieces()) {
        if (piece.kind != Piece::Kind::literal) continue;
        std::string_view rest = piece.text;
        while (!rest.empty()) {
          const auto comma = rest.find(',');
          const auto one = rest.substr(0, comma);
          rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
          const auto sign = one.find_first_of("=|");
          std::string name =
              sign == std::string_view::npos ? std::string() : folded(one.substr(0, sign));
          const auto digits = sign == std::string_view::npos ? one : one.substr(sign + 1);
          if (name.empty())
            name = digits.size() == 32    ? "md5"
                   : digits.size() == 40  ? "sha1"
                   : digits.size() == 64  ? "sha256"
                   : digits.size() == 128 ? "sha512"
                                          : "";
          if (name.empty() ||
              (!algorithms.empty() &&
               std::find(algorithms.begin(), algorithms.end(), name) == algorithms.end()))
            return fail("'" + std::string(one) + "' is not a hash of a known kind");
          Detection part;
          part.op = Detection::Op::item;
          part.item = item;
          part.item.all = false;
          part.item.field = drop ? prefix : prefix + recase(name, "upper");
          Operand plain = value;
          plain.str = Str::plain(digits);
          part.item.values = {std::move(plain)};
          out.replacement.parts.push_back(std::move(part));
        }
      }
    }
    if (out.replacement.parts.empty()) return untouched();
    return out;
  });
}

// ---- rules

Made add_condition(const YamlNode& node) {
  const auto* conditions = node.find("conditions");
  if (conditions == nullptr || !conditions->is_map())
    return fail(
        LoadError{{}, node.line, "add_condition needs `conditions`, a map from field to values"});
  ModifierContext context;
  auto detection = read_detection(*conditions, context);
  if (!detection) return fail(detection.error());
  const bool negated = flag_of(node, "negated", false),
             templated = flag_of(node, "template", false);
  const std::string name = node.find("name") == nullptr ? "_cond_" + std::to_string(node.line)
                                                        : std::string(node.get("name"));
  return on_rule([=, detection = std::move(*detection)](
                     Document& rule, PipelineState&) -> Result<bool, std::string> {
    if (rule.correlation || rule.filter) return false;
    Named added{name, detection};
    for (const auto& known : rule.identifiers)
      if (known.name == added.name) added.name += "_";
    if (templated) {
      const std::pair<std::string, const std::string*> words[] = {
          {"category", &rule.logsource.category},
          {"product", &rule.logsource.product},
          {"service", &rule.logsource.service}};
      const std::function<void(Detection&)> fill = [&](Detection& d) {
        for (auto& part : d.parts) fill(part);
        for (auto& value : d.item.values)
          for (auto& piece : value.str.pieces())
            for (const auto& [word, text] : words)
              for (const auto& form : {"${" + word + "}", "$" + word})
                for (auto at = piece.text.find(form); at != std::string::npos;
                     at = piece.text.find(form, at + text->size()))
                  piece.text.replace(at, form.size(), *text);
      };
      fill(added.detection);
    }
    for (auto& condition : rule.conditions) {
      Condition identifier, both;
      identifier.text = added.name;
      if (negated) {
        Condition opposite;
        opposite.op = Condition::Op::negate;
        opposite.parts.push_back(std::move(identifier));
        identifier = std::move(opposite);
      }
      both.op = Condition::Op::all_of;
      both.parts.push_back(std::move(identifier));
      both.parts.push_back(std::move(condition));
      condition = std::move(both);
    }
    rule.identifiers.push_back(std::move(added));
    return true;
  });
}

Made change_logsource(const YamlNode& node) {
  const LogSource to{std::string(node.get("category")),
                     std::string(node.get("product")),
                     std::string(node.get("service")),
                     {}};
  if (to.empty())
    return fail(LoadError{{}, node.line, "change_logsource needs category, product or service"});
  return on_rule([to](Document& rule, PipelineState&) -> Result<bool, std::string> {
    rule.logsource = to;
    return true;
  });
}

Made change_fields(const YamlNode& node, std::string_view how) {
  std::vector<std::string> names;
  for (const auto* key : {"field", "fields"})
    if (const auto* value = node.find(key)) names = value->texts();
  return on_rule(
      [names, how = std::string(how)](Document& rule, PipelineState&) -> Result<bool, std::string> {
        auto& fields = rule.info.fields;
        if (how == "set_field") fields.clear();
        for (const auto& name : names) {
          const auto it = std::find(fields.begin(), fields.end(), name);
          if (how == "remove_field" && it != fields.end()) fields.erase(it);
          if (how != "remove_field" && it == fields.end()) fields.push_back(name);
        }
        return true;
      });
}

}  // namespace

Made make_transformation(const YamlNode& node) {
  const std::string type(node.get("type"));
  const auto failure = [&](std::string text) {
    return fail(LoadError{{}, node.line, type + ": " + std::move(text)});
  };
  if (type == "field_name_mapping" || type == "field_name_prefix_mapping") {
    auto map = mapping_of(node);
    if (!map) return fail(map.error());
    if (type == "field_name_mapping") return std::make_unique<FieldNameMapping>(std::move(*map));
    return std::make_unique<FieldPrefixMapping>(std::move(*map));
  }
  if (type == "field_name_prefix")
    return std::make_unique<FieldAffix>(std::string(node.get("prefix")), "");
  if (type == "field_name_suffix")
    return std::make_unique<FieldAffix>("", std::string(node.get("suffix")));
  if (type == "field_name_transform") {
    const std::string how(node.get("transform_func"));
    if (how != "lower_case" && how != "upper_case" && how != "title_case" && how != "camel_case" &&
        how != "snake_case")
      return failure(
          "transform_func is one of lower_case upper_case title_case camel_case snake_case");
    std::map<std::string, std::vector<std::string>> map;
    if (node.find("mapping") != nullptr) {
      auto read = mapping_of(node);
      if (!read) return fail(read.error());
      map = std::move(*read);
    }
    return std::make_unique<FieldTransform>(how, std::move(map));
  }
  if (type == "drop_detection_item")
    return on_item(
        [](Item&, PipelineState&) -> Outcome { return ItemOutcome{ItemOutcome::Kind::drop, {}}; });
  if (type == "add_condition") return add_condition(node);
  if (type == "change_logsource") return change_logsource(node);
  if (type == "replace_string") return replace_string(node);
  if (type == "map_string") return map_string(node);
  if (type == "set_value") return set_value(node);
  if (type == "convert_type") return convert_type(node);
  if (type == "case") return change_case(node);
  if (type == "regex") return regex_method(node);
  if (type == "hashes_fields") return hashes_fields(node);
  if (type == "value_placeholders") return value_placeholders(node);
  if (type == "wildcard_placeholders") return wildcard_placeholders(node);
  if (type == "query_expression_placeholders")
    return failure(
        "a query expression of another system has no meaning here: use value_placeholders");
  if (type == "add_field" || type == "remove_field" || type == "set_field")
    return change_fields(node, type);
  if (type == "set_state") {
    const std::string key(node.get("key")), value(node.get("val"));
    return on_rule([=](Document&, PipelineState& state) -> Result<bool, std::string> {
      state.values[key] = value;
      return true;
    });
  }
  if (type == "set_custom_attribute") {
    const std::string key(node.get("attribute")), value(node.get("value"));
    return on_rule([=](Document& rule, PipelineState&) -> Result<bool, std::string> {
      rule.custom[key] = value;
      return true;
    });
  }
  if (type == "rule_failure") {
    const std::string message(node.get("message"));
    return on_rule(
        [=](Document&, PipelineState&) -> Result<bool, std::string> { return fail(message); });
  }
  if (type == "detection_item_failure") {
    const std::string message(node.get("message"));
    return on_item([=](Item&, PipelineState&) -> Outcome { return fail(message); });
  }
  if (type == "strict_field_mapping_failure")
    return on_item([](Item& item, PipelineState&) -> Outcome {
      const bool mapped = std::find(item.applied.begin(), item.applied.end(), "field mapping") !=
                          item.applied.end();
      if (item.field.empty() || mapped) return untouched();
      return fail("no mapping for field '" + item.field + "'");
    });
  if (type == "nest") {
    const auto* list = node.find("items");
    if (list == nullptr) return failure("needs `items`");
    auto items = read_items(*list);
    if (!items) return fail(items.error());
    return std::make_unique<Nested>(std::move(*items));
  }
  return fail(LoadError{{},
                        node.line,
                        type.empty() ? std::string("a transformation without `type`")
                                     : "unknown transformation '" + type + "'"});
}

}  // namespace ww::sigma
