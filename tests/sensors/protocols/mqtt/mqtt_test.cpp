#include <gtest/gtest.h>

#include "tests/sensors/protocols/conversation.hpp"

namespace ww::sensor::test {
namespace {

using std::string_literals::operator""s;

std::string text(std::string_view s) {
  return octets({static_cast<int>(s.size() >> 8), static_cast<int>(s.size() & 255)}) +
         std::string(s);
}
/// A control packet: first octet, remaining length, body.
std::string packet(int first, std::string_view body) {
  std::string out = octets({first});
  for (auto n = body.size();;) {
    const auto low = n & 127;
    n >>= 7;
    out += static_cast<char>(low | (n > 0 ? 128U : 0U));
    if (n == 0) break;
  }
  return out + std::string(body);
}
std::string connect(int version, int flags, std::string_view rest) {
  return packet(0x10, text(version == 3 ? "MQIsdp" : "MQTT") + octets({version, flags, 0, 60}) +
                          std::string(rest));
}
const std::string connack = packet(0x20, "\0\0"s);
const std::string connect4 = connect(4, 2, text("bed-7"));
const std::string connect5 = connect(5, 2, "\0"s + text("bed-7"));
const std::string connack5 = packet(0x20, "\0\0\0"s);

/// A whole version 5 conversation.
std::string client5() {
  return connect(5, 0xc6 | 0x20,
                 octets({3, 0x21, 0, 20}) + text("bed-7") + octets({5, 24, 0, 0, 0, 9}) +
                     text("ward/down") + text("gone") + text("nurse") + text("secret")) +
         packet(0x82, octets({0, 1, 0}) + text("ward/+") + octets({1}) + text("#") + octets({2})) +
         packet(0x34, text("ward/7/hr") + octets({0, 2, 7, 38}) + text("k") + text("v") + "72") +
         packet(0x62, octets({0, 2, 0x92, 0})) + packet(0xa2, octets({0, 3, 0}) + text("#")) +
         packet(0xc0, "") + packet(0xe0, "");
}
std::string server5() {
  return packet(0x20, octets({1, 0, 3, 34, 0, 10})) + packet(0x90, octets({0, 1, 0, 1, 2})) +
         packet(0x50, octets({0, 2})) + packet(0x70, octets({0, 2, 0})) +
         packet(0xb0, octets({0, 3, 0, 17})) + packet(0xd0, "");
}

Settings with(std::string_view key, std::string_view value) {
  Settings s;
  s.set(key, value);
  return s;
}

TEST(Mqtt, ReadsAConnectionOfVersion5) {
  Talk t("mqtt");
  // In the order of the wire, as far as answers depend on it.
  const auto c = client5(), s = server5();
  const auto first = c.find(octets({0x82, 16}));
  ASSERT_NE(first, std::string::npos);
  t.client(c.substr(0, first)).server(s.substr(0, 8)).client(c.substr(first)).server(s.substr(8));
  EXPECT_FALSE(t.failed);
  ASSERT_EQ(t.count(), 7U);
  EXPECT_EQ(t.eve(0),
            R"({"mqtt":{"connect":{"qos":0,"retain":false,"dup":false,"protocol_string":"MQTT",)"
            R"("protocol_version":5,"client_id":"bed-7","flags":{"username":true,"password":true,)"
            R"("will_retain":true,"will":true,"clean_session":true},"username":"nurse",)"
            R"("password":"secret","will":{"topic":"ward/down","message":"gone",)"
            R"("properties":{"will_delay_interval":9}},"properties":{"receive_maximum":20}},)"
            R"("connack":{"qos":0,"retain":false,"dup":false,"session_present":true,)"
            R"("return_code":0,"properties":{"topic_alias_maximum":10}}}})");
  EXPECT_EQ(
      t.eve(1),
      R"({"mqtt":{"subscribe":{"qos":1,"retain":false,"dup":false,"message_id":1,)"
      R"("topics":[{"topic":"ward/+","qos":1},{"topic":"#","qos":2}]},)"
      R"("suback":{"qos":0,"retain":false,"dup":false,"message_id":1,"qos_granted":[1,2]}}})");
  EXPECT_EQ(t.eve(2),
            R"({"mqtt":{"publish":{"qos":2,"retain":false,"dup":false,"topic":"ward/7/hr",)"
            R"("message_id":2,"message":"72","properties":{"k":"v"}},)"
            R"("pubrel":{"qos":1,"retain":false,"dup":false,"message_id":2,"reason_code":146},)"
            R"("pubrec":{"qos":0,"retain":false,"dup":false,"message_id":2,"reason_code":0},)"
            R"("pubcomp":{"qos":0,"retain":false,"dup":false,"message_id":2,"reason_code":0}}})");
  EXPECT_EQ(t.eve(3),
            R"({"mqtt":{"unsubscribe":{"qos":1,"retain":false,"dup":false,"message_id":3,)"
            R"("topics":["#"]},"unsuback":{"qos":0,"retain":false,"dup":false,"message_id":3,)"
            R"("reason_codes":[17]}}})");
  EXPECT_EQ(t.eve(4), R"({"mqtt":{"pingreq":{"qos":0,"retain":false,"dup":false}}})");
  EXPECT_EQ(t.eve(5),
            R"({"mqtt":{"disconnect":{"qos":0,"retain":false,"dup":false,"reason_code":0}}})");
  EXPECT_EQ(t.all_events(), "");
}

TEST(Mqtt, OffersItsBuffersAndNumbers) {
  Talk t("mqtt");
  t.client(client5());
  EXPECT_EQ(t.buffer(0, "mqtt.connect.clientid"), "bed-7");
  EXPECT_EQ(t.buffer(0, "mqtt.connect.username"), "nurse");
  EXPECT_EQ(t.buffer(0, "mqtt.connect.password"), "secret");
  EXPECT_EQ(t.buffer(0, "mqtt.connect.willtopic"), "ward/down");
  EXPECT_EQ(t.buffer(0, "mqtt.connect.willmessage"), "gone");
  EXPECT_EQ(t.buffer(0, "mqtt.connect.protocol_string"), "MQTT");
  EXPECT_EQ(t.number(0, "mqtt.connect.flags"), "230...");
  EXPECT_EQ(t.number(0, "mqtt.protocol_version"), "5");
  EXPECT_EQ(t.number(0, "mqtt.type"), "1...");
  EXPECT_EQ(t.number(0, "mqtt.connack.session_present"), "...");
  EXPECT_EQ(t.buffer(1, "mqtt.subscribe.topic"), "ward/+");
  EXPECT_EQ(t.buffer(1, "mqtt.subscribe.topic", Dir::to_server, 1), "#");
  EXPECT_EQ(t.buffer(1, "mqtt.subscribe.topic", Dir::to_server, 2), "<absent>");
  EXPECT_EQ(t.buffer(1, "mqtt.publish.topic"), "<absent>");
  EXPECT_EQ(t.buffer(2, "mqtt.publish.topic"), "ward/7/hr");
  EXPECT_EQ(t.buffer(2, "mqtt.publish.message"), "72");
  EXPECT_EQ(t.number(2, "mqtt.qos"), "2,1...");
  t.server(server5());
  EXPECT_EQ(t.number(0, "mqtt.connack.session_present"), "1");
  EXPECT_EQ(t.number(0, "mqtt.type"), "1,2");
  EXPECT_EQ(t.number(1, "mqtt.reason_code"), "1,2");
  EXPECT_EQ(t.number(2, "mqtt.reason_code"), "146,0,0");
  EXPECT_EQ(t.buffer(3, "mqtt.unsubscribe.topic"), "#");
}

TEST(Mqtt, FlagsAreRetainAndDup) {
  Talk t("mqtt");
  t.client(packet(0x3b, text("a") + octets({0, 1}) + "x"));
  EXPECT_EQ(t.number(0, "mqtt.flags"), "9...");
}

TEST(Mqtt, ReadsTheSameHoweverItIsCut) {
  const auto c = client5(), s = server5();
  Talk whole("mqtt");
  whole.client(c).server(s);
  for (std::size_t cut = 1; cut < c.size(); ++cut) {
    Talk t("mqtt");
    t.client(c.substr(0, cut)).client(c.substr(cut)).server(s, 1 + cut % 5);
    EXPECT_EQ(t.summary(), whole.summary()) << "cut at " << cut;
  }
}

TEST(Mqtt, VersionsBefore5HaveNoProperties) {
  for (const int version : {3, 4}) {
    Talk t("mqtt");
    t.client(connect(version, 2, text("x"))).server(connack);
    t.client(packet(0x32, text("t") + octets({0, 5}) + "m")).server(packet(0x40, octets({0, 5})));
    t.client(packet(0xe0, ""));
    ASSERT_EQ(t.count(), 3U);
    EXPECT_EQ(t.number(0, "mqtt.protocol_version"), std::to_string(version));
    EXPECT_EQ(t.eve(1), R"({"mqtt":{"publish":{"qos":1,"retain":false,"dup":false,"topic":"t",)"
                        R"("message_id":5,"message":"m"},)"
                        R"("puback":{"qos":0,"retain":false,"dup":false,"message_id":5}}})");
    EXPECT_EQ(t.eve(2), R"({"mqtt":{"disconnect":{"qos":0,"retain":false,"dup":false}}})");
  }
}

TEST(Mqtt, AuthCarriesAReason) {
  Talk t("mqtt");
  t.client(connect5).server(connack5).client(packet(0xf0, octets({0x18, 6, 21}) + text("SCR")));
  EXPECT_EQ(t.eve(1), R"({"mqtt":{"auth":{"qos":0,"retain":false,"dup":false,"reason_code":24,)"
                      R"("properties":{"authentication_method":"SCR"}}}})");
  EXPECT_EQ(t.number(1, "mqtt.reason_code"), "24");
}

TEST(Mqtt, HidesPasswordsWhenTold) {
  Talk t("mqtt", with("passwords", "no"));
  t.client(connect(4, 0xc2, text("id") + text("me") + text("hidden"))).server(connack);
  EXPECT_EQ(t.eve(0).find("hidden"), std::string::npos);
  EXPECT_EQ(t.buffer(0, "mqtt.connect.password"), "hidden");
}

TEST(Mqtt, CutsLongTextInEvents) {
  Talk t("mqtt", with("string-log-limit", "10"));
  t.client(connect4).server(connack);
  t.client(packet(0x30, text("t") + "0123456789abc"));
  t.client(packet(0x82, octets({0, 1}) + text("topicX") + octets({0}) + text("topicY") +
                            octets({0}) + text("topicZ") + octets({0})));
  t.client(packet(0xa2, octets({0, 2}) + text("topicX") + text("topicY")));
  EXPECT_NE(t.eve(1).find(R"("message":"0123456789[truncated 3 additional bytes]")"),
            std::string::npos);
  EXPECT_NE(t.eve(2).find(R"("topics":[{"topic":"topicX","qos":0},)"
                          R"({"topic":"topi[truncated 2 additional bytes]","qos":0}])"),
            std::string::npos);
  EXPECT_NE(t.eve(3).find(R"("topics":["topicX","topi[truncated 2 additional bytes]"])"),
            std::string::npos);
}

TEST(Mqtt, SkipsMessagesThatAreTooLong) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    Talk t("mqtt", with("app-layer.protocols.mqtt.max-msg-length", "50"));
    t.client(connect4).server(connack);
    t.client(packet(0x32, text("t") + octets({0, 9}) + std::string(60, 'x')) + packet(0xc0, ""),
             piece);
    ASSERT_EQ(t.count(), 3U);
    EXPECT_EQ(t.eve(1),
              R"({"mqtt":{"publish":{"qos":1,"retain":false,"dup":false,"truncated":true,)"
              R"("skipped_length":67}}})");
    EXPECT_EQ(t.eve(2), R"({"mqtt":{"pingreq":{"qos":0,"retain":false,"dup":false}}})");
  }
}

