/// Probes: the runner's bounds, every tool's parser on the tool's own words, configuration, events.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sensors/backup/access.hpp"
#include "sensors/backup/backup_config.hpp"
#include "sensors/backup/backup_service.hpp"
#include "sensors/backup/input.hpp"
#include "sensors/backup/json.hpp"
#include "sensors/backup/policy.hpp"
#include "sensors/backup/runner.hpp"
#include "sensors/backup/sampling.hpp"
#include "tests/temp_folder.hpp"

namespace ww::backup {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0600) const {
    const auto file = path + "/" + name;
    std::ofstream(file, std::ios::binary) << text;
    ::chmod(file.c_str(), mode);
    return file;
  }

 private:
  ww::test::TempFolder temp_;

 public:
  const std::string& path = temp_.path();
};

Report parsed(std::string_view tool, std::string_view parser, std::string_view text,
              Report report = {}) {
  report.inventory.kind = "inventory";
  report.inventory.status = "success";
  for (const auto& p : probe_types().at(tool).parsers)
    if (p.name == parser) {
      const auto ok = p.parse(text, report);
      EXPECT_TRUE(ok) << tool << "." << parser << ": " << (ok ? "" : ok.error());
      return report;
    }
  ADD_FAILURE() << "no parser " << parser;
  return report;
}
bool refused(std::string_view tool, std::string_view parser, std::string_view text) {
  Report report;
  for (const auto& p : probe_types().at(tool).parsers)
    if (p.name == parser) return !p.parse(text, report);
  return false;
}

Result<ProbeSpec, Problem> probe(const std::string& yaml, const std::string& work) {
  auto s = Settings::from_yaml(yaml, "sensor.yaml");
  EXPECT_TRUE(s);
  return read_probe(*s, work, work);
}

// --- runner

TEST(Runner, GivesOutputErrorAndExitCode) {
  Command c;
  c.argv = {"sh", "-c", "echo out; echo err >&2; exit 7"};
  const auto f = run(c, nullptr);
  ASSERT_TRUE(f);
  EXPECT_EQ(f->out, "out\n");
  EXPECT_EQ(f->err, "err\n");
  EXPECT_EQ(f->exit_code, 7);
}

TEST(Runner, KillsWhatOutlivesItsTimeWithItsChildren) {
  const Folder folder;
  Command c;
  c.argv = {"sh", "-c", "(sleep 30; echo late > " + folder.path + "/late) & sleep 30"};
  c.timeout = std::chrono::milliseconds(200);
  const auto f = run(c, nullptr);
  ASSERT_TRUE(f);
  EXPECT_TRUE(f->timed_out);
  EXPECT_LT(f->took, std::chrono::seconds(10));
}

TEST(Runner, BoundsOutputAndMayStopEarly) {
  Command c;
  c.argv = {"sh", "-c", "yes"};
  c.max_output = 100'000;
  auto f = run(c, nullptr);
  ASSERT_TRUE(f);
  EXPECT_TRUE(f->too_large);
  EXPECT_EQ(f->out.size(), 100'000U);
  c.stop_after = 1'000;
  f = run(c, nullptr);
  ASSERT_TRUE(f);
  EXPECT_TRUE(f->stopped_early);
  EXPECT_FALSE(f->too_large);
  EXPECT_EQ(f->out.size(), 1'000U);
}

TEST(Runner, StartsWithACleanEnvironmentAndNoInput) {
  ::setenv("WARDWATCH_SECRET", "hidden", 1);
  Command c;
  c.argv = {"sh", "-c", "cat; env; ls /proc/self/fd | wc -l"};
  c.environment["GIVEN"] = "yes";
  const auto f = run(c, nullptr);
  ::unsetenv("WARDWATCH_SECRET");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->out.find("hidden"), std::string::npos);
  EXPECT_NE(f->out.find("GIVEN=yes"), std::string::npos);
  EXPECT_NE(f->out.find("TZ=UTC"), std::string::npos);
  EXPECT_NE(f->out.rfind("4\n"), std::string::npos) << f->out;  // 0, 1, 2 and the listing's own
}

TEST(Runner, StopsWhenAskedAndNamesAMissingProgram) {
  Command c;
  c.argv = {"sleep", "30"};
  std::atomic<bool> stop{false};
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop = true;
  });
  const auto f = run(c, &stop);
  later.join();
  ASSERT_TRUE(f);
  EXPECT_TRUE(f->cancelled);
  c.argv = {"true"};
  c.folder = "/no/such/folder";
  const auto gone = run(c, nullptr);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->exit_code, 127);
  EXPECT_EQ(gone->err, "the working folder is gone\n");
  c.argv = {"no-such-program-here"};
  const auto none = run(c, nullptr);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().what, "no such program");
}

