#include "collector/backup/book.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include "collector/backup/points.hpp"
#include "collector/backup/tables.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/codec.hpp"
#include "telemetry/events/backup.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

constexpr std::array<std::string_view, 9> reasons{
    "application_upgrade", "database_reindex", "new_archive",    "re_encryption", "first_full",
    "month_end",           "planned_change",   "false_positive", "other"};
constexpr std::size_t max_metric_assets = 2000;
constexpr auto record_life = std::chrono::hours(24 * 400);
constexpr auto restore_memory = std::chrono::hours(24 * 30);
constexpr std::string_view all_sites = "all-sites";

enum class Kind : std::uint8_t { event = 1, finding = 2, access = 3 };

std::string finding_key(const BackupFinding& f) {
  return f.site + '\n' + f.asset + '\n' + f.job + '\n' + f.rule + '\n' + f.subject;
}

std::vector<Entity> entities_of(const BackupFinding& f) {
  std::vector<Entity> out;
  if (!f.asset.empty()) out.push_back({"asset", f.asset});
  if (!f.job.empty()) out.push_back({"backup_job", f.job});
  if (!f.subject.empty()) out.push_back({"aspect", f.subject});
  return out;
}

std::string without_flag(std::string_view flags, std::string_view rule) {
  std::string out;
  while (!flags.empty()) {
    const auto comma = flags.find(',');
    const auto one = flags.substr(0, comma);
    flags = comma == std::string_view::npos ? std::string_view() : flags.substr(comma + 1);
    if (one == rule) continue;
    if (!out.empty()) out += ',';
    out += one;
  }
  return out;
}

class Book final : public BackupBook {
 public:
  Book(const BackupOptions& options, const Clock& clock, AlertBook& alerts)
      : options_(options),
        clock_(clock),
        alerts_(alerts),
        points_(clock, alerts, options.points_pause) {
    board_ = std::make_shared<const BackupBoard>();
  }
  ~Book() override { stop(); }

  ControlModule module() override {
    const auto steps = backup_tables::migrations();
    return {"backup",
            {steps.begin(), steps.end()},
            [this](sql::Database& db, std::string_view payload) { apply(db, payload); },
            [this](bool) { wake(); }};
  }

  void attach(Store& store) override {
    store_ = &store;
    control_ = &store.control();
    points_.attach(store);
  }

  Result<std::string, Problem> reload() override {
    if (options_.register_file.empty()) return std::string("no backup register");
    auto r = read_register(options_.register_file);
    if (!r) return fail(r.error());
    if (auto ok = store_register(*control_, *r); !ok) return fail(ok.error());
    if (auto ok = control_->read([&](sql::Database& db) { access_.set_hosts(load_register(db)); });
        !ok)
      return fail(ok.error());
    wake();
    return std::to_string(r->assets.size()) + " assets of " + std::to_string(r->services.size()) +
           " services registered";
  }

