/// `wardwatchctl drill`, `heartbeats` and `playbook`.
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

#include "ctl/commands/client.hpp"
#include "playbooks/json_text.hpp"
#include "playbooks/library.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;

const std::vector<std::pair<std::string, std::string>> run_columns{
    {"started", "started"},
    {"kind", "kind"},
    {"title", "title"},
    {"site", "site"},
    {"sensor", "sensor"},
    {"state", "state"},
    {"RTO s", "recovery.rto_seconds"},
    {"RPO s", "recovery.rpo_seconds"},
    {"id", "id"}};

std::string run_path(const std::string& id, const char* more = "") {
  return "/api/v1/drills/" + http::percent_encode(id) + more;
}

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Failure{Exit::usage, {"cannot read the file", path, "check the path"}};
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Start {
  std::string definition, site, sensor, snapshot, incident, officer, approver, planned;
  std::vector<std::string> variables;
  bool watch = false;
  std::uint32_t timeout = 0;
};

bool over(const std::string& state) {
  return state == "passed" || state == "failed" || state == "stopped";
}

/// Follows a run until it is over. Progress goes to standard error, the outcome to standard output.
Exit watch(const std::string& id, std::uint32_t timeout_s, Context& context) {
  ApiClient api(context);
  std::string last;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_s);
  for (;;) {
    const auto run = api.get(run_path(id));
    const auto state = text_of(run, "state");
    std::string line = state;
    for (const auto* part : {"result.progress.phase", "result.progress.text"})
      if (const auto t = text_of(run, part); !t.empty()) line += "  " + t;
    if (const auto p = text_of(run, "result.progress.percent"); !p.empty() && p != "0")
      line += "  " + p + "%";
    if (const auto* tasks = run.as_object().if_contains("tasks");
        tasks != nullptr && tasks->is_array() && !tasks->as_array().empty())
      line += "  waits for: " + text_of(tasks->as_array().front(), "name");
    if (line != last) {
      if (context.progress)
        std::fprintf(stderr, "\r\033[K%s", line.c_str());
      else
        std::fprintf(stderr, "%s\n", line.c_str());
      std::fflush(stderr);
    }
    last = line;
    if (over(state)) {
      if (context.progress) std::fputs("\n", stderr);
      if (context.output == Output::json) {
        print_object(context, run);
      } else {
        std::printf("%s: %s%s\n", text_of(run, "title").c_str(), state.c_str(),
                    text_of(run, "reason").empty() ? "" : (", " + text_of(run, "reason")).c_str());
        const auto figure = [&](const char* name, const char* path, const char* target) {
          const auto v = text_of(run, path), t = text_of(run, target);
          if (!v.empty())
            std::printf("  %s %s s%s\n", name, v.c_str(),
                        t.empty() ? "" : (" (target " + t + " s)").c_str());
        };
        figure("RTO achieved", "result.recovery.rto_seconds", "result.recovery.rto_target_seconds");
        figure("RPO achieved", "result.recovery.rpo_seconds", "result.recovery.rpo_target_seconds");
        figure("to event", "result.detection.seconds_to_event", "");
        figure("to alert", "result.detection.seconds_to_alert", "");
      }
      return state == "passed" ? Exit::done : Exit::failed;
    }
    if (timeout_s > 0 && std::chrono::steady_clock::now() > until)
      throw Failure{Exit::failed,
                    {"it is not over within " + std::to_string(timeout_s) + " s", "drill " + id,
                     "watch again, or stop it"}};
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

void begin(const Start& s, Context& context) {
  json::object body{{"definition", s.definition}};
  const auto put = [&](const char* name, const std::string& v) {
    if (!v.empty()) body[name] = v;
  };
  put("site", s.site);
  put("sensor", s.sensor);
  put("snapshot", s.snapshot);
  put("incident_time", s.incident.empty() ? "" : time_argument(s.incident));
  put("clinical_safety_officer", s.officer);
  put("approver", s.approver);
  put("planned_start", s.planned.empty() ? "" : time_argument(s.planned));
  json::object variables;
  for (const auto& v : s.variables) {
    const auto at = v.find('=');
    if (at == std::string::npos)
      throw Failure{Exit::usage, {"a variable is NAME=VALUE", v, "write --var __asset__=pacs"}};
    variables[v.substr(0, at)] = v.substr(at + 1);
  }
  if (!variables.empty()) body["variables"] = std::move(variables);
  const auto run = ApiClient(context).post("/api/v1/drills", body);
  const auto id = text_of(run, "id");
  if (s.watch) {
    std::fprintf(stderr, "drill %s started\n", id.c_str());
    context.exit = watch(id, s.timeout, context);
  } else if (context.output == Output::json) {
    print_object(context, run);
  } else {
    std::printf("%s\n", id.c_str());
  }
}

void setup_schedule(cli::Command group, Context& context);

void setup_drill(cli::Command group, Context& context) {
  group.require_command();
  auto site = std::make_shared<std::string>();
  auto state = std::make_shared<std::string>();
  auto list = group.add_command("list", "drills that ran or run, newest first");
  list.add_option("--site", *site, "only this site");
  list.add_option("--state", *state, "running, paused, stopping, passed, failed, stopped");
  list.callback([site, state, &context] {
    ApiClient api(context);
    print_items(
        context,
        api.items("/api/v1/drills" + query_string({{"site", *site}, {"state", *state}}), 100),
        run_columns);
  });
  auto library = group.add_command("library", "drills that can be started");
  library.callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/drill-definitions", 1000),
                {{"id", "id"},
                 {"kind", "kind"},
                 {"level", "level"},
                 {"title", "title"},
                 {"purpose", "purpose"}});
  });
  auto id = std::make_shared<std::string>();
  auto show = group.add_command("show", "one drill in full");
  show.add_option("id", *id).required();
  show.callback([id, &context] { print_object(context, ApiClient(context).get(run_path(*id))); });

  auto s = std::make_shared<Start>();
  auto start = group.add_command("start", "start a drill; prints its id");
  start.add_option("definition", s->definition, "see drill library").required();
  start.add_option("--site", s->site, "where it runs");
  start.add_option("--sensor", s->sensor, "the sensor that runs it");
  start.add_option("--snapshot", s->snapshot, "restore this one instead of the newest");
  start.add_option("--incident-time", s->incident, "data loss counts from here; a time, or 2h ago");
  start.add_option("--clinical-safety-officer", s->officer,
                   "who speaks for patients during the drill");
  start.add_option("--approver", s->approver, "who allowed it");
  start.add_option("--planned", s->planned, "when it was planned to begin");
  start.add_option("--var", s->variables, "a variable of the playbook: __name__=value");
  start.add_flag("--watch", s->watch, "stay until it is over; exit 1 when it did not pass");
  start.add_option("--timeout", s->timeout, "with --watch: give up after so many seconds");
  start.callback([s, &context] { begin(*s, context); });

  auto timeout = std::make_shared<std::uint32_t>(0);
  auto follow = group.add_command("watch", "follow a drill until it is over");
  follow.add_option("id", *id).required();
  follow.add_option("--timeout", *timeout, "give up after so many seconds");
  follow.callback([id, timeout, &context] { context.exit = watch(*id, *timeout, context); });

  auto reason = std::make_shared<std::string>("stopped by hand");
  auto stop = group.add_command("stop", "stop a drill; it cleans up");
  stop.add_option("id", *id).required();
  stop.add_option("--reason,-r", *reason);
  stop.callback([id, reason, &context] {
    const auto run =
        ApiClient(context).post(run_path(*id, "/stop"), json::object{{"reason", *reason}});
    std::printf("%s\n", text_of(run, "state").c_str());
  });
  for (const auto* name : {"pause", "resume", "acknowledge"}) {
    auto sub = group.add_command(name, name == std::string_view("acknowledge")
                                           ? "you have seen the drill's alerts"
                                           : "hold an exercise, or go on");
    sub.add_option("id", *id).required();
    sub.callback([id, name, &context] {
      (void)ApiClient(context).post(run_path(*id, "/") + name, json::object{});
      std::puts("done");
    });
  }
  auto report = group.add_command("report", "the report of a drill");
  report.add_option("id", *id).required();
  report.callback([id, &context] {
    const auto r = ApiClient(context).get(run_path(*id, "/report"));
    if (context.output == Output::table)
      for (const auto* part : {"identity", "recovery", "detection", "score"}) {
        const auto* v = r.as_object().if_contains(part);
        if (v == nullptr || !v->is_object() || v->as_object().empty()) continue;
        std::printf("%s\n", part);
        print_object(context, *v);
      }
    else
      print_object(context, r);
  });
  setup_schedule(group.add_command("schedule", "when drills are to be done again"), context);
  auto actions = group.add_command("actions", "what is to be done after drills");
  actions.callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/drill-actions", 1000),
                {{"due", "due"},
                 {"overdue", "overdue"},
                 {"state", "state"},
                 {"owner", "owner"},
                 {"site", "site"},
                 {"text", "text"},
                 {"id", "id"}});
  });
}

