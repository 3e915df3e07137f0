/// Backups over the API: the board, who sees what, the register, accepting, and the clean restore
/// point.
#include "tests/collector/api/fixture.hpp"

namespace ww::collector {
namespace {

class BackupApiTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    admin = token(Role::admin);
  }
  /// Reach and sites of a person.
  std::string person(const std::string& name, Role role, std::vector<std::string> sites) {
    add_user(name, role, std::move(sites));
    ApiToken t;
    t.name = name;
    t.role = role;
    return collector->accounts().add_token(t, 1h, {name, "session", ""}).value().secret;
  }
  std::string line(std::uint64_t seq, const std::string& backup) const {
    return "{\"timestamp\":\"" + eve_time(clock.now()) +
           "\",\"event_type\":\"backup\",\"backup\":" + backup +
           ",\"ww\":{\"epoch\":1,\"seq\":" + std::to_string(seq) + "}}\n";
  }
  static std::string night(const std::string& asset, Timestamp t, int n) {
    return R"({"kind":"run","tool":"restic","asset":")" + asset +
           R"(","job":"nightly","repository":"/srv/r","snapshot":"n)" + std::to_string(n) +
           R"(","status":"success","started":")" + rfc3339(t + -std::chrono::hours(24 * n + 1)) +
           R"("})";
  }
  /// Nine nights of one asset at a site.
  void nights(const std::string& site, const std::string& asset) {
    const auto identity = enrol(site, "s1");
    std::string body;
    for (int n = 9; n >= 0; --n)
      body += line(static_cast<std::uint64_t>(10 - n), night(asset, clock.now(), n));
    const auto r = client(&identity)->send(batch(1, 1, body)).value();
    ASSERT_EQ(r.status, 200U) << r.body;
  }
  json::value get(const std::string& path, const std::string& bearer) {
    const auto r = send("GET", path, bearer);
    EXPECT_EQ(r.status, 200U) << path << r.body;
    return parsed(r.body);
  }
  json::value board_with(std::size_t assets, const std::string& bearer) {
    json::value v;
    eventually([&] {
      v = get("/api/v1/backups", bearer);
      return v.at("items").as_array().size() >= assets;
    });
    EXPECT_EQ(v.at("items").as_array().size(), assets);
    return v;
  }
  std::string admin;
};

TEST_F(BackupApiTest, APersonOfOneSiteSeesNothingOfAnother) {
  nights("st-a", "pacs");
  nights("st-b", "lims");
  const auto ann = person("ann", Role::lead, {"st-a"});
  board_with(2, admin);
  const auto board = board_with(1, ann);
  EXPECT_EQ(json::serialize(board).find("lims"), std::string::npos);
  EXPECT_EQ(json::serialize(board).find("st-b"), std::string::npos);
  EXPECT_EQ(board.at("total").as_int64(), 1);
  for (const auto* path :
       {"/api/v1/backups/assets/st-b/lims", "/api/v1/backups/assets/st-b/lims/runs"})
    EXPECT_EQ(send("GET", path, ann).status, 404U) << path;
  EXPECT_EQ(send("GET", "/api/v1/backups/assets/st-a/pacs/runs", ann).status, 200U);
  EXPECT_EQ(send("PUT", "/api/v1/backups/assets/st-b/lims", ann, "{}").status, 403U);
  EXPECT_EQ(send("PUT", "/api/v1/backups/services/imaging", ann, "{}").status, 403U);
  EXPECT_EQ(json::serialize(get("/api/v1/backups/findings?open=no", ann)).find("lims"),
            std::string::npos);
  EXPECT_EQ(send("POST", "/api/v1/restore-checks", ann,
                 R"({"site":"st-b","asset":"lims","snapshot":"n1"})")
                .status,
            403U);
}

