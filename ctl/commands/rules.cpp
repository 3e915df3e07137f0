/// `wardwatchctl rules`: offline work on signatures: check, keywords.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "ctl/commands/command.hpp"
#include "ctl/commands/rules_tools.hpp"
#include "rules/signature/engine.hpp"
#include "rules/signature/keyword.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::ctl {
namespace {

const char* severity_name(sig::RuleProblem::Severity s) {
  switch (s) {
    case sig::RuleProblem::Severity::error:
      return "error";
    case sig::RuleProblem::Severity::warning:
      return "warning";
    case sig::RuleProblem::Severity::performance:
      return "performance";
  }
  return "error";
}

// --------------------------------------------------------------------------- check

struct CheckOptions {
  std::vector<std::string> paths, vars;
  std::string classification, threshold, cache;
  bool json = false, quiet = false;
};

/// The folder of the first rule file, where its classification.config is looked for, as a sensor
/// does. A path that stands for no rules at all is a mistake.
std::filesystem::path rules_folder(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  for (const auto& path : paths) {
    std::error_code ec;
    if (!fs::exists(path, ec))
      throw Failure{Exit::usage,
                    {"no such rule file or folder", path, "check the path and its permissions"}};
    if (!fs::is_directory(path, ec)) continue;
    const auto is_rules = [](const auto& e) { return e.path().extension() == ".rules"; };
    if (std::none_of(fs::directory_iterator(path, ec), fs::directory_iterator(), is_rules))
      throw Failure{
          Exit::usage,
          {"no *.rules in the folder", path, "name the folder that holds the rule files"}};
  }
  if (paths.empty()) return {};
  const fs::path first = paths.front();
  return fs::is_directory(first) ? first : first.parent_path();
}

Exit check(const CheckOptions& o) {
  sig::EngineOptions options;
  const auto folder = rules_folder(o.paths);
  options.base_folder = folder.string();
  options.classification_file = o.classification;
  if (const auto beside = folder / "classification.config";
      o.classification.empty() && std::filesystem::exists(beside))
    options.classification_file = beside.string();
  options.threshold_file = o.threshold;
  options.cache_folder = o.cache;
  for (const auto& v : o.vars) {
    const auto eq = v.find('=');
    if (eq == std::string::npos)
      throw Failure{Exit::usage,
                    {"--var '" + v + "' is not NAME=VALUE", "", "write --var HOME_NET=10.0.0.0/8"}};
    const auto name = v.substr(0, eq);
    (name.ends_with("_PORTS") ? options.port_vars : options.address_vars)[name] = v.substr(eq + 1);
  }
  sig::LoadReport report;
  const auto engine = sig::Engine::load(o.paths, options, report);
  if (!engine) throw Failure{Exit::failed, engine.error()};
  if (o.json) {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    json.field("loaded", report.loaded);
    json.field("refused", report.refused);
    for (const auto& [key, severity] : {std::pair{"errors", sig::RuleProblem::Severity::error},
                                        {"warnings", sig::RuleProblem::Severity::warning},
                                        {"performance", sig::RuleProblem::Severity::performance}}) {
      json.begin_array(key);
      for (const auto& p : report.problems) {
        if (p.severity != severity) continue;
        json.begin_object();
        json.field("file", p.file);
        json.field("line", p.line);
        json.field("column", p.column);
        json.field("sid", p.sid);
        json.field("error", p.what);
        json.end_object();
      }
      json.end_array();
    }
    json.end_object();
    std::puts(out.c_str());
  } else {
    for (const auto& p : report.problems) {
      if (o.quiet && p.severity != sig::RuleProblem::Severity::error) continue;
      std::printf("%s:%u:%u: %s: ", p.file.c_str(), p.line, p.column, severity_name(p.severity));
      if (p.sid) std::printf("sid %u: ", p.sid);
      std::printf("%s\n", p.what.c_str());
    }
    const auto f = (*engine)->figures();
    std::printf(
        "%u rules loaded, %u refused; %zu fast patterns in %zu databases (%zu KiB), %zu rules "
        "without one%s\n",
        report.loaded, report.refused, f.patterns, f.databases, f.database_octets / 1024,
        f.without_fast_pattern, f.from_cache ? "; databases from the cache" : "");
  }
  bool failed = report.refused > 0;
  for (const auto& p : report.problems) failed |= p.severity == sig::RuleProblem::Severity::error;
  return failed ? Exit::failed : Exit::done;
}

// --------------------------------------------------------------------------- keywords

std::string escape_cell(std::string_view s) {
  std::string out;
  for (const char c : s) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

void markdown() {
  std::map<std::string, std::vector<const sig::Keyword*>> groups;
  std::size_t n = 0;
  for (const auto* k : sig::keyword_list()) {
    groups[k->group].push_back(k);
    ++n;
  }
  std::printf(
      "# Rule keywords\n\n<!-- Made by `wardwatchctl rules keywords --markdown`; edit the "
      "keyword's file, not this page. -->\n\n"
      "%zu keywords of the Suricata 8 rule language. A rule is\n"
      "`action protocol source port -> destination port (options)`; `<>` matches both ways, `=>` "
      "matches a request and its\n"
      "response together. `wardwatchctl rules check PATH` says what is wrong with a rule and "
      "where.\n",
      n);
  for (const auto& [group, list] : groups) {
    std::printf("\n## %s\n\n| keyword | what | example |\n| --- | --- | --- |\n", group.c_str());
    for (const auto* k : list) {
      std::string name = "`" + k->name + "`";
      for (const auto& a : k->aliases) name += ", `" + a + "`";
      std::string what = k->refused.empty() ? k->summary : "refused: " + k->refused;
      if (k->multi) what += " (repeats)";
      if (!k->notes.empty()) what += ". " + k->notes;
      std::printf("| %s | %s | %s |\n", name.c_str(), escape_cell(what).c_str(),
                  k->example.empty() ? "" : ("`" + escape_cell(k->example) + "`").c_str());
    }
  }
}

void setup(cli::Command group, Context& context) {
  auto check_command =
      group.add_command("check", "load rule files and say what is refused, and why");
  auto options = std::make_shared<CheckOptions>();
  check_command.add_option("paths", options->paths, "rule files or folders").required();
  check_command.add_option("--var", options->vars, "address or port variable, NAME=VALUE");
  check_command.add_option("--classification", options->classification, "classification.config");
  check_command.add_option("--threshold", options->threshold, "threshold.config");
  check_command.add_option("--cache", options->cache, "folder of compiled databases");
  check_command.add_flag("--json", options->json, "machine-readable");
  check_command.add_flag("--errors", options->quiet, "errors only");
  check_command.callback([options, &context] {
    options->json |= context.output == Output::json;
    context.exit = check(*options);
  });

  auto list = group.add_command("keywords", "keywords of the rule language");
  auto as_markdown = std::make_shared<bool>(false);
  list.add_flag("--markdown", *as_markdown, "the page docs/rules.md");
  list.callback([as_markdown, &context] {
    if (*as_markdown) return markdown();
    Table table({"keyword", "group", "what", "example"});
    for (const auto* k : sig::keyword_list())
      table.add({k->name, k->group, k->refused.empty() ? k->summary : "refused: " + k->refused,
                 k->example});
    table.print(context);
  });

  setup_rules_profile(group, context);
  setup_rules_explain(group, context);
  setup_rules_diff(group, context);
  setup_rules_update(group, context);
}

const Registration registration{
    {"rules", "signatures: check, explain, profile, diff, update, keywords", &setup}};

}  // namespace
}  // namespace ww::ctl
