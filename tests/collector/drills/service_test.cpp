/// Drills through a whole collector: orders, reports, who may see what.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#include "playbooks/signature.hpp"
#include "telemetry/orders.hpp"
#include "tests/collector/api/fixture.hpp"

namespace ww::collector {
namespace {
using ::testing::HasSubstr;

class DrillApi : public ApiTest {
 protected:
  /// A collector with a restore drill and a definition that is broken.
  void with_drills(std::chrono::seconds order_life = 10min) {
    fs::create_directories(folder + "/drills");
    std::ofstream(folder + "/drills/r.json")
        << R"({"type":"wardwatch-drill","id":"r","title":"R","kind":"restore","purpose":"p","safety":["s"],"restore":{"target":"t","rto_target_s":3600}})";
    std::ofstream(folder + "/drills/broken.json") << "{";
    config.drills.definitions = {folder + "/drills"};
    config.drills.tick = 20ms;
    config.drills.order_life = order_life;
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
    eventually([&] { return (s = state(run)) == wanted; });
    return s;
  }
  json::array open_alerts(const std::string& rule) {
    return body(send("GET", "/api/v1/alerts?status=new&rule=" + rule, lead)).at("items").as_array();
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
  const auto lost = report.at("recovery").at("rpo_seconds").to_number<double>();
  EXPECT_LT(lost, 600.5) << "until the drill began, which was before the report";
  EXPECT_GT(lost, 600 - 300);
  EXPECT_EQ(send("POST", "/api/v1/drills/" + run + "/stop", lead, "{}").status, 409U)
      << "it is over";
}

TEST_F(DrillApi, ASensorThatNeverComesEndsTheDrillWithTheReason) {
  with_drills(1s);
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

TEST_F(DrillApi, AHeartbeatThatStaysAwayIsOneAlertUntilItIsBack) {
  config.drills.heartbeat_grace = 60s;
  with_drills();
  const auto s1 = enrol("trust-a", "s1"), s2 = enrol("trust-a", "s2");
  const auto beat = [&](const char* source) {
    tell(s1, std::string(R"({"kind":"heartbeat","interval":60,"source":")") + source + "\"}");
  };
  const auto open = [&] { return open_alerts("heartbeat-absent"); };
  const auto told = [&](std::string_view wanted) {
    const auto is_told = [&] {
      const auto alerts = open();
      return alerts.size() == 1 &&
             std::string(alerts[0].at("rule").at("title").as_string()).find(wanted) !=
                 std::string::npos;
    };
    return eventually(is_told);
  };
  beat("sensor");
  beat("file:/var/log/pacs.log");
  EXPECT_TRUE(open().empty());
  clock.advance(5min);
  EXPECT_TRUE(told("sensor s1"))
      << "nothing is heard: one alert for the sensor, not one for each source";
  beat("sensor");
  EXPECT_TRUE(told("pacs.log")) << "the sensor is back, the file is not";
  tell(s1, R"({"kind":"sources","sources":["sensor"]})");
  EXPECT_TRUE(eventually([&] { return open().empty(); }))
      << "what the sensor no longer watches is not waited for";
  const auto mine = std::exchange(seq, 1);
  tell(s2, R"({"kind":"heartbeat","interval":60,"source":"sensor"})");
  seq = mine;
  ASSERT_TRUE(collector->accounts().revoke({"trust-a", "s1"}, "gone", {"console", "console", ""}));
  clock.advance(5min);
  EXPECT_TRUE(told("sensor s2")) << "a revoked sensor is not waited for";
}

TEST_F(DrillApi, APlannedDrillIsOverdueUntilItPassedAlsoOverARestart) {
  DrillPlan plan;
  plan.id = "r-monthly";
  plan.drill = "r";
  plan.site = "trust-a";
  plan.period = "30d";
  plan.every.every = std::chrono::hours(24 * 30);
  plan.grace = 1s;
  config.drills.plans = {plan};
  with_drills();
  const auto s1 = enrol("trust-a", "s1");
  const auto overdue = [&] { return open_alerts("drill-overdue"); };
  const auto row = [&] {
    return body(send("GET", "/api/v1/drill-schedule", lead)).at("items").as_array().at(0);
  };
  ASSERT_TRUE(eventually([&] { return overdue().size() == 1; }));
  EXPECT_EQ(row().at("state"), "overdue");
  EXPECT_THAT(std::string(overdue()[0].at("explanation").as_string()),
              HasSubstr("never passed here"));
  start();
  lead = token(Role::lead);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(overdue().size(), 1U) << "one alert, not one more at each start";

  const auto end = [&](const std::string& run, const char* result) {
    const auto order = *orders::parse(orders_of(s1).at(0).payload);
    tell(s1, R"({"kind":"restore","order":")" + order.id + R"(","run":")" + run +
                 R"(","state":"finished","result":")" + result +
                 R"(","asset":"pacs","snapshot":"abc","text":"it broke","cleaned":true})");
    EXPECT_EQ(wait_for(run, result), result);
  };
  end(begin(), "failed");
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(overdue().size(), 1U) << "a drill that failed has proved nothing";
  EXPECT_EQ(row().at("last").at("reason"), "it broke");
  end(begin(), "passed");
  EXPECT_TRUE(eventually([&] { return overdue().empty(); }));
  EXPECT_EQ(row().at("state"), "on_time");
  EXPECT_GT(row().at("due").as_string(), rfc3339(clock.now() + std::chrono::hours(24 * 29)));
  const auto metrics = send("GET", "/metrics", lead).body;
  EXPECT_THAT(metrics, HasSubstr("wardwatch_drill_overdue{site=\"trust-a\",plan=\"r-monthly\""));
}

TEST_F(DrillApi, APlanStartsItsDrillByItselfOnlyWhereTheConfigurationAllowsIt) {
  with_drills();
  const auto s1 = enrol("trust-a", "s1");
  const auto put = [&](const std::string& plan, const std::string& who) {
    return send("PUT", "/api/v1/drill-schedule/mine", who, plan);
  };
  const std::string wanted =
      R"({"drill":"r","site":"trust-a","sensor":"s1","period":"1d","start":true})";
  EXPECT_EQ(put(wanted, token(Role::analyst)).status, 403U);
  const auto no = put(wanted, lead);
  EXPECT_EQ(no.status, 400U);
  EXPECT_THAT(no.body, HasSubstr("drills.automatic"));
  EXPECT_EQ(put(R"({"drill":"nonsense","site":"trust-a","period":"1d"})", lead).status, 400U);
  config.drills.automatic = {"restore"};
  start();
  lead = token(Role::lead);
  // A window that is shut now: nothing starts, the page says when it will.
  const auto civil = eve_time(clock.now());
  const auto hour = (std::stoi(civil.substr(11, 2)) + 3) % 23;
  const auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  const auto shut = put(
      R"({"drill":"r","site":"trust-a","sensor":"s1","period":"1d","start":true,"window":"daily )" +
          two(hour) + ":00-" + two(hour) + ":30 UTC\"}",
      lead);
  ASSERT_EQ(shut.status, 200U) << shut.body;
  EXPECT_TRUE(body(shut).as_object().contains("starts")) << shut.body;
  std::this_thread::sleep_for(300ms);
  EXPECT_TRUE(body(send("GET", "/api/v1/drills", lead)).at("items").as_array().empty());
  ASSERT_EQ(put(wanted, lead).status, 200U);
  std::string run;
  ASSERT_TRUE(eventually([&] {
    const auto items = body(send("GET", "/api/v1/drills", lead)).at("items").as_array();
    if (!items.empty()) run = std::string(items[0].at("id").as_string());
    return !run.empty() && !orders_of(s1).empty();
  }));
  EXPECT_EQ(body(send("GET", "/api/v1/drills/" + run, lead)).at("by"), "plan mine");
  const auto order = *orders::parse(orders_of(s1).at(0).payload);
  tell(s1, R"({"kind":"restore","order":")" + order.id + R"(","run":")" + run +
               R"(","state":"finished","result":"failed","text":"no","cleaned":true})");
  EXPECT_EQ(wait_for(run, "failed"), "failed");
  start();
  lead = token(Role::lead);
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(body(send("GET", "/api/v1/drills", lead)).at("items").as_array().size(), 1U)
      << "once in a window, also over a restart";
  EXPECT_EQ(send("DELETE", "/api/v1/drill-schedule/mine", lead).status, 204U);
  EXPECT_EQ(send("DELETE", "/api/v1/drill-schedule/mine", lead).status, 404U);
  EXPECT_THAT(send("GET", "/metrics", lead).body,
              HasSubstr("wardwatch_drills_started_by_plan_total"));
}

