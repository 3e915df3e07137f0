#include <algorithm>
#include <set>

#include "playbooks/checks.hpp"
#include "playbooks/json_text.hpp"

namespace ww::playbooks {
namespace json = boost::json;
namespace {

constexpr std::string_view known_types[] = {"attack",        "detection",  "engagement",
                                            "investigation", "mitigation", "notification",
                                            "prevention",    "remediation"};

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// Activities that the playbook names must be done by a step.
void check_activities(Checker& c, const Playbook& p) {
  const bool known = std::any_of(p.types.begin(), p.types.end(), [](const auto& t) {
    return std::find(std::begin(known_types), std::end(known_types), t) != std::end(known_types);
  });
  if (known && p.activities.empty())
    c.add("playbook_activities", "is needed when playbook_types is given");
  // Only commands can name an activity; where none does, there is nothing to compare with.
  std::set<std::string> done;
  for (const auto& [id, s] : p.steps)
    for (const auto& command : s.commands)
      if (!command.activity.empty()) done.insert(command.activity);
  if (done.empty()) return;
  for (const auto& a : p.activities)
    if (!done.contains(a)) c.add("playbook_activities", "no step does \"" + a + "\"");
}

void check_unique_uuids(Checker& c, const Playbook& p) {
  std::map<std::string, std::string> seen;
  const auto note = [&](const std::string& id, const char* where) {
    const auto at = id.find("--");
    if (at == std::string::npos) return;
    const auto [it, fresh] = seen.emplace(id.substr(at + 2), id);
    if (!fresh && it->second != id) c.add(where, "one UUID stands for two objects: " + id);
  };
  note(p.id, "id");
  for (const auto& [id, s] : p.steps) note(id, "workflow");
  for (const auto& [id, a] : p.agents) note(id, "agent_definitions");
  for (const auto& [id, t] : p.targets) note(id, "target_definitions");
}

void read_metadata(Checker& c, const json::object& o, Playbook& p) {
  c.only(o, "",
         {"type",
          "spec_version",
          "id",
          "name",
          "description",
          "playbook_types",
          "playbook_activities",
          "playbook_processing_summary",
          "created_by",
          "created",
          "modified",
          "revoked",
          "valid_from",
          "valid_until",
          "derived_from",
          "related_to",
          "priority",
          "severity",
          "impact",
          "industry_sectors",
          "labels",
          "external_references",
          "markings",
          "playbook_variables",
          "workflow_start",
          "workflow_exception",
          "workflow",
          "playbook_extensions",
          "authentication_info_definitions",
          "agent_definitions",
          "target_definitions",
          "extension_definitions",
          "data_marking_definitions",
          "signatures"});
  p.id = c.text(o, "id", "", true);
  if (!p.id.empty() && !is_identifier(p.id, "playbook")) c.add("id", "must be playbook--UUID");
  p.name = c.text(o, "name", "", true);
  p.description = c.text(o, "description", "");
  p.created_by = c.text(o, "created_by", "", true);
  if (!p.created_by.empty() && !is_identifier(p.created_by, "identity"))
    c.add("created_by", "must be identity--UUID");
  p.created = c.time(o, "created", "", true, true);
  p.modified = c.time(o, "modified", "", true, true);
  if (!p.created.empty() && !p.modified.empty() && p.modified < p.created)
    c.add("modified", "is before created");
  p.revoked = c.flag(o, "revoked", "");
  p.valid_from = c.time(o, "valid_from", "", false, false);
  p.valid_until = c.time(o, "valid_until", "", false, false);
  if (!p.valid_from.empty() && !p.valid_until.empty()) {
    const auto from = parse_time(p.valid_from), until = parse_time(p.valid_until);
    if (!(*from < *until)) c.add("valid_until", "is not after valid_from");
  }
  if (o.contains("playbook_types")) p.types = c.texts(o, "playbook_types", "");
  if (o.contains("playbook_activities")) p.activities = c.texts(o, "playbook_activities", "");
  if (o.contains("labels")) p.labels = c.texts(o, "labels", "");
  for (const auto& [name, out] :
       {std::pair{"priority", &p.priority}, {"severity", &p.severity}, {"impact", &p.impact}})
    if (const auto n = c.integer(o, name, "", 0, 100)) *out = static_cast<int>(*n);
  for (const auto* name : {"derived_from", "related_to", "markings"})
    if (o.contains(name))
      for (const auto& id : c.texts(o, name, ""))
        if (!is_identifier(id)) c.add(name, "no identifier: " + id);
  p.workflow_start = c.text(o, "workflow_start", "", true);
  p.workflow_exception = c.text(o, "workflow_exception", "");
}

}  // namespace

bool is_identifier(std::string_view id, std::string_view type, bool step) {
  const auto at = id.rfind("--");
  constexpr std::size_t uuid_octets = 36;
  if (at == std::string_view::npos || id.size() - at - 2 != uuid_octets) return false;
  const auto prefix = id.substr(0, at), uuid = id.substr(at + 2);
  if (prefix.size() < 2 || prefix.front() < 'a' || prefix.front() > 'z') return false;
  for (const char c : prefix)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? uuid[i] != '-' : !is_hex(uuid[i])) return false;
  }
  const char version = uuid[14], variant = uuid[19];
  if (version < '1' || version > '5' || (step && version != '4')) return false;
  if (std::string_view("89abAB").find(variant) == std::string_view::npos) return false;
  return type.empty() || prefix == type;
}

