#include "rules/sigma/explain.hpp"

#include "rules/sigma/engine.hpp"

namespace ww::sigma {
namespace {

constexpr std::size_t longest_shown = 1024;

bool truth(const EngineImpl& engine, EventReader& reader, const Expr& e) {
  switch (e.op) {
    case Expr::Op::constant:
      return e.value;
    case Expr::Op::negate:
      return !truth(engine, reader, e.parts[0]);
    case Expr::Op::all_of:
      for (const auto& part : e.parts)
        if (!truth(engine, reader, part)) return false;
      return true;
    case Expr::Op::any_of:
      for (const auto& part : e.parts)
        if (truth(engine, reader, part)) return true;
      return false;
    case Expr::Op::leaf:
      break;
  }
  for (const auto id : e.patterns)
    if (holds(engine.patterns.all()[id], reader) != e.all) return !e.all;
  return e.all;
}

std::string_view clipped(std::string_view text) {
  if (text.size() <= longest_shown) return text;
  auto n = longest_shown;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0U) == 0x80U) --n;
  return text.substr(0, n);
}

void write(const EngineImpl& engine, EventReader& reader, const Expr& e, JsonWriter& out) {
  out.begin_object();
  constexpr std::string_view names[] = {"all of", "any of", "not", "field", "constant"};
  out.field("op", names[static_cast<std::size_t>(e.op)]);
  if (!e.label.empty()) out.field("name", e.label);
  out.field("result", truth(engine, reader, e));
  if (e.op != Expr::Op::leaf) {
    if (!e.parts.empty()) {
      out.begin_array("parts");
      for (const auto& part : e.parts) write(engine, reader, part, out);
      out.end_array();
    }
    out.end_object();
    return;
  }
  out.field("wants", e.all ? "all" : "any");
  out.begin_array("values");
  for (std::size_t i = 0; i < e.patterns.size(); ++i) {
    const Value* matched = nullptr;
    const bool result = holds(engine.patterns.all()[e.patterns[i]], reader, &matched);
    if (!result && e.patterns.size() > 20 && !e.all)
      continue;  // long lists: what matched is what matters
    out.begin_object();
    out.field("value", clipped(e.written[i]));
    out.field("result", result);
    if (matched != nullptr && matched->comparable()) out.field("found_in", clipped(matched->text));
    out.end_object();
  }
  out.end_array();
  const auto& first = engine.patterns.all()[e.patterns.empty() ? 0 : e.patterns[0]];
  if (!e.patterns.empty() && first.slot != 0) {
    const auto* value = reader.first(first.slot);
    out.key("event_value");
    if (value == nullptr || value->kind == Value::Kind::null)
      out.null();
    else if (value->kind == Value::Kind::object)
      out.value("(object)");
    else
      out.value(clipped(value->text));
    out.field("present", value != nullptr);
  }
  out.end_object();
}

}  // namespace

void explain_rule(const EngineImpl& engine, EventReader& reader, std::uint32_t rule,
                  std::string_view event, JsonWriter& out) {
  out.begin_object();
  if (rule >= engine.infos.size() || engine.infos[rule].correlation) {
    out.field("error", rule >= engine.infos.size() ? "no such rule"
                                                   : "a correlation is explained by its events");
    out.end_object();
    return;
  }
  const auto& info = engine.infos[rule];
  out.begin_object("rule");
  out.field("id", info.id);
  out.field("title", info.title);
  out.end_object();
  out.field("condition", engine.conditions[rule]);
  if (!reader.read(event)) {
    out.field("error", "the event is not a JSON object");
    out.end_object();
    return;
  }
  out.field("matches", truth(engine, reader, engine.trees[rule]));
  out.key("tree");
  write(engine, reader, engine.trees[rule], out);
  out.end_object();
}

}  // namespace ww::sigma
