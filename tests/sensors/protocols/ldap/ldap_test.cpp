#include <gtest/gtest.h>

#include "sensors/protocols/ldap/message.hpp"
#include "tests/sensors/protocols/ber.hpp"
#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

std::string octets(const std::string& s) { return tlv(0x04, s); }
std::string number(int v) { return tlv(0x02, std::string(1, static_cast<char>(v))); }
std::string choice(int v) { return tlv(0x0a, std::string(1, static_cast<char>(v))); }
std::string message(int id, int op, const std::string& content, const std::string& controls = "") {
  return tlv(0x30, number(id) + tlv(op, content) + controls);
}
std::string result(int id, int op, int code, const std::string& more = "") {
  return message(id, op, choice(code) + octets("dc=x") + octets("why") + more);
}
std::string attribute(const std::string& type, const std::string& value) {
  return tlv(0x30, octets(type) + tlv(0x31, octets(value)));
}
std::string search(int id, const std::string& filter = tlv(0x87, "objectClass")) {
  return message(id, 0x63,
                 octets("dc=nhs") + choice(2) + choice(3) + number(10) + number(20) +
                     tlv(0x01, std::string(1, '\0')) + filter +
                     tlv(0x30, octets("*") + octets("+")));
}
std::string entry(int id) {
  return message(id, 0x64,
                 octets("cn=a") + tlv(0x30, attribute("mail", "a@b") + attribute("sn", "A")));
}

