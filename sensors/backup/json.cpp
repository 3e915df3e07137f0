#include "sensors/backup/json.hpp"

#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "telemetry/json_writer.hpp"

namespace ww::backup {

Result<Json, std::string> parse_json(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  boost::json::parse_options options;
  options.max_depth = 24;
  boost::system::error_code ec;
  try {
    auto v = boost::json::parse(text, ec, {}, options);
    if (ec) return fail("not JSON: " + ec.message());
    return v;
  } catch (const std::exception& e) {
    return fail(std::string("not JSON: ") + e.what());
  }
}

const Json* at(const Json& v, std::string_view path) {
  const Json* here = &v;
  while (!path.empty()) {
    const auto dot = path.find('.');
    if (!here->is_object()) return nullptr;
    here = here->get_object().if_contains(path.substr(0, dot));
    if (here == nullptr) return nullptr;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return here;
}

std::optional<std::string> text_at(const Json& v, std::string_view path) {
  const auto* x = at(v, path);
  if (x == nullptr) return {};
  if (x->is_string()) return std::string(x->get_string());
  if (x->is_int64()) return std::to_string(x->get_int64());
  if (x->is_uint64()) return std::to_string(x->get_uint64());
  return {};
}

std::optional<std::uint64_t> number_at(const Json& v, std::string_view path) {
  const auto* x = at(v, path);
  if (x == nullptr) return {};
  if (x->is_uint64()) return x->get_uint64();
  if (x->is_int64() && x->get_int64() >= 0) return static_cast<std::uint64_t>(x->get_int64());
  if (x->is_double() && x->get_double() >= 0 && x->get_double() < 9e18)
    return static_cast<std::uint64_t>(x->get_double());
  if (x->is_string()) {
    const auto& s = x->get_string();
    std::uint64_t n = 0;
    const auto r = std::from_chars(s.data(), s.data() + s.size(), n);
    if (r.ec == std::errc() && r.ptr == s.data() + s.size() && !s.empty()) return n;
  }
  return {};
}

std::optional<double> real_at(const Json& v, std::string_view path) {
  const auto* x = at(v, path);
  if (x == nullptr) return {};
  if (x->is_double())
    return std::isfinite(x->get_double()) ? std::optional(x->get_double()) : std::nullopt;
  if (x->is_int64()) return static_cast<double>(x->get_int64());
  if (x->is_uint64()) return static_cast<double>(x->get_uint64());
  return {};
}

std::optional<bool> flag_at(const Json& v, std::string_view path) {
  const auto* x = at(v, path);
  if (x == nullptr) return {};
  if (x->is_bool()) return x->get_bool();
  if (x->is_int64() && (x->get_int64() == 0 || x->get_int64() == 1)) return x->get_int64() == 1;
  return {};
}

std::optional<Timestamp> time_text(std::string_view text) {
  if (text.starts_with("/Date(")) {
    text.remove_prefix(6);
    std::int64_t ms = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), ms);
    constexpr std::int64_t most = 253'402'300'800'000;  // the year 10000
    if (r.ec != std::errc() || ms > most || ms < -most) return {};
    return Timestamp{ms * 1000};
  }
  return parse_time(text);
}

std::optional<Timestamp> time_at(const Json& v, std::string_view path) {
  const auto* x = at(v, path);
  if (x == nullptr) return {};
  if (x->is_string()) return time_text(std::string_view(x->get_string()));
  if (const auto n = number_at(v, path); n && *n < 253'402'300'800ULL)
    return Timestamp{static_cast<std::int64_t>(*n) * 1'000'000};
  return {};
}

const boost::json::array* array_at(const Json& v, std::string_view path) {
  const auto* x = at(v, path);
  return x != nullptr && x->is_array() ? &x->get_array() : nullptr;
}

std::vector<const Json*> items_of(const Json& v) {
  std::vector<const Json*> out;
  const boost::json::array* list = v.is_array() ? &v.get_array() : nullptr;
  for (const auto* name : {"data", "value", "items", "Items", "Events"})
    if (list == nullptr) list = array_at(v, name);
  if (list != nullptr) {
    for (const auto& item : *list)
      if (item.is_object()) out.push_back(&item);
  } else if (v.is_object()) {
    out.push_back(&v);
  }
  return out;
}

std::string sha256_hex(std::string_view octets) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  EVP_Digest(octets.data(), octets.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string out;
  append_hex(out, Bytes{digest.data(), digest.size()});
  return out;
}

double entropy(std::string_view octets) {
  if (octets.empty()) return 0;
  std::array<std::uint64_t, 256> count{};
  for (const char c : octets) ++count[static_cast<unsigned char>(c)];
  double bits = 0;
  const auto n = static_cast<double>(octets.size());
  for (const auto c : count)
    if (c != 0) bits -= static_cast<double>(c) / n * std::log2(static_cast<double>(c) / n);
  return bits;
}

std::string cut(std::string_view text, std::size_t most) {
  if (text.size() > most) {
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
    text = text.substr(0, most);
  }
  return std::string(text);
}

}  // namespace ww::backup
