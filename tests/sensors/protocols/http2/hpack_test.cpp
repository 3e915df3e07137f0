#include "sensors/protocols/http2/hpack.hpp"

#include <gtest/gtest.h>

namespace ww::sensor::http2 {
namespace {

std::vector<std::uint8_t> hex(std::string_view text) {
  std::vector<std::uint8_t> out;
  std::string digits;
  for (const char c : text)
    if (c != ' ') digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return out;
}

std::string lines(HpackDecoder& d, std::string_view block) {
  std::vector<HpackEntry> entries;
  EXPECT_TRUE(d.decode(hex(block), entries));
  std::string out;
  for (const auto& e : entries) out += e.name + ": " + e.value + "\n";
  return out;
}

// RFC 7541 Appendix C.4: requests with Huffman coding, one connection.
TEST(Hpack, DecodesTheRequestsOfRfc7541) {
  HpackDecoder d;
  EXPECT_EQ(lines(d, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"),
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n");
  EXPECT_EQ(d.table_octets(), 57U);
  EXPECT_EQ(lines(d, "8286 84be 5886 a8eb 1064 9cbf"),
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: "
            "no-cache\n");
  EXPECT_EQ(lines(d, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"),
            ":method: GET\n:scheme: https\n:path: /index.html\n:authority: "
            "www.example.com\ncustom-key: custom-value\n");
  EXPECT_EQ(d.table_octets(), 164U);
}

// Appendix C.6: responses with a table of 256 octets, so that entries are evicted.
TEST(Hpack, EvictsAsRfc7541Does) {
  HpackDecoder d;
  d.set_max_table(256);
  lines(d,
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e "
        "919d 29ad 1718 63c7 8f0b "
        "97c8 e9ae 82ae 43d3");
  EXPECT_EQ(d.table_octets(), 222U);
  EXPECT_EQ(lines(d, "4883 640e ffc1 c0bf"),
            ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: "
            "https://www.example.com\n");
  EXPECT_EQ(d.table_octets(), 222U);
}

TEST(Hpack, StopsAtWhatCannotBeFollowed) {
  const std::pair<const char*, HpackEntry::Kind> cases[] = {
      {"ff80808080808001", HpackEntry::Kind::integer_overflow},
      {"be", HpackEntry::Kind::bad_index},
      {"80", HpackEntry::Kind::bad_index},
      {"4005", HpackEntry::Kind::truncated},
      {"000161", HpackEntry::Kind::truncated},
      {"0084ffffffff0161", HpackEntry::Kind::bad_huffman}};
  for (const auto& [block, kind] : cases) {
    HpackDecoder d;
    std::vector<HpackEntry> entries;
    EXPECT_TRUE(d.decode(hex(block), entries));
    ASSERT_FALSE(entries.empty()) << block;
    EXPECT_EQ(entries.back().kind, kind) << block;
  }
}

TEST(Hpack, BoundsWhatABlockExpandsTo) {
  HpackDecoder d;
  // A large entry into the table, then referred to over and over.
  std::vector<std::uint8_t> block = hex("40 01 61 7f");
  const unsigned length = 4000 - 127;
  block.push_back(static_cast<std::uint8_t>(0x80 | (length & 0x7f)));
  block.push_back(static_cast<std::uint8_t>(length >> 7));
  block.insert(block.end(), 4000, 'v');
  block.insert(block.end(), 100'000, 0xbe);
  std::vector<HpackEntry> entries;
  EXPECT_FALSE(d.decode(block, entries));
  EXPECT_LT(entries.size(), 100U);
}

TEST(Hpack, NeverHoldsMoreThanItsLimit) {
  HpackLimits limits;
  limits.table = 1000;
  HpackDecoder d(limits);
  std::vector<HpackEntry> entries;
  EXPECT_TRUE(d.decode(hex("3f e1 ff 03"), entries));  // a size update to 65536
  for (int i = 0; i < 100; ++i) (void)d.decode(hex("40 03 616263 05 3132333435"), entries);
  EXPECT_LE(d.table_octets(), 1000U);
}

}  // namespace
}  // namespace ww::sensor::http2
