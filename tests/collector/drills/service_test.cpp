/// Drills through a whole collector: orders, reports, who may see what.
#include <gmock/gmock.h>

#include "telemetry/orders.hpp"
#include "tests/collector/api/fixture.hpp"

namespace ww::collector {
namespace {
using ::testing::HasSubstr;

class DrillApi : public ApiTest {
 protected:
  /// A collector with one restore and one detection drill.
  void with_drills() {
    fs::create_directories(folder + "/drills");
    std::ofstream(folder + "/drills/r.json")
        << R"({"type":"wardwatch-drill","id":"r","title":"R","kind":"restore","purpose":"p","safety":["s"],"restore":{"target":"t","rto_target_s":3600}})";
    std::ofstream(folder + "/drills/broken.json") << "{";
    config.drills.definitions = {folder + "/drills"};
    config.drills.tick = 20ms;
    config.drills.order_life = 5s;
    start();
    lead = token(Role::lead);
  }
  std::string lead;
  std::uint64_t seq = 1;
  json::value body(const http::Response& r) { return parsed(r.body); }
  std::string begin(const std::string& sensor = "s1") {
    const auto r = send("POST", "/api/v1/drills", lead,
                        R"({"definition":"r","site":"trust-a","sensor":")" + sensor + "\"}");
    EXPECT_EQ(r.status, 201U) << r.body;
    return std::string(body(r).at("id").as_string());
  }
  std::vector<orders::SignedOrder> orders_of(const net::SensorIdentity& who) {
    auto c = client(&who);
    http::Request r;
    r.target = std::string(orders::path);
    const auto answer = c->send(r);
    EXPECT_TRUE(answer && answer->status == 200);
    return *orders::read(answer->body);
  }
  /// A `drill` event as the sensor's uplink sends it.
  void tell(const net::SensorIdentity& who, const std::string& drill) {
    const auto line = "{\"timestamp\":\"" + eve_time(clock.now()) +
                      "\",\"event_type\":\"drill\",\"drill\":" + drill +
                      ",\"ww\":{\"epoch\":1,\"seq\":" + std::to_string(seq) + "}}\n";
    auto c = client(&who);
    const auto answer = c->send(batch(1, seq, line));
    ASSERT_TRUE(answer && answer->status == 200) << (answer ? answer->body : "");
    ++seq;
  }
  std::string state(const std::string& run) {
    return std::string(body(send("GET", "/api/v1/drills/" + run, lead)).at("state").as_string());
  }
  std::string wait_for(const std::string& run, const std::string& wanted) {
    std::string s;
    for (int i = 0; i < 300 && (s = state(run)) != wanted; ++i) std::this_thread::sleep_for(20ms);
    return s;
  }
};

TEST_F(DrillApi, AnOrderReachesItsSensorAloneAndItsReportEndsTheDrill) {
  with_drills();
  const auto s1 = enrol("trust-a", "s1"), s2 = enrol("trust-a", "s2");
  const auto run = begin();
  EXPECT_TRUE(orders_of(s2).empty());
  const auto mine = orders_of(s1);
  ASSERT_EQ(mine.size(), 1U);
  EXPECT_TRUE(orders::verify(collector->authority().certificate_pem(), mine[0]));
  const auto order = *orders::parse(mine[0].payload);
  EXPECT_EQ(order.run, run);
  EXPECT_EQ(order.parameters.at("target"), "t");
  EXPECT_EQ(orders_of(s1).size(), 1U) << "an answer that got lost is given again";

  // Another sensor cannot say how it went.
  const auto mine_at = std::exchange(seq, 1);
  tell(s2, R"({"kind":"restore","order":")" + order.id + R"(","run":")" + run +
               R"(","state":"finished","result":"failed","text":"lies"})");
  seq = mine_at;
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(state(run), "running");
  tell(s1, R"({"kind":"restore","order":")" + order.id + R"(","run":")" + run +
               R"(","state":"started"})");
  EXPECT_TRUE(orders_of(s1).empty()) << "once begun it is not handed out again";
  tell(
      s1,
      R"({"kind":"restore","order":")" + order.id + R"(","run":")" + run +
          R"(","state":"finished","result":"passed","tool":"restic","asset":"pacs","job":"n","repository":"r","snapshot":"abc",)" +
          R"("data_time":")" + rfc3339(clock.now() + -std::chrono::minutes(10)) +
          R"(","finished":")" + rfc3339(clock.now()) +
          R"(","passed":["opens: x"],"cleaned":true})");
  EXPECT_EQ(wait_for(run, "passed"), "passed");
  const auto report = body(send("GET", "/api/v1/drills/" + run + "/report", lead));
  EXPECT_TRUE(report.at("recovery").at("rto_met").as_bool());
  EXPECT_NEAR(report.at("recovery").at("rpo_seconds").to_number<double>(), 600, 30);
  EXPECT_EQ(send("POST", "/api/v1/drills/" + run + "/stop", lead, "{}").status, 409U)
      << "it is over";
}

