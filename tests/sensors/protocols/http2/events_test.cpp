/// Each event of HTTP/2 by the frames that raise it; what rules see of frames.
#include "sensors/protocols/http2/http2.hpp"
#include "tests/sensors/protocols/http2/frames.hpp"
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;
using http2::FrameKind;

const std::string get =
    literal(":method", "GET") + literal(":path", "/a") + literal(":authority", "example");
constexpr unsigned end_stream = 1, end_headers = 4;
std::string ask(std::uint32_t stream = 1, const std::string& block = get) {
  return frame(FrameKind::headers, end_stream | end_headers, stream, block);
}
std::string answer(const std::string& headers, const std::string& body) {
  return frame(FrameKind::headers, end_headers, 1, literal(":status", "200") + headers) +
         frame(FrameKind::data, end_stream, 1, body);
}

std::string events(const std::string& client, const std::string& server = "",
                   const Settings& settings = {}) {
  Driver d("http2", 6, settings);
  d.client(client);
  if (!server.empty()) d.server(server);
  d.finish();
  std::string out;
  const auto add = [&](const std::string& e) { out += (out.empty() ? "" : " ") + e.substr(6); };
  for (std::size_t i = 0; i < d.count(); ++i)
    for (const auto& e : d.events(i)) add(e);
  for (const auto& e : d.ctx.events) add(e);
  return out;
}

TEST(Http2Events, OrdinaryStreamsHaveNone) {
  EXPECT_EQ(events(preface + frame(FrameKind::settings, 0, 0, "") + ask() + ask(3),
                   answer(literal("content-type", "text/plain"), "hello")),
            "");
}

TEST(Http2Events, OfFrames) {
  EXPECT_NE(events("GET / HTTP/1.1 and more of it\r\n").find("invalid_client_magic"),
            std::string::npos);
  EXPECT_EQ(events(preface + frame(FrameKind::rst_stream, 0, 1, "ab")), "invalid_frame_length");
  EXPECT_EQ(events(preface + frame(FrameKind::settings, 0, 0, "12345")), "invalid_frame_data");
  EXPECT_EQ(
      events(preface + frame(FrameKind::headers, end_headers | 8U, 1, "\x09"s + get.substr(0, 3))),
      "invalid_frame_data");
  EXPECT_EQ(events(preface + frame(FrameKind::continuation, end_headers, 1, get)),
            "invalid_frame_data");
  EXPECT_EQ(events(preface + frame(FrameKind::data, 0, 0, "x")), "data_stream_zero");
  EXPECT_EQ(events(preface + ask(), answer("", "x") + frame(FrameKind::data, 0, 1, "more")),
            "stream_id_reuse");
  Settings few;
  few.set("app-layer.protocols.http2.max-frames", "3");
  std::string windows;
  for (int i = 0; i < 4; ++i) windows += frame(FrameKind::window_update, 0, 1, "\0\0\0\1"s);
  EXPECT_EQ(events(preface + frame(FrameKind::headers, end_headers, 1, get) + windows, "", few),
            "too_many_frames");
  Settings one;
  one.set("app-layer.protocols.http2.max-streams", "1");
  EXPECT_EQ(events(preface + frame(FrameKind::headers, end_headers, 1, get) + ask(3), "", one),
            "too_many_streams");
}

TEST(Http2Events, OfHeaders) {
  EXPECT_EQ(events(preface + ask(1, "\xff\x80\xff\xff\xff\xff\xff\xff\x7f"s)),
            "extra_header_data header_integer_overflow invalid_header");
  EXPECT_EQ(events(preface + ask(1, "\xbf"s)), "invalid_header");
  EXPECT_EQ(events(preface + ask(1, "\xbf"s + get)), "extra_header_data invalid_header");
  EXPECT_EQ(events(preface + ask(1, get + literal("host", "other"))), "authority_host_mismatch");
  EXPECT_EQ(events(preface + ask(1, literal(":authority", "a@b"))), "userinfo_in_uri");
}

