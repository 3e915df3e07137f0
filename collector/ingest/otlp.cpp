#include <simdjson.h>

#include <charconv>

#include "collector/ingest/foreign.hpp"
#include "collector/ingest/log_event.hpp"
#include "collector/ingest/protobuf.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {
namespace {

namespace dom = simdjson::dom;
constexpr int max_depth = 16;  // of nested AnyValues

/// One record on its way to an event, whichever encoding it came in.
struct Attributes {
  std::vector<std::pair<std::string, std::string>>
      all;  // value as text: strings as they are, the rest as JSON
  [[nodiscard]] std::string_view find(std::initializer_list<std::string_view> names) const {
    for (const auto n : names)
      for (const auto& [name, value] : all)
        if (name == n) return value;
    return {};
  }
};
struct OtlpRecord {
  std::uint64_t time_ns = 0, observed_ns = 0;
  std::int64_t severity = 0;
  std::string severity_text, body, event_name, trace_id, span_id;
  Attributes attributes;
};

// Severity number ranges of the OpenTelemetry log data model to syslog's words.
std::string_view severity_word(std::int64_t n) {
  if (n >= 21) return "critical";
  if (n >= 17) return "error";
  if (n >= 13) return "warning";
  if (n >= 9) return "informational";
  return n >= 1 ? "debug" : "";
}

bool add(Batch& batch, const ForeignLimits& limits, const Attributes& resource,
         std::string_view scope, const OtlpRecord& record) {
  if (batch.events.size() + batch.dead.size() >= limits.max_events) return false;
  if (record.body.size() > limits.max_line_octets) {
    batch.dead.push_back(
        {record.body.substr(0, limits.max_dead_octets),
         "body longer than " + std::to_string(limits.max_line_octets) + " octets"});
    return true;
  }
  LabelledLine e;
  e.source = "otlp";
  e.line = record.body;
  const auto ns = record.time_ns != 0 ? record.time_ns : record.observed_ns;
  if (ns != 0 && ns < 9'000'000'000'000'000'000ULL)
    e.time = Timestamp{static_cast<std::int64_t>(ns / 1000)};
  e.host = resource.find({"host.name", "k8s.node.name"});
  e.service = resource.find({"service.name", "k8s.container.name"});
  e.severity = severity_word(record.severity);
  std::size_t room = limits.max_labels;
  const auto label = [&](std::string_view name, std::string_view value) {
    if (room == 0 || value.empty()) return;
    --room;
    e.labels.emplace_back(name, value);
  };
  for (const auto& [n, v] : record.attributes.all) label(n, v);
  for (const auto& [n, v] : resource.all) label(n, v);
  label("otel.scope", scope);
  label("event_name", record.event_name);
  label("severity_text", record.severity_text);
  label("trace_id", record.trace_id);
  label("span_id", record.span_id);
  std::string out;
  append_line_event(out, e, batch.received);
  batch.events.push_back({std::move(out)});
  return true;
}

ForeignError too_many(const ForeignLimits& limits) {
  return {"more than " + std::to_string(limits.max_events) + " records in one request", true};
}

// ---- wire format ----

bool write_any(JsonWriter& json, std::string_view message, int depth);

bool write_key_values(JsonWriter& json, std::string_view list, int depth) {
  json.begin_object();
  ProtoReader m(list);
  while (m.next()) {
    if (m.field() != 1 || m.wire() != 2) continue;
    std::string_view key, value;
    ProtoReader pair(m.text());
    while (pair.next()) {
      if (pair.field() == 1) key = pair.text();
      if (pair.field() == 2) value = pair.text();
    }
    json.key_text(key);
    if (!pair.ok() || !write_any(json, value, depth + 1)) return false;
  }
  json.end_object();
  return m.ok();
}

bool write_any(JsonWriter& json, std::string_view message, int depth) {
  if (depth > max_depth) return false;
  ProtoReader m(message);
  bool any = false;
  while (m.next()) {
    if (any) continue;  // a oneof has one member
    any = true;
    switch (m.field()) {
      case 1:
        json.value(m.text());
        break;
      case 2:
        json.value(m.number() != 0);
        break;
      case 3:
        json.value(static_cast<std::int64_t>(m.number()));
        break;
      case 4:
        json.value(m.real());
        break;
      case 5: {
        json.begin_array();
        ProtoReader list(m.text());
        while (list.next())
          if (list.field() == 1 && !write_any(json, list.text(), depth + 1)) return false;
        if (!list.ok()) return false;
        json.end_array();
        break;
      }
      case 6:
        if (!write_key_values(json, m.text(), depth + 1)) return false;
        break;
      case 7:
        json.value_base64(as_bytes(m.text()));
        break;
      default:
        any = false;
    }
  }
  if (!any) json.null();
  return m.ok();
}

// A string as it is, everything else as JSON.
bool any_text(std::string_view message, std::string& out) {
  ProtoReader m(message);
  if (m.next() && m.field() == 1 && m.wire() == 2) {
    out = m.text();
    return true;
  }
  out.clear();
  JsonWriter json(out);
  if (!write_any(json, message, 0)) return false;
  if (out == "null") out.clear();
  return true;
}

bool read_attribute(std::string_view message, Attributes& out, std::size_t max) {
  std::string_view key, value;
  ProtoReader pair(message);
  while (pair.next()) {
    if (pair.field() == 1) key = pair.text();
    if (pair.field() == 2) value = pair.text();
  }
  if (!pair.ok()) return false;
  if (out.all.size() >= max) return true;
  std::string text;
  if (!any_text(value, text)) return false;
  out.all.emplace_back(std::string(key), std::move(text));
  return true;
}

bool read_record(std::string_view message, std::size_t max, OtlpRecord& out) {
  ProtoReader m(message);
  const auto hex = [](std::string_view octets) {
    std::string text;
    append_hex(text, as_bytes(octets.substr(0, 32)));
    return text;
  };
  while (m.next()) {
    bool ok = true;
    switch (m.field()) {
      case 1:
        out.time_ns = m.number();
        break;
      case 2:
        out.severity = static_cast<std::int64_t>(m.number());
        break;
      case 3:
        out.severity_text = m.text();
        break;
      case 5:
        ok = any_text(m.text(), out.body);
        break;
      case 6:
        ok = read_attribute(m.text(), out.attributes, max);
        break;
      case 9:
        out.trace_id = hex(m.text());
        break;
      case 10:
        out.span_id = hex(m.text());
        break;
      case 11:
        out.observed_ns = m.number();
        break;
      case 12:
        out.event_name = m.text();
        break;
      default:
        break;
    }
    if (!ok) return false;
  }
  return m.ok();
}

// ---- JSON mapping ----

std::string_view text_at(const dom::element& e, std::string_view key) {
  std::string_view out;
  return e[key].get(out) == simdjson::SUCCESS ? out : std::string_view();
}

// 64-bit numbers are strings in the mapping; plain numbers are accepted too.
std::uint64_t number_at(const dom::element& e, std::string_view key) {
  std::uint64_t n = 0;
  const auto value = e[key];
  if (value.get(n) == simdjson::SUCCESS) return n;
  const auto text = text_at(e, key);
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

bool write_any(JsonWriter& json, const dom::element& value, int depth) {
  if (depth > max_depth) return false;
  std::string_view text;
  bool flag = false;
  double real = 0;
  std::int64_t integer = 0;
  dom::array list;
  if (value["stringValue"].get(text) == simdjson::SUCCESS) {
    json.value(text);
  } else if (value["boolValue"].get(flag) == simdjson::SUCCESS) {
    json.value(flag);
  } else if (value["intValue"].get(integer) == simdjson::SUCCESS) {
    json.value(integer);
  } else if (value["intValue"].get(text) == simdjson::SUCCESS) {
    const auto r = std::from_chars(text.data(), text.data() + text.size(), integer);
    if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return false;
    json.value(integer);
  } else if (value["doubleValue"].get(real) == simdjson::SUCCESS) {
    json.value(real);
  } else if (value["bytesValue"].get(text) == simdjson::SUCCESS) {
    json.value(text);
  } else if (value["arrayValue"]["values"].get(list) == simdjson::SUCCESS) {
    json.begin_array();
    for (const auto item : list)
      if (!write_any(json, item, depth + 1)) return false;
    json.end_array();
  } else if (value["kvlistValue"]["values"].get(list) == simdjson::SUCCESS) {
    json.begin_object();
    for (const auto item : list) {
      dom::element inner;
      json.key_text(text_at(item, "key"));
      if (item["value"].get(inner) == simdjson::SUCCESS) {
        if (!write_any(json, inner, depth + 1)) return false;
      } else {
        json.null();
      }
    }
    json.end_object();
  } else {
    json.null();
  }
  return true;
}

bool any_text(const dom::element& value, std::string& out) {
  std::string_view text;
  if (value["stringValue"].get(text) == simdjson::SUCCESS) {
    out = text;
    return true;
  }
  out.clear();
  JsonWriter json(out);
  if (!write_any(json, value, 0)) return false;
  if (out == "null") out.clear();
  return true;
}

bool read_attributes(const dom::element& holder, Attributes& out, std::size_t max) {
  dom::array list;
  if (holder["attributes"].get(list) != simdjson::SUCCESS) return true;
  for (const auto item : list) {
    dom::element value;
    std::string text;
    if (out.all.size() >= max) break;
    if (item["value"].get(value) == simdjson::SUCCESS && !any_text(value, text)) return false;
    out.all.emplace_back(std::string(text_at(item, "key")), std::move(text));
  }
  return true;
}

}  // namespace

Result<void, ForeignError> parse_otlp_protobuf(std::string_view body, const ForeignLimits& limits,
                                               Batch& batch) {
  const auto malformed = [] {
    return fail(ForeignError{"the body is not an OTLP logs message", false});
  };
  ProtoReader request(body);
  while (request.next()) {
    if (request.field() != 1 || request.wire() != 2) continue;
    Attributes resource;
    ProtoReader head(request.text());  // the resource may follow the records on the wire
    while (head.next()) {
      if (head.field() != 1 || head.wire() != 2) continue;
      ProtoReader m(head.text());
      while (m.next())
        if (m.field() == 1 && !read_attribute(m.text(), resource, limits.max_labels))
          return malformed();
      if (!m.ok()) return malformed();
    }
    if (!head.ok()) return malformed();
    ProtoReader scopes(request.text());
    while (scopes.next()) {
      if (scopes.field() != 2 || scopes.wire() != 2) continue;
      std::string_view scope_name;
      ProtoReader about(scopes.text());
      while (about.next()) {
        if (about.field() != 1) continue;
        ProtoReader scope(about.text());
        while (scope.next())
          if (scope.field() == 1) scope_name = scope.text();
      }
      if (!about.ok()) return malformed();
      ProtoReader records(scopes.text());
      while (records.next()) {
        if (records.field() != 2 || records.wire() != 2) continue;
        OtlpRecord record;
        if (!read_record(records.text(), limits.max_labels, record)) return malformed();
        if (!add(batch, limits, resource, scope_name, record)) return fail(too_many(limits));
      }
    }
  }
  if (!request.ok()) return malformed();
  return {};
}

Result<void, ForeignError> parse_otlp_json(std::string_view body, const ForeignLimits& limits,
                                           Batch& batch) {
  dom::parser parser;
  if (parser.allocate(body.size() + 1, 128) != simdjson::SUCCESS)
    return fail(ForeignError{"the body is too large", true});
  dom::element root;
  const auto padded = simdjson::padded_string(body);
  if (const auto error = parser.parse(padded).get(root); error != simdjson::SUCCESS)
    return fail(ForeignError{std::string("the body is not JSON: ") + simdjson::error_message(error),
                             false});
  const auto malformed = [] {
    return fail(
        ForeignError{"an attribute or body is not an AnyValue, or is nested too deep", false});
  };
  dom::array resources;
  if (!root.is_object()) return fail(ForeignError{"the body is not an OTLP logs object", false});
  dom::element member;
  if (root["resourceLogs"].get(member) != simdjson::SUCCESS)
    return {};  // an empty message has no members
  if (member.get(resources) != simdjson::SUCCESS)
    return fail(ForeignError{"resourceLogs is not an array", false});
  for (const auto resource_logs : resources) {
    Attributes resource;
    dom::element holder;
    if (resource_logs["resource"].get(holder) == simdjson::SUCCESS &&
        !read_attributes(holder, resource, limits.max_labels))
      return malformed();
    dom::array scopes;
    if (resource_logs["scopeLogs"].get(scopes) != simdjson::SUCCESS) continue;
    for (const auto scope_logs : scopes) {
      dom::element scope;
      const auto scope_name = scope_logs["scope"].get(scope) == simdjson::SUCCESS
                                  ? text_at(scope, "name")
                                  : std::string_view();
      dom::array records;
      if (scope_logs["logRecords"].get(records) != simdjson::SUCCESS) continue;
      for (const auto item : records) {
        OtlpRecord record;
        record.time_ns = number_at(item, "timeUnixNano");
        record.observed_ns = number_at(item, "observedTimeUnixNano");
        record.severity = static_cast<std::int64_t>(number_at(item, "severityNumber") & 0xff);
        record.severity_text = text_at(item, "severityText");
        record.event_name = text_at(item, "eventName");
        record.trace_id = text_at(item, "traceId");
        record.span_id = text_at(item, "spanId");
        dom::element inner;
        if (item["body"].get(inner) == simdjson::SUCCESS && !any_text(inner, record.body))
          return malformed();
        if (!read_attributes(item, record.attributes, limits.max_labels)) return malformed();
        if (!add(batch, limits, resource, scope_name, record)) return fail(too_many(limits));
      }
    }
  }
  return {};
}

}  // namespace ww::collector
