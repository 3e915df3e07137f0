#include "telemetry/deflate/decoder.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <thread>

#include "telemetry/deflate/adler32.hpp"
#include "tests/telemetry/deflate/reference.hpp"

namespace ww::deflate {
namespace {

/// Writes a stream by hand.
class BitWriter {
 public:
  BitWriter& bits(unsigned v, unsigned count) {
    for (unsigned i = 0; i < count; ++i, ++used_) {
      if (used_ % 8 == 0) out_ += '\0';
      if (((v >> i) & 1) != 0) out_.back() |= static_cast<char>(1U << (used_ % 8));
    }
    return *this;
  }
  /// Codes stand with their first bit first (RFC 1951 3.1.1).
  BitWriter& code(unsigned v, unsigned count) {
    while (count != 0) bits(v >> --count, 1);
    return *this;
  }
  /// A literal or length symbol of the fixed code (3.2.6).
  BitWriter& fixed(unsigned symbol) {
    if (symbol < 144) return code(0x30 + symbol, 8);
    if (symbol < 256) return code(0x190 + symbol - 144, 9);
    if (symbol < 280) return code(symbol - 256, 7);
    return code(0xc0 + symbol - 280, 8);
  }
  BitWriter& align() {
    while (used_ % 8 != 0) bits(0, 1);
    return *this;
  }
  /// The head of a dynamic block whose lengths are all written out in a code of 4 bits each.
  BitWriter& dynamic(const std::vector<unsigned>& literals,
                     const std::vector<unsigned>& distances) {
    bits(1, 1).bits(2, 2);
    bits(static_cast<unsigned>(literals.size()) - 257, 5);
    bits(static_cast<unsigned>(distances.size()) - 1, 5).bits(15, 4);
    // 16, 17 and 18 have no code; 0 to 15 have their own value as code of 4 bits.
    for (unsigned i = 0; i < 19; ++i) bits(i < 3 ? 0 : 4, 3);
    for (const auto l : literals) code(l, 4);
    for (const auto l : distances) code(l, 4);
    return *this;
  }
  [[nodiscard]] std::string str() const { return out_; }

 private:
  std::string out_;
  unsigned used_ = 0;
};

/// 257 literal codes, none but those given.
std::vector<unsigned> literals(std::initializer_list<std::pair<unsigned, unsigned>> lengths,
                               std::size_t count = 257) {
  std::vector<unsigned> out(count);
  for (const auto& [symbol, length] : lengths) out[symbol] = length;
  return out;
}

/// What ours makes of it, which zlib must make of it too, at every cut and with any room.
Outcome checked(Format format, const std::string& in) {
  const auto whole = ours(format, in);
  if (format != Format::gzip) {
    const auto expected = zlibs(format, in);
    EXPECT_EQ(whole.text, expected.text);
    EXPECT_EQ(whole.status, expected.status);
    EXPECT_EQ(errc_name(whole.error), errc_name(expected.error));
    EXPECT_TRUE(whole == expected);
  }
  const auto decoder = borrow(format);
  for (std::size_t cut = 0; cut <= std::min<std::size_t>(in.size(), 400); ++cut) {
    std::size_t pieces = 0;
    const auto cut_once = ours(
        format, in, [&] { return pieces++ == 0 ? cut : SIZE_MAX; }, [] { return SIZE_MAX; },
        *decoder);
    EXPECT_TRUE(cut_once == whole) << "cut at " << cut;
  }
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 16U, 17U, 31U, 1400U})
    for (const std::size_t most : {1U, 3U, 100U, 8192U})
      EXPECT_TRUE(ours(format, in, piece, most) == whole) << piece << " to " << most;
  return whole;
}
void refused(const std::string& in, Errc why, std::string_view text = {},
             Format format = Format::raw) {
  const auto o = checked(format, in);
  EXPECT_EQ(o.status, Status::failed);
  EXPECT_EQ(errc_name(o.error), errc_name(why));
  EXPECT_EQ(o.text, text);
}
void accepted(const std::string& in, std::string_view text, Format format = Format::raw) {
  const auto o = checked(format, in);
  EXPECT_EQ(o.status, Status::end) << errc_name(o.error);
  EXPECT_EQ(o.text, text);
  EXPECT_EQ(o.taken, in.size());
}

