#include "rules/sigma/document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "rules/sigma/condition.hpp"
#include "telemetry/edit_distance.hpp"

namespace ww::sigma {

bool is_plain_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string canonical_number(std::string_view text) {
  if (is_plain_integer(text)) return text == "-0" ? "0" : std::string(text);
  double v = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::string(text);
  std::array<char, 64> out{};
  if (std::floor(v) == v && std::fabs(v) < 9007199254740992.0) {
    const auto done =
        std::to_chars(out.data(), out.data() + out.size(), static_cast<std::int64_t>(v));
    return {out.data(), done.ptr};
  }
  const auto done = std::to_chars(out.data(), out.data() + out.size(), v);
  return {out.data(), done.ptr};
}

std::optional<std::int64_t> parse_timespan(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc{} || n <= 0 || end + 1 != text.data() + text.size()) return std::nullopt;
  std::int64_t unit = 0;
  switch (*end) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86'400;
      break;
    case 'w':
      unit = 7 * 86'400;
      break;
    case 'M':
      unit = 30 * 86'400;
      break;
    case 'y':
      unit = 365 * 86'400;
      break;
    default:
      return std::nullopt;
  }
  if (n > 100LL * 365 * 86'400 / unit) return std::nullopt;
  return n * unit * 1'000'000;
}

Operand read_value(const YamlNode& node) {
  Operand out;
  out.raw = node.text;
  if (node.is_null()) {
    out.kind = Operand::Kind::null;
    return out;
  }
  if (!node.quoted) {
    if (node.text == "true" || node.text == "True" || node.text == "TRUE" || node.text == "false" ||
        node.text == "False" || node.text == "FALSE") {
      out.kind = Operand::Kind::boolean;
      out.flag = node.text[0] == 't' || node.text[0] == 'T';
      out.str = Str::plain(out.flag ? "true" : "false");
      return out;
    }
    double v = 0;
    const auto& t = node.text;
    const bool shaped =
        !t.empty() &&
        (is_plain_integer(t) || (t.find_first_of(".eE") != std::string::npos &&
                                 (t[0] == '-' || (t[0] >= '0' && t[0] <= '9')) &&
                                 t.find_first_not_of("0123456789.eE+-") == std::string::npos));
    if (shaped) {
      const auto [end, ec] = std::from_chars(t.data(), t.data() + t.size(), v);
      if (ec == std::errc{} && end == t.data() + t.size()) {
        out.kind = Operand::Kind::number;
        out.number = v;
        out.str = Str::plain(canonical_number(t));
        return out;
      }
    }
  }
  out.str = Str::parse(node.text);
  return out;
}

