#include <gtest/gtest.h>

#include "tests/sensors/protocols/driver.hpp"

namespace ww::sensor::test {
namespace {

std::string packet(int version, int mode, int stratum, const std::string& reference) {
  std::string p(48, '\0');
  p[0] = static_cast<char>(version << 3 | mode);
  p[1] = static_cast<char>(stratum);
  return p.replace(12, 4, reference);
}

TEST(Ntp, TellsTheHeader) {
  Driver d("ntp", 17);
  d.client(packet(4, 3, 0, std::string(4, '\0')));
  d.server(packet(4, 4, 2, "LOCL") + "extension");
  EXPECT_EQ(d.json(0),
            R"({"ntp":{"version":4,"mode":3,"stratum":0,"reference_id":"00:00:00:00"}})");
  EXPECT_EQ(d.json(1),
            R"({"ntp":{"version":4,"mode":4,"stratum":2,"reference_id":"4c:4f:43:4c"}})");
  EXPECT_EQ(d.buffer(1, "ntp.reference_id", Dir::to_client), "LOCL");
  EXPECT_EQ(d.number(1, "ntp.version", Dir::to_client), 4U);
  EXPECT_EQ(d.number(1, "ntp.mode", Dir::to_client), 4U);
  EXPECT_EQ(d.number(1, "ntp.stratum", Dir::to_client), 2U);
}

TEST(Ntp, NamesWhatIsTooShortOrTooOld) {
  Driver d("ntp", 17);
  d.client(packet(3, 3, 0, "abcd"));
  d.client(packet(3, 3, 0, "abcd").substr(0, 47));
  EXPECT_TRUE(d.failed);
  EXPECT_EQ(d.events(0), (std::vector<std::string>{"ntp.malformed_data"}));
  Driver old("ntp", 17);
  old.client(packet(2, 3, 0, "abcd"));
  EXPECT_EQ(old.ctx.events, (std::vector<std::string>{"ntp.malformed_data"}));
}

TEST(NtpProbe, WantsVersion3Or4) {
  Driver d("ntp", 17);
  EXPECT_EQ(d.probe(packet(3, 3, 0, "abcd"), Dir::to_server), Probe::yes);
  EXPECT_EQ(d.probe(packet(2, 3, 0, "abcd"), Dir::to_server), Probe::no);
  EXPECT_EQ(d.probe("short", Dir::to_server), Probe::no);
}

}  // namespace
}  // namespace ww::sensor::test
