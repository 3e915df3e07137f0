#pragma once
/// A whole collector in this process: real TLS on port 0, real store in a temporary folder.
#include <gtest/gtest.h>
#include <zstd.h>

#include <atomic>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "collector/app/service/service.hpp"
#include "collector/identity/accounts.hpp"
#include "collector/identity/authority.hpp"
#include "telemetry/net/client.hpp"
#include "telemetry/net/enrol.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {

namespace json = boost::json;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

inline json::value parsed(const std::string& body) {
  boost::system::error_code ec;
  auto v = json::parse(body, ec);
  EXPECT_FALSE(ec) << body;
  return v;
}

/// Time that passes, and that a test moves on.
class MovableClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return system_.now() + ahead_.load(); }
  void advance(std::chrono::microseconds d) { ahead_ = ahead_.load() + d; }

 private:
  SystemClock system_;
  std::atomic<std::chrono::microseconds> ahead_{};
};

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder + "/web/assets");
    std::ofstream(folder + "/web/index.html") << "<!doctype html><title>Wardwatch</title>";
    std::ofstream(folder + "/web/assets/app-1.js") << "export {}";
    std::ofstream(folder + "/secret.txt") << "secret";
    config.listen = {"127.0.0.1:0"};
    config.folder = folder + "/data";
    config.min_free = 0;
    config.dashboard_folder = folder + "/web";
    config.requests_per_second = 0;
    start();
  }
  void start() {
    collector.reset();
    auto started = Collector::start(config, clock);
    ASSERT_TRUE(started) << started.error().text();
    collector = std::move(*started);
    url = "https://127.0.0.1:" + std::to_string(collector->port());
    ca = config.folder + "/tls/ca.pem";
  }
  /// Asks until it is so; false after two minutes, which only a fault takes.
  template <class F>
  static bool eventually(F f) {
    const auto end = std::chrono::steady_clock::now() + 2min;
    for (;;) {
      if (f()) return true;
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(10ms);
    }
  }
  std::string token(Role role, const std::string& site = "", const std::string& source = "") {
    ApiToken t;
    t.name = "test";
    t.role = role;
    t.site = site;
    t.source = source;
    return collector->accounts().add_token(t, 1h, {"console", "console", ""}).value().secret;
  }
  void add_user(const std::string& name, Role role, std::vector<std::string> sites = {}) {
    User u;
    u.name = name;
    u.role = role;
    u.sites = std::move(sites);
    ASSERT_TRUE(
        collector->accounts().add_user(u, "correct horse battery", {"console", "console", ""}));
  }
  std::unique_ptr<http::Client> client(const net::SensorIdentity* identity = nullptr) {
    http::ClientOptions o;
    o.url = url;
    o.ca_file = ca;
    if (identity != nullptr) {
      o.cert_file = identity->cert_file;
      o.key_file = identity->key_file;
    }
    return http::Client::create(o).value();
  }
  http::Response send(std::string_view method, const std::string& target,
                      const std::string& bearer = {}, const std::string& body = {},
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::Request r;
    r.method = method;
    r.target = target;
    if (!bearer.empty()) r.headers.add("Authorization", "Bearer " + bearer);
    for (const auto& [n, v] : headers) r.headers.add(n, v);
    if (!body.empty() && !r.headers.has("Content-Type"))
      r.headers.add("Content-Type", "application/json");
    r.body = body;
    auto answer = client()->send(r);
    EXPECT_TRUE(answer) << answer.error().problem.text();
    return answer ? std::move(*answer) : http::Response{0, {}, {}};
  }
  net::SensorIdentity enrol(const std::string& site, const std::string& sensor) {
    const auto made =
        collector->accounts().add_enrolment({site, sensor}, 1h, {"console", "console", ""}).value();
    const auto text =
        net::enrolment_token_text({made.secret, collector->authority().fingerprint()});
    auto identity = net::enrol(url, text, folder + "/" + site + "-" + sensor);
    EXPECT_TRUE(identity) << identity.error().problem.text();
    return std::move(*identity);
  }
  static http::Request batch(std::uint64_t epoch, std::uint64_t seq, const std::string& lines) {
    http::Request r;
    r.method = "POST";
    r.target = "/api/v1/ingest";
    r.headers.add("Wardwatch-Batch", std::to_string(epoch) + "-" + std::to_string(seq));
    r.body = lines;
    return r;
  }
  /// `n` numbered events of a sensor, as its uplink would send them.
  std::string lines(std::uint64_t epoch, std::uint64_t first, std::uint64_t n) const {
    std::string out;
    for (std::uint64_t i = first; i < first + n; ++i)
      out += "{\"timestamp\":\"" + eve_time(clock.now()) +
             "\",\"event_type\":\"dns\",\"dns\":{\"rrname\":\"n" + std::to_string(i) +
             ".example\"},\"ww\":{\"epoch\":" + std::to_string(epoch) +
             ",\"seq\":" + std::to_string(i) + "}}\n";
    return out;
  }
  static std::string zstd(const std::string& in) {
    std::string out(ZSTD_compressBound(in.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 1));
    return out;
  }
  /// A signature alert as a sensor writes it.
  std::string alert_line(std::uint64_t epoch, std::uint64_t seq) const {
    return "{\"timestamp\":\"" + eve_time(clock.now()) +
           "\",\"event_type\":\"alert\",\"src_ip\":\"10.0.0.5\",\"src_port\":1,\"dest_ip\":\"10.0."
           "0.9\",\"dest_port\":445,\"proto\":\"TCP\","
           "\"alert\":{\"action\":\"allowed\",\"gid\":1,\"signature_id\":9000001,\"rev\":1,"
           "\"signature\":\"WARDWATCH test\",\"category\":\"\",\"severity\":1},"
           "\"ww\":{\"epoch\":" +
           std::to_string(epoch) + ",\"seq\":" + std::to_string(seq) + "}}\n";
  }
  ww::test::TempFolder temp;
  const std::string& folder = temp.path();
  std::string url, ca;
  Config config;
  MovableClock clock;
  std::unique_ptr<Collector> collector;
};

}  // namespace ww::collector
