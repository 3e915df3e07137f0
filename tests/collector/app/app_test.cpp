/// Configuration, and the real programs as a person meets them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "collector/app/service/config.hpp"
#include "collector/app/service/service.hpp"
#include "collector/identity/accounts.hpp"
#include "telemetry/net/client.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;

TEST(Config, UnknownKeyNamesLineAndTheNearestKey) {
  const auto c = Config::parse("data:\n  folder: /tmp/x\nserver:\n  lisen: [\"a:1\"]\n", "c.yaml");
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().where, "c.yaml:4");
  EXPECT_NE(c.error().text().find("server.lisen"), std::string::npos);
  EXPECT_NE(c.error().remedy.find("'server.listen'"), std::string::npos);
}

TEST(Config, WrongValuesNameKeyAndLine) {
  for (const auto& [yaml, key] : std::initializer_list<std::pair<const char*, const char*>>{
           {"data: {folder: x}\nserver: {worker_threads: many}\n", "server.worker_threads"},
           {"data: {folder: x}\nserver: {worker_threads: 0}\n", "server.worker_threads"},
           {"data: {folder: x, min_free: lots}\n", "data.min_free"},
           {"data: {folder: x, retention: {nonsense: 3}}\n", "data.retention.nonsense"},
           {"data: {folder: x}\nsyslog: {site: Not A Slug}\n", "syslog.site"},
           {"data: {folder: x}\nnotify: {webhooks: [{url: ftp://x}]}\n", "notify.webhooks.0.url"},
           {"data: {folder: x}\nlog: {level: loud}\n", "log.level"},
           {"data: {folder: x}\nidentity: {sensor_certificate_life: 90}\n",
            "identity.sensor_certificate_life"},
           {"data: {folder: x}\nidentity: {sensor_certificate_life: 59s}\n",
            "identity.sensor_certificate_life"},
           {"data: {folder: x}\nidentity: {sensor_certificate_life: 826d}\n",
            "identity.sensor_certificate_life"},
           {"data: {folder: x}\nidentity: {sensor_certificate_life: 99999999999999999999d}\n",
            "identity.sensor_certificate_life"},
           {"data: {folder: x}\nserver: {listen: 8443}\n", "server.listen"},
           {"data: {folder: x}\nserver: {names: {a: b}}\n", "'server.names' takes a list"},
           {"data: {folder: [x]}\n", "'data.folder' takes one value"},
           {"data: {folder: x}\nsyslog: yes\n", "'syslog' must hold keys"},
           {"data: {folder: x}\nsyslog: {tls: ['6514']}\n", "syslog.tls"},
           {"data: {folder: x}\nserver: {public_url: 'http://x'}\n", "server.public_url"},
           {"data: {folder: x}\ndata: {folder: y}\n", "'data' is given twice"},
           {"data: {folder: x}\nnotify: {webhooks: [{url: 'https://x', drills: perhaps}]}\n",
            "notify.webhooks.0.drills"},
           {"server: {worker_threads: 2}\n", "data.folder"}}) {
    const auto c = Config::parse(yaml, "c.yaml");
    ASSERT_FALSE(c) << yaml;
    EXPECT_NE(c.error().what.find(key), std::string::npos) << c.error().text();
    EXPECT_TRUE(c.error().where.starts_with("c.yaml")) << c.error().text();
  }
}

