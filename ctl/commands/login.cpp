/// `wardwatchctl login`, `logout`, `whoami`: which collector, and who we are there.

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>

#include "ctl/commands/client.hpp"
#include "ctl/commands/secrets.hpp"
#include "telemetry/command_line/command_line.hpp"
#include "telemetry/json_writer.hpp"
#include "telemetry/net/enrol.hpp"

namespace ww::ctl {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct Options {
  std::string user, password_file, pin;
};

http::Response must(Result<http::Response, http::ClientError> answer) {
  if (!answer)
    throw Failure{
        answer.error().code == http::ClientErrc::configuration ? Exit::usage : Exit::unreachable,
        answer.error().problem};
  return std::move(*answer);
}

/// Signs in by password and asks for a token of our own, so that no password is kept.
std::string token_by_password(http::Client& client, const std::string& url, const Options& o) {
  http::Request r;
  r.method = "POST";
  r.target = "/api/v1/login";
  r.headers.add("Content-Type", "application/json");
  r.body = json::serialize(
      json::object{{"user", o.user},
                   {"password", o.password_file.empty() ? ask_secret("Password: ")
                                                        : first_line(o.password_file)}});
  const auto session = must(client.send(r));
  boost::system::error_code ec;
  const auto me = json::parse(session.body, ec);
  if (session.status != 200 || ec)
    throw Failure{Exit::failed,
                  {ec ? "not a collector" : text_of(me, "error"), url + r.target,
                   "check user name and password"}};
  const auto cookie = std::string(session.headers.get("Set-Cookie"));
  http::Request t;
  t.method = "POST";
  t.target = "/api/v1/me/tokens";
  t.headers.add("Content-Type", "application/json");
  t.headers.add("Cookie", cookie.substr(0, cookie.find(';')));
  t.headers.add("X-CSRF-Token", text_of(me, "csrf"));
  char host[256] = "";
  (void)gethostname(host, sizeof host - 1);
  t.body = json::serialize(json::object{{"name", std::string("wardwatchctl on ") + host}});
  const auto made = must(client.send(t));
  const auto body = json::parse(made.body, ec);
  if (made.status != 201 || ec)
    throw Failure{Exit::failed,
                  {ec ? "no token came" : text_of(body, "error"), url + t.target,
                   "ask an admin for a token"}};
  return text_of(body, "token");
}

void login(const Options& o, Context& context) {
  auto url = context.url;
  while (url.ends_with('/')) url.pop_back();
  if (url.empty())
    throw Failure{Exit::usage, {"which collector?", "--url", "give --url https://HOST:8443"}};
  require_https(url);
  const auto path = fs::path(profile_path());
  std::error_code ec;
  fs::create_directories(path.parent_path(), ec);

  http::ClientOptions options;
  options.url = url;
  options.ca_file = context.ca_file;
  options.ca_pin = o.pin;
  options.verify = !context.insecure;
  auto client = http::Client::create(options);
  if (!client) throw Failure{Exit::usage, client.error().problem};

  std::string ca = context.ca_file.empty() ? "" : fs::absolute(context.ca_file).string();
  if (!o.pin.empty()) {
    // The pinned authority is kept, so that later calls verify against it.
    http::Request probe;
    probe.target = "/healthz";
    must((*client)->send(probe));
    ca = (path.parent_path() / "ca.pem").string();
    if (auto w = net::write_file(ca, (*client)->server_chain_root(), 0644); !w)
      throw Failure{Exit::usage, w.error()};
  }
  std::string token;
  if (!context.token_file.empty())
    token = first_line(context.token_file);
  else if (const char* t = std::getenv("WARDWATCH_TOKEN"); t != nullptr && o.user.empty())
    token = t;
  else if (!o.user.empty())
    token = token_by_password(**client, url, o);
  else
    throw Failure{Exit::usage, {"who are you?", "login", "give --user NAME or --token-file FILE"}};

  http::Request r;
  r.target = "/api/v1/me";
  r.headers.add("Authorization", "Bearer " + token);
  const auto me = must((*client)->send(r));
  if (me.status != 200)
    throw Failure{Exit::failed, {"the token is not accepted", url, "ask an admin for a new one"}};
  std::string text;
  JsonWriter w(text);
  w.begin_object();
  w.field("url", url);
  w.field("token", token);
  if (!ca.empty()) w.field("ca", ca);
  w.end_object();
  if (auto written = net::write_file(path.string(), text + "\n", 0600); !written)
    throw Failure{Exit::usage, written.error()};
  boost::system::error_code parse_error;
  const auto about = json::parse(me.body, parse_error);
  std::printf("signed in at %s as %s (%s)\n", url.c_str(), text_of(about, "user").c_str(),
              text_of(about, "role").c_str());
}

void setup_login(cli::Command group, Context& context) {
  auto o = std::make_shared<Options>();
  group.add_option("--user,-u", o->user, "sign in by password");
  group.add_option("--password-file", o->password_file,
                   "file with the password (else it is asked for)");
  group.add_option("--ca-sha256", o->pin,
                   "SHA-256 of the collector's authority: trust exactly it, and keep it");
  group.callback([o, &context] { login(*o, context); });
}
void setup_logout(cli::Command group, Context&) {
  group.callback([] {
    std::error_code ec;
    fs::remove(profile_path(), ec);
    if (ec)
      throw Failure{
          Exit::failed,
          {"cannot remove the profile: " + ec.message(), profile_path(), "remove it by hand"}};
  });
}
void setup_whoami(cli::Command group, Context& context) {
  group.callback([&context] { print_object(context, ApiClient(context).get("/api/v1/me")); });
}

const Registration login_command{
    {"login", "remember a collector and a token for it", &setup_login}};
const Registration logout_command{{"logout", "forget the collector and the token", &setup_logout}};
const Registration whoami_command{{"whoami", "who am I at the collector", &setup_whoami}};

}  // namespace
}  // namespace ww::ctl
