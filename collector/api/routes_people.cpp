/// Users, tokens and the audit rows.
#include "collector/api/reply.hpp"

namespace ww::collector {
namespace {

void write_user(JsonWriter& json, const User& u) {
  json.begin_object();
  json.field("user", u.name);
  if (!u.full_name.empty()) json.field("name", u.full_name);
  json.field("role", name(u.role));
  if (!u.sites.empty()) {
    json.begin_array("sites");
    for (const auto& s : u.sites) json.value(s);
    json.end_array();
  }
  json.field("disabled", u.disabled);
  time_field(json, "created", u.created);
  time_field(json, "last_login", u.last_login);
  json.end_object();
}

std::string link_of(const CallPtr& call, const std::string& secret) {
  return call->services.options.public_url + "/#login=" + secret;
}

void list_users(const CallPtr& call) {
  PageWriter page;
  for (const auto& u : call->services.accounts.users()) write_user(page.item(), u);
  page.end_items();
  call->reply_json(200, page.finish());
}

void add_user(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  auto& accounts = call->services.accounts;
  User u;
  u.name = text_member(*body, "user").value_or("");
  u.full_name = text_member(*body, "name").value_or("");
  u.role = parse_role(text_member(*body, "role").value_or("")).value_or(Role::none);
  u.sites = list_member(*body, "sites").value_or(std::vector<std::string>());
  const auto password = text_member(*body, "password").value_or("");
  if (auto done = accounts.add_user(u, password, call->actor()); !done)
    return reply_account_error(call, done.error());
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("user", u.name);
  json.field("role", name(u.role));
  if (password.empty())
    if (auto secret = accounts.make_login_link(u.name, std::chrono::hours(24), call->actor()))
      json.field("login_link", link_of(call, *secret));
  json.end_object();
  call->reply_json(201, std::move(text));
}

void patch_user(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  UserPatch patch;
  patch.full_name = text_member(*body, "name");
  patch.password = text_member(*body, "password");
  patch.sites = list_member(*body, "sites");
  patch.disabled = flag_member(*body, "disabled");
  if (const auto role = text_member(*body, "role")) {
    patch.role = parse_role(*role);
    if (!patch.role)
      return call->reply_error(400, "the role must be auditor, analyst, lead or admin");
  }
  const auto done = call->services.accounts.patch_user(call->param("name"), patch, call->actor());
  if (!done) return reply_account_error(call, done.error());
  std::string text;
  JsonWriter json(text);
  write_user(json, *done);
  call->reply_json(200, std::move(text));
}

void remove_user(const CallPtr& call) {
  const auto done = call->services.accounts.remove_user(call->param("name"), call->actor());
  if (!done) return reply_account_error(call, done.error());
  call->reply_empty();
}

void user_link(const CallPtr& call) {
  const auto life = std::chrono::hours(1);
  const auto secret =
      call->services.accounts.make_login_link(call->param("name"), life, call->actor());
  if (!secret) return reply_account_error(call, secret.error());
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("link", link_of(call, *secret));
  json.field("expires", rfc3339(call->services.clock.now() + life));
  json.end_object();
  call->reply_json(200, std::move(text));
}

void list_tokens(const CallPtr& call) {
  PageWriter page;
  for (const auto& t : call->services.accounts.tokens()) {
    auto& json = page.item();
    json.begin_object();
    json.field("id", t.id);
    json.field("name", t.name);
    json.field("role", name(t.role));
    if (!t.site.empty()) json.field("site", t.site);
    if (!t.source.empty()) json.field("source", t.source);
    json.field("created_by", t.created_by);
    time_field(json, "created", t.created);
    time_field(json, "expires", t.expires);
    time_field(json, "last_used", t.last_used);
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish());
}

void add_token(const CallPtr& call) {
  const auto body = call->json_body();
  if (!body) return;
  ApiToken t;
  t.name = text_member(*body, "name").value_or("");
  t.role = parse_role(text_member(*body, "role").value_or("")).value_or(Role::none);
  t.site = text_member(*body, "site").value_or("");
  t.source = text_member(*body, "source").value_or("");
  const auto life = std::clamp<std::int64_t>(
      integer_member(*body, "expires_in").value_or(90 * 86400), 0, 5LL * 366 * 86400);
  const auto made = call->services.accounts.add_token(t, std::chrono::seconds(life), call->actor());
  if (!made) return reply_account_error(call, made.error());
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("id", made->token.id);
  json.field("token", made->secret);
  time_field(json, "expires", made->token.expires);
  json.end_object();
  call->reply_json(201, std::move(text));
}

/// A token of one's own: the caller's role, at most 90 days. What `wardwatchctl login` keeps
/// instead of a password.
void own_token(const CallPtr& call) {
  if (call->caller.kind != Caller::Kind::session)
    return call->reply_error(403, "sign in first: a token cannot make another one");
  const auto body = call->json_body();
  if (!body) return;
  ApiToken t;
  t.name = text_member(*body, "name").value_or("");
  t.role = call->caller.role;
  const auto life = std::clamp<std::int64_t>(
      integer_member(*body, "expires_in").value_or(30 * 86400), 0, 90LL * 86400);
  const auto made = call->services.accounts.add_token(t, std::chrono::seconds(life), call->actor());
  if (!made) return reply_account_error(call, made.error());
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.field("id", made->token.id);
  json.field("token", made->secret);
  time_field(json, "expires", made->token.expires);
  json.end_object();
  call->reply_json(201, std::move(text));
}

void remove_token(const CallPtr& call) {
  const auto done = call->services.accounts.remove_token(call->param("id"), call->actor());
  if (!done) return reply_account_error(call, done.error());
  call->reply_empty();
}

void audit(const CallPtr& call) {
  const auto limit = limit_arg(*call);
  const auto rows = call->services.accounts.audit_rows(limit, integer_arg(*call, "cursor", 0));
  PageWriter page;
  for (const auto& r : rows) {
    auto& json = page.item();
    json.begin_object();
    json.field("time", rfc3339(r.time));
    json.field("user", r.actor.name);
    json.field("kind", r.actor.kind);
    json.field("action", r.action);
    json.field("target", r.target);
    json.field("address", r.actor.address);
    if (!r.detail.empty()) json.field("detail", r.detail);
    json.end_object();
  }
  page.end_items();
  call->reply_json(200, page.finish(rows.size() == limit ? std::to_string(rows.back().id) : ""));
}

const RouteRegistration registration{{
    {"GET", "/api/v1/users", Access::admin, &list_users, "people"},
    {"POST", "/api/v1/users", Access::admin, &add_user, "add a person"},
    {"PATCH", "/api/v1/users/{name}", Access::admin, &patch_user, "change a person"},
    {"DELETE", "/api/v1/users/{name}", Access::admin, &remove_user, "remove a person"},
    {"POST", "/api/v1/users/{name}/login-link", Access::admin, &user_link, "a one-time login link"},
    {"GET", "/api/v1/tokens", Access::admin, &list_tokens, "API tokens"},
    {"POST", "/api/v1/tokens", Access::admin, &add_token, "make an API token"},
    {"POST", "/api/v1/me/tokens", Access::any, &own_token, "a token of one's own"},
    {"DELETE", "/api/v1/tokens/{id}", Access::admin, &remove_token, "remove an API token"},
    {"GET", "/api/v1/audit", Access::auditor, &audit, "every change by a person"},
}};

}  // namespace
}  // namespace ww::collector