  void start() override {
    if (thread_.joinable()) return;
    thread_ = std::thread([this] { work(); });
  }
  void stop() override {
    {
      const std::lock_guard lock(wake_mutex_);
      stopping_ = true;
    }
    wake_cv_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void watch(std::span<const DetectEvent> events, std::vector<ControlRecord>& out) override {
    const auto now = clock_.now();
    for (const auto& e : events) {
      if (e.type != events::Backup::type) continue;
      Encoder record;
      record.u8(static_cast<std::uint8_t>(Kind::event));
      record.i64(now.us);
      record.text(e.id);
      record.text(e.site);
      record.text(e.sensor);
      record.text(e.json);
      out.push_back({"backup", record.take()});
    }
    access_.watch(events, "backup", static_cast<std::uint8_t>(Kind::access), now, out);
  }

  void wake() override {
    {
      const std::lock_guard lock(wake_mutex_);
      dirty_ = true;
    }
    wake_cv_.notify_all();
  }

  void look() override {
    const std::lock_guard lock(look_mutex_);
    prune();
    auto next = std::make_shared<BackupBoard>();
    next->at = clock_.now();
    std::vector<backup_rows::JobRows> jobs;
    std::vector<RestoreCheck> checks;
    std::vector<std::vector<BackupRestoreSeen>> restores;
    RestoreCheckFilter filter;
    filter.limit = 10'000;
    checks = restore_checks(*control_, filter);
    const auto read = control_->read([&](sql::Database& db) {
      next->reg = load_register(db);
      next->hosts = BackupAccess::look(db, next->reg, checks, next->at);
      jobs = backup_rows::jobs(db);
      next->open = backup_rows::findings(db, true);
      for (const auto& j : jobs)
        restores.push_back(
            backup_rows::restores(db, j.source.site, j.source.asset, j.source.job,
                                  next->at + -std::chrono::microseconds(restore_memory)));
    });
    if (!read) {
      logging::error("backups: {}", read.error().text());
      return;
    }
    access_.set_hosts(next->reg);
    keep_reads(*next);
    flag_runs(jobs);
    add_seen_assets(jobs, next->reg);
    std::vector<PointFacts> facts;
    for (const auto& [key, spec] : next->reg.assets) {
      AssetInput in{spec, {}, {}, {}};
      for (std::size_t i = 0; i < jobs.size(); ++i)
        if (jobs[i].source.site == spec.site && jobs[i].source.asset == spec.name) {
          in.jobs.push_back(&jobs[i]);
          in.restores.push_back(restores[i]);
        }
      for (const auto& c : checks)
        if (c.site == spec.site && c.asset == spec.name) in.checks.push_back(c);
      next->assets.push_back(asset_health(in, next->at));
      facts.push_back(point_facts(next->assets.back(), in.jobs, in.checks));
    }
    next->services = service_health(next->reg, next->assets);
    settle(*next);
    const std::shared_ptr<const BackupBoard> seen = std::move(next);
    {
      const std::lock_guard board_lock(board_mutex_);
      board_ = seen;
    }
    for (std::size_t i = 0; i < seen->assets.size(); ++i)
      points_.saw(seen->assets[i].spec.site, seen->assets[i].spec.name, std::move(facts[i]));
    points_wait_ = !points_.refresh(*seen);
  }

  std::shared_ptr<const BackupBoard> board() const override {
    const std::lock_guard lock(board_mutex_);
    return board_;
  }
  std::vector<BackupRun> runs(std::string_view site, std::string_view asset, std::string_view job,
                              std::uint32_t limit) const override {
    std::vector<BackupRun> out;
    const auto done = control_->read(
        [&](sql::Database& db) { out = backup_rows::runs(db, site, asset, job, limit); });
    if (!done) out.clear();
    return out;
  }
  std::vector<BackupFinding> findings(bool open_only, std::uint32_t limit) const override {
    std::vector<BackupFinding> out;
    const auto done = control_->read(
        [&](sql::Database& db) { out = backup_rows::findings(db, open_only, limit); });
    if (!done) out.clear();
    return out;
  }

  Result<BackupFinding, Problem> accept(std::string_view id, std::string_view author,
                                        std::string_view reason, std::string_view note) override {
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
      std::string all;
      for (const auto r : reasons) all += (all.empty() ? "" : ", ") + std::string(r);
      return fail(
          Problem{"'" + std::string(reason) + "' is no reason", "reason", "use one of " + all});
    }
    std::optional<BackupFinding> found;
    for (auto& f : findings(true, 10'000))
      if (f.id == id) found = std::move(f);
    if (!found)
      return fail(
          Problem{"no open finding of this id", std::string(id), "ask for the list of findings"});
    const auto now = clock_.now();
    auto why = "accepted: " + std::string(reason);
    if (!note.empty()) why += ": " + std::string(note);
    close_alerts(*found, Disposition::benign, why, author);
    const auto done = control_->write([&](sql::Database& db) {
      if (!BackupAccess::accept(db, *found, now)) take_as_normal(db, *found, now);
      backup_rows::clear_finding(db, id, now, why, author, reason);
    });
    if (!done) return fail(done.error());
    found->cleared = now;
    found->why = why;
    found->accepted_by = author;
    found->reason = reason;
    look();
    return *found;
  }

  Result<void, Problem> put_asset(const BackupAssetSpec& spec) override {
    std::string doc;
    JsonWriter w(doc);
    auto s = spec;
    s.origin = "api";
    write_json(w, s);
    auto done = control_->write([&](sql::Database& db) {
      db.prepare(
            "INSERT INTO backup_asset VALUES(?1,?2,'api',?3) ON CONFLICT DO UPDATE SET "
            "origin='api', "
            "doc=excluded.doc")
          .with(s.site, s.name, doc)
          .run();
    });
    if (done) look();
    return done;
  }
  Result<void, Problem> put_service(const BackupServiceSpec& spec) override {
    std::string doc;
    JsonWriter w(doc);
    write_json(w, spec);
    auto done = control_->write([&](sql::Database& db) {
      db.prepare(
            "INSERT INTO backup_service VALUES(?1,'api',?2) ON CONFLICT DO UPDATE SET "
            "origin='api', "
            "doc=excluded.doc")
          .with(spec.name, doc)
          .run();
    });
    if (done) look();
    return done;
  }
  Result<void, Problem> put_host(const BackupHostSpec& spec) override {
    std::string doc;
    JsonWriter w(doc);
    write_json(w, spec);
    auto done = control_->write([&](sql::Database& db) {
      db.prepare(
            "INSERT INTO backup_host VALUES(?1,?2,'api',?3) ON CONFLICT DO UPDATE SET origin='api',"
            " doc=excluded.doc")
          .with(spec.site, spec.name, doc)
          .run();
    });
    if (done) look();
    return done;
  }
  Result<bool, Problem> drop_host(std::string_view site, std::string_view host) override {
    bool found = false;
    auto done = control_->write([&](sql::Database& db) {
      db.prepare("DELETE FROM backup_host WHERE site=?1 AND name=?2 AND origin='api'")
          .with(site, host)
          .run();
      found = db.changes() > 0;
    });
    if (!done) return fail(done.error());
    return after_drop(found);
  }
  Result<bool, Problem> drop_asset(std::string_view site, std::string_view asset) override {
    bool found = false;
    auto done = control_->write([&](sql::Database& db) {
      db.prepare("DELETE FROM backup_asset WHERE site=?1 AND name=?2 AND origin='api'")
          .with(site, asset)
          .run();
      found = db.changes() > 0;
    });
    if (!done) return fail(done.error());
    return after_drop(found);
  }
  Result<bool, Problem> drop_service(std::string_view service) override {
    bool found = false;
    auto done = control_->write([&](sql::Database& db) {
      db.prepare("DELETE FROM backup_service WHERE name=?1 AND origin='api'").bind(service).run();
      found = db.changes() > 0;
    });
    if (!done) return fail(done.error());
    return after_drop(found);
  }

  Result<RestorePoint, Problem> point(std::string_view incident, std::string_view site,
                                      std::string_view asset, std::chrono::seconds margin,
                                      Timestamp incident_time,
                                      const std::set<std::string>& compromised,
                                      std::string_view author, std::string_view cause) override {
    return points_.point({std::string(incident), std::string(site), std::string(asset), margin,
                          incident_time, compromised, std::string(author), std::string(cause)},
                         *board());
  }
  std::vector<IncidentIndicator> indicators(std::string_view incident) const override {
    return points_.indicators(incident);
  }
  Result<std::size_t, Problem> decide(const IncidentIndicator& indicator) override {
    return points_.decide(indicator, *board());
  }

  void add_metrics(Metrics& metrics) override {
    metrics.add_source([this](MetricWriter& w) { write_metrics(w); });
  }

 private:
  // --- the commit's side

  void apply(sql::Database& db, std::string_view payload) {
    Decoder in(payload);
    const auto kind = static_cast<Kind>(in.u8());
    if (kind == Kind::event) {
      const Timestamp received{in.i64()};
      const auto id = in.text();
      const auto site = in.text();
      const auto sensor = in.text();
      const auto event = in.text();
      if (!in.ok() || !backup_rows::take_event(db, event, id, site, sensor, received)) ++skipped_;
    } else if (kind == Kind::finding) {
      BackupFinding f;
      f.id = in.copy();
      f.site = in.copy();
      f.asset = in.copy();
      f.job = in.copy();
      f.rule = in.copy();
      f.subject = in.copy();
      f.level = static_cast<Level>(std::min<std::uint8_t>(in.u8(), 4));
      f.title = in.copy();
      f.detail = in.copy();
      f.opened.us = in.i64();
      f.last = f.opened;
      if (in.ok()) backup_rows::open_finding(db, f);
    } else if (kind != Kind::access || !BackupAccess::apply(db, payload.substr(1))) {
      ++skipped_;
    }
  }

  static ControlRecord record_of(const BackupFinding& f) {
    Encoder out;
    out.u8(static_cast<std::uint8_t>(Kind::finding));
    for (const auto* text : {&f.id, &f.site, &f.asset, &f.job, &f.rule, &f.subject})
      out.text(*text);
    out.u8(static_cast<std::uint8_t>(f.level));
    out.text(f.title);
    out.text(f.detail);
    out.i64(f.opened.us);
    return {"backup", out.take()};
  }

  // --- the look

  void work() {
    pthread_setname_np(pthread_self(), "backup-look");
    std::unique_lock lock(wake_mutex_);
    while (!stopping_) {
      dirty_ = false;
      lock.unlock();
      look();
      lock.lock();
      const auto until =
          points_wait_ ? std::min(options_.look, options_.points_pause) : options_.look;
      wake_cv_.wait_for(lock, until, [this] { return dirty_ || stopping_; });
      // What comes in bursts is looked at once.
      if (dirty_ && !stopping_)
        wake_cv_.wait_for(lock, std::chrono::milliseconds(200), [this] { return stopping_; });
    }
  }
  /// Flags are worked out once for each run and kept: what was odd then does not become normal
  /// later.
  void flag_runs(std::vector<backup_rows::JobRows>& jobs) {
    std::vector<std::pair<std::int64_t, std::string>> changed;
    for (auto& j : jobs) {
      auto& done = flagged_until_[j.source.site + '\n' + j.source.asset + '\n' + j.source.job];
      auto highest = done;
      auto unfinished = std::numeric_limits<std::int64_t>::max();
      for (std::size_t i = 0; i < j.runs.size(); ++i) {
        auto& r = j.runs[i];
        highest = std::max(highest, r.row);
        // What still runs is looked at again when it has ended.
        if (r.status == "running") unfinished = std::min(unfinished, r.row);
        if (r.row <= done || !r.flags.empty() || r.status == "running") continue;
        for (const auto& f : flags_of(j.runs, i, j.baseline.since))
          r.flags += (r.flags.empty() ? "" : ",") + f;
        if (!r.flags.empty()) changed.emplace_back(r.row, r.flags);
      }
      done = std::max(done, std::min(highest, unfinished - 1));
    }
    if (changed.empty()) return;
    const auto ok = control_->write([&](sql::Database& db) {
      for (const auto& [row, flags] : changed)
        db.prepare("UPDATE backup_run SET flags=?2 WHERE id=?1").with(row, flags).run();
    });
    if (!ok) logging::error("backups: {}", ok.error().text());
  }

  /// A large read is judged once, when it is large, and kept: the next day would forget it.
  void keep_reads(const BackupBoard& board) {
    const bool fresh = std::any_of(board.hosts.begin(), board.hosts.end(), [&](const auto& h) {
      return std::any_of(h.readers.begin(), h.readers.end(),
                         [&](const auto& r) { return r.flagged == board.at; });
    });
    if (!fresh) return;
    if (const auto ok =
            control_->write([&](sql::Database& db) { BackupAccess::keep(db, board.hosts); });
        !ok)
      logging::error("backups: {}", ok.error().text());
  }

  /// Records that nobody has seen for longer than anything asks about.
  void prune() {
    const auto now = clock_.now();
    if (pruned_.us != 0 && now - pruned_ < std::chrono::hours(24)) return;
    pruned_ = now;
    const auto before = now + -std::chrono::microseconds(record_life);
    const auto ok = control_->write([&](sql::Database& db) {
      db.prepare("DELETE FROM backup_run WHERE last_seen<?1").bind(before.us).run();
      db.prepare("DELETE FROM backup_restore WHERE started<?1").bind(before.us).run();
      BackupAccess::prune(db, now);
    });
    if (!ok) logging::error("backups: {}", ok.error().text());
  }

  static void add_seen_assets(const std::vector<backup_rows::JobRows>& jobs, BackupRegister& reg) {
    for (const auto& j : jobs) {
      const std::pair key{j.source.site, j.source.asset};
      if (reg.assets.contains(key)) continue;
      BackupAssetSpec spec;
      spec.site = j.source.site;
      spec.name = j.source.asset;
      spec.declared = false;
      spec.origin = "seen";
      reg.assets.emplace(key, std::move(spec));
    }
  }

  /// Opens what is new, clears what is no longer true.
  void settle(BackupBoard& board) {
    std::map<std::string, BackupFinding> now;
    std::map<std::string, std::string> sensors;
    for (auto& a : board.assets)
      for (auto& f : a.findings) {
        for (const auto& j : a.jobs) {
          if (!f.job.empty() && j.spec.name != f.job) continue;
          sensors[finding_key(f)] = j.source.sensor;
          // Where no run is to blame, the last look is the evidence.
          if (f.event.empty()) f.event = j.source.event;
        }
        now.emplace(finding_key(f), f);
      }
    for (const auto& h : board.hosts)
      for (const auto& f : h.findings) now.emplace(finding_key(f), f);
    std::map<std::string, const BackupFinding*> open;
    for (const auto& f : board.open) open.emplace(finding_key(f), &f);
    // Across sites: what is open already with what opens now.
    std::vector<BackupFinding> current;
    for (const auto& [key, f] : now) {
      current.push_back(f);
      if (const auto it = open.find(key); it != open.end())
        current.back().opened = it->second->opened;
    }
    for (auto& f : estate_findings(current)) {
      f.site = all_sites;
      now.emplace(finding_key(f), std::move(f));
    }

    CommitGroup group;
    std::vector<BackupFinding> opened;
    for (auto& [key, f] : now) {
      if (open.contains(key)) continue;
      f.id = uuid7(board.at);
      group.records.push_back(alerts_.record(hit_of(f, sensors[key], board.at)));
      group.records.push_back(record_of(f));
      opened.push_back(f);
    }
    if (!group.records.empty())
      if (const auto ok = store_->commit(std::move(group)); !ok) {
        logging::error("backups: findings are not kept: {}", ok.error().text());
        opened.clear();  // the next look finds them again
      }
    std::vector<BackupFinding> kept;
    std::vector<const BackupFinding*> cleared;
    for (const auto& f : board.open) {
      if (const auto it = now.find(finding_key(f)); it != now.end()) {
        auto same = f;
        if (same.detail != it->second.detail || same.level < it->second.level) {
          same.detail = it->second.detail;
          same.level = std::max(same.level, it->second.level);
          same.last = board.at;
        }
        kept.push_back(std::move(same));
      } else {
        cleared.push_back(&f);
      }
    }
    for (const auto* f : cleared)
      close_alerts(*f, Disposition::true_positive,
                   "cleared by itself: no longer true at " + rfc3339(board.at), "wardwatch");
    if (!cleared.empty() || !opened.empty() || !kept.empty()) {
      bool any = !cleared.empty();
      for (const auto& f : kept) any = any || f.last == board.at;
      for (const auto& f : opened) any = any || f.subject == "missed";
      if (any) {
        const auto ok = control_->write([&](sql::Database& db) {
          for (const auto* f : cleared)
            backup_rows::clear_finding(db, f->id, board.at, "no longer true", "", "");
          for (const auto& f : kept)
            if (f.last == board.at) backup_rows::touch_finding(db, f);
          for (const auto& f : opened)
            if (f.subject == "missed") note_missing(db, board, f);
        });
        if (!ok) logging::error("backups: {}", ok.error().text());
      }
    }
    board.open = std::move(kept);
    board.open.insert(board.open.end(), opened.begin(), opened.end());
    const auto with_ids = [&](std::vector<BackupFinding>& findings) {
      for (auto& f : findings)
        for (const auto& o : board.open)
          if (finding_key(o) == finding_key(f)) f = o;
    };
    for (auto& a : board.assets) with_ids(a.findings);
    for (auto& h : board.hosts) with_ids(h.findings);
  }

  /// A run that did not come is a record like one that did.
  static void note_missing(sql::Database& db, const BackupBoard& board, const BackupFinding& f) {
    Timestamp due = f.opened;
    std::string repository;
    for (const auto& a : board.assets)
      for (const auto& j : a.jobs)
        if (a.spec.site == f.site && a.spec.name == f.asset && j.spec.name == f.job && j.due) {
          due = *j.due;
          repository = j.source.repository;
        }
    db.prepare(
          "INSERT OR IGNORE INTO backup_run(site, asset, job, repository, snapshot, parent, level, "
          "status, code, error, started, finished, data_time, integrity, integrity_at, "
          "immutable_until, host, selection, event, first_seen, last_seen, vanished, flags) "
          "VALUES(?1,?2,?3,?4,?5,'','','missing','','expected and not "
          "seen',?6,?6,?6,'',0,0,'','','',"
          "?7,?7,0,'')")
        .with(f.site, f.asset, f.job, repository, "missing:" + std::to_string(due.us), due.us,
              f.opened.us)
        .run();
  }

  static Hit hit_of(const BackupFinding& f, const std::string& sensor, Timestamp now) {
    Hit h;
    h.engine = EngineKind::backup;
    h.level = f.level;
    h.rule = {f.rule, f.title, "1", "backup"};
    h.site = f.site;
    h.sensor = sensor;
    h.entities = entities_of(f);
    h.first = h.last = now;
    h.window = std::chrono::seconds(1);
    if (const auto attack = indicator(f.rule).attack; !attack.empty())
      h.attack = {std::string(attack)};
    h.caf = {"B5.c"};
    if (!f.event.empty()) h.evidence.push_back({f.event, now, {}});
    h.explanation = f.detail;
    return h;
  }

  void close_alerts(const BackupFinding& f, Disposition disposition, const std::string& why,
                    std::string_view author) {
    AlertFilter filter;
    filter.engines = {EngineKind::backup};
    filter.rules = {f.rule};
    filter.sites = {f.site};
    filter.statuses = {AlertStatus::fresh, AlertStatus::acknowledged, AlertStatus::in_progress,
                       AlertStatus::escalated};
    if (!f.asset.empty()) filter.entity = Entity{"asset", f.asset};
    filter.limit = 1'000;
    const auto page = alerts_.query(filter);
    if (!page) return;
    auto wanted = entities_of(f);
    std::sort(wanted.begin(), wanted.end());
    for (const auto& a : page->alerts) {
      auto have = a.entities;
      std::sort(have.begin(), have.end());
      if (have != wanted) continue;
      AlertPatch patch;
      patch.status = AlertStatus::closed;
      // A person's own verdict stands.
      if (a.disposition == Disposition::none) patch.disposition = disposition;
      patch.comment = why;
      static_cast<void>(alerts_.patch(a.id, patch, author));
    }
  }

  /// What the finding complained of is normal from now on.
  void take_as_normal(sql::Database& db, const BackupFinding& f, Timestamp now) {
    for (auto& j : backup_rows::jobs(db)) {
      const auto& s = j.source;
      if (s.site != f.site || s.asset != f.asset || s.job != f.job) continue;
      auto& b = j.baseline;
      if (f.rule == "bk-07" && f.subject == "vanished") b.vanish_accepted = now;
      if (f.subject == "policy") {
        b.policy = s.policy;
        b.policy_sha256 = s.policy_sha256;
      }
      if (f.rule == "bk-09") {
        b.repository_id = s.repository_id;
        b.keys = s.keys;
        db.prepare(
              "UPDATE backup_run SET other_repository='' WHERE site=?1 AND asset=?2 AND job=?3 AND "
              "other_repository=?4")
            .with(s.site, s.asset, s.job, s.repository_id)
            .run();
      }
      if (f.rule == "bk-10") b.hosts.insert(f.subject);
      if (f.rule == "bk-15") b.restores_accepted = now;
      if (f.subject == "selection")
        for (const auto& r : j.runs)
          if (r.good() && !r.selection.empty()) b.selection = r.selection;
      for (const auto& r : j.runs)
        if (r.status == "signal" && r.code == f.subject)
          b.signals_accepted = std::max(b.signals_accepted, r.data_time);
      for (const std::string_view rule : {"bk-01", "bk-02", "bk-03", "bk-04", "bk-05", "bk-06"}) {
        if (f.rule != rule) continue;
        for (const auto& r : j.runs) {
          if (!r.flagged(rule)) continue;
          b.since = std::max(b.since, r.data_time);
          db.prepare("UPDATE backup_run SET flags=?2 WHERE id=?1")
              .with(r.row, without_flag(r.flags, rule))
              .run();
        }
      }
      if (f.rule == "bk-14")
        for (const auto& r : j.runs)
          if (r.data_time <= now) b.since = std::max(b.since, r.data_time);
      backup_rows::save_baseline(db, s, b);
    }
  }

  Result<bool, Problem> after_drop(bool found) {
    if (!found) return false;
    if (auto again = reload(); !again) return fail(again.error());
    look();
    return true;
  }

  // --- metrics

  void write_metrics(MetricWriter& w) {
    const auto b = board();
    const auto seconds = [&](Timestamp t) {
      return static_cast<double>((b->at - t).count()) / 1e6;
    };
    std::size_t n = 0;
    for (const auto& a : b->assets) {
      if (++n > max_metric_assets) break;
      const MetricWriter::Labels labels{{"site", a.spec.site}, {"system", a.spec.name}};
      for (std::uint8_t s = 0; s <= static_cast<std::uint8_t>(BackupState::ok); ++s) {
        const auto state = static_cast<BackupState>(s);
        const bool holds = std::find(a.states.begin(), a.states.end(), state) != a.states.end();
        w.gauge("wardwatch_backup_state", "1 for each state that the system's backups are in",
                {{"site", a.spec.site}, {"system", a.spec.name}, {"state", name(state)}},
                holds ? 1 : 0);
      }
      if (a.rpo_ratio)
        w.gauge("wardwatch_backup_rpo_ratio", "age of the newest restorable data / target", labels,
                *a.rpo_ratio);
      w.gauge("wardwatch_backup_rpo_target_seconds", "target age of the newest restorable data",
              labels, static_cast<double>(a.spec.targets.rpo.count()));
      w.gauge("wardwatch_backup_copies", "copies that could be restored, the original included",
              labels, a.rule.copies);
      if (a.immutable_until)
        w.gauge("wardwatch_backup_immutable_until_seconds",
                "time until which a copy cannot be deleted", labels,
                static_cast<double>(a.immutable_until->us) / 1e6);
      if (a.verified)
        w.gauge("wardwatch_backup_verify_age_seconds", "since integrity was last shown", labels,
                seconds(*a.verified));
      if (a.restore_test)
        w.gauge("wardwatch_backup_restore_test_age_seconds", "since the last restore test", labels,
                seconds(a.restore_test->finished));
      for (const auto& j : a.jobs) {
        const MetricWriter::Labels with_tool{{"site", a.spec.site},
                                             {"system", a.spec.name},
                                             {"job", j.spec.name},
                                             {"tool", j.source.tool}};
        if (j.age)
          w.gauge("wardwatch_backup_last_success_age_seconds",
                  "since the data of the last good backup", with_tool,
                  static_cast<double>(j.age->count()));
        w.gauge("wardwatch_backup_last_status", "of the last run: 1 good, 0 not", with_tool,
                j.last_run && j.last_run->status == "success" ? 1 : 0);
        if (j.seen)
          w.gauge("wardwatch_backup_collector_up", "1 while the probe looks and the look works",
                  with_tool, j.source.status == "success" || j.source.status == "warning" ? 1 : 0);
      }
    }
    std::map<std::string, double> anomalies;
    for (const auto& info : indicator_list()) anomalies[std::string(info.id)] = 0;
    for (const auto& f : b->open) ++anomalies[f.rule];
    for (const auto& [rule, count] : anomalies)
      w.gauge("wardwatch_backup_anomaly", "open findings by rule", {{"rule", rule}}, count);
    for (const auto& v : latest_verdicts(*control_))
      if (v.data_time.us != 0)
        w.gauge("wardwatch_backup_clean_point_age_seconds", "age of the restore point last chosen",
                {{"site", v.site}, {"system", v.asset}}, seconds(v.data_time));
    points_.write_metrics(w);
    w.counter("wardwatch_backup_events_skipped_total", "backup events that could not be read", {},
              static_cast<double>(skipped_.load()));
  }

  const BackupOptions options_;
  const Clock& clock_;
  AlertBook& alerts_;
  Store* store_ = nullptr;
  ControlDb* control_ = nullptr;
  std::atomic<std::uint64_t> skipped_{0};

  std::mutex look_mutex_;  // looks, one at a time, and what follows
  BackupAccess access_;
  RestorePoints points_;  // saw() and refresh() under look_mutex_
  std::atomic<bool> points_wait_{false};
  std::map<std::string, std::int64_t> flagged_until_;
  Timestamp pruned_;

  mutable std::mutex board_mutex_;
  std::shared_ptr<const BackupBoard> board_;

  std::mutex wake_mutex_;
  std::condition_variable wake_cv_;
  bool dirty_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace

std::span<const std::string_view> accept_reasons() { return reasons; }

std::unique_ptr<BackupBook> BackupBook::create(const BackupOptions& options, const Clock& clock,
                                               AlertBook& alerts) {
  return std::make_unique<Book>(options, clock, alerts);
}

}  // namespace ww::collector
