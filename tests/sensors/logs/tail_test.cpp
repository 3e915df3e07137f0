#include "sensors/logs/inputs/tail.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "sensors/logs/inputs/tail_state.hpp"
#include "sensors/logs/log_service.hpp"
#include "telemetry/batch/batch.hpp"
#include "telemetry/json_writer.hpp"
#include "tests/sensors/logs/memory_sink.hpp"
#include "tests/temp_folder.hpp"

namespace ww::logs {
namespace {

namespace fs = std::filesystem;

class TailTest : public testing::Test {
 protected:
  void SetUp() override {
    log_ = folder_ + "/app.log";
    options_.paths = {folder_ + "/*.log*"};
    options_.source.format = "plain";
  }

  static void append(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::app | std::ios::binary) << text;
  }
  /// Lines "FROM\n".. with enough text to be recognised again.
  static std::string lines(int from, int to) {
    std::string out;
    for (int i = from; i <= to; ++i)
      out += "line number " + std::to_string(i) + " of a log with some text in it\n";
    return out;
  }
  /// One life of the input: opens, reads what is there, stops as a sensor does.
  void life() {
    Loop loop;
    Counters counters;
    Surroundings around{loop, sink_, clock_, Formats::builtin(), counters};
    auto tail = make_tail(options_, around);
    ASSERT_TRUE(tail->open().has_value());
    tail->start();
    tail->finish();
  }
  /// A life on a thread, until `f` returns.
  template <class F>
  void live(F f) {
    Loop loop;
    Counters counters;
    Surroundings around{loop, sink_, clock_, Formats::builtin(), counters};
    options_.poll = std::chrono::milliseconds(50);
    auto tail = make_tail(options_, around);
    ASSERT_TRUE(tail->open().has_value());
    tail->start();
    std::thread thread([&] { loop.run(); });
    f();
    loop.stop();
    thread.join();
    tail->finish();
  }
  /// What a life says in the log.
  std::string said() {
    std::ostringstream out;
    const auto before = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(out)));
    life();
    spdlog::set_default_logger(before);
    return out.str();
  }
  /// As at the start of the test.
  void start_over() {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    sink_.~MemorySink();
    new (&sink_) MemorySink();
  }
  /// The numbers of the lines that arrived, in order.
  std::vector<int> numbers() const {
    std::vector<int> out;
    for (const auto& e : sink_.events()) {
      const auto at = e.find("line number ");
      out.push_back(at == std::string::npos ? -1 : std::atoi(e.c_str() + at + 12));
    }
    return out;
  }
  /// Texts of the events, which hold no quotes here.
  std::vector<std::string> messages() const {
    constexpr std::string_view key = "\"message\":\"";
    std::vector<std::string> out;
    for (const auto& e : sink_.events()) {
      const auto at = e.find(key) + key.size();
      out.push_back(e.substr(at, e.find('"', at) - at));
    }
    return out;
  }
  void expect_once(int to) {
    auto seen = numbers();
    std::sort(seen.begin(), seen.end());
    std::vector<int> wanted;
    for (int i = 1; i <= to; ++i) wanted.push_back(i);
    EXPECT_EQ(seen, wanted);
  }
  static std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  static void gzip(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    gzFile out = gzopen((path + ".gz").c_str(), "wb");
    gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    gzclose(out);
    fs::remove(path);
  }
  static void zstd(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    batch::Encoder e;
    e.begin();
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    std::ofstream(path + ".zst", std::ios::binary) << out;
    fs::remove(path);
  }

  ww::test::TempFolder temp_;
  const std::string& folder_ = temp_.path();
  std::string log_;
  TailOptions options_;
  MemorySink sink_;
  SystemClock clock_;
};

