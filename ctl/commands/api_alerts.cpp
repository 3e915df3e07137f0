/// `wardwatchctl alerts` and `incidents`.

#include <boost/json.hpp>
#include <cstdio>
#include <map>

#include "ctl/commands/client.hpp"
#include "ctl/commands/explanation.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;
const std::vector<std::pair<std::string, std::string>> alert_columns{
    {"last seen", "last_seen"}, {"level", "level"},       {"status", "status"},
    {"site", "site"},           {"sensor", "sensor"},     {"rule", "rule.title"},
    {"count", "count"},         {"assignee", "assignee"}, {"id", "id"}};

struct Filter {
  std::string status, level, engine, site, sensor, rule, assignee, text, from, to, entity, sort;
  std::size_t limit = 50;
  bool all = false;
};

struct Change {
  std::vector<std::string> ids;
  std::string disposition, reason, assignee, text;
};

void list(const Filter& f, Context& context) {
  const auto path =
      "/api/v1/alerts" +
      query_string({{"status", f.status.empty() && !f.all ? "new,acknowledged,in_progress,escalated"
                                                          : f.status},
                    {"level", f.level},
                    {"engine", f.engine},
                    {"site", f.site},
                    {"sensor", f.sensor},
                    {"rule", f.rule},
                    {"assignee", f.assignee},
                    {"q", f.text},
                    {"entity", f.entity},
                    {"sort", f.sort},
                    {"from", time_argument(f.from)},
                    {"to", time_argument(f.to)}});
  ApiClient api(context);
  print_items(context, api.items(path, f.limit), alert_columns);
}

std::string alert_path(const std::string& id) {
  return "/api/v1/alerts/" + http::percent_encode(id);
}

void set_status(const Change& c, const char* status, Context& context) {
  json::object body{{"status", status}};
  json::array ids;
  for (const auto& id : c.ids) ids.emplace_back(id);
  body["ids"] = std::move(ids);
  if (!c.disposition.empty()) body["disposition"] = c.disposition;
  if (!c.reason.empty()) body["reason"] = c.reason;
  ApiClient api(context);
  const auto answer = api.post("/api/v1/alerts/status", body);
  const auto* failed = answer.as_object().if_contains("failed");
  if (failed != nullptr && failed->is_array() && !failed->as_array().empty()) {
    const auto& first = failed->as_array().front();
    throw Failure{
        Exit::failed,
        {text_of(answer, "changed") + " changed, " + std::to_string(failed->as_array().size()) +
             " not: " + text_of(first, "error"),
         "alert " + text_of(first, "id"), "look at it with wardwatchctl alerts show"}};
  }
  std::printf("%s changed\n", text_of(answer, "changed").c_str());
}

/// A correlation is explained by its events: for each of its rules the newest one, with the truth
/// of the rule's parts.
void explain_alert(const std::string& id, Context& context) {
  ApiClient api(context);
  const auto alert = api.get(alert_path(id));
  const auto* found = alert.as_object().if_contains("explanation");
  if (found == nullptr)
    throw Failure{
        Exit::failed,
        {"nothing is said of why", "alert " + id, "look at wardwatchctl alerts evidence"}};
  auto explanation = *found;
  boost::system::error_code ec;
  if (explanation.is_string())
    if (auto inner = json::parse(explanation.get_string(), ec); !ec) explanation = std::move(inner);
  std::map<std::string, std::string> newest;  // event by rule
  if (const auto* o = explanation.if_object(); o != nullptr)
    if (const auto* parts = o->if_contains("parts"); parts != nullptr && parts->is_array())
      for (const auto& part : parts->get_array())
        newest[text_of(part, "rule")] = text_of(part, "event");
  json::array rules;
  for (const auto& [rule, event] : newest) {
    // The rule may be a correlation itself or be gone, and so may the event.
    try {
      rules.push_back(api.get("/api/v1/rules/" + http::percent_encode(rule) + "/explain" +
                              query_string({{"event", event}})));
    } catch (const Failure& f) {
      if (f.code != Exit::failed) throw;
    }
  }
  if (context.output == Output::json)
    return print_object(context, json::object{{"explanation", explanation}, {"rules", rules}});
  std::fputs(explanation_lines(explanation).c_str(), stdout);
  for (const auto& rule : rules) std::printf("\n%s", explanation_lines(rule).c_str());
}

