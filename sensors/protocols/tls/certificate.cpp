/// Certificates by OpenSSL. Names are written octet by octet from the certificate, because a NUL
/// inside a name is itself a sign of an attack that a printed form would hide.
#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <functional>
#include <memory>

#include "sensors/protocols/tls/tls.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/ip.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::tls {
namespace {

constexpr std::size_t max_alt_names = 512;
constexpr std::size_t max_name_octets = 8192;

struct Free {
  void operator()(OSSL_LIB_CTX* c) const { OSSL_LIB_CTX_free(c); }
  void operator()(OSSL_PROVIDER* p) const { OSSL_PROVIDER_unload(p); }
  void operator()(EVP_MD* m) const { EVP_MD_free(m); }
  void operator()(X509* x) const { X509_free(x); }
  void operator()(GENERAL_NAMES* n) const { GENERAL_NAMES_free(n); }
};

std::string octets_of(const ASN1_STRING* s) {
  const auto* data = ASN1_STRING_get0_data(s);
  const int length = ASN1_STRING_length(s);
  if (data == nullptr || length <= 0) return {};
  if (ASN1_STRING_type(s) == V_ASN1_BMPSTRING || ASN1_STRING_type(s) == V_ASN1_UNIVERSALSTRING) {
    unsigned char* utf8 = nullptr;
    const int n = ASN1_STRING_to_UTF8(&utf8, s);
    if (n < 0) return {};
    std::string out(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(n));
    OPENSSL_free(utf8);
    return out;
  }
  return {reinterpret_cast<const char*>(data), static_cast<std::size_t>(length)};
}

std::string key_of(const ASN1_OBJECT* object) {
  switch (OBJ_obj2nid(object)) {
    case NID_commonName:
      return "CN";
    case NID_countryName:
      return "C";
    case NID_localityName:
      return "L";
    case NID_stateOrProvinceName:
      return "ST";
    case NID_organizationName:
      return "O";
    case NID_organizationalUnitName:
      return "OU";
    case NID_domainComponent:
      return "DC";
    case NID_userId:
      return "UID";
    case NID_pkcs9_emailAddress:
      return "Email";
    case NID_undef:
      break;
    default:
      return OBJ_nid2ln(OBJ_obj2nid(object));
  }
  char text[128];
  OBJ_obj2txt(text, sizeof text, object, 1);
  return text;
}

std::string name_text(const X509_NAME* name) {
  std::string out;
  int last_set = -1;
  for (int i = 0; i < X509_NAME_entry_count(name) && out.size() < max_name_octets; ++i) {
    const auto* entry = X509_NAME_get_entry(name, i);
    const int set = X509_NAME_ENTRY_set(entry);
    if (i != 0) out += set == last_set ? " + " : ", ";
    last_set = set;
    out += key_of(X509_NAME_ENTRY_get_object(entry));
    out += '=';
    out += octets_of(X509_NAME_ENTRY_get_data(entry));
  }
  return out;
}

std::int64_t seconds_of(const ASN1_TIME* t) {
  tm parts{};
  if (t == nullptr || ASN1_TIME_to_tm(t, &parts) != 1) return 0;
  return days_from_civil(parts.tm_year + 1900, static_cast<unsigned>(parts.tm_mon + 1),
                         static_cast<unsigned>(parts.tm_mday)) *
             86400 +
         parts.tm_hour * 3600 + parts.tm_min * 60 + parts.tm_sec;
}

std::string upper_hex(Bytes octets) {
  std::string out;
  append_hex(out, octets, ':');
  for (auto& c : out)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 32);
  return out;
}

// The serial number with its DER octets (a leading zero octet is part of it), which OpenSSL's
// number would drop.
std::string serial_octets(const X509* x) {
  unsigned char* der = nullptr;
  const int n = i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &der);
  if (n < 2) return {};
  const Bytes all(der, static_cast<std::size_t>(n));
  std::string out;
  const std::size_t header = all[1] < 0x80 ? 2U : 2U + (all[1] & 0x7fU);
  if (header <= all.size()) out = upper_hex(all.subspan(header));
  OPENSSL_free(der);
  return out;
}

void read_alt_names(const X509* x, Certificate& out) {
  std::unique_ptr<GENERAL_NAMES, Free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()) && out.alt_names.size() < max_alt_names;
       ++i) {
    const auto* n = sk_GENERAL_NAME_value(names.get(), i);
    if (n->type == GEN_DNS || n->type == GEN_EMAIL || n->type == GEN_URI) {
      out.alt_names.push_back(octets_of(n->d.ia5));
    } else if (n->type == GEN_IPADD) {
      const auto ip = octets_of(n->d.iPAddress);
      const auto* p = as_bytes(ip).data();
      if (ip.size() == 4) out.alt_names.push_back(ip_text(IpAddress::v4(p)));
      if (ip.size() == 16) out.alt_names.push_back(ip_text(IpAddress::v6(p)));
    } else if (n->type == GEN_DIRNAME) {
      out.alt_names.push_back(name_text(n->d.directoryName));
    }
  }
}

/// Header of a DER element; `whole` says that its content is there too.
struct Element {
  std::uint8_t tag = 0;
  bool header = false, whole = false;
  Bytes content;
};
Element element(ByteReader& in) {
  Element e;
  e.tag = in.u8();
  std::size_t length = in.u8();
  if (length >= 0x80) {
    const std::size_t count = length & 0x7f;
    length = 0;
    if (count > sizeof length) in.fail();
    for (std::size_t i = 0; i < count && in.ok(); ++i) length = (length << 8) | in.u8();
  }
  e.header = in.ok();
  e.whole = e.header && length <= in.left();
  if (e.whole) e.content = in.bytes(length);
  return e;
}

