#pragma once
/// The state of a run as plain data, and its text form; private to run*.cpp.
#include <boost/json/value.hpp>

#include "playbooks/run.hpp"

namespace ww::playbooks {

/// One playbook being run with its variables; nested ones for playbook-actions.
struct Instance {
  std::uint32_t id = 0;
  PlaybookPtr playbook;
  Variables variables;
  std::uint32_t depth = 0;
};

/// One line of steps.
struct Branch {
  enum class At : std::uint8_t {
    arriving,  ///< `step` is to be begun
    delayed,   ///< `step` begins at `due`
    task,      ///< a task of `step` waits
    branches,  ///< children of `step` run
    done,
  } at = At::arriving;
  std::uint32_t id = 0, parent = 0, instance = 0;  ///< parent 0: the root
  std::string step, join, jump;  ///< jump: the step of an ancestor's join where it stopped
  bool failed = false, exception = false;
  Timestamp due;
  std::uint64_t task = 0, record = 0;
  std::size_t command = 0;
  std::uint32_t round = 0;
  Variables variables;  ///< of the step
};

struct RunData {
  RunState state = RunState::running;
  std::string reason;
  Timestamp started, finished, paused_at;
  std::map<std::uint32_t, Instance> instances;
  std::map<std::uint32_t, Branch> branches;
  std::map<std::uint64_t, Task> tasks;
  std::vector<StepRecord> records;
  std::uint64_t next = 1;
  std::uint32_t steps = 0;
};

[[nodiscard]] std::string write_state(const RunData& d);
[[nodiscard]] Result<RunData, std::string> read_state(std::string_view text,
                                                      const Library& library);

}  // namespace ww::playbooks
