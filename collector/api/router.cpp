#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "collector/api/route.hpp"
#include "collector/api/static_files.hpp"
#include "collector/identity/secrets.hpp"
#include "collector/metrics/metrics.hpp"
#include "telemetry/base64.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::collector {
namespace {

namespace json = boost::json;
constexpr std::string_view cookie_name = "__Host-wardwatch";

std::vector<Route>& table() {
  static std::vector<Route> all;
  return all;
}

http::Response json_response(unsigned status, std::string body) {
  http::Response r;
  r.status = status;
  r.headers.add("Content-Type", "application/json");
  r.headers.add("Cache-Control", "no-store");
  r.body = std::move(body);
  return r;
}

http::Response error_response(unsigned status, std::string_view what) {
  std::string body;
  JsonWriter w(body);
  w.begin_object();
  w.field("error", what);
  w.end_object();
  auto r = json_response(status, std::move(body));
  if (status == 401) r.headers.add("WWW-Authenticate", "Bearer realm=\"wardwatch\"");
  return r;
}

// "/a/{x}/b" against "/a/1/b". Each part decoded on its own, so that an encoded slash stays within
// its part.
bool match(std::string_view pattern, std::string_view path,
           std::vector<std::pair<std::string, std::string>>& params) {
  while (!pattern.empty() || !path.empty()) {
    if (pattern.empty() || path.empty() || pattern[0] != '/' || path[0] != '/') return false;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
    const auto p = pattern.substr(0, pattern.find('/'));
    const auto s = path.substr(0, path.find('/'));
    pattern.remove_prefix(p.size());
    path.remove_prefix(s.size());
    if (p.starts_with('{')) {
      auto value = http::percent_decode(s, false);
      if (!value || value->empty()) return false;
      params.emplace_back(p.substr(1, p.size() - 2), std::move(*value));
    } else if (p != s) {
      return false;
    }
  }
  return true;
}

std::string_view cookie(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const auto semicolon = header.find(';');
    auto pair = header.substr(0, semicolon);
    header =
        semicolon == std::string_view::npos ? std::string_view() : header.substr(semicolon + 1);
    while (!pair.empty() && pair[0] == ' ') pair.remove_prefix(1);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
      return pair.substr(name.size() + 1);
  }
  return {};
}

// Bearer TOKEN; Basic base64(anything:TOKEN); ApiKey base64(anything:TOKEN).
std::string token_of(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos) return {};
  const auto scheme = authorization.substr(0, space);
  auto rest = authorization.substr(space + 1);
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  if (http::same_name(scheme, "Bearer")) return std::string(rest);
  if (!http::same_name(scheme, "Basic") && !http::same_name(scheme, "ApiKey")) return {};
  const auto decoded = decode_base64(rest).value_or("");
  const auto colon = decoded.find(':');
  return colon == std::string::npos ? decoded : decoded.substr(colon + 1);
}

bool safe_method(std::string_view m) { return m == "GET" || m == "HEAD" || m == "OPTIONS"; }

/// What admit() found out, for handle().
struct Admitted {
  const Route* route = nullptr;  // null: a static file
  Caller caller;
  std::vector<std::pair<std::string, std::string>> params;
  std::chrono::steady_clock::time_point start;
};

class ApiImpl final : public Api {
 public:
  explicit ApiImpl(Services& services)
      : services_(services), files_(services.options.dashboard_folder) {}

  Admission admit(const http::Request& head, const Peer& peer) override {
    Admission out;
    auto path = std::string_view(head.target).substr(0, head.target.find('?'));
    // "/" is the dashboard to a browser, and Elasticsearch's root document to a shipper, which
    // always has credentials.
    if (path == "/" && (head.headers.has("Authorization") || peer.has_certificate))
      path = "/_elastic";
    auto admitted = std::make_shared<Admitted>();
    admitted->start = std::chrono::steady_clock::now();
    std::string allowed;
    for (const auto& route : table()) {
      std::vector<std::pair<std::string, std::string>> params;
      if (!match(route.pattern, path, params)) continue;
      if (route.method != head.method && !(route.method == "GET" && head.method == "HEAD")) {
        allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
        continue;
      }
      admitted->route = &route;
      admitted->params = std::move(params);
      break;
    }
    if (admitted->route == nullptr) {
      if (!allowed.empty()) {
        out.refusal = error_response(405, "this method is not for this path; use " + allowed);
        out.refusal.headers.add("Allow", allowed);
        return out;
      }
      if ((head.method == "GET" || head.method == "HEAD") && files_.serves(path)) {
        out.accepted = true;
        out.context = admitted;
        return out;
      }
      out.refusal = error_response(404, "nothing here; see docs/api.md for the paths");
      return out;
    }
    const auto access = admitted->route->access;
    admitted->caller = identify(head, peer, access);
    if (auto refusal = check(access, admitted->caller, head)) {
      out.refusal = std::move(*refusal);
      services_.metrics.count_refusal(out.refusal.status);
      return out;
    }
    out.accepted = true;
    out.body_limit = admitted->route->body_limit;
    if (access == Access::ingest || access == Access::sensor)
      out.body_limit = std::max(out.body_limit, services_.options.max_compressed_octets);
    out.context = std::move(admitted);
    return out;
  }

