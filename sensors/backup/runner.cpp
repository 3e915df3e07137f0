#include "sensors/backup/runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace ww::backup {
namespace {

using Steady = std::chrono::steady_clock;

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  std::string_view rest = search_path;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    auto path = std::string(rest.substr(0, colon)) + "/" + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return {};
}

struct Pipe {
  int read = -1, write = -1;
  ~Pipe() {
    close_read();
    close_write();
  }
  bool open() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return false;
    read = fds[0];
    write = fds[1];
    return ::fcntl(read, F_SETFL, O_NONBLOCK) == 0;
  }
  void close_read() {
    if (read >= 0) ::close(read);
    read = -1;
  }
  void close_write() {
    if (write >= 0) ::close(write);
    write = -1;
  }
};

/// What the child needs, made before fork(): after it only async-signal-safe calls are allowed.
struct Prepared {
  std::string program, folder;
  std::vector<std::string> environment;
  std::vector<char*> argv, envp;
};

[[noreturn]] void become(const Prepared& p, int out, int err, int null) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a sensor that is killed leaves no tool at work
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int s : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(s, SIG_DFL);
  ::dup2(null, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::close_range(3, ~0U, 0);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  (void)!::nice(10);
  ::umask(077);
  constexpr std::string_view no_folder = "the working folder is gone\n";
  constexpr std::string_view no_start = "the program cannot be executed\n";
  const bool entered = ::chdir(p.folder.c_str()) == 0;
  if (entered) ::execve(p.program.c_str(), p.argv.data(), p.envp.data());
  const auto why = entered ? no_start : no_folder;
  (void)!::write(2, why.data(), why.size());
  ::_exit(127);
}

/// Reads what is there. @return false at the end of the stream
bool drain(int fd, std::string& to, std::size_t most, bool keep_tail, bool& over) {
  char buffer[65'536];
  for (;;) {
    const auto n = ::read(fd, buffer, sizeof buffer);
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    auto room = static_cast<std::size_t>(n);
    if (keep_tail) {
      to.append(buffer, room);
      if (to.size() > most) to.erase(0, to.size() - most);
    } else {
      if (to.size() + room > most) {
        over = true;
        room = most - to.size();
      }
      to.append(buffer, room);
      if (over) return true;
    }
  }
}

void kill_group(pid_t pid) { ::kill(-pid, SIGKILL); }

/// The lock of Command::turn. Not inherited: a program that is left over holds nobody up.
class Turn {
 public:
  enum class Came { yes, too_late, cancelled, no_file };
  Turn() = default;
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (fd_ >= 0) ::close(fd_);
  }
  Came wait(const std::string& file, Steady::time_point deadline, const std::atomic<bool>* stop) {
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) return Came::no_file;
    while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return Came::no_file;
      if (stop != nullptr && stop->load()) return Came::cancelled;
      if (Steady::now() >= deadline) return Came::too_late;
      ::poll(nullptr, 0, 20);
    }
    return Came::yes;
  }

 private:
  int fd_ = -1;
};

Result<Finished, Problem> run_once(const Command& c, const std::atomic<bool>* stop,
                                   Steady::time_point begin) {
  Prepared p;
  if (c.argv.empty()) return fail(Problem{"no program is named", "command", "give one"});
  p.program = find_program(c.argv.front());
  if (p.program.empty())
    return fail(Problem{"no such program", c.argv.front(), "install it or give its full path"});
  p.folder = c.folder.empty() ? "/" : c.folder;
  auto environment = c.environment;
  environment.emplace("PATH", search_path);
  environment.emplace("HOME", p.folder);
  environment.emplace("TZ", "UTC");
  environment.emplace("LC_ALL", "C.UTF-8");
  for (const auto& [k, v] : environment) p.environment.emplace_back(k).append("=").append(v);
  for (auto& e : p.environment) p.envp.push_back(e.data());
  p.envp.push_back(nullptr);
  for (const auto& a : c.argv) p.argv.push_back(const_cast<char*>(a.c_str()));
  p.argv.push_back(nullptr);

  Pipe out, err;
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || !out.open() || !err.open()) {
    const std::string why = std::strerror(errno);
    if (null >= 0) ::close(null);
    return fail(
        Problem{"cannot make a pipe: " + why, c.argv.front(), "raise the open files limit"});
  }
  const pid_t pid = ::fork();
  if (pid == 0) become(p, out.write, err.write, null);
  ::close(null);
  if (pid < 0)
    return fail(Problem{std::string("cannot start: ") + std::strerror(errno), c.argv.front(),
                        "check the limits of processes and memory"});
  ::setpgid(pid, pid);
  out.close_write();
  err.close_write();

  Finished done;
  const auto deadline = begin + c.timeout;
  bool out_open = true, err_open = true, over = false, ignored = false;
  const auto most = c.stop_after != 0 ? c.stop_after : c.max_output;
  while (out_open || err_open) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
    if (left <= 0) {
      done.timed_out = true;
      break;
    }
    if (stop != nullptr && stop->load()) {
      done.cancelled = true;
      break;
    }
    pollfd fds[2] = {{out_open ? out.read : -1, POLLIN, 0}, {err_open ? err.read : -1, POLLIN, 0}};
    const int n = ::poll(fds, 2, static_cast<int>(std::min<long>(left, 100)));
    if (n < 0 && errno != EINTR) break;
    if (n <= 0) continue;
    if (fds[0].revents != 0) out_open = drain(out.read, done.out, most, false, over);
    if (fds[1].revents != 0) err_open = drain(err.read, done.err, max_error_octets, true, ignored);
    if (over || (c.stop_after != 0 && done.out.size() >= c.stop_after)) {
      (c.stop_after != 0 ? done.stopped_early : done.too_large) = true;
      break;
    }
  }
  // The streams may be closed while the program goes on: it has until the deadline.
  int status = 0;
  bool killed = done.timed_out || done.too_large || done.stopped_early || done.cancelled;
  while (!killed) {
    const auto r = ::waitpid(pid, &status, WNOHANG);
    if (r == pid || (r < 0 && errno != EINTR)) break;
    if (Steady::now() >= deadline || (stop != nullptr && stop->load())) {
      (Steady::now() >= deadline ? done.timed_out : done.cancelled) = true;
      killed = true;
      break;
    }
    ::poll(nullptr, 0, 2);
  }
  kill_group(pid);  // also what the program left behind in its group
  if (killed)
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
  done.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  done.took = std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begin);
  return done;
}

}  // namespace

Result<Finished, Problem> run(const Command& c, const std::atomic<bool>* stop) {
  const auto begin = Steady::now();
  Turn turn;
  if (!c.turn.empty()) {
    Finished never;
    switch (turn.wait(c.turn, begin + c.timeout, stop)) {
      case Turn::Came::yes:
        break;
      case Turn::Came::too_late:
        never.timed_out = true;
        return never;
      case Turn::Came::cancelled:
        never.cancelled = true;
        return never;
      case Turn::Came::no_file:
        return fail(Problem{std::string("cannot be locked: ") + std::strerror(errno), c.turn,
                            "let the sensor write in this folder"});
    }
  }
  auto done = run_once(c, stop, begin);
  if (done && !c.cache.empty() && done->exit_code != 0 && !done->cancelled && !done->timed_out &&
      done->err.find(c.cache + "/") != std::string::npos) {
    std::error_code ec;
    if (std::filesystem::remove_all(c.cache, ec) > 0 && !ec) done = run_once(c, stop, begin);
  }
  return done;
}

}  // namespace ww::backup
