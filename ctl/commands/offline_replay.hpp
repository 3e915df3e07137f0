#pragma once
/// Captures through the sensor's packet path inside this process, for tools that watch the matcher.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rules/signature/engine.hpp"
#include "sensors/setup/options.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {

struct OfflineReplay {
  sensor::CommonArguments common;
  std::vector<std::string> captures;

  /// --rules, --var, --set, --suricata-yaml, -k and the captures, as `wardwatch-sensor replay` has
  /// them; with `by_name` the captures follow --capture, because the command has a word of its own.
  void add_options(cli::Command command, bool by_name = false);
  /// Reads everything once on this thread. `begin` gets the matcher before the first packet,
  /// `packet` is called with the number of every packet before it is inspected; both may be null.
  /// Throws Failure.
  /// @return packets read
  std::uint64_t run(const std::function<void(sig::Matcher&)>& begin,
                    const std::function<void(std::uint64_t)>& packet = {});
  /// Valid after run() has called `begin`.
  std::shared_ptr<const sig::Engine> engine;
};

}  // namespace ww::ctl
