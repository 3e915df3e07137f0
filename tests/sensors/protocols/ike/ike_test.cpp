#include <gtest/gtest.h>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string be16(std::size_t v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string be32(std::size_t v) { return be16(v >> 16) + be16(v & 0xffff); }
std::string message(int version, int exchange, int flags, int first, const std::string& body,
                    bool answered = false) {
  return unhex("0102030405060708") + (answered ? unhex("1112131415161718") : std::string(8, '\0')) +
         static_cast<char>(first) + static_cast<char>(version << 4) + static_cast<char>(exchange) +
         static_cast<char>(flags) + be32(7) + be32(28 + body.size()) + body;
}
std::string payload(int next, const std::string& data) {
  return static_cast<char>(next) + "\0"s + be16(data.size() + 4) + data;
}

// Version 1
std::string attribute(int type, int value) {
  return be16(0x8000U | static_cast<unsigned>(type)) + be16(static_cast<std::size_t>(value));
}
const std::string life_duration = be16(12) + be16(4) + be32(86400);
std::string transform(int next, int hash) {
  return payload(next, "\1\1\0\0"s + attribute(1, 7) + attribute(2, hash) + attribute(3, 1) +
                           attribute(4, 2) + attribute(11, 1) + life_duration + attribute(14, 128) +
                           be16(6) + be16(2) + "ab");
}
std::string sa1(int next, const std::string& transforms) {
  return payload(next, be32(1) + be32(1) + payload(0, "\1\1\0\1"s + transforms));
}

TEST(Ike, TellsAVersion1Exchange) {
  Driver d("ike", 17);
  d.client(message(1, 2, 0, 1, sa1(13, transform(3, 1) + transform(0, 2)) + payload(0, "vendor")));
  d.server(message(1, 2, 0, 1, sa1(0, transform(0, 2)), true));
  d.client(message(1, 2, 0, 4, payload(10, "keykey") + payload(0, "nonce"), true));
  d.client(message(1, 2, 1, 5, "encrypted", true));
  ASSERT_EQ(d.count(), 4U);
  const auto first = d.json(0);
  EXPECT_NE(first.find(R"({"ike":{"version_major":1,"version_minor":0,"init_spi":)"
                       R"("0102030405060708","resp_spi":"0000000000000000","message_id":7,)"
                       R"("exchange_type":2,"payload":["SecurityAssociation","Proposal",)"
                       R"("Transform","VendorID"],"ikev1":{"doi":1,"encrypted_payloads":false,)"
                       R"("client":{"proposals":[{"alg_enc":"EncAesCbc","alg_enc_raw":7,)"
                       R"("alg_hash":"HashMd5","alg_hash_raw":1,"alg_auth":"AuthPreSharedKey",)"
                       R"("alg_auth_raw":1,"alg_dh":"GroupAlternate1024BitModpGroup",)"
                       R"("alg_dh_raw":2,"sa_life_type":"LifeTypeSeconds","sa_life_type_raw":1,)"
                       R"("sa_life_duration":"Unknown","sa_life_duration_raw":86400,)"
                       R"("sa_key_length":"Unknown","sa_key_length_raw":128,)"
                       R"("sa_group_prime":"Unknown","sa_group_prime_raw":"6162"})"),
            std::string::npos)
      << first;
  EXPECT_NE(first.find(R"("vendor_ids":["76656e646f72"])"), std::string::npos);
  EXPECT_NE(d.json(1).find(R"("exchange_type":2,"alg_enc":"EncAesCbc","alg_enc_raw":7,)"
                           R"("alg_hash":"HashSha","alg_hash_raw":2)"),
            std::string::npos);
  EXPECT_NE(d.json(2).find(R"("client":{"key_exchange_payload":"6b65796b6579",)"
                           R"("key_exchange_payload_length":6,"nonce_payload":"6e6f6e6365",)"
                           R"("nonce_payload_length":5},"server":{}})"),
            std::string::npos)
      << d.json(2);
  EXPECT_NE(d.json(3).find(R"("payload":["Identification"],"ikev1":{"doi":1,)"
                           R"("encrypted_payloads":true}})"),
            std::string::npos)
      << d.json(3);
  Settings extended;
  extended.set("extended", "yes");
  EXPECT_NE(d.json(0, extended).find(R"("exchange_type_verbose":"Identity Protection")"),
            std::string::npos);

  EXPECT_EQ(d.buffer(0, "ike.init_spi", Dir::to_server), "0102030405060708");
  EXPECT_EQ(d.buffer(1, "ike.resp_spi", Dir::to_client), "1112131415161718");
  EXPECT_EQ(d.buffer(0, "ike.vendor", Dir::to_server), "76656e646f72");
  EXPECT_EQ(d.buffer(2, "ike.key_exchange_payload", Dir::to_server), "keykey");
  EXPECT_EQ(d.buffer(2, "ike.nonce_payload", Dir::to_server), "nonce");
  EXPECT_EQ(d.number(2, "ike.nonce_payload_length", Dir::to_server), 5U);
  EXPECT_EQ(d.number(2, "ike.key_exchange_payload_length", Dir::to_server), 6U);
  EXPECT_EQ(d.number(0, "ike.exchtype", Dir::to_server), 2U);
  const auto chosen = [&](const std::string& name) {
    return d.number(1, "ike.chosen_sa_attribute." + name, Dir::to_client);
  };
  EXPECT_EQ(chosen("alg_hash"), 2U);
  EXPECT_EQ(chosen("sa_life_duration"), 86400U);
  EXPECT_FALSE(chosen("sa_field_size"));
}

