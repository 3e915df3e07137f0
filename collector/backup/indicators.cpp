#include "collector/backup/indicators.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace ww::collector {
namespace {

constexpr std::array<IndicatorInfo, 26> infos{{
    {"bk-01", "Backup: burst of changed files", Level::high, "T1486"},
    {"bk-02", "Backup: jump in the size of changes", Level::medium, "T1486"},
    {"bk-03", "Backup: new data does not deduplicate or compress any more", Level::high, "T1486"},
    {"bk-04", "Backup: contents look encrypted", Level::high, "T1486"},
    {"bk-05", "Backup: wave of renamed files", Level::high, "T1486"},
    {"bk-06", "Backup: much smaller than before", Level::high, "T1485"},
    {"bk-07", "Backup: copies removed or retention shortened", Level::critical, "T1490"},
    {"bk-08", "Backup: job, schedule or selection changed", Level::high, "T1490"},
    {"bk-09", "Backup: repository, key or password changed", Level::critical, "T1490"},
    {"bk-10", "Backup: new client of the repository", Level::high, "T1078"},
    {"bk-11", "Backup: catalogue or shadow copies deleted", Level::critical, "T1490"},
    {"bk-12", "Backup: run missed, idle or far too long", Level::medium, ""},
    {"bk-13", "Backup: integrity check failed", Level::high, "T1485"},
    {"bk-14", "Backup: snapshot times cannot be right", Level::high, "T1070.006"},
    {"bk-15", "Backup: restore that nobody announced", Level::high, "T1530"},
    {"bk-16", "Backup: same anomaly at several sites", Level::critical, "T1486"},
    {"backup-failed", "Backup failed", Level::high, ""},
    {"backup-never-ran", "Backup never ran", Level::high, ""},
    {"backup-unknown", "Backup state unknown: its probe does not see it", Level::high, ""},
    {"backup-warnings", "Backup ends with warnings", Level::low, ""},
    {"backup-lock", "Backup repository: lock left behind", Level::medium, ""},
    {"backup-disk-full", "Backup repository: disk is full", Level::high, ""},
    {"backup-rpo", "Backup older than its target", Level::high, ""},
    {"backup-not-verified", "Backup not verified for too long", Level::low, ""},
    {"backup-restore-failed", "Restore test failed", Level::high, ""},
    {"backup-restore-overdue", "Restore test overdue", Level::low, ""},
}};

constexpr double z_limit = 6;
constexpr auto clock_tolerance = std::chrono::minutes(5);
constexpr auto order_tolerance = std::chrono::seconds(60);
constexpr auto signal_memory = std::chrono::hours(24 * 30);

bool weekend(Timestamp t) {
  const auto day = t.us / 86'400'000'000;
  const auto weekday = (day + 3) % 7;
  return weekday >= 5;
}

std::optional<double> ratio(const std::optional<std::int64_t>& a,
                            const std::optional<std::int64_t>& b) {
  if (!a || !b || *b <= 0) return {};
  return static_cast<double>(*a) / static_cast<double>(*b);
}
std::optional<double> change_ratio(const BackupRun& r) {
  return ratio(r.files_changed, r.files_total);
}
std::optional<double> stored_ratio(const BackupRun& r) {
  return ratio(r.bytes_stored, r.bytes_added);
}
std::optional<double> as_real(const std::optional<std::int64_t>& v) {
  if (!v) return {};
  return static_cast<double>(*v);
}
std::optional<double> duration(const BackupRun& r) {
  if (r.started.us == 0 || r.finished < r.started || r.finished.us == 0) return {};
  return static_cast<double>((r.finished - r.started).count()) / 1e6;
}

bool backup(const BackupRun& r) { return r.status != "signal" && r.status != "missing"; }

std::string percent(double x) { return std::to_string(std::lround(x * 100)) + " %"; }
std::string short_id(const std::string& id) { return id.size() > 12 ? id.substr(0, 12) : id; }
std::string octets(double n) {
  static constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t u = 0;
  while (n >= 1024 && u + 1 < units.size()) {
    n /= 1024;
    ++u;
  }
  return std::to_string(std::lround(n)) + " " + units[u];
}

class Rules {
 public:
  explicit Rules(const JobView& v) : v_(v) {
    for (const auto& r : v.runs)
      if (backup(r) && r.good()) last_good_ = &r;
  }
  std::vector<BackupFinding> run() {
    content();
    shrunken();
    tamper();
    identity();
    clients();
    running();
    integrity();
    clocks();
    unannounced();
    return std::move(out_);
  }

