/// Keywords over Kerberos replies.
#include <unistd.h>

#include "tests/sensors/protocols/ber.hpp"
#include "tests/sensors/protocols/rules.hpp"

namespace ww::sensor::test {
namespace {

std::string name(const std::string& part) {
  return ber_sequence(ber_explicit(0, ber_integer(1)) +
                      ber_explicit(1, ber_sequence(tlv(0x1b, part))));
}
std::string encrypted(int etype) {
  return ber_sequence(ber_explicit(0, ber_integer(etype)) + ber_explicit(2, ber_octets("x")));
}
std::string reply(int ticket_etype) {
  const auto ticket = tlv(
      0x61, ber_sequence(ber_explicit(0, ber_integer(5)) + ber_explicit(1, tlv(0x1b, "R")) +
                         ber_explicit(2, name("cifs")) + ber_explicit(3, encrypted(ticket_etype))));
  return tlv(0x6d, ber_sequence(ber_explicit(0, ber_integer(5)) + ber_explicit(1, ber_integer(13)) +
                                ber_explicit(3, tlv(0x1b, "R")) + ber_explicit(4, name("ann")) +
                                ber_explicit(5, ticket) + ber_explicit(6, encrypted(18))));
}

using Sids = std::vector<std::uint32_t>;
Sids sids(const std::string& option, int ticket_etype) {
  RuleCheck rules("alert krb5 any any -> any any (" + option + "; sid:1;)\n");
  EXPECT_EQ(rules.refused, "") << option;
  Driver d("krb5", 17);
  d.server(reply(ticket_etype));
  return rules.match(d, "krb5", Dir::to_client);
}

TEST(Krb5Keywords, TicketEncryptionTakesNamesNumbersAndWeak) {
  EXPECT_EQ(sids("krb5.ticket_encryption:weak", 23), Sids{1});
  EXPECT_EQ(sids("krb5.ticket_encryption:weak", 17), Sids{});
  EXPECT_EQ(sids("krb5.ticket_encryption:!weak", 17), Sids{1});
  EXPECT_EQ(sids("krb5.ticket_encryption:rc4-hmac,rc4-hmac-exp", 24), Sids{1});
  EXPECT_EQ(sids("krb5.ticket_encryption: des-cbc-crc , -128,2 18", 18), Sids{1});
  EXPECT_EQ(sids("krb5.ticket_encryption:-128", -128), Sids{1});
  EXPECT_EQ(sids("krb5.ticket_encryption:rc4-md4", 23), Sids{});
  RuleCheck bad("alert krb5 any any -> any any (krb5.ticket_encryption:rot13; sid:1;)\n");
  EXPECT_NE(bad.refused, "");
}

TEST(Krb5Keywords, LookAtTypeAndNames) {
  EXPECT_EQ(sids("krb5_msg_type:13", 18), Sids{1});
  EXPECT_EQ(sids("krb5_msg_type:tgs_rep", 18), Sids{1});
  EXPECT_EQ(sids("krb5_err_code:25", 18), Sids{});
  EXPECT_EQ(sids("krb5.sname; content:\"cifs\"", 18), Sids{1});
  EXPECT_EQ(sids("krb5_cname; content:\"ann\"", 18), Sids{1});
}

}  // namespace
}  // namespace ww::sensor::test