TEST(Ike, NamesSeveralChosenProposalsAndLeftovers) {
  Driver d("ike", 17);
  d.server(message(1, 2, 0, 1, sa1(0, transform(3, 1) + transform(0, 2)), true));
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"ike.multiple_server_proposal"}));
  EXPECT_NE(d.json(0).find(R"("server_proposals":[{)"), std::string::npos);
  d.client(message(1, 2, 0, 13, payload(0, "v") + "xx"));
  EXPECT_EQ(d.events(1), (std::vector<std::string>{"ike.payload_extra_data"}));
}

// Version 2
std::string transform2(bool last, int type, int id, const std::string& attributes = "") {
  return (last ? "\0\0"s : "\3\0"s) + be16(8 + attributes.size()) + static_cast<char>(type) +
         "\0"s + be16(static_cast<std::size_t>(id)) + attributes;
}
std::string sa2(int next, int protocol, const std::string& transforms) {
  return payload(next, "\0\0"s + be16(8 + transforms.size()) + "\1"s + static_cast<char>(protocol) +
                           "\0\4"s + transforms);
}
const std::string good2 = transform2(false, 1, 20, "\x80\x0e\1\0"s) + transform2(false, 2, 5) +
                          transform2(false, 3, 12) + transform2(false, 4, 14) +
                          transform2(true, 5, 0);
std::vector<std::string> events_of(int protocol, const std::string& transforms) {
  Driver d("ike", 17);
  d.client(message(2, 34, 8, 33, sa2(0, protocol, transforms)));
  return d.events(0);
}

TEST(Ike, TellsAVersion2Exchange) {
  Driver d("ike", 17);
  d.client(
      message(2, 34, 8, 33, sa2(34, 1, good2) + payload(40, "\0\x0e\0\0key"s) + payload(0, "n")));
  d.server(message(2, 34, 0x20, 33, sa2(41, 1, good2) + payload(0, "\0\0\0\x0e"s), true));
  EXPECT_EQ(d.json(0),
            R"({"ike":{"version_major":2,"version_minor":0,"init_spi":"0102030405060708",)"
            R"("resp_spi":"0000000000000000","message_id":7,"exchange_type":34,)"
            R"("role":"initiator","payload":["SecurityAssociation","KeyExchange","Nonce",)"
            R"("NoNextPayload"],"ikev2":{"errors":0}}})");
  EXPECT_NE(d.json(1).find(R"("role":"responder","alg_enc":"ENCR_AES_GCM_16",)"
                           R"("alg_auth":"AUTH_HMAC_SHA2_256_128","alg_prf":"PRF_HMAC_SHA2_256",)"
                           R"("alg_dh":"Modp2048","alg_esn":"NoESN")"),
            std::string::npos)
      << d.json(1);
  EXPECT_NE(d.json(1).find(R"("ikev2":{"errors":1,"notify":["NO_PROPOSAL_CHOSEN"]})"),
            std::string::npos);
  EXPECT_TRUE(d.events(0).empty());
  EXPECT_EQ(d.number(1, "ike.chosen_sa_attribute.alg_dh", Dir::to_client), 14U);
  EXPECT_EQ(d.number(1, "ike.chosen_sa_attribute.alg_prf", Dir::to_client), 5U);
  EXPECT_FALSE(d.number(1, "ike.chosen_sa_attribute.alg_hash", Dir::to_client));
}

TEST(Ike, NamesEveryWeakness) {
  using V = std::vector<std::string>;
  EXPECT_EQ(
      events_of(1, transform2(false, 1, 3) + transform2(false, 3, 12) + transform2(true, 4, 14)),
      V{"ike.weak_crypto_enc"});
  EXPECT_EQ(events_of(1, good2.substr(0, 12) + transform2(false, 2, 1) + transform2(true, 4, 14)),
            V{"ike.weak_crypto_prf"});
  EXPECT_EQ(events_of(1, good2.substr(0, 12) + transform2(false, 2, 0) + transform2(true, 4, 14)),
            V{"ike.invalid_proposal"});
  EXPECT_EQ(events_of(1, good2.substr(0, 12) + transform2(false, 3, 2) + transform2(true, 4, 14)),
            V{"ike.weak_crypto_auth"});
  EXPECT_EQ(events_of(1, good2.substr(0, 12) + transform2(true, 4, 2)), V{"ike.weak_crypto_dh"});
  EXPECT_EQ(events_of(1, good2.substr(0, 12)), V{"ike.weak_crypto_no_dh"});
  EXPECT_EQ(events_of(1, transform2(false, 1, 12) + transform2(true, 4, 14)),
            V{"ike.weak_crypto_no_auth"});
  EXPECT_EQ(events_of(2, good2), V{"ike.no_encryption"});
  EXPECT_EQ(events_of(1, good2 + transform2(true, 9, 1)), V{"ike.unknown_proposal"});
}

TEST(Ike, NamesWhatIsDamaged) {
  Driver d("ike", 17);
  d.client(message(2, 34, 8, 33, "\0\0\0\xff"s));
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"ike.malformed_data"}));
  d.client("short");
  EXPECT_TRUE(d.failed);
  Driver other("ike", 17);
  other.client(message(3, 34, 8, 0, ""));
  EXPECT_EQ(other.ctx.events, (std::vector<std::string>{"ike.malformed_data"}));
}

TEST(IkeProbe, KnowsVersionsAndDirection) {
  Driver d("ike", 17);
  const auto two = message(2, 34, 8, 33, sa2(0, 1, good2));
  EXPECT_EQ(d.probe(two, Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(two, Dir::to_client), Probe::reversed);
  EXPECT_EQ(d.probe(two + "x", Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe(message(1, 2, 0, 1, ""), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(message(4, 2, 0, 1, ""), Dir::to_server), Probe::no);
}

}  // namespace
}  // namespace ww::sensor::test
