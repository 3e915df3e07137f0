#include "telemetry/base64.hpp"

#include <gtest/gtest.h>

#include <random>

#include "telemetry/json_writer.hpp"

namespace ww {
namespace {

TEST(Base64, ReadsTheExamplesOfTheRfc) {
  for (const auto& [octets, text] : {std::pair{"", ""},
                                     {"f", "Zg=="},
                                     {"fo", "Zm8="},
                                     {"foo", "Zm9v"},
                                     {"foob", "Zm9vYg=="},
                                     {"fooba", "Zm9vYmE="},
                                     {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(decode_base64(text), octets) << text;
    EXPECT_EQ(decode_base64(std::string_view(text).substr(0, std::string_view(text).find('='))),
              octets)
        << "without padding";
  }
  EXPECT_EQ(decode_base64("-_8"), decode_base64("+/8="));
}

TEST(Base64, RefusesWhatNoOctetsGive) {
  for (const auto* text :
       {"Z", "Zg===", "Z===", "Zm9v Zg==", "Zm9\n", "Zm9=", "Zg==Zg==", "\xc3\xa4"})
    EXPECT_FALSE(decode_base64(text)) << text;
  EXPECT_FALSE(decode_base64("Zh==")) << "bits behind the end";
}

TEST(Base64, GivesBackWhatWasWritten) {
  std::mt19937 chance(7);
  for (std::size_t n = 0; n < 200; ++n) {
    std::string octets(n, '\0');
    for (auto& c : octets) c = static_cast<char>(chance());
    std::string text;
    append_base64(text, as_bytes(octets));
    EXPECT_EQ(decode_base64(text), octets);
  }
}

}  // namespace
}  // namespace ww