TEST(Http2Events, OfBodies) {
  EXPECT_EQ(events(preface + ask(), answer(literal("content-encoding", "gzip"), "no gzip")),
            "failed_decompression");
  EXPECT_EQ(events(preface + ask(), answer(literal("content-range", "bytes 9-3/20"), "abc")),
            "invalid_range");
  const std::string dns = literal("content-type", "application/dns-message");
  std::string body;
  for (int i = 0; i < 5; ++i) body += frame(FrameKind::data, 0, 1, std::string(16000, 'x'));
  EXPECT_EQ(
      events(preface + ask(),
             frame(FrameKind::headers, end_headers, 1, literal(":status", "200") + dns) + body),
      "dns_response_too_long");
}

TEST(Http2Events, OfAnUpgradeWithoutSettings) {
  Driver d("http2", 6);
  auto note = std::make_shared<http::Upgrade>();
  note->method = "GET";
  note->uri = "/";
  d.ctx.note = note;
  d.server(frame(FrameKind::settings, 0, 0, ""));
  bool seen = false;
  for (std::size_t i = 0; i < d.count(); ++i)
    for (const auto& e : d.events(i)) seen = seen || e == "http2.invalid_http1_settings";
  EXPECT_TRUE(seen);
}

TEST(Http2Rules, SeeFrames) {
  RuleCheck rules(
      "alert http2 any any -> any any (http2.frametype:GOAWAY; sid:1;)\n"
      "alert http2 any any -> any any (http2.frametype:PING; sid:2;)\n"
      "alert http2 any any -> any any (http2.errorcode:PROTOCOL_ERROR; sid:3;)\n"
      "alert http2 any any -> any any (http2.errorcode:NO_ERROR; sid:4;)\n"
      "alert http2 any any -> any any (http2.priority:4; sid:5;)\n"
      "alert http2 any any -> any any (http2.priority:>4; sid:6;)\n"
      "alert http2 any any -> any any (http2.window:1-20; sid:7;)\n"
      "alert http2 any any -> any any (http2.window:>20; sid:8;)\n"
      "alert http2 any any -> any any (http2.size_update:31; sid:9;)\n"
      "alert http2 any any -> any any (http2.settings:SETTINGS_MAX_FRAME_SIZE>16384; sid:10;)\n"
      "alert http2 any any -> any any (http2.settings:SETTINGS_ENABLE_PUSH=1; sid:11;)\n"
      "alert http2 any any -> any any (http2.header_name; content:\"user-agent\"; bsize:10; "
      "sid:12;)\n"
      "alert http2 any any -> any any (http.request_header; content:\"user-agent: t\"; sid:13;)\n"
      "alert http2 any any -> any any (http.user_agent; content:\"t\"; sid:14;)\n"
      "alert http any any -> any any (http.host; content:\"example\"; sid:15;)\n"
      "alert http2 any any -> any any (http2.header; content:\"user-agent: t::z\"; bsize:16; "
      "sid:16;)\n"
      "alert http2 any any -> any any (http2.header; content:\"::method: GET\"; startswith; "
      "sid:17;)\n"
      "alert http2 any any -> any any (http2.header; content:\"user-agent: t:z\"; sid:18;)\n");
  EXPECT_EQ(rules.refused, "");
  using Sids = std::vector<std::uint32_t>;
  const auto seen = [&](const std::string& octets) {
    Driver d("http2", 6);
    d.client(preface + octets);
    return rules.match(d, "http2", Dir::to_server);
  };
  EXPECT_EQ(seen(frame(FrameKind::goaway, 0, 0, "\0\0\0\0\0\0\0\1"s)), (Sids{1, 3}));
  EXPECT_EQ(seen(frame(FrameKind::rst_stream, 0, 1, "\0\0\0\0"s)), (Sids{4}));
  EXPECT_EQ(seen(frame(FrameKind::priority, 0, 1, "\0\0\0\0\4"s)), (Sids{5}));
  EXPECT_EQ(seen(frame(FrameKind::window_update, 0, 1, "\0\0\0\x13"s)), (Sids{7}));
  EXPECT_EQ(seen(frame(FrameKind::settings, 0, 0, "\0\5\0\0\x80\0"s)), (Sids{10}));
  EXPECT_EQ(seen(frame(FrameKind::settings, 0, 0, "\0\2\0\0\0\1"s)), (Sids{11}));
  EXPECT_EQ(seen(ask(1, "\x3f\0"s + get + literal("user-agent", "t:z"))),
            (Sids{9, 12, 13, 14, 15, 16, 17}));
}

}  // namespace
}  // namespace ww::sensor::test
