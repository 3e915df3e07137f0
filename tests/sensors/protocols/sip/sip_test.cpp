#include <gtest/gtest.h>

#include "tests/sensors/protocols/conversation.hpp"

namespace ww::sensor::test {
namespace {

const std::string body =
    "v=0\r\n"
    "o=ward7  2890844526 2890842807 IN IP4 192.0.2.5\r\n"
    "s=Bedside call\r\n"
    "i=Round\r\n"
    "u=https://example.org/r\r\n"
    "e=ward@example.org\r\n"
    "p=+44 20 7946 0000\r\n"
    "c=IN IP4 233.252.0.1/127\r\n"
    "b=AS:128\r\n"
    "t=0 0\r\n"
    "r=7d 1h 0 25h\r\n"
    "z=2882844526 -1h 2898848070 0\r\n"
    "k=prompt\r\n"
    "a=recvonly\r\n"
    "m=audio 49170 RTP/AVP 0\r\n"
    "i=voice\r\n"
    "c=IN IP4 192.0.2.9\r\n"
    "b=CT:64\r\n"
    "k=clear:x\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "m=video 51372 RTP/AVP 99\r\n"
    "a=rtpmap:99 h263-1998/90000\r\n";

std::string invite(std::string_view with = body) {
  return "INVITE sip:bob@example.org SIP/2.0\r\n"
         "v: SIP/2.0/UDP pc33.example.org\r\n"
         "Via: SIP/2.0/UDP second.example.org\r\n"
         "From: \"Alice\" <sip:alice@example.org>;tag=1\r\n"
         "To: <sip:bob@example.org>\r\n"
         "USER-AGENT:  Nero\r\n SIPPS  \r\n"
         "Content-Type: application/sdp; charset=utf-8\r\n"
         "l: " +
         std::to_string(with.size()) + "\r\n\r\n" + std::string(with);
}
const std::string trying =
    "SIP/2.0 100 Trying it\r\nVia: SIP/2.0/UDP x\r\nContent-Length: 0\r\n\r\n";

TEST(Sip, ReadsRequestsAndResponsesInDatagrams) {
  Talk t("sip", {}, 17);
  t.client("REGISTER sip:example.org SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n").server(trying);
  ASSERT_EQ(t.count(), 2U);
  EXPECT_EQ(t.eve(0), R"({"sip":{"method":"REGISTER","uri":"sip:example.org","version":"SIP/2.0",)"
                      R"("request_line":"REGISTER sip:example.org SIP/2.0"}})");
  EXPECT_EQ(t.eve(1), R"({"sip":{"version":"SIP/2.0","code":"100","reason":"Trying it",)"
                      R"("response_line":"SIP/2.0 100 Trying it"}})");
  EXPECT_TRUE(t.ready(0));
}

TEST(Sip, OffersItsBuffers) {
  Talk t("sip", {}, 17);
  t.client(invite()).server(trying);
  const auto up = Dir::to_server, down = Dir::to_client;
  EXPECT_EQ(t.buffer(0, "sip.method"), "INVITE");
  EXPECT_EQ(t.buffer(0, "sip.uri"), "sip:bob@example.org");
  EXPECT_EQ(t.buffer(0, "sip.request_line"), "INVITE sip:bob@example.org SIP/2.0");
  EXPECT_EQ(t.buffer(0, "sip.protocol"), "SIP/2.0");
  EXPECT_EQ(t.buffer(0, "sip.via", up, 0), "SIP/2.0/UDP pc33.example.org");
  EXPECT_EQ(t.buffer(0, "sip.via", up, 1), "SIP/2.0/UDP second.example.org");
  EXPECT_EQ(t.buffer(0, "sip.via", up, 2), "<absent>");
  EXPECT_EQ(t.buffer(0, "sip.from"), "\"Alice\" <sip:alice@example.org>;tag=1");
  EXPECT_EQ(t.buffer(0, "sip.to"), "<sip:bob@example.org>");
  EXPECT_EQ(t.buffer(0, "sip.user_agent"), "Nero\r\n SIPPS");
  EXPECT_EQ(t.buffer(0, "sip.content_type"), "application/sdp; charset=utf-8");
  EXPECT_EQ(t.buffer(0, "sip.content_length"), std::to_string(body.size()));
  EXPECT_EQ(t.buffer(0, "sip.stat_code", down), "<absent>");
  EXPECT_EQ(t.buffer(1, "sip.stat_code", down), "100");
  EXPECT_EQ(t.buffer(1, "sip.stat_msg", down), "Trying it");
  EXPECT_EQ(t.buffer(1, "sip.response_line", down), "SIP/2.0 100 Trying it");
  EXPECT_EQ(t.buffer(1, "sip.protocol", down), "SIP/2.0");
}

TEST(Sdp, IsLoggedAndOffered) {
  Talk t("sip", {}, 17);
  t.client(invite());
  EXPECT_NE(t.eve(0).find(
                R"("sdp":{"origin":"ward7 2890844526 2890842807 IN IP4 192.0.2.5",)"
                R"("session_name":"Bedside call","session_info":"Round",)"
                R"("uri":"https://example.org/r","email":"ward@example.org",)"
                R"("phone_number":"+44 20 7946 0000","connection_data":"IN IP4 233.252.0.1/127",)"
                R"("bandwidths":["AS:128"],"time_descriptions":[{"time":"0 0",)"
                R"("repeat_time":"7d 1h 0 25h"}],"timezone":"2882844526 -1h 2898848070 0",)"
                R"("encryption_key":"prompt","attributes":["recvonly"],"media_descriptions":[)"
                R"({"media":"audio 49170 RTP/AVP 0","media_info":"voice","bandwidths":["CT:64"],)"
                R"("connection_data":"IN IP4 192.0.2.9","encryption_key":"clear:x",)"
                R"("attributes":["rtpmap:0 PCMU/8000"]},{"media":"video 51372 RTP/AVP 99",)"
                R"("attributes":["rtpmap:99 h263-1998/90000"]}]})"),
            std::string::npos)
      << t.eve(0);
  EXPECT_EQ(t.buffer(0, "sdp.origin"), "ward7 2890844526 2890842807 IN IP4 192.0.2.5");
  EXPECT_EQ(t.buffer(0, "sdp.session_name"), "Bedside call");
  EXPECT_EQ(t.buffer(0, "sdp.session_info"), "Round");
  EXPECT_EQ(t.buffer(0, "sdp.uri"), "https://example.org/r");
  EXPECT_EQ(t.buffer(0, "sdp.email"), "ward@example.org");
  EXPECT_EQ(t.buffer(0, "sdp.phone_number"), "+44 20 7946 0000");
  EXPECT_EQ(t.buffer(0, "sdp.connection_data"), "IN IP4 233.252.0.1/127");
  EXPECT_EQ(t.buffer(0, "sdp.bandwidth"), "AS:128");
  EXPECT_EQ(t.buffer(0, "sdp.time"), "0 0");
  EXPECT_EQ(t.buffer(0, "sdp.repeat_time"), "7d 1h 0 25h");
  EXPECT_EQ(t.buffer(0, "sdp.timezone"), "2882844526 -1h 2898848070 0");
  EXPECT_EQ(t.buffer(0, "sdp.encryption_key"), "prompt");
  EXPECT_EQ(t.buffer(0, "sdp.attribute"), "recvonly");
  EXPECT_EQ(t.buffer(0, "sdp.media.media", Dir::to_server, 1), "video 51372 RTP/AVP 99");
  EXPECT_EQ(t.buffer(0, "sdp.media.media_title"), "voice");
  EXPECT_EQ(t.buffer(0, "sdp.media.connection_data"), "IN IP4 192.0.2.9");
  EXPECT_EQ(t.buffer(0, "sdp.media.bandwidth"), "CT:64");
  EXPECT_EQ(t.buffer(0, "sdp.media.encryption_key"), "clear:x");
  EXPECT_EQ(t.buffer(0, "sdp.media.attribute", Dir::to_server, 1), "rtpmap:99 h263-1998/90000");
  EXPECT_EQ(t.buffer(0, "sdp.media.attribute", Dir::to_server, 2), "<absent>");
}

TEST(Sdp, NeedsVersionOriginAndName) {
  for (const auto* bad : {"v=1\r\no=a\r\ns=b\r\n", "o=a\r\nv=0\r\ns=b\r\n", "v=0\r\ns=b\r\n", ""}) {
    Talk t("sip", {}, 17);
    t.client(invite(bad));
    EXPECT_EQ(t.buffer(0, "sdp.session_name"), "<absent>") << bad;
    EXPECT_EQ(t.eve(0).find("sdp"), std::string::npos);
  }
}

TEST(Sip, ReadsTheSameHoweverAStreamIsCut) {
  const auto c = "\r\n\r\n" + invite() + "ACK sip:b SIP/2.0\r\n\r\n" + invite("v=0\r\n");
  Talk whole("sip");
  whole.client(c).server(trying);
  ASSERT_EQ(whole.count(), 4U);
  for (std::size_t cut = 1; cut < c.size(); ++cut) {
    Talk t("sip");
    t.client(c.substr(0, cut)).client(c.substr(cut)).server(trying, 1 + cut % 9);
    EXPECT_EQ(t.summary(), whole.summary()) << "cut at " << cut;
    EXPECT_EQ(t.frames(Dir::to_server), whole.frames(Dir::to_server));
  }
}

TEST(Sip, FramesShowThePartsOfAMessage) {
  Talk t("sip", {}, 17);
  t.client("BYE sip:b SIP/2.0\r\nTo: x\r\n\r\nrest").server("SIP/2.0 200 OK\r\nTo: x\r\n\r\n");
  EXPECT_EQ(t.frames(Dir::to_server),
            "pdu@0+32 request.line@0+19 request.headers@19+7 request.body@28+4");
  EXPECT_EQ(t.frames(Dir::to_client), "pdu@0+25 response.line@0+16 response.headers@16+7");
}

TEST(Sip, MessagesAgainstTheFlowAreLoggedWhenAsked) {
  for (const bool all : {false, true}) {
    Settings options;
    options.set("all-messages", all ? "yes" : "no");
    Talk t("sip", options, 17);
    t.server("BYE sip:a SIP/2.0\r\n\r\n").client("SIP/2.0 200 OK\r\n\r\n");
    ASSERT_EQ(t.count(), 2U);
    EXPECT_EQ(t.eve(0).find("BYE") != std::string::npos, all);
    EXPECT_EQ(t.eve(1).find("200") != std::string::npos, all);
    EXPECT_EQ(t.all_events(), "");
  }
}

TEST(Sip, KeepAlivesAreNoMessages) {
  Talk t("sip", {}, 17);
  t.client("\r\n\r\n").client(std::string(4, '\0'));
  EXPECT_EQ(t.count(), 0U);
}

TEST(SipEvent, IncompleteData) {
  Talk t("sip", {}, 17);
  t.client("BYE sip:a SIP/2.0\r\nTo: x\r\n");
  EXPECT_EQ(t.all_events(), "sip.incomplete_data");
  EXPECT_EQ(t.eve(0), "");
  Talk s("sip");
  s.client("BYE sip:a SIP/2.0\r\nTo: x\r\n").end(Dir::to_server);
  EXPECT_EQ(s.all_events(), "sip.incomplete_data");
}

TEST(SipEvent, InvalidData) {
  for (const auto* bad : {"BYE sip:a HTTP/1.1\r\n\r\n", "BYE\r\n\r\n", "SIP/2.0 20\r\n\r\n",
                          "B1E sip:a SIP/2.0\r\n\r\n", "BYE sip:a SIP/2.0\r\nno colon\r\n\r\n",
                          "SIP/2.0 2000 x\r\n\r\n"}) {
    Talk t("sip", {}, 17);
    t.client(bad);
    EXPECT_EQ(t.all_events(), "sip.invalid_data") << bad;
    Talk s("sip");
    s.client(bad);
    EXPECT_TRUE(s.failed);
  }
}

TEST(Sip, HeadsAndBodiesAreBounded) {
  Talk t("sip");
  t.client("BYE sip:a SIP/2.0\r\nX: " + std::string(70'000, 'x'));
  EXPECT_EQ(t.all_events(), "sip.invalid_data");
  Talk many("sip");
  std::string text = "BYE sip:a SIP/2.0\r\n";
  for (int n = 0; n < 600; ++n) text += "X: y\r\n";
  many.client(text + "\r\n");
  EXPECT_EQ(many.all_events(), "sip.invalid_data");
  Talk body_too_long("sip");
  body_too_long.client("BYE sip:a SIP/2.0\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_EQ(body_too_long.all_events(), "sip.invalid_data");
}

TEST(Sip, ItsFirstLineMustNameIt) {
  const auto* p = find_protocol("sip");
  TestFlow flow;
  flow.ip_proto = 17;
  const auto probe = [&](std::string_view s, Dir dir = Dir::to_server) {
    return p->probe(as_bytes(s), dir, flow);
  };
  EXPECT_EQ(probe("NOTIFY sip:a SIP/2.0\r\n"), Probe::yes);
  EXPECT_EQ(probe("NOTIFY * HTTP/1.1\r\n"), Probe::no);
  EXPECT_EQ(probe("SIP/2.0 200 OK\r\n"), Probe::reversed);
  EXPECT_EQ(probe("SIP/2.0 200 OK\r\n", Dir::to_client), Probe::yes);
  EXPECT_EQ(probe("NOTIFY sip:a"), Probe::no);
  flow.ip_proto = 6;
  EXPECT_EQ(probe("NOTIFY sip:a"), Probe::maybe);
}

}  // namespace
}  // namespace ww::sensor::test
