#include "playbooks/json_text.hpp"

#include <openssl/evp.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "telemetry/json_writer.hpp"

namespace ww::playbooks {
namespace json = boost::json;

namespace {

namespace dom = simdjson::dom;

/// Exact numbers (the other parser rounds) and no member twice: what is signed means one thing.
Result<json::value, std::string> convert(const dom::element& e) {
  switch (e.type()) {
    case dom::element_type::NULL_VALUE:
      return json::value(nullptr);
    case dom::element_type::BOOL:
      return json::value(bool(e.get_bool().value_unsafe()));
    case dom::element_type::INT64:
      return json::value(std::int64_t{e.get_int64().value_unsafe()});
    case dom::element_type::UINT64:
      return json::value(std::uint64_t{e.get_uint64().value_unsafe()});
    case dom::element_type::DOUBLE:
      return json::value(double{e.get_double().value_unsafe()});
    case dom::element_type::STRING:
      return json::value(std::string_view(e.get_string().value_unsafe()));
    case dom::element_type::ARRAY: {
      json::array out;
      for (const auto x : dom::array(e.get_array().value_unsafe())) {
        auto v = convert(x);
        if (!v) return v;
        out.push_back(std::move(*v));
      }
      return json::value(std::move(out));
    }
    case dom::element_type::OBJECT: {
      json::object out;
      for (const auto [key, x] : dom::object(e.get_object().value_unsafe())) {
        auto v = convert(x);
        if (!v) return v;
        if (!out.emplace(key, std::move(*v)).second)
          return fail("the member \"" + std::string(key) + "\" stands there twice");
      }
      return json::value(std::move(out));
    }
  }
  return json::value(nullptr);
}

}  // namespace

Result<json::value, std::string> parse_json(std::string_view text) {
  if (text.size() > max_document_octets)
    return fail("the document has " + std::to_string(text.size()) + " octets, at most " +
                std::to_string(max_document_octets) + " are read");
  dom::parser parser;
  dom::element root;
  auto error = parser.allocate(text.size() + 64, max_document_depth);
  if (error == simdjson::SUCCESS) error = parser.parse(text.data(), text.size(), true).get(root);
  if (error != simdjson::SUCCESS) return fail(std::string(simdjson::error_message(error)));
  return convert(root);
}

namespace {

/// ECMAScript's Number::toString for a finite double.
void append_number(std::string& out, double v) {
  if (v == 0 || !std::isfinite(v)) {
    out += '0';
    return;
  }
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), std::abs(v),
                                 std::chars_format::scientific)
                       .ptr;
  const std::string_view shortest(text.data(), static_cast<std::size_t>(end - text.data()));
  const auto e = shortest.find('e');
  std::string digits;
  for (const char c : shortest.substr(0, e))
    if (c != '.') digits += c;
  int exponent = 0;
  auto power = shortest.substr(e + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;  // the decimal point stands behind n digits
  if (v < 0) out += '-';
  if (k <= n && n <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(n - k), '0');
  } else if (0 < n && n <= 21) {
    out.append(digits, 0, static_cast<std::size_t>(n));
    out += '.';
    out.append(digits, static_cast<std::size_t>(n));
  } else if (-6 < n && n <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-n), '0');
    out += digits;
  } else {
    out += digits[0];
    if (k > 1) {
      out += '.';
      out.append(digits, 1);
    }
    out += n - 1 < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(n - 1));
  }
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  static constexpr char digits[] = "0123456789abcdef";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (u < 0x20) {
          out += "\\u00";
          out += digits[u >> 4];
          out += digits[u & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

/// Order of UTF-16 code units: as UTF-8 octets, except that U+E000..U+FFFF come behind the
/// surrogates of U+10000 and above.
bool utf16_less(std::string_view a, std::string_view b) {
  const auto n = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = static_cast<unsigned char>(a[i]), y = static_cast<unsigned char>(b[i]);
    if (x == y) continue;
    const bool x4 = x >= 0xF0, y4 = y >= 0xF0;
    if (x4 != y4 && (x4 ? y : x) >= 0xEE) return x4;
    return x < y;
  }
  return a.size() < b.size();
}

void append_canonical(std::string& out, const json::value& v) {
  switch (v.kind()) {
    case json::kind::null:
      out += "null";
      break;
    case json::kind::bool_:
      out += v.get_bool() ? "true" : "false";
      break;
    case json::kind::int64:
      append_number(out, static_cast<double>(v.get_int64()));
      break;
    case json::kind::uint64:
      append_number(out, static_cast<double>(v.get_uint64()));
      break;
    case json::kind::double_:
      append_number(out, v.get_double());
      break;
    case json::kind::string:
      append_string(out, v.get_string());
      break;
    case json::kind::array: {
      out += '[';
      bool first = true;
      for (const auto& x : v.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        append_canonical(out, x);
      }
      out += ']';
      break;
    }
    case json::kind::object: {
      std::vector<const json::key_value_pair*> members;
      for (const auto& m : v.get_object()) members.push_back(&m);
      std::sort(members.begin(), members.end(),
                [](const auto* a, const auto* b) { return utf16_less(a->key(), b->key()); });
      out += '{';
      bool first = true;
      for (const auto* m : members) {
        if (!std::exchange(first, false)) out += ',';
        append_string(out, m->key());
        out += ':';
        append_canonical(out, m->value());
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

std::string canonical_json(const json::value& value) {
  std::string out;
  append_canonical(out, value);
  return out;
}

std::string encode_base64url(std::string_view octets) {
  std::string out;
  append_base64(out, as_bytes(octets));
  while (out.ends_with('=')) out.pop_back();
  for (auto& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::string hex(std::string_view octets) {
  std::string out;
  append_hex(out, as_bytes(octets));
  return out;
}

std::string sha256_hex(std::string_view octets) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned n = 0;
  EVP_Digest(octets.data(), octets.size(), digest.data(), &n, EVP_sha256(), nullptr);
  return hex({reinterpret_cast<const char*>(digest.data()), n});
}

std::string text_of(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

}  // namespace ww::playbooks
