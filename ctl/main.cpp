/// wardwatchctl: people's and scripts' client of the collector, and the offline tools.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "ctl/commands/command.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace {

using ww::ctl::Context;
using ww::ctl::Exit;
using ww::ctl::Output;

// One line whatever the message was: scripts and log collectors read this.
void print_error(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  std::fprintf(stderr, "wardwatchctl: %s\n", text.c_str());
}

int code(Exit e) { return static_cast<int>(e); }

int run(int argc, char** argv) {
  Context context;
  context.colour = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  context.progress = isatty(STDERR_FILENO) != 0;

  ww::cli::Program program("Wardwatch: ask the collector, test rules, run drills", "wardwatchctl",
                           WARDWATCH_VERSION);
  auto app = program.root();
  app.require_command();
  app.options_may_follow();
  app.add_option_function(
         "--output,-o",
         [&context](const std::string& format) {
           context.output = format == "json"  ? Output::json
                            : format == "csv" ? Output::csv
                                              : Output::table;
         },
         "how rows are printed: table (default), json or csv")
      .one_of({"table", "json", "csv"})
      .value_name("FORMAT");
  app.add_option("--url", context.url, "collector, for example https://collector.example:8443")
      .environment("WARDWATCH_URL");
  app.add_option("--token-file", context.token_file,
                 "file with an API token (or set WARDWATCH_TOKEN)");
  app.add_option("--ca", context.ca_file, "certificate authority of the collector, PEM")
      .environment("WARDWATCH_CA");
  app.add_flag("--insecure", context.insecure,
               "do not check the collector's certificate (first contact only)");

  for (const auto& [name, command] : ww::ctl::commands()) {
    auto group = app.add_command(std::string(name), std::string(command.summary));
    group.options_may_follow();
    command.setup(group, context);
  }
  try {
    if (const auto answered = program.parse(argc, argv)) return *answered;
  } catch (const ww::cli::UsageError& e) {
    print_error(std::string(e.what()) + "; see '" + e.command() + " --help'");
    return code(Exit::usage);
  } catch (const ww::ctl::Failure& f) {
    print_error(f.problem.text());
    return code(f.code);
  }
  if (std::fflush(stdout) != 0) {
    print_error("standard output: cannot write; check the disk or the pipe");
    return code(Exit::failed);
  }
  return code(context.exit);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    print_error(std::string("internal error: ") + e.what() + "; please report it");
    return code(Exit::failed);
  }
}