void setup_schedule(cli::Command group, Context& context) {
  group.require_command();
  auto list = group.add_command("list", "what is due next, what is overdue");
  list.callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/drill-schedule", 2'000),
                {{"id", "id"},
                 {"state", "state"},
                 {"due", "due"},
                 {"starts", "starts"},
                 {"last passed", "last_passed.ended"},
                 {"period", "period"},
                 {"site", "site"},
                 {"title", "title"}});
  });
  struct Plan {
    std::string id;
    bool start = false;
    std::map<std::string, std::string> texts;
  };
  auto plan = std::make_shared<Plan>();
  auto set = group.add_command("set", "plan a drill, or change a plan");
  set.add_option("id", plan->id, "name of the plan").required();
  for (const auto& [name, help] : {std::pair{"drill", "see drill library"},
                                   {"site", "where"},
                                   {"sensor", "through which sensor"},
                                   {"period", "30d, or a calendar: \"sun 03:00 Europe/London\""},
                                   {"grace", "overdue so long after it was due; default 1d"},
                                   {"window", "\"sat,sun 02:00-05:00 Europe/London\""},
                                   {"from", "first due, 2026-11-22T02:30:00Z"},
                                   {"owner", "who sees to it"}}) {
    auto option = set.add_option(std::string("--") + name, plan->texts[name], help);
    if (name == std::string_view("drill") || name == std::string_view("site") ||
        name == std::string_view("period"))
      option.required();
  }
  set.add_flag("--start", plan->start, "the collector starts it by itself when it is due");
  set.callback([plan, &context] {
    json::object body;
    for (const auto& [name, text] : plan->texts)
      if (!text.empty()) body[name] = text;
    if (plan->start) body["start"] = true;
    const auto p = ApiClient(context).call(
        "PUT", "/api/v1/drill-schedule/" + http::percent_encode(plan->id), json::serialize(body));
    if (context.output == Output::json) return print_object(context, p);
    std::printf("%s: %s, due %s\n", plan->id.c_str(), text_of(p, "state").c_str(),
                text_of(p, "due").c_str());
  });
  auto id = std::make_shared<std::string>();
  auto drop = group.add_command("drop", "take back a plan that was set here or on the page");
  drop.add_option("id", *id).required();
  drop.callback([id, &context] {
    (void)ApiClient(context).call("DELETE", "/api/v1/drill-schedule/" + http::percent_encode(*id));
    std::puts("dropped");
  });
}

