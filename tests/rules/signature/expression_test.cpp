/// What spares regular expressions their work: literals that a match must hold, gates, and the
/// search for literals; each against the plain way to the same answer.
#include <hs.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <random>

#include "rules/signature/find.hpp"
#include "rules/signature/gate.hpp"
#include "rules/signature/pcre.hpp"
#include "rules/signature/required_literals.hpp"
#include "tests/rules/signature/fixture.hpp"

namespace ww::sig::test {
namespace {

using List = std::vector<std::string>;

TEST(FindLiteral, AgreesWithLookingEverywhere) {
  std::mt19937 random(3);
  const auto upto = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n)(random);
  };
  std::size_t found = 0;
  for (int round = 0; round < 20'000; ++round) {
    // Exactly as large as said, so that a read beyond is seen.
    std::vector<std::uint8_t> data(upto(80));
    for (auto& c : data) c = static_cast<std::uint8_t>("abAB@`\x01\x21"[upto(7)]);
    data.shrink_to_fit();
    std::string literal;
    for (auto n = 1 + upto(4); n > 0; --n) literal += "ab@`\x01\x21"[upto(5)];
    const bool nocase = upto(1) != 0;
    std::size_t want = not_found;
    for (std::size_t i = 0; want == not_found && i + literal.size() <= data.size(); ++i) {
      bool here = true;
      for (std::size_t k = 0; k < literal.size(); ++k) {
        const int c = data[i + k];
        here &= (nocase && c >= 'A' && c <= 'Z' ? c + 32 : c) == literal[k];
      }
      if (here) want = i;
    }
    ASSERT_EQ(find_literal(data, literal, nocase), want) << literal;
    found += want != not_found;
  }
  EXPECT_GT(found, 5'000U);
}

List required(std::string_view pattern, std::uint32_t options = 0) {
  return required_literals(pattern, options).list;
}

TEST(RequiredLiterals, AreThoseOfTheTopLevel) {
  EXPECT_EQ(required("abc"), List{"abc"});
  EXPECT_EQ(required("ab+cd"), (List{"ab", "cd"}));
  EXPECT_EQ(required("ab?cd*ef{0,3}gh{2}ij"), (List{"gh", "ij"}));
  EXPECT_EQ(required(R"(\s+for\s*\(var\s)"), (List{"(var", "for"}));
  EXPECT_EQ(required(R"(one(two|three)four[five]six.seven)"), (List{"seven", "four", "one"}));
  EXPECT_EQ(required(R"(\x41\x42\.\/)"), List{"AB./"});
  EXPECT_EQ(required(R"([]a]bc[^]d]ef[[:alpha:]]gh[\]]ij)"), (List{"bc", "ef", "gh"}));
  EXPECT_EQ(required("^GET$"), List{"GET"});
  EXPECT_EQ(required("AbC", PCRE2_CASELESS), List{"abc"});
  EXPECT_EQ(required("abc(?=def)ghi(?!jkl)"), (List{"abc", "ghi"}));
}

TEST(RequiredLiterals, AreNoneWhereThereIsADoubt) {
  for (const auto* p : {"abc|def", "(?i)abc", "a", R"(\Qabc\E)", "abc(*ACCEPT)def", R"(\x{41}bc)",
                        "abc{,3}", R"(abc\Kdef)", "(?#c)abc", "abc(?i:d)", "(?:abc)?"})
    EXPECT_EQ(required(p), List{}) << p;
  EXPECT_EQ(required("a b c", PCRE2_EXTENDED), List{});
}

/// Random expressions of what rules use.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::size_t upto(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n)(engine_);
  }
  bool one_in(std::size_t n) { return upto(n - 1) == 0; }

  std::string expression() {
    groups_ = 0;
    std::string out = one_in(8) ? "^" : "";
    out += sequence(3 + upto(4), 2);
    if (one_in(6)) out += '|' + sequence(3 + upto(2), 1);
    if (one_in(12)) out += '$';
    if (one_in(12)) out += R"(\b)";
    return out;
  }
  std::uint32_t options() {
    return (one_in(2) ? PCRE2_CASELESS : 0U) | (one_in(4) ? PCRE2_MULTILINE : 0U) |
           (one_in(3) ? PCRE2_DOTALL : 0U) | (one_in(9) ? PCRE2_DOLLAR_ENDONLY : 0U) |
           (one_in(15) ? PCRE2_ANCHORED : 0U);
  }
  std::string data(std::size_t n) {
    std::string out;
    while (out.size() < n) out += "aabbcABC-_ \x0b\n1"[upto(13)];
    return out;
  }

 private:
  std::string sequence(std::size_t n, int depth) {
    std::string out;
    for (; n > 0; --n) out += item(depth);
    return out;
  }
  std::string item(int depth) {
    std::string out;
    switch (upto(depth > 0 ? 14 : 9)) {
      case 0:
        out = "[ab]";
        break;
      case 1:
        out = "[^a]";
        break;
      case 2:
        out = "\\" + std::string(1, "swdSWDn"[upto(6)]);
        break;
      case 3:
        out = ".";
        break;
      case 4:
        out = "\\x6" + std::string(1, "123"[upto(2)]);
        break;
      case 5:
        if (one_in(2)) return R"(\b)";
        out = "[[:alpha:]]";
        break;
      case 10:
      case 11:
        ++groups_;
        out = "(" + sequence(1 + upto(2), depth - 1) +
              (one_in(2) ? "|" + sequence(1 + upto(1), depth - 1) : "") + ")";
        break;
      case 12:
        out = "(?:" + sequence(1 + upto(2), depth - 1) + ")";
        break;
      case 13:
        return one_in(2) ? "(?=" + sequence(1, 0) + ")" : "(?!" + sequence(1, 0) + ")";
      case 14:
        if (groups_ > 0 && groups_ < 10) {
          out = "\\" + std::to_string(1 + upto(groups_ - 1)) + "(?:)";
          break;
        }
        [[fallthrough]];
      default:
        out = std::string(1, "abcABC-_1"[upto(8)]);
    }
    if (one_in(4)) {
      static constexpr const char* repeats[] = {"*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"};
      out += repeats[upto(6)];
      if (one_in(4)) out += '?';
    }
    return out;
  }
  std::mt19937 engine_;
  std::size_t groups_ = 0;
};

