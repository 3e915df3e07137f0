/// EVE `sip` and the `sdp` in it.
#include "sensors/protocols/sip/sip.hpp"

namespace ww::sensor::sip {
namespace {

void text(JsonWriter& json, std::string_view key, const std::string& value) {
  json.field_bytes(key, as_bytes(value));
}
void text(JsonWriter& json, std::string_view key, const std::optional<std::string>& value) {
  if (value) text(json, key, *value);
}
void list(JsonWriter& json, std::string_view key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  json.begin_array(key);
  for (const auto& v : values) json.value_bytes(as_bytes(v));
  json.end_array();
}

void write_times(JsonWriter& json, const std::vector<sdp::Time>& times) {
  if (times.empty()) return;
  json.begin_array("time_descriptions");
  for (const auto& t : times) {
    json.begin_object();
    text(json, "time", t.time);
    if (!t.repeats.empty()) text(json, "repeat_time", t.repeats.front());
    json.end_object();
  }
  json.end_array();
}

void write_media(JsonWriter& json, const std::vector<sdp::Media>& media) {
  if (media.empty()) return;
  json.begin_array("media_descriptions");
  for (const auto& m : media) {
    json.begin_object();
    text(json, "media", m.media);
    text(json, "media_info", m.title);
    list(json, "bandwidths", m.bandwidths);
    text(json, "connection_data", m.connection);
    text(json, "encryption_key", m.key);
    list(json, "attributes", m.attributes);
    json.end_object();
  }
  json.end_array();
}

void write_sdp(JsonWriter& json, const sdp::Description& d) {
  json.begin_object("sdp");
  text(json, "origin", d.origin);
  text(json, "session_name", d.name);
  text(json, "session_info", d.info);
  text(json, "uri", d.uri);
  text(json, "email", d.email);
  text(json, "phone_number", d.phone);
  text(json, "connection_data", d.connection);
  list(json, "bandwidths", d.bandwidths);
  write_times(json, d.times);
  text(json, "timezone", d.timezone);
  text(json, "encryption_key", d.key);
  list(json, "attributes", d.attributes);
  write_media(json, d.media);
  json.end_object();
}

}  // namespace

bool write_eve(const Transaction& t, const LogContext& context, JsonWriter& json) {
  if (against_the_flow(as_sip(t)) && !context.options.flag_or("all-messages", false)) return false;
  return write_alert(t, context, json);
}

bool write_alert(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_sip(t);
  if (!tx.message) return false;
  const auto& m = *tx.message;
  json.begin_object("sip");
  if (m.request) {
    text(json, "method", m.method);
    text(json, "uri", m.uri);
    text(json, "version", m.version);
    text(json, "request_line", m.line);
  } else {
    text(json, "version", m.version);
    text(json, "code", m.code);
    text(json, "reason", m.reason);
    text(json, "response_line", m.line);
  }
  if (m.sdp) write_sdp(json, *m.sdp);
  json.end_object();
  return true;
}

}  // namespace ww::sensor::sip
