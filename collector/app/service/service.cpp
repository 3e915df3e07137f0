#include "collector/app/service/service.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "collector/alerts/alerts.hpp"
#include "collector/api/live.hpp"
#include "collector/api/route.hpp"
#include "collector/app/service/figures.hpp"
#include "collector/backup/book.hpp"
#include "collector/detect/detect.hpp"
#include "collector/drills/service.hpp"
#include "collector/identity/accounts.hpp"
#include "collector/identity/authority.hpp"
#include "collector/ingest/pipeline_local.hpp"
#include "collector/ingest/syslog_server.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"
#include "rules/sigma/placeholders.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/net/enrol.hpp"

#ifndef WARDWATCH_VERSION
#define WARDWATCH_VERSION "0.1.0"
#endif

namespace ww::collector {
namespace {

namespace fs = std::filesystem;

Result<std::string, Problem> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Problem{"cannot read the file", path, "check the path and its permissions"});
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

AuthorityOptions authority_options(const Config& c) {
  AuthorityOptions o;
  o.folder = (fs::path(c.folder) / "tls").string();
  o.names = c.names;
  o.sensor_life = c.sensor_certificate_life;
  return o;
}

StoreOptions store_options(const Config& c) {
  StoreOptions o;
  o.folder = c.folder;
  o.max_octets = c.max_size;
  o.min_free_octets = c.min_free;
  for (auto& k : o.classes) {
    if (const auto it = c.retention.find(k.name); it != c.retention.end()) k.max_age = it->second;
    if (const auto it = c.class_max_size.find(k.name); it != c.class_max_size.end())
      k.max_octets = it->second;
  }
  return o;
}

DetectOptions detect_options(const Config& c) {
  DetectOptions o;
  o.sigma_paths = c.sigma_paths;
  o.sigma.pipelines = c.sigma_pipelines;
  o.placeholders_file = c.sigma_placeholders;
  o.correlator.lateness = c.correlation_lateness;
  o.correlator.max_octets = c.correlation_memory;
  o.window = c.alert_window;
  return o;
}

AccountLimits account_limits(const Config& c) {
  AccountLimits l;
  l.session_life = c.session_life;
  l.session_idle = c.session_idle;
  return l;
}

std::uint16_t listen_port(const Config& c) {
  const auto& first = c.listen.front();
  const auto colon = first.rfind(':');
  return colon == std::string::npos
             ? std::uint16_t{0}
             : static_cast<std::uint16_t>(std::strtoul(first.c_str() + colon + 1, nullptr, 10));
}

std::string public_url(const Config& c, std::uint16_t port) {
  if (!c.public_url.empty()) return c.public_url;
  return "https://" + (c.names.empty() ? std::string("localhost") : c.names.front()) + ":" +
         std::to_string(port);
}

/// That key and certificate belong together, with the files' names. @return the certificate's end
Result<Timestamp, Problem> check_pair(const Config& c, const std::string& certificate,
                                      const std::string& key) {
  const auto bio = [](const std::string& text) {
    return std::unique_ptr<BIO, decltype(&BIO_free)>(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
  };
  const std::unique_ptr<X509, decltype(&X509_free)> x(
      PEM_read_bio_X509(bio(certificate).get(), nullptr, nullptr, nullptr), &X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> k(
      PEM_read_bio_PrivateKey(bio(key).get(), nullptr, nullptr, const_cast<char*>("")),
      &EVP_PKEY_free);
  ERR_clear_error();
  if (!x) return fail(Problem{"not a certificate", c.certificate_file, "give a PEM chain"});
  if (!k)
    return fail(Problem{"not a key, or one with a password", c.key_file, "give the PEM key alone"});
  if (X509_check_private_key(x.get(), k.get()) != 1) {
    ERR_clear_error();
    return fail(Problem{"not the key of " + c.certificate_file, c.key_file,
                        "give the key that the certificate was made for"});
  }
  std::tm end{};
  ASN1_TIME_to_tm(X509_get0_notAfter(x.get()), &end);
  return Timestamp{static_cast<std::int64_t>(::timegm(&end)) * 1'000'000};
}

Problem expired(const Config& c, Timestamp end) {
  return {"the certificate ended " + rfc3339(end), c.certificate_file,
          "put a new one there (and its key) and send SIGHUP"};
}

/// The operator's own certificate and key, whether it has ended or not.
Result<ServerIdentity, Problem> own_certificate(const Config& c) {
  auto certificate = read_file(c.certificate_file);
  if (!certificate) return fail(certificate.error());
  auto key = read_file(c.key_file);
  if (!key) return fail(key.error());
  const auto end = check_pair(c, *certificate, *key);
  if (!end) return fail(end.error());
  return ServerIdentity{std::move(*certificate), std::move(*key), *end};
}

/// The certificate to serve with. One of the operator's own that has ended is no reason to take no
/// telemetry: sensors know the collector's authority, which then vouches for the server until there
/// is a new one.
Result<ServerIdentity, Problem> server_identity(const Config& c, Authority& authority,
                                                const Clock& clock) {
  if (!c.certificate_file.empty()) {
    auto own = own_certificate(c);
    if (!own || own->not_after > clock.now()) return own;
    logging::error("{}; until then one of the collector's own authority is served",
                   expired(c, own->not_after).text());
  }
  auto issued = authority.server_identity();
  if (issued && !issued->renewed.empty())
    logging::info("a server certificate was issued ({}); it ends {}", issued->renewed,
                  rfc3339(issued->not_after));
  return issued;
}

/// Store, alerts, detection, accounts: what init, migrate and run share. Destroyed in reverse
/// order.
struct Core {
  std::unique_ptr<AlertBook> alerts;
  std::unique_ptr<Detector> detector;
  std::unique_ptr<BackupBook> backups;
  std::unique_ptr<DrillBook> drills;
  std::unique_ptr<Store> store;
  std::unique_ptr<Accounts> accounts;
  std::unique_ptr<Authority> authority;
  bool authority_made = false;

  static Result<Core, Problem> open(const Config& c, const Clock& clock) {
    Core core;
    // The store locks its folder: one process a data folder.
    std::error_code ec;
    fs::create_directories(c.folder, ec);
    if (ec)
      return fail(Problem{"cannot make the data folder: " + ec.message(), c.folder,
                          "check its parent's permissions"});
    fs::permissions(c.folder, fs::perms::owner_all, ec);
    // A new file is only right where nothing was before: accounts, alerts and revocations would be
    // gone.
    const auto control = fs::path(c.folder) / "control.db";
    if (fs::exists(control, ec) && fs::file_size(control, ec) == 0 &&
        Authority::exists(authority_options(c).folder))
      return fail(Problem{"the file is empty, but there was a collector here", control.string(),
                          "restore it from a backup, or remove it to go on without its accounts, "
                          "alerts and revocations"});
    core.alerts = AlertBook::create(clock);
    core.detector = Detector::create(detect_options(c), clock, *core.alerts);
    core.backups = BackupBook::create({c.backup_register, c.backup_look}, clock, *core.alerts);
    core.drills = std::make_unique<DrillBook>(clock);
    auto store = Store::open(store_options(c), clock,
                             {core.alerts->module(), core.detector->module(),
                              core.backups->module(), core.drills->module()});
    if (!store) return fail(store.error());
    core.store = std::move(*store);
    core.alerts->attach(core.store->control());
    core.backups->attach(*core.store);
    core.drills->attach(core.store->control());
    auto accounts = Accounts::open(core.store->control(), clock, account_limits(c));
    if (!accounts) return fail(accounts.error());
    core.accounts = std::move(*accounts);
    const auto options = authority_options(c);
    core.authority_made = !Authority::exists(options.folder);
    auto authority = Authority::open(options, clock);
    if (!authority) return fail(authority.error());
    core.authority = std::move(*authority);
    return core;
  }
};

class CollectorImpl final : public Collector {
 public:
  CollectorImpl(Config config, const Clock& clock, Core core)
      : config_(std::move(config)),
        clock_(clock),
        core_(std::move(core)),
        metrics_(Metrics::create(WARDWATCH_VERSION)) {}

  ~CollectorImpl() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (keeper_.joinable()) keeper_.join();
    core_.backups->stop();
    webhooks_.clear();  // may still tell the drills
    syslog_.reset();
    live_.reset();    // ends the streams, so that the server need not wait for them
    server_.reset();  // requests under way are answered
    api_.reset();
    metrics_->clear_sources();
    if (pipeline_) pipeline_->stop();
    drills_.reset();
  }

  Result<void, Problem> open() {
    auto report = core_.detector->start(*core_.store);
    if (!report) return fail(report.error());
    log_rules(*report);
    if (auto done = core_.backups->reload(); !done) return fail(done.error());
    PipelineOptions p;
    p.queue_octets = config_.queue;
    p.watchers = {core_.backups.get(), core_.drills.get()};
    p.on_commit = [m = metrics_.get()](double s) { m->observe_commit(s); };
    p.on_trouble = [](const std::string& why) {
      if (why.empty())
        logging::info("the store takes events again");
      else
        logging::error("the store takes no events; sensors and senders wait: {}", why);
    };
    p.on_shared_identity = [](const std::string& site, const std::string& sensor) {
      logging::warn(
          "{}/{}: two sensors send with one identity, or one was set back to an older copy of its "
          "disk; enrol each with a token of its own (wardwatchctl enrol), or their events are one "
          "sensor's",
          site, sensor);
    };
    p.on_detect = [m = metrics_.get()](double s) { m->observe_detection(s); };
    p.is_rehearsal = [b = core_.drills.get()](auto run, auto site, auto sensor) {
      return b->is_rehearsal(run, site, sensor);
    };
    pipeline_ = LocalPipeline::create(p, *core_.store, core_.detector.get(), clock_);
    live_ = LiveFeed::start(*core_.alerts, *core_.store, clock_);
    auto drills = DrillService::create(config_.drills, {*core_.drills, *core_.store, *core_.alerts,
                                                        *core_.accounts, *core_.authority, clock_});
    if (!drills) return fail(drills.error());
    drills_ = std::move(*drills);

    const auto identity = server_identity(config_, *core_.authority, clock_);
    if (!identity) return fail(identity.error());
    certificate_end_ = identity->not_after.us;
    ServerOptions s;
    s.listen = config_.listen;
    auto credentials = credentials_with(*identity);
    if (!credentials) return fail(credentials.error());
    static_cast<Credentials&>(s) = std::move(*credentials);
    s.network_threads = config_.network_threads;
    s.worker_threads = config_.worker_threads;
    s.limits.max_connections = config_.max_connections;
    s.limits.max_connections_per_peer = config_.max_connections_per_peer;
    s.limits.requests_per_second = config_.requests_per_second;
    s.limits.max_inflight_octets = config_.max_inflight;
    services_ = std::make_unique<Services>(Services{*core_.accounts,
                                                    *core_.authority,
                                                    *core_.store,
                                                    *core_.alerts,
                                                    core_.detector.get(),
                                                    *pipeline_,
                                                    *metrics_,
                                                    *live_,
                                                    clock_,
                                                    {},
                                                    core_.backups.get(),
                                                    core_.drills.get(),
                                                    drills_.get()});
    services_->options.dashboard_folder = config_.dashboard_folder;
    services_->options.max_compressed_octets = config_.max_request;
    services_->options.foreign_site = config_.foreign_site;
    services_->options.public_url = public_url(config_, listen_port(config_));
    api_ = Api::create(*services_);
    auto server = Server::start(s, *api_);
    if (!server) return fail(server.error());
    server_ = std::move(*server);
    if (listen_port(config_) == 0)  // any port: known only now (tests)
      services_->options.public_url = public_url(config_, server_->port());

    if (!config_.syslog_udp.empty() || !config_.syslog_tcp.empty() || !config_.syslog_tls.empty()) {
      SyslogOptions o;
      o.udp = config_.syslog_udp;
      o.tcp = config_.syslog_tcp;
      o.tls = config_.syslog_tls;
      o.site = config_.syslog_site;
      o.sensor = config_.syslog_sensor;
      o.certificate_pem = identity->certificate_pem;
      o.key_pem = identity->key_pem;
      if (config_.syslog_client_certificates) o.client_ca_pem = core_.authority->certificate_pem();
      auto syslog = SyslogServer::start(o, *pipeline_, clock_);
      if (!syslog) return fail(syslog.error());
      syslog_ = std::move(*syslog);
    }
    for (auto w : config_.webhooks) {
      w.on_rehearsed = [d = drills_.get()](const std::string& alert) { d->notified(alert); };
      auto webhook = Webhook::start(w, *core_.alerts);
      if (!webhook) return fail(webhook.error());
      webhooks_.push_back(std::move(*webhook));
    }
    add_figures(*metrics_, {*core_.store, *core_.alerts, *core_.detector, *pipeline_,
                            *core_.accounts, *server_, *live_, syslog_.get(), clock_});
    core_.backups->add_metrics(*metrics_);
    core_.backups->look();
    core_.backups->start();
    metrics_->add_source([d = drills_.get()](MetricWriter& w) { d->figures(w); });
    metrics_->add_source([this](MetricWriter& w) {
      w.gauge("wardwatch_server_certificate_end_timestamp_seconds",
              "when the certificate that is served ends", {},
              static_cast<double>(certificate_end_) / 1e6);
    });
    keeper_ = std::thread([this] { keep(); });
    return {};
  }

  std::uint16_t port() const override { return server_->port(); }
  std::string url() const override { return services_->options.public_url; }

  Result<std::string, Problem> reload() override {
    auto report = core_.detector->reload();
    if (!report) return fail(report.error());
    log_rules(*report);
    auto backups = core_.backups->reload();
    if (!backups) return fail(backups.error());
    auto drills = drills_->reload();
    if (!drills) return fail(drills.error());
    if (auto done = renew_certificate(); !done) return fail(done.error());
    {
      const std::lock_guard lock(mutex_);
      look_now_ = true;
    }
    wake_.notify_all();
    return std::to_string(report->loaded) + " Sigma rules loaded, " +
           std::to_string(report->refused) + " refused; " + *backups + "; " + *drills +
           "; certificate read again";
  }

  Store& store() override { return *core_.store; }
  Accounts& accounts() override { return *core_.accounts; }
  Authority& authority() override { return *core_.authority; }
  AlertBook& alerts() override { return *core_.alerts; }
  Pipeline& pipeline() override { return *pipeline_; }
  SyslogServer* syslog() override { return syslog_.get(); }

 private:
  static void log_rules(const sigma::LoadReport& report) {
    logging::info("{} Sigma rules loaded, {} refused", report.loaded, report.refused);
    for (const auto& e : report.errors) logging::warn("{}:{}: {}", e.file, e.line, e.error);
  }

  /// Sensors know the collector's authority only, whoever vouches for it to browsers.
  Result<Credentials, Problem> credentials_with(const ServerIdentity& served) {
    Credentials c;
    c.certificate_pem = served.certificate_pem;
    c.key_pem = served.key_pem;
    c.client_ca_pem = core_.authority->certificate_pem();
    if (config_.certificate_file.empty()) return c;
    auto own = core_.authority->server_identity();
    if (!own) return fail(own.error());
    c.sensor_certificate_pem = std::move(own->certificate_pem);
    c.sensor_key_pem = std::move(own->key_pem);
    return c;
  }

  Result<void, Problem> renew_certificate() {
    const auto identity = server_identity(config_, *core_.authority, clock_);
    if (!identity) return fail(identity.error());
    const auto credentials = credentials_with(*identity);
    if (!credentials) return fail(credentials.error());
    if (auto done = server_->reload(*credentials); !done) return done;
    certificate_end_ = identity->not_after.us;
    return {};
  }

  void look_after_store() {
    core_.store->maintain();
    for (const auto& n : core_.store->news())
      n.trouble ? logging::warn("{}", n.text) : logging::info("{}", n.text);
  }

  // At the start, once a minute and at a reload: retention and checkpoints; twice a day a look at
  // the certificate.
  void keep() {
    for (unsigned look = 1;; ++look) {
      look_after_store();
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, std::chrono::minutes(1), [&] { return stopping_ || look_now_; });
        if (stopping_) return;
        look_now_ = false;
      }
      if (look % 720 == 0)
        if (const auto done = renew_certificate(); !done)
          logging::error("certificate: {}", done.error().text());
    }
  }