bool is_variable_name(std::string_view name) {
  if (name.size() < 5 || name.size() > 250 || !name.starts_with("__") || !name.ends_with("__"))
    return false;
  const auto inner = name.substr(2, name.size() - 4);
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (inner.empty() || !letter(inner.front())) return false;
  return std::all_of(inner.begin(), inner.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

const Step* Playbook::step(std::string_view wanted) const {
  const auto it = steps.find(std::string(wanted));
  return it == steps.end() ? nullptr : &it->second;
}

bool Playbook::valid_at(Timestamp now) const {
  if (revoked) return false;
  if (const auto from = parse_time(valid_from); !valid_from.empty() && from && now < *from)
    return false;
  const auto until = parse_time(valid_until);
  return valid_until.empty() || !until || now < *until;
}

std::string text(const std::vector<Finding>& findings) {
  std::string out;
  for (const auto& f : findings) {
    if (!out.empty()) out += '\n';
    out += f.where.empty() ? f.what : f.where + ": " + f.what;
  }
  return out;
}

Result<PlaybookPtr, std::vector<Finding>> load(std::string_view text, const LoadLimits& limits) {
  const auto refuse = [](std::string where, std::string what) {
    return fail(std::vector<Finding>{{std::move(where), std::move(what)}});
  };
  auto parsed = parse_json(text);
  if (!parsed) return refuse("", "not JSON: " + parsed.error());
  if (!parsed->is_object()) return refuse("", "a playbook is a JSON object");
  const auto& o = parsed->get_object();
  if (text_of(o, "type") != "playbook") return refuse("type", "must be \"playbook\"");
  if (const auto version = text_of(o, "spec_version"); version != "cacao-2.0")
    return refuse("spec_version",
                  "is \"" + version + "\"; only \"cacao-2.0\" is read here: convert older ones");
  Checker c(limits);
  auto p = std::make_shared<Playbook>();
  read_metadata(c, o, *p);
  read_variables(c, c.object(o, "playbook_variables", ""), "playbook_variables", p->variables);
  read_parties(c, c.object(o, "agent_definitions", ""), "agent_definitions", p->agents);
  read_parties(c, c.object(o, "target_definitions", ""), "target_definitions", p->targets);
  const auto* workflow = c.object(o, "workflow", "");
  if (workflow == nullptr)
    c.add("workflow", "is missing");
  else if (workflow->size() > limits.steps)
    c.add("workflow", "has " + std::to_string(workflow->size()) + " steps, at most " +
                          std::to_string(limits.steps) + " are run");
  else
    read_steps(c, *workflow, *p);
  if (c.good()) check_graph(c, *p);
  if (c.good()) {
    check_activities(c, *p);
    check_unique_uuids(c, *p);
  }
  check_signature_shape(c, o);
  if (!c.good()) return fail(c.take());
  p->document = o;
  auto unsigned_document = o;
  unsigned_document.erase("signatures");
  p->sha256 = sha256_hex(canonical_json(unsigned_document));
  return PlaybookPtr(std::move(p));
}

}  // namespace ww::playbooks
