/// `wardwatchctl enrol`, `user`, `token`, `audit`.

#include <boost/json.hpp>
#include <cstdio>

#include "ctl/commands/client.hpp"
#include "ctl/commands/secrets.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;

std::int64_t seconds(const std::string& text) {
  const auto n = parse_duration(text);
  if (!n)
    throw Failure{Exit::usage,
                  {"'" + text + "' is no duration", "--expires", "write for example 24h or 7d"}};
  return *n;
}

void setup_enrol(cli::Command group, Context& context) {
  struct Options {
    std::string site, sensor, expires = "24h", withdraw;
    bool list = false;
  };
  auto o = std::make_shared<Options>();
  group.add_option("--site", o->site, "the site's short name: lower-case letters, digits, dashes");
  group.add_option("--sensor", o->sensor, "the sensor's name at the site");
  group.add_option("--expires", o->expires, "how long the token may be used (default 24h)");
  group.add_flag("--list", o->list, "show the tokens that were made");
  group.add_option("--withdraw", o->withdraw, "id of a token that must no longer work");
  group.callback([o, &context] {
    ApiClient api(context);
    if (o->list)
      return print_items(context, api.items("/api/v1/enrolments", 100'000),
                         {{"created", "created"},
                          {"site", "site"},
                          {"sensor", "sensor"},
                          {"by", "created_by"},
                          {"expires", "expires"},
                          {"used", "used"},
                          {"id", "id"}});
    if (!o->withdraw.empty()) {
      (void)api.call("DELETE", "/api/v1/enrolments/" + http::percent_encode(o->withdraw));
      return;
    }
    if (o->site.empty() || o->sensor.empty())
      throw Failure{Exit::usage, {"which sensor?", "enrol", "give --site and --sensor"}};
    const auto v =
        api.post("/api/v1/enrolments", json::object{{"site", o->site},
                                                    {"sensor", o->sensor},
                                                    {"expires_in", seconds(o->expires)}});
    if (context.output == Output::json) return print_object(context, v);
    // The token alone on standard output, so that a script can take it.
    std::puts(text_of(v, "token").c_str());
    std::fprintf(stderr, "one-time token for %s/%s, until %s; the collector is %s\n",
                 o->site.c_str(), o->sensor.c_str(), text_of(v, "expires").c_str(),
                 text_of(v, "url").c_str());
  });
}

const std::vector<std::pair<std::string, std::string>> user_columns{
    {"user", "user"},   {"name", "name"},         {"role", "role"},
    {"sites", "sites"}, {"disabled", "disabled"}, {"last login", "last_login"}};

void setup_user(cli::Command group, Context& context) {
  group.require_command();
  struct Options {
    std::string user, name, role, password_file;
    std::vector<std::string> sites;
    bool disable = false, enable = false;
  };
  auto o = std::make_shared<Options>();
  const auto path = [o] { return "/api/v1/users/" + http::percent_encode(o->user); };
  const auto sites = [o] {
    json::array a;
    for (const auto& s : o->sites) a.emplace_back(s);
    return a;
  };
  group.add_command("list", "people").callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/users", 100'000), user_columns);
  });
  auto add = group.add_command("add", "add a person; prints a one-time login link");
  add.add_option("user", o->user).required();
  add.add_option("--role", o->role, "auditor, analyst, lead, admin").required();
  add.add_option("--name", o->name, "full name");
  add.add_option("--site", o->sites, "sites that this person may see (all when none is given)");
  add.callback([o, sites, &context] {
    const auto v = ApiClient(context).post(
        "/api/v1/users",
        json::object{{"user", o->user}, {"name", o->name}, {"role", o->role}, {"sites", sites()}});
    print_object(context, v);
  });
  auto set = group.add_command("set", "change a person");
  set.add_option("user", o->user).required();
  set.add_option("--role", o->role, "auditor, analyst, lead, admin");
  set.add_option("--name", o->name, "full name");
  set.add_option("--site", o->sites, "sites that this person may see");
  set.add_flag("--disable", o->disable, "can no longer sign in; sessions end");
  set.add_flag("--enable", o->enable, "can sign in again");
  set.add_option("--password-file", o->password_file,
                 "file with a new password, at least 12 characters; - asks for it");
  set.callback([o, path, sites, &context] {
    json::object body;
    if (!o->role.empty()) body["role"] = o->role;
    if (!o->name.empty()) body["name"] = o->name;
    if (!o->sites.empty()) body["sites"] = sites();
    if (o->disable || o->enable) body["disabled"] = o->disable;
    if (!o->password_file.empty())
      body["password"] =
          o->password_file == "-" ? ask_secret("New password: ") : first_line(o->password_file);
    if (body.empty())
      throw Failure{Exit::usage,
                    {"nothing to change is given", "user set", "see wardwatchctl user set --help"}};
    print_items(context, {ApiClient(context).call("PATCH", path(), json::serialize(body))},
                user_columns);
  });
  auto remove = group.add_command("remove", "remove a person");
  remove.add_option("user", o->user).required();
  remove.callback([path, &context] { (void)ApiClient(context).call("DELETE", path()); });
  auto link = group.add_command("link", "a one-time login link for a person");
  link.add_option("user", o->user).required();
  link.callback([path, &context] {
    const auto v = ApiClient(context).post(path() + "/login-link", json::object{});
    if (context.output == Output::json) return print_object(context, v);
    std::puts(text_of(v, "link").c_str());
  });
}

