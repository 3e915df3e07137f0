/// /healthz, /readyz, /metrics and the live feed.
#include "collector/alerts/alerts.hpp"
#include "collector/api/live.hpp"
#include "collector/api/reply.hpp"
#include "collector/metrics/metrics.hpp"
#include "collector/store/store.hpp"

namespace ww::collector {
namespace {

void healthz(const CallPtr& call) { call->reply_json(200, "{\"status\":\"ok\"}"); }

void readyz(const CallPtr& call) {
  const auto& store = call->services.store;
  const bool ready = store.stats().healthy;
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.field("status", ready ? "ready" : "not ready");
  json.begin_array("problems");
  for (const auto& p : store.problems()) json.value(p.text());
  json.end_array();
  json.end_object();
  call->reply_json(ready ? 200 : 503, std::move(body));
}

void metrics(const CallPtr& call) {
  http::Response r;
  r.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  r.body = call->services.metrics.text();
  call->exchange->reply(std::move(r));
}

void live(const CallPtr& call) {
  if (call->services.live.full())
    return call->reply_busy(503, "too many live readers; try later", 30);
  http::Response head;
  head.headers.add("Content-Type", "text/event-stream");
  head.headers.add("Cache-Control", "no-store");
  auto writer = call->exchange->stream(std::move(head));
  if (!writer) return;
  LiveFilter filter{call->list_arg("site"), call->list_arg("level"), call->visible_sites()};
  if (!call->services.live.add(writer, std::move(filter))) writer->close();
}

const RouteRegistration registration{{
    {"GET", "/healthz", Access::open, &healthz, "the process runs"},
    {"GET", "/readyz", Access::any, &readyz, "the store takes batches"},
    {"GET", "/metrics", Access::metrics, &metrics, "figures for Prometheus"},
    {"GET", "/api/v1/live", Access::auditor, &live, "alerts and figures as they happen"},
}};

}  // namespace
}  // namespace ww::collector
