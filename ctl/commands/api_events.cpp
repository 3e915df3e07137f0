/// `wardwatchctl events`, `stats`, `sites`, `sensors`, `gaps`, `dead-letters`.

#include <boost/json.hpp>
#include <cstdio>

#include "ctl/commands/client.hpp"
#include "telemetry/command_line/command_line.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;

struct Search {
  std::string query, from = "1h", to, type, site, sensor, by, field, step = "60";
  std::size_t limit = 100;
  std::string path(const std::string& base,
                   std::vector<std::pair<std::string, std::string>> more = {}) const {
    std::vector<std::pair<std::string, std::string>> args{{"q", query},
                                                          {"from", time_argument(from)},
                                                          {"to", time_argument(to)},
                                                          {"type", type},
                                                          {"site", site},
                                                          {"sensor", sensor}};
    args.insert(args.end(), more.begin(), more.end());
    return base + query_string(args);
  }
};

void add_search(cli::Command sub, Search& s) {
  sub.add_option("query", s.query, "words, \"phrases\", field:value, field>n, AND, OR, NOT, ( )");
  sub.add_option("--from", s.from, "a time, or 2h for two hours ago (default 1h)");
  sub.add_option("--to", s.to, "until: a time, or how long ago (2h)");
  sub.add_option("--type", s.type, "event types; comma means or");
  sub.add_option("--site", s.site, "only this site");
  sub.add_option("--sensor", s.sensor, "only this sensor");
}

void setup(cli::Command group, Context& context) {
  group.require_command();
  auto s = std::make_shared<Search>();
  auto search = group.add_command("search", "events, newest first");
  add_search(search, *s);
  search.add_option("--limit", s->limit, "at most so many").in_range(1, 1'000'000);
  search.callback([s, &context] {
    ApiClient api(context);
    const auto items = api.items(s->path("/api/v1/events"), s->limit);
    if (context.output == Output::json) {
      for (const auto& e : items)
        std::puts(json::serialize(e).c_str());  // NDJSON: events go into other tools
      return;
    }
    print_items(context, items,
                {{"time", "timestamp"},
                 {"type", "event_type"},
                 {"site", "ww.site"},
                 {"sensor", "ww.sensor"},
                 {"source", "src_ip"},
                 {"destination", "dest_ip"},
                 {"host", "log.host"},
                 {"message", "log.message"},
                 {"signature", "alert.signature"},
                 {"id", "ww.id"}});
  });
  auto count = group.add_command("count", "events over time");
  add_search(count, *s);
  count.add_option("--by", s->by, "type, site or sensor");
  count.add_option("--step", s->step, "seconds, a multiple of 60");
  count.callback([s, &context] {
    const auto page =
        ApiClient(context).get(s->path("/api/v1/events/count", {{"by", s->by}, {"step", s->step}}));
    const auto& items = page.at("items").as_array();
    print_items(context, {items.begin(), items.end()},
                {{"start", "start"}, {"key", "key"}, {"events", "count"}});
  });
  auto top = group.add_command("top", "most frequent values of a field");
  top.add_option("field", s->field, "dotted path, for example dns.queries.rrname").required();
  add_search(top, *s);
  top.add_option("--limit", s->limit, "at most so many").in_range(1, 100);
  top.callback([s, &context] {
    const auto page = ApiClient(context).get(
        s->path("/api/v1/events/top", {{"field", s->field}, {"limit", std::to_string(s->limit)}}));
    const auto& items = page.at("items").as_array();
    print_items(context, {items.begin(), items.end()}, {{"value", "value"}, {"events", "count"}});
  });
  auto id = std::make_shared<std::string>();
  auto show = group.add_command("show", "one event as JSON");
  show.add_option("id", *id).required();
  show.callback([id, &context] {
    std::puts(json::serialize(ApiClient(context).get("/api/v1/events/" + http::percent_encode(*id)))
                  .c_str());
  });
}

