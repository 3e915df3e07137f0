#include "sensors/app/run_config.hpp"

#include <algorithm>
#include <filesystem>

#include "sensors/backup/backup_config.hpp"
#include "sensors/logs/log_config.hpp"

namespace ww::sensor {
namespace {

Problem bad(const Settings& s, const std::string& path, std::string what, std::string remedy) {
  return {path + ": " + std::move(what), s.nearest_place(path), std::move(remedy)};
}

class Reader {
 public:
  Reader(const Settings& s, const std::string& file)
      : s_(s), folder_(std::filesystem::absolute(file).parent_path().string()) {}

  [[nodiscard]] std::string path(const std::string& key, const std::string& fallback) const {
    return resolve(s_.text_or(key, fallback));
  }
  [[nodiscard]] std::string resolve(const std::string& p) const {
    return p.empty() || p.front() == '/' ? p : folder_ + "/" + p;
  }
  [[nodiscard]] std::vector<std::string> paths(const std::string& key) const {
    auto out = s_.list(key);
    for (auto& p : out) p = resolve(p);
    return out;
  }
  template <class Duration>
  Result<void, Problem> duration(const std::string& key, Duration& out) const {
    const auto text = s_.text(key);
    if (!text) return {};
    const auto d = logs::parse_duration(*text);
    if (!d)
      return fail(
          bad(s_, key, "not a duration: " + *text, "write for example 200ms, 30s, 5m, 12h or 14d"));
    out = std::chrono::duration_cast<Duration>(*d);
    return {};
  }
  template <class Number>
  Result<void, Problem> size(const std::string& key, Number& out, std::uint64_t least,
                             std::uint64_t most) const {
    const auto text = s_.text(key);
    if (!text) return {};
    const auto v = parse_size(*text);
    if (!v || *v < least || *v > most)
      return fail(bad(s_, key, "not a size in its range: " + *text,
                      "write a number between " + std::to_string(least) + " and " +
                          std::to_string(most) + (most > 1 << 20 ? ", for example 8MiB" : "")));
    out = static_cast<Number>(*v);
    return {};
  }

