#pragma once
/// Community ID flow hashing, version 1: "1:" and base64 of SHA-1 over seed, ordered addresses,
/// protocol and ports.
#include <cstdint>
#include <string>

#include "rules/signature/inspect.hpp"

namespace ww::sensor {

/// The id of a flow; empty when it has no IP addresses. Same for both directions.
/// @param seed  lets networks keep their hashes apart; 0 by convention
[[nodiscard]] std::string community_id(const sig::Flow& flow, std::uint16_t seed);

/// Type that answers an ICMP type (echo and echo reply...), as the specification pairs them; -1 =
/// one-way.
[[nodiscard]] int icmp_counterpart(std::uint8_t type);
[[nodiscard]] int icmpv6_counterpart(std::uint8_t type);

}  // namespace ww::sensor
