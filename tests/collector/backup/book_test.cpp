/// The book with the real store, alert book and pipeline: events in, findings and alerts out, and
/// their end.
#include "collector/backup/book.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <future>

#include "collector/ingest/pipeline_local.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

using std::chrono::hours;
constexpr std::int64_t start = 1'795'305'600'000'000;  // 2026-11-22T00:00:00Z

class BackupBookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    clock.set({start});
    open();
  }
  void open() {
    alerts = AlertBook::create(clock);
    book = BackupBook::create({register_file, std::chrono::seconds(3600)}, clock, *alerts);
    StoreOptions options;
    options.folder = folder.path() + "/data";
    options.min_free_octets = 0;
    auto opened = Store::open(options, clock, {alerts->module(), book->module()});
    ASSERT_TRUE(opened) << opened.error().text();
    store = std::move(*opened);
    alerts->attach(store->control());
    book->attach(*store);
    const auto done = book->reload();
    ASSERT_TRUE(done) << done.error().text();
    PipelineOptions p;
    p.watchers = {book.get()};
    pipeline = LocalPipeline::create(p, *store, nullptr, clock);
  }
  void TearDown() override {
    pipeline.reset();
    store.reset();
  }
  void send(const std::vector<std::string>& backups, const std::string& site = "trust-a") {
    Batch batch;
    batch.site = site;
    batch.sensor = "s1";
    batch.source = "ingest";
    batch.received = clock.now();
    for (const auto& b : backups)
      batch.events.push_back({R"({"timestamp":")" + rfc3339(clock.now()) +
                              R"(","event_type":"backup","backup":)" + b + "}"});
    std::promise<CommitAnswer> answered;
    pipeline->submit(std::move(batch), [&](CommitAnswer a) { answered.set_value(std::move(a)); });
    ASSERT_EQ(answered.get_future().get().kind, CommitAnswer::Kind::committed);
    book->look();
  }
  std::string run(const std::string& id, const std::string& more = "") const {
    return R"({"kind":"run","tool":"restic","asset":"pacs","job":"nightly","repository":"/srv/r","snapshot":")" +
           id + R"(","status":"success","level":"snapshot","started":")" +
           rfc3339(clock.now() + -hours(1)) + R"(","bytes_total":1000,"files_total":10)" + more +
           "}";
  }
  std::string inventory(const std::string& ids, const std::string& more = "") const {
    return R"({"kind":"inventory","tool":"restic","asset":"pacs","job":"nightly","repository":"/srv/r","status":"success","repository_id":"r1","interval":900,"snapshots":[)" +
           ids + "]" + more + "}";
  }
  std::vector<Alert> backup_alerts(bool open_only = true) const {
    AlertFilter f;
    f.engines = {EngineKind::backup};
    if (open_only) f.statuses = {AlertStatus::fresh, AlertStatus::acknowledged};
    return alerts->query(f)->alerts;
  }
  bool open_finding(std::string_view rule) const {
    for (const auto& f : book->findings(true, 100))
      if (f.rule == rule) return true;
    return false;
  }

  ww::test::TempFolder folder;
  std::string register_file;
  ManualClock clock;
  std::unique_ptr<AlertBook> alerts;
  std::unique_ptr<BackupBook> book;
  std::unique_ptr<Store> store;
  std::unique_ptr<LocalPipeline> pipeline;
};

