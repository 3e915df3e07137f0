/// wardwatchctl: people's and scripts' client of the collector, and the offline tools.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "ctl/commands/command.hpp"

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

  CLI::App app{"Wardwatch: ask the collector, test rules, run drills"};
  app.name("wardwatchctl");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "wardwatchctl " WARDWATCH_VERSION);
  app.add_option_function<std::string>(
         "--output,-o",
         [&context](const std::string& format) {
           context.output = format == "json"  ? Output::json
                            : format == "csv" ? Output::csv
                                              : Output::table;
         },
         "how rows are printed: table (default), json or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->type_name("FORMAT");
  app.add_option("--url", context.url, "collector, for example https://collector.example:8443")
      ->envname("WARDWATCH_URL");
  app.add_option("--token-file", context.token_file,
                 "file with an API token (or set WARDWATCH_TOKEN)");
  app.add_option("--ca", context.ca_file, "certificate authority of the collector, PEM")
      ->envname("WARDWATCH_CA");
  app.add_flag("--insecure", context.insecure,
               "do not check the collector's certificate (first contact only)");

  for (const auto& [name, command] : ww::ctl::commands()) {
    auto* group = app.add_subcommand(std::string(name), std::string(command.summary));
    group->fallthrough();
    command.setup(*group, context);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    const CLI::App* at = &app;
    std::string path = "wardwatchctl";
    for (auto subs = at->get_subcommands(); !subs.empty(); subs = at->get_subcommands()) {
      at = subs.front();
      path += " " + at->get_name();
    }
    std::string what = e.what();
    if (e.get_name() == "RequiredError" && !app.remaining(true).empty())
      what = "unknown command '" + app.remaining(true).front() + "'";
    print_error(what + "; see '" + path + " --help'");
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
