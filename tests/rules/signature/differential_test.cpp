/// The matcher against a slow and obvious one: random rules of contents on random payloads, and
/// streams cut anywhere.
#include <random>

#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

struct Piece {
  std::string octets;
  bool negated = false, nocase = false;
  std::optional<int> offset, depth, distance, within;
};

std::string text(const std::vector<Piece>& rule) {
  std::string out;
  for (const auto& p : rule) {
    out += "content:" + std::string(p.negated ? "!" : "") + "\"" + p.octets + "\"; ";
    if (p.nocase) out += "nocase; ";
    if (p.offset) out += "offset:" + std::to_string(*p.offset) + "; ";
    if (p.depth) out += "depth:" + std::to_string(*p.depth) + "; ";
    if (p.distance) out += "distance:" + std::to_string(*p.distance) + "; ";
    if (p.within) out += "within:" + std::to_string(*p.within) + "; ";
  }
  return out;
}

/// Every start at which the octets stand.
bool at(const Piece& p, const std::string& data, int i) {
  if (i < 0 || static_cast<std::size_t>(i) + p.octets.size() > data.size()) return false;
  for (std::size_t k = 0; k < p.octets.size(); ++k) {
    auto a = static_cast<unsigned char>(data[static_cast<std::size_t>(i) + k]),
         b = static_cast<unsigned char>(p.octets[k]);
    if (p.nocase) {
      a = static_cast<unsigned char>(std::tolower(a));
      b = static_cast<unsigned char>(std::tolower(b));
    }
    if (a != b) return false;
  }
  return true;
}

/// Tries every choice of places; `fresh`: some claimed octet lies at or after it.
bool slow(const std::vector<Piece>& rule, std::size_t i, const std::string& data, int end,
          int farthest, int fresh, bool positive) {
  if (i == rule.size()) return !positive || fresh == 0 || farthest > fresh;
  const auto& p = rule[i];
  const auto size = static_cast<int>(data.size()), n = static_cast<int>(p.octets.size());
  int lo = 0, hi = size;
  if (p.distance || p.within) {
    lo = end + p.distance.value_or(0);
    if (p.within) hi = std::min(hi, end + p.distance.value_or(0) + *p.within);
  } else {
    lo = p.offset.value_or(0);
    if (p.depth) hi = std::min(hi, lo + *p.depth);
  }
  lo = std::max(lo, 0);
  bool found = false;
  for (int k = lo; k + n <= hi; ++k) {
    if (!at(p, data, k)) continue;
    found = true;
    if (!p.negated && slow(rule, i + 1, data, k + n, std::max(farthest, k + n), fresh, positive))
      return true;
  }
  return p.negated && !found && slow(rule, i + 1, data, end, farthest, fresh, positive);
}

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  int upto(int n) { return std::uniform_int_distribution<int>(0, n)(engine_); }
  bool one_in(int n) { return upto(n - 1) == 0; }
  std::string word(int most) {
    std::string s;
    for (int n = 1 + upto(most - 1); n > 0; --n) s += "abAB"[upto(3)];
    return s;
  }
  std::vector<Piece> rule() {
    std::vector<Piece> out;
    for (int n = 1 + upto(3); n > 0; --n) {
      Piece p;
      p.octets = word(3);
      const auto length = static_cast<int>(p.octets.size());
      p.negated = one_in(5);
      p.nocase = one_in(3);
      if (!out.empty() && one_in(2)) {
        if (one_in(2)) p.distance = upto(6) - 2;
        if (one_in(2) || !p.distance) p.within = length + upto(5);
      } else {
        if (one_in(3)) p.offset = upto(6);
        if (one_in(3)) p.depth = length + upto(10);
      }
      out.push_back(std::move(p));
    }
    return out;
  }

 private:
  std::mt19937 engine_;
};

bool has_positive(const std::vector<Piece>& rule) {
  return std::any_of(rule.begin(), rule.end(), [](const auto& p) { return !p.negated; });
}

TEST(Differential, RandomRulesOnRandomPayloads) {
  Random random(20261122);
  constexpr int count = 400;
  std::vector<std::vector<Piece>> all;
  std::string rules_text;
  for (int i = 0; i < count; ++i) {
    all.push_back(random.rule());
    rules_text += "alert udp any any -> any any (" + text(all.back()) +
                  "sid:" + std::to_string(i + 1) + ";)\n";
  }
  // A cap on alerts would hide differences: one rule at a time for the verdict, all together for
  // the candidates.
  std::vector<std::unique_ptr<Rules>> single;
  for (int i = 0; i < count; ++i)
    single.push_back(std::make_unique<Rules>("alert udp any any -> any any (" +
                                             text(all[static_cast<std::size_t>(i)]) + "sid:1;)\n"));
  Rules together(rules_text);
  ASSERT_EQ(together.errors(), "");
  std::size_t matched = 0;
  for (int round = 0; round < 60; ++round) {
    std::string data;
    for (int n = random.upto(24); n >= 0; --n) data += "abAB-"[random.upto(4)];
    Wire wire;
    const auto hits = sids(together.matcher->inspect(wire.make(data), {}));
    std::vector<bool> expected;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool want = slow(all[i], 0, data, 0, 0, 0, has_positive(all[i]));
      expected.push_back(want);
      matched += want;
      Wire own;
      const bool have = !single[i]->matcher->inspect(own.make(data), {}).empty();
      ASSERT_EQ(have, want) << text(all[i]) << " on " << data;
    }
    for (const auto sid : hits)
      ASSERT_TRUE(expected[sid - 1]) << text(all[sid - 1]) << " on " << data;
  }
  EXPECT_GT(matched, 1000U) << "the random rules hardly ever match: the comparison says little";
}

