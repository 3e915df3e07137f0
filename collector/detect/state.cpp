#include "collector/detect/state.hpp"

#include <array>

#include "collector/store/codec.hpp"

namespace ww::collector::detect_state {
namespace {

constexpr std::array<sql::Migration, 1> steps{{
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
}};

enum class Kind : std::uint8_t { matches = 1, snapshot = 2, counts = 3 };

std::int64_t integer(std::uint64_t v) { return static_cast<std::int64_t>(v); }

void apply_matches(sql::Database& db, Decoder& in) {
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    const auto rule = in.text();
    const auto id = in.text();
    const auto event = in.text();
    if (!in.ok()) return;
    db.prepare("INSERT INTO correlation_log(rule, event_id, event) VALUES(?1,?2,?3)")
        .with(rule, id, event)
        .run();
  }
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
    case Kind::matches:
      apply_matches(db, in);
      break;
    case Kind::snapshot:
      db.prepare(
            "INSERT INTO correlation_state VALUES(1,?1) ON CONFLICT DO UPDATE SET "
            "state=excluded.state")
          .bind_blob(in.text())
          .run();
      db.prepare("DELETE FROM correlation_log").run();
      break;
    case Kind::counts:
      apply_counts(db, in);
      break;
  }
}

}  // namespace

ControlModule module() { return {"detect", {steps.begin(), steps.end()}, &apply, {}}; }

ControlRecord match_record(const std::vector<LoggedMatch>& matches) {
  Encoder out;
  out.u8(static_cast<std::uint8_t>(Kind::matches));
  out.var(matches.size());
  for (const auto& m : matches) {
    out.text(m.rule);
    out.text(m.event_id);
    out.text(m.event);
  }
  return {"detect", out.take()};
}
ControlRecord snapshot_record(std::string_view snapshot) {
  Encoder out;
  out.u8(static_cast<std::uint8_t>(Kind::snapshot));
  out.text(snapshot);
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

Result<Saved, Problem> load(const ControlDb& control) {
  Saved out;
  auto done = control.read([&](sql::Database& db) {
    {
      auto s = db.prepare("SELECT state FROM correlation_state WHERE id=1");
      if (s.step()) out.snapshot = s.copy(0);
    }
    auto s = db.prepare("SELECT rule, event_id, event FROM correlation_log ORDER BY id");
    while (s.step()) out.log.push_back({s.copy(0), s.copy(1), s.copy(2)});
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
