#include "sensors/drills/detection.hpp"

#include <boost/json.hpp>

#include "sensors/drills/conversation.hpp"
#include "telemetry/base64.hpp"
#include "telemetry/logformats/format.hpp"
#include "telemetry/logformats/record.hpp"
#include "telemetry/net/enrol.hpp"

namespace ww::drills {
namespace json = boost::json;
namespace {

std::string text(const json::object& o, std::string_view name, std::string_view fallback = {}) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string(fallback);
}
std::vector<std::string> texts(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  const auto* v = o.if_contains(name);
  if (v != nullptr && v->is_array())
    for (const auto& x : v->get_array())
      if (x.is_string()) out.emplace_back(x.get_string());
  return out;
}
std::uint16_t port(const json::object& o, std::uint16_t fallback) {
  const auto* v = o.if_contains("port");
  boost::system::error_code ec;
  const auto n = v != nullptr && v->is_number() ? v->to_number<std::int64_t>(ec) : fallback;
  return n > 0 && n < 65'536 ? static_cast<std::uint16_t>(n) : fallback;
}

std::string play_lines(const json::object& input, const std::vector<std::string>& lines,
                       const std::string& run, EventSink& sink, const Clock& clock,
                       std::uint64_t& count) {
  static const logs::Formats formats;
  logs::SourceParser::Options o;
  o.format = text(input, "format", "auto");
  o.product = text(input, "product");
  o.service = text(input, "service");
  o.category = text(input, "category");
  o.host = text(input, "host");
  auto parser = logs::SourceParser::make(o, formats);
  if (!parser) return parser.error().text();
  EventGroup group;
  group.drill = run;
  const logs::Origin origin{text(input, "source") == "syslog" ? "syslog" : "file", "rehearsal", ""};
  const auto emit = [&](logs::Record& record, std::string_view line) {
    logs::append_log_event(group.lines, record, origin, line, clock.now());
    group.lines += '\n';
    ++group.events;
  };
  for (const auto& line : lines) {
    (*parser)->feed(line, clock.now(), emit);
    ++count;
  }
  (*parser)->flush(clock.now(), emit);
  return sink.submit(group) ? "" : "the spool is full";
}

/// An ATNA audit message as RFC 5424 carries it (RFC 3881, DICOM PS3.15 A.5).
std::string audit_line(const std::string& xml, Timestamp now) {
  std::string one;
  for (const char c : xml) one += c == '\n' || c == '\r' ? ' ' : c;
  return "<85>1 " + rfc3339(now) + " rehearsal Wardwatch - IHE+RFC-3881 - " + one;
}

std::string play_capture(const json::object& input, const std::string& run, const Clock& clock,
                         const PlayFrames& frames, const std::string& scratch,
                         std::uint64_t& count) {
  const auto coded = text(input, "base64");
  if (coded.empty() || coded.size() > (2U << 20))
    return "the capture is not base64, or larger than 1.5 MiB";
  const auto octets = decode_base64(coded);
  if (!octets) return "the capture is not base64";
  const auto path = scratch + "/rehearsal.pcap";
  if (auto ok = net::write_file(path, *octets, 0600); !ok) return ok.error().text();
  auto source = capture::open_files({path});
  if (!source) return source.error().text();
  const auto moved = shifted(std::move(*source), clock.now());
  const auto done = frames(*moved, run);
  if (!done) return done.error();
  count += *done;
  return {};
}

}  // namespace

Played play(const json::array& inputs, const std::set<std::string>& allowed, const std::string& run,
            EventSink& sink, const Clock& clock, const PlayFrames& frames,
            const std::string& scratch) {
  Played out;
  for (const auto& v : inputs) {
    if (!v.is_object()) {
      out.error = "an input is no object";
      return out;
    }
    const auto& i = v.get_object();
    const auto kind = text(i, "kind");
    if (!allowed.contains(kind)) {
      out.error = "this sensor does not play inputs of kind " + kind;
      return out;
    }
    if (kind == "log") {
      out.error = play_lines(i, texts(i, "lines"), run, sink, clock, out.count);
    } else if (kind == "audit_xml") {
      std::vector<std::string> lines;
      for (const auto& d : texts(i, "documents")) lines.push_back(audit_line(d, clock.now()));
      out.error = play_lines(i, lines, run, sink, clock, out.count);
    } else if (kind == "capture") {
      out.error = play_capture(i, run, clock, frames, scratch, out.count);
    } else {
      Conversation c;
      c.client = text(i, "client_address", c.client);
      c.server = text(i, "server_address", c.server);
      c.server_port = port(i, kind == "hl7" ? 2'575 : 0);
      if (kind == "hl7") {
        for (const auto& m : texts(i, "messages")) {
          c.turns.push_back(mllp(m));
          const auto answer = text(i, "answer");
          c.turns.push_back(answer.empty() ? "" : mllp(answer));
        }
      } else {
        c.turns = {text(i, "client"), text(i, "server")};
      }
      auto source = make_conversation(c, clock.now());
      if (!source) {
        out.error = source.error();
      } else if (const auto done = frames(**source, run)) {
        out.count += *done;
      } else {
        out.error = done.error();
      }
    }
    if (!out.error.empty()) return out;
  }
  return out;
}

}  // namespace ww::drills
