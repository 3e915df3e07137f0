#include "sensors/setup/options.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "rules/signature/ruleset.hpp"
#include "sensors/pipeline/defaults.hpp"
#include "sensors/setup/known_keys.hpp"

namespace ww::sensor {
namespace {

namespace fs = std::filesystem;

bool is_port_name(const std::string& name) {
  return name.ends_with("_PORTS") || name.ends_with("_PORT");
}

/// Takes all of `from` at or below `path` into `to`.
void copy(const Settings& from, const std::string& path, Settings& to) {
  if (const auto value = from.text(path)) to.set(path, *value);
  const auto prefix = path + ".";
  for (const auto& name : from.children(path)) copy(from, prefix + name, to);
}

}  // namespace

Result<Settings, Problem> load_suricata_settings(const CommonArguments& a) {
  Settings s;
  if (!a.suricata_yaml.empty()) {
    auto loaded = Settings::from_yaml_file(a.suricata_yaml);
    if (!loaded) return fail(loaded.error());
    s = std::move(*loaded);
  }
  for (const auto& path : a.include) {
    auto above = Settings::from_yaml_file(path);
    if (!above) return fail(above.error());
    for (const auto& section : s.children(""))
      if (!above->has(section)) copy(s, section, *above);
    s = std::move(*above);
  }
  add_default_settings(s);
  for (const auto& assignment : a.sets)
    if (auto ok = s.set_assignment(assignment); !ok) return fail(ok.error());
  if (!a.checksums.empty()) {
    if (a.checksums != "none" && a.checksums != "auto" && a.checksums != "all")
      return fail(Problem{"unknown checksum mode", "-k " + a.checksums, "use none, auto or all"});
    if (a.checksums == "none") s.set("stream.checksum-validation", "no");
  }
  return s;
}

Result<void, Problem> load_vars(const Settings& settings, const std::vector<std::string>& vars,
                                sig::EngineOptions& o) {
  for (const auto& [k, v] : sig::default_address_variables()) o.address_vars[k] = v;
  for (const auto& [k, v] : sig::default_port_variables()) o.port_vars[k] = v;
  for (const auto& name : settings.children("vars.address-groups"))
    o.address_vars[name] = settings.text_or("vars.address-groups." + name, "any");
  for (const auto& name : settings.children("vars.port-groups"))
    o.port_vars[name] = settings.text_or("vars.port-groups." + name, "any");
  for (const auto& var : vars) {
    const auto eq = var.find('=');
    if (eq == std::string::npos || eq == 0)
      return fail(Problem{"expected NAME=VALUE", "--var " + var,
                          "write for example --var HOME_NET=10.0.0.0/8"});
    auto name = var.substr(0, eq);
    if (name.front() == '$') name.erase(0, 1);
    const auto value = var.substr(eq + 1);
    const bool port =
        o.port_vars.contains(name) || (is_port_name(name) && !o.address_vars.contains(name));
    (port ? o.port_vars : o.address_vars)[name] = value;
  }
  return {};
}

void settle_auto(Settings& settings, const sig::Engine& engine) {
  constexpr std::string_view hassh = "app-layer.protocols.ssh.hassh";
  if (settings.text_or(hassh, "auto") == "auto" && engine.wants_keyword("ssh.hassh"))
    settings.set(hassh, "yes");
  for (std::size_t i = 0; i < engine.rule_count(); ++i)
    if (engine.rule(i).text.find("reassembly_overlap_different_data") != std::string::npos) {
      settings.set("stream.reassembly.check-overlap-different-data", "yes");
      break;
    }
}

namespace {

/// Where compiled rules are kept when nobody says: what systemd gives (CacheDirectory=), else the
/// user's cache folder. Few rules are compiled sooner than looked up.
std::string default_cache(const std::vector<std::string>& files) {
  constexpr std::uintmax_t worth_it = 1U << 20;  // octets of rules
  std::uintmax_t octets = 0;
  for (const auto& f : files) {
    std::error_code ec;
    const auto n = fs::file_size(f, ec);
    if (!ec) octets += n;
  }
  if (octets < worth_it) return {};
  const auto folder = [](const char* variable, const char* below) {
    const char* value = std::getenv(variable);  // read before any thread starts
    return value != nullptr && *value == '/' ? value + std::string(below) : std::string();
  };
  for (const auto& path : {folder("CACHE_DIRECTORY", ""), folder("XDG_CACHE_HOME", "/wardwatch"),
                           folder("HOME", "/.cache/wardwatch")}) {
    if (path.empty()) continue;
    std::error_code ec;
    fs::create_directories(path, ec);
    return !ec && ::access(path.c_str(), W_OK) == 0 ? path : std::string();
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const sig::Engine>, Problem> load_rules(const CommonArguments& a,
                                                               const Settings& settings,
                                                               std::size_t show) {
  std::vector<std::string> files;
  for (const auto& path : a.rules) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) {
      std::vector<std::string> found;
      for (const auto& e : fs::directory_iterator(path, ec))
        if (e.path().extension() == ".rules") found.push_back(e.path().string());
      if (ec)
        return fail(
            Problem{"cannot read the folder: " + ec.message(), path, "check its permissions"});
      // Nothing would ever be detected, and nobody told.
      if (found.empty())
        return fail(Problem{"no *.rules in the folder", path,
                            "name the folder that holds the rule files, or take it out"});
      std::sort(found.begin(), found.end());
      files.insert(files.end(), found.begin(), found.end());
    } else if (!fs::exists(path, ec)) {
      return fail(Problem{"no such rule file or folder", path, "check the --rules path"});
    } else {
      files.push_back(path);
    }
  }
  std::erase_if(files, [](const std::string& f) {
    std::error_code ec;
    return fs::file_size(f, ec) == 0 && !ec;
  });
  sig::EngineOptions options;
  if (auto ok = load_vars(settings, a.vars, options); !ok) return fail(ok.error());
  if (files.empty()) return std::shared_ptr<const sig::Engine>();
  options.settings = &settings;
  options.base_folder = fs::path(files.front()).parent_path().string();
  const auto side = [&](const char* key, const char* name) {
    if (const auto given = settings.text(key); given && !given->empty()) {
      std::error_code ec;
      if (fs::path(*given).is_absolute() || fs::exists(*given, ec)) return *given;
      const auto beside = fs::path(options.base_folder) / *given;
      if (fs::exists(beside, ec)) return beside.string();
      return *given;
    }
    if (name[0] == 0) return std::string();
    const auto beside = fs::path(options.base_folder) / name;
    std::error_code ec;
    return fs::exists(beside, ec) ? beside.string() : std::string();
  };
  options.classification_file = side("classification-file", "classification.config");
  options.reference_file = side("reference-config-file", "reference.config");
  options.threshold_file = side("threshold-file", "");
  options.cache_folder = settings.text_or("detect.cache-folder", default_cache(files));
  sig::LoadReport report;
  auto engine = sig::Engine::load(files, options, report);
  if (!engine) return fail(engine.error());
  std::size_t printed = 0;
  for (const auto& p : report.problems) {
    if (p.severity != sig::RuleProblem::Severity::error) continue;
    if (printed++ == show) {
      std::fprintf(stderr, "... %u rules refused in all; `wardwatchctl rules check` names them\n",
                   report.refused);
      break;
    }
    std::fprintf(stderr, "%s:%u: rule %u refused: %s\n", p.file.c_str(), p.line, p.sid,
                 p.what.c_str());
  }
  return *engine;
}

Result<std::vector<std::shared_ptr<EventSink>>, Problem> open_outputs(EveConfig& config,
                                                                      const std::string& eve) {
  auto& outputs = config.outputs();
  std::vector<std::shared_ptr<EventSink>> sinks(outputs.size());
  std::size_t main = outputs.size();
  for (std::size_t i = 0; i < outputs.size() && main == outputs.size(); ++i)
    if (outputs[i].filename == "eve.json") main = i;
  if (main == outputs.size()) main = 0;
  std::map<std::string, std::shared_ptr<EventSink>> open;
  const auto folder = fs::path(eve == "-" ? "" : eve).parent_path();
  if (outputs.empty()) {
    // Nothing to write; the file exists all the same, so that who waits for it is not left waiting.
    auto sink = open_event_file(eve, false);
    if (!sink) return fail(sink.error());
    return sinks;
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto path =
        i == main ? eve : (folder / fs::path(outputs[i].filename).filename()).string();
    auto& sink = open[path];
    if (!sink) {
      auto opened = open_event_file(path, false);
      if (!opened) return fail(opened.error());
      sink = *opened;
    }
    sinks[i] = sink;
  }
  return sinks;
}

void name_unknown(const Settings& given, const std::function<void(const std::string&)>& say) {
  constexpr std::size_t most = 10;
  std::size_t told = 0;
  std::string others;
  for (const auto& k : unknown_keys(given)) {
    if (k.suggestion.empty())
      others += (others.empty() ? "" : ", ") + k.path;
    else if (told++ < most)
      say(k.text());
  }
  if (told > most) say("... and " + std::to_string(told - most) + " more unknown keys");
  if (!others.empty()) say("unknown to Suricata and to this sensor, passed over: " + others);
}

void name_ignored(const Settings& given, const std::vector<std::string>& options) {
  // Features that have settings here; the rest of Suricata's file has no meaning for this sensor.
  static const std::set<std::string, std::less<>> known = {"app-layer",
                                                           "action-order",
                                                           "classification-file",
                                                           "datasets",
                                                           "decoder",
                                                           "default-log-dir",
                                                           "default-rule-path",
                                                           "default-reputation-path",
                                                           "defrag",
                                                           "detect",
                                                           "exception-policy",
                                                           "flow",
                                                           "flow-timeouts",
                                                           "geoip-database",
                                                           "host-os-policy",
                                                           "outputs",
                                                           "packet-alert-max",
                                                           "pcap-file",
                                                           "pcre",
                                                           "reference-config-file",
                                                           "reputation-categories-file",
                                                           "reputation-files",
                                                           "security",
                                                           "sensor-name",
                                                           "stream",
                                                           "threshold-file",
                                                           "vars",
                                                           "vlan",
                                                           "asn1-max-frames",
                                                           "rule-files"};
  static const std::set<std::string, std::less<>> outputs = {"eve-log", "file-store", "fast",
                                                             "stats"};
  std::string line;
  const auto name = [&](std::string_view text) {
    line += line.empty() ? "" : ", ";
    line += text;
  };
  std::set<std::string, std::less<>> unknown;  // told of by name_unknown
  for (const auto& k : unknown_keys(given)) unknown.insert(k.path);
  for (const auto& o : options) name(o);
  for (const auto& key : given.children(""))
    if (!known.contains(key) && !unknown.contains(key)) name(key);
  for (const auto& i : given.children("outputs")) {
    const auto at = "outputs." + i;
    const auto prefix = at + ".";
    for (const auto& kind : given.children(at)) {
      const auto path = prefix + kind;
      if (!outputs.contains(kind) && given.flag_or(path + ".enabled", true))
        name("outputs." + kind);
    }
  }
  if (!line.empty()) std::fprintf(stderr, "ignored, without meaning here: %s\n", line.c_str());
}

}  // namespace ww::sensor
