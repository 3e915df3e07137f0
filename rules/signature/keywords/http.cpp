/// HTTP buffers. Getters are registered by the HTTP/1 and HTTP/2 parsers under the same names.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

const BufferRegistration buffers_registration{
    "http",
    "http,http2,doh2",
    {
        {"http.uri", "normalised request URI", "content:\"/login\";", {}, "http_uri"},
        {"http.uri.raw", "request URI as sent", "content:\"/a%2F\";", {}, "http_raw_uri"},
        {"http.method", "request method", "content:\"POST\";", {}, "http_method"},
        {"http.host",
         "host, lower case, without port",
         "content:\"example.org\"; endswith;",
         {},
         "http_host"},
        {"http.host.raw", "host as sent", "content:\"Example\";", {}, "http_raw_host"},
        {"http.user_agent", "User-Agent", "content:\"curl\"; startswith;", {}, "http_user_agent"},
        {"http.header", "normalised headers", "content:\"X-Test: 1\";", {}, "http_header"},
        {"http.header.raw", "headers as sent", "content:\"X-Test\";", {}, "http_raw_header"},
        {"http.cookie", "Cookie or Set-Cookie", "content:\"session=\";", {}, "http_cookie"},
        {"http.stat_code", "response status", "content:\"404\";", {}, "http_stat_code"},
        {"http.stat_msg", "response reason phrase", "content:\"Not Found\";", {}, "http_stat_msg"},
        {"http.request_body", "request body", "content:\"password=\";", {}, "http_client_body"},
        {"http.response_body",
         "response body, decompressed",
         "content:\"MZ\"; startswith;",
         {},
         "http_server_body"},
        {"http.header_names",
         "names of the headers, each on its line",
         "content:\"|0d 0a|Host|0d 0a|\";",
         {"http_header_names"}},
        {"http.start",
         "first line and headers, to the empty line",
         "content:\"HTTP/1.1|0d 0a|Host: \";",
         {"http_start"}},
        {"http.request_line",
         "request line",
         "content:\"GET /\"; startswith;",
         {"http_request_line"}},
        {"http.response_line",
         "status line",
         "content:\"200 OK\"; endswith;",
         {"http_response_line"}},
        {"http.protocol", "protocol version text", "content:\"HTTP/1.0\";", {"http_protocol"}},
        {"http.accept", "Accept", "content:\"text/html\";", {"http_accept"}},
        {"http.accept_lang", "Accept-Language", "content:\"en\";", {"http_accept_lang"}},
        {"http.accept_enc", "Accept-Encoding", "content:\"gzip\";", {"http_accept_enc"}},
        {"http.connection", "Connection", "content:\"close\";", {"http_connection"}},
        {"http.content_len",
         "Content-Length as text",
         "content:\"0\"; bsize:1;",
         {"http_content_len"}},
        {"http.content_type",
         "Content-Type",
         "content:\"application/json\";",
         {"http_content_type"}},
        {"http.referer", "Referer", "content:\"http\";", {"http_referer"}},
        {"http.location", "Location of a response", "content:\"http\";"},
        {"http.server", "Server of a response", "content:\"nginx\";"},
        {"http.request_header",
         "each request header as name: value",
         "content:\"x-a: b\";",
         {},
         "",
         true},
        {"http.response_header",
         "each response header as name: value",
         "content:\"x-a: b\";",
         {},
         "",
         true},
    }};

const BufferRegistration http2_buffers{
    "http2",
    "http2,doh2",
    {
        {"http2.header_name", "each HTTP/2 header name", "content:\":path\";", {}, "", true},
        {"http2.header",
         "each HTTP/2 header as name: value, colons of either doubled",
         "content:\"x: y\";",
         {},
         "",
         true},
    }};

Status urilen(RuleBuilder& b, const Option& o, const Keyword& k) {
  auto parts = split_list(o.value);
  bool raw = true;  // Suricata's default: the URI as sent
  if (parts.size() == 2) {
    if (parts[1] == "raw")
      raw = true;
    else if (parts[1] == "norm")
      raw = false;
    else
      return bad("'" + std::string(parts[1]) + "' is not raw or norm");
  } else if (parts.size() != 1) {
    return bad("needs a length, with raw or norm");
  }
  auto t = parse_number_test(parts[0], 65535);
  if (!t) return bad(t.error());
  const auto* buffer = find_keyword(raw ? "http.uri.raw" : "http.uri");
  if (!buffer) return bad("the HTTP keywords are not built in");
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  auto s = buffer_stage(*buffer);
  s.ops.push_back(SizeOp{*t});
  b.add_stage(std::move(s));
  return {};
}

