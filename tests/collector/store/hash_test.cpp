#include "collector/store/hash.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

namespace ww::collector {
namespace {

/// hash64 as the first files were written with it.
std::uint64_t as_ever(std::string_view s, std::uint64_t seed) {
  std::uint64_t h = seed ^ (s.size() * 0x9e3779b97f4a7c15ULL);
  for (std::size_t i = 0; i < s.size(); i += 8) {
    std::uint64_t v = 0;
    for (std::size_t k = 0; k < 8 && i + k < s.size(); ++k)
      v |= std::uint64_t{static_cast<unsigned char>(s[i + k])} << k * 8;
    h = (h ^ v) * 0xff51afd7ed558ccdULL;
    h ^= h >> 32;
  }
  return mix64(h);
}

TEST(Hash, IsThatOfTheFilesThatAreThere) {
  EXPECT_EQ(hash64("log.host"), 0x537e4edc1e01d5beULL);
  EXPECT_EQ(hash64("10.2.17.88", 0x77), 0x2ab36368ca18f7adULL);
  std::mt19937_64 random(1);
  for (std::size_t n = 0; n < 40; ++n) {
    for (int i = 0; i < 50; ++i) {
      // A copy of its own size, so that a sanitizer sees a read beyond it.
      std::string s(n, '\0');
      for (auto& c : s) c = static_cast<char>(random());
      const std::unique_ptr<char[]> copy(new char[n]);
      std::copy(s.begin(), s.end(), copy.get());
      const auto seed = random();
      EXPECT_EQ(hash64({copy.get(), n}, seed), as_ever(s, seed)) << n;
    }
  }
}

}  // namespace
}  // namespace ww::collector
