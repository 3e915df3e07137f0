#include <gtest/gtest.h>
#include <zlib.h>

#include "sensors/protocols/websocket/frame.hpp"
#include "tests/sensors/protocols/conversation.hpp"

namespace ww::sensor::test {
namespace {

std::string frame(int first, std::string_view payload, std::uint32_t mask = 0) {
  std::string out = octets({first});
  const int masked = mask != 0 ? 0x80 : 0;
  const auto n = static_cast<int>(payload.size());
  if (n < 126)
    out += octets({masked | n});
  else if (n < 65536)
    out += octets({masked | 126, n >> 8, n & 255});
  else
    out += octets({masked | 127, 0, 0, 0, 0, n >> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255});
  if (mask == 0) return out + std::string(payload);
  for (int i = 0; i < 4; ++i) out += static_cast<char>(mask >> (24 - 8 * i));
  for (std::size_t i = 0; i < payload.size(); ++i)
    out += static_cast<char>(static_cast<std::uint32_t>(payload[i]) ^ (mask >> (24 - 8 * (i & 3))));
  return out;
}

/// Messages of one compressor, with a window that goes on from one to the next.
class Compressor {
 public:
  Compressor() { deflateInit2(&z_, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY); }
  ~Compressor() { deflateEnd(&z_); }
  std::string operator()(std::string text) {
    std::string out(text.size() + 256, '\0');
    z_.next_in = reinterpret_cast<Bytef*>(text.data());
    z_.avail_in = static_cast<uInt>(text.size());
    z_.next_out = reinterpret_cast<Bytef*>(out.data());
    z_.avail_out = static_cast<uInt>(out.size());
    ::deflate(&z_, Z_SYNC_FLUSH);
    out.resize(out.size() - z_.avail_out);
    out.resize(out.size() - 4);
    return out;
  }

 private:
  z_stream z_{};
};

TEST(WebSocket, ReadsMaskedAndPlainFrames) {
  Talk t("websocket");
  t.client(frame(0x81, "hello", 0x12345678)).server(frame(0x82, "\x01\x02"));
  ASSERT_EQ(t.count(), 2U);
  EXPECT_EQ(t.eve(0), R"({"websocket":{"fin":true,"mask":305419896,"opcode":"text"}})");
  EXPECT_EQ(t.eve(1), R"({"websocket":{"fin":true,"opcode":"binary"}})");
  EXPECT_EQ(t.buffer(0, "websocket.payload"), "hello");
  EXPECT_EQ(t.number(0, "websocket.mask"), "305419896");
  EXPECT_EQ(t.number(0, "websocket.flags"), "128");
  EXPECT_EQ(t.number(0, "websocket.opcode"), "1");
  EXPECT_EQ(t.number(1, "websocket.mask", Dir::to_client), "");
  EXPECT_EQ(t.buffer(1, "websocket.payload", Dir::to_client), "\x01\x02");
}

TEST(WebSocket, NamesOpcodes) {
  Talk t("websocket");
  t.client(frame(0x88, "") + frame(0x89, "") + frame(0x8a, "") + frame(0x83, ""));
  EXPECT_NE(t.eve(0).find("\"connection_close\""), std::string::npos);
  EXPECT_NE(t.eve(1).find("\"ping\""), std::string::npos);
  EXPECT_NE(t.eve(2).find("\"pong\""), std::string::npos);
  EXPECT_NE(t.eve(3).find("\"unknown-3\""), std::string::npos);
}

TEST(WebSocket, TheLastFrameHasTheWholeMessage) {
  Talk t("websocket");
  t.client(frame(0x01, "MAL", 7) + frame(0x89, "ping", 7) + frame(0x00, "WA", 9) +
           frame(0x80, "RE", 7) + frame(0x81, "next"));
  ASSERT_EQ(t.count(), 5U);
  EXPECT_EQ(t.buffer(0, "websocket.payload"), "MAL");
  EXPECT_EQ(t.buffer(1, "websocket.payload"), "ping");
  EXPECT_EQ(t.buffer(2, "websocket.payload"), "WA");
  EXPECT_EQ(t.buffer(3, "websocket.payload"), "MALWARE");
  EXPECT_EQ(t.buffer(4, "websocket.payload"), "next");
}

TEST(WebSocket, InflatesMessagesThatReferToEarlierOnes) {
  Compressor pack;
  const std::string text = "a bedside monitor reports its alarm limits";
  const auto first = pack(text), second = pack(text + "!");
  ASSERT_LT(second.size(), first.size() / 2);
  Talk t("websocket");
  t.server(frame(0xc1, first) + frame(0x41, second.substr(0, 3)) + frame(0x80, second.substr(3)));
  EXPECT_EQ(t.buffer(0, "websocket.payload", Dir::to_client), text);
  EXPECT_EQ(t.buffer(2, "websocket.payload", Dir::to_client), text + "!");
}

TEST(WebSocket, ShowsWhatCannotBeInflatedAsItIs) {
  Talk t("websocket");
  Compressor pack;
  t.client(frame(0xc1, "\xff\xff\xff")).client(frame(0xc1, pack("well")));
  EXPECT_EQ(t.buffer(0, "websocket.payload"), "\xff\xff\xff");
  EXPECT_EQ(t.buffer(1, "websocket.payload"), "well");
}

TEST(WebSocket, ReadsTheSameHoweverItIsCut) {
  Compressor pack;
  const auto c = frame(0x01, "one ", 1) + frame(0x80, "two", 2) + frame(0xc2, pack("three")) +
                 frame(0x82, std::string(300, 'x'), 3);
  const auto all = [](const Talk& t) {
    std::string out = t.summary();
    for (std::size_t i = 0; i < t.count(); ++i) out += t.buffer(i, "websocket.payload") + "|";
    return out + t.frames(Dir::to_server);
  };
  Talk whole("websocket");
  whole.client(c);
  ASSERT_EQ(whole.count(), 4U);
  for (std::size_t cut = 1; cut < c.size(); ++cut) {
    Talk t("websocket");
    t.client(c.substr(0, cut)).client(c.substr(cut));
    EXPECT_EQ(all(t), all(whole)) << "cut at " << cut;
  }
}

TEST(WebSocket, FramesShowHeaderAndPdu) {
  Talk t("websocket");
  t.client(frame(0x81, "abc", 5) + frame(0x8a, ""));
  EXPECT_EQ(t.frames(Dir::to_server), "header@0+6 pdu@0+9 header@9+2 pdu@9+2");
}

Settings limit(std::string_view octets) {
  Settings s;
  s.set("app-layer.protocols.websocket.max-payload-size", octets);
  return s;
}

TEST(WebSocketEvent, SkipEndOfPayload) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
    Talk t("websocket", limit("10"));
    t.client(frame(0x81, "0123456789abc") + frame(0x81, "next"), piece);
    ASSERT_EQ(t.count(), 2U);
    EXPECT_EQ(t.all_events(), "websocket.skip_end_of_payload");
    EXPECT_EQ(t.buffer(0, "websocket.payload"), "0123456789");
    EXPECT_EQ(t.buffer(1, "websocket.payload"), "next");
  }
}

