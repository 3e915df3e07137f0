#pragma once
/// Gives up what a process no longer needs once its sockets are open: user, capabilities, new
/// privileges, system calls.
#include <string>
#include <vector>

#include "telemetry/result.hpp"

namespace ww::sensor {

struct SandboxOptions {
  std::string user;  ///< become this user when started as root; "" = stay
  bool keep_net_raw =
      false;  ///< keep CAP_NET_RAW, so that an interface that went away can be opened again
  bool allow_exec = false;   ///< backup probes start their tools
  bool system_calls = true;  ///< refuse system calls that a sensor never makes
};

struct SandboxReport {
  std::vector<std::string> done;  ///< "user wardwatch", "no new privileges", ...
};

/// Applies to the whole process; call while it still has one thread (threads started later inherit
/// everything).
[[nodiscard]] Result<SandboxReport, Problem> enter_sandbox(const SandboxOptions& options);

}  // namespace ww::sensor