  Config config_;
  const Clock& clock_;
  Core core_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<LocalPipeline> pipeline_;
  std::unique_ptr<LiveFeed> live_;
  std::unique_ptr<DrillService> drills_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<SyslogServer> syslog_;
  std::vector<std::unique_ptr<Webhook>> webhooks_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false, look_now_ = false;
  std::atomic<std::int64_t> certificate_end_{0};
  std::thread keeper_;
};

}  // namespace

Result<std::unique_ptr<Collector>, Problem> Collector::start(const Config& config,
                                                             const Clock& clock) {
  auto core = Core::open(config, clock);
  if (!core) return fail(core.error());
  auto collector = std::make_unique<CollectorImpl>(config, clock, std::move(*core));
  if (auto opened = collector->open(); !opened) return fail(std::move(opened.error()));
  return collector;
}

Result<InitResult, Problem> initialise(const Config& config, const Clock& clock, bool new_link) {
  auto core = Core::open(config, clock);
  if (!core) return fail(core.error());
  InitResult out;
  out.authority_made = core->authority_made;
  const auto identity = config.certificate_file.empty() ? core->authority->server_identity()
                                                        : own_certificate(config);
  if (!identity) return fail(identity.error());
  out.ca_file = (fs::path(config.folder) / "tls" / "ca.pem").string();
  out.ca_sha256 = core->authority->fingerprint();
  out.token_file = (fs::path(config.folder) / "admin.token").string();
  const Actor console{"console", "console", ""};
  auto& accounts = *core->accounts;
  const auto failed = [](const AccountError& e) {
    return fail(Problem{e.what, "accounts", "see the collector's log"});
  };
  const auto users = accounts.users();
  if (users.empty()) {
    User admin;
    admin.name = "admin";
    admin.full_name = "Administrator";
    admin.role = Role::admin;
    if (auto added = accounts.add_user(admin, "", console); !added) return failed(added.error());
    out.admin_made = true;
  }
  if (!fs::exists(out.token_file)) {
    ApiToken token;
    token.name = "console";
    token.role = Role::admin;
    auto made = accounts.add_token(token, std::chrono::hours(24 * 365), console);
    if (!made) return failed(made.error());
    if (auto written = net::write_file(out.token_file, made->secret + "\n", 0600); !written)
      return fail(written.error());
  }
  if (out.admin_made || new_link) {
    auto secret = accounts.make_login_link("admin", std::chrono::hours(1), console);
    if (!secret) return failed(secret.error());
    out.login_link = public_url(config, listen_port(config)) + "/#login=" + *secret;
  }
  return out;
}

