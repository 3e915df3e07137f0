/// `wardwatchctl rules diff OLD NEW`: which rules came, went and changed, and what of them.

#include <cstdio>
#include <memory>

#include "ctl/commands/command.hpp"
#include "ctl/commands/rules_tools.hpp"
#include "rules/signature/rule_diff.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::ctl {
namespace {

struct DiffArguments {
  std::string before, after;
  bool json = false;
};

std::vector<sig::RuleLine> read(const std::string& path) {
  auto rules = sig::read_rule_files(path);
  if (!rules) throw Failure{Exit::usage, rules.error()};
  return std::move(*rules);
}

std::string revisions(const sig::RuleChange& c) {
  if (c.old_rev == c.new_rev) return std::to_string(c.new_rev);
  if (c.kind == sig::RuleChange::Kind::added) return std::to_string(c.new_rev);
  if (c.kind == sig::RuleChange::Kind::removed) return std::to_string(c.old_rev);
  return std::to_string(c.old_rev) + " -> " + std::to_string(c.new_rev);
}

std::string describe(const sig::OptionChange& o) {
  if (!o.before && !o.after) return o.keyword;
  const auto with = [&](const std::string& v) {
    return v.empty() ? o.keyword : o.keyword + ":" + v;
  };
  if (!o.before) return "+" + with(*o.after);
  if (!o.after) return "-" + with(*o.before);
  return o.keyword + ": " + *o.before + " -> " + *o.after;
}

void print_json(const std::vector<sig::RuleChange>& changes) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const auto& c : changes) {
    using K = sig::RuleChange::Kind;
    json.begin_object();
    json.field("gid", c.gid);
    json.field("sid", c.sid);
    json.field("change", c.kind == K::added     ? "added"
                         : c.kind == K::removed ? "removed"
                                                : "changed");
    if (c.kind != K::added) {
      json.field("old_rev", c.old_rev);
      json.field("old_enabled", c.was_enabled);
    }
    if (c.kind != K::removed) {
      json.field("new_rev", c.new_rev);
      json.field("new_enabled", c.is_enabled);
    }
    json.field("msg", c.msg);
    json.begin_array("options");
    for (const auto& o : c.options) {
      json.begin_object();
      json.field("keyword", o.keyword);
      if (o.before) json.field("before", *o.before);
      if (o.after) json.field("after", *o.after);
      json.end_object();
    }
    json.end_array();
    json.end_object();
  }
  json.end_array();
  std::puts(out.c_str());
}

void diff(const DiffArguments& o, const Context& context) {
  const auto changes = sig::diff_rules(read(o.before), read(o.after));
  if (o.json || context.output == Output::json) return print_json(changes);
  Table table({"sid", "change", "rev", "what", "msg"});
  std::size_t added = 0, removed = 0, changed = 0, enabled = 0, disabled = 0;
  for (const auto& c : changes) {
    using K = sig::RuleChange::Kind;
    added += c.kind == K::added;
    removed += c.kind == K::removed;
    if (c.kind == K::changed) {
      changed += !c.options.empty() || c.old_rev != c.new_rev;
      enabled += c.is_enabled && !c.was_enabled;
      disabled += c.was_enabled && !c.is_enabled;
    }
    std::string what;
    for (const auto& x : c.options) (what += what.empty() ? "" : "; ") += describe(x);
    table.add(
        {c.gid == 1 ? std::to_string(c.sid) : std::to_string(c.gid) + ":" + std::to_string(c.sid),
         c.summary(), revisions(c), what, c.msg});
  }
  table.print(context);
  if (context.output == Output::table)
    std::printf("\n%zu added, %zu removed, %zu changed, %zu enabled, %zu disabled\n", added,
                removed, changed, enabled, disabled);
}

}  // namespace

void setup_rules_diff(cli::Command group, Context& context) {
  auto command = group.add_command("diff", "what changed between two sets of rules");
  auto options = std::make_shared<DiffArguments>();
  command.add_option("old", options->before, "rule file or folder").required();
  command.add_option("new", options->after, "rule file or folder").required();
  command.add_flag("--json", options->json, "machine-readable");
  command.callback([options, &context] { diff(*options, context); });
}

}  // namespace ww::ctl
