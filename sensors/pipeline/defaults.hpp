#pragma once
/// What holds when the settings say nothing: the parts of Suricata's shipped suricata.yaml that
/// differ from its built-in values, so that a sensor without a file behaves like Suricata with its
/// own.
#include "telemetry/settings.hpp"

namespace ww::sensor {

/// Adds the defaults that apply. A file that has `outputs` keeps exactly those; a tree with content
/// keeps BSD as the overlap policy while an empty one gets the shipped file's `host-os-policy`.
/// Call before --set overrides.
void add_default_settings(Settings& settings);

}  // namespace ww::sensor
