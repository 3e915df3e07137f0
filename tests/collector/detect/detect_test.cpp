// Detection with the real engine, store, alert book and pipeline.
#include "collector/detect/detect.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <future>

#include "collector/detect/subjects.hpp"
#include "collector/ingest/pipeline_local.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

constexpr std::int64_t start = 1'795'305'600'000'000;  // 2026-11-22T00:00:00Z

constexpr const char* shadow_rule = R"(title: Shadow copies deleted
id: 11111111-1111-4111-8111-111111111111
status: test
level: high
tags:
  - attack.impact
  - attack.t1490
  - caf.c1.a
logsource:
  product: windows
  category: process_creation
detection:
  selection:
    CommandLine|contains: 'delete shadows'
  condition: selection
)";
constexpr const char* failed_rule = R"(title: Failed logon
name: failed_logon
id: 22222222-2222-4222-8222-222222222222
status: test
level: low
logsource:
  product: windows
  service: security
detection:
  selection:
    EventID: 4625
  condition: selection
---
title: Many failed logons
id: 33333333-3333-4333-8333-333333333333
status: test
level: critical
correlation:
  type: event_count
  rules:
    - failed_logon
  group-by:
    - TargetUserName
  timespan: 10m
  condition:
    gte: 5
)";

class DetectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    clock_.set({start});
    write("shadow.yml", shadow_rule);
    options_.sigma_paths = {folder_.path() + "/rules"};
    open();
  }
  void TearDown() override { close(); }
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(folder_.path() + "/rules");
    std::ofstream(folder_.path() + "/rules/" + name) << text;
  }
  void close() {
    pipeline_.reset();
    store_.reset();
    detector_.reset();
    book_.reset();
  }
  void open() {
    close();
    AlertLimits limits;
    limits.incident_alerts = 0;
    book_ = AlertBook::create(clock_, limits);
    detector_ = Detector::create(options_, clock_, *book_);
    StoreOptions o;
    o.folder = folder_.path() + "/data";
    auto s = Store::open(o, clock_, {book_->module(), detector_->module()});
    ASSERT_TRUE(s) << s.error().text();
    store_ = std::move(*s);
    book_->attach(store_->control());
    const auto report = detector_->start(*store_);
    ASSERT_TRUE(report) << report.error().text();
    report_ = *report;
    pipeline_ = LocalPipeline::create({}, *store_, detector_.get(), clock_);
  }
  void send(std::vector<std::string> events, const std::string& site = "royal-hill") {
    Batch b;
    b.site = site;
    b.sensor = "log-1";
    b.source = "elastic";
    b.received = clock_.now();
    for (auto& e : events) b.events.push_back({std::move(e)});
    std::promise<CommitAnswer> promise;
    auto answer = promise.get_future();
    pipeline_->submit(std::move(b), [&](CommitAnswer a) { promise.set_value(std::move(a)); });
    ASSERT_EQ(answer.get().kind, CommitAnswer::Kind::committed);
  }
  std::string at(std::string event) const {
    return R"({"timestamp":")" + rfc3339(clock_.now()) + R"(",)" + event.substr(1);
  }
  std::string shadow(const std::string& host = "ws1") const {
    return at(
        R"({"event_type":"log","log":{"source":"windows","product":"windows","category":"process_creation","host":")" +
        host +
        R"(","message":"m","fields":{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Image":"C:\\Windows\\System32\\vssadmin.exe","CommandLine":"vssadmin delete shadows /all","User":"eve"}}})");
  }
  std::string failed(const std::string& user) const {
    return at(
        R"({"event_type":"log","log":{"source":"windows","product":"windows","service":"security","host":"dc1","message":"m","fields":{"EventID":4625,"Channel":"Security","TargetUserName":")" +
        user + R"("}}})");
  }
  std::vector<Alert> alerts(EngineKind engine) const {
    AlertFilter f;
    f.engines = {engine};
    const auto page = book_->query(f);
    return page ? page->alerts : std::vector<Alert>{};
  }

  ww::test::TempFolder folder_;
  ManualClock clock_;
  DetectOptions options_;
  std::unique_ptr<AlertBook> book_;
  std::unique_ptr<Detector> detector_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<LocalPipeline> pipeline_;
  sigma::LoadReport report_;
};

