/// What comes in: sensors over mutual TLS, and others' shippers with tokens.
#include "tests/collector/api/fixture.hpp"

namespace ww::collector {
namespace {

TEST_F(ApiTest, ASensorEnrolsSendsAndIsStoredOnce) {
  const auto id = enrol("st-elsewhere", "radiology-1");
  EXPECT_EQ(id.site, "st-elsewhere");
  auto sensor = client(&id);
  auto first = batch(7, 1, zstd(lines(7, 1, 100)));
  first.headers.add("Content-Encoding", "zstd");
  const auto answer = sensor->send(first).value();
  ASSERT_EQ(answer.status, 200U) << answer.body;
  EXPECT_EQ(answer.body, R"({"ack":100,"accepted":100})");
  EXPECT_EQ(sensor->send(first)->body, answer.body) << "a repeat gets the same answer";
  const auto overlap = sensor->send(batch(7, 91, lines(7, 91, 20))).value();
  EXPECT_EQ(parsed(overlap.body).at("ack").as_int64(), 110);
  const auto found =
      parsed(send("GET", "/api/v1/events?type=dns&limit=1000", token(Role::auditor)).body);
  EXPECT_EQ(found.at("items").as_array().size(), 110U);
  EXPECT_EQ(found.at("items").at(0).at("ww").at("site").as_string(), "st-elsewhere");
}

TEST_F(ApiTest, ABatchBeyondWhatIsStoredIsToldWhatIsExpected) {
  const auto id = enrol("a", "b");
  auto sensor = client(&id);
  ASSERT_EQ(sensor->send(batch(1, 1, lines(1, 1, 5)))->status, 200U);
  const auto hole = sensor->send(batch(1, 10, lines(1, 10, 1))).value();
  EXPECT_EQ(hole.status, 409U);
  EXPECT_EQ(parsed(hole.body).at("expected").as_int64(), 6);
  EXPECT_EQ(parsed(hole.body).at("epoch").as_int64(), 1);
  auto skipped = batch(1, 10, lines(1, 10, 1));
  skipped.headers.add("Wardwatch-Skipped", "6-9");
  auto wrong = skipped;
  wrong.headers.add("Wardwatch-Skipped-Why", "eaten 6-7");
  EXPECT_EQ(sensor->send(wrong)->status, 400U);
  skipped.headers.add("Wardwatch-Skipped-Why", "damaged 6-9");
  EXPECT_EQ(sensor->send(skipped)->status, 200U);
  const auto gaps = parsed(send("GET", "/api/v1/gaps", token(Role::auditor)).body);
  ASSERT_EQ(gaps.at("items").as_array().size(), 1U);
  EXPECT_EQ(gaps.at("items").at(0).at("events").as_int64(), 4);
  EXPECT_EQ(gaps.at("items").at(0).at("reason").as_string(), "damaged");
}

TEST_F(ApiTest, BadLinesBecomeDeadLettersAndCount) {
  const auto id = enrol("a", "b");
  const auto r =
      client(&id)->send(batch(1, 1, lines(1, 1, 1) + "not json\n" + lines(1, 3, 1))).value();
  EXPECT_EQ(r.body, R"({"ack":3,"accepted":3})");
  const auto dead = parsed(send("GET", "/api/v1/dead-letters", token(Role::auditor)).body);
  ASSERT_EQ(dead.at("items").as_array().size(), 1U);
  EXPECT_EQ(dead.at("items").at(0).at("line").as_string(), "not json");
}

TEST_F(ApiTest, UnreadableBatchesAreRefusedByName) {
  const auto id = enrol("a", "b");
  auto sensor = client(&id);
  http::Request headless = batch(1, 1, "{}\n");
  headless.headers = {};
  EXPECT_EQ(sensor->send(headless)->status, 400U);
  auto corrupt = batch(1, 1, "this is no zstd frame");
  corrupt.headers.add("Content-Encoding", "zstd");
  EXPECT_EQ(sensor->send(corrupt)->status, 400U);
  auto unknown = batch(1, 1, "x");
  unknown.headers.add("Content-Encoding", "br");
  EXPECT_EQ(sensor->send(unknown)->status, 415U);
  auto bomb = batch(1, 1, zstd(std::string(200U << 20, '\n')));
  bomb.headers.add("Content-Encoding", "zstd");
  EXPECT_EQ(sensor->send(bomb)->status, 413U);
  EXPECT_EQ(sensor->send(batch(1, 1, std::string(17U << 20, ' ')))->status, 413U)
      << "announced length over the limit";
  std::string many;
  for (int i = 0; i < 20'001; ++i) many += "{}\n";
  EXPECT_EQ(sensor->send(batch(1, 1, many))->status, 413U);
  EXPECT_EQ(sensor->send(batch(1, 1, lines(1, 1, 1)))->status, 200U)
      << "and the good batch still goes through";
}

TEST_F(ApiTest, ACertificateOfAnotherAuthorityIsRefusedInTheHandshake) {
  const auto other = Authority::open({.folder = folder + "/other-ca"}, clock).value();
  const auto pair = net::make_request("x");
  const auto issued = other->sign_sensor(pair.csr_pem, {"a", "b"}).value();
  net::SensorIdentity id;
  id.cert_file = id.key_file = folder + "/forged.pem";
  ASSERT_TRUE(net::write_file(id.cert_file, issued.certificate_pem + pair.key_pem, 0600));
  const auto r = client(&id)->send(batch(1, 1, lines(1, 1, 1)));
  ASSERT_FALSE(r);
  EXPECT_TRUE(r.error().code == http::ClientErrc::tls || r.error().code == http::ClientErrc::broken)
      << r.error().problem.text();
}

TEST_F(ApiTest, ACertificateThatWasNeverRecordedIsNotValid) {
  const auto pair = net::make_request("x");
  const auto issued = collector->authority()
                          .sign_sensor(pair.csr_pem, {"a", "b"})
                          .value();  // signed, but not by enrolment
  net::SensorIdentity id;
  id.cert_file = id.key_file = folder + "/unrecorded.pem";
  ASSERT_TRUE(net::write_file(id.cert_file, issued.certificate_pem + pair.key_pem, 0600));
  EXPECT_EQ(client(&id)->send(batch(1, 1, lines(1, 1, 1)))->status, 401U);
  // Of a sensor that is known here it was issued after the backup that was restored.
  const auto known = enrol("a", "b");
  EXPECT_EQ(client(&id)->send(batch(1, 1, lines(1, 1, 1)))->status, 200U);
  EXPECT_NE(send("GET", "/api/v1/audit", token(Role::auditor)).body.find("sensor.admit"),
            std::string::npos);
  EXPECT_EQ(
      send("POST", "/api/v1/sensors/a/b/revoke", token(Role::lead), R"({"reason":"x"})").status,
      204U);
  EXPECT_EQ(client(&id)->send(batch(1, 2, lines(1, 2, 2)))->status, 401U);
}

TEST_F(ApiTest, RevocationTakesEffectOnAnOpenConnection) {
  const auto id = enrol("a", "b");
  auto sensor = client(&id);
  ASSERT_EQ(sensor->send(batch(1, 1, lines(1, 1, 1)))->status, 200U);
  ASSERT_EQ(send("POST", "/api/v1/sensors/a/b/revoke", token(Role::lead), R"({"reason":"stolen"})")
                .status,
            204U);
  EXPECT_EQ(sensor->send(batch(1, 2, lines(1, 2, 1)))->status, 401U);
  EXPECT_NE(send("GET", "/api/v1/sensors", token(Role::auditor)).body.find("\"revoked\""),
            std::string::npos);
}

TEST_F(ApiTest, ARenewedCertificateWorksAndTheOldOneStillDoes) {
  const auto id = enrol("a", "b");
  auto before = client(&id);
  ASSERT_EQ(before->send(batch(1, 1, lines(1, 1, 1)))->status, 200U);
  const auto fresh = net::renew(id, folder + "/a-b");
  ASSERT_TRUE(fresh) << fresh.error().problem.text();
  EXPECT_EQ(client(&*fresh)->send(batch(1, 2, lines(1, 2, 1)))->status, 200U);
  EXPECT_EQ(before->send(batch(1, 3, lines(1, 3, 1)))->status, 200U);
}

TEST_F(ApiTest, EnrolmentRefusalsSayWhatToDo) {
  const auto pin = collector->authority().fingerprint();
  const auto wrong = net::enrol(url, "wwe_nonsense." + pin, folder + "/x");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().problem.text().find("wardwatchctl enrol"), std::string::npos);
  const auto made =
      collector->accounts().add_enrolment({"a", "b"}, 1s, {"console", "console", ""}).value();
  const auto other_ca = net::enrol(url, made.secret + "." + std::string(64, '0'), folder + "/y");
  ASSERT_FALSE(other_ca);
  EXPECT_EQ(other_ca.error().code, http::ClientErrc::tls)
      << "a collector with another authority never sees the token";
}

TEST_F(ApiTest, ShippersSendWithTokensAndAreStoredUnderTheirSite) {
  const auto t = token(Role::ingest, "st-b", "vector");
  const auto bulk = send("POST", "/logs/_bulk", t, "{\"create\":{}}\n{\"message\":\"from bulk\"}\n",
                         {{"Content-Type", "application/x-ndjson"}});
  EXPECT_EQ(bulk.status, 200U) << bulk.body;
  EXPECT_FALSE(parsed(bulk.body).at("errors").as_bool());
  EXPECT_EQ(
      send("POST", "/loki/api/v1/push", t,
           R"({"streams":[{"stream":{"job":"j"},"values":[["1790000000000000000","from loki"]]}]})")
          .status,
      204U);
  EXPECT_EQ(
      send(
          "POST", "/v1/logs", t,
          R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1790000000000000000","body":{"stringValue":"from otlp"}}]}]}]})")
          .body,
      "{}");
  EXPECT_EQ(send("POST", "/api/v1/eve", t,
                 "{\"event_type\":\"dns\",\"timestamp\":\"2026-09-21T14:13:20Z\"}\n")
                .status,
            200U);
  EXPECT_EQ(send("POST", "/api/v1/wazuh", t,
                 "{\"rule\":{\"level\":3},\"full_log\":\"from "
                 "wazuh\",\"timestamp\":\"2026-09-21T14:13:20Z\"}\n")
                .status,
            200U);
  const auto found =
      parsed(send("GET", "/api/v1/events?from=2026-01-01T00:00:00Z&limit=100", token(Role::auditor))
                 .body)
          .at("items")
          .as_array();
  ASSERT_EQ(found.size(), 5U);
  for (const auto& e : found) {
    EXPECT_EQ(e.at("ww").at("site").as_string(), "st-b");
    EXPECT_EQ(e.at("ww").at("sensor").as_string(), "vector");
  }
  EXPECT_EQ(send("GET", "/", t).headers.get("X-Elastic-Product"), "Elasticsearch");
  for (const auto* probe : {"/_license", "/_xpack", "/_cluster/health"})
    EXPECT_EQ(send("GET", probe, t).status, 200U);
  EXPECT_EQ(send("POST", "/v1/logs", t, "x", {{"Content-Type", "text/plain"}}).status, 415U);
  EXPECT_EQ(send("POST", "/loki/api/v1/push", t, "{").status, 400U);
}

TEST_F(ApiTest, AnAlertIsTriagedWithVersionsAndItsEvidence) {
  const auto id = enrol("a", "b");
  ASSERT_EQ(client(&id)->send(batch(1, 1, alert_line(1, 1)))->status, 200U);
  const auto analyst = token(Role::analyst);
  const auto page = parsed(send("GET", "/api/v1/alerts?status=new", analyst).body);
  ASSERT_EQ(page.at("items").as_array().size(), 1U);
  const auto& alert = page.at("items").at(0);
  const auto path = "/api/v1/alerts/" + std::string(alert.at("id").as_string().c_str());
  const auto version = std::to_string(alert.at("version").to_number<std::int64_t>());
  EXPECT_EQ(alert.at("engine").as_string(), "signature");
  const auto evidence = parsed(send("GET", path + "/evidence", analyst).body);
  ASSERT_EQ(evidence.at("items").as_array().size(), 1U);
  EXPECT_EQ(evidence.at("items").at(0).at("alert").at("signature_id").as_int64(), 9000001);

  const auto acked = send("POST", path + "/status", analyst,
                          R"({"status":"acknowledged","version":)" + version + "}");
  ASSERT_EQ(acked.status, 200U) << acked.body;
  const auto late = send("POST", path + "/status", analyst,
                         R"({"status":"escalated","version":)" + version + "}");
  EXPECT_EQ(late.status, 409U);
  EXPECT_EQ(parsed(late.body).at("alert").at("status").as_string(), "acknowledged");
  EXPECT_EQ(send("POST", path + "/status", analyst, R"({"status":"nonsense"})").status, 400U);
  EXPECT_EQ(send("POST", path + "/comments", analyst, R"({"text":"looked at it"})").status, 201U);
  EXPECT_EQ(send("POST", path + "/assign", analyst, R"({"assignee":"nobody-known"})").status, 400U);
  EXPECT_EQ(send("POST", "/api/v1/alerts/status", analyst,
                 R"({"ids":["no-such"],"status":"closed","disposition":"benign"})")
                .body,
            R"({"changed":0,"failed":[{"id":"no-such","error":"no such alert"}]})");
  const auto ids = R"({"ids":[")" + std::string(alert.at("id").as_string().c_str()) + "\"],";
  EXPECT_NE(send("POST", "/api/v1/alerts/status", analyst, ids + R"("status":"closed"})")
                .body.find("closing needs a disposition: true_positive"),
            std::string::npos);
  EXPECT_EQ(send("POST", "/api/v1/alerts/status", analyst, ids + R"("status":"new"})").body,
            R"({"changed":1,"failed":[]})")
      << "an acknowledgement by mistake is taken back";
  const auto opened = send(
      "POST", "/api/v1/incidents", analyst,
      R"({"title":"case","alerts":[")" + std::string(alert.at("id").as_string().c_str()) + "\"]}");
  ASSERT_EQ(opened.status, 201U) << opened.body;
  EXPECT_EQ(parsed(opened.body).at("alerts").as_array().size(), 1U);
  EXPECT_EQ(send("POST", path + "/status", analyst, R"({"status":"closed","disposition":"benign"})")
                .status,
            200U);
  EXPECT_EQ(parsed(send("GET", "/api/v1/stats/overview", analyst).body)
                .at("alerts")
                .at("open")
                .to_number<int>(),
            0);
}

