#include "sensors/flow/flow_table.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "sensors/decode/decoder.hpp"
#include "sensors/flow/community_id.hpp"

namespace ww::sensor {
namespace {

IpAddress ip(const char* text) { return *parse_ip(text); }

sig::Packet udp(const char* from, std::uint16_t sport, const char* to, std::uint16_t dport,
                std::int64_t second) {
  sig::Packet p;
  p.time = {second * 1'000'000};
  p.src = ip(from);
  p.dst = ip(to);
  p.ip_version = p.src.family;
  p.ip_proto = 17;
  p.sport = sport;
  p.dport = dport;
  p.has_l4 = true;
  p.ttl = 64;
  return p;
}

struct Fixture {
  explicit Fixture(FlowOptions o = {}, std::size_t max = 1000)
      : table(o, max, [this](Flow& f, FlowEnd why) { ended.emplace_back(f.sport, why); }) {}
  std::vector<std::pair<std::uint16_t, FlowEnd>> ended;
  FlowTable table;
};

TEST(FlowTable, BothDirectionsShareOneFlow) {
  Fixture x;
  auto a = udp("10.0.0.1", 1000, "10.0.0.2", 53, 1), b = udp("10.0.0.2", 53, "10.0.0.1", 1000, 1);
  auto* f = x.table.take(a);
  EXPECT_EQ(x.table.take(b), f);
  EXPECT_EQ(a.dir, Dir::to_server);
  EXPECT_EQ(b.dir, Dir::to_client);
  EXPECT_EQ(f->counters[0].packets, 1U);
  EXPECT_EQ(f->counters[1].packets, 1U);
}

TEST(FlowTable, HashIsSymmetricAndDependsOnSeed) {
  FlowKey a{
      .src = ip("2001:db8::1"), .dst = ip("2001:db8::2"), .sport = 1, .dport = 2, .ip_proto = 6};
  FlowKey b{.src = a.dst, .dst = a.src, .sport = 2, .dport = 1, .ip_proto = 6};
  EXPECT_EQ(flow_hash(a, 7), flow_hash(b, 7));
  EXPECT_NE(flow_hash(a, 7), flow_hash(a, 8));
}

/// What a foreseen frame is taken for must be the key that its packet has later; else foresight
/// fetches what nobody uses.
TEST(FlowTable, ForeseesTheKeysOfItsPackets) {
  const auto put = [](std::vector<std::uint8_t>& to, std::initializer_list<int> octets) {
    for (const int o : octets) to.push_back(static_cast<std::uint8_t>(o));
  };
  struct Keys final : decode::Sink {
    explicit Keys(const FlowOptions& o) : options(o) {}
    void packet(sig::Packet& p) override { made = make_flow_key(p, options, key); }
    const FlowOptions& options;
    FlowKey key;
    bool made = false;
  };
  for (const bool tracking : {true, false})
    for (const int tags : {0, 1, 2, 3})
      for (const bool six : {false, true})
        for (const int proto : {6, 17}) {
          std::vector<std::uint8_t> f(12, 2);
          for (int t = 0; t < tags; ++t) put(f, {0x81, 0x00, 0x20, 5 + t});
          put(f, six ? std::initializer_list<int>{0x86, 0xdd} : std::initializer_list<int>{8, 0});
          const int l4 = proto == 6 ? 20 : 8;
          if (six) {
            put(f, {0x60, 0, 0, 0, 0, l4, proto, 64});
            for (int i = 0; i < 32; ++i) put(f, {i});
          } else {
            put(f, {0x46, 0, 0, 24 + l4, 0, 1, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2});
            put(f, {1, 1, 1, 0});  // options
          }
          put(f, {0x12, 0x34, 0, 53, 0, proto == 6 ? 0 : 8, 0, 0});
          if (proto == 6) put(f, {0, 0, 0, 0, 0x50, 0x10, 0, 9, 0, 0, 0, 0});
          FlowOptions o;
          o.vlan_tracking = tracking;
          Keys keys(o);
          decode::Decoder decoder(Settings{}, decode::ChecksumMode::none);
          decoder.decode(f, 1, {}, 1, keys);
          ASSERT_TRUE(keys.made);
          FlowKey guess;
          ASSERT_TRUE(guess_flow_key(f, 1, o, guess));
          EXPECT_EQ(flow_hash(guess, 5), flow_hash(keys.key, 5));
          EXPECT_EQ(guess.src, keys.key.src);
          EXPECT_EQ(guess.dport, 53);
          for (std::size_t n = 0; n < f.size(); ++n) {  // cut anywhere: no key, or the same
            if (!guess_flow_key(Bytes(f).first(n), 1, o, guess)) continue;
            EXPECT_EQ(flow_hash(guess, 5), flow_hash(keys.key, 5));
          }
        }
}

TEST(FlowTable, ForesightMayBeWrong) {
  Fixture x;
  const std::vector<std::uint8_t> junk(64, 0xff);
  for (int n = 0; n < 10; ++n) x.table.foresee(junk, n);
  auto a = udp("10.0.0.1", 1000, "10.0.0.2", 53, 1);
  EXPECT_NE(x.table.take(a), nullptr);
}

TEST(FlowTable, ChosenPortsDoNotUndoAddresses) {
  std::set<std::uint64_t> hashes;
  for (std::uint16_t n = 0; n < 1000; ++n) {
    FlowKey k{.src = ip("2001:db8::"), .dst = ip("2001:db8::2"), .dport = 443, .ip_proto = 6};
    k.sport = n;
    // Octets that a port shifted or added in plainly would cancel out.
    k.src.octets[13] = static_cast<std::uint8_t>(n >> 8);
    k.src.octets[14] = static_cast<std::uint8_t>(n);
    hashes.insert(flow_hash(k, 7) & 0xffff);
    std::swap(k.sport, k.dport);
    k.sport = static_cast<std::uint16_t>(1000 - n);
    hashes.insert(flow_hash(k, 7) & 0xffff);
  }
  EXPECT_GT(hashes.size(), 1900U);
}

TEST(FlowTable, VlanSeparatesFlowsUnlessTrackingIsOff) {
  for (const bool tracking : {true, false}) {
    FlowOptions o;
    o.vlan_tracking = tracking;
    Fixture x(o);
    auto a = udp("10.0.0.1", 1000, "10.0.0.2", 53, 1), b = a;
    a.vlan[0] = 5;
    a.vlan_count = 1;
    EXPECT_EQ(x.table.take(a) == x.table.take(b), !tracking);
    EXPECT_EQ(static_cast<Flow*>(a.flow)->vlan[0], 5);
  }
}

TEST(FlowTable, SilentFlowTimesOutByItsState) {
  Fixture x;
  auto a = udp("10.0.0.1", 1000, "10.0.0.2", 53, 1);
  auto* f = x.table.take(a);
  x.table.advance({31 * 1'000'000});
  EXPECT_TRUE(x.ended.empty());
  x.table.advance({33 * 1'000'000});
  ASSERT_EQ(x.ended.size(), 1U);
  EXPECT_EQ(x.ended[0].second, FlowEnd::timeout);

  auto b = udp("10.0.0.1", 1001, "10.0.0.2", 53, 40);
  f = x.table.take(b);
  f->state = sig::FlowState::established;
  x.table.reschedule(*f);
  x.table.advance({300 * 1'000'000});
  EXPECT_EQ(x.ended.size(), 1U);
  x.table.advance({350 * 1'000'000});
  EXPECT_EQ(x.ended.size(), 2U);
}

TEST(FlowTable, PacketsPostponeTheTimeout) {
  Fixture x;
  for (int s = 0; s < 200; s += 20) {
    auto a = udp("10.0.0.1", 1000, "10.0.0.2", 53, s);
    x.table.advance(a.time);
    x.table.take(a);
  }
  EXPECT_TRUE(x.ended.empty());
  EXPECT_EQ(x.table.size(), 1U);
}

TEST(FlowTable, LookupEndsAnExpiredFlowEvenWhenSweepingIsOff) {
  FlowOptions o;
  o.sweep_from = 100;
  Fixture x(o);
  auto a = udp("10.0.0.1", 1000, "10.0.0.2", 53, 1), b = udp("10.0.0.1", 1000, "10.0.0.2", 53, 100);
  x.table.take(a);
  x.table.advance(b.time);
  EXPECT_TRUE(x.ended.empty());
  x.table.take(b);
  EXPECT_EQ(x.ended.size(), 1U);
  EXPECT_EQ(x.table.size(), 1U);
}

TEST(FlowTable, FullTableEntersEmergencyAndMakesRoom) {
  Fixture x({}, 64);
  for (std::uint16_t i = 0; i < 500; ++i) {
    auto a = udp("10.0.0.1", static_cast<std::uint16_t>(1000 + i), "10.0.0.2", 53, 1);
    x.table.advance(a.time);
    ASSERT_NE(x.table.take(a), nullptr);
  }
  EXPECT_LE(x.table.size(), 64U);
  EXPECT_TRUE(x.table.emergency());
  EXPECT_EQ(x.table.totals().emergencies, 1U);
  EXPECT_EQ(x.table.totals().ended_forced, 500U - 64U);
  for (const auto& [port, why] : x.ended) EXPECT_EQ(why, FlowEnd::forced);
}

TEST(FlowTable, ShutdownEndsEveryFlowOnceInOrderOfStart) {
  Fixture x;
  for (std::uint16_t i = 0; i < 50; ++i) {
    auto a = udp("10.0.0.1", static_cast<std::uint16_t>(1000 + i), "10.0.0.2", 53, i / 5);
    a.time.us += i;
    x.table.take(a);
  }
  x.table.end_all(FlowEnd::shutdown);
  ASSERT_EQ(x.ended.size(), 50U);
  for (std::uint16_t i = 0; i < 50; ++i) EXPECT_EQ(x.ended[i].first, 1000 + i);
  EXPECT_EQ(x.table.size(), 0U);
}

TEST(FlowTable, IcmpEchoAndReplyShareAFlow) {
  Fixture x;
  auto request = udp("10.0.0.1", 0, "10.0.0.2", 0, 1);
  request.ip_proto = 1;
  request.icmp_type = 8;
  auto reply = udp("10.0.0.2", 0, "10.0.0.1", 0, 1);
  reply.ip_proto = 1;
  reply.icmp_type = 0;
  EXPECT_EQ(x.table.take(request), x.table.take(reply));
}

TEST(FlowTable, IcmpUnreachableBelongsToTheFlowItQuotes) {
  Fixture x;
  auto a = udp("10.0.0.1", 1000, "10.0.0.2", 53, 1);
  auto* f = x.table.take(a);
  std::vector<std::uint8_t> message(8 + 20 + 8);
  message[0] = 3;
  message[8] = 0x45;
  message[8 + 9] = 17;
  const std::uint8_t from[] = {10, 0, 0, 1}, to[] = {10, 0, 0, 2};
  std::copy_n(from, 4, message.begin() + 20);
  std::copy_n(to, 4, message.begin() + 24);
  message[28] = 1000 >> 8;
  message[29] = 1000 & 0xff;
  message[31] = 53;
  auto error = udp("10.0.0.2", 0, "10.0.0.1", 0, 1);
  error.ip_proto = 1;
  error.icmp_type = 3;
  error.l4 = message;
  EXPECT_EQ(x.table.take(error), f);
  EXPECT_EQ(error.dir, Dir::to_client);
  EXPECT_EQ(x.table.size(), 1U);
  // Quoting an unknown packet makes a flow of its own.
  message[29] = 0;
  auto stranger = error;
  EXPECT_NE(x.table.take(stranger), f);
  EXPECT_EQ(x.table.size(), 2U);
}

TEST(FlowTable, FragmentsAndPortlessProtocolsMakeNoFlow) {
  Fixture x;
  auto a = udp("10.0.0.1", 1, "10.0.0.2", 2, 1);
  a.is_fragment = true;
  EXPECT_EQ(x.table.take(a), nullptr);
  a.is_fragment = false;
  a.ip_proto = 47;
  EXPECT_EQ(x.table.take(a), nullptr);
}

TEST(CommunityId, MatchesPublishedVectors) {
  // From the Community ID specification's baseline (seed 0).
  sig::Flow f;
  f.src = ip("128.232.110.120");
  f.dst = ip("66.35.250.204");
  f.sport = 34855;
  f.dport = 80;
  f.ip_proto = 6;
  EXPECT_EQ(community_id(f, 0), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  std::swap(f.src, f.dst);
  std::swap(f.sport, f.dport);
  EXPECT_EQ(community_id(f, 0), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  EXPECT_EQ(community_id(f, 1), "1:3V71V58M3Ksw/yuFALMcW0LAHvc=");
}

}  // namespace
}  // namespace ww::sensor
