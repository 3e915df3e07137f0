/// Journald and Windows event logs: files of the real formats (tests/fixtures/record), read by the
/// same inputs as live ones.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sensors/logs/inputs/others.hpp"
#include "tests/sensors/logs/memory_sink.hpp"
#include "tests/temp_folder.hpp"

namespace ww::logs {
namespace {

namespace fs = std::filesystem;

std::string unpacked(const std::string& name) {
  std::ifstream in(std::string(WW_SOURCE_DIR) + "/tests/fixtures/logs/" + name, std::ios::binary);
  const std::string packed((std::istreambuf_iterator<char>(in)), {});
  const auto size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (packed.empty() || size > (64U << 20)) return {};
  std::string out(size, '\0');
  EXPECT_EQ(ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size()), size);
  return out;
}

class RecordedLogs : public testing::Test {
 protected:
  std::string put(const std::string& name, std::string_view octets) const {
    const auto path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << octets;
    return path;
  }
  /// Runs an input until it has given `wanted` events in all, or gives up; then ends it as a sensor
  /// does.
  template <class Make>
  void read(Make make, std::size_t wanted) {
    Loop loop;
    Surroundings around{loop, sink_, clock_, Formats::builtin(), counters_};
    auto input = make(around);
    const auto opened = input->open();
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    input->start();
    std::thread thread([&] { loop.run(); });
    EXPECT_TRUE(sink_.wait_for(wanted)) << sink_.events().size();
    loop.stop();
    thread.join();
    input->finish();
  }
  void read_journal(JournaldOptions options, std::size_t wanted) {
    options.folder = folder_.string();
    options.from_end = false;
    read([&](Surroundings& around) { return make_journald(options, around); }, wanted);
  }
  void read_evtx(std::size_t wanted) {
    EvtxOptions options;
    options.paths = {(folder_ / "*.evtx").string()};
    options.poll = std::chrono::milliseconds(50);
    read([&](Surroundings& around) { return make_evtx(options, around); }, wanted);
  }
  std::vector<boost::json::object> events() const {
    std::vector<boost::json::object> out;
    for (const auto& e : sink_.events()) out.push_back(boost::json::parse(e).as_object());
    return out;
  }
  static std::string at(const boost::json::object& o, std::string_view path) {
    boost::system::error_code error;
    const boost::json::value whole(o);
    const auto* v = whole.find_pointer(path, error);
    if (v == nullptr) return "(none)";
    return v->is_string() ? std::string(v->as_string()) : boost::json::serialize(*v);
  }

