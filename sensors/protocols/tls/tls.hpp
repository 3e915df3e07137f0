#pragma once
/// TLS and SSL handshake messages: RFC 5246 and 8446 section 4, the SSLv2 hello of RFC 5246
/// appendix E.2. Pure functions over one whole handshake message; records and reassembly are the
/// parser's (parser.cpp).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::tls {

namespace version {
constexpr std::uint16_t ssl2 = 0x0002, ssl3 = 0x0300, tls10 = 0x0301, tls11 = 0x0302,
                        tls12 = 0x0303, tls13 = 0x0304;
}
/// "TLS 1.2", "TLSv1", "TLS 1.3 draft-28", "SSLv3", ... or "UNDETERMINED".
[[nodiscard]] std::string version_text(std::uint16_t v);
/// Is this a version that a record or hello may carry?
[[nodiscard]] bool version_known(std::uint16_t v);
/// GREASE values (RFC 8701): left out of fingerprints.
[[nodiscard]] constexpr bool is_grease(std::uint16_t v) {
  return (v & 0x0f0f) == 0x0a0a && (v >> 8) == (v & 0xff);
}

/// What a client or server hello says. Lists keep the wire's order, GREASE included.
struct Hello {
  bool client = true;
  std::uint16_t legacy_version = 0;  ///< the hello's own field
  std::uint16_t version = 0;  ///< highest of supported_versions (client) or the chosen one (server)
  std::string random, session_id;      ///< octets
  std::vector<std::uint16_t> ciphers;  ///< server: the one chosen
  std::vector<std::uint16_t> extensions, groups, signature_algorithms, versions;
  std::vector<std::uint8_t> point_formats;
  std::string sni;
  std::vector<std::string> alpn;
  bool session_ticket = false;  ///< the client can use tickets, or brings one (RFC 5077)
  bool early_data = false;
};

enum class Errc : std::uint8_t {
  none,
  truncated,
  bad_extensions,
  bad_sni_length,
  bad_sni_type,
  multiple_sni
};

/// @param body  the message without its four-octet header
/// @return what was read (also when `error` is set: all before the violation)
[[nodiscard]] Hello parse_hello(Bytes body, bool client, Errc& error);
/// SSLv2 client hello: the octets after the two-octet record header.
[[nodiscard]] std::optional<Hello> parse_ssl2_hello(Bytes record);

/// The DER certificates of a Certificate message; TLS 1.3 adds a context and extensions (8446
/// section 4.4.2).
[[nodiscard]] std::optional<std::vector<Bytes>> parse_certificates(Bytes body, bool tls13);

/// One X.509 certificate, as far as people and rules look at it (RFC 5280).
struct Certificate {
  std::string der;
  std::string subject, issuer;  ///< "C=GB, O=Example, CN=host"; octets as in the certificate
  std::string serial;           ///< "00:97:E6", upper case
  std::string fingerprint;      ///< SHA-1, "aa:bb:..", lower case
  std::int64_t not_before = 0, not_after = 0;  ///< seconds since the epoch
  std::vector<std::string> alt_names;          ///< DNS names, addresses, mail addresses, URIs
};
enum class CertificateError : std::uint8_t {
  none,
  invalid,      ///< a part is cut off, or something no other value names
  invalid_der,  ///< not the DER structure of a certificate
  bad_length,
  bad_version,
  bad_serial,
  bad_algorithm,
  bad_issuer,
  bad_validity,
  bad_subject,
  bad_extensions
};
[[nodiscard]] Certificate parse_certificate(Bytes der, CertificateError& error);

/// JA3 strings ("771,4865-4866,0-23,29-23,0") and their MD5.
[[nodiscard]] std::string ja3_text(const Hello& client);
[[nodiscard]] std::string ja3s_text(const Hello& server);
[[nodiscard]] std::string md5_hex(std::string_view text);
/// JA4 of a client hello. @param transport 't' (TCP), 'q' (QUIC) or 'd' (DTLS)
[[nodiscard]] std::string ja4(const Hello& client, char transport);

}  // namespace ww::tls
