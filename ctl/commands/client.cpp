#include "ctl/commands/client.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ctl/commands/secrets.hpp"
#include "telemetry/clock.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::ctl {
namespace {

namespace json = boost::json;

std::string environment(const char* name) {
  const char* v = std::getenv(name);
  return v != nullptr ? v : "";
}

[[noreturn]] void raise(const http::ClientError& e) {
  using Errc = http::ClientErrc;
  throw Failure{e.code == Errc::configuration ? Exit::usage : Exit::unreachable, e.problem};
}

}  // namespace

std::string profile_path() {
  auto base = environment("XDG_CONFIG_HOME");
  if (base.empty()) base = environment("HOME") + "/.config";
  return base + "/wardwatch/profile.json";
}

Profile load_profile() {
  Profile p;
  std::ifstream in(profile_path());
  if (!in) return p;
  std::stringstream text;
  text << in.rdbuf();
  boost::system::error_code ec;
  const auto v = json::parse(text.str(), ec);
  if (ec || !v.is_object())
    throw Failure{Exit::usage,
                  {"the profile is damaged", profile_path(), "run wardwatchctl login again"}};
  p.url = text_of(v, "url");
  p.token = text_of(v, "token");
  p.ca_file = text_of(v, "ca");
  return p;
}

void require_https(const std::string& url) {
  if (!url.starts_with("https://"))
    throw Failure{
        Exit::usage,
        {"must start with https://", url, "write for example https://collector.example:8443"}};
}

ApiClient::ApiClient(const Context& context, bool need_token) {
  const auto profile = load_profile();
  url_ = context.url.empty() ? profile.url : context.url;
  if (url_.empty())
    throw Failure{
        Exit::usage,
        {"which collector?", "--url", "give --url, set WARDWATCH_URL, or run wardwatchctl login"}};
  while (url_.ends_with('/')) url_.pop_back();
  require_https(url_);
  token_ =
      !context.token_file.empty() ? first_line(context.token_file) : environment("WARDWATCH_TOKEN");
  if (token_.empty() && url_ == profile.url)
    token_ = profile.token;  // a token never goes to another collector
  if (need_token && token_.empty())
    throw Failure{
        Exit::usage,
        {"no token", url_, "give --token-file, set WARDWATCH_TOKEN, or run wardwatchctl login"}};
  http::ClientOptions options;
  options.url = url_;
  options.ca_file = context.ca_file.empty() ? profile.ca_file : context.ca_file;
  options.verify = !context.insecure;
  options.user_agent = "wardwatchctl";
  auto client = http::Client::create(options);
  if (!client) raise(client.error());
  client_ = std::move(*client);
}

void ApiClient::refuse(std::string_view method, const std::string& path, unsigned status,
                       std::string_view body) const {
  boost::system::error_code ec;
  const auto v = json::parse(body, ec);
  auto what = ec ? std::string() : text_of(v, "error");
  if (what.empty()) what = "the collector answered " + std::to_string(status);
  const auto* remedy = status == 401                    ? "sign in again with wardwatchctl login"
                       : status == 403                  ? "ask an admin for the role"
                       : status == 404                  ? "check the name or id"
                       : status == 503 || status == 429 ? "try again later"
                                                        : "see docs/api.md";
  throw Failure{Exit::failed, {what, std::string(method) + " " + url_ + path, remedy}};
}

json::value ApiClient::call(std::string_view method, const std::string& path,
                            const std::string& body) {
  http::Request r;
  r.method = method;
  r.target = path;
  r.headers.add("Accept", "application/json");
  if (!token_.empty()) r.headers.add("Authorization", "Bearer " + token_);
  if (!body.empty()) r.headers.add("Content-Type", "application/json");
  r.body = body;
  auto answer = client_->send(r);
  if (!answer) raise(answer.error());
  if (answer->status >= 300) refuse(method, path, answer->status, answer->body);
  if (answer->body.empty()) return nullptr;
  boost::system::error_code ec;
  auto v = json::parse(answer->body, ec);
  if (ec)
    throw Failure{Exit::unreachable,
                  {"the answer is not JSON", url_ + path, "is this a Wardwatch collector?"}};
  return v;
}

json::value ApiClient::post(const std::string& path, const json::value& body) {
  return call("POST", path, json::serialize(body));
}

