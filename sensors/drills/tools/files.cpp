/// A folder of backup files: the newest (or the one asked for) is copied, a tar archive is
/// unpacked, a dump that pg_dump made for pg_restore goes into a server of the drill's own. With
/// `mode: set` the whole folder is the backup.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "sensors/backup/file_set.hpp"
#include "sensors/drills/postgres.hpp"
#include "sensors/drills/tree.hpp"

namespace ww::drills {
namespace {

namespace fs = std::filesystem;

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(), [&](auto e) { return name.ends_with(e); });
}
bool is_tar(std::string_view name) {
  return ends_with_any(name, {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"});
}
/// What `pg_dump --format=custom` begins with.
bool is_dump(const std::string& path) {
  std::array<char, 5> head{};
  std::ifstream in(path, std::ios::binary);
  in.read(head.data(), head.size());
  return in && std::string_view(head.data(), head.size()) == "PGDMP";
}

std::string choose(Restore& r, Chosen& out) {
  const auto& probe = r.target().probe;
  const auto found = backup::find_files(probe.text("path"), probe.text("pattern", "*"),
                                        [&] { return !r.stopped() && r.left().count() > 0; });
  if (!found.error.empty()) return found.error;
  if (found.cut) return "the folder could not be read to its end: " + found.cut_why;
  if (found.files.empty()) return "there is no backup file in " + probe.text("path");
  if (probe.text("mode", "each") == "set") {
    const auto set = backup::set_backup(found.files);
    if (r.wanted() != "latest" && r.wanted() != set.id)
      return "no backup " + r.wanted() + ": of a set only what is there now can be restored";
    out = {set.id, set.time, set.octets, probe.text("path")};
    return {};
  }
  for (const auto& f : found.files) {  // oldest first
    const auto id = backup::file_backup_id(f);
    if (r.wanted() == "latest" ? f.size > 0 : r.wanted() == id)
      out = {id, f.changed, f.size, f.path};
  }
  return out.id.empty() ? "no backup " + r.wanted() + " in " + probe.text("path") : "";
}

std::string fetch(Restore& r, const Chosen& chosen) {
  const auto go_on = [&] { return !r.stopped() && r.left().count() > 0; };
  if (r.target().probe.text("mode", "each") == "set") {
    const auto copied = copy_tree(chosen.from, r.data(), go_on);
    if (copied.left_out > 0)
      r.said.passed.push_back("left out: " + std::to_string(copied.left_out) +
                              " devices, sockets or pipes");
    return copied.error;
  }
  const auto name = fs::path(chosen.from).filename().string();
  if (!is_tar(name)) return copy_file(chosen.from, r.data() + "/" + name, go_on);
  backup::Command c;
  // GNU tar takes the leading / off and refuses .. by itself.
  c.argv = {"tar",
            "--extract",
            "--file",
            chosen.from,
            "--directory",
            r.data(),
            "--no-same-owner",
            "--no-same-permissions",
            "--delay-directory-restore"};
  if (!r.target().include.empty()) c.argv.emplace_back("--");
  for (const auto& i : r.target().include) c.argv.push_back(i.starts_with('/') ? i.substr(1) : i);
  c.folder = r.scratch();
  std::string error;
  return r.run(std::move(c), error) ? "" : error;
}

/// The dump is not trusted: it is restored by a role that is no superuser and owns one database.
void check(Restore& r, const Chosen& chosen, VerifyResult& result) {
  const auto& wanted = r.target().databases;
  const auto database = std::find_if(wanted.begin(), wanted.end(),
                                     [](const auto& d) { return d.type == "postgres"; });
  if (database == wanted.end()) return;
  const auto dump = r.data() + "/" + fs::path(chosen.from).filename().string();
  if (!is_dump(dump)) {
    result.failed.emplace_back(
        "opens: this is no dump for pg_restore; make it with pg_dump --format=custom (a script for "
        "psql is not run: it may start programs)");
    return;
  }
  ScratchPostgres server(r, r.scratch() + "/cluster");
  auto wrong = server.create();
  if (wrong.empty()) wrong = server.start();
  std::string error;
  if (wrong.empty() && !server.psql("postgres", "postgres",
                                    {"create role restored login nosuperuser",
                                     "create database restored owner restored",
                                     "revoke all on database postgres from public"},
                                    error))
    wrong = error;
  if (wrong.empty()) {
    backup::Command c;
    c.argv = {server.bin() + "/pg_restore",
              "--no-owner",
              "--no-privileges",
              "--no-comments",
              "--exit-on-error",
              "-h",
              std::string(ScratchPostgres::socket_folder),
              "-U",
              "restored",
              "-d",
              "restored",
              dump};
    c.folder = r.scratch();
    if (!r.run(std::move(c), error)) wrong = error;
  }
  if (!wrong.empty()) {
    result.failed.push_back("opens: " + wrong.substr(0, 600));
    return;
  }
  result.passed.emplace_back("opens: PostgreSQL, restored from the dump");
  server.ask(result, "restored", "restored");
}

const RestoreRegistration registration{
    {.tool = "files",
     .summary = "a file, a tar archive, a folder, a dump of PostgreSQL",
     .choose = &choose,
     .fetch = &fetch,
     .check = &check,
     .clean = &stop_left_server,
     .leaves = &left_server}};

}  // namespace
}  // namespace ww::drills
