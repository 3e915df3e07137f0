#include "playbooks/signature.hpp"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <boost/json.hpp>
#include <map>

#include "playbooks/checks.hpp"
#include "playbooks/json_text.hpp"
#include "telemetry/base64.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/uuid.hpp"

namespace ww::playbooks {
namespace json = boost::json;
namespace {

template <auto F>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    F(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;

struct Algorithm {
  std::string_view name, key_type, digest;
  bool pss;
  int coordinate;  // octets of an ECDSA number
};
constexpr Algorithm algorithms[] = {
    {"RS256", "RSA", "SHA256", false, 0}, {"RS384", "RSA", "SHA384", false, 0},
    {"RS512", "RSA", "SHA512", false, 0}, {"PS256", "RSA", "SHA256", true, 0},
    {"PS384", "RSA", "SHA384", true, 0},  {"PS512", "RSA", "SHA512", true, 0},
    {"ES256", "EC", "SHA256", false, 32}, {"ES384", "EC", "SHA384", false, 48},
    {"ES512", "EC", "SHA512", false, 66}, {"Ed25519", "ED25519", "", false, 0},
    {"Ed448", "ED448", "", false, 0}};

const Algorithm* algorithm(std::string_view name) {
  for (const auto& a : algorithms)
    if (a.name == name) return &a;
  return nullptr;
}

std::string key_sha256(EVP_PKEY* k) {
  unsigned char* der = nullptr;
  const int n = i2d_PUBKEY(k, &der);
  if (n <= 0) return {};
  auto out = sha256_hex({reinterpret_cast<const char*>(der), static_cast<std::size_t>(n)});
  OPENSSL_free(der);
  return out;
}

Key key_of_der(const std::string& der) {
  const auto* p = reinterpret_cast<const unsigned char*>(der.data());
  return Key(d2i_PUBKEY(nullptr, &p, static_cast<long>(der.size())));
}
Certificate certificate_of_der(const std::string& der) {
  const auto* p = reinterpret_cast<const unsigned char*>(der.data());
  return Certificate(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
}

std::string digest(std::string_view name, std::string_view octets) {
  const EVP_MD* md = nullptr;
  if (name == "sha-256" || name == "sha256")
    md = EVP_sha256();
  else if (name == "sha-384" || name == "sha384")
    md = EVP_sha384();
  else if (name == "sha-512" || name == "sha512")
    md = EVP_sha512();
  if (md == nullptr) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned n = 0;
  EVP_Digest(octets.data(), octets.size(), out.data(), &n, md, nullptr);
  return {reinterpret_cast<const char*>(out.data()), n};
}

/// JOSE's R || S to the DER that OpenSSL takes, and back.
std::string ecdsa_der(std::string_view raw, int coordinate) {
  const auto n = static_cast<std::size_t>(coordinate);
  if (raw.size() != 2 * n) return std::string(raw);  // perhaps DER already
  const auto* p = reinterpret_cast<const unsigned char*>(raw.data());
  const std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>> sig(ECDSA_SIG_new());
  if (ECDSA_SIG_set0(sig.get(), BN_bin2bn(p, coordinate, nullptr),
                     BN_bin2bn(p + n, coordinate, nullptr)) != 1)
    return {};
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(sig.get(), &der);
  std::string out(reinterpret_cast<const char*>(der),
                  size > 0 ? static_cast<std::size_t>(size) : 0);
  OPENSSL_free(der);
  return out;
}
std::string ecdsa_raw(std::string_view der, int coordinate) {
  const auto* p = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>> sig(
      d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(der.size())));
  if (!sig) return {};
  std::string out(2 * static_cast<std::size_t>(coordinate), '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), to, coordinate);
  BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), to + coordinate, coordinate);
  return out;
}

bool set_padding(EVP_PKEY_CTX* c, const Algorithm& a) {
  if (!a.pss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool verify(EVP_PKEY* key, const Algorithm& a, std::string_view message, std::string_view value) {
  if (EVP_PKEY_is_a(key, std::string(a.key_type).c_str()) != 1) return false;
  if (a.key_type == "RSA" && EVP_PKEY_get_bits(key) < 2048) return false;
  const std::string der = a.coordinate > 0 ? ecdsa_der(value, a.coordinate) : std::string(value);
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* c = nullptr;
  const auto* md = a.digest.empty() ? nullptr : EVP_get_digestbyname(std::string(a.digest).c_str());
  const bool good =
      EVP_DigestVerifyInit(context.get(), &c, md, nullptr, key) == 1 && set_padding(c, a) &&
      EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(der.data()),
                       der.size(), reinterpret_cast<const unsigned char*>(message.data()),
                       message.size()) == 1;
  ERR_clear_error();
  return good;
}

/// What was signed: the document with only this signature, which has no value yet.
std::string signed_text(const json::object& document, json::object signature) {
  signature.erase("value");
  auto copy = document;
  copy["signatures"] = json::array{std::move(signature)};
  return canonical_json(copy);
}

}  // namespace

struct TrustedKeys::Inner {
  std::map<std::string, Key> keys;                 // by SHA-256 of the key
  std::map<std::string, std::string> thumbprints;  // base64url SHA-256 of a certificate to its key
};

TrustedKeys::TrustedKeys() : inner_(std::make_unique<Inner>()) {}
TrustedKeys::~TrustedKeys() = default;
TrustedKeys::TrustedKeys(TrustedKeys&&) noexcept = default;
TrustedKeys& TrustedKeys::operator=(TrustedKeys&&) noexcept = default;
bool TrustedKeys::contains(std::string_view k) const {
  return inner_->keys.contains(std::string(k));
}
std::size_t TrustedKeys::size() const { return inner_->keys.size(); }

Result<std::size_t, std::string> TrustedKeys::add_pem(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::size_t added = 0;
  char *label = nullptr, *header = nullptr;
  unsigned char* octets = nullptr;
  long n = 0;
  while (PEM_read_bio(bio.get(), &label, &header, &octets, &n) == 1) {
    const std::string kind(label),
        der(reinterpret_cast<char*>(octets), static_cast<std::size_t>(n));
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(octets);
    Key key;
    if (kind == "PUBLIC KEY") {
      key = key_of_der(der);
    } else if (kind == "CERTIFICATE") {
      if (const auto certificate = certificate_of_der(der)) {
        key.reset(X509_get_pubkey(certificate.get()));
        if (key)
          inner_->thumbprints[encode_base64url(digest("sha-256", der))] = key_sha256(key.get());
      }
    }
    if (!key) continue;
    auto id = key_sha256(key.get());
    inner_->keys[std::move(id)] = std::move(key);
    ++added;
  }
  ERR_clear_error();
  if (added == 0) return fail(std::string("no PUBLIC KEY and no CERTIFICATE in the PEM text"));
  return added;
}

/// The key that a signature names.
struct KeyFinder {
  static Key find(const json::object& s, const TrustedKeys& keys, std::string& why) {
    if (const auto text = text_of(s, "public_key"); !text.empty()) {
      std::string packed;
      for (const char c : text)
        if (c != '\n' && c != '\r' && c != ' ') packed += c;
      if (const auto der = decode_base64(packed))
        if (auto key = key_of_der(*der)) return key;
      why = "public_key is no key";
      return {};
    }
    if (const auto* chain = s.if_contains("public_cert_chain");
        chain != nullptr && chain->is_array() && !chain->get_array().empty() &&
        chain->get_array().front().is_string()) {
      if (const auto der = decode_base64(std::string_view(chain->get_array().front().get_string())))
        if (const auto certificate = certificate_of_der(*der))
          return Key(X509_get_pubkey(certificate.get()));
      why = "public_cert_chain holds no certificate";
      return {};
    }
    if (const auto print = text_of(s, "thumbprint"); !print.empty()) {
      const auto it = keys.inner_->thumbprints.find(print);
      if (it == keys.inner_->thumbprints.end()) {
        why = "no trusted certificate has this thumbprint";
        return {};
      }
      auto* k = keys.inner_->keys.at(it->second).get();
      EVP_PKEY_up_ref(k);
      return Key(k);
    }
    why = "cert_url is not fetched: add the certificate to the trusted keys and use thumbprint";
    return {};
  }
};

std::vector<SignatureCheck> verify_signatures(const json::object& document, const TrustedKeys& keys,
                                              Timestamp now, bool bound) {
  std::vector<SignatureCheck> out;
  const auto* all = document.if_contains("signatures");
  if (all == nullptr || !all->is_array()) return out;
  constexpr std::size_t most = 16;
  for (const auto& v : all->get_array()) {
    if (out.size() == most) break;
    auto& check = out.emplace_back();
    if (!v.is_object()) {
      check.why = "not an object";
      continue;
    }
    const auto& s = v.get_object();
    check.id = text_of(s, "id");
    check.signee = text_of(s, "signee");
    check.algorithm = text_of(s, "algorithm");
    check.created = text_of(s, "created");
    const auto* a = algorithm(check.algorithm);
    if (a == nullptr) {
      check.why = "algorithm " + check.algorithm + " is not supported";
      continue;
    }
    const auto key = KeyFinder::find(s, keys, check.why);
    if (!key) continue;
    check.key_sha256 = key_sha256(key.get());
    const auto hashed = digest(text_of(s, "hash_algorithm"), signed_text(document, s));
    const auto value = decode_base64(text_of(s, "value"));
    if (hashed.empty() || !value) {
      check.why = hashed.empty() ? "hash_algorithm is not supported" : "value is not base64url";
      continue;
    }
    // The standard leaves open how the hash is written: octets, hex, or base64url.
    for (const auto& message : {hashed, hex(hashed), encode_base64url(hashed)})
      check.valid = check.valid || verify(key.get(), *a, message, *value);
    if (!check.valid) {
      check.why = "the signature does not fit the document";
      continue;
    }
    if (bound && (text_of(s, "related_to") != text_of(document, "id") ||
                  text_of(s, "related_version") != text_of(document, "modified"))) {
      check.valid = false;
      check.why = "it was made for another playbook or version";
      continue;
    }
    const auto* revoked = s.if_contains("revoked");
    const auto from = parse_time(text_of(s, "valid_from")),
               until = parse_time(text_of(s, "valid_until"));
    if (revoked != nullptr && revoked->is_bool() && revoked->get_bool())
      check.why = "it is revoked";
    else if ((from && now < *from) || (until && !(now < *until)))
      check.why = "it is not in force now";
    else if (!keys.contains(check.key_sha256))
      check.why = "its key is not one of the trusted keys";
    else
      check.trusted = true;
  }
  return out;
}

void check_signature_shape(Checker& c, const json::object& document) {
  const auto* all = document.if_contains("signatures");
  if (all == nullptr) return;
  if (!all->is_array()) {
    c.add("signatures", "must be a list");
    return;
  }
  std::size_t i = 0;
  for (const auto& v : all->get_array()) {
    const auto at = "signatures[" + std::to_string(i++) + "]";
    if (!v.is_object()) {
      c.add(at, "must be an object");
      continue;
    }
    const auto& s = v.get_object();
    if (c.text(s, "type", at, true) != "jss") c.add(at + ".type", "must be \"jss\"");
    if (!is_identifier(c.text(s, "id", at, true))) c.add(at + ".id", "must be an identifier");
    c.time(s, "created", at, true, false);
    c.time(s, "modified", at, true, false);
    for (const auto* name :
         {"signee", "related_to", "related_version", "hash_algorithm", "algorithm", "value"})
      (void)c.text(s, name, at, true);
    int sources = 0;
    for (const auto* name : {"public_key", "public_cert_chain", "cert_url", "thumbprint"})
      sources += s.contains(name) ? 1 : 0;
    if (sources != 1)
      c.add(at, "needs exactly one of public_key, public_cert_chain, cert_url, thumbprint");
  }
}

Result<json::object, std::string> sign_document(const json::object& document,
                                                std::string_view private_key_pem,
                                                std::string_view signee, Timestamp now) {
  const Bio bio(BIO_new_mem_buf(private_key_pem.data(), static_cast<int>(private_key_pem.size())));
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!key) return fail(std::string("no private key in the PEM text"));
  const Algorithm* a = nullptr;
  const int bits = EVP_PKEY_get_bits(key.get());
  if (EVP_PKEY_is_a(key.get(), "ED25519") == 1)
    a = algorithm("Ed25519");
  else if (EVP_PKEY_is_a(key.get(), "ED448") == 1)
    a = algorithm("Ed448");
  else if (EVP_PKEY_is_a(key.get(), "RSA") == 1 && bits >= 2048)
    a = algorithm("PS256");
  else if (EVP_PKEY_is_a(key.get(), "EC") == 1)
    a = algorithm(bits == 256 ? "ES256" : bits == 384 ? "ES384" : "ES512");
  if (a == nullptr) return fail(std::string("use an Ed25519, Ed448, EC or RSA (2048) key"));
  unsigned char* der = nullptr;
  const int n = i2d_PUBKEY(key.get(), &der);
  std::string public_key;
  append_base64(public_key, {der, static_cast<std::size_t>(std::max(0, n))});
  OPENSSL_free(der);
  auto time = rfc3339(now);
  if (time.size() > 24) time = time.substr(0, 23) + "Z";  // to the millisecond
  json::object s{{"type", "jss"},
                 {"id", "signature--" + uuid4()},
                 {"created", time},
                 {"modified", time},
                 {"signee", signee},
                 {"related_to", text_of(document, "id")},
                 {"related_version", text_of(document, "modified")},
                 {"hash_algorithm", "sha-256"},
                 {"algorithm", a->name},
                 {"public_key", public_key}};
  const auto message = digest("sha-256", signed_text(document, s));
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* c = nullptr;
  const auto* md =
      a->digest.empty() ? nullptr : EVP_get_digestbyname(std::string(a->digest).c_str());
  std::size_t size = 0;
  const auto* octets = reinterpret_cast<const unsigned char*>(message.data());
  if (EVP_DigestSignInit(context.get(), &c, md, nullptr, key.get()) != 1 || !set_padding(c, *a) ||
      EVP_DigestSign(context.get(), nullptr, &size, octets, message.size()) != 1)
    return fail(std::string("the key cannot sign"));
  std::string value(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(value.data()), &size, octets,
                     message.size()) != 1)
    return fail(std::string("the key cannot sign"));
  value.resize(size);
  if (a->coordinate > 0) value = ecdsa_raw(value, a->coordinate);
  s["value"] = encode_base64url(value);
  auto out = document;
  auto& list = out["signatures"];
  if (!list.is_array()) list = json::array();
  list.get_array().push_back(std::move(s));
  return out;
}

}  // namespace ww::playbooks
