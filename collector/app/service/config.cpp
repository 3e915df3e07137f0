#include "collector/app/service/config.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <filesystem>

#include "collector/identity/authority.hpp"
#include "collector/store/store.hpp"
#include "telemetry/edit_distance.hpp"
#include "telemetry/net/http.hpp"
#include "telemetry/settings.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;

// "notify.webhooks.0.url" -> "notify.webhooks.*.url": positions and class names are free.
std::string generic(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto part = path.substr(0, dot);
    const bool number =
        !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    const bool under_class = out == "data.retention" || out == "data.class_max_size";
    if (!out.empty()) out += '.';
    out += number || under_class ? "*" : std::string(part);
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return out;
}

const ConfigKey* known(std::string_view path) {
  const auto g = generic(path);
  for (const auto& k : config_keys()) {
    if (k.path == g) return &k;
    if (k.kind == "list" && g == std::string(k.path) + ".*") return &k;
  }
  return nullptr;
}

/// Keys are known below it, none of its own: "server", "notify.webhooks".
bool is_section(std::string_view path) {
  const auto g = generic(path) + ".";
  return std::any_of(config_keys().begin(), config_keys().end(),
                     [&](const auto& k) { return k.path.starts_with(g); });
}

std::string nearest(std::string_view path) {
  const auto g = generic(path);
  std::string_view best;
  std::size_t least = std::string::npos;
  for (const auto& k : config_keys()) {
    const auto d = edit_distance(g, k.path);
    if (d < least) least = d, best = k.path;
  }
  return std::string(best);
}

