#include "telemetry/edit_distance.hpp"

#include <gtest/gtest.h>

namespace ww {
namespace {

TEST(EditDistance, CountsSlips) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("depth", "depth"), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("limt", "limit"), 1U) << "left out";
  EXPECT_EQ(edit_distance("querry", "query"), 1U) << "too much";
  EXPECT_EQ(edit_distance("enabley", "enabled"), 1U) << "changed";
  EXPECT_EQ(edit_distance("midstraem", "midstream"), 1U) << "changed places";
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(EditDistance, IsTheSameFromBothSides) {
  for (const auto* a : {"content", "contnet", "pcre", "", "flow"})
    for (const auto* b : {"content", "pcre", "isdataat", "flwo"})
      EXPECT_EQ(edit_distance(a, b), edit_distance(b, a)) << a << " " << b;
}

}  // namespace
}  // namespace ww
