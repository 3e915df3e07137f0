#define PCRE2_CODE_UNIT_WIDTH 8
#include "playbooks/policy.hpp"

#include <pcre2.h>

#include <algorithm>
#include <boost/json.hpp>

#include "playbooks/json_text.hpp"

namespace ww::playbooks {
namespace json = boost::json;
namespace {

/// Whole match of an expression the site wrote.
bool whole_match(const std::string& value, const std::string& expression) {
  const auto anchored = "\\A(?:" + expression + ")\\z";
  int error = 0;
  PCRE2_SIZE at = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(anchored.data()), anchored.size(),
                    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &at, nullptr),
      &pcre2_code_free);
  if (!code) return false;
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), 100'000);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(value.data()), value.size(), 0, 0,
                     data.get(), context.get()) >= 0;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// https://host[:port] of an agent or target of type http-api.
std::string origin_of(const Party& p) {
  const auto* address = p.json.if_contains("address");
  if (address == nullptr || !address->is_object()) return {};
  const auto first = [&](std::string_view name) -> std::string {
    const auto* list = address->get_object().if_contains(name);
    if (list == nullptr || !list->is_array() || list->get_array().empty() ||
        !list->get_array().front().is_string())
      return {};
    return std::string(list->get_array().front().get_string());
  };
  if (auto url = first("url"); !url.empty()) {
    const auto scheme = url.find("://");
    if (scheme == std::string::npos) return {};
    const auto end = url.find('/', scheme + 3);
    return url.substr(0, end);
  }
  std::string host;
  for (const auto* kind : {"dname", "ipv4", "ipv6"}) {
    host = first(kind);
    if (!host.empty()) {
      if (kind == std::string_view("ipv6")) host.insert(0, "[").append("]");
      break;
    }
  }
  if (host.empty()) return {};
  const auto port = text_of(p.json, "port");
  return "https://" + host + (port.empty() ? "" : ":" + port);
}

const HttpHost* listed(const Policy& policy, std::string_view origin) {
  for (const auto& h : policy.http_hosts)
    if (h.origin == origin) return &h;
  return nullptr;
}

std::string make_http(const Policy& policy, const Playbook& p, const Step& step,
                      const Command& command, const Scope& scope, HttpTask& out) {
  std::vector<std::string> ids = step.targets;
  ids.push_back(step.agent);
  for (const auto& id : ids) {
    const auto name = substitute(id, scope);
    for (const auto* all : {&p.targets, &p.agents}) {
      const auto it = all->find(name);
      if (it != all->end() && it->second.type == "http-api" && out.origin.empty())
        out.origin = substitute(origin_of(it->second), scope);
    }
  }
  if (out.origin.empty()) return "no http-api agent or target with an address";
  const auto* host = listed(policy, out.origin);
  if (host == nullptr) return out.origin + " is not on the list of hosts";
  std::vector<std::string> unknown;
  const auto line = substitute(command.command, scope, &unknown);
  if (!unknown.empty()) return unknown.front() + " has no value";
  const auto first = line.find(' '), last = line.rfind(' ');
  out.method = line.substr(0, first);
  out.target = first < last ? line.substr(first + 1, last - first - 1) : "";
  if (std::find(host->methods.begin(), host->methods.end(), out.method) == host->methods.end())
    return out.method + " is not allowed for " + out.origin;
  if (!out.target.starts_with('/') || out.target.find(' ') != std::string::npos ||
      has_control(out.target))
    return "the request target is not a path";
  for (const auto& [k, v] : command.headers) {
    auto value = substitute(v, scope);
    if (has_control(k) || has_control(value) || k.find(':') != std::string::npos || k.empty())
      return "a header has characters that no header may have";
    out.headers.emplace_back(k, std::move(value));
  }
  out.content = substitute(command.content, scope);
  return {};
}

}  // namespace

std::string_view name(TaskKind k) {
  static constexpr std::string_view names[] = {"manual", "check", "http", "local", "shown"};
  return names[static_cast<std::size_t>(k)];
}

