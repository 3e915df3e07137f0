#include "collector/identity/authority.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "telemetry/ip.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/net/enrol.hpp"
#include "telemetry/orders.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;
template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

constexpr std::string_view trust_domain = "wardwatch.internal";
constexpr std::int64_t day_us = 86'400'000'000;

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const auto n = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(n)};
}
std::string certificate_text(X509* c) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), c);
  return bio_text(bio.get());
}
std::string key_text(EVP_PKEY* k) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), k, nullptr, nullptr, 0, nullptr, nullptr);
  return bio_text(bio.get());
}
Bio from_text(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Key new_key() { return Key(EVP_EC_gen("P-256")); }

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}

bool set_time(ASN1_TIME* field, Timestamp t) {
  return ASN1_TIME_set(field, t.seconds()) != nullptr;
}

Timestamp read_time(const ASN1_TIME* field) {
  std::tm tm{};
  ASN1_TIME_to_tm(field, &tm);
  return {static_cast<std::int64_t>(::timegm(&tm)) * 1'000'000};
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, certificate, nullptr, nullptr, 0);
  const Extension e(X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str()));
  return e != nullptr && X509_add_ext(certificate, e.get(), -1) == 1;
}

// 127 random bits: unique without a register, positive, never zero.
std::string set_serial(X509* certificate) {
  unsigned char octets[16];
  RAND_bytes(octets, sizeof octets);
  octets[0] = static_cast<unsigned char>((octets[0] & 0x7f) | 0x40);
  BIGNUM* n = BN_bin2bn(octets, sizeof octets, nullptr);
  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(certificate));
  char* text = BN_bn2hex(n);
  std::string out = text;
  OPENSSL_free(text);
  BN_free(n);
  return out;
}

void add_name(X509_NAME* name, const char* field, std::string_view value) {
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(value.data()),
                             static_cast<int>(value.size()), -1, 0);
}

std::string alternative_name(const std::string& name) {
  return (parse_ip(name) ? "IP:" : "DNS:") + name;
}

