#pragma once
/// IKE messages: ISAKMP (RFC 2408, RFC 2409) and IKEv2 (RFC 7296), as far as they are in the clear.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::ike {

constexpr std::size_t header_octets = 28;
constexpr int max_payloads = 256;  ///< of one message, nested ones included

struct Header {
  std::uint64_t init_spi = 0, resp_spi = 0;
  std::uint8_t next_payload = 0, major = 0, minor = 0, exchange = 0, flags = 0;
  std::uint32_t message_id = 0, length = 0;
};
[[nodiscard]] std::optional<Header> parse_header(Bytes in);

// ------------------------------------------------------------------------------- version 1

/// A data attribute of a transform (RFC 2408 3.3).
struct Attribute {
  std::uint16_t type = 0;
  std::optional<std::uint32_t> number;  ///< short ones, and those of four octets
  std::string hex;                      ///< the others
};
using Transform = std::vector<Attribute>;

struct Message1 {
  std::optional<std::uint32_t> doi;
  std::vector<std::uint8_t> payloads;  ///< types in order of appearance, each once
  std::string key_exchange, nonce;     ///< octets
  std::vector<std::string> vendors;    ///< hexadecimal
  std::vector<Transform> transforms;
  bool extra_data = false;  ///< octets after the last payload
};
/// @param body  behind the header, not encrypted
[[nodiscard]] bool parse_message1(const Header& header, Bytes body, Message1& out);

[[nodiscard]] std::string_view attribute_name(std::uint16_t type);     ///< "alg_enc"
[[nodiscard]] std::string_view attribute_value(const Attribute& a);    ///< "EncAesCbc", "Unknown"
[[nodiscard]] std::string_view payload_name1(std::uint8_t type);       ///< empty when unknown
[[nodiscard]] std::string_view exchange_name1(std::uint8_t exchange);  ///< empty when unknown

// ------------------------------------------------------------------------------- version 2

enum class Kind2 : std::uint8_t { encryption = 1, prf = 2, integrity = 3, dh = 4, esn = 5 };
struct Transform2 {
  std::uint8_t kind = 0;  ///< Kind2, or what the wire says
  std::uint16_t id = 0;
};
struct Proposal2 {
  std::uint8_t protocol = 0;
  std::vector<Transform2> transforms;
};
struct Message2 {
  std::vector<std::uint8_t> payloads;  ///< types in order, the first from the header
  std::vector<Proposal2> proposals;
  std::vector<std::uint16_t> notifications;
};
/// Reads payloads up to the first that is damaged; false when there was one.
bool parse_message2(const Header& header, Bytes body, Message2& out);

[[nodiscard]] std::string payload_name2(std::uint8_t type);
[[nodiscard]] std::string transform_name2(Kind2 kind, std::uint16_t id);
[[nodiscard]] std::string notification_name(std::uint16_t type);
[[nodiscard]] bool is_aead(std::uint16_t encryption);

}  // namespace ww::ike
