#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "collector/identity/accounts.hpp"
#include "collector/identity/secrets.hpp"
#include "collector/store/store.hpp"
#include "telemetry/net/enrol.hpp"
#include "tests/temp_folder.hpp"

namespace ww::collector {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Identity : public ::testing::Test {
 protected:
  void SetUp() override {
    clock.set({1'790'000'000'000'000});
    reopen();
  }
  void TearDown() override {
    accounts.reset();
    store.reset();
  }
  void reopen() {
    accounts.reset();
    store.reset();
    StoreOptions o;
    o.folder = folder + "/data";
    o.min_free_octets = 0;
    store = Store::open(o, clock, {}).value();
    accounts = Accounts::open(store->control(), clock).value();
  }
  std::unique_ptr<Authority> authority(std::vector<std::string> names = {"collector.example"}) {
    return Authority::open({.folder = folder + "/tls", .names = std::move(names)}, clock).value();
  }
  void add(const std::string& name, Role role,
           const std::string& password = "correct horse battery") {
    User u;
    u.name = name;
    u.role = role;
    ASSERT_TRUE(accounts->add_user(u, password, actor));
  }
  ww::test::TempFolder temp;
  const std::string& folder = temp.path();
  ManualClock clock;
  std::unique_ptr<Store> store;
  std::unique_ptr<Accounts> accounts;
  Actor actor{"tester", "console", "192.0.2.1"};
};

X509* certificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* c = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return c;
}

TEST_F(Identity, PasswordHashesVerifyOnlyTheirPassword) {
  const auto hash = hash_password("s3cret enough");
  EXPECT_TRUE(verify_password("s3cret enough", hash));
  EXPECT_FALSE(verify_password("s3cret enougH", hash));
  EXPECT_FALSE(verify_password("s3cret enough", ""));
  EXPECT_NE(hash, hash_password("s3cret enough"));
  EXPECT_EQ(hash.find("s3cret"), std::string::npos);
}

TEST_F(Identity, AuthorityIsMadeOnceAndItsKeyIsPrivate) {
  const auto first = authority()->fingerprint();
  EXPECT_EQ(authority()->fingerprint(), first);
  struct stat st{};
  ASSERT_EQ(::stat((folder + "/tls/ca.key").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600U);
}

TEST_F(Identity, SensorCertificateCarriesSiteAndSensorAndNothingTheRequestAskedFor) {
  const auto ca = authority();
  const auto request = net::make_request("evil.example");
  const auto issued = ca->sign_sensor(request.csr_pem, {"st-elsewhere", "radiology-1"});
  ASSERT_TRUE(issued) << issued.error();
  X509* c = certificate(issued->certificate_pem);
  ASSERT_NE(c, nullptr);
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(c, NID_subject_alt_name, nullptr, nullptr));
  ASSERT_EQ(sk_GENERAL_NAME_num(names), 1);
  const auto* uri = sk_GENERAL_NAME_value(names, 0)->d.uniformResourceIdentifier;
  const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                         static_cast<std::size_t>(ASN1_STRING_length(uri)));
  EXPECT_EQ(parse_sensor_uri(text), (SensorName{"st-elsewhere", "radiology-1"}));
  char subject[200];
  X509_NAME_oneline(X509_get_subject_name(c), subject, sizeof subject);
  EXPECT_EQ(std::string(subject).find("evil"), std::string::npos);
  EXPECT_EQ(X509_check_ca(c), 0);
  GENERAL_NAMES_free(names);
  X509_free(c);
}

TEST_F(Identity, RefusesRequestsThatAreBrokenOrWeak) {
  const auto ca = authority();
  const SensorName name{"a", "b"};
  EXPECT_FALSE(ca->sign_sensor("", name));
  EXPECT_FALSE(ca->sign_sensor(std::string(20'000, 'x'), name));
  auto request = net::make_request("x").csr_pem;
  EXPECT_FALSE(ca->sign_sensor(request, {"Not A Slug", "b"}));
  const auto middle = request.find('\n') + 60;  // inside the signed part
  request[middle] = request[middle] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(ca->sign_sensor(request, name));
}

TEST_F(Identity, ServerCertificateIsKeptAndRenewedBeforeItsEnd) {
  auto ca = authority();
  const auto first = ca->server_identity().value();
  EXPECT_EQ(first.renewed, "there was none");
  EXPECT_EQ(ca->server_identity()->certificate_pem, first.certificate_pem);
  EXPECT_EQ(ca->server_identity()->renewed, "");
  clock.advance(std::chrono::hours(24 * 370));
  const auto second = ca->server_identity().value();
  EXPECT_NE(second.certificate_pem, first.certificate_pem);
  EXPECT_EQ(second.renewed, "the old one ends " + rfc3339(first.not_after));
  clock.advance(std::chrono::hours(24 * 500));
  EXPECT_EQ(ca->server_identity()->renewed, "the old one ended " + rfc3339(second.not_after));
  EXPECT_EQ(authority({"collector.example", "localhost"})->server_identity()->renewed, "");
}

TEST_F(Identity, AShortLifeIsNotDueForRenewalWhenItBegins) {
  for (const auto life : {std::chrono::seconds(60), std::chrono::seconds(90 * 86'400)}) {
    const auto ca =
        Authority::open({.folder = folder + "/tls", .sensor_life = life}, clock).value();
    const auto issued = ca->sign_sensor(net::make_request("x").csr_pem, {"a", "b"});
    ASSERT_TRUE(issued);
    EXPECT_EQ(issued->not_after - clock.now(), life);
    net::SensorIdentity identity;
    identity.not_before = issued->not_before;
    identity.not_after = issued->not_after;
    EXPECT_LT(issued->not_before, clock.now());
    EXPECT_FALSE(identity.renewal_due(clock.now() + life / 2));
    EXPECT_TRUE(identity.renewal_due(clock.now() + life * 2 / 3));
  }
}

TEST_F(Identity, ServerNameOutsideTheConstraintsIsRefusedWithARemedy) {
  (void)authority({"collector.example"});
  const auto ca = authority({"collector.example", "other.example"});
  const auto id = ca->server_identity();
  ASSERT_FALSE(id);
  EXPECT_NE(id.error().what.find("other.example"), std::string::npos);
}

TEST_F(Identity, SlugsAndUrisAreStrict) {
  for (const auto* bad : {"", "-a", "a-", "A", "a_b", "a/b", "a.b"})
    EXPECT_FALSE(valid_slug(bad)) << bad;
  EXPECT_FALSE(valid_slug(std::string(64, 'a')));
  EXPECT_TRUE(valid_slug("st-elsewhere-2"));
  EXPECT_FALSE(parse_sensor_uri("spiffe://evil/site/a/sensor/b"));
  EXPECT_FALSE(parse_sensor_uri("spiffe://wardwatch.internal/site/a/sensor/b/c"));
}

TEST_F(Identity, EnrolmentTokenWorksOnceButTheSameKeyMayRepeat) {
  const auto ca = authority();
  const auto made = accounts->add_enrolment({"a", "b"}, 1h, actor).value();
  const auto request = net::make_request("x"), other = net::make_request("x");
  const auto first = accounts->enrol(made.secret, request.csr_pem, *ca, "192.0.2.9");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first, (SensorName{"a", "b"}));
  EXPECT_TRUE(accounts->admit({"a", "b"}, first->second.serial, "1"));
  EXPECT_TRUE(accounts->enrol(made.secret, request.csr_pem, *ca, "192.0.2.9"));
  EXPECT_FALSE(accounts->enrol(made.secret, other.csr_pem, *ca, "192.0.2.9"));
  reopen();
  EXPECT_FALSE(accounts->enrol(made.secret, other.csr_pem, *ca, "192.0.2.9"));
  EXPECT_TRUE(accounts->admit({"a", "b"}, first->second.serial, "1"));
}

TEST_F(Identity, ExpiredEnrolmentTokenIsRefused) {
  const auto ca = authority();
  const auto made = accounts->add_enrolment({"a", "b"}, 1h, actor).value();
  clock.advance(61min);
  const auto done = accounts->enrol(made.secret, net::make_request("x").csr_pem, *ca, "192.0.2.9");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().what.find("expired"), std::string::npos);
}

TEST_F(Identity, RevokedSensorLosesAllCertificatesForGood) {
  const auto ca = authority();
  const auto made = accounts->add_enrolment({"a", "b"}, 1h, actor).value();
  const auto serial =
      accounts->enrol(made.secret, net::make_request("x").csr_pem, *ca, "1")->second.serial;
  const auto renewed =
      accounts->renew({"a", "b"}, net::make_request("x").csr_pem, *ca, "1")->serial;
  ASSERT_TRUE(accounts->revoke({"a", "b"}, "stolen", actor));
  EXPECT_FALSE(accounts->admit({"a", "b"}, serial, "1"));
  EXPECT_FALSE(accounts->admit({"a", "b"}, renewed, "1"));
  reopen();
  EXPECT_FALSE(accounts->admit({"a", "b"}, renewed, "1"));
  EXPECT_FALSE(accounts->revoke({"no", "body"}, "", actor));
}

TEST_F(Identity, ACertificateIssuedAfterTheBackupComesInUnlessTheSensorWasRevoked) {
  const auto ca = authority();
  const auto enrolled = [&](const SensorName& name) {
    const auto made = accounts->add_enrolment(name, 1h, actor).value();
    return accounts->enrol(made.secret, net::make_request("x").csr_pem, *ca, "1")->second.serial;
  };
  const auto known = enrolled({"a", "b"});
  EXPECT_TRUE(accounts->admit({"a", "b"}, known, "1"));
  EXPECT_TRUE(accounts->admit({"a", "b"}, "ABCD", "192.0.2.7")) << "renewed after the backup";
  EXPECT_TRUE(accounts->admit({"a", "b"}, "ABCD", "192.0.2.7"));
  EXPECT_FALSE(accounts->admit({"a", "c"}, "ABCD", "192.0.2.7")) << "no such sensor here";
  std::size_t told = 0;
  for (const auto& row : accounts->audit_rows(100, 0)) told += row.action == "sensor.admit" ? 1 : 0;
  EXPECT_EQ(told, 1U) << "once for each certificate";
  ASSERT_TRUE(accounts->revoke({"a", "b"}, "stolen", actor));
  const auto anew = enrolled({"a", "b"});
  EXPECT_TRUE(accounts->admit({"a", "b"}, anew, "1"));
  EXPECT_FALSE(accounts->admit({"a", "b"}, known, "1"));
  EXPECT_FALSE(accounts->admit({"a", "b"}, "ABCD", "1")) << "it may be the stolen one";
  clock.advance(std::chrono::hours(24 * 400));
  reopen();
  EXPECT_FALSE(accounts->admit({"a", "b"}, anew, "1")) << "over";
  EXPECT_FALSE(accounts->admit({"a", "b"}, "ABCD", "1")) << "a revocation is never forgotten";
}

TEST_F(Identity, CertificateIsValidOnlyWithinItsTime) {
  const auto ca = authority();
  const auto made = accounts->add_enrolment({"a", "b"}, 1h, actor).value();
  const auto serial =
      accounts->enrol(made.secret, net::make_request("x").csr_pem, *ca, "1")->second.serial;
  clock.advance(std::chrono::hours(24 * 91));
  EXPECT_FALSE(accounts->admit({"a", "b"}, serial, "1"));
  EXPECT_FALSE(accounts->admit({"no", "body"}, "00", "1"));
}

TEST_F(Identity, SessionsSurviveARestartAndEndByTimeOrLogout) {
  add("ann", Role::analyst);
  const auto s = accounts->login("ann", "correct horse battery", "1").value();
  ASSERT_TRUE(accounts->session(s.secret));
  EXPECT_EQ(accounts->session(s.secret)->session.csrf, s.csrf);
  reopen();
  ASSERT_TRUE(accounts->session(s.secret));
  clock.advance(2h + 1s);
  EXPECT_FALSE(accounts->session(s.secret));
  const auto second = accounts->login("ann", "correct horse battery", "1").value();
  accounts->logout(second.secret, "1");
  EXPECT_FALSE(accounts->session(second.secret));
}

TEST_F(Identity, LocksOutAfterFiveFailuresEvenWithTheRightPassword) {
  add("ann", Role::analyst);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(accounts->login("ann", "wrong", "1").error(), LoginRefusal::wrong);
  EXPECT_EQ(accounts->login("ann", "correct horse battery", "2").error(), LoginRefusal::locked);
  clock.advance(15min);
  EXPECT_TRUE(accounts->login("ann", "correct horse battery", "2"));
}

TEST_F(Identity, LocksOutAnAddressThatTriesManyNames) {
  add("ann", Role::analyst);
  for (int i = 0; i < 30; ++i)
    (void)accounts->login("name" + std::to_string(i), "wrong", "203.0.113.5");
  EXPECT_EQ(accounts->login("ann", "correct horse battery", "203.0.113.5").error(),
            LoginRefusal::locked);
  EXPECT_TRUE(accounts->login("ann", "correct horse battery", "203.0.113.6"));
}

TEST_F(Identity, LoginLinkWorksOnceWithinItsTime) {
  add("ann", Role::analyst, "");
  const auto link = accounts->make_login_link("ann", 1h, actor).value();
  EXPECT_TRUE(accounts->login_by_link(link, "1"));
  EXPECT_FALSE(accounts->login_by_link(link, "1"));
  const auto late = accounts->make_login_link("ann", 1h, actor).value();
  clock.advance(1h + 1s);
  EXPECT_FALSE(accounts->login_by_link(late, "1"));
}

TEST_F(Identity, UserWithoutPasswordCannotSignInByPassword) {
  add("ann", Role::analyst, "");
  EXPECT_FALSE(accounts->login("ann", "", "1"));
}

TEST_F(Identity, DisablingOrChangingPasswordEndsSessions) {
  add("root", Role::admin);
  add("ann", Role::analyst);
  const auto a = accounts->login("ann", "correct horse battery", "1").value();
  UserPatch disable;
  disable.disabled = true;
  ASSERT_TRUE(accounts->patch_user("ann", disable, actor));
  EXPECT_FALSE(accounts->session(a.secret));
  EXPECT_FALSE(accounts->login("ann", "correct horse battery", "1"));
}

TEST_F(Identity, TheLastAdminStays) {
  add("root", Role::admin);
  UserPatch demote;
  demote.role = Role::analyst;
  EXPECT_FALSE(accounts->patch_user("root", demote, actor));
  EXPECT_FALSE(accounts->remove_user("root", actor));
  add("second", Role::admin);
  EXPECT_TRUE(accounts->remove_user("root", actor));
}

TEST_F(Identity, TokensExpireAndAreStoredAsDigests) {
  ApiToken t;
  t.name = "vector";
  t.role = Role::ingest;
  EXPECT_FALSE(accounts->add_token(t, 1h, actor));  // no site, no source
  t.site = "st-elsewhere";
  t.source = "vector";
  const auto made = accounts->add_token(t, 1h, actor).value();
  EXPECT_EQ(accounts->token(made.secret)->site, "st-elsewhere");
  EXPECT_FALSE(accounts->token(made.secret + "x"));
  reopen();
  EXPECT_TRUE(accounts->token(made.secret));
  (void)store->control().read([&](sql::Database& db) {
    auto s = db.prepare("SELECT count(*) FROM tokens WHERE hash LIKE '%' || ? || '%'");
    s.with(made.secret.substr(4));
    ASSERT_TRUE(s.step());
    EXPECT_EQ(s.integer(0), 0);
  });
  clock.advance(1h);
  EXPECT_FALSE(accounts->token(made.secret));
}

TEST_F(Identity, EveryChangeLeavesAnAuditRow) {
  add("ann", Role::analyst);
  (void)accounts->login("ann", "correct horse battery", "198.51.100.7");
  (void)accounts->login("ann", "wrong", "198.51.100.8");
  (void)accounts->add_enrolment({"a", "b"}, 1h, actor);
  const auto rows = accounts->audit_rows(10, 0);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].action, "enrolment.add");
  EXPECT_EQ(rows[0].target, "a/b");
  EXPECT_EQ(rows[1].action, "login.failed");
  EXPECT_EQ(rows[1].actor.address, "198.51.100.8");
  EXPECT_EQ(rows[2].action, "login");
  EXPECT_EQ(accounts->audit_rows(10, rows[1].id).size(), 2U);
}

TEST_F(Identity, PasswordRulesHold) {
  User u;
  u.name = "bob";
  u.role = Role::analyst;
  EXPECT_FALSE(accounts->add_user(u, "short", actor));
  EXPECT_TRUE(accounts->add_user(u, "long enough password", actor));
  EXPECT_EQ(accounts->add_user(u, "long enough password", actor).error().kind,
            AccountError::Kind::conflict);
  EXPECT_FALSE(accounts->change_password("bob", "not it", "another long password", actor));
  EXPECT_TRUE(
      accounts->change_password("bob", "long enough password", "another long password", actor));
  EXPECT_TRUE(accounts->login("bob", "another long password", "1"));
}

TEST(EnrolmentToken, CarriesThePin) {
  const std::string pin(64, 'a');
  const auto t = net::parse_enrolment_token("wwe_secret." + pin + "\n");
  ASSERT_TRUE(t);
  EXPECT_EQ(t->secret, "wwe_secret");
  EXPECT_EQ(t->ca_pin, pin);
  for (const auto& bad : {std::string("wwe_secret"), "wwt_secret." + pin, "wwe_secret." + pin + "0",
                          "wwe_secret." + std::string(64, 'g')})
    EXPECT_FALSE(net::parse_enrolment_token(bad)) << bad;
}

}  // namespace
}  // namespace ww::collector
