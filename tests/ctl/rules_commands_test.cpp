/// `rules explain`, `diff` and `update` as they are typed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "ctl/commands/command.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "tests/temp_folder.hpp"

namespace ww::ctl {
namespace {

namespace fs = std::filesystem;

class RulesCommand : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const auto path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  /// Standard output of `wardwatchctl rules WORDS`.
  std::string run(std::vector<std::string> words) {
    cli::Program program("test", "wardwatchctl", "0");
    Context context;
    commands().at("rules").setup(program.root().add_command("rules", ""), context);
    words.insert(words.begin(), "rules");
    testing::internal::CaptureStdout();
    try {
      (void)program.parse(words);
    } catch (...) {
      (void)testing::internal::GetCapturedStdout();
      throw;
    }
    std::fflush(stdout);
    return testing::internal::GetCapturedStdout();
  }
  /// The problem that ends the command.
  std::string problem(const std::vector<std::string>& words, Exit code) {
    try {
      (void)run(words);
    } catch (const Failure& f) {
      EXPECT_EQ(f.code, code);
      return f.problem.text();
    }
    ADD_FAILURE() << "the command did not fail";
    return {};
  }

  ww::test::TempFolder temp_;
  const fs::path folder_ = temp_.path();
};

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

const std::string capture = WW_SOURCE_DIR "/tests/fixtures/captures/http.pcap";

TEST_F(RulesCommand, ExplainsForPeopleAndPrograms) {
  const auto rules =
      write("a.rules",
            "alert http any any -> any any (msg:\"m\"; http.uri; content:\"/portal\"; sid:1;)\n"
            "# alert http any any -> any any (http.uri; content:\"/portal\"; sid:2;)\n");
  const auto text = run({"explain", "1", "--capture", capture, "--rules", rules});
  EXPECT_HAS(text, "1 matches, 1 alerts");
  EXPECT_HAS(text, "in http.uri at 0, 7 octets");
  EXPECT_HAS(text, "2f 70 6f 72 74 61 6c");
  const auto json = run({"explain", "1:1", "--capture", capture, "--rules", rules, "--json"});
  EXPECT_HAS(json, R"("alerts":1)");
  EXPECT_HAS(json, R"("hex":"2f706f7274616c")");
  EXPECT_HAS(problem({"explain", "2", "--capture", capture, "--rules", rules}, Exit::failed),
             "switched off");
  EXPECT_HAS(problem({"explain", "3", "--capture", capture, "--rules", rules}, Exit::failed),
             "no loaded rule");
  EXPECT_HAS(problem({"explain", "x", "--capture", capture, "--rules", rules}, Exit::usage),
             "no rule id");
}

TEST_F(RulesCommand, ShowsDifferences) {
  const auto a = write("a.rules", "alert ip any any -> any any (ttl:1; sid:1; rev:1;)\n");
  const auto b = write("b.rules", "alert ip any any -> any any (ttl:2; sid:1; rev:2;)\n");
  const auto text = run({"diff", a, b});
  EXPECT_HAS(text, "1 -> 2");
  EXPECT_HAS(text, "ttl: 1 -> 2");
  EXPECT_HAS(text, "0 added, 0 removed, 1 changed");
  EXPECT_HAS(run({"diff", a, b, "--json"}),
             R"("options":[{"keyword":"ttl","before":"1","after":"2"}])");
  EXPECT_HAS(problem({"diff", a, "/no/such/file"}, Exit::usage), "cannot read");
}

TEST_F(RulesCommand, UpdatesFromLocalFiles) {
  write("own.rules", "alert tcp any any -> any any (content:\"abc\"; sid:1;)\n");
  const auto config = write("update.yaml", "output: all.rules\nlocal: [own.rules]\n");
  EXPECT_HAS(run({"update", "--config", config, "--dry-run"}), "nothing was replaced");
  EXPECT_FALSE(fs::exists(folder_ / "all.rules"));
  EXPECT_HAS(run({"update", "--config", config}), "1 added");
  EXPECT_TRUE(fs::exists(folder_ / "all.rules"));
  write("own.rules", "alert tcp any any -> any any (content:\"abcd\"; sid:1; rev:1;)\n");
  EXPECT_HAS(run({"update", "--config", config, "--json"}), R"("replaced":true)");
  EXPECT_HAS(
      run({"diff", (folder_ / "all.rules.previous").string(), (folder_ / "all.rules").string()}),
      "content: \"abc\" -> \"abcd\"");
  EXPECT_HAS(problem({"update", "--config", write("bad.yaml", "output: x\n")}, Exit::usage),
             "no rules to read");
}

}  // namespace
}  // namespace ww::ctl
