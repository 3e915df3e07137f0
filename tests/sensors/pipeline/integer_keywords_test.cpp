/// Every keyword on a number of ldap, mqtt, snmp, rfb, websocket, dhcp, krb5, ike and ntp over what
/// the parser made of real octets: the forms of its documentation, names, and absence.
#include "tests/sensors/protocols/ber.hpp"
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

using namespace std::string_literals;

constexpr auto to_server = Dir::to_server, to_client = Dir::to_client;

/// A keyword whose value is `n`: each way to say so holds, each way to deny it does not.
void expect_forms(const Driver& d, const std::string& protocol, Dir dir, const std::string& keyword,
                  std::uint64_t n) {
  const auto says = [&](const std::string& value) {
    return holds(d, protocol, dir, keyword + ":" + value);
  };
  const auto text = [](std::uint64_t v) { return std::to_string(v); };
  char hex[24];
  std::snprintf(hex, sizeof hex, "0x%llx", static_cast<unsigned long long>(n));
  EXPECT_TRUE(says(text(n))) << keyword;
  EXPECT_TRUE(says("=" + text(n))) << keyword;
  EXPECT_TRUE(says(hex)) << keyword;
  EXPECT_FALSE(says("!" + text(n))) << keyword;
  EXPECT_FALSE(says("!= " + text(n))) << keyword;
  EXPECT_TRUE(says("!" + text(n + 1))) << keyword;
  EXPECT_TRUE(says("<" + text(n + 1))) << keyword;
  EXPECT_FALSE(says(">" + text(n))) << keyword;
  EXPECT_TRUE(says("<= " + text(n))) << keyword;
  EXPECT_TRUE(says("&" + std::string(hex) + "=" + hex)) << keyword;
  if (n == 0) return;
  EXPECT_TRUE(says(">" + text(n - 1))) << keyword;
  EXPECT_FALSE(says("<" + text(n))) << keyword;
  EXPECT_TRUE(says(">=" + text(n))) << keyword;
  EXPECT_TRUE(says(text(n - 1) + "-" + text(n + 1))) << keyword;  // both ends exclusive
  EXPECT_FALSE(says(text(n) + "-" + text(n + 2))) << keyword;
  EXPECT_TRUE(says("!" + text(n) + "-" + text(n + 2))) << keyword;
  EXPECT_FALSE(says("&" + std::string(hex) + "!=" + hex)) << keyword;
}
void expect_names(const Driver& d, const std::string& protocol, Dir dir, const std::string& keyword,
                  const std::string& name, const std::string& other) {
  EXPECT_TRUE(holds(d, protocol, dir, keyword + ":" + name)) << keyword;
  EXPECT_FALSE(holds(d, protocol, dir, keyword + ":!" + name)) << keyword;
  EXPECT_FALSE(holds(d, protocol, dir, keyword + ":" + other)) << keyword;
  EXPECT_TRUE(holds(d, protocol, dir, keyword + ":!" + other)) << keyword;
}

std::string choice(int v) { return tlv(0x0a, std::string(1, static_cast<char>(v))); }
std::string ldap(int op, const std::string& content) {
  return ber_sequence(ber_integer(2) + tlv(op, content));
}

