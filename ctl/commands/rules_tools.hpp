#pragma once
/// The subcommands of `wardwatchctl rules` that stand in files of their own.
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
struct Context;
void setup_rules_profile(cli::Command group, Context& context);
void setup_rules_explain(cli::Command group, Context& context);
void setup_rules_diff(cli::Command group, Context& context);
void setup_rules_update(cli::Command group, Context& context);
}  // namespace ww::ctl