/// A port below those that the kernel gives to outgoing connections, one of which could take it
/// before the collector does.
std::uint16_t free_port() {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int port = 15'000 + ::getpid() % 10'000; port < 32'000; ++port) {
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const bool is_free = ::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
    ::close(fd);
    if (is_free) return static_cast<std::uint16_t>(port);
  }
  ADD_FAILURE() << "no free port";
  return 0;
}

/// A playbook of one action with these commands behind each other.
std::string playbook_of(const json::array& commands, const json::object& agent) {
  const auto id = [](const std::string& type, int n) {
    return type + "--00000000-0000-4000-8000-00000000000" + std::to_string(n);
  };
  return json::serialize(
      json::object{{"type", "playbook"},
                   {"spec_version", "cacao-2.0"},
                   {"id", id("playbook", 1)},
                   {"name", "P"},
                   {"created_by", id("identity", 2)},
                   {"created", "2026-01-01T00:00:00.000Z"},
                   {"modified", "2026-01-01T00:00:00.000Z"},
                   {"workflow_start", id("start", 3)},
                   {"playbook_variables",
                    {{"__word__", {{"type", "string"}, {"value", "hello"}, {"external", true}}}}},
                   {"workflow",
                    {{id("start", 3), {{"type", "start"}, {"on_completion", id("action", 4)}}},
                     {id("action", 4),
                      {{"type", "action"},
                       {"name", "Do"},
                       {"agent", id("http-api", 6)},
                       {"commands", commands},
                       {"on_success", id("end", 5)}}},
                     {id("end", 5), {{"type", "end"}}}}},
                   {"agent_definitions", {{id("http-api", 6), agent}}}});
}

