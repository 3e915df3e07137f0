#pragma once
/// Playbooks made for tests: ids by number, a workflow from short lines.
#include <boost/json.hpp>
#include <string>

#include "playbooks/run.hpp"

namespace ww::playbooks::made {
namespace json = boost::json;

inline std::string id(const std::string& type, int n) {
  char text[64];
  std::snprintf(text, sizeof text, "00000000-0000-4000-8000-%012d", n);
  return type + "--" + text;
}
inline std::string agent() { return id("individual", 900); }

/// A playbook whose workflow is `steps`; step 1 is the start.
inline json::object playbook(json::object steps, json::object variables = {}) {
  json::object o{{"type", "playbook"},
                 {"spec_version", "cacao-2.0"},
                 {"id", id("playbook", 1000)},
                 {"name", "Made for a test"},
                 {"created_by", id("identity", 1001)},
                 {"created", "2026-01-01T00:00:00.000Z"},
                 {"modified", "2026-01-02T00:00:00.000Z"},
                 {"workflow_start", id("start", 1)},
                 {"workflow", std::move(steps)},
                 {"agent_definitions", {{agent(), {{"type", "individual"}, {"name", "Nurse"}}}}}};
  if (!variables.empty()) o["playbook_variables"] = std::move(variables);
  return o;
}
inline json::object start(const std::string& next) {
  return {{"type", "start"}, {"on_completion", next}};
}
inline json::object action(const std::string& text, const std::string& next) {
  json::object o{{"type", "action"},
                 {"name", text},
                 {"agent", agent()},
                 {"commands", {{{"type", "manual"}, {"command", text}}}}};
  if (!next.empty()) o["on_completion"] = next;
  return o;
}
inline json::object end() { return {{"type", "end"}}; }

/// Start, one action, end.
inline json::object smallest() {
  return playbook({{id("start", 1), start(id("action", 2))},
                   {id("action", 2), action("look", id("end", 3))},
                   {id("end", 3), end()}});
}
inline Result<PlaybookPtr, std::vector<Finding>> loaded(const json::object& o) {
  return load(json::serialize(o));
}
/// The findings as text, "" when it loads.
inline std::string findings(const json::object& o) {
  const auto p = loaded(o);
  return p ? "" : text(p.error());
}

class OneLibrary final : public Library {
 public:
  std::vector<PlaybookPtr> all;
  [[nodiscard]] PlaybookPtr find(std::string_view wanted, std::string_view) const override {
    for (const auto& p : all)
      if (p->id == wanted) return p;
    return nullptr;
  }
};

}  // namespace ww::playbooks::made