TEST_F(DrillApi, ASensorThatNeverComesEndsTheDrillWithTheReason) {
  config.drills.order_life = 1s;
  with_drills();
  config.drills.order_life = 1s;
  start();
  lead = token(Role::lead);
  const auto run = begin("nobody");
  EXPECT_EQ(wait_for(run, "failed"), "failed");
  EXPECT_THAT(
      std::string(body(send("GET", "/api/v1/drills/" + run, lead)).at("reason").as_string()),
      HasSubstr("did not fetch"));
}

TEST_F(DrillApi, ADrillThatNobodyFetchedStopsAtOnceAndOneUnderWayWaitsForTheSensor) {
  with_drills();
  const auto s1 = enrol("trust-a", "s1");
  auto run = begin();
  EXPECT_EQ(
      send("POST", "/api/v1/drills", lead, R"({"definition":"r","site":"trust-a","sensor":"s1"})")
          .status,
      409U)
      << "one at a time";
  EXPECT_EQ(send("POST", "/api/v1/drills/" + run + "/stop", lead, "{}").status, 200U);
  EXPECT_EQ(state(run), "stopped");
  EXPECT_TRUE(orders_of(s1).empty());

  run = begin();
  const auto order = *orders::parse(orders_of(s1).at(0).payload);
  EXPECT_EQ(send("POST", "/api/v1/drills/" + run + "/stop", lead, "{}").status, 200U);
  EXPECT_EQ(state(run), "stopping");
  const auto again = orders_of(s1);
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(orders::parse(again[1].payload)->kind, "stop");
  start();  // also over a restart of the collector
  lead = token(Role::lead);
  EXPECT_EQ(state(run), "stopping");
  tell(s1, R"({"kind":"restore","order":")" + order.id + R"(","run":")" + run +
               R"(","state":"finished","result":"stopped","cleaned":true})");
  EXPECT_EQ(wait_for(run, "stopped"), "stopped");
}

TEST_F(DrillApi, RolesAndSitesAreKept) {
  with_drills();
  const auto run = begin();
  const auto auditor = token(Role::auditor), analyst = token(Role::analyst);
  EXPECT_EQ(send("POST", "/api/v1/drills", analyst,
                 R"({"definition":"r","site":"trust-a","sensor":"s1"})")
                .status,
            403U);
  EXPECT_EQ(send("POST", "/api/v1/drills/" + run + "/stop", auditor, "{}").status, 403U);
  EXPECT_EQ(send("GET", "/api/v1/drills/" + run, auditor).status, 200U);
  EXPECT_EQ(send("GET", "/api/v1/orders", lead).status, 403U) << "orders are for sensors";
  add_user("bob", Role::lead, {"trust-b"});
  const auto in =
      send("POST", "/api/v1/login", {}, R"({"user":"bob","password":"correct horse battery"})");
  ASSERT_EQ(in.status, 200U);
  const auto cookie = std::string(in.headers.get("Set-Cookie"))
                          .substr(0, std::string(in.headers.get("Set-Cookie")).find(';'));
  const auto csrf = std::string(body(in).at("csrf").as_string());
  const std::vector<std::pair<std::string, std::string>> as_bob{{"Cookie", cookie},
                                                                {"X-CSRF-Token", csrf}};
  EXPECT_EQ(send("GET", "/api/v1/drills/" + run, {}, {}, as_bob).status, 404U);
  EXPECT_EQ(send("GET", "/api/v1/drills/" + run + "/report", {}, {}, as_bob).status, 404U);
  EXPECT_EQ(send("POST", "/api/v1/drills/" + run + "/stop", {}, "{}", as_bob).status, 404U);
  EXPECT_EQ(send("POST", "/api/v1/drills", {},
                 R"({"definition":"r","site":"trust-a","sensor":"s1"})", as_bob)
                .status,
            403U);
  EXPECT_TRUE(body(send("GET", "/api/v1/drills", {}, {}, as_bob)).at("items").as_array().empty());
}

