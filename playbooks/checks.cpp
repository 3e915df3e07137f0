#include "playbooks/checks.hpp"

#include <algorithm>

namespace ww::playbooks {
namespace json = boost::json;
namespace {

std::string under(std::string_view at, std::string_view name) {
  return at.empty() ? std::string(name) : std::string(at) + "." + std::string(name);
}

}  // namespace

std::string Checker::text(const json::object& o, std::string_view name, std::string_view at,
                          bool required) {
  const auto* v = o.if_contains(name);
  if (v == nullptr) {
    if (required) add(under(at, name), "is missing");
    return {};
  }
  if (!v->is_string()) {
    add(under(at, name), "must be a string");
    return {};
  }
  if (v->get_string().size() > limits.text_octets) {
    add(under(at, name), "is longer than " + std::to_string(limits.text_octets) + " octets");
    return {};
  }
  if (required && v->get_string().empty()) add(under(at, name), "is empty");
  return std::string(v->get_string());
}

std::vector<std::string> Checker::texts(const json::object& o, std::string_view name,
                                        std::string_view at, bool required) {
  std::vector<std::string> out;
  const auto* v = o.if_contains(name);
  if (v == nullptr) {
    if (required) add(under(at, name), "is missing");
    return out;
  }
  if (!v->is_array()) {
    add(under(at, name), "must be a list");
    return out;
  }
  for (const auto& x : v->get_array()) {
    if (!x.is_string()) {
      add(under(at, name), "must hold strings only");
      return out;
    }
    out.emplace_back(x.get_string());
  }
  if (out.empty()) add(under(at, name), "must not be empty");
  return out;
}

bool Checker::flag(const json::object& o, std::string_view name, std::string_view at) {
  const auto* v = o.if_contains(name);
  if (v == nullptr) return false;
  if (!v->is_bool()) add(under(at, name), "must be true or false");
  return v->is_bool() && v->get_bool();
}

std::optional<std::int64_t> Checker::integer(const json::object& o, std::string_view name,
                                             std::string_view at, std::int64_t least,
                                             std::int64_t most) {
  const auto* v = o.if_contains(name);
  if (v == nullptr) return {};
  boost::system::error_code ec;
  const auto n = v->is_number() ? v->to_number<std::int64_t>(ec) : 0;
  if (!v->is_number() || ec || n < least || n > most) {
    add(under(at, name),
        "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return {};
  }
  return n;
}

const json::object* Checker::object(const json::object& o, std::string_view name,
                                    std::string_view at) {
  const auto* v = o.if_contains(name);
  if (v == nullptr) return nullptr;
  if (!v->is_object()) {
    add(under(at, name), "must be an object");
    return nullptr;
  }
  return &v->get_object();
}

std::string Checker::time(const json::object& o, std::string_view name, std::string_view at,
                          bool required, bool milliseconds) {
  auto t = text(o, name, at, required);
  if (t.empty()) return t;
  const auto digits = [&](std::size_t from, std::size_t n) {
    return t.size() >= from + n && std::all_of(t.begin() + static_cast<std::ptrdiff_t>(from),
                                               t.begin() + static_cast<std::ptrdiff_t>(from + n),
                                               [](char c) { return c >= '0' && c <= '9'; });
  };
  // 2026-01-31T10:00:00[.fff]Z
  bool ok = t.size() >= 20 && t.back() == 'Z' && digits(0, 4) && t[4] == '-' && digits(5, 2) &&
            t[7] == '-' && digits(8, 2) && t[10] == 'T' && digits(11, 2) && t[13] == ':' &&
            digits(14, 2) && t[16] == ':' && digits(17, 2) && parse_time(t).has_value();
  if (ok && t.size() > 20) ok = t[19] == '.' && t.size() > 21 && digits(20, t.size() - 21);
  if (!ok) {
    add(under(at, name), "must be a time such as 2026-01-31T10:00:00.000Z");
    return {};
  }
  if (milliseconds && t.size() != 24)
    add(under(at, name), "must be given to the millisecond: three digits behind the second");
  return t;
}

void Checker::only(const json::object& o, std::string_view at,
                   std::initializer_list<std::string_view> known) {
  for (const auto& m : o)
    if (std::find(known.begin(), known.end(), std::string_view(m.key())) == known.end())
      add(under(at, m.key()), "is no member that the standard knows here");
}

}  // namespace ww::playbooks