std::string records(std::size_t size) {
  std::string out;
  for (unsigned i = 0; out.size() < size; ++i)
    out += "record " + std::to_string(i * 2654435761U % 9973) + "; ";
  out.resize(size);
  return out;
}

TEST(Inflate, StoredBlocks) {
  accepted(std::string("\x01\x05\x00\xfa\xffhello", 10), "hello");
  accepted(std::string("\x00\x02\x00\xfd\xffhe\x01\x03\x00\xfc\xffllo", 15), "hello");
  accepted(std::string("\x01\x00\x00\xff\xff", 5), "");
  accepted(packed(records(70'000), 0, -MAX_WBITS), records(70'000));
  refused(std::string("\x01\x05\x00\xfa\xfehello", 10), Errc::stored_length);
}

TEST(Inflate, StoredBlockBehindAnotherBeginsAtAnOctet) {
  BitWriter w;
  w.bits(0, 1).bits(1, 2).fixed('a').fixed(256).bits(1, 1).bits(0, 2).align();
  accepted(w.str() + std::string("\x01\x00\xfe\xff", 4) + "b", "ab");
}

TEST(Inflate, FixedCode) {
  BitWriter w;
  w.bits(1, 1).bits(1, 2);
  std::string text;
  for (unsigned i = 0; i < 256; ++i) {
    w.fixed(i);
    text += static_cast<char>(i);
  }
  accepted(w.fixed(256).str(), text);
}

TEST(Inflate, EveryLengthAndDistanceSymbol) {
  for (unsigned length = 257; length <= 285; ++length) {
    BitWriter w;
    const unsigned extra = length < 265 || length == 285 ? 0 : (length - 261) / 4;
    w.bits(1, 1).bits(1, 2).fixed('x').fixed(length).bits((1U << extra) - 1, extra).code(0, 5);
    const auto o = checked(Format::raw, w.fixed(256).str());
    EXPECT_EQ(o.status, Status::end);
    EXPECT_GE(o.text.size(), 4U);
  }
  const auto far = records(40'000);
  for (unsigned distance = 0; distance < 30; ++distance) {
    const unsigned extra = distance < 4 ? 0 : distance / 2 - 1;
    BitWriter w;
    w.bits(1, 1).bits(1, 2).fixed(284).bits(0, 5).code(distance, 5).bits((1U << extra) - 1, extra);
    // Behind a stored block, so that there is something at each distance.
    std::string in("\x00\x40\x9c\xbf\x63", 5);
    in += far + w.fixed(256).str();
    const auto o = ours(Format::raw, in);
    EXPECT_EQ(o.status, Status::end) << distance;
    EXPECT_TRUE(o == zlibs(Format::raw, in)) << distance;
    EXPECT_TRUE(ours(Format::raw, in, 1400, 8192) == o) << distance;
  }
}

TEST(Inflate, RunsAndShortDistances) {
  for (unsigned distance = 1; distance <= 40; ++distance) {
    std::string text = records(distance);
    while (text.size() < 3000) text += text[text.size() - distance];
    accepted(packed(text, 9, -MAX_WBITS), text);
  }
}

TEST(Inflate, SymbolsWithoutMeaning) {
  BitWriter w;
  refused(w.bits(1, 1).bits(1, 2).fixed('a').fixed(286).str(), Errc::literal_symbol, "a");
  w = {};
  refused(w.bits(1, 1).bits(1, 2).fixed('a').fixed(287).str(), Errc::literal_symbol, "a");
  for (const unsigned distance : {30U, 31U}) {
    w = {};
    w.bits(1, 1).bits(1, 2).fixed('a').fixed(257).code(distance, 5);
    refused(w.str() + std::string(30, 'x'), Errc::distance_symbol, "a");
    refused(w.str(), Errc::distance_symbol, "a");
  }
}

TEST(Inflate, DistanceBeyondTheData) {
  BitWriter w;
  w.bits(1, 1).bits(1, 2).fixed('a').fixed('b').fixed(257).code(2, 5).fixed(256);
  refused(w.str(), Errc::distance, "ab");
  refused(w.str() + std::string(40, '\0'), Errc::distance, "ab");
  w = {};
  w.bits(1, 1).bits(1, 2).fixed('a').fixed('b').fixed(257).code(1, 5).fixed(256);
  accepted(w.str(), "ababa");
}

TEST(Inflate, ReservedBlockType) {
  refused(BitWriter().bits(1, 1).bits(3, 2).str(), Errc::block_type);
}

TEST(Inflate, TooManyCodes) {
  refused(BitWriter().bits(5, 3).bits(30, 5).bits(0, 5).bits(0, 4).str(), Errc::code_counts);
  refused(BitWriter().bits(5, 3).bits(0, 5).bits(30, 5).bits(0, 4).str(), Errc::code_counts);
}

TEST(Inflate, CodeOfLengths) {
  const auto lengths = [](std::initializer_list<unsigned> first) {
    BitWriter w;
    w.bits(5, 3).bits(0, 5).bits(0, 5).bits(15, 4);
    unsigned n = 0;
    for (const auto l : first) w.bits(l, 3), ++n;
    for (; n < 19; ++n) w.bits(0, 3);
    for (int i = 0; i < 10; ++i) w.bits(0, 32);  // more zeros than lengths
    return w;
  };
  refused(lengths({1, 1, 1}).str(), Errc::length_code);  // too many
  refused(lengths({1}).str(), Errc::length_code);        // too few
  refused(lengths({2, 2, 2}).str(), Errc::length_code);
  refused(lengths({1, 1}).str(), Errc::length_repeat);  // 16 first: repeats nothing
  refused(lengths({0, 1, 0, 1}).str(), Errc::no_end_of_block);
  // No code at all: every bit is a length of zero.
  refused(lengths({}).str(), Errc::no_end_of_block);
}

TEST(Inflate, RepeatsBeyondTheLastLength) {
  BitWriter w;
  w.bits(5, 3).bits(0, 5).bits(0, 5).bits(15, 4);
  for (unsigned i = 0; i < 19; ++i) w.bits(i == 2 || i == 3 ? 1 : 0, 3);  // 18 and 0
  w.code(1, 1).bits(127, 7).code(1, 1).bits(127, 7);                      // 276 of 258 lengths
  refused(w.str(), Errc::length_repeat);
}

TEST(Inflate, LiteralCode) {
  // A single code of one bit is allowed, and what it leaves has no meaning.
  const auto only_end = BitWriter().dynamic(literals({{256, 1}}), {0});
  accepted(BitWriter(only_end).code(0, 1).str(), "");
  refused(BitWriter(only_end).code(1, 1).str(), Errc::literal_symbol);
  refused(BitWriter(only_end).code(1, 1).str() + std::string(20, '\0'), Errc::literal_symbol);
  accepted(BitWriter().dynamic(literals({{'a', 1}, {256, 1}}), {0}).code(0, 1).code(1, 1).str(),
           "a");
  refused(BitWriter().dynamic(literals({{256, 2}}), {0}).str(), Errc::literal_code);
  refused(BitWriter().dynamic(literals({{'a', 2}, {'b', 2}, {256, 2}}), {0}).str(),
          Errc::literal_code);
  refused(BitWriter().dynamic(literals({{'a', 1}, {'b', 1}, {256, 1}}), {0}).str(),
          Errc::literal_code);
  refused(BitWriter().dynamic(literals({{'a', 1}}), {0}).str(), Errc::no_end_of_block);
}

TEST(Inflate, DistanceCode) {
  const auto some = literals({{'a', 2}, {'b', 2}, {256, 2}, {257, 2}}, 258);
  // No distance code: literals only.
  accepted(BitWriter().dynamic(some, {0}).code(0, 2).code(2, 2).str(), "a");
  refused(BitWriter().dynamic(some, {0}).code(0, 2).code(3, 2).bits(0, 1).str(),
          Errc::distance_symbol, "a");
  // A single one of one bit.
  accepted(BitWriter().dynamic(some, {1}).code(0, 2).code(3, 2).code(0, 1).code(2, 2).str(),
           "aaaa");
  refused(BitWriter().dynamic(some, {1}).code(0, 2).code(3, 2).code(1, 1).str(),
          Errc::distance_symbol, "a");
  refused(BitWriter().dynamic(some, {2}).str(), Errc::distance_code);
  refused(BitWriter().dynamic(some, {1, 1, 1}).str(), Errc::distance_code);
  refused(BitWriter().dynamic(some, {1, 2}).str(), Errc::distance_code);
}

/// Codes of up to 15 bits need the second look-up.
TEST(Inflate, LongestCodes) {
  std::vector<unsigned> lengths(272);
  for (unsigned i = 0; i < 14; ++i) lengths['a' + i] = i + 1;
  lengths[256] = 15;
  lengths[257] = 15;
  std::vector<unsigned> distances;
  for (unsigned i = 1; i <= 15; ++i) distances.push_back(i);
  distances.push_back(15);
  BitWriter w;
  w.dynamic(lengths, distances);
  // All ones but the last bit, in a code where each length has one.
  const auto symbol = [&](unsigned bits) { w.code((1U << bits) - 2, bits); };
  std::string text;
  for (int round = 0; round < 40; ++round)
    for (unsigned i = 0; i < 14; ++i) {
      symbol(i + 1);
      text += static_cast<char>('a' + i);
    }
  for (unsigned d = 0; d < 15; ++d) {
    w.code(0x7fff, 15);  // length 3
    symbol(d + 1);
    const unsigned extra = d < 4 ? 0 : d / 2 - 1;
    w.bits(0, extra);
    static constexpr unsigned base[] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129};
    for (int i = 0; i < 3; ++i) text += text[text.size() - base[d]];
  }
  symbol(15);
  accepted(w.str(), text);
}

TEST(Inflate, WindowGoesRoundManyTimes) {
  std::string text = records(3000);
  std::uint32_t state = 1;
  while (text.size() < 400'000) {
    state = state * 1664525 + 1013904223;
    const std::size_t distance = 1 + (state >> 8) % std::min<std::size_t>(text.size(), 32'000);
    for (unsigned n = 3 + state % 200; n != 0; --n) text += text[text.size() - distance];
    text += static_cast<char>(state >> 24);
  }
  const auto in = packed(text, 9, -MAX_WBITS);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1400}, SIZE_MAX})
    for (const std::size_t most : {std::size_t{1}, std::size_t{257}, std::size_t{8192}, SIZE_MAX}) {
      const auto o = ours(Format::raw, in, piece, most);
      EXPECT_EQ(o.status, Status::end);
      EXPECT_TRUE(o.text == text) << piece << " to " << most;
    }
}

