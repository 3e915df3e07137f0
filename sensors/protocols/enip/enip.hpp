#pragma once
/// EtherNet/IP encapsulation and the CIP messages inside (ODVA, volumes 1 and 2). Pure functions.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::enip {

namespace command {
constexpr std::uint16_t nop = 0x00, list_services = 0x04, list_identity = 0x63,
                        list_interfaces = 0x64, register_session = 0x65, unregister_session = 0x66,
                        send_rr_data = 0x6f, send_unit_data = 0x70, indicate_status = 0x72,
                        cancel = 0x73;
}
constexpr std::size_t header_octets = 24;

struct Header {
  std::uint16_t command = 0, length = 0;
  std::uint32_t session = 0, status = 0, options = 0;
};

struct PathSegment {
  std::uint8_t type = 0;
  std::uint32_t value = 0;
  [[nodiscard]] bool is_class() const { return type >> 2 == 8; }
  [[nodiscard]] bool is_instance() const { return type >> 2 == 9; }
  [[nodiscard]] bool is_attribute() const { return type >> 2 == 12; }
};

/// A CIP request or response; Multiple Service Packets hold others, one level deep.
struct Cip {
  std::uint8_t service = 0;  ///< without the response bit
  bool response = false;
  std::vector<PathSegment> path;          ///< request
  std::vector<std::uint16_t> attributes;  ///< request: of Get and Set Attribute List
  std::uint8_t status = 0;                ///< response
  std::string extended_status;            ///< response, octets
  std::vector<Cip> inner;
  std::size_t offset = 0, length = 0;  ///< within the message that holds it
};

struct Identity {
  std::uint16_t protocol_version = 0, vendor = 0, device_type = 0, product_code = 0, status = 0;
  std::uint8_t major = 0, minor = 0, state = 0;
  std::uint32_t serial = 0;
  std::string name;
};
struct Services {
  std::uint16_t protocol_version = 0, capabilities = 0;
  std::string name;  ///< 16 octets
};
struct RegisterSession {
  std::uint16_t protocol_version = 0, options = 0;
};
/// One item of the common packet format.
struct Item {
  static constexpr std::uint16_t identity_type = 0x0c, connected_data = 0xb1,
                                 unconnected_data = 0xb2, services_type = 0x100;
  std::uint16_t type = 0, length = 0;
  std::size_t offset = 0;      ///< of the item in the message
  std::size_t cip_offset = 0;  ///< of its CIP message
  std::optional<std::uint16_t> sequence;
  std::optional<Cip> cip;
  std::optional<Identity> identity;
  std::optional<Services> services;
};

struct Message {
  Header header;
  bool has_items = false;  ///< SendRRData or SendUnitData
  std::vector<Item> items;
  std::optional<RegisterSession> registration;
  bool invalid = false;  ///< the payload is not what the command says

  /// First CIP message; null when there is none.
  [[nodiscard]] const Cip* cip() const;
  [[nodiscard]] const Identity* identity() const;
  [[nodiscard]] const Services* services() const;
};

/// @param octets  at least header_octets
[[nodiscard]] Header read_header(Bytes octets);
/// @param octets  header and header.length octets behind it
[[nodiscard]] Message parse_message(Bytes octets);
/// Does it start like an EtherNet/IP message?  At least header_octets.
[[nodiscard]] bool looks_right(Bytes octets);

// Texts of events; empty when a value has no name.
[[nodiscard]] std::string_view command_name(std::uint16_t v);
[[nodiscard]] std::string_view status_name(std::uint32_t v);
[[nodiscard]] std::string_view service_name(std::uint8_t v);
[[nodiscard]] std::string_view cip_status_name(std::uint8_t v);
[[nodiscard]] std::string_view extended_status_name(std::uint16_t v);
[[nodiscard]] std::string_view class_name(std::uint32_t v);
[[nodiscard]] std::string_view vendor_name(std::uint16_t v);
[[nodiscard]] std::string_view device_name(std::uint16_t v);

}  // namespace ww::enip
