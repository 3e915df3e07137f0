#include "collector/drills/book.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "collector/drills/definition.hpp"
#include "collector/drills/tables.hpp"
#include "collector/store/event_scan.hpp"

namespace ww::collector {
namespace json = boost::json;
namespace {

constexpr std::int64_t two_days = 2LL * 86'400 * 1'000'000;
constexpr std::size_t max_event_octets = 256U << 10;

json::object object_of(std::string_view text) {
  boost::system::error_code ec;
  auto v = json::parse(text, ec);
  return !ec && v.is_object() ? v.get_object() : json::object();
}

DrillRun read_run(sql::Statement& s) {
  DrillRun r;
  std::string_view doc, result;
  s.into(r.id, r.kind, r.definition, r.title, r.level, r.site, r.sensor, r.state, r.created.us,
         r.started.us, r.ended.us, r.by, r.reason, doc, result, r.play);
  r.doc = object_of(doc);
  r.result = object_of(result);
  return r;
}

DrillOrder read_order(sql::Statement& s) {
  return {s.copy(0), s.copy(1),      s.copy(2),      s.copy(3),      s.copy(4), s.copy(5),
          s.copy(6), {s.integer(7)}, {s.integer(8)}, {s.integer(9)}, s.copy(10)};
}

DrillAction read_action(sql::Statement& s) {
  DrillAction a;
  s.into(a.id, a.run, a.site, a.gap, a.text, a.owner, a.due.us, a.priority, a.state, a.retest,
         a.created.us, a.by, a.closed.us, a.closed_by, a.note);
  return a;
}

/// `[...]` of a filter as SQL, with its values bound later.
std::string any_of(const char* column, const std::vector<std::string>& values,
                   std::vector<std::string>& bind) {
  std::string out = std::string(" AND ") + column + " IN (";
  for (std::size_t i = 0; i < values.size(); ++i) {
    out += i == 0 ? "?" : ",?";
    bind.push_back(values[i]);
  }
  return out + ")";
}

void apply_heartbeat(sql::Database& db, const json::object& o) {
  const auto site = member_text(o, "site"), sensor = member_text(o, "sensor");
  std::int64_t have = 0;
  {
    auto s = db.prepare("SELECT count(*) FROM heartbeat WHERE site=?1 AND sensor=?2");
    s.with(site, sensor);
    if (s.step()) have = s.integer(0);
  }
  if (static_cast<std::size_t>(have) >= max_sources_a_sensor) return;
  db.prepare(
        "INSERT INTO heartbeat VALUES(?1,?2,?3,?4,?5,?4,?6,1,0,0) ON CONFLICT DO UPDATE SET"
        " sent=max(sent,excluded.sent), received=max(received,excluded.received),"
        " interval=excluded.interval, count=count+1, retired=0")
      .with(site, sensor, member_text(o, "source"), member_integer(o, "received", 0),
            member_integer(o, "at", 0), member_integer(o, "interval", 120))
      .run();
}

/// What the sensor no longer watches by its own configuration is not waited for.
void apply_sources(sql::Database& db, const json::object& o) {
  const auto site = member_text(o, "site"), sensor = member_text(o, "sensor");
  const auto now = member_texts(o, "sources");
  std::vector<std::string> gone;
  {
    auto s = db.prepare("SELECT source FROM heartbeat WHERE site=?1 AND sensor=?2 AND retired=0");
    s.with(site, sensor);
    while (s.step())
      if (std::find(now.begin(), now.end(), s.text(0)) == now.end()) gone.push_back(s.copy(0));
  }
  for (const auto& source : gone)
    db.prepare("UPDATE heartbeat SET retired=1 WHERE site=?1 AND sensor=?2 AND source=?3")
        .with(site, sensor, source)
        .run();
}

struct DrillReader {
  EventScanner scanner;
  std::string kind, source, run, interval;
  std::vector<std::string> sources;
  void scalar(ScalarKind, std::string_view value, std::string_view path) {
    if (path == "drill.kind") kind.assign(value.substr(0, 32));
    if (path == "drill.source") source.assign(value.substr(0, 256));
    if (path == "drill.run") run.assign(value.substr(0, 64));
    if (path == "drill.interval") interval.assign(value.substr(0, 16));
    if (path.starts_with("drill.sources") && sources.size() < max_sources_a_sensor)
      sources.emplace_back(value.substr(0, 256));
  }
  bool read(std::string_view text) {
    kind.clear();
    source.clear();
    run.clear();
    interval.clear();
    sources.clear();
    return scanner.scan(text, *this);
  }
};

}  // namespace

ControlModule DrillBook::module() {
  return {"drills",
          {drill_tables::migrations.begin(), drill_tables::migrations.end()},
          [this](sql::Database& db, std::string_view payload) { apply(db, payload); },
          [this](bool committed) {
            std::function<void()> f;
            {
              const std::lock_guard lock(mutex_);
              f = news_;
            }
            if (committed && f) f();
          }};
}

void DrillBook::attach(ControlDb& control) {
  control_ = &control;
  const std::lock_guard lock(mutex_);
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare("SELECT id, site FROM drill_run WHERE created>=?1");
    s.with(clock_.now().us - two_days);
    while (s.step()) known_.emplace(s.copy(0), s.copy(1));
  });
}

