#include "sensors/protocols/tls/tls.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ww::tls {
namespace {

std::string unhex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}
std::string be16(std::size_t v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string extension(unsigned type, const std::string& data) {
  return be16(type) + be16(data.size()) + data;
}
std::string client_hello(const std::string& extensions) {
  return unhex("0303") + std::string(32, 'r') + '\0' + be16(4) + unhex("1301c02f") + unhex("0100") +
         be16(extensions.size()) + extensions;
}
std::string sni(const std::string& name) {
  return extension(0, be16(name.size() + 3) + '\0' + be16(name.size()) + name);
}

TEST(TlsHello, ReadsNamesVersionsAndLists) {
  Errc error{};
  const auto octets =
      client_hello(sni("pacs.example.nhs.uk") + extension(10, unhex("0004001d0017")) +
                   extension(11, unhex("0100")) + extension(13, unhex("000404030804")) +
                   extension(16, be16(3) + "\x02h2") + extension(43, unhex("0403040303")));
  const auto h = parse_hello(as_bytes(octets), true, error);
  EXPECT_EQ(error, Errc::none);
  EXPECT_EQ(h.sni, "pacs.example.nhs.uk");
  EXPECT_EQ(h.alpn, (std::vector<std::string>{"h2"}));
  EXPECT_EQ(h.version, version::tls13);
  EXPECT_EQ(h.legacy_version, version::tls12);
  EXPECT_EQ(ja3_text(h), "771,4865-49199,0-10-11-13-16-43,29-23,0");
  // JA4 part a: TCP, 1.3, domain, 2 ciphers, 6 extensions, h2.
  EXPECT_EQ(ja4(h, 't').substr(0, 10), "t13d0206h2");
}

TEST(TlsHello, LeavesGreaseOutOfFingerprints) {
  Errc error{};
  const auto plain =
      parse_hello(as_bytes(client_hello(sni("a") + extension(10, unhex("0002001d")))), true, error);
  const auto greased = parse_hello(as_bytes(client_hello(extension(0x1a1a, "") + sni("a") +
                                                         extension(10, unhex("00046a6a001d")))),
                                   true, error);
  EXPECT_EQ(ja3_text(plain), ja3_text(greased));
  EXPECT_EQ(ja4(plain, 't'), ja4(greased, 't'));
}

TEST(TlsHello, NamesWhatIsWrongWithAServerName) {
  Errc error{};
  (void)parse_hello(as_bytes(client_hello(sni("a") + sni("b"))), true, error);
  EXPECT_EQ(error, Errc::multiple_sni);
  (void)parse_hello(as_bytes(client_hello(extension(0, unhex("0004010001") + "a"))), true, error);
  EXPECT_EQ(error, Errc::bad_sni_type);
  (void)parse_hello(as_bytes(client_hello(extension(0, unhex("00040000ff") + "a"))), true, error);
  EXPECT_EQ(error, Errc::bad_sni_length);
}

TEST(TlsHello, ReportsEveryCut) {
  const auto octets = client_hello(sni("a"));
  for (std::size_t n = 0; n < octets.size(); ++n) {
    Errc error{};
    (void)parse_hello(as_bytes(octets).first(n), true, error);
    // A hello may end before its extensions (RFC 5246 7.4.1.2); every other cut is an error.
    const bool before_extensions = n == octets.size() - sni("a").size() - 2;
    EXPECT_EQ(error == Errc::none, before_extensions) << n;
  }
}

TEST(TlsHello, ReadsTheOldClientHello) {
  const auto octets = unhex(
                          "010301000600000010"
                          "000004"
                          "010080") +
                      std::string(16, 'c');
  const auto h = parse_ssl2_hello(as_bytes(octets));
  ASSERT_TRUE(h);
  EXPECT_EQ(h->version, version::tls10);
  EXPECT_EQ(h->ciphers, (std::vector<std::uint16_t>{4}));
  EXPECT_FALSE(parse_ssl2_hello(as_bytes(octets).first(12)));
}

TEST(TlsVersions, HaveSuricatasNames) {
  EXPECT_EQ(version_text(0x0301), "TLSv1");
  EXPECT_EQ(version_text(0x0304), "TLS 1.3");
  EXPECT_EQ(version_text(0x7f1c), "TLS 1.3 draft-28");
  EXPECT_EQ(version_text(0x1234), "UNDETERMINED");
}

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj
// '/C=GB/O=Example/CN=pacs.example.nhs.uk/emailAddress=a@b'
//   -set_serial 0x97e6 -addext subjectAltName=DNS:pacs.example.nhs.uk,IP:192.0.2.1
constexpr std::string_view certificate_hex =
#include "certificate.inc"
    ;

TEST(TlsCertificate, ShowsNamesSerialValidityAndAlternativeNames) {
  CertificateError error{};
  const auto c = parse_certificate(as_bytes(unhex(certificate_hex)), error);
  EXPECT_EQ(error, CertificateError::none);
  EXPECT_EQ(c.subject, "C=GB, O=Example, CN=pacs.example.nhs.uk, Email=a@b");
  EXPECT_EQ(c.issuer, c.subject);
  EXPECT_EQ(c.serial, "00:97:E6");
  EXPECT_EQ(c.alt_names, (std::vector<std::string>{"pacs.example.nhs.uk", "192.0.2.1"}));
  EXPECT_EQ(c.fingerprint.size(), 59U);
  EXPECT_EQ(c.not_after - c.not_before, 30 * 86400);
}

TEST(TlsCertificate, SurvivesEveryCutAndNamesTheLength) {
  const auto whole = unhex(certificate_hex);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CertificateError error{};
    (void)parse_certificate(as_bytes(whole).first(n), error);
    EXPECT_NE(error, CertificateError::none) << n;
  }
}

TEST(TlsCertificate, NamesThePartThatIsBroken) {
  const auto wrong = [](std::string_view hex) {
    CertificateError error{};
    (void)parse_certificate(as_bytes(unhex(hex)), error);
    return error;
  };
  EXPECT_EQ(wrong("3005"), CertificateError::bad_length);            // outer length
  EXPECT_EQ(wrong("30053084ffffff"), CertificateError::bad_length);  // a length cut off inside
  EXPECT_EQ(wrong("30063084fffffffa"), CertificateError::invalid);   // content that is not there
  EXPECT_EQ(wrong("0401aa"), CertificateError::invalid_der);         // no SEQUENCE
  EXPECT_EQ(wrong("30093007a0030401003000"), CertificateError::bad_version);
  EXPECT_EQ(wrong("300730050403010203"), CertificateError::bad_serial);
  EXPECT_EQ(wrong("30083006020101020101"), CertificateError::bad_algorithm);
  EXPECT_EQ(wrong("300a30080201013000020101"), CertificateError::bad_issuer);
  EXPECT_EQ(wrong("300c300a02010130003000020101"), CertificateError::bad_validity);
}

TEST(TlsCertificates, RefusesAListThatLies) {
  EXPECT_FALSE(parse_certificates(as_bytes(unhex("000004000009") + "a"), false));
  const auto good = parse_certificates(as_bytes(unhex("000004000001") + "a"), false);
  ASSERT_TRUE(good);
  EXPECT_EQ(good->size(), 1U);
}

}  // namespace
}  // namespace ww::tls
