// Search is compared with a slow, obvious filter: Boost.JSON trees and the conditions of query.hpp
// written down again.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "collector/store/sqlite.hpp"
#include "collector/store/store.hpp"
#include "collector/store/words.hpp"
#include "tests/collector/store/made_events.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

using test::EventMaker;
using test::MadeEvent;
using ww::test::TempFolder;
namespace json = boost::json;

struct Scalar {
  std::string path;
  json::value value;
};
void walk(const json::value& v, const std::string& path, std::vector<Scalar>& out) {
  if (const auto* o = v.if_object()) {
    for (const auto& [k, item] : *o)
      walk(item, path.empty() ? std::string(k) : path + "." + std::string(k), out);
  } else if (const auto* a = v.if_array()) {
    for (const auto& item : *a) walk(item, path, out);
  } else {
    out.push_back({path, v});
  }
}
std::string text_of(const json::value& v) {
  return v.is_string() ? std::string(v.as_string()) : json::serialize(v);
}

/// A condition written by hand next to its text in the language.
struct Case {
  std::string text;
  std::function<bool(const std::vector<Scalar>&)> slow;
};
using Pred = std::function<bool(const std::string&)>;
auto field(std::string path, Pred p) {
  return [=](const std::vector<Scalar>& all) {
    return std::any_of(all.begin(), all.end(), [&](const Scalar& s) {
      return s.path == path && !s.value.is_null() && p(lower(text_of(s.value)));
    });
  };
}
auto word(std::string w) {
  return [=](const std::vector<Scalar>& all) {
    return std::any_of(all.begin(), all.end(), [&](const Scalar& s) {
      if (s.path == "timestamp" || s.path.starts_with("ww.") || s.value.is_null()) return false;
      const auto t = " " + lower(text_of(s.value)) + " ";
      for (auto at = t.find(w); at != std::string::npos; at = t.find(w, at + 1))
        if (!is_word(t[at - 1]) && !is_word(t[at + w.size()])) return true;
      return false;
    });
  };
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"", [](const auto&) { return true; }},
      {"type:dns", field("event_type", [](const std::string& v) { return v == "dns"; })},
      {"-type:log",
       [](const auto& s) {
         return !field("event_type", [](const std::string& v) { return v == "log"; })(s);
       }},
      {"site:st-anne sensor:log-1",
       [](const auto& s) {
         return field("ww.site", [](const std::string& v) { return v == "st-anne"; })(s) &&
                field("ww.sensor", [](const std::string& v) { return v == "log-1"; })(s);
       }},
      {"dest_port:445", field("dest_port", [](const std::string& v) { return v == "445"; })},
      {"dest_port:445.0", field("dest_port", [](const std::string& v) { return v == "445"; })},
      {"dest_port>=60000",
       field("dest_port", [](const std::string& v) { return std::stod(v) >= 60000; })},
      {"alert.score<2.5",
       field("alert.score", [](const std::string& v) { return std::stod(v) < 2.5; })},
      {"dns.rrname:www.example.org",
       field("dns.rrname", [](const std::string& v) { return v == "www.example.org"; })},
      {"dns.rrname:*.example.*",
       field("dns.rrname",
             [](const std::string& v) { return v.find(".example.") != std::string::npos; })},
      {"dns.answers.rdata:198.51.100.7",
       field("dns.answers.rdata", [](const std::string& v) { return v == "198.51.100.7"; })},
      {"src_ip:10.1.0.0/16",
       field("src_ip", [](const std::string& v) { return v.starts_with("10.1."); })},
      {"dest_ip:2001:db8::/32",
       field("dest_ip", [](const std::string& v) { return v.starts_with("2001:0db8"); })},
      {"mimikatz", word("mimikatz")},
      {"mimikatz.exe", word("mimikatz.exe")},
      {"katz", [](const auto&) { return false; }},
      {"10.1.2.3", word("10.1.2.3")},
      {"2.3.4.5", word("2.3.4.5")},
      {"needle17", word("needle17")},
      {"needle1*", field("log.message",
                         [](const std::string& v) {
                           for (auto at = v.find("needle1"); at != std::string::npos;
                                at = v.find("needle1", at + 1))
                             if (at == 0 || !is_word(v[at - 1])) return true;
                           return false;
                         })},
      {"\"failed password for root\"", word("failed password for root")},
      {"m\xc3\xbcller", word("m\xc3\xbcller")},
      {"two", word("two")},
      {"log.fields.Image:\"C:\\\\Windows\\\\System32\\\\vssadmin.exe\"",
       field("log.fields.Image",
             [](const std::string& v) { return v == R"(c:\windows\system32\vssadmin.exe)"; })},
      {"log.fields.Image~System32\\cmd",
       field("log.fields.Image",
             [](const std::string& v) { return v.find(R"(system32\cmd)") != std::string::npos; })},
      {"log.fields.Image:*\\\\cmd.exe",
       field("log.fields.Image", [](const std::string& v) { return v.ends_with("\\cmd.exe"); })},
      {"log.fields.a.b:*", field("log.fields.a.b", [](const std::string&) { return true; })},
      {"nothing:*", [](const auto&) { return false; }},
      {"flag:true type:backup",
       [](const auto& s) {
         return field("flag", [](const std::string& v) { return v == "true"; })(s) &&
                field("event_type", [](const std::string& v) { return v == "backup"; })(s);
       }},
      {"log.fields.EventID:(4625, 1) NOT log.host:ws1*",
       [](const auto& s) {
         return field("log.fields.EventID",
                      [](const std::string& v) { return v == "4625" || v == "1"; })(s) &&
                !field("log.host", [](const std::string& v) { return v.starts_with("ws1"); })(s);
       }},
      {"(type:alert alert.severity<=2) OR (type:dns evil.example.com)",
       [](const auto& s) {
         return (field("event_type", [](const std::string& v) { return v == "alert"; })(s) &&
                 field("alert.severity",
                       [](const std::string& v) { return std::stod(v) <= 2; })(s)) ||
                (field("event_type", [](const std::string& v) { return v == "dns"; })(s) &&
                 word("evil.example.com")(s));
       }},
      {"dest_port!=443 type:flow",
       [](const auto& s) {
         return !field("dest_port", [](const std::string& v) { return v == "443"; })(s) &&
                field("event_type", [](const std::string& v) { return v == "flow"; })(s);
       }},
      {"absent.field:x", [](const auto&) { return false; }},
      {"timestamp>=2026-11-22T00:05",
       field("timestamp", [](const std::string& v) { return v >= "2026-11-22t00:05"; })},
  };
  return all;
}