void DrillBook::on_news(std::function<void()> f) {
  const std::lock_guard lock(mutex_);
  news_ = std::move(f);
}

bool DrillBook::is_rehearsal(std::string_view run, std::string_view site, std::string_view) const {
  const std::lock_guard lock(mutex_);
  return known_.contains({std::string(run), std::string(site)});
}

void DrillBook::watch(std::span<const DetectEvent> events, std::vector<ControlRecord>& out) {
  thread_local DrillReader reader;
  const auto now = clock_.now().us;
  for (const auto& e : events) {
    json::object o;
    if (!e.drill_run.empty()) {
      o = {{"what", "event"}, {"run", e.drill_run}, {"event", e.id}, {"type", e.type}};
    } else if (e.type == "drill") {
      if (!reader.read(e.json)) continue;
      o = {{"what", reader.kind}, {"run", reader.run}};
      if (reader.kind == "heartbeat") {
        std::int64_t interval = 120;
        std::from_chars(reader.interval.data(), reader.interval.data() + reader.interval.size(),
                        interval);
        o["source"] = reader.source;
        o["interval"] = std::clamp<std::int64_t>(interval, 1, 86'400);
      } else if (reader.kind == "sources") {
        json::array all;
        for (const auto& s : reader.sources) all.emplace_back(s);
        o["sources"] = std::move(all);
      } else if (is_rehearsal(reader.run, e.site, e.sensor) && e.json.size() <= max_event_octets) {
        o["what"] = "report";
        o["json"] = e.json;
      } else {
        continue;
      }
    } else {
      continue;
    }
    o["site"] = e.site;
    o["sensor"] = e.sensor;
    o["at"] = e.time.us;
    o["received"] = now;
    out.push_back({"drills", json::serialize(o)});
  }
}

void DrillBook::apply(sql::Database& db, std::string_view payload) const {
  const auto o = object_of(payload);
  const auto what = member_text(o, "what");
  if (what == "heartbeat") return apply_heartbeat(db, o);
  if (what == "sources") return apply_sources(db, o);
  const auto run = member_text(o, "run");
  if (what != "report" && what != "event") return;
  auto doc = what == "report" ? object_of(member_text(o, "json")) : o;
  if (what == "report") {
    const auto* d = member_object(doc, "drill");
    if (d == nullptr) return;
    json::object inner = *d;
    inner["reporter"] = member_text(o, "site") + "/" + member_text(o, "sensor");
    doc = std::move(inner);
    const auto order = member_text(doc, "order"), state = member_text(doc, "state");
    // Only the sensor that an order was for can tell about it.
    bool its_own = false;
    {
      auto s =
          db.prepare("SELECT 1 FROM drill_order WHERE id=?1 AND run=?2 AND site=?3 AND sensor=?4");
      s.with(order, run, member_text(o, "site"), member_text(o, "sensor"));
      its_own = s.step();
    }
    if (!its_own) return;
    if (state == "started" || state == "finished")
      db.prepare("UPDATE drill_order SET state=?2 WHERE id=?1 AND site=?3 AND sensor=?4")
          .with(order, state, member_text(o, "site"), member_text(o, "sensor"))
          .run();
  } else {
    doc.erase("what");
  }
  db.prepare(
        "INSERT INTO drill_report(run, what, at, received, doc) SELECT ?1,?2,?3,?4,?5 WHERE"
        " (SELECT count(*) FROM drill_report WHERE run=?1)<?6")
      .with(run, what, member_integer(o, "at", 0), member_integer(o, "received", 0),
            json::serialize(doc), static_cast<std::int64_t>(max_reports_a_run))
      .run();
}

namespace {
void bind_run(sql::Statement& s, const DrillRun& r) {
  s.with(r.id, r.kind, r.definition, r.title, r.level, r.site, r.sensor, r.state, r.created.us,
         r.started.us, r.ended.us, r.by, r.reason, json::serialize(r.doc),
         json::serialize(r.result), r.play);
}
}  // namespace

Result<void, Problem> DrillBook::add_run(const DrillRun& r) {
  auto done = control_->write([&](sql::Database& db) {
    auto s = db.prepare(
        "INSERT INTO drill_run VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)");
    bind_run(s, r);
    s.run();
  });
  if (done) {
    const std::lock_guard lock(mutex_);
    known_.emplace(r.id, r.site);
  }
  return done;
}

Result<void, Problem> DrillBook::save_run(const DrillRun& r) {
  return control_->write([&](sql::Database& db) {
    auto s = db.prepare(
        "INSERT OR REPLACE INTO drill_run "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)");
    bind_run(s, r);
    s.run();
  });
}

std::optional<DrillRun> DrillBook::run(std::string_view id) const {
  std::optional<DrillRun> out;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare("SELECT * FROM drill_run WHERE id=?1");
    s.with(id);
    if (s.step()) out = read_run(s);
  });
  return out;
}

