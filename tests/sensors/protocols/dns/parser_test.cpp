/// DNS and multicast DNS as the sensor reads them: events, EVE in both versions, its options, what
/// rules see.
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

std::string be16(unsigned v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
std::string header(unsigned flags, unsigned qd, unsigned an = 0, unsigned ns = 0, unsigned ar = 0) {
  return be16(0x2a2a) + be16(flags) + be16(qd) + be16(an) + be16(ns) + be16(ar);
}
std::string labels(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += static_cast<char>(p.size()) + p;
  return out + '\0';
}
std::string ask(const std::string& name, unsigned type) { return name + be16(type) + be16(1); }
std::string record(const std::string& name, unsigned type, const std::string& data) {
  return name + be16(type) + be16(1) + "\0\0\0\x3c"s + be16(static_cast<unsigned>(data.size())) +
         data;
}
const std::string www = labels({"www", "example", "org"});
constexpr unsigned query = 0x0100, answer = 0x8180;
constexpr auto c = Dir::to_server, s = Dir::to_client;

/// Events of a datagram that follows a plain question.
std::string events(std::string_view protocol, Dir dir, const std::string& octets) {
  Driver d(protocol, 17);
  d.client(header(query, 1) + ask(www, 1));
  d.say(dir, octets);
  std::string out;
  for (std::size_t i = 0; i < d.count(); ++i)
    for (const auto& e : d.events(i)) out += (out.empty() ? "" : " ") + e;
  for (const auto& e : d.ctx.events) out += (out.empty() ? "" : " ") + e;
  return out;
}

TEST(DnsEvents, EachIsRaised) {
  const std::string loop = header(query, 1) + "\xc0\x0c"s + be16(1) + be16(1);
  std::vector<std::string> many(300, "a"), lengthy(30, std::string(60, 'x'));
  const std::pair<std::string, std::string> both[] = {
      {"z_flag_set", header(query | 0x40, 1) + ask(www, 1)},
      {"invalid_opcode", header(query | 7U << 11, 1) + ask(www, 1)},
      {"name_too_long", header(query, 1) + ask(labels(lengthy), 1)},
      {"infinite_loop", loop},
      {"too_many_labels", header(query, 1) + ask(labels(many), 1)},
      {"invalid_authorities", header(query, 1, 0, 1) + ask(www, 1) + "\x03www"s},
      {"invalid_additionals", header(query, 1, 0, 0, 1) + ask(www, 1) + "\x03www"s},
      {"malformed_data", header(query, 1) + "\x03ww"s}};
  for (const auto& [name, octets] : both)
    for (const std::string protocol : {"dns", "mdns"}) {
      const auto all = events(protocol, c, octets);
      EXPECT_NE(all.find(protocol + "." + name), std::string::npos) << name << ": " << all;
    }
  EXPECT_EQ(events("dns", c, header(query, 1) + ask(www, 28)), "");
  EXPECT_EQ(events("mdns", c, header(query, 1) + ask(www, 28)), "");
  EXPECT_EQ(events("dns", c, header(answer, 1, 0) + ask(www, 1)), "dns.not_request");
  EXPECT_EQ(events("dns", s, header(query, 1) + ask(www, 1)), "dns.not_response");
  // Everybody asks and answers.
  EXPECT_EQ(events("mdns", c, header(answer, 1, 0) + ask(www, 1)), "");
  EXPECT_EQ(events("mdns", s, header(query, 1) + ask(www, 1)), "");
  // What cannot be DNS is not malformed DNS.
  EXPECT_EQ(events("dns", c, header(query, 60000) + ask(www, 1)), "");
  EXPECT_EQ(events("dns", c, header(query, 0) + "x"), "");
}

TEST(DnsEve, AWrongWayAnswerIsStillAnAnswer) {
  Driver d("dns", 17);
  d.server(header(query, 1, 1) + ask(www, 1) + record("\xc0\x0c"s, 1, "\xc0\x00\x02\x01"s));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_NE(d.json(0).find(R"("type":"response")"), std::string::npos) << d.json(0);
}

TEST(DnsEve, Version2ShowsAQueryAndAnAnswer) {
  Settings options;
  options.set("version", "2");
  Driver d("dns", 17);
  d.client(header(query, 1) + ask(www, 1));
  d.server(header(answer, 1, 1) + ask(www, 1) + record("\xc0\x0c"s, 1, "\xc0\x00\x02\x01"s));
  EXPECT_EQ(d.json(0, options),
            R"({"dns":{"version":2,"type":"query","id":10794,"rrname":"www.example.org",)"
            R"("rrtype":"A","tx_id":0,"opcode":0}})");
  EXPECT_EQ(d.json(1, options),
            R"({"dns":{"version":2,"type":"answer","id":10794,"flags":"8180","qr":true,"rd":true,)"
            R"("ra":true,"opcode":0,"rrname":"www.example.org","rrtype":"A","rcode":"NOERROR",)"
            R"("answers":[{"rrname":"www.example.org","rrtype":"A","ttl":60,"rdata":"192.0.2.1"}],)"
            R"("grouped":{"A":["192.0.2.1"]}}})");
}

TEST(DnsEve, OptionsChooseMessagesFormatsAndTypes) {
  const auto shows = [](std::initializer_list<std::pair<const char*, const char*>> set,
                        std::size_t i) {
    Settings options;
    for (const auto& [key, value] : set) options.set(key, value);
    Driver d("dns", 17);
    d.client(header(query, 1) + ask(www, 1));
    d.server(header(answer, 1, 2) + ask(www, 1) + record("\xc0\x0c"s, 5, labels({"a"})) +
             record("\xc0\x0c"s, 1, "\xc0\x00\x02\x01"s));
    return d.json(i, options);
  };
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_EQ(shows({{"requests", "no"}}, 0), "");
  EXPECT_EQ(shows({{"responses", "no"}}, 1), "");
  EXPECT_NE(shows({{"responses", "no"}}, 0), "");
  const auto grouped = shows({{"formats.0", "grouped"}}, 1);
  EXPECT_TRUE(has(grouped, "\"grouped\"") && !has(grouped, "\"answers\"")) << grouped;
  const auto detailed = shows({{"formats.0", "detailed"}}, 1);
  EXPECT_TRUE(!has(detailed, "\"grouped\"") && has(detailed, "\"answers\"")) << detailed;
  const auto unknown = shows({{"formats.0", "pretty"}}, 1);
  EXPECT_TRUE(has(unknown, "\"grouped\"") && has(unknown, "\"answers\"")) << unknown;
  // The type that was asked for decides; the answers are then all there.
  EXPECT_EQ(shows({{"types.0", "cname"}}, 1), "");
  const auto a = shows({{"types.0", "a"}}, 1);
  EXPECT_TRUE(has(a, "\"CNAME\"") && has(a, "192.0.2.1")) << a;
}

TEST(DnsRules, SeeEachNameAndNumber) {
  RuleCheck rules(
      "alert dns any any -> any any (dns.query; content:\"www\"; startswith; sid:1;)\n"
      "alert dns any any -> any any (dns.query; content:\"org\"; startswith; sid:2;)\n"
      "alert dns any any -> any any (dns.opcode:0; sid:3;)\n"
      "alert dns any any -> any any (dns.opcode:!0; sid:4;)\n"
      "alert dns any any -> any any (dns.rcode:3; sid:5;)\n"
      "alert dns any any -> any any (dns.rcode:NXDOMAIN; sid:6;)\n"
      "alert dns any any -> any any (dns.rcode:1-4; sid:7;)\n"
      "alert dns any any -> any any (dns.rrtype:a; sid:8;)\n"
      "alert dns any any -> any any (dns.rrtype:!A; sid:9;)\n"
      "alert dns any any -> any any (dns.answers.rrname; content:\"two\"; bsize:3; sid:10;)\n"
      "alert dns any any -> any any (dns.authorities.rrname; content:\"auth\"; sid:11;)\n"
      "alert dns any any -> any any (dns.additionals.rrname; content:\"add\"; sid:12;)\n"
      "alert dns any any -> any any (dns.queries.rrname; content:\"www\"; sid:13;)\n"
      "alert dns any any -> any any (dns.response.rrname; content:\"target\"; sid:14;)\n"
      "alert dns any any -> any any (app-layer-event:dns.z_flag_set; sid:15;)\n");
  EXPECT_EQ(rules.refused, "");
  using Sids = std::vector<std::uint32_t>;
  Driver question("dns", 17);
  question.client(header(query, 1) + ask(www, 1));
  EXPECT_EQ(rules.match(question, "dns", c), (Sids{1, 3, 8, 13}));
  Driver reply("dns", 17);
  reply.server(header(answer | 0x40 | 3, 1, 2, 1, 1) + ask(www, 28) +
               record(labels({"one"}), 5, labels({"target"})) +
               record(labels({"two"}), 1, "\xc0\x00\x02\x01"s) +
               record(labels({"auth"}), 1, "\xc0\x00\x02\x01"s) +
               record(labels({"add"}), 1, "\xc0\x00\x02\x01"s));
  EXPECT_EQ(rules.match(reply, "dns", s), (Sids{3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
}

TEST(MulticastDns, IsRecognisedByAnAnswerWithoutQuestions) {
  const Driver d("mdns", 17);
  EXPECT_EQ(d.probe(header(0x8400, 0, 1) + record(www, 1, "\xc0\x00\x02\x01"s), c), Probe::yes);
  EXPECT_EQ(d.probe("M-SEARCH * HTTP/1.1\r\n", c), Probe::no);
}

TEST(MulticastDns, RulesSeeNamesOfBothSides) {
  RuleCheck rules(
      "alert mdns any any -> any any (mdns.queries.rrname; content:\"www\"; sid:1;)\n"
      "alert mdns any any -> any any (mdns.answers.rrname; content:\"ans\"; sid:2;)\n"
      "alert mdns any any -> any any (mdns.authorities.rrname; content:\"auth\"; sid:3;)\n"
      "alert mdns any any -> any any (mdns.additionals.rrname; content:\"add\"; sid:4;)\n"
      "alert mdns any any -> any any (mdns.response.rrname; content:\"ans\"; sid:5;)\n"
      "alert mdns any any -> any any (app-layer-event:mdns.z_flag_set; sid:6;)\n");
  EXPECT_EQ(rules.refused, "");
  using Sids = std::vector<std::uint32_t>;
  const auto ip = "\xc0\x00\x02\x01"s;
  const auto all = record(labels({"ans"}), 1, ip) + record(labels({"auth"}), 1, ip) +
                   record(labels({"add"}), 1, ip);
  for (const auto dir : {c, s}) {
    Driver asks("mdns", 17);
    asks.say(dir, header(0, 1, 1, 1, 1) + ask(www, 1) + all);
    EXPECT_EQ(rules.match(asks, "mdns", dir), (Sids{1, 2, 3, 4}));
    Driver says("mdns", 17);
    says.say(dir, header(0x8440, 0, 1, 1, 1) + all);
    EXPECT_EQ(rules.match(says, "mdns", dir), (Sids{2, 3, 4, 5, 6}));
  }
}

/// What an answer of one record shows.
std::string answered(unsigned type, const std::string& data, unsigned flags = answer) {
  Driver d("dns", 17);
  d.client(header(query, 1) + ask(www, type));
  d.server(header(flags, 1, 1) + ask(www, type) + record("\xc0\x0c"s, type, data));
  return d.json(1);
}
bool shows(const std::string& json, std::string_view part) {
  return json.find(part) != std::string::npos;
}

TEST(DnsEve, RecordsOfSeveralPartsAreObjects) {
  const auto u32 = [](std::uint32_t v) { return be16(v >> 16) + be16(v & 0xffff); };
  const auto soa = answered(6, labels({"ns1", "nhs"}) + labels({"admin", "nhs"}) + u32(2026112700) +
                                   u32(1800) + u32(900) + u32(604800) + u32(86400));
  EXPECT_TRUE(shows(soa, R"("soa":{"mname":"ns1.nhs","rname":"admin.nhs","serial":2026112700,)"
                         R"("refresh":1800,"retry":900,"expire":604800,"minimum":86400})"))
      << soa;
  EXPECT_TRUE(shows(soa, R"("grouped":{"SOA":[{"mname":"ns1.nhs",)")) << soa;
  const auto srv = answered(33, be16(20) + be16(1) + be16(5060) + labels({"sip", "nhs"}));
  EXPECT_TRUE(shows(srv, R"("srv":{"priority":20,"weight":1,"port":5060,"name":"sip.nhs"})"))
      << srv;
  const auto sshfp = answered(44, "\x01\x02\x12\x34\xab"s);
  EXPECT_TRUE(shows(sshfp, R"("sshfp":{"fingerprint":"12:34:ab","algo":1,"type":2})")) << sshfp;
}

TEST(DnsEve, TheReservedBitOptionsAndNamesThatWereCut) {
  EXPECT_TRUE(shows(answered(1, "\xc0\x00\x02\x01"s, answer | 0x40), R"("ra":true,"z":true,)"));
  EXPECT_FALSE(shows(answered(1, "\xc0\x00\x02\x01"s), R"("z":)"));
  Driver d("dns", 17);
  d.client(header(query, 1, 0, 0, 1) + ask(www, 1) + "\0"s + be16(41) + be16(1232) + "\0\0\0\0"s +
           be16(6) + be16(10) + be16(2) + "\xbe\xef"s);
  EXPECT_TRUE(shows(d.json(0), R"("opt":[{"code":10,"data":"beef"}])")) << d.json(0);
  std::vector<std::string> many(40, std::string(60, 'a'));
  EXPECT_TRUE(shows(answered(5, labels(many)), R"("rdata_truncated":true)"));
}

TEST(MulticastDns, SaysWhenANameWasCut) {
  const std::vector<std::string> many(40, std::string(60, 'a'));
  Driver d("mdns", 17);
  d.client(header(0x8400, 0, 1) + record(labels({"printer", "local"}), 12, labels(many)));
  EXPECT_TRUE(shows(d.json(0), R"("rdata_truncated":true)")) << d.json(0);
}

}  // namespace
}  // namespace ww::sensor::test