TEST(Mqtt, AGapInsideASkippedMessageIsHarmless) {
  Talk t("mqtt", with("app-layer.protocols.mqtt.max-msg-length", "50"));
  t.client(packet(0x30, text("t") + std::string(60, 'x')).substr(0, 20));
  t.lose(Dir::to_server, 45).client(packet(0xc0, ""));
  EXPECT_EQ(t.count(), 2U);
}

TEST(Mqtt, AGapEndsItsOwnDirectionOnly) {
  Talk t("mqtt");
  t.client(connect4).server(connack).lose(Dir::to_client, 4).server(connack);
  t.client(packet(0xc0, ""));
  ASSERT_EQ(t.count(), 2U);
  EXPECT_EQ(t.all_events(), "");
}

TEST(Mqtt, SaysWhenTopicsWereLeftOut) {
  std::string topics;
  for (int i = 0; i < 200; ++i) topics += text(std::string(100, 'a')) + octets({0});
  const auto size = topics.size() + 2;  // two octets of message id
  Talk t("mqtt");
  t.client(
      octets({0x82, static_cast<int>(size % 128 | 0x80), static_cast<int>(size / 128 % 128 | 0x80),
              static_cast<int>(size / 16384), 0, 1}) +
      topics);
  EXPECT_NE(t.eve(0).find(R"(],"topics_truncated":true)"), std::string::npos)
      << t.eve(0).substr(0, 200);
}