std::vector<DrillRun> DrillBook::runs(const RunFilter& f) const {
  std::vector<DrillRun> out;
  std::vector<std::string> bind;
  std::string sql = "SELECT * FROM drill_run WHERE 1";
  if (!f.states.empty()) sql += any_of("state", f.states, bind);
  if (!f.kinds.empty()) sql += any_of("kind", f.kinds, bind);
  if (!f.sites.empty()) sql += any_of("site", f.sites, bind);
  if (!f.definitions.empty()) sql += any_of("definition", f.definitions, bind);
  if (f.visible_sites) sql += any_of("site", *f.visible_sites, bind);
  sql += " ORDER BY created DESC LIMIT " + std::to_string(std::min(f.limit, 1000U));
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare_once(sql);
    for (const auto& b : bind) s.bind(b);
    while (s.step()) out.push_back(read_run(s));
  });
  return out;
}

Result<std::int64_t, Problem> DrillBook::add_entry(const DrillEntry& e) {
  std::int64_t id = 0;
  auto done = control_->write([&](sql::Database& db) {
    db.prepare(
          "INSERT INTO drill_entry(run, kind, at, made, observed, author, doc) "
          "VALUES(?1,?2,?3,?4,?5,?6,?7)")
        .with(e.run, e.kind, e.at.us, clock_.now().us, std::int64_t{e.observed}, e.by,
              json::serialize(e.doc))
        .run();
    id = db.last_row();
  });
  if (!done) return fail(done.error());
  return id;
}

std::vector<DrillEntry> DrillBook::entries(std::string_view run) const {
  std::vector<DrillEntry> out;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare(
        "SELECT id, run, kind, at, made, observed, author, doc FROM drill_entry WHERE run=?1 "
        "ORDER BY id");
    s.with(run);
    while (s.step())
      out.push_back({s.integer(0),
                     s.copy(1),
                     s.copy(2),
                     {s.integer(3)},
                     {s.integer(4)},
                     s.integer(5) != 0,
                     s.copy(6),
                     object_of(s.text(7))});
  });
  return out;
}

Result<void, Problem> DrillBook::add_order(const DrillOrder& o) {
  return control_->write([&](sql::Database& db) {
    db.prepare("INSERT INTO drill_order VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")
        .with(o.id, o.run, o.site, o.sensor, o.kind, o.payload, o.signature, o.issued.us,
              o.expires.us, o.fetched.us, o.state)
        .run();
  });
}

std::vector<DrillOrder> DrillBook::waiting_orders(std::string_view site, std::string_view sensor) {
  std::vector<DrillOrder> out;
  const auto now = clock_.now();
  bool fresh = false;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare(
        "SELECT * FROM drill_order WHERE site=?1 AND sensor=?2 AND state='waiting' AND expires>?3 "
        "ORDER BY issued LIMIT 16");
    s.with(site, sensor, now.us);
    while (s.step()) {
      out.push_back(read_order(s));
      fresh = fresh || out.back().fetched.us == 0;
    }
  });
  if (fresh)
    (void)control_->write([&](sql::Database& db) {
      for (const auto& o : out)
        db.prepare("UPDATE drill_order SET fetched=?2 WHERE id=?1 AND fetched=0")
            .with(o.id, now.us)
            .run();
    });
  return out;
}

std::vector<DrillOrder> DrillBook::orders(std::string_view run) const {
  std::vector<DrillOrder> out;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare("SELECT * FROM drill_order WHERE run=?1 ORDER BY issued");
    s.with(run);
    while (s.step()) out.push_back(read_order(s));
  });
  return out;
}

