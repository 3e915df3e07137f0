/// `wardwatchctl backups` and `restore-point`.

#include <boost/json.hpp>
#include <cstdio>

#include "ctl/commands/client.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;

struct Arguments {
  std::string site, asset, job, service, state, rule, id, reason, note, file, statement;
  std::string time, entity, source, confidence, incident, incident_time, offset;
  std::vector<std::string> compromised;
  std::int64_t margin_hours = 24;
  std::size_t limit = 100;
  bool all = false, check = false, history = false;
};

std::string asset_path(const Arguments& a) {
  return "/api/v1/backups/assets/" + http::percent_encode(a.site) + "/" +
         http::percent_encode(a.asset);
}

/// Exit code 1 when something is not as it should be: for scripts and other monitors.
void board(const Arguments& a, Context& context) {
  ApiClient api(context);
  const auto v =
      api.get("/api/v1/backups" +
              query_string({{"site", a.site}, {"service", a.service}, {"state", a.state}}));
  std::vector<json::value> items;
  bool bad = false;
  for (auto item : v.at("items").as_array()) {
    auto& o = item.as_object();
    bad = bad || text_of(item, "state") != "ok";
    std::string jobs, rule;
    for (const auto& j : o.at("jobs").as_array()) {
      if (!jobs.empty()) jobs += ", ";
      jobs += text_of(j, "name") + ":" + text_of(j, "state");
    }
    const auto& r = o.at("rule_32110");
    for (const auto* part : {"copies", "media", "offsite", "immutable", "errors"})
      rule += (rule.empty() ? "" : "-") + text_of(r, part);
    o["jobs_text"] = jobs;
    o["rule_text"] = rule + (text_of(r, "kept") == "true" ? "" : " !");
    const auto age = text_of(item, "rpo.age_seconds");
    o["age_text"] = age.empty() ? "unknown" : std::to_string(std::atoll(age.c_str()) / 60) + " min";
    items.push_back(std::move(item));
  }
  if (context.output == Output::json) {
    std::puts(json::serialize(v).c_str());
  } else {
    print_items(context, items,
                {{"site", "site"},
                 {"service", "service"},
                 {"asset", "asset"},
                 {"state", "state"},
                 {"data age", "age_text"},
                 {"rpo", "rpo.freshness"},
                 {"3-2-1-1-0", "rule_text"},
                 {"findings", "findings_open"},
                 {"jobs", "jobs_text"}});
  }
  if (a.check && bad) context.exit = Exit::failed;
}

void findings(const Arguments& a, Context& context) {
  ApiClient api(context);
  print_items(context,
              api.items("/api/v1/backups/findings" + query_string({{"site", a.site},
                                                                   {"asset", a.asset},
                                                                   {"rule", a.rule},
                                                                   {"open", a.all ? "no" : "yes"}}),
                        a.limit),
              {{"opened", "opened"},
               {"level", "level"},
               {"rule", "rule"},
               {"site", "site"},
               {"asset", "asset"},
               {"job", "job"},
               {"detail", "detail"},
               {"cleared", "cleared"},
               {"id", "id"}});
}

json::value read_json_file(const std::string& path) {
  std::FILE* in = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (in == nullptr) throw Failure{Exit::usage, {"cannot read the file", path, "check the path"}};
  std::string text;
  char buffer[4096];
  for (std::size_t n;
       (n = std::fread(buffer, 1, sizeof buffer, in)) > 0 && text.size() < (1U << 20);)
    text.append(buffer, n);
  if (in != stdin) std::fclose(in);
  boost::system::error_code ec;
  auto v = json::parse(text, ec);
  if (ec) throw Failure{Exit::usage, {"not JSON: " + ec.message(), path, "see docs/api.md"}};
  return v;
}

