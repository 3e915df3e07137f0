/// Rules over the API: exceptions, backtest, reload.
#include "collector/api/route.hpp"
#include "tests/collector/api/fixture.hpp"

namespace ww::collector {
namespace {

constexpr const char* rule_text = R"(title: Name asked for
id: 5b1f2f5a-0a53-4c4e-9a7e-0b5c7c1f0b01
level: high
logsource: {category: dns}
detection:
  selection:
    dns.rrname: n2.example
  condition: selection
)";

class RulesApiTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    fs::create_directories(folder + "/rules");
    std::ofstream(folder + "/rules/name.yml") << rule_text;
    config.sigma_paths = {folder + "/rules"};
    start();
  }
  std::uint64_t alerts() {
    return parsed(send("GET", "/api/v1/alerts", token(Role::auditor)).body)
        .at("items")
        .as_array()
        .size();
  }
};

TEST_F(RulesApiTest, AnExceptionIsCountedInsteadOfRaisedAndIsAudited) {
  const auto lead = token(Role::lead);
  const std::string body =
      R"({"rule":"5b1f2f5a-0a53-4c4e-9a7e-0b5c7c1f0b01","site":"a","reason":"our own test","review":"2099-01-01T00:00:00Z"})";
  EXPECT_EQ(
      send("POST", "/api/v1/exceptions", lead, R"({"rule":"x","review":"2099-01-01T00:00:00Z"})")
          .status,
      400U);
  EXPECT_EQ(send("POST", "/api/v1/exceptions", lead,
                 R"({"rule":"x","reason":"past","review":"2001-01-01T00:00:00Z"})")
                .status,
            400U);
  const auto made = send("POST", "/api/v1/exceptions", lead, body);
  ASSERT_EQ(made.status, 201U) << made.body;
  EXPECT_EQ(parsed(made.body).at("author").as_string(), "test");
  const auto a = enrol("a", "s"), b = enrol("b", "s");
  ASSERT_EQ(client(&a)->send(batch(1, 1, lines(1, 1, 4)))->status, 200U);
  EXPECT_EQ(alerts(), 0U);
  ASSERT_EQ(client(&b)->send(batch(1, 1, lines(1, 1, 4)))->status, 200U);
  EXPECT_EQ(alerts(), 1U) << "the exception is for one site";
  const auto listed =
      parsed(send("GET", "/api/v1/exceptions", token(Role::auditor)).body).at("items").as_array();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].at("suppressed").to_number<int>(), 1);
  const auto rules =
      parsed(send("GET", "/api/v1/rules", token(Role::auditor)).body).at("items").as_array();
  ASSERT_EQ(rules.size(), 1U);
  EXPECT_EQ(rules[0].at("hits").to_number<int>(), 1);
  EXPECT_EQ(rules[0].at("suppressed").to_number<int>(), 1);
  EXPECT_TRUE(rules[0].as_object().contains("last_hit"));
  const auto path = "/api/v1/exceptions/" + std::string(listed[0].at("id").as_string());
  EXPECT_EQ(send("DELETE", path, lead).status, 204U);
  EXPECT_EQ(send("DELETE", path, lead).status, 404U);
  const auto audit = send("GET", "/api/v1/audit", token(Role::admin)).body;
  EXPECT_NE(audit.find("exception.add"), std::string::npos);
  EXPECT_NE(audit.find("exception.remove"), std::string::npos);
}

TEST_F(RulesApiTest, ABacktestShowsWhatAChangedRuleWouldHaveRaised) {
  const auto a = enrol("a", "s");
  ASSERT_EQ(client(&a)->send(batch(1, 1, lines(1, 1, 9)))->status, 200U);
  std::string changed = rule_text;
  changed.replace(changed.find("n2.example"), 10, "'n*'");
  const auto before = alerts();
  const json::object body{{"rules",
                           {json::object{{"name", "changed.yml"}, {"text", changed}},
                            json::object{{"name", "broken.yml"}, {"text", "title: x\n"}}}},
                          {"from", "2000-01-01T00:00:00Z"},
                          {"to", "2099-01-01T00:00:00Z"},
                          {"limit", 5}};
  const auto answer = send("POST", "/api/v1/backtest", token(Role::analyst), json::serialize(body));
  ASSERT_EQ(answer.status, 200U) << answer.body;
  const auto report = parsed(answer.body);
  EXPECT_EQ(report.at("events").to_number<int>(), 9);
  EXPECT_EQ(report.at("matches").to_number<int>(), 9);
  EXPECT_EQ(report.at("items").as_array().size(), 5U);
  EXPECT_EQ(report.at("errors").as_array().size(), 1U);
  EXPECT_EQ(report.at("errors").at(0).at("file").as_string(), "broken.yml");
  EXPECT_EQ(alerts(), before) << "a backtest raises nothing";
  EXPECT_EQ(send("POST", "/api/v1/backtest", token(Role::analyst), "{}").status, 400U);
}

TEST_F(RulesApiTest, ReloadTakesNewRulesForTheNextEvents) {
  const auto a = enrol("a", "s");
  std::string second = rule_text;
  second.replace(second.find("n2.example"), 10, "n7.example");
  second.replace(second.find("0b01"), 4, "0b02");
  std::ofstream(folder + "/rules/second.yml") << second;
  const auto answer = send("POST", "/api/v1/rules/reload", token(Role::admin), "{}");
  ASSERT_EQ(answer.status, 200U) << answer.body;
  EXPECT_EQ(parsed(answer.body).at("loaded").to_number<int>(), 2);
  ASSERT_EQ(client(&a)->send(batch(1, 1, lines(1, 1, 9)))->status, 200U);
  EXPECT_EQ(alerts(), 2U);
}

}  // namespace
}  // namespace ww::collector
