#include "collector/alerts/alerts.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "collector/store/store.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class AlertBookTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t start = 1'795'305'600'000'000;

  void SetUp() override {
    clock_.set({start});
    open();
  }
  void open() {
    store_.reset();
    book_ = AlertBook::create(clock_, limits_);
    StoreOptions o;
    o.folder = folder_.path();
    auto s = Store::open(o, clock_, {book_->module()});
    ASSERT_TRUE(s) << s.error().text();
    store_ = std::move(*s);
    book_->attach(store_->control());
  }
  Hit hit(std::string rule = "rule-1", std::string host = "ws1", seconds at = seconds(0)) const {
    Hit h;
    h.engine = EngineKind::sigma;
    h.level = Level::high;
    h.rule = {rule, "Title of " + rule, "3", "file.yml"};
    h.site = "royal-hill";
    h.sensor = "net-1";
    h.entities = {{"host", std::move(host)}};
    h.first = h.last = Timestamp{start} + at;
    h.window = minutes(60);
    h.attack = {"T1059.001"};
    h.caf = {"C1.a"};
    h.explanation = "because";
    h.evidence = {{"ev-" + std::to_string(++evidence_), h.first, R"({"n":1})"}};
    return h;
  }
  void raise(const std::vector<Hit>& hits) {
    CommitGroup g;
    for (const auto& h : hits) g.records.push_back(book_->record(h));
    const auto done = store_->commit(std::move(g));
    ASSERT_TRUE(done) << done.error().text();
  }
  std::vector<Alert> all(AlertFilter f = {}) const {
    const auto page = book_->query(f);
    EXPECT_TRUE(page);
    return page ? page->alerts : std::vector<Alert>{};
  }

  ww::test::TempFolder folder_;
  ManualClock clock_;
  AlertLimits limits_{.incident_alerts = 0};
  std::unique_ptr<AlertBook> book_;
  std::unique_ptr<Store> store_;
  mutable int evidence_ = 0;
};

TEST_F(AlertBookTest, RepeatsWithinTheWindowRaiseTheCount) {
  raise({hit()});
  raise({hit("rule-1", "ws1", minutes(30)), hit("rule-1", "ws1", minutes(59))});
  const auto alerts = all();
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].count, 3U);
  EXPECT_EQ(alerts[0].last_seen - alerts[0].first_seen, minutes(59));
  EXPECT_EQ(alerts[0].evidence, (std::vector<std::string>{"ev-1", "ev-2", "ev-3"}));
  EXPECT_EQ(alerts[0].rule.title, "Title of rule-1");
  EXPECT_EQ(alerts[0].attack, std::vector<std::string>{"T1059.001"});
}

TEST_F(AlertBookTest, AnotherEntityRuleSiteOrALaterTimeIsAnotherAlert) {
  auto elsewhere = hit();
  elsewhere.site = "st-anne";
  raise({hit(), hit("rule-2"), hit("rule-1", "ws2"), elsewhere, hit("rule-1", "ws1", minutes(61))});
  EXPECT_EQ(all().size(), 5U);
}

TEST_F(AlertBookTest, EntitiesInAnotherOrderFoldAndListsThatOnlyJoinAlikeDoNot) {
  auto a = hit();
  a.entities = {{"ip", "10.0.0.1"}, {"host", "x"}};
  auto b = a;
  std::swap(b.entities[0], b.entities[1]);
  auto c = a;
  c.entities = {{"ip", "10.0.0.1host"}, {"", "x"}};
  raise({a, b, c});
  EXPECT_EQ(all().size(), 2U);
}

TEST_F(AlertBookTest, ARepeatOfAClosedAlertOpensANewOne) {
  raise({hit()});
  AlertPatch close;
  close.status = AlertStatus::closed;
  close.disposition = Disposition::benign;
  ASSERT_TRUE(book_->patch(all()[0].id, close, "ann"));
  raise({hit("rule-1", "ws1", minutes(1))});
  EXPECT_EQ(all().size(), 2U);
}

TEST_F(AlertBookTest, ADrillIsClosedAsSuchFromTheStart) {
  auto h = hit();
  h.drill = true;
  raise({h});
  const auto a = all().at(0);
  EXPECT_EQ(a.status, AlertStatus::closed);
  EXPECT_EQ(a.disposition, Disposition::drill);
}

TEST_F(AlertBookTest, EvidenceKeepsTheFirstAndTheLatestAndCopiesOnlyTheFirst) {
  limits_.evidence_ids = 10;
  limits_.evidence_copies = 3;
  open();
  for (int i = 0; i < 30; ++i) raise({hit("rule-1", "ws1", seconds(i))});
  const auto a = all().at(0);
  EXPECT_EQ(a.count, 30U);
  EXPECT_EQ(a.evidence, (std::vector<std::string>{"ev-1", "ev-2", "ev-3", "ev-4", "ev-5", "ev-26",
                                                  "ev-27", "ev-28", "ev-29", "ev-30"}));
  EXPECT_EQ(book_->evidence(a.id).size(), 3U);
}

