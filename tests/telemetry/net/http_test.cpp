#include "telemetry/net/http.hpp"

#include <gtest/gtest.h>

#include "telemetry/net/client.hpp"

namespace ww::http {
namespace {

TEST(Url, TakesHostPortAndPath) {
  const auto u = parse_url("https://collector.example:8443/base");
  ASSERT_TRUE(u);
  EXPECT_TRUE(u->tls);
  EXPECT_EQ(u->host, "collector.example");
  EXPECT_EQ(u->port, 8443);
  EXPECT_EQ(u->path, "/base");
  EXPECT_EQ(parse_url("http://[::1]:80")->origin(), "http://[::1]:80");
  EXPECT_EQ(parse_url("https://a")->port, 443);
}

TEST(Url, RefusesWhatIsNotHttp) {
  for (const auto* bad : {"", "ftp://a", "https://", "https://user@a", "https://a:0",
                          "https://a:99999", "https://[::1", "https://a b", "collector:8443"})
    EXPECT_FALSE(parse_url(bad)) << bad;
}

TEST(Query, DecodesPairsAndDropsBrokenOnes) {
  const auto q = parse_query("a=1+2&b=%41&c&d=%zz&&e=%00");
  ASSERT_EQ(q.size(), 3U);
  EXPECT_EQ(q[0].second, "1 2");
  EXPECT_EQ(q[1].second, "A");
  EXPECT_EQ(q[2].first, "c");
}

TEST(Headers, CompareWithoutCase) {
  Headers h;
  h.add("X-A", "1");
  h.add("x-a", "2");
  EXPECT_EQ(h.get("X-a"), "1");
  h.set("X-A", "3");
  EXPECT_EQ(h.all().size(), 1U);
}

TEST(Request, PathIsDecodedAndWithoutQuery) {
  Request r;
  r.target = "/api/v1/a%20b?x=1";
  EXPECT_EQ(r.path(), "/api/v1/a b");
  r.target = "http://x/";
  EXPECT_EQ(r.path(), "");
}

TEST(Client, NamesWhatIsWrongWithItsOptions) {
  EXPECT_EQ(Client::create({.url = "nonsense"}).error().code, ClientErrc::configuration);
  EXPECT_EQ(Client::create({.url = "https://a", .ca_file = "/nonexistent"}).error().problem.where,
            "/nonexistent");
  EXPECT_EQ(Client::create({.url = "https://a", .cert_file = "x"}).error().code,
            ClientErrc::configuration);
}

TEST(Client, SaysUnreachableWhenNobodyListens) {
  auto client = Client::create({.url = "http://127.0.0.1:1"}).value();
  const auto r = client->send({});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, ClientErrc::unreachable);
  EXPECT_EQ(r.error().problem.where, "http://127.0.0.1:1");
  client->cancel();
  EXPECT_EQ(client->send({}).error().code, ClientErrc::cancelled);
}

}  // namespace
}  // namespace ww::http
