#include "rules/sources/update.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/temp_folder.hpp"

namespace ww::sources {
namespace {

namespace fs = std::filesystem;

std::string tar_gz(const std::vector<NamedText>& files) {
  std::string out(1U << 20, '\0');
  std::size_t used = 0;
  auto* a = archive_write_new();
  archive_write_add_filter_gzip(a);
  archive_write_set_format_ustar(a);
  archive_write_open_memory(a, out.data(), out.size(), &used);
  for (const auto& f : files) {
    auto* e = archive_entry_new();
    archive_entry_set_pathname(e, f.name.c_str());
    archive_entry_set_size(e, static_cast<la_int64_t>(f.text.size()));
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_write_header(a, e);
    archive_write_data(a, f.text.data(), f.text.size());
    archive_entry_free(e);
  }
  archive_write_close(a);
  archive_write_free(a);
  out.resize(used);
  return out;
}

const std::string rule_1 =
    "alert tcp any any -> any 80 (msg:\"one\"; content:\"abc\"; sid:1; rev:1;)\n";
const std::string rule_2 =
    "alert udp any any -> any 53 (msg:\"two\"; content:\"def\"; sid:2; rev:1;)\n";

// --------------------------------------------------------------------------- archives

TEST(UnpackRules, TakesRuleFilesOutOfAnArchive) {
  const auto files = unpack_rules(
      tar_gz({{"./rules/a.rules", rule_1}, {"rules/LICENSE", "x"}, {"/b.rules", rule_2}}), "x");
  ASSERT_TRUE(files) << files.error();
  ASSERT_EQ(files->size(), 2U);
  EXPECT_EQ((*files)[0].name, "rules/a.rules");
  EXPECT_EQ((*files)[0].text, rule_1);
  EXPECT_EQ((*files)[1].name, "b.rules");
}

TEST(UnpackRules, TakesAnythingElseAsRules) {
  const auto files = unpack_rules(rule_1, "list");
  ASSERT_TRUE(files);
  EXPECT_EQ(files->at(0).name, "list");
  EXPECT_EQ(files->at(0).text, rule_1);
}

TEST(UnpackRules, StopsAtABomb) {
  const auto bomb = tar_gz({{"LICENSE", std::string(8U << 20, '\0')}, {"a.rules", rule_1}});
  ASSERT_LT(bomb.size(), 100'000U);
  const auto files = unpack_rules(bomb, "x", {.max_octets = 1U << 20});
  ASSERT_FALSE(files);
  EXPECT_NE(files.error().find("unpacks to more than"), std::string::npos) << files.error();
  std::vector<NamedText> many(50, {"a.rules", ""});
  EXPECT_FALSE(unpack_rules(tar_gz(many), "x", {.max_entries = 49}));
  EXPECT_TRUE(unpack_rules(tar_gz(many), "x", {.max_entries = 50}));
}

TEST(UnpackRules, RefusesDamage) {
  const auto whole = tar_gz({{"a.rules", rule_1}, {"b.rules", rule_2}});
  EXPECT_FALSE(unpack_rules(whole.substr(0, whole.size() / 2), "x"));
  EXPECT_FALSE(unpack_rules("\x1f\x8b rubbish that is no gzip at all", "x"));
}

// --------------------------------------------------------------------------- downloads

struct Server {
  std::map<std::string, std::string> files;
  bool down = false;
  [[nodiscard]] Fetch fetch() {
    return [this](const Source&, const std::string& url) -> Result<std::string, FetchError> {
      if (down) return fail(FetchError{true, false, {"no route", url, ""}});
      const auto it = files.find(url);
      if (it == files.end()) return fail(FetchError{false, true, {"404", url, ""}});
      return it->second;
    };
  }
};

Source source(const std::string& url) {
  Source s;
  s.name = s.url = url;
  return s;
}

TEST(DownloadTest, ChecksTheDigestBesideIt) {
  Server server;
  const std::string url = "https://rules.example/all.rules";
  server.files[url] = rule_1;
  EXPECT_EQ(download(source(url), server.fetch())->verified, "");
  server.files[url + ".md5"] = digest_hex(rule_1, "md5") + "  all.rules\n";
  EXPECT_EQ(download(source(url), server.fetch())->verified, "md5 " + url + ".md5");
  server.files[url + ".sha256"] = "SHA256 (all.rules) = " + digest_hex(rule_1, "sha256");
  EXPECT_EQ(download(source(url), server.fetch())->verified, "sha256 " + url + ".sha256");
  server.files[url] = rule_2;
  EXPECT_FALSE(download(source(url), server.fetch()));
}

TEST(DownloadTest, ADigestOfTheConfigurationIsStronger) {
  Server server;
  const std::string url = "https://rules.example/all.rules?key=1";
  server.files[url] = rule_1;
  server.files["https://rules.example/all.rules.sha256?key=1"] = digest_hex(rule_1, "sha256");
  auto s = source(url);
  EXPECT_NE(download(s, server.fetch())->verified, "");
  s.sha256 = digest_hex(rule_2, "sha256");
  EXPECT_FALSE(download(s, server.fetch()));
  s.sha256 = digest_hex(rule_1, "sha256");
  EXPECT_EQ(download(s, server.fetch())->verified, "sha256 the configuration");
}

TEST(DownloadTest, RequiredMeansThereMustBeOne) {
  Server server;
  auto s = source("https://rules.example/all.rules");
  server.files[s.url] = rule_1;
  s.checksum = Source::Checksum::required;
  EXPECT_FALSE(download(s, server.fetch()));
}

// --------------------------------------------------------------------------- all of it

class Update : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_ / "local"); }
  std::string write(const std::string& name, const std::string& text) {
    const auto path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string read(const std::string& name) {
    auto text = read_file((folder_ / name).string());
    return text ? *text : "(none)";
  }
  UpdateConfig config(const std::string& yaml) {
    auto c = load_config(write("update.yaml", "output: out/all.rules\n" + yaml));
    EXPECT_TRUE(c) << c.error().text();
    return c ? *c : UpdateConfig{};
  }

  ww::test::TempFolder temp_;
  const fs::path folder_ = temp_.path();
  Server server_;
};

TEST_F(Update, MergesSourcesAppliesListsAndKeepsThePreviousFile) {
  server_.files["https://rules.example/set.tar.gz"] =
      tar_gz({{"rules/web.rules", rule_1},
              {"rules/old-deleted.rules", "alert ip any any -> any any (sid:66;)"}});
  write("local/own.rules",
        rule_2 + "#alert tcp any any -> any 25 (msg:\"three\"; content:\"ghi\"; sid:3;)\n");
  write("disable.conf", "group:web\n");
  write("enable.conf", "3\n");
  write("drop.conf", "re:msg:\"two\"\n");
  write("modify.conf", "3 \"ghi\" \"jkl\"\n");
  const auto c = config(
      "sources:\n  - name: example\n    url: https://rules.example/set.tar.gz\nlocal: [local]\n"
      "disable-conf: disable.conf\nenable-conf: enable.conf\ndrop-conf: drop.conf\nmodify-conf: "
      "modify.conf\n");
  auto r = update(c, server_.fetch(), true);
  ASSERT_TRUE(r) << r.error().problem.text();
  EXPECT_FALSE(r->replaced);
  EXPECT_EQ(read("out/all.rules"), "(none)");
  EXPECT_EQ(r->changes.size(), 3U);

  r = update(c, server_.fetch(), false);
  ASSERT_TRUE(r) << r.error().problem.text();
  EXPECT_TRUE(r->replaced);
  EXPECT_EQ(r->rules, 3U);
  EXPECT_EQ(r->active, 2U);
  ASSERT_EQ(r->warnings.size(), 1U);
  const auto first = read("out/all.rules");
  EXPECT_NE(first.find("\n# alert tcp any any -> any 80 (msg:\"one\""), std::string::npos) << first;
  EXPECT_NE(first.find("\ndrop udp any any -> any 53"), std::string::npos);
  EXPECT_NE(first.find("\nalert tcp any any -> any 25 (msg:\"three\"; content:\"jkl\""),
            std::string::npos);
  EXPECT_EQ(first.find("sid:66"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "out/all.rules.new"));
  EXPECT_FALSE(fs::exists(folder_ / "out/all.rules.previous"));

  // The same again changes nothing; a new rule does, and the old file stays beside it.
  EXPECT_FALSE(update(c, server_.fetch(), false)->replaced);
  write("local/more.rules", "alert tcp any any -> any 1 (content:\"mno\"; sid:4;)\n");
  r = update(c, server_.fetch(), false);
  ASSERT_TRUE(r);
  EXPECT_TRUE(r->replaced);
  ASSERT_EQ(r->changes.size(), 1U);
  EXPECT_EQ(r->changes[0].sid, 4U);
  EXPECT_EQ(read("out/all.rules.previous"), first);
}

TEST_F(Update, ReplacesNothingWhenARuleIsRefused) {
  write("local/a.rules", rule_1);
  auto c = config("local: [local]\n");
  ASSERT_TRUE(update(c, server_.fetch(), false));
  const auto before = read("out/all.rules");
  write("local/b.rules", rule_2 + "alert tcp any any -> any any (no_such_keyword:1; sid:9;)\n");
  const auto r = update(c, server_.fetch(), false);
  ASSERT_FALSE(r);
  ASSERT_EQ(r.error().refused.size(), 1U);
  EXPECT_EQ(r.error().refused[0].sid, 9U);
  EXPECT_EQ(read("out/all.rules"), before);
  EXPECT_FALSE(fs::exists(folder_ / "out/all.rules.new"));

  c.switch_off_refused = true;
  const auto off = update(c, server_.fetch(), false);
  ASSERT_TRUE(off) << off.error().problem.text();
  EXPECT_EQ(off->refused.size(), 1U);
  EXPECT_NE(read("out/all.rules").find("\n# alert tcp any any -> any any (no_such_keyword"),
            std::string::npos);
  EXPECT_NE(read("out/all.rules").find("\nalert udp any any -> any 53"), std::string::npos);
}

TEST_F(Update, ReplacesNothingWhenASourceFails) {
  const std::string url = "https://rules.example/all.rules";
  server_.files[url] = rule_1;
  const auto c = config("sources: [\"" + url + "\"]\n");
  ASSERT_TRUE(update(c, server_.fetch(), false));
  const auto before = read("out/all.rules");
  server_.files[url] = rule_2;
  server_.files[url + ".sha256"] = digest_hex(rule_1, "sha256");
  EXPECT_FALSE(update(c, server_.fetch(), false));
  server_.files.clear();
  server_.files[url] = "<html>sign in</html>";
  EXPECT_FALSE(update(c, server_.fetch(), false));
  server_.down = true;
  const auto r = update(c, server_.fetch(), false);
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().unreachable);
  EXPECT_EQ(read("out/all.rules"), before);
}