TEST_F(AlertBookTest, ChangesAreCheckedKeptAsHistoryAndSurviveRestart) {
  raise({hit()});
  const auto id = all()[0].id;
  AlertPatch p;
  p.status = AlertStatus::acknowledged;
  p.assignee = "ann";
  p.comment = "looking";
  clock_.advance(minutes(2));
  const auto after = book_->patch(id, p, "ann");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->status, AlertStatus::acknowledged);
  ASSERT_TRUE(after->acknowledged_at);
  EXPECT_EQ(after->acknowledged_at->us, start + 120'000'000);
  p = {};
  p.if_version = 1;
  p.assignee = "bob";
  EXPECT_EQ(book_->patch(id, p, "bob").error(), PatchRefusal::conflict);
  p = {};
  p.status = AlertStatus::closed;
  EXPECT_EQ(book_->patch(id, p, "ann").error(), PatchRefusal::bad_transition)
      << "closing needs a disposition";
  p.disposition = Disposition::true_positive;
  ASSERT_TRUE(book_->patch(id, p, "ann"));
  p = {};
  p.status = AlertStatus::fresh;
  const auto renewed = book_->patch(id, p, "ann");
  ASSERT_TRUE(renewed) << "a mistake must be revocable: back to new";
  EXPECT_EQ(renewed->status, AlertStatus::fresh);
  EXPECT_EQ(renewed->disposition, Disposition::none);
  EXPECT_FALSE(renewed->closed_at);
  EXPECT_EQ(renewed->acknowledged_at, after->acknowledged_at) << "it was looked at, all the same";
  p.status = AlertStatus::closed;
  p.disposition = Disposition::benign;
  ASSERT_TRUE(book_->patch(id, p, "ann"));
  p = {};
  p.status = AlertStatus::in_progress;
  const auto reopened = book_->patch(id, p, "ann");
  ASSERT_TRUE(reopened);
  EXPECT_EQ(reopened->disposition, Disposition::none);
  EXPECT_FALSE(reopened->closed_at);
  p = {};
  p.incident = "no-such";
  EXPECT_EQ(book_->patch(id, p, "ann").error(), PatchRefusal::no_incident);
  EXPECT_EQ(book_->patch("nothing", p, "ann").error(), PatchRefusal::not_found);

  open();
  const auto a = book_->get(id);
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, AlertStatus::in_progress);
  ASSERT_EQ(a->comments.size(), 1U);
  EXPECT_EQ(a->comments[0].text, "looking");
  EXPECT_EQ(a->history.size(), 10U);  // status x5, assignee, disposition x4
  EXPECT_EQ(a->history[0].author, "ann");
}

TEST_F(AlertBookTest, FiltersNarrowAndPagesJoin) {
  std::vector<Hit> hits;
  for (int i = 0; i < 25; ++i) {
    auto h = hit("rule-" + std::to_string(i % 5), "ws" + std::to_string(i), seconds(i * 10));
    h.level = static_cast<Level>(i % 5);
    h.site = i % 2 == 0 ? "royal-hill" : "st-anne";
    if (i % 3 == 0) h.engine = EngineKind::signature;
    if (i % 4 == 0) h.attack = {"T1490"};
    hits.push_back(h);
  }
  raise(hits);
  AlertFilter f;
  f.levels = {Level::high, Level::critical};
  EXPECT_EQ(all(f).size(), 10U);
  f = {};
  f.visible_sites = std::vector<std::string>{"st-anne"};
  EXPECT_EQ(all(f).size(), 12U);
  f.visible_sites = std::vector<std::string>{};
  EXPECT_TRUE(all(f).empty());
  f = {};
  f.engines = {EngineKind::signature};
  EXPECT_EQ(all(f).size(), 9U);
  f = {};
  f.entity = Entity{"", "ws7"};
  EXPECT_EQ(all(f).size(), 1U);
  f.entity = Entity{"ip", "ws7"};
  EXPECT_TRUE(all(f).empty());
  f = {};
  f.technique = "T1059";
  EXPECT_EQ(all(f).size(), 18U);
  f.technique = "T105";
  EXPECT_TRUE(all(f).empty());
  f = {};
  f.text = "of RULE-3";
  EXPECT_EQ(all(f).size(), 5U);
  f.text = "100%";
  EXPECT_TRUE(all(f).empty());
  f = {};
  f.from = Timestamp{start} + seconds(100);
  f.to = Timestamp{start} + seconds(120);
  EXPECT_EQ(all(f).size(), 2U);

  for (const auto order :
       {AlertFilter::Order::last_seen, AlertFilter::Order::level, AlertFilter::Order::count}) {
    for (const bool ascending : {false, true}) {
      f = {};
      f.order = order;
      f.ascending = ascending;
      const auto whole = all(f);
      f.limit = 4;
      std::vector<std::string> ids;
      for (;;) {
        const auto page = book_->query(f);
        ASSERT_TRUE(page);
        EXPECT_EQ(page->total, 25U);
        for (const auto& a : page->alerts) ids.push_back(a.id);
        if (page->next.empty()) break;
        f.cursor = page->next;
      }
      ASSERT_EQ(ids.size(), whole.size());
      for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], whole[i].id);
    }
  }
  f = {};
  f.cursor = "x";
  EXPECT_FALSE(book_->query(f));
}