TEST(Ldap, TellsASearchWithItsResponses) {
  Driver d("ldap", 6);
  d.client(search(2));
  EXPECT_EQ(d.buffer(0, "ldap.responses.dn", Dir::to_client), "<not ready>");
  d.server(entry(2) + entry(2) + result(2, 0x65, 0));
  ASSERT_EQ(d.count(), 1U);
  EXPECT_TRUE(d.complete(0));
  const auto json = d.json(0);
  EXPECT_NE(json.find(R"("search_request":{"base_object":"dc=nhs","scope":2,"deref_alias":3,)"
                      R"("size_limit":10,"time_limit":20,"types_only":false,)"
                      R"("filter":{"type":"present","value":"objectClass"},)"
                      R"("attributes":["*","+"]})"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"({"operation":"search_result_entry","search_result_entry":{)"
                      R"("base_object":"cn=a","attributes":[{"type":"mail","values":["a@b"]},)"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("search_result_done":{"result_code":"success","matched_dn":"dc=x",)"
                      R"("message":"why"})"),
            std::string::npos)
      << json;
  EXPECT_EQ(d.buffer(0, "ldap.request.dn", Dir::to_server), "dc=nhs");
  EXPECT_EQ(d.buffer(0, "ldap.request.attribute_type", Dir::to_server, 1), "+");
  EXPECT_EQ(d.buffer(0, "ldap.responses.attribute_type", Dir::to_client, 3), "sn");
  EXPECT_EQ(d.buffer(0, "ldap.responses.attribute_type", Dir::to_client, 4), "<absent>");
  EXPECT_EQ(d.buffer(0, "ldap.responses.dn", Dir::to_client, 2), "dc=x");
  EXPECT_EQ(d.buffer(0, "ldap.responses.message", Dir::to_client, 2), "why");
  EXPECT_EQ(d.number(0, "ldap.responses.count", Dir::to_client), 3U);
  EXPECT_EQ(d.number(0, "ldap.request.operation", Dir::to_server), 3U);
  EXPECT_EQ(d.number(0, "ldap.responses.operation", Dir::to_client, 2), 5U);
  EXPECT_EQ(d.number(0, "ldap.responses.result_code", Dir::to_client, 2), 0U);
  ASSERT_EQ(d.ctx.frames.size(), 4U);
  EXPECT_EQ(d.ctx.frames[1].length, static_cast<std::int64_t>(entry(2).size()));
}

TEST(Ldap, ShowsEveryKindOfRequest) {
  Driver d("ldap", 6);
  const auto control = tlv(0xa0, tlv(0x30, octets("1.2.3") + tlv(0x01, "\xff") + octets("\xaa")));
  d.client(
      message(1, 0x60,
              number(3) + octets("cn=admin") + tlv(0xa3, octets("GSSAPI") + octets("\x01\x02"))) +
      message(2, 0x66, octets("cn=b") + tlv(0x30, tlv(0x30, choice(2) + attribute("l", "x")))) +
      message(3, 0x68, octets("cn=c") + tlv(0x30, attribute("cn", "c"))) +
      message(4, 0x4a, "cn=d", control) +
      message(5, 0x6c, octets("cn=e") + octets("cn=f") + tlv(0x01, "\xff") + tlv(0x80, "dc=up")) +
      message(6, 0x6e, octets("cn=g") + tlv(0x30, octets("sn") + octets("G"))) +
      message(7, 0x50, std::string(1, '\x05')) +
      message(8, 0x77, tlv(0x80, "1.2") + tlv(0x81, "v")) + message(9, 0x42, ""));
  ASSERT_EQ(d.count(), 9U);
  const char* const wanted[] = {
      R"("bind_request":{"version":3,"name":"cn=admin","sasl":{"mechanism":"GSSAPI",)"
      R"("credentials":"0102"}})",
      R"("modify_request":{"object":"cn=b","changes":[{"operation":"replace","modification":{)"
      R"("attribute_type":"l","attribute_values":["x"]}}]})",
      R"("add_request":{"entry":"cn=c","attributes":[{"name":"cn","values":["c"]}]})",
      R"("del_request":{"dn":"cn=d"},"controls":[{"control_type":"1.2.3","criticality":true,)"
      R"("control_value":"aa"}])",
      R"("mod_dn_request":{"entry":"cn=e","new_rdn":"cn=f","delete_old_rdn":true,)"
      R"("new_superior":"dc=up"})",
      R"("compare_request":{"entry":"cn=g","attribute_value_assertion":{"description":"sn",)"
      R"("value":"G"}})",
      R"("abandon_request":{"message_id":5})",
      R"("extended_request":{"name":"1.2","value":"v"})",
      R"("operation":"unbind_request"})"};
  for (std::size_t i = 0; i < 9; ++i)
    EXPECT_NE(d.json(i).find(wanted[i]), std::string::npos) << d.json(i);
  EXPECT_TRUE(d.complete(6));
  EXPECT_TRUE(d.complete(8));
  EXPECT_FALSE(d.complete(0));
}

TEST(Ldap, ShowsEveryKindOfResponse) {
  Driver d("ldap", 6);
  d.client(search(1) + search(2) + search(3));
  d.server(result(1, 0x61, 49, tlv(0x87, "\xab")) +
           result(2, 0x78, 9, tlv(0x8a, "1.2") + tlv(0x8b, "v")) +
           message(3, 0x79, tlv(0x80, "1.3") + tlv(0x81, "w")) +
           message(3, 0x73, octets("ldap://a")));
  EXPECT_NE(d.json(0).find(R"("result_code":"invalid_credentials")"), std::string::npos);
  EXPECT_NE(d.json(0).find(R"("server_sasl_creds":"ab")"), std::string::npos);
  EXPECT_NE(d.json(1).find(R"("result_code":"9")"), std::string::npos);
  EXPECT_NE(d.json(1).find(R"("name":"1.2","value":"v")"), std::string::npos);
  EXPECT_NE(d.json(2).find(R"("intermediate_response":{"name":"1.3","value":"w"})"),
            std::string::npos);
  EXPECT_NE(d.json(2).find(R"({"operation":"search_result_reference"})"), std::string::npos);
  EXPECT_FALSE(d.complete(2));
}

TEST(Ldap, IsTheSameHoweverItIsCut) {
  expect_split_anywhere("ldap", {{Dir::to_server, search(1) + search(2)},
                                 {Dir::to_client, entry(2) + result(2, 0x65, 0) + entry(1)},
                                 {Dir::to_client, result(1, 0x65, 32)}});
}

TEST(Ldap, NamesResponsesNobodyAskedFor) {
  Driver d("ldap", 6);
  d.server(result(7, 0x61, 0));
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"ldap.request_not_found"}));
  d.server(result(0, 0x78, 52));  // notice of disconnection
  EXPECT_TRUE(d.events(1).empty());
  EXPECT_NE(d.json(1).find(R"("responses":[{"message_id":0,)"), std::string::npos);
}