Bytes view(const std::string& s) { return octets(s); }

/// Sanitizers make a compilation ten times as dear.
int rounds(int n) {
#if defined(__SANITIZE_ADDRESS__)
  return n / 8;
#else
  return n;
#endif
}

TEST(Gates, NeverSayNoWhereTheExpressionSaysYes) {
  Random random(20261127);
  PcreScratch scratch;
  std::size_t gates = 0, matches = 0, closed = 0, with_literals = 0;
  const int count = rounds(2400);
  for (int i = 0; i < count; ++i) {
    PcreOp op;
    const auto options = random.options();
    auto code = CompiledPcre::compile(random.expression(), options);
    if (!code) continue;
    op.code = *code;
    op.relative = random.one_in(3);
    const auto e = gate_expression(op);
    const auto& literals = op.code->required();
    with_literals += !literals.list.empty();
    Scanner scanner;
    hs_scratch* space = nullptr;
    if (e) {
      ++gates;
      scanner.add_expression(e->pattern, e->flags, 0);
      scanner.seal();
      ASSERT_TRUE(scanner.compile());
      hs_alloc_scratch(scanner.database(), &space);
    }
    for (int k = 0; k < 30; ++k) {
      const auto data = random.data(1 + random.upto(120));
      const auto start = op.relative ? random.upto(data.size()) : 0;
      const bool match = op.code->search(view(data).subspan(start), 0, scratch);
      const bool open = !e || scanner.occurs(view(data), space);
      ASSERT_TRUE(!match || open) << op.code->pattern() << " options " << options << " on " << data;
      matches += match && e;
      closed += !open;
      if (!match) continue;
      for (const auto& l : literals.list)
        ASSERT_NE(find_literal(view(data), l, literals.nocase), not_found)
            << op.code->pattern() << " has " << l << " on " << data;
    }
    if (space != nullptr) hs_free_scratch(space);
  }
  EXPECT_GT(gates, static_cast<std::size_t>(count) / 8);
  EXPECT_GT(matches, static_cast<std::size_t>(count) / 2);
  EXPECT_GT(closed, static_cast<std::size_t>(count));
  EXPECT_GT(with_literals, static_cast<std::size_t>(count) / 8);
}

