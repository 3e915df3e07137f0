/// threshold.config over packets from the wire.
#include "tests/sensors/pipeline/wire.hpp"

namespace ww::sensor::test {
namespace {

constexpr auto rule = "alert udp any any -> any any (msg:\"x\"; content:\"hi\"; sid:1;)";

/// How many of `packets`, ten a second, are alerts with this configuration.
std::string alerts(const std::string& config, int packets) {
  const ww::test::TempFolder folder;
  Sensor s(rule, {"threshold-file=" + folder.write("threshold.config", config)},
           "outputs:\n - eve-log:\n    enabled: yes\n    types:\n     - alert\n");
  std::string seen;
  for (int i = 0; i < packets; ++i) {
    const auto before = s.count({R"("event_type":"alert")"});
    s.frame(udp(4000, 5000, "hi"), i / 10.0);
    s.flush();
    seen += s.count({R"("event_type":"alert")"}) > before ? '+' : '.';
  }
  s.finish();
  return seen;
}

TEST(ThresholdConfig, RateFilterActsOnWhatIsMoreThanTheCountForWholeSeconds) {
  // Three pass, the fourth starts the new action; it holds while second - start <= 1. The packet
  // that finds it over is as ever, and the next one is too many again.
  EXPECT_EQ(alerts("rate_filter gen_id 1, sig_id 1, track by_src, count 3, seconds 60, "
                   "new_action pass, timeout 1\n",
                   24),
            "+++.................+...");
}

TEST(ThresholdConfig, RateFilterCountsAnewWhenItsSecondsAreOver) {
  EXPECT_EQ(alerts("rate_filter gen_id 1, sig_id 1, track by_rule, count 12, seconds 1, "
                   "new_action pass, timeout 1\n",
                   30),
            "++++++++++++++++++++++++++++++");
}

TEST(ThresholdConfig, EventFiltersLimit) {
  EXPECT_EQ(
      alerts("event_filter gen_id 1, sig_id 1, type limit, track by_src, count 2, seconds 1\n", 14),
      "++........++..");
  EXPECT_EQ(
      alerts("threshold gen_id 1, sig_id 1, type threshold, track by_dst, count 4, seconds 60", 10),
      "...+...+..");
}

TEST(ThresholdConfig, SuppressesByAddress) {
  EXPECT_EQ(alerts("suppress gen_id 1, sig_id 1, track by_src, ip 10.0.0.1\n", 2), "..");
  EXPECT_EQ(alerts("suppress gen_id 1, sig_id 1, track by_dst, ip 10.0.0.1\n", 2), "++");
  EXPECT_EQ(alerts("suppress gen_id 1, sig_id 1, track by_either, ip [192.0.2.0/24]\n", 2), "..");
}

}  // namespace
}  // namespace ww::sensor::test
