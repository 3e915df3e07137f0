/// Compiled databases: kept on disk, compiled apart from the rules when there are many, never
/// trusted blindly.
#include <sys/stat.h>

#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

namespace fs = std::filesystem;

/// A rule a pattern; with `many` as many as are compiled apart from the rules.
std::string rule_text(std::uint32_t many, const std::string& word = "needle") {
  std::string out;
  for (std::uint32_t i = 0; i < many; ++i) {
    const auto n = std::to_string(i);
    out += "alert udp any any -> any any (msg:\"m" + n + "\"; content:\"" + word + n +
           "x\"; sid:" + std::to_string(1000 + i) + ";)\n";
  }
  return out;
}

class Cache : public testing::Test {
 protected:
  [[nodiscard]] EngineOptions options() const {
    EngineOptions o;
    o.cache_folder = folder_.string();
    return o;
  }
  [[nodiscard]] std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    if (fs::exists(folder_))
      for (const auto& e : fs::directory_iterator(folder_)) out.push_back(e.path());
    return out;
  }
  static void expect_works(Rules& r, std::uint32_t sid = 1007) {
    ASSERT_TRUE(r.engine);
    Wire wire;
    EXPECT_EQ(
        sids(r.matcher->inspect(wire.make("a needle" + std::to_string(sid - 1000) + "x here"), {})),
        (Sids{sid}));
    EXPECT_EQ(sids(r.matcher->inspect(wire.make("no needles"), {})), Sids{});
  }
  [[nodiscard]] static std::string warnings(const Rules& r) {
    std::string out;
    for (const auto& p : r.report.problems)
      if (p.severity == RuleProblem::Severity::warning && p.file.ends_with(".hsdb"))
        out += p.what + "\n";
    return out;
  }
  ww::test::TempFolder temp_;
  const fs::path folder_ = temp_ / "cache";  // does not exist yet
};

TEST_F(Cache, TheSecondStartTakesWhatTheFirstCompiled) {
  for (const std::uint32_t many : {20U, 3000U}) {
    fs::remove_all(folder_);
    Rules first(rule_text(many), options());
    EXPECT_FALSE(first.engine->figures().from_cache) << many;
    EXPECT_EQ(first.report.loaded, many);
    expect_works(first);
    ASSERT_EQ(files().size(), 1U);
    Rules second(rule_text(many), options());
    EXPECT_TRUE(second.engine->figures().from_cache) << many;
    EXPECT_EQ(second.report.loaded, many);
    EXPECT_EQ(second.engine->figures().patterns, first.engine->figures().patterns);
    expect_works(second);
  }
}

TEST_F(Cache, ManyPatternsAreCompiledWithoutACacheToo) {
  Rules r(rule_text(3000) +
          "alert udp any any -> any any (msg:\"bad\"; no-such-keyword; sid:9;)\n");
  EXPECT_EQ(r.report.loaded, 3000U);
  EXPECT_EQ(r.report.refused, 1U) << "rules are read twice, and reported once";
  expect_works(r, 3999);
}

TEST_F(Cache, OtherPatternsAreAnotherFile) {
  Rules first(rule_text(20), options());
  Rules other(rule_text(20, "pin"), options());
  EXPECT_FALSE(other.engine->figures().from_cache);
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(Cache, ADamagedFileIsToldAndReplaced) {
  for (const std::uint32_t many : {20U, 3000U}) {
    fs::remove_all(folder_);
    Rules first(rule_text(many), options());
    const auto file = files().at(0);
    const auto whole = fs::file_size(file);
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary)
            .seekp(static_cast<std::streamoff>(whole / 2))
        << "????";
    Rules second(rule_text(many), options());
    EXPECT_FALSE(second.engine->figures().from_cache);
    EXPECT_NE(warnings(second).find("damaged"), std::string::npos) << warnings(second);
    expect_works(second);
    Rules third(rule_text(many), options());
    EXPECT_TRUE(third.engine->figures().from_cache);
    fs::resize_file(file, whole / 3);
    Rules cut(rule_text(many), options());
    EXPECT_FALSE(cut.engine->figures().from_cache);
    expect_works(cut);
  }
}

TEST_F(Cache, AFileThatOthersCanWriteIsNotUsed) {
  Rules first(rule_text(20), options());
  ::chmod(files().at(0).c_str(), 0666);
  Rules second(rule_text(20), options());
  EXPECT_FALSE(second.engine->figures().from_cache);
  EXPECT_NE(warnings(second).find("somebody else"), std::string::npos) << warnings(second);
  expect_works(second);
}

TEST_F(Cache, OldFilesGo) {
  for (int i = 0; i < 12; ++i) Rules(rule_text(3, "word" + std::to_string(i)), options());
  EXPECT_EQ(files().size(), 8U);
}

TEST_F(Cache, AFolderThatCannotBeMadeIsAWarning) {
  auto o = options();
  o.cache_folder = "/proc/no-such-folder";
  Rules r(rule_text(20), o);
  EXPECT_NE(warnings(r).find("cannot write"), std::string::npos);
  expect_works(r);
}

}  // namespace
}  // namespace ww::sig::test
