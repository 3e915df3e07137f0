#include "telemetry/asn1.hpp"

#include <gtest/gtest.h>

namespace ww::asn1 {
namespace {

Bytes octets(std::string_view s) { return as_bytes(s); }

TEST(Asn1Header, ReadsShortLongAndHighTagForms) {
  Header h;
  using namespace std::string_view_literals;
  ASSERT_EQ(read_header(octets("\x30\x05"), h), Status::ok);
  EXPECT_TRUE(h.constructed);
  EXPECT_EQ(h.number, tag::sequence);
  EXPECT_EQ(h.whole(), 7U);
  ASSERT_EQ(read_header(octets("\x04\x82\x01\x00"sv), h), Status::ok);
  EXPECT_EQ(h.length, 256U);
  EXPECT_EQ(h.header_octets, 4U);
  ASSERT_EQ(read_header(octets("\x7f\x81\x01\x02"), h), Status::ok);
  EXPECT_EQ(h.cls, Class::application);
  EXPECT_EQ(h.number, 129U);
}

TEST(Asn1Header, SaysWhenItIsCutAndWhenItIsWrong) {
  Header h;
  using namespace std::string_view_literals;
  for (const auto cut : {""sv, "\x30"sv, "\x30\x82\x01"sv, "\x1f\x81"sv, "\x1f\x01"sv})
    EXPECT_EQ(read_header(octets(cut), h), Status::truncated);
  EXPECT_EQ(read_header(octets("\x30\x80"sv), h), Status::malformed);  // indefinite
  EXPECT_EQ(read_header(octets("\x30\x89"sv), h), Status::malformed);
  EXPECT_EQ(read_header(octets("\x30\x85\x01\0\0\0\0"sv), h), Status::malformed);
  EXPECT_EQ(read_header(octets("\x1f\xff\xff\xff\xff\x7f"sv), h), Status::malformed);
}

TEST(Asn1Reader, LatchesTheFirstViolation) {
  Reader in(
      octets("\x02\x01\x05\x04\x05"
             "xy"));
  EXPECT_EQ(in.integer(), 5);
  EXPECT_TRUE(in.ok());
  EXPECT_TRUE(in.octets().empty());  // says five octets, has two
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.integer(), 0);
}

TEST(Asn1Reader, WantsTheRightKind) {
  Reader in(octets("\x0a\x01\x03"));
  EXPECT_EQ(in.integer(), 0);
  EXPECT_FALSE(in.ok());
  Reader constructed(octets("\x24\x02\x04\x00"));
  (void)constructed.octets();
  EXPECT_FALSE(constructed.ok());
}

TEST(Asn1Reader, TakesOptionalElementsOnlyWhenTheyAreThere) {
  Reader in(octets("\xa1\x03\x02\x01\x07\x80\x01x"));
  EXPECT_FALSE(in.optional_explicit(0));
  const auto one = in.optional_explicit(1);
  ASSERT_TRUE(one);
  EXPECT_EQ(integer_value(one->content), 7);
  const auto zero = in.optional_context(0);
  ASSERT_TRUE(zero);
  EXPECT_EQ(as_text(zero->content), "x");
  EXPECT_TRUE(in.empty());
  EXPECT_TRUE(in.ok());
}

TEST(Asn1Integer, IsSignedAndBounded) {
  EXPECT_EQ(integer_value(octets("\xff")), -1);
  EXPECT_EQ(integer_value(octets("\x7f\xff\xff\xff\xff\xff\xff\xff")), INT64_MAX);
  EXPECT_FALSE(integer_value(octets("")));
  EXPECT_FALSE(integer_value(octets("123456789")));
}

TEST(Asn1Oid, HasDottedForm) {
  EXPECT_EQ(oid_text(octets("\x2b\x06\x01\x04\x01\x82\x37")), "1.3.6.1.4.1.311");
  EXPECT_EQ(oid_text(octets("\x88\x37")), "2.999");
  EXPECT_EQ(oid_text(octets("\x2b\x86")), "");  // ends inside an arc
  EXPECT_EQ(oid_text(octets("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")), "");
  EXPECT_EQ(oid_text(as_bytes(std::string(200, '\x01'))), "");
}

}  // namespace
}  // namespace ww::asn1