/// A TCP packet is scanned only as far as its rules look: every rule must still be found, wherever
/// its contents may stand.
TEST(Differential, RandomRulesOnRandomTcpPackets) {
  Random random(20261127);
  std::size_t matched = 0;
  for (int i = 0; i < 400; ++i) {
    const auto rule = random.rule();
    Rules rules("alert tcp-pkt any any -> any any (" + text(rule) + "sid:1;)\n");
    ASSERT_EQ(rules.errors(), "") << text(rule);
    for (int round = 0; round < 20; ++round) {
      std::string data;
      for (int n = random.upto(40); n >= 0; --n) data += "abAB-"[random.upto(4)];
      Wire wire(6);
      const bool want = slow(rule, 0, data, 0, 0, 0, has_positive(rule));
      const bool have = !rules.matcher->inspect(wire.make(data), {}).empty();
      ASSERT_EQ(have, want) << text(rule) << " on " << data;
      matched += want;
    }
  }
  EXPECT_GT(matched, 1000U);
}

/// The same stream shown with much of what went before, under many rules at once: what an earlier
/// chunk named stays a candidate.
TEST(Differential, ManyRulesOnOneStream) {
  Random random(11);
  std::size_t matched = 0;
  for (int round = 0; round < 30; ++round) {
    std::vector<std::vector<Piece>> all;
    std::string rules_text;
    for (int i = 0; i < 12; ++i) {  // fewer than the cap on alerts
      auto rule = random.rule();
      for (auto& p : rule) p.offset = p.depth = std::nullopt;
      rules_text += "alert tcp any any -> any any (flow:only_stream; " + text(rule) +
                    "sid:" + std::to_string(i + 1) + ";)\n";
      all.push_back(std::move(rule));
    }
    Rules rules(rules_text);
    ASSERT_EQ(rules.errors(), "");
    std::string data;
    for (int n = 60 + random.upto(60); n >= 0; --n) data += "abAB-"[random.upto(4)];
    Wire wire(6);
    std::size_t shown_from = 0;
    for (std::size_t at = 0; at < data.size();) {
      const auto take =
          std::min<std::size_t>(data.size() - at, 1 + static_cast<std::size_t>(random.upto(9)));
      shown_from = std::max(shown_from, at > 30 ? at - 30 : 0);  // as a real window slides
      const auto window = data.substr(shown_from, at + take - shown_from);
      const auto back = at - shown_from;
      const auto have = show_window(rules, wire, window, shown_from, back);
      Sids want;
      for (std::size_t i = 0; i < all.size(); ++i)
        if (slow(all[i], 0, window, 0, 0, static_cast<int>(back), has_positive(all[i])))
          want.push_back(static_cast<std::uint32_t>(i + 1));
      ASSERT_EQ(have, want) << rules_text << window << " fresh from " << back;
      matched += want.size();
      at += take;
    }
  }
  EXPECT_GT(matched, 500U);
}

/// The sides of a flow may turn out to be the other way round: what was scanned of one stream says
/// nothing of the other.
TEST(StreamScan, LooksAtAllOfAStreamThatTookTheOthersPlace) {
  Rules rules("alert tcp any any -> any any (flow:only_stream; content:\"needle\"; sid:1;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire(6);
  const std::string first(40, 'x'), second = "a needle" + std::string(20, 'y');
  const auto show = [&](const std::string& data, std::uint32_t fresh_from) {
    auto& p = wire.make(data);
    p.in_stream = true;
    const StreamChunk chunk{Dir::to_server, octets(data), 0, fresh_from, false};
    return sids(rules.matcher->inspect(p, {&chunk, 1}));
  };
  EXPECT_EQ(show(first, 0), Sids{});
  EXPECT_EQ(show(second, 0), Sids{1});
  // A match may need what was shown before the exchange: its first octets are not fresh any more.
  wire.flow.engine.reset();
  EXPECT_EQ(show(first, 0), Sids{});
  EXPECT_EQ(show("a needle", 7), Sids{1});
}

TEST(Differential, StreamsCutAtRandomPlaces) {
  Random random(7);
  std::size_t matched = 0;
  for (int round = 0; round < 300; ++round) {
    auto rule = random.rule();
    for (auto& p : rule)
      p.offset = p.depth = std::nullopt;  // whole-stream coordinates are another test's
    Rules rules("alert tcp any any -> any any (flow:only_stream; " + text(rule) + "sid:1;)\n");
    ASSERT_EQ(rules.errors(), "") << text(rule);
    std::string data;
    for (int n = 8 + random.upto(40); n >= 0; --n) data += "abAB-"[random.upto(4)];
    Wire wire(6);
    std::size_t at = 0;
    while (at < data.size()) {
      const auto take =
          std::min<std::size_t>(data.size() - at, 1 + static_cast<std::size_t>(random.upto(12)));
      const auto back = std::min<std::size_t>(at, static_cast<std::size_t>(random.upto(15)));
      const auto window = data.substr(at - back, back + take);
      const bool have = !show_window(rules, wire, window, at - back, back).empty();
      const bool want = slow(rule, 0, window, 0, 0, static_cast<int>(back), has_positive(rule));
      ASSERT_EQ(have, want) << text(rule) << " on " << window << " fresh from " << back;
      matched += want;
      at += take;
    }
  }
  EXPECT_GT(matched, 200U);
}

}  // namespace
}  // namespace ww::sig::test
