/// What each keyword of TLS sees, from which side.
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

constexpr auto c = Dir::to_server, s = Dir::to_client;
constexpr std::string_view certificate_hex =
#include "certificate.inc"
    ;

std::string be(std::size_t v, int octets) {
  std::string out;
  while (octets-- > 0) out += static_cast<char>(v >> (8 * octets));
  return out;
}
std::string message(unsigned type, const std::string& body) {
  return be(22, 1) + be(0x0303, 2) + be(body.size() + 4, 2) + be(type, 1) + be(body.size(), 3) +
         body;
}
std::string extension(unsigned type, const std::string& data) {
  return be(type, 2) + be(data.size(), 2) + data;
}
std::string hello(char random, const std::string& suites, const std::string& extensions) {
  return be(0x0303, 2) + std::string(4, 't') + std::string(28, random) + be(0, 1) + suites +
         extensions;
}

/// A client that offers h2 and http/1.1; a server that takes h2 and shows two certificates.
void converse(Driver& d) {
  const std::string host = "PACS.example";
  const auto offered = extension(0, be(host.size() + 3, 2) + be(0, 1) + be(host.size(), 2) + host) +
                       extension(16, be(12, 2) + "\x02h2" + "\x08http/1.1");
  d.client(message(1, hello('c', be(4, 2) + be(0xc02fc030, 4) + be(1, 1) + be(0, 1),
                            be(offered.size(), 2) + offered)));
  const auto taken = extension(16, be(3, 2) + "\x02h2");
  d.server(message(2, hello('s', be(0xc02f, 2) + be(0, 1), be(taken.size(), 2) + taken)));
  const auto der = unhex(certificate_hex);
  const auto one = be(der.size(), 3) + der;
  d.server(message(11, be(2 * one.size(), 3) + one + one));
  d.server(message(14, ""));
}

class TlsKeyword : public testing::Test {
 protected:
  void SetUp() override { converse(d_); }
  bool client(const std::string& options) { return holds(d_, "tls", c, options); }
  bool server(const std::string& options) { return holds(d_, "tls", s, options); }

 private:
  Driver d_{"tls", 6};
};

TEST_F(TlsKeyword, SeesTheHelloOfItsOwnSide) {
  EXPECT_TRUE(client("tls.sni; content:\"pacs.example\"; nocase; bsize:12"));
  EXPECT_FALSE(client("tls.sni; content:\"pacs.example2\"; nocase"));
  EXPECT_FALSE(server("tls.sni; content:\"PACS\""));
  EXPECT_TRUE(client("tls_sni; content:\"PACS\""));  // its former name
  EXPECT_TRUE(client("tls.alpn; content:\"http/1.1\"; bsize:8"));
  EXPECT_TRUE(client("tls.alpn; content:\"h2\"; bsize:2"));  // each of the list by itself
  EXPECT_TRUE(server("tls.alpn; content:\"h2\"; bsize:2"));
  EXPECT_FALSE(server("tls.alpn; content:\"http/1.1\""));
  EXPECT_TRUE(client("tls.random; content:\"ttttcccc\"; startswith; bsize:32"));
  EXPECT_TRUE(server("tls.random; content:\"ttttssss\"; startswith"));
  EXPECT_TRUE(client("tls.random_time; content:\"tttt\"; bsize:4"));
  EXPECT_TRUE(client("tls.random_bytes; content:\"cccc\"; bsize:28"));
  EXPECT_FALSE(client("tls.random_bytes; content:\"s\""));
}

TEST_F(TlsKeyword, SeesTheCertificateOfTheServer) {
  EXPECT_TRUE(server("tls.cert_subject; content:\"CN=pacs.example.nhs.uk\""));
  EXPECT_FALSE(client("tls.cert_subject; content:\"CN=pacs.example.nhs.uk\""));
  EXPECT_FALSE(server("tls.cert_subject; content:\"CN=other\""));
  EXPECT_TRUE(server("tls.cert_issuer; content:\"O=Example\""));
  EXPECT_TRUE(server("tls.cert_serial; content:\"00:97:E6\"; bsize:8"));
  EXPECT_TRUE(server("tls.cert_fingerprint; bsize:59; pcre:\"/^([0-9a-f]{2}:){19}/\""));
  EXPECT_TRUE(server("tls.certs; content:\"|30 82|\"; startswith; content:\"pacs.example\""));
  EXPECT_FALSE(client("tls.certs; content:\"|30 82|\""));
  EXPECT_TRUE(server("tls.subjectaltname; content:\"192.0.2.1\"; bsize:9"));
  EXPECT_TRUE(server("tls.subjectaltname; content:\"pacs.example.nhs.uk\"; bsize:19"));
  EXPECT_TRUE(server("tls.cert_chain_len:2"));
  EXPECT_FALSE(server("tls.cert_chain_len:>2"));
  EXPECT_FALSE(client("tls.cert_chain_len:2"));
}

TEST_F(TlsKeyword, FormerNamesCarryTheirPattern) {
  EXPECT_TRUE(server("tls.subject:\"CN=pacs.example\""));
  EXPECT_FALSE(server("tls.subject:!\"CN=pacs.example\""));
  EXPECT_TRUE(server("tls.issuerdn:!\"CN=other\""));
  EXPECT_FALSE(server("tls.issuerdn:\"CN=other\""));
  EXPECT_FALSE(server("tls.fingerprint:\"00:01:02\""));
  EXPECT_TRUE(server("tls.fingerprint:!\"00:01:02\""));
}