void setup_heartbeats(cli::Command group, Context& context) {
  group.require_command();
  auto list = group.add_command("list", "signs of life of every source");
  list.callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/heartbeats", 10'000),
                {{"site", "site"},
                 {"sensor", "sensor"},
                 {"source", "source"},
                 {"state", "state"},
                 {"last", "last"},
                 {"due", "due"}});
  });
  auto name = std::make_shared<std::vector<std::string>>();
  auto retire = group.add_command("retire", "no longer wait for a sensor, or one source of it");
  retire.add_option("name", *name, "SITE SENSOR [SOURCE]").required().expected(2, 3);
  retire.callback([name, &context] {
    json::object body{{"site", name->at(0)}, {"sensor", name->at(1)}};
    if (name->size() > 2) body["source"] = name->at(2);
    (void)ApiClient(context).post("/api/v1/heartbeats/retire", body);
    std::puts("retired");
  });
}

void setup_playbook(cli::Command group, Context& context) {
  group.require_command();
  auto files = std::make_shared<std::vector<std::string>>();
  auto check = group.add_command("check", "load CACAO playbooks and say what is wrong");
  check.add_option("files", *files).required();
  check.callback([files, &context] {
    for (const auto& file : *files) {
      const auto p = playbooks::load(file_text(file));
      if (p) {
        std::printf("%s: good, \"%s\" with %zu steps\n", file.c_str(), (*p)->name.c_str(),
                    (*p)->steps.size());
        continue;
      }
      context.exit = Exit::failed;
      for (const auto& f : p.error())
        std::printf("%s: %s%s%s\n", file.c_str(), f.where.c_str(), f.where.empty() ? "" : ": ",
                    f.what.c_str());
    }
  });
  auto key = std::make_shared<std::string>();
  auto signee = std::make_shared<std::string>();
  auto sign = group.add_command("sign", "sign a playbook or an allow-list; the file is replaced");
  sign.add_option("file", *files).required().expected(1, 1);
  sign.add_option("--key", *key, "private key, PEM").required();
  sign.add_option("--name", *signee, "who signs").required();
  sign.callback([files, key, signee] {
    const auto& file = files->front();
    const auto parsed = playbooks::parse_json(file_text(file));
    if (!parsed || !parsed->is_object())
      throw Failure{Exit::failed, {"no JSON object", file, "check the file"}};
    const auto done = playbooks::sign_document(parsed->get_object(), file_text(*key), *signee,
                                               SystemClock().now());
    if (!done) throw Failure{Exit::failed, {done.error(), *key, "use an Ed25519, EC or RSA key"}};
    std::ofstream out(file + ".new", std::ios::binary);
    out << json::serialize(*done) << "\n";
    out.close();
    if (!out || std::rename((file + ".new").c_str(), file.c_str()) != 0)
      throw Failure{Exit::failed, {"cannot write", file, "check the folder's permissions"}};
    std::printf("%s: signed\n", file.c_str());
  });
  auto list = group.add_command("list", "playbooks of the collector's library");
  list.callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/playbooks", 1000),
                {{"name", "name"}, {"version", "version"}, {"steps", "steps"}, {"id", "id"}});
  });
}

const Registration drill{
    {"drill", "drills: list, library, start, watch, stop, report, schedule", &setup_drill}};
const Registration heartbeats{
    {"heartbeats", "signs of life of sensors and sources", &setup_heartbeats}};
const Registration playbook{{"playbook", "CACAO playbooks: check, sign, list", &setup_playbook}};

}  // namespace
}  // namespace ww::ctl
