#include "playbooks/signature.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "playbooks/policy.hpp"
#include "tests/playbooks/made.hpp"

namespace ww::playbooks {
namespace {
using namespace made;  // NOLINT

struct KeyPair {
  std::string secret, open;
  explicit KeyPair(EVP_PKEY* k) {
    BIO* b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, k, nullptr, nullptr, 0, nullptr, nullptr);
    secret = take(b);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(b, k);
    open = take(b);
    EVP_PKEY_free(k);
  }
  static std::string take(BIO* b) {
    char* data = nullptr;
    const auto n = BIO_get_mem_data(b, &data);
    std::string out(data, static_cast<std::size_t>(n));
    BIO_free(b);
    return out;
  }
};
const Timestamp now = *parse_time("2026-06-01T00:00:00Z");

TEST(Jss, EveryKindOfKeySignsAndVerifies) {
  EVP_PKEY* keys[] = {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"),
                      EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"),
                      EVP_EC_gen("P-256"),
                      EVP_EC_gen("P-384"),
                      EVP_EC_gen("P-521"),
                      EVP_RSA_gen(2048)};
  for (auto* k : keys) {
    const KeyPair pair(k);
    TrustedKeys trusted;
    ASSERT_TRUE(trusted.add_pem(pair.open).has_value());
    const auto document = sign_document(smallest(), pair.secret, "The trust", now);
    ASSERT_TRUE(document.has_value()) << document.error();
    EXPECT_TRUE(loaded(*document).has_value()) << "a signed playbook still loads";
    const auto checks = verify_signatures(*document, trusted, now);
    ASSERT_EQ(checks.size(), 1U);
    EXPECT_TRUE(checks[0].trusted) << checks[0].algorithm << ": " << checks[0].why;

    auto changed = *document;
    changed["name"] = "Something else";
    EXPECT_FALSE(verify_signatures(changed, trusted, now)[0].valid);
    auto moved = *document;
    moved["signatures"].get_array()[0].get_object()["signee"] = "Somebody else";
    EXPECT_FALSE(verify_signatures(moved, trusted, now)[0].valid);
    const TrustedKeys nobody;
    const auto unknown = verify_signatures(*document, nobody, now);
    EXPECT_TRUE(unknown[0].valid);
    EXPECT_FALSE(unknown[0].trusted);
  }
}

TEST(Jss, SignatureDoesNotChangeTheVersionHashAndTwoStandBesideEachOther) {
  const KeyPair a(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")), b(EVP_EC_gen("P-256"));
  TrustedKeys trusted;
  ASSERT_TRUE(trusted.add_pem(a.open + b.open).has_value());
  EXPECT_EQ(trusted.size(), 2U);
  auto once = *sign_document(smallest(), a.secret, "A", now);
  auto twice = *sign_document(once, b.secret, "B", now);
  EXPECT_EQ((*loaded(smallest()))->sha256, (*loaded(twice))->sha256);
  const auto checks = verify_signatures(twice, trusted, now);
  ASSERT_EQ(checks.size(), 2U);
  EXPECT_TRUE(checks[0].trusted && checks[1].trusted);
}

TEST(Jss, RefusesWhatIsNotInForceOrForAnotherVersion) {
  const KeyPair key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  TrustedKeys trusted;
  ASSERT_TRUE(trusted.add_pem(key.open).has_value());
  auto p = *sign_document(smallest(), key.secret, "A", now);
  auto other = smallest();
  other["modified"] = "2026-01-03T00:00:00.000Z";
  other["signatures"] = p["signatures"];
  EXPECT_FALSE(verify_signatures(other, trusted, now)[0].valid);
  auto& s = p["signatures"].get_array()[0].get_object();
  s["algorithm"] = "HS256";
  EXPECT_FALSE(verify_signatures(p, trusted, now)[0].valid);
  s["algorithm"] = "LMS_SHA256_M32_H5";
  EXPECT_FALSE(verify_signatures(p, trusted, now)[0].valid);
}

TEST(AllowList, RunsOnlyWhatTheSiteSigned) {
  const KeyPair key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")), stranger(EVP_EC_gen("P-256"));
  TrustedKeys trusted;
  ASSERT_TRUE(trusted.add_pem(key.open).has_value());
  const json::object list{{"type", "wardwatch-allow-list"},
                          {"site", "st-elsewhere"},
                          {"entries",
                           {{{"id", "ping"},
                             {"command", "ping -c1 __host__:value"},
                             {"argv", {"/usr/bin/ping", "-c1", "__host__:value"}},
                             {"variables", {{"__host__", "[a-z0-9.-]{1,80}"}}}}}}};
  EXPECT_FALSE(AllowList::load(json::serialize(list), trusted, "st-elsewhere").has_value());
  EXPECT_FALSE(AllowList::load(json::serialize(*sign_document(list, stranger.secret, "x", now)),
                               trusted, "st-elsewhere"));
  const auto signed_list = json::serialize(*sign_document(list, key.secret, "site", now));
  EXPECT_FALSE(AllowList::load(signed_list, trusted, "another-site").has_value());
  const auto allowed = AllowList::load(signed_list, trusted, "st-elsewhere");
  ASSERT_TRUE(allowed.has_value()) << allowed.error();
  Command c;
  c.type = "bash";
  c.command = "ping -c1 __host__:value";
  const auto with = [&](const char* value) {
    Variables v{{"__host__", {"string", value, "", false, false}}};
    return allowed->find(c, {&v, nullptr});
  };
  ASSERT_TRUE(with("pacs-1.example").has_value());
  EXPECT_EQ(with("pacs-1.example")->argv,
            (std::vector<std::string>{"/usr/bin/ping", "-c1", "pacs-1.example"}));
  EXPECT_FALSE(with("-f").has_value()) << "a value is no option";
  EXPECT_FALSE(with("a; rm -rf /").has_value());
  EXPECT_FALSE(with("a\n").has_value());
  c.command = "ping -c1 8.8.8.8";
  EXPECT_FALSE(with("x").has_value());
}

}  // namespace
}  // namespace ww::playbooks