void setup_backups(cli::Command group, Context& context) {
  group.require_command();
  auto a = std::make_shared<Arguments>();
  auto list = group.add_command("list", "assets with the state of their backups");
  list.add_option("--site", a->site, "only this site");
  list.add_option("--service", a->service, "only this service");
  list.add_option("--state", a->state,
                  "failed, restore_failed, never_ran, late, unknown, out_of_pattern, "
                  "not_verified, warnings, ok");
  list.add_flag("--check", a->check, "exit code 1 when any of them is not ok");
  list.callback([a, &context] { board(*a, context); });

  const auto asset_options = [a](cli::Command sub) {
    sub.add_option("site", a->site).required();
    sub.add_option("asset", a->asset).required();
  };
  auto show = group.add_command("show", "one asset in full");
  asset_options(show);
  show.callback([a, &context] { print_object(context, ApiClient(context).get(asset_path(*a))); });
  auto hosts = group.add_command("hosts", "backup servers: who signs in, who reads from them");
  hosts.callback([&context] {
    ApiClient api(context);
    std::vector<json::value> items;
    for (auto item : api.items("/api/v1/backups/hosts", 1000)) {
      auto& o = item.as_object();
      o["n_accounts"] = o.at("accounts").as_array().size();
      o["n_readers"] = o.at("readers").as_array().size();
      o["n_findings"] = o.at("findings").as_array().size();
      items.push_back(std::move(item));
    }
    print_items(context, items,
                {{"site", "host.site"},
                 {"host", "host.name"},
                 {"hours", "host.hours"},
                 {"sign-ins", "sign_ins"},
                 {"learning", "learning_sign_ins"},
                 {"accounts", "n_accounts"},
                 {"readers", "n_readers"},
                 {"learning reads", "learning_reads"},
                 {"findings", "n_findings"}});
  });
  auto runs = group.add_command("runs", "backups of an asset, newest first");
  asset_options(runs);
  runs.add_option("--job", a->job, "only this job");
  runs.add_option("--limit", a->limit, "at most so many");
  runs.callback([a, &context] {
    ApiClient api(context);
    print_items(
        context,
        api.items(
            asset_path(*a) + "/runs" +
                query_string({{"job", a->job},
                              {"limit", std::to_string(std::min<std::size_t>(a->limit, 1000))}}),
            a->limit),
        {{"data time", "data_time"},
         {"job", "job"},
         {"status", "status"},
         {"level", "level"},
         {"octets", "bytes_total"},
         {"files", "files_total"},
         {"flags", "flags"},
         {"vanished", "vanished"},
         {"snapshot", "snapshot"}});
  });
  auto f = group.add_command("findings", "what is wrong with backups (with --all also what was)");
  f.add_option("--site", a->site, "only this site");
  f.add_option("--asset", a->asset, "only this asset");
  f.add_option("--rule", a->rule, "bk-01 to bk-16, backup-failed...");
  f.add_option("--limit", a->limit, "at most so many");
  f.add_flag("--all", a->all);
  f.callback([a, &context] { findings(*a, context); });
  auto accept = group.add_command("accept", "take what a finding complains of as normal");
  accept.add_option("id", a->id).required();
  accept
      .add_option("--reason,-r", a->reason,
                  "application_upgrade, database_reindex, new_archive, re_encryption, first_full, "
                  "month_end, planned_change, false_positive, other")
      .required();
  accept.add_option("--note", a->note, "kept with it");
  accept.callback([a, &context] {
    print_object(context, ApiClient(context).post(
                              "/api/v1/backups/findings/" + http::percent_encode(a->id) + "/accept",
                              json::object{{"reason", a->reason}, {"note", a->note}}));
  });
  auto set = group.add_command("set-asset", "register an asset, its owner, targets and jobs");
  asset_options(set);
  set.add_option("file", a->file, "JSON as `show` prints under `register`; - for standard input")
      .required();
  set.callback([a, &context] {
    print_object(context, ApiClient(context).call("PUT", asset_path(*a),
                                                  json::serialize(read_json_file(a->file))));
  });
  auto unset = group.add_command("unset-asset", "take back what set-asset said");
  asset_options(unset);
  unset.callback([a, &context] { (void)ApiClient(context).call("DELETE", asset_path(*a)); });
  auto checks = group.add_command("restore-checks", "what restores proved");
  checks.add_option("--site", a->site, "only this site");
  checks.add_option("--asset", a->asset, "only this asset");
  checks.callback([a, &context] {
    ApiClient api(context);
    print_items(
        context,
        api.items("/api/v1/restore-checks" + query_string({{"site", a->site}, {"asset", a->asset}}),
                  1000),
        {{"finished", "finished"},
         {"site", "site"},
         {"asset", "asset"},
         {"result", "result"},
         {"scan", "scan"},
         {"seconds", "rto_seconds"},
         {"times", "times"},
         {"signed by", "signed_by"},
         {"snapshot", "snapshot"},
         {"id", "id"}});
  });
  auto sign = group.add_command("sign", "sign a restore check that passed");
  sign.add_option("id", a->id).required();
  sign.add_option("statement", a->statement, "what you looked at").required();
  sign.callback([a, &context] {
    print_object(context, ApiClient(context).post(
                              "/api/v1/restore-checks/" + http::percent_encode(a->id) + "/sign",
                              json::object{{"statement", a->statement}}));
  });
}

