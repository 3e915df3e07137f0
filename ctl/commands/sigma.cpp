/// `wardwatchctl sigma check|eval`: load Sigma rules and say what is refused; run them over events
/// from a file.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ctl/commands/command.hpp"
#include "rules/sigma/placeholders.hpp"
#include "rules/sigma/sigma.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::ctl {
namespace {

struct Options {
  std::vector<std::string> rules, pipelines;
  std::string events, placeholders, explain;
  bool json = false, all_sources = false;
};

constexpr std::size_t batch_events = 1024;
constexpr std::size_t longest_event = 64 << 20;
constexpr std::size_t first_block = 256 << 10;  // small enough that what was read is still near
constexpr std::size_t spare = 64;               // octets behind a line that the reader may look at

std::shared_ptr<const sigma::Engine> load(const Options& options, sigma::LoadReport& report) {
  sigma::LoadOptions load_options;
  load_options.pipelines = options.pipelines;
  load_options.route_by_logsource = !options.all_sources;
  if (!options.placeholders.empty()) {
    auto values = sigma::read_placeholders(options.placeholders);
    if (!values) throw Failure{Exit::usage, values.error()};
    load_options.placeholders = std::move(*values);
  }
  auto engine = sigma::Engine::load(options.rules, load_options, report);
  if (!engine) throw Failure{Exit::usage, engine.error()};
  if (report.loaded == 0 && report.refused == 0)
    throw Failure{Exit::usage,
                  {"no Sigma rules are found", options.rules.front(),
                   "name files, or folders that hold *.yml or *.yaml"}};
  return std::move(*engine);
}

void print_errors(const std::vector<sigma::LoadError>& errors, const char* kind) {
  for (const auto& e : errors)
    std::fprintf(stderr, "%s%s%s: %s%s\n", e.file.c_str(), e.line == 0 ? "" : ":",
                 e.line == 0 ? "" : std::to_string(e.line).c_str(), kind, e.error.c_str());
}

void check(const Options& options, Context& context) {
  sigma::LoadReport report;
  const auto engine = load(options, report);
  if (options.json || context.output == Output::json) {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    w.field("loaded", report.loaded);
    w.field("refused", report.refused);
    for (const auto* list : {&report.errors, &report.warnings}) {
      w.begin_array(list == &report.errors ? "errors" : "warnings");
      for (const auto& e : *list) {
        w.begin_object();
        w.field("file", e.file);
        w.field("line", e.line);
        w.field(list == &report.errors ? "error" : "warning", e.error);
        w.end_object();
      }
      w.end_array();
    }
    w.end_object();
    std::printf("%s\n", out.c_str());
    return;
  }
  print_errors(report.errors, "");
  print_errors(report.warnings, "warning: ");
  std::printf("%u loaded, %u refused\n", report.loaded, report.refused);
  if (report.refused != 0) context.exit = Exit::failed;
}

constexpr const char* level_names[] = {"informational", "low", "medium", "high", "critical"};

void write_rule(JsonWriter& w, const sigma::RuleInfo& rule) {
  w.begin_object("rule");
  w.field("id", rule.id);
  w.field("title", rule.title);
  w.field("level", level_names[static_cast<int>(rule.level)]);
  w.end_object();
}

/// Evaluates batch after batch and prints as it goes.
class Run {
 public:
  Run(std::shared_ptr<const sigma::Engine> engine, const Options& options)
      : evaluator_(sigma::Evaluator::create(engine)),
        correlator_(sigma::Correlator::create(engine, {})),
        options_(options) {}

  /// @param text  borrowed until the next flush()
  void line(std::string_view text) {
    views_.push_back(text);
    if (views_.size() >= batch_events) flush();
  }

  void flush() {
    for (const auto& match : evaluator_->evaluate(views_, spare)) {
      const auto index = first_ + match.event_index;
      if (!match.rule->silent) print(match, index);
      if (!match.rule->feeds) continue;
      fired_.clear();
      correlator_->add(match, views_[match.event_index], std::to_string(index), fired_);
      for (const auto& c : fired_)
        if (!c.rule->silent) print(c);
    }
    first_ += views_.size();
    views_.clear();
    std::fwrite(out_.data(), 1, out_.size(), stdout);
    out_.clear();
  }

  [[nodiscard]] std::uint64_t unparsable() const { return evaluator_->unparsable(); }