 private:
  void add(std::string_view rule, std::string detail, const std::string& event = {},
           std::string subject = {}, std::optional<Level> level = {}) {
    const auto& info = indicator(rule);
    BackupFinding f;
    f.site = v_.source.site;
    f.asset = v_.source.asset;
    f.job = v_.source.job;
    f.rule = std::string(rule);
    f.subject = std::move(subject);
    f.level = level.value_or(info.level);
    f.title = std::string(info.title);
    f.detail = std::move(detail);
    f.event = event;
    f.opened = f.last = v_.now;
    out_.push_back(std::move(f));
  }
  [[nodiscard]] bool counts(const BackupRun& r) const {
    return backup(r) && r.good() && r.vanished.us == 0 && v_.baseline.since <= r.data_time;
  }

  /// bk-01 to bk-05. A later run is calm because everything is encrypted already, so only contents
  /// measured to be normal (or a person) end bk-01, bk-03 and bk-05.
  void content() {
    for (const std::string_view rule : {"bk-01", "bk-02", "bk-03", "bk-04", "bk-05"}) {
      const BackupRun* flagged = nullptr;
      bool calm = false, measured = false;
      for (const auto& r : v_.runs) {
        if (!counts(r)) continue;
        if (r.flagged(rule)) {
          flagged = &r;
          calm = measured = false;
        } else if (flagged != nullptr) {
          calm = true;
          if (r.entropy && !r.flagged("bk-04")) measured = true;
        }
      }
      if (flagged == nullptr) continue;
      const bool by_itself = rule == "bk-02" || rule == "bk-04" ? calm : measured;
      // Entropy is known only of runs that have changes: a run without says nothing about bk-04.
      if (rule == "bk-04" ? measured : by_itself) continue;
      const bool both = rule == "bk-02" && flagged->flagged("bk-03");
      const bool strongest = (rule == "bk-01" && flagged->flagged("bk-03")) ||
                             (rule == "bk-03" && flagged->flagged("bk-01"));
      add(rule,
          "backup " + short_id(flagged->snapshot) + " of " + rfc3339(flagged->data_time) + ": " +
              figures(rule, *flagged),
          flagged->event, {},
          strongest ? std::optional(Level::critical)
          : both    ? std::optional(Level::high)
                    : std::nullopt);
    }
  }
  [[nodiscard]] std::string figures(std::string_view rule, const BackupRun& r) const {
    const auto at = static_cast<std::size_t>(&r - v_.runs.data());
    const auto p = pattern_before(v_.runs, at, v_.baseline.since);
    if (rule == "bk-01")
      return percent(change_ratio(r).value_or(0)) + " of the files changed, usually " +
             percent(p.change_ratio.median);
    if (rule == "bk-02")
      return octets(as_real(r.bytes_added).value_or(0)) + " are new, usually " +
             octets(p.bytes_added.median);
    if (rule == "bk-03")
      return stored_ratio(r)
                 ? percent(*stored_ratio(r)) + " of the changes had to be stored, usually " +
                       percent(p.stored_ratio.median)
                 : "new data compresses by " +
                       std::to_string(r.compression.value_or(0)).substr(0, 4) + ", usually " +
                       std::to_string(p.compression.median).substr(0, 4);
    if (rule == "bk-04")
      return "changed files have " + std::to_string(r.entropy.value_or(0)).substr(0, 4) +
             " bits an octet, usually " + std::to_string(p.entropy.median).substr(0, 4);
    return std::to_string(r.files_new.value_or(0)) + " files new and " +
           std::to_string(r.files_deleted.value_or(0)) + " gone, one extension leads";
  }