TEST(Runner, TakesTurnsWhenTheSameFileIsNamed) {
  const Folder folder;
  Command c;
  // Ends with 9 when another is at work in the folder.
  c.argv = {"sh", "-c", "mkdir busy || exit 9; sleep 0.05; rmdir busy"};
  c.folder = folder.path;
  c.turn = folder.path + "/turn";
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 3; ++k)
        if (const auto f = run(c, nullptr); f && f->good()) ++good;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(good.load(), 12);
}

TEST(Runner, ItsTurnIsBoundedAndMayBeCalledOff) {
  const Folder folder;
  Command c;
  c.argv = {"true"};
  c.turn = folder.path + "/turn";
  const int held = ::open(c.turn.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  c.timeout = std::chrono::milliseconds(100);
  const auto late = run(c, nullptr);
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->timed_out);
  c.timeout = std::chrono::minutes(1);
  const std::atomic<bool> stop{true};
  const auto off = run(c, &stop);
  ASSERT_TRUE(off);
  EXPECT_TRUE(off->cancelled);
  ::close(held);
  EXPECT_TRUE(run(c, nullptr)->good());
  c.turn = folder.path + "/none/turn";
  EXPECT_FALSE(run(c, nullptr));
}

TEST(Runner, ACacheThatWasLeftHalfMadeIsMadeAnew) {
  const Folder folder;
  Command c;
  c.cache = folder.path + "/cache";
  c.folder = folder.path;
  // As borg does: makes its cache once, and trips over one without its configuration.
  c.argv = {"sh", "-c",
            "echo run >> runs; test -d cache || { mkdir cache; echo ok > cache/config; }; "
            "test -f cache/config || { echo \"No such file: '$PWD/cache/config'\" >&2; exit 2; }"};
  std::filesystem::create_directory(c.cache);
  EXPECT_TRUE(run(c, nullptr)->good());
  EXPECT_EQ(std::filesystem::file_size(folder.path + "/runs"), 8U);
  // A failure that has nothing to do with the cache leaves it alone.
  c.argv = {"sh", "-c", "echo 'no such repository' >&2; exit 2"};
  EXPECT_EQ(run(c, nullptr)->exit_code, 2);
  EXPECT_TRUE(std::filesystem::exists(c.cache + "/config"));
  // And one that stays is tried twice only.
  c.argv = {"sh", "-c",
            "echo again >> tries; echo \"bad: $PWD/cache/config\" >&2; mkdir -p cache; exit 2"};
  EXPECT_EQ(run(c, nullptr)->exit_code, 2);
  EXPECT_EQ(std::filesystem::file_size(folder.path + "/tries"), 12U);
}

// --- parsers

TEST(Restic, ReadsSnapshotsOfNewAndOldVersions) {
  const auto r = parsed("restic", "snapshots", R"([
    {"time":"2026-11-22T02:00:10.5Z","parent":"aa","paths":["/srv"],"hostname":"db","username":"root","id":"bb22",
     "summary":{"backup_start":"2026-11-22T02:00:00Z","backup_end":"2026-11-22T02:10:00Z","files_new":3,"files_changed":4,
     "data_added":1000,"data_added_packed":500,"total_files_processed":90,"total_bytes_processed":123456}},
    {"time":"2026-11-21T02:00:00Z","paths":["/srv"],"hostname":"db","username":"root","id":"aa11"}])");
  ASSERT_EQ(r.runs.size(), 2U);
  EXPECT_EQ(r.runs[0].snapshot, "aa11");  // by time
  const auto& n = r.runs[1];
  EXPECT_EQ(n.parent, "aa");
  EXPECT_EQ(n.finished, "2026-11-22T02:10:00.000000Z");
  EXPECT_EQ(n.files_changed, 4U);
  EXPECT_EQ(n.bytes_stored, 500U);
  EXPECT_DOUBLE_EQ(*n.compression_ratio, 2.0);
  EXPECT_EQ(r.runs[0].selection_sha256, n.selection_sha256);
  EXPECT_EQ(r.inventory.snapshots_total, 2U);
  EXPECT_TRUE(refused("restic", "snapshots", "Fatal: wrong password"));
}

