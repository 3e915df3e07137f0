#include "collector/store/columns.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "collector/store/hash.hpp"
#include "collector/store/value_counts.hpp"

namespace ww::collector {
namespace {

/// What a column builder was told, kept plainly.
struct Plain {
  explicit Plain(std::size_t n) : events(n) { builder.begin(n); }
  void add(std::size_t event, std::uint64_t path, std::uint64_t token) {
    builder.add(event, path, token);
    values[path][event].insert(token);
  }
  [[nodiscard]] bool may(std::uint64_t path, std::uint64_t token, std::size_t event) const {
    const auto c = values.find(path);
    if (c == values.end()) return false;
    const auto e = c->second.find(event);
    return e != c->second.end() && (e->second.contains(token) || e->second.contains(0));
  }
  std::size_t events;
  ColumnBuilder builder;
  std::map<std::uint64_t, std::map<std::size_t, std::set<std::uint64_t>>> values;
};

TEST(Columns, RuleOutNoEventThatHasTheValueAndFewOthers) {
  std::mt19937_64 random(3);
  for (const std::size_t events : {1U, 63U, 64U, 65U, 1000U, 1024U}) {
    Plain plain(events);
    // Fields of 1, 3, 254, 255 and very many values; some events without, some with several.
    const std::size_t kinds[] = {1, 3, 254, 255, 100'000};
    std::vector<std::vector<std::uint64_t>> tokens;
    for (const auto n : kinds) {
      auto& list = tokens.emplace_back();
      for (std::size_t i = 0; i < n; ++i) list.push_back(mix64(random()) | 1U);
    }
    for (std::size_t e = 0; e < events; ++e)
      for (std::size_t f = 0; f < tokens.size(); ++f) {
        if (random() % 5 == 0) continue;
        plain.add(e, f, random() % 50 == 0 ? 0 : tokens[f][random() % tokens[f].size()]);
        if (random() % 50 == 0) plain.add(e, f, tokens[f][random() % tokens[f].size()]);
      }
    const auto encoded = plain.builder.finish();
    Columns columns;
    ASSERT_TRUE(columns.read(encoded, events));
    EXPECT_FALSE(columns.read(encoded, events + 1)) << "of another block";
    ASSERT_TRUE(columns.read(encoded, events));
    std::size_t asked = 0, wrong = 0;
    for (std::uint64_t f = 0; f <= tokens.size(); ++f) {
      const auto any = columns.having(f);
      for (std::size_t e = 0; e < events; ++e)
        EXPECT_EQ(any[e], f < tokens.size() && plain.values[f].contains(e)) << f << " " << e;
      for (int i = 0; i < 50; ++i) {
        const auto t = f < tokens.size() ? tokens[f][random() % tokens[f].size()] : random();
        const auto bits = columns.having(f, std::array{t});
        for (std::size_t e = 0; e < events; ++e) {
          ++asked;
          if (plain.may(f, t, e))
            ASSERT_TRUE(bits[e]) << f << " " << e;
          else
            wrong += bits[e] ? 1 : 0;
        }
      }
    }
    // Events with several values are never ruled out; of the others hardly any is let through.
    EXPECT_LT(wrong, asked / 25 + 20) << events;
  }
}

TEST(Columns, FieldsBeyondTheBoundRuleNothingOut) {
  Plain plain(10);
  for (std::uint64_t f = 0; f < ColumnBuilder::max_columns + 5; ++f) plain.add(f % 10, f * 977, 7);
  const auto encoded = plain.builder.finish();
  Columns columns;
  ASSERT_TRUE(columns.read(encoded, 10));
  const std::array other{mix64(12345)};
  EXPECT_TRUE(columns.having(0, other).none());
  for (const auto& bits :
       {columns.having(977 * (ColumnBuilder::max_columns + 1), other), columns.having(1)})
    for (std::size_t e = 0; e < 10; ++e) EXPECT_TRUE(bits[e]);
  // The next block begins anew.
  plain.builder.begin(3);
  plain.builder.add(1, 5, 9);
  const auto second = plain.builder.finish();
  ASSERT_TRUE(columns.read(second, 3));
  EXPECT_TRUE(columns.having(977).none());
  EXPECT_FALSE(columns.having(5)[0]);
  EXPECT_TRUE(columns.having(5)[1]);
}

TEST(Columns, DamageIsNoticedOrHarmless) {
  Plain plain(300);
  std::mt19937_64 random(5);
  for (std::size_t e = 0; e < 300; ++e) {
    plain.add(e, 1, mix64(e % 3));
    plain.add(e, 2, random());
  }
  const auto encoded = plain.builder.finish();
  Columns columns;
  for (std::size_t n = 0; n < encoded.size(); ++n)
    EXPECT_FALSE(columns.read(std::string_view(encoded).substr(0, n), 300)) << n;
  for (int i = 0; i < 2000; ++i) {
    auto broken = encoded;
    for (int k = 0; k < 3; ++k) broken[random() % broken.size()] = static_cast<char>(random());
    if (!columns.read(broken, 300)) continue;
    const std::array token{mix64(1)};
    EXPECT_EQ(columns.having(1, token).size(), 300U);
    EXPECT_EQ(columns.having(2, token).size(), 300U);
  }
}

TEST(ValueCounts, AgreeWithAMapUpToTheirBounds) {
  std::mt19937_64 random(1);
  ValueCounts counts({.values = 5'000, .octets = 1U << 20});
  std::map<std::string, std::uint64_t> plain;
  for (int i = 0; i < 200'000; ++i) {
    const auto value = std::to_string(std::min(random() % 6'000, random() % 6'000));
    const auto n = 1 + random() % 3;
    const bool room = plain.contains(value) || plain.size() < 5'000;
    ASSERT_EQ(counts.add(value, n) != ValueCounts::no_room, room);
    if (room) plain[value] += n;
  }
  std::vector<std::pair<std::string, std::uint64_t>> many;
  for (int i = 0; i < 10'000; ++i)
    many.emplace_back(std::to_string(random() % 7'000) + std::string(i % 100 == 0 ? 50 : 0, 'x'),
                      1 + random() % 5);
  std::size_t refused = 0;
  counts.add_all(
      many, [](const auto& p) { return std::string_view(p.first); },
      [](const auto& p) { return p.second; },
      [&](const auto& p, std::uint32_t number) {
        if (number == ValueCounts::no_room)
          ++refused;
        else
          EXPECT_EQ(counts.row(number).value, p.first);
      });
  for (const auto& [value, n] : many) {
    if (plain.contains(value) || plain.size() < 5'000)
      plain[value] += n;
    else
      --refused;
  }
  EXPECT_EQ(refused, 0U);
  EXPECT_EQ(counts.size(), plain.size());
  std::vector<std::pair<std::string, std::uint64_t>> want(plain.begin(), plain.end());
  std::stable_sort(want.begin(), want.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  want.resize(100);
  std::vector<std::pair<std::string, std::uint64_t>> got;
  for (const auto& r : counts.top(100)) got.emplace_back(r.value, r.count);
  EXPECT_EQ(got, want);
  ValueCounts small({.values = 10, .octets = 8});
  EXPECT_EQ(small.add("12345", 1), 0U);
  EXPECT_EQ(small.add("6789", 1), ValueCounts::no_room) << "of its text";
  EXPECT_EQ(small.add("", 1), 1U);
  EXPECT_EQ(small.add("12345", 1), 0U);
  EXPECT_EQ(small.top(5).front().count, 2U);
}

}  // namespace
}  // namespace ww::collector
