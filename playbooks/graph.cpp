/// The workflow as a graph: everything named is there, everything there is reached, and only a
/// `while` may come back to where it was.
#include <algorithm>
#include <set>

#include "playbooks/checks.hpp"
#include "playbooks/variables.hpp"

namespace ww::playbooks {
namespace {

struct Edge {
  std::string_view name;
  const std::string* to;
};

/// @param body  also the edge from a while to what it repeats
std::vector<Edge> edges(const Step& s, bool body) {
  std::vector<Edge> out;
  const auto add = [&](std::string_view name, const std::string& to) {
    if (!to.empty()) out.push_back({name, &to});
  };
  if (s.type != StepType::while_condition || body) add("on_true", s.on_true);
  add("on_false", s.on_false);
  for (const auto& n : s.next_steps) add("next_steps", n);
  for (const auto& [value, to] : s.cases) add("cases", to);
  add("on_success", s.on_success);
  add("on_completion", s.on_completion);
  add("on_failure", s.on_failure);
  return out;
}

void check_references(Checker& c, const Playbook& p) {
  const auto* start = p.step(p.workflow_start);
  if (start == nullptr)
    c.add("workflow_start", "names a step that is not there");
  else if (start->type != StepType::start)
    c.add("workflow_start", "must be a step of type start");
  if (!p.workflow_exception.empty() && p.step(p.workflow_exception) == nullptr)
    c.add("workflow_exception", "names a step that is not there");
  bool has_end = false, has_action = false;
  std::size_t starts = 0;
  for (const auto& [id, s] : p.steps) {
    has_end = has_end || s.type == StepType::end;
    has_action = has_action || s.type == StepType::action || s.type == StepType::playbook_action;
    starts += s.type == StepType::start ? 1 : 0;
    const auto at = "workflow." + id + ".";
    for (const auto& e : edges(s, true)) {
      const auto* to = p.step(*e.to);
      if (to == nullptr)
        c.add(at + std::string(e.name), "names a step that is not there: " + *e.to);
      else if (to->type == StepType::start)
        c.add(at + std::string(e.name), "goes back to the start");
    }
    const auto known = [&](const std::string& ref, const std::map<std::string, Party>& all) {
      if (all.contains(ref)) return true;
      // A variable may hold the id.
      if (const auto name = variable_in(ref))
        return s.variables.contains(*name) || p.variables.contains(*name);
      return false;
    };
    if (s.type == StepType::action && !known(s.agent, p.agents))
      c.add(at + "agent", "names an agent that is not defined: " + s.agent);
    for (const auto& t : s.targets)
      if (!known(t, p.targets) && !p.agents.contains(t))
        c.add(at + "targets", "names a target that is not defined: " + t);
    const auto declared = [&](const std::string& v) {
      return s.variables.contains(v) || p.variables.contains(v);
    };
    for (const auto* list : {&s.in_args, &s.out_args})
      for (const auto& v : *list)
        if (!declared(v)) c.add(at + "in_args", "names a variable that is not declared: " + v);
    for (const auto& path : s.pattern.paths)
      if (const auto name = variable_in(path.text()); name && !declared(*name))
        c.add(at + "condition", "names a variable that is not declared: " + *name);
    if (!s.switch_on.empty())
      if (const auto name = variable_in(s.switch_on); !name || !declared(*name))
        c.add(at + "switch", "must be a declared variable such as __name__:value");
  }
  if (starts > 1) c.add("workflow", "has more than one start");
  if (!has_end) c.add("workflow", "has no end");
  if (!has_action) c.add("workflow", "has neither an action nor a playbook-action");
}

void check_reached(Checker& c, const Playbook& p) {
  std::set<std::string> seen;
  std::vector<std::string> waiting{p.workflow_start};
  if (!p.workflow_exception.empty()) waiting.push_back(p.workflow_exception);
  while (!waiting.empty()) {
    const auto id = std::move(waiting.back());
    waiting.pop_back();
    const auto* s = p.step(id);
    if (s == nullptr || !seen.insert(id).second) continue;
    for (const auto& e : edges(*s, true)) waiting.push_back(*e.to);
  }
  for (const auto& [id, s] : p.steps)
    if (!seen.contains(id)) c.add("workflow." + id, "nothing leads to this step");
}

void check_cycles(Checker& c, const Playbook& p) {
  // Depth first with an explicit stack: 1 = on the path, 2 = done. The body of a while is walked
  // from the while, but the way back into the while is what makes it a loop, so bodies are roots of
  // their own.
  std::map<std::string, int> state;
  std::vector<std::string> roots{p.workflow_start};
  for (const auto& [id, s] : p.steps) roots.push_back(id);
  for (const auto& root : roots) {
    if (state[root] != 0) continue;
    std::vector<std::pair<const Step*, std::size_t>> path;
    path.emplace_back(p.step(root), 0);
    state[root] = 1;
    while (!path.empty()) {
      const auto* s = path.back().first;
      const auto out = edges(*s, false);
      const auto next = path.back().second++;
      if (next == out.size()) {
        state[s->id] = 2;
        path.pop_back();
        continue;
      }
      const auto& to = *out[next].to;
      auto& mark = state[to];
      if (mark == 1) {
        c.add("workflow." + s->id + "." + std::string(out[next].name),
              "goes back to " + to + ": only a while-condition may repeat steps");
        return;
      }
      if (mark == 0) {
        mark = 1;
        path.emplace_back(p.step(to), 0);
      }
    }
  }
}

}  // namespace

void check_graph(Checker& c, const Playbook& p) {
  check_references(c, p);
  if (!c.good()) return;
  check_reached(c, p);
  check_cycles(c, p);
}

std::vector<const Step*> reading_order(const Playbook& p) {
  std::vector<const Step*> out;
  std::set<std::string> seen;
  std::vector<std::string> waiting;
  if (!p.workflow_exception.empty()) waiting.push_back(p.workflow_exception);
  waiting.push_back(p.workflow_start);
  while (!waiting.empty()) {
    const auto id = std::move(waiting.back());
    waiting.pop_back();
    const auto* s = p.step(id);
    if (s == nullptr || !seen.insert(id).second) continue;
    out.push_back(s);
    const auto next = edges(*s, true);
    for (auto it = next.rbegin(); it != next.rend(); ++it) waiting.push_back(*it->to);
  }
  return out;
}

}  // namespace ww::playbooks
