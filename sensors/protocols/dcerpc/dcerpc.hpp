#pragma once
/// DCE/RPC messages (C706): connection-oriented version 5 and connectionless version 4. Pure
/// parsing; used for TCP, UDP and SMB named pipes.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::dcerpc {

enum Type : std::uint8_t {
  request = 0,
  response = 2,
  fault = 3,
  bind = 11,
  bind_ack = 12,
  bind_nak = 13,
  alter_context = 14,
  alter_context_resp = 15,
  auth3 = 16,
  shutdown = 17,
  co_cancel = 18,
  orphaned = 19
};
[[nodiscard]] std::string_view type_name(std::uint8_t type);  ///< empty when unknown
[[nodiscard]] bool is_answer(std::uint8_t type);

constexpr std::size_t header_octets = 16, cl_header_octets = 80;
constexpr std::size_t max_interfaces = 256;

/// The common header of a version 5 fragment.
struct Header {
  std::uint8_t version = 0, minor = 0, type = 0, flags = 0;
  bool little = true;
  std::uint16_t frag_length = 0, auth_length = 0;
  std::uint32_t call_id = 0;
  [[nodiscard]] bool first() const { return (flags & 1) != 0; }
  [[nodiscard]] bool last() const { return (flags & 2) != 0; }
};
/// @param octets  at least header_octets of them; nothing when they are no such header
[[nodiscard]] std::optional<Header> parse_header(Bytes octets);

struct Interface {
  std::uint16_t context = 0;
  std::array<std::uint8_t, 16> uuid{};  ///< in printed order
  std::uint16_t major = 0, minor = 0;
  std::uint16_t result = 0, reason = 0;
  bool answered = false;
  bool first = false;  ///< proposed by a fragment that says it is the first of its message
};
/// Contexts that a bind or alter_context proposes.
[[nodiscard]] std::vector<Interface> parse_bind(const Header& h, Bytes fragment);
struct Result {
  std::uint16_t result = 0, reason = 0;
};
/// Results of a bind_ack or alter_context_resp, in the order of the proposal.
[[nodiscard]] std::vector<Result> parse_bind_ack(const Header& h, Bytes fragment);

struct Call {
  std::uint16_t context = 0, opnum = 0;
  Bytes stub;
};
/// A request or response fragment. As rules for this buffer expect it, the stub of a request may
/// begin with an object UUID and that of a response with its allocation hint, context and cancel
/// count.
[[nodiscard]] std::optional<Call> parse_call(const Header& h, Bytes fragment);

/// A version 4 datagram.
struct Datagram {
  std::uint8_t type = 0, flags = 0;
  bool little = true;
  std::array<std::uint8_t, 16> object{}, interface{};  ///< in printed order
  std::array<std::uint8_t, 16> activity{};             ///< as on the wire
  std::uint32_t interface_version = 0, sequence = 0;
  std::uint16_t opnum = 0, fragment = 0;
  Bytes stub;
};
[[nodiscard]] std::optional<Datagram> parse_datagram(Bytes octets);

[[nodiscard]] std::string uuid_text(const std::array<std::uint8_t, 16>& uuid);
/// The same of one that is not swapped to printed order yet.
[[nodiscard]] std::string wire_uuid_text(std::array<std::uint8_t, 16> uuid);

}  // namespace ww::dcerpc