cli::Command change_command(cli::Command group, const char* name, const char* what,
                            const char* status, Context& context) {
  auto c = std::make_shared<Change>();
  auto sub = group.add_command(name, what);
  sub.add_option("id", c->ids, "alert ids").required();
  sub.add_option("--disposition,-d", c->disposition,
                 "true_positive, false_positive, benign, drill, duplicate");
  sub.add_option("--reason,-r", c->reason, "kept as a comment");
  sub.callback([c, status, &context] { set_status(*c, status, context); });
  return sub;
}

void setup(cli::Command group, Context& context) {
  group.require_command();
  auto f = std::make_shared<Filter>();
  auto l = group.add_command("list", "alerts, newest first (open ones unless --all or --status)");
  l.add_option("--status", f->status,
               "new, acknowledged, in_progress, escalated, closed; comma means or");
  l.add_option("--level", f->level, "informational, low, medium, high, critical");
  l.add_option("--engine", f->engine, "signature, sigma, correlation, baseline, backup, intel");
  l.add_option("--site", f->site, "only this site");
  l.add_option("--sensor", f->sensor, "only this sensor");
  l.add_option("--rule", f->rule, "rule id");
  l.add_option("--assignee", f->assignee, "who handles it");
  l.add_option("--entity", f->entity, "an address, user, host: ip:10.0.0.1");
  l.add_option("--text", f->text, "in title or explanation");
  l.add_option("--from", f->from, "last seen since: a time, or 2h for two hours ago");
  l.add_option("--to", f->to, "until: a time, or how long ago (2h)");
  l.add_option("--sort", f->sort, "-last_seen, -first_seen, -level, -count");
  l.add_option("--limit", f->limit, "at most so many").in_range(1, 100000);
  l.add_flag("--all", f->all, "closed ones too");
  l.callback([f, &context] { list(*f, context); });

  auto id = std::make_shared<std::string>();
  auto show = group.add_command("show", "one alert in full");
  show.add_option("id", *id).required();
  show.callback([id, &context] { print_object(context, ApiClient(context).get(alert_path(*id))); });
  auto explain = group.add_command(
      "explain", "why: the condition with the truth of each part, or what met a correlation");
  explain.add_option("id", *id).required();
  explain.callback([id, &context] { explain_alert(*id, context); });
  auto evidence = group.add_command("evidence", "the events behind an alert, a JSON line each");
  evidence.add_option("id", *id).required();
  evidence.callback([id, &context] {
    const auto answer = ApiClient(context).get(alert_path(*id) + "/evidence");
    for (const auto& e : answer.at("items").as_array()) std::puts(json::serialize(e).c_str());
    if (const auto missing = text_of(answer, "missing"); !missing.empty())
      std::fprintf(stderr, "wardwatchctl: retention has removed %s\n", missing.c_str());
  });

  change_command(group, "ack", "acknowledge alerts", "acknowledged", context);
  change_command(group, "start", "take alerts in progress", "in_progress", context);
  change_command(group, "escalate", "escalate alerts", "escalated", context);
  change_command(group, "close", "close alerts (needs --disposition)", "closed", context);
  change_command(group, "reopen", "back to new", "new", context);

  auto c = std::make_shared<Change>();
  auto assign = group.add_command("assign", "who handles an alert");
  assign.add_option("id", *id).required();
  assign.add_option("user", c->assignee, "user name; leave out for nobody");
  assign.callback([id, c, &context] {
    print_items(context,
                {ApiClient(context).post(alert_path(*id) + "/assign",
                                         json::object{{"assignee", c->assignee}})},
                alert_columns);
  });
  auto comment = group.add_command("comment", "a note on an alert");
  comment.add_option("id", *id).required();
  comment.add_option("text", c->text).required();
  comment.callback([id, c, &context] {
    (void)ApiClient(context).post(alert_path(*id) + "/comments", json::object{{"text", c->text}});
  });

  auto watch = group.add_command("watch", "alerts as they come, until Ctrl-C");
  watch.add_option("--site", f->site, "only this site");
  watch.add_option("--level", f->level, "informational, low, medium, high, critical");
  auto count = std::make_shared<std::size_t>(0);
  watch.add_option("--count", *count, "stop after so many");
  watch.callback([f, count, &context] {
    ApiClient api(context);
    std::size_t seen = 0;
    api.events("/api/v1/live" + query_string({{"site", f->site}, {"level", f->level}}),
               [&](std::string_view name, std::string_view data) {
                 boost::system::error_code ec;
                 const auto v = json::parse(data, ec);
                 if (name != "alert" || ec) return true;
                 if (context.output == Output::json)
                   std::puts(json::serialize(v).c_str());
                 else
                   std::printf("%s  %-8s %-13s %s/%s  %s  x%s  %s\n",
                               text_of(v, "alert.last_seen").c_str(), text_of(v, "kind").c_str(),
                               text_of(v, "alert.level").c_str(), text_of(v, "alert.site").c_str(),
                               text_of(v, "alert.sensor").c_str(),
                               text_of(v, "alert.rule.title").c_str(),
                               text_of(v, "alert.count").c_str(), text_of(v, "alert.id").c_str());
                 std::fflush(stdout);
                 return *count == 0 || ++seen < *count;
               });
  });
}