const KeywordRegistration registration{
    {.name = "urilen",
     .aliases = {"http.urilen"},
     .group = "http",
     .summary = "length of the request URI, as sent or normalised",
     .example = "urilen:>20,norm;",
     .setup = &urilen,
     .protos = "http,http2,doh2"}};

const NumberRegistration http2_numbers{
    "http2",
    "http2,doh2",
    {
        {"http2.errorcode",
         "error code of GOAWAY and RST_STREAM frames",
         "NO_ERROR",
         UINT32_MAX,
         {{"NO_ERROR", 0},
          {"PROTOCOL_ERROR", 1},
          {"INTERNAL_ERROR", 2},
          {"FLOW_CONTROL_ERROR", 3},
          {"SETTINGS_TIMEOUT", 4},
          {"STREAM_CLOSED", 5},
          {"FRAME_SIZE_ERROR", 6},
          {"REFUSED_STREAM", 7},
          {"CANCEL", 8},
          {"COMPRESSION_ERROR", 9},
          {"CONNECT_ERROR", 10},
          {"ENHANCE_YOUR_CALM", 11},
          {"INADEQUATE_SECURITY", 12},
          {"HTTP_1_1_REQUIRED", 13}}},
        {"http2.frametype",
         "type of any frame of the transaction",
         "GOAWAY",
         255,
         {{"DATA", 0},
          {"HEADERS", 1},
          {"PRIORITY", 2},
          {"RST_STREAM", 3},
          {"SETTINGS", 4},
          {"PUSH_PROMISE", 5},
          {"PING", 6},
          {"GOAWAY", 7},
          {"WINDOW_UPDATE", 8},
          {"CONTINUATION", 9}}},
        {"http2.priority", "weight in a PRIORITY or HEADERS frame", "4", 255},
        {"http2.window", "increment of a WINDOW_UPDATE frame", "34634", UINT32_MAX},
        {"http2.size_update", "HPACK dynamic table size update", "1234", UINT64_MAX},
    }};

Status settings(RuleBuilder& b, const Option& o, const Keyword& k) {
  const auto at = o.value.find_first_of("<>=!0123456789 ");
  const auto name = trim(o.value.substr(0, at));
  std::optional<std::uint64_t> id;
  for (const auto& [n, v] : k.names)
    if (iequals(n, name)) id = v;
  if (!id) return bad("unknown setting '" + std::string(name) + "'");
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  Stage s;
  s.kind = Stage::Kind::number;
  s.name = k.name;
  s.number = numbers().intern(k.buffer);
  s.number_key = *id << 32;  // the parser gives id << 32 | value
  s.number_key_mask = 0xffffffff00000000ULL;
  s.number_value_mask = 0xffffffff;
  if (at != std::string_view::npos && !trim(o.value.substr(at)).empty()) {
    auto t = parse_number_test(o.value.substr(at), UINT32_MAX);
    if (!t) return bad(t.error());
    s.number_test = *t;
  }
  b.add_stage(std::move(s));
  return {};
}
const KeywordRegistration settings_registration{
    {.name = "http2.settings",
     .group = "http2",
     .summary = "a setting and its value",
     .example = "http2.settings:SETTINGS_HEADER_TABLE_SIZE>1000;",
     .setup = &settings,
     .buffer = "http2.settings",
     .protos = "http2,doh2",
     .names = {{"SETTINGS_HEADER_TABLE_SIZE", 1},
               {"SETTINGS_ENABLE_PUSH", 2},
               {"SETTINGS_MAX_CONCURRENT_STREAMS", 3},
               {"SETTINGS_INITIAL_WINDOW_SIZE", 4},
               {"SETTINGS_MAX_FRAME_SIZE", 5},
               {"SETTINGS_MAX_HEADER_LIST_SIZE", 6}}}};

}  // namespace
}  // namespace ww::sig