void ApiClient::events(const std::string& path,
                       const std::function<bool(std::string_view, std::string_view)>& each) {
  http::Request r;
  r.target = path;
  r.headers.add("Accept", "text/event-stream");
  if (!token_.empty()) r.headers.add("Authorization", "Bearer " + token_);
  // The collector ends a feed now and then, so that readers prove themselves again: go on with a
  // new one, but not when it ended before anything came.
  for (bool go_on = true; go_on;) {
    std::string buffer;
    bool any = false;
    const auto answer = client_->stream(
        r,
        [&](std::string_view octets) {
          any = true;
          buffer += octets;
          for (auto end = buffer.find("\n\n"); go_on && end != std::string::npos;
               end = buffer.find("\n\n")) {
            std::string name, data;
            std::istringstream lines(buffer.substr(0, end));
            buffer.erase(0, end + 2);
            for (std::string line; std::getline(lines, line);) {
              if (line.starts_with("event: ")) name = line.substr(7);
              if (line.starts_with("data: ")) data += line.substr(6);
            }
            if (!name.empty()) go_on = each(name, data);
          }
          return go_on;
        },
        std::chrono::seconds(60));
    if (!answer) raise(answer.error());
    if (answer->status != 200) refuse("GET", path, answer->status, answer->body);
    if (go_on && !any)
      throw Failure{Exit::unreachable, {"the collector ended the feed", url_ + path, "try again"}};
  }
}

std::vector<json::value> ApiClient::items(const std::string& path, std::size_t limit) {
  std::vector<json::value> out;
  std::string cursor;
  for (;;) {
    auto page_path = path;
    const auto page_size = std::min<std::size_t>(limit - out.size(), 1000);
    page_path += (path.find('?') == std::string::npos ? "?" : "&") + std::string("limit=") +
                 std::to_string(page_size);
    if (!cursor.empty()) page_path += "&cursor=" + http::percent_encode(cursor);
    auto page = get(page_path);
    auto* object = page.if_object();
    auto* list = object != nullptr ? object->if_contains("items") : nullptr;
    if (list == nullptr || !list->is_array())
      throw Failure{Exit::unreachable,
                    {"the answer is no list", url_ + path, "is this a Wardwatch collector?"}};
    for (auto& item : list->as_array())
      if (out.size() < limit) out.push_back(std::move(item));
    cursor = text_of(page, "next");
    if (text_of(page, "partial") == "true")
      std::fprintf(stderr, "wardwatchctl: partial result: %s\n",
                   text_of(page, "partial_reason").c_str());
    if (cursor.empty() || out.size() >= limit) {
      if (!cursor.empty())
        std::fprintf(stderr, "wardwatchctl: there is more; raise --limit (now %zu)\n", limit);
      return out;
    }
  }
}

std::string text_of(const json::value& object, std::string_view path) {
  const json::value* at = &object;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto* o = at->if_object();
    at = o != nullptr ? o->if_contains(path.substr(0, dot)) : nullptr;
    if (at == nullptr) return {};
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  if (at->is_null()) return {};
  if (const auto* s = at->if_string()) return {s->data(), s->size()};
  if (const auto* a = at->if_array()) {
    std::string out;
    for (const auto& item : *a) out += (out.empty() ? "" : ", ") + text_of(item, "");
    return out;
  }
  if (const auto* d = at->if_double()) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.6g", *d);
    return buffer;
  }
  return json::serialize(*at);
}

void print_items(const Context& context, const std::vector<json::value>& items,
                 const std::vector<std::pair<std::string, std::string>>& columns) {
  if (context.output == Output::json) {
    json::array all(items.begin(), items.end());
    std::puts(json::serialize(all).c_str());
    return;
  }
  std::vector<std::string> names;
  for (const auto& [name, path] : columns) names.push_back(name);
  Table table(std::move(names));
  for (const auto& item : items) {
    std::vector<std::string> row;
    for (const auto& [name, path] : columns) row.push_back(text_of(item, path));
    table.add(std::move(row));
  }
  table.print(context);
}

void print_object(const Context& context, const json::value& object) {
  if (context.output == Output::json || !object.is_object()) {
    std::puts(json::serialize(object).c_str());
    return;
  }
  Table table({"what", "value"});
  for (const auto& member : object.as_object())
    table.add({std::string(member.key()), text_of(member.value(), "")});
  table.print(context);
}

std::string query_string(const std::vector<std::pair<std::string, std::string>>& args) {
  std::string out;
  for (const auto& [name, value] : args)
    if (!value.empty()) out += (out.empty() ? "?" : "&") + name + "=" + http::percent_encode(value);
  return out;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  std::int64_t n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  if (r.ec != std::errc() || n < 0 || n > 1'000'000'000) return {};
  const std::string_view unit(r.ptr, static_cast<std::size_t>(text.data() + text.size() - r.ptr));
  if (unit.empty() || unit == "s") return n;
  if (unit == "m") return n * 60;
  if (unit == "h") return n * 3600;
  if (unit == "d") return n * 86400;
  if (unit == "w") return n * 7 * 86400;
  return {};
}

std::string time_argument(const std::string& text) {
  if (text.empty()) return {};
  if (const auto back = parse_duration(text))
    return rfc3339({SystemClock().now().us - *back * 1'000'000});
  if (const auto t = parse_time(text)) return rfc3339(*t);
  throw Failure{Exit::usage,
                {"'" + text + "' is neither a time nor a duration", "--from/--to",
                 "write 2026-11-22T02:30:00Z, or 2h for two hours ago"}};
}

}  // namespace ww::ctl
