#pragma once
/// Our own event types that are not Suricata's: declared once, here (contracts.md "Event").
#include <map>
#include <optional>
#include <string>

#include "telemetry/events/field.hpp"

namespace ww::events {

/// A line or record of a log, from any input.
struct Log {
  static constexpr std::string_view type = "log";
  std::string source;
  std::optional<std::string> product, service, category, host, severity, facility;
  std::string message;
  std::map<std::string, std::string> fields_json;  ///< name to a JSON value already written
  std::optional<std::string> file;
  std::optional<std::string> format;
  std::optional<std::string> raw;

  static constexpr auto fields() {
    return std::tuple{
        field("source", &Log::source, "how it came: file, syslog, journald, windows, otlp, loki, elastic"),
        field("product", &Log::product, "Sigma logsource product: windows, linux, apache..."),
        field("service", &Log::service, "Sigma logsource service: security, sysmon, sshd, auditd..."),
        field("category", &Log::category, "Sigma logsource category: process_creation, webserver..."),
        field("host", &Log::host, "host that wrote the line, as the line says"),
        field("severity", &Log::severity, "emergency, alert, critical, error, warning, notice, informational, debug"),
        field("facility", &Log::facility, "syslog facility name (RFC 5424 table 1)"),
        field("message", &Log::message, "the text that a person reads"),
        field("file", &Log::file, "path of the tailed file"),
        field("format", &Log::format, "log format that fitted: rfc5424, rfc3164, json, cef..."),
        field("raw", &Log::raw, "base64 of the original octets when they are not UTF-8 or were changed"),
    };
  }
};

}  // namespace ww::events