TEST_F(AlertBookTest, ObserversHearOfEachDurableChangeOnce) {
  std::vector<std::pair<AlertNotice::Kind, std::uint64_t>> heard;
  const auto n =
      book_->subscribe([&](const AlertNotice& x) { heard.emplace_back(x.kind, x.alert.count); });
  raise({hit()});
  raise({hit("rule-1", "ws1", seconds(5)), hit("rule-1", "ws1", seconds(6))});
  AlertPatch p;
  p.assignee = "ann";
  ASSERT_TRUE(book_->patch(all()[0].id, p, "ann"));
  book_->unsubscribe(n);
  raise({hit("rule-9")});
  using K = AlertNotice::Kind;
  EXPECT_EQ(heard, (std::vector<std::pair<K, std::uint64_t>>{
                       {K::created, 1}, {K::repeated, 3}, {K::changed, 3}}));
  const auto c = book_->counters();
  EXPECT_EQ(c.hits, 4U);
  EXPECT_EQ(c.created, 2U);
  EXPECT_EQ(c.by_level_status[3][0], 2U);
}

TEST_F(AlertBookTest, SeveralRulesOnOneEntityOpenAnIncidentThatLaterOnesJoin) {
  limits_.incident_alerts = 3;
  open();
  raise({hit("a"), hit("b")});
  EXPECT_TRUE(book_->incidents(false, 10).empty());
  auto low = hit("low");
  low.level = Level::low;
  raise({low});
  EXPECT_TRUE(book_->incidents(false, 10).empty());
  raise({hit("c"), hit("a", "other-host")});
  auto incidents = book_->incidents(false, 10);
  ASSERT_EQ(incidents.size(), 1U);
  EXPECT_TRUE(incidents[0].automatic);
  EXPECT_EQ(incidents[0].alerts, 3U);
  raise({hit("d")});
  EXPECT_EQ(book_->incident(incidents[0].id)->alerts, 4U);
  EXPECT_TRUE(book_->incidents(false, 10, std::vector<std::string>{"st-anne"}).empty());
  EXPECT_EQ(book_->incidents(false, 10, std::vector<std::string>{"royal-hill"}).size(), 1U);
}

TEST_F(AlertBookTest, PeopleOpenAndCloseIncidents) {
  raise({hit("a"), hit("b")});
  const auto alerts = all();
  const std::vector<std::string> ids{alerts[0].id, alerts[1].id};
  const auto i = book_->open_incident("Odd logins", Level::medium, ids, "ann");
  ASSERT_TRUE(i);
  EXPECT_EQ(i->alerts, 2U);
  EXPECT_EQ(all()[0].incident, i->id);
  EXPECT_FALSE(book_->open_incident("x", Level::low, std::vector<std::string>{"no"}, "ann"));
  IncidentPatch p;
  p.status = "closed";
  const auto closed = book_->patch_incident(i->id, p, "ann");
  ASSERT_TRUE(closed);
  EXPECT_TRUE(closed->closed);
  EXPECT_TRUE(book_->incidents(false, 10).empty());
  EXPECT_EQ(book_->incidents(true, 10).size(), 1U);
  p.status = "sleeping";
  EXPECT_FALSE(book_->patch_incident(i->id, p, "ann"));
}

TEST_F(AlertBookTest, ADamagedRecordIsCountedAndItsNeighboursStand) {
  CommitGroup g;
  g.records.push_back({"alerts", "rubbish"});
  g.records.push_back(book_->record(hit()));
  g.records.push_back({"nobody", "x"});
  ASSERT_TRUE(store_->commit(std::move(g)));
  EXPECT_EQ(all().size(), 1U);
  EXPECT_EQ(book_->counters().bad_records, 1U);
}

TEST_F(AlertBookTest, JsonHasTheContractsNames) {
  raise({hit()});
  std::string text;
  JsonWriter w(text);
  write_json(w, *book_->get(all()[0].id));
  const auto v = boost::json::parse(text).as_object();
  for (const auto* key :
       {"id", "status", "level", "engine", "rule", "site", "sensor", "entities", "first_seen",
        "last_seen", "count", "attack", "caf", "evidence", "explanation"})
    EXPECT_TRUE(v.contains(key)) << key;
  EXPECT_EQ(v.at("status").as_string(), "new");
  EXPECT_EQ(v.at("first_seen").as_string(), "2026-11-22T00:00:00.000000Z");
}

}  // namespace
}  // namespace ww::collector
