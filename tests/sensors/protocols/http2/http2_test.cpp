#include "sensors/protocols/http2/http2.hpp"

#include <gtest/gtest.h>

#include "tests/sensors/protocols/http/support.hpp"
#include "tests/sensors/protocols/http2/frames.hpp"

namespace ww::sensor::test {
namespace {

using http2::FrameKind;

const std::string request = literal(":method", "GET") + literal(":path", "/a.txt?x=1") +
                            literal(":authority", "Www.Example.COM:8443") +
                            literal("user-agent", "test");
const std::string response = literal(":status", "200") + literal("content-type", "text/plain");

std::string settings() {
  return frame(FrameKind::settings, 0, 0, std::string("\0\4\0\0\xff\xff", 6));
}
std::string ask() { return preface + settings() + frame(FrameKind::headers, 5, 1, request); }
std::string answer() {
  return settings() + frame(FrameKind::headers, 4, 1, response) +
         frame(FrameKind::data, 0, 1, "hello, ") +
         frame(FrameKind::data, 9, 1, std::string("\3world\0\0\0", 9));
}

const http::HttpTransaction* stream(const Conversation& c, std::uint32_t id) {
  for (std::size_t i = 0; i < c.count(); ++i)
    if (http2::Stream::of(c.tx(i)).id == id) return &c.tx(i);
  return nullptr;
}

TEST(Http2, MakesATransactionOfAStream) {
  Conversation c("http2");
  c.client(ask());
  c.server(answer());
  const auto* tx = stream(c, 1);
  ASSERT_NE(tx, nullptr);
  EXPECT_EQ(tx->method, "GET");
  EXPECT_EQ(tx->uri, "/a.txt?x=1");
  EXPECT_EQ(tx->host, "www.example.com");
  EXPECT_EQ(tx->status_code, 200);
  EXPECT_TRUE(tx->complete[0] && tx->complete[1]);
  ASSERT_EQ(tx->files.size(), 1U);
  EXPECT_EQ(tx->files[0]->name, "/a.txt");
  EXPECT_EQ(as_text(tx->files[0]->data), "hello, world");
  EXPECT_EQ(tx->files[0]->state, sig::FileState::closed);
}

TEST(Http2, GivesTheSameHoweverTheStreamIsCut) {
  for (std::size_t piece = 1; piece < 80; ++piece) {
    Conversation c("http2");
    c.client(ask(), piece);
    c.server(answer(), piece);
    const auto* tx = stream(c, 1);
    ASSERT_NE(tx, nullptr) << piece;
    EXPECT_EQ(tx->request().headers.size(), 4U) << piece;
    ASSERT_EQ(tx->files.size(), 1U) << piece;
    EXPECT_EQ(as_text(tx->files[0]->data), "hello, world") << piece;
    EXPECT_EQ(c.count(), 3U) << piece;
  }
}

TEST(Http2, WritesTheEventOfItsFrames) {
  Conversation c("http2");
  c.client(ask());
  c.server(answer() + frame(FrameKind::goaway, 0, 0, std::string(8, '\0')));
  std::string text;
  const Settings none;
  for (std::size_t i = 0; i < c.count(); ++i) {
    JsonWriter json(text);
    json.begin_object();
    http2::write_http2(c.tx(i), {c.ctx.flow(), none}, json);
    json.end_object();
  }
  EXPECT_NE(
      text.find(
          R"("settings":[{"settings_id":"SETTINGSINITIALWINDOWSIZE","settings_value":65535}])"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find(R"("error_code":"NOERROR")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("http_method":"GET","url":"/a.txt?x=1")"), std::string::npos) << text;
}

TEST(Http2, JoinsHeaderBlocks) {
  Conversation c("http2");
  c.client(preface + frame(FrameKind::headers, 1, 1, request.substr(0, 20)) +
           frame(FrameKind::continuation, 0, 1, request.substr(20, 5)) +
           frame(FrameKind::continuation, 4, 1, request.substr(25)));
  EXPECT_EQ(stream(c, 1)->request().headers.size(), 4U);
  EXPECT_TRUE(stream(c, 1)->complete[0]);
}

TEST(Http2, ReportsCredentialsInTheAuthority) {
  Conversation c("http2");
  c.client(preface + frame(FrameKind::headers, 5, 1,
                           literal(":authority", "a:b@host") + literal("host", "other")));
  EXPECT_TRUE(c.has_event(0, "http2.userinfo_in_uri"));
  EXPECT_TRUE(c.has_event(0, "http2.authority_host_mismatch"));
}

TEST(Http2, PassesOverFramesThatAreTooLong) {
  Conversation c("http2");
  c.client(preface + frame(FrameKind::ping, 0, 0, std::string(20'000, 'x')) +
           frame(FrameKind::headers, 5, 1, request));
  EXPECT_TRUE(c.has_event(0, "http2.long_frame_data"));
  EXPECT_NE(stream(c, 1), nullptr);
}

TEST(Http2, BoundsTheHeaderBlock) {
  Conversation c("http2");
  std::string flood = preface + frame(FrameKind::headers, 0, 1, request);
  for (int i = 0; i < 50; ++i)
    flood += frame(FrameKind::continuation, 0, 1, std::string(10'000, '\0'));
  c.client(flood);
  EXPECT_TRUE(c.has_event(0, "http2.reassembly_limit_reached"));
}

TEST(Http2, ReportsDnsMessagesThatAreTooLong) {
  Conversation c("http2");
  c.client(preface + frame(FrameKind::headers, 4, 1,
                           request + literal("content-type", "application/dns-message")));
  for (int i = 0; i < 5; ++i) c.client(frame(FrameKind::data, 0, 1, std::string(16'000, 'd')));
  EXPECT_TRUE(c.has_event(0, "http2.dns_request_too_long"));
}

// A question for example.org, type A, and its answer's head (RFC 1035 section 4).
std::string dns_message(bool answer) {
  return std::string("\0\1", 2) + (answer ? "\x81" : "\1") + (answer ? "\x80" : "") +
         std::string(answer ? "" : std::string(1, '\0')) + std::string("\0\1\0\0\0\0\0\0", 8) +
         std::string("\7example\3org\0\0\1\0\1", 17);
}

std::string dns_names(const http::HttpTransaction& tx, Dir d) {
  std::string out;
  for (const auto& b : find_protocol("doh2")->buffers.buffers) {
    if (b.id != sig::buffers().find("dns.queries.rrname") || b.dir != d) continue;
    sig::BufferSlice slice;
    for (std::uint32_t i = 0; b.get(tx, d, i, slice) == sig::BufferStatus::ready; ++i)
      (out += as_text(slice.data)) += ';';
  }
  return out;
}

TEST(DnsOverHttp2, TakesTheMessageFromABody) {
  Conversation c("http2");
  c.client(preface +
           frame(FrameKind::headers, 4, 1,
                 request + literal("content-type", "application/dns-message")) +
           frame(FrameKind::data, 1, 1, dns_message(false)));
  c.server(frame(FrameKind::headers, 4, 1,
                 literal(":status", "200") + literal("content-type", "application/dns-message")) +
           frame(FrameKind::data, 1, 1, dns_message(true)));
  EXPECT_EQ(c.ctx.renamed_to, "doh2");
  const auto* tx = stream(c, 1);
  ASSERT_NE(tx, nullptr);
  EXPECT_EQ(dns_names(*tx, Dir::to_server), "example.org;");
  EXPECT_EQ(dns_names(*tx, Dir::to_client), "example.org;");
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  const Settings none;
  EXPECT_TRUE(find_protocol("doh2")->loggers[0].write(*tx, {c.ctx.flow(), none}, json));
  json.end_object();
  EXPECT_NE(text.find(R"("version":"2")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("queries":[{"rrname":"example.org","rrtype":"A"}])"), std::string::npos)
      << text;
}

TEST(DnsOverHttp2, TakesTheMessageFromTheTarget) {
  Conversation c("http2");
  c.client(preface +
           frame(FrameKind::headers, 5, 1,
                 literal(":method", "GET") +
                     literal(":path", "/dns-query?dns=AAEBAAABAAAAAAAAB2V4YW1wbGUDb3JnAAABAAE") +
                     literal("accept", "application/dns-message")));
  EXPECT_EQ(c.ctx.renamed_to, "doh2");
  ASSERT_NE(stream(c, 1), nullptr);
  EXPECT_EQ(dns_names(*stream(c, 1), Dir::to_server), "example.org;");
}

TEST(DnsOverHttp2, IsNotSeenInOtherBodies) {
  Conversation c("http2");
  c.client(preface +
           frame(FrameKind::headers, 4, 1,
                 request + literal("content-type", "application/dns-message")) +
           frame(FrameKind::data, 1, 1, "no dns message at all"));
  c.client(frame(FrameKind::headers, 4, 3, request + literal("content-type", "text/plain")) +
           frame(FrameKind::data, 1, 3, dns_message(false)));
  EXPECT_EQ(c.ctx.renamed_to, "");
}

TEST(Http2, BoundsTheStreams) {
  Settings s;
  s.set("app-layer.protocols.http2.max-streams", "50");
  Conversation c("http2", s);
  std::string flood = preface;
  for (std::uint32_t i = 0; i < 1000; ++i)
    flood += frame(FrameKind::headers, 4, 2 * i + 1, request);
  c.client(flood);
  EXPECT_LE(c.count(), 100U);
}

TEST(Http2, WritesWhatHeadersAndFramesSay) {
  Conversation c("http2");
  // A table size update before the fields, an index that does not exist behind them; two
  // priorities.
  c.client(preface +
           frame(FrameKind::headers, 0x25, 3,
                 std::string("\0\0\0\0\4", 5) + "\x3f" + std::string("\0", 1) + request +
                     "\xff\xff\x03") +
           frame(FrameKind::priority, 0, 3, std::string("\0\0\0\0\7", 5)));
  std::string text;
  const Settings none;
  for (std::size_t i = 0; i < c.count(); ++i) {
    JsonWriter json(text);
    json.begin_object();
    http2::write_http2(c.tx(i), {c.ctx.flow(), none}, json);
    json.end_object();
  }
  for (const auto* part :
       {R"("request_headers":[{"table_size_update":31},{"name":":method","value":"GET"})",
        R"({"error":"HTTP2HeaderDecodeNotIndexed"}])", R"("hostname":"www.example.com")",
        R"("http_user_agent":"test")", R"("http2":{"stream_id":3,"request":{"priority":4,)",
        R"("has_multiple":"priority"})"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

}  // namespace
}  // namespace ww::sensor::test
