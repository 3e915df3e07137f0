/// Who gets in: credentials, roles, CSRF, cookies, headers.
#include "collector/api/route.hpp"
#include "tests/collector/api/fixture.hpp"

namespace ww::collector {
namespace {

std::string concrete(std::string_view pattern) {
  std::string out(pattern);
  for (auto open = out.find('{'); open != std::string::npos; open = out.find('{'))
    out.replace(open, out.find('}') - open + 1, "x");
  return out;
}

TEST_F(ApiTest, EveryRouteButTheOpenOnesAsksForCredentials) {
  ASSERT_GT(routes().size(), 40U);
  std::size_t open = 0;
  for (const auto& route : routes()) {
    const auto r = send(route.method, concrete(route.pattern));
    if (route.access == Access::open) {
      ++open;
      EXPECT_NE(r.status, 404U) << route.pattern;
    } else {
      EXPECT_EQ(r.status, 401U) << route.method << " " << route.pattern;
      EXPECT_TRUE(r.headers.has("WWW-Authenticate"));
    }
    EXPECT_NE(r.headers.get("Content-Security-Policy").find("script-src 'self'"),
              std::string_view::npos);
  }
  EXPECT_EQ(open, 4U) << "healthz, two logins, enrol: a new open route needs thought";
}

TEST_F(ApiTest, WrongCredentialsAreNotBetterThanNone) {
  for (const auto* authorization :
       {"Bearer nonsense", "Bearer", "Basic eDp5", "Digest x", "Basic !!!"})
    EXPECT_EQ(send("GET", "/api/v1/alerts", "", "", {{"Authorization", authorization}}).status,
              401U)
        << authorization;
  EXPECT_EQ(send("GET", "/api/v1/alerts", "", "", {{"Cookie", "__Host-wardwatch=nonsense"}}).status,
            401U);
}

TEST_F(ApiTest, EachRoleReachesWhatIsItsOwnAndNoMore) {
  const std::vector<Role> roles{Role::ingest,  Role::metrics, Role::auditor,
                                Role::analyst, Role::lead,    Role::admin};
  std::map<Role, std::string> tokens;
  for (const auto r : roles)
    tokens[r] = token(r, r == Role::ingest ? "a" : "", r == Role::ingest ? "b" : "");
  const auto least = [](Access a) {
    switch (a) {
      case Access::auditor:
        return Role::auditor;
      case Access::analyst:
        return Role::analyst;
      case Access::lead:
        return Role::lead;
      case Access::admin:
        return Role::admin;
      case Access::metrics:
        return Role::metrics;
      default:
        return Role::none;
    }
  };
  for (const auto& route : routes()) {
    const auto needed = least(route.access);
    if (needed == Role::none || route.pattern == "/api/v1/live") continue;
    for (const auto r : roles) {
      if (r >= needed) continue;
      EXPECT_EQ(send(route.method, concrete(route.pattern), tokens[r]).status, 403U)
          << name(r) << " " << route.pattern;
    }
  }
  EXPECT_EQ(send("GET", "/api/v1/alerts", tokens[Role::auditor]).status, 200U);
  EXPECT_EQ(send("GET", "/metrics", tokens[Role::metrics]).status, 200U);
  EXPECT_EQ(send("GET", "/api/v1/users", tokens[Role::admin]).status, 200U);
  for (const auto* path :
       {"/_bulk", "/loki/api/v1/push", "/v1/logs", "/api/v1/eve", "/api/v1/wazuh"})
    EXPECT_EQ(send("POST", path, tokens[Role::admin], "{}").status, 403U) << path;
  EXPECT_EQ(send("POST", "/api/v1/renew", tokens[Role::ingest], "{}").status, 403U);
  EXPECT_EQ(send("POST", "/api/v1/ingest", tokens[Role::ingest], "{}").status, 403U);
}

TEST_F(ApiTest, SignsInByPasswordAndNeedsTheCsrfTokenForChanges) {
  add_user("ann", Role::analyst);
  EXPECT_EQ(send("POST", "/api/v1/login", "", R"({"user":"ann","password":"wrong"})").status, 401U);
  const auto in =
      send("POST", "/api/v1/login", "", R"({"user":"ann","password":"correct horse battery"})");
  ASSERT_EQ(in.status, 200U);
  const std::string set(in.headers.get("Set-Cookie"));
  for (const auto* part :
       {"__Host-wardwatch=", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"})
    EXPECT_NE(set.find(part), std::string::npos) << part;
  EXPECT_EQ(in.headers.get("Cache-Control"), "no-store");
  const auto cookie = set.substr(0, set.find(';'));
  const auto csrf = std::string(parsed(in.body).at("csrf").as_string().c_str());

  EXPECT_EQ(
      parsed(send("GET", "/api/v1/me", "", "", {{"Cookie", cookie}}).body).at("user").as_string(),
      "ann");
  EXPECT_EQ(send("POST", "/api/v1/incidents", "", R"({"title":"x"})", {{"Cookie", cookie}}).status,
            403U);
  EXPECT_EQ(send("POST", "/api/v1/incidents", "", R"({"title":"x"})",
                 {{"Cookie", cookie}, {"X-CSRF-Token", csrf + "x"}})
                .status,
            403U);
  EXPECT_EQ(send("POST", "/api/v1/incidents", "", R"({"title":"x"})",
                 {{"Cookie", cookie}, {"X-CSRF-Token", csrf}})
                .status,
            201U);
  EXPECT_EQ(send("POST", "/api/v1/incidents", "", "title=x",
                 {{"Cookie", cookie},
                  {"X-CSRF-Token", csrf},
                  {"Content-Type", "application/x-www-form-urlencoded"}})
                .status,
            415U);
  EXPECT_EQ(
      send("POST", "/api/v1/logout", "", "", {{"Cookie", cookie}, {"X-CSRF-Token", csrf}}).status,
      204U);
  EXPECT_EQ(send("GET", "/api/v1/me", "", "", {{"Cookie", cookie}}).status, 401U);
}

TEST_F(ApiTest, LoginsAreLimitedAndSayWhen) {
  add_user("ann", Role::analyst);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(send("POST", "/api/v1/login", "", R"({"user":"ann","password":"wrong"})").status,
              401U);
  const auto r =
      send("POST", "/api/v1/login", "", R"({"user":"ann","password":"correct horse battery"})");
  EXPECT_EQ(r.status, 429U);
  EXPECT_TRUE(r.headers.has("Retry-After"));
}

TEST_F(ApiTest, LoginLinkOpensOneSession) {
  add_user("ann", Role::analyst);
  const auto secret =
      collector->accounts().make_login_link("ann", 1h, {"console", "console", ""}).value();
  const auto body = "{\"secret\":\"" + secret + "\"}";
  EXPECT_EQ(send("POST", "/api/v1/login/link", "", body).status, 200U);
  EXPECT_EQ(send("POST", "/api/v1/login/link", "", body).status, 401U);
}

TEST_F(ApiTest, ATokenReachesNoFurtherThanItsMakerReachesNow) {
  add_user("root", Role::admin);
  add_user("ann", Role::lead);
  ApiToken t;
  t.name = "script";
  t.role = Role::lead;
  const auto secret = collector->accounts().add_token(t, 1h, {"ann", "session", ""}).value().secret;
  EXPECT_EQ(send("GET", "/api/v1/enrolments", secret).status, 200U);
  UserPatch demote;
  demote.role = Role::auditor;
  ASSERT_TRUE(collector->accounts().patch_user("ann", demote, {"root", "session", ""}));
  EXPECT_EQ(send("GET", "/api/v1/enrolments", secret).status, 403U);
  ASSERT_TRUE(collector->accounts().remove_user("ann", {"root", "session", ""}));
  EXPECT_EQ(send("GET", "/api/v1/alerts", secret).status, 401U);
}

TEST_F(ApiTest, UsersAreManagedByAdminsAndEveryChangeIsAudited) {
  const auto admin = token(Role::admin);
  const auto made =
      send("POST", "/api/v1/users", admin, R"({"user":"bob","role":"lead","name":"Bob"})");
  ASSERT_EQ(made.status, 201U);
  EXPECT_NE(parsed(made.body).at("login_link").as_string().find("/#login="), std::string::npos);
  EXPECT_EQ(send("POST", "/api/v1/users", admin, R"({"user":"bob","role":"lead"})").status, 409U);
  EXPECT_EQ(send("POST", "/api/v1/users", admin, R"({"user":"x y","role":"lead"})").status, 400U);
  EXPECT_EQ(send("PATCH", "/api/v1/users/bob", admin, R"({"role":"auditor"})").status, 200U);
  EXPECT_EQ(send("DELETE", "/api/v1/users/bob", admin).status, 204U);
  EXPECT_EQ(send("DELETE", "/api/v1/users/bob", admin).status, 404U);
  const auto audit = send("GET", "/api/v1/audit", admin).body;
  for (const auto* action : {"user.add", "user.change", "user.remove", "user.login-link"})
    EXPECT_NE(audit.find(action), std::string::npos) << action;
}

TEST_F(ApiTest, BadJsonIsNamed) {
  const auto admin = token(Role::admin);
  for (const auto* body : {"{", "[]", "nul", "{\"a\":1}x"})
    EXPECT_EQ(send("POST", "/api/v1/users", admin, body).status, 400U) << body;
  const std::string deep = "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_EQ(send("POST", "/api/v1/users", admin, deep).status, 400U);
  EXPECT_EQ(send("POST", "/api/v1/users", admin, std::string(300 * 1024, ' ')).status, 413U);
}

TEST_F(ApiTest, WrongMethodAndUnknownPath) {
  const auto r = send("DELETE", "/api/v1/alerts", token(Role::admin));
  EXPECT_EQ(r.status, 405U);
  EXPECT_EQ(r.headers.get("Allow"), "GET");
  EXPECT_EQ(send("GET", "/api/v1/nothing").status, 404U);
}

TEST_F(ApiTest, ServesTheDashboardAndNothingBesideIt) {
  const auto page = send("GET", "/");
  EXPECT_EQ(page.status, 200U);
  EXPECT_EQ(page.headers.get("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.get("Cache-Control"), "no-cache");
  const std::string etag(page.headers.get("ETag"));
  const auto again = send("GET", "/alerts/some-id", "", "", {{"If-None-Match", etag}});
  EXPECT_EQ(again.status, 304U);
  EXPECT_TRUE(again.body.empty());
  const auto script = send("GET", "/assets/app-1.js");
  EXPECT_EQ(script.headers.get("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_NE(script.headers.get("Cache-Control").find("immutable"), std::string_view::npos);
  fs::create_symlink(folder + "/secret.txt", folder + "/web/link.txt");
  for (const auto* path : {"/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt",
                           "/link.txt", "/.hidden.txt", "/a//b.js"}) {
    const auto r = send("GET", path);
    EXPECT_EQ(r.status, 404U) << path;
    EXPECT_EQ(r.body.find("secret\n"), std::string::npos);
  }
}

TEST_F(ApiTest, PeopleOfOneSiteSeeThatSiteOnly) {
  add_user("ann", Role::lead, {"st-a"});
  ApiToken t;
  t.name = "ann's";
  t.role = Role::lead;
  const auto ann = collector->accounts().add_token(t, 1h, {"ann", "session", ""}).value().secret;
  const auto a = enrol("st-a", "s1"), b = enrol("st-b", "s1");
  for (const auto* id : {&a, &b})
    ASSERT_EQ(client(id)->send(batch(1, 1, alert_line(1, 1)))->status, 200U);
  const auto all = parsed(send("GET", "/api/v1/alerts", token(Role::auditor)).body);
  ASSERT_EQ(all.at("total").as_int64(), 2);
  const auto hers = parsed(send("GET", "/api/v1/alerts", ann).body);
  ASSERT_EQ(hers.at("total").as_int64(), 1);
  EXPECT_EQ(hers.at("items").at(0).at("site").as_string(), "st-a");
  for (const auto& item : all.at("items").as_array())
    EXPECT_EQ(
        send("GET", "/api/v1/alerts/" + std::string(item.at("id").as_string().c_str()), ann).status,
        item.at("site").as_string() == "st-a" ? 200U : 404U);
  EXPECT_EQ(parsed(send("GET", "/api/v1/events?from=2020-01-01T00:00:00Z", ann).body)
                .at("items")
                .as_array()
                .size(),
            1U);
  EXPECT_EQ(send("GET", "/api/v1/sensors", ann).body.find("st-b"), std::string::npos);
  EXPECT_EQ(send("GET", "/api/v1/sites", ann).body.find("st-b"), std::string::npos);
  EXPECT_EQ(send("POST", "/api/v1/enrolments", ann, R"({"site":"st-b","sensor":"x"})").status,
            403U);
  EXPECT_EQ(send("POST", "/api/v1/sensors/st-b/s1/revoke", ann, "{}").status, 404U);
}

}  // namespace
}  // namespace ww::collector
