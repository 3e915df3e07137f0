#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "sensors/decode/defrag.hpp"
#include "tests/sensors/decode/builder.hpp"

namespace ww::decode::test {
namespace {

constexpr OverlapPolicy all_policies[] = {
    OverlapPolicy::first,  OverlapPolicy::last,    OverlapPolicy::bsd,    OverlapPolicy::bsd_right,
    OverlapPolicy::linux_, OverlapPolicy::windows, OverlapPolicy::solaris};

struct Part {
  std::uint32_t offset;
  std::string data;
  bool more = true;
};

DefragConfig config(OverlapPolicy policy) {
  DefragConfig c;
  c.policies.push_back({*parse_network("0.0.0.0/0"), policy});
  return c;
}

/// Feeds parts of one IPv4 datagram; the rebuilt payloads, in order.
class Feed {
 public:
  explicit Feed(DefragConfig c) : defrag_(std::move(c)) {
    header_ = ipv4({.proto = 17}, {});
    key_.src = *parse_ip("10.0.0.1");
    key_.dst = *parse_ip("10.0.0.2");
    key_.id = 5;
    key_.proto = 17;
  }
  Defrag::Outcome add(const Part& p, std::uint32_t id = 5, std::int64_t time_us = 0) {
    Fragment f;
    f.key = key_;
    f.key.id = id;
    f.offset = p.offset;
    f.more = p.more;
    f.header = header_;
    f.data = as_bytes(p.data);
    const auto o = defrag_.add(f, Timestamp{time_us}, out_);
    if (o.result == DefragResult::rebuilt) rebuilt.emplace_back(as_text(Bytes(out_).subspan(20)));
    return o;
  }
  Defrag& defrag() { return defrag_; }
  std::vector<std::string> rebuilt;

