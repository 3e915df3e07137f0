#include "collector/backup/rows.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "telemetry/json_writer.hpp"

namespace ww::collector::backup_rows {
namespace {

namespace json = boost::json;
constexpr std::size_t max_name = 200;

json::value parse(std::string_view text) {
  boost::system::error_code ec;
  json::parse_options options;
  options.max_depth = 16;
  auto v = json::parse(text, ec, {}, options);
  return ec ? json::value() : v;
}

/// Members of an event's object; what is absent or of the wrong kind is not there.
class Reader {
 public:
  explicit Reader(const json::object& o) : o_(o) {}
  [[nodiscard]] std::string text(std::string_view key) const {
    const auto* v = o_.if_contains(key);
    if (v == nullptr || !v->is_string()) return {};
    return std::string(std::string_view(v->get_string()).substr(0, 512));
  }
  [[nodiscard]] Timestamp time(std::string_view key) const {
    return parse_time(text(key)).value_or(Timestamp{});
  }
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view key) const {
    const auto* v = o_.if_contains(key);
    if (v == nullptr) return {};
    if (v->is_int64() && v->get_int64() >= 0) return v->get_int64();
    if (v->is_uint64()) return INT64_MAX;
    return {};
  }
  [[nodiscard]] std::optional<double> real(std::string_view key) const {
    const auto* v = o_.if_contains(key);
    if (v == nullptr) return {};
    if (v->is_double() && std::isfinite(v->get_double())) return v->get_double();
    if (v->is_int64()) return static_cast<double>(v->get_int64());
    return {};
  }
  [[nodiscard]] std::optional<bool> flag(std::string_view key) const {
    const auto* v = o_.if_contains(key);
    if (v == nullptr || !v->is_bool()) return {};
    return v->get_bool();
  }
  [[nodiscard]] std::vector<std::string> list(std::string_view key, std::size_t most) const {
    std::vector<std::string> out;
    const auto* v = o_.if_contains(key);
    if (v == nullptr || !v->is_array()) return out;
    for (const auto& x : v->get_array())
      if (x.is_string() && out.size() < most) out.emplace_back(x.get_string());
    return out;
  }
  [[nodiscard]] std::map<std::string, std::uint64_t> numbers(std::string_view key) const {
    std::map<std::string, std::uint64_t> out;
    const auto* v = o_.if_contains(key);
    if (v == nullptr || !v->is_object()) return out;
    for (const auto& [k, n] : v->get_object())
      if (n.is_int64() && n.get_int64() >= 0 && out.size() < 100)
        out[std::string(k)] = static_cast<std::uint64_t>(n.get_int64());
    return out;
  }
  [[nodiscard]] bool has(std::string_view key) const { return o_.contains(key); }

