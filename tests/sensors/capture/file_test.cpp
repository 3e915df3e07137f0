#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sensors/capture/reader.hpp"
#include "sensors/capture/source.hpp"
#include "tests/temp_folder.hpp"

namespace ww::capture {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets operator+(Octets a, const Octets& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Octets text(std::string_view s) { return {s.begin(), s.end()}; }

/// Integers in either byte order, as the two kinds of machines write captures.
struct Order {
  bool big = false;
  [[nodiscard]] Octets number(std::uint64_t v, int octets) const {
    Octets out;
    for (int i = 0; i < octets; ++i)
      out.push_back(static_cast<std::uint8_t>(v >> (8 * (big ? octets - 1 - i : i))));
    return out;
  }
  [[nodiscard]] Octets u16(std::uint64_t v) const { return number(v, 2); }
  [[nodiscard]] Octets u32(std::uint64_t v) const { return number(v, 4); }
};

Octets pcap_head(Order o = {}, std::uint32_t magic = 0xa1b2c3d4, std::uint32_t link = 1) {
  return o.u32(magic) + o.u16(2) + o.u16(4) + o.u32(0) + o.u32(0) + o.u32(65535) + o.u32(link);
}
Octets pcap_packet(std::string_view data, std::uint32_t seconds, std::uint32_t fraction,
                   Order o = {}) {
  return o.u32(seconds) + o.u32(fraction) + o.u32(data.size()) + o.u32(data.size() + 10) +
         text(data);
}
Octets block(std::uint32_t type, Octets body, Order o = {}) {
  while (body.size() % 4 != 0) body.push_back(0);
  const auto length = o.u32(body.size() + 12);
  return o.u32(type) + length + body + length;
}
Octets section(Order o = {}) {
  return block(0x0a0d0d0a, o.u32(0x1a2b3c4d) + o.u16(1) + o.u16(0) + o.number(~0ULL, 8), o);
}
Octets interface(std::uint32_t link, const Octets& options = {}, Order o = {}) {
  return block(1, o.u16(link) + o.u16(0) + o.u32(65535) + options, o);
}
Octets enhanced(std::uint32_t id, std::uint64_t ticks, std::string_view data, Order o = {}) {
  return block(6,
               o.u32(id) + o.u32(ticks >> 32) + o.u32(ticks & 0xffffffff) + o.u32(data.size()) +
                   o.u32(data.size()) + text(data),
               o);
}

struct Outcome {
  std::vector<std::string> packets;
  std::vector<std::int64_t> times;
  std::vector<int> datalinks;
  std::vector<std::uint64_t> numbers;
  std::vector<Problem> problems;
};
Outcome drain(PacketSource& source) {
  Outcome out;
  CapturedFrame f;
  for (int guard = 0; guard < 100'000; ++guard) {
    const auto r = source.next(f);
    // A look at what follows must change nothing, in damaged captures neither.
    CapturedFrame later;
    for (int n = guard % 3; n > 0 && source.following(later); --n) {
      EXPECT_LE(later.octets.size(), Reader::max_frame);
    }
    if (!r) {
      out.problems.push_back(r.error());
      continue;
    }
    if (*r == Read::end) return out;
    out.packets.emplace_back(as_text(f.octets));
    out.times.push_back(f.time.us);
    out.datalinks.push_back(f.datalink);
    out.numbers.push_back(f.number);
  }
  ADD_FAILURE() << "the source does not end";
  return out;
}

class CaptureFile : public testing::Test {
 protected:
  std::string write(const std::string& name, const Octets& octets) {
    const auto path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(octets.data()),
               static_cast<std::streamsize>(octets.size()));
    return path;
  }
  Outcome read(const std::vector<std::string>& paths, const std::string& filter = "") {
    auto source = open_files(paths, {filter});
    if (!source) {
      ADD_FAILURE() << source.error().text();
      return {};
    }
    return drain(**source);
  }
  Outcome read(const Octets& octets) { return read({write("one", octets)}); }
  ww::test::TempFolder temp_;
  const std::filesystem::path folder_ = temp_.path();
};

Octets gzip(const Octets& in) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Octets out(deflateBound(&z, in.size()) + 64);
  z.next_in = const_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}
Octets zstd(const Octets& in) {
  Octets out(ZSTD_compressBound(in.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 3));
  return out;
}