TEST(Inflate, FarthestDistanceAcrossTheLap) {
  // 32,768 octets back, over and over, at all places of the ring.
  std::string text = records(32'768);
  std::string in("\x00\x00\x80\xff\x7f", 5);
  in += text;
  BitWriter w;
  w.bits(1, 1).bits(1, 2);
  for (int i = 0; i < 500; ++i) {
    w.fixed(285).code(29, 5).bits(8191, 13);
    for (int k = 0; k < 258; ++k) text += text[text.size() - 32'768];
    w.fixed('x');
    text += 'x';
  }
  in += w.fixed(256).str();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1400}, SIZE_MAX}) {
    const auto o = ours(Format::raw, in, piece);
    EXPECT_EQ(o.status, Status::end);
    EXPECT_TRUE(o.text == text);
  }
}

TEST(Inflate, GivesWhatACutStreamTells) {
  const auto text = records(2000);
  const auto in = packed(text, 6, -MAX_WBITS);
  for (std::size_t n = 0; n < in.size(); ++n) {
    const auto o = ours(Format::raw, std::string_view(in).substr(0, n));
    EXPECT_TRUE(o == zlibs(Format::raw, std::string_view(in).substr(0, n))) << n;
    EXPECT_EQ(o.status, Status::more);
  }
}