TEST(Mqtt, RulesSeeTopicsUpToALimit) {
  Talk t("mqtt", with("app-layer.protocols.mqtt.subscribe-topic-match-limit", "1"));
  t.client(packet(0x82, octets({0, 1}) + text("a") + octets({0}) + text("b") + octets({0})));
  EXPECT_EQ(t.buffer(0, "mqtt.subscribe.topic", Dir::to_server, 0), "a");
  EXPECT_EQ(t.buffer(0, "mqtt.subscribe.topic", Dir::to_server, 1), "<absent>");
}

// ------------------------------------------------------------------------------------ events

std::string event_of(std::string_view from_client, std::string_view from_server = {}) {
  Talk t("mqtt");
  t.client(from_client).server(from_server);
  return t.all_events();
}
TEST(MqttEvent, MissingConnect) { EXPECT_EQ(event_of("", connack), "mqtt.missing_connect"); }
TEST(MqttEvent, MissingPublish) {
  for (const int type : {0x40, 0x50, 0x62, 0x70}) {
    Talk t("mqtt");
    t.client(connect4).server(connack).server(packet(type, octets({0, 7})));
    EXPECT_EQ(t.all_events(), "mqtt.missing_publish");
  }
}
TEST(MqttEvent, MissingSubscribe) {
  EXPECT_EQ(event_of("", packet(0x90, octets({0, 7, 0}))),
            "mqtt.missing_subscribe mqtt.unintroduced_message");
}
TEST(MqttEvent, MissingUnsubscribe) {
  EXPECT_EQ(event_of("", packet(0xb0, octets({0, 7}))),
            "mqtt.missing_unsubscribe mqtt.unintroduced_message");
}
TEST(MqttEvent, DoubleConnect) {
  Talk t("mqtt");
  t.client(connect4).server(connack).client(connect4);
  EXPECT_EQ(t.all_events(), "mqtt.double_connect");
}
TEST(MqttEvent, UnintroducedMessage) {
  EXPECT_EQ(event_of(packet(0xc0, "")), "mqtt.unintroduced_message");
  EXPECT_EQ(event_of(packet(0x30, text("t"))), "mqtt.unintroduced_message");
}
TEST(MqttEvent, InvalidQosLevel) {
  EXPECT_EQ(event_of(packet(0x36, text("t") + octets({0, 1}))),
            "mqtt.unintroduced_message mqtt.invalid_qos_level");
}
TEST(MqttEvent, MissingMessageId) {
  EXPECT_EQ(event_of(packet(0x32, text("t") + octets({0, 0}))),
            "mqtt.unintroduced_message mqtt.missing_msg_id");
}
TEST(MqttEvent, UnassignedType) {
  EXPECT_EQ(event_of(octets({0x00, 1, 0})), "mqtt.unassigned_msg_type");
}
TEST(MqttEvent, TooManyTransactions) {
  Talk t("mqtt", with("app-layer.protocols.mqtt.max-tx", "2"));
  t.client(connect4).server(connack);
  for (int id = 1; id <= 5; ++id) t.client(packet(0x32, text("t") + octets({0, id})));
  EXPECT_TRUE(t.event(1, "mqtt.too_many_transactions"));
  EXPECT_TRUE(t.event(2, "mqtt.too_many_transactions"));
  EXPECT_FALSE(t.event(3, "mqtt.too_many_transactions"));
  EXPECT_TRUE(t.tx(1).complete[0]);
}
TEST(MqttEvent, TooManyMessagesInOneTransaction) {
  Talk t("mqtt");
  t.client(connect4).server(connack).client(packet(0x34, text("t") + octets({0, 1})));
  for (int n = 0; n < 300; ++n) t.server(packet(0x50, octets({0, 1})));
  EXPECT_TRUE(t.event(1, "mqtt.too_many_transactions"));
}
TEST(MqttEvent, MalformedTraffic) {
  for (const auto& bad : {octets({0x10, 0xff, 0xff, 0xff, 0xff}),  // no end of the length
                          octets({0x10, 2, 0, 9}),                 // text runs over
                          packet(0x82, octets({0, 1})),            // no topic
                          connect(5, 2, octets({2, 1})),           // properties run over
                          packet(0x20, octets({0}))}) {
    Talk t("mqtt");
    t.client(bad);
    EXPECT_TRUE(t.failed);
    EXPECT_EQ(t.all_events(), "mqtt.malformed_traffic");
  }
}

