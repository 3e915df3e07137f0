#include "sensors/pipeline/replay.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "sensors/pipeline/defaults.hpp"

namespace ww::sensor {
namespace {

namespace fs = std::filesystem;

class Collect final : public EventSink {
 public:
  void write(std::string_view lines) override {
    const std::lock_guard lock(mutex_);
    text += lines;
  }
  std::multiset<std::string> sorted() const {
    std::multiset<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      out.insert(text.substr(at, end - at));
      at = end + 1;
    }
    return out;
  }
  std::string text;

 private:
  std::mutex mutex_;
};

std::vector<std::string> captures() {
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& e :
       fs::recursive_directory_iterator(fs::path(WW_SOURCE_DIR) / "tests/fixtures/captures", ec))
    if (e.path().extension() == ".pcap" || e.path().extension() == ".pcapng")
      out.push_back(e.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

struct Outcome {
  std::multiset<std::string> events;
  std::string text;
  ReplayResult result;
};

Outcome run(const std::vector<std::string>& files, std::size_t workers,
            const std::vector<std::string>& sets = {}, Settings settings = {}) {
  add_default_settings(settings);
  for (const auto& s : sets) EXPECT_TRUE(settings.set_assignment(s));
  PipelineShared shared(settings);
  shared.workers = workers;
  shared.flows.sweep_from = 100'000;
  auto sink = std::make_shared<Collect>();
  const std::vector<std::shared_ptr<EventSink>> sinks(shared.eve.outputs().size(), sink);
  auto source = capture::open_files(files);
  EXPECT_TRUE(source);
  Outcome o;
  o.result = replay(**source, shared, sinks, nullptr);
  o.events = sink->sorted();
  o.text = sink->text;
  return o;
}

TEST(Replay, SameCaptureOverWorkersGivesTheSameEvents) {
  const auto files = captures();
  ASSERT_FALSE(files.empty());
  const auto one = run(files, 1);
  EXPECT_GT(one.events.size(), 10U);
  for (const std::size_t workers : {2U, 3U, 8U}) {
    const auto many = run(files, workers);
    EXPECT_EQ(many.result.packets, one.result.packets);
    ASSERT_EQ(many.events.size(), one.events.size()) << workers << " workers";
    EXPECT_TRUE(many.events == one.events) << workers << " workers";
  }
}

TEST(Replay, OneWorkerIsDeterministic) {
  const auto files = captures();
  ASSERT_FALSE(files.empty());
  EXPECT_EQ(run(files, 1).text, run(files, 1).text);
}

TEST(Replay, EveryFlowIsRecordedOnce) {
  const auto files = captures();
  ASSERT_FALSE(files.empty());
  const auto o = run(files, 1);
  std::uint64_t created = 0, records = 0;
  for (const auto& w : o.result.workers) created += w.flows.created;
  for (const auto& e : o.events)
    records += e.find("\"event_type\":\"flow\"") != std::string::npos ? 1 : 0;
  EXPECT_EQ(records, created);
}

TEST(Replay, EndsWithOneStatsRecordOfAllWorkers) {
  const auto files = captures();
  ASSERT_FALSE(files.empty());
  for (const std::size_t workers : {1U, 3U}) {
    const auto o = run(files, workers);
    const auto at = o.text.find("\"event_type\":\"stats\"");
    ASSERT_NE(at, std::string::npos);
    const auto record = o.text.substr(at);
    EXPECT_EQ(std::count(record.begin(), record.end(), '\n'), 1) << workers << " workers";
    std::uint64_t flows = 0;
    for (const auto& w : o.result.workers) flows += w.flows.created;
    EXPECT_NE(record.find("\"active\":0"), std::string::npos) << record;
    EXPECT_NE(record.find("\"total\":" + std::to_string(flows) + ","), std::string::npos) << record;
  }
}

TEST(Replay, OnlyTheTypesThatAreAskedForAreWritten) {
  const auto files = captures();
  ASSERT_FALSE(files.empty());
  Settings settings = *Settings::from_yaml(
      "outputs:\n  - eve-log:\n      enabled: yes\n      community-id: yes\n      types:\n        "
      "- flow\n",
      "test");
  const auto events = run(files, 1, {}, std::move(settings)).events;
  EXPECT_FALSE(events.empty());
  for (const auto& e : events) {
    EXPECT_NE(e.find("\"event_type\":\"flow\""), std::string::npos) << e;
    EXPECT_NE(e.find("\"community_id\":\"1:"), std::string::npos) << e;
  }
}

TEST(Replay, LinesCarryTheSensorsNameAndStartAsReceiversWant) {
  const auto files = captures();
  ASSERT_FALSE(files.empty());
  Settings settings = *Settings::from_yaml(
      "sensor-name: ward-7\noutputs:\n  - eve-log:\n      prefix: \"@cee: \"\n      types:\n"
      "        - flow\n",
      "test");
  const auto events = run(files, 1, {}, std::move(settings)).events;
  EXPECT_FALSE(events.empty());
  for (const auto& e : events) {
    EXPECT_EQ(e.find("@cee: {\"timestamp\":"), 0U) << e;
    EXPECT_NE(e.find("\"host\":\"ward-7\""), std::string::npos) << e;
  }
}

TEST(Defaults, EmptySettingsGetTheShippedOutputs) {
  Settings s;
  add_default_settings(s);
  EXPECT_EQ(s.text_or("host-os-policy.windows", ""), "0.0.0.0/0");
  EXPECT_FALSE(s.flag_or("outputs.1.eve-log.types.1.frame.enabled", true));
  const EveConfig config(s);
  ASSERT_EQ(config.outputs().size(), 1U);
  EXPECT_TRUE(config.outputs()[0].alert);
  EXPECT_TRUE(config.outputs()[0].flow);
  EXPECT_FALSE(config.outputs()[0].netflow);
  EXPECT_FALSE(config.outputs()[0].frames);
}

TEST(Defaults, GivenOutputsStayAsTheyAre) {
  auto s = *Settings::from_yaml(
      "outputs:\n  - eve-log:\n      enabled: yes\n      types: [alert, netflow]\n", "test");
  add_default_settings(s);
  const EveConfig config(s);
  ASSERT_EQ(config.outputs().size(), 1U);
  EXPECT_TRUE(config.outputs()[0].netflow);
  EXPECT_FALSE(config.outputs()[0].flow);
  EXPECT_FALSE(s.has("host-os-policy"));
}

TEST(EveConfig, ATypeMayNameItsOwnForwardedAddress) {
  const auto s = *Settings::from_yaml(
      "outputs:\n  - eve-log:\n      xff:\n        enabled: yes\n      types:\n"
      "        - http:\n            xff:\n              enabled: yes\n"
      "              mode: overwrite\n              header: X-Real-Ip\n        - dns\n",
      "test");
  const EveConfig config(s);
  std::map<std::string, XffOptions> found;
  for (const auto& p : protocols())
    for (const auto& l : p.loggers)
      for (const auto& t : config.targets(l)) found[l.settings_name] = t.xff;
  EXPECT_TRUE(found["http"].overwrite);
  EXPECT_EQ(found["http"].header, "X-Real-Ip");
  EXPECT_TRUE(found["dns"].enabled);
  EXPECT_FALSE(found["dns"].overwrite);
}

TEST(PortSet, ReadsListsRangesAndNegation) {
  const auto a = PortSet::parse("[80, 8000:8010, !8005]");
  EXPECT_TRUE(a.contains(80));
  EXPECT_TRUE(a.contains(8010));
  EXPECT_FALSE(a.contains(8005));
  EXPECT_FALSE(a.contains(81));
  EXPECT_TRUE(PortSet::parse("any").contains(1));
  EXPECT_FALSE(PortSet::parse("!22").contains(22));
  EXPECT_TRUE(PortSet::parse("!22").contains(23));
  EXPECT_TRUE(PortSet::parse("").empty());
}

}  // namespace
}  // namespace ww::sensor