/// Names the first part of a refused certificate that is not as RFC 5280 section 4.1 has it.
CertificateError what_is_wrong(Bytes der) {
  using E = CertificateError;
  constexpr std::uint8_t sequence = 0x30, integer = 0x02, version_tag = 0xa0, extensions = 0xa3;
  ByteReader outer(der);
  const auto certificate = element(outer);
  if (!certificate.whole) return E::bad_length;
  if (certificate.tag != sequence) return E::invalid_der;
  ByteReader parts(certificate.content);
  const auto signed_part = element(parts);
  if (!signed_part.header) return E::bad_length;
  if (signed_part.tag != sequence) return E::invalid_der;
  if (!signed_part.whole) return E::invalid;
  ByteReader in(signed_part.content);
  if (in.peek() == version_tag) {
    const auto version = element(in);
    if (!version.whole) return E::bad_length;
    ByteReader inner(version.content);
    if (const auto number = element(inner); !number.whole || number.tag != integer)
      return E::bad_version;
  }
  constexpr struct {
    std::uint8_t tag;
    E error;
  } order[] = {{integer, E::bad_serial},   {sequence, E::bad_algorithm},
               {sequence, E::bad_issuer},  {sequence, E::bad_validity},
               {sequence, E::bad_subject}, {sequence, E::invalid_der}};
  for (const auto& wanted : order) {
    const auto part = element(in);
    if (part.header && !part.whole) return E::bad_length;
    if (!part.whole || part.tag != wanted.tag) return wanted.error;
    if (wanted.error != E::bad_validity) continue;
    ByteReader times(part.content);
    for (int i = 0; i < 2; ++i) {
      constexpr std::uint8_t utc_time = 0x17, generalized_time = 0x18;
      const auto time = element(times);
      if (!time.whole || (time.tag != utc_time && time.tag != generalized_time))
        return E::bad_validity;
    }
  }
  while (!in.empty()) {
    const auto part = element(in);
    if (!part.whole) return E::bad_length;
    if (part.tag != extensions) continue;
    ByteReader list(part.content);
    if (const auto all = element(list); !all.whole || all.tag != sequence) return E::bad_extensions;
  }
  return E::invalid_der;
}

/// A library without algorithms: OpenSSL decodes the public key of every certificate it reads, nine
/// tenths of the work, for which nobody here has use. Without a decoder it leaves the key alone.
class Keyless {
 public:
  Keyless() : context_(OSSL_LIB_CTX_new()), none_(OSSL_PROVIDER_load(context_.get(), "null")) {}
  [[nodiscard]] std::unique_ptr<X509, Free> read(Bytes der) const {
    const unsigned char* at = der.data();
    return std::unique_ptr<X509, Free>(reinterpret_cast<X509*>(
        ASN1_item_d2i_ex(nullptr, &at, static_cast<long>(der.size()), ASN1_ITEM_rptr(X509),
                         none_ ? context_.get() : nullptr, nullptr)));
  }

 private:
  std::unique_ptr<OSSL_LIB_CTX, Free> context_;
  std::unique_ptr<OSSL_PROVIDER, Free> none_;
};

std::string fingerprint_of(Bytes der) {
  static const std::unique_ptr<EVP_MD, Free> sha1(EVP_MD_fetch(nullptr, "SHA1", nullptr));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  std::string out;
  if (EVP_Digest(der.data(), der.size(), digest, &length, sha1.get(), nullptr) == 1)
    append_hex(out, Bytes(digest, length), ':');
  return out;
}

Certificate read_certificate(Bytes der, CertificateError& error) {
  thread_local const Keyless keyless;
  Certificate out;
  error = CertificateError::none;
  out.der = as_text(der);
  out.fingerprint = fingerprint_of(der);
  const auto x = keyless.read(der);
  if (!x) {
    error = what_is_wrong(der);
    return out;
  }
  out.subject = name_text(X509_get_subject_name(x.get()));
  out.issuer = name_text(X509_get_issuer_name(x.get()));
  out.serial = serial_octets(x.get());
  out.not_before = seconds_of(X509_get0_notBefore(x.get()));
  out.not_after = seconds_of(X509_get0_notAfter(x.get()));
  read_alt_names(x.get(), out);
  return out;
}

/// A network shows the same few hundred certificates over and over, and reading one costs tens of
/// microseconds. One slot for each hash; what is in it is compared octet by octet.
struct Known {
  static constexpr std::size_t slots = 256, max_octets = 8192;
  struct Slot {
    Certificate certificate;
    CertificateError error = CertificateError::none;
  };
  std::array<std::unique_ptr<Slot>, slots> slot;
};

}  // namespace

Certificate parse_certificate(Bytes der, CertificateError& error) {
  if (der.size() > Known::max_octets) return read_certificate(der, error);
  thread_local Known known;
  auto& slot = known.slot[std::hash<std::string_view>{}(as_text(der)) % Known::slots];
  if (!slot || slot->certificate.der != as_text(der)) {
    if (!slot) slot = std::make_unique<Known::Slot>();
    slot->certificate = read_certificate(der, slot->error);
  }
  error = slot->error;
  return slot->certificate;
}

}  // namespace ww::tls