TEST(Restic, ReadsDiffConfigAndCheck) {
  Report start;
  start.add_run("x");
  std::string diff;
  for (int i = 0; i < 12; ++i)
    diff += R"({"message_type":"change","path":"/a/f)" + std::to_string(i) +
            R"(.locked","modifier":"+"})"
            "\n";
  diff +=
      R"({"message_type":"statistics","changed_files":2,"added":{"files":12,"bytes":77},"removed":{"files":12}})";
  const auto r = parsed("restic", "diff", diff, start);
  EXPECT_EQ(r.runs[0].files_new, 12U);
  EXPECT_EQ(r.runs[0].files_deleted, 12U);
  EXPECT_EQ(r.runs[0].bytes_added, 77U);
  EXPECT_DOUBLE_EQ(*r.runs[0].new_extension_share, 1.0);
  EXPECT_EQ(*parsed("restic", "config", R"({"version":2,"id":"abc"})").inventory.repository_id,
            "abc");
  EXPECT_TRUE(refused("restic", "config", "{}"));
  const auto check = parsed("restic", "check", R"({"message_type":"summary","num_errors":3})");
  EXPECT_EQ(check.inventory.error_code, "damaged");
}

TEST(Borg, ReadsArchivesInfoAndDiff) {
  const std::string list =
      R"({"archives":[{"id":"a1","name":"n1","start":"2026-11-21T02:00:00.000000"},
    {"id":"a2","name":"n2","start":"2026-11-22T02:00:00.000000"}],"encryption":{"mode":"repokey"},"repository":{"id":"r"}})";
  auto r = parsed("borg", "list", list);
  ASSERT_EQ(r.runs.size(), 2U);
  EXPECT_EQ(r.runs[1].data_time, "2026-11-22T02:00:00.000000Z");
  EXPECT_EQ(r.inventory.repository_id, "r");
  EXPECT_EQ(r.inventory.encrypted, true);
  r = parsed(
      "borg", "info",
      R"({"archives":[{"id":"a2","end":"2026-11-22T02:05:00.000000","hostname":"h","command_line":["borg","create","::n2","/srv"],
    "stats":{"original_size":1000,"compressed_size":400,"deduplicated_size":100,"nfiles":7}}]})",
      std::move(r));
  EXPECT_EQ(r.runs[1].files_total, 7U);
  EXPECT_DOUBLE_EQ(*r.runs[1].compression_ratio, 2.5);
  EXPECT_FALSE(r.runs[0].bytes_total);
  r = parsed("borg", "diff",
             "{\"path\":\"a\",\"changes\":[{\"type\":\"added\",\"size\":5}]}\n{\"path\":\"b\","
             "\"changes\":[{\"type\":\"modified\",\"added\":3,\"removed\":1}]}\n{\"path\":\"c\","
             "\"changes\":[{\"type\":\"mtime\"}]}",
             std::move(r));
  EXPECT_EQ(r.runs[1].files_new, 1U);
  EXPECT_EQ(r.runs[1].files_changed, 1U);
  EXPECT_EQ(r.runs[1].bytes_added, 8U);
  // 2.x names the cipher elsewhere.
  EXPECT_EQ(parsed("borg", "list",
                   R"({"archives":[],"encryption":{"encryption":"none"},"repository":{"id":"r"}})")
                .inventory.encrypted,
            false);
}

TEST(Borg, AProbeAndADrillMayMeetInANewFolder) {
  const Folder folder;
  const auto repository = folder.path + "/repository";
  fs::create_directory(folder.path + "/own");
  fs::create_directory(folder.path + "/probe");
  Command make;
  make.folder = folder.path + "/own";
  make.argv = {"borg", "init", "--encryption=none", repository};
  ASSERT_TRUE(run(make, nullptr)->good());
  make.argv = {"borg", "create", repository + "::night-1", "/etc/hostname"};
  ASSERT_TRUE(run(make, nullptr)->good());
  auto spec =
      probe("{tool: borg, asset: files, repository: " + repository + "}", folder.path + "/probe");
  ASSERT_TRUE(spec) << spec.error().text();
  fs::create_directories(spec->folder);
  const auto access = tool_access(*spec);
  const auto all_good = [&] {
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        auto c = access.with({"info", "--json", "--last", "1"});
        c.folder = spec->folder;
        const auto f = run(c, nullptr);
        if (f && f->good()) ++good;
        if (f && !f->good()) ADD_FAILURE() << f->err;
      });
    for (auto& t : threads) t.join();
    return good.load() == 4;
  };
  EXPECT_TRUE(all_good());
  // The cache of one that was killed while it made it.
  std::size_t caches = 0;
  for (const auto& e : fs::directory_iterator(access.cache))
    if (e.is_directory()) caches += fs::remove(e.path() / "config") ? 1 : 0;
  EXPECT_EQ(caches, 1U);
  EXPECT_TRUE(all_good());
}