 private:
  const Settings& s_;
  std::string folder_;
};

Result<void, Problem> read_interfaces(const Settings& s, const Reader& r, RunConfig& c) {
  for (const auto& i : s.children("capture.interfaces")) {
    const auto at = "capture.interfaces." + i;
    capture::LiveOptions o;
    o.interface_index = static_cast<std::uint16_t>(c.interfaces.size());
    if (const auto name = s.text(at)) {
      o.interface = *name;
    } else {
      if (auto ok =
              logs::check_keys(s, at, {"name", "filter", "ring", "snaplen", "promiscuous:flag"});
          !ok)
        return ok;
      o.interface = s.text_or(at + ".name", "");
      o.filter = s.text_or(at + ".filter", "");
      o.promiscuous = s.flag_or(at + ".promiscuous", true);
      if (auto ok = r.size(at + ".ring", o.ring_octets, 1 << 20, 1 << 30); !ok) return ok;
      if (auto ok = r.size(at + ".snaplen", o.snaplen_octets, 64, 262'144); !ok) return ok;
    }
    if (o.interface.empty()) return fail(bad(s, at, "an interface needs a name", "add name: eth0"));
    for (const auto& other : c.interfaces)
      if (other.interface == o.interface)
        return fail(bad(s, at, "interface " + o.interface + " is listed twice",
                        "one entry an interface: its packets would count twice"));
    if (auto ok = capture::check_filter(o.filter); !o.filter.empty() && !ok)
      return fail(bad(s, at + ".filter", ok.error().what, ok.error().remedy));
    c.interfaces.push_back(std::move(o));
  }
  return {};
}

/// Paths are relative to the configuration's file, those of `logs` too. Patterns of log files stay
/// as they are: they must be whole.
void resolve_log_paths(const Reader& r, Settings& logs) {
  std::vector<std::string> keys{"journald.folder"};
  for (const char* list : {"formats", "evtx"}) {
    keys.emplace_back(list);
    for (const auto& i : logs.children(list)) keys.push_back(std::string(list) + "." + i);
  }
  for (const auto& i : logs.children("syslog"))
    for (const char* key : {".cert", ".key", ".client_ca"}) keys.push_back("syslog." + i + key);
  for (const auto& key : keys)
    if (const auto path = logs.text(key); path && !path->empty()) logs.set(key, r.resolve(*path));
}

/// A variable is one text, as in Suricata's files, or a YAML list of what its brackets would hold.
Result<void, Problem> read_vars(const Settings& s, RunConfig& c) {
  for (const auto& name : s.children("vars")) {
    const auto at = "vars." + name;
    if (auto ok = logs::check_keys(s, "vars", {name + ":list"}); !ok) return ok;
    const auto values = s.list(at);
    if (values.empty())
      return fail(bad(s, at, "a variable needs a value", "write for example \"[10.0.0.0/8]\""));
    std::string text = values.front();
    if (s.shape(at) == Settings::Shape::list) {
      text = "[";
      for (const auto& v : values) text.append(text.size() > 1 ? "," : "").append(v);
      text += "]";
    }
    c.vars.emplace_back(name).append("=").append(text);
  }
  return {};
}

}  // namespace

Result<RunConfig, Problem> read_run_config(const std::string& file) {
  auto loaded = Settings::from_yaml_file(file, YamlRules::strict);
  if (!loaded) return fail(loaded.error());
  const auto& s = *loaded;
  const Reader r(s, file);
  RunConfig c;
  c.file = file;
  c.text = Settings::file_text(file);
  const std::vector<std::pair<std::string, std::vector<std::string>>> known{
      {"",
       {"data:map", "identity:map", "collector:map", "spool:map", "uplink:map", "privacy:map",
        "capture:map", "rules:list", "vars:map", "suricata_yaml", "logs:map", "backup:map",
        "drills:map", "user", "metrics:map"}},
      {"data", {"folder"}},
      {"identity", {"folder", "site", "sensor"}},
      {"collector", {"url", "enabled:flag"}},
      {"spool", {"folder", "max_size", "max_age", "segment_size", "sync_interval", "sync_size"}},
      {"uplink",
       {"batch_events", "batch_size", "compression", "heartbeat", "timeout", "pause_first",
        "pause_most"}},
      {"privacy", {"key_file"}},
      {"capture", {"interfaces:maps", "files:list", "workers:number", "checksums"}},
      {"metrics", {"file", "listen"}}};
  for (const auto& [path, keys] : known)
    if (auto ok = logs::check_keys(s, path, keys); !ok) return fail(ok.error());

  c.data_folder = r.path("data.folder", "");
  if (c.data_folder.empty())
    return fail(
        bad(s, "data.folder", "is required", "add data: { folder: /var/lib/wardwatch-sensor }"));
  c.identity_folder = r.path("identity.folder", c.data_folder + "/identity");
  c.to_collector = s.flag_or("collector.enabled", true);
  c.site = s.text_or("identity.site", "");
  c.sensor = s.text_or("identity.sensor", "");
  if (!c.to_collector && (c.site.empty() || c.sensor.empty()))
    return fail(bad(s, "identity", "without a collector site and sensor must be named",
                    "add identity: { site: trust-a, sensor: s1 }"));
  const auto slug = [](const std::string& text) {
    return text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  };
  for (const auto& [key, name] :
       {std::pair{"identity.site", &c.site}, {"identity.sensor", &c.sensor}})
    if (!slug(*name))
      return fail(bad(s, key, "not a name: " + *name, "use lower-case letters, digits and dashes"));
  c.user = s.text_or("user", "");
  c.spool.folder = r.path("spool.folder", c.data_folder + "/spool");
  c.uplink.identity_folder = c.identity_folder;
  c.uplink.url = s.text_or("collector.url", "");
  if (!c.uplink.url.empty() && !c.uplink.url.starts_with("https://"))
    return fail(bad(s, "collector.url", "must start with https://",
                    "write https://collector.example:8443"));
  for (const auto& ok : {r.size("spool.max_size", c.spool.max_octets, 1 << 20, 1ULL << 44),
                         r.size("spool.segment_size", c.spool.segment_octets, 64 << 10, 1 << 30),
                         r.size("spool.sync_size", c.spool.sync_octets, 4 << 10, 1 << 30),
                         r.duration("spool.max_age", c.spool.max_age),
                         r.duration("spool.sync_interval", c.spool.sync_interval),
                         r.size("uplink.batch_events", c.uplink.batch_events, 1, 20'000),
                         r.size("uplink.batch_size", c.uplink.batch_octets, 16 << 10, 12U << 20),
                         r.size("uplink.compression", c.uplink.compression, 1, 19),
                         r.duration("uplink.heartbeat", c.uplink.heartbeat),
                         r.duration("uplink.timeout", c.uplink.timeout),
                         r.duration("uplink.pause_first", c.uplink.pause_first),
                         r.duration("uplink.pause_most", c.uplink.pause_most),
                         r.size("capture.workers", c.workers, 1, 64)})
    if (!ok) return fail(ok.error());
  using std::chrono::milliseconds;
  const auto least = [&](const char* key, milliseconds given, milliseconds bound,
                         const char* text) -> Result<void, Problem> {
    if (given >= bound) return {};
    return fail(bad(s, key, "too short", std::string("give at least ") + text));
  };
  using std::chrono::duration_cast;
  for (const auto& ok :
       {least("spool.sync_interval", c.spool.sync_interval, milliseconds(5), "5ms"),
        least("spool.max_age", duration_cast<milliseconds>(c.spool.max_age),
              std::chrono::minutes(1), "1m: what is older is dropped"),
        least("uplink.heartbeat", duration_cast<milliseconds>(c.uplink.heartbeat),
              std::chrono::seconds(1), "1s"),
        least("uplink.timeout", duration_cast<milliseconds>(c.uplink.timeout),
              std::chrono::seconds(1), "1s"),
        least("uplink.pause_first", c.uplink.pause_first, milliseconds(10), "10ms")})
    if (!ok) return fail(ok.error());
  c.privacy_key_file = r.path("privacy.key_file", "");
  if (auto ok = read_interfaces(s, r, c); !ok) return fail(ok.error());
  c.capture_files = r.paths("capture.files");
  c.checksums = s.text_or("capture.checksums", "auto");
  if (c.checksums != "auto" && c.checksums != "none" && c.checksums != "all")
    return fail(bad(s, "capture.checksums", "unknown value '" + c.checksums + "'",
                    "use auto, none or all"));
  c.rules = r.paths("rules");
  if (auto ok = read_vars(s, c); !ok) return fail(ok.error());
  c.suricata_yaml = r.path("suricata_yaml", "");
  c.metrics_listen = s.text_or("metrics.listen", "");
  c.metrics_file = r.path("metrics.file", "");
  c.has_logs = !s.children("logs").empty();
  if (c.has_logs) {
    c.logs = s.below("logs");
    resolve_log_paths(r, c.logs);
    if (auto ok = logs::read_log_config(c.logs); !ok) {
      auto p = ok.error();
      const std::string_view unknown = "unknown key '";
      p.what.insert(p.what.starts_with(unknown) ? unknown.size() : 0, "logs.");
      return fail(p);
    }
  }
  if (!s.children("backup").empty()) {
    auto probes =
        backup::read_backup_config(s.below("backup"), r.resolve("."), c.data_folder + "/backup");
    if (!probes) {
      auto p = probes.error();
      const std::string_view unknown = "unknown key '";
      p.what.insert(p.what.starts_with(unknown) ? unknown.size() : 0, "backup.");
      return fail(p);
    }
    c.probes = std::move(*probes);
    if (auto ok = r.size("backup.workers", c.probe_workers, 1, 16); !ok) return fail(ok.error());
  }
  auto drills =
      drills::read_drill_config(s.below("drills"), r.resolve("."), c.data_folder, c.probes);
  if (!drills) return fail(drills.error());
  c.drills = std::move(*drills);
  if (c.interfaces.empty() && c.capture_files.empty() && !c.has_logs && c.probes.empty())
    return fail(Problem{"nothing to watch", file,
                        "add capture: { interfaces: [eth0] }, logs: with inputs, or backup: with "
                        "probes"});
  return c;
}

}  // namespace ww::sensor
