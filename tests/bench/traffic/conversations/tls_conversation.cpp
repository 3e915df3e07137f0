/// TLS conversations: real handshakes between two ends in memory, recorded once, then repeated with
/// fresh application data of the recorded kind.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

#include "tests/bench/traffic/conversations/conversation.hpp"

namespace ww::bench {
namespace {

template <auto F>
struct Free {
  template <class T>
  void operator()(T* p) const {
    F(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<&EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Free<&X509_free>>;
using Ctx = std::unique_ptr<SSL_CTX, Free<&SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Free<&SSL_free>>;

struct Transcript {
  std::vector<Message> handshake;
};

Transcript record(Random& r, EVP_PKEY* key, int index) {
  const std::string name = "host" + std::to_string(index) + ".example.nhs.uk";
  Cert cert(X509_new());
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1000 + index);
  ASN1_TIME_set_string_X509(X509_getm_notBefore(cert.get()), "20260101000000Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(cert.get()), "20280101000000Z");
  auto* subject = X509_get_subject_name(cert.get());
  for (const auto& [k, v] :
       {std::pair{"C", std::string("GB")}, {"O", std::string("Example Trust")}, {"CN", name}})
    X509_NAME_add_entry_by_txt(subject, k, MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(v.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert.get(), subject);
  X509_set_pubkey(cert.get(), key);
  X509_sign(cert.get(), key, EVP_sha256());

  Ctx server(SSL_CTX_new(TLS_server_method())), client(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_use_certificate(server.get(), cert.get());
  SSL_CTX_use_PrivateKey(server.get(), key);
  const int version = index % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX_set_min_proto_version(client.get(), TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(client.get(), version);
  static constexpr unsigned char alpn[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  if (index % 3 != 0) SSL_CTX_set_alpn_protos(client.get(), alpn, sizeof alpn);
  Ssl ends[2] = {Ssl(SSL_new(client.get())), Ssl(SSL_new(server.get()))};
  for (auto& e : ends) SSL_set_bio(e.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_tlsext_host_name(ends[0].get(), name.c_str());
  SSL_set_connect_state(ends[0].get());
  SSL_set_accept_state(ends[1].get());

  Transcript t;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 2; ++i) {
      SSL_do_handshake(ends[i].get());
      char buffer[16384];
      const int n = BIO_read(SSL_get_wbio(ends[i].get()), buffer, sizeof buffer);
      if (n <= 0) continue;
      t.handshake.push_back({i == 0, std::string(buffer, static_cast<std::size_t>(n))});
      BIO_write(SSL_get_rbio(ends[1 - i].get()), buffer, n);
    }
    if (SSL_is_init_finished(ends[0].get()) == 1 && SSL_is_init_finished(ends[1].get()) == 1) break;
  }
  if (SSL_is_init_finished(ends[0].get()) != 1)
    throw std::runtime_error("the recorded TLS handshake did not finish");
  (void)r;
  return t;
}

const std::vector<Transcript>& transcripts(Random& r) {
  static const std::vector<Transcript> all = [&] {
    Key key(EVP_EC_gen("P-256"));
    std::vector<Transcript> out;
    for (int i = 0; i < 64; ++i) out.push_back(record(r, key.get(), i));
    return out;
  }();
  return all;
}

std::string records(Random& r, std::size_t n) {
  std::string out;
  while (n > 0) {
    const auto part = std::min<std::size_t>(n, 16'000);
    out += std::string("\x17\x03\x03", 3);
    out += static_cast<char>(part >> 8);
    out += static_cast<char>(part & 255);
    out += r.octets(part);
    n -= part;
  }
  return out;
}

}  // namespace

Conversation tls_conversation(Random& r) {
  Conversation c;
  c.port = 443;
  const auto& all = transcripts(r);
  c.messages = all[r.below(all.size())].handshake;
  const auto rounds = 1 + r.below(5);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    c.messages.push_back({true, records(r, 200 + r.below(1800))});
    c.messages.push_back({false, records(r, 400 + r.below(r.chance(20) ? 150'000 : 12'000))});
  }
  return c;
}

}  // namespace ww::bench