  void shrunken() {
    const BackupRun* newest = nullptr;
    for (const auto& r : v_.runs)
      if (counts(r)) newest = &r;
    if (newest == nullptr || !newest->flagged("bk-06")) return;
    const auto p = pattern_before(v_.runs, static_cast<std::size_t>(newest - v_.runs.data()),
                                  v_.baseline.since);
    add("bk-06",
        "backup " + short_id(newest->snapshot) + " has " +
            octets(as_real(newest->bytes_total).value_or(0)) + " in " +
            std::to_string(newest->files_total.value_or(0)) + " files, usually " +
            octets(p.bytes_total.median) + " in " +
            std::to_string(std::lround(p.files_total.median)) +
            ": data is gone or the selection changed",
        newest->event);
  }

  /// It lay in a repository that had taken the place of the normal one, and the normal one is back:
  /// what is gone with the other was never part of this one.
  [[nodiscard]] bool elsewhere(const BackupRun& r) const {
    return !r.other_repository.empty() && v_.source.repository_id == v_.baseline.repository_id &&
           r.other_repository != v_.source.repository_id;
  }

  /// A removed backup is explained when it was kept as long as promised, or, without a promise,
  /// when a new run pushed the oldest ones out.
  [[nodiscard]] bool expired(const BackupRun& r) const {
    if (v_.retention.count() > 0) return r.data_time + v_.retention <= r.vanished;
    std::size_t gone = 0, fresh = 0, newer = 0;
    for (const auto& x : v_.runs) {
      if (!backup(x) || !x.good()) continue;
      if (x.vanished == r.vanished) ++gone;
      if (x.vanished.us == 0 && x.data_time > r.data_time) ++newer;
      // seen for the first time since the look before the one that missed r
      if (x.first_seen > r.last_seen && x.first_seen <= r.vanished) ++fresh;
    }
    return fresh >= 1 && gone <= fresh + 1 && newer >= 3;
  }

  void tamper() {
    std::string gone, event;
    std::size_t n = 0;
    for (const auto& r : v_.runs) {
      if (!backup(r) || !r.good() || r.vanished.us == 0) continue;
      if (r.vanished <= v_.baseline.vanish_accepted || elsewhere(r) || expired(r)) continue;
      ++n;
      if (n <= 3)
        gone += (gone.empty() ? "" : ", ") + short_id(r.snapshot) + " of " + rfc3339(r.data_time);
      event = r.event;
    }
    if (n > 0)
      add("bk-07",
          std::to_string(n) + (n == 1 ? " backup is" : " backups are") +
              " gone that should still be there: " + gone + (n > 3 ? "..." : ""),
          event, "vanished");
    std::string shorter;
    for (const auto& [key, before] : v_.baseline.policy) {
      const auto it = v_.source.policy.find(key);
      const auto now = it == v_.source.policy.end() ? 0 : it->second;
      if (v_.source.good.us != 0 && now < before)
        shorter += (shorter.empty() ? "" : ", ") + key + " from " + std::to_string(before) +
                   " to " + std::to_string(now);
    }
    if (!shorter.empty())
      add("bk-07", "settings that protect backups were lowered: " + shorter, {}, "policy");
    if (shorter.empty() && !v_.baseline.policy_sha256.empty() && !v_.source.policy_sha256.empty() &&
        v_.baseline.policy_sha256 != v_.source.policy_sha256)
      add("bk-08", "the job's script or configuration is not what it was", {}, "policy");
    for (const auto& r : v_.runs) {
      if (r.status != "signal" || r.data_time <= v_.baseline.signals_accepted ||
          v_.now - r.first_seen > signal_memory)
        continue;
      const std::string_view s = r.code;
      const auto* rule = s == "catalogue_deleted" || s == "shadow_copies_deleted" ? "bk-11"
                         : s == "schedule_changed" || s == "schedule_deleted"     ? "bk-08"
                         : s == "catalogue_damaged"                               ? "bk-13"
                                                                                  : "bk-07";
      add(rule,
          std::string(s) + " at " + rfc3339(r.data_time) + (r.error.empty() ? "" : ": " + r.error),
          r.event, r.code);
    }
    if (last_good_ != nullptr && !last_good_->selection.empty()) {
      const auto& normal =
          v_.baseline.selection.empty() ? first_selection() : v_.baseline.selection;
      if (!normal.empty() && normal != last_good_->selection)
        add("bk-08",
            "backup " + short_id(last_good_->snapshot) +
                " takes or leaves out other paths than before",
            last_good_->event, "selection");
    }
  }
  [[nodiscard]] const std::string& first_selection() const {
    static const std::string none;
    for (const auto& r : v_.runs)
      if (counts(r) && !r.selection.empty()) return r.selection;
    return none;
  }

