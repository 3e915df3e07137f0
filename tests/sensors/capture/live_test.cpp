#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "sensors/capture/source.hpp"

namespace ww::capture {
namespace {

/// Loopback is there on every host; capturing from it needs CAP_NET_RAW.
std::unique_ptr<PacketSource> loopback(const std::string& filter) {
  auto source = open_live(
      {.interface = "lo", .ring_octets = 4 << 20, .block_timeout_ms = 20, .filter = filter});
  return source ? std::move(*source) : nullptr;
}

class Sender {
 public:
  Sender() : fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(9);  // discard
    to_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  ~Sender() { ::close(fd_); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  void send(const std::string& text) const {
    (void)::sendto(fd_, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to_),
                   sizeof to_);
  }

 private:
  int fd_;
  sockaddr_in to_{};
};

TEST(CaptureLive, DeliversWhatTheInterfaceSees) {
  auto source = loopback("udp and dst port 9");
  if (!source) GTEST_SKIP() << "cannot capture from lo here";
  const Sender sender;
  CapturedFrame f;
  bool found = false;
  for (int n = 0; n < 500 && !found; ++n) {
    sender.send("ww-live-test");
    const auto r = source->next(f);
    ASSERT_TRUE(r.has_value()) << r.error().text();
    found = *r == Read::frame && as_text(f.octets).ends_with("ww-live-test");
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(f.datalink, 1);
  EXPECT_GT(f.time.us, 1'600'000'000'000'000);
  EXPECT_GT(source->counters().kernel_packets, 0U);
  EXPECT_GE(source->counters().packets, 1U);
}

TEST(CaptureLive, IsIdleWithoutTraffic) {
  auto source = loopback("udp and dst port 9 and dst host 127.99.99.99");
  if (!source) GTEST_SKIP() << "cannot capture from lo here";
  CapturedFrame f;
  EXPECT_EQ(source->next(f).value(), Read::idle);
}

TEST(CaptureLive, EndsAWaitingReaderWhenStopped) {
  auto source = open_live(
      {.interface = "lo", .block_timeout_ms = 600'000, .filter = "dst host 127.99.99.99"});
  if (!source) GTEST_SKIP() << "cannot capture from lo here";
  std::thread stopper([&] { (*source)->stop(); });
  CapturedFrame f;
  EXPECT_EQ((*source)->next(f).value(), Read::end);
  stopper.join();
}

// No frames come, as on a quiet interface: the reader must be told.
TEST(CaptureLive, SaysOnceThatTheInterfaceWentDown) {
  const auto ip = [](const std::string& words) {
    return std::system(("ip link " + words + " 2>/dev/null").c_str()) == 0;
  };
  const auto name = "wwd" + std::to_string(::getpid() % 100'000);
  if (!ip("add " + name + " type veth peer name " + name + "p"))
    GTEST_SKIP() << "cannot make an interface here";
  ip("set " + name + "p up");
  ip("set " + name + " up");
  auto source = open_live({.interface = name, .block_timeout_ms = 20});
  if (source) {
    CapturedFrame f;
    ip("set " + name + " down");
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    int said = 0, quiet = 0;
    while (quiet < 60 && std::chrono::steady_clock::now() < end) {
      const auto r = (*source)->next(f);
      if (!r) {
        ++said;
        EXPECT_EQ(r.error().where, "interface " + name);
      } else if (said > 0) {
        ++quiet;
      }
    }
    EXPECT_EQ(said, 1);
  }
  ip("del " + name);
  if (!source) GTEST_SKIP() << "cannot capture here";
}

TEST(CaptureLive, RefusesAFilterThatIsNotValid) {
  const auto r = open_live({.interface = "lo", .filter = "no such ("});
  ASSERT_FALSE(r.has_value());
  if (r.error().what.starts_with("cannot capture")) GTEST_SKIP() << "cannot capture from lo here";
  EXPECT_NE(r.error().where.find("no such ("), std::string::npos);
}

}  // namespace
}  // namespace ww::capture
