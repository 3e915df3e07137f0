#pragma once
/// Values inside header fields: parameters, ranges, client addresses.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ww::sensor::http {

/// The value of a `name=value` parameter in a list separated by semicolons ("attachment;
/// filename=\"a.txt\""). Quotes around the value are taken off; a semicolon inside quotes does not
/// separate.
[[nodiscard]] std::optional<std::string_view> parameter(std::string_view field,
                                                        std::string_view name);

/// Content-Range (RFC 9110 section 14.4). Unknown parts ("*") are absent.
struct ContentRange {
  std::optional<std::uint64_t> start, end, size;
};
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view field);

}  // namespace ww::sensor::http
