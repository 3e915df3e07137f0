#include "collector/backup/restore_point.hpp"

#include <algorithm>
#include <array>

#include "collector/backup/health.hpp"
#include "collector/backup/statistics.hpp"

namespace ww::collector {
namespace {

constexpr std::array<std::string_view, 4> verdict_names{"clean", "clean_candidate", "suspect",
                                                        "unknown"};
constexpr std::array<std::string_view, 6> fatal_flags{"bk-01", "bk-03", "bk-04",
                                                      "bk-05", "bk-06", "bk-09"};
constexpr std::size_t max_candidates = 200;

int rank_of_reach(std::string_view r) { return r == "immutable" ? 0 : r == "offline" ? 1 : 2; }
int rank_of_proof(std::string_view p) {
  return p == "signed" ? 0 : p == "restored" ? 1 : p == "verified" ? 2 : 3;
}

class Choice {
 public:
  explicit Choice(const PointQuestion& q) : q_(q) {
    for (const auto& r : q.runs) by_id_[r.job + '\n' + r.snapshot] = &r;
    for (const auto& e : q.compromised) compromised_.insert(e);
    for (const auto& i : q.indicators)
      if (i.state == "accepted" && !i.entity.empty()) compromised_.insert(i.entity);
  }

  RestorePoint run() {
    p_.incident = q_.incident;
    p_.site = q_.site;
    p_.asset = q_.asset;
    p_.margin = q_.margin;
    p_.incident_time = q_.incident_time;
    p_.compromised = q_.compromised;
    first_sign();
    if (p_.t0) candidates();
    restore_times();
    decide();
    return std::move(p_);
  }

 private:
  void first_sign() {
    const IncidentIndicator* first = nullptr;
    for (const bool accepted : {true, false}) {
      for (const auto& i : q_.indicators)
        if (i.state == (accepted ? "accepted" : "proposed") &&
            (first == nullptr || i.true_time() < first->true_time()))
          first = &i;
      if (first != nullptr) {
        p_.provisional = !accepted;
        break;
      }
    }
    if (first == nullptr) {
      p_.missing.emplace_back("no indicator of compromise: when it began is not known");
      return;
    }
    p_.t0 = first->true_time();
    p_.t0_indicator = first->id;
    p_.window_start = *p_.t0 + -std::chrono::microseconds(q_.margin);
    p_.facts.push_back("first sign at " + rfc3339(*p_.t0) + " from " + first->source +
                       (first->entity.empty() ? "" : " on " + first->entity) + ", confidence " +
                       first->confidence);
    if (first->offset.count() != 0)
      p_.facts.push_back("that clock was " + std::to_string(first->offset.count() / 1'000'000) +
                         " s off, which is taken out");
    else if (!first->offset_known)
      p_.missing.emplace_back("the clock offset of the source of the first sign");
    if (p_.provisional)
      p_.missing.emplace_back("nobody accepted an indicator yet: this is provisional");
  }

  [[nodiscard]] const JobReach* job_of(const BackupRun& r) const {
    for (const auto& j : q_.jobs)
      if (j.job == r.job) return &j;
    return nullptr;
  }

  /// What a backup needs, itself first, as far as a chain of parents goes. Tools whose snapshots
  /// are whole by themselves (restic, borg, ZFS) name a parent but do not need it.
  [[nodiscard]] std::vector<const BackupRun*> chain_of(const BackupRun& r, bool& whole) const {
    std::vector<const BackupRun*> out{&r};
    whole = true;
    const auto* at = &r;
    constexpr std::size_t longest = 1000;
    while ((at->level == "incr" || at->level == "diff" || at->level == "log") &&
           out.size() < longest) {
      const BackupRun* next = nullptr;
      if (!at->parent.empty()) {
        const auto it = by_id_.find(at->job + '\n' + at->parent);
        if (it != by_id_.end()) next = it->second;
      } else {  // not named: the newest one before that it can build on
        for (const auto& x : q_.runs)
          if (x.job == at->job && x.good() && x.data_time < at->data_time &&
              (at->level != "diff" || x.level == "full") &&
              (next == nullptr || next->data_time < x.data_time))
            next = &x;
      }
      if (next == nullptr || next->vanished.us != 0 || !next->good() ||
          std::find(out.begin(), out.end(), next) != out.end()) {
        whole = false;
        return out;
      }
      out.push_back(next);
      at = next;
    }
    return out;
  }