TEST_F(DrillApi, AMarkOfAnUnknownRunHidesNothing) {
  with_drills();
  const auto s1 = enrol("trust-a", "s1");
  auto line = alert_line(1, seq);
  line.replace(line.find("\"ww\":{"), 6, "\"ww\":{\"drill\":true,\"drill_run\":\"made-up\",");
  auto c = client(&s1);
  ASSERT_EQ(c->send(batch(1, seq, line))->status, 200U);
  const auto alerts = body(send("GET", "/api/v1/alerts?status=new", lead));
  EXPECT_EQ(alerts.at("items").as_array().size(), 1U);
}

TEST_F(DrillApi, AnActionIsClosedByALaterDrillOrASignedAcceptance) {
  with_drills();
  const auto run = begin();
  const auto gap = body(send("POST", "/api/v1/drills/" + run + "/entries", lead,
                             R"({"kind":"gap","description":"x"})"))
                       .at("id")
                       .to_number<int>();
  EXPECT_EQ(
      send("POST", "/api/v1/drills/" + run + "/actions", lead, R"({"text":"x","owner":"ann"})")
          .status,
      400U);
  EXPECT_EQ(send("POST", "/api/v1/drills/" + run + "/actions", lead,
                 R"({"gap":999,"text":"x","owner":"ann","due":"2030-01-01T00:00:00Z"})")
                .status,
            400U);
  const auto action = body(send("POST", "/api/v1/drills/" + run + "/actions", lead,
                                R"({"gap":)" + std::to_string(gap) +
                                    R"(,"text":"x","owner":"ann","due":"2030-01-01T00:00:00Z"})"));
  const auto path = "/api/v1/drill-actions/" + std::string(action.at("id").as_string());
  EXPECT_EQ(send("PATCH", path, lead, R"({"state":"closed"})").status, 409U);
  EXPECT_EQ(send("PATCH", path, lead, R"({"state":"closed","retest":")" + run + "\"}").status, 409U)
      << "not by the drill that found it";
  const auto closed =
      send("PATCH", path, lead, R"({"state":"closed","accepted":"replaced next year"})");
  EXPECT_EQ(closed.status, 200U);
  EXPECT_THAT(closed.body, HasSubstr("accepted: replaced next year"));
  EXPECT_EQ(
      send("POST", "/api/v1/drills/" + run + "/entries", lead, R"({"kind":"nonsense"})").status,
      400U);
}

TEST_F(DrillApi, BrokenDefinitionsAreNamedAndTheRestIsThere) {
  with_drills();
  const auto all = body(send("GET", "/api/v1/drill-definitions", lead));
  EXPECT_EQ(all.at("items").as_array().size(), 1U);
  EXPECT_EQ(all.at("problems").as_array().size(), 1U);
  EXPECT_EQ(
      send("POST", "/api/v1/drills", lead, R"({"definition":"none","site":"trust-a"})").status,
      404U);
}

}  // namespace
}  // namespace ww::collector
