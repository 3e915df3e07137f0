/// `wardwatchctl rules profile`: what each rule and each scanner costs on a capture.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>

#include "ctl/commands/command.hpp"
#include "ctl/commands/offline_replay.hpp"
#include "ctl/commands/rules_tools.hpp"
#include "rules/signature/profile.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

struct ProfileOptions {
  OfflineReplay replay;
  std::size_t top = 30;
  std::string sort = "ticks";
};

std::string fixed(double v, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, v);
  return text;
}

std::string visible(std::string_view octets) {
  std::string out;
  for (const char ch : octets.substr(0, 32)) {
    const auto c = static_cast<unsigned char>(ch);
    char hex[8];
    if (c >= 32 && c < 127) {
      out += ch;
    } else {
      std::snprintf(hex, sizeof hex, "|%02x|", c);
      out += hex;
    }
  }
  return out;
}

void profile(ProfileOptions& o, const Context& context) {
  sig::MatchProfile costs;
  const auto packets = o.replay.run([&](sig::Matcher& m) { m.set_profile(&costs); });
  const auto& engine = *o.replay.engine;
  std::uint64_t rule_ticks = 0, scan_ticks = 0;
  for (const auto& c : costs.rules) rule_ticks += c.ticks;
  for (const auto& c : costs.scans) scan_ticks += c.ticks;
  const auto total = static_cast<double>(std::max<std::uint64_t>(rule_ticks + scan_ticks, 1));

  std::vector<std::size_t> order(costs.rules.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t i) { return costs.rules[i].checks == 0; });
  const auto key = [&](std::size_t i) {
    const auto& c = costs.rules[i];
    return o.sort == "checks" ? c.checks : o.sort == "matches" ? c.matches : c.ticks;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key(a) > key(b); });
  const auto checked = order.size();
  order.resize(std::min(order.size(), o.top));
  Table rules(
      {"sid", "checks", "matches", "ticks", "ticks/check", "share %", "fast pattern", "msg"});
  for (const auto i : order) {
    const auto& c = costs.rules[i];
    const auto& info = engine.rule(i);
    rules.add({std::to_string(info.sid), std::to_string(c.checks), std::to_string(c.matches),
               std::to_string(c.ticks), std::to_string(c.ticks / c.checks),
               fixed(100.0 * static_cast<double>(c.ticks) / total, 1),
               visible(engine.fast_pattern(i)), info.msg});
  }
  rules.print(context);
  if (context.output != Output::table) return;

  const auto names = engine.scanner_names();
  std::vector<std::size_t> scans(costs.scans.size());
  std::iota(scans.begin(), scans.end(), std::size_t{0});
  std::erase_if(scans, [&](std::size_t i) { return costs.scans[i].calls == 0; });
  std::stable_sort(scans.begin(), scans.end(), [&](std::size_t a, std::size_t b) {
    return costs.scans[a].ticks > costs.scans[b].ticks;
  });
  Table scanners({"scanner", "calls", "octets", "ticks", "ticks/octet", "share %", "named"});
  for (const auto i : scans) {
    const auto& c = costs.scans[i];
    scanners.add({names[i], std::to_string(c.calls), std::to_string(c.octets),
                  std::to_string(c.ticks),
                  fixed(static_cast<double>(c.ticks) /
                            static_cast<double>(std::max<std::uint64_t>(c.octets, 1)),
                        2),
                  fixed(100.0 * static_cast<double>(c.ticks) / total, 1), std::to_string(c.named)});
  }
  std::printf("\n");
  scanners.print(context);
  std::printf(
      "\n%llu packets, %zu of %zu rules were checked; rules %.1f %%, scanners %.1f %% of the "
      "matching counted here\n",
      static_cast<unsigned long long>(packets), checked, engine.rule_count(),
      100.0 * static_cast<double>(rule_ticks) / total,
      100.0 * static_cast<double>(scan_ticks) / total);
}

}  // namespace

void setup_rules_profile(cli::Command group, Context& context) {
  auto command = group.add_command("profile", "what each rule and each scanner costs on a capture");
  auto options = std::make_shared<ProfileOptions>();
  options->replay.add_options(command);
  command.add_option("--top", options->top, "rows").show_default();
  command.add_option("--sort", options->sort, "ticks, checks or matches")
      .one_of({"ticks", "checks", "matches"})
      .show_default();
  command.callback([options, &context] { profile(*options, context); });
}

}  // namespace ww::ctl