  void identity() {
    const auto& s = v_.source;
    const auto& b = v_.baseline;
    if (s.status == "failed" && s.code == "wrong_password")
      add("bk-09", "the password or key that always worked is refused: " + s.error, {}, "password");
    if (!b.repository_id.empty() && !s.repository_id.empty() && b.repository_id != s.repository_id)
      add("bk-09",
          "the repository is another one: id " + short_id(s.repository_id) + ", was " +
              short_id(b.repository_id),
          {}, "repository");
    if (!b.keys.empty() && !s.keys.empty() && b.keys != s.keys &&
        b.repository_id == s.repository_id)
      add("bk-09",
          "the keys of the repository changed: " + std::to_string(s.keys.size()) + " now, " +
              std::to_string(b.keys.size()) + " before",
          {}, "keys");
  }

  void clients() {
    std::set<std::string> known = v_.baseline.hosts;
    std::size_t records = 0;
    constexpr std::size_t enough = 3;
    for (const auto& r : v_.runs) {
      if (!backup(r) || r.host.empty()) continue;
      if (records < enough) {
        known.insert(r.host);
      } else if (!known.contains(r.host)) {
        add("bk-10", "host " + r.host + " wrote backup " + short_id(r.snapshot), r.event, r.host);
        known.insert(r.host);
      }
      ++records;
    }
  }

  void running() {
    if (last_good_ == nullptr) return;
    const auto at = static_cast<std::size_t>(last_good_ - v_.runs.data());
    const auto p = pattern_before(v_.runs, at, v_.baseline.since);
    const auto d = duration(*last_good_);
    constexpr double least_seconds = 60;
    if (d && !p.duration.learning() && *d > 3 * p.duration.median && *d > least_seconds)
      add("bk-12",
          "the last run took " + std::to_string(std::lround(*d)) + " s, usually " +
              std::to_string(std::lround(p.duration.median)) + " s",
          last_good_->event, "duration");
    if (last_good_->bytes_added == std::int64_t{0} && !p.bytes_added.learning() &&
        p.bytes_added.median > 0 && p.bytes_added.mad < p.bytes_added.median)
      add("bk-12", "the last run found nothing new, usually " + octets(p.bytes_added.median),
          last_good_->event, "idle");
  }

  void integrity() {
    if (v_.source.integrity == "failed")
      add("bk-13",
          "the check of " + rfc3339(v_.source.integrity_at) + " found errors" +
              (v_.source.code == "damaged" ? ": " + v_.source.error : ""),
          {}, "repository");
    // Of runs the newest verdict counts.
    for (auto r = v_.runs.rbegin(); r != v_.runs.rend(); ++r) {
      if (!backup(*r) || r->integrity.empty() || r->integrity == "unknown") continue;
      if (r->integrity == "failed")
        add("bk-13", "backup " + short_id(r->snapshot) + " did not pass its check", r->event,
            "run");
      return;
    }
  }

