#pragma once
/// MQTT control packets: versions 3.1, 3.1.1 (OASIS 2014) and 5 (OASIS 2019).
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "telemetry/bytes.hpp"
#include "telemetry/result.hpp"

namespace ww::mqtt {

enum class Type : std::uint8_t {
  unassigned = 0,
  connect,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth
};
/// EVE's name of a type ("connect"); "unassigned" for 0.
[[nodiscard]] std::string_view type_name(Type type);

/// The two to five octets before every packet (MQTT 5, 2.1).
struct Header {
  Type type = Type::unassigned;
  bool dup = false, retain = false;
  std::uint8_t qos = 0;         ///< 3 is invalid
  std::uint32_t remaining = 0;  ///< octets behind the header
  std::uint8_t length = 0;      ///< octets of the header itself
};

/// One property of MQTT 5 (2.2.2.2). `name` is EVE's key, or the sender's own for user properties.
struct Property {
  std::string name;
  std::variant<std::uint32_t, std::string> value;
};
using Properties = std::optional<std::vector<Property>>;

struct Topic {
  std::string name;
  std::uint8_t options = 0;
};

/// A control packet. Which members have meaning depends on the type; what the packet does not carry
/// is absent.
struct Message {
  Header header;
  std::uint64_t truncated = 0;  ///< not 0: too long to read; octets that are skipped, with header
  // CONNECT
  std::string protocol;
  std::uint8_t version = 0, flags = 0;
  std::string client_id;
  std::optional<std::string> username, password, will_topic, will_message;
  Properties will_properties;
  // PUBLISH
  std::string topic, payload;
  // several
  std::optional<std::uint16_t> message_id;
  std::optional<std::uint8_t> reason;  ///< reason or return code
  bool session_present = false;        ///< CONNACK
  std::vector<Topic> topics;           ///< SUBSCRIBE, UNSUBSCRIBE
  std::vector<std::uint8_t> codes;     ///< SUBACK, UNSUBACK
  Properties properties;
  /// Octets this message keeps, roughly.
  [[nodiscard]] std::size_t weight() const;
};

enum class Connect : std::uint8_t {
  clean_session = 0x02,
  will = 0x04,
  will_retain = 0x20,
  password = 0x40,
  username = 0x80
};
[[nodiscard]] inline bool has(std::uint8_t flags, Connect f) {
  return (flags & static_cast<std::uint8_t>(f)) != 0;
}

enum class Errc : std::uint8_t {
  need_more,  ///< the octets end inside the header or the packet
  malformed   ///< a length or count contradicts the packet
};

/// Reads the fixed header at the start of `octets`.
[[nodiscard]] Result<Header, Errc> parse_header(Bytes octets);

/// Reads a packet's variable header and payload.
///
/// @param body     exactly header.remaining octets; borrowed for the call
/// @param version  protocol version of the connection, 0 before CONNECT
/// Cost: linear in body.size().
[[nodiscard]] Result<Message, Errc> parse_body(const Header& header, Bytes body,
                                               std::uint8_t version);

}  // namespace ww::mqtt
