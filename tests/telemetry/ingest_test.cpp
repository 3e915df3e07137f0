#include "telemetry/ingest.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace ww::ingest {
namespace {

TEST(SkippedWhy, IsReadAsItIsWrittenAndNothingElse) {
  const auto why = parse_skipped_why("damaged 7-9, refused 20-20, acknowledged 21-30");
  ASSERT_TRUE(why);
  ASSERT_EQ(why->size(), 3U);
  EXPECT_EQ((*why)[1].reason, lost::refused);
  EXPECT_EQ(skipped_why_text(*why), "damaged 7-9, refused 20-20, acknowledged 21-30");
  EXPECT_TRUE(parse_skipped_why("")->empty());
  for (const auto* bad : {"damaged", "damaged 9-7", "damaged 7-9,", "eaten 1-2", "damaged 0-1",
                          "damaged 7-9, refused 9-9", "damaged 7-9, damaged 1-2", "shed 1-2",
                          "damaged  7-9", "damaged 7-99999999999999999999"})
    EXPECT_FALSE(parse_skipped_why(bad)) << bad;
  std::string many;
  for (std::size_t i = 1; i <= max_lost_ranges; ++i)
    many += (many.empty() ? "damaged " : ", damaged ") + std::to_string(2 * i) + "-" +
            std::to_string(2 * i);
  EXPECT_TRUE(parse_skipped_why(many));
  EXPECT_FALSE(parse_skipped_why(many + ", damaged 9999-9999"));
  const std::vector<Lost> more(max_lost_ranges + 5, {1, 1, lost::damaged});
  EXPECT_EQ(std::ranges::count(skipped_why_text(more), ','), std::ptrdiff_t{max_lost_ranges} - 1);
}

TEST(SkippedWhy, WhatNoReasonCoversWasShed) {
  const auto text = [](Skipped s, std::vector<Lost> known) {
    std::string out;
    for (const auto& l : lost_runs(s, known))
      out +=
          std::string(l.reason) + " " + std::to_string(l.from) + "-" + std::to_string(l.to) + ";";
    return out;
  };
  EXPECT_EQ(text({5, 9}, {}), "shed 5-9;");
  EXPECT_EQ(text({5, 9}, {{1, 4, lost::damaged}, {10, 11, lost::damaged}}), "shed 5-9;");
  EXPECT_EQ(text({5, 9}, {{1, 6, lost::damaged}, {8, 8, lost::refused}}),
            "damaged 5-6;shed 7-7;refused 8-8;shed 9-9;");
  EXPECT_EQ(text({5, UINT64_MAX}, {{6, UINT64_MAX, lost::damaged}}),
            "shed 5-5;damaged 6-18446744073709551615;");
  EXPECT_EQ(text({5, 9}, {{5, 6, lost::damaged}, {7, 9, lost::damaged}}), "damaged 5-9;");
}

}  // namespace
}  // namespace ww::ingest
