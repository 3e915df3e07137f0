/// Statistics, schedules, indicators, health and the restore point: pure functions on made records.
#include <gtest/gtest.h>

#include "collector/backup/health.hpp"
#include "collector/backup/restore_point.hpp"
#include "collector/backup/schedule.hpp"
#include "collector/backup/statistics.hpp"

namespace ww::collector {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

Timestamp at(std::string_view text) { return *parse_time(text); }
const Timestamp now = at("2026-11-25T12:00:00Z");  // a Wednesday

BackupRun run_of(int nights_ago, std::int64_t files_changed = 10) {
  BackupRun r;
  r.row = 1000 - nights_ago;
  r.job = "nightly";
  r.repository = "/srv/r";
  r.snapshot = "night-" + std::to_string(nights_ago);
  r.status = "success";
  r.level = "snapshot";
  r.data_time = now + -hours(24 * nights_ago + 10);
  r.started = r.data_time;
  r.finished = r.data_time + minutes(10);
  r.first_seen = r.finished;
  r.last_seen = now;
  r.bytes_total = 1'000'000'000 + nights_ago * 1000;
  r.bytes_added = 10'000'000 + nights_ago * 10'000;
  r.bytes_stored = 4'000'000;
  r.files_total = 1000;
  r.files_new = 3;
  r.files_deleted = 2;
  r.files_changed = files_changed;
  r.entropy = 4.5;
  r.compression = 2.5;
  r.host = "db1";
  r.selection = "s";
  return r;
}
std::vector<BackupRun> nights(int n) {
  std::vector<BackupRun> out;
  for (int i = n - 1; i >= 0; --i) out.push_back(run_of(i));
  return out;
}
BackupSource source() {
  BackupSource s;
  s.site = "trust-a";
  s.asset = "pacs";
  s.job = "nightly";
  s.tool = "restic";
  s.sensor = "s1";
  s.repository = "/srv/r";
  s.first_seen = now + -hours(24 * 90);
  s.looked = s.good = now + -minutes(1);
  s.status = "success";
  s.interval = std::chrono::seconds(900);
  s.repository_id = "repo-1";
  s.keys = {"k1"};
  s.integrity = "passed";
  s.integrity_at = now + -hours(2);
  return s;
}
BackupBaseline baseline() {
  BackupBaseline b;
  b.repository_id = "repo-1";
  b.keys = {"k1"};
  return b;
}
BackupAssetSpec asset() {
  BackupAssetSpec a;
  a.site = "trust-a";
  a.name = "pacs";
  a.service = "imaging";
  a.targets.restore_test_every = {};
  BackupJobSpec j;
  j.name = "nightly";
  j.schedule = *parse_schedule("daily 02:00 UTC");
  a.jobs.push_back(j);
  return a;
}
struct Case {
  BackupAssetSpec spec = asset();
  backup_rows::JobRows rows{source(), baseline(), nights(20)};
  std::vector<RestoreCheck> checks;
  std::vector<BackupRestoreSeen> restores;
  Timestamp when = now;