namespace {

LoadError error_at(const YamlNode& node, std::string text) {
  return {{}, node.line, std::move(text)};
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> out;
  for (;;) {
    const auto at = text.find(by);
    out.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::string nearest_modifier(std::string_view name) {
  std::string best;
  std::size_t best_distance = 3;
  for (const auto& [known, unused] : modifiers()) {
    if (const auto d = edit_distance(name, known); d < best_distance) {
      best_distance = d;
      best = known;
    }
  }
  return best;
}

/// Applies the modifiers in `item.modifiers` to the values.
Result<void, std::string> apply_modifiers(Item& item, const ModifierContext& context) {
  for (const auto& name : item.modifiers) {
    const auto it = modifiers().find(name);
    if (it == modifiers().end()) {
      const auto near = name.size() > 40 ? std::string() : nearest_modifier(name);
      return fail("unknown modifier '" + name + "'" +
                  (near.empty() ? "" : "; did you mean '" + near + "'?"));
    }
    if (auto done = it->second.apply(item, context); !done) return done;
  }
  if (item.field.empty() && item.part == TimePart::none)
    for (auto& value : item.values) {  // keywords are searched for anywhere in a value
      if (value.kind == Operand::Kind::number || value.kind == Operand::Kind::boolean)
        value.kind = Operand::Kind::string;
      if (value.kind == Operand::Kind::null) return fail(std::string("a keyword cannot be null"));
      if (value.kind == Operand::Kind::string) {
        value.str.prepend_many();
        value.str.append_many();
      }
    }
  return {};
}

Result<Detection, LoadError> read_item(std::string_view key, const YamlNode& key_node,
                                       const YamlNode& value, const ModifierContext& context) {
  Detection out;
  out.op = Detection::Op::item;
  auto& item = out.item;
  item.line = key_node.line;
  auto words = split(key, '|');
  item.field = words[0];
  item.modifiers.assign(words.begin() + 1, words.end());
  if (value.is_map())
    return fail(error_at(value, "the value of '" + std::string(key) + "' is a map"));
  const bool expression = std::find(words.begin() + 1, words.end(), "re") != words.end();
  const auto take = [&](const YamlNode& node) {
    item.values.push_back(read_value(node));
    if (expression && item.values.back().kind == Operand::Kind::null && node.quoted)
      item.values.back().kind = Operand::Kind::string;
  };
  if (value.is_scalar()) take(value);
  for (const auto& entry : value.items) {
    if (!entry.is_scalar())
      return fail(error_at(entry, "the values of '" + std::string(key) + "' hold a list or map"));
    take(entry);
  }
  if (item.values.empty())
    return fail(error_at(value, "'" + std::string(key) + "' has an empty list of values"));
  if (auto done = apply_modifiers(item, context); !done)
    return fail(error_at(key_node, "'" + std::string(key) + "': " + done.error()));
  return out;
}

}  // namespace

Result<Detection, LoadError> read_detection(const YamlNode& node, const ModifierContext& context) {
  Detection out;
  if (node.is_map()) {
    if (node.items.empty()) return fail(error_at(node, "an empty map as detection"));
    out.op = Detection::Op::all_of;
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
      auto item = read_item(node.items[i].text, node.items[i], node.items[i + 1], context);
      if (!item) return item;
      out.parts.push_back(std::move(*item));
    }
  } else if (node.is_list()) {
    if (node.items.empty()) return fail(error_at(node, "an empty list as detection"));
    out.op = Detection::Op::any_of;
    YamlNode keywords;
    keywords.kind = YamlNode::Kind::sequence;
    keywords.line = node.line;
    for (const auto& entry : node.items) {
      if (entry.is_scalar()) {
        keywords.items.push_back(entry);
        continue;
      }
      auto part = read_detection(entry, context);
      if (!part) return part;
      out.parts.push_back(std::move(*part));
    }
    if (!keywords.items.empty()) {
      auto item = read_item("", node, keywords, context);
      if (!item) return item;
      out.parts.push_back(std::move(*item));
    }
  } else {
    if (node.is_null()) return fail(error_at(node, "a search identifier without content"));
    return read_item("", node, node, context);
  }
  if (out.parts.size() == 1) return std::move(out.parts[0]);
  return out;
}

namespace {

struct Detections {
  std::vector<Named> identifiers;
  std::vector<Condition> conditions;
  std::vector<std::string> texts;
};

Result<Detections, LoadError> read_detections(const YamlNode& node, const ModifierContext& context,
                                              std::initializer_list<std::string_view> skip) {
  Detections out;
  if (!node.is_map()) return fail(error_at(node, "the detection is not a map"));
  const YamlNode* condition = nullptr;
  std::vector<std::string> names;
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const auto& key = node.items[i].text;
    if (key == "condition") {
      condition = &node.items[i + 1];
      continue;
    }
    if (key == "timeframe" || std::find(skip.begin(), skip.end(), key) != skip.end()) continue;
    auto detection = read_detection(node.items[i + 1], context);
    if (!detection) return fail(detection.error());
    names.push_back(key);
    out.identifiers.push_back({key, std::move(*detection)});
  }
  if (condition == nullptr) return fail(error_at(node, "the detection has no condition"));
  if (out.identifiers.empty())
    return fail(error_at(node, "the detection has no search identifier"));
  out.texts = condition->texts();
  if (out.texts.empty()) return fail(error_at(*condition, "the condition is empty"));
  for (const auto& text : out.texts) {
    auto parsed = parse_condition(text, names);
    if (!parsed) return fail(error_at(*condition, parsed.error()));
    out.conditions.push_back(std::move(*parsed));
  }
  return out;
}

Result<Filter, LoadError> read_filter(const YamlNode& node, const ModifierContext& context) {
  Filter out;
  if (!node.is_map()) return fail(error_at(node, "the filter is not a map"));
  if (const auto* rules = node.find("rules")) {
    out.rules = rules->texts();
    if (out.rules.size() == 1 && out.rules[0] == "any")
      out.rules.clear();
    else if (out.rules.empty())
      return fail(error_at(*rules, "the filter names no rule"));
  }
  auto detections = read_detections(node, context, {"rules"});
  if (!detections) return fail(detections.error());
  out.identifiers = std::move(detections->identifiers);
  out.conditions = std::move(detections->conditions);
  return out;
}

constexpr std::size_t max_correlated_rules = 10'000;
constexpr std::pair<std::string_view, CorrelationType> correlation_types[] = {
    {"event_count", CorrelationType::event_count},
    {"value_count", CorrelationType::value_count},
    {"temporal", CorrelationType::temporal},
    {"temporal_ordered", CorrelationType::temporal_ordered},
    {"temporal_extended", CorrelationType::temporal},
    {"temporal_ordered_extended", CorrelationType::temporal_ordered},
    {"value_sum", CorrelationType::value_sum},
    {"value_avg", CorrelationType::value_avg},
    {"value_percentile", CorrelationType::value_percentile},
    {"value_median", CorrelationType::value_median},
};
constexpr std::pair<std::string_view, Threshold::Op> threshold_ops[] = {
    {"lt", Threshold::Op::lt},   {"lte", Threshold::Op::lte}, {"gt", Threshold::Op::gt},
    {"gte", Threshold::Op::gte}, {"eq", Threshold::Op::eq},   {"neq", Threshold::Op::neq},
};

Result<void, LoadError> read_threshold(const YamlNode& node, CorrelationSpec& out) {
  if (node.is_scalar()) {
    if (out.type != CorrelationType::temporal && out.type != CorrelationType::temporal_ordered)
      return fail(error_at(node, "a condition in words belongs to temporal correlations"));
    auto parsed = parse_condition(node.text, out.rules);
    if (!parsed) return fail(error_at(node, parsed.error()));
    out.expression = std::move(*parsed);
    out.expression_text = node.text;
    return {};
  }
  if (!node.is_map()) return fail(error_at(node, "the correlation condition is not a map"));
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const auto& key = node.items[i].text;
    const auto& value = node.items[i + 1];
    if (key == "field") {
      out.fields = value.texts();
      continue;
    }
    const auto number = value.is_scalar() ? number_of(value.text) : std::nullopt;
    if (key == "percentile") {
      if (!number || *number < 0 || *number > 100)
        return fail(error_at(value, "percentile needs a number from 0 to 100"));
      out.percentile = *number;
      continue;
    }
    const auto* op = std::find_if(std::begin(threshold_ops), std::end(threshold_ops),
                                  [&](const auto& known) { return known.first == key; });
    if (op == std::end(threshold_ops))
      return fail(error_at(node.items[i],
                           "unknown operator '" + key +
                               "' in the correlation condition; known: lt lte gt gte eq neq"));
    if (!number)
      return fail(error_at(value, "'" + key + "' needs a number, not '" + value.text + "'"));
    out.thresholds.push_back({op->second, *number});
  }
  return {};
}