TEST(Ldap, NamesWhatIsNoLdap) {
  Driver d("ldap", 6);
  d.client(search(1));
  d.server("HTTP/1.1 200 OK");
  EXPECT_TRUE(d.failed);
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"ldap.invalid_data"}));
}

TEST(Ldap, NamesACutDatagram) {
  Driver d("ldap", 17);
  d.client(search(1));
  ASSERT_EQ(d.count(), 1U);
  d.client(search(2).substr(0, 20));
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"ldap.incomplete_data"}));
  d.server(entry(1) + result(1, 0x65, 0));
  EXPECT_TRUE(d.complete(0));
}

TEST(Ldap, BoundsLiveTransactions) {
  Settings s;
  s.set("app-layer.protocols.ldap.max-tx", "3");
  Driver d("ldap", 6, s);
  for (int i = 1; i < 6; ++i) d.client(search(i));
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"ldap.too_many_transactions"}));
  EXPECT_TRUE(d.complete(1));
  EXPECT_FALSE(d.complete(2));
}

TEST(Ldap, CountsResponsesItDoesNotKeep) {
  Driver d("ldap", 6);
  d.client(search(1));
  std::string many;
  for (int i = 0; i < 5000; ++i) many += entry(1);
  d.server(many + result(1, 0x65, 4));
  EXPECT_EQ(d.number(0, "ldap.responses.count", Dir::to_client), 5001U);
  EXPECT_NE(d.json(0).find("size_limit_exceeded"), std::string::npos);
}

TEST(Ldap, HandsOverToTlsWhenTheServerAgrees) {
  Driver d("ldap", 6);
  d.client(message(1, 0x77, tlv(0x80, "1.3.6.1.4.1.1466.20037")));
  EXPECT_FALSE(d.ctx.changed);
  d.server(result(1, 0x78, 0));
  EXPECT_FALSE(d.ctx.changed);  // the client speaks first
  d.client("\x16\x03\x01");
  EXPECT_TRUE(d.ctx.changed);
  EXPECT_EQ(d.ctx.changed_to, "tls");
  Driver refused("ldap", 6);
  refused.client(message(1, 0x77, tlv(0x80, "1.3.6.1.4.1.1466.20037")));
  refused.server(result(1, 0x78, 2));
  refused.client(search(2));
  EXPECT_FALSE(refused.ctx.changed);
}

TEST(Ldap, GoesOnAfterAGap) {
  Driver d("ldap", 6);
  d.client(search(1));
  d.lose(Dir::to_client, 100);
  d.server(result(1, 0x65, 0));
  EXPECT_TRUE(d.complete(0));
}

TEST(LdapProbe, KnowsAMessageAndItsDirection) {
  Driver d("ldap", 6);
  EXPECT_EQ(d.probe(search(1), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(search(1), Dir::to_client), Probe::reversed);
  EXPECT_EQ(d.probe(search(1).substr(0, 3), Dir::to_server), Probe::maybe);
  EXPECT_EQ(d.probe("GET / HTTP/1.1", Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe(tlv(0x30, number(1) + tlv(0x72, "abc")), Dir::to_server), Probe::no);
}

TEST(LdapMessage, RefusesEveryDamagedLength) {
  const auto good = search(1);
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] = '\xff';
    std::unique_ptr<ww::ldap::Message> m;
    std::size_t used = 0;
    const auto status = ww::ldap::parse_message(as_bytes(bad), m, used);
    if (status == ww::ldap::Status::ok) {
      EXPECT_LE(used, bad.size());
    }
  }
}

}  // namespace
}  // namespace ww::sensor::test