TEST_F(Update, ReplacesNothingWhenNoRuleIsLeft) {
  write("local/a.rules", rule_1);
  write("disable.conf", "*\n");
  EXPECT_FALSE(
      update(config("local: [local]\ndisable-conf: disable.conf\n"), server_.fetch(), false));
  EXPECT_EQ(read("out/all.rules"), "(none)");
}

TEST_F(Update, RunsOnceAtATime) {
  write("local/a.rules", rule_1);
  const auto c = config("local: [\"local/*.rules\"]\n");
  fs::create_directories(folder_ / "out");
  const int fd = open((folder_ / "out/all.rules.lock").c_str(), O_RDWR | O_CREAT, 0644);
  ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
  EXPECT_FALSE(update(c, server_.fetch(), false));
  close(fd);
  EXPECT_TRUE(update(c, server_.fetch(), false));
}

TEST_F(Update, RefusesConfigurationsThatMeanNothing) {
  for (const char* yaml : {"", "local: [local]\nno-such-key: 1\n", "sources: [\"ftp://x/y\"]\n",
                           "sources:\n  - url: https://x/y\n    sha256: abc\n",
                           "local: [local]\nrefused: perhaps\n"}) {
    const auto c = load_config(write("bad.yaml", std::string("output: o.rules\n") + yaml));
    EXPECT_FALSE(c) << yaml;
  }
  EXPECT_FALSE(load_config(write("bad.yaml", "local: [local]\n")));
  EXPECT_FALSE(update(config("local: [missing]\n"), server_.fetch(), false));
}

}  // namespace
}  // namespace ww::sources
