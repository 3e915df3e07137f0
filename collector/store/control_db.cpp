#include "collector/store/control_db.hpp"

#include <algorithm>
#include <array>

namespace ww::collector {
namespace {

constexpr std::array<sql::Migration, 1> migrations{{
    {1, "cursors, gaps and dead letters",
     "CREATE TABLE store_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
     "CREATE TABLE cursor(site TEXT NOT NULL, sensor TEXT NOT NULL, epoch INTEGER NOT NULL, seq "
     "INTEGER NOT NULL,"
     " last_batch INTEGER NOT NULL, events INTEGER NOT NULL, dead INTEGER NOT NULL, skipped "
     "INTEGER NOT NULL,"
     " PRIMARY KEY(site, sensor)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE gap(id INTEGER PRIMARY KEY, site TEXT NOT NULL, sensor TEXT NOT NULL, reason "
     "TEXT NOT NULL,"
     " epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, noticed INTEGER NOT "
     "NULL) STRICT;"
     "CREATE INDEX gap_noticed ON gap(noticed);"
     "CREATE TABLE dead_letter(id INTEGER PRIMARY KEY AUTOINCREMENT, received INTEGER NOT NULL, "
     "site TEXT NOT NULL,"
     " sensor TEXT NOT NULL, source TEXT NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL, "
     "line BLOB NOT NULL)"
     " STRICT;"},
}};

std::int64_t integer(std::uint64_t v) { return static_cast<std::int64_t>(v); }

void apply_batch(sql::Database& db, const BatchWrite& b, std::uint64_t events) {
  std::uint64_t skipped = 0;
  for (const auto& g : b.gaps) {
    skipped += g.to >= g.from && g.to > 0 ? g.to - g.from + 1 : 0;
    db.prepare(
          "INSERT INTO gap(site, sensor, reason, epoch, first, last, noticed) "
          "VALUES(?1,?2,?3,?4,?5,?6,?7)")
        .with(b.site, b.sensor, g.reason, integer(g.epoch), integer(g.from), integer(g.to),
              g.noticed.us)
        .run();
  }
  for (const auto& d : b.dead)
    db.prepare(
          "INSERT INTO dead_letter(received, site, sensor, source, seq, reason, line) "
          "VALUES(?1,?2,?3,?4,?5,?6,?7)")
        .with(b.received.us, b.site, b.sensor, b.source, integer(d.seq), d.reason)
        .bind_blob(d.line)
        .run();
  // Inputs without a cursor (syslog, bulk) keep their counts under the same key, with epoch and seq
  // zero.
  db.prepare(
        "INSERT INTO cursor VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO UPDATE SET"
        " epoch=CASE WHEN ?9 THEN excluded.epoch ELSE epoch END, seq=CASE WHEN ?9 THEN "
        "excluded.seq ELSE seq END,"
        " last_batch=max(last_batch, excluded.last_batch), events=events+excluded.events, "
        "dead=dead+excluded.dead,"
        " skipped=skipped+excluded.skipped")
      .with(b.site, b.sensor, integer(b.cursor ? b.cursor->epoch : 0),
            integer(b.cursor ? b.cursor->seq : 0), b.received.us, integer(events),
            integer(b.dead.size()), integer(skipped), std::int64_t{b.cursor.has_value()})
      .run();
}

}  // namespace

Result<std::unique_ptr<ControlFile>, Problem> ControlFile::open(
    const std::string& path, std::vector<ControlModule> modules) {
  std::unique_ptr<ControlFile> c(new ControlFile);
  c->path_ = path;
  auto db = sql::Database::open(path, {.full_sync = true, .cache_kib = 8192});
  if (!db) return fail(db.error().problem());
  c->db_ = std::move(*db);
  if (auto done = sql::migrate(*c->db_, "store", migrations); !done) return fail(done.error());
  for (const auto& m : modules)
    if (auto done = sql::migrate(*c->db_, m.name, m.migrations); !done) return fail(done.error());
  c->modules_ = std::move(modules);
  auto s = c->db_->prepare("SELECT value FROM store_meta WHERE key='applied'");
  if (s.step()) c->applied_ = static_cast<std::uint64_t>(s.integer(0));
  s.reset();
  if (c->db_->failed()) return fail(c->db_->error()->problem());
  return c;
}

Result<void, Problem> ControlFile::write(const std::function<void(sql::Database&)>& body) {
  const std::lock_guard lock(mutex_);
  db_->begin();
  if (!db_->failed()) body(*db_);
  if (auto done = db_->commit(); !done) return fail(done.error().problem());
  return {};
}

Result<void, Problem> ControlFile::read(const std::function<void(sql::Database&)>& body) const {
  auto db = readers_.take(path_);
  if (!db) return fail(db.error().problem());
  (*db)->begin_read();
  body(**db);
  const auto error = (*db)->error();
  (*db)->rollback();
  if (error) return fail(error->problem());
  readers_.give(std::move(*db));
  return {};
}

Result<void, Problem> ControlFile::add_tables(std::string_view module,
                                              std::span<const sql::Migration> steps) {
  const std::lock_guard lock(mutex_);
  return sql::migrate(*db_, module, steps);
}

Result<void, sql::Error> ControlFile::apply(std::uint64_t number,
                                            const std::vector<BatchWrite>& batches,
                                            const std::vector<ControlRecord>& records,
                                            const std::vector<std::uint64_t>& batch_events) {
  std::unique_lock lock(mutex_);
  if (number <= applied_) return {};
  // The journal already made this durable, so no second sync here.
  db_->forget_error();
  db_->exec("PRAGMA synchronous=NORMAL");
  db_->begin();
  for (std::size_t i = 0; i < batches.size(); ++i) apply_batch(*db_, batches[i], batch_events[i]);
  std::vector<const ControlModule*> touched;
  for (const auto& r : records) {
    const auto m = std::find_if(modules_.begin(), modules_.end(),
                                [&](const auto& x) { return x.name == r.module; });
    if (m == modules_.end() || !m->apply) {
      ++unknown_;
      continue;
    }
    m->apply(*db_, r.payload);
    if (std::find(touched.begin(), touched.end(), &*m) == touched.end()) touched.push_back(&*m);
  }
  db_->prepare(
         "INSERT INTO store_meta VALUES('applied',?1) ON CONFLICT DO UPDATE SET "
         "value=excluded.value")
      .bind(integer(number))
      .run();
  auto done = db_->commit();
  db_->exec("PRAGMA synchronous=FULL");
  if (done) applied_ = number;
  lock.unlock();  // observers may read or write
  for (const auto* m : touched)
    if (m->done) m->done(done.has_value());
  return done;
}

bool ControlFile::sync() {
  const std::lock_guard lock(mutex_);
  return db_->checkpoint(false) || sync_database_files(path_);
}

}  // namespace ww::collector
