#pragma once
/// How a command group joins wardwatchctl: one file in this folder, one Registration, no list to
/// edit.
///
///   void setup(cli::Command group, ww::ctl::Context& context) {
///     auto check = group.add_command("check", "load rules and say what is refused");
///     auto options = std::make_shared<Options>();
///     check.add_option("--rules", options->paths, "files or folders").required();
///     check.callback([options, &context] { context.exit = run(*options, context); });
///   }
///   const ww::ctl::Registration registration{{"sigma", "Sigma rules: check, eval", &setup}};
///
/// A callback sets `context.exit` (0 by default) or throws Failure; main prints it as one line on
/// stderr.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/command_line/command_line.hpp"
#include "telemetry/result.hpp"

namespace ww::ctl {

/// Exit codes of contracts.md.
enum class Exit : std::uint8_t {
  done = 0,
  failed = 1,       ///< the thing asked about failed: a check, a drill
  usage = 2,        ///< command line or configuration
  unreachable = 3,  ///< the collector (or a file over the network) cannot be reached
};

/// Ends a command: what, where, remedy, and the exit code.
struct Failure {
  Exit code = Exit::failed;
  Problem problem;
};

enum class Output : std::uint8_t { table, json, csv };

/// What every command gets. Lives as long as the process.
struct Context {
  Output output = Output::table;
  bool colour = false;    ///< standard output is a terminal, NO_COLOR is not set
  bool progress = false;  ///< standard error is a terminal: long jobs may show progress
  Exit exit = Exit::done;
  // How to reach the collector; empty = the profile file, then the environment (see client.hpp).
  std::string url, token_file, ca_file;
  bool insecure = false;
};

struct Command {
  std::string_view name;
  std::string_view summary;
  void (*setup)(cli::Command group, Context& context);
};

/// All groups by name. A duplicate name ends the process at start-up.
[[nodiscard]] const std::map<std::string_view, Command>& commands();

struct Registration {
  explicit Registration(const Command& command);
};

/// Rows for a person, a spreadsheet or a script. Cells are UTF-8; control characters are made
/// visible in tables.
class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// Prints in the format asked for; json is one array of objects with the column names as keys.
  void print(const Context& context) const;
  [[nodiscard]] std::string text(Output format, bool colour) const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// The words that may follow `words` (the command line after the program name, last one being
/// typed).
[[nodiscard]] std::vector<std::string> complete(cli::Command app,
                                                const std::vector<std::string>& words);

}  // namespace ww::ctl