  void judge(Candidate& c) const {
    const auto& r = c.run;
    const auto short_id = [](const std::string& s) { return s.substr(0, 12); };
    if (r.vanished.us != 0) c.dropped.push_back("it is gone since " + rfc3339(r.vanished));
    if (!r.other_repository.empty())
      c.dropped.push_back("it lies in another repository (" + short_id(r.other_repository) +
                          ") than the job's own");
    if (!(r.data_time < *p_.window_start))
      c.dropped.push_back("its data is of " + rfc3339(r.data_time) + ", not before " +
                          rfc3339(*p_.window_start));
    if (!r.good()) c.dropped.push_back("its run is " + (r.status.empty() ? "unknown" : r.status));
    bool whole = true;
    for (const auto* x : chain_of(r, whole)) {
      const auto who = x == &r ? std::string() : "needs " + short_id(x->snapshot) + ", which ";
      if (x->integrity == "failed") c.dropped.push_back(who + "did not pass its check");
      for (const auto flag : fatal_flags)
        if (x->flagged(flag)) c.dropped.push_back(who + "shows " + std::string(flag));
    }
    if (!whole)
      c.dropped.emplace_back("its chain is incomplete: a backup that it needs is missing");
    // A repository that failed its check after this backup was written cannot be trusted for it.
    if (const auto* j = job_of(r); j != nullptr && j->integrity == "failed")
      c.dropped.push_back("the repository did not pass its check of " + rfc3339(j->integrity_at));
    for (const auto& check : q_.checks)
      if (check.snapshot == r.snapshot && check.scan == ScanResult::found)
        c.dropped.push_back("a scan of its restore of " + rfc3339(check.finished) +
                            " found something");
    if (c.reach == "deletable" && reached(r))
      c.dropped.emplace_back(
          "its repository could be written by a compromised identity after it was taken and it is "
          "not immutable");
  }
  [[nodiscard]] bool reached(const BackupRun& r) const {
    return compromised_.contains("repository:" + r.repository) ||
           (!r.host.empty() && compromised_.contains("host:" + r.host)) ||
           compromised_.contains("job:" + r.job);
  }

  [[nodiscard]] std::string proof_of(const BackupRun& r) const {
    std::string best = "untested";
    if (const auto* j = job_of(r);
        j != nullptr && j->integrity == "passed" && j->integrity_at >= r.data_time)
      best = "verified";
    if (r.integrity == "passed") best = "verified";
    for (const auto& c : q_.checks) {
      if (c.snapshot != r.snapshot || c.result != RestoreResult::passed) continue;
      if (c.proves_clean()) return "signed";
      best = "restored";
    }
    return best;
  }

  void candidates() {
    for (const auto& r : q_.runs) {
      if (r.status == "signal" || r.status == "missing") continue;
      Candidate c;
      c.run = r;
      const auto* j = job_of(r);
      c.medium = j == nullptr ? "" : j->medium;
      const bool locked = r.immutable_until > p_.incident_time || (j != nullptr && j->immutable);
      c.reach = locked ? "immutable" : j != nullptr && j->offline ? "offline" : "deletable";
      c.proof = proof_of(r);
      judge(c);
      p_.candidates.push_back(std::move(c));
    }
    std::stable_sort(p_.candidates.begin(), p_.candidates.end(),
                     [](const Candidate& a, const Candidate& b) {
                       if (a.kept() != b.kept()) return a.kept();
                       if (a.run.data_time != b.run.data_time)
                         return a.run.data_time > b.run.data_time;
                       if (rank_of_reach(a.reach) != rank_of_reach(b.reach))
                         return rank_of_reach(a.reach) < rank_of_reach(b.reach);
                       return rank_of_proof(a.proof) < rank_of_proof(b.proof);
                     });
    if (p_.candidates.size() > max_candidates) {
      p_.missing.push_back(std::to_string(p_.candidates.size() - max_candidates) +
                           " older or dropped backups are not listed");
      p_.candidates.resize(max_candidates);
    }
  }

