/// wardwatch-sensor: packets, logs and backup state of one site become events. `wardwatch-sensor
/// --help` lists the commands.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include "sensors/app/command.hpp"

int main(int argc, char** argv) {
  CLI::App app("Wardwatch sensor: watches packets, logs and backups of one site.");
  app.name("wardwatch-sensor");
  app.require_subcommand(1);
  app.set_version_flag("--version", "wardwatch-sensor 0.1.0");
  auto table = ww::sensor::commands();
  std::sort(table.begin(), table.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::function<int()> chosen;
  for (const auto& command : table) {
    auto* sub = app.add_subcommand(command.name, command.summary);
    auto run = command.setup(*sub);
    sub->callback([&chosen, run] { chosen = run; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : 2;
  }
  try {
    return chosen ? chosen() : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "wardwatch-sensor: %s\n", e.what());
    return 2;
  }
}
