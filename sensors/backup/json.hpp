#pragma once
/// Reading tools' JSON without exceptions: bounded depth, values that are there and of the right
/// kind, or nothing.
#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::backup {

using Json = boost::json::value;

/// A byte order mark in front is passed over: PowerShell writes one.
[[nodiscard]] Result<Json, std::string> parse_json(std::string_view text);
/// Calls `each` with every JSON document of a text that has one a line; other lines are passed
/// over.
template <class F>
void each_json_line(std::string_view text, F&& each) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const auto start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos || (line[start] != '{' && line[start] != '[')) continue;
    if (auto v = parse_json(line)) each(*v);
  }
}

/// The value at a dotted path of objects, or null.
[[nodiscard]] const Json* at(const Json& v, std::string_view path);
[[nodiscard]] std::optional<std::string> text_at(const Json& v, std::string_view path);
[[nodiscard]] std::optional<std::uint64_t> number_at(const Json& v, std::string_view path);
[[nodiscard]] std::optional<double> real_at(const Json& v, std::string_view path);
[[nodiscard]] std::optional<bool> flag_at(const Json& v, std::string_view path);
/// RFC 3339 text, ISO 8601 without a zone (taken as UTC), "/Date(ms)/", or epoch seconds.
[[nodiscard]] std::optional<Timestamp> time_at(const Json& v, std::string_view path);
[[nodiscard]] const boost::json::array* array_at(const Json& v, std::string_view path);
/// A list of objects, however the tool wrapped it: an array, one object, {"data": [...]}, {"value":
/// [...]}.
[[nodiscard]] std::vector<const Json*> items_of(const Json& v);

/// A time of any of the forms above, as a text.
[[nodiscard]] std::optional<Timestamp> time_text(std::string_view text);
[[nodiscard]] std::string sha256_hex(std::string_view octets);
/// Shannon entropy in bits an octet.
[[nodiscard]] double entropy(std::string_view octets);
[[nodiscard]] std::string cut(std::string_view text, std::size_t most);

}  // namespace ww::backup