 private:
  Defrag defrag_;
  Octets header_;
  DatagramKey key_;
  std::vector<std::uint8_t> out_;
};

std::string letters(std::string_view blocks) {
  std::string out;
  for (const char c : blocks) out.append(8, c);
  return out;
}

// The fragment train of Novak's "Target-Based Fragmentation Reassembly", one letter for 8 octets.
TEST(Defrag, RebuildsAsEachOperatingSystemDoes) {
  const std::vector<Part> train = {
      {0, letters("AAA")},        {32, letters("BB")},   {48, letters("CCC")}, {80, letters("D")},
      {104, letters("EE")},       {120, letters("FFF")}, {144, letters("GG")}, {160, letters("HH")},
      {176, letters("I")},        {8, letters("JJJJ")},  {48, letters("KKK")}, {72, letters("LLL")},
      {96, letters("MMM")},       {128, letters("N")},   {152, letters("O")},  {160, letters("P")},
      {176, letters("QQ"), false}};
  const std::pair<OverlapPolicy, std::string_view> expected[] = {
      {OverlapPolicy::bsd, "AAAJJBCCCLLLMMMFFFGGHHIQ"},
      {OverlapPolicy::bsd_right, "AJJJBBKKKLDLMEEFNFGOPHQQ"},
      {OverlapPolicy::linux_, "AAAJJBKKKLLLMMMFFFGGPHQQ"},
      {OverlapPolicy::windows, "AAAJBBCCCLLLMEEFFFGGHHIQ"},
      {OverlapPolicy::solaris, "AAAJBBCCCLLLMMMFFFGGHHIQ"},
      {OverlapPolicy::first, "AAAJBBCCCLDLMEEFFFGGHHIQ"},
      {OverlapPolicy::last, "AJJJJBKKKLLLMMMFNFGOPHQQ"},
  };
  for (const auto& [policy, blocks] : expected) {
    Feed feed(config(policy));
    for (const auto& p : train) feed.add(p);
    ASSERT_EQ(feed.rebuilt.size(), 1U);
    EXPECT_EQ(feed.rebuilt[0], letters(blocks)) << static_cast<int>(policy);
  }
}

TEST(Defrag, RebuildsInEveryOrder) {
  std::vector<Part> parts = {
      {0, letters("AB")}, {16, letters("C")}, {24, letters("DE")}, {40, "end", false}};
  std::vector<int> order(parts.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    Feed feed({});
    for (const int i : order) feed.add(parts[static_cast<std::size_t>(i)]);
    ASSERT_EQ(feed.rebuilt.size(), 1U);
    EXPECT_EQ(feed.rebuilt[0], letters("ABCDE") + "end");
    EXPECT_EQ(feed.defrag().trackers(), 0U);
    EXPECT_EQ(feed.defrag().memory(), 0U);
  } while (std::next_permutation(order.begin(), order.end()));
}

/// The same, written to be obviously right: an owner for every octet.
std::optional<std::string> slow_rebuild(OverlapPolicy policy, const std::vector<Part>& parts,
                                        std::size_t& used) {
  std::vector<int> owner(70'000, -1);
  std::optional<std::size_t> end;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& p = parts[i];
    const auto p_end = p.offset + static_cast<std::uint32_t>(p.data.size());
    for (auto at = p.offset; at < p_end; ++at) {
      const int old = owner[at];
      if (old < 0) {
        owner[at] = static_cast<int>(i);
        continue;
      }
      const auto& q = parts[static_cast<std::size_t>(old)];
      if (new_wins(policy, q.offset, q.offset + static_cast<std::uint32_t>(q.data.size()), p.offset,
                   p_end))
        owner[at] = static_cast<int>(i);
    }
    if (!p.more) end = end ? std::min<std::size_t>(*end, p_end) : p_end;
    if (!end) continue;
    const auto stop = owner.begin() + static_cast<std::ptrdiff_t>(*end);
    if (*end == 0 || std::find(owner.begin(), stop, -1) != stop) continue;
    std::string out;
    for (std::size_t at = 0; at < *end; ++at) {
      const auto& from = parts[static_cast<std::size_t>(owner[at])];
      out += from.data[at - from.offset];
    }
    used = i + 1;
    return out;
  }
  return {};
}

TEST(Defrag, AgreesWithASlowObviousImplementation) {
  std::mt19937 random(20261122);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 4000; ++round) {
    const auto policy = all_policies[round % 7];
    const int blocks = pick(1, 12);
    std::vector<Part> parts;
    char letter = 'a';
    for (int i = pick(1, 16); i > 0; --i) {
      const int from = pick(0, blocks - 1), to = pick(from + 1, blocks);
      const auto size = static_cast<std::size_t>((to - from) * 8);
      parts.push_back({static_cast<std::uint32_t>(from * 8), std::string(size, letter),
                       to != blocks || pick(0, 3) == 0});
      letter = letter == 'z' ? 'A' : static_cast<char>(letter + 1);
    }
    std::size_t used = 0;
    const auto slow = slow_rebuild(policy, parts, used);
    Feed feed(config(policy));
    std::optional<std::string> fast;
    std::size_t n = 0;
    for (const auto& p : parts) {
      ++n;
      feed.add(p);
      if (!feed.rebuilt.empty()) {
        fast = feed.rebuilt[0];
        break;
      }
    }
    ASSERT_EQ(fast, slow) << "round " << round;
    if (slow) {
      ASSERT_EQ(n, used) << "round " << round;
    }
  }
}

TEST(Defrag, ForgetsAfterTheTimeout) {
  DefragConfig c;
  c.timeout_us = 10'000'000;
  Feed feed(c);
  feed.add({0, letters("A")});
  feed.add({8, "end", false}, 5, 10'000'001);
  EXPECT_TRUE(feed.rebuilt.empty());
  EXPECT_EQ(feed.defrag().timeouts(), 1U);
}

TEST(Defrag, KeepsWithinItsLimits) {
  DefragConfig c;
  c.max_trackers = 10;
  Feed few(c);
  for (std::uint32_t id = 0; id < 100; ++id) few.add({0, letters("A")}, id);
  EXPECT_EQ(few.defrag().trackers(), 10U);
  EXPECT_EQ(few.defrag().max_trackers_reached(), 90U);
  few.add({8, "end", false}, 99);  // the newest survived
  EXPECT_EQ(few.rebuilt.size(), 1U);

  DefragConfig small;
  small.memcap = 20'000;
  Feed feed(small);
  for (std::uint32_t id = 0; id < 1000; ++id) {
    feed.add({0, std::string(1000, 'x')}, id);
    EXPECT_LE(feed.defrag().memory(), small.memcap);
  }
  EXPECT_GT(feed.defrag().memcap_drops(), 0U);
}

TEST(Defrag, DoesNotGrowWithRepeatedFragments) {
  Feed feed(config(OverlapPolicy::last));
  for (int i = 0; i < 10'000; ++i) feed.add({8, std::string(1400, 'x')});
  EXPECT_LT(feed.defrag().memory(), 16'000U);
}

TEST(Defrag, RefusesADatagramThatGrowsTooLarge) {
  Feed feed({});
  feed.add({65512, std::string(8, 'z'), false});
  Defrag::Outcome last;
  for (std::uint32_t at = 0; at < 65512; at += 8) last = feed.add({at, std::string(8, 'x')});
  EXPECT_EQ(last.result, DefragResult::too_large);  // 20 + 65520
}

TEST(Defrag, TellsVlansApart) {
  const auto data = udp(1, 2, text("0123456789abcdef"));
  const Octets one(data.begin(), data.begin() + 16), two(data.begin() + 16, data.end());
  const auto frame = [](unsigned vlan, unsigned flags, const Octets& d) {
    return eth(0x8100, be16(vlan) + be16(0x0800) + ipv4({.proto = 17, .flags_offset = flags}, d));
  };
  const auto apart = decode_all({frame(1, 0x2000, one), frame(2, 2, two)});
  EXPECT_EQ(apart.size(), 2U);
  const auto together = decode_all({frame(1, 0x2000, one), frame(2, 2, two)}, 1,
                                   settings({"vlan.use-for-tracking=no"}));
  ASSERT_EQ(together.size(), 3U);
  EXPECT_EQ(together[1].packet.vlan_count, 1);
}

TEST(Defrag, TakesPoliciesAndTimeoutsFromSettings) {
  auto s = Settings::from_yaml(
      "host-os-policy:\n  windows: [0.0.0.0/0]\n  linux: [10.0.0.0/8, \"fe80::/10\"]\n  bsd: []\n"
      "defrag:\n  memcap: 1mb\n  trackers: 7\n  max-frags: 9\n  timeout: 5\n"
      "  host-config:\n    - dmz:\n        timeout: 30\n        address: [192.168.1.0/24, "
      "127.0.0.0/8]\n",
      "test");
  ASSERT_TRUE(s.has_value());
  const auto c = DefragConfig::from(*s);
  EXPECT_EQ(c.memcap, 1048576U);
  EXPECT_EQ(c.max_trackers, 7U);
  EXPECT_EQ(c.max_fragments, 9U);
  EXPECT_EQ(c.timeout_us, 5'000'000);
  ASSERT_EQ(c.policies.size(), 3U);
  EXPECT_EQ(c.policies[0].network.prefix, 10);
  EXPECT_EQ(c.policies[2].policy, OverlapPolicy::windows);
  ASSERT_EQ(c.timeouts.size(), 2U);
  EXPECT_EQ(c.timeouts[0].timeout_us, 30'000'000);
}

TEST(Defrag, RewritesTheIpv6NextHeaderBehindExtensions) {
  const auto data = udp(7, 8, text("0123456789abcdef"));
  const Octets one(data.begin(), data.begin() + 16), two(data.begin() + 16, data.end());
  const auto frame = [](unsigned flags, const Octets& d) {
    return eth(0x86dd, ipv6({.next = 60},
                            hex("2c00 010400000000") + hex("1100") + be16(flags) + be32(9) + d));
  };
  const auto seen = decode_all({frame(1, one), frame(16, two)});
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[1].packet.ip_proto, 17);
  EXPECT_EQ(seen[1].packet.dport, 8);
  EXPECT_EQ(seen[1].payload, "0123456789abcdef");
  EXPECT_EQ(seen[1].packet.frame.size(), 14U + 40 + 8 + data.size());
}

TEST(Defrag, GivesTheRebuiltIpv4HeaderARightChecksum) {
  const auto data = udp(7, 8, text("0123456789abcdef"));
  const Octets one(data.begin(), data.begin() + 16), two(data.begin() + 16, data.end());
  const auto seen = decode_all({eth(0x0800, ipv4({.proto = 17, .flags_offset = 0x2000}, one)),
                                eth(0x0800, ipv4({.proto = 17, .flags_offset = 2}, two))},
                               1, settings(), ChecksumMode::all);
  EXPECT_FALSE(seen.at(1).packet.checksum_bad_ip);
  EXPECT_FALSE(seen.at(1).packet.is_fragment);
}

TEST(Defrag, IgnoresVaryingHeadersOfLaterFragments) {
  const auto data = udp(7, 8, text("0123456789abcdef"));
  const Octets one(data.begin(), data.begin() + 16), two(data.begin() + 16, data.end());
  const auto seen =
      decode_all({eth(0x0800, ipv4({.proto = 17, .flags_offset = 2, .ttl = 9}, two)),
                  eth(0x0800, ipv4({.proto = 17, .flags_offset = 0x2000, .ttl = 44}, one))});
  EXPECT_EQ(seen.at(1).packet.ttl, 44);
}

}  // namespace
}  // namespace ww::decode::test
