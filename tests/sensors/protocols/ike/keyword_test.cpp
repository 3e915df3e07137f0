/// Keywords over an IKEv2 answer.
#include <unistd.h>

#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

using Sids = std::vector<std::uint32_t>;
Sids sids(const std::string& option) {
  RuleCheck rules("alert ike any any -> any any (" + option + "; sid:1;)\n");
  EXPECT_EQ(rules.refused, "") << option;
  Driver d("ike", 17);
  // ENCR_3DES, PRF_HMAC_SHA2_256, Modp1024, without an integrity transform
  d.server(
      unhex("0102030405060708 1112131415161718 21 20 22 20 00000000 00000040"
            "00000024 00000020 01010003 03000008 01000003 03000008 02000005 00000008 04000002"));
  return rules.match(d, "ike", Dir::to_client);
}

TEST(IkeKeywords, KnowTheChosenProposal) {
  EXPECT_EQ(sids("ike.chosen_sa_attribute:alg_enc=3"), Sids{1});
  EXPECT_EQ(sids("ike.chosen_sa_attribute:alg_dh=2"), Sids{1});
  EXPECT_EQ(sids("ike.chosen_sa_attribute:alg_prf=2"), Sids{});
  EXPECT_EQ(sids("ike.chosen_sa_attribute:alg_auth=0"), Sids{});
  EXPECT_EQ(sids("ike.exchtype:34"), Sids{1});
  EXPECT_EQ(sids("ike.resp_spi; content:\"1112131415161718\""), Sids{1});
}

TEST(IkeKeywords, EventsAnswerToBothNamesOfTheProtocol) {
  EXPECT_EQ(sids("app-layer-event:ike.weak_crypto_enc"), Sids{1});
  EXPECT_EQ(sids("app-layer-event:ikev2.weak_crypto_dh"), Sids{1});
  EXPECT_EQ(sids("app-layer-event:ikev2.weak_crypto_no_auth"), Sids{1});
  EXPECT_EQ(sids("app-layer-event:ike.weak_crypto_noauth"), Sids{1});  // of older rule files
  EXPECT_EQ(sids("app-layer-event:ike.weak_crypto_nodh"), Sids{});
  EXPECT_EQ(sids("app-layer-event:ikev2.weak_crypto_prf"), Sids{});
}

}  // namespace
}  // namespace ww::sensor::test