TEST_F(DetectTest, ASigmaMatchBecomesAnAlertWithItsEvidenceAndReason) {
  EXPECT_EQ(report_.loaded, 1U);
  send({shadow(), R"({"event_type":"log","log":{"message":"nothing"}})"});
  const auto all = alerts(EngineKind::sigma);
  ASSERT_EQ(all.size(), 1U);
  const auto& a = all[0];
  EXPECT_EQ(a.rule.id, "11111111-1111-4111-8111-111111111111");
  EXPECT_EQ(a.level, Level::high);
  EXPECT_EQ(a.attack, std::vector<std::string>{"T1490"});
  EXPECT_EQ(a.caf, std::vector<std::string>{"C1.a"});
  EXPECT_EQ(a.site, "royal-hill");
  EXPECT_EQ(a.entities, (std::vector<Entity>{{"host", "ws1"}, {"user", "eve"}}));
  ASSERT_EQ(a.evidence.size(), 1U);
  EXPECT_TRUE(store_->event(a.evidence[0]));
  EXPECT_EQ(book_->evidence(a.id).size(), 1U);
  EXPECT_NO_THROW(static_cast<void>(boost::json::parse(a.explanation))) << a.explanation;
  EXPECT_TRUE(detector_->explain(a.rule.id, store_->event(a.evidence[0])->json));
}

TEST_F(DetectTest, RepeatsInABatchAndLaterFoldAndOtherHostsDoNot) {
  send({shadow(), shadow(), shadow("ws2")});
  clock_.advance(std::chrono::minutes(5));
  send({shadow()});
  send({shadow()}, "st-anne");
  const auto all = alerts(EngineKind::sigma);
  ASSERT_EQ(all.size(), 3U);
  std::uint64_t most = 0;
  for (const auto& a : all) most = std::max(most, a.count);
  EXPECT_EQ(most, 3U);
  const auto counters = detector_->counters();
  ASSERT_EQ(counters.size(), 1U);
  EXPECT_EQ(counters[0].hits, 5U);
  EXPECT_EQ(counters[0].last_hit, clock_.now());
}

TEST_F(DetectTest, ASensorsAlertEventBecomesASignatureAlert) {
  const auto e = at(
      R"({"event_type":"alert","src_ip":"10.0.0.5","dest_ip":"192.0.2.9","app_proto":"http","alert":{"action":"blocked","gid":1,"signature_id":2019401,"rev":7,"signature":"ET EXPLOIT x","category":"Attempted Admin","severity":1,"metadata":{"mitre_technique_id":["T1190"],"signature_severity":["Critical"]}}})");
  send({e, e, R"({"event_type":"alert"})"});
  const auto all = alerts(EngineKind::signature);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].rule.id, "2019401");
  EXPECT_EQ(all[0].rule.rev, "7");
  EXPECT_EQ(all[0].rule.title, "ET EXPLOIT x");
  EXPECT_EQ(all[0].level, Level::critical);
  EXPECT_EQ(all[0].count, 2U);
  EXPECT_EQ(all[0].attack, std::vector<std::string>{"T1190"});
  EXPECT_EQ(all[0].entities, (std::vector<Entity>{{"ip", "10.0.0.5"}, {"ip", "192.0.2.9"}}));
}

