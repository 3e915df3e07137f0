/// What matching reports of itself, and what it leaves alone.
#include "rules/signature/profile.hpp"

#include "tests/rules/signature/fixture.hpp"
#include "tests/temp_folder.hpp"

namespace ww::sig::test {
namespace {

TEST(MatchProfile, CountsChecksMatchesAndScans) {
  Rules rules(
      "alert udp any any -> any any (content:\"apple\"; sid:1;)\n"
      "alert udp any any -> any any (content:\"apple\"; content:\"pear\"; sid:2;)\n"
      "alert udp any any -> any any (content:\"quince\"; sid:3;)\n");
  ASSERT_EQ(rules.errors(), "");
  MatchProfile profile;
  rules.matcher->set_profile(&profile);
  Wire wire;
  (void)rules.matcher->inspect(wire.make("an apple a day"), {});
  (void)rules.matcher->inspect(wire.make("nothing"), {});
  ASSERT_EQ(profile.rules.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto sid = rules.engine->rule(i).sid;
    EXPECT_EQ(profile.rules[i].checks, sid == 3 ? 0U : profile.rules[i].checks);
    if (sid == 1) {
      EXPECT_EQ(profile.rules[i].checks, 1U);
    }
    EXPECT_EQ(profile.rules[i].matches, sid == 1 ? 1U : 0U);
  }
  std::uint64_t calls = 0, octets_seen = 0;
  for (const auto& s : profile.scans) {
    calls += s.calls;
    octets_seen += s.octets;
  }
  EXPECT_EQ(calls, 2U);
  EXPECT_EQ(octets_seen, 14U + 7U);
  EXPECT_EQ(rules.engine->scanner_names().size(), profile.scans.size());

  const auto before = profile.rules[0].checks + profile.rules[1].checks + profile.rules[2].checks;
  rules.matcher->set_profile(nullptr);
  (void)rules.matcher->inspect(wire.make("an apple a day"), {});
  EXPECT_EQ(profile.rules[0].checks + profile.rules[1].checks + profile.rules[2].checks, before);
}

TEST(Matcher, LooksAtNoEncryptedPayload) {
  Rules rules(
      "alert tcp any any -> any any (content:\"secret\"; sid:1;)\n"
      "alert tcp-pkt any any -> any any (content:\"sec\"; depth:3; sid:2;)\n"
      "alert tcp any any -> any any (ttl:64; sid:3;)\n");
  ASSERT_EQ(rules.errors(), "");
  Wire wire(6);
  const std::string payload = "secret";  // packets borrow it
  auto& open = wire.make(payload);
  EXPECT_EQ(sids(rules.matcher->inspect(open, {})), (Sids{1, 2, 3}));
  auto& closed = wire.make(payload);
  closed.no_payload = true;
  EXPECT_EQ(sids(rules.matcher->inspect(closed, {})), (Sids{3}));
}

TEST(RuleInfo, ReadsMetadataAndReferencesFromTheRule) {
  Rules rules(
      "alert udp any any -> any any (msg:\"x\"; content:\"a1\"; metadata:created 2026, tag a, tag "
      "b; "
      "metadata:policy strict; reference:CVE,2026-1; reference:url,example.org/a,b; sid:9;)\n");
  ASSERT_EQ(rules.errors(), "");
  const auto& info = rules.engine->rule(0);
  const auto metadata = info.metadata();
  ASSERT_EQ(metadata.size(), 3U);
  EXPECT_EQ(metadata[0].first, "created");
  EXPECT_EQ(metadata[1].first, "tag");
  EXPECT_EQ(metadata[1].second, (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(metadata[2].second, (std::vector<std::string_view>{"strict"}));
  const auto references = info.references();
  ASSERT_EQ(references.size(), 2U);
  EXPECT_EQ(references[0].first, "cve");
  EXPECT_EQ(references[0].second, "2026-1");
  EXPECT_EQ(references[1].second, "example.org/a,b");
  EXPECT_EQ(info.links(),
            (std::vector<std::string>{"https://cve.mitre.org/cgi-bin/cvename.cgi?name=2026-1",
                                      "https://example.org/a,b"}));
}

TEST(RuleInfo, ReferenceSystemsMayBeGiven) {
  const ww::test::TempFolder folder;
  EngineOptions options;
  options.reference_file = folder.write("reference.config",
                                        "# a comment\n"
                                        "config reference: Trust\t https://trust.example/\n"
                                        "config reference: broken\n");
  const auto rules = folder.write(
      "x.rules",
      "alert udp any any -> any any (msg:\"x\"; reference:trust,7; reference:other,9; sid:1;)\n");
  LoadReport report;
  const auto engine = Engine::load({rules}, options, report);
  ASSERT_TRUE(engine);
  EXPECT_EQ((*engine)->rule(0).links(), (std::vector<std::string>{"https://trust.example/7", "9"}));
}

}  // namespace
}  // namespace ww::sig::test
