#pragma once
/// Orders from the collector to one sensor: "run this drill", "stop it". A sensor fetches them over
/// its own mutual-TLS connection (GET /api/v1/orders) and believes only what its collector's
/// authority signed, for this sensor, not yet expired, not yet done.
///
///   {"orders":[{"payload":"{\"order\":\"wardwatch-order-1\",\"id\":...}","signature":"BASE64"}]}
///
/// The signature is ECDSA with SHA-256 by the authority's key over "wardwatch-order-1\n" and the
/// payload, octet by octet. An order names things that the sensor's own configuration defines; it
/// carries no command and no path.
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/clock.hpp"
#include "telemetry/result.hpp"

namespace ww::orders {

inline constexpr std::string_view path = "/api/v1/orders";
inline constexpr std::string_view context =
    "wardwatch-order-1\n";  ///< signed in front of a payload
inline constexpr std::size_t max_payload_octets = 2U << 20;

struct Order {
  std::string id, run, site, sensor;
  std::string kind;  ///< restore, detection, stop
  Timestamp issued, expires;
  boost::json::object parameters;
};
[[nodiscard]] std::string payload(const Order& order);
/// Untrusted text.
[[nodiscard]] Result<Order, std::string> parse(std::string_view payload);

struct SignedOrder {
  std::string payload, signature;  ///< signature: base64
};
[[nodiscard]] std::string write(const std::vector<SignedOrder>& orders);
/// The answer of GET /api/v1/orders. Untrusted; at most 64 orders.
[[nodiscard]] Result<std::vector<SignedOrder>, std::string> read(std::string_view body);

/// @param authority_pem  certificate of the collector's authority, as the sensor got at enrolment
[[nodiscard]] bool verify(std::string_view authority_pem, const SignedOrder& order);

}  // namespace ww::orders