TEST(Config, TheLifeOfASensorsCertificateHasAUnit) {
  for (const auto& [text, life] : std::initializer_list<std::pair<const char*, int>>{
           {"1m", 60}, {"12h", 12 * 3600}, {"825d", 825 * 86'400}}) {
    const auto c = Config::parse(
        std::string("data: {folder: x}\nidentity: {sensor_certificate_life: ") + text + "}\n",
        "c.yaml");
    ASSERT_TRUE(c) << c.error().text();
    EXPECT_EQ(c->sensor_certificate_life, std::chrono::seconds(life));
  }
}

TEST(Config, ASectionWithNothingInItIsAsGoodAsNone) {
  EXPECT_TRUE(Config::parse("data: {folder: x}\nnotify:\nsyslog:\n  # udp: []\n", "c.yaml"));
}

TEST(Config, TheExampleIsGoodAndShowsEveryKey) {
  const auto path = std::string(WW_SOURCE_DIR) + "/deploy/collector.example.yaml";
  const auto c = Config::load(path);
  ASSERT_TRUE(c) << c.error().text();
  EXPECT_EQ(c->retention.at("alert"), std::chrono::hours(24 * 365));
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  for (const auto& k : config_keys()) {
    auto last = std::string(k.path.substr(k.path.rfind('.') + 1));
    if (last == "*")
      last = k.path.find("retention") != std::string_view::npos ? "retention" : "class_max_size";
    EXPECT_NE(text.str().find(last + ":"), std::string::npos) << k.path;
  }
}

/// A child process with its output in files. Killed when it is still there at the end.
class Child {
 public:
  Child(std::vector<std::string> args, const std::string& out) {
    pid_ = ::fork();
    if (pid_ == 0) {
      (void)!::freopen((out + ".out").c_str(), "w", stdout);
      (void)!::freopen((out + ".err").c_str(), "w", stderr);
      std::vector<char*> argv;
      for (auto& a : args) argv.push_back(a.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
  }
  void signal(int s) { ::kill(pid_, s); }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  bool running() {
    int status = 0;
    if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) pid_ = 0;
    return pid_ > 0;
  }

 private:
  pid_t pid_ = 0;
};

class Programs : public ::testing::Test {
 protected:
  void SetUp() override {
    config = folder + "/collector.yaml";
    write("data: {folder: data, min_free: 0}\nserver: {listen: [\"127.0.0.1:0\"]}\n");
  }
  void write(const std::string& yaml) const { std::ofstream(config) << yaml; }
  int run(std::vector<std::string> args) {
    const int code = Child(std::move(args), folder + "/run").wait();
    out = read("run.out");
    err = read("run.err");
    return code;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(folder + "/" + name);
    std::stringstream s;
    s << in.rdbuf();
    return s.str();
  }
  /// The port from the log line of a collector that runs, or 0 when it ended first.
  std::string port_of(Child& child) {
    for (;;) {
      const auto log = read("collector.err");
      const auto at = log.find("listening on port ");
      const auto end = at == std::string::npos ? at : log.find(',', at);
      if (end != std::string::npos) return log.substr(at + 18, end - at - 18);
      if (!child.running()) return "0";
      ::usleep(2000);
    }
  }
  ww::test::TempFolder temp;
  const std::string& folder = temp.path();
  std::string config, out, err;
};

TEST_F(Programs, BadConfigurationEndsWithOneLineAndCode2) {
  write("data: {foldr: x}\n");
  for (const auto* command : {"run", "check", "migrate", "init"}) {
    EXPECT_EQ(run({WW_COLLECTOR, command, "--config", config}), 2) << command;
    EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 1) << err;
    EXPECT_NE(err.find("collector.yaml:1"), std::string::npos) << err;
    EXPECT_NE(err.find("data.folder"), std::string::npos) << err;
  }
  EXPECT_EQ(run({WW_COLLECTOR, "run", "--config", folder + "/none.yaml"}), 2);
  EXPECT_EQ(run({WW_COLLECTOR, "frobnicate"}), 2);
  EXPECT_EQ(run({WW_COLLECTOR, "--help"}), 0);
}

TEST_F(Programs, InitMakesAnAdminOnceAndItsTokenWorks) {
  EXPECT_EQ(run({WW_COLLECTOR, "init", "--config", config, "--json"}), 0) << err;
  const auto first = boost::json::parse(out);
  EXPECT_TRUE(first.at("admin_made").as_bool());
  EXPECT_EQ(run({WW_COLLECTOR, "init", "--config", config, "--json"}), 0);
  const auto second = boost::json::parse(out);
  EXPECT_FALSE(second.at("admin_made").as_bool());
  EXPECT_EQ(second.at("ca_sha256"), first.at("ca_sha256"));
  EXPECT_FALSE(second.as_object().contains("login_link"));

  Child collector({WW_COLLECTOR, "run", "--config", config}, folder + "/collector");
  const auto url = "https://127.0.0.1:" + port_of(collector);
  const std::vector<std::string> ctl{WW_CTL,
                                     "--url",
                                     url,
                                     "--ca",
                                     folder + "/data/tls/ca.pem",
                                     "--token-file",
                                     folder + "/data/admin.token"};
  const auto call = [&](std::vector<std::string> more) {
    auto args = ctl;
    args.insert(args.end(), more.begin(), more.end());
    return run(std::move(args));
  };
  EXPECT_EQ(call({"whoami"}), 0) << err;
  EXPECT_NE(out.find("admin"), std::string::npos);
  EXPECT_EQ(call({"enrol", "--site", "st-a", "--sensor", "s1"}), 0) << err;
  EXPECT_TRUE(out.starts_with("wwe_"));
  EXPECT_EQ(call({"enrol", "--site", "Not A Slug", "--sensor", "s1"}), 1);
  EXPECT_EQ(call({"-o", "json", "alerts", "list"}), 0);
  EXPECT_EQ(out, "[]\n");
  EXPECT_EQ(call({"alerts", "show", "no-such"}), 1);
  EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 1) << err;
  for (const auto* command : {"sites", "stats", "gaps", "audit", "dead-letters"})
    EXPECT_EQ(call({command}), 0) << command << err;
  for (const auto* group : {"sensors", "user", "token", "incidents"})
    EXPECT_EQ(call({group, "list"}), 0) << group << err;
  EXPECT_EQ(call({"events", "search"}), 0) << err;
  EXPECT_EQ(run({WW_CTL, "--url", url, "--token-file", folder + "/data/admin.token", "whoami"}), 3)
      << "an authority we do not know";

  Child second_one({WW_COLLECTOR, "run", "--config", config}, folder + "/second");
  EXPECT_EQ(second_one.wait(), 2);
  EXPECT_NE(read("second.err").find("another"), std::string::npos) << read("second.err");

  collector.signal(SIGHUP);
  collector.signal(SIGTERM);
  EXPECT_EQ(collector.wait(), 0);
  EXPECT_EQ(call({"whoami"}), 3);
  EXPECT_EQ(run({WW_COLLECTOR, "migrate", "--config", config}), 0) << err;
}

}  // namespace
}  // namespace ww::collector
