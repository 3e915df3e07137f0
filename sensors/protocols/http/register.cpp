/// HTTP/1 as a protocol of the sensor. What it offers stands in the README of this folder.
#include "sensors/protocols/http/buffers.hpp"
#include "sensors/protocols/http/eve.hpp"
#include "sensors/protocols/http/events.hpp"
#include "sensors/protocols/http/parser.hpp"

namespace ww::sensor::http {
namespace {

/// Methods that start a request; each alone tells HTTP/1 from everything else we know.
constexpr std::string_view methods[] = {"GET",
                                        "PUT",
                                        "POST",
                                        "HEAD",
                                        "TRACE",
                                        "OPTIONS",
                                        "CONNECT",
                                        "DELETE",
                                        "PATCH",
                                        "PROPFIND",
                                        "PROPPATCH",
                                        "MKCOL",
                                        "COPY",
                                        "MOVE",
                                        "LOCK",
                                        "UNLOCK",
                                        "CHECKOUT",
                                        "UNCHECKOUT",
                                        "CHECKIN",
                                        "UPDATE",
                                        "LABEL",
                                        "REPORT",
                                        "MKWORKSPACE",
                                        "MKACTIVITY",
                                        "MERGE",
                                        "INVALID",
                                        "VERSION-CONTROL",
                                        "BASELINE-CONTROL"};

std::vector<Protocol::Pattern> patterns() {
  std::vector<Protocol::Pattern> out;
  const auto add = [&](Dir dir, std::string octets, std::uint16_t offset, std::uint16_t depth) {
    Protocol::Pattern p{};
    p.ip_proto = 6;
    p.dir = dir;
    p.octets = std::move(octets);
    p.offset = offset;
    p.depth = depth;
    p.nocase = true;
    out.push_back(std::move(p));
  };
  for (const auto method : methods)
    for (const char after : {' ', '\t'}) {
      std::string text(method);
      text += after;
      const auto size = static_cast<std::uint16_t>(text.size());
      add(Dir::to_server, std::move(text), 0,
          static_cast<std::uint16_t>(size + 2));  // an empty line may come first
    }
  for (const std::string_view version : {"HTTP/0.9", "HTTP/1.0", "HTTP/1.1"})
    add(Dir::to_client, std::string(version), 0, static_cast<std::uint16_t>(version.size()));
  return out;
}

std::unique_ptr<Parser> make(const Settings& settings) {
  return std::make_unique<HttpParser>(Config::cached(settings));
}

Protocol protocol() {
  Protocol p;
  p.name = "http";
  p.settings_name = "http";
  p.rule_names = {"http", "http1"};
  p.tcp = true;
  p.tcp_ports = "80";
  p.patterns = patterns();
  p.make = make;
  Logger log;
  log.event_type = "http";
  log.settings_name = "http";
  log.write = write_http;
  log.write_alert = write_http_alert;
  p.loggers.push_back(log);
  p.buffers = http_buffers();
  p.events = event_names();
  return p;
}

const ProtocolRegistration registration{protocol()};

}  // namespace
}  // namespace ww::sensor::http
