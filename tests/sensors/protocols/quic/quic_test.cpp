#include "sensors/protocols/quic/quic.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

std::string be16(std::size_t v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string be32(std::uint32_t v) { return be16(v >> 16) + be16(v & 0xffff); }
std::string variable(std::size_t v) {
  return v < 64 ? std::string(1, static_cast<char>(v)) : be16(0x4000 | v);
}
std::string with_length(const std::string& s) { return be16(s.size()) + s; }
std::string extension(unsigned type, const std::string& data) {
  return be16(type) + with_length(data);
}
std::string handshake(char type, const std::string& body) {
  return std::string(1, type) + '\0' + be16(body.size()) + body;
}
std::string client_hello(const std::string& host = "www.example.org") {
  const auto extensions =
      extension(0x1a1a, "") + extension(0, with_length('\0' + with_length(host))) +
      extension(10, with_length(be16(0x1a1a) + be16(29))) +
      extension(13, with_length(be16(0x403))) + extension(16, with_length("\2h3")) +
      extension(43, "\2" + be16(0x304)) + extension(57, "");
  return handshake(1, be16(0x303) + std::string(32, 'r') + '\0' +
                          with_length(be16(0x2a2a) + be16(0x1301)) + std::string("\1\0", 2) +
                          with_length(extensions));
}
std::string server_hello() {
  return handshake(2, be16(0x303) + std::string(32, 's') + '\0' + be16(0x1301) + '\0' +
                          with_length(extension(43, be16(0x304)) + extension(51, "")));
}
std::string crypto(std::size_t offset, const std::string& data) {
  return '\6' + variable(offset) + variable(data.size()) + data;
}

using namespace std::string_literals;
const std::string dcid = unhex("8394c8f03e515708");

/// The other way round from the parser: protects one Initial packet with a packet number of one
/// octet.
std::string seal(const std::string& frames, bool client, std::uint32_t version = 1,
                 const std::string& id = dcid, const std::string& token = "") {
  const auto keys = quic::initial_keys(version, as_bytes(id))->side[client ? 0 : 1];
  auto plain = frames;
  if (plain.size() < 32) plain.resize(32);  // padding frames, so that there is a sample
  const auto first = static_cast<char>(version == quic::version::v2 ? 0xd0 : 0xc0);
  std::string header = first + be32(version) + static_cast<char>(id.size()) + id + '\0' +
                       variable(token.size()) + token + variable(1 + plain.size() + 16);
  const auto number_at = header.size();
  header += '\7';
  auto iv = keys.iv;
  iv[11] ^= 7;
  std::string sealed(plain.size() + 16, '\0');
  const auto octets = [](const std::string& s) {
    return reinterpret_cast<const unsigned char*>(s.data());
  };
  const auto out = reinterpret_cast<unsigned char*>(sealed.data());
  int n = 0;
  auto* c = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), nullptr, keys.key.data(), iv.data());
  EVP_EncryptUpdate(c, nullptr, &n, octets(header), static_cast<int>(header.size()));
  EVP_EncryptUpdate(c, out, &n, octets(plain), static_cast<int>(plain.size()));
  EVP_EncryptFinal_ex(c, out + n, &n);
  EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + plain.size());
  auto packet = header + sealed;
  unsigned char mask[32];
  EVP_CIPHER_CTX_reset(c);
  EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), nullptr, keys.header.data(), nullptr);
  EVP_EncryptUpdate(c, mask, &n, octets(packet) + number_at + 4, 16);
  EVP_CIPHER_CTX_free(c);
  packet[0] = static_cast<char>(packet[0] ^ (mask[0] & 0x0f));
  packet[number_at] = static_cast<char>(packet[number_at] ^ mask[1]);
  return packet;
}

std::string hex(Bytes octets) {
  std::string out;
  append_hex(out, octets);
  return out;
}

