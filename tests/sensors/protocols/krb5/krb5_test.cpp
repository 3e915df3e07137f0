#include <gtest/gtest.h>

#include "sensors/protocols/krb5/message.hpp"
#include "tests/sensors/protocols/ber.hpp"
#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

std::string general(const std::string& s) { return tlv(0x1b, s); }
std::string time_text() { return tlv(0x18, "20260101000000Z"); }
std::string principal(const std::string& a, const std::string& b = "") {
  return ber_sequence(ber_explicit(0, ber_integer(1)) +
                      ber_explicit(1, ber_sequence(general(a) + (b.empty() ? "" : general(b)))));
}
std::string encrypted(int etype) {
  return ber_sequence(ber_explicit(0, ber_integer(etype)) + ber_explicit(2, ber_octets("xyz")));
}
std::string message(int type, const std::string& fields) {
  return tlv(0x60 + type, ber_sequence(fields));
}
std::string request(int type, const std::string& cname = "ann") {
  const auto body = ber_explicit(0, tlv(0x03, std::string(5, '\0'))) +
                    (cname.empty() ? "" : ber_explicit(1, principal(cname))) +
                    ber_explicit(2, general("NHS.UK")) +
                    ber_explicit(3, principal("krbtgt", "NHS.UK")) + ber_explicit(5, time_text());
  return message(type, ber_explicit(1, ber_integer(5)) + ber_explicit(2, ber_integer(type)) +
                           ber_explicit(4, ber_sequence(body)));
}
std::string reply(int type, int etype, int ticket_etype) {
  const auto ticket =
      tlv(0x61, ber_sequence(ber_explicit(0, ber_integer(5)) + ber_explicit(1, general("NHS.UK")) +
                             ber_explicit(2, principal("HTTP", "care.nhs.uk")) +
                             ber_explicit(3, encrypted(ticket_etype))));
  return message(type, ber_explicit(0, ber_integer(5)) + ber_explicit(1, ber_integer(type)) +
                           ber_explicit(3, general("NHS.UK")) + ber_explicit(4, principal("ann")) +
                           ber_explicit(5, ticket) + ber_explicit(6, encrypted(etype)));
}
std::string error(int code) {
  return message(30, ber_explicit(0, ber_integer(5)) + ber_explicit(1, ber_integer(30)) +
                         ber_explicit(4, time_text()) + ber_explicit(5, ber_integer(1)) +
                         ber_explicit(6, ber_integer(code)) + ber_explicit(9, general("NHS.UK")) +
                         ber_explicit(10, principal("krbtgt", "NHS.UK")));
}
std::string over_tcp(const std::string& m) {
  return std::string{'\0', '\0', static_cast<char>(m.size() >> 8), static_cast<char>(m.size())} + m;
}

TEST(Krb5, TellsRequestsRepliesAndErrors) {
  Driver d("krb5", 17);
  d.client(request(10));
  d.server(error(25));
  d.client(request(12, ""));
  d.server(reply(13, 23, 18));
  ASSERT_EQ(d.count(), 4U);
  EXPECT_EQ(d.json(0),
            R"({"krb5":{"msg_type":"KRB_AS_REQ","cname":"ann","realm":"NHS.UK",)"
            R"("sname":"krbtgt/NHS.UK","encryption":"<none>","weak_encryption":false}})");
  EXPECT_EQ(d.json(1),
            R"({"krb5":{"msg_type":"KRB_ERROR","failed_request":"KRB_AS_REQ",)"
            R"("error_code":"KDC_ERR_PREAUTH_REQUIRED","cname":"<empty>","realm":"<empty>",)"
            R"("sname":"krbtgt/NHS.UK","encryption":"<none>","weak_encryption":false}})");
  EXPECT_NE(d.json(2).find(R"("msg_type":"KRB_TGS_REQ","cname":"<empty>")"), std::string::npos);
  EXPECT_EQ(d.json(3),
            R"({"krb5":{"msg_type":"KRB_TGS_REP","cname":"ann","realm":"NHS.UK",)"
            R"("sname":"HTTP/care.nhs.uk","encryption":"rc4-hmac","weak_encryption":true,)"
            R"("ticket_encryption":"aes256-cts-hmac-sha1-96","ticket_weak_encryption":false}})");
  EXPECT_EQ(d.events(3), (std::vector<std::string>{"krb5.weak_encryption"}));
  EXPECT_EQ(d.buffer(3, "krb5.cname", Dir::to_client), "ann");
  EXPECT_EQ(d.buffer(3, "krb5.sname", Dir::to_client, 1), "care.nhs.uk");
  EXPECT_EQ(d.buffer(3, "krb5.sname", Dir::to_client, 2), "<absent>");
  EXPECT_EQ(d.number(0, "krb5.msg_type", Dir::to_server), 10U);
  EXPECT_EQ(d.number(1, "krb5.err_code", Dir::to_client), 25U);
  EXPECT_EQ(d.number(3, "krb5.ticket_encryption", Dir::to_client), 18U);
}

