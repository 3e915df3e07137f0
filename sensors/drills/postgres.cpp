#include "sensors/drills/postgres.hpp"

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "telemetry/net/enrol.hpp"

namespace ww::drills {
namespace {

constexpr std::size_t max_said = 600;

/// The newest server that is installed.
std::string server_programs() {
  std::string newest;
  int version = 0;
  std::error_code ec;
  for (std::filesystem::directory_iterator it("/usr/lib/postgresql", ec), end; !ec && it != end;
       it.increment(ec)) {
    const int v = std::atoi(it->path().filename().c_str());
    if (v > version && std::filesystem::exists(it->path() / "bin/pg_ctl", ec)) {
      version = v;
      newest = (it->path() / "bin").string();
    }
  }
  return newest;
}

/// The process that a cluster's lock file names, when it really lives in that cluster.
pid_t server_of(const std::string& cluster) {
  std::ifstream in(cluster + "/postmaster.pid");
  long pid = 0;
  if (!(in >> pid) || pid <= 1) return 0;
  std::error_code ec;
  const auto lives_in = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd", ec);
  return !ec && lives_in == std::filesystem::canonical(cluster, ec) ? static_cast<pid_t>(pid) : 0;
}

}  // namespace

bool left_server(const RestoreTarget&, const std::string& scratch) {
  return server_of(scratch + "/data") != 0 || server_of(scratch + "/cluster") != 0;
}

std::string stop_left_server(const RestoreTarget&, const std::string& scratch) {
  for (const auto* name : {"/data", "/cluster"}) {
    const auto cluster = scratch + name;
    if (const auto pid = server_of(cluster); pid != 0)
      ::kill(pid, SIGQUIT);  // at once, no clean shutdown
    for (int i = 0; i < 100 && server_of(cluster) != 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (server_of(cluster) != 0) return "a PostgreSQL server still runs on " + cluster;
  }
  return {};
}

ScratchPostgres::ScratchPostgres(Restore& r, std::string cluster)
    : r_(r), cluster_(std::move(cluster)), bin_(server_programs()) {}

ScratchPostgres::~ScratchPostgres() {
  if (!started_) return;
  backup::Command c;
  c.argv = {bin_ + "/pg_ctl", "-D", cluster_, "-w", "-t", "20", "-m", "immediate", "stop"};
  c.folder = r_.scratch();
  c.timeout = std::chrono::seconds(30);
  (void)backup::run(c, nullptr);
}

std::optional<backup::Finished> ScratchPostgres::call(std::vector<std::string> argv,
                                                      std::string& error) {
  backup::Command c;
  c.argv = std::move(argv);
  c.folder = r_.scratch();
  c.max_output = 1U << 20;
  return r_.run(std::move(c), error);
}

std::string ScratchPostgres::create() {
  if (bin_.empty()) return "no PostgreSQL server is installed here";
  std::string error;
  const auto made = call({bin_ + "/initdb", "-D", cluster_, "-A", "trust", "-U", "postgres",
                          "--encoding=UTF8", "--locale=C", "--no-sync"},
                         error);
  return made ? "" : error;
}

std::string ScratchPostgres::start() {
  if (bin_.empty()) return "no PostgreSQL server is installed here to start it with";
  // Only processes of this user reach the socket's folder (0700), so it trusts them.
  const auto hba = r_.scratch() + "/pg_hba.conf";
  (void)net::write_file(hba, "local all all trust\n", 0600);
  std::string error;
  started_ = true;  // pg_ctl may be ended while the server comes up
  if (call({bin_ + "/pg_ctl", "-D", cluster_, "-w", "-t", "120", "-l",
            r_.scratch() + "/postgres.log", "-o",
            "-c listen_addresses='' -c unix_socket_directories=.. -c hba_file='" + hba +
                "' -c archive_mode=off -c logging_collector=off -c shared_preload_libraries=''",
            "start"},
           error))
    return {};
  std::ifstream log(r_.scratch() + "/postgres.log");
  std::string said((std::istreambuf_iterator<char>(log)), {});
  if (said.size() > max_said) said.erase(0, said.size() - max_said);
  std::replace(said.begin(), said.end(), '\n', ' ');
  return error.substr(0, 200) + ": " + said;
}

std::optional<backup::Finished> ScratchPostgres::psql(const std::string& database,
                                                      const std::string& user,
                                                      const std::vector<std::string>& sql,
                                                      std::string& error) {
  std::vector<std::string> argv{
      bin_ + "/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", std::string(socket_folder),
      "-U",           user,    "-d", database};
  for (const auto& s : sql) {
    argv.emplace_back("-c");
    argv.push_back(s);
  }
  return call(std::move(argv), error);
}

void ScratchPostgres::ask(VerifyResult& result, const std::string& user,
                          const std::string& database) {
  for (const auto& d : r_.target().databases) {
    if (d.type != "postgres") continue;
    for (const auto& q : d.queries) {
      std::string error;
      const auto done = psql(!database.empty() ? database
                             : d.path.empty()  ? "postgres"
                                               : d.path,
                             user, {"set default_transaction_read_only = on", q.sql}, error);
      const std::string value = done ? done->out.substr(0, done->out.find('\n')) : error;
      const bool good = done && (!q.expect || value == *q.expect) &&
                        (!q.min || std::strtod(value.c_str(), nullptr) >= *q.min);
      (good ? result.passed : result.failed)
          .push_back("queries: " + q.sql.substr(0, 120) + " = " + value.substr(0, 120));
    }
  }
}

}  // namespace ww::drills