TEST(Inflate, LeavesWhatStandsBehindTheStream) {
  const auto in = packed("hello, ward", 6, -MAX_WBITS);
  for (const auto& tail : {std::string(1, '\0'), std::string(100, '\xff')})
    for (std::size_t piece = 1; piece < in.size() + tail.size(); ++piece) {
      const auto o = ours(Format::raw, in + tail, piece);
      EXPECT_EQ(o.status, Status::end);
      EXPECT_EQ(o.taken, in.size()) << piece;
    }
}

TEST(Inflate, NothingHappensAfterTheEnd) {
  Decoder d(Format::raw);
  const auto in = packed("hello", 6, -MAX_WBITS);
  EXPECT_EQ(d.step(as_bytes(in)).status, Status::end);
  const auto again = d.step(as_bytes(in));
  EXPECT_EQ(again.status, Status::end);
  EXPECT_EQ(again.taken, 0U);
  EXPECT_TRUE(again.made.empty());
  d.reset(Format::raw);
  EXPECT_EQ(as_text(d.step(as_bytes(in)).made), "hello");
}

TEST(Inflate, ZlibFrame) {
  const auto text = records(5000);
  const auto in = packed(text, 6, MAX_WBITS);
  accepted(in, text, Format::zlib);
  const auto with = [&](std::size_t at, int octet) {
    auto out = in;
    out[at] = static_cast<char>(octet);
    return out;
  };
  refused(with(1, in[1] ^ 1), Errc::header, "", Format::zlib);
  refused(std::string("\x77\x9c") + in.substr(2), Errc::header, "", Format::zlib);
  refused(std::string("\x88\x1c") + in.substr(2), Errc::window, "", Format::zlib);
  refused(std::string("\x78\xbb") + in.substr(2), Errc::dictionary, "", Format::zlib);
  for (std::size_t i = 1; i <= 4; ++i)
    refused(with(in.size() - i, in[in.size() - i] ^ 0x10), Errc::checksum, text, Format::zlib);
}