 private:
  const json::object& o_;
};

template <class T>
void bind_optional(sql::Statement& s, const std::optional<T>& v) {
  if (v)
    s.bind(*v);
  else
    s.bind(nullptr);
}

struct Key {
  std::string site, sensor, asset, job, tool, repository, event;
  Timestamp received;
};

void touch_source(sql::Database& db, const Key& k) {
  db.prepare(
        "INSERT INTO backup_source VALUES(?1,?2,?3,?4,?5,?6,?7,0,0,'unknown','','',0,'{}','{}') ON "
        "CONFLICT DO UPDATE SET tool=excluded.tool, sensor=excluded.sensor,"
        " repository=CASE WHEN excluded.repository='' THEN repository ELSE excluded.repository END")
      .with(k.site, k.asset, k.job, k.tool, k.sensor, k.repository, k.received.us)
      .run();
}

std::string column(sql::Database& db, std::string_view sql, const Key& k) {
  auto s = db.prepare(sql);
  s.with(k.site, k.asset, k.job);
  return s.step() ? s.copy(0) : std::string();
}

void take_inventory(sql::Database& db, const Key& k, const json::object& o) {
  const Reader r(o);
  const auto status = r.text("status");
  const bool worked = status == "success" || status == "warning";
  db.prepare(
        "UPDATE backup_source SET looked=max(looked,?4), status=?5, code=?6, error=?7, interval=?8"
        " WHERE site=?1 AND asset=?2 AND job=?3")
      .with(k.site, k.asset, k.job, k.received.us, status, r.text("error_code"), r.text("error"),
            r.number("interval").value_or(0))
      .run();
  if (!worked) {
    // What is known stays; only the evidence is newer.
    db.prepare(
          "UPDATE backup_source SET doc=json_set(doc,'$.event',?4) WHERE site=?1 AND asset=?2 AND "
          "job=?3")
        .with(k.site, k.asset, k.job, k.event)
        .run();
    return;
  }
  // Values that are normal until somebody says otherwise; settings that grow are taken as they are.
  auto baseline = read_baseline(
      column(db, "SELECT baseline FROM backup_source WHERE site=?1 AND asset=?2 AND job=?3", k));
  if (baseline.repository_id.empty()) baseline.repository_id = r.text("repository_id");
  if (baseline.policy_sha256.empty()) baseline.policy_sha256 = r.text("policy_sha256");
  if (baseline.keys.empty()) baseline.keys = r.list("keys", 64);
  for (const auto& [name, n] : r.numbers("policy")) {
    auto& old = baseline.policy[name];
    old = std::max(old, n);
  }
  auto doc = o;
  doc.erase("snapshots");
  doc["event"] = k.event;
  db.prepare(
        "UPDATE backup_source SET good=max(good,?4), doc=?5, baseline=?6 WHERE site=?1 AND "
        "asset=?2 "
        "AND job=?3")
      .with(k.site, k.asset, k.job, k.received.us, json::serialize(doc), baseline_text(baseline))
      .run();
  if (!r.has("snapshots")) return;
  const auto repository_id = r.text("repository_id");
  // A cut list says nothing of older backups than its own.
  const auto ids = r.list("snapshots", 5'000);
  const bool whole =
      r.number("snapshots_total").value_or(0) <= static_cast<std::int64_t>(ids.size());
  db.exec("CREATE TEMP TABLE IF NOT EXISTS backup_listed(id TEXT PRIMARY KEY) WITHOUT ROWID");
  db.exec("DELETE FROM backup_listed");
  for (const auto& id : ids)
    db.prepare("INSERT OR IGNORE INTO backup_listed VALUES(?1)").bind(id).run();
  db.prepare(
        "UPDATE backup_run SET last_seen=?4, vanished=0, other_repository=?5 WHERE site=?1 AND "
        "asset=?2 AND job=?3 AND snapshot IN (SELECT id FROM backup_listed)")
      .with(k.site, k.asset, k.job, k.received.us,
            repository_id == baseline.repository_id ? std::string() : repository_id)
      .run();
  if (!whole) return;
  db.prepare(
        "UPDATE backup_run SET vanished=?4 WHERE site=?1 AND asset=?2 AND job=?3 AND vanished=0 "
        "AND "
        "status<>'missing' AND status<>'failed' AND snapshot NOT IN (SELECT id FROM backup_listed)")
      .with(k.site, k.asset, k.job, k.received.us)
      .run();
}

void take_run(sql::Database& db, const Key& k, const json::object& o) {
  const Reader r(o);
  auto snapshot = r.text("snapshot");
  const auto started = r.time("started");
  const auto finished = r.time("finished");
  auto data = r.time("data_time");
  if (data.us == 0) data = started.us != 0 ? started : finished;
  if (data.us == 0) data = k.received;
  if (snapshot.empty()) snapshot = "at-" + std::to_string(data.us);
  auto s = db.prepare(
      "INSERT INTO backup_run(site, asset, job, repository, snapshot, parent, level, status, code, "
      "error, started, finished, data_time, integrity, integrity_at, immutable_until, host, "
      "selection, event, first_seen, last_seen, vanished, flags, bytes_total, bytes_added, "
      "bytes_stored, files_total, files_new, files_changed, files_deleted, dedup, compression, "
      "entropy, extension) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,"
      "?19,?20,?20,0,'',?21,?22,?23,?24,?25,?26,?27,?28,?29,?30,?31) ON CONFLICT DO UPDATE SET "
      "status=excluded.status, code=excluded.code, error=excluded.error, "
      "finished=excluded.finished,"
      " integrity=excluded.integrity, integrity_at=excluded.integrity_at,"
      " immutable_until=max(immutable_until, excluded.immutable_until), "
      "last_seen=excluded.last_seen,"
      " vanished=0, bytes_total=coalesce(excluded.bytes_total, bytes_total),"
      " bytes_added=coalesce(bytes_added, excluded.bytes_added),"
      " bytes_stored=coalesce(bytes_stored, excluded.bytes_stored),"
      " files_total=coalesce(excluded.files_total, files_total),"
      " files_new=coalesce(files_new, excluded.files_new),"
      " files_changed=coalesce(files_changed, excluded.files_changed),"
      " files_deleted=coalesce(files_deleted, excluded.files_deleted),"
      " compression=coalesce(compression, excluded.compression),"
      " entropy=coalesce(entropy, excluded.entropy)");
  s.with(k.site, k.asset, k.job, k.repository, snapshot, r.text("parent"), r.text("level"),
         r.text("status"), r.text("error_code"), r.text("error"), started.us, finished.us, data.us,
         r.text("integrity"), r.time("integrity_at").us, r.time("immutable_until").us,
         r.text("host"), r.text("selection_sha256"), k.event, k.received.us);
  for (const auto* key : {"bytes_total", "bytes_added", "bytes_stored", "files_total", "files_new",
                          "files_changed", "files_deleted"})
    bind_optional(s, r.number(key));
  for (const auto* key : {"dedup_ratio", "compression_ratio", "entropy", "new_extension_share"})
    bind_optional(s, r.real(key));
  s.run();
}

void take_restore(sql::Database& db, const Key& k, const json::object& o) {
  const Reader r(o);
  auto s = db.prepare(
      "INSERT OR IGNORE INTO backup_restore(site, asset, job, tool, snapshot, host, user, status, "
      "started, finished, event, octets) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)");
  const auto started = r.time("started");
  s.with(k.site, k.asset, k.job, k.tool, r.text("snapshot"), r.text("host"), r.text("user"),
         r.text("status"), started.us != 0 ? started.us : k.received.us, r.time("finished").us,
         k.event);
  bind_optional(s, r.number("bytes_total"));
  s.run();
}

/// Signals are rows of backup_run that are no backup: status `signal`, the name as code.
void take_signal(sql::Database& db, const Key& k, const json::object& o) {
  const Reader r(o);
  const auto started = r.time("started");
  const auto at = started.us != 0 ? started : k.received;
  const auto signal = r.text("signal");
  if (signal.empty()) return;
  db.prepare(
        "INSERT OR IGNORE INTO backup_run(site, asset, job, repository, snapshot, parent, level, "
        "status, code, error, started, finished, data_time, integrity, integrity_at, "
        "immutable_until, host, selection, event, first_seen, last_seen, vanished, flags) "
        "VALUES(?1,?2,?3,?4,?5,'','','signal',?6,?7,?8,?8,?8,'',0,0,?9,'',?10,?11,?11,0,'')")
      .with(k.site, k.asset, k.job, k.repository,
            "signal:" + signal + ":" + std::to_string(started.us != 0 ? started.us : 0), signal,
            r.text("error"), at.us, r.text("host"), k.event, k.received.us)
      .run();
}

BackupSource read_source(const sql::Statement& s) {
  BackupSource x;
  std::int64_t interval = 0;
  std::string_view text;
  s.into(x.site, x.asset, x.job, x.tool, x.sensor, x.repository, x.first_seen.us, x.looked.us,
         x.good.us, x.status, x.code, x.error, interval, text);
  x.interval = std::chrono::seconds(std::clamp<std::int64_t>(interval, 0, 86'400 * 366));
  const auto doc = parse(text);
  if (!doc.is_object()) return x;
  const Reader r(doc.get_object());
  x.event = r.text("event");
  x.repository_id = r.text("repository_id");
  x.medium = r.text("repository_kind");
  x.integrity = r.text("integrity");
  x.keys = r.list("keys", 64);
  x.policy = r.numbers("policy");
  x.policy_sha256 = r.text("policy_sha256");
  x.integrity_at = r.time("integrity_at");
  x.immutable_until = r.time("immutable_until");
  x.recoverable_to = r.time("recoverable_to");
  x.restore_tested_at = r.time("restore_tested_at");
  x.offsite = r.flag("offsite");
  x.offline = r.flag("offline");
  x.encrypted = r.flag("encrypted");
  const auto unsigned_of = [&](std::string_view key) -> std::optional<std::uint64_t> {
    const auto n = r.number(key);
    if (!n) return {};
    return static_cast<std::uint64_t>(*n);
  };
  x.snapshots_total = unsigned_of("snapshots_total");
  x.locks = unsigned_of("locks");
  x.lock_age = unsigned_of("lock_age");
  x.free_bytes = unsigned_of("free_bytes");
  return x;
}

constexpr std::string_view run_columns =
    "id, job, repository, snapshot, parent, level, status, code, error, started, finished, "
    "data_time,"
    " bytes_total, bytes_added, bytes_stored, files_total, files_new, files_changed, files_deleted,"
    " dedup, compression, entropy, extension, integrity, integrity_at, immutable_until, host,"
    " selection, event, first_seen, last_seen, vanished, flags, other_repository";

BackupRun read_run(const sql::Statement& s) {
  BackupRun r;
  s.into(r.row, r.job, r.repository, r.snapshot, r.parent, r.level, r.status, r.code, r.error,
         r.started.us, r.finished.us, r.data_time.us, r.bytes_total, r.bytes_added, r.bytes_stored,
         r.files_total, r.files_new, r.files_changed, r.files_deleted, r.dedup, r.compression,
         r.entropy, r.extension, r.integrity, r.integrity_at.us, r.immutable_until.us, r.host,
         r.selection, r.event, r.first_seen.us, r.last_seen.us, r.vanished.us, r.flags,
         r.other_repository);
  return r;
}

}  // namespace

BackupBaseline read_baseline(std::string_view doc) {
  BackupBaseline b;
  const auto v = parse(doc);
  if (!v.is_object()) return b;
  const Reader r(v.get_object());
  b.repository_id = r.text("repository_id");
  b.policy_sha256 = r.text("policy_sha256");
  b.selection = r.text("selection");
  b.keys = r.list("keys", 64);
  b.policy = r.numbers("policy");
  for (auto& h : r.list("hosts", 1000)) b.hosts.insert(std::move(h));
  b.since = r.time("since");
  b.vanish_accepted = r.time("vanish_accepted");
  b.signals_accepted = r.time("signals_accepted");
  b.restores_accepted = r.time("restores_accepted");
  return b;
}

std::string baseline_text(const BackupBaseline& b) {
  std::string out;
  JsonWriter w(out);
  w.begin_object();
  w.field("repository_id", b.repository_id);
  w.field("policy_sha256", b.policy_sha256);
  w.field("selection", b.selection);
  w.begin_array("keys");
  for (const auto& k : b.keys) w.value(k);
  w.end_array();
  w.begin_object("policy");
  for (const auto& [k, n] : b.policy) {
    w.key_text(k);
    w.value(n);
  }
  w.end_object();
  w.begin_array("hosts");
  for (const auto& h : b.hosts) w.value(h);
  w.end_array();
  const auto time = [&](std::string_view key, Timestamp t) {
    if (t.us != 0) w.field(key, rfc3339(t));
  };
  time("since", b.since);
  time("vanish_accepted", b.vanish_accepted);
  time("signals_accepted", b.signals_accepted);
  time("restores_accepted", b.restores_accepted);
  w.end_object();
  return out;
}

bool take_event(sql::Database& db, std::string_view event, std::string_view id,
                std::string_view site, std::string_view sensor, Timestamp received) {
  const auto v = parse(event);
  if (!v.is_object()) return false;
  // A rehearsal's telemetry raises its alerts elsewhere; it is no backup of anybody.
  if (const auto* ww = v.get_object().if_contains("ww"); ww != nullptr && ww->is_object())
    if (const auto* drill = ww->get_object().if_contains("drill");
        drill != nullptr && *drill == true)
      return true;
  const auto* b = v.get_object().if_contains("backup");
  if (b == nullptr || !b->is_object()) return false;
  const auto& o = b->get_object();
  const Reader r(o);
  Key k;
  k.site = site;
  k.sensor = sensor;
  k.asset = r.text("asset").substr(0, max_name);
  k.job = r.text("job").substr(0, max_name);
  k.tool = r.text("tool").substr(0, max_name);
  k.repository = r.text("repository");
  k.event = id;
  k.received = received;
  if (k.asset.empty()) return false;
  if (k.job.empty()) k.job = k.tool.empty() ? "backup" : k.tool;
  auto kind = r.text("kind");
  // Who only knows the contract's first words sends runs.
  if (kind.empty()) kind = "run";
  touch_source(db, k);
  if (kind == "inventory")
    take_inventory(db, k, o);
  else if (kind == "run")
    take_run(db, k, o);
  else if (kind == "restore")
    take_restore(db, k, o);
  else if (kind == "signal")
    take_signal(db, k, o);
  else
    return false;
  return true;
}

std::vector<JobRows> jobs(sql::Database& db) {
  std::vector<JobRows> out;
  {
    auto s = db.prepare(
        "SELECT site, asset, job, tool, sensor, repository, first_seen, looked, good, status, "
        "code, "
        "error, interval, doc, baseline FROM backup_source ORDER BY site, asset, job");
    while (s.step()) {
      JobRows j;
      j.source = read_source(s);
      j.baseline = read_baseline(s.text(14));
      out.push_back(std::move(j));
    }
  }
  for (auto& j : out) {
    j.runs = runs(db, j.source.site, j.source.asset, j.source.job, max_runs);
    std::reverse(j.runs.begin(), j.runs.end());
  }
  return out;
}

std::vector<BackupRun> runs(sql::Database& db, std::string_view site, std::string_view asset,
                            std::string_view job, std::uint32_t limit) {
  std::vector<BackupRun> out;
  static const std::string text =
      "SELECT " + std::string(run_columns) +
      " FROM backup_run WHERE site=?1 AND asset=?2 AND (?3='' OR job=?3) ORDER BY data_time DESC, "
      "id DESC LIMIT ?4";
  auto s = db.prepare(text);
  s.with(site, asset, job, std::int64_t{limit});
  while (s.step()) out.push_back(read_run(s));
  return out;
}

void save_baseline(sql::Database& db, const BackupSource& k, const BackupBaseline& b) {
  db.prepare("UPDATE backup_source SET baseline=?4 WHERE site=?1 AND asset=?2 AND job=?3")
      .with(k.site, k.asset, k.job, baseline_text(b))
      .run();
}

std::vector<BackupFinding> findings(sql::Database& db, bool open_only, std::uint32_t limit) {
  std::vector<BackupFinding> out;
  auto s = db.prepare(
      "SELECT id, site, asset, job, rule, subject, level, title, detail, opened, last, cleared, "
      "why, "
      "accepted_by, reason FROM backup_finding WHERE ?1=0 OR cleared=0 ORDER BY opened DESC, id "
      "DESC "
      "LIMIT ?2");
  s.with(std::int64_t{open_only}, std::int64_t{limit});
  while (s.step()) {
    BackupFinding f;
    std::int64_t level = 0;
    s.into(f.id, f.site, f.asset, f.job, f.rule, f.subject, level, f.title, f.detail, f.opened.us,
           f.last.us, f.cleared.us, f.why, f.accepted_by, f.reason);
    f.level = static_cast<Level>(std::clamp<std::int64_t>(level, 0, 4));
    out.push_back(std::move(f));
  }
  return out;
}

void open_finding(sql::Database& db, const BackupFinding& f) {
  db.prepare(
        "INSERT OR IGNORE INTO backup_finding "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,0,'','','')")
      .with(f.id, f.site, f.asset, f.job, f.rule, f.subject, static_cast<std::int64_t>(f.level),
            f.title, f.detail, f.opened.us, f.last.us)
      .run();
}
void touch_finding(sql::Database& db, const BackupFinding& f) {
  db.prepare("UPDATE backup_finding SET last=?2, detail=?3, level=max(level,?4) WHERE id=?1")
      .with(f.id, f.last.us, f.detail, static_cast<std::int64_t>(f.level))
      .run();
}
void clear_finding(sql::Database& db, std::string_view id, Timestamp at, std::string_view why,
                   std::string_view accepted_by, std::string_view reason) {
  db.prepare(
        "UPDATE backup_finding SET cleared=?2, why=?3, accepted_by=?4, reason=?5 WHERE id=?1 AND "
        "cleared=0")
      .with(id, at.us, why, accepted_by, reason)
      .run();
}

std::vector<BackupRestoreSeen> restores(sql::Database& db, std::string_view site,
                                        std::string_view asset, std::string_view job,
                                        Timestamp from) {
  std::vector<BackupRestoreSeen> out;
  auto s = db.prepare(
      "SELECT job, tool, snapshot, host, user, status, event, started, finished FROM "
      "backup_restore "
      "WHERE site=?1 AND asset=?2 AND job=?3 AND started>=?4 ORDER BY started DESC LIMIT 100");
  s.with(site, asset, job, from.us);
  while (s.step()) {
    auto& r = out.emplace_back();
    s.into(r.job, r.tool, r.snapshot, r.host, r.user, r.status, r.event, r.started.us,
           r.finished.us);
  }
  return out;
}

}  // namespace ww::collector::backup_rows
