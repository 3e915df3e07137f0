#include "collector/detect/state.hpp"

#include <array>

#include "collector/store/codec.hpp"

namespace ww::collector::detect_state {
namespace {

constexpr std::array<sql::Migration, 2> steps{{
    {1, "correlation state, rule counters and exceptions",
     "CREATE TABLE correlation_state(id INTEGER PRIMARY KEY CHECK(id=1), state BLOB NOT NULL) "
     "STRICT;"
     "CREATE TABLE correlation_log(id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, "
     "event_id TEXT NOT NULL,"
     " event TEXT NOT NULL) STRICT;"
     "CREATE TABLE rule_counter(engine INTEGER NOT NULL, rule TEXT NOT NULL, title TEXT NOT NULL, "
     "level INTEGER NOT NULL,"
     " hits INTEGER NOT NULL, suppressed INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY "
     "KEY(engine, rule))"
     " STRICT, WITHOUT ROWID;"
     "CREATE TABLE rule_exception(id TEXT PRIMARY KEY, rule TEXT NOT NULL, site TEXT NOT NULL, "
     "query TEXT NOT NULL,"
     " reason TEXT NOT NULL, author TEXT NOT NULL, created INTEGER NOT NULL, review INTEGER NOT "
     "NULL,"
     " suppressed INTEGER NOT NULL) STRICT;"},
    {2, "correlation state in slices, with a log of small entries (windows of before refill)",
     "DROP TABLE correlation_state; DROP TABLE correlation_log;"
     "CREATE TABLE correlation_slice(space INTEGER NOT NULL, number INTEGER NOT NULL, state BLOB "
     "NOT NULL,"
     " PRIMARY KEY(space, number)) STRICT;"
     "CREATE TABLE correlation_log(space INTEGER NOT NULL, serial INTEGER NOT NULL, log BLOB NOT "
     "NULL,"
     " PRIMARY KEY(space, serial)) STRICT;"},
}};

// 1 and 2 were matches with whole events, and snapshots of the whole state: a journal that an
// earlier version left may still hold them.
enum class Kind : std::uint8_t { counts = 3, change = 4 };
constexpr std::int64_t logs_dropped_at_once = 256;

std::int64_t integer(std::uint64_t v) { return static_cast<std::int64_t>(v); }

void apply_change(sql::Database& db, Decoder& in) {
  const std::int64_t space = in.u8();
  const bool fresh = in.u8() != 0;
  const auto serial = in.var();
  const auto covered = in.var();
  const auto log = in.text();
  if (!in.ok()) return;
  if (fresh) {
    db.prepare("DELETE FROM correlation_slice WHERE space=?1").bind(space).run();
    db.prepare("DELETE FROM correlation_log WHERE space=?1").bind(space).run();
  }
  if (!log.empty())
    db.prepare("INSERT OR REPLACE INTO correlation_log VALUES(?1,?2,?3)")
        .with(space, integer(serial))
        .bind_blob_borrowed(log)
        .run();
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    const auto number = in.var();
    const auto state = in.text();
    if (!in.ok()) return;
    db.prepare("INSERT OR REPLACE INTO correlation_slice VALUES(?1,?2,?3)")
        .with(space, integer(number))
        .bind_blob_borrowed(state)
        .run();
  }
  // Some at a time: a commit must not wait for thousands of small ones that became old at once.
  db.prepare(
        "DELETE FROM correlation_log WHERE rowid IN (SELECT rowid FROM correlation_log WHERE "
        "space=?1 AND serial<=?2 ORDER BY serial LIMIT ?3)")
      .with(space, integer(covered), logs_dropped_at_once)
      .run();
}

void apply_counts(sql::Database& db, Decoder& in) {
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    const auto engine = in.u8();
    const auto rule = in.text();
    const auto title = in.text();
    const auto level = in.u8();
    const auto hits = in.var();
    const auto suppressed = in.var();
    const auto last = in.i64();
    if (!in.ok()) return;
    db.prepare(
          "INSERT INTO rule_counter VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO UPDATE SET "
          "title=excluded.title,"
          " level=excluded.level, hits=hits+excluded.hits, "
          "suppressed=suppressed+excluded.suppressed,"
          " last=max(last, excluded.last)")
        .with(std::int64_t{engine}, rule, title, std::int64_t{level}, integer(hits),
              integer(suppressed), last)
        .run();
  }
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    const auto id = in.text();
    const auto count = in.var();
    if (!in.ok()) return;
    db.prepare("UPDATE rule_exception SET suppressed=suppressed+?2 WHERE id=?1")
        .with(id, integer(count))
        .run();
  }
}

