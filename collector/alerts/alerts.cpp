#include "collector/alerts/alerts.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <mutex>

#include "collector/alerts/folding.hpp"
#include "collector/alerts/rows.hpp"
#include "collector/store/codec.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

template <class E>
std::int64_t code(E e) {
  return static_cast<std::int64_t>(e);
}

/// WHERE text with its values, for filters put together at run time.
class Where {
 public:
  void raw(std::string_view clause) {
    text_ += text_.empty() ? " WHERE " : " AND ";
    text_ += clause;
  }
  template <class V>
  void any_of(std::string_view column, const std::vector<V>& values) {
    if (values.empty()) return;
    std::string clause(column);
    clause += " IN (";
    for (std::size_t i = 0; i < values.size(); ++i) clause += i == 0 ? "?" : ",?";
    raw(clause + ")");
    for (const auto& v : values) {
      if constexpr (std::is_enum_v<V>)
        values_.push_back({true, code(v), {}});
      else
        values_.push_back({false, 0, v});
    }
  }
  Where& value(std::int64_t v) {
    values_.push_back({true, v, {}});
    return *this;
  }
  Where& value(std::string v) {
    values_.push_back({false, 0, std::move(v)});
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }
  void bind(sql::Statement& s) const {
    for (const auto& v : values_) {
      if (v.is_integer)
        s.bind(v.integer);
      else
        s.bind(v.text);
    }
  }

 private:
  struct Value {
    bool is_integer;
    std::int64_t integer;
    std::string text;
  };
  std::string text_;
  std::vector<Value> values_;
};