bool address_and_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string host(text.substr(0, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto digits = text.substr(colon + 1);
  const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  in6_addr octets;
  return (::inet_pton(AF_INET, host.c_str(), &octets) == 1 ||
          ::inet_pton(AF_INET6, host.c_str(), &octets) == 1) &&
         !digits.empty() && r.ec == std::errc() && r.ptr == digits.data() + digits.size();
}

/// Typed reading that collects the first problem.
class Reader {
 public:
  Reader(const Settings& s, std::string folder) : s_(s), folder_(std::move(folder)) {}
  std::optional<Problem> problem;

  void text(const char* key, std::string& out) {
    if (const auto v = s_.text(key)) out = *v;
  }
  /// Relative to the configuration file.
  void path(const std::string& key, std::string& out) {
    if (const auto v = s_.text(key); v && !v->empty()) out = resolve(*v);
  }
  void paths(const char* key, std::vector<std::string>& out) {
    if (!s_.has(key)) return;
    out = s_.list(key);
    for (auto& p : out) p = resolve(p);
  }
  void list(const char* key, std::vector<std::string>& out) {
    if (s_.has(key)) out = s_.list(key);
  }
  void flag(const std::string& key, bool& out) {
    if (const auto v = s_.text(key)) {
      const auto f = parse_flag(*v);
      if (!f) return bad(key, "is neither yes nor no");
      out = *f;
    }
  }
  template <class I>
  void number(const char* key, I& out, std::int64_t least, std::int64_t most) {
    if (const auto n = integer(key, least, most)) out = static_cast<I>(*n);
  }
  template <class D>
  void duration(const char* key, D& out, std::int64_t least, std::int64_t most) {
    if (const auto n = integer(key, least, most)) out = D(*n);
  }
  void size(const std::string& key, std::uint64_t& out) {
    if (const auto v = s_.text(key)) {
      const auto n = parse_size(*v);
      if (!n) return bad(key, "is not a size; write for example 512 MiB");
      out = *n;
    }
  }
  /// "90d", "12h", "30m".
  void life(const char* key, std::chrono::seconds& out, std::chrono::seconds least,
            std::chrono::seconds most) {
    const auto v = s_.text(key);
    if (!v) return;
    std::int64_t n = 0;
    const auto r = std::from_chars(v->data(), v->data() + v->size(), n);
    const std::string_view unit(r.ptr, v->data() + v->size());
    const std::int64_t seconds = unit == "d" ? 86'400 : unit == "h" ? 3'600 : unit == "m" ? 60 : 0;
    if (r.ec != std::errc() || seconds == 0 || n < 0 || n > most.count() / seconds ||
        n * seconds < least.count())
      return bad(key, "must be a time from " + std::to_string(least.count() / 60) + "m to " +
                          std::to_string(most.count() / 86'400) +
                          "d: write for example 90d or 12h");
    out = std::chrono::seconds(n * seconds);
  }
  void bad(const std::string& key, const std::string& what) {
    if (!problem)
      problem = Problem{"'" + key + "' " + what, s_.nearest_place(key),
                        "see deploy/collector.example.yaml"};
  }
  std::optional<std::int64_t> integer(const std::string& key, std::int64_t least,
                                      std::int64_t most) {
    const auto v = s_.text(key);
    if (!v) return {};
    std::int64_t n = 0;
    const auto r = std::from_chars(v->data(), v->data() + v->size(), n);
    if (r.ec != std::errc() || r.ptr != v->data() + v->size() || n < least || n > most) {
      bad(key,
          "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
      return {};
    }
    return n;
  }

 private:
  std::string resolve(const std::string& p) const {
    return p.empty() || fs::path(p).is_absolute()
               ? p
               : (fs::path(folder_) / p).lexically_normal().string();
  }
  const Settings& s_;
  std::string folder_;
};

Result<Config, Problem> read(const Settings& s, const std::string& name) {
  for (const auto& path : s.unread()) {
    const auto* key = known(path);
    const bool empty = s.text_or(path, "").empty();
    if (key != nullptr && (key->kind == "list" || key->path == generic(path))) {
      continue;
    } else if (is_section(path)) {
      if (empty) continue;  // all of it is commented out
      return fail(Problem{"'" + path + "' must hold keys, not '" + s.text_or(path, "") + "'",
                          s.where(path), "see deploy/collector.example.yaml"});
    }
    const auto above = path.substr(0, path.rfind('.'));
    if (const auto* parent = known(above); parent != nullptr && above != path)
      return fail(Problem{
          "'" + above + "' takes " + (parent->kind == "list" ? "a list of values" : "one value"),
          s.where(path), "see deploy/collector.example.yaml"});
    return fail(Problem{"unknown key '" + path + "'", s.where(path),
                        "did you mean '" + nearest(path) + "'?"});
  }

  Config c;
  c.file = name;
  Reader r(s, fs::path(name).parent_path().string());
  r.list("server.listen", c.listen);
  r.list("server.names", c.names);
  r.text("server.public_url", c.public_url);
  r.path("server.certificate", c.certificate_file);
  r.path("server.key", c.key_file);
  r.number("server.network_threads", c.network_threads, 1, 64);
  r.number("server.worker_threads", c.worker_threads, 1, 256);
  r.number("server.max_connections", c.max_connections, 1, 1'000'000);
  r.number("server.max_connections_per_peer", c.max_connections_per_peer, 1, 1'000'000);
  r.number("server.requests_per_second", c.requests_per_second, 0, 1'000'000);
  r.size("server.max_inflight", c.max_inflight);
  r.path("data.folder", c.folder);
  r.size("data.max_size", c.max_size);
  r.size("data.min_free", c.min_free);
  const auto classes = default_classes();
  const auto is_class = [&](const std::string& n) {
    return std::any_of(classes.begin(), classes.end(), [&](const auto& k) { return k.name == n; });
  };
  std::string no_class = "is no event class; there are";
  for (const auto& k : classes) no_class += (no_class.ends_with("are") ? " " : ", ") + k.name;
  for (const auto& n : s.children("data.retention")) {
    const auto key = "data.retention." + n;
    if (!is_class(n)) r.bad(key, no_class);
    if (const auto days = r.integer(key, 1, 36'500))
      c.retention[n] = std::chrono::hours(24 * *days);
  }
  for (const auto& n : s.children("data.class_max_size")) {
    const auto key = "data.class_max_size." + n;
    if (!is_class(n)) r.bad(key, no_class);
    r.size(key, c.class_max_size[n]);
  }
  r.life("identity.sensor_certificate_life", c.sensor_certificate_life, std::chrono::minutes(1),
         std::chrono::days(825));
  r.duration("identity.session_hours", c.session_life, 1, 24 * 30);
  r.duration("identity.session_idle_minutes", c.session_idle, 1, 24 * 60);
  r.size("ingest.queue", c.queue);
  r.size("ingest.max_request", c.max_request);
  r.text("ingest.foreign_site", c.foreign_site);
  r.list("syslog.udp", c.syslog_udp);
  r.list("syslog.tcp", c.syslog_tcp);
  r.list("syslog.tls", c.syslog_tls);
  r.text("syslog.site", c.syslog_site);
  r.text("syslog.sensor", c.syslog_sensor);
  r.flag("syslog.client_certificates", c.syslog_client_certificates);
  r.paths("rules.sigma", c.sigma_paths);
  r.paths("rules.sigma_pipelines", c.sigma_pipelines);
  r.path("rules.sigma_placeholders", c.sigma_placeholders);
  r.duration("rules.correlation_lateness_seconds", c.correlation_lateness, 0, 7 * 86'400);
  r.size("rules.correlation_memory", c.correlation_memory);
  r.duration("rules.alert_window_seconds", c.alert_window, 1, 30 * 86'400);
  r.path("backup.register", c.backup_register);
  r.duration("backup.look_seconds", c.backup_look, 1, 3600);
  r.path("dashboard.folder", c.dashboard_folder);
  for (const auto& i : s.children("notify.webhooks")) {
    const auto at = "notify.webhooks." + i;
    WebhookOptions w;
    w.url = s.text_or(at + ".url", "");
    r.path(at + ".ca", w.ca_file);
    r.path(at + ".token_file", w.token_file);
    if (const auto text = s.text(at + ".min_level")) {
      const auto l = level(*text);
      if (!l) r.bad(at + ".min_level", "must be informational, low, medium, high or critical");
      w.min_level = l.value_or(Level::high);
    }
    r.flag(at + ".drills", w.drills);
    if (!http::parse_url(w.url)) r.bad(at + ".url", "must be an http:// or https:// address");
    c.webhooks.push_back(std::move(w));
  }
  r.paths("drills.playbooks", c.drills.playbooks);
  r.paths("drills.definitions", c.drills.definitions);
  r.paths("drills.trusted_keys", c.drills.trusted_keys);
  r.flag("drills.signature_needed", c.drills.signature_needed);
  r.text("drills.site", c.drills.site);
  r.path("drills.allow_list", c.drills.allow_list);
  r.text("drills.stop_word", c.drills.stop_word);
  r.duration("drills.order_seconds", c.drills.order_life, 5, 86'400);
  r.duration("drills.restore_seconds", c.drills.restore_limit, 10, 14 * 86'400);
  r.duration("drills.heartbeat_grace_seconds", c.drills.heartbeat_grace, 1, 86'400);
  r.path("drills.http_ca", c.drills.http_ca);
  for (const auto& i : s.children("drills.http_hosts")) {
    const auto at = "drills.http_hosts." + i;
    playbooks::HttpHost h;
    h.origin = s.text_or(at + ".url", "");
    while (h.origin.ends_with('/')) h.origin.pop_back();
    if (s.has(at + ".methods")) h.methods = s.list(at + ".methods");
    if (!http::parse_url(h.origin) || !h.origin.starts_with("https://"))
      r.bad(at + ".url", "must be an https:// address without a path");
    c.drills.http_hosts.push_back(std::move(h));
  }
  for (const auto& kind : s.list("drills.automatic")) {
    if (kind != "restore" && kind != "detection")
      r.bad("drills.automatic", "may hold restore and detection; people start the others");
    c.drills.automatic.insert(kind);
  }
  for (const auto& i : s.children("drills.schedule")) {
    const auto at = "drills.schedule." + i;
    boost::json::object o;
    const auto prefix = at + ".";
    for (const auto& key : s.children(at)) o[key] = s.text_or(prefix + key, "");
    auto plan = plan_from_json(o);
    if (!plan) {
      r.bad(at, plan.error());
      continue;
    }
    c.drills.plans.push_back(std::move(*plan));
  }
  if (!c.drills.allow_list.empty() && c.drills.site.empty())
    r.bad("drills.allow_list", "needs drills.site, for which the list was signed");
  r.text("log.level", c.log_level);
  r.path("log.file", c.log_file);

  if (c.folder.empty()) r.bad("data.folder", "is missing: say where the collector keeps its data");
  for (const auto& [key, list] : {std::pair{"server.listen", &c.listen},
                                  {"syslog.udp", &c.syslog_udp},
                                  {"syslog.tcp", &c.syslog_tcp},
                                  {"syslog.tls", &c.syslog_tls}})
    for (const auto& a : *list)
      if (!address_and_port(a))
        r.bad(key, "has '" + a +
                       "', which is not ADDRESS:PORT: write for example 0.0.0.0:8443 or "
                       "[::]:8443");
  // They go into certificates, and the authority may sign for no others: a mistake stays.
  for (const auto& n : c.names)
    if (n.empty() || n.size() > 253 ||
        n.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:") !=
            std::string::npos)
      r.bad("server.names",
            "has '" + n.substr(0, 80) + "', which is neither a host's name nor an address");
  if (c.listen.empty()) r.bad("server.listen", "is empty: give ADDRESS:PORT");
  if (c.certificate_file.empty() != c.key_file.empty())
    r.bad("server.certificate", "needs server.key, and the other way round");
  for (const auto* slug : {&c.foreign_site, &c.syslog_site, &c.syslog_sensor})
    if (!valid_slug(*slug))
      r.bad(slug == &c.foreign_site  ? "ingest.foreign_site"
            : slug == &c.syslog_site ? "syslog.site"
                                     : "syslog.sensor",
            "must be lower-case letters, digits and dashes");
  static constexpr std::string_view levels[] = {"trace", "debug",    "info", "warn",
                                                "error", "critical", "off"};
  if (std::find(std::begin(levels), std::end(levels), c.log_level) == std::end(levels))
    r.bad("log.level", "must be debug, info, warn or error");
  if (!c.public_url.empty() &&
      (!http::parse_url(c.public_url) || !c.public_url.starts_with("https://")))
    r.bad("server.public_url", "must be an https:// address");
  while (c.public_url.ends_with('/')) c.public_url.pop_back();
  if (r.problem) {
    if (r.problem->where.empty()) r.problem->where = name;
    return fail(*r.problem);
  }
  return c;
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys{
      {"server.listen", "list", "addresses and ports of the HTTPS server"},
      {"server.names", "list", "DNS names and addresses in the server's certificate"},
      {"server.public_url", "text", "address that people and sensors use"},
      {"server.certificate", "path",
       "certificate chain of your own, instead of the collector's authority"},
      {"server.key", "path", "its key"},
      {"server.network_threads", "number", "threads that move octets"},
      {"server.worker_threads", "number", "threads that answer requests"},
      {"server.max_connections", "number", "connections at one time"},
      {"server.max_connections_per_peer", "number", "of one address"},
      {"server.requests_per_second", "number", "of one client certificate or address; 0: no limit"},
      {"server.max_inflight", "size", "request bodies held at one time"},
      {"data.folder", "path", "where everything is kept"},
      {"data.max_size", "size", "bound of all event files; 0: none"},
      {"data.min_free", "size", "free disk below which the oldest files go"},
      {"data.retention.*", "number", "days to keep events of a class"},
      {"data.class_max_size.*", "size", "bound of a class of events"},
      {"identity.sensor_certificate_life", "duration", "life of a sensor's certificate"},
      {"identity.session_hours", "number", "life of a session"},
      {"identity.session_idle_minutes", "number", "a session ends when nobody used it for so long"},
      {"ingest.queue", "size", "batches waiting for the store"},
      {"ingest.max_request", "size", "largest request as sent"},
      {"ingest.foreign_site", "text", "site of foreign inputs that name none"},
      {"syslog.udp", "list", "addresses for syslog datagrams"},
      {"syslog.tcp", "list", "addresses for syslog over TCP"},
      {"syslog.tls", "list", "addresses for syslog over TLS"},
      {"syslog.site", "text", "site that syslog events are stored under"},
      {"syslog.sensor", "text", "sensor name of syslog events"},
      {"syslog.client_certificates", "flag",
       "TLS senders must have a certificate of the collector's authority"},
      {"rules.sigma", "list", "files and folders of Sigma rules"},
      {"rules.sigma_pipelines", "list", "processing pipelines"},
      {"rules.sigma_placeholders", "path", "YAML map from placeholder to values, for |expand"},
      {"rules.correlation_lateness_seconds", "number",
       "events this much older than the newest still count in correlations"},
      {"rules.correlation_memory", "size", "memory of what correlations count"},
      {"rules.alert_window_seconds", "number", "repeats of an alert within this fold into one"},
      {"backup.register", "path", "services and assets with their backup targets and schedules"},
      {"backup.look_seconds", "number", "how often all jobs are looked at when nothing comes in"},
      {"dashboard.folder", "path", "the built web page"},
      {"notify.webhooks.*.url", "text", "where new alerts are posted"},
      {"notify.webhooks.*.min_level", "text", "least level that is posted"},
      {"notify.webhooks.*.ca", "path", "authority of the receiver"},
      {"notify.webhooks.*.token_file", "path", "file with a bearer token"},
      {"notify.webhooks.*.drills", "flag", "takes rehearsals of drills only, to measure the way"},
      {"drills.playbooks", "list", "folders of CACAO playbooks"},
      {"drills.definitions", "list", "folders of drill definitions"},
      {"drills.trusted_keys", "list", "PEM files of keys whose signatures count"},
      {"drills.signature_needed", "flag", "only playbooks with a trusted signature are taken"},
      {"drills.site", "text", "site of the allow-list"},
      {"drills.allow_list", "path", "signed list of programs that playbooks may run"},
      {"drills.stop_word", "text", "ends an exercise at once, in lower case"},
      {"drills.order_seconds", "number", "a sensor must fetch an order within this"},
      {"drills.restore_seconds", "number", "longest restore drill"},
      {"drills.heartbeat_grace_seconds", "number", "beside two intervals of a heartbeat"},
      {"drills.automatic", "list", "kinds of drills that plans may start: restore, detection"},
      {"drills.schedule.*.id", "text", "name of the plan; default DRILL.SITE.SENSOR"},
      {"drills.schedule.*.drill", "text", "a drill of the library"},
      {"drills.schedule.*.site", "text", "where"},
      {"drills.schedule.*.sensor", "text", "through which sensor"},
      {"drills.schedule.*.owner", "text", "who sees to it"},
      {"drills.schedule.*.period", "text", "30d, or a calendar: sun 03:00 Europe/London"},
      {"drills.schedule.*.grace", "text", "overdue so long after it was due; 1d when absent"},
      {"drills.schedule.*.start", "flag", "the collector starts it by itself when it is due"},
      {"drills.schedule.*.window", "text", "only then: sat,sun 02:00-05:00 Europe/London"},
      {"drills.schedule.*.from", "text", "first due; at once when absent"},
      {"drills.http_ca", "path", "authority of drills.http_hosts"},
      {"drills.http_hosts.*.url", "text", "a host that playbooks may send requests to"},
      {"drills.http_hosts.*.methods", "list", "methods allowed there; GET when absent"},
      {"log.level", "text", "debug, info, warn, error"},
      {"log.file", "path", "instead of standard error"},
  };
  return keys;
}

Result<Config, Problem> Config::load(const std::string& path) {
  const auto s = Settings::from_yaml_file(path, YamlRules::strict);
  if (!s) return fail(s.error());
  return read(*s, path);
}

Result<Config, Problem> Config::parse(std::string_view yaml, const std::string& name) {
  const auto s = Settings::from_yaml(yaml, name, YamlRules::strict);
  if (!s) return fail(s.error());
  return read(*s, name);
}

}  // namespace ww::collector