  void clocks() {
    for (const auto& r : v_.runs)
      if (backup(r) && r.vanished.us == 0 && r.data_time - v_.now > clock_tolerance) {
        add("bk-14",
            "backup " + short_id(r.snapshot) + " says it is of " + rfc3339(r.data_time) +
                ", which is still to come",
            r.event, "future");
        break;
      }
    // In the order in which they were first seen, times must not go back.
    const BackupRun* newest = nullptr;
    for (const auto& r : v_.runs)
      if (backup(r) && r.good() && r.vanished.us == 0 && r.data_time - v_.now <= clock_tolerance &&
          (newest == nullptr || r.first_seen > newest->first_seen ||
           (r.first_seen == newest->first_seen && r.data_time > newest->data_time)))
        newest = &r;
    if (newest == nullptr) return;
    for (const auto& r : v_.runs)
      if (backup(r) && r.good() && r.first_seen < newest->first_seen &&
          r.data_time - newest->data_time > order_tolerance &&
          r.data_time - v_.now <= clock_tolerance && v_.baseline.since <= r.data_time) {
        add("bk-14",
            "backup " + short_id(newest->snapshot) + " came last but says " +
                rfc3339(newest->data_time) + ", before " + short_id(r.snapshot) + " of " +
                rfc3339(r.data_time) + ": a clock went back",
            newest->event, "back");
        return;
      }
  }

  void unannounced() {
    for (const auto& r : v_.restores) {
      if (r.started <= v_.baseline.restores_accepted) continue;
      constexpr auto near = std::chrono::minutes(30);
      const auto end = r.finished.us != 0 ? r.finished : r.started;
      const bool known = std::any_of(
          v_.known_restores.begin(), v_.known_restores.end(),
          [&](const auto& k) { return r.started <= k.second + near && k.first - end <= near; });
      if (known) continue;
      add("bk-15",
          "a restore began at " + rfc3339(r.started) + (r.host.empty() ? "" : " on " + r.host) +
              (r.user.empty() ? "" : " by " + r.user) + " and belongs to no drill",
          r.event, {});
      return;
    }
  }

  const JobView& v_;
  const BackupRun* last_good_ = nullptr;
  std::vector<BackupFinding> out_;
};

}  // namespace

std::span<const IndicatorInfo> indicator_list() { return infos; }
const IndicatorInfo& indicator(std::string_view id) {
  static constexpr IndicatorInfo other{"backup", "Backup", Level::medium, ""};
  for (const auto& i : infos)
    if (i.id == id) return i;
  return other;
}

JobPattern pattern_before(std::span<const BackupRun> runs, std::size_t at, Timestamp since) {
  std::vector<const BackupRun*> all, same;
  const auto day_class = at < runs.size() && weekend(runs[at].data_time);
  for (std::size_t i = at; i-- > 0 && all.size() < 2 * pattern_records;) {
    const auto& r = runs[i];
    if (!backup(r) || !r.good() || r.data_time < since || !r.flags.empty()) continue;
    if (all.size() < pattern_records) all.push_back(&r);
    if (same.size() < pattern_records && weekend(r.data_time) == day_class) same.push_back(&r);
  }
  const auto& used = same.size() >= least_records ? same : all;
  const auto of = [&](auto value) {
    std::vector<double> v;
    for (const auto* r : used)
      if (const auto x = value(*r)) v.push_back(*x);
    return pattern_of(std::move(v));
  };
  JobPattern p;
  p.records = used.size();
  p.change_ratio = of(change_ratio);
  p.bytes_added = of([](const BackupRun& r) { return as_real(r.bytes_added); });
  p.stored_ratio = of(stored_ratio);
  p.compression = of([](const BackupRun& r) { return r.compression; });
  p.entropy = of([](const BackupRun& r) { return r.entropy; });
  p.bytes_total = of([](const BackupRun& r) { return as_real(r.bytes_total); });
  p.files_total = of([](const BackupRun& r) { return as_real(r.files_total); });
  p.duration = of(duration);
  return p;
}

