#pragma once
/// A route group is one file: it registers its routes here, nothing else is edited.
///
///   void list(const CallPtr& call) { call->reply_json(200, ...); }
///   const RouteRegistration routes{{
///       {"GET", "/api/v1/things/{id}", Access::auditor, &list, "one thing"},
///   }};
///
/// A handler runs on a worker thread, after authentication, the role check and the CSRF check. It
/// answers once, now or later from any thread.
#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/api/server.hpp"
#include "collector/api/services.hpp"
#include "collector/identity/accounts.hpp"

namespace ww::collector {

/// Who may call. From `auditor` on, roles include the ones before them.
enum class Access : std::uint8_t {
  open,     ///< no credentials: only what proves itself by a one-time secret, and /healthz
  any,      ///< anybody who is known
  sensor,   ///< a sensor's client certificate
  ingest,   ///< a sensor's certificate or an ingest token
  metrics,  ///< a token of role metrics, or auditor
  auditor,
  analyst,
  lead,
  admin,
};

/// Who calls, as found out from certificate, cookie or token.
struct Caller {
  enum class Kind : std::uint8_t { nobody, sensor, session, token } kind = Kind::nobody;
  Role role = Role::none;
  std::string name;                ///< user, or token name
  SensorName sensor;               ///< kind sensor
  std::string site, source;        ///< ingest tokens
  std::vector<std::string> sites;  ///< sites a user may see; empty: all
  std::string session_secret, csrf;
  Timestamp expires;
};

/// One authenticated request on its way through a handler.
class Call {
 public:
  Call(ExchangePtr e, Services& s, Caller c)
      : exchange(std::move(e)), services(s), caller(std::move(c)) {}
  ExchangePtr exchange;
  Services& services;
  Caller caller;
  std::vector<std::pair<std::string, std::string>> params;  ///< of {name} parts
  std::vector<std::pair<std::string, std::string>> query;

  [[nodiscard]] const http::Request& request() const { return exchange->request; }
  [[nodiscard]] std::string param(std::string_view name) const;
  /// First value, or empty.
  [[nodiscard]] std::string arg(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> args(std::string_view name) const;
  /// Comma-separated values of an argument (all occurrences).
  [[nodiscard]] std::vector<std::string> list_arg(std::string_view name) const;
  [[nodiscard]] Actor actor() const;
  /// As the store wants it: unset for everything.
  [[nodiscard]] std::optional<std::vector<std::string>> visible_sites() const;
  [[nodiscard]] bool sees(std::string_view site) const;

  /// The body as a JSON object; answers 400 or 415 itself and gives nothing when it is none.
  [[nodiscard]] std::optional<boost::json::object> json_body();

  void reply_json(unsigned status, std::string body);
  void reply_error(unsigned status, std::string_view what);
  void reply_busy(unsigned status, std::string_view what, unsigned retry_after_seconds);
  void reply_empty() { exchange->reply({204, {}, {}}); }
};
using CallPtr = std::shared_ptr<Call>;
using Handler = void (*)(const CallPtr&);

struct Route {
  std::string_view method;
  std::string_view pattern;  ///< parts in {braces} are parameters, one path segment each
  Access access = Access::admin;
  Handler handler = nullptr;
  std::string_view summary;
  std::uint64_t body_limit = 256 * 1024;
};

struct RouteRegistration {
  RouteRegistration(std::initializer_list<Route> routes);
};
/// All routes, by pattern and method.
[[nodiscard]] const std::vector<Route>& routes();

/// Members of a JSON object, when they are there and of the right kind.
[[nodiscard]] std::optional<std::string> text_member(const boost::json::object& o,
                                                     std::string_view name);
[[nodiscard]] std::optional<std::int64_t> integer_member(const boost::json::object& o,
                                                         std::string_view name);
[[nodiscard]] std::optional<bool> flag_member(const boost::json::object& o, std::string_view name);
[[nodiscard]] std::optional<std::vector<std::string>> list_member(const boost::json::object& o,
                                                                  std::string_view name);

/// The Application that authenticates, routes, and serves the dashboard's files.
class Api : public Application {
 public:
  [[nodiscard]] static std::unique_ptr<Api> create(Services& services);
};

}  // namespace ww::collector