  void restore_times() {
    std::vector<double> times;
    for (const auto& c : q_.checks)
      if (c.result == RestoreResult::passed && c.scope == "full") times.push_back(c.rto_seconds());
    p_.restores_measured = times.size();
    if (times.empty())
      p_.missing.emplace_back("no full restore of it was measured: how long it takes is not known");
    else
      p_.expected_restore_seconds = pattern_of(std::move(times)).median;
  }

  void decide() {
    if (q_.runs.empty()) p_.missing.emplace_back("no backup of it was ever seen");
    if (!p_.t0 || q_.runs.empty()) return;
    if (q_.learning)
      p_.missing.emplace_back("too few records: anomalies could not be told apart yet");
    if (p_.candidates.empty() || !p_.candidates.front().kept()) {
      p_.verdict = CleanVerdict::suspect;
      p_.facts.push_back(std::to_string(p_.candidates.size()) + " backups, none can be trusted");
      return;
    }
    p_.chosen = p_.candidates.front();
    const auto& c = *p_.chosen;
    p_.data_loss =
        std::chrono::duration_cast<std::chrono::seconds>(p_.incident_time - c.run.data_time);
    p_.facts.push_back("backup " + c.run.snapshot + " of job " + c.run.job + ", data of " +
                       rfc3339(c.run.data_time) + ", " + c.reach + ", " + c.proof);
    if (c.proof != "signed")
      p_.missing.emplace_back(
          "no restore of it was checked, scanned and signed: it is a candidate, not clean");
    if (c.proof == "untested") p_.missing.emplace_back("nothing has checked that it can be read");
    if (c.reach == "deletable")
      p_.missing.emplace_back("it is not immutable: restore or copy it soon");
    if (!c.run.entropy) p_.missing.emplace_back("the entropy of its contents was not measured");
    p_.verdict = p_.provisional        ? CleanVerdict::unknown
                 : c.proof == "signed" ? CleanVerdict::clean
                                       : CleanVerdict::clean_candidate;
  }

