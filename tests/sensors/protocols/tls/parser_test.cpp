/// TLS connections as the sensor reads them: records, events, the state of the handshake.
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

std::string be(std::size_t v, int octets) {
  std::string out;
  while (octets-- > 0) out += static_cast<char>(v >> (8 * octets));
  return out;
}
std::string record(int type, const std::string& body, unsigned version = 0x0303) {
  return be(static_cast<std::size_t>(type), 1) + be(version, 2) + be(body.size(), 2) + body;
}
std::string message(int type, const std::string& body) {
  return be(static_cast<std::size_t>(type), 1) + be(body.size(), 3) + body;
}
std::string extension(unsigned type, const std::string& data) {
  return be(type, 2) + be(data.size(), 2) + data;
}
std::string name(const std::string& host, int type = 0) {
  return extension(0, be(host.size() + 3, 2) + be(static_cast<std::size_t>(type), 1) +
                          be(host.size(), 2) + host);
}
std::string hello_body(const std::string& extensions, const std::string& session = "") {
  return be(0x0303, 2) + std::string(32, 'r') + be(session.size(), 1) + session + be(4, 2) +
         be(0x1301c02f, 4) + be(1, 1) + be(0, 1) + be(extensions.size(), 2) + extensions;
}
std::string client_hello(const std::string& extensions, const std::string& session = "") {
  return record(22, message(1, hello_body(extensions, session)), 0x0301);
}
std::string server_hello(const std::string& session = "") {
  return record(22, message(2, be(0x0303, 2) + std::string(32, 's') + be(session.size(), 1) +
                                   session + be(0xc02f, 2) + be(0, 1)));
}
std::string heartbeat(int type, std::size_t stated, std::size_t payload, std::size_t padding = 16) {
  return record(24, be(static_cast<std::size_t>(type), 1) + be(stated, 2) +
                        std::string(payload, 'p') + std::string(padding, 'x'));
}
const std::string change_cipher = record(20, be(1, 1));

struct Said {
  Dir dir;
  std::string octets;
};
/// The events of a conversation, and whether the parser gave up.
std::string events(const std::vector<Said>& said) {
  Driver talk("tls", 6);
  for (const auto& s : said) {
    if (talk.failed) break;
    talk.say(s.dir, s.octets);
  }
  std::string out;
  for (std::size_t i = 0; i < talk.count(); ++i)
    for (const auto& e : talk.events(i)) out += (out.empty() ? "" : " ") + e.substr(4);
  return out + (talk.failed ? " (error)" : "");
}
constexpr auto c = Dir::to_server, s = Dir::to_client;
const Said hello{c, client_hello(name("pacs.example"))}, answer{s, server_hello()};

TEST(TlsEvents, AnOrdinaryHandshakeHasNone) {
  EXPECT_EQ(events({hello, answer, {s, record(22, message(14, ""))}, {c, change_cipher}}), "");
}

TEST(TlsEvents, OfRecords) {
  EXPECT_EQ(events({{c, record(22, message(1, hello_body("")), 0x0909)}}),
            "invalid_record_version (error)");
  // After the hello the record's version no longer counts.
  EXPECT_EQ(events({hello, {c, record(22, message(0, ""), 0x0909)}}), "");
  EXPECT_EQ(events({hello, {c, record(30, "x")}}), "invalid_record_type (error)");
  EXPECT_EQ(events({{c, record(22, message(0, ""), 0x0301)}, {c, record(30, "x", 0x0301)}}),
            "invalid_record_type");
  EXPECT_EQ(events({hello, {c, be(22, 1) + be(0x0303, 2) + be(20000, 2)}}),
            "invalid_record_length (error)");
  std::string empty;
  for (int i = 0; i < 20; ++i) empty += record(22, "");
  EXPECT_EQ(events({hello, {c, empty}}).substr(0, 18), "invalid_ssl_record");
  EXPECT_NE(events({hello, {c, empty}}).find("too_many_records_in_packet (error)"),
            std::string::npos);
  EXPECT_EQ(events({hello, {c, record(21, be(1, 1))}}), "invalid_alert_message");
}