TEST_F(BackupBookTest, AFindingComesWithItsAlertOnceAndBothEnd) {
  send({run("a"), run("b"), inventory(R"("a","b")")});
  EXPECT_TRUE(backup_alerts().empty());
  clock.advance(hours(1));
  send({inventory(R"("a","b")", R"(,"integrity":"failed","integrity_at":"2026-11-22T00:30:00Z")")});
  ASSERT_EQ(backup_alerts().size(), 1U);
  const auto alert = backup_alerts().front();
  EXPECT_EQ(alert.rule.id, "bk-13");
  EXPECT_EQ(alert.site, "trust-a");
  ASSERT_EQ(alert.evidence.size(), 1U);
  EXPECT_TRUE(store->event(alert.evidence[0]));  // the look that found it
  book->look();
  book->look();
  EXPECT_EQ(backup_alerts(false).size(), 1U);  // not again
  EXPECT_EQ(alerts->get(alert.id)->count, 1U);
  send({inventory(R"("a","b")", R"(,"integrity":"passed","integrity_at":"2026-11-22T01:30:00Z")")});
  EXPECT_TRUE(backup_alerts().empty());
  const auto closed = alerts->get(alert.id);
  EXPECT_EQ(closed->status, AlertStatus::closed);
  ASSERT_EQ(closed->comments.size(), 1U);
  EXPECT_EQ(closed->comments[0].author, "wardwatch");
  const auto history = book->findings(false, 10);
  ASSERT_EQ(history.size(), 1U);
  EXPECT_NE(history[0].cleared.us, 0);
}

TEST_F(BackupBookTest, SurvivesARestartAndStillClears) {
  send({run("a"), inventory(R"("a")", R"(,"integrity":"failed")")});
  ASSERT_EQ(backup_alerts().size(), 1U);
  pipeline.reset();
  store.reset();
  open();
  book->look();
  EXPECT_EQ(backup_alerts(false).size(), 1U);
  send({inventory(R"("a")", R"(,"integrity":"passed")")});
  EXPECT_TRUE(backup_alerts().empty());
}

TEST_F(BackupBookTest, AVanishedSnapshotComesBackOrIsAccepted) {
  send({run("a"), run("b"), inventory(R"("a","b")")});
  clock.advance(hours(1));
  send({inventory(R"("b")")});
  EXPECT_TRUE(open_finding("bk-07"));
  send({inventory(R"("a","b")")});
  EXPECT_FALSE(open_finding("bk-07"));
  clock.advance(hours(1));
  send({inventory(R"("b")")});
  ASSERT_TRUE(open_finding("bk-07"));
  const auto f = book->findings(true, 1).front();
  EXPECT_FALSE(book->accept(f.id, "ann", "because", ""));
  const auto done = book->accept(f.id, "ann", "planned_change", "ticket 7");
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_FALSE(open_finding("bk-07"));
  book->look();
  EXPECT_FALSE(open_finding("bk-07"));
  EXPECT_TRUE(backup_alerts().empty());
  EXPECT_EQ(backup_alerts(false).front().disposition, Disposition::benign);
}

TEST_F(BackupBookTest, AChangedRepositoryUntilItIsBackOrAccepted) {
  send({run("a"), inventory(R"("a")")});
  auto other = inventory(R"("a")");
  other.replace(other.find("r1"), 2, "r2");
  send({other});
  EXPECT_TRUE(open_finding("bk-09"));
  send({inventory(R"("a")")});
  EXPECT_FALSE(open_finding("bk-09"));
  send({other});
  ASSERT_TRUE(book->accept(book->findings(true, 1).front().id, "ann", "planned_change", ""));
  send({other});
  EXPECT_FALSE(open_finding("bk-09"));
}