  const PointQuestion& q_;
  std::map<std::string, const BackupRun*> by_id_;
  std::set<std::string> compromised_;
  RestorePoint p_;
};

void write_candidate(JsonWriter& out, const Candidate& c) {
  out.begin_object();
  out.field("snapshot", c.run.snapshot);
  out.field("job", c.run.job);
  if (!c.run.repository.empty()) out.field("repository", c.run.repository);
  out.field("data_time", rfc3339(c.run.data_time));
  if (!c.medium.empty()) out.field("medium", c.medium);
  out.field("reach", c.reach);
  out.field("proof", c.proof);
  out.field("kept", c.kept());
  out.begin_array("dropped");
  for (const auto& d : c.dropped) out.value(d);
  out.end_array();
  out.end_object();
}

void write_texts(JsonWriter& out, std::string_view key, const std::vector<std::string>& texts) {
  out.begin_array(key);
  for (const auto& t : texts) out.value(t);
  out.end_array();
}

constexpr std::string_view verdict_columns =
    "id, incident, site, asset, author, cause, verdict, snapshot, doc, at, data_time";
VerdictRow read_verdict(const sql::Statement& s) {
  return {s.copy(0), s.copy(1), s.copy(2), s.copy(3),      s.copy(4),      s.copy(5),
          s.copy(6), s.copy(7), s.copy(8), {s.integer(9)}, {s.integer(10)}};
}

}  // namespace

std::string_view name(CleanVerdict v) { return verdict_names[static_cast<std::size_t>(v)]; }

RestorePoint restore_point(const PointQuestion& q) { return Choice(q).run(); }

void write_json(JsonWriter& out, const IncidentIndicator& i) {
  out.begin_object();
  out.field("id", i.id);
  out.field("incident", i.incident);
  out.field("time", rfc3339(i.time));
  out.field("corrected_time", rfc3339(i.true_time()));
  out.field("offset_seconds", static_cast<double>(i.offset.count()) / 1e6);
  out.field("offset_known", i.offset_known);
  if (!i.site.empty()) out.field("site", i.site);
  if (!i.entity.empty()) out.field("entity", i.entity);
  out.field("source", i.source);
  out.field("confidence", i.confidence);
  out.field("state", i.state);
  if (!i.decided_by.empty()) {
    out.field("decided_by", i.decided_by);
    out.field("decided_at", rfc3339(i.decided_at));
  }
  if (!i.note.empty()) out.field("note", i.note);
  out.end_object();
}

void write_json(JsonWriter& out, const RestorePoint& p) {
  out.begin_object();
  if (!p.id.empty()) out.field("id", p.id);
  out.field("incident", p.incident);
  out.field("site", p.site);
  out.field("asset", p.asset);
  out.field("verdict", name(p.verdict));
  out.field("provisional", p.provisional);
  if (p.at.us != 0) out.field("at", rfc3339(p.at));
  if (!p.author.empty()) out.field("author", p.author);
  if (!p.cause.empty()) out.field("cause", p.cause);
  out.field("incident_time", rfc3339(p.incident_time));
  if (p.t0) {
    out.field("first_sign", rfc3339(*p.t0));
    out.field("first_sign_indicator", p.t0_indicator);
    out.field("window_start", rfc3339(*p.window_start));
  }
  out.field("margin_seconds", p.margin.count());
  if (!p.compromised.empty()) {
    out.begin_array("compromised");
    for (const auto& c : p.compromised) out.value(c);
    out.end_array();
  }
  if (p.chosen) {
    out.key("chosen");
    write_candidate(out, *p.chosen);
  }
  if (p.data_loss) out.field("data_loss_seconds", p.data_loss->count());
  if (p.expected_restore_seconds)
    out.field("expected_restore_seconds", *p.expected_restore_seconds);
  out.field("restores_measured", p.restores_measured);
  write_texts(out, "facts", p.facts);
  write_texts(out, "missing", p.missing);
  out.begin_array("candidates");
  for (const auto& c : p.candidates) write_candidate(out, c);
  out.end_array();
  out.end_object();
}

LinkedPoints link_points(std::span<const RestorePoint> points,
                         const std::set<std::string>& directories) {
  LinkedPoints out;
  const auto key = [](const RestorePoint& p) { return p.site + "/" + p.asset; };
  for (const bool first : {true, false})
    for (const auto& p : points)
      if (directories.contains(key(p)) == first) out.points.push_back(&p);
  Timestamp incident;
  for (const auto* p : out.points) {
    incident = std::max(incident, p->incident_time);
    if (!p->chosen) {
      out.without.push_back(key(*p));
      continue;
    }
    const auto t = p->chosen->run.data_time;
    out.oldest = out.oldest ? std::min(*out.oldest, t) : t;
    out.newest = out.newest ? std::max(*out.newest, t) : t;
  }
  if (!out.oldest) return out;
  out.spread = std::chrono::duration_cast<std::chrono::seconds>(*out.newest - *out.oldest);
  // Each system's kept backup nearest to the oldest point: systems that tell each other the same
  // story, at the price of some more data.
  Timestamp low{INT64_MAX}, high{INT64_MIN};
  for (const auto* p : out.points) {
    const Candidate* best = nullptr;
    const auto distance = [&](const Candidate& c) {
      const auto d = (c.run.data_time - *out.oldest).count();
      return d < 0 ? -d : d;
    };
    for (const auto& c : p->candidates)
      if (c.kept() && (best == nullptr || distance(c) < distance(*best))) best = &c;
    if (best == nullptr) continue;
    out.aligned.emplace(key(*p), *best);
    low = std::min(low, best->run.data_time);
    high = std::max(high, best->run.data_time);
  }
  out.aligned_spread = std::chrono::duration_cast<std::chrono::seconds>(high - low);
  out.replay_from = low;
  out.replay_to = incident;
  return out;
}

void write_json(JsonWriter& out, const LinkedPoints& s) {
  out.begin_object();
  out.begin_array("order");
  for (const auto* p : s.points) out.value(p->site + "/" + p->asset);
  out.end_array();
  out.field("spread_seconds", s.spread.count());
  out.field("aligned_spread_seconds", s.aligned_spread.count());
  if (s.oldest) out.field("oldest", rfc3339(*s.oldest));
  if (s.newest) out.field("newest", rfc3339(*s.newest));
  if (s.replay_from) {
    out.begin_object("replay");
    out.field("from", rfc3339(*s.replay_from));
    out.field("to", rfc3339(*s.replay_to));
    out.end_object();
  }
  out.begin_object("aligned");
  for (const auto& [asset, c] : s.aligned) {
    out.key_text(asset);
    write_candidate(out, c);
  }
  out.end_object();
  write_texts(out, "without_point", s.without);
  out.begin_array("points");
  for (const auto* p : s.points) write_json(out, *p);
  out.end_array();
  out.end_object();
}

Result<void, Problem> save_indicator(ControlDb& control, const IncidentIndicator& i) {
  return control.write([&](sql::Database& db) {
    db.prepare(
          "INSERT INTO incident_indicator VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12) ON "
          "CONFLICT "
          "DO UPDATE SET state=excluded.state, decided_by=excluded.decided_by, "
          "decided_at=excluded.decided_at, note=excluded.note, offset_us=excluded.offset_us")
        .with(i.id, i.incident, i.time.us, i.site, i.entity, i.source, i.confidence,
              i.offset_known || i.offset.count() != 0 ? i.offset.count() : INT64_MIN, i.state,
              i.decided_by, i.decided_at.us, i.note)
        .run();
  });
}

std::vector<IncidentIndicator> indicators_of(const ControlDb& control, std::string_view incident) {
  std::vector<IncidentIndicator> out;
  const auto done = control.read([&](sql::Database& db) {
    auto s = db.prepare(
        "SELECT id, incident, time, site, entity, source, confidence, offset_us, state, "
        "decided_by, "
        "decided_at, note FROM incident_indicator WHERE incident=?1 ORDER BY time");
    s.bind(incident);
    while (s.step()) {
      IncidentIndicator i;
      std::int64_t offset = 0;
      s.into(i.id, i.incident, i.time.us, i.site, i.entity, i.source, i.confidence, offset, i.state,
             i.decided_by, i.decided_at.us, i.note);
      i.offset_known = offset != INT64_MIN;
      i.offset = std::chrono::microseconds(i.offset_known ? offset : 0);
      out.push_back(std::move(i));
    }
  });
  if (!done) out.clear();
  return out;
}

Result<void, Problem> save_verdict(ControlDb& control, const RestorePoint& p) {
  std::string doc;
  JsonWriter w(doc);
  write_json(w, p);
  return control.write([&](sql::Database& db) {
    db.prepare("INSERT INTO restore_verdict VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")
        .with(p.id, p.incident, p.site, p.asset, p.at.us, p.author, p.cause, name(p.verdict),
              p.chosen ? p.chosen->run.snapshot : std::string(),
              p.chosen ? p.chosen->run.data_time.us : std::int64_t{0}, doc)
        .run();
  });
}

std::vector<VerdictRow> verdicts(const ControlDb& control, std::string_view incident,
                                 std::string_view site, std::string_view asset,
                                 std::uint32_t limit) {
  std::vector<VerdictRow> out;
  const auto done = control.read([&](sql::Database& db) {
    auto s = db.prepare_once("SELECT " + std::string(verdict_columns) +
                             " FROM restore_verdict WHERE incident=?1 AND (?2='' OR site=?2) AND "
                             "(?3='' OR asset=?3) ORDER BY at DESC, id DESC LIMIT ?4");
    s.with(incident, site, asset, std::int64_t{limit});
    while (s.step()) out.push_back(read_verdict(s));
  });
  if (!done) out.clear();
  return out;
}

std::vector<VerdictRow> latest_verdicts(const ControlDb& control) {
  std::vector<VerdictRow> out;
  const auto done = control.read([&](sql::Database& db) {
    auto s =
        db.prepare_once("SELECT " + std::string(verdict_columns) +
                        " FROM restore_verdict v WHERE id=(SELECT max(id) FROM restore_verdict x "
                        "WHERE x.site=v.site AND x.asset=v.asset) LIMIT 2000");
    while (s.step()) out.push_back(read_verdict(s));
  });
  if (!done) out.clear();
  return out;
}

}  // namespace ww::collector