TEST_F(DetectTest, ACorrelationGoesOnAfterARestartAndFiresOnce) {
  write("failed.yml", failed_rule);
  open();
  ASSERT_EQ(report_.loaded, 3U);
  send({failed("ann"), failed("ann"), failed("bob")});
  open();  // the state comes back from the log
  clock_.advance(std::chrono::minutes(1));
  send({failed("ann"), failed("ann")});
  EXPECT_TRUE(alerts(EngineKind::correlation).empty());
  clock_.advance(std::chrono::minutes(1));
  send({failed("ann")});
  auto all = alerts(EngineKind::correlation);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].level, Level::critical);
  EXPECT_EQ(all[0].entities, (std::vector<Entity>{{"TargetUserName", "ann"}}));
  EXPECT_GE(all[0].evidence.size(), 5U);
  const auto count = all[0].count;
  open();
  open();
  all = alerts(EngineKind::correlation);
  ASSERT_EQ(all.size(), 1U) << "a restart raises nothing again";
  EXPECT_EQ(all[0].count, count);
}

TEST_F(DetectTest, SlicesReplaceTheLogAndHoldTheState) {
  write("failed.yml", failed_rule);
  open();
  // A slice is charged at least a kibioctet and an entry of the log is much smaller, so some ten
  // commits pay for one slice. Where the 53 groups lie is another thing in every process: only
  // commits for more than two rounds over all their slices make sure that older logs go.
  constexpr int commits = 1500;
  for (int i = 0; i < commits; ++i)
    send({failed("user-" + std::to_string(i % 50)), failed("other-" + std::to_string(i % 3))});
  std::int64_t logged = -1, slices = -1, octets = -1;
  ASSERT_TRUE(store_->control().read([&](sql::Database& db) {
    auto s = db.prepare("SELECT count(*), sum(length(log)) FROM correlation_log");
    if (s.step()) {
      logged = s.integer(0);
      octets = s.integer(1);
    }
    auto t = db.prepare("SELECT count(*) FROM correlation_slice");
    if (t.step()) slices = t.integer(0);
  }));
  EXPECT_LT(octets, 60 * commits) << "no whole events";
  EXPECT_GT(slices, 10);
  EXPECT_LT(logged, 2 * commits / 3);
  const auto groups = detector_->stats().groups;
  EXPECT_EQ(groups, 53U);
  open();
  EXPECT_EQ(detector_->stats().state_errors, 0U);
  for (int i = 0; i < 4; ++i) send({failed("ann")});
  EXPECT_EQ(detector_->stats().groups, groups + 1);
  open();
  const auto before = alerts(EngineKind::correlation).size();
  send({failed("ann")});
  EXPECT_EQ(alerts(EngineKind::correlation).size(), before + 1);
}

TEST_F(DetectTest, WhatARehearsalCountedOutlivesARestartAndStaysApart) {
  write("failed.yml", failed_rule);
  open();
  pipeline_.reset();
  int number = 0;
  const auto commit = [&](const std::string& run) {
    const auto id = "e" + std::to_string(++number);
    const auto json = failed("ann");
    const DetectEvent e{json, id, "royal-hill", "log-1", "log", clock_.now(), run};
    CommitGroup group;
    detector_->process({&e, 1}, group.records);
    ASSERT_TRUE(store_->commit(std::move(group)));
  };
  for (int i = 0; i < 4; ++i) commit("run-1");
  for (int i = 0; i < 3; ++i) commit("");
  open();
  pipeline_.reset();
  EXPECT_EQ(detector_->stats().groups, 2U);
  commit("run-1");
  auto all = alerts(EngineKind::correlation);
  ASSERT_EQ(all.size(), 1U) << "the fifth of the rehearsal";
  EXPECT_NE(std::find(all[0].entities.begin(), all[0].entities.end(), Entity{"drill", "run-1"}),
            all[0].entities.end());
  commit("");
  EXPECT_EQ(alerts(EngineKind::correlation).size(), 1U) << "real: four";
  commit("");
  EXPECT_EQ(alerts(EngineKind::correlation).size(), 2U);
}