TEST_F(BackupBookTest, TheRegisterIsAFileThatTheApiOverrides) {
  register_file = folder.path() + "/register.yaml";
  std::ofstream(register_file)
      << "services:\n  - {name: imaging, owner: Ann}\nassets:\n  - site: trust-a\n    name: pacs\n "
         "   service: imaging\n    targets: {rpo: 4h}\n"
         "    jobs: [{name: nightly, schedule: 'daily 02:00 UTC', grace: 1h}]\n";
  pipeline.reset();
  store.reset();
  open();
  book->look();
  auto b = book->board();
  ASSERT_EQ(b->assets.size(), 1U);
  EXPECT_EQ(b->assets[0].spec.targets.rpo, hours(4));
  EXPECT_EQ(b->assets[0].state(), BackupState::never_ran);
  ASSERT_EQ(b->services.size(), 1U);
  EXPECT_EQ(b->services[0].state, BackupState::never_ran);
  auto spec = b->assets[0].spec;
  spec.targets.rpo = hours(8);
  ASSERT_TRUE(book->put_asset(spec));
  ASSERT_TRUE(book->reload());
  book->look();
  EXPECT_EQ(book->board()->assets[0].spec.targets.rpo,
            hours(8));  // a reload of the file changes nothing of it
  EXPECT_TRUE(*book->drop_asset("trust-a", "pacs"));
  EXPECT_EQ(book->board()->assets[0].spec.targets.rpo, hours(4));
  EXPECT_FALSE(*book->drop_asset("trust-a", "pacs"));
  for (const auto& [yaml, words] : std::initializer_list<std::pair<const char*, const char*>>{
           {"assets:\n  - {site: a, name: b, ownr: x}\n", "ownr"},
           {"assets:\n  - {site: a, name: b, service: none}\n", "not among the services"},
           {"assets:\n  - {site: a, name: b, targets: {rpo: soon}}\n", "rpo"},
           {"assets:\n  - {site: a, name: b, jobs: [{name: n, schedule: 'noon'}]}\n", "schedule"},
           {"asets: []\nx: 1\n", "asets"}}) {
    std::ofstream(register_file) << yaml;
    const auto r = read_register(register_file);
    ASSERT_FALSE(r) << yaml;
    EXPECT_NE(r.error().text().find(words), std::string::npos) << r.error().text();
  }
}

TEST_F(BackupBookTest, RecordsNobodySeesAnyMoreGoAfterALongTime) {
  send({run("a")});
  EXPECT_EQ(book->runs("trust-a", "pacs", "", 10).size(), 1U);
  clock.advance(hours(24 * 401));
  book->look();
  EXPECT_TRUE(book->runs("trust-a", "pacs", "", 10).empty());
}

TEST_F(BackupBookTest, ARunIsJudgedWhenItHasEnded) {
  for (int i = 0; i < 9; ++i) {
    send({run("n" + std::to_string(i), R"(,"files_changed":1)")});
    clock.advance(hours(24));
  }
  auto big = run("big", R"(,"files_changed":9)");
  auto running = big;
  running.replace(running.find("success"), 7, "running");
  send({running});
  EXPECT_FALSE(open_finding("bk-01"));
  send({big});
  EXPECT_TRUE(open_finding("bk-01"));
}

TEST_F(BackupBookTest, MissedRunsAreFoundWithoutAnyEvent) {
  send({run("a"), inventory(R"("a")")});
  auto spec = book->board()->assets[0].spec;
  BackupJobSpec job;
  job.name = "nightly";
  job.schedule.every = hours(24);
  job.schedule.grace = hours(1);
  spec.jobs = {job};
  spec.declared = true;
  ASSERT_TRUE(book->put_asset(spec));
  clock.advance(hours(23));
  book->look();
  EXPECT_FALSE(open_finding("bk-12"));
  clock.advance(hours(3));
  book->look();
  EXPECT_TRUE(open_finding("bk-12"));
  EXPECT_TRUE(open_finding("backup-unknown"));
  const auto runs = book->runs("trust-a", "pacs", "nightly", 10);
  EXPECT_TRUE(
      std::any_of(runs.begin(), runs.end(), [](const auto& r) { return r.status == "missing"; }));
  send({run("b"), inventory(R"("a","b")")});
  EXPECT_FALSE(open_finding("bk-12"));
}

TEST_F(BackupBookTest, HostileAndForeignEventsAreSkippedOrTaken) {
  send(
      {"{}", "7", R"({"asset":""})", R"({"kind":"other","asset":"x"})",
       R"({"kind":"inventory","asset":"x","snapshots":"no","policy":7,"interval":-4,"bytes_total":1e99})",
       R"({"tool":"veeam","asset":"contract-only","status":"success","started":"2026-11-21T22:00:00Z","bytes_total":5})"});
  bool found = false;
  for (const auto& a : book->board()->assets)
    found = found || (a.spec.name == "contract-only" && a.jobs[0].last_good);
  EXPECT_TRUE(found);
}

