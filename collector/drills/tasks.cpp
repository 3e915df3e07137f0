#include "collector/drills/tasks.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "collector/store/store.hpp"
#include "telemetry/net/client.hpp"

namespace ww::collector {
namespace {

constexpr std::size_t max_note = 4096;

std::string cut(std::string text) {
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') c = ' ';
  if (text.size() > max_note) {
    text.resize(max_note);
    text += "...";
  }
  return text;
}

/// Runs argv without a shell, with an empty environment; output bounded, time bounded.
std::string run_program(const playbooks::LocalTask& task, const std::atomic<bool>& stop,
                        bool& good) {
  good = false;
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return "cannot make a pipe";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
  posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  std::vector<char*> argv;
  for (const auto& a : task.argv) argv.push_back(const_cast<char*>(a.c_str()));  // NOLINT
  argv.push_back(nullptr);
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C.UTF-8";
  char* environment[] = {path, locale, nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, task.argv.front().c_str(), &actions, &attributes,
                                  argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(fds[1]);
  if (error != 0) {
    ::close(fds[0]);
    return task.argv.front() + ": cannot start it";
  }
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(task.timeout_ms);
  std::string out;
  bool open = true, over = false;
  while (open && !over) {
    over = stop.load() || std::chrono::steady_clock::now() >= deadline;
    pollfd p{fds[0], POLLIN, 0};
    if (::poll(&p, 1, 100) <= 0) continue;
    char buffer[4096];
    const auto n = ::read(fds[0], buffer, sizeof buffer);
    open = n > 0;
    if (n > 0 && out.size() < max_note) out.append(buffer, static_cast<std::size_t>(n));
  }
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (over || stop.load() || std::chrono::steady_clock::now() >= deadline) {
      over = true;
      ::kill(-pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      break;
    }
    ::poll(nullptr, 0, 5);
  }
  ::close(fds[0]);
  good = !over && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return (over ? "ended by the time limit or a stop: "
               : "exit " + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : 128) + ": ") +
         out;
}

std::string request(const playbooks::HttpTask& task, const std::string& ca, bool& good) {
  good = false;
  http::ClientOptions o;
  o.url = task.origin;
  o.ca_file = ca;
  o.timeout = std::chrono::seconds(30);
  o.max_response_octets = 1U << 20;
  auto client = http::Client::create(o);
  if (!client) return client.error().problem.text();
  http::Request r;
  r.method = task.method;
  r.target = task.target;
  for (const auto& [k, v] : task.headers) r.headers.add(k, v);
  r.body = task.content;
  const auto answer = (*client)->send(r);
  if (!answer) return answer.error().problem.text();
  good = answer->status >= 200 && answer->status < 300;
  return std::to_string(answer->status) + " " + answer->body;
}

}  // namespace

const std::vector<std::string>& drill_checks() {
  static const std::vector<std::string> names{
      "alerts.open",    "sensors.silent",   "events.silent",     "gaps.list",
      "backups.tamper", "backups.vanished", "backups.candidates"};
  return names;
}

std::string TaskDoer::check(const std::string& text, const std::string& site, bool& good) {
  good = true;
  const auto space = text.find(' ');
  const auto name = text.substr(0, space);
  const auto argument = space == std::string::npos ? "" : text.substr(space + 1);
  std::string out;
  const auto open_alerts = [&](AlertFilter f) {
    f.statuses = {AlertStatus::fresh, AlertStatus::acknowledged, AlertStatus::in_progress,
                  AlertStatus::escalated};
    if (!site.empty()) f.sites = {site};
    f.limit = 20;
    const auto page = parts_.alerts.query(f);
    if (!page) {
      good = false;
      return page.error().text();
    }
    std::string list = std::to_string(page->total) + " open";
    for (const auto& a : page->alerts)
      list += "\n" + rfc3339(a.last_seen) + " " + std::string(collector::name(a.level)) + " " +
              a.rule.title + " x" + std::to_string(a.count);
    return list;
  };
  if (name == "alerts.open") {
    AlertFilter f;
    f.levels = {Level::high, Level::critical};
    return open_alerts(f);
  }
  if (name == "backups.tamper" || name == "backups.vanished") {
    AlertFilter f;
    f.rules = name == "backups.vanished"
                  ? std::vector<std::string>{"bk-07"}
                  : std::vector<std::string>{"bk-07", "bk-08", "bk-09", "bk-11"};
    return open_alerts(f);
  }
  if (name == "backups.candidates") {
    const auto* control = &parts_.store.control();
    std::size_t n = 0;
    (void)control->read([&](sql::Database& db) {
      auto s = db.prepare(
          "SELECT at, verdict, snapshot, data_time FROM restore_verdict WHERE asset=?1 ORDER BY at "
          "DESC LIMIT 5");
      s.with(argument);
      while (s.step()) {
        ++n;
        out += rfc3339({s.integer(0)}) + ": " + s.copy(1) + " " + s.copy(2) + " of " +
               rfc3339({s.integer(3)}) + "\n";
      }
    });
    return n == 0 ? "no restore point was worked out for " + argument + " yet" : out;
  }
  if (name == "sensors.silent") {
    const auto now = parts_.clock.now();
    for (const auto& c : parts_.store.cursors())
      if ((site.empty() || c.site == site) && now - c.last_batch > std::chrono::minutes(2))
        out += c.site + "/" + c.sensor + " last seen " + rfc3339(c.last_batch) + "\n";
    return out.empty() ? "every sensor is heard" : out;
  }
  if (name == "events.silent") {
    // Streams that were busy in the day before and sent nothing in the last hour.
    const auto now = parts_.clock.now();
    const auto count = [&](Timestamp from, Timestamp to) {
      CountQuery q;
      q.search.from = from;
      q.search.to = to;
      q.search.types = {argument};
      if (!site.empty()) q.search.sites = {site};
      q.step = std::chrono::hours(24);
      q.by = CountQuery::By::sensor;
      std::map<std::string, std::uint64_t> sums;
      if (const auto found = parts_.store.count(q))
        for (const auto& r : found->rows) sums[r.key] += r.events;
      return sums;
    };
    constexpr std::int64_t hour = 3'600'000'000;
    const auto recent = count({now.us - hour}, {now.us});
    for (const auto& [sensor, n] : count({now.us - 25 * hour}, {now.us - hour}))
      if (!recent.contains(sensor))
        out += sensor + ": " + std::to_string(n) + " in the day before, none in the last hour\n";
    return out.empty() ? "nobody that sent " + argument + " went quiet" : out;
  }
  if (name == "gaps.list") {
    const auto now = parts_.clock.now();
    for (const auto& g : parts_.store.gaps({now.us - 7 * 86'400'000'000LL}, {now.us + 1}))
      if (site.empty() || g.site == site)
        out += g.site + "/" + g.sensor + " " + g.reason + " noticed " + rfc3339(g.noticed) + "\n";
    return out.empty() ? "no gaps in the last 7 days" : out;
  }
  good = false;
  return "there is no check called " + name;
}

playbooks::Outcome TaskDoer::run(const playbooks::Task& task, const std::string& site,
                                 const std::atomic<bool>& stop) {
  playbooks::Outcome o;
  o.by = "wardwatch";
  o.observed = true;
  bool good = false;
  std::string text;
  switch (task.kind) {
    case playbooks::TaskKind::check:
      text = check(task.text, site, good);
      break;
    case playbooks::TaskKind::http:
      text = request(task.http, options_.http_ca, good);
      break;
    case playbooks::TaskKind::local:
      text = run_program(task.local, stop, good);
      break;
    default:
      text = "not a machine's task";
      break;
  }
  o.note = cut(std::move(text));
  o.outcome = good ? playbooks::StepOutcome::done : playbooks::StepOutcome::failed;
  return o;
}

}  // namespace ww::collector