  AssetHealth look() {
    for (std::size_t i = 0; i < rows.runs.size(); ++i) {
      rows.runs[i].flags.clear();
      for (const auto& f : flags_of(rows.runs, i, rows.baseline.since))
        rows.runs[i].flags += (rows.runs[i].flags.empty() ? "" : ",") + f;
    }
    return asset_health({spec, {&rows}, {restores}, checks}, when);
  }
};
bool has(const AssetHealth& h, std::string_view rule, std::string_view subject = "*") {
  return std::any_of(h.findings.begin(), h.findings.end(), [&](const auto& f) {
    return f.rule == rule && (subject == "*" || f.subject == subject);
  });
}
bool in(const AssetHealth& h, BackupState s) {
  return std::find(h.states.begin(), h.states.end(), s) != h.states.end();
}

TEST(Statistics, OneOddNightMovesNothing) {
  const auto p = pattern_of({10, 11, 9, 10, 12, 10, 5000, 10});
  EXPECT_DOUBLE_EQ(p.median, 10);
  EXPECT_FALSE(p.learning());
  EXPECT_GT(p.z(40), 6);
  EXPECT_LT(p.z(11), 2);
  EXPECT_TRUE(pattern_of({1, 2, 3}).learning());
  EXPECT_LT(pattern_of(std::vector<double>(10, 100)).z(110),
            6);  // a constant series has a scale, too
}

TEST(Schedule, ReadsAndComputesLocalTimes) {
  const auto s = parse_schedule("mon-fri 01:30 Europe/London");
  ASSERT_TRUE(s);
  EXPECT_EQ(schedule_text(*s), "mon,tue,wed,thu,fri 01:30 Europe/London");
  // Monday 2026-11-23, before and after half past one.
  EXPECT_EQ(rfc3339(*last_due(*s, at("2026-11-23T01:00:00Z"))), "2026-11-20T01:30:00.000000Z");
  EXPECT_EQ(rfc3339(*last_due(*s, at("2026-11-23T02:00:00Z"))), "2026-11-23T01:30:00.000000Z");
  EXPECT_EQ(rfc3339(*next_due(*s, at("2026-11-20T02:00:00Z"))), "2026-11-23T01:30:00.000000Z");
  // Summer time is an hour ahead.
  EXPECT_EQ(rfc3339(*last_due(*s, at("2026-07-01T12:00:00Z"))), "2026-07-01T00:30:00.000000Z");
  EXPECT_EQ(parse_schedule("15m")->every, minutes(15));
  for (const auto* bad :
       {"", "often", "mon 25:00", "mon 1:30", "mon 01:30 Mars/Base", "mon 01:30 Europe",
        "mon 01:30 /etc/localtime", "mon 01:30 UTC extra", "xyz 01:00", "0h"})
    EXPECT_FALSE(parse_schedule(bad)) << bad;
}

TEST(Health, AQuietJobIsWell) {
  Case c;
  const auto h = c.look();
  EXPECT_EQ(h.state(), BackupState::ok) << name(h.state());
  EXPECT_TRUE(h.findings.empty()) << h.findings.front().rule << h.findings.front().detail;
  EXPECT_FALSE(h.jobs[0].learning);
  EXPECT_EQ(h.jobs[0].backups, 20U);
}

TEST(Health, MissingDataIsNeverGreen) {
  Case c;
  c.rows.runs.clear();
  EXPECT_TRUE(in(c.look(), BackupState::never_ran));
  Case silent;
  silent.rows.source.looked = now + -hours(5);
  auto h = silent.look();
  EXPECT_TRUE(in(h, BackupState::unknown));
  EXPECT_TRUE(has(h, "backup-unknown"));
  EXPECT_FALSE(h.jobs[0].valid);
  Case blind;
  blind.rows.source.status = "failed";
  blind.rows.source.code = "no_repository";
  EXPECT_TRUE(in(blind.look(), BackupState::unknown));
  BackupAssetSpec spec = asset();
  h = asset_health({spec, {}, {}, {}}, now);  // registered, never heard of
  EXPECT_EQ(h.state(), BackupState::never_ran);
  EXPECT_TRUE(has(h, "backup-never-ran"));
}

TEST(Health, MissedBySchedule) {
  Case c;
  c.rows.runs.pop_back();
  c.rows.runs.pop_back();
  auto h = c.look();
  EXPECT_TRUE(in(h, BackupState::late));
  EXPECT_TRUE(has(h, "bk-12", "missed"));
  EXPECT_TRUE(has(h, "backup-rpo"));
  // Within its grace it is not late.
  Case early;
  early.rows.runs.pop_back();
  early.when = at("2026-11-25T03:00:00Z");
  early.rows.source.looked = early.when;
  EXPECT_FALSE(has(early.look(), "bk-12", "missed"));
}

TEST(Health, FailedWarningsVerifiedAndRestoreTests) {
  Case c;
  c.rows.runs.back().status = "failed";
  c.rows.runs.back().error = "x";
  EXPECT_EQ(c.look().state(), BackupState::failed);
  c.rows.runs.back().status = "warning";
  EXPECT_EQ(c.look().state(), BackupState::warnings);
  Case v;
  v.rows.source.integrity_at = now + -hours(24 * 30);
  EXPECT_TRUE(in(v.look(), BackupState::not_verified));
  Case r;
  RestoreCheck check;
  check.result = RestoreResult::failed;
  check.started = now + -hours(3);
  check.finished = now + -hours(2);
  r.checks = {check};
  EXPECT_TRUE(in(r.look(), BackupState::restore_failed));
  r.checks[0].result = RestoreResult::passed;
  auto h = r.look();
  EXPECT_EQ(h.state(), BackupState::ok);
  EXPECT_DOUBLE_EQ(*h.measured_rto, 3600);
  r.spec.targets.restore_test_every = hours(1);
  EXPECT_TRUE(has(r.look(), "backup-restore-overdue"));
}

TEST(Health, ThreeTwoOneOneZero) {
  Case c;
  EXPECT_FALSE(c.look().rule.kept());
  auto off = c.rows;
  off.source.job = "offsite";
  off.source.medium = "object";
  off.source.offsite = true;
  off.source.immutable_until = now + hours(24 * 30);
  auto h = asset_health({c.spec, {&c.rows, &off}, {{}, {}}, {}}, now);
  EXPECT_EQ(h.rule.copies, 3U);
  EXPECT_TRUE(h.rule.kept());
  off.source.medium = "snapshot";  // the same storage is no copy
  h = asset_health({c.spec, {&c.rows, &off}, {{}, {}}, {}}, now);
  EXPECT_EQ(h.rule.copies, 2U);
  EXPECT_FALSE(h.rule.kept());
}

TEST(Indicators, ContentLearnsThenTells) {
  Case c;
  auto& last = c.rows.runs.back();
  last.files_changed = 900;
  last.bytes_added = 900'000'000;
  last.bytes_stored = 890'000'000;
  last.entropy = 7.98;
  last.compression = 1.01;
  auto h = c.look();
  for (const auto* rule : {"bk-01", "bk-02", "bk-03", "bk-04"}) EXPECT_TRUE(has(h, rule)) << rule;
  EXPECT_TRUE(in(h, BackupState::size_out_of_pattern));
  for (const auto& f : h.findings) {
    if (f.rule == "bk-01") {
      EXPECT_EQ(f.level, Level::critical);  // with bk-03 the strongest sign
    }
  }
  Case young;
  young.rows.runs.erase(young.rows.runs.begin(), young.rows.runs.begin() + 14);
  young.rows.runs.back() = last;
  h = young.look();
  EXPECT_TRUE(h.jobs[0].learning);
  EXPECT_FALSE(has(h, "bk-01"));
}

TEST(Indicators, ACalmNightAfterEncryptionIsNoProofOfHealth) {
  Case c;
  auto& hit = c.rows.runs[c.rows.runs.size() - 2];
  hit.files_changed = 900;
  hit.entropy = 7.98;
  auto& last = c.rows.runs.back();
  last.entropy.reset();
  EXPECT_TRUE(has(c.look(), "bk-01"));
  EXPECT_TRUE(has(c.look(), "bk-04"));
  last.entropy = 4.4;  // contents were measured and are normal
  EXPECT_FALSE(has(c.look(), "bk-01"));
  EXPECT_FALSE(has(c.look(), "bk-04"));
}

TEST(Indicators, RenameWaveAndShrinking) {
  Case c;
  auto& last = c.rows.runs.back();
  last.files_new = 800;
  last.files_deleted = 790;
  last.extension = 0.99;
  EXPECT_TRUE(has(c.look(), "bk-05"));
  Case s;
  s.rows.runs.back().files_total = 300;
  EXPECT_TRUE(has(s.look(), "bk-06"));
  s.rows.runs.push_back(run_of(0));
  EXPECT_FALSE(has(s.look(), "bk-06"));
  s.rows.runs.back().level = "incr";  // an increment is small by nature
  s.rows.runs.back().bytes_total = 10;
  EXPECT_FALSE(has(s.look(), "bk-06"));
}

TEST(Indicators, VanishedCopiesAreTamperingUnlessTheyExpired) {
  Case c;
  c.rows.runs[10].vanished = now;
  EXPECT_TRUE(has(c.look(), "bk-07", "vanished"));
  c.rows.baseline.vanish_accepted = now;
  EXPECT_FALSE(has(c.look(), "bk-07"));
  Case expired;
  expired.spec.targets.retention = hours(24 * 5);
  expired.rows.runs[3].vanished = now;
  EXPECT_FALSE(has(expired.look(), "bk-07"));
  expired.rows.runs[18].vanished = now;
  EXPECT_TRUE(has(expired.look(), "bk-07", "vanished"));
  // What is gone cannot be restored: the age is that of the newest still there.
  Case newest;
  newest.rows.runs.back().vanished = now;
  EXPECT_EQ(*newest.look().age, hours(34));
  // Without a promise: a new run pushes the oldest out.
  Case rotation;
  rotation.rows.runs.front().last_seen = now + -hours(12);
  rotation.rows.runs.front().vanished = now + -minutes(1);
  rotation.rows.runs.back().first_seen = now + -hours(1);
  EXPECT_FALSE(has(rotation.look(), "bk-07"));
}

TEST(Indicators, PolicyKeysRepositoryClientsAndSignals) {
  Case c;
  c.rows.baseline.policy = {{"keep-daily", 30}};
  c.rows.source.policy = {{"keep-daily", 3}};
  EXPECT_TRUE(has(c.look(), "bk-07", "policy"));
  Case script;
  script.rows.baseline.policy_sha256 = "a";
  script.rows.source.policy_sha256 = "b";
  EXPECT_TRUE(has(script.look(), "bk-08", "policy"));
  Case id;
  id.rows.source.repository_id = "repo-2";
  EXPECT_TRUE(has(id.look(), "bk-09", "repository"));
  Case key;
  key.rows.source.keys = {"k1", "k2"};
  EXPECT_TRUE(has(key.look(), "bk-09", "keys"));
  Case client;
  client.rows.runs.back().host = "laptop";
  EXPECT_TRUE(has(client.look(), "bk-10", "laptop"));
  Case selection;
  selection.rows.runs.back().selection = "t";
  EXPECT_TRUE(has(selection.look(), "bk-08", "selection"));
  Case signal;
  BackupRun s;
  s.status = "signal";
  s.code = "catalogue_deleted";
  s.data_time = s.first_seen = now + -hours(1);
  signal.rows.runs.push_back(s);
  EXPECT_TRUE(has(signal.look(), "bk-11"));
  EXPECT_EQ(signal.look().state(), BackupState::failed);
}

TEST(Indicators, IdleSlowDamagedClockAndUnannouncedRestore) {
  Case idle;
  idle.rows.runs.back().bytes_added = 0;
  EXPECT_TRUE(has(idle.look(), "bk-12", "idle"));
  Case slow;
  slow.rows.runs.back().finished = slow.rows.runs.back().started + hours(2);
  EXPECT_TRUE(has(slow.look(), "bk-12", "duration"));
  Case damaged;
  damaged.rows.source.integrity = "failed";
  EXPECT_TRUE(has(damaged.look(), "bk-13", "repository"));
  Case future;
  future.rows.runs.back().data_time = now + hours(24 * 365);
  auto h = future.look();
  EXPECT_TRUE(has(h, "bk-14", "future"));
  EXPECT_TRUE(in(h, BackupState::late)) << "a backup of next year is none of last night";
  Case back;
  back.rows.runs.insert(back.rows.runs.begin(), run_of(300));
  back.rows.runs.front().first_seen = now;
  EXPECT_TRUE(has(back.look(), "bk-14", "back"));
  Case restore;
  restore.restores.push_back(
      {"nightly", "restic", "x", "host9", "", "success", "", now + -hours(2), now + -hours(1)});
  EXPECT_TRUE(has(restore.look(), "bk-15"));
  RestoreCheck drill;
  drill.result = RestoreResult::passed;
  drill.started = now + -hours(2);
  drill.finished = now + -hours(1);
  restore.checks = {drill};
  EXPECT_FALSE(has(restore.look(), "bk-15"));
}

TEST(Indicators, TheSameAtThreeSitesIsOneStory) {
  std::vector<BackupFinding> open;
  for (const auto* site : {"a", "b", "c"}) {
    BackupFinding f;
    f.site = site;
    f.rule = "bk-01";
    f.opened = now;
    open.push_back(f);
  }
  EXPECT_EQ(estate_findings(open).size(), 1U);
  open[2].opened = now + hours(3);
  EXPECT_TRUE(estate_findings(open).empty());
}

// --- the clean restore point

PointQuestion question() {
  PointQuestion q;
  q.incident = "i";
  q.site = "trust-a";
  q.asset = "pacs";
  q.incident_time = now;
  q.margin = hours(24);
  q.learning = false;
  q.runs = nights(11);
  q.runs.pop_back();  // night-10 to night-1
  q.jobs = {{"nightly", "disk", "/srv/r", false, false, "passed", now}};
  IncidentIndicator i;
  i.id = "first";
  i.time = now + -hours(48);
  i.state = "accepted";
  i.source = "alert";
  i.offset_known = true;
  q.indicators = {i};
  return q;
}

TEST(RestorePoint, NewestBeforeTheWindowWithReasonsForTheRest) {
  const auto q = question();
  const auto p = restore_point(q);
  ASSERT_TRUE(p.chosen);
  // window: 72 h before now; night-n has data of 24 n + 10 h ago: the newest before is night-3.
  EXPECT_EQ(p.chosen->run.snapshot, "night-3");
  EXPECT_EQ(p.verdict, CleanVerdict::clean_candidate);
  EXPECT_EQ(*p.data_loss, hours(82));
  EXPECT_EQ(p.candidates.size(), 10U);
  for (const auto& c : p.candidates)
    EXPECT_EQ(c.kept(), c.run.data_time < *p.window_start) << c.run.snapshot;
  EXPECT_FALSE(p.expected_restore_seconds);
}

TEST(RestorePoint, NeverCleanWithoutASignedRestoreOfExactlyThatBackup) {
  auto q = question();
  RestoreCheck c;
  c.snapshot = "night-3";
  c.result = RestoreResult::passed;
  c.scan = ScanResult::clean;
  c.started = now + -hours(2);
  c.finished = now + -hours(1);
  q.checks = {c};
  EXPECT_EQ(restore_point(q).verdict, CleanVerdict::clean_candidate);
  q.checks[0].signed_by = "ann";
  auto p = restore_point(q);
  EXPECT_EQ(p.verdict, CleanVerdict::clean);
  EXPECT_DOUBLE_EQ(*p.expected_restore_seconds, 3600);
  q.checks[0].scan = ScanResult::not_done;
  EXPECT_EQ(restore_point(q).verdict, CleanVerdict::clean_candidate);
  q.checks[0].scan = ScanResult::found;
  p = restore_point(q);
  EXPECT_EQ(p.chosen->run.snapshot, "night-4");
  q.checks[0].scan = ScanResult::clean;
  q.checks[0].snapshot = "night-9";
  EXPECT_EQ(restore_point(q).verdict, CleanVerdict::clean_candidate);
}

TEST(RestorePoint, DropsFlaggedFailedGoneAndReachable) {
  auto q = question();
  const auto find = [&](const std::string& id) -> BackupRun& {
    for (auto& r : q.runs)
      if (r.snapshot == id) return r;
    return q.runs[0];
  };
  find("night-3").flags = "bk-01,bk-03";
  find("night-4").status = "failed";
  find("night-5").vanished = now;
  find("night-6").integrity = "failed";
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-7");
  q.compromised = {"repository:/srv/r"};
  auto p = restore_point(q);
  EXPECT_FALSE(p.chosen);
  EXPECT_EQ(p.verdict, CleanVerdict::suspect);
  find("night-8").immutable_until = now + hours(24 * 30);
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-8");
}

TEST(RestorePoint, ChainsMustBeWhole) {
  auto q = question();
  for (auto& r : q.runs) {
    r.level = "incr";
    r.parent = "night-" + std::to_string(std::stoi(r.snapshot.substr(6)) + 1);
  }
  q.runs[0].level = "full";  // night-10
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-3");
  q.runs[4].flags = "bk-05";  // night-6: all that build on it go
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-7");
  q.runs[2].vanished = now;  // night-8
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-9");
}

TEST(RestorePoint, AnEarlierSignAndAWrongClockMoveTheWindow) {
  auto q = question();
  auto earlier = q.indicators[0];
  earlier.id = "earlier";
  earlier.time = now + -hours(24 * 4);
  q.indicators.push_back(earlier);
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-5");
  q.indicators[1].offset = hours(24);  // its clock was a day ahead: the true time is a day earlier
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-6");
  q.indicators[1].state = "rejected";
  EXPECT_EQ(restore_point(q).chosen->run.snapshot, "night-3");
  q.indicators[0].state = "proposed";
  const auto p = restore_point(q);
  EXPECT_TRUE(p.provisional);
  EXPECT_EQ(p.verdict, CleanVerdict::unknown);
  EXPECT_TRUE(p.chosen);
  q.indicators.clear();
  EXPECT_EQ(restore_point(q).verdict, CleanVerdict::unknown);
  EXPECT_FALSE(restore_point(q).chosen);
}

TEST(RestorePoint, LinkedSystemsAreBroughtTogether) {
  auto a = question();
  auto b = question();
  b.asset = "pas";
  for (auto& r : b.runs) r.data_time = r.data_time + hours(2);
  b.runs.erase(std::remove_if(b.runs.begin(), b.runs.end(),
                              [](const auto& r) {
                                return r.snapshot == "night-3" || r.snapshot == "night-4";
                              }),
               b.runs.end());
  const std::vector<RestorePoint> points{restore_point(a), restore_point(b)};
  const auto set = link_points(points, {"trust-a/pas"});
  EXPECT_EQ(set.points.front()->asset, "pas");  // directories first
  EXPECT_EQ(set.spread, hours(46));
  EXPECT_EQ(set.aligned_spread, hours(2));
  EXPECT_EQ(set.aligned.at("trust-a/pacs").run.snapshot, "night-5");
  EXPECT_EQ(*set.replay_to, now);
}

}  // namespace
}  // namespace ww::collector