Result<CorrelationSpec, LoadError> read_correlation(const YamlNode& root, const YamlNode& node) {
  CorrelationSpec out;
  if (!node.is_map()) return fail(error_at(node, "the correlation is not a map"));
  const auto type = node.get("type");
  const auto* known = std::find_if(std::begin(correlation_types), std::end(correlation_types),
                                   [&](const auto& t) { return t.first == type; });
  if (known == std::end(correlation_types))
    return fail(error_at(node, type.empty()
                                   ? std::string("the correlation has no type")
                                   : "unknown correlation type '" + std::string(type) + "'"));
  out.type = known->second;
  if (const auto* rules = node.find("rules")) out.rules = rules->texts();
  if (out.rules.empty()) return fail(error_at(node, "the correlation names no rules"));
  if (out.rules.size() > max_correlated_rules)
    return fail(error_at(node, "the correlation names more than " +
                                   std::to_string(max_correlated_rules) + " rules"));
  if (const auto* group = node.find("group-by")) out.group_by = group->texts();
  const auto* span = node.find("timespan");
  if (span == nullptr) return fail(error_at(node, "the correlation has no timespan"));
  const auto us = parse_timespan(span->text);
  if (!us)
    return fail(
        error_at(*span, "timespan '" + span->text + "' is not a number with one of s m h d w M y"));
  out.timespan_us = *us;
  if (const auto* aliases = node.find("aliases")) {
    if (!aliases->is_map()) return fail(error_at(*aliases, "aliases are not a map"));
    for (std::size_t i = 0; i + 1 < aliases->items.size(); i += 2) {
      const auto& map = aliases->items[i + 1];
      if (!map.is_map())
        return fail(error_at(
            map, "alias '" + aliases->items[i].text + "' is not a map from rule to field"));
      for (std::size_t k = 0; k + 1 < map.items.size(); k += 2) {
        if (std::find(out.rules.begin(), out.rules.end(), map.items[k].text) == out.rules.end())
          return fail(error_at(
              map.items[k], "alias '" + aliases->items[i].text + "' names '" + map.items[k].text +
                                "', which is not among the rules of the correlation"));
        out.aliases[aliases->items[i].text][map.items[k].text] = map.items[k + 1].text;
      }
    }
  }
  if (const auto* condition = node.find("condition"))
    if (auto done = read_threshold(*condition, out); !done) return fail(done.error());
  const bool temporal =
      out.type == CorrelationType::temporal || out.type == CorrelationType::temporal_ordered;
  if (!temporal && out.thresholds.empty())
    return fail(error_at(node, std::string(type) + " needs a condition"));
  if (!temporal && out.type != CorrelationType::event_count && out.fields.empty())
    return fail(error_at(node, std::string(type) + " needs a field in its condition"));
  for (const auto* place : {&node, &root})
    if (const auto* generate = place->find("generate")) {
      const auto flag = generate->boolean();
      if (!flag) return fail(error_at(*generate, "generate is true or false"));
      out.generate = *flag;
    }
  return out;
}