TEST(Krb5, DoesNotGuessWhatFailed) {
  Driver d("krb5", 17);
  d.server(error(99));
  EXPECT_NE(d.json(0).find(R"x("failed_request":"UNKNOWN","error_code":"ErrorCode(99 / 0x63)")x"),
            std::string::npos)
      << d.json(0);
}

TEST(Krb5, KnowsEncryptionsWithNegativeNumbers) {
  Driver d("krb5", 17);
  d.server(reply(11, 18, -128));
  EXPECT_NE(d.json(0).find(R"("ticket_encryption":"rc4-md4","ticket_weak_encryption":true)"),
            std::string::npos);
  EXPECT_TRUE(d.events(0).empty());  // the event is about the reply
  EXPECT_EQ(d.number(0, "krb5.ticket_encryption", Dir::to_client),
            static_cast<std::uint64_t>(std::int64_t{-128}));
}

TEST(Krb5, IsTheSameHoweverItIsCut) {
  expect_split_anywhere(
      "krb5",
      {{Dir::to_server, over_tcp(request(10)) + over_tcp(request(14)) + over_tcp(request(12))},
       {Dir::to_client, over_tcp(reply(11, 18, 18)) + over_tcp(error(7))}});
}

TEST(Krb5, NamesWhatIsDamaged) {
  Driver d("krb5", 6);
  d.client(over_tcp(request(10)));
  auto bad = request(10);
  bad[bad.find('\x30')] = '\x31';  // no sequence inside
  d.client(over_tcp(bad));
  EXPECT_FALSE(d.failed);  // the next message may be better
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"krb5.malformed_data"}));
  d.client("\x7f\xff\xff\xff");
  EXPECT_TRUE(d.failed);
  Driver first("krb5", 17);
  first.client("\x6a\x05");
  EXPECT_EQ(first.ctx.events, (std::vector<std::string>{"krb5.malformed_data"}));
}

TEST(Krb5Probe, KnowsMessagesOnBothTransports) {
  Driver udp("krb5", 17), tcp("krb5", 6);
  EXPECT_EQ(udp.probe(request(10), Dir::to_server), Probe::yes);
  EXPECT_EQ(udp.probe(error(25), Dir::to_client), Probe::yes);
  EXPECT_EQ(udp.probe("GET / HTTP/1.1", Dir::to_server), Probe::no);
  EXPECT_EQ(tcp.probe(over_tcp(request(10)), Dir::to_server), Probe::yes);
  EXPECT_EQ(tcp.probe(over_tcp(request(10)).substr(0, 7), Dir::to_server), Probe::maybe);
  EXPECT_EQ(tcp.probe("\x7f\xff\xff\xff\x6a", Dir::to_server), Probe::no);
}

TEST(Krb5Message, SurvivesEveryCut) {
  for (const auto& whole : {request(10), reply(11, 18, 18), error(6)})
    for (std::size_t n = 0; n < whole.size(); ++n) {
      ww::krb5::Message m;
      EXPECT_NE(ww::krb5::parse_message(as_bytes(whole.substr(0, n)), m), ww::krb5::Status::ok);
    }
}

}  // namespace
}  // namespace ww::sensor::test