class FilledStore : public ::testing::Test {
 protected:
  static constexpr std::int64_t start = 1'795'305'600'000'000;  // 2026-11-22T00:00:00Z

  void SetUp() override {
    clock_.set({start});
    StoreOptions o;
    o.folder = folder_.path() + "/data";
    o.block_events = 64;  // many blocks from few events
    auto opened = Store::open(o, clock_, {});
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
  }

  /// Commits n events in groups of random size; times wander, some come late.
  void fill(std::size_t n, unsigned seed) {
    EventMaker maker(seed);
    std::int64_t t = start;
    while (n > 0) {
      CommitGroup group;
      for (auto batches = 1 + maker.below(3); batches > 0 && n > 0; --batches) {
        std::map<std::pair<std::string, std::string>, BatchWrite> by_sensor;
        for (auto in_group = 1 + maker.below(maker.below(8) == 0 ? 300 : 20); in_group > 0 && n > 0;
             --in_group, --n) {
          t += static_cast<std::int64_t>(maker.below(200'000));
          const auto late =
              maker.below(10) == 0 ? static_cast<std::int64_t>(maker.below(400'000'000)) : 0;
          auto e = maker.make({t - late});
          all_.push_back(e);
          auto& b = by_sensor[{e.site, e.sensor}];
          b.site = e.site;
          b.sensor = e.sensor;
          b.received = {t};
          b.events.push_back(e.write);
        }
        for (auto& [k, b] : by_sensor) group.batches.push_back(std::move(b));
      }
      const auto done = store_->commit(std::move(group));
      ASSERT_TRUE(done) << done.error().text();
    }
    std::sort(all_.begin(), all_.end(), [](const MadeEvent& a, const MadeEvent& b) {
      return a.write.time != b.write.time ? b.write.time < a.write.time : b.id < a.id;
    });
    for (const auto& e : all_) {
      auto& s = scalars_.emplace_back();
      walk(json::parse(e.write.json), "", s);
    }
  }

  std::vector<std::string> expected(const Case& c, Timestamp from = {INT64_MIN},
                                    Timestamp to = {INT64_MAX}) const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (!(all_[i].write.time < from) && all_[i].write.time < to && c.slow(scalars_[i]))
        out.push_back(all_[i].id);
    return out;
  }

  std::vector<std::string> ask(SearchQuery q) const {
    std::vector<std::string> out;
    for (int pages = 0; pages < 5000; ++pages) {
      const auto r = store_->search(q);
      if (!r) {
        ADD_FAILURE() << q.text << ": " << r.error().what;
        return out;
      }
      EXPECT_LE(r->events.size(), q.limit);
      for (const auto& e : r->events) out.push_back(e.id);
      if (r->next.empty()) return out;
      q.cursor = r->next;
    }
    ADD_FAILURE() << "paging does not end: " << q.text;
    return out;
  }

  TempFolder folder_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::vector<MadeEvent> all_;
  std::vector<std::vector<Scalar>> scalars_;
};

TEST_F(FilledStore, SearchAgreesWithASlowFilter) {
  fill(4'000, 1);
  for (const auto& c : cases()) {
    SearchQuery q;
    q.text = c.text;
    q.limit = 10'000;
    const auto want = expected(c);
    EXPECT_EQ(ask(q), want) << c.text << " wants " << want.size();
  }
}

TEST_F(FilledStore, EveryCaseFindsSomethingUnlessItSaysNone) {
  fill(4'000, 1);
  int found = 0;
  for (const auto& c : cases()) found += expected(c).empty() ? 0 : 1;
  EXPECT_GE(found, static_cast<int>(cases().size()) - 4);
}

TEST_F(FilledStore, PagesJoinToTheWholeAnswerInBothOrders) {
  fill(2'000, 2);
  for (const auto& text : {"", "type:log", "mimikatz", "dest_port:445 -type:flow"}) {
    SearchQuery q;
    q.text = text;
    q.limit = 10'000;
    auto want = ask(q);
    for (const std::uint32_t limit : {1U, 7U, 100U}) {
      if (limit == 1 && want.size() > 500) continue;
      q.limit = limit;
      q.oldest_first = false;
      EXPECT_EQ(ask(q), want) << text << " limit " << limit;
      q.oldest_first = true;
      auto reversed = ask(q);
      std::reverse(reversed.begin(), reversed.end());
      EXPECT_EQ(reversed, want) << text << " oldest first, limit " << limit;
    }
  }
}

TEST_F(FilledStore, TimeRangeIsHalfOpen) {
  fill(1'500, 3);
  EventMaker maker(9);
  for (int i = 0; i < 20; ++i) {
    const auto& a = all_[maker.below(all_.size())].write.time;
    const auto& b = all_[maker.below(all_.size())].write.time;
    SearchQuery q;
    q.from = std::min(a, b);
    q.to = std::max(a, b);
    q.text = "type:log";
    q.limit = 10'000;
    EXPECT_EQ(
        ask(q),
        expected(cases()[2].text == "-type:log"
                     ? Case{"type:log",
                            field("event_type", [](const std::string& v) { return v == "log"; })}
                     : cases()[0],
                 q.from, q.to));
  }
}

TEST_F(FilledStore, ListsOfTypesSitesAndSensorsAndVisibilityNarrow) {
  fill(1'500, 4);
  SearchQuery q;
  q.limit = 10'000;
  q.types = {"dns", "http"};
  q.sites = {"royal-hill"};
  q.sensors = {"net-1"};
  const Case c{"", [](const auto& s) {
                 const auto is = [&](const char* p, std::vector<std::string> vs) {
                   return field(p, [=](const std::string& v) {
                     return std::find(vs.begin(), vs.end(), v) != vs.end();
                   })(s);
                 };
                 return is("event_type", {"dns", "http"}) && is("ww.site", {"royal-hill"}) &&
                        is("ww.sensor", {"net-1"});
               }};
  EXPECT_EQ(ask(q), expected(c));
  EXPECT_FALSE(ask(q).empty());
  q.visible_sites = std::vector<std::string>{"st-anne"};
  EXPECT_TRUE(ask(q).empty());
  q.visible_sites = std::vector<std::string>{};
  q.sites.clear();
  EXPECT_TRUE(ask(q).empty());
}

TEST_F(FilledStore, AnEventIsFoundByItsIdUnlessItsSiteIsHidden) {
  fill(1'500, 5);
  for (std::size_t i = 0; i < all_.size(); i += 97) {
    const auto e = store_->event(all_[i].id);
    ASSERT_TRUE(e) << i;
    EXPECT_EQ(e->json, all_[i].write.json);
    EXPECT_TRUE(store_->event(all_[i].id, std::vector<std::string>{all_[i].site}));
    EXPECT_FALSE(store_->event(all_[i].id, std::vector<std::string>{"elsewhere"}));
  }
  EXPECT_FALSE(store_->event("0198c0de-0000-7000-8000-000000000000"));
  EXPECT_FALSE(store_->event("\" OR x:*"));
}

TEST_F(FilledStore, CountsByMinuteComeFromRollupsAndAgreeWithCounting) {
  fill(3'000, 6);
  for (const auto by :
       {CountQuery::By::none, CountQuery::By::type, CountQuery::By::site, CountQuery::By::sensor}) {
    for (const auto* text : {"", "type:(log,dns) site:st-anne", "mimikatz"}) {
      CountQuery q;
      q.search.text = text;
      q.by = by;
      q.step = std::chrono::minutes(2);
      const auto r = store_->count(q);
      ASSERT_TRUE(r);
      EXPECT_EQ(r->from_rollups, std::string(text) != "mimikatz");
      std::map<std::pair<std::int64_t, std::string>, std::uint64_t> want;
      SearchQuery s;
      s.text = text;
      s.limit = 10'000;
      std::map<std::string, const MadeEvent*> by_id;
      for (const auto& e : all_) by_id[e.id] = &e;
      for (const auto& id : ask(s)) {
        const auto& e = *by_id.at(id);
        const auto key = by == CountQuery::By::type     ? e.write.type
                         : by == CountQuery::By::site   ? e.site
                         : by == CountQuery::By::sensor ? e.site + "/" + e.sensor
                                                        : std::string();
        ++want[{e.write.time.us / 120'000'000 * 120'000'000, key}];
      }
      std::map<std::pair<std::int64_t, std::string>, std::uint64_t> got;
      for (const auto& row : r->rows) got[{row.start.us, row.key}] = row.events;
      EXPECT_EQ(got, want) << text;
    }
  }
}

TEST_F(FilledStore, TopValuesAgreeWithCountingWithAndWithoutFacets) {
  fill(3'000, 7);
  for (const auto* path : {"dest_ip", "log.host", "dns.rrname", "log.fields.EventID", "alert.score",
                           "dns.answers.rdata"}) {
    for (const auto* text : {"", "site:st-anne", "dest_port:445"}) {
      TopQuery q;
      q.path = path;
      q.search.text = text;
      q.limit = 1'000;
      const auto r = store_->top(q);
      ASSERT_TRUE(r);
      EXPECT_FALSE(r->partial);
      SearchQuery s;
      s.text = text;
      s.limit = 10'000;
      std::map<std::string, std::size_t> index;
      for (std::size_t i = 0; i < all_.size(); ++i) index[all_[i].id] = i;
      std::map<std::string, std::uint64_t> want;
      for (const auto& id : ask(s)) {
        std::vector<std::string> seen;
        for (const auto& v : scalars_[index.at(id)]) {
          if (v.path != path || v.value.is_null()) continue;
          const auto t = std::string(path) == "alert.score"
                             ? std::to_string(v.value.to_number<double>())
                             : text_of(v.value);
          if (std::find(seen.begin(), seen.end(), t) == seen.end()) ++want[t];
          seen.push_back(t);
        }
      }
      std::map<std::string, std::uint64_t> got;
      for (const auto& row : r->rows)
        got[std::string(path) == "alert.score" ? std::to_string(std::stod(row.value))
                                               : row.value] += row.events;
      EXPECT_EQ(got, want) << path << " / " << text;
    }
  }
}

TEST_F(FilledStore, TopValuesOfAFacetReadNoBlocks) {
  fill(3'000, 7);
  for (const auto* path : {"src_ip", "dest_port", "log.host"}) {
    TopQuery q;
    q.path = path;
    const auto r = store_->top(q);
    ASSERT_TRUE(r);
    EXPECT_EQ(r->work.blocks, 0U) << path;
    EXPECT_GT(r->events, 0U);
  }
}

TEST_F(FilledStore, ABudgetEndsASearchAndItsCursorGoesOn) {
  fill(3'000, 8);
  SearchQuery q;
  q.text = "needle17";
  q.limit = 10'000;
  const auto want = ask(q);
  ASSERT_FALSE(want.empty());
  q.text = "-absent.field:x";  // no filter helps: every block is read
  q.budget.octets = 20'000;
  const auto first = store_->search(q);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->partial);
  EXPECT_FALSE(first->next.empty());
  EXPECT_LT(first->events.size(), all_.size());
  EXPECT_EQ(ask(q).size(), all_.size());
  q.text = "needle17";
  EXPECT_EQ(ask(q), want);
}

TEST_F(FilledStore, NeedlesAreFoundWithoutReadingMostBlocks) {
  fill(6'000, 10);
  SearchQuery q;
  q.text = "needle17";
  q.limit = 10'000;
  const auto r = store_->search(q);
  ASSERT_TRUE(r);
  EXPECT_GT(r->work.blocks_skipped, r->work.blocks);
}

/// Conditions on any two fields, taken from the events themselves, together in every way.
TEST_F(FilledStore, AnyTwoConditionsAgreeWithASlowFilter) {
  fill(2'000, 13);
  EventMaker maker(14);
  const auto a_case = [&]() -> std::optional<Case> {
    const auto& s = maker.pick(maker.pick(scalars_));
    if (s.value.is_double() || s.value.is_null()) return {};
    const auto text = text_of(s.value);
    return Case{condition_text(s.path, ":", text),
                field(s.path, [v = lower(text)](const std::string& o) { return o == v; })};
  };
  std::size_t some = 0;
  for (int i = 0; i < 200; ++i) {
    const auto a = a_case(), b = a_case();
    if (!a || !b) continue;
    const auto both = [&](const auto& s) { return a->slow(s) && b->slow(s); };
    const auto either = [&](const auto& s) { return a->slow(s) || b->slow(s); };
    const auto not_b = [&](const auto& s) { return a->slow(s) && !b->slow(s); };
    const auto neither = [&](const auto& s) { return !(a->slow(s) || b->slow(s)); };
    for (const auto& c :
         {Case{a->text + " " + b->text, both}, Case{a->text + " OR " + b->text, either},
          Case{a->text + " NOT " + b->text, not_b},
          Case{"NOT (" + a->text + " OR " + b->text + ")", neither},
          Case{"flag:true (" + a->text + " OR " + b->text + ")", [&](const auto& s) {
                 return either(s) &&
                        field("flag", [](const std::string& v) { return v == "true"; })(s);
               }}}) {
      SearchQuery q;
      q.text = c.text;
      q.limit = 10'000;
      const auto want = expected(c);
      some += want.empty() ? 0 : 1;
      ASSERT_EQ(ask(q), want) << c.text;
      if (i % 20 != 0) continue;
      CountQuery count;
      count.search.text = c.text;
      const auto counted = store_->count(count);
      ASSERT_TRUE(counted);
      std::uint64_t events = 0;
      for (const auto& row : counted->rows) events += row.events;
      EXPECT_EQ(events, want.size()) << c.text;
    }
  }
  EXPECT_GT(some, 300U);
}

/// Each value is in every block; they meet in one event of some thousand.
TEST_F(FilledStore, CommonConditionsThatSeldomMeetReadFewBlocks) {
  std::vector<std::string> met;
  for (int group = 0; group < 60; ++group) {
    BatchWrite b;
    b.site = "royal-hill";
    b.sensor = "net-1";
    for (int i = 0; i < 128; ++i) {
      const int n = group * 128 + i;
      const Timestamp t{start + n * 1'000};
      const bool meet = n % 2'000 == 1'000;
      EventWrite e;
      e.type = "log";
      e.time = t;
      const auto id = uuid7(t);
      if (meet) met.push_back(id);
      e.json = R"({"event_type":"log","user":"u)" + std::to_string(meet ? 3 : n % 16) +
               R"(","code":)" +
               std::to_string(meet          ? 5
                              : n % 16 == 3 ? 4
                                            : n % 8) +
               R"(,"message":"x","ww":{"id":")" + id + R"("}})";
      b.events.push_back(std::move(e));
    }
    CommitGroup g;
    g.batches.push_back(std::move(b));
    ASSERT_TRUE(store_->commit(std::move(g)));
  }
  std::reverse(met.begin(), met.end());
  SearchQuery q;
  q.text = "user:u3 code:5";
  const auto r = store_->search(q);
  ASSERT_TRUE(r);
  std::vector<std::string> got;
  for (const auto& e : r->events) got.push_back(e.id);
  EXPECT_EQ(got, met);
  EXPECT_LE(r->work.blocks, met.size());
  EXPECT_GE(r->work.blocks_skipped, 100U);
  EXPECT_LE(r->work.events, met.size() + 2)
      << "of a block only what the columns leave is looked at";

  // Files of before there were columns say the same, with more reading.
  store_->maintain();
  for (const auto& f :
       std::filesystem::recursive_directory_iterator(folder_.path() + "/data/events")) {
    if (f.path().extension() != ".db") continue;
    auto db = sql::Database::open(f.path().string(), {});
    ASSERT_TRUE(db);
    (*db)->begin();
    (*db)->prepare("DELETE FROM facet WHERE path=''").run();
    ASSERT_TRUE((*db)->commit());
  }
  const auto old = store_->search(q);
  ASSERT_TRUE(old);
  got.clear();
  for (const auto& e : old->events) got.push_back(e.id);
  EXPECT_EQ(got, met);
  EXPECT_GE(old->work.blocks, 100U);
}

TEST_F(FilledStore, RefusesBadCursorsAndQueriesByName) {
  fill(10, 11);
  SearchQuery q;
  q.cursor = "nonsense";
  EXPECT_FALSE(store_->search(q));
  q.cursor.clear();
  q.text = "(";
  EXPECT_FALSE(store_->search(q));
  CountQuery c;
  c.step = std::chrono::seconds(30);
  EXPECT_FALSE(store_->count(c));
}

TEST_F(FilledStore, ScanGivesEveryEventOnce) {
  fill(2'000, 12);
  std::set<std::string> seen;
  std::size_t n = 0;
  store_->scan({INT64_MIN}, {INT64_MAX}, {}, [&](std::span<const StoredEvent> events) {
    for (const auto& e : events) seen.insert(e.id);
    n += events.size();
    return true;
  });
  EXPECT_EQ(n, all_.size());
  EXPECT_EQ(seen.size(), all_.size());
}

}  // namespace
}  // namespace ww::collector
