/// wardwatch-sensor: packets, logs and backup state of one site become events. `wardwatch-sensor
/// --help` lists the commands.

#include <algorithm>
#include <cstdio>
#include <exception>

#include "sensors/app/command.hpp"
#include "telemetry/command_line/command_line.hpp"

int main(int argc, char** argv) {
  ww::cli::Program program("Wardwatch sensor: watches packets, logs and backups of one site.",
                           "wardwatch-sensor", WARDWATCH_VERSION);
  auto app = program.root();
  app.require_command();
  auto table = ww::sensor::commands();
  std::sort(table.begin(), table.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::function<int()> chosen;
  for (const auto& command : table) {
    auto sub = app.add_command(command.name, command.summary);
    auto run = command.setup(sub);
    sub.callback([&chosen, run] { chosen = run; });
  }
  try {
    if (const auto answered = program.parse(argc, argv)) return *answered;
  } catch (const ww::cli::UsageError& e) {
    std::fprintf(stderr, "wardwatch-sensor: %s; see %s --help\n", e.what(), e.command().c_str());
    return 2;
  }
  try {
    return chosen ? chosen() : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "wardwatch-sensor: %s\n", e.what());
    return 2;
  }
}
