#pragma once
/// The subcommands of `wardwatchctl rules` that stand in files of their own.
namespace CLI {
class App;
}
namespace ww::ctl {
struct Context;
void setup_rules_profile(CLI::App& group, Context& context);
void setup_rules_explain(CLI::App& group, Context& context);
void setup_rules_diff(CLI::App& group, Context& context);
void setup_rules_update(CLI::App& group, Context& context);
}  // namespace ww::ctl
