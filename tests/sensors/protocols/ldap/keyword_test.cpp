/// Keywords over LDAP operations.
#include <unistd.h>

#include "tests/sensors/protocols/ber.hpp"
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

std::string choice(int v) { return tlv(0x0a, std::string(1, static_cast<char>(v))); }
std::string message(int op, const std::string& content) {
  return ber_sequence(ber_integer(2) + tlv(op, content));
}
const std::string search = message(
    0x63, ber_octets("dc=nhs") + choice(2) + choice(0) + ber_integer(0) + ber_integer(0) +
              tlv(0x01, std::string(1, '\0')) + tlv(0x87, "cn") + ber_sequence(ber_octets("mail")));
const std::string entry =
    message(0x64, ber_octets("cn=ann,dc=nhs") +
                      ber_sequence(ber_sequence(ber_octets("mail") + tlv(0x31, ber_octets("a")))));
std::string done(int code) {
  return message(0x65, choice(code) + ber_octets("dc=x") + ber_octets("too many"));
}

using Sids = std::vector<std::uint32_t>;
Sids sids(const std::string& option, Dir dir, const std::string& answer) {
  RuleCheck rules("alert ldap any any -> any any (" + option + "; sid:1;)\n");
  EXPECT_EQ(rules.refused, "") << option;
  Driver d("ldap", 6);
  d.client(search);
  d.server(answer);
  return rules.match(d, "ldap", dir);
}
Sids asked(const std::string& option) { return sids(option, Dir::to_server, ""); }
Sids answered(const std::string& option) {
  return sids(option, Dir::to_client, entry + entry + done(4));
}

TEST(LdapKeywords, LookAtTheRequest) {
  EXPECT_EQ(asked("ldap.request.operation:search_request"), Sids{1});
  EXPECT_EQ(asked("ldap.request.operation:!3"), Sids{});
  EXPECT_EQ(asked("ldap.request.dn; content:\"dc=nhs\"; bsize:6"), Sids{1});
  EXPECT_EQ(asked("ldap.request.attribute_type; content:\"mail\""), Sids{1});
}

TEST(LdapKeywords, LookAtEachResponse) {
  EXPECT_EQ(answered("ldap.responses.operation:search_result_done"), Sids{1});
  EXPECT_EQ(answered("ldap.responses.operation:search_result_entry,0"), Sids{1});
  EXPECT_EQ(answered("ldap.responses.operation:search_result_entry,2"), Sids{});
  EXPECT_EQ(answered("ldap.responses.operation:search_result_done,-1"), Sids{1});
  EXPECT_EQ(answered("ldap.responses.operation:search_result_entry,-2"), Sids{1});
  EXPECT_EQ(answered("ldap.responses.operation:search_result_done,-3"), Sids{});
  EXPECT_EQ(answered("ldap.responses.operation:search_result_done,-4"), Sids{});
  EXPECT_EQ(answered("ldap.responses.operation:search_result_entry,all"), Sids{});
  EXPECT_EQ(answered("ldap.responses.count:3"), Sids{1});
  EXPECT_EQ(answered("ldap.responses.count:>3"), Sids{});
  EXPECT_EQ(answered("ldap.responses.result_code:size_limit_exceeded"), Sids{1});
  EXPECT_EQ(answered("ldap.responses.result_code:success"), Sids{});
  EXPECT_EQ(answered("ldap.responses.dn; content:\"cn=ann\"; startswith"), Sids{1});
  EXPECT_EQ(answered("ldap.responses.message; content:\"too many\""), Sids{1});
  EXPECT_EQ(answered("ldap.responses.attribute_type; content:\"mail\""), Sids{1});
}

TEST(LdapKeywords, CountWhileTheOperationRuns) {
  EXPECT_EQ(sids("ldap.responses.count:2", Dir::to_client, entry + entry), Sids{1});
  EXPECT_EQ(sids("ldap.responses.count:3", Dir::to_client, entry + entry), Sids{});
}

}  // namespace
}  // namespace ww::sensor::test
