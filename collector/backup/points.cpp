#include "collector/backup/points.hpp"

#include <algorithm>
#include <boost/container_hash/hash.hpp>
#include <boost/json.hpp>

#include "collector/backup/book.hpp"
#include "collector/metrics/metrics.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/uuid.hpp"

namespace ww::collector {
namespace {

/// What a kept verdict was asked with.
struct Asked {
  std::chrono::seconds margin{24 * 3600};
  Timestamp incident_time;
  std::set<std::string> compromised;
  std::string proof;
};
Asked asked(const VerdictRow& v) {
  Asked out;
  boost::system::error_code ec;
  const auto doc = boost::json::parse(v.doc, ec);
  if (ec || !doc.is_object()) return out;
  const auto& o = doc.get_object();
  if (const auto* m = o.if_contains("margin_seconds"); m != nullptr && m->is_int64())
    out.margin = std::chrono::seconds(m->get_int64());
  if (const auto* t = o.if_contains("incident_time"); t != nullptr && t->is_string())
    out.incident_time = parse_time(std::string_view(t->get_string())).value_or(Timestamp{});
  if (const auto* list = o.if_contains("compromised"); list != nullptr && list->is_array())
    for (const auto& c : list->get_array())
      if (c.is_string()) out.compromised.emplace(c.get_string());
  if (const auto* p = doc.find_pointer("/chosen/proof", ec); p != nullptr && p->is_string())
    out.proof = p->get_string();
  return out;
}

bool same_window(const VerdictRow& v, const RestorePoint& p) {
  const auto window =
      p.window_start ? "\"window_start\":\"" + rfc3339(*p.window_start) + "\"" : std::string();
  return window.empty() ? v.doc.find("\"window_start\"") == std::string::npos
                        : v.doc.find(window) != std::string::npos;
}

std::string short_id(const std::string& id) { return id.size() > 12 ? id.substr(0, 12) : id; }

std::string in_words(std::string_view verdict, const std::string& snapshot, Timestamp data_time) {
  if (snapshot.empty()) return "no backup (" + std::string(verdict) + ")";
  return "backup " + short_id(snapshot) + " of " + rfc3339(data_time) + " (" +
         std::string(verdict) + ")";
}

std::vector<Entity> entities_of(const std::string& incident, const std::string& asset) {
  return {{"incident", incident}, {"asset", asset}};
}

std::vector<AlertStatus> open_statuses() {
  return {AlertStatus::fresh, AlertStatus::acknowledged, AlertStatus::in_progress,
          AlertStatus::escalated};
}

}  // namespace

PointFacts point_facts(const AssetHealth& asset,
                       const std::vector<const backup_rows::JobRows*>& jobs,
                       const std::vector<RestoreCheck>& checks) {
  PointFacts f;
  const auto mix = [&](const auto& v) { boost::hash_combine(f.digest, v); };
  for (const auto& j : asset.jobs) {
    mix(j.spec.name);
    mix(j.immutable);
    mix(j.offline);
    mix(j.learning);
  }
  for (const auto* j : jobs) {
    mix(j->source.integrity);
    f.damaged += j->source.integrity == "failed" ? 1 : 0;
    for (const auto& r : j->runs) {
      if (r.status == "signal" || r.status == "missing") continue;
      mix(r.snapshot);
      mix(r.status);
      mix(r.integrity);
      mix(r.flags);
      mix(r.other_repository);
      mix(r.vanished.us != 0);
      mix(r.immutable_until.us);
      mix(j->source.integrity_at >= r.data_time);
      f.gone += r.vanished.us != 0 ? 1 : 0;
      f.damaged += r.integrity == "failed" ? 1 : 0;
      f.flagged += r.flags.empty() ? 0 : 1;
      if (r.good() && r.vanished.us == 0) f.there.insert(r.job + '\n' + r.snapshot);
    }
  }
  for (const auto& c : checks) {
    mix(c.id);
    mix(c.signed_by);
    ++f.checks;
    f.signatures += c.signed_by.empty() ? 0 : 1;
  }
  return f;
}

std::string facts_changed(const PointFacts& before, const PointFacts& now) {
  std::vector<std::string> said;
  std::string fresh;
  std::size_t n = 0;
  for (const auto& s : now.there)
    if (!before.there.contains(s) && ++n == 1) fresh = short_id(s.substr(s.find('\n') + 1));
  if (n == 1) said.push_back("new backup " + fresh);
  if (n > 1) said.push_back(std::to_string(n) + " new backups");
  if (now.gone > before.gone) said.emplace_back("a backup is gone");
  if (now.gone < before.gone) said.emplace_back("a backup that was gone is there again");
  if (now.damaged > before.damaged) said.emplace_back("a check found damage");
  if (now.damaged < before.damaged) said.emplace_back("a damage is no longer there");
  if (now.flagged != before.flagged) said.emplace_back("anomalies changed");
  if (now.signatures > before.signatures)
    said.emplace_back("a restore check was signed");
  else if (now.checks > before.checks)
    said.emplace_back("a restore was checked");
  std::string out;
  for (const auto& s : said) out += (out.empty() ? "" : "; ") + s;
  return out.empty() ? "what is known of its backups changed" : out;
}

void RestorePoints::attach(Store& store) {
  store_ = &store;
  control_ = &store.control();
}

Result<RestorePoint, Problem> RestorePoints::point(const Question& ask, const BackupBoard& board) {
  const auto opened = alerts_.incident(ask.incident);
  if (!opened)
    return fail(Problem{"no such incident", ask.incident, "ask for the list of incidents"});
  PointQuestion q;
  q.incident = ask.incident;
  q.site = ask.site;
  q.asset = ask.asset;
  q.margin = ask.margin;
  q.incident_time = ask.incident_time.us != 0 ? ask.incident_time : opened->opened;
  q.indicators = indicators(ask.incident);
  q.compromised = ask.compromised;
  constexpr std::uint32_t most_runs = 2'000, most_checks = 1'000;
  if (auto read = control_->read([&](sql::Database& db) {
        q.runs = backup_rows::runs(db, ask.site, ask.asset, "", most_runs);
      });
      !read)
    return fail(read.error());
  RestoreCheckFilter filter;
  filter.site = ask.site;
  filter.asset = ask.asset;
  filter.limit = most_checks;
  q.checks = restore_checks(*control_, filter);
  bool known = !q.runs.empty();
  for (const auto& a : board.assets) {
    if (a.spec.site != ask.site || a.spec.name != ask.asset) continue;
    known = true;
    for (const auto& j : a.jobs) {
      q.learning = q.learning && j.learning;
      q.jobs.push_back({j.spec.name, j.medium, j.source.repository, j.immutable, j.offline,
                        j.source.integrity, j.source.integrity_at});
    }
  }
  if (!known)
    return fail(
        Problem{"no such asset", ask.site + "/" + ask.asset, "see wardwatchctl backups list"});
  auto p = restore_point(q);
  p.at = clock_.now();
  p.author = ask.author;
  p.cause = ask.cause;
  const auto before = verdicts(*control_, ask.incident, ask.site, ask.asset, 1);
  const auto snapshot = p.chosen ? p.chosen->run.snapshot : std::string();
  if (!before.empty() && before.front().verdict == name(p.verdict) &&
      before.front().snapshot == snapshot && same_window(before.front(), p)) {
    const auto was = asked(before.front());
    if (was.compromised == p.compromised && was.proof == (p.chosen ? p.chosen->proof : "")) {
      p.id = before.front().id;
      return p;
    }
  }
  p.id = uuid7(p.at);
  if (auto ok = save_verdict(*control_, p); !ok) return fail(ok.error());
  return p;
}

std::vector<IncidentIndicator> RestorePoints::indicators(std::string_view incident) const {
  auto out = indicators_of(*control_, incident);
  AlertFilter filter;
  filter.incidents = {std::string(incident)};
  filter.limit = 1'000;
  const auto page = alerts_.query(filter);
  if (!page) return out;
  for (const auto& a : page->alerts) {
    const auto id = "alert:" + a.id;
    if (a.rule.id == point_changed_rule) continue;  // our own word is no sign
    if (std::any_of(out.begin(), out.end(), [&](const auto& i) { return i.id == id; })) continue;
    IncidentIndicator i;
    i.id = id;
    i.incident = incident;
    i.time = a.first_seen;
    i.site = a.site;
    for (const auto& e : a.entities)
      if (e.type == "host" || e.type == "ip" || e.type == "user") {
        i.entity = e.type + ":" + e.value;
        break;
      }
    i.source = a.rule.title;
    i.confidence = a.level >= Level::high ? "high" : "medium";
    out.push_back(std::move(i));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  return out;
}

Result<std::size_t, Problem> RestorePoints::decide(const IncidentIndicator& indicator,
                                                   const BackupBoard& board) {
  if (auto ok = save_indicator(*control_, indicator); !ok) return fail(ok.error());
  std::size_t changed = 0;
  std::set<Key> done;
  for (const auto& v : verdicts(*control_, indicator.incident, "", "", 1'000)) {
    if (!done.insert({v.site, v.asset}).second) continue;
    auto a = asked(v);
    const auto p = point(
        {indicator.incident, v.site, v.asset, a.margin, a.incident_time, std::move(a.compromised),
         indicator.decided_by, "indicator " + indicator.id + " " + indicator.state},
        board);
    if (p && p->id != v.id) ++changed;
  }
  return changed;
}

void RestorePoints::saw(const std::string& site, const std::string& asset, PointFacts facts) {
  const Key key{site, asset};
  const auto it = facts_.find(key);
  if (it == facts_.end()) {  // since the start: anything may have changed before
    changed_.emplace(key, "looked at again after a start");
  } else if (it->second.digest != facts.digest) {
    auto& why = changed_[key];
    const auto news = facts_changed(it->second, facts);
    if (why.empty())
      why = news;
    else if (why.find(news) == std::string::npos && why.size() < 500)
      why += "; " + news;
  }
  facts_[key] = std::move(facts);
}

/// Assets that changed, and incidents that got new alerts, as points that somebody asked for.
void RestorePoints::find_waiting() {
  constexpr std::uint32_t most_incidents = 1'000;
  std::map<std::string, std::uint64_t> open;
  std::set<std::string> news;
  for (const auto& i : alerts_.incidents(false, most_incidents)) {
    open[i.id] = i.alerts;
    const auto it = alerts_of_.find(i.id);
    if (it != alerts_of_.end() && it->second != i.alerts) news.insert(i.id);
  }
  for (const auto& [id, n] : alerts_of_)
    if (!open.contains(id)) close_announced(id, "", "", "the incident is closed");
  if (!started_) {  // incidents that were closed while this process was not there
    started_ = true;
    AlertFilter f;
    f.rules = {std::string(point_changed_rule)};
    f.statuses = open_statuses();
    f.limit = 1'000;
    if (const auto page = alerts_.query(f))
      for (const auto& a : page->alerts)
        for (const auto& e : a.entities)
          if (e.type == "incident" && !open.contains(e.value))
            close_announced(e.value, "", "", "the incident is closed");
  }
  alerts_of_ = open;
  if (open.empty() || (changed_.empty() && news.empty())) return changed_.clear();
  const auto read = control_->read([&](sql::Database& db) {
    auto s = db.prepare("SELECT DISTINCT incident, site, asset FROM restore_verdict");
    while (s.step()) {
      Waiting w{s.copy(0), s.copy(1), s.copy(2), {}};
      if (!open.contains(w.incident)) continue;
      const auto it = changed_.find({w.site, w.asset});
      if (it != changed_.end())
        w.cause = it->second;
      else if (news.contains(w.incident))
        w.cause = "the incident has another alert";
      else
        continue;
      const auto same = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& x) {
        return x.incident == w.incident && x.site == w.site && x.asset == w.asset;
      });
      if (same != waiting_.end())
        same->cause = w.cause;
      else if (waiting_.size() < max_waiting)
        waiting_.push_back(std::move(w));
      else
        ++dropped_;
    }
  });
  if (read) changed_.clear();  // else the next look asks again
}

bool RestorePoints::refresh(const BackupBoard& board) {
  const auto now = clock_.now();
  if (refreshed_.us != 0 && now - refreshed_ < pause_ && refreshed_ <= now)
    return changed_.empty() && waiting_.empty();
  refreshed_ = now;
  find_waiting();
  for (std::size_t n = 0; n < max_at_once && !waiting_.empty(); ++n) {
    const auto w = std::move(waiting_.front());
    waiting_.pop_front();
    const auto before = verdicts(*control_, w.incident, w.site, w.asset, 1);
    if (before.empty()) continue;
    auto a = asked(before.front());
    const auto p = point({w.incident, w.site, w.asset, a.margin, a.incident_time,
                          std::move(a.compromised), "wardwatch", w.cause},
                         board);
    ++worked_out_;
    if (!p) {
      logging::warn("restore point of {}/{}: {}", w.site, w.asset, p.error().text());
    } else if (p->id != before.front().id) {
      ++changes_;
      announce(before.front(), *p, w.cause);
    }
  }
  waits_ = waiting_.size();
  return waiting_.empty();
}

void RestorePoints::announce(const VerdictRow& before, const RestorePoint& now,
                             const std::string& cause) {
  const auto snapshot = now.chosen ? now.chosen->run.snapshot : std::string();
  const auto data_time = now.chosen ? now.chosen->run.data_time : Timestamp{};
  // Worse: there was a point and is none, or more data would be lost.
  const bool worse = !before.snapshot.empty() && (snapshot.empty() || data_time < before.data_time);
  const auto text = "Restore point of " + now.asset + ": now " +
                    in_words(name(now.verdict), snapshot, data_time) + ", was " +
                    in_words(before.verdict, before.snapshot, before.data_time) +
                    ". Why: " + cause +
                    (now.missing.empty() ? "." : ". Missing: " + now.missing.front() + ".");
  close_announced(now.incident, now.site, now.asset, "it changed again");
  Hit h;
  h.engine = EngineKind::backup;
  h.level = worse ? Level::high : Level::medium;
  h.rule = {std::string(point_changed_rule),
            worse ? "Clean restore point lost or older" : "Clean restore point changed", "1",
            "backup"};
  h.site = now.site;
  h.entities = entities_of(now.incident, now.asset);
  h.first = h.last = now.at;
  h.window = std::chrono::seconds(1);
  h.caf = {"B5.c", "D1.a"};
  h.explanation = text;
  CommitGroup group;
  group.records.push_back(alerts_.record(h));
  if (const auto ok = store_->commit(std::move(group)); !ok)
    logging::error("restore points: {}", ok.error().text());
  logging::info("incident {}: {}", now.incident, text);
}

void RestorePoints::close_announced(const std::string& incident, const std::string& site,
                                    const std::string& asset, const std::string& why) {
  AlertFilter f;
  f.engines = {EngineKind::backup};
  f.rules = {std::string(point_changed_rule)};
  f.statuses = open_statuses();
  if (!site.empty()) f.sites = {site};
  f.entity = Entity{"incident", incident};
  f.limit = 1'000;
  const auto page = alerts_.query(f);
  if (!page) return;
  for (const auto& a : page->alerts) {
    if (!asset.empty() &&
        std::find(a.entities.begin(), a.entities.end(), Entity{"asset", asset}) == a.entities.end())
      continue;
    AlertPatch patch;
    patch.status = AlertStatus::closed;
    if (a.disposition == Disposition::none) patch.disposition = Disposition::true_positive;
    patch.comment = "closed by itself: " + why;
    static_cast<void>(alerts_.patch(a.id, patch, "wardwatch"));
  }
}

void RestorePoints::write_metrics(MetricWriter& w) const {
  w.counter("wardwatch_restore_points_worked_out_total",
            "restore points worked out again because something changed", {},
            static_cast<double>(worked_out_.load()));
  w.counter("wardwatch_restore_point_changes_total", "of those, verdicts that changed", {},
            static_cast<double>(changes_.load()));
  w.counter("wardwatch_restore_points_dropped_total", "not worked out again: too many waited", {},
            static_cast<double>(dropped_.load()));
  w.gauge("wardwatch_restore_points_waiting", "restore points still to be worked out again", {},
          static_cast<double>(waits_.load()));
}

}  // namespace ww::collector