void DrillBook::set_order_state(std::string_view id, std::string_view state) {
  (void)control_->write([&](sql::Database& db) {
    db.prepare("UPDATE drill_order SET state=?2 WHERE id=?1").with(id, state).run();
  });
}

Result<void, Problem> DrillBook::add_report(const DrillReport& r) {
  return control_->write([&](sql::Database& db) {
    db.prepare("INSERT INTO drill_report(run, what, at, received, doc) VALUES(?1,?2,?3,?4,?5)")
        .with(r.run, r.what, r.at.us, r.received.us, json::serialize(r.doc))
        .run();
  });
}

std::vector<DrillReport> DrillBook::reports(std::string_view run, std::int64_t after) const {
  std::vector<DrillReport> out;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare(
        "SELECT id, run, what, at, received, doc FROM drill_report WHERE run=?1 AND id>?2 ORDER BY "
        "id");
    s.with(run, after);
    while (s.step())
      out.push_back({s.integer(0),
                     s.copy(1),
                     s.copy(2),
                     {s.integer(3)},
                     {s.integer(4)},
                     object_of(s.text(5))});
  });
  return out;
}

Result<void, Problem> DrillBook::save_action(const DrillAction& a) {
  return control_->write([&](sql::Database& db) {
    db.prepare(
          "INSERT OR REPLACE INTO drill_action "
          "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)")
        .with(a.id, a.run, a.site, a.gap, a.text, a.owner, a.due.us, a.priority, a.state, a.retest,
              a.created.us, a.by, a.closed.us, a.closed_by, a.note)
        .run();
  });
}

std::vector<DrillAction> DrillBook::actions(std::string_view run) const {
  std::vector<DrillAction> out;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare(
        "SELECT * FROM drill_action WHERE (?1='' OR run=?1) ORDER BY state DESC, due LIMIT 2000");
    s.with(run);
    while (s.step()) out.push_back(read_action(s));
  });
  return out;
}

std::optional<DrillAction> DrillBook::action(std::string_view id) const {
  std::optional<DrillAction> out;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare("SELECT * FROM drill_action WHERE id=?1");
    s.with(id);
    if (s.step()) out = read_action(s);
  });
  return out;
}

Result<void, Problem> DrillBook::save_plan(const DrillPlan& p) {
  return control_->write([&](sql::Database& db) {
    db.prepare("INSERT OR REPLACE INTO drill_plan VALUES(?1,?2,?3,?4,?5,?6)")
        .with(p.id, p.origin, p.created.us, p.attempted.us, std::int64_t{p.overdue},
              json::serialize(plan_json(p)))
        .run();
  });
}

void DrillBook::drop_plan(std::string_view id) {
  (void)control_->write(
      [&](sql::Database& db) { db.prepare("DELETE FROM drill_plan WHERE id=?1").with(id).run(); });
}

std::vector<DrillPlan> DrillBook::plans() const {
  std::vector<DrillPlan> out;
  (void)control_->read([&](sql::Database& db) {
    auto s =
        db.prepare("SELECT origin, created, attempted, overdue, doc FROM drill_plan ORDER BY id");
    while (s.step()) {
      auto plan = plan_from_json(object_of(s.text(4)));
      if (!plan) continue;
      plan->origin = s.copy(0);
      plan->created = {s.integer(1)};
      plan->attempted = {s.integer(2)};
      plan->overdue = s.integer(3) != 0;
      out.push_back(std::move(*plan));
    }
  });
  return out;
}

std::vector<Heartbeat> DrillBook::heartbeats() const {
  std::vector<Heartbeat> out;
  (void)control_->read([&](sql::Database& db) {
    auto s = db.prepare("SELECT * FROM heartbeat ORDER BY site, sensor, source");
    while (s.step())
      out.push_back({s.copy(0),
                     s.copy(1),
                     s.copy(2),
                     {s.integer(3)},
                     {s.integer(4)},
                     {s.integer(5)},
                     s.integer(6),
                     static_cast<std::uint64_t>(s.integer(7)),
                     s.integer(8) != 0,
                     s.integer(9) != 0});
  });
  return out;
}

void DrillBook::set_heartbeat(const Heartbeat& h) {
  (void)control_->write([&](sql::Database& db) {
    db.prepare(
          "UPDATE heartbeat SET absent=?4, retired=?5 WHERE site=?1 AND sensor=?2 AND source=?3")
        .with(h.site, h.sensor, h.source, std::int64_t{h.absent}, std::int64_t{h.retired})
        .run();
  });
}

}  // namespace ww::collector