void print_point(const json::value& p, Context& context) {
  if (context.output != Output::table) return print_object(context, p);
  std::printf("%s/%s: %s\n", text_of(p, "site").c_str(), text_of(p, "asset").c_str(),
              text_of(p, "verdict").c_str());
  if (const auto s = text_of(p, "chosen.snapshot"); !s.empty())
    std::printf("  restore point   %s of job %s, data of %s\n", s.c_str(),
                text_of(p, "chosen.job").c_str(), text_of(p, "chosen.data_time").c_str());
  if (const auto t = text_of(p, "window_start"); !t.empty())
    std::printf("  not later than  %s (first sign %s, margin %s s)\n", t.c_str(),
                text_of(p, "first_sign").c_str(), text_of(p, "margin_seconds").c_str());
  if (const auto t = text_of(p, "data_loss_seconds"); !t.empty())
    std::printf("  data loss       %lld min\n", std::atoll(t.c_str()) / 60);
  const auto rto = text_of(p, "expected_restore_seconds");
  std::printf("  restore time    %s\n",
              rto.empty()
                  ? "not known: no full restore was measured"
                  : (rto + " s, from " + text_of(p, "restores_measured") + " drills").c_str());
  for (const auto& [key, title] : {std::pair{"facts", "fact"}, {"missing", "missing"}})
    for (const auto& t : p.at(key).as_array())
      std::printf("  %-15s %s\n", title, std::string(t.as_string()).c_str());
  for (const auto& c : p.at("candidates").as_array()) {
    std::string why;
    for (const auto& d : c.at("dropped").as_array())
      why += (why.empty() ? "" : "; ") + std::string(d.as_string());
    std::printf("  %-15s %s  %.16s  %s, %s%s%s\n", why.empty() ? "kept" : "dropped",
                text_of(c, "data_time").c_str(), text_of(c, "snapshot").c_str(),
                text_of(c, "reach").c_str(), text_of(c, "proof").c_str(), why.empty() ? "" : ": ",
                why.c_str());
  }
}

std::string incident_path(const Arguments& a, const char* what) {
  return "/api/v1/incidents/" + http::percent_encode(a.incident) + "/" + what;
}

void ask(const Arguments& a, Context& context) {
  json::object body{{"margin_hours", a.margin_hours}};
  if (!a.service.empty()) body["service"] = a.service;
  if (!a.site.empty()) body["site"] = a.site;
  if (!a.asset.empty()) body["asset"] = a.asset;
  if (!a.incident_time.empty()) body["incident_time"] = time_argument(a.incident_time);
  json::array compromised;
  for (const auto& c : a.compromised) compromised.emplace_back(c);
  if (!compromised.empty()) body["compromised"] = std::move(compromised);
  const auto v = ApiClient(context).post(incident_path(a, "restore-point"), body);
  const auto* set = v.as_object().if_contains("set");
  if (set == nullptr) {
    print_point(v, context);
    if (text_of(v, "chosen.snapshot").empty()) context.exit = Exit::failed;
    return;
  }
  if (context.output != Output::table) return print_object(context, v);
  std::printf("order            %s\n", text_of(*set, "order").c_str());
  std::printf("spread           %s s one by one, %s s brought together\n",
              text_of(*set, "spread_seconds").c_str(),
              text_of(*set, "aligned_spread_seconds").c_str());
  if (const auto from = text_of(*set, "replay.from"); !from.empty())
    std::printf("replay messages  %s to %s\n", from.c_str(), text_of(*set, "replay.to").c_str());
  for (const auto& p : set->at("points").as_array()) print_point(p, context);
  if (!set->at("without_point").as_array().empty()) context.exit = Exit::failed;
}