Result<AllowList, std::string> AllowList::load(std::string_view text, const TrustedKeys& keys,
                                               std::string_view site) {
  auto parsed = parse_json(text);
  if (!parsed) return fail(parsed.error());
  if (!parsed->is_object() || text_of(parsed->get_object(), "type") != "wardwatch-allow-list")
    return fail(std::string("not a wardwatch-allow-list"));
  const auto& o = parsed->get_object();
  if (text_of(o, "site") != site)
    return fail("the allow-list is for site \"" + text_of(o, "site") + "\"");
  std::string why = "it has no signature";
  bool trusted = false;
  for (const auto& s : verify_signatures(o, keys, SystemClock().now(), false)) {
    trusted = trusted || s.trusted;
    why = s.why;
  }
  if (!trusted) return fail("the allow-list is not signed by a trusted key: " + why);
  AllowList out;
  const auto* entries = o.if_contains("entries");
  if (entries == nullptr || !entries->is_array())
    return fail(std::string("entries: must be a list"));
  for (const auto& v : entries->get_array()) {
    if (!v.is_object()) return fail(std::string("entries: must hold objects"));
    const auto& e = v.get_object();
    Entry entry;
    entry.id = text_of(e, "id");
    entry.command = text_of(e, "command");
    const auto* argv = e.if_contains("argv");
    if (argv != nullptr && argv->is_array())
      for (const auto& a : argv->get_array())
        if (a.is_string()) entry.argv.emplace_back(a.get_string());
    if (const auto* vars = e.if_contains("variables"); vars != nullptr && vars->is_object())
      for (const auto& m : vars->get_object())
        if (m.value().is_string()) entry.variables.emplace_back(m.key(), m.value().get_string());
    if (const auto* t = e.if_contains("timeout_ms"); t != nullptr && t->is_int64())
      entry.timeout_ms =
          static_cast<std::uint32_t>(std::clamp<std::int64_t>(t->get_int64(), 1, 3'600'000));
    if (entry.id.empty() || entry.command.empty() || entry.argv.empty() ||
        !entry.argv.front().starts_with('/'))
      return fail("entry \"" + entry.id + "\": needs id, command and argv with an absolute path");
    out.entries_.push_back(std::move(entry));
  }
  return out;
}

Result<LocalTask, std::string> AllowList::find(const Command& command, const Scope& scope) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const auto& e) { return e.command == command.command; });
  if (it == entries_.end()) return fail(std::string("it is not on the site's allow-list"));
  LocalTask out;
  out.entry = it->id;
  out.timeout_ms = it->timeout_ms;
  out.argv.push_back(it->argv.front());
  for (std::size_t i = 1; i < it->argv.size(); ++i) {
    const auto name = variable_in(it->argv[i]);
    if (!name) {
      out.argv.push_back(it->argv[i]);
      continue;
    }
    const auto rule = std::find_if(it->variables.begin(), it->variables.end(),
                                   [&](const auto& v) { return v.first == *name; });
    const auto* value = scope.find(*name);
    if (value == nullptr || !value->value) return fail(*name + " has no value");
    if (rule == it->variables.end() || value->value->starts_with('-') ||
        value->value->find('\0') != std::string::npos || !whole_match(*value->value, rule->second))
      return fail("the value of " + *name + " is not allowed by the site's list");
    out.argv.push_back(*value->value);
  }
  return out;
}

void classify(const Policy& policy, const Playbook& p, const Step& step, const Command& command,
              const Scope& scope, Task& out) {
  out.command_type = command.type;
  out.text = substitute(command.command.empty() ? command.description : command.command, scope);
  const auto agent = p.agents.find(substitute(step.agent, scope));
  if (agent != p.agents.end()) out.agent = agent->second.name;
  for (const auto& t : step.targets) {
    const auto id = substitute(t, scope);
    const auto it = p.targets.find(id);
    out.targets.push_back(it != p.targets.end() ? it->second.name : id);
  }
  out.out_args = step.out_args;
  out.kind = TaskKind::shown;
  if (command.type == "manual") {
    out.kind = TaskKind::manual;
  } else if (command.type == "wardwatch-check") {
    const auto check = out.text.substr(0, out.text.find(' '));
    if (std::find(policy.checks.begin(), policy.checks.end(), check) != policy.checks.end())
      out.kind = TaskKind::check;
    else
      out.why = "there is no check called " + check;
  } else if (command.type == "http-api") {
    out.why = make_http(policy, p, step, command, scope, out.http);
    if (out.why.empty()) out.kind = TaskKind::http;
  } else if (policy.local == nullptr) {
    out.why = command.type + " commands are not run here";
  } else if (auto found = policy.local->find(command, scope)) {
    out.kind = TaskKind::local;
    out.local = std::move(*found);
  } else {
    out.why = found.error();
  }
}

}  // namespace ww::playbooks