TEST_F(TailTest, APatternThatFindsNothingIsNamedWithTheReason) {
  options_.paths = {folder_ + "/none.log"};
  EXPECT_NE(said().find("/none.log: no such file yet; it is read when it comes"),
            std::string::npos);
  options_.paths = {folder_ + "/absent/*.log"};
  EXPECT_NE(said().find("cannot look into " + folder_ + "/absent: No such file or directory"),
            std::string::npos);
  options_.paths = {std::string(folder_)};
  EXPECT_NE(said().find("is a folder, not a file; name its files: "), std::string::npos);
  ASSERT_EQ(::mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  options_.paths = {folder_ + "/pipe"};
  EXPECT_NE(said().find("/pipe: is not a regular file"), std::string::npos);
  append(log_, lines(1, 1));
  options_.paths = {folder_ + "/*.log"};
  EXPECT_EQ(said(), "") << "a file is there";
  options_.exclude = {"*.log"};
  EXPECT_EQ(said(), "") << "left out on purpose";
}

TEST_F(TailTest, ReadsEveryLineOnceOverRestarts) {
  append(log_, lines(1, 100));
  life();
  append(log_, lines(101, 150));
  life();
  life();
  append(log_, "line number 151 of a log that has no end yet");
  life();
  EXPECT_EQ(numbers().size(), 150U) << "an unfinished line waits";
  append(log_, " but now\n");
  life();
  expect_once(151);
}

TEST_F(TailTest, FollowsARenamedFileAndItsSuccessorWhileRunning) {
  options_.paths = {log_};
  append(log_, lines(1, 10));
  live([&] {
    ASSERT_TRUE(sink_.wait_for(10));
    std::ofstream old(log_, std::ios::app);
    fs::rename(log_, log_ + ".1");
    old << lines(11, 15) << std::flush;  // the writer has not noticed yet
    append(log_, lines(16, 30));
    ASSERT_TRUE(sink_.wait_for(30));
  });
  expect_once(30);
}

TEST_F(TailTest, RenamedWhileTheSensorWasAway) {
  options_.paths = {log_};
  append(log_, lines(1, 10));
  life();
  append(log_, lines(11, 20));
  fs::rename(log_, log_ + ".1");
  append(log_, lines(21, 30));
  life();
  expect_once(30);
}

TEST_F(TailTest, CompressedWhileTheSensorWasAway) {
  for (const bool glob : {true, false}) {
    SCOPED_TRACE(glob);
    options_.paths = {glob ? folder_ + "/*.log*" : log_};
    append(log_, lines(1, 10));
    life();
    append(log_, lines(11, 20));
    fs::rename(log_, log_ + ".1");
    glob ? gzip(log_ + ".1") : zstd(log_ + ".1");
    append(log_, lines(21, 30));
    life();
    life();
    expect_once(30);
    start_over();
  }
}

TEST_F(TailTest, CompressedWhileRunningIsNotReadAgain) {
  append(log_, lines(1, 20));
  live([&] {
    ASSERT_TRUE(sink_.wait_for(20));
    fs::rename(log_, log_ + ".1");
    append(log_, "line number 21 is in the new file\n");
    ASSERT_TRUE(sink_.wait_for(21));
    gzip(log_ + ".1");
    append(log_, "line number 22 is in the new file\n");
    ASSERT_TRUE(sink_.wait_for(22));
  });
  life();
  expect_once(22);
}

TEST_F(TailTest, CopyTruncateLosesNothingThatTheCopyHas) {
  options_.paths = {log_};
  append(log_, lines(1, 10));
  life();
  append(log_, lines(11, 20));
  fs::copy_file(log_, log_ + ".1");
  fs::resize_file(log_, 0);
  append(log_, "line number 21\n");
  life();
  expect_once(21);
}

TEST_F(TailTest, CopyTruncateWhileRunningReadsTheCopyOnlyForWhatIsMissing) {
  append(log_, lines(1, 30));
  live([&] {
    ASSERT_TRUE(sink_.wait_for(30));
    fs::copy_file(log_, log_ + ".1");
    fs::resize_file(log_, 0);
    append(log_, lines(31, 90));  // longer than before at once: only the first octets tell
    ASSERT_TRUE(sink_.wait_for(90));
  });
  life();
  expect_once(90);
}

// Copied here in pieces, or written by gzip as we look.
TEST_F(TailTest, AnArchiveThatIsStillWrittenIsReadOnce) {
  for (const bool with_zstd : {false, true}) {
    SCOPED_TRACE(with_zstd);
    const auto before = sink_.events().size();
    const auto made = folder_ + "/made", name = folder_ + (with_zstd ? "/z.log.zst" : "/g.log.gz");
    std::string text;  // several blocks, so that half of the archive holds lines
    std::mt19937 random(7);
    for (int i = 0; i < 16000; ++i)
      text += "line number " + std::to_string(i) + " " + std::to_string(random()) +
              std::to_string(random()) + "\n";
    append(made, text);
    with_zstd ? zstd(made) : gzip(made);
    const auto whole = read_file(made + (with_zstd ? ".zst" : ".gz"));
    live([&] {
      append(name, "");
      std::this_thread::sleep_for(std::chrono::milliseconds(150));  // seen while it is empty
      append(name, whole.substr(0, whole.size() / 2));
      ASSERT_TRUE(sink_.wait_for(before + 100));
      append(name, whole.substr(whole.size() / 2));
      ASSERT_TRUE(sink_.wait_for(before + 16000));
    });
    life();
    EXPECT_EQ(sink_.events().size(), before + 16000);
    fs::remove(made + (with_zstd ? ".zst" : ".gz"));
  }
}

TEST_F(TailTest, AMemberAddedToAnArchiveIsReadAlone) {
  append(folder_ + "/made", lines(1, 30));
  gzip(folder_ + "/made");
  append(folder_ + "/added", lines(31, 40));
  gzip(folder_ + "/added");
  live([&] {
    append(log_ + ".gz", read_file(folder_ + "/made.gz"));
    ASSERT_TRUE(sink_.wait_for(30));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it is closed
    append(log_ + ".gz", read_file(folder_ + "/added.gz"));
    ASSERT_TRUE(sink_.wait_for(40));
  });
  expect_once(40);
}

TEST_F(TailTest, AnArchiveThatGrewWhileTheSensorWasAwayIsReadFromWhereItEnded) {
  for (const bool whole : {true, false}) {
    SCOPED_TRACE(whole);
    append(folder_ + "/made", lines(1, 30));
    gzip(folder_ + "/made");
    append(folder_ + "/added", lines(31, 40));
    gzip(folder_ + "/added");
    const auto added = read_file(folder_ + "/added.gz");
    live([&] {
      append(log_ + ".gz", read_file(folder_ + "/made.gz"));
      ASSERT_TRUE(sink_.wait_for(30));
      std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it is closed
    });
    append(log_ + ".gz", whole ? added : added.substr(0, added.size() / 2));
    life();
    if (!whole) append(log_ + ".gz", added.substr(added.size() / 2));
    life();
    life();
    expect_once(40);
    start_over();
  }
}

// logrotate's olddir: another folder, named from the root, from the log's own, or by a pattern.
TEST_F(TailTest, MovedToAFolderOfArchivesWhileTheSensorWasAway) {
  int round = 0;
  for (const auto& archives : {folder_ + "/old", std::string("old"), std::string("o*d")})
    for (const char* how : {"plain", "gzip", "same name"}) {
      SCOPED_TRACE(archives + " " + how);
      options_.paths = {log_};
      options_.archives = {archives};
      fs::create_directory(folder_ + "/old");
      append(folder_ + "/old/app.log.9",
             "something else that was there before, of the same name\n");
      append(log_, lines(1, 10));
      life();
      append(log_, lines(11, 20));
      const auto moved = folder_ + "/old/app.log" + (how == std::string("same name") ? "" : ".1");
      fs::rename(log_, moved);
      if (how == std::string("gzip")) gzip(moved);
      append(log_, lines(21, 30));
      life();
      life();
      expect_once(30);
      start_over();
      ++round;
    }
  EXPECT_EQ(round, 9);
}

TEST_F(TailTest, CopyTruncateFindsTheCopyInAFolderOfArchives) {
  options_.paths = {log_};
  options_.archives = {"old"};
  fs::create_directory(folder_ + "/old");
  append(log_, lines(1, 10));
  life();
  append(log_, lines(11, 20));
  fs::copy_file(log_, folder_ + "/old/app.log-20261127");
  fs::resize_file(log_, 0);
  append(log_, lines(21, 22));
  life();
  life();
  expect_once(22);
}

TEST(TailState, IsReadAsItIsWrittenAlsoOfEarlierVersions) {
  FileState s;
  s.path = "/var/log/app.log.gz";
  s.offset = 12'345;
  s.print = {100, 7};
  s.done = true;
  s.open_record = "open";
  for (const auto size : {0U, 4711U}) {
    s.archive_size = size;
    const auto again = FileState::parse(s.text());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->archive_size, size);
    EXPECT_EQ(again->path, s.path);
    EXPECT_EQ(again->open_record, "open");
    EXPECT_TRUE(again->done);
    for (std::size_t n = 0; n + s.path.size() + 4 < s.text().size(); ++n)
      EXPECT_FALSE(FileState::parse(s.text().substr(0, n))) << n;
  }
}

