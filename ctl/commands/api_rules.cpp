/// `wardwatchctl detect`: rules as the collector runs them: their counters, exceptions, reload,
/// explanations, and back-testing a rule file on stored events.

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ctl/commands/client.hpp"
#include "ctl/commands/explanation.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;

json::value rule_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    throw Failure{Exit::usage, {"cannot be read", path.string(), "check the path of the rules"}};
  return json::object{{"name", path.string()}, {"text", text.str()}};
}

json::array rule_files(const std::vector<std::string>& paths) {
  json::array out;
  for (const auto& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      out.push_back(rule_file(path));
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.path().extension() == ".yml" || entry.path().extension() == ".yaml")
        out.push_back(rule_file(entry.path()));
  }
  return out;
}

void setup_backtest(cli::Command group, Context& context) {
  struct Options {
    std::vector<std::string> rules;
    std::string from = "24h", to;
    std::int64_t limit = 100;
  };
  auto o = std::make_shared<Options>();
  auto app = group.add_command("backtest", "what rules would have raised on stored events");
  app.add_option("--rules,-r", o->rules, "rule files and folders").required();
  app.add_option("--from", o->from, "a time, or how long back from now (24h)");
  app.add_option("--to", o->to, "a time; now when it is not given");
  app.add_option("--limit", o->limit, "matches listed (all are counted)").in_range(0, 10'000);
  app.callback([o, &context] {
    json::object body{
        {"rules", rule_files(o->rules)}, {"from", time_argument(o->from)}, {"limit", o->limit}};
    if (!o->to.empty()) body["to"] = time_argument(o->to);
    const auto answer = ApiClient(context).post("/api/v1/backtest", body);
    if (context.output == Output::json) return print_object(context, answer);
    const auto list = [&](std::string_view name) {
      const auto& items = answer.at(name).as_array();
      return std::vector<json::value>(items.begin(), items.end());
    };
    for (const auto& e : list("errors"))
      std::fprintf(stderr, "%s:%s: %s\n", text_of(e, "file").c_str(), text_of(e, "line").c_str(),
                   text_of(e, "error").c_str());
    std::fprintf(stderr, "%s events, %s matches%s\n", text_of(answer, "events").c_str(),
                 text_of(answer, "matches").c_str(),
                 text_of(answer, "stopped") == "true" ? "; stopped: narrow the range" : "");
    print_items(context, list("rules"),
                {{"matches", "matches"}, {"rule", "rule"}, {"title", "title"}});
    print_items(context, list("items"),
                {{"time", "time"}, {"site", "site"}, {"title", "title"}, {"event", "event"}});
    if (!answer.at("errors").as_array().empty()) context.exit = Exit::failed;
  });
}

const std::vector<std::pair<std::string, std::string>> exception_columns{
    {"rule", "rule"},     {"site", "site"},     {"query", "query"}, {"reason", "reason"},
    {"author", "author"}, {"review", "review"}, {"holds", "holds"}, {"suppressed", "suppressed"},
    {"id", "id"}};

void setup_exceptions(cli::Command group, Context& context) {
  struct Options {
    std::string rule, site, query, reason, review, id;
  };
  auto o = std::make_shared<Options>();
  group.add_command("exceptions", "what rules must not alert on").callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/exceptions", 100'000), exception_columns);
  });
  auto add = group.add_command("except", "expect a rule's hits: they are counted, not raised");
  add.add_option("rule", o->rule, "id of a rule, sid of a signature, or *").required();
  add.add_option("--site", o->site, "only at this site");
  add.add_option("--query", o->query, "only for events that this query finds");
  add.add_option("--reason", o->reason, "why this is expected").required();
  add.add_option("--review", o->review, "when it ends unless it is renewed: a date").required();
  add.callback([o, &context] {
    const auto made =
        ApiClient(context).post("/api/v1/exceptions", json::object{{"rule", o->rule},
                                                                   {"site", o->site},
                                                                   {"query", o->query},
                                                                   {"reason", o->reason},
                                                                   {"review", o->review}});
    print_items(context, {made}, exception_columns);
  });
  auto remove = group.add_command("unexcept", "alert again");
  remove.add_option("id", o->id, "id of the exception").required();
  remove.callback([o, &context] {
    (void)ApiClient(context).call("DELETE", "/api/v1/exceptions/" + http::percent_encode(o->id));
  });
}

void setup(cli::Command group, Context& context) {
  group.require_command();
  group.add_command("rules", "loaded rules with hits, cost and last hit").callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/rules", 1'000'000),
                {{"hits", "hits"},
                 {"suppressed", "suppressed"},
                 {"last hit", "last_hit"},
                 {"looked at", "looked_at"},
                 {"seconds", "seconds"},
                 {"level", "level"},
                 {"title", "title"},
                 {"id", "id"}});
  });
  group.add_command("reload", "the collector reads its rule files again").callback([&context] {
    const auto answer = ApiClient(context).post("/api/v1/rules/reload", json::object{});
    print_object(context, answer);
  });
  struct Explain {
    std::string rule, event;
  };
  auto o = std::make_shared<Explain>();
  auto explain = group.add_command("explain", "the truth of each part of a rule for an event");
  explain.add_option("rule", o->rule, "id of a Sigma rule (a correlation: see alerts explain)")
      .required();
  explain.add_option("event", o->event, "id of a stored event").required();
  explain.callback([o, &context] {
    const auto answer = ApiClient(context).get("/api/v1/rules/" + http::percent_encode(o->rule) +
                                               "/explain" + query_string({{"event", o->event}}));
    if (context.output == Output::json) return print_object(context, answer);
    std::fputs(explanation_lines(answer).c_str(), stdout);
  });
  setup_backtest(group, context);
  setup_exceptions(group, context);
}

const Registration registration{
    {"detect", "rules in the collector: counters, exceptions, backtest, explain, reload", &setup}};

}  // namespace
}  // namespace ww::ctl