TEST(PgBackRest, ReadsBackupsStatusAndDatabaseIdentity) {
  const auto r = parsed(
      "pgbackrest", "info",
      R"([{"archive":[{"database":{"id":1},"id":"15-1","max":"0000000100000000000000FF","min":"01"}],
    "backup":[{"label":"20261122-020000F","type":"full","prior":null,"timestamp":{"start":1795312800,"stop":1795313400},"error":false,
      "info":{"size":3000,"delta":3000,"repository":{"size":1000,"delta":1000}}},
     {"label":"20261122-020000F_20261123-020000I","type":"incr","prior":"20261122-020000F","timestamp":{"start":1795399200,"stop":1795399300},
      "error":true,"info":{"size":3000,"delta":10,"repository":{"delta":5}}}],
    "cipher":"none","db":[{"id":1,"system-id":7000000000000000001,"version":"15"}],"name":"pas","repo":[],
    "status":{"code":0,"lock":{"backup":{"held":true}},"message":"ok"}}])");
  ASSERT_EQ(r.runs.size(), 2U);
  EXPECT_EQ(r.runs[0].level, "full");
  EXPECT_FALSE(r.runs[0].parent);
  EXPECT_EQ(r.runs[1].parent, "20261122-020000F");
  EXPECT_EQ(r.runs[1].status, "warning");
  EXPECT_EQ(r.runs[0].data_time, r.runs[0].finished);
  EXPECT_EQ(r.inventory.repository_id, "pas:7000000000000000001");
  EXPECT_EQ(r.inventory.locks, 1U);
  EXPECT_EQ(parsed("pgbackrest", "info",
                   R"([{"name":"x","status":{"code":5,"message":"database mismatch"}}])")
                .inventory.error_code,
            "mismatch");
  EXPECT_EQ(parsed("pgbackrest", "info", "[]").inventory.error_code, "no_repository");
}

TEST(Zfs, ReadsSnapshotsHoldsAndPoolHealth) {
  auto r =
      parsed("zfs", "list",
             "tank/db@a\t1795312800\t0\t5000\t5000\t0\ntank/db@b\t1795399200\t10\t6000\t1000\t2\n");
  ASSERT_EQ(r.runs.size(), 2U);
  EXPECT_EQ(r.runs[1].bytes_added, 1000U);
  EXPECT_EQ(r.inventory.policy["holds"], 2U);
  EXPECT_EQ(*parsed("zfs", "status", "pool 'tank' is healthy\n").inventory.integrity, "passed");
  const auto bad =
      parsed("zfs", "status", "  pool: tank\n state: DEGRADED\nerrors: 3 data errors, use '-v'\n");
  EXPECT_EQ(*bad.inventory.integrity, "failed");
  EXPECT_EQ(
      *parsed("zfs", "status", "  pool: tank\n state: DEGRADED\nerrors: No known data errors\n")
           .inventory.integrity,
      "passed");
  EXPECT_TRUE(refused("zfs", "list", "cannot open 'tank'"));
}

TEST(Btrfs, ReadsSnapshotsErrorsAndScrub) {
  auto r = parsed(
      "btrfs", "list",
      "ID 259 gen 12 cgen 12 top level 5 otime 2026-11-23 02:00:00 uuid bbb path snap/b\n"
      "ID 258 gen 9 cgen 9 top level 5 otime 2026-11-22 02:00:00 uuid aaa path snap/uuid x\n");
  ASSERT_EQ(r.runs.size(), 2U);
  EXPECT_EQ(r.runs[0].snapshot, "aaa");
  EXPECT_EQ(r.runs[0].data_time, "2026-11-22T02:00:00.000000Z");
  EXPECT_EQ(
      *parsed("btrfs", "stats", "[/dev/sda].write_io_errs    0\n[/dev/sda].corruption_errs  0\n")
           .inventory.integrity,
      "passed");
  EXPECT_EQ(*parsed("btrfs", "stats", "[/dev/sda].corruption_errs  4\n").inventory.integrity,
            "failed");
  EXPECT_EQ(*parsed("btrfs", "scrub", "\tcsum_errors: 1\n\tuncorrectable_errors: 0\n")
                 .inventory.integrity,
            "failed");
}