// logrotate writes .1 by default, the date with `dateext`, and the date before the ending with
// `extension`.
TEST_F(TailTest, CopyTruncateFindsTheCopyUnderEveryNameThatRotationGives) {
  options_.paths = {log_};
  int n = 0;
  for (const std::string copy :
       {"/app.log.1", "/app.log-20261127", "/app.log.4", "/app-20261127.log"}) {
    SCOPED_TRACE(copy);
    live([&] {
      append(log_, lines(n + 1, n + 3));
      ASSERT_TRUE(sink_.wait_for(static_cast<std::size_t>(n + 3)));
      // The sink takes nothing while the file is rotated: what is new stays unread.
      sink_.refuse(true);
      append(log_, lines(n + 4, n + 4));
      ASSERT_TRUE(sink_.wait_for_refusal());
      append(log_, lines(n + 5, n + 5));
      fs::copy_file(log_, folder_ + copy);
      std::ofstream(log_, std::ios::trunc) << lines(n + 6, n + 6);
      sink_.refuse(false);
      ASSERT_TRUE(sink_.wait_for(static_cast<std::size_t>(n + 6)));
    });
    n += 6;
    expect_once(n);
    fs::remove(log_);
    fs::remove(folder_ + copy);
    life();  // sees that they are gone
  }
}

