/// Sign-ins to backup servers and reads from them: what is understood, learnt, odd, accepted.
#include "collector/backup/access.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>

#include "collector/backup/tables.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

using std::chrono::hours;
using ::testing::HasSubstr;

std::optional<BackupLogin> login(const std::string& log) {
  AccessReader reader;
  const auto text = R"({"event_type":"log","log":)" + log + "}";
  const auto* f = reader.read(text);
  return f == nullptr ? std::nullopt : login_of(*f);
}
std::string said(const std::string& log) {
  const auto l = login(log);
  return l ? l->account + "|" + l->source + "|" + l->how + "|" + (l->good ? "in" : "refused") : "";
}

TEST(BackupLogins, AreUnderstood) {
  const auto ssh = [](const std::string& m) {
    return said(R"({"service":"sshd","host":"pg-01","message":")" + m + "\"}");
  };
  EXPECT_EQ(ssh("Accepted publickey for ann from 10.0.0.7 port 52144 ssh2: ED25519 SHA256:abc"),
            "ann|10.0.0.7|ssh publickey|in");
  EXPECT_EQ(ssh("Failed password for invalid user root from 10.0.0.9 port 1 ssh2"),
            "root|10.0.0.9|ssh password|refused");
  EXPECT_EQ(ssh("Failed password for a from 1.2.3.4 port 5 from 10.0.0.9 port 1 ssh2"),
            "a from 1.2.3.4 port 5|10.0.0.9|ssh password|refused")
      << "a name that looks like an address names nobody else";
  EXPECT_EQ(ssh("Connection closed by 10.0.0.9"), "");
  EXPECT_EQ(ssh("Accepted publickey for from"), "");
  const auto windows = [](const std::string& f) {
    return said(R"({"product":"windows","host":"veeam-01","fields":{)" + f + "}}");
  };
  EXPECT_EQ(
      windows(
          R"("EventID":4624,"LogonType":10,"TargetUserName":"bob","TargetDomainName":"TRUST","IpAddress":"10.0.0.7")"),
      "TRUST\\bob|10.0.0.7|windows remote desktop|in");
  EXPECT_EQ(windows(R"("EventID":"4625","LogonType":"3","TargetUserName":"bob","IpAddress":"-")"),
            "bob|local|windows over the network|refused");
  EXPECT_EQ(windows(R"("EventID":4624,"LogonType":5,"TargetUserName":"svc")"), "") << "a service";
  EXPECT_EQ(windows(R"("EventID":4624,"LogonType":3,"TargetUserName":"PC7$")"), "") << "a machine";
  EXPECT_EQ(windows(R"("EventID":4624,"LogonType":2,"TargetUserName":"DWM-1")"), "");
  EXPECT_EQ(windows(R"("EventID":4624,"LogonType":3,"TargetUserName":"ANONYMOUS LOGON")"), "");
  EXPECT_EQ(windows(R"("EventID":4634,"LogonType":3,"TargetUserName":"bob")"), "") << "a log-off";
  EXPECT_EQ(
      said(R"({"host":"rest","fields":{"c-ip":"10.0.0.5","cs-username":"pacs","sc-status":200}})"),
      "pacs|10.0.0.5|web|in");
  EXPECT_EQ(
      said(R"({"host":"rest","fields":{"c-ip":"10.0.0.5","cs-username":"pacs","sc-status":401}})"),
      "pacs|10.0.0.5|web|refused");
  EXPECT_EQ(said(R"({"host":"dir","message":"Console [ann] from [10.0.0.7] cmdline list jobs"})"),
            "ann|10.0.0.7|bareos console|in");
  EXPECT_EQ(said(R"({"host":"x","message":"nothing of the kind"})"), "");
  EXPECT_FALSE(login("{"));
}

class BackupAccessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = sql::Database::open(folder.path() + "/control.db", {});
    ASSERT_TRUE(opened);
    db = std::move(*opened);
    ASSERT_TRUE(sql::migrate(*db, "backup", backup_tables::migrations()));
    host(
        R"({"site":"a","name":"pg-01","names":["PG-01"],"addresses":["10.1.0.5"],"assets":["pas"],)"
        R"("hours":"mon-fri 07:00-19:00 UTC"})");
    now = *parse_time("2026-11-23T10:00:00Z");  // a Monday
  }
  void host(const char* text) {
    auto spec = host_from_json(boost::json::parse(text));
    ASSERT_TRUE(spec) << spec.error();
    reg.hosts.insert_or_assign(std::pair{spec->site, spec->name}, *spec);
    access.set_hosts(reg);
  }
  void event(std::string_view type, const std::string& json, std::string_view drill = {},
             std::string_view site = "a") {
    const DetectEvent e{json, "id", site, "s", type, now, drill};
    std::vector<ControlRecord> out;
    access.watch({&e, 1}, "backup", 3, now, out);
    db->begin();
    for (const auto& r : out) {
      ASSERT_EQ(r.payload[0], 3);
      ASSERT_TRUE(BackupAccess::apply(*db, std::string_view(r.payload).substr(1)));
    }
    ASSERT_TRUE(db->commit());
    records = out.size();
  }
  void ssh(const std::string& who, const std::string& from, bool good = true,
           std::string_view drill = {}, std::string_view site = "a") {
    event(
        "log",
        R"({"event_type":"log","log":{"service":"sshd","host":"pg-01.trust.example","message":")" +
            std::string(good ? "Accepted publickey for " : "Failed password for ") + who +
            " from " + from + " port 1 ssh2\"}}",
        drill, site);
  }
  void read(const std::string& client, std::uint64_t octets) {
    event(
        "flow",
        R"({"event_type":"flow","src_ip":")" + client +
            R"(","dest_ip":"10.1.0.5","dest_port":8000,"flow":{"bytes_toserver":1000,"bytes_toclient":)" +
            std::to_string(octets) + "}}");
  }
  HostAccess look() {
    auto hosts = BackupAccess::look(*db, reg, checks, now);
    EXPECT_EQ(hosts.size(), 1U);
    db->begin();
    BackupAccess::keep(*db, hosts);
    EXPECT_TRUE(db->commit());
    return hosts[0];
  }
  void learn_logins() {
    for (int i = 0; i < 8; ++i) ssh("ann", "10.0.0.7");
  }
  void learn_reads() {
    const auto today = now;
    for (int day = 10; day > 0; --day) {
      now = today + -hours(24 * day);
      read("10.0.0.20", (200ULL + static_cast<std::uint64_t>(day % 3)) << 20);
    }
    now = today;
  }
  ww::test::TempFolder folder;
  std::unique_ptr<sql::Database> db;
  BackupRegister reg;
  BackupAccess access;
  std::vector<RestoreCheck> checks;
  Timestamp now;
  std::size_t records = 0;
};

TEST_F(BackupAccessTest, LearnsThenTellsOfANewSignIn) {
  for (int i = 0; i < 4; ++i) ssh("ann", "10.0.0.7");
  ssh("bob", "10.0.0.8");
  auto h = look();
  EXPECT_TRUE(h.learning_logins());
  EXPECT_TRUE(h.findings.empty()) << "still learning";
  learn_logins();
  now = now + hours(1);
  ssh("mallory", "10.0.0.66");
  h = look();
  EXPECT_FALSE(h.learning_logins());
  ASSERT_EQ(h.findings.size(), 1U);
  EXPECT_EQ(h.findings[0].rule, "bk-10");
  EXPECT_EQ(h.findings[0].level, Level::medium) << "within working hours";
  EXPECT_THAT(h.findings[0].detail, HasSubstr("mallory from 10.0.0.66 signed in to pg-01"));
  ssh("ann", "10.0.0.66");
  EXPECT_EQ(look().findings.size(), 2U) << "a known account from a new address is new";
  const auto odd = look().findings;
  db->begin();
  for (const auto& f : odd) EXPECT_TRUE(BackupAccess::accept(*db, f, now + hours(1)));
  ASSERT_TRUE(db->commit());
  now = now + hours(2);
  ssh("mallory", "10.0.0.66");
  EXPECT_TRUE(look().findings.empty()) << "accepted: usual from now on";
}