TEST(WebSocketEvent, ReassemblyLimitReached) {
  Talk t("websocket", limit("10"));
  t.client(frame(0x01, "12345678") + frame(0x80, "abcd"));
  EXPECT_EQ(t.all_events(), "websocket.reassembly_limit_reached");
  EXPECT_EQ(t.buffer(1, "websocket.payload"), "12345678ab");
}

TEST(WebSocketEvent, InflatedOctetsAreBounded) {
  Compressor pack;
  Talk t("websocket", limit("1000"));
  const auto bomb = pack(std::string(200'000, 'x'));
  ASSERT_LT(bomb.size(), 1000U);
  t.client(frame(0xc1, bomb));
  EXPECT_EQ(t.all_events(), "websocket.reassembly_limit_reached");
  EXPECT_EQ(t.buffer(0, "websocket.payload").size(), 16'000U);
}

TEST(WebSocket, InflatesUpToTheLimitAndNoFurther) {
  const std::string text(100'000, 'a');
  const auto message = Compressor()(text);
  websocket::Inflater inflater;
  const auto whole = inflater.inflate(message, text.size());
  EXPECT_TRUE(whole.ok);
  EXPECT_FALSE(whole.cut);
  EXPECT_EQ(whole.text, text);
  inflater.reset();
  const auto cut = inflater.inflate(message, text.size() - 1);
  EXPECT_TRUE(cut.ok);
  EXPECT_TRUE(cut.cut);
  EXPECT_EQ(cut.text.size(), text.size() - 1);
}

TEST(WebSocket, AlertsShowPayloadsWhenAsked) {
  Settings options;
  options.set("websocket-payload", "yes");
  options.set("websocket-payload-printable", "yes");
  Talk t("websocket");
  t.client(frame(0x81, "hello"));
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  find_protocol("websocket")->loggers[0].write_alert(t.tx(0), {t.ctx.flow(), options}, json);
  json.end_object();
  EXPECT_EQ(text, R"({"websocket":{"fin":true,"opcode":"text","payload_printable":"hello",)"
                  R"("payload_base64":"aGVsbG8="}})");
}

TEST(WebSocket, IsLookedForOnlyWhenAskedFor) {
  const auto* p = find_protocol("websocket");
  TestFlow flow;
  const auto f = frame(0x81, "x");
  EXPECT_EQ(p->probe(as_bytes(f), Dir::to_server, flow), Probe::no);
  flow.app_proto_expected = sig::app_protos().find("websocket");
  EXPECT_EQ(p->probe(as_bytes(f), Dir::to_server, flow), Probe::yes);
  EXPECT_EQ(p->probe(as_bytes("\x91"), Dir::to_server, flow), Probe::no);
}

}  // namespace
}  // namespace ww::sensor::test