  void handle(ExchangePtr exchange) override {
    const auto admitted = std::static_pointer_cast<Admitted>(exchange->context);
    if (admitted->route == nullptr) {
      exchange->reply(files_.serve(exchange->request));
      return;
    }
    auto call = std::make_shared<Call>(std::move(exchange), services_, std::move(admitted->caller));
    call->params = std::move(admitted->params);
    const auto& target = call->request().target;
    if (const auto q = target.find('?'); q != std::string::npos)
      call->query = http::parse_query(std::string_view(target).substr(q + 1));
    try {
      admitted->route->handler(call);
    } catch (const std::exception& e) {
      call->reply_error(500, "internal error; see the collector's log");
      services_.metrics.count_exception(admitted->route->pattern, e.what());
    }
    services_.metrics.observe_request(
        admitted->route->pattern,
        std::chrono::duration<double>(std::chrono::steady_clock::now() - admitted->start).count());
  }

  void finish(http::Response& r) override {
    r.headers.set("X-Content-Type-Options", "nosniff");
    r.headers.set("Referrer-Policy", "no-referrer");
    r.headers.set("Strict-Transport-Security", "max-age=31536000");
    r.headers.set("X-Frame-Options", "DENY");
    r.headers.set("Cross-Origin-Opener-Policy", "same-origin");
    r.headers.set("Cross-Origin-Resource-Policy", "same-origin");
    r.headers.set("Permissions-Policy", "camera=(), geolocation=(), microphone=()");
    r.headers.set("Content-Security-Policy",
                  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                  "font-src 'self'; "
                  "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
                  "frame-ancestors 'none'");
  }

 private:
  Caller identify(const http::Request& head, const Peer& peer, Access access) {
    Caller caller;
    if (access == Access::open) return caller;
    if (const auto authorization = head.headers.get("Authorization"); !authorization.empty()) {
      const auto token = services_.accounts.token(token_of(authorization));
      if (!token) return caller;  // a wrong token is never made good by a cookie
      caller.kind = Caller::Kind::token;
      caller.role = token->role;
      caller.name = token->name;
      caller.site = token->site;
      caller.source = token->source;
      caller.expires = token->expires;
      // A token reaches no further than who made it reaches now. Those made at the console (init)
      // stand alone, and machines' tokens outlive the people who made them.
      if (token->role >= Role::auditor && token->created_by != "console") {
        const auto owner = services_.accounts.user(token->created_by);
        if (!owner || owner->disabled) return Caller{};
        caller.role = std::min(caller.role, owner->role);
        caller.sites = owner->sites;
      }
      return caller;
    }
    if (peer.has_certificate &&
        (access == Access::sensor || access == Access::ingest || access == Access::any)) {
      for (const auto& uri : peer.certificate_uris)
        if (const auto name = parse_sensor_uri(uri)) {
          if (!services_.accounts.admit(*name, peer.certificate_serial, peer.address))
            return caller;
          caller.kind = Caller::Kind::sensor;
          caller.role = Role::ingest;
          caller.sensor = *name;
          caller.name = name->site + "/" + name->sensor;
          return caller;
        }
      return caller;
    }
    const auto secret = cookie(head.headers.get("Cookie"), cookie_name);
    if (secret.empty() || secret.size() > 100) return caller;
    if (auto known = services_.accounts.session(secret)) {
      caller.kind = Caller::Kind::session;
      caller.role = known->user.role;
      caller.name = known->user.name;
      caller.sites = known->user.sites;
      caller.session_secret = secret;
      caller.csrf = known->session.csrf;
      caller.expires = known->session.expires;
    }
    return caller;
  }

  static bool allowed(Access access, const Caller& caller) {
    switch (access) {
      case Access::open:
        return true;
      case Access::any:
        return true;
      case Access::sensor:
        return caller.kind == Caller::Kind::sensor;
      case Access::ingest:
        return caller.role == Role::ingest;
      case Access::metrics:
        return caller.role >= Role::metrics;
      case Access::auditor:
        return caller.role >= Role::auditor;
      case Access::analyst:
        return caller.role >= Role::analyst;
      case Access::lead:
        return caller.role >= Role::lead;
      case Access::admin:
        return caller.role >= Role::admin;
    }
    return false;
  }

