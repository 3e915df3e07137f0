#pragma once
/// The command lines of the three programs. CLI11 parses them; only command_line.cpp includes it,
/// because each file that does takes four seconds longer to compile.
///
///   cli::Program program("what it is for", "wardwatchctl", "0.1.0");
///   auto check = program.root().add_command("check", "load rules and say what is refused");
///   check.add_option("--rules,-r", paths, "files or folders").required();
///   check.callback([&] { ... });
///   if (const auto printed = program.parse(argc, argv)) return *printed;
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ww::cli {

/// A command line that cannot be understood. what() is one line: which word, and a near one that
/// exists.
class UsageError : public std::runtime_error {
 public:
  UsageError(const std::string& text, std::string command)
      : std::runtime_error(text), command_(std::move(command)) {}
  /// The program and the commands that were understood: whose --help to read.
  [[nodiscard]] const std::string& command() const { return command_; }

 private:
  std::string command_;
};

/// An option or a positional argument. A handle: valid as long as its Program.
class Option {
 public:
  Option required();
  /// How many values it takes.
  Option expected(int least, int most);
  /// Several values each need the option's name again, so that words behind it stay arguments.
  Option one_value_each();
  /// The help shows the value that the variable had.
  Option show_default();
  /// Whole numbers from `least` to `most`, both included.
  Option in_range(std::int64_t least, std::int64_t most);
  Option one_of(std::vector<std::string> values);
  /// Its value when the command line has none.
  Option environment(const std::string& variable);
  /// The help's word for the value.
  Option value_name(const std::string& name);
  /// How often it was given.
  [[nodiscard]] std::size_t count() const;

 private:
  friend class Command;
  explicit Option(CLI::Option* option) : option_(option) {}
  CLI::Option* option_;
};

/// A command, its options and the commands below it. A handle: valid as long as its Program.
class Command {
 public:
  Command add_command(const std::string& name, const std::string& summary);
  /// @param names  "--long,-s", or a bare word for a positional argument
  /// @param value  outlives the Program's parse(); std::string, bool, double, integers, and
  /// vectors of strings (command_line.cpp lists the types)
  template <typename T>
  Option add_option(const std::string& names, T& value, const std::string& help = {});
  Option add_option_function(const std::string& names,
                             const std::function<void(const std::string&)>& take,
                             const std::string& help);
  Option add_flag(const std::string& names, bool& value, const std::string& help = {});
  /// Exactly one of the commands below must follow.
  void require_command();
  /// Options of the commands above may stand behind this one and those added below it afterwards.
  void options_may_follow();
  /// Not in the help.
  void hide();
  /// Words that no option takes are kept for remaining() and are no mistake.
  void allow_extras();
  /// Runs when the command was given and its options are set. What it throws leaves parse().
  void callback(const std::function<void()>& run);

  [[nodiscard]] bool given() const;
  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::size_t count(const std::string& option) const;
  [[nodiscard]] std::vector<std::string> remaining() const;
  /// The Program's root.
  [[nodiscard]] Command top() const;
  [[nodiscard]] std::vector<Command> commands() const;
  /// "--rules", "--json" ..., as they are typed.
  [[nodiscard]] std::vector<std::string> long_options() const;

 private:
  friend class Program;
  explicit Command(CLI::App* app) : app_(app) {}
  CLI::App* app_;
};

class Program {
 public:
  Program(const std::string& summary, const std::string& name, const std::string& version);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] Command root() const;
  /// Throws UsageError, and what callbacks throw.
  /// @return the exit code when --help or --version was answered and nothing else shall run
  std::optional<int> parse(int argc, const char* const* argv);
  /// @param words  without the program's name
  std::optional<int> parse(std::vector<std::string> words);

 private:
  std::optional<int> guarded(const std::function<void()>& parse);
  std::unique_ptr<CLI::App> app_;
};

}  // namespace ww::cli
