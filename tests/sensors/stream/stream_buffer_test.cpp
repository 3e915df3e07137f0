#include "sensors/stream/stream_buffer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace ww::sensor {
namespace {

std::string text(Bytes b) { return std::string(as_text(b)); }
constexpr std::size_t many = 1000;

std::string join(OverlapPolicy policy,
                 std::vector<std::pair<std::uint64_t, std::string>> segments) {
  StreamBuffer b;
  for (const auto& [at, data] : segments) (void)b.insert(at, as_bytes(data), policy, 0, many);
  return text(b.at(0));
}

TEST(StreamBuffer, PutsSegmentsInOrder) {
  EXPECT_EQ(join(OverlapPolicy::bsd, {{4, "efgh"}, {0, "abcd"}, {8, "ij"}}), "abcdefghij");
}

TEST(StreamBuffer, ShowsHolesAndFillsThem) {
  StreamBuffer b;
  (void)b.insert(4, as_bytes("efgh"), OverlapPolicy::bsd, 0, many);
  EXPECT_TRUE(b.at(0).empty());
  EXPECT_EQ(b.next_held(0), 4U);
  EXPECT_EQ(b.regions(), 1U);
  (void)b.insert(0, as_bytes("abcd"), OverlapPolicy::bsd, 0, many);
  EXPECT_EQ(b.regions(), 1U);
  EXPECT_EQ(text(b.at(2)), "cdefgh");
}

// Earlier segment "OOOO" at 4..8; the later one overlaps it on the left, exactly, on the right, or
// covers it.
TEST(StreamBuffer, LeftOverlapFollowsThePolicy) {
  const std::vector<std::pair<std::uint64_t, std::string>> s = {
      {4, "OOOO"}, {2, "nnnn"}, {0, "__"}};
  for (const auto p : {OverlapPolicy::bsd, OverlapPolicy::linux_new, OverlapPolicy::old_linux,
                       OverlapPolicy::hpux10, OverlapPolicy::irix, OverlapPolicy::macos,
                       OverlapPolicy::windows, OverlapPolicy::windows2k3, OverlapPolicy::last})
    EXPECT_EQ(join(p, s), "__nnnnOO") << static_cast<int>(p);
  for (const auto p :
       {OverlapPolicy::first, OverlapPolicy::vista, OverlapPolicy::solaris, OverlapPolicy::hpux11})
    EXPECT_EQ(join(p, s), "__nnOOOO") << static_cast<int>(p);
}

TEST(StreamBuffer, SameRangeFollowsThePolicy) {
  const std::vector<std::pair<std::uint64_t, std::string>> s = {{0, "OOOO"}, {0, "nnnn"}};
  for (const auto p : {OverlapPolicy::last, OverlapPolicy::old_linux, OverlapPolicy::solaris,
                       OverlapPolicy::hpux11})
    EXPECT_EQ(join(p, s), "nnnn") << static_cast<int>(p);
  for (const auto p : {OverlapPolicy::bsd, OverlapPolicy::windows, OverlapPolicy::first,
                       OverlapPolicy::linux_new, OverlapPolicy::macos, OverlapPolicy::irix})
    EXPECT_EQ(join(p, s), "OOOO") << static_cast<int>(p);
}

TEST(StreamBuffer, RightOverlapFollowsThePolicy) {
  const std::vector<std::pair<std::uint64_t, std::string>> s = {{0, "OOOO"}, {2, "nnnn"}};
  for (const auto p : {OverlapPolicy::last, OverlapPolicy::solaris, OverlapPolicy::hpux11})
    EXPECT_EQ(join(p, s), "OOnnnn") << static_cast<int>(p);
  for (const auto p : {OverlapPolicy::bsd, OverlapPolicy::windows, OverlapPolicy::first,
                       OverlapPolicy::vista, OverlapPolicy::linux_new})
    EXPECT_EQ(join(p, s), "OOOOnn") << static_cast<int>(p);
}

TEST(StreamBuffer, CoveringSegmentFollowsThePolicy) {
  const std::vector<std::pair<std::uint64_t, std::string>> s = {{2, "OO"}, {0, "nnnnnn"}};
  for (const auto p : {OverlapPolicy::bsd, OverlapPolicy::windows, OverlapPolicy::solaris,
                       OverlapPolicy::hpux11, OverlapPolicy::last})
    EXPECT_EQ(join(p, s), "nnnnnn") << static_cast<int>(p);
  for (const auto p : {OverlapPolicy::first, OverlapPolicy::vista})
    EXPECT_EQ(join(p, s), "nnOOnn") << static_cast<int>(p);
}

TEST(StreamBuffer, OctetsHandedOnNeverChange) {
  StreamBuffer b;
  (void)b.insert(0, as_bytes("OOOO"), OverlapPolicy::last, 0, many);
  (void)b.insert(0, as_bytes("nnnn"), OverlapPolicy::last, 2, many);
  EXPECT_EQ(text(b.at(0)), "OOnn");
}

TEST(StreamBuffer, TellsOverlapsThatDiffer) {
  StreamBuffer b;
  EXPECT_FALSE(b.insert(0, as_bytes("abcd"), OverlapPolicy::bsd, 0, many).overlap);
  auto r = b.insert(2, as_bytes("cdef"), OverlapPolicy::bsd, 0, many);
  EXPECT_TRUE(r.overlap);
  EXPECT_FALSE(r.overlap_differs);
  EXPECT_TRUE(b.insert(2, as_bytes("XX"), OverlapPolicy::bsd, 0, many).overlap_differs);
}

TEST(StreamBuffer, ReleaseForgetsSegmentsThatAreOver) {
  StreamBuffer b;
  (void)b.insert(0, as_bytes("abcd"), OverlapPolicy::bsd, 0, many);
  (void)b.insert(4, as_bytes("efgh"), OverlapPolicy::bsd, 0, many);
  b.release(5);
  EXPECT_EQ(b.segments().size(), 1U);
  EXPECT_EQ(text(b.at(5)), "fgh");
  EXPECT_TRUE(b.at(4).empty());
  (void)b.insert(0, as_bytes("ABCDEFGHIJ"), OverlapPolicy::last, 0, many);
  EXPECT_EQ(text(b.at(5)), "FGHIJ");
}

TEST(StreamBuffer, RespectsMemoryAndRegionLimits) {
  MemoryBudget budget{.limit = 100};
  StreamBuffer b(&budget);
  EXPECT_TRUE(b.insert(0, as_bytes(std::string(50, 'a')), OverlapPolicy::bsd, 0, many).stored);
  EXPECT_TRUE(b.insert(50, as_bytes(std::string(50, 'a')), OverlapPolicy::bsd, 0, many).memory);
  EXPECT_EQ(budget.refused, 1U);
  b.clear();
  EXPECT_EQ(budget.used, 0U);
  EXPECT_TRUE(b.insert(60, as_bytes("x"), OverlapPolicy::bsd, 0, 1).stored);
  EXPECT_TRUE(b.insert(80, as_bytes("x"), OverlapPolicy::bsd, 0, 1).too_many);
}

/// The obvious way: a map from offset to octet, with who brought it.
class SlowStream {
 public:
  void insert(std::uint64_t at, const std::string& data, OverlapPolicy policy) {
    const std::uint64_t end = at + data.size();
    auto before = octets_;
    for (const auto& [s, e] : segments_) {
      if (s >= end || e <= at) continue;
      // Whole-range comparison against what stands there now, then the policy's word for the pair.
      bool differs = false;
      for (auto i = std::max(s, at); i < std::min(e, end); ++i)
        differs = differs || octets_[i] != data[i - at];
      if (!differs || !later(policy, s, e, at, end)) continue;
      for (auto i = std::max(s, at); i < std::min(e, end); ++i) octets_[i] = data[i - at];
    }
    for (auto i = at; i < end; ++i) octets_.try_emplace(i, data[i - at]);
    segments_.emplace_back(at, end);
    std::stable_sort(segments_.begin(), segments_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  std::string from_zero() const {
    std::string out;
    for (std::uint64_t i = 0; octets_.contains(i); ++i) out += octets_.at(i);
    return out;
  }

 private:
  static bool later(OverlapPolicy p, std::uint64_t os, std::uint64_t oe, std::uint64_t ns,
                    std::uint64_t ne) {
    switch (p) {
      case OverlapPolicy::last:
        return true;
      case OverlapPolicy::bsd:
      case OverlapPolicy::windows:
        return ns < os;
      case OverlapPolicy::linux_new:
        return ns < os || (ns == os && ne > oe);
      case OverlapPolicy::solaris:
        return ns <= os ? ne >= oe : ne > oe;
      default:
        return false;
    }
  }
  std::map<std::uint64_t, char> octets_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> segments_;
};

TEST(StreamBuffer, AgreesWithTheSlowWayOnRandomSegments) {
  std::mt19937 random(20261122);
  for (const auto policy : {OverlapPolicy::bsd, OverlapPolicy::windows, OverlapPolicy::last,
                            OverlapPolicy::linux_new, OverlapPolicy::solaris})
    for (int round = 0; round < 400; ++round) {
      StreamBuffer fast;
      SlowStream slow;
      const int n = 1 + static_cast<int>(random() % 24);
      for (int i = 0; i < n; ++i) {
        const std::uint64_t at = random() % 64;
        std::string data(1 + random() % 20, ' ');
        for (auto& c : data) c = static_cast<char>('a' + random() % 3);
        (void)fast.insert(at, as_bytes(data), policy, 0, many);
        slow.insert(at, data, policy);
      }
      ASSERT_EQ(text(fast.at(0)), slow.from_zero())
          << "policy " << static_cast<int>(policy) << " round " << round;
    }
}

}  // namespace
}  // namespace ww::sensor
