#include "sensors/protocols/dns/dns.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/sensors/protocols/http/support.hpp"

namespace ww::dns {
namespace {

using namespace std::string_literals;

std::string be16(unsigned v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string header(unsigned flags, unsigned qd, unsigned an, unsigned ns = 0, unsigned ar = 0) {
  return be16(0x2a2a) + be16(flags) + be16(qd) + be16(an) + be16(ns) + be16(ar);
}
std::string labels(std::initializer_list<std::string> parts) {
  std::string out;
  for (const auto& p : parts) out += static_cast<char>(p.size()) + p;
  return out + '\0';
}
std::string record(const std::string& name, unsigned type, const std::string& data) {
  return name + be16(type) + be16(1) + "\0\0\0\x3c"s + be16(static_cast<unsigned>(data.size())) +
         data;
}
const std::string question = labels({"www", "example", "org"}) + be16(1) + be16(1);

TEST(DnsMessage, ReadsQuestionAndCompressedAnswer) {
  const auto octets = header(0x8180, 1, 2) + question +
                      record("\xc0\x0c", 5,
                             "\x03"
                             "cdn"s +
                                 "\xc0\x10") +
                      record("\xc0\x2d", 1, "\xc0\x00\x02\x01"s);
  const auto m = parse_message(as_bytes(octets));
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->response());
  EXPECT_EQ(m->questions.at(0).name.text, "www.example.org");
  EXPECT_EQ(m->answers.at(0).target.text, "cdn.example.org");
  EXPECT_EQ(m->answers.at(0).ttl, 60U);
  EXPECT_EQ(m->answers.at(1).octets, "\xc0\x00\x02\x01"s);
}

TEST(DnsMessage, RefusesEveryCutOfAWholeMessage) {
  const auto octets = header(0x8180, 1, 1) + question + record("\xc0\x0c", 1, "\x01\x02\x03\x04");
  for (std::size_t n = 0; n < octets.size(); ++n)
    EXPECT_FALSE(parse_message(as_bytes(octets).first(n))) << n;
  EXPECT_TRUE(parse_message(as_bytes(octets)));
}

TEST(DnsMessage, FollowsForwardPointersAndStopsLoops) {
  const auto forward = header(0x0100, 2, 0) + "\xc0\x12" + be16(1) + be16(1) + question;
  const auto m = parse_message(as_bytes(forward));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->questions.at(0).name.text, "www.example.org");
  const auto loop = header(0x0100, 1, 0) + "\xc0\x0c" + be16(1) + be16(1);
  const auto looped = parse_message(as_bytes(loop));
  ASSERT_TRUE(looped);
  EXPECT_EQ(looped->questions.at(0).name.flags, name_flag::infinite_loop);
}

TEST(DnsMessage, CutsLongNamesAndSaysSo) {
  std::string name;
  for (int i = 0; i < 30; ++i) name += '\x3f' + std::string(63, 'a');
  const auto m = parse_message(as_bytes(header(0x0100, 1, 0) + name + '\0' + be16(1) + be16(1)));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->questions.at(0).name.text.size(), 1025U);
  EXPECT_EQ(m->questions.at(0).name.flags, name_flag::truncated);
}

TEST(DnsMessage, RefusesReservedLabelTypes) {
  const auto m = parse_message(as_bytes(header(0x0100, 1, 0) +
                                        "\x80"
                                        "abc"s +
                                        '\0' + be16(1) + be16(1)));
  ASSERT_FALSE(m);
  EXPECT_EQ(m.error().code, Errc::bad_name);
}

TEST(DnsMessage, ReadsTheDataOfCommonRecords) {
  const auto name = labels({"a"});
  const auto soa = labels({"ns"}) + labels({"root"}) +
                   std::string("\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5", 20);
  const auto octets =
      header(0x8180, 0, 6) + record(name, 15, be16(10) + labels({"mx"})) +
      record(name, 16,
             "\x02"
             "hi"
             "\x00"s) +
      record(name, 6, soa) + record(name, 33, be16(1) + be16(2) + be16(389) + labels({"ldap"})) +
      record(name, 44, "\x04\x02\xab\xcd"s) + record(name, 41, be16(10) + be16(2) + "xy");
  const auto m = parse_message(as_bytes(octets));
  ASSERT_TRUE(m);
  for (const auto& r : m->answers) EXPECT_TRUE(r.known) << r.type;
  EXPECT_EQ(m->answers[0].target.text, "mx");
  EXPECT_EQ(m->answers[1].texts, (std::vector<std::string>{"hi", ""}));
  EXPECT_EQ(m->answers[2].soa.minimum, 5U);
  EXPECT_EQ(m->answers[3].srv.port, 389);
  EXPECT_EQ(m->answers[4].sshfp.fingerprint, "\xab\xcd");
  EXPECT_EQ(m->answers[5].options.at(0).data, "xy");
}

TEST(DnsMessage, KeepsARecordWhoseDataLies) {
  const auto octets = header(0x8180, 0, 2) + record(labels({"a"}), 1, "\x01\x02") +
                      record(labels({"b"}), 1, "\x01\x02\x03\x04");
  const auto m = parse_message(as_bytes(octets));
  ASSERT_TRUE(m);
  EXPECT_FALSE(m->answers[0].known);
  EXPECT_TRUE(m->answers[1].known);
}

TEST(DnsMessage, IsToldFromOtherOctets) {
  EXPECT_TRUE(looks_like_dns(as_bytes(header(0x0100, 1, 0) + question), true));
  EXPECT_FALSE(looks_like_dns(as_bytes("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), true));
  EXPECT_FALSE(looks_like_dns(
      as_bytes("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more octets"s), false));
}

TEST(DnsNames, AreKnownBothWays) {
  for (const unsigned n : {1U, 28U, 65U, 255U, 257U})
    EXPECT_EQ(type_number(type_text(static_cast<std::uint16_t>(n))), n);
  EXPECT_EQ(type_number("aaaa"), 28);
  EXPECT_EQ(type_text(4711), "4711");
  EXPECT_EQ(rcode_text(3), "NXDOMAIN");
}

// RFC 6762: the same messages, shown as the protocol `mdns`.
TEST(MulticastDns, ShowsQuestionsAndAnswers) {
  using namespace ww::sensor;
  test::Conversation c("mdns");
  c.ctx.edit_flow().ip_proto = 17;
  const auto local = labels({"printer", "local"});
  c.client(header(0, 1, 0) + local + be16(1) + be16(1));
  c.client(header(0x8400, 0, 2) + record(local, 1, "\xc0\x00\x02\x07"s) +
           record(local, 16,
                  "\x03"
                  "a=b"s));
  ASSERT_EQ(c.parser().transactions().size(), 2U);
  const auto& p = *find_protocol("mdns");
  std::string text;
  const Settings none;
  for (const auto* tx : c.parser().transactions()) {
    JsonWriter json(text);
    json.begin_object();
    EXPECT_TRUE(p.loggers.at(0).write(*tx, {c.ctx.flow(), none}, json));
    json.end_object();
  }
  EXPECT_NE(text.find(R"("mdns":{"type":"request","id":10794,"opcode":0,"rcode":0,"queries":)"
                      R"([{"rrname":"printer.local","rrtype":"a"}]})"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"("flags":["aa"])"), std::string::npos) << text;
  EXPECT_NE(text.find(R"({"rrname":"printer.local","a":"192.0.2.7"})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("txt":["a=b"])"), std::string::npos) << text;
}

}  // namespace
}  // namespace ww::dns
