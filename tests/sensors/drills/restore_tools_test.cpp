/// Restores of tools that need no server: files, archives, a program that the site signed; what is
/// left when one is stopped or its process died.
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sensors/backup/file_set.hpp"
#include "sensors/drills/restore.hpp"
#include "sensors/drills/scratch.hpp"
#include "sensors/drills/signed_program.hpp"
#include "sensors/drills/tool.hpp"
#include "sensors/drills/tree.hpp"
#include "tests/temp_folder.hpp"

namespace ww::drills {
namespace {
namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

class RestoreTools : public ::testing::Test {
 protected:
  void SetUp() override {
    config.scratch = folder + "/scratch";
    config.min_free = 0;
    config.verifier = WW_SENSOR;
    target.name = "t";
    target.probe.tool = "files";
    target.probe.asset = "pas";
    target.probe.folder = folder;
    target.timeout = std::chrono::seconds(300);
  }
  void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    fs::create_directories(fs::path(folder + "/" + name).parent_path());
    std::ofstream(folder + "/" + name, std::ios::binary) << text;
    ::chmod((folder + "/" + name).c_str(), mode);
  }
  void probe(const std::string& yaml) {
    auto s = Settings::from_yaml(yaml, "probe");
    ASSERT_TRUE(s) << s.error().text();
    target.probe.settings = std::move(*s);
  }
  events::Drill run(const std::string& snapshot = "latest") {
    return restore(config, target, {"order-1", "run-1", snapshot}, clock, stop,
                   [this](const events::Drill& d) {
                     const std::lock_guard lock(mutex);
                     if (d.phase) phases.push_back(*d.phase);
                   });
  }
  void sign(const std::string& program) {
    if (!key) key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    std::ifstream in(folder + "/" + program, std::ios::binary);
    const std::string octets((std::istreambuf_iterator<char>(in)), {});
    EVP_MD_CTX* c = EVP_MD_CTX_new();
    std::size_t n = 64;
    std::string out(n, '\0');
    EVP_DigestSignInit(c, nullptr, nullptr, nullptr, key.get());
    EVP_DigestSign(c, reinterpret_cast<unsigned char*>(out.data()), &n,
                   reinterpret_cast<const unsigned char*>(octets.data()), octets.size());
    EVP_MD_CTX_free(c);
    write(program + ".sig", out);
    std::FILE* f = std::fopen((folder + "/site.pem").c_str(), "w");
    PEM_write_PUBKEY(f, key.get());
    std::fclose(f);
  }
  /// A restore command that writes one file and notes what it was asked.
  void command(const std::string& restore_part) {
    write(
        "site-restore",
        "#!/bin/sh\necho \"$@\" >> " + folder + "/asked\ncase $1 in\nlist) echo '" +
            R"({"version":1,"snapshots":[{"id":"vm-1","time":"2026-11-20T02:00:00Z"},{"id":"vm-2","time":"2026-11-21T02:00:00Z","bytes":10},{"id":"../bad","time":"2026-12-01T00:00:00Z"}]})" +
            "';;\nrestore) " + restore_part + ";;\nclean) rm -f " + folder + "/outside;;\nesac\n",
        0700);
    sign("site-restore");
    target.probe.tool = "veeam";
    target.command = {folder + "/site-restore"};
    target.signature = folder + "/site-restore.sig";
    target.signed_by = folder + "/site.pem";
    target.min_files = 0;
  }
  std::string asked() const {
    std::ifstream in(folder + "/asked");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool empty() const {
    std::error_code ec;
    return !fs::exists(folder + "/scratch", ec) || fs::is_empty(folder + "/scratch", ec);
  }
  struct FreeKey {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  };
  std::unique_ptr<EVP_PKEY, FreeKey> key;
  ww::test::TempFolder temp;
  const std::string folder = fs::canonical(temp.path()).string();
  DrillConfig config;
  RestoreTarget target;
  SystemClock clock;
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::vector<std::string> phases;
};

TEST_F(RestoreTools, AllAreThere) {
  std::string all;
  for (const auto& [name, tool] : restore_tools()) all += std::string(name) + " ";
  EXPECT_EQ(all, "borg btrfs command files pgbackrest restic ");
}

TEST_F(RestoreTools, TheNewestFileOrTheOneAskedForIsCopied) {
  write("b/old.dump", "older");
  write("b/new.dump", "newest");
  write("b/other.log", "x");
  fs::last_write_time(folder + "/b/old.dump",
                      fs::file_time_type::clock::now() - std::chrono::hours(24));
  probe("{ path: " + folder + "/b, pattern: '*.dump' }");
  target.files = {"new.dump"};
  auto d = run();
  EXPECT_EQ(d.result, "passed") << d.text.value_or("");
  EXPECT_EQ(d.files, 1U);
  EXPECT_TRUE(d.cleaned.value_or(false));
  EXPECT_TRUE(empty());
  const auto found = backup::find_files(folder + "/b", "*.dump", [] { return true; });
  ASSERT_EQ(found.files.size(), 2U);
  target.files = {"old.dump"};
  d = run(backup::file_backup_id(found.files[0]));
  EXPECT_EQ(d.result, "passed") << d.text.value_or("");
  d = run("nonsense");
  EXPECT_EQ(d.result, "failed");
  EXPECT_THAT(*d.text, HasSubstr("no backup nonsense"));
}

TEST_F(RestoreTools, AnArchiveIsUnpackedAndItsManifestChecked) {
  write("src/ward/note.txt", "hello");
  write("src/SHA256SUMS",
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  ward/note.txt\n");
  fs::create_directories(folder + "/b");
  ASSERT_EQ(std::system(("tar -C " + folder + "/src -czf " + folder + "/b/n.tar.gz .").c_str()), 0);
  probe("{ path: " + folder + "/b }");
  target.manifest = {"SHA256SUMS"};
  target.min_files = 2;
  auto d = run();
  EXPECT_EQ(d.result, "passed") << d.text.value_or("");
  EXPECT_THAT(d.passed.value(), Contains(HasSubstr("checksums: 1")));
  // Cut short: says so, leaves nothing.
  fs::resize_file(folder + "/b/n.tar.gz", fs::file_size(folder + "/b/n.tar.gz") / 2);
  d = run();
  EXPECT_EQ(d.result, "failed");
  EXPECT_TRUE(empty());
}

TEST_F(RestoreTools, ASetIsCopiedWithItsLinksAndWithoutItsPipes) {
  write("b/a/one", "1");
  write("b/two", "22");
  fs::create_symlink("/etc/passwd", folder + "/b/link");
  ASSERT_EQ(::mkfifo((folder + "/b/pipe").c_str(), 0600), 0);
  probe("{ path: " + folder + "/b, mode: set }");
  target.files = {"a/one", "two"};
  target.min_files = 2;
  auto d = run();
  EXPECT_EQ(d.result, "passed") << d.text.value_or("");
  EXPECT_THAT(d.passed.value(), Contains(HasSubstr("left out: 1")));
  EXPECT_EQ(d.files, 2U) << "a link is not followed";
}

TEST_F(RestoreTools, ADumpThatIsNoDumpIsNotRunAsAScript) {
  write("b/night.sql", "\\! touch " + folder + "/pwned\n");
  probe("{ path: " + folder + "/b }");
  target.databases = {{"postgres", "", {{"select 1", "1", {}}}}};
  const auto d = run();
  EXPECT_EQ(d.result, "failed");
  EXPECT_THAT(*d.text, HasSubstr("no dump for pg_restore"));
  EXPECT_FALSE(fs::exists(folder + "/pwned"));
}

TEST_F(RestoreTools, ACopyEndsWhenTheDrillIsStopped) {
  write("b/big", std::string(3U << 20, 'x'));
  int asked_for = 0;
  const auto said = copy_file(folder + "/b/big", folder + "/copy", [&] { return ++asked_for < 2; });
  EXPECT_THAT(said, HasSubstr("ended in the middle"));
  EXPECT_THAT(copy_tree(folder + "/nothing", folder, [] { return true; }).error,
              HasSubstr("nothing"));
  EXPECT_THAT(copy_file(folder + "/b/big", folder + "/copy", [] { return true; }),
              HasSubstr("exists"))
      << "nothing is written over";
}

TEST_F(RestoreTools, ASignedCommandRestoresAndCleansUpItsOwn) {
  command("touch " + folder + "/outside; echo hi > \"$3/file\"; echo '" +
          R"({"version":1,"passed":["the VM answers"],"failed":[]})" + "'");
  auto d = run();
  EXPECT_EQ(d.result, "passed") << d.text.value_or("");
  EXPECT_EQ(d.snapshot, "vm-2");
  EXPECT_EQ(d.data_time, "2026-11-21T02:00:00.000000Z");
  EXPECT_THAT(d.passed.value(), Contains("command: the VM answers"));
  EXPECT_TRUE(d.cleaned.value_or(false));
  EXPECT_THAT(asked(), HasSubstr("clean vm-2 "));
  EXPECT_FALSE(fs::exists(folder + "/outside"));
  EXPECT_TRUE(empty());
  d = run("vm-1");
  EXPECT_EQ(d.snapshot, "vm-1");
  command(R"(echo '{"version":1,"failed":["no heartbeat"]}')");
  d = run();
  EXPECT_EQ(d.result, "failed");
  target.files = {"x"};
  EXPECT_EQ(run().result, "failed");
}

TEST_F(RestoreTools, WhatACommandDoesNotProveIsNotVerified) {
  command(R"(echo '{"version":1}')");
  auto d = run();
  EXPECT_EQ(d.result, "failed");
  EXPECT_THAT(*d.text, HasSubstr("nothing was verified"));
  EXPECT_THAT(asked(), HasSubstr("clean vm-2")) << "a restore that failed is cleaned up too";
  command("echo nonsense");
  d = run();
  EXPECT_THAT(*d.text, HasSubstr("one JSON object"));
  command("exit 3");
  d = run();
  EXPECT_THAT(*d.text, HasSubstr("ended with 3"));
}

TEST_F(RestoreTools, AStoppedCommandIsKilledAndItsPlaceCleaned) {
  command("touch " + folder + "/outside; sleep 600");
  std::thread later([this] {
    for (int i = 0; i < 6000 && !fs::exists(folder + "/outside"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stop = true;
  });
  const auto d = run();
  later.join();
  EXPECT_EQ(d.result, "stopped");
  EXPECT_TRUE(d.cleaned.value_or(false));
  EXPECT_FALSE(fs::exists(folder + "/outside"));
  EXPECT_TRUE(empty());
}

TEST_F(RestoreTools, ACommandThatCannotCleanUpSaysSo) {
  command("echo '{\"version\":1,\"passed\":[\"x\"]}';; clean) exit 4");
  const auto d = run();
  EXPECT_EQ(d.result, "failed");
  EXPECT_FALSE(d.cleaned.value_or(true));
  EXPECT_THAT(*d.text, HasSubstr("not cleaned up"));
}

TEST_F(RestoreTools, WhatADeadProcessLeftOutsideIsKnownFromItsFolder) {
  command("true");
  write("outside", "x");
  write("scratch/wwdrill-x/restore-command.json", R"({"target":"t","snapshot":"vm-2"})");
  const auto* tool = restore_tool(target);
  ASSERT_NE(tool, nullptr);
  const auto left = left_in_scratch(config.scratch);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_TRUE(tool->leaves(target, left[0]));
  EXPECT_EQ(tool->clean(target, left[0]), "");
  EXPECT_FALSE(fs::exists(folder + "/outside"));
  auto other = target;
  other.name = "other";
  EXPECT_FALSE(tool->leaves(other, left[0]));
  write("scratch/wwdrill-x/restore-command.json", R"({"target":"t","snapshot":"-rf /"})");
  EXPECT_THAT(tool->clean(target, left[0]), HasSubstr("cannot be read"));
}

TEST_F(RestoreTools, OnlyWhatTheSiteSignedAndNobodyElseCanChangeRuns) {
  command("true");
  const auto program = folder + "/site-restore";
  const auto look = [&] { return check_signed(program, program + ".sig", folder + "/site.pem"); };
  EXPECT_EQ(look(), "");
  std::ofstream(program, std::ios::app) << "# one more line\n";
  EXPECT_THAT(look(), HasSubstr("does not fit"));
  EXPECT_THAT(*run().text, HasSubstr("does not fit"));
  EXPECT_EQ(asked(), "") << "it did not run at all";
  sign("site-restore");
  EXPECT_EQ(look(), "");
  ::chmod(program.c_str(), 0722);
  EXPECT_THAT(look(), HasSubstr("could change it"));
  ::chmod(program.c_str(), 0700);
  ::chmod(folder.c_str(), 0777);
  EXPECT_THAT(look(), HasSubstr("could replace it"));
  ::chmod(folder.c_str(), 0700);
  write("site-restore.sig", "short");
  EXPECT_THAT(look(), HasSubstr("does not fit"));
  fs::remove(program + ".sig");
  EXPECT_THAT(look(), HasSubstr("signature cannot be read"));
  write("site.pem", "no key");
  sign("site-restore");
  write("site.pem", "no key");
  EXPECT_THAT(look(), HasSubstr("no public key"));
}

}  // namespace
}  // namespace ww::drills
