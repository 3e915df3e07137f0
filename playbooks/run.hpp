#pragma once
/// One run of a playbook: a state machine without threads, timers or side effects. The host gives
/// it the time, does the tasks that wait, and tells their outcomes; the whole state is text that
/// can be stored after every step and read back after a restart.
///
///   auto run = Run::start(policy, library, playbook, {}, now);
///   for (const auto& task : (*run)->tasks()) ...do it or show it...
///   (*run)->complete(task.id, {...}, now);   (*run)->advance(now);   store((*run)->save());
///
/// How CACAO is read where it leaves room:
///   - a branch (on_true, on_false, a case, one of next_steps, the body of a while) is run until an
///     end, a step with nothing behind it, or the step that joins it: the on_completion or
///     on_success of the branching step, the first step common to all branches of a parallel, or
///     for a body the while itself
///   - a failed step without on_failure goes to workflow_exception when there is one, once; with
///     on_completion it goes on; else its branch fails
///   - a parallel fails when a branch fails, after all branches ended
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "playbooks/policy.hpp"

namespace ww::playbooks {

/// Where playbooks that a playbook-action names come from.
class Library {
 public:
  virtual ~Library() = default;
  /// @param version  `modified`, or "" for the newest
  [[nodiscard]] virtual PlaybookPtr find(std::string_view id, std::string_view version) const = 0;
};

enum class RunState : std::uint8_t { running, paused, stopped, succeeded, failed };
[[nodiscard]] std::string_view name(RunState s);
[[nodiscard]] inline bool ended(RunState s) {
  return s != RunState::running && s != RunState::paused;
}

enum class StepOutcome : std::uint8_t { open, done, failed, skipped, substituted, stopped };
[[nodiscard]] std::string_view name(StepOutcome o);
[[nodiscard]] std::optional<StepOutcome> step_outcome(std::string_view text);

/// What became of one task.
struct Outcome {
  StepOutcome outcome = StepOutcome::done;
  std::string by, note;   ///< who says so ("wardwatch" for machines), why
  bool observed = false;  ///< the product saw it itself; false: a person says so
  std::map<std::string, std::string> variables;  ///< only names among the step's out_args are taken
};

/// A step as it was run.
struct StepRecord {
  std::uint64_t seq = 0;
  std::string playbook, step, name;
  StepType type = StepType::action;
  Timestamp started, finished;  ///< finished 0: open
  StepOutcome outcome = StepOutcome::open;
  std::string by, note;
  bool observed = false;
  std::uint32_t round = 0;  ///< of the while around it
};

struct RunLimits {
  std::uint32_t steps = 10'000, rounds = 1'000, nesting = 16, branches = 256;
  std::uint64_t task_timeout_ms = 0;  ///< of a person's task without one; 0: none
  std::uint64_t machine_timeout_ms = 300'000;
};

class Run {
 public:
  /// @param policy, library  borrowed
  /// @param given            values of external variables
  [[nodiscard]] static Result<std::unique_ptr<Run>, std::string> start(
      const Policy& policy, const Library& library, PlaybookPtr playbook,
      const std::map<std::string, std::string>& given, Timestamp now, const RunLimits& limits = {});
  /// From save(). The playbooks must still be in the library in the same version. A request or
  /// program that was begun when the process ended is not begun again: it becomes a person's task.
  [[nodiscard]] static Result<std::unique_ptr<Run>, std::string> restore(
      const Policy& policy, const Library& library, std::string_view state,
      const RunLimits& limits = {});
  virtual ~Run() = default;
  [[nodiscard]] virtual std::string save() const = 0;

  /// Moves on until everything waits for somebody or for time.
  virtual void advance(Timestamp now) = 0;
  /// Tasks that wait; none while paused.
  [[nodiscard]] virtual std::vector<Task> tasks() const = 0;
  /// A machine's task is being done now.
  virtual bool begin(std::uint64_t task) = 0;
  /// @return why not: no such task, paused, ended, or a variable that does not take its value
  [[nodiscard]] virtual Result<void, std::string> complete(std::uint64_t task,
                                                           const Outcome& outcome,
                                                           Timestamp now) = 0;
  virtual bool pause(Timestamp now) = 0;
  /// Time in between does not count against timeouts.
  virtual bool resume(Timestamp now) = 0;
  /// Ends everything that waits.
  virtual bool stop(Timestamp now, std::string_view by, std::string_view reason) = 0;
  /// @return true when it was the stop word, and the run is stopped
  virtual bool say(std::string_view words, Timestamp now, std::string_view by) = 0;

  [[nodiscard]] virtual RunState state() const = 0;
  [[nodiscard]] virtual const std::string& reason() const = 0;  ///< why it stopped or failed
  [[nodiscard]] virtual const std::vector<StepRecord>& records() const = 0;
  [[nodiscard]] virtual Timestamp started() const = 0;
  [[nodiscard]] virtual Timestamp finished() const = 0;  ///< 0: not yet
  /// When advance() has something to do by itself next; nothing when it only waits for tasks.
  [[nodiscard]] virtual std::optional<Timestamp> next_deadline() const = 0;
  [[nodiscard]] virtual std::string variable(std::string_view name) const = 0;
  [[nodiscard]] virtual const Playbook& playbook() const = 0;
};

}  // namespace ww::playbooks
