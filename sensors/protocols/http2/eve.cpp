/// The EVE `http` object of HTTP/2, buffers, events and registration.
#include <algorithm>
#include <charconv>

#include "sensors/protocols/http/buffers.hpp"
#include "sensors/protocols/http/eve.hpp"
#include "sensors/protocols/http2/http2.hpp"

namespace ww::sensor::http2 {
namespace {

constexpr std::string_view setting_names[] = {"",
                                              "SETTINGSHEADERTABLESIZE",
                                              "SETTINGSENABLEPUSH",
                                              "SETTINGSMAXCONCURRENTSTREAMS",
                                              "SETTINGSINITIALWINDOWSIZE",
                                              "SETTINGSMAXFRAMESIZE",
                                              "SETTINGSMAXHEADERLISTSIZE"};

constexpr std::string_view error_names[] = {
    "NOERROR",      "PROTOCOLERROR",   "INTERNALERROR",      "FLOWCONTROLERROR", "SETTINGSTIMEOUT",
    "STREAMCLOSED", "FRAMESIZEERROR",  "REFUSEDSTREAM",      "CANCEL",           "COMPRESSIONERROR",
    "CONNECTERROR", "ENHANCEYOURCALM", "INADEQUATESECURITY", "HTTP11REQUIRED"};

void text(JsonWriter& json, std::string_view key, std::string_view value) {
  json.field_bytes(key, as_bytes(value));
}

std::string_view error_text(HpackEntry::Kind kind) {
  switch (kind) {
    case HpackEntry::Kind::bad_index:
      return "HTTP2HeaderDecodeNotIndexed";
    case HpackEntry::Kind::integer_overflow:
      return "HTTP2HeaderDecodeIntegerOverflow";
    case HpackEntry::Kind::bad_huffman:
      return "HTTP2HeaderDecodeError";
    case HpackEntry::Kind::truncated:
      return "HTTP2HeaderDecodeError";
    case HpackEntry::Kind::field:
    case HpackEntry::Kind::size_update:
      break;
  }
  return "";
}

bool header_list(const HttpTransaction& tx, Dir d, std::string_view key, JsonWriter& json) {
  const auto& side = Stream::of(tx).side[sig::index(d)];
  if (!side.has_headers) return false;
  json.begin_array(key);
  for (const auto& note : side.headers) {
    json.begin_object();
    if (note.kind == HpackEntry::Kind::field && note.field < tx.of(d).headers.size()) {
      const auto f = tx.of(d).headers.at(note.field);
      text(json, "name", f.name);
      text(json, "value", f.value);
    } else if (note.kind == HpackEntry::Kind::size_update) {
      json.field("table_size_update", note.number);
    } else {
      json.field("error", error_text(note.kind));
    }
    json.end_object();
  }
  json.end_array();
  return true;
}

std::optional<std::uint64_t> number(std::string_view s) {
  std::uint64_t v = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  if (r.ec != std::errc() || r.ptr != s.data() + s.size()) return {};
  return v;
}

void error_code(std::uint32_t code, JsonWriter& json) {
  if (code < std::size(error_names))
    json.field("error_code", error_names[code]);
  else
    json.field("error_code", std::to_string(code));
}

bool frames(const Stream::Side& side, std::string_view key, JsonWriter& json) {
  json.begin_object(key);
  if (!side.settings.empty()) {
    json.begin_array("settings");
    for (const auto& s : side.settings) {
      json.begin_object();
      if (s.id != 0 && s.id < std::size(setting_names))
        json.field("settings_id", setting_names[s.id]);
      else
        json.field("settings_id", "SETTINGSUNKNOWN(" + std::to_string(s.id) + ")");
      json.field("settings_value", s.value);
      json.end_object();
    }
    json.end_array();
  }
  bool error = false, priority = false, multiple = false;
  const auto once = [&](bool& seen, std::string_view what, const auto& write) {
    if (!seen) {
      write();
      seen = true;
    } else if (!multiple) {
      json.field("has_multiple", what);
      multiple = true;
    }
  };
  for (const auto& f : side.frames) {
    if (f.error_code) once(error, "error_code", [&] { error_code(*f.error_code, json); });
    if (f.weight)
      once(priority, "priority", [&] { json.field("priority", static_cast<unsigned>(*f.weight)); });
  }
  json.end_object();
  return !side.settings.empty() || error || priority;
}

/// Members of the `http` object; false when there is nothing worth an event.
bool members(const HttpTransaction& tx, JsonWriter& json) {
  json.field("version", "2");
  bool any = header_list(tx, Dir::to_server, "request_headers", json);
  any = header_list(tx, Dir::to_client, "response_headers", json) || any;
  if (!tx.method.empty()) text(json, "http_method", tx.method);
  if (tx.has_uri) text(json, "url", tx.uri_raw);
  if (tx.has_host) text(json, "hostname", tx.host);
  const auto& request = tx.request().headers;
  const auto& response = tx.response().headers;
  auto agent = response.find("user-agent");
  if (!agent) agent = request.find("user-agent");
  if (agent) text(json, "http_user_agent", *agent);
  auto length = response.find("content-length");
  if (!length) length = request.find("content-length");
  if (length)
    if (const auto n = number(*length)) json.field("length", *n);
  if (tx.has_status)
    if (const auto n = number(tx.status)) json.field("status", *n);
  const auto& stream = Stream::of(tx);
  json.begin_object("http2");
  json.field("stream_id", stream.id);
  any = frames(stream.side[0], "request", json) || any;
  any = frames(stream.side[1], "response", json) || any;
  json.end_object();
  return any;
}

using sig::BufferSlice;
using sig::BufferStatus;

const Stream::Side& side_of(const Transaction& tx, Dir d) {
  return Stream::of(tx).side[sig::index(d)];
}

BufferStatus end_of(const Transaction& tx, Dir d) {
  return tx.complete[sig::index(d)] ? BufferStatus::absent : BufferStatus::not_ready;
}

/// The index-th value that some frame has.
template <class Pick>
BufferStatus nth(const Transaction& tx, Dir d, std::uint32_t index, std::uint64_t& out, Pick pick) {
  for (const auto& f : side_of(tx, d).frames) {
    const auto v = pick(f);
    if (!v) continue;
    if (index-- != 0) continue;
    out = *v;
    return BufferStatus::ready;
  }
  return end_of(tx, d);
}

BufferStatus frame_kind(const Transaction& tx, Dir d, std::uint32_t index, std::uint64_t& out) {
  return nth(tx, d, index, out,
             [](const FrameNote& f) { return std::optional<std::uint64_t>(f.kind); });
}
BufferStatus frame_error(const Transaction& tx, Dir d, std::uint32_t index, std::uint64_t& out) {
  return nth(tx, d, index, out, [](const FrameNote& f) { return f.error_code; });
}
BufferStatus frame_weight(const Transaction& tx, Dir d, std::uint32_t index, std::uint64_t& out) {
  return nth(tx, d, index, out, [](const FrameNote& f) { return f.weight; });
}
BufferStatus frame_window(const Transaction& tx, Dir d, std::uint32_t index, std::uint64_t& out) {
  return nth(tx, d, index, out, [](const FrameNote& f) { return f.window; });
}
BufferStatus size_update(const Transaction& tx, Dir d, std::uint32_t index, std::uint64_t& out) {
  const auto& list = side_of(tx, d).size_updates;
  if (index >= list.size()) return end_of(tx, d);
  out = list[index];
  return BufferStatus::ready;
}
/// A setting as one number: identifier in the upper, value in the lower half.
BufferStatus setting(const Transaction& tx, Dir d, std::uint32_t index, std::uint64_t& out) {
  const auto& list = side_of(tx, d).settings;
  if (index >= list.size()) return end_of(tx, d);
  out = (static_cast<std::uint64_t>(list[index].id) << 32) | list[index].value;
  return BufferStatus::ready;
}

BufferStatus header_name(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  const auto& m = static_cast<const HttpTransaction&>(tx).of(d);
  if (index >= m.headers.size()) return end_of(tx, d);
  out.data = as_bytes(m.headers.at(index).name);
  out.offset = 0;
  return BufferStatus::ready;
}

/// Name and value joined by a colon and a space, colons of either doubled.
BufferStatus header(const Transaction& tx, Dir d, std::uint32_t index, BufferSlice& out) {
  const auto& m = static_cast<const HttpTransaction&>(tx).of(d);
  if (index >= m.headers.size()) return end_of(tx, d);
  const auto f = m.headers.at(index);
  m.one_field.clear();
  const auto escaped = [&](std::string_view text) {
    for (const char c : text) m.one_field.append(c == ':' ? 2 : 1, c);
  };
  escaped(f.name);
  m.one_field += ": ";
  escaped(f.value);
  out.data = as_bytes(m.one_field);
  out.offset = 0;
  return BufferStatus::ready;
}

/// A server may speak first, and then starts with its settings.
Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  if (dir != Dir::to_client || data.size() < 9)
    return dir == Dir::to_client ? Probe::maybe : Probe::no;
  ByteReader in(data);
  const auto length = in.u24be();
  const auto kind = in.u8(), flags = in.u8();
  const auto stream = in.u32be();
  const bool settings = kind == static_cast<std::uint8_t>(FrameKind::settings) && stream == 0 &&
                        (flags & 0xfe) == 0 && length % 6 == 0 && length <= 16384;
  return settings ? Probe::yes : Probe::no;
}

Protocol protocol() {
  Protocol p;
  p.name = "http2";
  p.settings_name = "http2";
  p.rule_names = {"http2", "http"};
  p.tcp = true;
  Protocol::Pattern magic{};
  magic.ip_proto = 6;
  magic.dir = Dir::to_server;
  magic.octets = "PRI * HTTP/2.0\r\n";
  magic.offset = 0;
  magic.depth = static_cast<std::uint16_t>(magic.octets.size());
  p.patterns.push_back(magic);
  p.tcp_ports = "80";
  p.probe = probe;
  p.probe_any_port = true;
  p.probe_min = 9;
  p.probe_max = 64;
  p.make = make_parser;
  Logger log;
  log.event_type = "http";
  log.settings_name = "http2";
  log.write = write_http2;
  p.loggers.push_back(log);
  p.buffers = http2_buffers();
  p.events = event_names();
  return p;
}

const ProtocolRegistration registration{protocol()};

}  // namespace

