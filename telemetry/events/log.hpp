#pragma once
/// Our own event types that are not Suricata's: declared once, here (contracts.md "Event").
#include <optional>
#include <string_view>

#include "telemetry/events/field.hpp"

namespace ww::logs {
class Record;
}

namespace ww::events {

/// The named values of a record, written by telemetry/logformats/record.cpp.
struct LogFields {
  const logs::Record* record = nullptr;
  std::string_view sender;
};
void write_log_fields(JsonWriter& json, const LogFields& fields);

/// A line or record of a log, from any input. Views: made for one write.
struct Log {
  static constexpr std::string_view type = "log";
  using Text = std::optional<std::string_view>;
  std::string_view source;
  Text product, service, category, host, severity, facility;
  std::string_view message;
  std::optional<LogFields> fields_of;
  Text file, format, raw;

  static constexpr auto fields() {
    return std::tuple{
        field("source", &Log::source,
              "how it came: file, syslog, journald, windows, stdin, otlp, loki, elastic"),
        field("product", &Log::product, "Sigma logsource product: windows, linux, apache..."),
        field("service", &Log::service,
              "Sigma logsource service: security, sysmon, sshd, auditd..."),
        field("category", &Log::category,
              "Sigma logsource category: process_creation, webserver..."),
        field("host", &Log::host, "host that wrote the line, as the line says"),
        field("severity", &Log::severity,
              "emergency, alert, critical, error, warning, notice, informational, debug"),
        field("facility", &Log::facility, "syslog facility name (RFC 5424 table 1)"),
        field("message", &Log::message, "the text that a person reads"),
        field("fields", &Log::fields_of,
              "the named values of the line, names as the writer gave them"),
        field("file", &Log::file, "path of the tailed file"),
        field("format", &Log::format, "log format that fitted: rfc5424, rfc3164, json, cef..."),
        field("raw", &Log::raw, "base64 of the original octets when they are not UTF-8"),
    };
  }
};

}  // namespace ww::events

namespace ww {
template <>
inline void write_value(JsonWriter& json, const events::LogFields& v) {
  events::write_log_fields(json, v);
}
}  // namespace ww
