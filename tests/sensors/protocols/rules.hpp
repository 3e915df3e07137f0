#pragma once
/// Rules over the transactions that a parser made.
#include <string>
#include <vector>

#include "rules/signature/engine.hpp"
#include "tests/sensors/protocols/driver.hpp"
#include "tests/temp_folder.hpp"

namespace ww::sensor::test {

struct SeenFlow final : sig::Flow {
  std::vector<sig::Transaction*> live;
  std::span<sig::Transaction* const> transactions() override { return live; }
};

/// Loads rules; what was refused is in `refused`, one a line.
class RuleCheck {
 public:
  explicit RuleCheck(const std::string& text) {
    const ww::test::TempFolder folder;
    sig::LoadReport report;
    auto loaded = sig::Engine::load({folder.write("test.rules", text)}, {}, report);
    for (const auto& p : report.problems)
      if (p.severity == sig::RuleProblem::Severity::error) refused += p.what + "\n";
    if (loaded) matcher_ = sig::Matcher::create(*loaded);
  }
  /// Numbers of the rules that match all that the parser holds, seen from one direction.
  [[nodiscard]] std::vector<std::uint32_t> match(const Driver& d, std::string_view protocol,
                                                 Dir dir) {
    SeenFlow flow;
    flow.src = *parse_ip("10.0.0.1");
    flow.dst = *parse_ip("192.0.2.1");
    flow.sport = 40000;
    flow.dport = 502;
    flow.ip_proto = d.ctx.flow().ip_proto;
    flow.app_proto = flow.app_proto_dir[0] = flow.app_proto_dir[1] =
        sig::app_protos().find(protocol);
    for (auto* t : d.parser().transactions()) flow.live.push_back(t);
    sig::Packet p;
    const std::string payload = "x";
    p.number = 1;
    p.ip_version = 4;
    p.ip_proto = flow.ip_proto;
    p.has_l4 = true;
    p.src = dir == Dir::to_server ? flow.src : flow.dst;
    p.dst = dir == Dir::to_server ? flow.dst : flow.src;
    p.sport = dir == Dir::to_server ? flow.sport : flow.dport;
    p.dport = dir == Dir::to_server ? flow.dport : flow.sport;
    p.payload = as_bytes(payload);
    p.flow = &flow;
    p.dir = dir;
    p.flow_established = p.in_stream = true;
    std::vector<std::uint32_t> out;
    for (const auto& a : matcher_->inspect(p, {})) out.push_back(a.rule->sid);
    return out;
  }
  std::string refused;

 private:
  std::unique_ptr<sig::Matcher> matcher_;
};

/// Whether a rule of these options matches what the parser holds, seen from one direction.
inline bool holds(const Driver& d, const std::string& protocol, Dir dir,
                  const std::string& options) {
  RuleCheck rules("alert " + protocol + " any any -> any any (" + options + "; sid:1;)\n");
  EXPECT_EQ(rules.refused, "") << options;
  for (auto* t : d.parser().transactions()) {  // no rule has seen them yet
    t->engine.reset();
    t->inspected_end[0] = t->inspected_end[1] = false;
  }
  return rules.refused.empty() && !rules.match(d, protocol, dir).empty();
}

}  // namespace ww::sensor::test