 private:
  void print(const sigma::Match& match, std::size_t index) {
    JsonWriter w(out_);
    w.begin_object();
    write_rule(w, *match.rule);
    w.field("event_index", index);
    if (!options_.explain.empty() &&
        (options_.explain == "all" || options_.explain == match.rule->id)) {
      w.key("explanation");
      explanation_.clear();
      JsonWriter inner(explanation_);
      evaluator_->explain(match.rule->index, views_[match.event_index], inner);
      w.raw(explanation_);
    }
    w.end_object();
    out_ += '\n';
  }

  void print(const sigma::CorrelationMatch& c) {
    JsonWriter w(out_);
    w.begin_object();
    write_rule(w, *c.rule);
    w.begin_object("correlation");
    w.field("first", rfc3339(c.first));
    w.field("last", rfc3339(c.last));
    w.field("value", c.value);
    w.begin_object("group");
    for (const auto& [field, value] : c.group) {
      w.key_text(field);
      w.value(value);
    }
    w.end_object();
    w.end_object();
    w.begin_array("event_indexes");
    for (const auto& id : c.event_ids) w.raw(id);
    w.end_array();
    w.end_object();
    out_ += '\n';
  }

  std::unique_ptr<sigma::Evaluator> evaluator_;
  std::unique_ptr<sigma::Correlator> correlator_;
  const Options& options_;
  std::vector<std::string_view> views_;
  std::vector<sigma::CorrelationMatch> fired_;
  std::size_t first_ = 0;
  std::string out_, explanation_;
};

/// Hands every line of a file to `run`, in place: a line is a piece of the block that was read.
void read_lines(int file, const std::string& name, Run& run) {
  std::vector<char> block(first_block + spare);
  std::size_t have = 0;
  bool dropping = false;  // in a line that is too long; it counts as one that is no event
  const auto hand_over = [&](std::string_view line) {
    if (dropping) line = {};
    dropping = false;
    if (line.ends_with('\r')) line.remove_suffix(1);
    run.line(line);
  };
  for (;;) {
    const auto n = ::read(file, block.data() + have, block.size() - spare - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Failure{Exit::usage, {std::strerror(errno), name, "check the path of the events"}};
    have += static_cast<std::size_t>(n);
    const std::string_view text(block.data(), have);
    std::size_t at = 0;
    for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', at)) {
      hand_over(text.substr(at, end - at));
      at = end + 1;
    }
    if (n == 0 && (at < have || dropping)) hand_over(text.substr(at));
    run.flush();
    if (n == 0) return;
    have -= at;
    std::memmove(block.data(), block.data() + at, have);
    if (have < block.size() - spare) continue;
    if (block.size() < longest_event) {
      block.resize(block.size() * 2);
    } else {
      dropping = true;
      have = 0;
    }
  }
}

void eval(const Options& options, Context&) {
  sigma::LoadReport report;
  Run run(load(options, report), options);
  print_errors(report.errors, "refused: ");
  const int file =
      options.events == "-" ? STDIN_FILENO : ::open(options.events.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    throw Failure{Exit::usage, {"cannot be read", options.events, "check the path of the events"}};
  read_lines(file, options.events, run);
  if (file != STDIN_FILENO) ::close(file);
  if (run.unparsable() != 0)
    std::fprintf(stderr, "%llu lines are not JSON objects\n",
                 static_cast<unsigned long long>(run.unparsable()));
}

void setup(cli::Command group, Context& context) {
  group.require_command();
  auto options = std::make_shared<Options>();
  const auto common = [&](cli::Command app) {
    app.add_option("--rules,-r", options->rules, "rule files and folders (*.yml, *.yaml)")
        .required();
    app.add_option("--pipeline,-p", options->pipelines,
                   "processing pipelines, applied in this order");
    app.add_option("--placeholders", options->placeholders,
                   "YAML map from placeholder name to values, for |expand");
    app.add_flag("--all-sources", options->all_sources,
                 "try every rule on every event, whatever its log source");
  };
  auto check_app = group.add_command("check", "load rules and say what is refused");
  common(check_app);
  check_app.add_flag("--json", options->json, "one JSON object instead of lines");
  check_app.callback([options, &context] { check(*options, context); });
  auto eval_app = group.add_command("eval", "run rules over events, one JSON object a line");
  common(eval_app);
  eval_app.add_option("--events,-e", options->events, "file of events, or - for standard input")
      .required();
  eval_app.add_option("--explain", options->explain, "add why: the id of a rule, or all");
  eval_app.callback([options, &context] { eval(*options, context); });
}

const Registration registration{{"sigma", "Sigma rules: check, eval", &setup}};

}  // namespace
}  // namespace ww::ctl
