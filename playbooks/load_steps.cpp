#include <algorithm>

#include "playbooks/checks.hpp"
#include "playbooks/json_text.hpp"
#include "telemetry/base64.hpp"

namespace ww::playbooks {
namespace json = boost::json;
namespace {

struct TypeName {
  StepType type;
  std::string_view name;
};
constexpr TypeName type_names[] = {{StepType::start, "start"},
                                   {StepType::end, "end"},
                                   {StepType::action, "action"},
                                   {StepType::playbook_action, "playbook-action"},
                                   {StepType::parallel, "parallel"},
                                   {StepType::if_condition, "if-condition"},
                                   {StepType::while_condition, "while-condition"},
                                   {StepType::switch_condition, "switch-condition"}};

constexpr std::int64_t longest_ms = 366LL * 86'400 * 1000;

std::string as_text(const json::value& v) {
  return v.is_string() ? std::string(v.get_string()) : json::serialize(v);
}

Command read_command(Checker& c, const json::object& o, const std::string& at) {
  Command out;
  out.type = c.text(o, "type", at, true);
  out.description = c.text(o, "description", at);
  out.activity = c.text(o, "playbook_activity", at);
  out.version = c.text(o, "version", at);
  const auto from = [&](const char* plain, const char* coded) {
    if (o.contains(plain)) return c.text(o, plain, at);
    auto text = c.text(o, coded, at);
    if (text.empty()) return text;
    auto octets = decode_base64(text);
    if (!octets) {
      c.add(at + "." + coded, "is not base64");
      return std::string();
    }
    return std::move(*octets);
  };
  out.command = from("command", "command_b64");
  out.content = from("content", "content_b64");
  if (out.command.empty() && (out.type == "manual" || out.type == "bash" ||
                              out.type == "http-api" || out.type == "ssh" || out.type == "sigma"))
    c.add(at, "a " + out.type + " command needs command or command_b64");
  if (out.type == "http-api" && !out.command.empty()) {
    const auto first = out.command.find(' '), last = out.command.rfind(' ');
    if (first == std::string::npos || last == first ||
        !std::string_view(out.command).substr(last + 1).starts_with("HTTP/"))
      c.add(at + ".command", "must be METHOD TARGET HTTP/VERSION");
  }
  if (const auto* headers = c.object(o, "headers", at)) {
    for (const auto& h : *headers) {
      if (h.value().is_array()) {
        for (const auto& v : h.value().get_array()) out.headers.emplace_back(h.key(), as_text(v));
      } else {
        out.headers.emplace_back(h.key(), as_text(h.value()));
      }
    }
  }
  return out;
}

void read_hints(Checker& c, const json::object& o, const std::string& at, StepHints& out) {
  const auto* extensions = c.object(o, "step_extensions", at);
  if (extensions == nullptr) return;
  const auto* h = c.object(*extensions, hints_extension, at + ".step_extensions");
  if (h == nullptr) return;
  const auto where = at + ".step_extensions." + std::string(hints_extension);
  if (const auto n = c.integer(*h, "expected_minutes", where, 0, 100'000))
    out.expected_minutes = static_cast<std::uint32_t>(*n);
  if (h->contains("evidence_required"))
    out.evidence_required = c.texts(*h, "evidence_required", where);
  out.clinical_impact = c.text(*h, "clinical_impact", where);
  out.rto_clock = c.text(*h, "rto_clock", where);
  if (!out.rto_clock.empty() && out.rto_clock != "start" && out.rto_clock != "stop")
    c.add(where + ".rto_clock", "must be start or stop");
  out.system_id = c.text(*h, "system_id", where);
  out.role = c.text(*h, "role", where);
  out.restore_order = c.integer(*h, "restore_order", where, 0, 100'000);
  if (const auto* d = c.object(*h, "decision", where)) {
    out.decision_question = c.text(*d, "question", where + ".decision", true);
    out.decision_options = c.texts(*d, "options", where + ".decision", true);
  }
}

void read_action(Checker& c, const json::object& o, const std::string& at, Step& s) {
  s.agent = c.text(o, "agent", at, true);
  const auto* commands = o.if_contains("commands");
  if (commands == nullptr || !commands->is_array() || commands->get_array().empty()) {
    c.add(at + ".commands", "must be a list with at least one command");
  } else if (commands->get_array().size() > c.limits.commands) {
    c.add(at + ".commands", "holds more than " + std::to_string(c.limits.commands) + " commands");
  } else {
    std::size_t i = 0;
    for (const auto& v : commands->get_array()) {
      const auto where = at + ".commands[" + std::to_string(i++) + "]";
      if (!v.is_object())
        c.add(where, "must be an object");
      else
        s.commands.push_back(read_command(c, v.get_object(), where));
    }
  }
  if (o.contains("targets")) s.targets = c.texts(o, "targets", at);
}

void read_condition(Checker& c, const json::object& o, const std::string& at, Step& s) {
  s.condition = c.text(o, "condition", at, true);
  s.on_true = c.text(o, "on_true", at, true);
  if (s.condition.empty()) return;
  auto pattern = parse_pattern(s.condition);
  if (!pattern) {
    c.add(at + ".condition",
          pattern.error().what + " (octet " + std::to_string(pattern.error().offset) + ")");
    return;
  }
  if (pattern->temporal)
    c.add(at + ".condition",
          "FOLLOWEDBY, WITHIN, REPEATS and START speak of time, which variables have not");
  s.pattern = std::move(*pattern);
}

void read_switch(Checker& c, const json::object& o, const std::string& at, Step& s) {
  s.switch_on = c.text(o, "switch", at, true);
  const auto* cases = c.object(o, "cases", at);
  if (cases == nullptr || cases->empty()) {
    c.add(at + ".cases", "must name at least one case");
    return;
  }
  for (const auto& m : *cases) {
    if (!m.value().is_string())
      c.add(at + ".cases." + std::string(m.key()), "must be the id of a step");
    else
      s.cases.emplace_back(m.key(), m.value().get_string());
  }
}

void read_step(Checker& c, const json::object& o, const std::string& at, Step& s) {
  s.name = c.text(o, "name", at);
  s.description = c.text(o, "description", at);
  s.owner = c.text(o, "owner", at);
  if (!s.owner.empty() && !is_identifier(s.owner)) c.add(at + ".owner", "must be an identifier");
  s.delay_ms = static_cast<std::uint64_t>(c.integer(o, "delay", at, 0, longest_ms).value_or(0));
  s.timeout_ms = static_cast<std::uint64_t>(c.integer(o, "timeout", at, 0, longest_ms).value_or(0));
  read_variables(c, c.object(o, "step_variables", at), at + ".step_variables", s.variables);
  s.on_completion = c.text(o, "on_completion", at);
  s.on_success = c.text(o, "on_success", at);
  s.on_failure = c.text(o, "on_failure", at);
  if (!s.on_completion.empty() && (!s.on_success.empty() || !s.on_failure.empty()))
    c.add(at, "on_completion excludes on_success and on_failure");
  if (o.contains("in_args")) s.in_args = c.texts(o, "in_args", at);
  if (o.contains("out_args")) s.out_args = c.texts(o, "out_args", at);
  for (const auto* list : {&s.in_args, &s.out_args})
    for (const auto& v : *list)
      if (!is_variable_name(v)) c.add(at, "no variable name among the arguments: " + v);
  read_hints(c, o, at, s.hints);
  switch (s.type) {
    case StepType::start:
    case StepType::end:
      if (!s.on_success.empty() || !s.on_failure.empty())
        c.add(at, "start and end have neither on_success nor on_failure");
      if (s.type == StepType::end && !s.on_completion.empty())
        c.add(at, "an end has no on_completion");
      break;
    case StepType::action:
      read_action(c, o, at, s);
      break;
    case StepType::playbook_action:
      s.playbook_id = c.text(o, "playbook_id", at, true);
      s.playbook_version = c.time(o, "playbook_version", at, false, false);
      if (!s.playbook_id.empty() && !is_identifier(s.playbook_id, "playbook"))
        c.add(at + ".playbook_id", "must be playbook--UUID");
      break;
    case StepType::parallel:
      s.next_steps = c.texts(o, "next_steps", at, true);
      if (s.next_steps.size() == 1) c.add(at + ".next_steps", "needs two steps or more");
      break;
    case StepType::if_condition:
      read_condition(c, o, at, s);
      s.on_false = c.text(o, "on_false", at);
      break;
    case StepType::while_condition:
      read_condition(c, o, at, s);
      break;
    case StepType::switch_condition:
      read_switch(c, o, at, s);
      break;
  }
}

}  // namespace

std::string_view name(StepType t) {
  for (const auto& n : type_names)
    if (n.type == t) return n.name;
  return "";
}

void read_variables(Checker& c, const json::object* o, const std::string& at, Variables& out) {
  if (o == nullptr) return;
  if (o->size() > c.limits.variables) {
    c.add(at, "holds more than " + std::to_string(c.limits.variables) + " variables");
    return;
  }
  const auto prefix = at + ".";
  for (const auto& m : *o) {
    const std::string key(m.key());
    const auto where = prefix + key;
    if (!is_variable_name(key)) {
      c.add(where, "must be named like __name__");
      continue;
    }
    if (!m.value().is_object()) {
      c.add(where, "must be an object");
      continue;
    }
    const auto& v = m.value().get_object();
    c.only(v, where, {"type", "description", "value", "constant", "external"});
    Variable x;
    x.type = c.text(v, "type", where, true);
    x.description = c.text(v, "description", where);
    x.constant = c.flag(v, "constant", where);
    x.external = c.flag(v, "external", where);
    if (const auto* value = v.if_contains("value"); value != nullptr && !value->is_null())
      x.value = as_text(*value);
    if (x.value && x.value->size() > c.limits.text_octets) c.add(where, "is too long");
    out.emplace(key, std::move(x));
  }
}

void read_parties(Checker& c, const json::object* o, const std::string& at,
                  std::map<std::string, Party>& out) {
  if (o == nullptr) return;
  for (const auto& m : *o) {
    Party p;
    p.id = m.key();
    const auto where = at + "." + p.id;
    if (!m.value().is_object()) {
      c.add(where, "must be an object");
      continue;
    }
    p.json = m.value().get_object();
    p.type = c.text(p.json, "type", where, true);
    p.name = c.text(p.json, "name", where, true);
    if (!is_identifier(p.id, p.type)) c.add(where, "the key must be TYPE--UUID of its own type");
    out.emplace(p.id, std::move(p));
  }
}

void read_steps(Checker& c, const json::object& workflow, Playbook& out) {
  for (const auto& m : workflow) {
    Step s;
    s.id = m.key();
    const auto at = "workflow." + s.id;
    if (!m.value().is_object()) {
      c.add(at, "must be an object");
      continue;
    }
    const auto& o = m.value().get_object();
    const auto type = c.text(o, "type", at, true);
    const auto* known = std::find_if(std::begin(type_names), std::end(type_names),
                                     [&](const auto& n) { return n.name == type; });
    if (known == std::end(type_names)) {
      if (!type.empty()) c.add(at + ".type", "\"" + type + "\" is no type of step");
      continue;
    }
    s.type = known->type;
    if (!is_identifier(s.id, type, true))
      c.add(at, "a step's id must be " + type + "--UUID with a version 4 UUID");
    read_step(c, o, at, s);
    out.steps.emplace(s.id, std::move(s));
  }
}

}  // namespace ww::playbooks
