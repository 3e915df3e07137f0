#include "collector/store/sqlite.hpp"

#include <gtest/gtest.h>

namespace ww::collector::sql {
namespace {

TEST(Sqlite, ARowIsCopiedColumnByColumn) {
  auto db = Database::open(":memory:", {});
  ASSERT_TRUE(db);
  auto s = (*db)->prepare(
      "SELECT 'name', -7, 9, 1, 0, 1.5, 'seen', 3, 'there' UNION ALL "
      "SELECT '', 0, 0, 0, 1, 0.0, '', NULL, NULL");
  std::string name;
  std::int64_t number = 0;
  std::uint64_t count = 0;
  bool yes = false, no = true;
  double real = 0;
  std::string_view view;
  std::optional<std::int64_t> maybe;
  std::optional<std::string> text;
  const auto row = [&] { s.into(name, number, count, yes, no, real, view, maybe, text); };

  ASSERT_TRUE(s.step());
  row();
  EXPECT_EQ(name, "name");
  EXPECT_EQ(number, -7);
  EXPECT_EQ(count, 9U);
  EXPECT_TRUE(yes);
  EXPECT_FALSE(no);
  EXPECT_EQ(real, 1.5);
  EXPECT_EQ(view, "seen");
  EXPECT_EQ(maybe, 3);
  EXPECT_EQ(text, "there");

  ASSERT_TRUE(s.step());
  row();
  EXPECT_EQ(name, "");
  EXPECT_EQ(number, 0);
  EXPECT_FALSE(yes);
  EXPECT_TRUE(no);
  EXPECT_EQ(maybe, std::nullopt);  // what the row before held is gone
  EXPECT_EQ(text, std::nullopt);
  EXPECT_FALSE(s.step());
}

}  // namespace
}  // namespace ww::collector::sql