TEST(Windows, ReadsEventsJobsAndSummary) {
  const auto r = parsed("windows", "export", R"([
    {"Id":4,"LogName":"Microsoft-Windows-Backup","TimeCreated":"/Date(1795312800000)/","MachineName":"fs1"},
    {"Id":50,"LogName":"Microsoft-Windows-Backup","TimeCreated":"2026-11-23T02:00:00Z"},
    {"EventID":524,"Channel":"Application","TimeCreated":"2026-11-23T03:00:00Z"},
    {"EventID":98,"Channel":"Microsoft-Windows-Backup/Operational","TimeCreated":"2026-11-23T03:01:00Z"},
    {"EventID":194,"Channel":"Microsoft-Windows-Backup","TimeCreated":"2026-11-23T04:00:00Z"},
    {"EventID":4624,"Channel":"Security","TimeCreated":"2026-11-23T04:00:00Z"},
    {"JobType":"Backup","StartTime":"2026-11-22T01:00:00Z","EndTime":"2026-11-22T01:30:00Z","HResult":-2147024809,"ErrorDescription":"bad"}])");
  ASSERT_EQ(r.runs.size(), 6U);
  EXPECT_EQ(r.runs[0].status, "failed");
  EXPECT_EQ(r.runs[0].error, "bad");
  EXPECT_EQ(r.runs[1].status, "success");
  EXPECT_EQ(r.runs[2].error_code, "disk_full");
  EXPECT_EQ(r.runs[3].signal, "catalogue_deleted");
  EXPECT_EQ(r.runs[4].signal, "schedule_deleted");
  EXPECT_EQ(r.runs[5].kind, "restore");
  const auto s = parsed(
      "windows", "export",
      R"({"NumberOfVersions":14,"LastBackupResultHR":0,"LastSuccessfulBackupTime":"2026-11-22T01:30:00Z","NextBackupTime":null})");
  EXPECT_EQ(s.inventory.snapshots_total, 14U);
  EXPECT_EQ(s.runs.back().signal, "schedule_deleted");
  EXPECT_TRUE(refused("windows", "export", R"({"something":"else"})"));
  EXPECT_EQ(from_utf16(std::string_view("\xff\xfe\x41\x00\x3d\xd8\x00\xde", 8)),
            "A\xf0\x9f\x98\x80");
}

TEST(Veeam, ReadsSessionsOfBackupAndRestore) {
  const auto r = parsed("veeam", "sessions", R"({"data":[
    {"id":"1","name":"PACS","sessionType":"BackupJob","state":"Stopped","creationTime":"2026-11-22T01:00:00Z","endTime":"2026-11-22T02:00:00Z","result":{"result":"Warning","message":"slow","isCanceled":false}},
    {"id":"2","name":"PACS","sessionType":"BackupJob","state":"Working","creationTime":"2026-11-23T01:00:00Z","result":{"result":"None"}},
    {"id":"3","name":"r","sessionType":"RestoreVm","state":"Stopped","creationTime":"2026-11-23T03:00:00Z","result":{"result":"Success"}},
    {"id":"4","name":"d","sessionType":"DeleteBackup","state":"Stopped","creationTime":"2026-11-23T04:00:00Z","result":{"result":"Success"}},
    {"id":"5","name":"c","sessionType":"ConfigurationBackup","state":"Stopped","creationTime":"2026-11-23T05:00:00Z","result":{"result":"Success"}}],
    "pagination":{"total":5}})");
  ASSERT_EQ(r.runs.size(), 4U);
  EXPECT_EQ(r.runs[0].status, "warning");
  EXPECT_EQ(r.runs[1].status, "running");
  EXPECT_EQ(r.runs[2].kind, "restore");
  EXPECT_EQ(r.runs[3].signal, "retention_shortened");
}

TEST(Bacula, ReadsJobsInTheDirectorsZone) {
  const Folder folder;
  const auto file = folder.write(
      "jobs.json",
      R"({"jobid":7,"name":"fs","type":"B","level":"F","jobstatus":"T","starttime":"2026-07-01 02:00:00","endtime":"2026-07-01 02:30:00","jobfiles":10,"jobbytes":500,"readbytes":1000}
{"jobid":8,"name":"fs","type":"B","level":"I","jobstatus":"f","starttime":"2026-07-02 02:00:00","endtime":null}
{"jobid":9,"name":"verify","type":"V","level":"C","jobstatus":"D","starttime":"2026-07-02 03:00:00","endtime":"2026-07-02 03:10:00"}
{"jobid":10,"name":"restore","type":"R","jobstatus":"T","starttime":"2026-07-02 04:00:00","endtime":"2026-07-02 04:10:00"})");
  auto spec =
      probe("{tool: bacula, asset: fs, source: " + file + ", zone: Europe/London}", folder.path);
  ASSERT_TRUE(spec) << spec.error().text();
  Memory memory;
  const SystemClock clock;
  const auto r = look_once(*spec, clock, memory, nullptr);
  ASSERT_EQ(r.runs.size(), 3U) << r.inventory.error.value_or("");
  EXPECT_EQ(r.runs[0].started, "2026-07-01T01:00:00.000000Z");  // summer time
  EXPECT_DOUBLE_EQ(*r.runs[0].compression_ratio, 2.0);
  EXPECT_EQ(r.runs[1].status, "failed");
  EXPECT_EQ(r.runs[1].level, "incr");
  EXPECT_EQ(r.runs[2].kind, "restore");
  EXPECT_EQ(r.inventory.integrity, "failed");
}

