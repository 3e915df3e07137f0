#pragma once
/// HTTP messages as plain values: what handlers and callers see. No Beast or Asio type leaks from
/// here.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ww::http {

/// What a client that knows the collector's own authority and no other offers as a protocol (RFC
/// 7301); the collector then shows a certificate of that authority. Never agreed on: HTTP/1.1 is.
inline constexpr std::string_view own_authority_protocol = "wardwatch-sensor/1";

/// Header fields in order; names compare without case.
class Headers {
 public:
  /// The first value of the name, or empty.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  void add(std::string_view name, std::string_view value) { all_.emplace_back(name, value); }
  /// Replaces every value of the name.
  void set(std::string_view name, std::string_view value);
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return all_; }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

struct Request {
  std::string method = "GET";
  std::string target = "/";  ///< path and query as on the wire
  Headers headers;
  std::string body;
  /// Path with %XX decoded; empty when the target is not a valid origin-form path.
  [[nodiscard]] std::string path() const;
};

struct Response {
  unsigned status = 200;
  Headers headers;
  std::string body;
};

[[nodiscard]] bool same_name(std::string_view a, std::string_view b);
/// %XX and, in queries, '+' decoded; nothing for a broken escape or a NUL.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
/// Everything but unreserved characters as %XX (RFC 3986 section 2.3).
[[nodiscard]] std::string percent_encode(std::string_view text);
/// name=value pairs of a query string or form body, decoded; broken ones are left out.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

/// scheme://host:port/path as its parts.
struct Url {
  bool tls = true;
  std::string host;  ///< without brackets
  std::uint16_t port = 443;
  std::string path;  ///< starts with '/', or empty
  [[nodiscard]] std::string origin() const;
};
/// http:// and https:// only; user information is refused.
[[nodiscard]] std::optional<Url> parse_url(std::string_view text);

}  // namespace ww::http