void setup_incidents(cli::Command group, Context& context) {
  group.require_command();
  const std::vector<std::pair<std::string, std::string>> columns{
      {"opened", "opened"}, {"status", "status"}, {"level", "level"}, {"title", "title"},
      {"alerts", "alerts"}, {"sites", "sites"},   {"id", "id"}};
  auto all = std::make_shared<bool>(false);
  auto l = group.add_command("list", "incidents (open ones unless --all)");
  l.add_flag("--all", *all);
  l.callback([all, columns, &context] {
    ApiClient api(context);
    print_items(context,
                api.items(std::string("/api/v1/incidents") + (*all ? "" : "?status=open"), 1000),
                columns);
  });
  auto id = std::make_shared<std::string>();
  auto show = group.add_command("show", "one incident and its alerts");
  show.add_option("id", *id).required();
  show.callback([id, &context] {
    const auto v = ApiClient(context).get("/api/v1/incidents/" + http::percent_encode(*id));
    if (context.output == Output::json) return print_object(context, v);
    print_object(context, v.at("incident"));
    std::puts("");
    const auto& alerts = v.at("alerts").as_array();
    print_items(context, {alerts.begin(), alerts.end()}, alert_columns);
  });
  auto title = std::make_shared<std::string>();
  auto level = std::make_shared<std::string>("high");
  auto alerts = std::make_shared<std::vector<std::string>>();
  auto open = group.add_command("open", "open an incident");
  open.add_option("title", *title).required();
  open.add_option("--level", *level, "informational, low, medium, high, critical");
  open.add_option("--alert", *alerts, "alert ids that belong to it");
  open.callback([title, level, alerts, &context] {
    json::array ids;
    for (const auto& a : *alerts) ids.emplace_back(a);
    const auto v = ApiClient(context).post(
        "/api/v1/incidents", json::object{{"title", *title}, {"level", *level}, {"alerts", ids}});
    print_object(context, v.at("incident"));
  });
  for (const auto* status : {"close", "contain", "reopen"}) {
    auto sub = group.add_command(status, std::string(status) + " an incident");
    sub.add_option("id", *id).required();
    const std::string to = status == std::string("close")     ? "closed"
                           : status == std::string("contain") ? "contained"
                                                              : "open";
    sub.callback([id, to, &context] {
      const auto v =
          ApiClient(context).call("PATCH", "/api/v1/incidents/" + http::percent_encode(*id),
                                  json::serialize(json::object{{"status", to}}));
      print_object(context, v.at("incident"));
    });
  }
}

const Registration alerts{{"alerts", "list, show, triage and watch alerts", &setup}};
const Registration incidents{
    {"incidents", "list, show, open and close incidents", &setup_incidents}};

}  // namespace
}  // namespace ww::ctl
