#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "collector/identity/authority.hpp"
#include "sensors/drills/agent.hpp"
#include "sensors/drills/conversation.hpp"
#include "sensors/drills/detection.hpp"
#include "sensors/drills/scratch.hpp"
#include "sensors/drills/verify.hpp"
#include "sensors/pipeline/defaults.hpp"
#include "sensors/pipeline/replay.hpp"
#include "telemetry/orders.hpp"
#include "tests/temp_folder.hpp"

namespace ww::drills {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DrillFolder : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(folder + "/" + name).parent_path());
    std::ofstream(folder + "/" + name, std::ios::binary) << text;
  }
  void database(const std::string& name) const {
    fs::create_directories(fs::path(folder + "/" + name).parent_path());
    sqlite3* db = nullptr;
    sqlite3_open((folder + "/" + name).c_str(), &db);
    sqlite3_exec(db, "create table study(id integer); insert into study values(1),(2),(3);",
                 nullptr, nullptr, nullptr);
    sqlite3_close(db);
  }
  ww::test::TempFolder temp;
  const std::string& folder = temp.path();
  SystemClock clock;
};

TEST_F(DrillFolder, ScratchIsClosedToOthersAndRemovedWhateverIsInIt) {
  const auto root = folder + "/scratch";
  std::string path;
  {
    auto s = Scratch::make(root, "order-1");
    ASSERT_TRUE(s.has_value()) << s.error().text();
    path = s->path();
    struct stat st{};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0700U);
    write("scratch/wwdrill-order-1/a/b/c.txt", "x");
    write("outside.txt", "kept");
    fs::create_symlink(folder + "/outside.txt", path + "/link");
    fs::create_directory_symlink(folder, path + "/way-out");
    ::chmod((path + "/a/b").c_str(), 0000);
    EXPECT_FALSE(Scratch::make(root, "order-1").has_value()) << "one order, one folder";
    EXPECT_TRUE(s->isolation().contains("noexec"));
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(folder + "/outside.txt")) << "links are not followed";
}

TEST_F(DrillFolder, WhatADeadProcessLeftIsRemovedAndNothingElse) {
  write("scratch/wwdrill-old/data/file", "x");
  write("scratch/somebody-elses/file", "x");
  const auto n = clean_scratch(folder + "/scratch");
  ASSERT_TRUE(n.has_value());
  EXPECT_EQ(*n, 1U);
  EXPECT_FALSE(fs::exists(folder + "/scratch/wwdrill-old"));
  EXPECT_TRUE(fs::exists(folder + "/scratch/somebody-elses/file"));
}

