/// `wardwatchctl rules update`: rule sources to the rules file that sensors read.

#include <cstdio>
#include <memory>

#include "ctl/commands/command.hpp"
#include "ctl/commands/rules_tools.hpp"
#include "rules/sources/update.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::ctl {
namespace {

struct UpdateArguments {
  std::string config;
  bool dry_run = false, json = false;
};

struct Counts {
  std::size_t added = 0, removed = 0, changed = 0, enabled = 0, disabled = 0;
};

Counts count(const std::vector<sig::RuleChange>& changes) {
  Counts n;
  for (const auto& c : changes) {
    using K = sig::RuleChange::Kind;
    n.added += c.kind == K::added;
    n.removed += c.kind == K::removed;
    if (c.kind != K::changed) continue;
    n.changed += !c.options.empty() || c.old_rev != c.new_rev;
    n.enabled += c.is_enabled && !c.was_enabled;
    n.disabled += c.was_enabled && !c.is_enabled;
  }
  return n;
}

void print_refused(const std::vector<sig::RuleProblem>& refused) {
  constexpr std::size_t shown = 20;
  for (std::size_t i = 0; i < refused.size() && i < shown; ++i)
    std::fprintf(stderr, "wardwatchctl: sid %u refused: %s\n", refused[i].sid,
                 refused[i].what.c_str());
  if (refused.size() > shown)
    std::fprintf(stderr, "wardwatchctl: ... and %zu more\n", refused.size() - shown);
}

void print_json(const sources::UpdateReport& r) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("output", r.output);
  json.field("replaced", r.replaced);
  if (r.kept_previous) json.field("previous", r.previous);
  json.field("rules", r.rules);
  json.field("active", r.active);
  json.begin_array("sources");
  for (const auto& s : r.sources) {
    json.begin_object();
    json.field("name", s.name);
    json.field("files", s.files);
    json.field("rules", s.rules);
    if (!s.verified.empty()) json.field("verified", s.verified);
    json.end_object();
  }
  json.end_array();
  json.field("duplicates", r.edits.duplicates);
  json.field("disabled", r.edits.disabled);
  json.field("enabled", r.edits.enabled);
  json.field("dropped", r.edits.dropped);
  json.field("modified", r.edits.modified);
  json.field("enabled_for_flowbits", r.edits.for_flowbits);
  json.begin_array("failed_edits");
  for (const auto& id : r.edits.failed_edits) json.value(id);
  json.end_array();
  json.begin_array("refused");
  for (const auto& p : r.refused) {
    json.begin_object();
    json.field("sid", p.sid);
    json.field("error", p.what);
    json.end_object();
  }
  json.end_array();
  const auto n = count(r.changes);
  json.begin_object("changes");
  json.field("added", n.added);
  json.field("removed", n.removed);
  json.field("changed", n.changed);
  json.field("enabled", n.enabled);
  json.field("disabled", n.disabled);
  json.end_object();
  json.begin_array("warnings");
  for (const auto& w : r.warnings) json.value(w);
  json.end_array();
  json.end_object();
  std::puts(out.c_str());
}

void print(const sources::UpdateReport& r, const UpdateArguments& o, const Context& context) {
  Table table({"source", "files", "rules", "verified"});
  for (const auto& s : r.sources)
    table.add({s.name, std::to_string(s.files), std::to_string(s.rules),
               s.verified.empty() ? "no" : s.verified});
  table.print(context);
  if (context.output != Output::table) return;
  const auto& e = r.edits;
  std::printf(
      "\n%zu rules, %zu active; %zu duplicates left out\nlists: %zu disabled, %zu enabled, %zu "
      "dropped, %zu modified; %zu enabled for their flowbits\n",
      r.rules, r.active, e.duplicates, e.disabled, e.enabled, e.dropped, e.modified,
      e.for_flowbits);
  const auto n = count(r.changes);
  std::printf("against %s: %zu added, %zu removed, %zu changed, %zu enabled, %zu disabled\n",
              r.output.c_str(), n.added, n.removed, n.changed, n.enabled, n.disabled);
  if (r.kept_previous)
    std::printf("replaced; the rules before are in %s\n", r.previous.c_str());
  else if (r.replaced)
    std::printf("written\n");
  else
    std::printf(o.dry_run ? "nothing was replaced (--dry-run)\n" : "nothing to replace\n");
}

void update(const UpdateArguments& o, Context& context) {
  const auto config = sources::load_config(o.config);
  if (!config) throw Failure{Exit::usage, config.error()};
  const auto report = sources::update(
      *config, sources::http_fetch(config->max_download, config->timeout_seconds), o.dry_run);
  if (!report) {
    print_refused(report.error().refused);
    throw Failure{report.error().unreachable ? Exit::unreachable : Exit::failed,
                  report.error().problem};
  }
  for (const auto& w : report->warnings) std::fprintf(stderr, "wardwatchctl: %s\n", w.c_str());
  for (const auto& id : report->edits.failed_edits)
    std::fprintf(stderr,
                 "wardwatchctl: rule %s: the edit leaves no valid rule; it stays as it was\n",
                 id.c_str());
  print_refused(report->refused);
  if (o.json || context.output == Output::json)
    print_json(*report);
  else
    print(*report, o, context);
}

}  // namespace

void setup_rules_update(cli::Command group, Context& context) {
  auto command =
      group.add_command("update", "fetch rule sources, apply lists, check, replace the rules");
  auto options = std::make_shared<UpdateArguments>();
  command.add_option("--config,-c", options->config, "sources and lists (YAML)").required();
  command.add_flag("--dry-run", options->dry_run, "everything but the replacement");
  command.add_flag("--json", options->json, "machine-readable");
  command.callback([options, &context] { update(*options, context); });
}

}  // namespace ww::ctl