TEST_F(BackupBookTest, RestorePointIsWorkedOutAgainWhenAnEarlierSignIsAccepted) {
  std::string ids;
  for (int night = 8; night > 0; --night) {
    clock.set({start + -24LL * night * 3'600'000'000});
    const auto id = "n" + std::to_string(night);
    ids += (ids.empty() ? "\"" : ",\"") + id + "\"";
    send({run(id), inventory(ids)});
  }
  clock.set({start});
  const auto incident = alerts->open_incident("ransomware", Level::critical, {}, "ann");
  ASSERT_TRUE(incident);
  auto p = book->point(incident->id, "trust-a", "pacs", hours(24), {}, {}, "ann", "asked");
  ASSERT_TRUE(p);
  EXPECT_EQ(p->verdict, CleanVerdict::unknown);
  IncidentIndicator sign;
  sign.id = "one";
  sign.incident = incident->id;
  sign.time = {start - 3'600'000'000};
  sign.state = "accepted";
  sign.source = "analyst";
  sign.decided_by = "ann";
  EXPECT_EQ(*book->decide(sign), 1U);
  auto history = verdicts(store->control(), incident->id, "trust-a", "pacs");
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].snapshot, "n2");
  EXPECT_EQ(history[0].verdict, "clean_candidate");
  sign.id = "two";
  sign.time = {start - 72LL * 3'600'000'000};
  EXPECT_EQ(*book->decide(sign), 1U);
  history = verdicts(store->control(), incident->id, "trust-a", "pacs");
  ASSERT_EQ(history.size(), 3U);
  EXPECT_EQ(history[0].snapshot, "n4");
  // Asked again, nothing changed: no new verdict.
  p = book->point(incident->id, "trust-a", "pacs", hours(24), {}, {}, "ann", "asked");
  EXPECT_EQ(verdicts(store->control(), incident->id, "", "").size(), 3U);
  RestoreCheck check;
  check.site = "trust-a";
  check.asset = "pacs";
  check.snapshot = "n4";
  check.result = RestoreResult::passed;
  check.scan = ScanResult::clean;
  check.started = {start};
  check.finished = {start + 600'000'000};
  const auto id = record_restore_check(store->control(), check);
  ASSERT_TRUE(id);
  EXPECT_FALSE(sign_restore_check(store->control(), *id, "", {start}, "x"));
  ASSERT_TRUE(sign_restore_check(store->control(), *id, "ann", {start}, "opened and scanned"));
  EXPECT_FALSE(sign_restore_check(store->control(), *id, "bob", {start}, "again"));
  p = book->point(incident->id, "trust-a", "pacs", hours(24), {}, {}, "ann", "signed");
  EXPECT_EQ(p->verdict, CleanVerdict::clean);
  EXPECT_DOUBLE_EQ(*p->expected_restore_seconds, 600);
}

TEST_F(BackupBookTest, RestorePointFollowsWhatHappensToTheBackups) {
  std::vector<std::string> there;
  const auto listed = [&] {
    std::string ids;
    for (const auto& id : there) ids += (ids.empty() ? "\"" : ",\"") + id + "\"";
    return ids;
  };
  for (int night = 9; night > 1; --night) {
    clock.set({start + -24LL * night * 3'600'000'000});
    there.push_back("n" + std::to_string(night));
    send({run(there.back()), inventory(listed())});
  }
  clock.set({start});
  const auto incident = alerts->open_incident("ransomware", Level::critical, {}, "ann");
  ASSERT_TRUE(incident);
  ASSERT_TRUE(
      book->point(incident->id, "trust-a", "pacs", hours(24), {}, {"host:x"}, "ann", "asked"));
  IncidentIndicator sign;
  sign.id = "one";
  sign.incident = incident->id;
  sign.time = {start};
  sign.state = "accepted";
  sign.decided_by = "ann";
  ASSERT_EQ(*book->decide(sign), 1U);
  const auto history = [&] { return verdicts(store->control(), incident->id, "trust-a", "pacs"); };
  const auto announced = [&] {
    AlertFilter f;
    f.rules = {"restore-point-changed"};
    f.statuses = {AlertStatus::fresh};
    return alerts->query(f)->alerts;
  };
  ASSERT_EQ(history()[0].snapshot, "n2");
  EXPECT_NE(history()[0].doc.find("host:x"), std::string::npos) << "what was asked stays asked";
  // A backup of today lies behind the window: the answer is the same, nothing is announced.
  there.push_back("n0");
  clock.advance(std::chrono::minutes(10));
  send({run("n0"), inventory(listed())});
  EXPECT_EQ(history().size(), 2U);
  EXPECT_TRUE(announced().empty());
  // The chosen one is deleted: an older one takes its place, which is worse.
  std::erase(there, "n2");
  clock.advance(std::chrono::minutes(10));
  send({inventory(listed())});
  ASSERT_EQ(history().size(), 3U);
  EXPECT_EQ(history()[0].snapshot, "n3");
  EXPECT_EQ(history()[0].author, "wardwatch");
  EXPECT_NE(history()[0].cause.find("a backup is gone"), std::string::npos) << history()[0].cause;
  ASSERT_EQ(announced().size(), 1U);
  EXPECT_EQ(announced()[0].level, Level::high);
  EXPECT_NE(announced()[0].explanation.find("was backup n2"), std::string::npos);
  // The next one fails its check; one alert speaks for the asset.
  clock.advance(std::chrono::minutes(10));
  send({run("n3", R"(,"integrity":"failed")"), inventory(listed())});
  ASSERT_EQ(history().size(), 4U);
  EXPECT_EQ(history()[0].snapshot, "n4");
  EXPECT_NE(history()[0].cause.find("damage"), std::string::npos);
  EXPECT_EQ(announced().size(), 1U);
  // Signed: clean, by itself.
  RestoreCheck check;
  check.site = "trust-a";
  check.asset = "pacs";
  check.snapshot = "n4";
  check.result = RestoreResult::passed;
  check.scan = ScanResult::clean;
  check.started = {start};
  check.finished = {start + 600'000'000};
  const auto id = record_restore_check(store->control(), check);
  ASSERT_TRUE(id);
  clock.advance(std::chrono::minutes(10));
  book->look();
  ASSERT_EQ(history().size(), 5U) << "a restore that passed is told, and is not yet clean";
  EXPECT_EQ(history()[0].verdict, "clean_candidate");
  ASSERT_TRUE(sign_restore_check(store->control(), *id, "ann", {start}, "opened and scanned"));
  clock.advance(std::chrono::minutes(10));
  book->look();
  ASSERT_EQ(history().size(), 6U);
  EXPECT_EQ(history()[0].verdict, "clean");
  EXPECT_EQ(announced()[0].level, Level::medium);
  // The incident is over: no more of it.
  IncidentPatch closed;
  closed.status = "closed";
  ASSERT_TRUE(alerts->patch_incident(incident->id, closed, "ann"));
  std::erase(there, "n4");
  clock.advance(std::chrono::minutes(10));
  send({inventory(listed())});
  EXPECT_EQ(history().size(), 6U);
  EXPECT_TRUE(announced().empty());
}

TEST_F(BackupBookTest, ManyBackupsInAMinuteAreOneRoundOfRestorePoints) {
  clock.set({start + -24LL * 30 * 3'600'000'000});
  send({run("old"), inventory("\"old\"")});
  clock.set({start});
  const auto incident = alerts->open_incident("ransomware", Level::critical, {}, "ann");
  ASSERT_TRUE(book->point(incident->id, "trust-a", "pacs", hours(24), {}, {}, "ann", "asked"));
  IncidentIndicator sign;
  sign.id = "one";
  sign.incident = incident->id;
  sign.time = {start};
  sign.state = "accepted";
  ASSERT_EQ(*book->decide(sign), 1U);
  book->look();
  // Each of them would be a better point, a second apart.
  std::string ids = "\"old\"";
  for (int i = 0; i < 60; ++i) {
    clock.set({start + i * 1'000'000});
    const auto id = "late" + std::to_string(i);
    ids += ",\"" + id + "\"";
    const auto data = rfc3339({start + -48LL * 3'600'000'000 + i * 1'000'000});
    send(
        {R"({"kind":"run","tool":"restic","asset":"pacs","job":"nightly","repository":"/srv/r","snapshot":")" +
             id + R"(","status":"success","level":"snapshot","started":")" + data +
             R"(","bytes_total":1000,"files_total":10})",
         inventory(ids)});
  }
  clock.set({start + 120'000'000});
  book->look();
  const auto history = verdicts(store->control(), incident->id, "trust-a", "pacs");
  EXPECT_EQ(history[0].snapshot, "late59") << "the last word is the newest";
  EXPECT_LE(history.size(), 2U + 60 / 5 + 2) << "one round in five seconds at most";
}

TEST_F(BackupBookTest, WhatLayInARepositoryThatWasSwappedInIsNotMissedWhenTheOldOneIsBack) {
  send({run("a"), run("b"), inventory("\"a\",\"b\"")});
  const auto other = [&](const std::string& ids) {
    auto text = inventory(ids);
    text.replace(text.find("\"r1\""), 4, "\"r2\"");
    return text;
  };
  const auto vanished = [&] {
    std::vector<BackupFinding> out;
    for (auto& f : book->findings(true, 100))
      if (f.rule == "bk-07") out.push_back(std::move(f));
    return out;
  };
  clock.advance(hours(24));
  send({run("fake"), other("\"fake\"")});
  EXPECT_EQ(vanished().size(), 1U) << "the real ones are out of reach";
  clock.advance(hours(1));
  send({run("fake2"), other("\"fake2\"")});
  EXPECT_EQ(vanished().size(), 1U);
  EXPECT_NE(vanished()[0].detail.find("3 backups"), std::string::npos)
      << "while it is in place, what goes missing from it counts too: " << vanished()[0].detail;
  clock.advance(hours(1));
  send({inventory("\"a\",\"b\"")});
  EXPECT_TRUE(vanished().empty()) << vanished()[0].detail;
  EXPECT_FALSE(open_finding("bk-09"));
  std::size_t kept = 0;
  for (const auto& f : book->findings(false, 100)) kept += f.rule == "bk-07" ? 1 : 0;
  EXPECT_EQ(kept, 1U) << "the history stays";
  // What really goes missing is still seen.
  clock.advance(hours(1));
  send({inventory("\"a\"")});
  EXPECT_EQ(vanished().size(), 1U);
  EXPECT_NE(vanished()[0].detail.find("1 backup is gone"), std::string::npos);
}

TEST_F(BackupBookTest, AnAcceptedNewRepositoryIsWatchedLikeTheOldOne) {
  send({run("a"), inventory("\"a\"")});
  const auto other = [&](const std::string& ids) {
    auto text = inventory(ids);
    text.replace(text.find("\"r1\""), 4, "\"r2\"");
    return text;
  };
  clock.advance(hours(24));
  send({run("x"), run("y"), other("\"x\",\"y\"")});
  for (const auto& f : book->findings(true, 100))
    ASSERT_TRUE(book->accept(f.id, "ann", "planned_change", ""));
  clock.advance(hours(1));
  send({other("\"x\"")});
  std::size_t n = 0;
  for (const auto& f : book->findings(true, 100)) n += f.rule == "bk-07" ? 1 : 0;
  EXPECT_EQ(n, 1U);
}

TEST_F(BackupBookTest, TheSameAnomalyAtThreeSites) {
  for (const auto* site : {"trust-a", "trust-b", "trust-c"})
    send({run("a"), inventory(R"("a")")}, site);
  for (const auto* site : {"trust-a", "trust-b", "trust-c"})
    send({inventory(R"("a")", R"(,"integrity":"failed")")}, site);
  EXPECT_TRUE(open_finding("bk-16"));
}

}  // namespace
}  // namespace ww::collector
