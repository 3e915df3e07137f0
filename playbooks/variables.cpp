#include "playbooks/variables.hpp"

#include <algorithm>
#include <charconv>

#include "telemetry/ip.hpp"
#include "telemetry/uuid.hpp"

namespace ww::playbooks {
namespace {

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

/// A reference at the beginning of `text`: its length and the variable's name.
std::optional<std::pair<std::size_t, std::string>> reference_at(std::string_view text) {
  const auto suffix = [&](std::size_t from) -> std::size_t {
    for (const std::string_view s : {":value", ".value"})
      if (text.substr(from).starts_with(s)) return from + s.size();
    return 0;
  };
  if (text.starts_with("$$")) {
    const auto end = text.find("$$", 2);
    if (end == std::string_view::npos || end == 2) return {};
    const auto name = "__" + std::string(text.substr(2, end - 2)) + "__";
    const auto whole = suffix(end + 2);
    if (!is_variable_name(name) || whole == 0) return {};
    return std::pair{whole, name};
  }
  if (!text.starts_with("__")) return {};
  std::size_t end = 2;
  while (end < text.size() && end < 250 && name_char(text[end])) ++end;
  const auto name = text.substr(0, end);
  const auto whole = suffix(end);
  if (!is_variable_name(name) || whole == 0) return {};
  return std::pair{whole, std::string(name)};
}

bool number(std::string_view v, bool whole) {
  if (whole) {
    std::int64_t n = 0;
    const auto r = std::from_chars(v.data(), v.data() + v.size(), n);
    return r.ec == std::errc() && r.ptr == v.data() + v.size();
  }
  double d = 0;
  const auto r = std::from_chars(v.data(), v.data() + v.size(), d);
  return r.ec == std::errc() && r.ptr == v.data() + v.size();
}

bool all_hex(std::string_view v, std::size_t octets) {
  return (octets == 0 ? v.size() % 2 == 0 : v.size() == octets * 2) &&
         v.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

}  // namespace

std::optional<std::string> variable_in(std::string_view reference) {
  if (const auto r = reference_at(reference); r && r->first == reference.size()) return r->second;
  if (is_variable_name(reference)) return std::string(reference);
  return {};
}

const Variable* Scope::find(std::string_view name) const {
  const std::string key(name);
  for (const auto* scope : {inner, outer}) {
    if (scope == nullptr) continue;
    if (const auto it = scope->find(key); it != scope->end()) return &it->second;
  }
  return nullptr;
}

bool Scope::set(std::string_view name, std::string value) const {
  const std::string key(name);
  for (auto* scope : {inner, outer}) {
    if (scope == nullptr) continue;
    const auto it = scope->find(key);
    if (it == scope->end()) continue;
    if (it->second.constant || !fits(it->second.type, value)) return false;
    it->second.value = std::move(value);
    return true;
  }
  return false;
}

std::string substitute(std::string_view text, const Scope& scope,
                       std::vector<std::string>* unknown) {
  std::string out;
  while (!text.empty()) {
    const auto r = reference_at(text);
    if (!r) {
      // A run of underscores may end in a reference: go on one octet at a time.
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto* v = scope.find(r->second);
    if (v != nullptr && v->value) {
      out += *v->value;
    } else {
      out += text.substr(0, r->first);
      if (unknown != nullptr) unknown->push_back(r->second);
    }
    text.remove_prefix(r->first);
  }
  return out;
}

bool fits(std::string_view type, std::string_view v) {
  if (v.empty()) return true;
  if (type == "bool") return v == "true" || v == "false" || v == "0" || v == "1";
  if (type == "integer" || type == "long") return number(v, true);
  if (type == "float") return number(v, false);
  if (type == "hexstring") return all_hex(v, 0);
  if (type == "md5-hash") return all_hex(v, 16);
  if (type == "sha256-hash") return all_hex(v, 32);
  if (type == "uuid") return is_uuid(v);
  if (type == "ipv4-addr" || type == "ipv6-addr") {
    const std::uint8_t family = type == "ipv4-addr" ? 4 : 6;
    if (const auto a = parse_ip(v)) return a->family == family;
    const auto n = parse_network(v);
    return n && n->address.family == family;
  }
  if (type == "mac-addr") {
    if (v.size() != 17) return false;
    for (std::size_t i = 0; i < v.size(); ++i)
      if (i % 3 == 2 ? (v[i] != ':' && v[i] != '-') : !all_hex(std::string(2, v[i]), 1))
        return false;
    return true;
  }
  return true;
}

PatternLookup lookup_in(const Scope& scope) {
  return [scope](const PatternPath& path) -> std::optional<PatternValue> {
    const auto name = variable_in(path.text());
    if (!name) return {};
    const auto* v = scope.find(*name);
    if (v == nullptr || !v->value) return {};
    using Kind = PatternValue::Kind;
    if (v->type == "integer" || v->type == "long" || v->type == "float") {
      double d = 0;
      const auto* end = v->value->data() + v->value->size();
      const auto r = std::from_chars(v->value->data(), end, d);
      if (r.ec == std::errc() && r.ptr == end) return PatternValue{Kind::number, *v->value, d};
    }
    if (v->type == "bool" && (*v->value == "true" || *v->value == "1"))
      return PatternValue{Kind::flag, *v->value, 1};
    if (v->type == "bool") return PatternValue{Kind::flag, *v->value, 0};
    return PatternValue{Kind::text, *v->value, 0};
  };
}

}  // namespace ww::playbooks