TEST_F(DrillApi, APlaybookRunsChecksListedRequestsAndSignedProgramsAndShowsTheRest) {
  const auto port = free_port();
  config.listen = {"127.0.0.1:" + std::to_string(port)};
  const auto own = "https://localhost:" + std::to_string(port);
  fs::create_directories(folder + "/playbooks");
  const json::object agent{{"type", "http-api"}, {"name", "self"}, {"address", {{"url", {own}}}}};
  std::ofstream(folder + "/playbooks/p.json")
      << playbook_of({{{"type", "wardwatch-check"}, {"command", "alerts.open"}},
                      {{"type", "http-api"}, {"command", "GET /healthz HTTP/1.1"}},
                      {{"type", "bash"}, {"command", "echo __word__:value"}},
                      {{"type", "bash"}, {"command", "rm -rf /"}}},
                     agent);
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  BIO* b = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(b, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(b, &data);
  const std::string pem(data, static_cast<std::size_t>(size));
  BIO* c = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(c, key);
  char* open_data = nullptr;
  const auto n = BIO_get_mem_data(c, &open_data);
  std::ofstream(folder + "/key.pem") << std::string(open_data, static_cast<std::size_t>(n));
  BIO_free(b);
  BIO_free(c);
  EVP_PKEY_free(key);
  const json::object list{{"type", "wardwatch-allow-list"},
                          {"site", "hq"},
                          {"entries",
                           {{{"id", "e"},
                             {"command", "echo __word__:value"},
                             {"argv", {"/bin/echo", "said", "__word__:value"}},
                             {"variables", {{"__word__", "[a-z;/ -]+"}}}}}}};
  std::ofstream(folder + "/allow.json")
      << json::serialize(*playbooks::sign_document(list, pem, "site", clock.now()));
  config.drills.playbooks = {folder + "/playbooks"};
  config.drills.allow_list = folder + "/allow.json";
  config.drills.site = "hq";
  config.drills.trusted_keys = {folder + "/key.pem"};
  config.drills.http_hosts = {{own, {"GET"}}};
  config.drills.http_ca = folder + "/data/tls/ca.pem";
  fs::create_directories(folder + "/drills");
  std::ofstream(folder + "/drills/t.json")
      << R"({"type":"wardwatch-drill","id":"t","title":"T","kind":"functional","purpose":"p","safety":["s"],"exercise":{"playbook":"playbook--00000000-0000-4000-8000-000000000001"}})";
  with_drills();
  EXPECT_EQ(send("POST", "/api/v1/drills", lead, R"({"definition":"t","site":"trust-a"})").status,
            400U)
      << "who answers for patients?";
  const auto r = send(
      "POST", "/api/v1/drills", lead,
      R"({"definition":"t","site":"trust-a","clinical_safety_officer":"Dr Ann","variables":{"__word__":"no; rm -rf /"}})");
  ASSERT_EQ(r.status, 201U) << r.body;
  const auto run = std::string(body(r).at("id").as_string());
  json::value view;
  eventually([&] {
    view = body(send("GET", "/api/v1/drills/" + run, lead));
    const auto& tasks = view.at("tasks").as_array();
    return !tasks.empty() && tasks[0].at("kind") == "shown";
  });
  ASSERT_FALSE(view.at("tasks").as_array().empty()) << json::serialize(view);
  EXPECT_EQ(view.at("tasks").at(0).at("text"), "rm -rf /");
  const auto note = std::string(view.at("steps").at(0).at("note").as_string());
  EXPECT_THAT(note, HasSubstr("0 open"));
  EXPECT_THAT(note, HasSubstr("200 {\"status\":\"ok\"}"));
  EXPECT_THAT(note, HasSubstr("exit 0: said no; rm -rf /")) << "one argument, no shell";
  const auto path = "/api/v1/drills/" + run + "/tasks/" +
                    std::to_string(view.at("tasks").at(0).at("id").to_number<int>());
  EXPECT_EQ(send("POST", path, lead, R"({"outcome":"skipped"})").status, 400U) << "say why";
  EXPECT_EQ(send("POST", path, lead, R"({"outcome":"skipped","note":"of course not"})").status,
            200U);
  EXPECT_EQ(wait_for(run, "passed"), "passed");
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
