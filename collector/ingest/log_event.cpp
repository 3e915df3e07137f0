#include "collector/ingest/log_event.hpp"

#include "telemetry/json_writer.hpp"
#include "telemetry/logformats/format.hpp"

namespace ww::collector {

void append_log_event(std::string& out, const LogEvent& e, Timestamp received) {
  JsonWriter json(out);
  json.begin_object();
  json.field("timestamp", eve_time(e.time.value_or(received)));
  json.field("event_type", "log");
  json.begin_object("log");
  const auto text = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) json.field(name, value);
  };
  text("source", e.source);
  text("product", e.product);
  text("service", e.service);
  text("category", e.category);
  text("host", e.host);
  text("severity", e.severity);
  text("facility", e.facility);
  json.field("message", e.message);
  if (!e.fields_object.empty()) {
    json.key("fields");
    json.raw(e.fields_object);
  }
  text("format", e.format);
  json.end_object();
  json.end_object();
}

void append_line_event(std::string& out, const LabelledLine& in, Timestamp received) {
  // A record grows to the largest line it has seen and is used again: one a thread.
  static thread_local logs::Record record;
  static thread_local const logs::Format* hint = nullptr;
  record.clear();
  logs::Context context;
  context.reference = in.time.value_or(received);
  logs::parse_line(logs::Formats::builtin(), in.line, context, record, hint);
  if (in.time) record.time = in.time;
  if (record.host.empty()) record.host = in.host;
  if (record.service.empty()) record.service = in.service;
  if (record.severity.empty()) record.severity = in.severity;
  if (!in.labels.empty()) {
    if (record.fields_object.empty()) {
      for (const auto& [name, value] : in.labels) record.add(name, value);
    } else {
      // The line is one JSON object: labels go beside its members, under a name of their own.
      std::string joined(record.fields_object);
      const auto brace = joined.find_last_of('}');
      const auto last = joined.find_last_not_of(" \t\r\n", brace == 0 ? 0 : brace - 1);
      std::string labels = joined[last] == '{' ? "\"labels\":{" : ",\"labels\":{";
      bool first = true;
      for (const auto& [name, value] : in.labels) {
        labels += first ? "\"" : ",\"";
        append_json_escaped(labels, name);
        labels += "\":\"";
        append_json_escaped(labels, value);
        labels += '"';
        first = false;
      }
      labels += '}';
      joined.insert(brace, labels);
      record.fields_object = record.keep(joined);
    }
  }
  logs::Origin origin;
  origin.source = in.source;
  origin.sender = in.sender;
  logs::append_log_event(out, record, origin, in.line, received);
}

}  // namespace ww::collector
