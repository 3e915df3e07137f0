#include "sensors/protocols/http/decode.hpp"

#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>

#include <array>
#include <map>
#include <random>

#include "sensors/protocols/http/inflater.hpp"

namespace ww::sensor::http {
namespace {

std::string deflate_text(std::string_view text, int window_bits) {
  z_stream z{};
  deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 1024, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}
std::string gzip(std::string_view t) { return deflate_text(t, MAX_WBITS + 16); }
std::string zlib(std::string_view t) { return deflate_text(t, MAX_WBITS); }
std::string raw(std::string_view t) { return deflate_text(t, -MAX_WBITS); }

std::string lzma(std::string_view text) {
  lzma_options_lzma options;
  lzma_lzma_preset(&options, 6);  // announces a dictionary of 8 MiB
  lzma_stream s = LZMA_STREAM_INIT;
  EXPECT_EQ(lzma_alone_encoder(&s, &options), LZMA_OK);
  std::string out(text.size() + 1024, '\0');
  s.next_in = reinterpret_cast<const std::uint8_t*>(text.data());
  s.avail_in = text.size();
  s.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  s.avail_out = out.size();
  EXPECT_EQ(lzma_code(&s, LZMA_FINISH), LZMA_STREAM_END);
  out.resize(out.size() - s.avail_out);
  lzma_end(&s);
  return out;
}

struct Outcome {
  std::string text;
  std::map<DecodeEvent, int> events;
};
Outcome decode(std::string_view field, std::string_view body, std::size_t piece = SIZE_MAX,
               DecodeLimits limits = {}) {
  Outcome o;
  limits.time_microseconds = 60'000'000;  // not what is tested
  const DecodeReport report = [&](DecodeEvent e) { ++o.events[e]; };
  const BodyDecoder::Output out = [&](Bytes b) { o.text += as_text(b); };
  BodyDecoder d(parse_codings(field, limits, report), limits);
  while (!body.empty()) {
    const auto part = body.substr(0, piece);
    d.decode(as_bytes(part), out, report);
    body.remove_prefix(part.size());
  }
  d.finish(out, report);
  return o;
}

constexpr std::string_view text =
    "X5O!P%@AP - a body that is long enough to be worth packing, packing, packing, packing";

TEST(BodyDecoder, UndoesWhatItIsTold) {
  EXPECT_EQ(decode("gzip", gzip(text)).text, text);
  EXPECT_EQ(decode("x-gzip", gzip(text)).text, text);
  EXPECT_EQ(decode("deflate", zlib(text)).text, text);
  EXPECT_EQ(decode("deflate", raw(text)).text, text);
  DecodeLimits limits;
  limits.lzma_layers = 1;
  EXPECT_EQ(decode("lzma", lzma(text), SIZE_MAX, limits).text, text);
}

TEST(BodyDecoder, DoesNotDependOnHowTheBodyIsCut) {
  DecodeLimits limits;
  limits.lzma_layers = 1;
  const std::pair<const char*, std::string> cases[] = {{"gzip", gzip(text)},
                                                       {"deflate", zlib(text)},
                                                       {"deflate", gzip(text)},
                                                       {"gzip", raw(text)},
                                                       {"gzip", std::string(text)},
                                                       {"lzma", lzma(text)},
                                                       {"gzip", gzip(text) + "trailing"},
                                                       {"gzip, deflate", gzip(text)},
                                                       {"deflate", gzip(text).substr(0, 40)}};
  for (const auto& [field, body] : cases) {
    const auto whole = decode(field, body, SIZE_MAX, limits);
    for (std::size_t piece = 1; piece <= body.size(); ++piece)
      EXPECT_EQ(decode(field, body, piece, limits).text, whole.text)
          << field << " in pieces of " << piece;
  }
}

/// Whoever sends the segments must not choose how much of a broken body is seen, nor whether it
/// counts as coded.
TEST(BodyDecoder, DoesNotDependOnHowADamagedBodyIsCut) {
  std::mt19937 random(11);
  std::string records;
  for (int i = 0; i < 300; ++i) records += "record " + std::to_string(random() % 1000) + "; ";
  for (const auto& body : {gzip(records), gzip("hello, ward")})
    for (int n = 0; n < 150; ++n) {
      auto damaged = body;
      damaged[10 + random() % (damaged.size() - 10)] ^= static_cast<char>(1U << (random() % 8));
      const auto whole = decode("gzip", damaged);
      for (const std::size_t piece : {1U, 2U, 7U, 64U, 500U}) {
        const auto cut = decode("gzip", damaged, piece);
        ASSERT_EQ(cut.text, whole.text) << n << " in pieces of " << piece;
        ASSERT_EQ(cut.events, whole.events) << n << " in pieces of " << piece;
      }
    }
}

TEST(BodyDecoder, TriesWhatServersConfuse) {
  EXPECT_EQ(decode("gzip", raw(text)).text, text);
  EXPECT_EQ(decode("gzip", zlib(text)).text, text);
  EXPECT_EQ(decode("deflate", gzip(text)).text, text);
}

TEST(BodyDecoder, PassesThroughWhatIsNotCoded) {
  EXPECT_EQ(decode("gzip", text).text, text);
  EXPECT_EQ(decode("deflate", text).text, text);
  EXPECT_EQ(decode("gzip", "abc").text, "abc");
}

TEST(BodyDecoder, IsNotFooledByTextThatStartsLikeDeflate) {
  constexpr std::string_view json =
      R"({"sdk_version":11026,"app_package":"com.xcm.huasheng","app_version":"1.7.4","device_id":"350672920106648"})";
  for (std::size_t n = 1; n <= json.size(); ++n) EXPECT_EQ(decode("gzip", json, n).text, json);
}

TEST(BodyDecoder, DoesNotMindAWrongGzipChecksum) {
  auto body = gzip(text);
  body[body.size() - 6] ^= 0x55;
  EXPECT_EQ(decode("gzip", body).text, text);
}

TEST(BodyDecoder, ReadsOptionalPartsOfAGzipHeader) {
  auto body = gzip(text);
  body[3] = 2 | 4 | 8 | 16;
  body.insert(10, std::string("\x03\x00xyz", 5) + std::string("name\0", 5) +
                      std::string("comment\0", 8) + "hc");
  EXPECT_EQ(decode("gzip", body).text, text);
}

TEST(BodyDecoder, UndoesLayersInTheOrderListed) {
  DecodeLimits limits;
  limits.layers = 3;
  EXPECT_EQ(decode("gzip, deflate", gzip(zlib(text)), SIZE_MAX, limits).text, text);
  EXPECT_EQ(decode("deflate,gzip,deflate", zlib(gzip(raw(text))), SIZE_MAX, limits).text, text);
}

TEST(BodyDecoder, RefusesMoreLayersThanAllowed) {
  const auto o = decode("gzip, gzip, gzip", gzip(gzip(gzip(text))));
  EXPECT_EQ(o.text, gzip(text));
  EXPECT_EQ(o.events.at(DecodeEvent::too_many_layers), 1);
}

TEST(BodyDecoder, ReportsCodingsNoHonestServerWrites) {
  EXPECT_EQ(decode("gzip, foo", gzip(text)).events.at(DecodeEvent::abnormal_coding), 1);
  EXPECT_EQ(decode("xgzip,", gzip(text)).text, text);
  EXPECT_TRUE(decode("identity", text).events.empty());
}

/// What was read too far is given back at the end, and may be older than the last piece.
TEST(Inflater, NeverTakesMoreThanItWasGiven) {
  const std::string plain(300, 'x');
  std::vector<std::string> bodies{gzip(plain), raw(plain), zlib(plain), "\xb3 request fieldo",
                                  "\xb3 request field"};
  for (int first = 0; first < 256; ++first)
    bodies.push_back(static_cast<char>(first) + std::string(" request fieldo and more"));
  for (const auto& body : bodies)
    for (const auto coding : {Coding::gzip, Coding::deflate, Coding::zlib})
      for (std::size_t piece = 1; piece < 20; ++piece) {
        const auto inflater = Inflater::make(coding, DecodeLimits{});
        std::array<std::uint8_t, 64> space;
        std::string_view left = body;
        for (int steps = 0; !left.empty() && steps < 2000; ++steps) {
          const auto part = left.substr(0, piece);
          const auto s = inflater->step(as_bytes(part), space);
          ASSERT_LE(s.taken, part.size()) << piece;
          if (s.status == Inflater::Status::failed || s.status == Inflater::Status::end) break;
          left.remove_prefix(s.taken);
        }
      }
}

TEST(BodyDecoder, StopsABomb) {
  const auto bomb = gzip(gzip(std::string(64 << 20, 'a')));
  const auto o = decode("gzip, gzip", bomb);
  EXPECT_EQ(o.events.at(DecodeEvent::bomb), 1);
  EXPECT_LT(o.text.size(), (1U << 20) + bomb.size() * 2048 + 65536);
}

TEST(BodyDecoder, PassesLzmaThroughUnlessEnabled) {
  EXPECT_EQ(decode("lzma", lzma(text)).text, lzma(text));
}

TEST(BodyDecoder, ReportsLzmaThatNeedsTooMuchMemory) {
  DecodeLimits limits;
  limits.lzma_layers = 1;
  limits.lzma_memory = 64 << 10;
  std::string far(256 << 10, '\0');
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < far.size() / 2; ++i)
    far[i] = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  std::copy(far.begin(), far.begin() + static_cast<std::ptrdiff_t>(far.size() / 2),
            far.begin() + static_cast<std::ptrdiff_t>(far.size() /
                                                      2));  // a repeat farther back than the limit
  EXPECT_EQ(decode("lzma", lzma(far), SIZE_MAX, limits).events.at(DecodeEvent::lzma_memory), 1);
}

TEST(BodyDecoder, KeepsWhatCameBeforeDamage) {
  auto body = gzip(std::string(4000, 'a') + std::string(text));
  body.resize(body.size() - 20);
  body += std::string(40, '\xff');
  const auto o = decode("gzip", body);
  EXPECT_TRUE(o.text.starts_with("aaaa"));
}

TEST(BodyDecoder, ReadsBrotli) {
  const std::string_view packed(
      "\x1b"
      "\x2e"
      "\x00"
      "\xf8"
      "\x1d"
      "\x09"
      "\x36"
      "\x4e"
      "\x74"
      "\x6f"
      "\x24"
      "\x86"
      "\xd7"
      "\x62"
      "\x65"
      "\x68"
      "\x72"
      "\x1a"
      "\x84"
      "\x85"
      "\x8d"
      "\x4e"
      "\xb2"
      "\xa5"
      "\xbd"
      "\x45"
      "\x53"
      "\xf1"
      "\x00"
      "\xcb"
      "\x0c"
      "\xbf"
      "\x04",
      33);
  const std::string_view plain = "hello brotli, hello brotli, hello brotli, hello";
  for (std::size_t piece = 1; piece <= packed.size(); ++piece)
    EXPECT_EQ(decode("br", packed, piece).text, plain);
}

}  // namespace
}  // namespace ww::sensor::http
