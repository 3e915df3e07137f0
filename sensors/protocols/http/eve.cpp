#include "sensors/protocols/http/eve.hpp"

#include <algorithm>
#include <array>

#include "sensors/protocols/http/fields.hpp"
#include "sensors/protocols/http/http.hpp"

namespace ww::sensor::http {
namespace {

constexpr std::size_t max_name = 255, max_value = 2047;  // of a header field in an event

/// What `custom` may name beyond a field's own name, as Suricata's configuration spells it.
struct CustomName {
  std::string_view setting, field;
};
constexpr CustomName custom_names[] = {{"accept", "accept"},
                                       {"accept_charset", "accept-charset"},
                                       {"accept_encoding", "accept-encoding"},
                                       {"accept_language", "accept-language"},
                                       {"accept_datetime", "accept-datetime"},
                                       {"authorization", "authorization"},
                                       {"cache_control", "cache-control"},
                                       {"cookie", "cookie"},
                                       {"from", "from"},
                                       {"max_forwards", "max-forwards"},
                                       {"origin", "origin"},
                                       {"pragma", "pragma"},
                                       {"proxy_authorization", "proxy-authorization"},
                                       {"range", "range"},
                                       {"te", "te"},
                                       {"via", "via"},
                                       {"x_requested_with", "x-requested-with"},
                                       {"dnt", "dnt"},
                                       {"x_forwarded_proto", "x-forwarded-proto"},
                                       {"x_authenticated_user", "x-authenticated-user"},
                                       {"x_flash_version", "x-flash-version"},
                                       {"accept_range", "accept-range"},
                                       {"age", "age"},
                                       {"allow", "allow"},
                                       {"connection", "connection"},
                                       {"content_encoding", "content-encoding"},
                                       {"content_language", "content-language"},
                                       {"content_length", "content-length"},
                                       {"content_location", "content-location"},
                                       {"content_md5", "content-md5"},
                                       {"content_range", "content-range"},
                                       {"content_type", "content-type"},
                                       {"date", "date"},
                                       {"etag", "etags"},
                                       {"expires", "expires"},
                                       {"last_modified", "last-modified"},
                                       {"link", "link"},
                                       {"location", "location"},
                                       {"proxy_authenticate", "proxy-authenticate"},
                                       {"referer", "referer"},
                                       {"refresh", "refresh"},
                                       {"retry_after", "retry-after"},
                                       {"server", "server"},
                                       {"set_cookie", "set-cookie"},
                                       {"trailer", "trailer"},
                                       {"transfer_encoding", "transfer-encoding"},
                                       {"upgrade", "upgrade"},
                                       {"vary", "vary"},
                                       {"warning", "warning"},
                                       {"www_authenticate", "www-authenticate"},
                                       {"true_client_ip", "true-client-ip"},
                                       {"org_src_ip", "org-src-ip"},
                                       {"x_bluecoat_via", "x-bluecoat-via"}};

/// The options of the event type, read once.
struct Options {
  bool extended = true;
  bool all[2] = {false, false};  // by Dir
  bool body = false, body_printable = false;
  std::vector<std::string> custom;  // field names

