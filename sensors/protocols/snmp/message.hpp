#pragma once
/// SNMP messages: versions 1 (RFC 1157), 2c (RFC 1901, RFC 3416) and 3 (RFC 3412, RFC 3414).
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::snmp {

/// PDU types: their context tag numbers.
enum class Pdu : std::uint32_t {
  get_request = 0,
  get_next_request = 1,
  response = 2,
  set_request = 3,
  trap_v1 = 4,
  get_bulk_request = 5,
  inform_request = 6,
  trap_v2 = 7,
  report = 8
};

struct Trap {
  std::string enterprise;  ///< dotted object identifier
  std::string address;     ///< IPv4
  std::uint32_t generic = 0;
};

struct Message {
  std::uint32_t version = 0;  ///< 1, 2 or 3
  std::optional<std::string> community;
  std::optional<std::string> user;  ///< of the user-based security model
  bool unknown_security_model = false;
  bool encrypted = false;
  std::optional<Pdu> pdu;
  std::uint32_t error = 0;
  std::optional<Trap> trap;
  std::vector<std::string> variables;  ///< object identifiers of the bindings
};

constexpr std::size_t max_variables = 1024;

[[nodiscard]] bool parse_message(Bytes octets, Message& out);
/// The version alone, and whether what follows it fits: 1, 2, 3, or 0.
[[nodiscard]] std::uint32_t peek_version(Bytes octets);

[[nodiscard]] std::string pdu_name(Pdu pdu);            ///< "get_request"
[[nodiscard]] std::string error_name(std::uint32_t v);  ///< "NoSuchName"
[[nodiscard]] std::string trap_name(std::uint32_t v);   ///< "ColdStart"

}  // namespace ww::snmp
