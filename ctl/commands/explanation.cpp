#include "ctl/commands/explanation.hpp"

#include <boost/json.hpp>
#include <cstdio>
#include <string_view>

#include "ctl/commands/client.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;

constexpr int deepest = 64;

bool holds(const json::object& o) {
  const auto* result = o.if_contains("result");
  return result != nullptr && result->is_bool() && result->get_bool();
}

const json::array& list_of(const json::object& o, std::string_view name) {
  static const json::array none;
  const auto* list = o.if_contains(name);
  return list != nullptr && list->is_array() ? list->get_array() : none;
}

/// As people write numbers: text_of() has JSON's exponents.
std::string number_of(const json::value& o, std::string_view name) {
  const auto* v = o.get_object().if_contains(name);
  if (v == nullptr || !v->is_double()) return text_of(o, name);
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", v->get_double());
  return text;
}

void line(std::string& out, bool truth, int depth, std::string_view text) {
  out += truth ? "true   " : "false  ";
  out.append(static_cast<std::size_t>(depth) * 2, ' ');
  out += text;
  out += '\n';
}

void tree(std::string& out, const json::value& node, int depth) {
  if (!node.is_object() || depth > deepest) return;
  const auto& o = node.get_object();
  const auto name = text_of(node, "name"), op = text_of(node, "op");
  if (op != "field") {
    line(out, holds(o), depth, name.empty() ? op : op + " (" + name + ")");
    for (const auto& part : list_of(o, "parts")) tree(out, part, depth + 1);
    return;
  }
  std::string text = name.empty() ? "any value" : name;
  const auto* present = o.if_contains("present");
  if (present != nullptr && present->is_bool()) {
    const auto* value = o.if_contains("event_value");
    text += !present->get_bool()                   ? "  (not in the event)"
            : value == nullptr || value->is_null() ? " = null"
                                                   : " = " + text_of(node, "event_value");
  }
  line(out, holds(o), depth, text);
  for (const auto& value : list_of(o, "values")) {
    if (!value.is_object()) continue;
    const auto found = text_of(value, "found_in");
    line(out, holds(value.get_object()), depth + 1,
         text_of(value, "value") + (found.empty() || text.ends_with(" = " + found)
                                        ? std::string()
                                        : "  found in: " + found));
  }
}

void correlation(std::string& out, const json::value& e) {
  out += text_of(e, "type") + ": " + text_of(e, "condition") + " within " +
         number_of(e, "timespan_seconds") + " s; here " + number_of(e, "value") + "\n";
  out +=
      text_of(e, "first") + " to " + text_of(e, "last") + ", " + text_of(e, "events") + " events\n";
  if (const auto* group = e.get_object().if_contains("group");
      group != nullptr && group->is_object())
    for (const auto& field : group->get_object())
      out += std::string(field.key()) + " = " +
             (field.value().is_string() ? std::string(field.value().get_string())
                                        : json::serialize(field.value())) +
             "\n";
  for (const auto& rule : list_of(e.get_object(), "rules"))
    out += "  " + text_of(rule, "events") + " x " + text_of(rule, "title") + " (" +
           text_of(rule, "id") + ")\n";
  for (const auto& part : list_of(e.get_object(), "parts")) {
    if (!part.is_object()) continue;
    const auto number = number_of(part, "number");
    out += "  " + text_of(part, "time") + "  event " + text_of(part, "event") + "  rule " +
           text_of(part, "rule") + (number.empty() ? "" : "  " + number) + "\n";
  }
}

}  // namespace

std::string explanation_lines(const json::value& explanation) {
  std::string out;
  if (explanation.is_string()) {
    const std::string text(explanation.get_string());
    boost::system::error_code ec;
    const auto inner = json::parse(text, ec);
    if (!ec && inner.is_object()) return explanation_lines(inner);
    return text.empty() ? text : text + "\n";
  }
  if (!explanation.is_object()) return json::serialize(explanation) + "\n";
  const auto& o = explanation.get_object();
  if (o.contains("tree")) {
    out += text_of(explanation, "rule.title") + " (" + text_of(explanation, "rule.id") + ")\n";
    out += "condition: " + text_of(explanation, "condition") + "\n";
    tree(out, o.at("tree"), 0);
    return out;
  }
  if (o.contains("parts") && o.contains("type")) {
    correlation(out, explanation);
    return out;
  }
  return json::serialize(explanation) + "\n";
}

}  // namespace ww::ctl