TEST(IntegerKeywords, Ldap) {
  Driver d("ldap", 6);
  d.client(ldap(0x63, ber_octets("dc=nhs") + choice(2) + choice(0) + ber_integer(0) +
                          ber_integer(0) + tlv(0x01, "\0"s) + tlv(0x87, "cn") + ber_sequence("")));
  const auto entry = ldap(0x64, ber_octets("cn=ann") + ber_sequence(""));
  const auto reference = tlv(0x73, ber_octets("ldap://other/"));
  d.server(entry + ber_sequence(ber_integer(2) + reference) +
           ldap(0x65, choice(4) + ber_octets("dc=x") + ber_octets("many")));
  expect_forms(d, "ldap", to_server, "ldap.request.operation", 3);
  expect_names(d, "ldap", to_server, "ldap.request.operation", "search_request", "bind_request");
  expect_forms(d, "ldap", to_client, "ldap.responses.count", 3);
  expect_forms(d, "ldap", to_client, "ldap.responses.result_code", 4);
  expect_names(d, "ldap", to_client, "ldap.responses.result_code", "size_limit_exceeded",
               "success");
  const auto says = [&](const std::string& o) { return holds(d, "ldap", to_client, o); };
  EXPECT_TRUE(says("ldap.responses.operation:search_result_reference,1"));
  EXPECT_TRUE(says("ldap.responses.operation:5,-1"));
  // An index is one of all responses, those without a code too.
  EXPECT_TRUE(says("ldap.responses.result_code:size_limit_exceeded,2"));
  EXPECT_TRUE(says("ldap.responses.result_code:size_limit_exceeded,-1"));
  EXPECT_FALSE(says("ldap.responses.result_code:size_limit_exceeded,0"));
  EXPECT_FALSE(says("ldap.responses.result_code:!size_limit_exceeded,0"));
  EXPECT_FALSE(says("ldap.responses.result_code:!size_limit_exceeded,-3"));
  EXPECT_TRUE(says("ldap.responses.result_code:size_limit_exceeded,all"));
  EXPECT_FALSE(says("ldap.responses.result_code:success,all"));
  EXPECT_TRUE(says("ldap.responses.result_code:<5,nb 1"));
  EXPECT_TRUE(says("ldap.responses.result_code:4,any,1:3"));
  EXPECT_FALSE(says("ldap.responses.result_code:4,any,0:2"));
  // A response without a name or a message is an empty buffer.
  EXPECT_TRUE(says("ldap.responses.dn; bsize:0"));
  EXPECT_TRUE(says("ldap.responses.dn; content:\"dc=x\"; startswith; endswith"));
  EXPECT_TRUE(says("ldap.responses.message; bsize:0"));
  Driver unbind("ldap", 6);
  unbind.client(ldap(0x42, ""));
  EXPECT_TRUE(holds(unbind, "ldap", to_server, "ldap.request.operation:unbind_request"));
}

TEST(IntegerKeywords, Mqtt) {
  const auto text = [](const std::string& s) { return "\0"s + static_cast<char>(s.size()) + s; };
  const auto packet = [](int first, const std::string& body) {
    return std::string{static_cast<char>(first), static_cast<char>(body.size())} + body;
  };
  Driver d("mqtt", 6);
  d.client(
      packet(0x10, text("MQTT") + "\x05\xc2\0\x3c\0"s + text("bed") + text("ann") + text("pw")));
  d.server(packet(0x20, "\1\x86\0"s));
  const auto says = [&](const std::string& o) { return holds(d, "mqtt", to_server, o); };
  expect_forms(d, "mqtt", to_server, "mqtt.protocol_version", 5);
  EXPECT_TRUE(says("mqtt.type:CONNECT"));
  EXPECT_TRUE(says("mqtt.type:connack"));
  EXPECT_TRUE(says("mqtt.type:2"));
  EXPECT_FALSE(says("mqtt.type:PUBLISH"));
  EXPECT_FALSE(says("mqtt.type:UNASSIGNED"));
  EXPECT_TRUE(says("mqtt.qos:0"));
  EXPECT_FALSE(says("mqtt.qos:2"));
  expect_forms(d, "mqtt", to_server, "mqtt.reason_code", 134);
  EXPECT_TRUE(says("mqtt.connack.return_code:134"));
  for (const auto* yes : {"yes", "true"}) EXPECT_TRUE(says("mqtt.connack.session_present:"s + yes));
  for (const auto* no : {"no", "false"}) EXPECT_FALSE(says("mqtt.connack.session_present:"s + no));
  EXPECT_TRUE(says("mqtt.connect.flags:username,password,!will"));
  EXPECT_FALSE(says("mqtt.connect.flags:username,!password"));
  EXPECT_TRUE(says("mqtt.connect.flags:clean_session"));
  EXPECT_TRUE(says("mqtt.connect.flags:&0xc0=0xc0"));
  EXPECT_TRUE(says("mqtt.flags:!dup,!retain"));
  EXPECT_FALSE(says("mqtt.flags:retain"));
  Driver odd("mqtt", 6);
  odd.client(packet(0x10, text("MQTT") + "\x04\x02\0\x3c"s + text("bed")) + packet(0x00, ""));
  EXPECT_TRUE(holds(odd, "mqtt", to_server, "mqtt.type:UNASSIGNED"));
}