TEST_F(ApiTest, TheLiveFeedTellsOfANewAlert) {
  const auto id = enrol("a", "b");
  const auto bearer = token(Role::auditor);
  auto reader = client();
  http::Request r;
  r.target = "/api/v1/live";
  r.headers.add("Authorization", "Bearer " + bearer);
  std::string seen;
  std::thread sender;
  const auto answer = reader->stream(
      r,
      [&](std::string_view octets) {
        seen += octets;
        if (!sender.joinable())  // the feed is open: now something happens
          sender = std::thread(
              [&] { EXPECT_EQ(client(&id)->send(batch(1, 1, alert_line(1, 1)))->status, 200U); });
        return seen.find("event: alert") == std::string::npos ||
               seen.find("WARDWATCH test") == std::string::npos;
      },
      30s);
  if (sender.joinable()) sender.join();
  ASSERT_TRUE(answer) << answer.error().problem.text();
  EXPECT_NE(seen.find("\"kind\":\"created\""), std::string::npos);
}

TEST_F(ApiTest, MetricsCountWhatHappened) {
  const auto id = enrol("a", "b");
  ASSERT_EQ(client(&id)->send(batch(1, 1, lines(1, 1, 5)))->status, 200U);
  (void)send("GET", "/api/v1/alerts");
  const auto text = send("GET", "/metrics", token(Role::metrics)).body;
  for (const auto* line :
       {"wardwatch_ingest_events_total{outcome=\"accepted\",source=\"ingest\"} 5",
        "wardwatch_http_refused_total{status=\"401\"} 1",
        "wardwatch_sensor_up{site=\"a\",sensor=\"b\"} 1", "wardwatch_enrolments_total 1",
        "wardwatch_build_info"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text.substr(0, 3000);
}

TEST_F(ApiTest, EverythingIsStillThereAfterARestart) {
  const auto id = enrol("a", "b");
  ASSERT_EQ(client(&id)->send(batch(1, 1, lines(1, 1, 5)))->status, 200U);
  const auto bearer = token(Role::auditor);
  start();
  auto sensor = client(&id);
  EXPECT_EQ(sensor->send(batch(1, 1, lines(1, 1, 5)))->body, R"({"ack":5,"accepted":5})");
  EXPECT_EQ(
      parsed(send("GET", "/api/v1/events?type=dns", bearer).body).at("items").as_array().size(),
      5U);
}

TEST_F(ApiTest, EventQueriesTakeConditionsAndNameMistakes) {
  const auto id = enrol("a", "b");
  ASSERT_EQ(client(&id)->send(batch(1, 1, lines(1, 1, 20)))->status, 200U);
  const auto bearer = token(Role::auditor);
  const auto count = [&](const std::string& query) {
    return parsed(send("GET", "/api/v1/events?" + query, bearer).body)
        .at("items")
        .as_array()
        .size();
  };
  EXPECT_EQ(count("where=dns.rrname%3Dn7.example"), 1U);
  EXPECT_EQ(count("q=dns.rrname:n1*"), 11U);
  EXPECT_EQ(count("q=dns.rrname:n1*&where=dns.rrname!%3Dn1.example"), 10U);
  EXPECT_EQ(count("limit=3"), 3U);
  for (const auto& [bad, said] :
       {std::pair{"limit=x", "limit is no whole number"},
        {"limit=3x", "limit is no whole number"},
        {"cursor=zzz", "cursor: not of an earlier page"},
        {"from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from lies"}}) {
    const auto r = send("GET", "/api/v1/events?" + std::string(bad), token(Role::auditor));
    EXPECT_EQ(r.status, 400U) << bad;
    EXPECT_NE(r.body.find(said), std::string::npos) << r.body;
  }
  for (const auto& [query, status] : {std::pair{"by=colour", 400U},
                                      {"step=61", 400U},
                                      {"step=0", 400U},
                                      {"by=site&step=3600", 200U}})
    EXPECT_EQ(send("GET", "/api/v1/events/count?" + std::string(query), bearer).status, status)
        << query;
  const auto bad = send("GET", "/api/v1/events?q=%22unclosed", bearer);
  EXPECT_EQ(bad.status, 400U);
  EXPECT_NE(bad.body.find("\"offset\""), std::string::npos);
  EXPECT_EQ(send("GET", "/api/v1/events?where=%24%3D1", bearer).status, 400U);
  EXPECT_EQ(send("GET", "/api/v1/events?from=yesterday", bearer).status, 400U);
  EXPECT_EQ(send("GET", "/api/v1/events?q=src_ip:10.0.0.0/99", bearer).status, 400U);
  EXPECT_EQ(parsed(send("GET", "/api/v1/events/top?field=event_type", bearer).body)
                .at("items")
                .at(0)
                .at("count")
                .to_number<int>(),
            20);
  EXPECT_EQ(parsed(send("GET", "/api/v1/stats/overview", bearer).body)
                .at("events")
                .at("total")
                .to_number<int>(),
            20);
  std::size_t paged = 0;
  std::string cursor;
  do {
    const auto page =
        parsed(send("GET",
                    "/api/v1/events?limit=6" +
                        (cursor.empty() ? "" : "&cursor=" + http::percent_encode(cursor)),
                    bearer)
                   .body);
    paged += page.at("items").as_array().size();
    const auto* next = page.as_object().if_contains("next");
    cursor = next != nullptr ? next->as_string().c_str() : "";
  } while (!cursor.empty());
  EXPECT_EQ(paged, 20U);
}

}  // namespace
}  // namespace ww::collector