std::string like(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

Where where_of(const AlertFilter& f) {
  Where w;
  w.any_of("status", f.statuses);
  w.any_of("level", f.levels);
  w.any_of("engine", f.engines);
  w.any_of("disposition", f.dispositions);
  w.any_of("site", f.sites);
  w.any_of("sensor", f.sensors);
  w.any_of("rule_id", f.rules);
  w.any_of("assignee", f.assignees);
  w.any_of("incident", f.incidents);
  if (f.visible_sites) {
    if (f.visible_sites->empty())
      w.raw("0");
    else
      w.any_of("site", *f.visible_sites);
  }
  if (f.entity) {
    if (f.entity->type.empty()) {
      w.raw("id IN (SELECT alert FROM alert_entity WHERE value=?)");
      w.value(f.entity->value);
    } else {
      w.raw("id IN (SELECT alert FROM alert_entity WHERE value=? AND type=?)");
      w.value(f.entity->value).value(f.entity->type);
    }
  }
  if (!f.text.empty()) {
    const auto pattern = "%" + like(f.text) + "%";
    w.raw("(rule_title LIKE ? ESCAPE '\\' OR explanation LIKE ? ESCAPE '\\')");
    w.value(pattern).value(pattern);
  }
  if (!f.technique.empty()) {
    w.raw("(attack LIKE ? ESCAPE '\\' OR attack LIKE ? ESCAPE '\\')");
    w.value("%," + like(f.technique) + ",%").value("%," + like(f.technique) + ".%");
  }
  if (f.from.us != INT64_MIN) {
    w.raw("last_seen>=?");
    w.value(f.from.us);
  }
  if (f.to.us != INT64_MAX) {
    w.raw("last_seen<?");
    w.value(f.to.us);
  }
  return w;
}

std::string_view order_column(AlertFilter::Order o) {
  switch (o) {
    case AlertFilter::Order::first_seen:
      return "first_seen";
    case AlertFilter::Order::level:
      return "level";
    case AlertFilter::Order::count:
      return "count";
    case AlertFilter::Order::last_seen:
      break;
  }
  return "last_seen";
}
std::int64_t order_value(AlertFilter::Order o, const Alert& a) {
  switch (o) {
    case AlertFilter::Order::first_seen:
      return a.first_seen.us;
    case AlertFilter::Order::level:
      return code(a.level);
    case AlertFilter::Order::count:
      return static_cast<std::int64_t>(a.count);
    case AlertFilter::Order::last_seen:
      break;
  }
  return a.last_seen.us;
}

class Book final : public AlertBook {
 public:
  Book(const Clock& clock, const AlertLimits& limits) : clock_(clock), limits_(limits) {}

  ControlModule module() override {
    const auto steps = alert_rows::migrations();
    return {"alerts",
            {steps.begin(), steps.end()},
            [this](sql::Database& db, std::string_view payload) { apply(db, payload); },
            [this](bool committed) { done(committed); }};
  }
  void attach(ControlDb& control) override { control_ = &control; }

  ControlRecord record(const Hit& hit) const override {
    const auto now = clock_.now();
    return {"alerts", encode(HitRecord{hit, uuid7(now), uuid7(now), now})};
  }

  Result<AlertPage, Problem> query(const AlertFilter& f) const override {
    AlertPage page;
    const auto limit = std::clamp<std::uint32_t>(f.limit, 1, 1'000);
    const auto column = std::string(order_column(f.order));
    auto where = where_of(f);
    const auto all = where;
    if (!f.cursor.empty()) {
      std::int64_t at = 0;
      const auto* end = f.cursor.data() + f.cursor.size();
      const auto r = std::from_chars(f.cursor.data(), end, at);
      if (r.ec != std::errc() || r.ptr == end || *r.ptr != '.')
        return fail(Problem{"not a cursor of an earlier page", "cursor",
                            "leave it out to begin at the first page"});
      where.raw("(" + column + ", id) " + (f.ascending ? ">" : "<") + " (?, ?)");
      where.value(at).value(std::string(r.ptr + 1, end));
    }
    const std::string direction = f.ascending ? " ASC" : " DESC";
    const auto done = control_->read([&](sql::Database& db) {
      {
        auto s = db.prepare_once("SELECT count(*) FROM alert" + all.text());
        all.bind(s);
        if (s.step()) page.total = static_cast<std::uint64_t>(s.integer(0));
      }
      auto s = db.prepare_once("SELECT " + std::string(alert_rows::columns) + " FROM alert" +
                               where.text() + " ORDER BY " + column + direction + ", id" +
                               direction + " LIMIT " + std::to_string(limit + 1));
      where.bind(s);
      while (s.step()) page.alerts.push_back(alert_rows::read(s));
      if (page.alerts.size() > limit) {
        page.alerts.pop_back();
        page.next =
            std::to_string(order_value(f.order, page.alerts.back())) + "." + page.alerts.back().id;
      }
      for (auto& a : page.alerts) alert_rows::read_evidence_ids(db, a);
    });
    if (!done) return fail(done.error());
    return page;
  }

  std::optional<Alert> get(std::string_view id) const override {
    std::optional<Alert> out;
    const auto done = control_->read([&](sql::Database& db) {
      out = alert_rows::find(db, id);
      if (out) alert_rows::read_comments(db, *out);
    });
    if (!done) return {};
    return out;
  }

  std::vector<Evidence> evidence(std::string_view id) const override {
    std::vector<Evidence> out;
    const auto done = control_->read([&](sql::Database& db) {
      auto s = db.prepare(
          "SELECT event_id, time, json FROM alert_evidence WHERE alert=?1 AND json<>'' ORDER BY n");
      s.bind(id);
      while (s.step()) out.push_back({s.copy(0), {s.integer(1)}, s.copy(2)});
    });
    if (!done) return {};
    return out;
  }

  Result<Alert, PatchRefusal> patch(std::string_view id, const AlertPatch& p,
                                    std::string_view author) override {
    std::optional<PatchRefusal> refusal;
    std::optional<Alert> after;
    const auto now = clock_.now();
    const auto done = control_->write([&](sql::Database& db) {
      auto a = alert_rows::find(db, id);
      if (!a) {
        refusal = PatchRefusal::not_found;
        return;
      }
      refusal = check(db, *a, p);
      if (refusal) return;
      write_patch(db, *a, p, author, now);
      after = alert_rows::find(db, id);
      if (after) alert_rows::read_comments(db, *after);
    });
    if (refusal) return fail(*refusal);
    if (!done || !after) return fail(PatchRefusal::failed);
    notify({AlertNotice::Kind::changed, *after});
    return *after;
  }

  Result<Incident, Problem> open_incident(std::string_view title, Level level,
                                          std::span<const std::string> alert_ids,
                                          std::string_view author) override {
    const auto now = clock_.now();
    const auto id = uuid7(now);
    std::optional<Incident> out;
    std::vector<Alert> changed;
    std::optional<std::string> missing;
    const auto done = control_->write([&](sql::Database& db) {
      for (const auto& a : alert_ids)
        if (!alert_rows::find(db, a)) {
          missing = a;
          return;
        }
      db.prepare("INSERT INTO incident VALUES(?1,?2,'open',?3,?4,?4,NULL,'','',0)")
          .with(id, title, code(level), now.us)
          .run();
      for (const auto& alert : alert_ids) {
        auto a = alert_rows::find(db, alert);
        if (!a) continue;
        AlertPatch p;
        p.incident = id;
        write_patch(db, *a, p, author, now);
        if (auto after = alert_rows::find(db, alert)) changed.push_back(std::move(*after));
      }
      out = alert_rows::find_incident(db, id);
    });
    if (missing)
      return fail(Problem{"no alert '" + *missing + "'", "alerts", "ask for the list of alerts"});
    if (!done) return fail(done.error());
    for (auto& a : changed) notify({AlertNotice::Kind::changed, std::move(a)});
    return *out;
  }

  std::vector<Incident> incidents(
      bool include_closed, std::uint32_t limit,
      const std::optional<std::vector<std::string>>& visible) const override {
    std::vector<Incident> out;
    const auto done = control_->read([&](sql::Database& db) {
      Where w;
      if (!include_closed) w.raw("status<>'closed'");
      if (visible) {
        // An incident is seen by those who see one of its alerts.
        std::string marks;
        for (std::size_t i = 0; i < visible->size(); ++i) marks += i == 0 ? "?" : ",?";
        w.raw("id IN (SELECT incident FROM alert WHERE incident<>'' AND site IN (" + marks + "))");
        for (const auto& site : *visible) w.value(site);
      }
      auto s =
          db.prepare_once("SELECT " + std::string(alert_rows::incident_columns) + " FROM incident" +
                          w.text() + " ORDER BY updated DESC, id DESC LIMIT " +
                          std::to_string(std::clamp<std::uint32_t>(limit, 1, 1'000)));
      w.bind(s);
      while (s.step()) out.push_back(alert_rows::read_incident(db, s));
    });
    if (!done) return {};
    return out;
  }

  std::optional<Incident> incident(std::string_view id) const override {
    std::optional<Incident> out;
    const auto done =
        control_->read([&](sql::Database& db) { out = alert_rows::find_incident(db, id); });
    if (!done) return {};
    return out;
  }

  Result<Incident, PatchRefusal> patch_incident(std::string_view id, const IncidentPatch& p,
                                                std::string_view author) override {
    static_cast<void>(
        author);  // the API's audit trail names who; incidents keep no history of their own
    std::optional<PatchRefusal> refusal;
    std::optional<Incident> after;
    const auto now = clock_.now();
    const auto done = control_->write([&](sql::Database& db) {
      auto i = alert_rows::find_incident(db, id);
      if (!i) {
        refusal = PatchRefusal::not_found;
        return;
      }
      const auto status = p.status.value_or(i->status);
      if (status != "open" && status != "contained" && status != "closed") {
        refusal = PatchRefusal::bad_transition;
        return;
      }
      auto s = db.prepare(
          "UPDATE incident SET title=?2, status=?3, level=?4, lead=?5, summary=?6, updated=?7, "
          "closed=?8 WHERE id=?1");
      s.with(id, p.title.value_or(i->title), status, code(p.level.value_or(i->level)),
             p.lead.value_or(i->lead), p.summary.value_or(i->summary), now.us);
      if (status != "closed")
        s.bind(nullptr);
      else
        s.bind(i->closed.value_or(now).us);
      s.run();
      after = alert_rows::find_incident(db, id);
    });
    if (refusal) return fail(*refusal);
    if (!done || !after) return fail(PatchRefusal::failed);
    return *after;
  }

  std::uint64_t subscribe(std::function<void(const AlertNotice&)> observer) override {
    const std::lock_guard lock(observer_mutex_);
    observers_.emplace(++last_observer_, std::make_shared<Observer>(std::move(observer)));
    return last_observer_;
  }
  void unsubscribe(std::uint64_t number) override {
    const std::lock_guard lock(observer_mutex_);
    observers_.erase(number);
  }

  AlertCounters counters() const override {
    AlertCounters c;
    c.hits = hits_;
    c.created = created_;
    c.folded = folded_;
    c.bad_records = bad_;
    if (control_ == nullptr) return c;
    const auto done = control_->read([&](sql::Database& db) {
      auto s = db.prepare(
          "SELECT level, status, count(*) FROM alert WHERE status<4 GROUP BY level, status");
      while (s.step()) {
        const auto l = static_cast<std::size_t>(s.integer(0));
        const auto st = static_cast<std::size_t>(s.integer(1));
        if (l < 5 && st < 5) c.by_level_status[l][st] = static_cast<std::uint64_t>(s.integer(2));
      }
    });
    static_cast<void>(done);  // without an answer the open alerts stay zero
    return c;
  }

 private:
  using Observer = std::function<void(const AlertNotice&)>;

  // apply() and done() run under the store's commit, one at a time.
  void apply(sql::Database& db, std::string_view payload) {
    const auto r = decode_hit(payload);
    if (!r) {
      ++bad_;
      return;
    }
    auto folded = fold(db, *r, limits_);
    touched_hits_ += r->hit.count;
    auto& created = touched_[folded.alert_id];
    created = created || folded.created;
  }
  void done(bool committed) {
    auto touched = std::move(touched_);
    touched_.clear();
    const auto hits = std::exchange(touched_hits_, 0);
    if (!committed) return;
    hits_ += hits;
    for (const auto& [id, fresh] : touched) ++(fresh ? created_ : folded_);
    if (control_ == nullptr || !observed()) return;
    std::vector<AlertNotice> notices;
    const auto read = control_->read([&](sql::Database& db) {
      for (const auto& [id, fresh] : touched)
        if (auto a = alert_rows::find(db, id))
          notices.push_back(
              {fresh ? AlertNotice::Kind::created : AlertNotice::Kind::repeated, std::move(*a)});
    });
    if (!read) return;
    for (const auto& n : notices) notify(n);
  }

  [[nodiscard]] bool observed() const {
    const std::lock_guard lock(observer_mutex_);
    return !observers_.empty();
  }
  void notify(const AlertNotice& notice) const {
    std::vector<std::shared_ptr<Observer>> observers;
    {
      const std::lock_guard lock(observer_mutex_);
      for (const auto& [n, o] : observers_) observers.push_back(o);
    }
    for (const auto& o : observers) (*o)(notice);
  }

  static std::optional<PatchRefusal> check(sql::Database& db, const Alert& a, const AlertPatch& p) {
    if (p.if_version && *p.if_version != a.version) return PatchRefusal::conflict;
    if (p.status) {
      const auto disposition = p.disposition.value_or(a.disposition);
      if (*p.status == AlertStatus::closed && disposition == Disposition::none)
        return PatchRefusal::bad_transition;
    }
    if (p.incident && !p.incident->empty() && !alert_rows::find_incident(db, *p.incident))
      return PatchRefusal::no_incident;
    return {};
  }

  void write_patch(sql::Database& db, const Alert& a, const AlertPatch& p, std::string_view author,
                   Timestamp now) const {
    const auto change = [&](std::string_view what, std::string_view from, std::string_view to) {
      if (from == to) return;
      db.prepare(
            "INSERT INTO alert_change(alert, at, author, what, old, new) VALUES(?1,?2,?3,?4,?5,?6)")
          .with(a.id, now.us, author, what, from, to)
          .run();
    };
    auto b = a;
    if (p.disposition) b.disposition = *p.disposition;
    if (p.status) {
      b.status = *p.status;
      const bool reopened = a.status == AlertStatus::closed && b.status != AlertStatus::closed;
      if (reopened && !p.disposition) b.disposition = Disposition::none;
      if (b.status != AlertStatus::fresh && !b.acknowledged_at) b.acknowledged_at = now;
      if (b.status == AlertStatus::closed)
        b.closed_at = a.closed_at.value_or(now);
      else
        b.closed_at.reset();
    }
    if (p.assignee) b.assignee = *p.assignee;
    if (p.incident) b.incident = *p.incident;
    change("status", name(a.status), name(b.status));
    change("disposition", name(a.disposition), name(b.disposition));
    change("assignee", a.assignee, b.assignee);
    change("incident", a.incident, b.incident);
    auto s = db.prepare(
        "UPDATE alert SET status=?2, disposition=?3, assignee=?4, incident=?5, updated=?6, "
        "acknowledged=?7, closed=?8,"
        " version=version+1 WHERE id=?1");
    s.with(a.id, code(b.status), code(b.disposition), b.assignee, b.incident, now.us);
    for (const auto& t : {b.acknowledged_at, b.closed_at}) {
      if (t)
        s.bind(t->us);
      else
        s.bind(nullptr);
    }
    s.run();
    if (p.incident && !p.incident->empty())
      db.prepare("UPDATE incident SET updated=?2, level=max(level, ?3) WHERE id=?1")
          .with(*p.incident, now.us, code(a.level))
          .run();
    if (p.comment && !p.comment->empty())
      db.prepare(
            "INSERT INTO alert_comment(alert, at, author, text) SELECT ?1,?2,?3,?4"
            " WHERE (SELECT count(*) FROM alert_comment WHERE alert=?1)<?5")
          .with(a.id, now.us, author, std::string_view(*p.comment).substr(0, limits_.text_octets),
                std::int64_t{limits_.comments})
          .run();
  }

  const Clock& clock_;
  AlertLimits limits_;
  ControlDb* control_ = nullptr;
  std::map<std::string, bool> touched_;
  std::uint64_t touched_hits_ = 0;
  std::atomic<std::uint64_t> hits_{0}, created_{0}, folded_{0}, bad_{0};
  mutable std::mutex observer_mutex_;
  std::map<std::uint64_t, std::shared_ptr<Observer>> observers_;
  std::uint64_t last_observer_ = 0;
};

}  // namespace

std::unique_ptr<AlertBook> AlertBook::create(const Clock& clock, const AlertLimits& limits) {
  return std::make_unique<Book>(clock, limits);
}

}  // namespace ww::collector