TEST_F(TlsKeyword, KnowsTheVersionInUse) {
  for (const std::string k : {"tls.version", "ssl_version"}) {
    const bool old = k == "ssl_version";
    EXPECT_TRUE(server(k + (old ? ":tls1.2" : ":1.2"))) << k;
    EXPECT_FALSE(server(k + (old ? ":tls1.3" : ":1.3"))) << k;
  }
  EXPECT_TRUE(server("ssl_version:tls1.0,tls1.2"));
  EXPECT_FALSE(server("ssl_version:!tls1.2"));
  EXPECT_TRUE(server("ssl_version:!tls1.0"));
  EXPECT_TRUE(server("tls.version:0x0303"));
}

TEST_F(TlsKeyword, ComparesTheValidity) {
  // Valid from 2026-11-22T03:46:20 for 30 days; the packets are of no time, long before.
  EXPECT_TRUE(server("tls_cert_notbefore:>2026-11-21"));
  EXPECT_FALSE(server("tls_cert_notbefore:>2026-11-23"));
  EXPECT_TRUE(server("tls_cert_notbefore:2026-11-22T03:46:20"));
  EXPECT_TRUE(server("tls_cert_notafter:2026-12<>2027"));
  EXPECT_FALSE(server("tls_cert_notafter:<2026-12-22"));
  EXPECT_TRUE(server("tls_cert_notafter:<2026-12-23"));
  EXPECT_TRUE(server("tls_cert_valid"));
  EXPECT_FALSE(server("tls_cert_expired"));
  EXPECT_FALSE(client("tls_cert_valid"));
}

TEST_F(TlsKeyword, SeesFingerprintsOfHellos) {
  EXPECT_TRUE(client("ja3.string; content:\"771,49199-49200,0-16,,\"; bsize:22"));
  EXPECT_TRUE(client("ja3.hash; bsize:32"));
  EXPECT_TRUE(client("ja3_hash; bsize:32"));
  EXPECT_FALSE(server("ja3.hash; bsize:32"));
  EXPECT_TRUE(server("ja3s.string; content:\"771,49199,16\"; bsize:12"));
  EXPECT_TRUE(server("ja3s.hash; bsize:32"));
  EXPECT_FALSE(client("ja3s.hash; bsize:32"));
  EXPECT_TRUE(client("ja4.hash; content:\"t12d0202h2_\"; startswith"));
}

TEST_F(TlsKeyword, StoresNothingButIsKnown) {
  EXPECT_TRUE(client("tls.sni; content:\"PACS\"; tls.store"));
}

TEST(TlsDescription, CustomChoosesColumnsAndShowsTheChain) {
  Settings options;
  options.set("custom.0", "subject");
  options.set("custom.1", "chain");
  options.set("custom.2", "certificate");
  Driver d("tls", 6);
  converse(d);
  const auto text = d.json(0, options);
  const auto at = text.find(R"("certificate":"MII)");
  ASSERT_NE(at, std::string::npos) << text;
  const auto from = at + 15, to = text.find('"', from);
  const auto der = text.substr(from, to - from);
  EXPECT_NE(text.find(R"("chain":[")" + der + R"(",")" + der + R"("])"), std::string::npos) << text;
  EXPECT_NE(text.find("subject"), std::string::npos);
  EXPECT_EQ(text.find("issuerdn"), std::string::npos) << text;
}

TEST(TlsDescription, CustomNamesHaveNoCaseAndLeaveRoomForResumption) {
  Settings options;
  options.set("custom.0", "SNI");
  options.set("custom.1", "Version");
  options.set("custom.2", "client_certificate");  // a part of `client`, which is not asked for
  Driver d("tls", 6);
  converse(d);
  EXPECT_EQ(d.json(0, options), R"({"tls":{"sni":"PACS.example","version":"TLS 1.2"}})");
}

TEST(TlsDescription, TheShortLogHoldsTheCertificatesNames) {
  Driver d("tls", 6);
  converse(d);
  const auto text = d.json(0, {});
  EXPECT_NE(text.find(R"("subjectaltname":["pacs.example.nhs.uk","192.0.2.1"])"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("sni"), std::string::npos) << text;
}

TEST(TlsDescription, HoldsWhatTheFullerLogAsksFor) {
  Settings options;
  options.set("extended", "yes");
  options.set("ja3", "yes");
  Driver d("tls", 6);
  converse(d);
  const auto text = d.json(0, options);
  for (const auto* part :
       {R"("subject":"C=GB, O=Example, CN=pacs.example.nhs.uk, Email=a@b")",
        R"("issuerdn":"C=GB, O=Example, CN=pacs.example.nhs.uk, Email=a@b")",
        R"("serial":"00:97:E6")", R"("sni":"PACS.example")", R"("version":"TLS 1.2")",
        R"("notbefore":"2026-11-22T03:46:20")", R"("notafter":"2026-12-22T03:46:20")",
        R"("client_alpns":["h2","http/1.1"])", R"("server_alpns":["h2"])",
        R"("subjectaltname":["pacs.example.nhs.uk","192.0.2.1"])"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

}  // namespace
}  // namespace ww::sensor::test
