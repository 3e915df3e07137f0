#include "sensors/pipeline/eve_config.hpp"

#include <algorithm>

namespace ww::sensor {
namespace {

bool on(const Settings& s, std::string_view key, bool fallback) { return s.flag_or(key, fallback); }

XffOptions read_xff(const Settings& s) {
  XffOptions x;
  x.enabled = on(s, "xff.enabled", false);
  x.overwrite = s.text_or("xff.mode", "extra-data") == "overwrite";
  x.forward = s.text_or("xff.deployment", "reverse") == "forward";
  x.header = s.text_or("xff.header", "X-Forwarded-For");
  return x;
}

}  // namespace

EveConfig::EveConfig(const Settings& settings) {
  bool named = false;
  for (const auto& i : settings.children("outputs")) {
    const auto item = "outputs." + i;
    // A sequence of maps, or (by --set) a map.
    if (i == "eve-log") {
      named = true;
      read_output(settings, item);
      continue;
    }
    for (const auto& kind : settings.children(item)) {
      named = true;
      if (kind == "eve-log") read_output(settings, item + ".eve-log");
    }
  }
  if (!named) defaults();
  bind_loggers();
}

void EveConfig::read_output(const Settings& settings, const std::string& path) {
  const auto s = settings.below(path);
  if (!on(s, "enabled", true)) return;
  const auto type = s.text_or("filetype", "regular");
  if (type != "regular" && type != "file") {
    settings.mark_read(path);
    return;
  }
  EveOutput o;
  o.filename = s.text_or("filename", "eve.json");
  o.append = on(s, "append", true);
  o.community_id = on(s, "community-id", false);
  o.community_seed = static_cast<std::uint16_t>(
      std::clamp<std::int64_t>(s.integer_or("community-id-seed", 0), 0, 65535));
  o.ethernet = on(s, "ethernet", false);
  o.metadata = on(s, "metadata", true);
  o.pcap_file = on(s, "pcap-file", false);
  o.version = on(s, "suricata-version", false);
  o.host = settings.text_or("sensor-name", "");
  o.prefix = s.text_or("prefix", "");
  o.xff = read_xff(s);
  o.alert_xff = o.files_xff = o.xff;
  for (const auto& i : s.children("types")) {
    const auto at = "types." + i;
    if (const auto plain = s.text(at); plain && !plain->empty()) {
      take_type(o, *plain, Settings());
      continue;
    }
    const auto names = s.children(at);
    if (names.empty()) {
      if (!std::all_of(i.begin(), i.end(), [](char c) { return c >= '0' && c <= '9'; }))
        take_type(o, i, Settings());
      continue;
    }
    if (!std::all_of(i.begin(), i.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      take_type(o, i, s.below(at));
      continue;
    }
    const auto prefix = at + ".";
    for (const auto& name : names) take_type(o, name, s.below(prefix + name));
  }
  settings.mark_read(path);
  outputs_.push_back(std::move(o));
}

void EveConfig::take_type(EveOutput& o, const std::string& name, const Settings& options) {
  if (!on(options, "enabled", true)) return;
  if (name == "alert") {
    o.alert = true;
    auto& a = o.alerts;
    const auto metadata = options.text("metadata");
    if (metadata && !parse_flag(*metadata).value_or(true)) {
      a.metadata = a.app_layer = a.flow = a.rule_metadata = false;
    }
    a.app_layer = on(options, "metadata.app-layer", a.app_layer);
    a.flow = on(options, "metadata.flow", a.flow);
    a.rule_metadata = on(options, "metadata.rule.metadata", a.rule_metadata);
    a.rule_raw = on(options, "metadata.rule.raw", false);
    a.rule_reference = on(options, "metadata.rule.reference", false);
    // The names of Suricata 4 and before.
    a.app_layer = on(options, "applayer", a.app_layer);
    a.flow = on(options, "flow", a.flow);
    a.payload = on(options, "payload", false);
    a.payload_printable = on(options, "payload-printable", false);
    a.payload_length = on(options, "payload-length", false);
    a.packet = on(options, "packet", false);
    a.options = options;
    a.tagged_packets = on(options, "tagged-packets", true);
    a.verdict = on(options, "verdict", false);
    a.payload_buffer =
        std::min<std::uint64_t>(options.size_or("payload-buffer-size", a.payload_buffer), 1U << 20);
    if (options.has("xff")) o.alert_xff = read_xff(options);
  } else if (name == "anomaly") {
    o.anomaly = true;
    o.anomalies.decode = on(options, "types.decode", false);
    o.anomalies.stream = on(options, "types.stream", false);
    o.anomalies.applayer = on(options, "types.applayer", true);
    o.anomalies.packethdr = on(options, "packethdr", false);
  } else if (name == "flow") {
    o.flow = true;
  } else if (name == "netflow") {
    o.netflow = true;
  } else if (name == "files") {
    o.files = true;
    o.force_magic = on(options, "force-magic", false);
    if (options.has("xff")) o.files_xff = read_xff(options);
  } else if (name == "stats") {
    o.stats = true;
    o.statistics.totals = on(options, "totals", true);
    o.statistics.threads = on(options, "threads", false);
    o.statistics.deltas = on(options, "deltas", false);
    o.statistics.null_values = on(options, "null-values", true);
  } else if (name == "frame") {
    o.frames = true;
  } else if (name == "arp") {
    o.arp = true;
  } else if (name == "drop") {
    o.drop = true;
    o.drops.alerts = on(options, "alerts", false);
    o.drops.all_flow = options.text_or("flows", "start") == "all";
    o.drops.verdict = on(options, "verdict", false);
  } else if (name == "metadata") {
    o.metadata_events = true;
  }
  options.mark_read("");
  o.types.push_back({name, options});
}

void EveConfig::defaults() {
  EveOutput o;
  const auto add = [&](const std::string& name) { take_type(o, name, Settings()); };
  for (const auto* name : {"alert", "anomaly", "files", "flow", "stats"}) add(name);
  for (const auto& p : protocols())
    for (const auto& l : p.loggers)
      if (l.on_by_default && std::none_of(o.types.begin(), o.types.end(), [&](const EveType& t) {
            return t.name == l.settings_name;
          })) {
        Settings options;
        // Suricata's shipped configuration asks for these.
        if (l.settings_name == "http" || l.settings_name == "tls") options.set("extended", "yes");
        take_type(o, l.settings_name, options);
      }
  outputs_.push_back(std::move(o));
}

void EveConfig::bind_loggers() {
  for (const auto& p : protocols())
    for (const auto& l : p.loggers) {
      std::vector<LoggerTarget> targets;
      for (std::size_t i = 0; i < outputs_.size(); ++i)
        for (const auto& t : outputs_[i].types)
          if (t.name == l.settings_name) {
            targets.push_back(
                {i, &t.options, t.options.has("xff") ? read_xff(t.options) : outputs_[i].xff});
            break;
          }
      if (!targets.empty()) by_logger_.emplace(&l, std::move(targets));
    }
}

const std::vector<LoggerTarget>& EveConfig::targets(const Logger& logger) const {
  static const std::vector<LoggerTarget> none;
  const auto it = by_logger_.find(&logger);
  return it == by_logger_.end() ? none : it->second;
}

bool EveConfig::any_flow() const {
  return std::any_of(outputs_.begin(), outputs_.end(),
                     [](const EveOutput& o) { return o.flow || o.netflow; });
}
bool EveConfig::any_ethernet() const {
  return std::any_of(outputs_.begin(), outputs_.end(),
                     [](const EveOutput& o) { return o.ethernet; });
}
bool EveConfig::any_files() const {
  return std::any_of(outputs_.begin(), outputs_.end(), [](const EveOutput& o) { return o.files; });
}
bool EveConfig::any_anomaly() const {
  return std::any_of(outputs_.begin(), outputs_.end(),
                     [](const EveOutput& o) { return o.anomaly; });
}

}  // namespace ww::sensor