  ww::test::TempFolder temp_;
  const fs::path folder_ = temp_.path();
  MemorySink sink_;
  SystemClock clock_;
  Counters counters_;
};

constexpr std::size_t journal_entries = 21, evtx_records = 10;

TEST_F(RecordedLogs, AJournalIsReadWithEveryFieldOfItsEntries) {
  put("system.journal", unpacked("system.journal.zst"));
  read_journal({}, journal_entries);
  std::size_t failed = 0, backup = 0, call = 0;
  for (const auto& e : events()) {
    EXPECT_EQ(at(e, "/log/format"), "journald") << boost::json::serialize(e);
    EXPECT_EQ(at(e, "/log/host"), "pacs-gw01");
    const auto message = at(e, "/log/message");
    if (message.starts_with("Failed password for invalid user svc-backup from 10.20.1.15 port ")) {
      ++failed;
      EXPECT_EQ(at(e, "/log/service"), "sshd");
      EXPECT_EQ(at(e, "/log/severity"), "informational");
      EXPECT_EQ(at(e, "/log/fields/_COMM"), "sshd");
    }
    if (message == "backup of /srv/pacs failed: repository is locked by PID 4711") {
      ++backup;
      EXPECT_EQ(at(e, "/log/severity"), "error");
      EXPECT_EQ(at(e, "/log/facility"), "daemon");
      EXPECT_EQ(at(e, "/log/fields/BACKUP_JOB"), "pacs-nightly");
      EXPECT_EQ(at(e, "/log/fields/_MACHINE_ID"), "00112233445566778899aabbccddeeff");
      EXPECT_TRUE(at(e, "/timestamp").starts_with("20")) << at(e, "/timestamp");
    }
    call += message == "call bell of bed 7 answered" ? 1 : 0;
  }
  EXPECT_EQ(failed, 3U);
  EXPECT_EQ(backup, 1U);
  EXPECT_EQ(call, 1U);
}

TEST_F(RecordedLogs, AJournalGoesOnAtItsCursorAfterARestart) {
  put("system.journal", unpacked("system.journal.zst"));
  read_journal({}, journal_entries);
  EXPECT_FALSE(sink_.recall("journald:" + folder_.string()).empty());
  read_journal({}, journal_entries);  // a second life of the sensor: nothing new, nothing twice
  EXPECT_EQ(sink_.events().size(), journal_entries);
}

TEST_F(RecordedLogs, AJournalThatIsCutOffIsReadAsFarAsItGoes) {
  const auto whole = unpacked("system.journal.zst");
  put("system.journal", std::string_view(whole).substr(0, whole.size() / 2));
  Loop loop;
  Surroundings around{loop, sink_, clock_, Formats::builtin(), counters_};
  JournaldOptions options;
  options.folder = folder_.string();
  options.from_end = false;
  auto input = make_journald(options, around);
  if (input->open()) {  // a library that refuses the file says so; one that opens it gives what is
                        // there
    input->start();
    input->finish();
  }
  EXPECT_LE(sink_.events().size(), journal_entries);
}

TEST_F(RecordedLogs, AWindowsLogBecomesTheEventsThatWinlogbeatWouldSend) {
  put("security.evtx", unpacked("security.evtx.zst"));
  read_evtx(evtx_records);
  const auto all = events();
  ASSERT_EQ(all.size(), evtx_records);
  const auto& failed = all[3];
  EXPECT_EQ(at(failed, "/log/format"), "evtx") << boost::json::serialize(failed);
  EXPECT_EQ(at(failed, "/log/product"), "windows");
  EXPECT_EQ(at(failed, "/log/service"), "security");
  EXPECT_EQ(at(failed, "/log/host"), "PACS-APP01.example.nhs.uk");
  EXPECT_TRUE(at(failed, "/timestamp").starts_with("2026-06-09T10:13:23"))
      << at(failed, "/timestamp");
  EXPECT_EQ(at(failed, "/log/fields/EventID"), "4625");
  EXPECT_EQ(at(failed, "/log/fields/EventRecordID"), "9004");
  EXPECT_EQ(at(failed, "/log/fields/Channel"), "Security");
  EXPECT_EQ(at(failed, "/log/fields/TargetUserName"), "svc-backup");
  EXPECT_EQ(at(failed, "/log/fields/LogonType"), "3");
  EXPECT_EQ(at(failed, "/log/fields/IpAddress"), "10.20.1.15");
  EXPECT_EQ(at(failed, "/log/fields/IpPort"), "49003");
  EXPECT_EQ(at(all[8], "/log/fields/EventID"), "4624");
  EXPECT_EQ(at(all[8], "/log/fields/TargetUserSid"),
            "S-1-5-21-1004336348-1177238915-682003330-1190");
  EXPECT_EQ(at(all[9], "/log/fields/EventID"), "1102");
  EXPECT_EQ(at(all[9], "/log/fields/Provider_Name"), "Microsoft-Windows-Eventlog");
  EXPECT_EQ(at(all[9], "/log/fields/SubjectUserName"), "svc-backup") << "UserData is read too";
}

TEST_F(RecordedLogs, AWindowsLogIsNotReadTwiceAndAClearedOneFromItsStart) {
  const auto whole = unpacked("security.evtx.zst");
  put("security.evtx", whole);
  read_evtx(evtx_records);
  read_evtx(evtx_records);
  EXPECT_EQ(sink_.events().size(), evtx_records);
  // Another file under the name: record numbers start lower than the last one seen.
  EventGroup group;
  group.state.emplace_back("evtx:" + (folder_ / "security.evtx").string(), "20000");
  ASSERT_TRUE(sink_.submit(group));
  read_evtx(2 * evtx_records);
  EXPECT_EQ(sink_.events().size(), 2 * evtx_records);
}

TEST_F(RecordedLogs, ADamagedWindowsLogIsCountedAndDoesNotStopTheOthers) {
  auto broken = unpacked("security.evtx.zst");
  for (std::size_t i = 4096 + 600; i < 4096 + 1400; ++i) broken[i] = static_cast<char>(i * 37);
  put("a-broken.evtx", broken);
  put("b-not-one.evtx", "this is no event log");
  put("c-good.evtx", unpacked("security.evtx.zst"));
  read_evtx(evtx_records);
  std::size_t good = 0;
  for (const auto& e : events()) good += at(e, "/log/file").ends_with("c-good.evtx") ? 1U : 0U;
  EXPECT_EQ(good, evtx_records);
}

}  // namespace
}  // namespace ww::logs