void setup_token(cli::Command group, Context& context) {
  group.require_command();
  struct Options {
    std::string name, role, site, source, expires = "90d", id;
  };
  auto o = std::make_shared<Options>();
  group.add_command("list", "API tokens").callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/tokens", 100'000),
                {{"name", "name"},
                 {"role", "role"},
                 {"site", "site"},
                 {"source", "source"},
                 {"by", "created_by"},
                 {"expires", "expires"},
                 {"last used", "last_used"},
                 {"id", "id"}});
  });
  auto add = group.add_command("add", "make a token; it is shown once");
  add.add_option("name", o->name).required();
  add.add_option("--role", o->role, "ingest, metrics, auditor, analyst, lead, admin").required();
  add.add_option("--site", o->site, "ingest: site of its events");
  add.add_option("--source", o->source, "ingest: sensor name of its events");
  add.add_option("--expires", o->expires, "default 90d");
  add.callback([o, &context] {
    const auto v = ApiClient(context).post("/api/v1/tokens",
                                           json::object{{"name", o->name},
                                                        {"role", o->role},
                                                        {"site", o->site},
                                                        {"source", o->source},
                                                        {"expires_in", seconds(o->expires)}});
    if (context.output == Output::json) return print_object(context, v);
    std::puts(text_of(v, "token").c_str());
  });
  auto remove = group.add_command("remove", "a token must no longer work");
  remove.add_option("id", o->id).required();
  remove.callback([o, &context] {
    (void)ApiClient(context).call("DELETE", "/api/v1/tokens/" + http::percent_encode(o->id));
  });
}

void setup_audit(cli::Command group, Context& context) {
  auto limit = std::make_shared<std::size_t>(100);
  group.add_option("--limit", *limit, "at most so many").in_range(1, 1'000'000);
  group.callback([limit, &context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/audit", *limit),
                {{"time", "time"},
                 {"who", "user"},
                 {"by", "kind"},
                 {"action", "action"},
                 {"target", "target"},
                 {"detail", "detail"},
                 {"from", "address"}});
  });
}

const Registration enrol{{"enrol", "a one-time token that lets a sensor join", &setup_enrol}};
const Registration user{{"user", "people who may sign in", &setup_user}};
const Registration token{{"token", "API tokens for scripts and shippers", &setup_token}};
const Registration audit{{"audit", "every change by a person", &setup_audit}};

}  // namespace
}  // namespace ww::ctl
