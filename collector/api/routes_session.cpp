/// Signing in and out, and what a caller may know of itself.
#include "collector/api/reply.hpp"

namespace ww::collector {
namespace {

std::string cookie_header(std::string_view secret, std::int64_t seconds) {
  return "__Host-wardwatch=" + std::string(secret) +
         "; Path=/; Max-Age=" + std::to_string(seconds) + "; Secure; HttpOnly; SameSite=Strict";
}

std::string me_body(std::string_view user, const std::optional<User>& known, Role role,
                    std::string_view kind, std::string_view csrf, Timestamp expires) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.field("user", user);
  if (known && !known->full_name.empty()) json.field("name", known->full_name);
  json.field("role", name(role));
  json.field("kind", kind);
  if (!csrf.empty()) json.field("csrf", csrf);
  time_field(json, "expires", expires);
  if (known && !known->sites.empty()) {
    json.begin_array("sites");
    for (const auto& s : known->sites) json.value(s);
    json.end_array();
  }
  json.end_object();
  return body;
}

void finish_login(const CallPtr& call, const Result<Session, LoginRefusal>& session) {
  if (!session) {
    if (session.error() == LoginRefusal::locked)
      return call->reply_busy(
          429, "too many failed attempts; wait 15 minutes or ask an admin for a login link", 900);
    if (session.error() == LoginRefusal::failed)
      return call->reply_busy(503, "the collector cannot store the session; see its log", 5);
    return call->reply_error(401, "user name, password or link is wrong or no longer valid");
  }
  const auto user = call->services.accounts.user(session->user);
  http::Response r;
  r.headers.add("Content-Type", "application/json");
  r.headers.add("Cache-Control", "no-store");
  r.headers.add(
      "Set-Cookie",
      cookie_header(session->secret, (session->expires - session->created).count() / 1'000'000));
  r.body = me_body(session->user, user, user ? user->role : Role::none, "session", session->csrf,
                   session->expires);
  call->exchange->reply(std::move(r));
}

void login(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto user = text_member(*body, "user"), password = text_member(*body, "password");
  if (!user || !password) return call->reply_error(400, "send {\"user\":..., \"password\":...}");
  finish_login(call, call->services.accounts.login(*user, *password, call->exchange->peer.address));
}

void login_link(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  const auto secret = text_member(*body, "secret");
  if (!secret) return call->reply_error(400, "send {\"secret\":...}");
  finish_login(call, call->services.accounts.login_by_link(*secret, call->exchange->peer.address));
}

void logout(const CallPtr& call) {
  call->services.accounts.logout(call->caller.session_secret, call->exchange->peer.address);
  http::Response r;
  r.status = 204;
  r.headers.add("Set-Cookie", cookie_header("", 0));
  call->exchange->reply(std::move(r));
}

void me(const CallPtr& call) {
  const auto& c = call->caller;
  if (c.kind == Caller::Kind::session)
    return call->reply_json(200, me_body(c.name, call->services.accounts.user(c.name), c.role,
                                         "session", c.csrf, c.expires));
  call->reply_json(
      200, me_body(c.name, {}, c.role, c.kind == Caller::Kind::sensor ? "sensor" : "token", "",
                   c.expires));
}

void password(const CallPtr& call) {
  if (call->caller.kind != Caller::Kind::session)
    return call->reply_error(403, "only a signed-in person has a password");
  const auto body = call->json_body();
  if (!body) return;
  const auto before = text_member(*body, "old"), after = text_member(*body, "new");
  if (!after) return call->reply_error(400, "send {\"old\":..., \"new\":...}");
  const auto done = call->services.accounts.change_password(call->caller.name, before.value_or(""),
                                                            *after, call->actor());
  if (!done) return reply_account_error(call, done.error());
  call->reply_empty();
}

const RouteRegistration registration{{
    {"POST", "/api/v1/login", Access::open, &login, "sign in by password", 8 * 1024},
    {"POST", "/api/v1/login/link", Access::open, &login_link, "sign in by a one-time link",
     8 * 1024},
    {"POST", "/api/v1/logout", Access::any, &logout, "sign out"},
    {"GET", "/api/v1/me", Access::any, &me, "who am I"},
    {"POST", "/api/v1/me/password", Access::any, &password, "change the password", 8 * 1024},
}};

}  // namespace
}  // namespace ww::collector