std::unique_ptr<Parser> make_parser(const Settings& settings) {
  struct Kept {
    std::uint64_t revision = 0;
    Limits limits;
  };
  thread_local Kept kept;
  if (kept.revision != settings.revision()) {
    constexpr std::string_view root = "app-layer.protocols.http2.";
    const auto read = [&](std::string_view key, std::uint32_t fallback) {
      return static_cast<std::uint32_t>(
          settings.size_or(std::string(root) + std::string(key), fallback));
    };
    const Limits base;
    kept.limits.streams = read("max-streams", base.streams);
    kept.limits.frames = read("max-frames", base.frames);
    kept.limits.table = read("max-table-size", base.table);
    kept.limits.block = read("max-reassembly-size", base.block);
    kept.revision = settings.revision();
  }
  return std::make_unique<Http2Parser>(http::Config::cached(settings), kept.limits);
}

bool write_http2(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = static_cast<const HttpTransaction&>(t);
  std::string kept;
  JsonWriter trial(kept);
  trial.begin_object();
  const bool any = members(tx, trial);
  trial.end_object();
  if (!any) return false;
  json.key("http");
  json.raw(kept);
  return true;
}

const std::vector<std::string>& event_names() {
  static const std::vector<std::string> all = {
      "http2.invalid_frame_header",   "http2.invalid_client_magic",
      "http2.invalid_frame_data",     "http2.invalid_header",
      "http2.invalid_frame_length",   "http2.extra_header_data",
      "http2.long_frame_data",        "http2.stream_id_reuse",
      "http2.invalid_http1_settings", "http2.failed_decompression",
      "http2.invalid_range",          "http2.header_integer_overflow",
      "http2.too_many_streams",       "http2.authority_host_mismatch",
      "http2.userinfo_in_uri",        "http2.reassembly_limit_reached",
      "http2.dns_request_too_long",   "http2.dns_response_too_long",
      "http2.data_stream_zero",       "http2.too_many_frames"};
  return all;
}

sig::ProtocolBuffers http2_buffers() {
  auto b = http::http_buffers();
  const auto number_of = [&](std::string_view name, sig::NumberGetter get) {
    for (const auto d : {Dir::to_server, Dir::to_client})
      b.numbers.push_back({sig::numbers().intern(name), d, get});
  };
  number_of("http2.frametype", frame_kind);
  number_of("http2.errorcode", frame_error);
  number_of("http2.priority", frame_weight);
  number_of("http2.window", frame_window);
  number_of("http2.size_update", size_update);
  number_of("http2.settings", setting);
  for (const auto d : {Dir::to_server, Dir::to_client}) {
    b.buffers.push_back({sig::buffers().intern("http2.header_name"), d, header_name, false});
    b.buffers.push_back({sig::buffers().intern("http2.header"), d, header, false});
  }
  return b;
}

}  // namespace ww::sensor::http2