void apply(sql::Database& db, std::string_view payload) {
  Decoder in(payload);
  switch (static_cast<Kind>(in.u8())) {
    case Kind::change:
      apply_change(db, in);
      break;
    case Kind::counts:
      apply_counts(db, in);
      break;
  }
}

}  // namespace

ControlModule module() { return {"detect", {steps.begin(), steps.end()}, &apply, {}}; }

ControlRecord change_record(Space space, bool fresh, const sigma::CorrelationChange& change) {
  Encoder out;
  auto octets = change.log.size() + 64;
  for (const auto& s : change.slices) octets += s.state.size() + 16;
  out.out().reserve(octets);
  out.u8(static_cast<std::uint8_t>(Kind::change));
  out.u8(static_cast<std::uint8_t>(space));
  out.u8(fresh ? 1 : 0);
  out.var(change.serial);
  out.var(change.covered);
  out.text(change.log);
  out.var(change.slices.size());
  for (const auto& s : change.slices) {
    out.var(s.number);
    out.text(s.state);
  }
  return {"detect", out.take()};
}
ControlRecord count_record(const Counts& counts, const Suppressions& suppressions) {
  Encoder out;
  out.u8(static_cast<std::uint8_t>(Kind::counts));
  out.var(counts.size());
  for (const auto& [key, c] : counts) {
    out.u8(static_cast<std::uint8_t>(key.engine));
    out.text(key.rule);
    out.text(c.title);
    out.u8(static_cast<std::uint8_t>(c.level));
    out.var(c.hits);
    out.var(c.suppressed);
    out.i64(c.last.us);
  }
  out.var(suppressions.size());
  for (const auto& [id, n] : suppressions) {
    out.text(id);
    out.var(n);
  }
  return {"detect", out.take()};
}

Result<LoadedState, Problem> load(const ControlDb& control, Space space,
                                  sigma::Correlator& correlator) {
  LoadedState out;
  const auto count = [&](const Result<void, Problem>& done) {
    ++out.pieces;
    if (!done) ++out.damaged;
  };
  auto done = control.read([&](sql::Database& db) {
    {
      auto s = db.prepare("SELECT number, state FROM correlation_slice WHERE space=?1");
      s.bind(static_cast<std::int64_t>(space));
      while (s.step())
        count(correlator.load_slice(static_cast<std::uint32_t>(s.integer(0)), s.text(1)));
    }
    auto s = db.prepare("SELECT log FROM correlation_log WHERE space=?1 ORDER BY serial");
    s.bind(static_cast<std::int64_t>(space));
    while (s.step()) count(correlator.load_log(s.text(0)));
  });
  if (!done) return fail(done.error());
  return out;
}

Counts load_counts(const ControlDb& control) {
  Counts out;
  const auto done = control.read([&](sql::Database& db) {
    auto s =
        db.prepare("SELECT engine, rule, title, level, hits, suppressed, last FROM rule_counter");
    while (s.step()) {
      auto& c = out[{static_cast<EngineKind>(s.integer(0)), s.copy(1)}];
      c.title = s.copy(2);
      c.level = static_cast<Level>(s.integer(3));
      c.hits = static_cast<std::uint64_t>(s.integer(4));
      c.suppressed = static_cast<std::uint64_t>(s.integer(5));
      c.last.us = s.integer(6);
    }
  });
  if (!done) out.clear();
  return out;
}

std::vector<RuleException> load_exceptions(const ControlDb& control) {
  std::vector<RuleException> out;
  const auto done = control.read([&](sql::Database& db) {
    auto s = db.prepare(
        "SELECT id, rule, site, query, reason, author, created, review, suppressed FROM "
        "rule_exception ORDER BY id");
    while (s.step())
      out.push_back({s.copy(0),
                     s.copy(1),
                     s.copy(2),
                     s.copy(3),
                     s.copy(4),
                     s.copy(5),
                     {s.integer(6)},
                     {s.integer(7)},
                     static_cast<std::uint64_t>(s.integer(8))});
  });
  if (!done) out.clear();
  return out;
}

Result<void, Problem> save_exception(ControlDb& control, const RuleException& e) {
  return control.write([&](sql::Database& db) {
    db.prepare("INSERT INTO rule_exception VALUES(?1,?2,?3,?4,?5,?6,?7,?8,0)")
        .with(e.id, e.rule, e.site, e.query, e.reason, e.author, e.created.us, e.review.us)
        .run();
  });
}

bool delete_exception(ControlDb& control, std::string_view id) {
  bool found = false;
  const auto done = control.write([&](sql::Database& db) {
    db.prepare("DELETE FROM rule_exception WHERE id=?1").bind(id).run();
    found = db.changes() > 0;
  });
  return done && found;
}

}  // namespace ww::collector::detect_state
