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
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    // A misspelt option leaves what it was meant for missing: name the cause, not what follows from
    // it.
    const auto rest = app.remaining(true);
    const auto unknown =
        std::find_if(rest.begin(), rest.end(), [](const auto& w) { return w.starts_with('-'); });
    const auto chosen_command = app.get_subcommands();
    std::fprintf(stderr, "wardwatch-sensor: %s; see wardwatch-sensor%s%s --help\n",
                 unknown != rest.end() ? ("unknown option " + *unknown).c_str() : e.what(),
                 chosen_command.empty() ? "" : " ",
                 chosen_command.empty() ? "" : chosen_command.front()->get_name().c_str());
    return 2;
  }
  try {
    return chosen ? chosen() : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "wardwatch-sensor: %s\n", e.what());
    return 2;
  }
}
