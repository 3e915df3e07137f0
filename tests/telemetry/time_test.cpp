#include <gtest/gtest.h>

#include "telemetry/clock.hpp"
#include "telemetry/ip.hpp"
#include "telemetry/uuid.hpp"

namespace ww {
namespace {

TEST(Time, ReadsEveAndRfc3339AndIsoForms) {
  const auto want = Timestamp{1'795'401'001'250'000};
  EXPECT_EQ(parse_time("2026-11-22T23:50:01.250000+0000")->us,
            parse_time("2026-11-22T23:50:01.25Z")->us);
  EXPECT_EQ(parse_time("2026-11-23 00:50:01,250 +01:00")->us,
            parse_time("2026-11-22T23:50:01.250Z")->us);
  EXPECT_EQ(parse_time(eve_time(want)), want);
  EXPECT_EQ(parse_time(rfc3339(want)), want);
  EXPECT_FALSE(parse_time("2026-13-01T00:00:00Z"));
  EXPECT_FALSE(parse_time("2026-11-22T23:50:01.Z"));
  EXPECT_FALSE(parse_time("today"));
}

TEST(Time, CivilRoundTripsAcrossTheEpoch) {
  for (const std::int64_t us :
       {-1LL, 0LL, -86'400'000'000LL, 951'782'399'999'999LL, 4'102'444'800'000'000LL})
    EXPECT_EQ(from_civil(civil({us})).us, us);
}

TEST(Uuid, SortsByTimeAndIsVersion7) {
  const auto a = uuid7({1'000'000}), b = uuid7({1'000'000}), c = uuid7({9'000'000'000});
  EXPECT_LT(a, b);
  EXPECT_LT(b, c);
  EXPECT_EQ(a[14], '7');
  EXPECT_TRUE(is_uuid(a));
  EXPECT_FALSE(is_uuid(a.substr(1)));
}

TEST(Ip, ReadsWritesAndContains) {
  EXPECT_EQ(ip_text(*parse_ip("fe80::1")), "fe80:0000:0000:0000:0000:0000:0000:0001");
  EXPECT_EQ(ip_short(*parse_ip("fe80:0:0:0:0:0:0:1")), "fe80::1");
  EXPECT_TRUE(parse_network("10.0.0.0/8")->contains(*parse_ip("10.9.8.7")));
  EXPECT_FALSE(parse_network("10.0.0.0/9")->contains(*parse_ip("10.128.0.1")));
  EXPECT_EQ(parse_network("10.0.0.0/255.255.0.0")->prefix, 16);
  EXPECT_FALSE(parse_network("10.0.0.0/33"));
  EXPECT_FALSE(parse_ip("10.0.0"));
}

}  // namespace
}  // namespace ww
