#include <algorithm>
#include <set>

#include "playbooks/run_data.hpp"

namespace ww::playbooks {
namespace {

Timestamp after(Timestamp t, std::uint64_t ms) {
  return t + std::chrono::milliseconds(static_cast<std::int64_t>(ms));
}

std::set<std::string> reach(const Playbook& p, const std::string& from) {
  std::set<std::string> seen;
  std::vector<std::string> waiting{from};
  while (!waiting.empty()) {
    const auto id = std::move(waiting.back());
    waiting.pop_back();
    const auto* s = p.step(id);
    if (s == nullptr || !seen.insert(id).second) continue;
    for (const auto* to :
         {&s->on_completion, &s->on_success, &s->on_failure, &s->on_true, &s->on_false})
      if (!to->empty()) waiting.push_back(*to);
    for (const auto& to : s->next_steps) waiting.push_back(to);
    for (const auto& [value, to] : s->cases) waiting.push_back(to);
  }
  return seen;
}

/// The first step that every branch of a parallel comes to, or "".
std::string common_step(const Playbook& p, const Step& s) {
  std::set<std::string> common = reach(p, s.next_steps.front());
  for (const auto& n : s.next_steps) {
    const auto other = reach(p, n);
    std::erase_if(common, [&](const auto& id) { return !other.contains(id); });
  }
  for (const auto& id : common) {
    const auto from_here = reach(p, id);
    if (std::includes(from_here.begin(), from_here.end(), common.begin(), common.end())) return id;
  }
  return {};
}

class RunImpl final : public Run {
 public:
  RunImpl(const Policy& policy, const Library& library, const RunLimits& limits, RunData data)
      : policy_(policy), library_(library), limits_(limits), d_(std::move(data)) {}

  std::string save() const override { return write_state(d_); }

  void advance(Timestamp now) override {
    if (d_.state != RunState::running) return;
    expire(now);
    bool moved = true;
    while (moved && d_.state == RunState::running) {
      moved = false;
      std::vector<std::uint32_t> ids;
      for (const auto& [id, b] : d_.branches) ids.push_back(id);
      for (const auto id : ids) {
        const auto it = d_.branches.find(id);
        if (it == d_.branches.end() || d_.state != RunState::running) continue;
        moved = move(it->second, now) || moved;
      }
    }
  }

  std::vector<Task> tasks() const override {
    std::vector<Task> out;
    if (d_.state == RunState::running)
      for (const auto& [id, t] : d_.tasks) out.push_back(t);
    return out;
  }

  bool begin(std::uint64_t id) override {
    const auto it = d_.tasks.find(id);
    if (it == d_.tasks.end() || d_.state != RunState::running || it->second.begun) return false;
    it->second.begun = true;
    return true;
  }

  Result<void, std::string> complete(std::uint64_t id, const Outcome& o, Timestamp now) override {
    if (d_.state != RunState::running) return fail("the run is " + std::string(name(d_.state)));
    const auto it = d_.tasks.find(id);
    if (it == d_.tasks.end()) return fail(std::string("no such task waits"));
    if (o.outcome == StepOutcome::open || o.outcome == StepOutcome::stopped)
      return fail(std::string("an outcome is done, failed, skipped or substituted"));
    auto* b = branch_of(id);
    if (b == nullptr) return fail(std::string("no such task waits"));
    const auto scope = scope_of(*b);
    for (const auto& [key, value] : o.variables) {
      const auto& allowed = it->second.out_args;
      if (std::find(allowed.begin(), allowed.end(), key) == allowed.end())
        return fail(key + " is not an output of this step");
      const auto* v = scope.find(key);
      if (v == nullptr || v->constant || !fits(v->type, value))
        return fail(key + " does not take this value");
    }
    for (const auto& [key, value] : o.variables) (void)scope.set(key, value);
    d_.tasks.erase(it);
    auto& record = d_.records[b->record];
    if (!o.note.empty()) record.note += (record.note.empty() ? "" : "; ") + o.note;
    record.by = o.by;
    record.observed = o.observed;
    const auto* s = step_of(*b);
    if (o.outcome == StepOutcome::failed || ++b->command >= s->commands.size()) {
      finish(*b, *s, o.outcome, now);
    } else {
      if (o.outcome != StepOutcome::done) record.outcome = o.outcome;  // remembered for the end
      offer(*b, *s, now);
    }
    advance(now);
    return {};
  }