TEST_F(BackupAccessTest, OutOfHoursIsWorse) {
  learn_logins();
  now = *parse_time("2026-11-24T02:30:00Z");
  ssh("mallory", "10.0.0.66");
  ssh("ann", "10.0.0.7");
  const auto h = look();
  ASSERT_EQ(h.findings.size(), 2U);
  const auto& unknown = h.findings[0].subject.starts_with("login") ? h.findings[0] : h.findings[1];
  const auto& known = h.findings[0].subject.starts_with("login") ? h.findings[1] : h.findings[0];
  EXPECT_EQ(unknown.level, Level::high);
  EXPECT_THAT(unknown.detail, HasSubstr("people sign in mon-fri 07:00-19:00 UTC"));
  EXPECT_EQ(known.level, Level::medium);
  EXPECT_EQ(known.subject, "hours ann@10.0.0.7");
  now = now + hours(24 * 31);
  EXPECT_TRUE(look().findings.empty()) << "after 30 days nobody is asked any more";
}

TEST_F(BackupAccessTest, RefusalsInARowAreToldAndForgotten) {
  learn_logins();
  for (int i = 0; i < 9; ++i) ssh("root", "10.0.0.66", false);
  EXPECT_TRUE(look().findings.empty());
  now = now + std::chrono::minutes(30);
  for (int i = 0; i < 9; ++i) ssh("root", "10.0.0.66", false);
  EXPECT_TRUE(look().findings.empty()) << "not in a row";
  ssh("root", "10.0.0.66", false);
  ASSERT_EQ(look().findings.size(), 1U);
  EXPECT_EQ(look().findings[0].subject, "refused root@10.0.0.66");
  now = now + hours(25);
  EXPECT_TRUE(look().findings.empty());
  for (int i = 0; i < 2'050; ++i) ssh("user" + std::to_string(i), "10.0.0.66", false);
  const auto h = look();
  EXPECT_EQ(h.logins.size(), BackupAccess::max_listed);
  now = now + hours(1);
  ssh("ann", "10.0.0.7");
  EXPECT_TRUE(look().findings.empty()) << "a stranger's names do not push out who is known";
}

TEST_F(BackupAccessTest, OtherHostsSitesAndRehearsalsAreNotLookedAt) {
  ssh("ann", "10.0.0.7", true, "run-1");
  EXPECT_EQ(records, 0U);
  ssh("ann", "10.0.0.7", true, {}, "b");
  EXPECT_EQ(records, 0U);
  event(
      "log",
      R"({"log":{"service":"sshd","host":"other","message":"Accepted password for a from 1.1.1.1 port 1"}})");
  EXPECT_EQ(records, 0U);
  event("log", "{not json");
  EXPECT_EQ(records, 0U);
  event("dns", R"({"src_ip":"1.1.1.1","dest_ip":"10.1.0.5"})");
  EXPECT_EQ(records, 0U);
}

TEST_F(BackupAccessTest, ALargeReadToANewHostIsToldOnceTheUsualIsKnown) {
  now = *parse_time("2026-11-23T10:00:00Z");
  read("10.0.0.66", 50ULL << 30);
  auto h = look();
  EXPECT_TRUE(h.learning_reads());
  EXPECT_TRUE(h.findings.empty()) << "still learning";
  now = now + hours(24 * 12);
  learn_reads();
  read("10.0.0.20", 210ULL << 20);
  h = look();
  EXPECT_FALSE(h.learning_reads());
  EXPECT_TRUE(h.findings.empty()) << "as ever";
  read("10.0.0.77", 60ULL << 20);
  EXPECT_TRUE(look().findings.empty()) << "a new client that reads a little is no theft";
  read("10.0.0.99", 5ULL << 30);
  h = look();
  ASSERT_EQ(h.findings.size(), 1U);
  EXPECT_EQ(h.findings[0].rule, "bk-15");
  EXPECT_EQ(h.findings[0].level, Level::high);
  EXPECT_THAT(h.findings[0].detail, HasSubstr("10.0.0.99 read 5120 MiB from pg-01"));
  EXPECT_THAT(h.findings[0].detail, HasSubstr("never read from it before"));
  read("10.0.0.20", 9ULL << 30);
  h = look();
  ASSERT_EQ(h.findings.size(), 2U);
  now = now + hours(48);
  EXPECT_EQ(look().findings.size(), 2U) << "it is not forgotten the next day";
  const auto odd = look().findings;
  db->begin();
  for (const auto& f : odd) EXPECT_TRUE(BackupAccess::accept(*db, f, now));
  ASSERT_TRUE(db->commit());
  EXPECT_TRUE(look().findings.empty());
}

TEST_F(BackupAccessTest, ARestoreDrillExplainsWhatItCanHaveReadAndNoMore) {
  learn_reads();
  RestoreCheck c;
  c.site = "a";
  c.asset = "pas";
  c.started = now + -hours(1);
  c.finished = now;
  c.octets = 4ULL << 30;
  checks = {c};
  read("10.0.0.99", 5ULL << 30);
  EXPECT_TRUE(look().findings.empty()) << "the drill's own read";
  read("10.0.0.99", 20ULL << 30);
  EXPECT_EQ(look().findings.size(), 1U) << "much more than was restored";
}

TEST_F(BackupAccessTest, ReadsGoBothWaysAndNotWithinTheHost) {
  host(R"({"site":"a","name":"pg-01","addresses":["10.1.0.5","10.1.0.6"]})");
  event(
      "flow",
      R"({"src_ip":"10.1.0.5","dest_ip":"10.0.0.3","flow":{"bytes_toserver":7000,"bytes_toclient":1}})");
  event(
      "flow",
      R"({"src_ip":"10.1.0.6","dest_ip":"10.1.0.5","flow":{"bytes_toserver":9,"bytes_toclient":9}})");
  EXPECT_EQ(records, 0U);
  event(
      "flow",
      R"({"src_ip":"10.0.0.3","dest_ip":"10.1.0.5","flow":{"bytes_toserver":5,"bytes_toclient":0}})");
  EXPECT_EQ(records, 0U) << "a backup that is written is no read";
  const auto h = look();
  ASSERT_EQ(h.readers.size(), 1U);
  EXPECT_EQ(h.readers[0].octets_day, 7000U);
}

TEST_F(BackupAccessTest, BadRecordsAreRefusedAndOldRowsGo) {
  EXPECT_FALSE(BackupAccess::apply(*db, ""));
  EXPECT_FALSE(BackupAccess::apply(*db, std::string_view("\1abc", 4)));
  EXPECT_FALSE(BackupAccess::apply(*db, std::string_view("\7", 1)));
  ssh("ann", "10.0.0.7");
  read("10.0.0.3", 1);
  now = now + hours(24 * 401);
  BackupAccess::prune(*db, now);
  const auto h = look();
  EXPECT_TRUE(h.logins.empty());
  EXPECT_TRUE(h.readers.empty());
}

TEST(BackupHosts, SayWhatIsWrong) {
  const auto wrong = [](const char* text) {
    const auto h = host_from_json(boost::json::parse(text));
    return h ? "" : h.error();
  };
  EXPECT_THAT(wrong(R"({"name":"x"})"), HasSubstr("site"));
  EXPECT_THAT(wrong(R"({"site":"a","name":"x","addresses":["ten"]})"), HasSubstr("IP addresses"));
  EXPECT_THAT(wrong(R"({"site":"a","name":"x","hours":"always"})"), HasSubstr("hours"));
  EXPECT_THAT(wrong(R"({"site":"a","name":"x","large_read":"much"})"), HasSubstr("large_read"));
  EXPECT_THAT(wrong(R"({"site":"a","name":"x","names":[7]})"), HasSubstr("names"));
  EXPECT_THAT(wrong(R"({"site":"a","name":"x","port":7})"), HasSubstr("unknown"));
  const auto h = host_from_json(boost::json::parse(
      R"({"site":"a","name":"x","addresses":["2001:db8::0001"],"large_read":"1GiB"})"));
  ASSERT_TRUE(h) << h.error();
  EXPECT_EQ(h->addresses[0], "2001:db8::1") << "as flows write it";
  std::string text;
  JsonWriter w(text);
  write_json(w, *h);
  const auto again = host_from_json(boost::json::parse(text));
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->large_read, 1ULL << 30);
}

}  // namespace
}  // namespace ww::collector
