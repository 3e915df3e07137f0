/// wardwatch-collector: takes telemetry in, detects, stores, serves.
#include <fcntl.h>
#include <signal.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "collector/app/service/service.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/logging.hpp"
#include "telemetry/settings.hpp"

namespace {

using namespace ww;
using namespace ww::collector;

/// {"time":..,"level":..,"message":..}, one line, whatever the message holds.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& m, spdlog::memory_buf_t& out) override {
    const auto us =
        std::chrono::duration_cast<std::chrono::microseconds>(m.time.time_since_epoch()).count();
    const auto level = spdlog::level::to_string_view(m.level);
    std::string line;
    JsonWriter json(line);
    json.begin_object();
    json.field("time", rfc3339({us}));
    json.field("level", std::string_view(level.data(), level.size()));
    json.field("message", std::string_view(m.payload.data(), m.payload.size()));
    json.end_object();
    line += '\n';
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

int say(const Problem& p, int code) {
  auto text = p.text();
  for (auto& c : text)
    if (c == '\n') c = ' ';
  std::fprintf(stderr, "wardwatch-collector: %s\n", text.c_str());
  return code;
}

/// The log's file. It can be opened again under its name while others write, and stays what it was
/// when that fails.
class LogFile final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogFile(std::string path) : path_(std::move(path)) {}
  ~LogFile() override {
    if (fd_ >= 0) ::close(fd_);
  }
  Result<void, Problem> open() {
    std::error_code ec;
    if (const auto folder = std::filesystem::path(path_).parent_path(); !folder.empty())
      std::filesystem::create_directories(folder, ec);
    const int fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
      return fail(Problem{std::string("cannot write the log: ") + std::strerror(errno), path_,
                          "check log.file and its folder"});
    const std::lock_guard lock(mutex_);
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
    return {};
  }

