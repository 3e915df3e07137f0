/// The server alone, against peers that misbehave. Limits are small, so that nothing here waits for
/// long.
#include "collector/api/server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "collector/identity/authority.hpp"
#include "telemetry/net/client.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Answers with what it got; "/never" is dropped unanswered, "/hold" waits for the test.
class Echo final : public Application {
 public:
  Admission admit(const http::Request& head, const Peer&) override {
    Admission a;
    a.accepted = head.target != "/refuse";
    a.body_limit = 1000;
    a.refusal.status = 403;
    a.refusal.body = "no";
    return a;
  }
  void handle(ExchangePtr e) override {
    if (e->request.target == "/never") return;
    if (e->request.target == "/hold") {
      held.set_value(std::move(e));
      return;
    }
    http::Response r;
    r.body =
        e->request.method + " " + e->request.target + " " + std::to_string(e->request.body.size());
    e->reply(std::move(r));
  }
  void finish(http::Response& r) override { r.headers.set("X-Finished", "yes"); }
  std::promise<ExchangePtr> held;
};

/// A TLS connection by hand: what no decent client would send.
class Raw {
 public:
  explicit Raw(std::uint16_t port, bool tls = true) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = ::connect(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
    if (!tls) return;
    ctx_ = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(ctx_);
    SSL_set_fd(ssl_, fd_);
    connected = connected && SSL_connect(ssl_) == 1;
  }
  ~Raw() {
    SSL_free(ssl_);
    SSL_CTX_free(ctx_);
    ::close(fd_);
  }
  void send(const std::string& s) { (void)SSL_write(ssl_, s.data(), static_cast<int>(s.size())); }
  /// Everything until the server closes.
  std::string rest() {
    std::string out;
    char b[4096];
    if (ssl_ == nullptr) {
      while (::recv(fd_, b, sizeof b, 0) > 0) {
      }
      return out;
    }
    for (int n = SSL_read(ssl_, b, sizeof b); n > 0; n = SSL_read(ssl_, b, sizeof b))
      out.append(b, static_cast<std::size_t>(n));
    return out;
  }
  bool connected = false;

 private:
  int fd_;
  SSL_CTX* ctx_ = nullptr;
  SSL* ssl_ = nullptr;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // Raw writes to connections that the server has closed
    authority = Authority::open({.folder = folder}, clock).value();
    options.limits.requests_per_second = 0;
  }
  void start() {
    const auto id = authority->server_identity().value();
    options.certificate_pem = id.certificate_pem;
    options.key_pem = id.key_pem;
    options.client_ca_pem = authority->certificate_pem();
    auto started = Server::start(options, echo);
    ASSERT_TRUE(started) << started.error().text();
    server = std::move(*started);
  }
  std::unique_ptr<http::Client> client() {
    http::ClientOptions o;
    o.url = "https://localhost:" + std::to_string(server->port());
    o.ca_file = folder + "/ca.pem";
    return http::Client::create(o).value();
  }
  static http::Request request(std::string method, std::string target, std::string body = {}) {
    http::Request r;
    r.method = std::move(method);
    r.target = std::move(target);
    r.body = std::move(body);
    return r;
  }
  ww::test::TempFolder temp;
  const std::string& folder = temp.path();
  SystemClock clock;
  std::unique_ptr<Authority> authority;
  ServerOptions options;
  Echo echo;
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, KeepsAConnectionForManyRequests) {
  start();
  auto c = client();
  for (int i = 0; i < 20; ++i) {
    const auto r =
        c->send(request("POST", "/x", std::string(static_cast<std::size_t>(i), 'b'))).value();
    EXPECT_EQ(r.body, "POST /x " + std::to_string(i));
    EXPECT_EQ(r.headers.get("X-Finished"), "yes");
  }
  EXPECT_EQ(server->stats().connections, 1U);
}

TEST_F(ServerTest, AClientReconnectsAfterTheServerClosedAnIdleConnection) {
  options.limits.idle = 1s;
  start();
  auto c = client();
  EXPECT_TRUE(c->send(request("GET", "/x")));
  while (server->stats().connections_open > 0) std::this_thread::sleep_for(1ms);
  const auto before = server->stats().connections;
  EXPECT_TRUE(c->send(request("GET", "/x")));
  EXPECT_GT(server->stats().connections, before);
}

TEST_F(ServerTest, WhoDoesNotSpeakTlsOrSaysNothingIsLetGo) {
  options.limits.handshake = 500ms;
  options.limits.idle = 200ms;
  start();
  Raw silent(server->port(), false);
  EXPECT_EQ(silent.rest(), "");  // returns because the server closed
  Raw nothing_after_handshake(server->port());
  EXPECT_EQ(nothing_after_handshake.rest(), "");
  server->stop();
  EXPECT_GE(server->stats().handshake_failures, 1U);
}

