#include "sensors/pipeline/defaults.hpp"

#include <set>
#include <string>

#include "sensors/protocols/parser.hpp"

namespace ww::sensor {

void add_default_settings(Settings& settings) {
  const bool empty = settings.children("").empty();
  if (empty) {
    Settings shipped;
    shipped.set("host-os-policy.windows", "0.0.0.0/0");
    shipped.set("app-layer.protocols.pgsql.enabled", "no");
    settings.merge_defaults(shipped);
  }
  if (settings.has("outputs")) return;
  // The same order as in the shipped file, so that `--set
  // outputs.1.eve-log.types.1.frame.enabled=yes` means the same.
  std::string text =
      "outputs:\n"
      "  - fast:\n      enabled: no\n"
      "  - eve-log:\n      enabled: yes\n      filetype: regular\n      filename: eve.json\n      "
      "types:\n"
      "        - alert:\n            tagged-packets: yes\n"
      "        - frame:\n            enabled: no\n"
      "        - anomaly:\n            enabled: yes\n"
      "        - http:\n            extended: yes\n"
      "        - dns\n"
      "        - tls:\n            extended: yes\n"
      "        - files:\n            force-magic: no\n";
  std::set<std::string> named = {"http", "dns", "tls"};
  for (const auto& p : protocols())
    for (const auto& l : p.loggers)
      if (l.on_by_default && named.insert(l.settings_name).second)
        text += "        - " + l.settings_name + "\n";
  text += "        - stats:\n            totals: yes\n        - flow\n";
  if (auto tree = Settings::from_yaml(text, "defaults")) settings.merge_defaults(*tree);
}

}  // namespace ww::sensor
