#include <gtest/gtest.h>

#include <random>

#include "tests/sensors/decode/builder.hpp"

namespace ww::decode::test {
namespace {

/// RFC 1071 section 1, word by word.
std::uint16_t obvious(Bytes b) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < b.size(); i += 2) {
    sum += static_cast<std::uint32_t>(b[i] << 8) + (i + 1 < b.size() ? b[i + 1] : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
}

TEST(Checksum, MatchesTheExampleOfRfc1071) {
  EXPECT_EQ(checksum_finish(checksum_add(hex("0001f203f4f5f6f7"), 0)),
            static_cast<std::uint16_t>(~0xddf2));
}

TEST(Checksum, AgreesWithAnObviousImplementationForEveryLength) {
  std::mt19937 random(7);
  Octets all(300);
  for (auto& o : all) o = static_cast<std::uint8_t>(random());
  for (std::size_t n = 0; n <= all.size(); ++n) {
    const auto part = Bytes(all).first(n);
    EXPECT_EQ(checksum_finish(checksum_add(part, 0)), obvious(part)) << n;
  }
  const Octets ones(65535, 0xff);
  EXPECT_EQ(checksum_finish(checksum_add(ones, 0)), obvious(ones));
}

}  // namespace
}  // namespace ww::decode::test
