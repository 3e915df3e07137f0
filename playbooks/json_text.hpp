#pragma once
/// JSON as playbooks need it: parsing with bounds, RFC 8785 canonical text, base64url.
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "telemetry/result.hpp"

namespace ww::playbooks {

inline constexpr std::size_t max_document_octets = 2U << 20;
inline constexpr std::size_t max_document_depth = 24;

/// Parses one JSON document. Untrusted: at most max_document_octets, nested max_document_depth
/// deep.
/// @return the value, or what is wrong ("octet 17: ...")
[[nodiscard]] Result<boost::json::value, std::string> parse_json(std::string_view text);

/// JSON Canonicalization Scheme (RFC 8785): members by UTF-16 code units, ECMAScript numbers.
[[nodiscard]] std::string canonical_json(const boost::json::value& value);

[[nodiscard]] std::string encode_base64url(std::string_view octets);
[[nodiscard]] std::string hex(std::string_view octets);
[[nodiscard]] std::string sha256_hex(std::string_view octets);

/// A member that is a string, else "".
[[nodiscard]] std::string text_of(const boost::json::object& o, std::string_view name);

}  // namespace ww::playbooks