TEST(IntegerKeywords, Snmp) {
  const auto message = [](int version, const std::string& pdu) {
    return ber_sequence(ber_integer(version) + ber_octets("public") + pdu);
  };
  const auto vars = ber_sequence(ber_sequence(tlv(0x06, "\x2b\x06\x01\x02\x01") + tlv(0x05, "")));
  Driver d("snmp", 17);
  d.client(message(1, tlv(0xa1, ber_integer(7) + ber_integer(0) + ber_integer(0) + vars)));
  expect_forms(d, "snmp", to_server, "snmp.version", 2);
  expect_forms(d, "snmp", to_server, "snmp.pdu_type", 1);
  expect_names(d, "snmp", to_server, "snmp.pdu_type", "get_next_request", "get_request");
  EXPECT_FALSE(holds(d, "snmp", to_server, "snmp.trap_type:!0"));  // there is none
  Driver trap("snmp", 17);
  trap.client(
      message(0, tlv(0xa4, tlv(0x06, "\x2b\x06\x01\x04\x01\x09") + tlv(0x40, "\x0a\x01\x02\x03") +
                               ber_integer(3) + ber_integer(0) + tlv(0x43, "\x01") + vars)));
  expect_forms(trap, "snmp", to_server, "snmp.trap_type", 3);
  expect_names(trap, "snmp", to_server, "snmp.trap_type", "link_up", "cold_start");
}

TEST(IntegerKeywords, Rfb) {
  Driver d("rfb", 6);
  d.server("RFB 003.008\n");
  d.client("RFB 003.008\n");
  d.server("\2\1\2");
  d.client("\2");
  d.server("0123456789abcdef");
  d.client("0123456789abcdef");
  d.server("\0\0\0\1"s + "\0\0\0\2"s + "no");
  expect_forms(d, "rfb", to_server, "rfb.sectype", 2);
  expect_names(d, "rfb", to_client, "rfb.secresult", "fail", "ok");
  EXPECT_TRUE(holds(d, "rfb", to_client, "rfb.secresult:1"));
}

TEST(IntegerKeywords, WebSocket) {
  Driver d("websocket", 6);
  d.client("\x81\x81\x12\x34\x56\x78k"s);
  d.server("\x8a\0"s);
  expect_forms(d, "websocket", to_server, "websocket.mask", 0x12345678);
  expect_forms(d, "websocket", to_server, "websocket.opcode", 1);
  expect_names(d, "websocket", to_server, "websocket.opcode", "text", "ping");
  expect_names(d, "websocket", to_client, "websocket.opcode", "pong", "text");
  EXPECT_FALSE(holds(d, "websocket", to_client, "websocket.mask:!0"));  // a server does not mask
  EXPECT_TRUE(holds(d, "websocket", to_server, "websocket.flags:fin,!comp"));
  EXPECT_TRUE(holds(d, "websocket", to_server, "websocket.flags:&0xc0=0x80"));
  EXPECT_TRUE(holds(d, "websocket", to_server, "websocket.flags:128"));
  EXPECT_FALSE(holds(d, "websocket", to_server, "websocket.flags:comp"));
  EXPECT_NE(
      RuleCheck("alert websocket any any -> any any (websocket.flags:&0xc0=2; sid:1;)\n").refused,
      "");
}