TEST_F(BackupApiTest, TheRegisterIsEditedAndMistakesAreNamed) {
  const auto path = "/api/v1/backups/assets/st-a/pacs";
  auto r = send("PUT", path, admin, R"({"service":"imaging"})");
  EXPECT_EQ(r.status, 400U);
  EXPECT_NE(r.body.find("no service"), std::string::npos);
  EXPECT_EQ(send("PUT", "/api/v1/backups/services/imaging", admin,
                 R"({"title":"Imaging","criticality":"critical"})")
                .status,
            200U);
  for (const auto& [body, words] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"ownr":"x"})", "ownr"},
           {R"({"targets":{"rpo":"soon"}})", "rpo"},
           {R"({"jobs":[{"name":"n","schedule":"noon"}]})", "schedule"},
           {R"({"jobs":[{"name":"a b"}]})", "name"}}) {
    r = send("PUT", path, admin, body);
    EXPECT_EQ(r.status, 400U) << body;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
  }
  r = send(
      "PUT", path, admin,
      R"({"service":"imaging","owner":"Ann","targets":{"rpo":"4h"},"jobs":[{"name":"nightly","schedule":"daily 02:00 Europe/London"}]})");
  ASSERT_EQ(r.status, 200U) << r.body;
  const auto board = board_with(1, admin);
  const auto& a = board.at("items").at(0);
  EXPECT_EQ(a.at("state").as_string(), "never_ran");
  EXPECT_EQ(a.at("rpo").at("target_seconds").as_int64(), 4 * 3600);
  EXPECT_EQ(board.at("services").at(0).at("state").as_string(), "never_ran");
  EXPECT_EQ(send("DELETE", path, admin).status, 204U);
  EXPECT_EQ(send("DELETE", path, admin).status, 404U);
}

TEST_F(BackupApiTest, FromASignToASignedRestore) {
  nights("st-a", "pacs");
  board_with(1, admin);
  auto r = send("POST", "/api/v1/incidents", admin,
                R"({"title":"ransomware","level":"critical","alerts":[]})");
  ASSERT_EQ(r.status, 201U) << r.body;
  const auto id = std::string(parsed(r.body).at("incident").at("id").as_string());
  const auto base = "/api/v1/incidents/" + id;
  r = send("POST", base + "/restore-point", admin, R"({"site":"st-a","asset":"pacs"})");
  ASSERT_EQ(r.status, 200U) << r.body;
  EXPECT_EQ(parsed(r.body).at("verdict").as_string(), "unknown");
  r = send("POST", base + "/indicators", admin,
           R"({"time":")" + rfc3339(clock.now() + -std::chrono::hours(30)) +
               R"(","source":"VPN log","entity":"host:ris-01","offset_seconds":3600})");
  ASSERT_EQ(r.status, 200U) << r.body;
  EXPECT_EQ(parsed(r.body).at("verdicts_changed").as_int64(), 1);
  r = send("POST", base + "/restore-point", admin, R"({"site":"st-a","asset":"pacs"})");
  auto point = parsed(r.body);
  EXPECT_EQ(point.at("verdict").as_string(), "clean_candidate");
  // 30 h ago, an hour off, a day of margin: data of before 55 h ago.
  EXPECT_EQ(point.at("chosen").at("snapshot").as_string(), "n3");
  const auto now = clock.now();
  r = send(
      "POST", "/api/v1/restore-checks", admin,
      R"({"site":"st-a","asset":"pacs","snapshot":"n3","result":"passed","scan":"clean","started":")" +
          rfc3339(now + -std::chrono::hours(1)) + R"(","finished":")" + rfc3339(now) +
          R"(","verified":["opens"]})");
  ASSERT_EQ(r.status, 201U) << r.body;
  const auto check =
      "/api/v1/restore-checks/" + std::string(parsed(r.body).at("id").as_string()) + "/sign";
  EXPECT_EQ(send("POST", check, admin, "{}").status, 400U);
  EXPECT_EQ(send("POST", check, admin, R"({"statement":"opened and scanned"})").status, 200U);
  EXPECT_EQ(send("POST", check, admin, R"({"statement":"again"})").status, 409U);
  r = send("POST", base + "/restore-point", admin, R"({"site":"st-a","asset":"pacs"})");
  point = parsed(r.body);
  EXPECT_EQ(point.at("verdict").as_string(), "clean");
  EXPECT_EQ(point.at("restores_measured").as_int64(), 1);
  EXPECT_EQ(get(base + "/restore-point", admin).at("items").as_array().size(), 3U);
  for (const auto& [body, status] : std::initializer_list<std::pair<const char*, unsigned>>{
           {"{}", 400U},
           {R"({"site":"st-a","asset":"none"})", 404U},
           {R"({"service":"none"})", 404U},
           {R"({"site":"st-a","asset":"pacs","margin_hours":-1})", 400U},
           {R"({"site":"st-a","asset":"pacs","incident_time":"x"})", 400U}})
    EXPECT_EQ(send("POST", base + "/restore-point", admin, body).status, status) << body;
  EXPECT_EQ(send("POST", "/api/v1/incidents/none/restore-point", admin, "{}").status, 404U);
}

}  // namespace
}  // namespace ww::collector
