#include "sensors/logs/inputs/syslog.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "sensors/logs/log_config.hpp"
#include "tests/sensors/logs/memory_sink.hpp"
#include "tests/temp_folder.hpp"

namespace ww::logs {
namespace {

std::vector<std::string> frames(std::string_view stream, std::size_t step, std::size_t max = 1000) {
  std::vector<std::string> out;
  Deframer d(max);
  const auto keep = [&](std::string_view m) { out.emplace_back(m); };
  for (std::size_t at = 0; at < stream.size(); at += step) d.feed(stream.substr(at, step), keep);
  d.finish(keep);
  return out;
}

TEST(Deframer, ReadsBothFramingsHoweverTheStreamIsCut) {
  const std::string stream =
      "5 <1>ab<34>line one\r\n<35>line two\n12 <13>with\nlf\n2026-11-22 not a count\n3 abclast";
  const std::vector<std::string> wanted{"<1>ab",        "<34>line one",           "<35>line two",
                                        "<13>with\nlf", "2026-11-22 not a count", "abc",
                                        "last"};
  for (std::size_t step = 1; step <= stream.size(); ++step)
    EXPECT_EQ(frames(stream, step), wanted) << step;
}

TEST(Deframer, BoundsAMessageWithoutAnEnd) {
  const auto out = frames(std::string(2500, 'x'), 100);
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(out[0].size() + out[1].size() + out[2].size(), 2500U);
  const auto counted = frames("99999 <1>" + std::string(3000, 'y'), 77);
  std::size_t total = 0;
  for (const auto& m : counted) total += m.size();
  EXPECT_EQ(total, 3003U) << "an oversized frame is kept in pieces";
}

class SyslogTest : public testing::Test {
 protected:
  void run(SyslogOptions options, const std::function<void(std::uint16_t)>& f) {
    Loop loop;
    Surroundings around{loop, sink_, clock_, Formats::builtin(), counters_};
    options.address = "127.0.0.1";
    options.port = 0;
    auto input = make_syslog(options, around);
    const auto opened = input->open();
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    input->start();
    std::thread thread([&] { loop.run(); });
    f(input->port());
    loop.stop();
    thread.join();
    input->finish();
  }
  static int connect_to(std::uint16_t port, int type) {
    const int fd = ::socket(AF_INET, type, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return fd;
  }
  static void send_all(int fd, std::string_view text) {
    while (!text.empty()) {
      const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0);
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  MemorySink sink_;
  SystemClock clock_;
  Counters counters_;
};

TEST_F(SyslogTest, UdpDatagramsBecomeEvents) {
  run({}, [&](std::uint16_t port) {
    const int fd = connect_to(port, SOCK_DGRAM);
    for (int i = 0; i < 100; ++i)
      send_all(fd, "<34>Nov 22 02:30:00 web1 su: n" + std::to_string(i));
    ASSERT_TRUE(sink_.wait_for(100));
    ::close(fd);
  });
  EXPECT_NE(sink_.events()[7].find("\"message\":\"n7\""), std::string::npos);
  EXPECT_NE(sink_.events()[7].find("\"source\":\"syslog\""), std::string::npos);
  EXPECT_NE(sink_.events()[7].find("\"sender\":\"127.0.0.1\""), std::string::npos);
}

TEST_F(SyslogTest, APortInUseIsRefusedForDatagramsToo) {
  for (const auto transport : {SyslogOptions::Transport::udp, SyslogOptions::Transport::tcp}) {
    SyslogOptions options;
    options.transport = transport;
    run(options, [&](std::uint16_t port) {
      Loop loop;
      Surroundings around{loop, sink_, clock_, Formats::builtin(), counters_};
      options.address = "127.0.0.1";
      options.port = port;
      const auto second = make_syslog(options, around)->open();
      ASSERT_FALSE(second.has_value()) << "one of the two would get nothing";
      EXPECT_NE(second.error().text().find("in use"), std::string::npos);
    });
  }
}

TEST_F(SyslogTest, TheLongestDatagramLosesNothing) {
  std::string text(65'000, 'x');
  run({}, [&](std::uint16_t port) {
    const int fd = connect_to(port, SOCK_DGRAM);
    send_all(fd, text + "<end>");
    ASSERT_TRUE(sink_.wait_for(1));
    ::close(fd);
  });
  EXPECT_NE(sink_.events().back().find("<end>"), std::string::npos);
}

TEST_F(SyslogTest, TcpSendersWaitWhileTheSpoolRefusesAndNothingIsLost) {
  SyslogOptions o;
  o.transport = SyslogOptions::Transport::tcp;
  constexpr int count = 20'000;
  run(o, [&](std::uint16_t port) {
    sink_.refuse(true);
    std::thread sender([&] {
      const int fd = connect_to(port, SOCK_STREAM);
      for (int i = 0; i < count; ++i) {
        const auto m =
            "<34>Nov 22 02:30:00 web1 su: n" + std::to_string(i) + " " + std::string(200, 'x');
        send_all(fd, i % 2 == 0 ? m + "\n" : std::to_string(m.size()) + " " + m);
      }
      ::close(fd);
    });
    ASSERT_TRUE(sink_.wait_for_refusal());
    sink_.refuse(false);
    sender.join();
    ASSERT_TRUE(sink_.wait_for(count));
  });
  const auto events = sink_.events();
  ASSERT_EQ(events.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    ASSERT_NE(events[static_cast<std::size_t>(i)].find("\"message\":\"n" + std::to_string(i) + " "),
              std::string::npos);
}

TEST_F(SyslogTest, RefusesConnectionsAboveTheLimit) {
  SyslogOptions o;
  o.transport = SyslogOptions::Transport::tcp;
  o.max_connections = 1;
  run(o, [&](std::uint16_t port) {
    const int first = connect_to(port, SOCK_STREAM);
    send_all(first, "<1>a\n");
    ASSERT_TRUE(sink_.wait_for(1));
    const int second = connect_to(port, SOCK_STREAM);
    char c = 0;
    EXPECT_LE(::recv(second, &c, 1, 0), 0);  // closed at once
    ::close(second);
    ::close(first);
  });
  EXPECT_EQ(counters_.refused_connections, 1U);
}

void make_certificate(const std::string& path) {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  X509* cert = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), 0);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("syslog"), -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(cert));
  X509_sign(cert, key, EVP_sha256());
  FILE* f = std::fopen(path.c_str(), "w");
  PEM_write_X509(f, cert);
  PEM_write_PrivateKey(f, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(f);
  X509_free(cert);
  EVP_PKEY_free(key);
}

TEST_F(SyslogTest, TlsSendersAreRead) {
  const ww::test::TempFolder folder;
  const auto pem = folder / "syslog.pem";
  make_certificate(pem);
  SyslogOptions o;
  o.transport = SyslogOptions::Transport::tls;
  o.cert_file = o.key_file = pem;
  run(o, [&](std::uint16_t port) {
    const int fd = connect_to(port, SOCK_STREAM);
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    ASSERT_EQ(SSL_connect(ssl), 1);
    std::string text;
    for (int i = 0; i < 500; ++i) text += "8 <34>a" + std::to_string(100 + i);
    for (std::size_t at = 0; at < text.size();) {
      const int n = SSL_write(ssl, text.data() + at,
                              static_cast<int>(std::min<std::size_t>(777, text.size() - at)));
      ASSERT_GT(n, 0);
      at += static_cast<std::size_t>(n);
    }
    ASSERT_TRUE(sink_.wait_for(500));
    SSL_free(ssl);
    SSL_CTX_free(context);
    ::close(fd);
    // Somebody who speaks no TLS is refused and counted.
    const int plain = connect_to(port, SOCK_STREAM);
    send_all(plain, "<34>Nov 22 02:30:00 this is no client hello\n");
    char c = 0;
    while (::recv(plain, &c, 1, 0) > 0) {
    }
    ::close(plain);
  });
  EXPECT_EQ(sink_.events().size(), 500U);
  EXPECT_EQ(counters_.refused_connections, 1U);
}

std::string config_error(const std::string& yaml) {
  const auto s = Settings::from_yaml(yaml, "s.yaml");
  if (!s) return s.error().text();
  const auto c = read_log_config(*s);
  return c ? "" : c.error().text();
}

// What is not read for its shape would count as not there.
TEST(LogConfig, RefusesWhatHasAnotherShape) {
  for (const auto& [yaml, wanted] : std::initializer_list<std::pair<const char*, const char*>>{
           {"files: /var/log/x\n", "s.yaml:1: files: must be a list, not '/var/log/x'"},
           {"files: {paths: [/a]}\n", "s.yaml:1: files: must be a list"},
           {"files:\n  - paths: [/a, {b: c}]\n", "s.yaml:2: files.0.paths: an entry"},
           {"files:\n  - paths: [/a]\n    format: [json]\n",
            "s.yaml:3: files.0.format: takes one value"},
           {"files:\n  - paths: [/a]\n    multiline: x\n",
            "s.yaml:3: files.0.multiline: must hold keys"},
           {"files:\n  - paths: [/a]\n    multiline: {strt: x}\n",
            "s.yaml:3: unknown key 'files.0.multiline.strt'; did you mean 'start'?"},
           {"files:\n  - paths: [/a]\n    format: jsn\n",
            "s.yaml:3: files.0.format: unknown log format"},
           {"files:\n  - paths: [/a]\n    multiline: {start: '(x'}\n",
            "s.yaml:3: files.0.multiline.start: multiline start: not a valid"},
           {"stdin: maybe\n", "s.yaml:1: stdin: neither yes nor no: maybe"},
           {"syslog:\n  - {listen: ':1', max_connections: lots}\n",
            "s.yaml:2: syslog.0.max_connections: not a whole number"},
           {"syslog:\n  - {transport: tls, listen: ':1', cert: /nowhere/c.pem}\n",
            "s.yaml:2: syslog.0.cert: cannot read /nowhere/c.pem: No such file"}})
    EXPECT_TRUE(config_error(yaml).starts_with(wanted)) << config_error(yaml);
  EXPECT_EQ(config_error("files:\nsyslog: []\nevtx: /one.evtx\n"), "");
}

TEST(LogConfig, ReadsEveryKeyAndNamesWhatIsWrong) {
  EXPECT_EQ(config_error("zone: UTC\nfiles:\n  - paths: [/a/*.log]\n    exclude: ['*.gz']\n    "
                         "format: json\n    start: end\n    max_line: 16kb\n"
                         "    multiline: {start: x, timeout: 500ms}\n    product: p\nsyslog:\n  - "
                         "{transport: udp, listen: '[::1]:514'}\n"
                         "journald: {units: [sshd], start: end}\nevtx: [/x.evtx]\n"),
            "");
  EXPECT_EQ(config_error("files:\n  - pahts: [/a]\n"),
            "s.yaml:2: unknown key 'files.0.pahts'; did you mean 'paths'?");
  EXPECT_EQ(config_error("fils:\n  - paths: [/a]\n"),
            "s.yaml:2: unknown key 'fils'; did you mean 'files'?");
  EXPECT_NE(config_error("files:\n  - paths: [a.log]\n").find("not absolute"), std::string::npos);
  EXPECT_NE(config_error("files:\n  - paths: [/a]\n    start: middle\n").find("s.yaml:3"),
            std::string::npos);
  EXPECT_NE(config_error("files:\n  - paths: [/a]\n    max_line: 1\n").find("between"),
            std::string::npos);
  EXPECT_NE(config_error("zone: Nowhere/Land\n").find("unknown time zone"), std::string::npos);
  EXPECT_NE(config_error("syslog:\n  - {transport: carrier-pigeon, listen: ':1'}\n")
                .find("use udp, tcp or tls"),
            std::string::npos);
  EXPECT_NE(config_error("syslog:\n  - {transport: tls, listen: ':6514'}\n").find("certificate"),
            std::string::npos);
  EXPECT_NE(config_error("syslog:\n  - {listen: nowhere}\n").find("ADDRESS:PORT"),
            std::string::npos);
}

}  // namespace
}  // namespace ww::logs