TEST(Mqtt, EveryPropertyIsNamed) {
  const std::string all = octets({1, 1}) + octets({2, 0, 0, 0, 1}) + octets({3}) + text("c") +
                          octets({8}) + text("r") + octets({9}) + text("d") +
                          octets({11, 0x80, 1}) + octets({35, 0, 4}) + octets({26}) + text("i") +
                          octets({28}) + text("s") + octets({31}) + text("w") +
                          octets({36, 1, 37, 1, 40, 1, 41, 0, 42, 1});
  Talk t("mqtt");
  t.client(connect5).server(connack5).client(
      packet(0x30, text("t") + octets({static_cast<int>(all.size())}) + all + "m"));
  EXPECT_NE(
      t.eve(1).find(R"("properties":{"payload_format_indicator":1,"message_expiry_interval":1,)"
                    R"("content_type":"c","response_topic":"r","correlation_data":"d",)"
                    R"("subscription_identifier":128,"topic_alias":4,"response_information":"i",)"
                    R"("server_reference":"s","reason_string":"w","maximum_qos":1,)"
                    R"("retain_available":1,"wildcard_subscription_available":1,)"
                    R"("subscription_identifier_available":0,"shared_subscription_available":1})"),
      std::string::npos)
      << t.eve(1);
}

TEST(Mqtt, FramesCountFromTheStartOfAPiece) {
  Talk t("mqtt");
  t.client(packet(0xc0, "") + packet(0x30, text("ab") + "x"));
  EXPECT_EQ(t.frames(Dir::to_server), "pdu@0+2 header@0+2 data@2+0 pdu@2+7 header@0+2 data@2+5");
}