  explicit Options(const Settings& s) {
    extended = s.flag_or("extended", true);
    const auto dump = s.text_or("dump-all-headers", "none");
    all[0] = dump.starts_with("both") || dump.starts_with("request");
    all[1] = dump.starts_with("both") || dump.starts_with("response");
    body = s.flag_or("http-body", false);
    body_printable = s.flag_or("http-body-printable", false);
    for (const auto& name : s.list("custom"))
      for (const auto& known : custom_names)
        if (known.setting == name || same_text(known.field, name)) {
          if (!(extended && known.field == "referer")) custom.emplace_back(known.field);
          break;
        }
  }
  [[nodiscard]] bool wants(std::string_view name) const {
    return std::any_of(custom.begin(), custom.end(),
                       [&](const auto& c) { return same_text(c, name); });
  }
};

const Options& options(const Settings& settings) {
  struct Kept {
    std::uint64_t revision;
    Options options;
  };
  thread_local std::vector<Kept> kept;  // one for each eve-log that has the type
  for (const auto& k : kept)
    if (k.revision == settings.revision()) return k.options;
  if (kept.size() > 16) kept.clear();
  return kept.emplace_back(Kept{settings.revision(), Options(settings)}).options;
}

void text(JsonWriter& json, std::string_view key, std::string_view value) {
  json.field_bytes(key, as_bytes(value));
}

void maybe(JsonWriter& json, std::string_view key, const Headers& headers, std::string_view name) {
  if (const auto v = headers.find(name)) text(json, key, *v);
}

void content_range(JsonWriter& json, std::string_view raw) {
  json.begin_object("content_range");
  text(json, "raw", raw);
  if (const auto r = parse_content_range(raw)) {
    if (r->start) json.field("start", *r->start);
    if (r->end) json.field("end", *r->end);
    if (r->size) json.field("size", *r->size);
  }
  json.end_object();
}

void basic(const HttpTransaction& tx, JsonWriter& json) {
  if (tx.has_host) text(json, "hostname", tx.host);
  if (tx.port) json.field("http_port", *tx.port);
  if (tx.has_uri) text(json, "url", tx.uri_raw);
  maybe(json, "http_user_agent", tx.request().headers, "user-agent");
  maybe(json, "xff", tx.request().headers, "x-forwarded-for");
  if (const auto type = tx.response().headers.find("content-type"))
    text(json, "http_content_type", type->substr(0, type->find(';')));
  if (const auto range = tx.response().headers.find("content-range")) content_range(json, *range);
}

void extended(const HttpTransaction& tx, JsonWriter& json) {
  maybe(json, "http_refer", tx.request().headers, "referer");
  if (!tx.method.empty()) text(json, "http_method", tx.method);
  if (!tx.request().protocol.empty()) text(json, "protocol", tx.request().protocol);
  if (tx.status_code > 0)
    json.field("status", tx.status_code);
  else if (tx.has_status)
    text(json, "status_string", tx.status);
  maybe(json, "redirect", tx.response().headers, "location");
  json.field("length", tx.response().wire_octets);
}

void headers(const Headers& h, bool all, const Options& o, std::string_view key, JsonWriter& json) {
  bool open = false;
  for (std::size_t i = 0; i < h.size(); ++i) {
    const auto f = h.at(i);
    if (!all && !o.wants(f.name)) continue;
    if (!open) json.begin_array(key);
    open = true;
    json.begin_object();
    text(json, "name", f.name.substr(0, max_name));
    text(json, "value", f.value.substr(0, max_value));
    json.end_object();
  }
  if (open) json.end_array();
}

/// As text: what is not printable becomes a dot.
void printable(JsonWriter& json, std::string_view key, Bytes data) {
  std::string out;
  out.reserve(data.size());
  for (const auto b : data) {
    const bool keep = (b >= 0x20 && b < 0x7f) || b == '\n' || b == '\r';
    out += keep ? static_cast<char>(b) : '.';
  }
  json.field(key, out);
}

}  // namespace

bool write_http(const Transaction& t, const LogContext& log, JsonWriter& json) {
  const auto& tx = static_cast<const HttpTransaction&>(t);
  const auto& o = options(log.options);
  json.begin_object("http");
  basic(tx, json);
  if (o.extended) extended(tx, json);
  if (o.all[0] || !o.custom.empty())
    headers(tx.request().headers, o.all[0], o, "request_headers", json);
  if (o.all[1] || !o.custom.empty())
    headers(tx.response().headers, o.all[1], o, "response_headers", json);
  json.end_object();
  return true;
}

bool write_http_alert(const Transaction& t, const LogContext& log, JsonWriter& json) {
  const auto& tx = static_cast<const HttpTransaction&>(t);
  const auto& o = options(log.options);
  json.begin_object("http");
  basic(tx, json);
  extended(tx, json);
  const auto request = tx.request().body_data(), response = tx.response().body_data();
  if (o.body_printable) {
    if (!request.empty()) printable(json, "http_request_body_printable", request);
    if (!response.empty()) printable(json, "http_response_body_printable", response);
  }
  const auto base64 = [&](std::string_view key, Bytes data) {
    if (data.empty()) return;
    json.key(key);
    json.value_base64(data);
  };
  if (o.body) {
    base64("http_request_body", request);
    base64("http_response_body", response);
  }
  json.end_object();
  return true;
}

}  // namespace ww::sensor::http