Result<std::string, Problem> migrate(const Config& config, const Clock& clock) {
  auto core = Core::open(config, clock);
  if (!core) return fail(core.error());
  const auto s = core->store->stats();
  return "schemas are up to date; " + std::to_string(s.recovered_records) +
         " commits recovered from the journal, " + std::to_string(s.files) + " event files, " +
         std::to_string(s.files_corrupt) + " damaged";
}

Result<std::string, Problem> check(const Config& config, const Clock& clock) {
  std::string out = config.file + ": good";
  for (const auto& path : config.sigma_paths)
    if (!fs::exists(path))
      return fail(Problem{"no such file or folder", path, "correct rules.sigma"});
  if (!config.dashboard_folder.empty() &&
      !fs::exists(fs::path(config.dashboard_folder) / "index.html"))
    return fail(Problem{"the folder has no index.html", config.dashboard_folder,
                        "build the dashboard, or take dashboard.folder out"});
  if (!config.certificate_file.empty()) {
    const auto own = own_certificate(config);
    if (!own) return fail(own.error());
    if (own->not_after <= clock.now()) return fail(expired(config, own->not_after));
  }
  if (!config.backup_register.empty()) {
    const auto reg = read_register(config.backup_register);
    if (!reg) return fail(reg.error());
    out += "; " + std::to_string(reg->assets.size()) + " assets in the backup register";
  }
  const auto missing = [](const std::string& path, const char* key) {
    return fail(Problem{"no such file or folder", path, std::string("correct ") + key});
  };
  for (const auto& [key, paths] : {std::pair{"drills.playbooks", &config.drills.playbooks},
                                   {"drills.definitions", &config.drills.definitions},
                                   {"drills.trusted_keys", &config.drills.trusted_keys},
                                   {"rules.sigma_pipelines", &config.sigma_pipelines}})
    for (const auto& path : *paths)
      if (!fs::exists(path)) return missing(path, key);
  for (const auto& [key, path] : {std::pair{"drills.allow_list", &config.drills.allow_list},
                                  {"drills.http_ca", &config.drills.http_ca}})
    if (!path->empty() && !fs::exists(*path)) return missing(*path, key);
  // The data folder is made at the start, with the folders above it; none of them may be a file.
  for (fs::path at = fs::absolute(config.folder); !at.empty(); at = at.parent_path()) {
    if (!fs::exists(at)) continue;
    if (!fs::is_directory(at))
      return fail(Problem{"is a file, not a folder", at.string(), "correct data.folder"});
    break;
  }
  for (const auto& w : config.webhooks)
    for (const auto* f : {&w.ca_file, &w.token_file})
      if (!f->empty() && !fs::exists(*f))
        return fail(Problem{"no such file", *f, "correct notify.webhooks"});
  if (!config.sigma_paths.empty()) {
    sigma::LoadReport report;
    sigma::LoadOptions options;
    options.pipelines = config.sigma_pipelines;
    if (!config.sigma_placeholders.empty()) {
      auto values = sigma::read_placeholders(config.sigma_placeholders);
      if (!values) return fail(values.error());
      options.placeholders = std::move(*values);
    }
    const auto engine = sigma::Engine::load(config.sigma_paths, options, report);
    if (!engine) return fail(engine.error());
    out += "; " + std::to_string(report.loaded) + " Sigma rules, " +
           std::to_string(report.refused) + " refused";
    if (!report.errors.empty()) {
      const auto& e = report.errors.front();
      return fail(Problem{e.error + " (" + std::to_string(report.refused) + " documents refused)",
                          e.file + ":" + std::to_string(e.line),
                          "correct the rule or take it out"});
    }
  }
  return out;
}

}  // namespace ww::collector