TEST(Mqtt, IsRecognisedByItsFixedHeader) {
  const auto* p = find_protocol("mqtt");
  const TestFlow flow;
  const auto probe = [&](std::string_view s) {
    return p->probe(as_bytes(s), Dir::to_server, flow);
  };
  EXPECT_EQ(probe(connect4), Probe::yes);
  EXPECT_EQ(probe("\x10"), Probe::maybe);
  EXPECT_EQ(probe("\x10\x80\x80"), Probe::maybe);
  EXPECT_EQ(probe(octets({0, 4})), Probe::no);
  EXPECT_EQ(probe(octets({0x36, 4})), Probe::no);
}

TEST(Mqtt, FinishedTransactionsLeaveAroundOnesThatWait) {
  Talk t("mqtt");
  t.client(connect4).server(connack).client(packet(0x32, text("t") + octets({0, 1})));
  for (int n = 0; n < 3; ++n) t.client(packet(0xc0, ""));
  EXPECT_EQ(t.count(), 5U);
  t.parser().release([](const Transaction& tx) { return tx.complete[0]; });
  EXPECT_EQ(t.count(), 1U);
  t.server(packet(0x40, octets({0, 1})));
  EXPECT_TRUE(t.tx(0).complete[0]);
}

}  // namespace
}  // namespace ww::sensor::test