TEST(Mssql, SeesTheBrokenLogChain) {
  const auto r = parsed("mssql", "history", R"({"backups":[
    {"backup_set_uuid":"F","database_name":"pas","type":"D","backup_start_date":"2026-07-01T02:00:00","backup_finish_date":"2026-07-01T02:10:00","time_zone":4,"backup_size":1000,"compressed_backup_size":250,"first_lsn":"10","last_lsn":"20"},
    {"backup_set_uuid":"L1","database_name":"pas","type":"L","backup_finish_date":"2026-07-01T03:00:00","time_zone":4,"first_lsn":"10","last_lsn":"30"},
    {"backup_set_uuid":"L2","database_name":"pas","type":"L","backup_finish_date":"2026-07-01T04:00:00","time_zone":4,"first_lsn":"30","last_lsn":"40"},
    {"backup_set_uuid":"L3","database_name":"pas","type":"L","backup_finish_date":"2026-07-01T05:00:00","time_zone":127,"first_lsn":"55","last_lsn":"60"}],
    "failures":[{"run_time":"2026-07-02T02:00:00","message":"3041"}],"last_good_checkdb":"2026-06-30T00:00:00"})");
  ASSERT_EQ(r.runs.size(), 5U);
  EXPECT_EQ(r.runs[0].started, "2026-07-01T01:00:00.000000Z");
  EXPECT_EQ(r.runs[2].status, "success");
  EXPECT_EQ(r.runs[3].error_code, "chain_broken");
  EXPECT_EQ(r.runs[3].finished, "2026-07-01T05:00:00.000000Z");
  EXPECT_EQ(r.runs[4].status, "failed");
  EXPECT_EQ(*r.inventory.integrity, "passed");
}

TEST(S3, OnlyComplianceModeIsImmutable) {
  const Folder folder;
  const auto aws = folder.write("aws", R"(#!/bin/sh
case "$*" in
*get-bucket-versioning*) echo '{"Status":"Enabled"}';;
*get-object-lock*) echo '{"ObjectLockConfiguration":{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"COMPLIANCE","Days":30}}}}';;
*list-objects*) echo '{"Contents":[{"Key":"a","LastModified":"2026-11-21T02:00:00Z","Size":5},{"Key":"b","LastModified":"2026-11-22T02:00:00Z","Size":6}]}';;
*head-object*"--key a"*) echo '{"ObjectLockMode":"GOVERNANCE","ObjectLockRetainUntilDate":"2026-12-30T00:00:00Z"}';;
*head-object*"--key b"*) echo '{"ObjectLockMode":"COMPLIANCE","ObjectLockRetainUntilDate":"2026-12-22T00:00:00Z"}';;
esac
)",
                                0700);
  auto spec =
      probe("{tool: s3, asset: x, bucket: backups, program: " + aws + ", detail: 1}", folder.path);
  ASSERT_TRUE(spec) << spec.error().text();
  Memory memory;
  const SystemClock clock;
  auto r = look_once(*spec, clock, memory, nullptr);
  EXPECT_EQ(r.inventory.status, "success") << r.inventory.error.value_or("");
  EXPECT_EQ(r.inventory.immutable_until, "2026-12-22T00:00:00.000000Z");
  EXPECT_EQ(r.inventory.policy["default-retention-days"], 30U);
  ASSERT_EQ(r.runs.size(), 2U);
  // With the older object asked too, its governance mode leaves nothing immutable.
  spec->settings.set("detail", "5");
  r = look_once(*spec, clock, memory, nullptr);
  EXPECT_FALSE(r.inventory.immutable_until);
  // Switched off later: a signal.
  folder.write("aws",
               "#!/bin/sh\ncase \"$*\" in *versioning*) echo '{\"Status\":\"Suspended\"}';; "
               "*object-lock*) echo '{\"ObjectLockConfiguration\":{}}';; *) echo '{}';; esac\n",
               0700);
  r = look_once(*spec, clock, memory, nullptr);
  ASSERT_FALSE(r.runs.empty());
  EXPECT_EQ(r.runs[0].signal, "lock_disabled");
}

TEST(Script, TakesTheDocumentAndRefusesAnother) {
  const auto r = parsed(
      "script", "document",
      R"({"version":1,"repository":{"id":"t1","kind":"tape","encrypted":true},"status":"warning","error":"slow",
    "policy":{"keep":30},"runs":[{"snapshot":"s1","status":"success","started":"2026-11-22T01:00:00Z","finished":"2026-11-22T02:00:00Z","bytes_total":5}],
    "signals":[{"signal":"schedule_changed","time":"2026-11-22T03:00:00Z"}],"restores":[{"snapshot":"s1","started":"2026-11-22T04:00:00Z"}]})");
  EXPECT_EQ(r.inventory.repository_kind, "tape");
  EXPECT_EQ(r.inventory.status, "warning");
  ASSERT_EQ(r.runs.size(), 3U);
  EXPECT_EQ(r.runs[0].data_time, "2026-11-22T01:00:00.000000Z");
  EXPECT_EQ(r.runs[1].kind, "signal");
  EXPECT_FALSE(
      parsed("script", "document", R"({"version":1,"complete":false,"runs":[{"snapshot":"a"}]})")
          .inventory.snapshots);
  for (const auto* bad : {"{}", "[]", "", "{\"version\":2}", R"({"version":1,"runs":[{}]})",
                          R"({"version":1,"status":"great"})",
                          R"({"version":1,"runs":[{"snapshot":"a","status":"x"}]})"})
    EXPECT_TRUE(refused("script", "document", bad)) << bad;
}