TEST(Inflate, GzipFrame) {
  auto in = packed("hello, ward", 6, MAX_WBITS + 16);
  const auto over = in.size() - 8;
  auto o = checked(Format::gzip, in);
  EXPECT_EQ(o.status, Status::end);
  EXPECT_EQ(o.text, "hello, ward");
  EXPECT_EQ(o.taken, over);
  in[in.size() - 6] ^= 0x55;  // a wrong checksum
  EXPECT_EQ(checked(Format::gzip, in).text, "hello, ward");
  in[3] = static_cast<char>(0xe0 | 2 | 4 | 8 | 16);  // every part, and reserved flags
  in.insert(10, std::string("\x03\x00xyz", 5) + std::string("name\0", 5) +
                    std::string("comment\0", 8) + "hc");
  o = checked(Format::gzip, in);
  EXPECT_EQ(o.text, "hello, ward");
  EXPECT_EQ(o.taken, over + 20);
  for (const unsigned at : {0U, 1U, 2U}) {
    auto wrong = in;
    wrong[at] ^= 1;
    refused(wrong, Errc::header, "", Format::gzip);
  }
}

TEST(Inflate, EmptyExtraField) {
  auto in = packed("hello", 6, MAX_WBITS + 16);
  in[3] = 4;
  in.insert(10, std::string(2, '\0'));
  EXPECT_EQ(checked(Format::gzip, in).text, "hello");
}

TEST(Adler32, IsThatOfZlib) {
  std::string text(20'000, '\xff');
  for (std::size_t i = 0; i < 9000; ++i) text[i] = static_cast<char>(i * 31);
  for (const std::size_t n : {0U, 1U, 31U, 32U, 33U, 5551U, 5552U, 5553U, 11'104U, 20'000U}) {
    const auto part = std::string_view(text).substr(text.size() - n);
    EXPECT_EQ(adler32(1, as_bytes(part)),
              ::adler32(1, reinterpret_cast<const Bytef*>(part.data()), static_cast<uInt>(n)));
    EXPECT_EQ(
        adler32(adler32(0xfff0fff0, as_bytes(part)), as_bytes(text)),
        ::adler32(::adler32(0xfff0fff0, reinterpret_cast<const Bytef*>(part.data()),
                            static_cast<uInt>(n)),
                  reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
  }
}

TEST(Pool, GivesTheSameDecoderAgain) {
  const Decoder* first = nullptr;
  {
    const auto d = borrow(Format::raw);
    first = d.get();
    EXPECT_EQ(d->step(as_bytes("\x07")).status, Status::failed);
  }
  const auto again = borrow(Format::raw);
  EXPECT_EQ(again.get(), first);
  EXPECT_EQ(again->error(), Errc::none);
}

TEST(Pool, TakesBackWhatAnotherThreadBorrowed) {
  Borrowed d;
  std::thread([&] { d = borrow(Format::raw); }).join();
  EXPECT_EQ(as_text(d->step(as_bytes(packed("hello", 6, -MAX_WBITS))).made), "hello");
  d.reset();
}

}  // namespace
}  // namespace ww::deflate
