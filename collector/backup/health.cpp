#include "collector/backup/health.hpp"

#include <algorithm>
#include <array>

#include "collector/backup/schedule.hpp"

namespace ww::collector {
namespace {

constexpr std::array<std::string_view, 9> state_names{
    "failed",         "restore_failed", "never_ran", "late", "unknown",
    "out_of_pattern", "not_verified",   "warnings",  "ok"};
constexpr auto least_silence = std::chrono::seconds(60);

std::chrono::seconds seconds_between(Timestamp a, Timestamp b) {
  return std::chrono::duration_cast<std::chrono::seconds>(b - a);
}

std::string span_text(std::chrono::seconds s) {
  const auto n = s.count();
  if (n < 120) return std::to_string(n) + " s";
  if (n < 7200) return std::to_string(n / 60) + " min";
  if (n < 2 * 86'400) return std::to_string(n / 3600) + " h";
  return std::to_string(n / 86'400) + " d";
}

bool is_backup(const BackupRun& r) { return r.status != "signal"; }

class AssetLook {
 public:
  AssetLook(const AssetInput& in, Timestamp now) : in_(in), now_(now) { out_.spec = in.spec; }

  AssetHealth run() {
    for (std::size_t i = 0; i < in_.jobs.size(); ++i) seen_job(i);
    for (const auto& spec : in_.spec.jobs) {
      const bool seen = std::any_of(in_.jobs.begin(), in_.jobs.end(),
                                    [&](const auto* j) { return j->source.job == spec.name; });
      if (!seen) unseen_job(spec);
    }
    restore_tests();
    age_and_rpo();
    verification();
    copy_rule();
    sum_up();
    return std::move(out_);
  }

 private:
  void add(const JobHealth* job, std::string_view rule, std::string detail,
           const std::string& event = {}, std::string subject = {},
           std::optional<Level> level = {}) {
    const auto& info = indicator(rule);
    BackupFinding f;
    f.site = in_.spec.site;
    f.asset = in_.spec.name;
    f.job = job == nullptr ? std::string() : job->spec.name;
    f.rule = std::string(rule);
    f.subject = std::move(subject);
    f.level = level.value_or(info.level);
    f.title = std::string(info.title);
    f.detail = std::move(detail);
    f.event = event;
    f.opened = f.last = now_;
    out_.findings.push_back(std::move(f));
  }

  void unseen_job(const BackupJobSpec& spec) {
    JobHealth h;
    h.spec = spec;
    h.source.site = in_.spec.site;
    h.source.asset = in_.spec.name;
    h.source.job = spec.name;
    h.states = {BackupState::never_ran};
    h.medium = spec.medium;
    h.due = last_due(spec.schedule, now_);
    h.next = next_due(spec.schedule, now_);
    add(&h, "backup-never-ran", "no sensor has ever told of this job");
    out_.jobs.push_back(std::move(h));
  }

  void seen_job(std::size_t n) {
    const auto& rows = *in_.jobs[n];
    const auto& s = rows.source;
    JobHealth h;
    h.source = s;
    h.seen = true;
    h.spec.name = s.job;
    h.spec.schedule = {};
    for (const auto& spec : in_.spec.jobs)
      if (spec.name == s.job) h.spec = spec;
    for (const auto& r : rows.runs) {
      if (!is_backup(r) || r.status == "missing") continue;
      // What says it comes from the future is no evidence that a backup ran.
      if (r.data_time - now_ > std::chrono::minutes(5)) continue;
      h.last_run = r;
      if (r.good()) {
        h.last_good = r;
        if (r.bytes_total) h.sizes.push_back(static_cast<double>(*r.bytes_total));
      }
      if (r.good() && r.vanished.us == 0) {
        ++h.backups;
        h.newest = std::max(h.newest, r.data_time);
      }
    }
    if (h.sizes.size() > pattern_records)
      h.sizes.erase(h.sizes.begin(), h.sizes.end() - static_cast<std::ptrdiff_t>(pattern_records));
    const auto pattern = pattern_before(rows.runs, rows.runs.size(), rows.baseline.since);
    h.records = pattern.records;
    h.learning = pattern.learning();
    h.medium = !h.spec.medium.empty() ? h.spec.medium : s.medium.empty() ? "disk" : s.medium;
    h.offsite = h.spec.offsite.value_or(s.offsite.value_or(false));
    h.offline = h.spec.offline.value_or(s.offline.value_or(false));
    const auto least_lock = now_ + std::chrono::hours(24);
    h.immutable = h.spec.immutable.value_or(false) || s.immutable_until > least_lock ||
                  (h.last_good && h.last_good->immutable_until > least_lock);
    std::vector<std::pair<Timestamp, Timestamp>> known;
    for (const auto& c : in_.checks) known.emplace_back(c.started, c.finished);
    const JobView view{
        s, rows.baseline, rows.runs, in_.restores[n], known, in_.spec.targets.retention, now_};
    const auto first = out_.findings.size();
    for (auto& f : job_findings(view)) out_.findings.push_back(std::move(f));
    job_states(h, first);
    out_.jobs.push_back(std::move(h));
  }

  void job_states(JobHealth& h, std::size_t first_finding) {
    const auto& s = h.source;
    std::vector<BackupState> states;
    const auto found = [&](std::string_view rule) {
      return std::any_of(out_.findings.begin() + static_cast<std::ptrdiff_t>(first_finding),
                         out_.findings.end(), [&](const auto& f) { return f.rule == rule; });
    };
    // Does anybody still look?
    const bool probed = s.looked.us != 0;
    const auto silence = std::max(least_silence, 3 * s.interval);
    const bool silent = probed && now_ - s.looked > silence;
    const bool blind = probed && s.status == "failed";
    if (silent) {
      states.push_back(BackupState::unknown);
      add(&h, "backup-unknown",
          "nothing from sensor " + s.sensor + " about it for " +
              span_text(seconds_between(s.looked, now_)));
    } else if (blind && s.code != "wrong_password") {
      states.push_back(BackupState::unknown);
      add(&h, "backup-unknown", "the probe of sensor " + s.sensor + " cannot look: " + s.error);
    } else if (blind) {
      states.push_back(BackupState::unknown);  // bk-09 says why
    }
    if (s.status == "failed" && s.code == "disk_full") add(&h, "backup-disk-full", s.error);
    if (!silent && s.status == "warning") {
      if (s.code == "locked") {
        add(&h, "backup-lock", s.error);
      } else if (s.code == "disk_full") {
        // The next run cannot succeed: that is a failure now, not a warning.
        add(&h, "backup-disk-full", s.error);
        states.push_back(BackupState::failed);
      } else if (s.code != "damaged" && s.code != "no_backup") {
        add(&h, "backup-warnings", s.error, {}, s.code);
      }
      if (s.code != "no_backup") states.push_back(BackupState::warnings);
    }
    if (!h.last_run) {
      if (!blind) {
        states.push_back(BackupState::never_ran);
        add(&h, "backup-never-ran", "no backup was ever seen");
      }
    } else if (h.last_run->status == "failed" || h.last_run->status == "missing") {
      states.push_back(BackupState::failed);
      add(&h, "backup-failed",
          "the run of " + rfc3339(h.last_run->data_time) + " failed" +
              (h.last_run->error.empty() ? "" : ": " + h.last_run->error),
          h.last_run->event);
      if (h.last_run->code == "disk_full")
        add(&h, "backup-disk-full", h.last_run->error, h.last_run->event);
    } else if (h.last_run->status == "warning") {
      states.push_back(BackupState::warnings);
      add(&h, "backup-warnings",
          "the run of " + rfc3339(h.last_run->data_time) + " ended with warnings" +
              (h.last_run->error.empty() ? "" : ": " + h.last_run->error),
          h.last_run->event);
    } else if (h.last_run->status == "unknown") {
      states.push_back(BackupState::unknown);
    }
    schedule(h, states);
    for (const auto* rule : {"bk-01", "bk-02", "bk-03", "bk-04", "bk-05", "bk-06"})
      if (found(rule)) {
        states.push_back(BackupState::size_out_of_pattern);
        break;
      }
    if (found("bk-13") || found("bk-07") || found("bk-11")) states.push_back(BackupState::failed);
    if (found("bk-09") || found("bk-14")) states.push_back(BackupState::unknown);
    if (found("bk-08") || found("bk-10") || found("bk-12") || found("bk-15"))
      states.push_back(BackupState::warnings);
    if (states.empty()) states.push_back(BackupState::ok);
    finish(states);
    h.states = std::move(states);
    h.valid = h.last_good && h.backups > 0 && s.integrity != "failed" && !blind && !silent &&
              h.medium != "snapshot";
  }

  /// The schedule needs no sensor: a run that is not known of by its time and grace is missed.
  void schedule(JobHealth& h, std::vector<BackupState>& states) {
    const auto& plan = h.spec.schedule;
    if (!plan.known()) return;
    const auto last =
        h.last_good ? std::max({h.last_good->finished, h.last_good->data_time}) : Timestamp{};
    bool missed = false;
    std::string what;
    if (plan.every.count() > 0) {
      h.due = (h.last_good ? last : h.source.first_seen) + plan.every;
      h.next = *h.due;
      missed = now_ - *h.due > plan.grace;
      what = "a run is due every " + span_text(plan.every);
    } else {
      h.due = last_due(plan, now_ + -std::chrono::microseconds(plan.grace));
      h.next = next_due(plan, now_);
      missed = h.due && last < *h.due && h.source.first_seen < *h.due;
      if (h.due) what = "a run was due at " + rfc3339(*h.due);
    }
    if (!missed) return;
    states.push_back(BackupState::late);
    add(&h, "bk-12",
        what + "; the last good one is " +
            (h.last_good ? "of " + rfc3339(h.last_good->data_time) : std::string("not known")) +
            (h.source.looked.us != 0 &&
                     now_ - h.source.looked > std::max(least_silence, 3 * h.source.interval)
                 ? ", and the sensor is silent"
                 : ""),
        {}, "missed");
  }

  static void finish(std::vector<BackupState>& states) {
    std::sort(states.begin(), states.end());
    states.erase(std::unique(states.begin(), states.end()), states.end());
    if (states.size() > 1 && states.back() == BackupState::ok) states.pop_back();
  }

  void restore_tests() {
    std::vector<double> times;
    for (const auto& c : in_.checks) {
      if (c.result == RestoreResult::stopped) continue;
      if (!out_.restore_test) out_.restore_test = c;
      if (c.result == RestoreResult::passed && c.scope == "full") times.push_back(c.rto_seconds());
    }
    if (!times.empty()) out_.measured_rto = pattern_of(std::move(times)).median;
    if (out_.restore_test && out_.restore_test->result == RestoreResult::failed)
      add(nullptr, "backup-restore-failed",
          "the restore of " + rfc3339(out_.restore_test->finished) +
              " failed: " + out_.restore_test->detail);
    const auto every = in_.spec.targets.restore_test_every;
    if (every.count() <= 0 || !in_.spec.declared) return;
    Timestamp last;
    for (const auto& c : in_.checks)
      if (c.result == RestoreResult::passed) last = std::max(last, c.finished);
    for (const auto& j : out_.jobs) last = std::max(last, j.source.restore_tested_at);
    out_.restore_overdue = last.us == 0 || now_ - last > every;
    if (out_.restore_overdue)
      add(nullptr, "backup-restore-overdue",
          last.us == 0 ? "no restore was ever tested; one is asked for every " + span_text(every)
                       : "the last test is " + span_text(seconds_between(last, now_)) +
                             " ago, the target is " + span_text(every));
  }

  void age_and_rpo() {
    for (auto& j : out_.jobs) {
      auto newest = j.newest;
      if (newest.us != 0 && j.source.recoverable_to > newest && j.source.recoverable_to <= now_)
        newest = j.source.recoverable_to;
      if (newest.us == 0) continue;
      j.age = std::max(std::chrono::seconds(0), seconds_between(newest, now_));
      if (j.medium != "snapshot" && (!out_.age || *j.age < *out_.age)) out_.age = j.age;
    }
    const auto rpo = in_.spec.targets.rpo;
    if (rpo.count() <= 0 || !out_.age) return;
    out_.rpo_ratio = static_cast<double>(out_.age->count()) / static_cast<double>(rpo.count());
    if (*out_.rpo_ratio > 1)
      add(nullptr, "backup-rpo",
          "the newest restorable data is " + span_text(*out_.age) + " old, the target is " +
              span_text(rpo));
  }

  void verification() {
    Timestamp last;
    for (const auto& j : out_.jobs) {
      if (j.source.integrity == "passed") last = std::max(last, j.source.integrity_at);
      if (j.last_good && j.last_good->integrity == "passed")
        last = std::max(last, j.last_good->integrity_at);
      if (j.source.immutable_until.us != 0)
        out_.immutable_until =
            std::max(out_.immutable_until.value_or(Timestamp{}), j.source.immutable_until);
    }
    for (const auto& c : in_.checks)
      if (c.result == RestoreResult::passed) last = std::max(last, c.finished);
    if (last.us != 0) out_.verified = last;
    const auto every = in_.spec.targets.verify_every;
    if (every.count() <= 0 || out_.jobs.empty()) return;
    unverified_ = last.us == 0 || now_ - last > every;
    if (unverified_ && in_.spec.declared)
      add(nullptr, "backup-not-verified",
          last.us == 0 ? "nothing has ever checked that it can be read"
                       : "the last check is " + span_text(seconds_between(last, now_)) +
                             " ago, the target is " + span_text(every));
  }

  void copy_rule() {
    auto& r = out_.rule;
    const auto& t = in_.spec.targets;
    std::set<std::string> media{"disk"};  // what is backed up is a copy, too, on disk
    r.copies = 1;
    for (const auto& j : out_.jobs) {
      if (j.source.integrity == "failed") ++r.errors;
      if (!j.valid) continue;
      ++r.copies;
      media.insert(j.medium);
      if (j.offsite) ++r.offsite;
      if (j.immutable || j.offline) ++r.immutable;
    }
    if (out_.restore_test && out_.restore_test->result == RestoreResult::failed) ++r.errors;
    r.media = static_cast<std::uint32_t>(media.size());
    r.enough_copies = r.copies >= t.copies;
    r.enough_media = r.media >= t.media;
    r.enough_offsite = r.offsite >= t.offsite;
    r.enough_immutable = r.immutable >= t.immutable;
    r.no_errors = r.errors == 0 && !unverified_ &&
                  (t.restore_test_every.count() <= 0 || !out_.restore_overdue);
  }

  void sum_up() {
    auto& states = out_.states;
    for (const auto& j : out_.jobs) states.insert(states.end(), j.states.begin(), j.states.end());
    if (out_.jobs.empty()) states.push_back(BackupState::never_ran);
    if (out_.restore_test && out_.restore_test->result == RestoreResult::failed)
      states.push_back(BackupState::restore_failed);
    if (out_.rpo_ratio && *out_.rpo_ratio > 1) states.push_back(BackupState::late);
    if (unverified_) states.push_back(BackupState::not_verified);
    finish(states);
  }

  const AssetInput& in_;
  const Timestamp now_;
  bool unverified_ = false;
  AssetHealth out_;
};

void write_states(JsonWriter& out, const std::vector<BackupState>& states) {
  out.field("state", name(states.front()));
  out.begin_array("states");
  for (const auto s : states) out.value(name(s));
  out.end_array();
}

void time_member(JsonWriter& out, std::string_view key, Timestamp t) {
  if (t.us != 0) out.field(key, rfc3339(t));
}

void write_rule(JsonWriter& out, const CopyRule& r) {
  out.begin_object("rule_32110");
  out.field("copies", r.copies);
  out.field("enough_copies", r.enough_copies);
  out.field("media", r.media);
  out.field("enough_media", r.enough_media);
  out.field("offsite", r.offsite);
  out.field("enough_offsite", r.enough_offsite);
  out.field("immutable", r.immutable);
  out.field("enough_immutable", r.enough_immutable);
  out.field("errors", r.errors);
  out.field("no_errors", r.no_errors);
  out.field("kept", r.kept());
  out.end_object();
}

void write_job(JsonWriter& out, const JobHealth& j) {
  out.begin_object();
  out.field("name", j.spec.name);
  if (j.seen) {
    out.field("tool", j.source.tool);
    if (!j.source.repository.empty()) out.field("repository", j.source.repository);
    out.field("sensor", j.source.sensor);
    time_member(out, "looked", j.source.looked);
    time_member(out, "looked_well", j.source.good);
    if (j.source.looked.us != 0) out.field("look", j.source.status);
    if (!j.source.error.empty()) out.field("error", j.source.error);
    if (!j.source.code.empty()) out.field("error_code", j.source.code);
  }
  write_states(out, j.states);
  if (!j.medium.empty()) out.field("medium", j.medium);
  out.field("offsite", j.offsite);
  out.field("offline", j.offline);
  out.field("immutable", j.immutable);
  out.field("counts_as_copy", j.valid);
  if (j.spec.schedule.known()) out.field("schedule", schedule_text(j.spec.schedule));
  if (j.due) out.field("due", rfc3339(*j.due));
  if (j.next) out.field("next", rfc3339(*j.next));
  if (j.age) out.field("age_seconds", j.age->count());
  out.field("backups", j.backups);
  out.field("records", j.records);
  out.field("learning", j.learning);
  if (!j.source.integrity.empty()) out.field("integrity", j.source.integrity);
  time_member(out, "integrity_at", j.source.integrity_at);
  time_member(out, "immutable_until", j.source.immutable_until);
  if (j.source.free_bytes) out.field("free_bytes", *j.source.free_bytes);
  out.begin_array("sizes");
  for (const auto s : j.sizes) out.value(static_cast<std::uint64_t>(s));
  out.end_array();
  if (j.last_run) {
    out.key("last_run");
    write_json(out, *j.last_run);
  }
  if (j.last_good) {
    out.key("last_good");
    write_json(out, *j.last_good);
  }
  out.end_object();
}

}  // namespace

std::string_view name(BackupState s) { return state_names[static_cast<std::size_t>(s)]; }

AssetHealth asset_health(const AssetInput& input, Timestamp now) {
  return AssetLook(input, now).run();
}

std::vector<ServiceHealth> service_health(const BackupRegister& reg,
                                          std::span<const AssetHealth> assets) {
  std::map<std::string, ServiceHealth> all;
  for (const auto& [n, spec] : reg.services) all[n].spec = spec;
  for (const auto& a : assets) {
    auto& s = all[a.spec.service];
    if (s.spec.name.empty() && !a.spec.service.empty()) s.spec.name = a.spec.service;
    s.assets.push_back(&a);
  }
  std::vector<ServiceHealth> out;
  for (auto& [n, s] : all) {
    if (!s.assets.empty()) {
      s.state = BackupState::ok;
      s.rule = s.assets.front()->rule;
    }
    for (const auto* a : s.assets) {
      s.state = std::min(s.state, a->state());
      const auto& r = a->rule;
      s.rule.copies = std::min(s.rule.copies, r.copies);
      s.rule.media = std::min(s.rule.media, r.media);
      s.rule.offsite = std::min(s.rule.offsite, r.offsite);
      s.rule.immutable = std::min(s.rule.immutable, r.immutable);
      s.rule.errors = std::max(s.rule.errors, r.errors);
      s.rule.enough_copies = s.rule.enough_copies && r.enough_copies;
      s.rule.enough_media = s.rule.enough_media && r.enough_media;
      s.rule.enough_offsite = s.rule.enough_offsite && r.enough_offsite;
      s.rule.enough_immutable = s.rule.enough_immutable && r.enough_immutable;
      s.rule.no_errors = s.rule.no_errors && r.no_errors;
    }
    out.push_back(std::move(s));
  }
  return out;
}

void write_json(JsonWriter& out, const BackupRun& r) {
  out.begin_object();
  out.field("job", r.job);
  out.field("snapshot", r.snapshot);
  if (!r.parent.empty()) out.field("parent", r.parent);
  if (!r.level.empty()) out.field("level", r.level);
  if (!r.repository.empty()) out.field("repository", r.repository);
  out.field("status", r.status);
  if (!r.error.empty()) out.field("error", r.error);
  if (!r.code.empty()) out.field("error_code", r.code);
  time_member(out, "started", r.started);
  time_member(out, "finished", r.finished);
  time_member(out, "data_time", r.data_time);
  const auto number = [&](std::string_view key, const std::optional<std::int64_t>& v) {
    if (v) out.field(key, *v);
  };
  number("bytes_total", r.bytes_total);
  number("bytes_added", r.bytes_added);
  number("bytes_stored", r.bytes_stored);
  number("files_total", r.files_total);
  number("files_new", r.files_new);
  number("files_changed", r.files_changed);
  number("files_deleted", r.files_deleted);
  if (r.entropy) out.field("entropy", *r.entropy);
  if (r.compression) out.field("compression_ratio", *r.compression);
  if (!r.integrity.empty()) out.field("integrity", r.integrity);
  time_member(out, "integrity_at", r.integrity_at);
  time_member(out, "immutable_until", r.immutable_until);
  if (!r.host.empty()) out.field("host", r.host);
  time_member(out, "first_seen", r.first_seen);
  time_member(out, "vanished", r.vanished);
  out.begin_array("flags");
  std::string_view rest = r.flags;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    out.value(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  out.end_array();
  if (!r.event.empty()) out.field("event", r.event);
  out.end_object();
}

void write_json(JsonWriter& out, const BackupFinding& f) {
  out.begin_object();
  if (!f.id.empty()) out.field("id", f.id);
  out.field("site", f.site);
  out.field("asset", f.asset);
  if (!f.job.empty()) out.field("job", f.job);
  out.field("rule", f.rule);
  if (!f.subject.empty()) out.field("subject", f.subject);
  out.field("level", name(f.level));
  out.field("title", f.title);
  out.field("detail", f.detail);
  time_member(out, "opened", f.opened);
  time_member(out, "last", f.last);
  time_member(out, "cleared", f.cleared);
  if (!f.why.empty()) out.field("why", f.why);
  if (!f.accepted_by.empty()) out.field("accepted_by", f.accepted_by);
  if (!f.reason.empty()) out.field("reason", f.reason);
  out.end_object();
}

void write_json(JsonWriter& out, const AssetHealth& a, bool detail) {
  out.begin_object();
  out.field("site", a.spec.site);
  out.field("asset", a.spec.name);
  if (!a.spec.service.empty()) out.field("service", a.spec.service);
  if (!a.spec.title.empty()) out.field("title", a.spec.title);
  if (!a.spec.owner.empty()) out.field("owner", a.spec.owner);
  if (!a.spec.contact.empty()) out.field("contact", a.spec.contact);
  out.field("declared", a.spec.declared);
  write_states(out, a.states);
  const auto& t = a.spec.targets;
  out.begin_object("rpo");
  out.field("target_seconds", t.rpo.count());
  if (a.age) out.field("age_seconds", a.age->count());
  if (a.rpo_ratio) {
    out.field("ratio", *a.rpo_ratio);
    out.field("freshness", *a.rpo_ratio > 1 ? "breach" : *a.rpo_ratio > 0.8 ? "warn" : "good");
  }
  out.end_object();
  out.begin_object("rto");
  if (t.rto.count() > 0) out.field("target_seconds", t.rto.count());
  if (a.measured_rto) out.field("measured_seconds", *a.measured_rto);
  out.end_object();
  write_rule(out, a.rule);
  if (a.verified) out.field("verified_at", rfc3339(*a.verified));
  if (a.immutable_until) out.field("immutable_until", rfc3339(*a.immutable_until));
  out.field("restore_test_overdue", a.restore_overdue);
  if (a.restore_test) {
    out.key("restore_test");
    write_json(out, *a.restore_test);
  }
  out.field("findings_open", a.findings.size());
  if (detail) {
    out.begin_object("targets");
    out.field("copies", t.copies);
    out.field("media", t.media);
    out.field("offsite", t.offsite);
    out.field("immutable", t.immutable);
    out.field("verify_every_seconds", t.verify_every.count());
    out.field("restore_test_every_seconds", t.restore_test_every.count());
    out.field("retention_seconds", t.retention.count());
    out.end_object();
  }
  out.begin_array("jobs");
  for (const auto& j : a.jobs) write_job(out, j);
  out.end_array();
  out.end_object();
}

void write_json(JsonWriter& out, const ServiceHealth& s) {
  out.begin_object();
  out.field("service", s.spec.name);
  if (!s.spec.title.empty()) out.field("title", s.spec.title);
  if (!s.spec.owner.empty()) out.field("owner", s.spec.owner);
  if (!s.spec.contact.empty()) out.field("contact", s.spec.contact);
  if (!s.spec.criticality.empty()) out.field("criticality", s.spec.criticality);
  out.begin_array("linked");
  for (const auto& l : s.spec.linked) out.value(l);
  out.end_array();
  out.field("state", name(s.state));
  out.field("assets", s.assets.size());
  write_rule(out, s.rule);
  out.end_object();
}

}  // namespace ww::collector
