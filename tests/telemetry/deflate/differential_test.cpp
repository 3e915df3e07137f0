/// Against zlib: streams of all kinds, whole and damaged, at random cuts.
#include <gtest/gtest.h>

#include <random>

#include "tests/telemetry/deflate/reference.hpp"

namespace ww::deflate {
namespace {

class Differential : public testing::Test {
 protected:
  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }

  std::string text(std::size_t size) {
    std::string out;
    const unsigned alphabet = 2 + below(255), kind = below(4);
    while (out.size() < size) {
      if (kind != 0 && !out.empty() && below(3) != 0) {
        const auto distance = 1 + below(std::min<std::size_t>(out.size(), kind == 1 ? 20 : 40'000));
        for (unsigned n = 3 + below(kind == 2 ? 300 : 12); n != 0; --n)
          out += out[out.size() - distance];
      } else {
        out += static_cast<char>(below(alphabet));
      }
    }
    return out;
  }
  std::string stream(Format format, std::size_t size) {
    constexpr int strategies[] = {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED, Z_FILTERED};
    return packed(text(size), static_cast<int>(below(10)),
                  format == Format::raw ? -MAX_WBITS : MAX_WBITS, strategies[below(5)]);
  }
  void compare(Format format, const std::string& in) {
    const auto expected = zlibs(format, in);
    const auto check = [&](const Outcome& got, const char* how) {
      ASSERT_EQ(got.text.size(), expected.text.size()) << how;
      ASSERT_EQ(got.text, expected.text) << how;
      ASSERT_EQ(errc_name(got.error), errc_name(expected.error)) << how;
      ASSERT_EQ(got.status, expected.status) << how;
      if (expected.status == Status::end) {
        ASSERT_EQ(got.taken, expected.taken) << how;
      }
    };
    check(ours(format, in), "whole");
    check(ours(format, in, 1, 1), "octet by octet");
    check(ours(format, in, 1400, 8192), "as segments");
    for (int n = 0; n < 3; ++n)
      check(ours(
                format, in, [&] { return below(2) != 0 ? below(30) : below(2000); },
                [&] { return 1 + below(below(2) != 0 ? 20 : 20'000); }, *decoder_),
            "at random cuts");
  }

  std::mt19937 random_{20260727};
  Borrowed decoder_ = borrow(Format::raw);
};

TEST_F(Differential, WholeStreams) {
  for (int n = 0; n < 300 && !HasFatalFailure(); ++n) {
    const auto format = n % 2 == 0 ? Format::raw : Format::zlib;
    compare(format, stream(format, n % 20 == 0 ? below(200'000) : below(5000)) +
                        std::string(below(4), 'x'));
  }
}

TEST_F(Differential, DamagedStreams) {
  for (int n = 0; n < 3000 && !HasFatalFailure(); ++n) {
    const auto format = n % 2 == 0 ? Format::raw : Format::zlib;
    auto in = stream(format, n % 100 == 0 ? 40'000 + below(100'000) : 1 + below(3000));
    for (unsigned k = 1 + below(3); k != 0; --k) {
      // The beginning, where the codes stand, as often as all the rest.
      const auto at = below(below(2) != 0 ? in.size() : std::min<std::size_t>(in.size(), 80));
      in[at] ^= static_cast<char>(1U << below(8));
    }
    if (below(4) == 0) in.resize(below(in.size()));
    compare(format, in);
  }
}

TEST_F(Differential, AnyOctets) {
  for (int n = 0; n < 20'000 && !HasFatalFailure(); ++n) {
    std::string in(1 + below(120), '\0');
    for (auto& c : in) c = static_cast<char>(below(256));
    if (n % 2 == 0)
      in[0] = static_cast<char>((static_cast<unsigned>(in[0]) & ~7U) | 4U |
                                below(2));  // a dynamic block
    const auto format = n % 8 == 7 ? Format::zlib : Format::raw;
    if (format == Format::zlib) in = "\x78\x9c" + in;
    compare(format, in);
  }
}

/// Descriptions of codes which are nearly right: whether zlib takes them is a matter of details.
TEST_F(Differential, AnyCodes) {
  for (int n = 0; n < 4000 && !HasFatalFailure(); ++n) {
    std::string in;
    unsigned bits = 0;
    const auto put = [&](unsigned v, unsigned count) {
      for (unsigned i = 0; i < count; ++i, ++bits) {
        if (bits % 8 == 0) in += '\0';
        if (((v >> i) & 1) != 0) in.back() |= static_cast<char>(1U << (bits % 8));
      }
    };
    put(1 + 4, 3);
    put(below(n % 50 == 0 ? 32 : 29), 5);
    put(below(n % 50 == 1 ? 32 : 30), 5);
    put(15, 4);
    // The code of lengths: complete, with short codes for few symbols, in half of all cases.
    std::array<unsigned, 19> lengths{};
    if (below(2) != 0) {
      lengths[below(19)] = 1;
      lengths[below(19)] = 2;
      lengths[below(19)] = 3;
      lengths[below(19)] = 3;
    } else {
      for (auto& l : lengths) l = below(3) == 0 ? 0 : 3 + below(3);
    }
    for (const auto l : lengths) put(l, 3);
    for (int i = 0; i < 600; ++i) put(below(256), 8);
    compare(Format::raw, in);
  }
}

}  // namespace
}  // namespace ww::deflate