TEST_F(TailTest, ReadsUtf16ByItsMarkAlsoOverARestart) {
  for (const bool little : {true, false}) {
    const auto path = folder_ + (little ? "/le.log" : "/be.log");
    const auto encode = [&](std::u16string_view text) {
      std::string out;
      for (const auto c : text) {
        const char low = static_cast<char>(c & 0xFF), high = static_cast<char>(c >> 8);
        out += little ? low : high;
        out += little ? high : low;
      }
      return out;
    };
    options_.paths = {path};
    const auto before = messages().size();
    // U+0A0D and U+0D0A hold the octets of a line feed where none is.
    const auto text = encode(u"\uFEFFfirst \u0A0D\u0D0A \u00E9\r\nsecond \U0001F600\r\nthi");
    append(path, text.substr(0, text.size() - 1));  // ends inside a unit
    life();
    append(path, text.substr(text.size() - 1) + encode(u"rd\r\n"));
    life();
    auto got = messages();
    got.erase(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(before));
    EXPECT_EQ(
        got, (std::vector<std::string>{"first \u0A0D\u0D0A \u00E9", "second \U0001F600", "third"}));
  }
}

TEST_F(TailTest, TheHoleThatTruncationLeavesIsNoText) {
  append(log_, lines(1, 2));
  life();
  // The writer does not append: it goes on where it was.
  std::ofstream(log_, std::ios::trunc | std::ios::binary)
      << std::string(300'000, '\0') << "goes on\n";
  life();
  ASSERT_EQ(messages().size(), 3U);
  EXPECT_EQ(messages().back(), "goes on");
}

TEST_F(TailTest, AByteOrderMarkIsNoPartOfTheFirstLine) {
  append(log_,
         "\xEF\xBB\xBF"
         "first\nsecond\n");
  life();
  EXPECT_EQ(messages(), (std::vector<std::string>{"first", "second"}));
}

TEST_F(TailTest, FindsFilesThatComeLaterAndLeavesOutExcludedOnes) {
  options_.exclude = {"*.tmp"};
  live([&] {
    append(folder_ + "/other.log", lines(1, 5));
    append(folder_ + "/x.log.tmp", lines(90, 99));
    ASSERT_TRUE(sink_.wait_for(5));
  });
  expect_once(5);
}

TEST_F(TailTest, StartsAtTheEndOnlyTheVeryFirstTime) {
  options_.from_end = true;
  append(log_, lines(-9, 0));
  life();
  EXPECT_TRUE(numbers().empty());
  append(log_, lines(1, 5));
  life();
  expect_once(5);
}

TEST_F(TailTest, JoinsLinesAndKeepsAnOpenRecordOverARestart) {
  options_.source.multiline_start = "^\\d{4}-";
  append(log_, "2026-11-22 first\n  at a\n  at b\n2026-11-22 second\n  at c\n");
  life();
  ASSERT_EQ(sink_.events().size(), 1U);
  append(log_, "  at d\n2026-11-22 third\n");
  life();
  ASSERT_EQ(sink_.events().size(), 2U);
  EXPECT_NE(sink_.events()[0].find("first\\n  at a\\n  at b"), std::string::npos);
  EXPECT_NE(sink_.events()[1].find("second\\n  at c\\n  at d"), std::string::npos);
  options_.source.multiline_timeout = std::chrono::milliseconds(1);
  live([&] { ASSERT_TRUE(sink_.wait_for(3)); });
  EXPECT_NE(sink_.events()[2].find("third"), std::string::npos);
}

TEST_F(TailTest, KeepsTheHeaderThatNamesTheColumnsOverARestart) {
  options_.source.format = "auto";
  append(log_, "#Fields: date time c-ip sc-status\n2026-11-22 02:30:00 10.0.0.7 200\n");
  life();
  append(log_, "2026-11-22 02:30:01 10.0.0.8 404\n");
  life();
  append(log_, "2026-11-22 02:30:02 10.0.0.9 500\n");
  life();
  ASSERT_EQ(sink_.events().size(), 4U);
  EXPECT_NE(sink_.events()[2].find("\"sc-status\":404"), std::string::npos) << sink_.events()[2];
  EXPECT_NE(sink_.events()[3].find("\"sc-status\":500"), std::string::npos) << sink_.events()[3];
}

TEST_F(TailTest, TheLastLineWithoutAnEndArrivesWhenTheFileIsQuiet) {
  append(log_, lines(1, 2) + "line number 3 without an end");
  options_.source.multiline_timeout = std::chrono::milliseconds(1);
  live([&] { ASSERT_TRUE(sink_.wait_for(3)); });
  expect_once(3);
}

TEST_F(TailTest, ARefusingSinkLosesNothing) {
  sink_.refusing = true;
  append(log_, lines(1, 5000));
  life();
  EXPECT_TRUE(sink_.events().empty());
  sink_.refusing = false;
  life();
  expect_once(5000);
}

TEST_F(TailTest, ALineLongerThanTheLimitIsKeptInPieces) {
  options_.source.max_line_octets = 1000;
  std::string text(3500, 'a');
  for (int i = 0; i < 300; ++i) text += "\xC3\xA9";
  append(log_, text + "\nline number 1\n");
  append(log_, std::string(2500, 'b'));
  life();
  std::string joined;
  for (const auto& e : sink_.events()) {
    const auto at = e.find("\"message\":\"") + 11;
    joined += e.substr(at, e.find('"', at) - at);
    EXPECT_EQ(e.find("\"raw\""), std::string::npos) << "no character is cut in two";
  }
  EXPECT_EQ(joined, text + "line number 1" + std::string(2000, 'b'));
}

TEST_F(TailTest, OctetsThatAreNotUtf8StayRecoverable) {
  append(log_, "caf\xE9 \x80\xFF\n");
  life();
  ASSERT_EQ(sink_.events().size(), 1U);
  std::string base64;
  append_base64(base64, as_bytes("caf\xE9 \x80\xFF"));
  EXPECT_NE(sink_.events()[0].find("\"raw\":\"" + base64 + "\""), std::string::npos)
      << sink_.events()[0];
}

}  // namespace
}  // namespace ww::logs