TEST(TlsEvents, OfHandshakeMessages) {
  EXPECT_EQ(events({hello, {c, record(22, message(99, "xyz") + message(0, ""))}}),
            "invalid_handshake_message");
  // After the cipher changed anything may come.
  EXPECT_EQ(events({hello, {c, change_cipher}, {c, record(22, message(99, "xyz"))}}), "");
  EXPECT_EQ(events({hello, {c, record(22, "ab")}}), "invalid_ssl_record");
  EXPECT_EQ(events({hello, {c, record(22, message(0, "") + "ab")}}),
            "invalid_ssl_record invalid_handshake_message");
  EXPECT_EQ(events({{c, record(22, message(1, be(0x0303, 2) + "short"), 0x0301)}}),
            "handshake_invalid_length");
  EXPECT_EQ(events({{c, client_hello(extension(10, be(90, 2)))}}), "handshake_invalid_length");
  EXPECT_EQ(events({{c, client_hello(be(10, 2) + be(90, 2))}}), "handshake_invalid_length");
}

TEST(TlsEvents, OfTheServerName) {
  EXPECT_EQ(events({{c, client_hello(name("a") + name("b"))}}), "multiple_sni_extensions");
  EXPECT_EQ(events({{c, client_hello(name("a", 1))}}), "invalid_sni_type");
  EXPECT_EQ(events({{c, client_hello(name(""))}}), "invalid_sni_length");
  EXPECT_EQ(events({{c, client_hello(name(std::string(300, 'a')))}}), "invalid_sni_length");
  EXPECT_EQ(events({{c, client_hello(name(std::string(255, 'a')))}}), "");
  EXPECT_EQ(events({{c, client_hello(extension(0, ""))}}), "");
}

TEST(TlsEvents, OfHeartbeats) {
  EXPECT_EQ(events({hello, answer, {c, heartbeat(1, 4, 4)}, {s, heartbeat(2, 4, 4)}}), "");
  EXPECT_EQ(events({hello, answer, {c, heartbeat(1, 16384, 4)}}),
            "overflow_heartbeat_message (error)");
  EXPECT_EQ(events({hello, answer, {c, heartbeat(1, 4, 4, 3)}}),
            "invalid_heartbeat_message (error)");
  EXPECT_EQ(events({hello, answer, {c, heartbeat(9, 4, 4)}}), "invalid_heartbeat_message (error)");
  EXPECT_EQ(events({hello, answer, {c, heartbeat(1, 4, 4)}, {c, heartbeat(1, 4, 4)}}),
            "invalid_heartbeat_message (error)");
  // Encrypted, only the lengths tell.
  const Said cipher{c, change_cipher};
  EXPECT_EQ(events({hello, answer, cipher, {c, heartbeat(77, 9, 40)}, {s, heartbeat(5, 9, 40)}}),
            "");
  EXPECT_EQ(events({hello, answer, cipher, {c, heartbeat(77, 9, 40)}, {s, heartbeat(5, 9, 400)}}),
            "dataleak_heartbeat_mismatch (error)");
}

TEST(TlsEvents, OfSslVersion2) {
  const auto old = [](const std::string& body) { return be(0x8000 | body.size(), 2) + body; };
  const std::string client = old(be(1, 1) + be(2, 2) + be(3, 2) + be(0, 2) + be(16, 2) +
                                 be(0x010080, 3) + std::string(16, 'c'));
  EXPECT_EQ(events({{c, client}}), "");
  EXPECT_EQ(events({{c, client}, {s, old(be(0, 1) + be(1, 2))}}), "error_message_encountered");
  EXPECT_EQ(events({{c, client}, {c, be(0x8000, 2) + "x"}}),
            "invalid_sslv2_header invalid_ssl_record (error)");
  EXPECT_EQ(events({{c, old(be(1, 1) + be(2, 2))}}), "invalid_ssl_record (error)");
  // Three octets of header: a byte of padding comes after the length.
  EXPECT_EQ(events({{c, client}, {s, be(0x4003, 2) + be(0, 1) + be(0, 1) + be(1, 2)}}),
            "error_message_encountered");
}

