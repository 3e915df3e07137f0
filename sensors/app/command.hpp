#pragma once
/// Commands of wardwatch-sensor; each is a file here that registers itself.
#include <functional>
#include <string>
#include <vector>

#include "telemetry/command_line/command_line.hpp"

namespace ww::sensor {

struct Command {
  std::string name, summary;
  /// Adds options and returns what runs when the command was chosen; its value is the exit code.
  std::function<std::function<int()>(cli::Command)> setup;
};
std::vector<Command>& commands();
struct CommandRegistration {
  explicit CommandRegistration(Command command) { commands().push_back(std::move(command)); }
};

}  // namespace ww::sensor