TEST(Files, ChecksTheManifestAndCountsTheSet) {
  const Folder folder;
  const std::string body(2000, 'a');
  folder.write("a.dump", body);
  folder.write("b.dump", "");
  folder.write("SHA256SUMS", sha256_hex(body) + "  a.dump\n");
  auto spec = probe("{tool: files, asset: x, path: " + folder.path +
                        ", pattern: '*.dump', manifest: SHA256SUMS, settle_seconds: 0, sample: 1}",
                    folder.path);
  ASSERT_TRUE(spec) << spec.error().text();
  Memory memory;
  const SystemClock clock;
  auto r = look_once(*spec, clock, memory, nullptr);
  EXPECT_EQ(r.inventory.integrity, "passed");
  ASSERT_EQ(r.runs.size(), 2U);
  EXPECT_EQ(r.inventory.bytes_total, 2000U);
  EXPECT_EQ(std::count_if(r.runs.begin(), r.runs.end(),
                          [](const auto& x) { return x.status == "failed"; }),
            1);
  folder.write("a.dump", body + "x");
  r = look_once(*spec, clock, memory, nullptr);
  EXPECT_EQ(r.inventory.integrity, "failed");
  EXPECT_EQ(r.inventory.error_code, "damaged");
  auto gone = probe("{tool: files, asset: x, path: " + folder.path + "/none}", folder.path);
  EXPECT_EQ(look_once(*gone, clock, memory, nullptr).inventory.error_code, "no_repository");
}

// --- what probes share

TEST(Policy, FindsRetentionSettings) {
  const auto s = retention_settings(
      "restic forget --keep-daily 7 --keep-weekly=4 # --keep-daily 1\nkeep_monthly: "
      "12\nrepo1-retention-full=2\nexit 3\nkeepalive none\n--keep-daily 30\n");
  EXPECT_EQ(s.at("keep-daily"), 7U);
  EXPECT_EQ(s.at("keep-weekly"), 4U);
  EXPECT_EQ(s.at("keep-monthly"), 12U);
  EXPECT_EQ(s.at("repo1-retention-full"), 2U);
  EXPECT_EQ(s.size(), 4U);
}