void setup_point(cli::Command group, Context& context) {
  group.require_command();
  auto a = std::make_shared<Arguments>();
  const auto incident = [a](cli::Command sub) {
    sub.add_option("incident", a->incident, "incident id").required();
  };
  auto find = group.add_command("find", "the newest backup that can be trusted, with reasons");
  incident(find);
  find.add_option("--site", a->site, "only this site");
  find.add_option("--asset", a->asset, "only this asset");
  find.add_option("--service", a->service, "all assets of a service and of those linked with it");
  find.add_option("--margin", a->margin_hours, "hours before the first sign; default 24");
  find.add_option("--at", a->incident_time,
                  "what data loss is counted from; default when it was opened");
  find.add_option("--compromised", a->compromised, "host:NAME, repository:PATH, job:NAME");
  find.callback([a, &context] { ask(*a, context); });
  auto history = group.add_command("history", "every verdict of an incident");
  incident(history);
  history.add_option("--site", a->site, "only this site");
  history.add_option("--asset", a->asset, "only this asset");
  history.callback([a, &context] {
    ApiClient api(context);
    print_items(context,
                api.items(incident_path(*a, "restore-point") +
                              query_string({{"site", a->site}, {"asset", a->asset}}),
                          1000),
                {{"at", "at"},
                 {"site", "site"},
                 {"asset", "asset"},
                 {"verdict", "verdict"},
                 {"data time", "data_time"},
                 {"cause", "cause"},
                 {"author", "author"},
                 {"snapshot", "snapshot"}});
  });
  auto signs =
      group.add_command("signs", "first signs of compromise: kept ones and proposals from alerts");
  incident(signs);
  signs.callback([a, &context] {
    ApiClient api(context);
    print_items(context, api.items(incident_path(*a, "indicators"), 1000),
                {{"time", "time"},
                 {"corrected", "corrected_time"},
                 {"state", "state"},
                 {"confidence", "confidence"},
                 {"entity", "entity"},
                 {"source", "source"},
                 {"id", "id"}});
  });
  for (const std::string state : {"accept", "reject"}) {
    auto sub = group.add_command(
        state, state + " a sign: all points of the incident are worked out again");
    incident(sub);
    sub.add_option("id", a->id, "of a sign that is there");
    sub.add_option("--time", a->time, "a new sign: when");
    sub.add_option("--entity", a->entity, "host:NAME, user:NAME, repository:PATH");
    sub.add_option("--source", a->source, "who or what says so");
    sub.add_option("--confidence", a->confidence, "low, medium, high");
    sub.add_option("--offset", a->offset, "seconds that its clock was ahead");
    sub.add_option("--note", a->note, "kept with it");
    sub.callback([a, state, &context] {
      json::object body{{"state", state + "ed"}};
      for (const auto& [key, v] : {std::pair<const char*, std::string>{"id", a->id},
                                   {"entity", a->entity},
                                   {"source", a->source},
                                   {"confidence", a->confidence},
                                   {"note", a->note}})
        if (!v.empty()) body[key] = v;
      if (!a->time.empty()) body["time"] = time_argument(a->time);
      if (!a->offset.empty()) body["offset_seconds"] = std::atof(a->offset.c_str());
      print_object(context, ApiClient(context).post(incident_path(*a, "indicators"), body));
    });
  }
}

const Registration backups{
    {"backups", "state of backups, findings, restore checks", &setup_backups}};
const Registration points{
    {"restore-point", "the clean restore point of an incident", &setup_point}};

}  // namespace
}  // namespace ww::ctl
