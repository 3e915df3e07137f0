#include "telemetry/command_line/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "telemetry/edit_distance.hpp"

namespace ww::cli {
namespace {

std::vector<CLI::App*> all_commands(const CLI::App& app) {
  std::vector<CLI::App*> out;
  for (auto* sub : const_cast<CLI::App&>(app).get_subcommands([](CLI::App*) { return true; }))
    if (!sub->get_group().empty()) out.push_back(sub);
  return out;
}

std::vector<std::string> long_options_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

/// " (did you mean X?)", or nothing when no known word is near.
std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  if (word.size() > 64) return {};
  std::string best;
  auto least = std::max<std::size_t>(1, word.size() / 4) + 1;
  for (const auto& k : known)
    if (const auto far = edit_distance(word, k); far < least) {
      least = far;
      best = k;
    }
  return best.empty() ? best : " (did you mean " + best + "?)";
}

/// A misspelt option leaves what it was meant for missing, and a misspelt command leaves the
/// command missing: name the cause, not what follows from it.
[[noreturn]] void refuse(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* at = &root;
  std::string path = root.get_name();
  auto options = long_options_of(root);
  for (auto given = at->get_subcommands(); !given.empty(); given = at->get_subcommands()) {
    at = given.front();
    path += " " + at->get_name();
    const auto more = long_options_of(*at);
    options.insert(options.end(), more.begin(), more.end());
  }
  std::string text = error.what();
  const auto rest = root.remaining(true);
  const auto option =
      std::find_if(rest.begin(), rest.end(), [](const auto& w) { return w.starts_with('-'); });
  if (option != rest.end()) {
    const auto name = option->substr(0, option->find('='));
    text = "unknown option " + name + suggestion(name, options);
  } else if (!rest.empty() && at->get_require_subcommand_min() > 0) {
    std::vector<std::string> names;
    for (const auto* sub : all_commands(*at)) names.push_back(sub->get_name());
    text = "unknown command '" + rest.front() + "'" + suggestion(rest.front(), names);
  } else if (at->get_require_subcommand_min() > at->get_subcommands().size()) {
    text = "no command is given";
  } else if (!rest.empty()) {
    text = "unexpected argument '" + rest.front() + "'";
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (text.ends_with(' ')) text.pop_back();
  throw UsageError(text, path);
}

}  // namespace

Option Option::required() { return Option(option_->required()); }
Option Option::expected(int least, int most) { return Option(option_->expected(least, most)); }
Option Option::one_value_each() { return Option(option_->allow_extra_args(false)); }
Option Option::show_default() { return Option(option_->capture_default_str()); }
Option Option::in_range(std::int64_t least, std::int64_t most) {
  return Option(option_->check(CLI::Range(least, most)));
}
Option Option::one_of(std::vector<std::string> values) {
  return Option(option_->check(CLI::IsMember(std::move(values))));
}
Option Option::environment(const std::string& variable) {
  return Option(option_->envname(variable));
}
Option Option::value_name(const std::string& name) { return Option(option_->type_name(name)); }
std::size_t Option::count() const { return option_->count(); }

Command Command::add_command(const std::string& name, const std::string& summary) {
  return Command(app_->add_subcommand(name, summary));
}
template <typename T>
Option Command::add_option(const std::string& names, T& value, const std::string& help) {
  return Option(app_->add_option(names, value, help));
}
template Option Command::add_option(const std::string&, std::string&, const std::string&);
template Option Command::add_option(const std::string&, std::vector<std::string>&,
                                    const std::string&);
template Option Command::add_option(const std::string&, std::uint16_t&, const std::string&);
template Option Command::add_option(const std::string&, std::uint32_t&, const std::string&);
template Option Command::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option Command::add_option(const std::string&, std::int32_t&, const std::string&);
template Option Command::add_option(const std::string&, std::int64_t&, const std::string&);
template Option Command::add_option(const std::string&, double&, const std::string&);

Option Command::add_option_function(const std::string& names,
                                    const std::function<void(const std::string&)>& take,
                                    const std::string& help) {
  return Option(app_->add_option_function<std::string>(names, take, help));
}
Option Command::add_flag(const std::string& names, bool& value, const std::string& help) {
  return Option(app_->add_flag(names, value, help));
}
void Command::require_command() { app_->require_subcommand(1); }
void Command::options_may_follow() { app_->fallthrough(); }
void Command::hide() { app_->group(""); }
void Command::allow_extras() { app_->allow_extras(); }
void Command::callback(const std::function<void()>& run) { app_->callback(run); }
bool Command::given() const { return app_->parsed(); }
std::string Command::name() const { return app_->get_name(); }
std::size_t Command::count(const std::string& option) const { return app_->count(option); }
std::vector<std::string> Command::remaining() const { return app_->remaining(); }
Command Command::top() const {
  auto* app = app_;
  while (app->get_parent() != nullptr) app = app->get_parent();
  return Command(app);
}
std::vector<Command> Command::commands() const {
  std::vector<Command> out;
  for (auto* sub : all_commands(*app_)) out.push_back(Command(sub));
  return out;
}
std::vector<std::string> Command::long_options() const { return long_options_of(*app_); }

Program::Program(const std::string& summary, const std::string& name, const std::string& version)
    : app_(std::make_unique<CLI::App>(summary)) {
  app_->name(name);
  app_->set_version_flag("--version", name + " " + version);
}
Program::~Program() = default;

Command Program::root() const { return Command(app_.get()); }

std::optional<int> Program::guarded(const std::function<void()>& parse) {
  try {
    parse();
  } catch (const CLI::Success& answer) {
    return app_->exit(answer);
  } catch (const CLI::ParseError& error) {
    refuse(*app_, error);
  }
  return std::nullopt;
}

std::optional<int> Program::parse(int argc, const char* const* argv) {
  return guarded([&] { app_->parse(argc, argv); });
}
std::optional<int> Program::parse(std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the end
  return guarded([&] { app_->parse(std::move(words)); });
}

}  // namespace ww::cli