  static std::optional<http::Response> check(Access access, const Caller& caller,
                                             const http::Request& head) {
    if (access == Access::open) return {};
    if (caller.kind == Caller::Kind::nobody)
      return error_response(401, "sign in, or send a valid token or client certificate");
    if (!allowed(access, caller)) return error_response(403, "your role may not do this");
    if (caller.kind == Caller::Kind::session && !safe_method(head.method) &&
        !same_secret(head.headers.get("X-CSRF-Token"), caller.csrf))
      return error_response(403,
                            "the X-CSRF-Token header is missing or wrong; take it from /api/v1/me");
    return {};
  }

  Services& services_;
  StaticFiles files_;
};

}  // namespace

const std::vector<Route>& routes() { return table(); }

RouteRegistration::RouteRegistration(std::initializer_list<Route> routes) {
  for (const auto& r : routes) {
    const bool twice = std::any_of(table().begin(), table().end(), [&](const Route& o) {
      return o.method == r.method && o.pattern == r.pattern;
    });
    if (twice)
      std::abort();  // two files claim one path: a programming error seen at the first start
    table().push_back(r);
  }
  // A literal part goes before a parameter, so "/alerts/status" is not taken for an id.
  std::sort(table().begin(), table().end(), [](const Route& a, const Route& b) {
    const auto key = [](std::string_view p) {
      std::string k(p);
      std::replace(k.begin(), k.end(), '{', '\x7f');
      return k;
    };
    return std::pair(key(a.pattern), a.method) < std::pair(key(b.pattern), b.method);
  });
}

std::unique_ptr<Api> Api::create(Services& services) { return std::make_unique<ApiImpl>(services); }

std::string Call::param(std::string_view name) const {
  for (const auto& [n, v] : params)
    if (n == name) return v;
  return {};
}
std::string Call::arg(std::string_view name) const {
  for (const auto& [n, v] : query)
    if (n == name) return v;
  return {};
}
std::vector<std::string> Call::args(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [n, v] : query)
    if (n == name) out.push_back(v);
  return out;
}
std::vector<std::string> Call::list_arg(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [n, v] : query) {
    if (n != name) continue;
    for (std::size_t at = 0; at <= v.size();) {
      auto comma = v.find(',', at);
      if (comma == std::string::npos) comma = v.size();
      if (comma > at) out.push_back(v.substr(at, comma - at));
      at = comma + 1;
    }
  }
  return out;
}

Actor Call::actor() const {
  static constexpr const char* kinds[] = {"nobody", "sensor", "session", "token"};
  return {caller.name, kinds[static_cast<int>(caller.kind)], exchange->peer.address};
}

std::optional<std::vector<std::string>> Call::visible_sites() const {
  if (caller.sites.empty()) return {};
  return caller.sites;
}
bool Call::sees(std::string_view site) const {
  return caller.sites.empty() ||
         std::find(caller.sites.begin(), caller.sites.end(), site) != caller.sites.end();
}

std::optional<json::object> Call::json_body() {
  const auto type = request().headers.get("Content-Type");
  const auto bare = type.substr(0, type.find(';'));
  // Anything else could be sent by a plain HTML form of another site.
  if (!request().body.empty() && !http::same_name(bare, "application/json")) {
    reply_error(415, "send Content-Type: application/json");
    return {};
  }
  boost::system::error_code ec;
  json::parse_options options;
  options.max_depth = 16;
  auto value = json::parse(request().body.empty() ? "{}" : request().body, ec, {}, options);
  if (ec || !value.is_object()) {
    reply_error(400,
                ec ? "the body is not JSON: " + ec.message() : "the body must be a JSON object");
    return {};
  }
  return std::move(value.as_object());
}

void Call::reply_json(unsigned status, std::string body) {
  exchange->reply(json_response(status, std::move(body)));
}
void Call::reply_error(unsigned status, std::string_view what) {
  exchange->reply(error_response(status, what));
}
void Call::reply_busy(unsigned status, std::string_view what, unsigned seconds) {
  auto r = error_response(status, what);
  r.headers.add("Retry-After", std::to_string(seconds));
  exchange->reply(std::move(r));
}

std::optional<std::string> text_member(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  const auto* s = v != nullptr ? v->if_string() : nullptr;
  if (s == nullptr) return {};
  return std::string(s->data(), s->size());
}
std::optional<std::int64_t> integer_member(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr || !v->is_number()) return {};
  boost::system::error_code ec;
  const auto n = v->to_number<std::int64_t>(ec);
  if (ec) return {};
  return n;
}
std::optional<bool> flag_member(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  const auto* b = v != nullptr ? v->if_bool() : nullptr;
  if (b == nullptr) return {};
  return *b;
}
std::optional<std::vector<std::string>> list_member(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  const auto* a = v != nullptr ? v->if_array() : nullptr;
  if (a == nullptr) return {};
  std::vector<std::string> out;
  for (const auto& item : *a) {
    const auto* s = item.if_string();
    if (s == nullptr) return {};
    out.emplace_back(s->data(), s->size());
  }
  return out;
}

}  // namespace ww::collector
