/// Everything that brings events in by HTTP: the sensors' own contract and what others' shippers
/// speak.
#include <chrono>

#include "collector/api/reply.hpp"
#include "collector/ingest/body.hpp"
#include "collector/ingest/foreign.hpp"
#include "collector/ingest/lines.hpp"
#include "collector/ingest/pipeline.hpp"
#include "collector/metrics/metrics.hpp"

namespace ww::collector {
namespace {

/// The body without its encoding; answers 400, 413 or 415 itself.
std::optional<std::string> decoded(const CallPtr& call, std::string_view source) {
  const auto& r = call->exchange->request;
  auto body = decode_body(r.headers.get("Content-Encoding"),
                          std::move(call->exchange->request.body), ingest::max_batch_octets);
  if (body) return std::move(*body);
  call->services.metrics.count_ingest(source, "refused", 1, 0);
  const auto code = body.error().code;
  call->reply_error(code == BodyErrc::too_large          ? 413
                    : code == BodyErrc::unknown_encoding ? 415
                                                         : 400,
                    body.error().what);
  return {};
}

void count(Metrics& metrics, const char* source, const CommitAnswer& answer, std::size_t events,
           std::size_t dead, std::size_t octets) {
  switch (answer.kind) {
    case CommitAnswer::Kind::committed:
      metrics.count_ingest(source, "accepted", static_cast<double>(events),
                           static_cast<double>(octets));
      metrics.count_ingest(source, "dead", static_cast<double>(dead), 0);
      break;
    case CommitAnswer::Kind::out_of_order:
      metrics.count_ingest(source, "refused", static_cast<double>(events), 0);
      break;
    case CommitAnswer::Kind::busy:
    case CommitAnswer::Kind::failed:
      metrics.count_ingest(source, "busy", static_cast<double>(events), 0);
      break;
  }
}

void sensor_batch(const CallPtr& call) {
  const auto& headers = call->request().headers;
  if (call->caller.kind != Caller::Kind::sensor)
    return call->reply_error(
        403, "batches need a sensor's client certificate; foreign inputs have paths of their own");
  Batch batch;
  batch.site = call->caller.sensor.site;
  batch.sensor = call->caller.sensor.sensor;
  batch.source = "ingest";
  batch.received = call->services.clock.now();
  batch.id = ingest::parse_batch_id(headers.get(ingest::batch_header));
  if (!batch.id) return call->reply_error(400, "the header Wardwatch-Batch must be EPOCH-SEQ");
  if (const auto text = headers.get(ingest::skipped_header); !text.empty()) {
    batch.skipped = ingest::parse_skipped(text);
    if (!batch.skipped)
      return call->reply_error(400, "the header Wardwatch-Skipped must be FROM-TO");
    auto why = ingest::parse_skipped_why(headers.get(ingest::why_header));
    if (!why)
      return call->reply_error(400,
                               "the header Wardwatch-Skipped-Why must be REASON FROM-TO, ..., in "
                               "order, of damaged, refused and acknowledged");
    batch.lost = std::move(*why);
  }
  const auto body = decoded(call, "ingest");
  if (!body) return;
  if (const auto split = split_lines(*body, {}, batch); !split) {
    call->services.metrics.count_ingest("ingest", "refused", 1, 0);
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.field("error", split.error().what);
    json.field("line", split.error().line);
    json.end_object();
    return call->reply_json(split.error().line > 0 ? 413 : 400, std::move(text));
  }
  const auto events = batch.events.size(), dead = batch.dead.size();
  call->services.pipeline.submit(
      std::move(batch), [call, events, dead, octets = body->size()](CommitAnswer answer) {
        count(call->services.metrics, "ingest", answer, events, dead, octets);
        std::string text;
        JsonWriter json(text);
        json.begin_object();
        switch (answer.kind) {
          case CommitAnswer::Kind::committed:
            json.field("ack", answer.ack);
            json.field("accepted", answer.accepted);
            json.end_object();
            return call->reply_json(200, std::move(text));
          case CommitAnswer::Kind::out_of_order:
            json.field("expected", answer.expected);
            json.field("epoch", answer.epoch);
            json.end_object();
            return call->reply_json(409, std::move(text));
          case CommitAnswer::Kind::busy:
            return call->reply_busy(429, "the collector is busy; send the same batch again", 1);
          case CommitAnswer::Kind::failed:
            return call->reply_busy(503, "the batch could not be stored: " + answer.error, 5);
        }
      });
}

/// A batch whose site and source come from the caller.
Batch foreign_batch(const CallPtr& call, const char* source) {
  Batch batch;
  const auto& c = call->caller;
  const bool sensor = c.kind == Caller::Kind::sensor;
  batch.site = sensor            ? c.sensor.site
               : !c.site.empty() ? c.site
                                 : call->services.options.foreign_site;
  batch.sensor = sensor ? c.sensor.sensor : !c.source.empty() ? c.source : source;
  batch.source = source;
  batch.received = call->services.clock.now();
  return batch;
}

void submit(const CallPtr& call, Batch&& batch, std::size_t octets, const char* source,
            std::function<void(const CommitAnswer&)> stored) {
  const auto events = batch.events.size(), dead = batch.dead.size();
  if (events + dead == 0) return stored(CommitAnswer{});
  batch.dead_positions.clear();  // only sensor batches have sequence numbers
  call->services.pipeline.submit(
      std::move(batch), [=, stored = std::move(stored)](CommitAnswer answer) {
        count(call->services.metrics, source, answer, events, dead, octets);
        if (answer.kind == CommitAnswer::Kind::busy)
          return call->reply_busy(429, "the collector is busy; send again", 1);
        if (answer.kind != CommitAnswer::Kind::committed)
          return call->reply_busy(503, "the events could not be stored: " + answer.error, 5);
        stored(answer);
      });
}

void refuse(const CallPtr& call, const char* source, const ForeignError& e) {
  call->services.metrics.count_ingest(source, "refused", 1, 0);
  call->reply_error(e.too_many ? 413 : 400, e.what);
}

void bulk(const CallPtr& call) {
  const auto body = decoded(call, "elastic");
  if (!body) return;
  auto batch = foreign_batch(call, "elastic");
  const auto start = std::chrono::steady_clock::now();
  auto parsed = parse_bulk(*body, call->param("index"), {}, batch);
  if (!parsed) return refuse(call, "elastic", parsed.error());
  submit(call, std::move(batch), body->size(), "elastic",
         [call, start, result = std::move(*parsed)](const CommitAnswer&) {
           const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::chrono::steady_clock::now() - start)
                                 .count();
           http::Response r;
           r.headers.add("Content-Type", "application/json");
           r.headers.add("X-Elastic-Product",
                         "Elasticsearch");  // newer clients refuse a server without it
           r.body = bulk_answer(result, static_cast<std::uint64_t>(took), true);
           call->exchange->reply(std::move(r));
         });
}

bool is_json(const CallPtr& call) {
  const auto type = call->request().headers.get("Content-Type");
  return http::same_name(type.substr(0, type.find(';')), "application/json");
}

void loki(const CallPtr& call) {
  auto batch = foreign_batch(call, "loki");
  Result<void, ForeignError> parsed;
  std::size_t octets = 0;
  if (is_json(call)) {
    const auto body = decoded(call, "loki");
    if (!body) return;
    octets = body->size();
    parsed = parse_loki_json(*body, {}, batch);
  } else {
    // The protobuf form is always snappy-compressed; some clients say so, most do not.
    auto& headers = call->exchange->request.headers;
    if (headers.get("Content-Encoding").empty()) headers.set("Content-Encoding", "snappy");
    const auto body = decoded(call, "loki");
    if (!body) return;
    octets = body->size();
    parsed = parse_loki_protobuf(*body, {}, batch);
  }
  if (!parsed) return refuse(call, "loki", parsed.error());
  submit(call, std::move(batch), octets, "loki",
         [call](const CommitAnswer&) { call->reply_empty(); });
}

void otlp(const CallPtr& call) {
  const bool json = is_json(call);
  if (!json && !call->request().headers.get("Content-Type").starts_with("application/x-protobuf"))
    return call->reply_error(415, "send application/json or application/x-protobuf");
  const auto body = decoded(call, "otlp");
  if (!body) return;
  auto batch = foreign_batch(call, "otlp");
  const auto parsed =
      json ? parse_otlp_json(*body, {}, batch) : parse_otlp_protobuf(*body, {}, batch);
  if (!parsed) return refuse(call, "otlp", parsed.error());
  submit(call, std::move(batch), body->size(), "otlp", [call, json](const CommitAnswer&) {
    http::Response r;  // an empty ExportLogsServiceResponse
    r.headers.add("Content-Type", json ? "application/json" : "application/x-protobuf");
    if (json) r.body = "{}";
    call->exchange->reply(std::move(r));
  });
}

void lines(const CallPtr& call, Foreign kind, const char* source) {
  const auto body = decoded(call, source);
  if (!body) return;
  auto batch = foreign_batch(call, source);
  if (const auto split = split_lines(*body, {}, batch); !split)
    return refuse(call, source, {split.error().what, true});
  convert_lines(kind, batch);
  const auto dead = batch.dead.size();
  submit(call, std::move(batch), body->size(), source, [call, dead](const CommitAnswer& answer) {
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.field("accepted", answer.accepted);
    json.field("dead", dead);
    json.end_object();
    call->reply_json(200, std::move(text));
  });
}
void eve(const CallPtr& call) { lines(call, Foreign::eve, "eve"); }
void wazuh(const CallPtr& call) { lines(call, Foreign::wazuh, "wazuh"); }

// ---- what Beats ask before they send ----

void elastic_json(const CallPtr& call, std::string body) {
  http::Response r;
  r.headers.add("Content-Type", "application/json");
  r.headers.add("X-Elastic-Product", "Elasticsearch");
  r.body = std::move(body);
  call->exchange->reply(std::move(r));
}
void elastic_root(const CallPtr& call) {
  elastic_json(
      call,
      R"({"name":"wardwatch","cluster_name":"wardwatch","cluster_uuid":"wardwatch-collector","version":{"number":"8.17.0","build_flavor":"default","build_type":"deb","lucene_version":"9.12.0","minimum_wire_compatibility_version":"7.17.0","minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"})");
}
void elastic_license(const CallPtr& call) {
  elastic_json(
      call, R"({"license":{"status":"active","uid":"wardwatch","type":"basic","mode":"basic"}})");
}
void elastic_xpack(const CallPtr& call) {
  elastic_json(
      call,
      R"({"build":{},"license":{"uid":"wardwatch","type":"basic","mode":"basic","status":"active"},"features":{},"tagline":"Wardwatch"})");
}

void elastic_health(const CallPtr& call) {
  elastic_json(
      call,
      R"({"cluster_name":"wardwatch","status":"green","timed_out":false,"number_of_nodes":1})");
}

const RouteRegistration registration{{
    {"POST", "/api/v1/ingest", Access::ingest, &sensor_batch, "a sensor's batch"},
    {"POST", "/_bulk", Access::ingest, &bulk, "Elasticsearch bulk"},
    {"PUT", "/_bulk", Access::ingest, &bulk, "Elasticsearch bulk"},
    {"POST", "/{index}/_bulk", Access::ingest, &bulk, "Elasticsearch bulk into one index"},
    {"GET", "/_license", Access::ingest, &elastic_license, "probe of Beats"},
    {"GET", "/_xpack", Access::ingest, &elastic_xpack, "probe of Beats"},
    {"GET", "/_cluster/health", Access::ingest, &elastic_health, "probe of Vector"},
    {"GET", "/_elastic", Access::ingest, &elastic_root, "Elasticsearch's root document"},
    {"POST", "/loki/api/v1/push", Access::ingest, &loki, "Loki push"},
    {"POST", "/v1/logs", Access::ingest, &otlp, "OTLP logs"},
    {"POST", "/api/v1/eve", Access::ingest, &eve, "EVE lines of a Suricata"},
    {"POST", "/api/v1/wazuh", Access::ingest, &wazuh, "alerts.json of a Wazuh manager"},
}};

}  // namespace
}  // namespace ww::collector