TEST(TlsEvents, OfCertificates) {
  const auto with = [](std::string_view hex) {
    const auto der = unhex(hex);
    const auto one = be(der.size(), 3) + der;
    return events({hello, answer, {s, record(22, message(11, be(one.size(), 3) + one))}});
  };
  EXPECT_EQ(with("3005"), "certificate_invalid_length");
  EXPECT_EQ(with("30063084fffffffa"), "invalid_certificate");
  EXPECT_EQ(with("0401aa"), "certificate_invalid_der");
  EXPECT_EQ(with("30093007a0030401003000"), "certificate_invalid_version");
  EXPECT_EQ(with("300730050403010203"), "certificate_invalid_serial");
  EXPECT_EQ(with("30083006020101020101"), "certificate_invalid_algorithmidentifier");
  EXPECT_EQ(with("300a30080201013000020101"), "certificate_invalid_x509name");
  EXPECT_EQ(with("300c300a02010130003000020101"), "certificate_invalid_date");
  // ..., extensions that are no SEQUENCE
  const std::string_view up_to_key =
      "020101 3000 3000 301e170d3234303130313030303030305a170d3235303130313030303030305a 3000 3000";
  const auto inside = unhex(up_to_key) + unhex("a3020500");
  std::string hex;
  const auto whole =
      be(0x30, 1) + be(inside.size() + 2, 1) + be(0x30, 1) + be(inside.size(), 1) + inside;
  for (const char octet : whole) {
    constexpr char digits[] = "0123456789abcdef";
    hex += digits[static_cast<unsigned char>(octet) >> 4];
    hex += digits[octet & 15];
  }
  EXPECT_EQ(with(hex), "certificate_invalid_extensions");
}

TEST(TlsEvents, AFatalAlertEndsTheConnectionWithoutOne) {
  Driver d("tls", 6);
  d.client(hello.octets);
  d.server(record(21, be(0x0228, 2)));
  EXPECT_TRUE(d.complete(0));
  EXPECT_TRUE(d.events(0).empty());
}

TEST(Tls, TheStateIsThatOfTheLastMessage) {
  RuleCheck rules(
      "alert tls any any -> any any (ssl_state:client_hello; sid:1;)\n"
      "alert tls any any -> any any (ssl_state:server_hello; sid:2;)\n"
      "alert tls any any -> any any (ssl_state:server_keyx; sid:3;)\n"
      "alert tls any any -> any any (ssl_state:client_keyx; sid:4;)\n"
      "alert tls any any -> any any (ssl_state:!client_hello; sid:5;)\n"
      "alert tls any any -> any any (ssl_state:client_hello|server_hello; sid:6;)\n");
  EXPECT_EQ(rules.refused, "");
  using Sids = std::vector<std::uint32_t>;
  Driver d("tls", 6);
  d.client(hello.octets);
  EXPECT_EQ(rules.match(d, "tls", c), (Sids{1, 6}));
  d.server(answer.octets);
  EXPECT_EQ(rules.match(d, "tls", s), (Sids{2, 5, 6}));
  d.server(record(22, message(12, "key")));
  EXPECT_EQ(rules.match(d, "tls", s), (Sids{3}));  // once a transaction and direction
  d.client(record(22, message(16, "key")));
  EXPECT_EQ(rules.match(d, "tls", c), (Sids{4, 5}));
}

TEST(Tls, AResumedSessionShowsNoCertificate) {
  Settings options;
  options.set("extended", "yes");
  const auto resumed = [&](const std::string& extensions, const std::string& session,
                           const std::string& same) {
    Driver d("tls", 6);
    d.client(client_hello(extensions, session));
    d.server(server_hello(same));
    d.finish();
    return d.json(0, options).find("\"session_resumed\":true") != std::string::npos;
  };
  EXPECT_TRUE(resumed("", "session", "session"));
  EXPECT_FALSE(resumed("", "session", "another"));
  EXPECT_TRUE(resumed(extension(35, ""), "", ""));  // by a ticket
  EXPECT_FALSE(resumed("", "", ""));
}

TEST(Tls, NamesTheProtocolItFollowed) {
  Driver d("tls", 6);
  d.ctx.edit_flow().app_proto_original = sig::app_protos().intern("smtp");
  d.client(client_hello("", ""));
  d.finish();
  EXPECT_NE(d.json(0).find(R"("from_proto":"smtp")"), std::string::npos) << d.json(0);
}

TEST(Tls, IsRecognisedByItsFirstRecord) {
  const Driver d("tls", 6);
  EXPECT_EQ(d.probe(hello.octets, c), Probe::yes);
  EXPECT_EQ(d.probe(record(23, "data"), c), Probe::no);  // a client does not begin with data
  EXPECT_EQ(d.probe(record(23, "data"), s), Probe::yes);
  EXPECT_EQ(d.probe(record(22, "x", 0x0305), c), Probe::no);
}

TEST(Tls, SameWhereverItIsCut) {
  expect_split_anywhere("tls", {{c, hello.octets}, {s, answer.octets}, {c, change_cipher}});
}

}  // namespace
}  // namespace ww::sensor::test