std::string constraint(const std::string& name) {
  const auto ip = parse_ip(name);
  if (!ip) return "permitted;DNS:" + name;
  return "permitted;IP:" + name +
         (ip->family == 4 ? "/255.255.255.255" : "/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

class AuthorityImpl final : public Authority {
 public:
  AuthorityImpl(AuthorityOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {
    for (const auto* always : {"localhost", "127.0.0.1", "::1"})
      if (std::find(options_.names.begin(), options_.names.end(), always) == options_.names.end())
        options_.names.emplace_back(always);
  }

  Result<void, Problem> load() {
    const fs::path folder(options_.folder);
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (ec)
      return fail(Problem{"cannot make the folder: " + ec.message(), options_.folder,
                          "check its parent's permissions"});
    fs::permissions(folder, fs::perms::owner_all, ec);
    const bool has_certificate = fs::exists(folder / "ca.pem"),
               has_key = fs::exists(folder / "ca.key");
    if (has_certificate != has_key)
      return fail(Problem{
          "the authority has a certificate without its key or a key without its certificate",
          options_.folder,
          "restore ca.pem and ca.key from a backup, or remove both to start over"});
    if (!has_certificate)
      if (auto made = create(); !made) return made;
    const auto certificate_bio = from_text(certificate_pem_ = read_file(folder / "ca.pem"));
    certificate_.reset(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
    const auto text = read_file(folder / "ca.key");
    const auto key_bio = from_text(text);
    key_.reset(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    if (!certificate_ || !key_ || X509_check_private_key(certificate_.get(), key_.get()) != 1)
      return fail(Problem{"ca.pem and ca.key cannot be read or do not fit each other",
                          options_.folder, "restore both from a backup"});
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    X509_digest(certificate_.get(), EVP_sha256(), digest, &length);
    append_hex(fingerprint_, Bytes{digest, length});
    return {};
  }

  const std::string& certificate_pem() const override { return certificate_pem_; }
  const std::string& fingerprint() const override { return fingerprint_; }

  std::string sign_order(std::string_view payload) const override {
    const auto message = std::string(orders::context) + std::string(payload);
    const std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>> c(EVP_MD_CTX_new());
    std::size_t size = 0;
    const auto* octets = reinterpret_cast<const unsigned char*>(message.data());
    std::string out;
    if (EVP_DigestSignInit(c.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(c.get(), nullptr, &size, octets, message.size()) != 1)
      return out;
    std::string der(size, '\0');
    if (EVP_DigestSign(c.get(), reinterpret_cast<unsigned char*>(der.data()), &size, octets,
                       message.size()) != 1)
      return out;
    append_base64(out, as_bytes(std::string_view(der).substr(0, size)));
    return out;
  }

  std::optional<std::string> request_key(std::string_view csr_pem) const override {
    const auto request = parse_request(csr_pem);
    if (!request) return {};
    unsigned char* der = nullptr;
    const int n = i2d_PUBKEY(X509_REQ_get0_pubkey(request.get()), &der);
    if (n <= 0) return {};
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_Digest(der, static_cast<std::size_t>(n), digest, &length, EVP_sha256(), nullptr);
    OPENSSL_free(der);
    std::string out;
    append_hex(out, Bytes{digest, length});
    return out;
  }

  Result<Issued, std::string> sign_sensor(std::string_view csr_pem,
                                          const SensorName& name) const override {
    if (!valid_slug(name.site) || !valid_slug(name.sensor))
      return fail(std::string("site or sensor is not a slug"));
    const auto request = parse_request(csr_pem);
    if (!request)
      return fail(
          std::string("the certificate request is not PEM, not signed by its key, or too large"));
    EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
    const int bits = EVP_PKEY_get_bits(key);
    const bool ec = EVP_PKEY_is_a(key, "EC") == 1 && (bits == 256 || bits == 384);
    const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1 && bits >= 2048 && bits <= 4096;
    if (!ec && !rsa)
      return fail(std::string("the key must be P-256, P-384 or RSA of 2048 to 4096 bits"));
    const auto now = clock_.now();
    Issued out;
    const auto leaf = issue(key, "sensor " + name.site + " " + name.sensor,
                            "URI:" + sensor_uri(name), "clientAuth", now,
                            std::min(std::chrono::microseconds(options_.sensor_life).count(),
                                     read_time(X509_get0_notAfter(certificate_.get())).us - now.us),
                            out);
    if (!leaf) return fail(std::string("cannot sign"));
    out.certificate_pem = certificate_text(leaf.get());
    return out;
  }

  Result<ServerIdentity, Problem> server_identity() override {
    const std::lock_guard lock(mutex_);
    const fs::path folder(options_.folder);
    const auto now = clock_.now();
    std::string why = "there was none";
    if (fs::exists(folder / "server.pem") && fs::exists(folder / "server.key")) {
      ServerIdentity id{read_file(folder / "server.pem"), read_file(folder / "server.key"), {}};
      why = "it could not be read";
      const auto bio = from_text(id.certificate_pem);
      const Certificate leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
      ERR_clear_error();
      if (leaf) {
        id.not_after = read_time(X509_get0_notAfter(leaf.get()));
        if (X509_verify(leaf.get(), key_.get()) != 1)
          why = "it was another authority's";
        else if (!covers(leaf.get()))
          why = "a name is new";
        else if (id.not_after.us <= now.us + 30 * day_us)
          why = (id.not_after > now ? "the old one ends " : "the old one ended ") +
                rfc3339(id.not_after);
        else
          return id;
      }
    }
    std::string names;
    for (const auto& n : options_.names) names += (names.empty() ? "" : ",") + alternative_name(n);
    const auto key = new_key();
    Issued issued;
    const auto leaf = issue(key.get(), "wardwatch collector", names, "serverAuth", now,
                            options_.server_days * day_us, issued);
    if (!leaf)
      return fail(Problem{"cannot issue the server certificate", options_.folder,
                          "check the names in the configuration"});
    if (!allowed(leaf.get()))
      return fail(
          Problem{"a name of the collector is outside what its authority may sign (" + names + ")",
                  options_.folder,
                  "take the name out of server.names, or move the folder away to make a new "
                  "authority and enrol the sensors again"});
    ServerIdentity id{certificate_text(leaf.get()) + certificate_pem_, key_text(key.get()),
                      issued.not_after, why};
    if (auto w = net::write_file((folder / "server.key").string(), id.key_pem, 0600); !w)
      return fail(w.error());
    if (auto w = net::write_file((folder / "server.pem").string(), id.certificate_pem, 0644); !w)
      return fail(w.error());
    return id;
  }

 private:
  static Request parse_request(std::string_view pem) {
    if (pem.size() > 16 * 1024) return {};
    const auto bio = from_text(pem);
    Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
    const bool good =
        request && X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) == 1;
    ERR_clear_error();
    return good ? std::move(request) : Request();
  }

  Result<void, Problem> create() {
    const auto key = new_key();
    const Certificate certificate(X509_new());
    const auto now = clock_.now();
    X509_set_version(certificate.get(), X509_VERSION_3);
    set_serial(certificate.get());
    set_time(X509_getm_notBefore(certificate.get()), {now.us - day_us});
    set_time(X509_getm_notAfter(certificate.get()), {now.us + options_.ca_days * day_us});
    add_name(X509_get_subject_name(certificate.get()), "CN",
             "Wardwatch collector authority " + set_serial(certificate.get()).substr(0, 8));
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    X509_set_pubkey(certificate.get(), key.get());
    std::string constraints = "critical,permitted;URI:" + std::string(trust_domain);
    for (const auto& n : options_.names) constraints += "," + constraint(n);
    const bool ok =
        add_extension(certificate.get(), certificate.get(), NID_basic_constraints,
                      "critical,CA:TRUE,pathlen:0") &&
        add_extension(certificate.get(), certificate.get(), NID_key_usage,
                      "critical,keyCertSign,cRLSign") &&
        add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash") &&
        add_extension(certificate.get(), certificate.get(), NID_name_constraints, constraints) &&
        X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0;
    ERR_clear_error();
    if (!ok)
      return fail(Problem{
          "cannot make the authority; is a name in server.names neither a DNS name nor an address?",
          options_.folder, "check server.names"});
    const fs::path folder(options_.folder);
    if (auto w = net::write_file((folder / "ca.key").string(), key_text(key.get()), 0600); !w)
      return w;
    return net::write_file((folder / "ca.pem").string(), certificate_text(certificate.get()), 0644);
  }

  Certificate issue(EVP_PKEY* key, const std::string& common_name, const std::string& names,
                    const std::string& usage, Timestamp now, std::int64_t life_us,
                    Issued& out) const {
    Certificate leaf(X509_new());
    X509_set_version(leaf.get(), X509_VERSION_3);
    out.serial = set_serial(leaf.get());
    // Clocks differ; of a short life the time before it begins must not be the larger part, or it
    // were due for renewal when it is made.
    out.not_before = {now.us - std::min<std::int64_t>(300'000'000, life_us / 10)};
    out.not_after = {now.us + life_us};
    set_time(X509_getm_notBefore(leaf.get()), out.not_before);
    set_time(X509_getm_notAfter(leaf.get()), out.not_after);
    add_name(X509_get_subject_name(leaf.get()), "CN", common_name);
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(certificate_.get()));
    X509_set_pubkey(leaf.get(), key);
    const bool ok =
        add_extension(leaf.get(), certificate_.get(), NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(leaf.get(), certificate_.get(), NID_key_usage, "critical,digitalSignature") &&
        add_extension(leaf.get(), certificate_.get(), NID_ext_key_usage, usage) &&
        add_extension(leaf.get(), certificate_.get(), NID_subject_key_identifier, "hash") &&
        add_extension(leaf.get(), certificate_.get(), NID_authority_key_identifier, "keyid") &&
        add_extension(leaf.get(), certificate_.get(), NID_subject_alt_name, names) &&
        X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0;
    ERR_clear_error();
    return ok ? std::move(leaf) : Certificate();
  }

  bool covers(X509* leaf) const {
    return std::all_of(options_.names.begin(), options_.names.end(), [&](const std::string& n) {
      return parse_ip(n) ? X509_check_ip_asc(leaf, n.c_str(), 0) == 1
                         : X509_check_host(leaf, n.data(), n.size(), 0, nullptr) == 1;
    });
  }

  bool allowed(X509* leaf) const {
    auto* constraints = static_cast<NAME_CONSTRAINTS*>(
        X509_get_ext_d2i(certificate_.get(), NID_name_constraints, nullptr, nullptr));
    X509_check_purpose(leaf, -1, 0);  // fills the caches that the next call reads
    const bool ok =
        constraints == nullptr || NAME_CONSTRAINTS_check(leaf, constraints) == X509_V_OK;
    NAME_CONSTRAINTS_free(constraints);
    return ok;
  }

  AuthorityOptions options_;
  const Clock& clock_;
  std::mutex mutex_;  // server.pem, server.key
  Certificate certificate_;
  Key key_;
  std::string certificate_pem_, fingerprint_;
};

}  // namespace

bool valid_slug(std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alnum(c) || c == '-'; });
}

std::string sensor_uri(const SensorName& name) {
  return "spiffe://" + std::string(trust_domain) + "/site/" + name.site + "/sensor/" + name.sensor;
}

std::optional<SensorName> parse_sensor_uri(std::string_view uri) {
  const auto prefix = "spiffe://" + std::string(trust_domain) + "/site/";
  if (!uri.starts_with(prefix)) return {};
  uri.remove_prefix(prefix.size());
  const auto middle = uri.find("/sensor/");
  if (middle == std::string_view::npos) return {};
  SensorName name{std::string(uri.substr(0, middle)), std::string(uri.substr(middle + 8))};
  if (!valid_slug(name.site) || !valid_slug(name.sensor)) return {};
  return name;
}

bool Authority::exists(const std::string& folder) {
  return fs::exists(fs::path(folder) / "ca.pem");
}

Result<std::unique_ptr<Authority>, Problem> Authority::open(const AuthorityOptions& options,
                                                            const Clock& clock) {
  auto authority = std::make_unique<AuthorityImpl>(options, clock);
  if (auto loaded = authority->load(); !loaded) return fail(std::move(loaded.error()));
  return authority;
}

}  // namespace ww::collector
