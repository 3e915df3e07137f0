#include <gtest/gtest.h>

#include "sensors/protocols/snmp/message.hpp"
#include "tests/sensors/protocols/ber.hpp"
#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

const std::string sys_descr = tlv(0x06, "\x2b\x06\x01\x02\x01");
std::string bindings() { return ber_sequence(ber_sequence(sys_descr + tlv(0x05, ""))); }
std::string pdu(int type, int error = 0) {
  return tlv(0xa0 + type, ber_integer(70000) + ber_integer(error) + ber_integer(0) + bindings());
}
std::string community(int version, const std::string& pdu) {
  return ber_sequence(ber_integer(version) + ber_octets("public") + pdu);
}
std::string trap() {
  return tlv(0xa4, tlv(0x06, "\x2b\x06\x01\x04\x01\x09") + tlv(0x40, "\x0a\x01\x02\x03") +
                       ber_integer(3) + ber_integer(0) + tlv(0x43, "\x01") + bindings());
}
std::string version3(int model, const std::string& data) {
  const auto usm = ber_sequence(ber_octets("engine") + ber_integer(1) + ber_integer(2) +
                                ber_octets("ann") + ber_octets("") + ber_octets(""));
  return ber_sequence(
      ber_integer(3) +
      ber_sequence(ber_integer(9) + ber_integer(1400) + ber_octets("\x04") + ber_integer(model)) +
      ber_octets(usm) + data);
}
std::string scoped(const std::string& pdu) {
  return ber_sequence(ber_octets("engine") + ber_octets("") + pdu);
}

TEST(Snmp, TellsRequestsAndErrorsOfVersion2) {
  Driver d("snmp", 17);
  d.client(community(1, pdu(0)));
  d.server(community(1, pdu(2, 2)));
  EXPECT_EQ(d.json(0), R"({"snmp":{"version":2,"pdu_type":"get_request","vars":["1.3.6.1.2.1"],)"
                       R"("community":"public"}})");
  EXPECT_EQ(d.json(1), R"({"snmp":{"version":2,"pdu_type":"response","error":"NoSuchName",)"
                       R"("vars":["1.3.6.1.2.1"],"community":"public"}})");
  EXPECT_EQ(d.buffer(0, "snmp.community", Dir::to_server), "public");
  EXPECT_EQ(d.buffer(1, "snmp.oid", Dir::to_client), "1.3.6.1.2.1");
  EXPECT_EQ(d.buffer(0, "snmp.usm", Dir::to_server), "<absent>");
  EXPECT_EQ(d.number(0, "snmp.version", Dir::to_server), 2U);
  EXPECT_EQ(d.number(1, "snmp.pdu_type", Dir::to_client), 2U);
}

TEST(Snmp, TellsATrapOfVersion1) {
  Driver d("snmp", 17);
  d.client(community(0, trap()));
  EXPECT_EQ(d.json(0),
            R"({"snmp":{"version":1,"pdu_type":"trap_v1","trap_type":"LinkUp",)"
            R"("trap_oid":"1.3.6.1.4.1.9","trap_address":"10.1.2.3","vars":["1.3.6.1.2.1"],)"
            R"("community":"public"}})");
  EXPECT_EQ(d.number(0, "snmp.trap_type", Dir::to_server), 3U);
}

TEST(Snmp, TellsVersion3InTheClearAndEncrypted) {
  Driver d("snmp", 17);
  d.client(version3(3, scoped(pdu(5, 7))));
  d.client(version3(3, ber_octets("secret")));
  EXPECT_EQ(d.json(0),
            R"({"snmp":{"version":3,"pdu_type":"get_bulk_request","vars":["1.3.6.1.2.1"],)"
            R"("usm":"ann"}})");
  EXPECT_EQ(d.json(1), R"({"snmp":{"version":3,"pdu_type":"encrypted"}})");
  EXPECT_EQ(d.buffer(1, "snmp.usm", Dir::to_server), "ann");
  EXPECT_FALSE(d.number(1, "snmp.pdu_type", Dir::to_server));
}

TEST(Snmp, NamesWhatIsOdd) {
  Driver d("snmp", 17);
  d.client(community(1, pdu(0)));
  d.client(community(0, pdu(0)));
  EXPECT_EQ(d.events(1), (std::vector<std::string>{"snmp.version_mismatch"}));
  Driver e("snmp", 17);
  e.client(version3(4, scoped(pdu(0))));
  EXPECT_EQ(e.events(0), (std::vector<std::string>{"snmp.unknown_security_model"}));
  e.client(community(7, pdu(0)));
  EXPECT_TRUE(e.failed);
  EXPECT_EQ(e.events(0).back(), "snmp.malformed_data");
  Driver f("snmp", 17);
  f.client("nonsense");
  EXPECT_EQ(f.ctx.events, (std::vector<std::string>{"snmp.malformed_data"}));
}

TEST(SnmpProbe, KnowsVersions) {
  Driver d("snmp", 17);
  EXPECT_EQ(d.probe(community(0, trap()), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(version3(3, ber_octets("x")), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(community(2, pdu(0)), Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe("GET / HTTP/1.1", Dir::to_server), Probe::no);
}

TEST(SnmpMessage, RefusesEveryCut) {
  for (const auto& whole :
       {community(1, pdu(0)), community(0, trap()), version3(3, scoped(pdu(5)))})
    for (std::size_t n = 0; n < whole.size(); ++n) {
      ww::snmp::Message m;
      EXPECT_FALSE(ww::snmp::parse_message(as_bytes(whole.substr(0, n)), m)) << n;
    }
}

}  // namespace
}  // namespace ww::sensor::test