TEST_F(CaptureFile, ReadsEveryPcapVariant) {
  for (const bool big : {false, true}) {
    const Order o{big};
    const auto us =
        read(pcap_head(o) + pcap_packet("first", 10, 250'000, o) + pcap_packet("second", 11, 0, o));
    EXPECT_TRUE(us.problems.empty());
    EXPECT_EQ(us.packets, (std::vector<std::string>{"first", "second"}));
    EXPECT_EQ(us.times, (std::vector<std::int64_t>{10'250'000, 11'000'000}));
    EXPECT_EQ(us.numbers, (std::vector<std::uint64_t>{1, 2}));
    const auto ns = read(pcap_head(o, 0xa1b23c4d) + pcap_packet("first", 10, 250'000'999, o));
    EXPECT_EQ(ns.times, (std::vector<std::int64_t>{10'250'000}));
  }
}

TEST_F(CaptureFile, ReadsModifiedPcap) {
  const Order o;
  const auto out = read(pcap_head(o, 0xa1b2cd34) + o.u32(1) + o.u32(2) + o.u32(3) + o.u32(3) +
                        Octets(8, 0) + text("abc"));
  EXPECT_EQ(out.packets, (std::vector<std::string>{"abc"}));
}

TEST_F(CaptureFile, NamesRawIpAsLibpcapDoes) {
  const auto out = read(pcap_head({}, 0xa1b2c3d4, 101) + pcap_packet("x", 1, 0));
  EXPECT_EQ(out.datalinks, (std::vector<int>{12}));
}

TEST_F(CaptureFile, ReadsPcapngInBothByteOrders) {
  for (const bool big : {false, true}) {
    const Order o{big};
    const auto nanoseconds = o.u16(9) + o.u16(1) + Octets{9, 0, 0, 0} + o.u16(0) + o.u16(0);
    const auto binary =
        o.u16(9) + o.u16(1) + Octets{0x80 | 10, 0, 0, 0} + o.u16(14) + o.u16(8) + o.number(100, 8);
    const auto out = read(section(o) + interface(1, {}, o) + interface(113, nanoseconds, o) +
                          interface(1, binary, o) + enhanced(0, 5'000'001, "us", o) +
                          block(5, text("statistics"), o) + enhanced(1, 5'000'002'000, "ns", o) +
                          enhanced(2, 1536, "2^-10", o) + block(3, o.u32(6) + text("simple"), o));
    EXPECT_TRUE(out.problems.empty());
    EXPECT_EQ(out.packets, (std::vector<std::string>{"us", "ns", "2^-10", "simple"}));
    EXPECT_EQ(out.times,
              (std::vector<std::int64_t>{5'000'001, 5'000'002, 101'500'000, 101'500'000}));
    EXPECT_EQ(out.datalinks, (std::vector<int>{1, 113, 1, 1}));
  }
}

TEST_F(CaptureFile, ReadsPcapngSectionsOfDifferentByteOrder) {
  const Order big{true};
  const auto out = read(section() + interface(1) + enhanced(0, 1, "little") + section(big) +
                        interface(1, {}, big) + enhanced(0, 2, "big", big));
  EXPECT_EQ(out.packets, (std::vector<std::string>{"little", "big"}));
}

TEST_F(CaptureFile, ReadsCompressedFiles) {
  const auto plain =
      pcap_head() + pcap_packet("first", 1, 0) + pcap_packet(std::string(200'000, 'x'), 2, 0);
  for (const auto& packed : {gzip(plain), zstd(plain)}) {
    const auto out = read(packed);
    EXPECT_TRUE(out.problems.empty());
    ASSERT_EQ(out.packets.size(), 2U);
    EXPECT_EQ(out.packets[1].size(), 200'000U);
  }
}

TEST_F(CaptureFile, TellsWhatFollows) {
  for (const bool big : {false, true}) {
    const Order o{big};
    const std::vector<std::string> data{"one", "four", "nine", "sixteen"};
    auto pcap = pcap_head(o, 0xa1b2c3d4, 113), pcapng = section(o) + interface(113, {}, o);
    for (const auto& d : data) {
      pcap = pcap + pcap_packet(d, 1, 0, o);
      pcapng = pcapng + enhanced(0, 1, d, o);
    }
    for (const auto& octets : {pcap, pcapng}) {
      auto source = open_files({write("following", octets)});
      ASSERT_TRUE(source);
      CapturedFrame f, later;
      EXPECT_FALSE((*source)->following(later));  // nothing is open yet
      ASSERT_TRUE((*source)->next(f));
      std::vector<std::string> told;
      for (int n = 0; n < 2; ++n) {
        ASSERT_TRUE((*source)->following(later));
        told.emplace_back(as_text(later.octets));
        EXPECT_EQ(later.datalink, 113);
      }
      EXPECT_EQ(told, (std::vector<std::string>{"four", "nine"}));
      for (int n = 1; n < 3; ++n) {
        ASSERT_TRUE((*source)->next(f));
        EXPECT_EQ(as_text(f.octets), data[static_cast<std::size_t>(n)]);
      }
      ASSERT_TRUE((*source)->following(later));
      EXPECT_EQ(as_text(later.octets), "sixteen");
      EXPECT_FALSE((*source)->following(later));
      ASSERT_TRUE((*source)->next(f));
      EXPECT_EQ(as_text(f.octets), "sixteen");
    }
  }
}

TEST_F(CaptureFile, ReadsConcatenatedCompressedMembers) {
  const auto head = pcap_head() + pcap_packet("first", 1, 0);
  const auto tail = pcap_packet("second", 2, 0);
  EXPECT_EQ(read(gzip(head) + gzip(tail)).packets.size(), 2U);
  EXPECT_EQ(read(zstd(head) + zstd(tail)).packets.size(), 2U);
}

TEST_F(CaptureFile, DeliversEverythingBeforeTheCutAndSaysWhere) {
  const auto whole = pcap_head() + pcap_packet("first", 1, 0) + pcap_packet("second", 2, 0);
  for (std::size_t cut = 25; cut < whole.size(); ++cut) {
    if (cut == 24 + 16 + 5) continue;  // between two packets: nothing is missing
    const auto out = read(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut)));
    ASSERT_EQ(out.problems.size(), 1U) << cut;
    const std::size_t before = cut > 24 + 16 + 5 ? 1 : 0;
    EXPECT_EQ(out.packets.size(), before);
    EXPECT_NE(out.problems[0].what.find("after packet " + std::to_string(before)),
              std::string::npos);
    EXPECT_NE(out.problems[0].what.find("offset " + std::to_string(before == 0 ? 24 : 45)),
              std::string::npos);
    EXPECT_NE(out.problems[0].where.find("one"), std::string::npos);
  }
}

TEST_F(CaptureFile, DeliversEverythingBeforeACutInPcapng) {
  const auto start = section() + interface(1) + enhanced(0, 1, "first");
  const auto whole = start + enhanced(0, 2, "second");
  for (auto cut = start.size() + 1; cut < whole.size(); ++cut) {
    const auto out = read(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut)));
    ASSERT_EQ(out.problems.size(), 1U) << cut;
    EXPECT_EQ(out.packets.size(), 1U);
  }
}

TEST_F(CaptureFile, DeliversEverythingBeforeACutInCompressedData) {
  Octets plain = pcap_head();
  for (int i = 0; i < 200; ++i)
    plain = plain + pcap_packet("packet " + std::to_string(i * 7919), 1, 0);
  for (auto packed : {gzip(plain), zstd(plain)}) {
    packed.resize(packed.size() - 5);
    const auto out = read(packed);
    ASSERT_EQ(out.problems.size(), 1U);
    EXPECT_NE(out.problems[0].what.find("ends too early"), std::string::npos);
  }
}

TEST_F(CaptureFile, RefusesAPacketLargerThanAnyFrame) {
  const Order o;
  const auto out = read(pcap_head() + pcap_packet("first", 1, 0) + o.u32(1) + o.u32(1) +
                        o.u32(0x7fffffff) + o.u32(1));
  EXPECT_EQ(out.packets.size(), 1U);
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_NE(out.problems[0].what.find("2147483647"), std::string::npos);
}

TEST_F(CaptureFile, RefusesDamagedPcapngBlocks) {
  const Order o;
  const auto good = section() + interface(1);
  const std::pair<const char*, Octets> cases[] = {
      {"claims", o.u32(6) + o.u32(7) + o.u32(0)},
      {"two lengths", o.u32(6) + o.u32(16) + o.u32(0) + o.u32(20)},
      {"not declared", enhanced(9, 1, "x")},
      {"longer than its block",
       block(6, o.u32(0) + o.u32(0) + o.u32(0) + o.u32(100) + o.u32(100) + text("x"))},
      {"too short", block(6, o.u32(0))},
      {"byte-order", block(0x0a0d0d0a, o.u32(1) + o.u16(1) + o.u16(0) + o.number(~0ULL, 8))},
  };
  for (const auto& [expected, octets] : cases) {
    const auto out = read(good + octets);
    ASSERT_EQ(out.problems.size(), 1U) << expected;
    EXPECT_NE(out.problems[0].what.find(expected), std::string::npos) << out.problems[0].what;
  }
  const auto early = read(section() + enhanced(0, 1, "x"));
  ASSERT_EQ(early.problems.size(), 1U);
  EXPECT_NE(early.problems[0].what.find("before any interface"), std::string::npos);
}

TEST_F(CaptureFile, NamesAnUnsupportedLinkType) {
  const auto out = read(pcap_head({}, 0xa1b2c3d4, 105) + pcap_packet("x", 1, 0));
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_NE(out.problems[0].what.find("105"), std::string::npos);
  EXPECT_TRUE(out.packets.empty());
}

TEST_F(CaptureFile, LeavesOutOnlyTheUnsupportedInterfaceOfPcapng) {
  auto source = open_files(
      {write("mixed", section() + interface(105) + interface(1) + enhanced(0, 1, "radio") +
                          enhanced(1, 2, "wire") + enhanced(0, 3, "radio"))});
  ASSERT_TRUE(source.has_value());
  const auto out = drain(**source);
  EXPECT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.packets, (std::vector<std::string>{"wire"}));
  EXPECT_EQ((*source)->counters().unsupported, 2U);
}

TEST_F(CaptureFile, RefusesWhatIsNoCapture) {
  EXPECT_NE(read(text("just some text, long enough")).problems.at(0).what.find("not a capture"),
            std::string::npos);
  EXPECT_NE(read(Octets{}).problems.at(0).what.find("empty"), std::string::npos);
  EXPECT_FALSE(open_files({"/nonexistent.pcap"}).has_value());
}

TEST_F(CaptureFile, GoesOnWithTheNextFileAfterADamagedOne) {
  const auto a = write("a", pcap_head() + pcap_packet("a1", 1, 0) + Octets(5, 0));
  const auto b = write("b", pcap_head() + pcap_packet("b1", 1, 0));
  const auto out = read({a, b});
  EXPECT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.packets, (std::vector<std::string>{"a1", "b1"}));
  EXPECT_EQ(out.numbers, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(CaptureFile, ReadsAFolderInOrderOfTime) {
  write("z", pcap_head() + pcap_packet("early", 1, 0));
  write("a", gzip(pcap_head() + pcap_packet("late", 9, 0)));
  write("notes.txt", text("no capture"));
  EXPECT_EQ(read({folder_.string()}).packets, (std::vector<std::string>{"early", "late"}));
  std::filesystem::create_directory(folder_ / "none");
  EXPECT_FALSE(open_files({(folder_ / "none").string()}).has_value());
}

TEST_F(CaptureFile, AppliesABpfFilter) {
  const auto frame = [](std::uint8_t type) {
    std::string f(60, '\0');
    f[12] = 8;
    f[13] = static_cast<char>(type);
    return f;
  };
  const auto path =
      write("f", pcap_head() + pcap_packet(frame(0), 1, 0) + pcap_packet(frame(6), 2, 0));
  EXPECT_EQ(read({path}, "arp").numbers, (std::vector<std::uint64_t>{2}));
  const auto bad = open_files({path}, {"not a filter ("});
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(bad.error().where.find("not a filter ("), std::string::npos);
}

TEST_F(CaptureFile, StopsWhenAsked) {
  auto source =
      open_files({write("s", pcap_head() + pcap_packet("a", 1, 0) + pcap_packet("b", 1, 0))});
  ASSERT_TRUE(source.has_value());
  CapturedFrame f;
  ASSERT_EQ((*source)->next(f).value(), Read::frame);
  (*source)->stop();
  EXPECT_EQ((*source)->next(f).value(), Read::end);
}

TEST(CaptureLive, NamesAMissingInterface) {
  const auto r = open_live({.interface = "nosuchif0"});
  ASSERT_FALSE(r.has_value());
  EXPECT_NE(r.error().where.find("nosuchif0"), std::string::npos);
}

}  // namespace
}  // namespace ww::capture