TEST_F(DetectTest, DamagedStateIsCountedAndItsWindowsRefill) {
  write("failed.yml", failed_rule);
  open();
  for (int i = 0; i < 4; ++i) send({failed("ann")});
  ASSERT_TRUE(store_->control().write([](sql::Database& db) {
    db.exec("UPDATE correlation_log SET log=x'0102'");
    db.exec("UPDATE correlation_slice SET state=x'0304'");
  }));
  open();
  EXPECT_GE(detector_->stats().state_errors, 4U);
  for (int i = 0; i < 4; ++i) send({failed("ann")});
  EXPECT_TRUE(alerts(EngineKind::correlation).empty());
  open();
  EXPECT_EQ(detector_->stats().state_errors, 0U) << "what was damaged is gone";
  send({failed("ann")});
  EXPECT_EQ(alerts(EngineKind::correlation).size(), 1U);
}

TEST_F(DetectTest, AnAlertOfACorrelationSaysWhatMetIt) {
  write("failed.yml", failed_rule);
  open();
  for (int i = 0; i < 5; ++i) {
    send({failed("ann")});
    clock_.advance(std::chrono::seconds(10));
  }
  const auto all = alerts(EngineKind::correlation);
  ASSERT_EQ(all.size(), 1U);
  const auto said = boost::json::parse(all[0].explanation).as_object();
  EXPECT_EQ(said.at("type").as_string(), "event_count");
  EXPECT_EQ(said.at("condition").as_string(), "gte 5");
  EXPECT_EQ(said.at("group").as_object().at("TargetUserName").as_string(), "ann");
  EXPECT_EQ(said.at("rules").as_array().at(0).as_object().at("title").as_string(), "Failed logon");
  const auto& parts = said.at("parts").as_array();
  ASSERT_EQ(parts.size(), 5U);
  // Each is in the store under its id, with the time it is said to have.
  for (const auto& part : parts) {
    const auto event = store_->event(part.as_object().at("event").as_string());
    ASSERT_TRUE(event);
    EXPECT_EQ(rfc3339(event->time), std::string(part.as_object().at("time").as_string()));
  }
}

TEST_F(DetectTest, RulesAreSwappedWithoutLosingState) {
  write("failed.yml", failed_rule);
  open();
  for (int i = 0; i < 4; ++i) send({failed("ann")});
  write(
      "another.yml",
      std::string(shadow_rule).replace(std::string(shadow_rule).find("11111111-"), 9, "44444444-"));
  const auto report = detector_->reload();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->loaded, 4U);
  send({failed("ann"), shadow()});
  EXPECT_EQ(alerts(EngineKind::correlation).size(), 1U);
  EXPECT_EQ(alerts(EngineKind::sigma).size(), 2U);
}

TEST_F(DetectTest, AnExceptionSilencesItsScopeUntilItsReviewDateAndIsCounted) {
  RuleException e;
  e.rule = "11111111-1111-4111-8111-111111111111";
  e.site = "royal-hill";
  e.query = "log.host:ws1";
  EXPECT_FALSE(detector_->add_exception(e)) << "no reason";
  e.reason = "backup agent prunes its own copies";
  e.author = "ann";
  EXPECT_FALSE(detector_->add_exception(e)) << "no review date";
  e.review = clock_.now() + std::chrono::hours(24);
  const auto added = detector_->add_exception(e);
  ASSERT_TRUE(added) << added.error().text();
  auto bad = e;
  bad.query = "(";
  EXPECT_FALSE(detector_->add_exception(bad));
  bad = e;
  bad.rule = "*";
  bad.site = bad.query = "";
  EXPECT_FALSE(detector_->add_exception(bad));
  send({shadow(), shadow("ws2")});
  send({shadow()}, "st-anne");
  EXPECT_EQ(alerts(EngineKind::sigma).size(), 2U);
  ASSERT_EQ(detector_->exceptions().size(), 1U);
  EXPECT_EQ(detector_->exceptions()[0].suppressed, 1U);
  EXPECT_EQ(detector_->counters()[0].suppressed, 1U);
  open();
  send({shadow()});
  EXPECT_EQ(alerts(EngineKind::sigma).size(), 2U) << "holds after a restart";
  clock_.advance(std::chrono::hours(25));
  send({shadow()});
  EXPECT_EQ(alerts(EngineKind::sigma).size(), 3U) << "lapsed";
  EXPECT_TRUE(detector_->remove_exception(added->id));
  EXPECT_FALSE(detector_->remove_exception(added->id));
}