constexpr std::pair<std::string_view, Level> levels[] = {{"informational", Level::informational},
                                                         {"low", Level::low},
                                                         {"medium", Level::medium},
                                                         {"high", Level::high},
                                                         {"critical", Level::critical}};

Result<void, LoadError> read_info(const YamlNode& root, RuleInfo& info) {
  info.id = root.get("id");
  info.title = root.get("title");
  info.name = root.get("name");
  info.status = root.get("status");
  info.description = root.get("description");
  info.author = root.get("author");
  info.date = root.get("date");
  info.line = root.line;
  if (const auto* level = root.find("level"); level != nullptr && !level->is_null()) {
    const auto* it = std::find_if(std::begin(levels), std::end(levels),
                                  [&](const auto& l) { return l.first == level->text; });
    if (it == std::end(levels))
      return fail(error_at(*level, "unknown level '" + level->text +
                                       "'; known: informational low medium high critical"));
    info.level = it->second;
  }
  const auto list = [&](std::string_view key, std::vector<std::string>& out) {
    if (const auto* node = root.find(key)) out = node->texts();
  };
  list("tags", info.tags);
  list("references", info.references);
  list("falsepositives", info.falsepositives);
  list("fields", info.fields);
  return {};
}

}  // namespace

Result<Document, LoadError> read_document(const YamlNode& root, const std::string& file,
                                          const ModifierContext& context) {
  const auto bad = [&](LoadError e) {
    e.file = file;
    return fail(std::move(e));
  };
  if (!root.is_map()) return bad(error_at(root, "a rule is a map; this document is not"));
  Document out;
  if (auto done = read_info(root, out.info); !done) return bad(done.error());
  out.info.file = file;
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2)
    if (root.items[i + 1].is_scalar()) out.custom[root.items[i].text] = root.items[i + 1].text;
  if (const auto* source = root.find("logsource")) {
    if (!source->is_map()) return bad(error_at(*source, "the logsource is not a map"));
    out.logsource = {std::string(source->get("category")), std::string(source->get("product")),
                     std::string(source->get("service")), std::string(source->get("definition"))};
  }
  if (const auto* correlation = root.find("correlation")) {
    auto spec = read_correlation(root, *correlation);
    if (!spec) return bad(spec.error());
    out.correlation = std::move(*spec);
    out.info.correlation = true;
    return out;
  }
  if (const auto* filter = root.find("filter")) {
    auto read = read_filter(*filter, context);
    if (!read) return bad(read.error());
    read->logsource = out.logsource;
    out.filter = std::move(*read);
    return out;
  }
  const auto* detection = root.find("detection");
  if (detection == nullptr)
    return bad(error_at(root, "neither a detection, nor a correlation, nor a filter"));
  if (out.logsource.empty())
    return bad(error_at(root, "the rule has no logsource (category, product or service)"));
  auto detections = read_detections(*detection, context, {});
  if (!detections) return bad(detections.error());
  out.identifiers = std::move(detections->identifiers);
  out.conditions = std::move(detections->conditions);
  out.condition_texts = std::move(detections->texts);
  return out;
}

}  // namespace ww::sigma