void setup_sensors(cli::Command group, Context& context) {
  group.require_command();
  group.add_command("list", "sensors and their state").callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/sensors", 100'000),
                {{"site", "site"},
                 {"sensor", "sensor"},
                 {"status", "status"},
                 {"last seen", "last_seen"},
                 {"events 24 h", "events_24h"},
                 {"stored up to", "ack"},
                 {"certificate until", "certificate.not_after"}});
  });
  auto name = std::make_shared<std::pair<std::string, std::string>>();
  auto reason = std::make_shared<std::string>();
  auto revoke = group.add_command("revoke", "a sensor's certificates end now");
  revoke.add_option("site", name->first).required();
  revoke.add_option("sensor", name->second).required();
  revoke.add_option("--reason", *reason, "kept in the audit trail");
  revoke.callback([name, reason, &context] {
    (void)ApiClient(context).post("/api/v1/sensors/" + http::percent_encode(name->first) + "/" +
                                      http::percent_encode(name->second) + "/revoke",
                                  json::object{{"reason", *reason}});
    std::printf("%s/%s is revoked\n", name->first.c_str(), name->second.c_str());
  });
}

void setup_sites(cli::Command group, Context& context) {
  group.callback([&context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/sites", 100'000),
                {{"site", "site"},
                 {"sensors", "sensors"},
                 {"events 24 h", "events_24h"},
                 {"open alerts", "alerts_open"},
                 {"last seen", "last_seen"}});
  });
}
void setup_stats(cli::Command group, Context& context) {
  auto minutes = std::make_shared<int>(60);
  group.add_option("--minutes", *minutes, "of the last so many minutes").in_range(1, 10080);
  group.callback([minutes, &context] {
    const auto v =
        ApiClient(context).get("/api/v1/stats/overview?minutes=" + std::to_string(*minutes));
    if (context.output == Output::json) return print_object(context, v);
    Table table({"what", "value"});
    table.add({"events", text_of(v, "events.total")});
    table.add({"events per second", text_of(v, "events.per_second")});
    for (const auto& row : v.at("events").at("by_type").as_array())
      table.add({"  type " + text_of(row, "type"), text_of(row, "count")});
    for (const auto& row : v.at("events").at("by_site").as_array())
      table.add({"  site " + text_of(row, "site"), text_of(row, "count")});
    table.add({"open alerts", text_of(v, "alerts.open")});
    for (const auto& row : v.at("alerts").at("by_level").as_array())
      table.add({"  " + text_of(row, "level"), text_of(row, "count")});
    if (const auto dead = text_of(v, "dead_letters"); !dead.empty())
      table.add({"dead letters", dead});
    table.print(context);
  });
}
void setup_gaps(cli::Command group, Context& context) {
  auto from = std::make_shared<std::string>("30d");
  group.add_option("--from", *from, "since: a time, or how long ago (2h)");
  group.callback([from, &context] {
    ApiClient api(context);
    print_items(context,
                api.items("/api/v1/gaps" + query_string({{"from", time_argument(*from)}}), 100'000),
                {{"noticed", "noticed"},
                 {"site", "site"},
                 {"sensor", "sensor"},
                 {"reason", "reason"},
                 {"from", "from"},
                 {"to", "to"},
                 {"events", "events"}});
  });
}
void setup_dead(cli::Command group, Context& context) {
  auto limit = std::make_shared<std::size_t>(100);
  group.add_option("--limit", *limit, "at most so many").in_range(1, 1'000'000);
  group.callback([limit, &context] {
    ApiClient api(context);
    print_items(context, api.items("/api/v1/dead-letters", *limit),
                {{"received", "received"},
                 {"site", "site"},
                 {"sensor", "sensor"},
                 {"source", "source"},
                 {"reason", "reason"},
                 {"line", "line"}});
  });
}

const Registration events{{"events", "search, count and show events", &setup}};
const Registration sensors{{"sensors", "sensors and their certificates", &setup_sensors}};
const Registration sites{{"sites", "sites and their figures", &setup_sites}};
const Registration stats{{"stats", "figures of the last hour", &setup_stats}};
const Registration gaps{{"gaps", "what could not be seen, and why", &setup_gaps}};
const Registration dead{{"dead-letters", "lines that could not become events", &setup_dead}};

}  // namespace
}  // namespace ww::ctl