/// Streams shown in pieces, with a window that slides: gates remember what they said of the part
/// that is shown again.
TEST(Gates, OnStreamsCutAnywhereGiveWhatTheExpressionsGive) {
  Random random(5);
  PcreScratch scratch;
  std::size_t matched = 0;
  const int count = rounds(160);
  for (int round = 0; round < count; ++round) {
    std::vector<std::shared_ptr<const CompiledPcre>> all;
    std::string text;
    while (all.size() < 10) {
      const auto expression = random.expression();
      const auto options = random.options() & (PCRE2_CASELESS | PCRE2_MULTILINE | PCRE2_DOTALL);
      auto code = CompiledPcre::compile(expression, options);
      if (!code) continue;
      all.push_back(*code);
      text += "alert tcp any any -> any any (flow:only_stream; pcre:\"/" + expression + "/" +
              (options & PCRE2_CASELESS ? "i" : "") + (options & PCRE2_MULTILINE ? "m" : "") +
              (options & PCRE2_DOTALL ? "s" : "") + "\"; sid:" + std::to_string(all.size()) +
              ";)\n";
    }
    Rules rules(text);
    ASSERT_EQ(rules.errors(), "") << text;
    const auto data = random.data(1500);
    Wire wire(6);
    std::size_t shown_from = 0;
    for (std::size_t at = 0; at < data.size();) {
      const auto take = std::min(data.size() - at, 1 + random.upto(300));
      const std::size_t context = 300 + random.upto(500);
      shown_from = std::max(shown_from, at > context ? at - context : 0);
      const auto window = data.substr(shown_from, at + take - shown_from);
      const auto back = at - shown_from;
      const auto have = show_window(rules, wire, window, shown_from, back);
      Sids want;
      for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t from = 0; from <= window.size(); ++from) {
          if (!all[i]->search(view(window), from, scratch)) break;
          const auto whole = scratch.group(0);
          if (back == 0 || whole.to > back) {
            want.push_back(static_cast<std::uint32_t>(i + 1));
            break;
          }
          from = whole.from;
        }
      ASSERT_EQ(have, want) << text << window << " fresh from " << back;
      matched += want.size();
      at += take;
    }
  }
  EXPECT_GT(matched, static_cast<std::size_t>(count) * 5);
}

TEST(Gates, WhatTheCompilerRefusesIsAlwaysOpen) {
  Scanner scanner;
  scanner.add_expression("needle[0-9]{3}", HS_FLAG_PREFILTER, 1);
  scanner.add_expression("(?R)x", HS_FLAG_PREFILTER, 2);
  scanner.seal();
  ASSERT_TRUE(scanner.compile());
  hs_scratch* space = nullptr;
  hs_alloc_scratch(scanner.database(), &space);
  const auto named = [&](const std::string& data) {
    std::set<std::uint32_t> out;
    scanner.scan(
        octets(data), space,
        [](void* p, std::uint32_t v) { static_cast<std::set<std::uint32_t>*>(p)->insert(v); },
        &out);
    return out;
  };
  EXPECT_EQ(named("nothing of it"), (std::set<std::uint32_t>{2}));
  EXPECT_EQ(named("a needle123"), (std::set<std::uint32_t>{1, 2}));
  hs_free_scratch(space);
}

TEST(Gates, AreOnlyForRulesThatAreNamedOften) {
  const auto scanners = [](const std::string& body) {
    Rules rules("alert tcp any any -> any any (" + body + " sid:1;)\n");
    EXPECT_EQ(rules.errors(), "");
    auto names = rules.engine->scanner_names();
    std::erase_if(names, [](const auto& n) { return n.find("expression") == std::string::npos; });
    return names;
  };
  EXPECT_EQ(scanners("pcre:\"/[0-9]{4} [0-9]{4} [0-9]{4}/\";"),
            List{"payload expressions, piecewise"});
  EXPECT_EQ(scanners("pcre:\"/[0-9]+ +[0-9]{9}/\";"), List{"payload expressions"});
  EXPECT_EQ(scanners("content:\"ab\"; pcre:\"/[0-9]{4} [0-9]{4}/R\";").size(), 1U);
  EXPECT_EQ(scanners("content:\"something rare\"; pcre:\"/[0-9]{4} [0-9]{4}/R\";"), List{});
  EXPECT_EQ(scanners("content:\"ab\"; pcre:!\"/[0-9]{4} [0-9]{4}/R\";"), List{});
  EXPECT_EQ(scanners("pcre:\"/[^a]+b/\";"), List{}) << "too narrow to tell anything";
  EXPECT_EQ(scanners("content:\"ab\"; pcre:\"/(?<=x)[0-9]{4} [0-9]{4}/R\";"), List{});
}

}  // namespace
}  // namespace ww::sig::test
