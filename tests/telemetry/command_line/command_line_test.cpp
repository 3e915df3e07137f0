#include "telemetry/command_line/command_line.hpp"

#include <gtest/gtest.h>

namespace ww::cli {
namespace {

class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    auto root = program_.root();
    root.require_command();
    root.options_may_follow();
    root.add_flag("--loud,-l", loud_, "say more");
    auto read = root.add_command("read", "read files");
    read.options_may_follow();
    read.add_option("files", files_, "what to read").required();
    read.add_option("--rules,-r", rules_, "rule files").one_value_each();
    read.add_option("--limit", limit_, "at most so many").in_range(1, 10);
    read.add_option("--sort", sort_, "how").one_of({"up", "down"}).show_default();
    read.callback([this] { ran_ = true; });
    auto pair = root.add_command("pair", "two names");
    pair.add_option("names", files_, "both").required().expected(2, 2);
    auto group = root.add_command("group", "more commands");
    group.require_command();
    group.add_command("list", "list them").callback([this] { listed_ = true; });
    root.add_command("__secret", "for scripts").hide();
  }
  /// What is wrong with the words, and whose help is named; "" when nothing is.
  std::string mistake(std::vector<std::string> words) {
    try {
      EXPECT_EQ(program_.parse(std::move(words)), std::nullopt);
    } catch (const UsageError& e) {
      return e.what() + (" | " + e.command());
    }
    return {};
  }

  Program program_{"a test", "tool", "1.2.3"};
  std::vector<std::string> files_, rules_;
  std::string sort_ = "up";
  std::uint32_t limit_ = 5;
  bool loud_ = false, ran_ = false, listed_ = false;
};

TEST_F(CommandLine, SetsWhatIsGivenAndRunsTheCommand) {
  EXPECT_EQ(mistake({"read", "a", "-r", "x", "b", "--rules", "y", "--limit", "7", "--loud"}), "");
  EXPECT_TRUE(ran_);
  EXPECT_FALSE(listed_);
  EXPECT_TRUE(loud_);
  EXPECT_EQ(limit_, 7U);
  EXPECT_EQ(sort_, "up");
  EXPECT_EQ(files_, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(rules_, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(mistake({"group", "list"}), "");
  EXPECT_TRUE(listed_);
}

TEST_F(CommandLine, NamesTheMistakeAndNotWhatFollowsFromIt) {
  EXPECT_EQ(mistake({"read", "--ruls", "x"}),
            "unknown option --ruls (did you mean --rules?) | tool read");
  EXPECT_EQ(mistake({"read", "a", "--luod=1"}),
            "unknown option --luod (did you mean --loud?) | tool read");
  EXPECT_EQ(mistake({"read", "a", "--elephant"}), "unknown option --elephant | tool read");
  EXPECT_EQ(mistake({"raed", "a"}), "unknown command 'raed' (did you mean read?) | tool");
  EXPECT_EQ(mistake({"group", "lsit"}), "unknown command 'lsit' (did you mean list?) | tool group");
  EXPECT_EQ(mistake({"group", "elephant"}), "unknown command 'elephant' | tool group");
  EXPECT_EQ(mistake({"__secert"}), "unknown command '__secert' | tool");
  EXPECT_EQ(mistake({}), "no command is given | tool");
  EXPECT_EQ(mistake({"group"}), "no command is given | tool group");
  EXPECT_EQ(mistake({"read"}), "files is required | tool read");
  EXPECT_EQ(mistake({"group", "list", "b"}), "unexpected argument 'b' | tool group list");
  EXPECT_EQ(mistake({"read", "a", "--limit", "11"}),
            "--limit: Value 11 not in range 1 to 10 | tool read");
  EXPECT_NE(mistake({"read", "a", "--limit", "many"}).find("many"), std::string::npos);
  EXPECT_EQ(mistake({"read", "a", "--sort", "left"}), "--sort: left not in {up,down} | tool read");
  EXPECT_FALSE(mistake({"pair", "a"}).empty());
  EXPECT_FALSE(ran_);
}

TEST_F(CommandLine, LongWordsAreNotCompared) {
  EXPECT_EQ(mistake({std::string(100'000, 'r')}).find("did you mean"), std::string::npos);
}

TEST_F(CommandLine, HelpAndVersionEndIt) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(program_.parse({"--version"}), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "tool 1.2.3\n");
  testing::internal::CaptureStdout();
  EXPECT_EQ(program_.parse({"read", "--help"}), 0);
  const auto help = testing::internal::GetCapturedStdout();
  EXPECT_NE(help.find("--rules"), std::string::npos) << help;
  EXPECT_NE(help.find("[1 - 10]"), std::string::npos) << help;
  testing::internal::CaptureStdout();
  EXPECT_EQ(program_.parse({"--help"}), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout().find("__secret"), std::string::npos);
  EXPECT_FALSE(ran_);
}

TEST_F(CommandLine, WhatACallbackThrowsLeavesParse) {
  program_.root().add_command("fail", "").callback([] { throw std::runtime_error("mine"); });
  try {
    (void)program_.parse({"fail"});
    FAIL() << "nothing was thrown";
  } catch (const UsageError&) {
    FAIL() << "taken for a mistake of the command line";
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "mine");
  }
}

TEST_F(CommandLine, CommandsCanBeAsked) {
  auto root = program_.root();
  std::vector<std::string> names;
  for (const auto& c : root.commands()) names.push_back(c.name());
  EXPECT_EQ(names, (std::vector<std::string>{"read", "pair", "group"}));
  const auto options = root.commands()[0].long_options();
  EXPECT_NE(std::find(options.begin(), options.end(), "--rules"), options.end());
}

TEST(CommandLineExtras, AreKeptWhereTheyAreAllowed) {
  Program program("a test", "tool", "1");
  auto root = program.root();
  auto keep = root.add_command("keep", "takes anything");
  keep.allow_extras();
  EXPECT_FALSE(keep.given());
  EXPECT_EQ(program.parse({"keep", "--odd", "word"}), std::nullopt);
  EXPECT_TRUE(keep.given());
  EXPECT_EQ(keep.remaining(), (std::vector<std::string>{"--odd", "word"}));
  EXPECT_EQ(keep.top().name(), "tool");
}

}  // namespace
}  // namespace ww::cli
