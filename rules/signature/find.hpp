#pragma once
/// Finding one literal in octets: what `content` does most.
#include <cstddef>
#include <string_view>

#include "telemetry/bytes.hpp"

namespace ww::sig {

inline constexpr std::size_t not_found = static_cast<std::size_t>(-1);

/// First place where `literal` stands, or not_found. Reads nothing outside of `data`.
/// @param literal  not empty; lower case when `nocase` (ASCII letters alone have two cases)
[[nodiscard]] std::size_t find_literal(Bytes data, std::string_view literal, bool nocase);

}  // namespace ww::sig