TEST_F(ServerTest, ASlowHeadAndASlowBodyAreLetGo) {
  options.limits.header = options.limits.body = 200ms;
  start();
  Raw head(server->port());
  head.send("GET / HTTP/1.1\r\nHost: x\r\n");
  (void)head.rest();
  Raw body(server->port());
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  (void)body.rest();
  server->stop();  // so that what it counts is counted
  EXPECT_GE(server->stats().timeouts, 2U);
}

TEST_F(ServerTest, RefusesWhatIsNotHttpWithAStatus) {
  start();
  Raw junk(server->port());
  junk.send("\x01\x02 nonsense\r\n\r\n");
  EXPECT_EQ(junk.rest().substr(0, 12), "HTTP/1.1 400");
  Raw large(server->port());
  large.send("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(large.rest().substr(0, 12), "HTTP/1.1 431");
  Raw both(server->port());
  both.send(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n");
  const auto smuggled = both.rest();
  EXPECT_TRUE(smuggled.empty() || smuggled.substr(0, 12) == "HTTP/1.1 400") << smuggled;
}

TEST_F(ServerTest, BodiesOverTheLimitGet413AnnouncedOrNot) {
  start();
  EXPECT_EQ(client()->send(request("POST", "/x", std::string(1001, 'x'))).value().status, 413U);
  EXPECT_EQ(client()->send(request("POST", "/x", std::string(3'000'000, 'x'))).value().status,
            413U);
  Raw chunked(server->port());
  chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) chunked.send("64\r\n" + std::string(100, 'x') + "\r\n");
  EXPECT_EQ(chunked.rest().substr(0, 12), "HTTP/1.1 413");
  server->stop();
  EXPECT_EQ(server->stats().inflight_octets, 0U);
}

TEST_F(ServerTest, ARefusedRequestsBodyIsNotTakenForTheNextRequest) {
  start();
  Raw r(server->port());
  r.send(
      "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nGET /smuggled "
      "HTTP/1.1\r\n\r\n123456");
  const auto answer = r.rest();
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 403");
  EXPECT_EQ(answer.find("smuggled"), std::string::npos);
}

TEST_F(ServerTest, SaysContinueToWhoWaitsForIt) {
  start();
  Raw r(server->port());
  r.send(
      "POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: "
      "close\r\n\r\nabc");
  const auto answer = r.rest();
  EXPECT_EQ(answer.substr(0, 25), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_NE(answer.find("POST /x 3"), std::string::npos);
}

TEST_F(ServerTest, AHandlerThatForgetsOrIsLateStillGivesAnAnswer) {
  start();
  EXPECT_EQ(client()->send(request("GET", "/never")).value().status, 500U);
  options.limits.handler = 300ms;
  start();
  EXPECT_EQ(client()->send(request("GET", "/hold")).value().status, 503U);
  echo.held.get_future().get()->reply({});  // too late: nobody is hurt
}

TEST_F(ServerTest, HeadHasNoBody) {
  start();
  const auto r = client()->send(request("HEAD", "/x")).value();
  EXPECT_EQ(r.status, 200U);
  EXPECT_TRUE(r.body.empty());
}

TEST_F(ServerTest, ConnectionsOfOnePeerAreBounded) {
  options.limits.max_connections_per_peer = 2;
  options.limits.idle = 60s;
  start();
  Raw a(server->port()), b(server->port()), c(server->port());
  EXPECT_TRUE(a.connected && b.connected);
  EXPECT_FALSE(c.connected);
  EXPECT_EQ(server->stats().connections_refused, 1U);
}

TEST_F(ServerTest, RequestsOfOnePeerAreBoundedInRate) {
  options.limits.requests_per_second = 1;
  start();
  auto c = client();
  EXPECT_EQ(c->send(request("GET", "/x")).value().status, 200U);
  EXPECT_EQ(c->send(request("GET", "/x")).value().status, 200U);
  // The third is one too many, or on a slow machine one of those after it.
  auto next = c->send(request("GET", "/x")).value();
  for (int i = 0; i < 1000 && next.status == 200; ++i) next = c->send(request("GET", "/x")).value();
  EXPECT_EQ(next.status, 429U);
  EXPECT_EQ(next.headers.get("Retry-After"), "1");
}

TEST_F(ServerTest, StoppingAnswersWhatIsUnderWay) {
  options.limits.handler = 10min;
  start();
  auto held = echo.held.get_future();
  auto answer =
      std::async(std::launch::async, [this] { return client()->send(request("GET", "/hold")); });
  auto exchange = held.get();
  auto stopped = std::async(std::launch::async, [this] { server->stop(); });
  http::Response r;
  r.body = "done";
  exchange->reply(std::move(r));
  exchange.reset();
  const auto got = answer.get();
  ASSERT_TRUE(got) << got.error().problem.text();
  EXPECT_EQ(got->body, "done");
  stopped.get();
  EXPECT_FALSE(client()->send(request("GET", "/x")));
}

TEST_F(ServerTest, ANewCertificateIsUsedForNewConnections) {
  start();
  auto before = client();
  ASSERT_TRUE(before->send(request("GET", "/x")));
  fs::remove(folder + "/server.pem");
  const auto id = authority->server_identity().value();
  ASSERT_TRUE(
      server->reload({id.certificate_pem, id.key_pem, authority->certificate_pem(), "", ""}));
  EXPECT_TRUE(before->send(request("GET", "/x")));
  EXPECT_TRUE(client()->send(request("GET", "/x")));
  EXPECT_FALSE(server->reload({"nonsense", id.key_pem, "", "", ""}));
  EXPECT_TRUE(client()->send(request("GET", "/x")));
}

TEST_F(ServerTest, SensorsAreShownTheOwnAuthorityWhateverBrowsersAreShown) {
  AuthorityOptions o;
  o.folder = folder + "/other";
  auto other = Authority::open(o, clock);
  ASSERT_TRUE(other);
  const auto own = authority->server_identity().value();
  const auto shown = (*other)->server_identity().value();
  start();
  ASSERT_TRUE(server->reload({shown.certificate_pem, shown.key_pem, authority->certificate_pem(),
                              own.certificate_pem, own.key_pem}));
  const auto ask = [&](const std::string& ca, bool own_authority) {
    http::ClientOptions c;
    c.url = "https://127.0.0.1:" + std::to_string(server->port());
    c.ca_file = ca;
    c.own_authority = own_authority;
    auto made = http::Client::create(c);
    return made && (*made)->send(request("GET", "/x")).has_value();
  };
  const auto ours = folder + "/ca.pem", theirs = folder + "/other/ca.pem";
  EXPECT_TRUE(ask(theirs, false));
  EXPECT_FALSE(ask(ours, false));
  EXPECT_TRUE(ask(ours, true));
  EXPECT_FALSE(ask(theirs, true));
}

TEST_F(ServerTest, AnAddressInUseIsNamed) {
  start();
  options.listen = {"127.0.0.1:" + std::to_string(server->port())};
  const auto second = Server::start(options, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().where, options.listen[0]);
  options.listen = {"nonsense"};
  EXPECT_FALSE(Server::start(options, echo));
}

TEST_F(ServerTest, AClientRefusesAnotherHostsCertificateAndAForeignPin) {
  start();
  http::ClientOptions o;
  o.url = "https://localhost:" + std::to_string(server->port());
  o.ca_file = folder + "/ca.pem";
  o.server_name = "other.example";
  EXPECT_EQ(http::Client::create(o).value()->send(request("GET", "/x")).error().code,
            http::ClientErrc::tls);
  o = {};
  o.url = "https://localhost:" + std::to_string(server->port());
  EXPECT_EQ(http::Client::create(o).value()->send(request("GET", "/x")).error().code,
            http::ClientErrc::tls);
  o.ca_pin = authority->fingerprint();
  EXPECT_TRUE(http::Client::create(o).value()->send(request("GET", "/x")));
  o.ca_pin = std::string(64, 'a');
  EXPECT_EQ(http::Client::create(o).value()->send(request("GET", "/x")).error().code,
            http::ClientErrc::tls);
}

TEST_F(ServerTest, AClientGivesUpAtItsDeadline) {
  options.limits.handler = options.limits.idle = 10min;
  start();
  http::ClientOptions o;
  o.url = "https://localhost:" + std::to_string(server->port());
  o.ca_file = folder + "/ca.pem";
  o.timeout = 200ms;
  // The deadline is for all of it: on a slow machine the connection alone may take longer.
  auto c = http::Client::create(o).value();
  while (!c->send(request("GET", "/x"))) {
  }
  const auto late =
      c->send(request("GET", "/hold"));  // on the connection that is there: asked once
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, http::ClientErrc::timeout);
  auto held = echo.held.get_future();
  ASSERT_EQ(held.wait_for(2min), std::future_status::ready);
  held.get()->reply({});
}

TEST_F(ServerTest, AClientGivesUpOnWhoAcceptsAndSaysNothing) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size), 0);
  http::ClientOptions o;
  o.url = "https://127.0.0.1:" + std::to_string(ntohs(a.sin_port));
  o.ca_pin = authority->fingerprint();
  o.timeout = 200ms;
  const auto late = http::Client::create(o).value()->send(request("GET", "/x"));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, http::ClientErrc::timeout);
  ::close(fd);
}

}  // namespace
}  // namespace ww::collector
