#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "playbooks/json_text.hpp"
#include "playbooks/library.hpp"
#include "tests/playbooks/made.hpp"

namespace ww::playbooks {
namespace {
using namespace made;  // NOLINT
using ::testing::HasSubstr;

json::object& step(json::object& p, const std::string& type, int n) {
  return p["workflow"].get_object()[id(type, n)].get_object();
}

TEST(CacaoLoad, TakesTheSmallest) {
  const auto p = loaded(smallest());
  ASSERT_TRUE(p.has_value()) << text(p.error());
  EXPECT_EQ((*p)->steps.size(), 3U);
  EXPECT_EQ((*p)->sha256.size(), 64U);
  EXPECT_EQ(reading_order(**p).size(), 3U);
}

TEST(CacaoLoad, NamesWhatIsMissingOrWrong) {
  const auto broken = [](auto change) {
    auto p = smallest();
    change(p);
    return findings(p);
  };
  EXPECT_THAT(broken([](auto& p) { p.erase("name"); }), HasSubstr("name: is missing"));
  EXPECT_THAT(broken([](auto& p) { p["spec_version"] = "1.1"; }), HasSubstr("cacao-2.0"));
  EXPECT_THAT(broken([](auto& p) { p["type"] = "bundle"; }), HasSubstr("type"));
  EXPECT_THAT(broken([](auto& p) { p["id"] = "playbook--1"; }), HasSubstr("id"));
  EXPECT_THAT(broken([](auto& p) { p["created_by"] = id("playbook", 1); }),
              HasSubstr("created_by"));
  EXPECT_THAT(broken([](auto& p) { p["created"] = "2026-01-01T00:00:00Z"; }),
              HasSubstr("millisecond"));
  EXPECT_THAT(broken([](auto& p) { p["modified"] = "2025-01-01T00:00:00.000Z"; }),
              HasSubstr("before created"));
  EXPECT_THAT(broken([](auto& p) { p["created"] = "yesterday"; }), HasSubstr("created"));
  EXPECT_THAT(broken([](auto& p) { p["severity"] = 101; }), HasSubstr("severity"));
  EXPECT_THAT(broken([](auto& p) { p["surprise"] = 1; }), HasSubstr("surprise"));
  EXPECT_THAT(broken([](auto& p) { p["playbook_types"] = json::array{"attack"}; }),
              HasSubstr("playbook_activities"));
  EXPECT_THAT(broken([](auto& p) {
                p["valid_from"] = "2026-02-01T00:00:00Z";
                p["valid_until"] = "2026-01-01T00:00:00Z";
              }),
              HasSubstr("valid_until"));
  EXPECT_THAT(broken([](auto& p) { step(p, "action", 2)["agent"] = id("individual", 7); }),
              HasSubstr("agent"));
  EXPECT_THAT(
      broken([](auto& p) { step(p, "action", 2)["targets"] = json::array{id("linux", 7)}; }),
      HasSubstr("target"));
  EXPECT_THAT(broken([](auto& p) { step(p, "action", 2).erase("commands"); }),
              HasSubstr("commands"));
  EXPECT_THAT(broken([](auto& p) { step(p, "action", 2)["on_success"] = id("end", 3); }),
              HasSubstr("on_completion excludes"));
  EXPECT_THAT(broken([](auto& p) { step(p, "end", 3)["on_completion"] = id("action", 2); }),
              HasSubstr("end"));
  EXPECT_THAT(broken([](auto& p) { step(p, "action", 2)["timeout"] = -1; }), HasSubstr("timeout"));
  EXPECT_THAT(broken([](auto& p) { p["playbook_variables"] = {{"name", {{"type", "string"}}}}; }),
              HasSubstr("__name__"));
  EXPECT_EQ(findings(smallest()), "");
}

TEST(CacaoLoad, RefusesReferencesToNothing) {
  auto p = smallest();
  step(p, "action", 2)["on_completion"] = id("end", 77);
  EXPECT_THAT(findings(p), HasSubstr("names a step that is not there"));
  p = smallest();
  p["workflow_start"] = id("action", 2);
  EXPECT_THAT(findings(p), HasSubstr("must be a step of type start"));
  p = smallest();
  p["workflow_exception"] = id("action", 55);
  EXPECT_THAT(findings(p), HasSubstr("workflow_exception"));
}

TEST(CacaoLoad, RefusesStepsNobodyReaches) {
  auto p = smallest();
  p["workflow"].get_object()[id("action", 9)] = action("lost", id("end", 3));
  EXPECT_THAT(findings(p), HasSubstr("nothing leads to this step"));
}

TEST(CacaoLoad, OnlyWhileMayRepeat) {
  auto p = playbook({{id("start", 1), start(id("action", 2))},
                     {id("action", 2), action("a", id("action", 4))},
                     {id("action", 4), action("b", id("action", 2))},
                     {id("end", 3), end()}});
  p["workflow_exception"] = id("end", 3);
  EXPECT_THAT(findings(p), HasSubstr("only a while-condition may repeat"));
  // The same shape as a while, with the body leading back or ending by itself, is good.
  for (const bool back : {true, false}) {
    auto w = playbook({{id("start", 1), start(id("while-condition", 5))},
                       {id("while-condition", 5),
                        {{"type", "while-condition"},
                         {"condition", "__more__:value = true"},
                         {"on_true", id("action", 2)},
                         {"on_completion", id("end", 3)}}},
                       {id("action", 2), action("again", back ? id("while-condition", 5) : "")},
                       {id("end", 3), end()}},
                      {{"__more__", {{"type", "bool"}, {"value", "true"}}}});
    EXPECT_EQ(findings(w), "");
  }
}

TEST(CacaoLoad, ConditionsAreReadAtOnce) {
  const auto with = [](const char* condition) {
    return findings(playbook({{id("start", 1), start(id("if-condition", 5))},
                              {id("if-condition", 5),
                               {{"type", "if-condition"},
                                {"condition", condition},
                                {"on_true", id("action", 2)},
                                {"on_false", id("end", 3)}}},
                              {id("action", 2), action("a", id("end", 3))},
                              {id("end", 3), end()}},
                             {{"__x__", {{"type", "string"}, {"value", "1"}}}}));
  };
  EXPECT_EQ(with("__x__:value = '1'"), "");
  EXPECT_THAT(with("__x__:value = "), HasSubstr("octet"));
  EXPECT_THAT(with("__y__:value = '1'"), HasSubstr("not declared"));
  EXPECT_THAT(with("[a:b = 1] FOLLOWEDBY [a:c = 2]"), HasSubstr("time"));
}

TEST(CacaoLoad, StepIdsAreVersionFourOfTheirType) {
  auto p = smallest();
  auto& workflow = p["workflow"].get_object();
  const std::string v1 = "action--00000000-0000-1000-8000-000000000002";
  workflow[v1] = workflow[id("action", 2)];
  workflow.erase(id("action", 2));
  workflow[id("start", 1)].get_object()["on_completion"] = v1;
  EXPECT_THAT(findings(p), HasSubstr("version 4"));
}

TEST(CacaoLoad, OneUuidIsOneObject) {
  auto p = smallest();
  p["id"] = id("playbook", 2);
  EXPECT_THAT(findings(p), HasSubstr("one UUID stands for two objects"));
}

TEST(CacaoLoad, IsBounded) {
  EXPECT_FALSE(load(std::string(3U << 20, ' ')).has_value());
  EXPECT_FALSE(load(std::string(5000, '[')).has_value());
  EXPECT_FALSE(load("{\"type\":\"playbook\"} trailing").has_value());
  EXPECT_FALSE(parse_json("{\"a\":1,\"a\":2}").has_value()) << "what is signed means one thing";
  EXPECT_TRUE(parse_json(std::string(20, '[') + std::string(20, ']')).has_value());
  EXPECT_FALSE(parse_json(std::string(40, '[') + std::string(40, ']')).has_value());
  json::object steps;
  for (int i = 0; i < 600; ++i) steps[id("action", i)] = action("x", "");
  EXPECT_THAT(findings(playbook(std::move(steps))), HasSubstr("at most 500"));
}

TEST(CanonicalJson, IsRfc8785) {
  // Values whose canonical form the RFC gives in section 3.2.2 and appendix B.
  EXPECT_EQ(canonical_json(*parse_json(
                R"({"b":1,"a":[1e21,333333333.33333329,1E30,4.50,2e-3,0.000001,1e-7,-0.0]})")),
            R"({"a":[1e+21,333333333.3333333,1e+30,4.5,0.002,0.000001,1e-7,0],"b":1})");
  EXPECT_EQ(canonical_json(*parse_json("{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,"
                                       "\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7}")),
            "{\"\\r\":2,\"1\":4,\"\xC2\x80\":6,\"\xC3\xB6\":7,\"\xE2\x82\xAC\":1,"
            "\"\xF0\x9F\x98\x80\":5,\"\xEF\xAC\xB3\":3}");
  EXPECT_EQ(canonical_json(*parse_json("\"\\u000f\\n\\u0041\\u0022\\\\/\"")),
            "\"\\u000f\\nA\\\"\\\\/\"");
}

TEST(ShippedLibrary, EveryPlaybookLoads) {
  std::size_t n = 0;
  TrustedKeys keys;
  const FolderLibrary library({WW_SOURCE_DIR "/playbooks/library"}, keys, false, {0});
  for (const auto& p : library.problems()) ADD_FAILURE() << p.file << "\n" << text(p.findings);
  for (const auto* e : library.newest()) {
    ++n;
    bool minutes = false;
    for (const auto& [key, s] : e->playbook->steps) minutes = minutes || s.hints.expected_minutes;
    EXPECT_TRUE(minutes) << e->playbook->name << ": no step says how long it should take";
    for (const auto& [key, s] : e->playbook->steps)
      if (s.type == StepType::playbook_action) {
        EXPECT_NE(library.find(s.playbook_id, ""), nullptr)
            << e->playbook->name << " calls what does not ship";
      }
  }
  EXPECT_GE(n, 10U);
}

}  // namespace
}  // namespace ww::playbooks