  bool pause(Timestamp now) override {
    if (d_.state != RunState::running) return false;
    d_.state = RunState::paused;
    d_.paused_at = now;
    return true;
  }

  bool resume(Timestamp now) override {
    if (d_.state != RunState::paused) return false;
    const auto gap = now - d_.paused_at;
    for (auto& [id, t] : d_.tasks)
      if (t.deadline.us != 0) t.deadline = t.deadline + gap;
    for (auto& [id, b] : d_.branches)
      if (b.at == Branch::At::delayed) b.due = b.due + gap;
    d_.state = RunState::running;
    d_.paused_at = {};
    advance(now);
    return true;
  }

  bool stop(Timestamp now, std::string_view by, std::string_view reason) override {
    if (ended(d_.state)) return false;
    for (auto& r : d_.records)
      if (r.finished.us == 0) {
        r.finished = now;
        r.outcome = StepOutcome::stopped;
        r.by = by;
      }
    end(RunState::stopped, std::string(reason), now);
    return true;
  }

  bool say(std::string_view words, Timestamp now, std::string_view by) override {
    std::string lower;
    for (const char c : words) {
      const char l = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      const bool letter =
          (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || static_cast<unsigned char>(l) >= 0x80;
      if (letter)
        lower += l;
      else if (!lower.empty() && lower.back() != ' ')
        lower += ' ';
    }
    while (lower.ends_with(' ')) lower.pop_back();
    if (policy_.stop_word.empty() || lower != policy_.stop_word) return false;
    return stop(now, by, "the stop word was said");
  }

  RunState state() const override { return d_.state; }
  const std::string& reason() const override { return d_.reason; }
  const std::vector<StepRecord>& records() const override { return d_.records; }
  Timestamp started() const override { return d_.started; }
  Timestamp finished() const override { return d_.finished; }
  std::optional<Timestamp> next_deadline() const override {
    std::optional<Timestamp> out;
    const auto take = [&](Timestamp t) {
      if (t.us != 0 && (!out || t < *out)) out = t;
    };
    if (d_.state != RunState::running) return out;
    for (const auto& [id, t] : d_.tasks) take(t.deadline);
    for (const auto& [id, b] : d_.branches)
      if (b.at == Branch::At::delayed) take(b.due);
    return out;
  }
  std::string variable(std::string_view name) const override {
    const auto& vars = d_.instances.at(1).variables;
    const auto it = vars.find(std::string(name));
    return it == vars.end() ? std::string() : it->second.value.value_or("");
  }
  const Playbook& playbook() const override { return *d_.instances.at(1).playbook; }

 private:
  const Step* step_of(const Branch& b) const {
    return d_.instances.at(b.instance).playbook->step(b.step);
  }
  Scope scope_of(Branch& b) { return {&d_.instances.at(b.instance).variables, &b.variables}; }
  Branch* branch_of(std::uint64_t task) {
    for (auto& [id, b] : d_.branches)
      if (b.at == Branch::At::task && b.task == task) return &b;
    return nullptr;
  }

  void end(RunState state, std::string reason, Timestamp now) {
    d_.state = state;
    d_.reason = std::move(reason);
    d_.finished = now;
    d_.tasks.clear();
    d_.branches.clear();
  }

  void expire(Timestamp now) {
    std::vector<std::uint64_t> late;
    for (const auto& [id, t] : d_.tasks)
      if (t.deadline.us != 0 && !(now < t.deadline)) late.push_back(id);
    for (const auto id : late) {
      auto* b = branch_of(id);
      d_.tasks.erase(id);
      if (b == nullptr) continue;
      auto& r = d_.records[b->record];
      r.note += (r.note.empty() ? "" : "; ") + std::string("ACTION_TIMEOUT ") + b->step;
      r.by = "wardwatch";
      r.observed = true;
      finish(*b, *step_of(*b), StepOutcome::failed, now);
    }
  }

  /// One move of a branch. @return whether something changed
  bool move(Branch& b, Timestamp now) {
    switch (b.at) {
      case Branch::At::arriving:
        return arrive(b, now);
      case Branch::At::delayed:
        if (now < b.due) return false;
        enter(b, *step_of(b), now);
        return true;
      case Branch::At::task:
        return false;
      case Branch::At::branches:
        return gather(b, now);
      case Branch::At::done:
        if (b.parent != 0) return false;  // the parent gathers it
        end(b.failed ? RunState::failed : RunState::succeeded,
            b.failed ? "a step failed: " + b.jump : "", now);
        return true;
    }
    return false;
  }

  void done(Branch& b, bool failed, std::string jump = {}) {
    b.at = Branch::At::done;
    b.failed = failed;
    b.jump = std::move(jump);
  }

  /// The step that ends this branch or one around it, within the same playbook.
  bool joins(const Branch& b, const std::string& step) const {
    for (const auto* at = &b;;) {
      if (!at->join.empty() && at->join == step) return true;
      if (at->parent == 0) return false;
      const auto& up = d_.branches.at(at->parent);
      if (up.instance != b.instance) return false;
      at = &up;
    }
  }

  bool arrive(Branch& b, Timestamp now) {
    if (joins(b, b.step)) {
      done(b, false, b.step);
      return true;
    }
    const auto* s = step_of(b);
    if (s == nullptr) {
      done(b, true, b.step);
      return true;
    }
    if (++d_.steps > limits_.steps) {
      end(RunState::failed, "more than " + std::to_string(limits_.steps) + " steps were run", now);
      return true;
    }
    b.variables = s->variables;
    b.round = 0;
    if (s->delay_ms > 0) {
      b.at = Branch::At::delayed;
      b.due = after(now, s->delay_ms);
      return true;
    }
    enter(b, *s, now);
    return true;
  }

  void enter(Branch& b, const Step& s, Timestamp now) {
    StepRecord r;
    r.seq = d_.records.size();
    r.playbook = d_.instances.at(b.instance).playbook->id;
    r.step = s.id;
    r.name = s.name;
    r.type = s.type;
    r.started = now;
    r.by = "wardwatch";
    r.observed = true;
    for (const auto* at = &b; at->parent != 0;) {
      at = &d_.branches.at(at->parent);
      if (at->round > 0) {
        r.round = at->round;
        break;
      }
    }
    b.record = r.seq;
    d_.records.push_back(std::move(r));
    switch (s.type) {
      case StepType::start:
      case StepType::end:
        finish(b, s, StepOutcome::done, now);
        break;
      case StepType::action:
        b.command = 0;
        offer(b, s, now);
        break;
      case StepType::playbook_action:
        call(b, s, now);
        break;
      case StepType::parallel: {
        auto join = !s.on_completion.empty() ? s.on_completion : s.on_success;
        if (join.empty()) join = common_step(*d_.instances.at(b.instance).playbook, s);
        branch_out(b, s.next_steps, join, now);
        break;
      }
      case StepType::if_condition: {
        const bool truth = evaluate(s.pattern, lookup_in(scope_of(b)));
        d_.records[b.record].note = truth ? "the condition is true" : "the condition is false";
        one_branch(b, s, truth ? s.on_true : s.on_false, now);
        break;
      }
      case StepType::while_condition:
        repeat(b, s, now);
        break;
      case StepType::switch_condition: {
        const auto value = substitute(s.switch_on, scope_of(b));
        std::string to, otherwise;
        for (const auto& [key, step] : s.cases) {
          if (substitute(key, scope_of(b)) == value) to = step;
          if (key == "default") otherwise = step;
        }
        d_.records[b.record].note = "the value is " + value.substr(0, 200);
        one_branch(b, s, to.empty() ? otherwise : to, now);
        break;
      }
    }
  }

  void one_branch(Branch& b, const Step& s, const std::string& to, Timestamp now) {
    if (to.empty()) {
      finish(b, s, StepOutcome::done, now);
      return;
    }
    branch_out(b, {to}, !s.on_completion.empty() ? s.on_completion : s.on_success, now);
  }

  void repeat(Branch& b, const Step& s, Timestamp now) {
    if (!evaluate(s.pattern, lookup_in(scope_of(b)))) {
      d_.records[b.record].note = "repeated " + std::to_string(b.round) + " times";
      finish(b, s, StepOutcome::done, now);
      return;
    }
    if (++b.round > limits_.rounds) {
      d_.records[b.record].note = "repeated more than " + std::to_string(limits_.rounds) + " times";
      finish(b, s, StepOutcome::failed, now);
      return;
    }
    branch_out(b, {s.on_true}, s.id, now);
  }

  std::uint32_t nesting(const Branch& b) const {
    std::uint32_t n = 0;
    for (auto up = b.parent; up != 0; up = d_.branches.at(up).parent) ++n;
    return n;
  }

  void branch_out(Branch& b, const std::vector<std::string>& to, const std::string& join,
                  Timestamp now) {
    if (d_.branches.size() + to.size() > limits_.branches || nesting(b) + 1 > limits_.nesting * 4) {
      d_.records[b.record].note = "too many branches at one time";
      finish(b, *step_of(b), StepOutcome::failed, now);
      return;
    }
    b.at = Branch::At::branches;
    for (const auto& step : to) {
      Branch child;
      child.id = static_cast<std::uint32_t>(++d_.next);
      child.parent = b.id;
      child.instance = b.instance;
      child.step = step;
      child.join = join;
      child.exception = b.exception;
      d_.branches.emplace(child.id, std::move(child));
    }
  }

  void call(Branch& b, const Step& s, Timestamp now) {
    const auto refuse = [&](std::string why) {
      d_.records[b.record].note = std::move(why);
      finish(b, s, StepOutcome::failed, now);
    };
    const auto depth = d_.instances.at(b.instance).depth + 1;
    if (depth > limits_.nesting) return refuse("playbooks call each other too deep");
    auto playbook = library_.find(s.playbook_id, s.playbook_version);
    if (playbook == nullptr)
      return refuse("the playbook " + s.playbook_id + " is not in the library");
    if (!playbook->valid_at(now)) return refuse("the playbook is revoked or not in force");
    Instance i;
    i.id = static_cast<std::uint32_t>(++d_.next);
    i.playbook = playbook;
    i.variables = playbook->variables;
    i.depth = depth;
    const auto scope = scope_of(b);
    for (const auto& name : s.in_args) {
      const auto* v = scope.find(name);
      const auto it = i.variables.find(name);
      if (v != nullptr && v->value && it != i.variables.end() && !it->second.constant &&
          fits(it->second.type, *v->value))
        it->second.value = v->value;
    }
    const auto id = i.id;
    d_.instances.emplace(id, std::move(i));
    b.at = Branch::At::branches;
    Branch child;
    child.id = static_cast<std::uint32_t>(++d_.next);
    child.parent = b.id;
    child.instance = id;
    child.step = playbook->workflow_start;
    d_.branches.emplace(child.id, std::move(child));
  }

  /// All children ended: what next.
  bool gather(Branch& b, Timestamp now) {
    bool failed = false;
    std::string jump;
    std::uint32_t instance = b.instance;
    for (const auto& [id, c] : d_.branches) {
      if (c.parent != b.id) continue;
      if (c.at != Branch::At::done) return false;
      failed = failed || c.failed;
      if (!c.failed && !c.jump.empty()) jump = c.jump;
      instance = c.instance;
    }
    std::erase_if(d_.branches, [&](const auto& x) { return x.second.parent == b.id; });
    const auto* s = step_of(b);
    if (instance != b.instance) {
      auto& inner = d_.instances.at(instance).variables;
      const auto scope = scope_of(b);
      for (const auto& name : s->out_args)
        if (const auto it = inner.find(name); it != inner.end() && it->second.value)
          (void)scope.set(name, *it->second.value);
      d_.instances.erase(instance);
      jump.clear();
    }
    if (failed) {
      finish(b, *s, StepOutcome::failed, now);
    } else if (s->type == StepType::while_condition && (jump.empty() || jump == s->id)) {
      repeat(b, *s, now);
    } else {
      finish(b, *s, StepOutcome::done, now, jump);
    }
    return true;
  }

  void offer(Branch& b, const Step& s, Timestamp now) {
    Task t;
    t.id = ++d_.next;
    t.playbook = d_.records[b.record].playbook;
    t.step = s.id;
    t.step_name = s.name;
    t.command = b.command;
    t.since = now;
    classify(policy_, *d_.instances.at(b.instance).playbook, s, s.commands[b.command], scope_of(b),
             t);
    const bool machine =
        t.kind == TaskKind::check || t.kind == TaskKind::http || t.kind == TaskKind::local;
    auto timeout = s.timeout_ms;
    if (timeout == 0) timeout = machine ? limits_.machine_timeout_ms : limits_.task_timeout_ms;
    if (timeout > 0) t.deadline = after(now, timeout);
    b.at = Branch::At::task;
    b.task = t.id;
    d_.tasks.emplace(t.id, std::move(t));
  }

  /// The step of a branch ended: record it and find the next.
  void finish(Branch& b, const Step& s, StepOutcome outcome, Timestamp now,
              const std::string& jump = {}) {
    auto& r = d_.records[b.record];
    r.finished = now;
    // A command that was skipped or replaced is not hidden by a later one that was done.
    if (!(outcome == StepOutcome::done && r.outcome != StepOutcome::open)) r.outcome = outcome;
    const bool failed = outcome == StepOutcome::failed;
    if (s.type == StepType::end) {
      done(b, false);
      return;
    }
    std::string next;
    if (failed) {
      next = !s.on_failure.empty() ? s.on_failure : s.on_completion;
      const auto& handler = d_.instances.at(b.instance).playbook->workflow_exception;
      if (next.empty() && !b.exception && !handler.empty()) {
        next = handler;
        b.exception = true;
      }
      if (next.empty()) {
        done(b, true, s.name.empty() ? s.id : s.name);
        return;
      }
    } else {
      next = !s.on_success.empty() ? s.on_success : s.on_completion;
      if (next.empty()) next = jump;
    }
    if (next.empty()) {
      done(b, false);
      return;
    }
    b.step = next;
    b.at = Branch::At::arriving;
  }

  const Policy& policy_;
  const Library& library_;
  RunLimits limits_;
  RunData d_;
};

}  // namespace

std::string_view name(RunState s) {
  static constexpr std::string_view names[] = {"running", "paused", "stopped", "succeeded",
                                               "failed"};
  return names[static_cast<std::size_t>(s)];
}
std::string_view name(StepOutcome o) {
  static constexpr std::string_view names[] = {"open",    "done",        "failed",
                                               "skipped", "substituted", "stopped"};
  return names[static_cast<std::size_t>(o)];
}
std::optional<StepOutcome> step_outcome(std::string_view text) {
  for (int i = 0; i < 6; ++i)
    if (name(static_cast<StepOutcome>(i)) == text) return static_cast<StepOutcome>(i);
  return {};
}

Result<std::unique_ptr<Run>, std::string> Run::start(
    const Policy& policy, const Library& library, PlaybookPtr playbook,
    const std::map<std::string, std::string>& given, Timestamp now, const RunLimits& limits) {
  if (playbook == nullptr) return fail(std::string("no playbook"));
  if (!playbook->valid_at(now))
    return fail(playbook->revoked ? std::string("the playbook is revoked")
                                  : std::string("the playbook is not in force now"));
  RunData d;
  d.started = now;
  Instance root;
  root.id = 1;
  root.playbook = playbook;
  root.variables = playbook->variables;
  for (const auto& [key, value] : given) {
    const auto it = root.variables.find(key);
    if (it == root.variables.end() || !it->second.external)
      return fail(key + " is no external variable of this playbook");
    if (!fits(it->second.type, value)) return fail(key + " must be of type " + it->second.type);
    it->second.value = value;
  }
  d.instances.emplace(1U, std::move(root));
  Branch b;
  b.id = 1;
  b.instance = 1;
  b.step = playbook->workflow_start;
  d.branches.emplace(1U, std::move(b));
  auto run = std::make_unique<RunImpl>(policy, library, limits, std::move(d));
  run->advance(now);
  return run;
}

Result<std::unique_ptr<Run>, std::string> Run::restore(const Policy& policy, const Library& library,
                                                       std::string_view state,
                                                       const RunLimits& limits) {
  auto data = read_state(state, library);
  if (!data) return fail(data.error());
  for (auto& [id, t] : data->tasks) {
    if (!t.begun) continue;
    t.begun = false;
    if (t.kind == TaskKind::check) continue;  // reads only: once more does no harm
    t.kind = TaskKind::shown;
    t.why = "it was interrupted by a restart: look whether it was done before doing it again";
    t.deadline = {};
  }
  return std::make_unique<RunImpl>(policy, library, limits, std::move(*data));
}

}  // namespace ww::playbooks
