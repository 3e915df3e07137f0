#include "collector/alerts/folding.hpp"

#include <algorithm>
#include <set>

#include "collector/alerts/rows.hpp"
#include "collector/store/codec.hpp"

namespace ww::collector {
namespace {

constexpr std::uint8_t version = 1;

std::int64_t integer(std::uint64_t v) { return static_cast<std::int64_t>(v); }
template <class E>
std::int64_t code(E e) {
  return static_cast<std::int64_t>(e);
}

/// Cuts between characters, not within one.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

void change(sql::Database& db, std::string_view alert, Timestamp at, std::string_view what,
            std::string_view from, std::string_view to) {
  db.prepare(
        "INSERT INTO alert_change(alert, at, author, what, old, new) "
        "VALUES(?1,?2,'wardwatch',?3,?4,?5)")
      .with(alert, at.us, what, from, to)
      .run();
}

void add_evidence(sql::Database& db, const std::string& alert, const Hit& hit,
                  const AlertLimits& limits) {
  std::int64_t next = 0;
  std::int64_t rows = 0;
  {
    auto s =
        db.prepare("SELECT coalesce(max(n)+1, 0), count(*) FROM alert_evidence WHERE alert=?1");
    s.bind(alert);
    if (s.step()) {
      next = s.integer(0);
      rows = s.integer(1);
    }
  }
  for (const auto& e : hit.evidence) {
    const bool copy = next < limits.evidence_copies && e.json.size() <= limits.evidence_octets;
    db.prepare("INSERT INTO alert_evidence VALUES(?1,?2,?3,?4,?5)")
        .with(alert, next, e.event_id, e.time.us,
              copy ? std::string_view(e.json) : std::string_view())
        .run();
    ++next;
    // The first half stays; of the rest the oldest makes room.
    if (++rows > limits.evidence_ids) {
      db.prepare(
            "DELETE FROM alert_evidence WHERE alert=?1 AND n=(SELECT min(n) FROM alert_evidence "
            "WHERE alert=?1 AND n>=?2)")
          .with(alert, std::int64_t{limits.evidence_ids / 2})
          .run();
      --rows;
    }
  }
}

/// Alerts of one entity that came close together tell one story: they share an incident.
void group(sql::Database& db, const HitRecord& r, const AlertLimits& limits) {
  if (limits.incident_alerts == 0 || r.hit.drill || r.hit.level < Level::high) return;
  for (const auto& entity : r.hit.entities) {
    std::set<std::string> rules;
    std::vector<std::string> loose;
    std::string incident;
    auto s = db.prepare(
        "SELECT a.id, a.rule_id, a.incident, coalesce(i.status, '') FROM alert_entity e JOIN alert "
        "a ON a.id=e.alert"
        " LEFT JOIN incident i ON i.id=a.incident WHERE e.value=?1 AND e.type=?2 AND a.site=?3 AND "
        "a.level>=?4"
        " AND a.last_seen>=?5 AND a.status<>4");
    s.with(entity.value, entity.type, r.hit.site, code(Level::high),
           r.hit.last.us - std::chrono::microseconds(limits.incident_window).count());
    while (s.step()) {
      rules.insert(s.copy(1));
      if (s.text(2).empty())
        loose.push_back(s.copy(0));
      else if (s.text(3) != "closed" && incident.empty())
        incident = s.copy(2);
    }
    s.reset();
    if (loose.empty() || (incident.empty() && rules.size() < limits.incident_alerts)) continue;
    if (incident.empty()) {
      incident = r.incident_id;
      db.prepare("INSERT INTO incident VALUES(?1,?2,'open',?3,?4,?4,NULL,'','',1)")
          .with(incident,
                std::to_string(rules.size()) + " detections on " + entity.type + " " + entity.value,
                code(r.hit.level), r.at.us)
          .run();
    }
    for (const auto& id : loose) {
      db.prepare("UPDATE alert SET incident=?2, updated=?3, version=version+1 WHERE id=?1")
          .with(id, incident, r.at.us)
          .run();
      change(db, id, r.at, "incident", "", incident);
    }
    db.prepare("UPDATE incident SET level=max(level, ?2), updated=?3 WHERE id=?1")
        .with(incident, code(r.hit.level), r.at.us)
        .run();
    return;
  }
}

}  // namespace

std::string encode(const HitRecord& r) {
  const auto& h = r.hit;
  Encoder out;
  out.u8(version);
  out.text(r.alert_id);
  out.text(r.incident_id);
  out.i64(r.at.us);
  out.u8(static_cast<std::uint8_t>(h.engine));
  out.u8(static_cast<std::uint8_t>(h.level));
  out.text(h.rule.id);
  out.text(h.rule.title);
  out.text(h.rule.rev);
  out.text(h.rule.source);
  out.text(h.site);
  out.text(h.sensor);
  out.var(h.entities.size());
  for (const auto& e : h.entities) {
    out.text(e.type);
    out.text(e.value);
  }
  out.i64(h.first.us);
  out.i64(h.last.us);
  out.u64(h.count);
  out.i64(h.window.count());
  out.text(alert_rows::join(h.attack));
  out.text(alert_rows::join(h.caf));
  out.var(h.evidence.size());
  for (const auto& e : h.evidence) {
    out.text(e.event_id);
    out.i64(e.time.us);
    out.text(e.json);
  }
  out.text(h.explanation);
  out.u8(h.drill ? 1 : 0);
  return out.take();
}

std::optional<HitRecord> decode_hit(std::string_view payload) {
  Decoder in(payload);
  if (in.u8() != version) return {};
  HitRecord r;
  auto& h = r.hit;
  r.alert_id = in.copy();
  r.incident_id = in.copy();
  r.at.us = in.i64();
  const auto engine = in.u8();
  const auto level = in.u8();
  if (engine > static_cast<std::uint8_t>(EngineKind::intel) ||
      level > static_cast<std::uint8_t>(Level::critical))
    return {};
  h.engine = static_cast<EngineKind>(engine);
  h.level = static_cast<Level>(level);
  h.rule.id = in.copy();
  h.rule.title = in.copy();
  h.rule.rev = in.copy();
  h.rule.source = in.copy();
  h.site = in.copy();
  h.sensor = in.copy();
  h.entities.resize(in.count());
  for (auto& e : h.entities) {
    e.type = in.copy();
    e.value = in.copy();
  }
  h.first.us = in.i64();
  h.last.us = in.i64();
  h.count = in.u64();
  h.window = std::chrono::seconds(in.i64());
  h.attack = alert_rows::split(in.text());
  h.caf = alert_rows::split(in.text());
  h.evidence.resize(in.count());
  for (auto& e : h.evidence) {
    e.event_id = in.copy();
    e.time.us = in.i64();
    e.json = in.copy();
  }
  h.explanation = in.copy();
  h.drill = in.u8() != 0;
  if (!in.ok()) return {};
  return r;
}

std::string fold_key(const Hit& h) {
  auto entities = h.entities;
  std::sort(entities.begin(), entities.end());
  Encoder out;
  out.text(name(h.engine));
  out.text(h.rule.id);
  out.text(h.site);
  for (const auto& e : entities) {
    out.text(e.type);
    out.text(e.value);
  }
  std::string key;
  append_hex(key, as_bytes(out.out()));  // lengths are in it, so no two lists look the same
  return key;
}

Folded fold(sql::Database& db, const HitRecord& r, const AlertLimits& limits) {
  const auto& h = r.hit;
  const auto key = fold_key(h);
  const auto window = std::chrono::microseconds(h.window).count();
  std::string id;
  {
    auto s = db.prepare(
        "SELECT id FROM alert WHERE fold_key=?1 AND (status<>4 OR ?4) AND last_seen>=?2 AND "
        "first_seen<=?3"
        " ORDER BY last_seen DESC LIMIT 1");
    s.with(key, h.first.us - window, h.last.us + window, std::int64_t{h.drill});
    if (s.step()) id = s.copy(0);
  }
  if (!id.empty()) {
    db.prepare(
          "UPDATE alert SET count=count+?2, first_seen=min(first_seen,?3), "
          "last_seen=max(last_seen,?4), updated=?5,"
          " level=max(level,?6), version=version+1 WHERE id=?1")
        .with(id, integer(h.count), h.first.us, h.last.us, r.at.us, code(h.level))
        .run();
    add_evidence(db, id, h, limits);
    return {id, false};
  }
  const auto status = h.drill ? AlertStatus::closed : AlertStatus::fresh;
  auto s = db.prepare(
      "INSERT INTO alert "
      "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?16,NULL,?17,?18,?19,?20,?21,"
      "'','',1)");
  s.with(r.alert_id, key, code(status), code(h.drill ? Disposition::drill : Disposition::none),
         code(h.level), code(h.engine), h.rule.id, cut(h.rule.title, limits.text_octets),
         h.rule.rev, h.rule.source, h.site, h.sensor);
  s.bind_blob(alert_rows::encode_entities(h.entities)).with(h.first.us, h.last.us, r.at.us);
  if (h.drill)
    s.bind(r.at.us);
  else
    s.bind(nullptr);
  s.with(integer(h.count), alert_rows::join(h.attack), alert_rows::join(h.caf),
         cut(h.explanation, limits.text_octets));
  s.run();
  for (const auto& e : h.entities)
    db.prepare("INSERT OR IGNORE INTO alert_entity VALUES(?1,?2,?3)")
        .with(e.value, e.type, r.alert_id)
        .run();
  add_evidence(db, r.alert_id, h, limits);
  group(db, r, limits);
  return {r.alert_id, true};
}

}  // namespace ww::collector
