#include <gtest/gtest.h>

#include "tests/sensors/protocols/http/support.hpp"

namespace ww::sensor::test {
namespace {

constexpr auto up = sig::Dir::to_server, down = sig::Dir::to_client;

// RFC 9112 section 2.1 has the shape, RFC 9110 section 3.9 the content.
constexpr std::string_view request =
    "GET /hello.txt HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: "
    "www.example.com\r\nAccept-Language: en, mi\r\n\r\n";
constexpr std::string_view response =
    "HTTP/1.1 200 OK\r\nDate: Mon, 27 Jul 2009 12:28:53 GMT\r\nServer: Apache\r\nContent-Length: "
    "51\r\n"
    "Vary: Accept-Encoding\r\nContent-Type: text/plain\r\n\r\n"
    "Hello World! My content includes a trailing CRLF.\r\n";

TEST(HttpMessage, ReadsTheExampleOfRfc9110) {
  Conversation c;
  c.client(request);
  c.server(response);
  ASSERT_EQ(c.count(), 1U);
  EXPECT_TRUE(c.tx(0).complete[0] && c.tx(0).complete[1]);
  EXPECT_EQ(c.buffer(0, "http.method", up), "GET");
  EXPECT_EQ(c.buffer(0, "http.uri", up), "/hello.txt");
  EXPECT_EQ(c.buffer(0, "http.host", up), "www.example.com");
  EXPECT_EQ(c.buffer(0, "http.user_agent", up), "curl/7.64.1");
  EXPECT_EQ(c.buffer(0, "http.header_names", up),
            "\r\nUser-Agent\r\nHost\r\nAccept-Language\r\n\r\n");
  EXPECT_EQ(c.buffer(0, "http.header", up),
            "User-Agent: curl/7.64.1\r\nHost: www.example.com\r\nAccept-Language: en, mi\r\n");
  EXPECT_EQ(c.buffer(0, "http.request_line", up), "GET /hello.txt HTTP/1.1");
  EXPECT_EQ(c.buffer(0, "http.response_line", down), "HTTP/1.1 200 OK");
  EXPECT_EQ(c.buffer(0, "http.stat_code", down), "200");
  EXPECT_EQ(c.buffer(0, "http.stat_msg", down), "OK");
  EXPECT_EQ(c.buffer(0, "http.server", down), "Apache");
  EXPECT_EQ(c.buffer(0, "http.response_header", down, 1), "Server: Apache");
  EXPECT_EQ(c.buffer(0, "http.response_header", down, 5), "<absent>");
  EXPECT_EQ(c.buffer(0, "http.response_body", down),
            "Hello World! My content includes a trailing CRLF.\r\n");
  ASSERT_EQ(c.tx(0).files.size(), 1U);
  EXPECT_EQ(c.tx(0).files[0]->name, "/hello.txt");
  EXPECT_EQ(c.tx(0).files[0]->size, 51U);
  EXPECT_EQ(c.tx(0).files[0]->state, sig::FileState::closed);
  EXPECT_TRUE(c.tx(0).event_ids.empty());
}

TEST(HttpMessage, GivesTheSameHoweverTheStreamIsCut) {
  Conversation whole;
  whole.client(request);
  whole.server(response);
  for (std::size_t piece = 1; piece < 60; ++piece) {
    Conversation c;
    c.client(request, piece);
    c.server(response, piece);
    ASSERT_EQ(c.count(), 1U) << piece;
    for (const auto* name : {"http.uri", "http.header", "http.header.raw", "http.request_line"})
      EXPECT_EQ(c.buffer(0, name, up), whole.buffer(0, name, up))
          << name << " in pieces of " << piece;
    EXPECT_EQ(c.buffer(0, "http.header", down), whole.buffer(0, "http.header", down));
    EXPECT_EQ(c.tx(0).files[0]->sha256, whole.tx(0).files[0]->sha256);
  }
}

TEST(HttpMessage, WaitsForTheLineAndTheHeaders) {
  Conversation c;
  c.client("GET / HT");
  ASSERT_EQ(c.count(), 1U);
  EXPECT_EQ(c.buffer(0, "http.uri", up), "<not ready>");
  c.client("TP/1.1\r\nHost: a");
  EXPECT_EQ(c.buffer(0, "http.uri", up), "/");
  EXPECT_EQ(c.buffer(0, "http.host", up), "<not ready>");
  c.client("\r\n\r\n");
  EXPECT_EQ(c.buffer(0, "http.host", up), "a");
  EXPECT_EQ(c.buffer(0, "http.user_agent", up), "<absent>");
  EXPECT_EQ(c.buffer(0, "http.stat_code", down), "<not ready>");
}

TEST(HttpMessage, MatchesPipelinedResponsesToTheirRequests) {
  Conversation c;
  c.client(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 "
      "HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server(
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 No\r\nContent-Length: "
      "2\r\n\r\nbb");
  c.server("HTTP/1.1 201 Yes\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(c.count(), 3U);
  EXPECT_EQ(c.tx(0).status_code, 200);
  EXPECT_EQ(c.tx(1).status_code, 404);
  EXPECT_EQ(c.tx(1).uri, "/2");
  EXPECT_EQ(c.buffer(1, "http.response_body", down), "bb");
  EXPECT_EQ(c.tx(2).status_code, 201);
}

TEST(HttpMessage, JoinsChunksAndReadsTheTrailer) {
  Conversation c;
  c.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, "
      "world\r\n0\r\nExpires: never\r\n\r\n");
  EXPECT_EQ(c.buffer(0, "http.response_body", down), "hello, world");
  EXPECT_TRUE(c.tx(0).response().headers.find("expires").has_value());
  EXPECT_TRUE(c.tx(0).complete[1]);
}

TEST(HttpMessage, NormalisesThePathAndKeepsTheRawTarget) {
  Conversation c;
  c.client("GET /a/./b/../%63/d.php?x=%41%20b#f HTTP/1.1\r\nHost: H.Example.COM:8080\r\n\r\n");
  EXPECT_EQ(c.buffer(0, "http.uri", up), "/a/c/d.php?x=A b#f");
  EXPECT_EQ(c.buffer(0, "http.uri.raw", up), "/a/./b/../%63/d.php?x=%41%20b#f");
  EXPECT_EQ(c.buffer(0, "http.host", up), "h.example.com");
  EXPECT_EQ(c.buffer(0, "http.host.raw", up), "H.Example.COM:8080");
  EXPECT_EQ(c.tx(0).port, 8080);
}

TEST(HttpMessage, KeepsCookiesOutOfTheHeaderBuffer) {
  Conversation c;
  c.client("GET / HTTP/1.1\r\nHost: h\r\nCookie: s=1\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\nSet-Cookie: t=2\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(c.buffer(0, "http.header", up), "Host: h\r\n");
  EXPECT_EQ(c.buffer(0, "http.cookie", up), "s=1");
  EXPECT_EQ(c.buffer(0, "http.cookie", down), "t=2");
  EXPECT_EQ(c.buffer(0, "http.header.raw", up), "Host: h\r\nCookie: s=1\r\n\r\n");
  EXPECT_EQ(c.buffer(0, "http.start", up), "GET / HTTP/1.1\r\nHost: h\r\nCookie: s=1\r\n\r\n");
}

TEST(HttpMessage, SkipsInterimResponses) {
  Conversation c;
  c.client("POST /u HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  c.server("HTTP/1.1 100 Continue\r\n\r\n");
  c.client("abc");
  c.server("HTTP/1.1 204 Done\r\n\r\n");
  ASSERT_EQ(c.count(), 1U);
  EXPECT_EQ(c.tx(0).status_code, 204);
  EXPECT_EQ(c.buffer(0, "http.request_body", up), "abc");
}

TEST(HttpMessage, ReportsWhatIsWrongAsEvents) {
  Conversation c;
  c.client("GET / HTTP/1.1\r\nno colon here\r\n\r\n");
  EXPECT_TRUE(c.has_event(0, "http.request_field_missing_colon"));
  EXPECT_TRUE(c.has_event(0, "http.missing_host_header"));
}

TEST(HttpMessage, GoesOnAfterAGapInABody) {
  Conversation c;
  c.client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
  c.lose(down, 4);
  c.server("wxyzHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  ASSERT_FALSE(c.failed);
  ASSERT_EQ(c.tx(0).files.size(), 1U);
  EXPECT_TRUE(c.tx(0).files[0]->gaps);
  EXPECT_EQ(c.tx(0).files[0]->size, 10U);
  EXPECT_EQ(c.tx(0).files[0]->state, sig::FileState::truncated);
  EXPECT_EQ(c.tx(1).status_code, 404);
}

TEST(HttpMessage, LeavesTheConnectionToATunnelAfterConnect) {
  Conversation c;
  c.client("CONNECT mail.example:443 HTTP/1.1\r\nHost: mail.example:443\r\n\r\n");
  c.server("HTTP/1.1 200 Connection established\r\n\r\n");
  EXPECT_TRUE(c.ctx.changed);
  EXPECT_EQ(c.ctx.changed_to, "");
  EXPECT_TRUE(c.tx(0).complete[0] && c.tx(0).complete[1]);
}

TEST(HttpMessage, HandsAnUpgradeToItsProtocol) {
  Conversation c;
  c.client(
      "GET /w HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
  const auto r = c.server(answer + "rest");
  EXPECT_TRUE(c.tx(0).complete[0] && c.tx(0).complete[1]);
  if (find_protocol("http2") == nullptr) GTEST_SKIP() << "HTTP/2 is not built in";
  EXPECT_EQ(c.ctx.changed_to, "http2");
  EXPECT_EQ(r.status, ParseResult::Status::need_more);
  EXPECT_EQ(r.consumed, answer.size());
}

TEST(HttpMessage, TakesSeveralInterimResponses) {
  Conversation c;
  c.client("POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na");
  c.server(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "
      "OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_FALSE(c.failed);
  EXPECT_EQ(c.tx(0).status_code, 200);
  EXPECT_TRUE(c.has_event(0, "http.100_continue_already_seen"));
}

TEST(HttpMessage, TellsAMissingProtocolFromHttp09) {
  Conversation old;
  old.client("GET /x\r\n");
  EXPECT_TRUE(old.tx(0).version_0_9);
  Conversation c;
  c.client("GET /x\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(c.tx(0).version_0_9);
  EXPECT_EQ(c.buffer(0, "http.host", up), "h");
  EXPECT_TRUE(c.has_event(0, "http.request_line_missing_protocol"));
}

TEST(HttpMessage, SurvivesTransactionsThatAreFreedEarly) {
  Conversation c;
  c.client("POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
  c.parser().release([](const Transaction&) { return true; });
  c.client("def");
  c.server("def");
  c.client(std::string(94, 'x') + "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server(std::string(94, 'x') + "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(c.count(), 1U);
  EXPECT_EQ(c.tx(0).uri, "/2");
  EXPECT_EQ(c.tx(0).status_code, 404);
}

TEST(HttpMessage, FramesRequestsAndResponses) {
  Conversation c;
  c.client("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
  c.client("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  std::vector<sig::Frame> requests;
  for (const auto& f : c.ctx.frames)
    if (sig::frame_types().name(f.type) == "http1.request") requests.push_back(f);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].offset, 0U);
  EXPECT_EQ(requests[0].length, 28);
  EXPECT_EQ(requests[1].offset, 28U);
  EXPECT_EQ(requests[1].tx_id, 1U);
}

}  // namespace
}  // namespace ww::sensor::test
