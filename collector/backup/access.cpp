#include "collector/backup/access.hpp"

#include <algorithm>
#include <set>

#include "collector/backup/schedule.hpp"
#include "collector/backup/statistics.hpp"
#include "collector/store/codec.hpp"

namespace ww::collector {
namespace {

constexpr std::int64_t hour_us = 3'600'000'000;
constexpr auto memory = std::chrono::hours(24 * 30), burst_memory = std::chrono::hours(24);
constexpr auto burst_window = std::chrono::minutes(10);
constexpr std::int64_t read_hours = 31 * 24;
constexpr double z_limit = 6;
enum class What : std::uint8_t { login = 1, read = 2 };

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string amount(std::uint64_t octets) {
  constexpr std::uint64_t mebibyte = 1U << 20, gibibyte = 1U << 30;
  return octets >= gibibyte * 10 ? std::to_string(octets / gibibyte) + " GiB"
                                 : std::to_string(octets / mebibyte) + " MiB";
}

BackupFinding finding(const BackupHostSpec& h, std::string_view rule, std::string_view job,
                      std::string subject, std::string title, std::string detail, Level level,
                      const std::string& event, Timestamp now) {
  BackupFinding f;
  f.site = h.site;
  f.asset = h.name;
  f.job = job;
  f.rule = rule;
  f.subject = std::move(subject);
  f.level = level;
  f.title = std::move(title);
  f.detail = std::move(detail);
  f.event = event;
  f.opened = f.last = now;
  return f;
}

std::vector<HostLogin> logins_of(sql::Database& db, const BackupHostSpec& h) {
  std::vector<HostLogin> out;
  auto s = db.prepare(
      "SELECT account, source, how, event, first, last, odd, off_hours, burst_at, accepted, good, "
      "refused, learned FROM backup_login WHERE site=?1 AND host=?2 ORDER BY last DESC");
  s.with(h.site, h.name);
  while (s.step()) {
    HostLogin l{s.copy(0),      s.copy(1),      s.copy(2),      s.copy(3),      {s.integer(4)},
                {s.integer(5)}, {s.integer(6)}, {s.integer(7)}, {s.integer(8)}, {s.integer(9)}};
    l.good = static_cast<std::uint64_t>(s.integer(10));
    l.refused = static_cast<std::uint64_t>(s.integer(11));
    l.learned = s.integer(12) != 0;
    out.push_back(std::move(l));
  }
  return out;
}

void judge_logins(HostAccess& a, Timestamp now) {
  for (const auto& l : a.logins) {
    const auto who = l.account + " from " + l.source;
    const auto fresh = [&](Timestamp t, auto life) {
      return t.us != 0 && t > l.accepted && now - t < life;
    };
    const auto hours = a.spec.hours.empty() ? std::string() : ", people sign in " + a.spec.hours;
    if (fresh(l.odd, memory)) {
      const bool in_hours = !a.spec.hours.empty() && l.off_hours < l.odd;
      a.findings.push_back(
          finding(a.spec, "bk-10", logins_job, "login " + l.account + "@" + l.source,
                  "Backup: new sign-in to a backup server",
                  who + " signed in to " + a.spec.name + " (" + l.how + ") at " + rfc3339(l.odd) +
                      ", which never happened before" + (in_hours ? ", in working hours" : hours),
                  in_hours ? Level::medium : Level::high, l.event, now));
    } else if (fresh(l.off_hours, memory)) {
      auto said = who + " signed in to " + a.spec.name + " (" + l.how + ") at ";
      said += rfc3339(l.off_hours);
      said += hours;
      a.findings.push_back(finding(
          a.spec, "bk-10", logins_job, "hours " + l.account + "@" + l.source,
          "Backup: sign-in to a backup server out of hours", said, Level::medium, l.event, now));
    }
    if (fresh(l.burst_at, burst_memory))
      a.findings.push_back(finding(a.spec, "bk-10", logins_job,
                                   "refused " + l.account + "@" + l.source,
                                   "Backup: sign-ins to a backup server refused in a row",
                                   who + " was refused by " + a.spec.name + " at least " +
                                       std::to_string(BackupAccess::burst_refused) +
                                       " times within ten minutes of " + rfc3339(l.burst_at),
                                   Level::high, l.event, now));
  }
}

/// Hours in which a drill restored from this host, with what it restored.
std::map<std::int64_t, std::uint64_t> drill_hours(const BackupHostSpec& h,
                                                  const std::vector<RestoreCheck>& checks,
                                                  std::int64_t now_hour) {
  std::map<std::int64_t, std::uint64_t> out;
  for (const auto& c : checks) {
    if (c.site != h.site || !c.observed ||
        (!h.assets.empty() &&
         std::find(h.assets.begin(), h.assets.end(), c.asset) == h.assets.end()))
      continue;
    const auto from = c.started.us / hour_us - 1, to = c.finished.us / hour_us + 1;
    for (auto hour = std::max(from, now_hour - 24); hour <= std::min(to, now_hour); ++hour)
      out[hour] += c.octets;
  }
  return out;
}

void judge_reads(sql::Database& db, HostAccess& a, const std::vector<RestoreCheck>& checks,
                 Timestamp now) {
  const auto now_hour = now.us / hour_us;
  std::map<std::string, std::vector<double>> days;  // of a client, before the last 24 hours
  std::vector<double> all;
  std::map<std::string, std::map<std::int64_t, std::uint64_t>> today;
  std::map<std::string, std::uint64_t> month;
  {
    auto s = db.prepare(
        "SELECT client, (?3-hour)/24, sum(octets) FROM backup_read WHERE site=?1 AND host=?2 AND "
        "hour>?4 AND hour<=?3-24 GROUP BY 1, 2");
    s.with(a.spec.site, a.spec.name, now_hour, now_hour - read_hours);
    while (s.step()) {
      days[s.copy(0)].push_back(static_cast<double>(s.integer(2)));
      all.push_back(static_cast<double>(s.integer(2)));
      month[s.copy(0)] += static_cast<std::uint64_t>(s.integer(2));
    }
  }
  {
    auto s = db.prepare(
        "SELECT client, hour, octets FROM backup_read WHERE site=?1 AND host=?2 AND hour>?3-24");
    s.with(a.spec.site, a.spec.name, now_hour);
    while (s.step()) today[s.copy(0)][s.integer(1)] = static_cast<std::uint64_t>(s.integer(2));
  }
  a.read_days = all.size();
  const auto host_pattern = pattern_of(std::move(all));
  const auto drills = drill_hours(a.spec, checks, now_hour);
  auto s = db.prepare(
      "SELECT client, detail, event, first, last, flagged, level, accepted FROM backup_reader "
      "WHERE "
      "site=?1 AND host=?2 ORDER BY last DESC");
  s.with(a.spec.site, a.spec.name);
  while (s.step()) {
    HostReader r{s.copy(0),      s.copy(1),      s.copy(2),     {s.integer(3)},
                 {s.integer(4)}, {s.integer(5)}, {s.integer(7)}};
    r.level = static_cast<Level>(std::clamp<std::int64_t>(s.integer(6), 0, 4));
    std::uint64_t explained = 0, restored = 0;
    for (const auto& [hour, octets] : today[r.client]) {
      r.octets_day += octets;
      if (const auto it = drills.find(hour); it != drills.end()) {
        explained += octets;
        restored = std::max(restored, it->second);
      }
    }
    r.octets_month = month[r.client] + r.octets_day;
    // A restore drill explains what it can have read, not whatever was read at its time.
    const auto unexplained =
        explained <= 2 * restored + a.spec.large_read ? r.octets_day - explained : r.octets_day;
    const auto& own = days[r.client];
    const bool known = !own.empty();
    const auto pattern = own.size() >= least_records ? pattern_of(own) : host_pattern;
    const auto x = static_cast<double>(unexplained);
    const bool odd = !host_pattern.learning() && unexplained > a.spec.large_read &&
                     pattern.z(x, static_cast<double>(a.spec.large_read) / z_limit) > z_limit;
    // What was accepted is not asked about again on the same day.
    if (odd && (r.flagged.us == 0 || now - r.flagged > std::chrono::hours(24)) &&
        (r.accepted.us == 0 || now - r.accepted > std::chrono::hours(24))) {
      r.flagged = now;
      r.level = known ? Level::medium : Level::high;
      r.detail = r.client + " read " + amount(unexplained) + " from " + a.spec.name +
                 " within a day; usual are " + amount(static_cast<std::uint64_t>(pattern.median)) +
                 (known ? "" : ". It never read from it before") +
                 ", and no restore drill explains it";
    }
    if (r.flagged.us != 0 && r.flagged > r.accepted && now - r.flagged < memory)
      a.findings.push_back(finding(a.spec, "bk-15", reads_job, "read " + r.client,
                                   known ? "Backup: large read from a repository"
                                         : "Backup: large read from a repository to a new host",
                                   r.detail, r.level, r.event, now));
    a.readers.push_back(std::move(r));
  }
}

}  // namespace

bool HostAccess::learning_logins() const { return sign_ins < least_records; }
bool HostAccess::learning_reads() const { return read_days < least_records; }

void BackupAccess::set_hosts(const BackupRegister& reg) {
  auto next = std::make_shared<Index>();
  for (const auto& [key, h] : reg.hosts) {
    next->sites.insert(h.site);
    for (const auto& n : h.names) next->names.emplace(std::pair{h.site, n}, h);
    for (const auto& a : h.addresses) next->addresses.emplace(std::pair{h.site, a}, h);
  }
  const std::lock_guard lock(mutex_);
  index_ = std::move(next);
}

void BackupAccess::watch(std::span<const DetectEvent> events, std::string_view module,
                         std::uint8_t kind, Timestamp now, std::vector<ControlRecord>& out) const {
  std::shared_ptr<const Index> index;
  {
    const std::lock_guard lock(mutex_);
    index = index_;
  }
  if (!index || (index->names.empty() && index->addresses.empty())) return;
  thread_local AccessReader reader;
  struct Login {
    BackupLogin login;
    std::uint64_t good = 0, refused = 0;
    Timestamp at;
    bool off_hours = false;
    std::string event;
  };
  struct Read {
    std::uint64_t octets = 0, flows = 0;
    std::string event;
  };
  std::map<std::pair<std::pair<std::string, std::string>, std::pair<std::string, std::string>>,
           Login>
      logins;
  std::map<std::pair<std::pair<std::string, std::string>, std::pair<std::string, std::int64_t>>,
           Read>
      reads;
  for (const auto& e : events) {
    if (!e.drill_run.empty() || (e.type != "log" && e.type != "flow")) continue;
    const std::string site(e.site);
    if (!index->sites.contains(site)) continue;
    if (e.type == "log" && !index->names.empty()) {
      const auto* f = reader.read(e.json);
      if (f == nullptr || f->host.empty()) continue;
      auto name = lower(f->host);
      auto it = index->names.find({site, name});
      if (it == index->names.end()) it = index->names.find({site, name.substr(0, name.find('.'))});
      if (it == index->names.end()) continue;
      const auto l = login_of(*f);
      if (!l) continue;
      auto& sum = logins[{{site, it->second.name}, {l->account, l->source}}];
      sum.login = *l;
      ++(l->good ? sum.good : sum.refused);
      sum.at = std::max(sum.at, std::min(e.time, now));
      if (l->good && !it->second.hours.empty() && !window_end(it->second.window, e.time))
        sum.off_hours = true;
      sum.event = e.id;
    } else if (e.type == "flow" && !index->addresses.empty()) {
      const auto* f = reader.read(e.json);
      if (f == nullptr) continue;
      auto it = index->addresses.find({site, f->dest_ip});
      const bool serves = it != index->addresses.end();
      if (!serves) it = index->addresses.find({site, f->src_ip});
      if (it == index->addresses.end()) continue;
      const auto octets = serves ? f->to_client : f->to_server;
      const auto& client = serves ? f->src_ip : f->dest_ip;
      // Between addresses of the same host nothing leaves it.
      const auto& own = it->second.addresses;
      if (octets == 0 || client.empty() || std::find(own.begin(), own.end(), client) != own.end())
        continue;
      const auto hour = std::min(e.time, now).us / hour_us;
      if (hour < now.us / hour_us - read_hours) continue;
      auto& sum = reads[{{site, it->second.name}, {client, hour}}];
      sum.octets += std::min<std::uint64_t>(octets, 1ULL << 50);
      ++sum.flows;
      sum.event = e.id;
    }
  }
  const auto begin = [&](What what, const auto& host) {
    Encoder r;
    r.u8(kind);
    r.u8(static_cast<std::uint8_t>(what));
    r.i64(now.us);
    r.text(host.first);
    r.text(host.second);
    return r;
  };
  for (const auto& [key, l] : logins) {
    auto r = begin(What::login, key.first);
    r.i64(l.at.us);
    r.text(l.login.account);
    r.text(l.login.source);
    r.text(l.login.how);
    r.i64(static_cast<std::int64_t>(l.good));
    r.i64(static_cast<std::int64_t>(l.refused));
    r.u8(l.off_hours ? 1 : 0);
    r.text(l.event);
    out.push_back({std::string(module), r.take()});
  }
  for (const auto& [key, x] : reads) {
    auto r = begin(What::read, key.first);
    r.text(key.second.first);
    r.i64(key.second.second);
    r.i64(static_cast<std::int64_t>(x.octets));
    r.i64(static_cast<std::int64_t>(x.flows));
    r.text(x.event);
    out.push_back({std::string(module), r.take()});
  }
}

/// Counts stay far from where SQLite's sums overflow, which would break the whole commit, whatever
/// an event or a damaged record says. 64 TiB an hour is more than a link of 100 Gbit/s carries.
static constexpr std::int64_t most_counted = std::int64_t{1} << 46;
static std::int64_t told(std::int64_t n) { return std::clamp<std::int64_t>(n, 0, most_counted); }

bool BackupAccess::apply(sql::Database& db, std::string_view record) {
  Decoder in(record);
  const auto what = static_cast<What>(in.u8());
  const auto now = in.i64();
  const auto site = in.text();
  const auto host = in.text();
  const auto first_of = [&](const char* sql, auto... values) {
    auto s = db.prepare(sql);
    s.with(site, host, values...);
    return s.step() ? s.integer(0) : 0;
  };
  if (what == What::login) {
    const auto at = in.i64();
    const auto account = in.text();
    const auto source = in.text();
    const auto how = in.text();
    const auto good = told(in.i64());
    const auto refused = told(in.i64());
    const bool off_hours = in.u8() != 0;
    const auto event = in.text();
    if (!in.ok()) return false;
    const bool there = first_of(
                           "SELECT count(*) FROM backup_login WHERE site=?1 AND host=?2 AND "
                           "account=?3 AND source=?4",
                           account, source) > 0;
    const auto pairs = first_of("SELECT count(*) FROM backup_login WHERE site=?1 AND host=?2");
    if (!there && static_cast<std::size_t>(pairs) >= max_pairs) {
      // A stranger who tries names must not push out what is known: the oldest that was only
      // refused goes.
      db.prepare(
            "DELETE FROM backup_login WHERE (site, host, account, source) IN (SELECT site, host, "
            "account, source FROM backup_login WHERE "
            "site=?1 AND host=?2 AND good=0 ORDER BY last LIMIT 1)")
          .with(site, host)
          .run();
      if (db.changes() == 0) return true;
    }
    const auto signed_in =
        first_of("SELECT coalesce(sum(good),0) FROM backup_login WHERE site=?1 AND host=?2");
    const bool learning = signed_in < static_cast<std::int64_t>(least_records);
    const bool known = first_of(
                           "SELECT coalesce(sum(good),0) FROM backup_login WHERE site=?1 AND "
                           "host=?2 AND account=?3 AND source=?4",
                           account, source) > 0;
    const auto odd = good > 0 && !known && !learning ? at : 0;
    db.prepare(
          "INSERT INTO backup_login VALUES(?1,?2,?3,?4,?5,?6,?6,?7,?8,?8,?6,?9,?10,?11,0,0,?12) ON "
          "CONFLICT DO UPDATE SET "
          "how=excluded.how, last=max(last, excluded.last), "
          "good=min(good+excluded.good, ?14), refused=min(refused+excluded.refused, ?14),"
          " burst=CASE WHEN excluded.last-burst_from>?13 THEN excluded.burst ELSE "
          "min(burst+excluded.burst, ?14) END,"
          " burst_from=CASE WHEN excluded.last-burst_from>?13 THEN excluded.last ELSE burst_from "
          "END,"
          " learned=max(learned, excluded.learned), odd=max(odd, excluded.odd),"
          " off_hours=max(off_hours, excluded.off_hours), event=excluded.event")
        .with(site, host, account, source, how, at, good, refused,
              std::int64_t{good > 0 && learning}, odd,
              learning || !off_hours ? std::int64_t{0} : at, event,
              std::chrono::duration_cast<std::chrono::microseconds>(burst_window).count(),
              most_counted)
        .run();
    db.prepare(
          "UPDATE backup_login SET burst_at=?5 WHERE site=?1 AND host=?2 AND account=?3 AND "
          "source=?4 AND burst>=?6 AND ?7>0")
        .with(site, host, account, source, at, static_cast<std::int64_t>(burst_refused), refused)
        .run();
    return true;
  }
  if (what != What::read) return false;
  const auto client = in.text();
  const auto hour = in.i64();
  const auto octets = told(in.i64());
  const auto flows = told(in.i64());
  const auto event = in.text();
  if (!in.ok()) return false;
  const bool there =
      first_of("SELECT count(*) FROM backup_reader WHERE site=?1 AND host=?2 AND client=?3",
               client) > 0;
  if (!there && first_of("SELECT count(*) FROM backup_reader WHERE site=?1 AND host=?2") >=
                    static_cast<std::int64_t>(max_pairs))
    return true;
  db.prepare(
        "INSERT INTO backup_read VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT DO UPDATE SET "
        "octets=min(octets+excluded.octets, ?7), flows=min(flows+excluded.flows, ?7)")
      .with(site, host, client, hour, octets, flows, most_counted)
      .run();
  db.prepare(
        "INSERT INTO backup_reader VALUES(?1,?2,?3,?4,?4,0,0,'',0,?5) ON CONFLICT DO UPDATE SET "
        "last=excluded.last, event=excluded.event")
      .with(site, host, client, now, event)
      .run();
  return true;
}

std::vector<HostAccess> BackupAccess::look(sql::Database& db, const BackupRegister& reg,
                                           const std::vector<RestoreCheck>& checks, Timestamp now) {
  std::vector<HostAccess> out;
  for (const auto& [key, spec] : reg.hosts) {
    HostAccess a;
    a.spec = spec;
    a.logins = logins_of(db, spec);
    for (const auto& l : a.logins) a.sign_ins += l.good;
    judge_logins(a, now);
    judge_reads(db, a, checks, now);
    if (a.logins.size() > max_listed) a.logins.resize(max_listed);
    out.push_back(std::move(a));
  }
  return out;
}

void BackupAccess::keep(sql::Database& db, const std::vector<HostAccess>& hosts) {
  for (const auto& h : hosts)
    for (const auto& r : h.readers)
      if (r.flagged.us != 0)
        db.prepare(
              "UPDATE backup_reader SET flagged=?4, level=?5, detail=?6 WHERE site=?1 AND host=?2 "
              "AND client=?3 AND flagged<?4")
            .with(h.spec.site, h.spec.name, r.client, r.flagged.us,
                  static_cast<std::int64_t>(r.level), r.detail)
            .run();
}

bool BackupAccess::accept(sql::Database& db, const BackupFinding& f, Timestamp now) {
  const auto space = f.subject.find(' ');
  if (space == std::string::npos) return false;
  const auto rest = f.subject.substr(space + 1);
  if (f.job == reads_job) {
    db.prepare("UPDATE backup_reader SET accepted=?4 WHERE site=?1 AND host=?2 AND client=?3")
        .with(f.site, f.asset, rest, now.us)
        .run();
    return true;
  }
  if (f.job != logins_job) return false;
  const auto at = rest.rfind('@');
  if (at == std::string::npos) return false;
  db.prepare(
        "UPDATE backup_login SET accepted=?5, learned=1 WHERE site=?1 AND host=?2 AND account=?3 "
        "AND source=?4")
      .with(f.site, f.asset, rest.substr(0, at), rest.substr(at + 1), now.us)
      .run();
  return true;
}

void BackupAccess::prune(sql::Database& db, Timestamp now) {
  db.prepare("DELETE FROM backup_read WHERE hour<?1").bind(now.us / hour_us - read_hours).run();
  // Who was only refused is forgotten after a month; who was let in is known for a year.
  db.prepare("DELETE FROM backup_login WHERE (good=0 AND last<?1) OR last<?2")
      .with(now.us - 30 * 24 * hour_us, now.us - 400 * 24 * hour_us)
      .run();
  db.prepare("DELETE FROM backup_reader WHERE last<?1").bind(now.us - 400 * 24 * hour_us).run();
}

void write_json(JsonWriter& out, const HostAccess& h) {
  out.begin_object();
  out.key("host");
  write_json(out, h.spec);
  out.field("sign_ins", h.sign_ins);
  out.field("learning_sign_ins", h.learning_logins());
  out.field("learning_reads", h.learning_reads());
  const auto time = [&](std::string_view key, Timestamp t) {
    if (t.us != 0) out.field(key, rfc3339(t));
  };
  out.begin_array("accounts");
  for (const auto& l : h.logins) {
    out.begin_object();
    out.field("account", l.account);
    out.field("source", l.source);
    out.field("how", l.how);
    out.field("good", l.good);
    out.field("refused", l.refused);
    out.field("learned", l.learned);
    time("first", l.first);
    time("last", l.last);
    out.end_object();
  }
  out.end_array();
  out.begin_array("readers");
  for (const auto& r : h.readers) {
    out.begin_object();
    out.field("client", r.client);
    out.field("octets_day", r.octets_day);
    out.field("octets_month", r.octets_month);
    time("first", r.first);
    time("last", r.last);
    out.end_object();
  }
  out.end_array();
  out.begin_array("findings");
  for (const auto& f : h.findings) {
    out.begin_object();
    if (!f.id.empty()) out.field("id", f.id);
    out.field("rule", f.rule);
    out.field("level", name(f.level));
    out.field("title", f.title);
    out.field("detail", f.detail);
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

}  // namespace ww::collector
