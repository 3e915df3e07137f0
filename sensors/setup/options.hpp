#pragma once
/// What `replay`, `run` and `check` share: settings from files and arguments, rules, outputs.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rules/signature/engine.hpp"
#include "sensors/pipeline/eve_config.hpp"
#include "sensors/pipeline/event_sink.hpp"
#include "telemetry/settings.hpp"

namespace ww::sensor {

/// Arguments that mean the same everywhere.
struct CommonArguments {
  std::vector<std::string> rules;         ///< --rules
  std::vector<std::string> vars;          ///< --var NAME=VALUE
  std::vector<std::string> sets;          ///< --set KEY=VALUE
  std::string checksums;                  ///< -k
  std::string suricata_yaml;              ///< --suricata-yaml
  std::vector<std::string> include = {};  ///< --include: each replaces the sections it has
};

/// Suricata's settings: its file (may be empty or missing), our defaults, then --set.
[[nodiscard]] Result<Settings, Problem> load_suricata_settings(const CommonArguments& arguments);

/// Address and port variables: Suricata's defaults, then the settings' `vars`, then --var.
[[nodiscard]] Result<void, Problem> load_vars(const Settings& settings,
                                              const std::vector<std::string>& vars,
                                              sig::EngineOptions& options);

/// Loads rule files (folders stand for the *.rules in them). Null when there are none. Problems of
/// single rules are printed to stderr, at most `show`.
[[nodiscard]] Result<std::shared_ptr<const sig::Engine>, Problem> load_rules(
    const CommonArguments& arguments, const Settings& settings, std::size_t show);

/// Settles what is "auto" because it costs something: on when a rule asks for it (SSH's HASSH,
/// overlaps with different data).
void settle_auto(Settings& settings, const sig::Engine& engine);

/// Opens the file of every EVE output. `eve` (--eve) is where the output named eve.json, or else
/// the first one, goes; the others go beside it.
[[nodiscard]] Result<std::vector<std::shared_ptr<EventSink>>, Problem> open_outputs(
    EveConfig& config, const std::string& eve);

/// Tells of keys that Suricata does not know (known_keys.hpp), a line each and at most ten of them.
/// Those with nothing near are named together.
void name_unknown(const Settings& given, const std::function<void(const std::string&)>& say);

/// Prints one line naming the sections of `given` (and the options) that have no meaning for this
/// sensor.
void name_ignored(const Settings& given, const std::vector<std::string>& options);

}  // namespace ww::sensor