 private:
  void sink_it_(const spdlog::details::log_msg& m) override {
    spdlog::memory_buf_t line;
    formatter_->format(m, line);
    for (std::size_t at = 0; at < line.size();) {
      const auto n = ::write(fd_, line.data() + at, line.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw spdlog::spdlog_ex("cannot write to " + path_, errno);
      at += static_cast<std::size_t>(n);
    }
  }
  void flush_() override {}

  std::string path_;
  int fd_ = -1;
};

/// @return the log's file, or null when the log goes to standard error
Result<std::shared_ptr<LogFile>, Problem> set_up_log(const Config& c) {
  std::shared_ptr<LogFile> file;
  std::shared_ptr<spdlog::logger> logger;
  if (c.log_file.empty()) {
    logger = spdlog::stderr_logger_mt("collector");
  } else {
    file = std::make_shared<LogFile>(c.log_file);
    if (auto ok = file->open(); !ok) return fail(ok.error());
    logger = std::make_shared<spdlog::logger>("collector", file);
  }
  logger->set_formatter(std::make_unique<JsonFormatter>());
  logger->set_level(spdlog::level::from_str(c.log_level == "warn" ? "warning" : c.log_level));
  spdlog::set_default_logger(logger);
  return file;
}

// sd_notify(3): a datagram to NOTIFY_SOCKET when a service manager gave one.
void notify_manager(const char* state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  (void)::sendto(fd, state, std::strlen(state), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  ::close(fd);
}

int run(const Config& config, const Clock& clock) {
  const auto text = Settings::file_text(config.file);
  const auto log = set_up_log(config);
  if (!log) return say(log.error(), 2);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, s);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts: all inherit it
  ::signal(SIGPIPE, SIG_IGN);

  auto collector = Collector::start(config, clock);
  if (!collector) return say(collector.error(), 2);
  logging::info("listening on port {}, address for people and sensors {}", (*collector)->port(),
                (*collector)->url());
  notify_manager("READY=1");
  const char* watchdog = std::getenv("WATCHDOG_USEC");
  const auto beat = watchdog != nullptr ? std::max(1L, std::atol(watchdog) / 2'000'000) : 3600L;
  for (;;) {
    const timespec wait{beat, 0};
    const int got = sigtimedwait(&signals, nullptr, &wait);
    if (got == SIGHUP) {
      notify_manager("RELOADING=1");
      // What logrotate renamed is let go of.
      if (*log)
        if (auto ok = (*log)->open(); !ok) logging::error("{}", ok.error().text());
      if (Settings::file_text(config.file) != text)
        logging::warn(
            "{} has changed since the start; what it says of anything but the contents "
            "of rules, registers and certificates is taken at a restart",
            config.file);
      const auto done = (*collector)->reload();
      if (done)
        logging::info("reloaded: {}", *done);
      else
        logging::error("reload failed, the old settings stay: {}", done.error().text());
      notify_manager("READY=1");
    } else if (got == SIGTERM || got == SIGINT) {
      break;
    } else if (watchdog != nullptr) {
      notify_manager("WATCHDOG=1");
    }
  }
  logging::info("stopping");
  notify_manager("STOPPING=1");
  collector->reset();
  logging::info("stopped");
  spdlog::shutdown();
  return 0;
}

int init(const Config& config, const Clock& clock, bool new_link, bool json) {
  const auto done = initialise(config, clock, new_link);
  if (!done) return say(done.error(), 2);
  if (json) {
    std::string text;
    JsonWriter w(text);
    w.begin_object();
    w.field("authority_made", done->authority_made);
    w.field("admin_made", done->admin_made);
    w.field("ca", done->ca_file);
    w.field("ca_sha256", done->ca_sha256);
    w.field("token_file", done->token_file);
    if (!done->login_link.empty()) w.field("login_link", done->login_link);
    w.end_object();
    std::puts(text.c_str());
    return 0;
  }
  std::printf("certificate authority  %s%s\n", done->ca_file.c_str(),
              done->authority_made ? " (new)" : "");
  std::printf("its SHA-256            %s\n", done->ca_sha256.c_str());
  std::printf("admin token            %s\n", done->token_file.c_str());
  if (!done->login_link.empty())
    std::printf("sign in within an hour %s\n", done->login_link.c_str());
  return 0;
}

int main_or_throw(int argc, char** argv) {
  cli::Program program("Wardwatch collector: takes telemetry in, detects, stores, serves",
                       "wardwatch-collector", WARDWATCH_VERSION);
  auto app = program.root();
  app.require_command();
  std::string file;
  bool new_link = false, json = false;
  const auto with_config = [&](const char* name, const char* what) {
    auto sub = app.add_command(name, what);
    sub.add_option("--config,-c", file,
                   "configuration (deploy/collector.example.yaml shows every key)")
        .required();
    return sub;
  };
  const auto run_command =
      with_config("run", "serve until SIGTERM; SIGHUP reads rules and certificates again");
  const auto check_command =
      with_config("check", "say what is wrong with the configuration and the rules");
  with_config("migrate", "bring the data folder's schemas up to date");
  auto init_command =
      with_config("init", "make the certificate authority, the first admin and its token");
  init_command.add_flag("--login-link", new_link, "print a new one-time login link for 'admin'");
  init_command.add_flag("--json", json, "print JSON");
  try {
    if (const auto answered = program.parse(argc, argv)) return *answered;
  } catch (const cli::UsageError& e) {
    return say({e.what(), "", "see " + e.command() + " --help"}, 2);
  }
  const auto config = Config::load(file);
  if (!config) return say(config.error(), 2);
  const SystemClock clock;
  if (run_command.given()) return run(*config, clock);
  if (init_command.given()) return init(*config, clock, new_link, json);
  const auto text = check_command.given() ? check(*config, clock) : migrate(*config, clock);
  if (!text) return say(text.error(), check_command.given() ? 2 : 1);
  std::puts(text->c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return main_or_throw(argc, argv);
  } catch (const std::exception& e) {
    return say({std::string("internal error: ") + e.what(), "", "please report it"}, 1);
  }
}