TEST(QuicKeys, AreThoseOfTheRfcs) {
  const auto v1 = quic::initial_keys(quic::version::v1, as_bytes(dcid));
  ASSERT_TRUE(v1);
  EXPECT_EQ(hex(v1->side[0].key), "1f369613dd76d5467730efcbe3b1a22d");
  EXPECT_EQ(hex(v1->side[0].iv), "fa044b2f42a3fd3b46fb255c");
  EXPECT_EQ(hex(v1->side[0].header), "9f50449e04a0e810283a1e9933adedd2");
  EXPECT_EQ(hex(v1->side[1].key), "cf3a5331653c364c88f0f379b6067e37");
  EXPECT_EQ(hex(v1->side[1].header), "c206b8d9b9f0f37644430b490eeaa314");
  const auto v2 = quic::initial_keys(quic::version::v2, as_bytes(dcid));
  ASSERT_TRUE(v2);
  EXPECT_EQ(hex(v2->side[0].key), "8b1a0bc121284290a29e0971b5cd045d");
  EXPECT_EQ(hex(v2->side[0].header), "45b95e15235d6f45a6b19cbcb0294ba9");
  for (const std::uint32_t draft : {23U, 28U, 29U, 32U, 34U})
    EXPECT_TRUE(quic::initial_keys(0xff000000 + draft, as_bytes(dcid))) << draft;
  EXPECT_FALSE(quic::initial_keys(0x1a2a3a4a, as_bytes(dcid)));
}