TEST_F(DetectTest, ABacktestCountsWithoutRaisingAlerts) {
  options_.sigma_paths.clear();
  open();
  write("failed.yml", failed_rule);
  for (int i = 0; i < 6; ++i) send({failed("ann"), shadow()});
  BacktestQuery q;
  q.paths = {folder_.path() + "/rules"};
  q.from = {INT64_MIN};
  q.to = {INT64_MAX};
  const auto r = detector_->backtest(q);
  ASSERT_TRUE(r) << r.error().text();
  EXPECT_EQ(r->events, 12U);
  std::map<std::string, std::uint64_t> per_rule;
  for (const auto& p : r->per_rule) per_rule[p.title] = p.matches;
  EXPECT_EQ(per_rule["Shadow copies deleted"], 6U);
  EXPECT_GE(per_rule["Many failed logons"], 1U);
  ASSERT_FALSE(r->rows.empty());
  EXPECT_EQ(r->rows[0].site, "royal-hill");
  EXPECT_TRUE(alerts(EngineKind::sigma).empty());
  q.progress = [](std::uint64_t) { return false; };
  EXPECT_TRUE(detector_->backtest(q)->stopped);
}

TEST_F(DetectTest, PlaceholdersAreReadAgainWithTheRules) {
  write("expand.yml", R"(title: Administrator from an unknown host
id: 66666666-6666-4666-8666-666666666666
status: test
level: high
logsource:
  product: windows
  service: security
detection:
  selection:
    TargetUserName|expand: '%admins%'
  condition: selection
)");
  options_.placeholders_file = folder_.path() + "/placeholders.yaml";
  const auto values = [&](const std::string& text) {
    std::ofstream(options_.placeholders_file) << text;
  };
  values("admins: [ann]\n");
  open();
  EXPECT_EQ(report_.refused, 0U);
  send({failed("ann"), failed("bob")});
  ASSERT_EQ(alerts(EngineKind::sigma).size(), 1U);
  values("admins: [bob]\n");
  ASSERT_TRUE(detector_->reload());
  send({failed("bob")});
  EXPECT_EQ(alerts(EngineKind::sigma).size(), 2U);
  values("admins: [bob\n");
  EXPECT_FALSE(detector_->reload()) << "the old rules stay";
  send({failed("bob")});
  EXPECT_EQ(alerts(EngineKind::sigma).size(), 2U);
}

TEST_F(DetectTest, ABrokenRuleIsReportedAndItsNeighboursWork) {
  write("broken.yml", "title: broken\ndetection: 5\n");
  open();
  EXPECT_EQ(report_.loaded, 1U);
  EXPECT_EQ(report_.refused, 1U);
  send({shadow()});
  EXPECT_EQ(alerts(EngineKind::sigma).size(), 1U);
}

TEST(Subjects, TagsAreTechniquesAndOutcomes) {
  std::vector<std::string> attack;
  std::vector<std::string> caf;
  split_tags({"attack.t1059.001", "attack.execution", "caf.C1.a", "cve.2021-1", "attack.T1490",
              "attack.tx"},
             attack, caf);
  EXPECT_EQ(attack, (std::vector<std::string>{"T1059.001", "T1490"}));
  EXPECT_EQ(caf, (std::vector<std::string>{"C1.a"}));
}

}  // namespace
}  // namespace ww::collector