TEST(IntegerKeywords, Dhcp) {
  const auto message = [](const std::string& options) {
    return "\2\1\6\0"s + unhex("ef656404 0000 0000 00000000 0a100105 00000000 00000000") +
           unhex("001132 1749f0") + std::string(10 + 64 + 128, '\0') + unhex("63825363") + options +
           "\xff";
  };
  Driver d("dhcp", 17);
  d.server(message(unhex("350105 330400000e10 3a0400000691 3b0400000bd7")));
  expect_forms(d, "dhcp", to_client, "dhcp.leasetime", 3600);
  expect_forms(d, "dhcp", to_client, "dhcp.renewal_time", 1681);
  expect_forms(d, "dhcp", to_client, "dhcp.rebinding_time", 3031);
  Driver none("dhcp", 17);
  none.server(message(unhex("350105")));
  for (const auto* k : {"dhcp.leasetime", "dhcp.renewal_time", "dhcp.rebinding_time"})
    EXPECT_FALSE(holds(none, "dhcp", to_client, k + ":!1"s));
}

TEST(IntegerKeywords, Kerberos) {
  const auto name = ber_sequence(ber_explicit(0, ber_integer(1)) +
                                 ber_explicit(1, ber_sequence(tlv(0x1b, "krbtgt"))));
  Driver d("krb5", 17);
  d.server(
      tlv(0x7e, ber_sequence(ber_explicit(0, ber_integer(5)) + ber_explicit(1, ber_integer(30)) +
                             ber_explicit(4, tlv(0x18, "20261127100000Z")) +
                             ber_explicit(5, ber_integer(0)) + ber_explicit(6, ber_integer(25)) +
                             ber_explicit(9, tlv(0x1b, "R")) + ber_explicit(10, name))));
  expect_forms(d, "krb5", to_client, "krb5_msg_type", 30);
  expect_names(d, "krb5", to_client, "krb5_msg_type", "error", "as_req");
  expect_forms(d, "krb5", to_client, "krb5_err_code", 25);
}

TEST(IntegerKeywords, Ike) {
  const auto message = [](const std::string& head, const std::string& payloads) {
    return unhex("0102030405060708 1112131415161718" + head + "00000000") + "\0\0\0"s +
           static_cast<char>(payloads.size() + 28) + payloads;
  };
  Driver d("ike", 17);
  d.server(message("21202220", unhex("00000024 00000020 01010003 03000008 01000003 03000008 "
                                     "02000005 00000008 04000002")));
  expect_forms(d, "ike", to_client, "ike.exchtype", 34);
  EXPECT_TRUE(holds(d, "ike", to_client, "ike.chosen_sa_attribute:alg_dh=2"));
  EXPECT_FALSE(holds(d, "ike", to_client, "ike.chosen_sa_attribute:alg_dh=3"));
  // Version 1: a key exchange of 4 octets and a nonce of 8.
  Driver first("ike", 17);
  first.client(message("04100200", unhex("0a000008 aabbccdd 0000000c 0102030405060708")));
  expect_forms(first, "ike", to_server, "ike.exchtype", 2);
  expect_forms(first, "ike", to_server, "ike.key_exchange_payload_length", 4);
  expect_forms(first, "ike", to_server, "ike.nonce_payload_length", 8);
}

TEST(IntegerKeywords, Ntp) {
  std::string p(48, '\0');
  p[0] = 4 << 3 | 3;
  p[1] = 2;
  Driver d("ntp", 17);
  d.client(p);
  expect_forms(d, "ntp", to_server, "ntp.version", 4);
  expect_forms(d, "ntp", to_server, "ntp.mode", 3);
  expect_names(d, "ntp", to_server, "ntp.mode", "client", "server");
  expect_forms(d, "ntp", to_server, "ntp.stratum", 2);
}

}  // namespace
}  // namespace ww::sensor::test
