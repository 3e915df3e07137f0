// What finds literals, folds and classifies texts, against slow and obvious ways.
#include "rules/sigma/index.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "rules/sigma/engine.hpp"
#include "rules/sigma/probe_set.hpp"
#include "rules/sigma/text.hpp"
#include "tests/rules/sigma/support.hpp"

namespace ww::sigma::test {
namespace {

std::string random_text(std::mt19937& random, std::size_t most, std::string_view alphabet) {
  std::string out(random() % (most + 1), ' ');
  for (auto& c : out) c = alphabet[random() % alphabet.size()];
  return out;
}

TEST(SigmaProbeSet, FindsWhatSearchingFinds) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const std::string_view alphabet = round % 3 == 0   ? "ab"
                                      : round % 3 == 1 ? "abcdef="
                                                       : "a\xff\\";
    std::vector<std::string> literals;
    while (literals.size() < 1 + random() % 40) {
      auto text = random_text(random, 24, alphabet);
      if (round % 5 == 0) text.insert(0, "imphash=");
      if (!text.empty()) literals.push_back(std::move(text));
    }
    ProbeSet set;
    set.build({literals.begin(), literals.end()});
    for (int n = 0; n < 20; ++n) {
      auto text = random_text(random, 120, alphabet);
      if (n % 2 == 0) text += literals[random() % literals.size()];
      std::multiset<std::uint32_t> found, expected;
      set.scan(text, [&](std::uint32_t number) { found.insert(number); });
      for (std::uint32_t k = 0; k < literals.size(); ++k)
        for (auto at = text.find(literals[k]); at != std::string::npos;
             at = text.find(literals[k], at + 1))
          expected.insert(k);
      ASSERT_EQ(found, expected) << text;
    }
  }
}

TEST(SigmaFold, EveryLengthAndMixFoldsAsOneByOne) {
  std::mt19937 random(6);
  const std::vector<std::string> pieces = {
      "A", "z", "@", "[", "`", "{", "9", "\xc3\x84", "\xe2\x84\xaa", "\xff", "Q"};
  for (int round = 0; round < 5000; ++round) {
    std::string text, expected;
    const bool ascii = round % 2 == 0;
    for (auto n = random() % 45; n > 0; --n) {
      const auto& piece = pieces[random() % (ascii ? 7 : pieces.size())];
      text += piece;
      expected += folded(piece);  // one letter at a time
    }
    EXPECT_EQ(folded(text), expected) << text;
  }
}

/// The event's text as keywords look at it first.
std::string plain(const std::string& json, bool for_ascii = true) {
  FieldTable fields;
  fields.freeze();
  EventReader reader(fields);
  EXPECT_TRUE(reader.read(json)) << json;
  return std::string(reader.plain_text(for_ascii));
}

TEST(SigmaPlainText, KnowsEveryEscapeWhereverItStands) {
  for (std::size_t before = 0; before < 70; ++before)
    for (std::size_t backslashes = 0; backslashes < 5; ++backslashes)
      for (const char next : std::string("\"\\bfnrtu/xa")) {
        const std::string json = "{\"k\":\"" + std::string(before, 'a') +
                                 std::string(backslashes, '\\') + next + "0041\",\"l\":\"\"}";
        const bool escape = backslashes % 2 == 1;
        if (next == '"' && !escape) continue;   // the text ends there
        if (next == '\\' && !escape) continue;  // then it escapes the digit
        const bool good = !escape || std::string_view("\"\\bfnrt").find(next) != std::string::npos;
        EXPECT_EQ(plain(json), good ? json : "") << json;
      }
}

TEST(SigmaPlainText, IsFoldedOnlyWhereItMustBe) {
  const std::string sign = "{\"k\":\"Product\xc2\xae\"}", kelvin = "{\"k\":\"\xe2\x84\xaaiwi\"}",
                    long_s = "{\"k\":\"\xc5\xbf\"}";
  EXPECT_EQ(plain(sign), sign);
  EXPECT_EQ(plain(sign, false), folded(sign));
  EXPECT_EQ(plain(kelvin), "{\"k\":\"kiwi\"}");
  EXPECT_EQ(plain(long_s), "{\"k\":\"s\"}");
}

TEST(SigmaPlainText, OddNumbersAreSeenAndTimesAreNot) {
  const auto odd = [](const std::string& json) {
    FieldTable fields;
    fields.freeze();
    EventReader reader(fields);
    EXPECT_TRUE(reader.read(json)) << json;
    return reader.has_odd_number();
  };
  for (const auto* json :
       {R"({"a":1.0})", R"({"a": -1e3})", R"({"a":[1, 2E1]})", R"({"a":{"b" : 10.50}})"})
    EXPECT_TRUE(odd(json)) << json;
  for (const auto* json : {R"({"a":1})", R"({"t":"2026-03-02T00:00:00.123Z"})",
                           R"({"ip":"10.1.2.3"})", R"({"a":"1e5"})", R"({"a":-0})"})
    EXPECT_FALSE(odd(json)) << json;
}

TEST(SigmaKeywords, NumbersAreFoundHoweverTheyAreWrittenAndKeepTheShortcut) {
  const auto loaded = load(
      "title: t\nlogsource: {category: test}\ndetection: {k: ['4625', 'needle'], condition: k}\n");
  const auto engine = std::static_pointer_cast<const EngineImpl>(loaded.engine);
  ASSERT_NE(engine->everything.keywords, nullptr);
  EXPECT_TRUE(engine->everything.keywords->usable);
  EXPECT_TRUE(engine->everything.keywords->numeric);
  auto evaluator = Evaluator::create(loaded.engine);
  const auto matches = [&](std::string_view event) {
    return !evaluator->evaluate({&event, 1}).empty();
  };
  for (const auto* event :
       {R"({"a":4625})", R"({"a":4625.0})", R"({"a":4.625e3})", R"({"a":"x 4625 y"})",
        R"({"a":"\u0034625"})", R"({"a":"\u006eeedle"})", R"({"a":"NEEDLE"})"})
    EXPECT_TRUE(matches(event)) << event;
  for (const auto* event :
       {R"({"a":46250.5e-9})", R"({"a":462})", R"({"4625":1})", R"({"needle":"x"})"})
    EXPECT_FALSE(matches(event)) << event;
}

TEST(SigmaEvaluator, EventsWithRoomBehindThemAreReadInPlace) {
  const auto loaded = load(
      "title: t\nlogsource: {category: test}\ndetection: {s: {A|contains: '1x'}, condition: s}\n");
  auto evaluator = Evaluator::create(loaded.engine);
  // What stands behind is not part of the event, whatever it is.
  const std::string block =
      R"({"A":"1x"})" + std::string(64, '"') + R"({"A":"1)" + std::string(80, 'x');
  const std::string_view all = block;
  const std::string_view events[] = {all.substr(0, 10), all.substr(74, 7), {}};
  const auto matches = evaluator->evaluate(events, 64);
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].event_index, 0U);
  EXPECT_EQ(evaluator->unparsable(), 2U);
}

}  // namespace
}  // namespace ww::sigma::test