TEST(Quic, ReadsBothHellos) {
  for (const std::uint32_t version : {quic::version::v1, quic::version::v2, 0xff00001dU}) {
    Driver d("quic", 17);
    d.client(seal(crypto(0, client_hello()), true, version));
    // The server names the client's connection id nowhere, its keys follow from the first packet.
    d.server(seal(crypto(0, server_hello()), false, version));
    ASSERT_EQ(d.count(), 2U) << version;
    EXPECT_EQ(d.buffer(0, "quic.sni", Dir::to_server), "www.example.org");
    EXPECT_EQ(d.buffer(0, "quic.version", Dir::to_server), be32(version));
    const auto client = d.json(0), server = d.json(1);
    EXPECT_NE(client.find(R"("sni":"www.example.org")"), std::string::npos) << client;
    // GREASE stays in these fingerprints.
    EXPECT_NE(client.find(R"("string":"771,10794-4865,64250-0-10-13-16-43-57,6682-29,"})"),
              std::string::npos)
        << client;
    EXPECT_NE(client.find(R"("ja4":"q13d0106h3_)"), std::string::npos) << client;
    EXPECT_NE(client.find(R"({"name":"alpn","type":16,"values":["h3"]})"), std::string::npos);
    EXPECT_NE(server.find(R"("ja3s":{)"), std::string::npos) << server;
    EXPECT_EQ(d.buffer(1, "ja3s.string", Dir::to_client), "771,4865,43-51");
  }
}

TEST(Quic, PutsAHelloTogetherFromAnyOrder) {
  const auto hello = client_hello(std::string(250, 'h'));
  for (std::size_t cut = 1; cut < hello.size(); cut += 7) {
    Driver d("quic", 17);
    const auto middle = cut / 2;
    d.client(seal(crypto(cut, hello.substr(cut)) + '\1', true));
    d.client(seal(
        crypto(middle, hello.substr(middle, cut - middle)) + crypto(0, hello.substr(0, middle)),
        true));
    ASSERT_EQ(d.count(), 2U) << cut;
    EXPECT_EQ(d.buffer(0, "quic.sni", Dir::to_server), "<absent>") << cut;
    EXPECT_EQ(d.buffer(1, "quic.sni", Dir::to_server), std::string(250, 'h')) << cut;
  }
}

TEST(Quic, ReadsCoalescedPacketsAndStopsAfterTheHello) {
  Driver d("quic", 17);
  const auto hello = client_hello();
  d.client(seal(crypto(0, hello.substr(0, 50)), true) + seal(crypto(50, hello.substr(50)), true) +
           "anything at all");
  EXPECT_EQ(d.count(), 2U);
  EXPECT_FALSE(d.failed);
  d.client(seal(crypto(0, hello), true));
  EXPECT_EQ(d.count(), 2U);
}

TEST(Quic, StartsAgainAfterRetry) {
  Driver d("quic", 17);
  d.client(seal(crypto(0, client_hello("first.example")), true));
  d.server('\xf0' + be32(1) + std::string("\0\4", 2) + "abcd" + std::string(30, 't'));
  const auto second = seal(crypto(0, client_hello("second.example")), true, 1, "new-identifier");
  d.client(second);
  ASSERT_EQ(d.count(), 3U);
  EXPECT_EQ(d.buffer(2, "quic.sni", Dir::to_server), "second.example");
}

TEST(Quic, NamesWhatIsWrong) {
  {
    Driver d("quic", 17);
    auto packet = seal(crypto(0, client_hello()), true);
    packet.back() = static_cast<char>(packet.back() ^ 1);
    d.client(packet);
    EXPECT_TRUE(d.failed);
    EXPECT_EQ(d.events(0), std::vector<std::string>{"quic.failed_decrypt"});
  }
  {
    Driver d("quic", 17);
    d.client(seal("\6\0\x7f\xff" + std::string(40, 'x'), true));
    EXPECT_TRUE(d.failed);
    EXPECT_EQ(d.events(0), std::vector<std::string>{"quic.error_on_data"});
  }
  {
    Driver d("quic", 17);
    d.client(seal('\6' + unhex("8000ffff") + '\5' + "hello", true));
    EXPECT_EQ(d.events(0), std::vector<std::string>{"quic.crypto_frag_too_long"});
  }
}

TEST(Quic, ReadsGoogleHello) {
  const auto entry = [](const std::string& tag, std::uint32_t end) {
    return tag + static_cast<char>(end) + std::string(3, '\0');
  };
  const std::string chlo = "CHLO" + std::string("\3\0\0\0", 4) + entry("PAD\0"s, 2) +
                           entry("SNI\0"s, 6) + entry("UAID", 9) + "ppgoogua!";
  const std::string plain = "\xa0" + std::string(1, '\1') + be16(chlo.size()) + chlo;
  Driver d("quic", 17);
  d.client("\xff" + std::string("Q044") + '\x50' + dcid + be32(1) + std::string(12, 'h') + plain);
  ASSERT_EQ(d.count(), 1U);
  EXPECT_EQ(d.buffer(0, "quic.sni", Dir::to_server), "goog");
  EXPECT_EQ(d.buffer(0, "quic.ua", Dir::to_server), "ua!");
  EXPECT_EQ(d.buffer(0, "quic.cyu.string", Dir::to_server), "44,PAD-SNI-UAID");
  // MD5 of that text
  const std::string hash = "38b51a3ce188bba87bede0c0f72b3cc9";
  EXPECT_EQ(d.buffer(0, "quic.cyu.hash", Dir::to_server), hash);
  EXPECT_NE(d.json(0).find(R"("cyu":[{"hash":")" + hash + R"(","string":"44,PAD-SNI-UAID"}])"),
            std::string::npos)
      << d.json(0);
  EXPECT_NE(d.json(0).find(R"("version":"Q044")"), std::string::npos) << d.json(0);
}

TEST(QuicHeader, RefusesEveryCutOfAnInitial) {
  const auto packet = seal(crypto(0, client_hello()), true);
  for (std::size_t n = 0; n < packet.size(); ++n)
    EXPECT_FALSE(quic::parse_header(as_bytes(packet).first(n))) << n;
  EXPECT_TRUE(quic::parse_header(as_bytes(packet)));
}

TEST(QuicFrames, SkipsAcknowledgements) {
  const auto octets =
      unhex("03 05 01 01 00 02 03 07 08 09") + std::string(3, '\0') + "\1" + crypto(4, "data");
  const auto frames = quic::parse_frames(as_bytes(octets));
  ASSERT_TRUE(frames);
  ASSERT_EQ(frames->crypto.size(), 1U);
  EXPECT_EQ(frames->crypto[0].offset, 4U);
}

}  // namespace
}  // namespace ww::sensor::test