TEST_F(DrillFolder, VerifyFindsWhatIsMissingChangedOrBroken) {
  write("data/a.txt", "hello");
  database("data/db/app.sqlite");
  // sha256 of "hello"
  write("data/SHA256SUMS",
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  a.txt\n");
  RestoreTarget t;
  t.manifest = {"SHA256SUMS"};
  t.files = {"db/app.sqlite"};
  t.min_files = 3;
  t.databases = {
      {"sqlite",
       "db/app.sqlite",
       {{"select count(*) from study", "3", {}}, {"select max(id) from study", {}, 2.0}}}};
  const auto round = [&] {
    // Through the text that crosses the process border.
    auto spec = read_verify_spec(verify_spec(folder + "/data", t));
    EXPECT_TRUE(spec.has_value());
    return *read_verify_result(verify_result(verify(spec->first, spec->second)));
  };
  auto r = round();
  EXPECT_TRUE(r.failed.empty()) << r.failed.front();
  EXPECT_EQ(r.files, 3U);
  EXPECT_THAT(r.passed, ::testing::Contains(HasSubstr("opens: db/app.sqlite")));

  write("data/a.txt", "hellO");
  EXPECT_THAT(round().failed, ::testing::ElementsAre(HasSubstr("a.txt differs")));
  write("data/a.txt", "hello");
  t.databases[0].queries[0].expect = "4";
  EXPECT_THAT(round().failed, ::testing::ElementsAre(HasSubstr("= 3")));
  t.databases[0].queries = {{"delete from study", "0", {}}};
  EXPECT_THAT(round().failed, ::testing::ElementsAre(HasSubstr("would write")));
  t.databases[0].queries.clear();
  {
    std::fstream f(folder + "/data/db/app.sqlite", std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(4096);
    f << std::string(2000, 'X');
  }
  EXPECT_THAT(round().failed, ::testing::ElementsAre(HasSubstr("opens: db/app.sqlite")));
  t.databases.clear();
  t.files = {"missing"};
  EXPECT_THAT(round().failed, ::testing::ElementsAre("file: missing"));
}

TEST_F(DrillFolder, VerifyDoesNotLeaveTheRestoredTree) {
  write("secret", "x");
  write("data/inside", "x");
  fs::create_symlink(folder + "/secret", folder + "/data/link");
  RestoreTarget t;
  t.files = {"link"};
  EXPECT_THAT(verify(folder + "/data", t).failed, ::testing::ElementsAre("file: link"));
}

TEST_F(DrillFolder, ConversationIsSeenAsOneTcpFlowWithItsOctets) {
  Conversation c;
  c.server_port = 80;
  c.turns = {"GET /rehearsal HTTP/1.1\r\nHost: x.example\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
  auto source = make_conversation(c, clock.now());
  ASSERT_TRUE(source.has_value());
  struct Lines final : sensor::EventSink {
    std::string all;
    void write(std::string_view lines) override { all += lines; }
  };
  auto lines = std::make_shared<Lines>();
  Settings settings;
  sensor::add_default_settings(settings);
  sensor::PipelineShared shared(settings);
  const std::vector<std::shared_ptr<sensor::EventSink>> sinks(
      std::max<std::size_t>(1, shared.eve.outputs().size()), lines);
  const auto done = sensor::replay(**source, shared, sinks, nullptr);
  EXPECT_TRUE(done.problems.empty());
  EXPECT_GT(done.packets, 8U);
  EXPECT_THAT(lines->all, HasSubstr("\"url\":\"/rehearsal\""));
  EXPECT_THAT(lines->all, ::testing::Not(HasSubstr("invalid checksum")));
  Conversation none;
  EXPECT_FALSE(make_conversation(none, clock.now()).has_value());
}

/// A spool in memory. The agent writes to it from a thread of its own; `groups` is read when that
/// has ended.
struct Kept final : ww::EventSink {
  std::vector<EventGroup> groups;
  std::map<std::string, std::string> memory;
  mutable std::mutex mutex;
  bool submit(const EventGroup& g) override {
    const std::lock_guard lock(mutex);
    groups.push_back(g);
    for (const auto& [k, v] : g.state) memory[k] = v;
    return true;
  }
  void submit_or_drop(std::string_view json, std::string_view) override {
    EventGroup g;
    g.add(json);
    const std::lock_guard lock(mutex);
    groups.push_back(g);
  }
  std::string recall(std::string_view k) const override {
    const std::lock_guard lock(mutex);
    const auto it = memory.find(std::string(k));
    return it == memory.end() ? "" : it->second;
  }
  std::vector<std::pair<std::string, std::string>> recall_all(
      std::string_view prefix) const override {
    const std::lock_guard lock(mutex);
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [k, v] : memory)
      if (k.starts_with(prefix)) out.emplace_back(k, v);
    return out;
  }
};

TEST_F(DrillFolder, PlayedLinesAreMarkedAndOnlyAllowedKindsArePlayed) {
  Kept sink;
  const auto inputs =
      boost::json::parse(
          R"([{"kind":"log","format":"auto","lines":["Nov 27 02:00:00 pacs sshd[1]: Failed password for root from 10.0.0.9 port 22 ssh2"]},
    {"kind":"audit_xml","documents":["<AuditMessage/>"]}])")
          .as_array();
  auto played = play(inputs, {"log"}, "run-1", sink, clock, {}, folder);
  EXPECT_THAT(played.error, HasSubstr("audit_xml"));
  ASSERT_EQ(sink.groups.size(), 1U);
  EXPECT_EQ(sink.groups[0].drill, "run-1");
  EXPECT_THAT(sink.groups[0].lines, HasSubstr("Failed password"));
  played = play(inputs, {"log", "audit_xml"}, "run-1", sink, clock, {}, folder);
  EXPECT_EQ(played.error, "");
  EXPECT_THAT(sink.groups.back().lines, HasSubstr("AuditMessage"));
}

TEST_F(DrillFolder, OrdersAreBelievedOnlyWhenTheAuthoritySignedThem) {
  collector::AuthorityOptions o;
  o.folder = folder + "/tls";
  auto authority = collector::Authority::open(o, clock);
  ASSERT_TRUE(authority.has_value());
  o.folder = folder + "/other";
  auto other = collector::Authority::open(o, clock);
  orders::Order order{
      "o1", "r1", "trust-a", "s1", "restore", clock.now(), clock.now() + std::chrono::hours(1), {}};
  order.parameters["target"] = "pacs";
  orders::SignedOrder s{orders::payload(order), {}};
  s.signature = (*authority)->sign_order(s.payload);
  const auto list = orders::read(orders::write({s}));
  ASSERT_TRUE(list.has_value());
  const auto& pem = (*authority)->certificate_pem();
  EXPECT_TRUE(orders::verify(pem, list->at(0)));
  const auto back = orders::parse(list->at(0).payload);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->parameters.at("target").as_string(), "pacs");
  auto changed = s;
  changed.payload.replace(changed.payload.find("pacs"), 4, "ris1");
  EXPECT_FALSE(orders::verify(pem, changed));
  EXPECT_FALSE(orders::verify((*other)->certificate_pem(), s));
  EXPECT_FALSE(orders::verify(pem, {s.payload, ""}));
  EXPECT_FALSE(orders::verify("", s));
  EXPECT_FALSE(orders::parse("{}").has_value());
  EXPECT_FALSE(orders::read("[]").has_value());
}

TEST_F(DrillFolder, AnOrderThatARestartInterruptedEndsWithItsReasonAndACleanScratch) {
  write("scratch/wwdrill-o1/data/patient", "x");
  Kept sink;
  sink.memory["drill:order:o1"] = "started restore run-7";
  AgentOptions a;
  a.config.scratch = folder + "/scratch";
  a.config.detection = {"log"};
  a.site = "trust-a";
  a.sensor = "s1";
  auto agent = DrillAgent::make(std::move(a), sink, clock);
  agent->start();
  for (int i = 0; i < 6000 && sink.recall("drill:order:o1").starts_with("started"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  agent->stop();
  EXPECT_FALSE(fs::exists(folder + "/scratch/wwdrill-o1"));
  EXPECT_THAT(sink.recall("drill:order:o1"), HasSubstr("finished"));
  EXPECT_THAT(sink.groups.front().lines, HasSubstr("restarted in the middle"));
  EXPECT_THAT(sink.groups.front().lines, HasSubstr("run-7"));
}

}  // namespace
}  // namespace ww::drills