TEST(Sampling, EntropyTellsTextFromNoise) {
  std::string noise;
  std::uint32_t x = 1;
  for (int i = 0; i < 65'536; ++i)
    noise += static_cast<char>((x = x * 1'664'525U + 1'013'904'223U) >> 24U);
  EXPECT_GT(entropy(noise), 7.9);
  EXPECT_LT(entropy(std::string(5000, 'a')), 0.01);
  EXPECT_FALSE(extension_share({"a.x", "b.x"}));
}

TEST(Sampling, RemembersWhatWasLookedAtWithinABound) {
  std::string memory;
  Detailed d(memory);
  EXPECT_FALSE(d.knows("abcdef0123456789"));
  d.add("abcdef0123456789");
  d.add("short");
  EXPECT_TRUE(d.knows("abcdef0123456789"));
  EXPECT_TRUE(d.knows("short"));
  EXPECT_FALSE(d.knows("bcdef0123456"));
  for (int i = 0; i < 1000; ++i) d.add("x" + std::to_string(100'000'000'000 + i));
  EXPECT_LE(memory.size(), 300U * 13);
  EXPECT_FALSE(d.knows("abcdef0123456789"));
  EXPECT_TRUE(d.knows("x" + std::to_string(100'000'000'000 + 999)));
}

TEST(BackupConfig, NamesUnknownKeysAndMissingOnes) {
  const Folder folder;
  const auto refuse = [&](const std::string& yaml, const std::string& words) {
    const auto s = Settings::from_yaml(yaml, "sensor.yaml");
    ASSERT_TRUE(s);
    const auto c = read_backup_config(*s, folder.path, folder.path);
    ASSERT_FALSE(c) << yaml;
    EXPECT_NE(c.error().text().find(words), std::string::npos) << c.error().text();
  };
  refuse("probes:\n  - {tool: restic, asset: a, repositry: /x}\n", "repository");
  refuse("probes:\n  - {tool: restic, asset: a}\n", "repository");
  refuse("probes:\n  - {tool: tar, asset: a}\n", "unknown tool 'tar'");
  refuse("probes:\n  - {tool: restic, asset: 'a b', repository: /x}\n", "not a name");
  refuse("probes:\n  - {tool: restic, asset: a, repository: /x, every: often}\n", "not a duration");
  refuse("probes:\n  - {tool: restic, asset: a, repository: /x, environment_file: none}\n",
         "cannot read");
  refuse(
      "probes:\n  - {tool: restic, asset: a, repository: /x}\n  - {tool: restic, asset: a, "
      "repository: /y}\n",
      "two probes");
  refuse("probs: []\n", "probes");
}

TEST(BackupConfig, ReadsSecretsAndNeverTellsThem) {
  const Folder folder;
  folder.write("env", "# comment\nexport AWS_SECRET_ACCESS_KEY=\"topsecret\"\nEMPTY=\n");
  auto spec = probe(
      "{tool: restic, asset: a, repository: 'rest:https://me:hunter22@host/x', password_file: pw, "
      "environment_file: env}",
      folder.path);
  ASSERT_TRUE(spec) << spec.error().text();
  EXPECT_EQ(spec->environment.at("AWS_SECRET_ACCESS_KEY"), "topsecret");
  EXPECT_EQ(spec->text("password_file"), folder.path + "/pw");
  EXPECT_EQ(spec->redact("at rest:https://me:hunter22@host/x with topsecret"),
            "at rest:https://me:***@host/x with ***");
  const auto access = tool_access(*spec);
  EXPECT_EQ(access.environment.at("RESTIC_PASSWORD_FILE"), folder.path + "/pw");
  Memory memory;
  Report r;
  r.inventory.repository = spec->repository();
  r.failed("failed", "topsecret was refused");
  for (const auto& line : event_lines(r, *spec, {}, memory)) {
    EXPECT_EQ(line.find("hunter22"), std::string::npos) << line;
    EXPECT_EQ(line.find("topsecret"), std::string::npos) << line;
  }
}

TEST(Events, ARunIsSentOnceAndAgainWhenItsStatusChanges) {
  const Folder folder;
  auto spec = probe("{tool: script, asset: a, source: x}", folder.path);
  ASSERT_TRUE(spec);
  Memory memory;
  Report r;
  r.add_run("one").status = "running";
  r.add_run("two");
  EXPECT_EQ(event_lines(r, *spec, {}, memory).size(), 3U);  // two runs and the inventory
  EXPECT_EQ(event_lines(r, *spec, {}, memory).size(), 1U);
  r.runs[0].status = "success";
  EXPECT_EQ(event_lines(r, *spec, {}, memory).size(), 2U);
  EXPECT_EQ(event_lines(r, *spec, {}, memory, true).size(), 3U);
}

class Sink final : public EventSink {
 public:
  bool submit(const EventGroup& g) override {
    if (refuse) return false;
    groups.push_back(g);
    for (const auto& [k, v] : g.state) memory[k] = v;
    return true;
  }
  void submit_or_drop(std::string_view, std::string_view) override {}
  std::string recall(std::string_view key) const override {
    const auto it = memory.find(std::string(key));
    return it == memory.end() ? "" : it->second;
  }
  std::vector<std::pair<std::string, std::string>> recall_all(std::string_view) const override {
    return {};
  }
  bool refuse = false;
  std::vector<EventGroup> groups;
  std::map<std::string, std::string> memory;
};

TEST(BackupService, RemembersWhatWasTakenAcrossRestarts) {
  const Folder folder;
  const auto script = folder.write(
      "probe.sh",
      "#!/bin/sh\necho "
      "'{\"version\":1,\"runs\":[{\"snapshot\":\"s\",\"started\":\"2026-11-22T01:00:00Z\"}]}'\n",
      0700);
  const SystemClock clock;
  Sink sink;
  const auto make = [&] {
    auto spec = probe("{tool: script, asset: a, command: " + script + "}", folder.path);
    EXPECT_TRUE(spec);
    auto service = BackupService::make({*spec}, sink, clock);
    EXPECT_TRUE(service);
    return std::move(*service);
  };
  {
    auto service = make();
    sink.refuse = true;
    service->look_at_all();
    EXPECT_EQ(service->stats().refused, 1U);
    sink.refuse = false;
    service->look_at_all();
    ASSERT_EQ(sink.groups.size(), 1U);
    EXPECT_EQ(sink.groups[0].events, 2U);
  }
  auto again = make();
  again->look_at_all();
  ASSERT_EQ(sink.groups.size(), 2U);
  EXPECT_EQ(sink.groups[1].events, 1U);
}

}  // namespace
}  // namespace ww::backup