std::vector<std::string> flags_of(std::span<const BackupRun> runs, std::size_t at,
                                  Timestamp since) {
  std::vector<std::string> out;
  const auto& r = runs[at];
  if (!backup(r) || !r.good() || r.data_time < since) return out;
  const auto p = pattern_before(runs, at, since);
  constexpr double one_percent = 0.01;
  const auto changed = change_ratio(r);
  if (changed && !p.change_ratio.learning() && *changed > 0.2 &&
      p.change_ratio.z(*changed, one_percent) > z_limit)
    out.emplace_back("bk-01");
  const auto added = as_real(r.bytes_added);
  constexpr double least_octets = 65'536;  // so that tiny jobs do not jump at every file
  if (added && !p.bytes_added.learning() &&
      p.bytes_added.z(*added, least_octets / z_limit) > z_limit)
    out.emplace_back("bk-02");
  const auto stored = stored_ratio(r);
  if (stored && added && *added > least_octets && !p.stored_ratio.learning() && *stored > 0.95 &&
      p.stored_ratio.median < 0.7)
    out.emplace_back("bk-03");
  else if (r.compression && !p.compression.learning() && *r.compression < 1.05 &&
           p.compression.median > 1.4 && p.compression.z(*r.compression, 0.02) < -z_limit)
    out.emplace_back("bk-03");
  if (r.entropy && *r.entropy > 7.9 && p.entropy.records >= least_records && p.entropy.median < 7.5)
    out.emplace_back("bk-04");
  else if (r.entropy && *r.entropy > 7.5 && p.entropy.records >= least_records &&
           p.entropy.median < 6.5 && p.entropy.z(*r.entropy, 0.1) > z_limit)
    out.emplace_back("bk-04");  // small files cannot reach 7.9
  const auto fresh = ratio(r.files_new, r.files_total);
  const auto gone = ratio(r.files_deleted, r.files_total);
  if (fresh && gone && *fresh > 0.2 && *gone > 0.2 && std::fabs(*fresh - *gone) < 0.5 * *fresh &&
      r.extension.value_or(0) > 0.8 && p.records >= least_records)
    out.emplace_back("bk-05");
  constexpr double shrunk = 0.7;
  const auto total = as_real(r.bytes_total);
  const auto files = as_real(r.files_total);
  const bool whole = r.level != "incr" && r.level != "diff" && r.level != "log";
  if (whole && !p.learning() &&
      ((total && p.bytes_total.median > 0 && *total < shrunk * p.bytes_total.median) ||
       (files && p.files_total.median > 3 && *files < shrunk * p.files_total.median)))
    out.emplace_back("bk-06");
  return out;
}

std::vector<BackupFinding> job_findings(const JobView& view) { return Rules(view).run(); }

std::vector<BackupFinding> estate_findings(std::span<const BackupFinding> open) {
  std::vector<BackupFinding> out;
  constexpr auto window = std::chrono::hours(1);
  constexpr std::size_t least_sites = 3;
  std::map<std::string, std::vector<const BackupFinding*>> by_rule;
  for (const auto& f : open)
    if (f.rule != "bk-16" && f.rule.starts_with("bk-") && f.rule != "bk-12")
      by_rule[f.rule].push_back(&f);
  for (auto& [rule, list] : by_rule) {
    std::sort(list.begin(), list.end(),
              [](const auto* a, const auto* b) { return a->opened < b->opened; });
    for (std::size_t i = 0; i < list.size(); ++i) {
      std::set<std::string> sites;
      for (std::size_t k = i; k < list.size() && list[k]->opened - list[i]->opened <= window; ++k)
        sites.insert(list[k]->site);
      if (sites.size() < least_sites) continue;
      BackupFinding f;
      f.rule = "bk-16";
      f.subject = rule;
      f.level = Level::critical;
      f.title = std::string(indicator("bk-16").title);
      f.detail = rule + " (" + std::string(indicator(rule).title) + ") within an hour at";
      for (const auto& s : sites) f.detail += " " + s;
      f.opened = f.last = list.back()->opened;
      out.push_back(std::move(f));
      break;
    }
  }
  return out;
}

}  // namespace ww::collector
