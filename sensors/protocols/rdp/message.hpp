#pragma once
/// How a remote desktop connection starts ([MS-RDPBCGR] 1.3.1.1): TPKT (T.123), X.224, MCS (T.125)
/// and the client's settings in a GCC conference (T.124).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::rdp {

enum class Status : std::uint8_t { ok, need_more, malformed };

/// X.224 Connection Request with what RDP puts into it (2.2.1.1).
struct ConnectionRequest {
  std::optional<std::string> cookie;  ///< of "Cookie: mstshash="
  std::optional<std::uint8_t> flags;  ///< of an RDP Negotiation Request
};
/// X.224 Connection Confirm (2.2.1.2).
struct ConnectionConfirm {
  std::optional<std::uint8_t> flags;      ///< of an RDP Negotiation Response
  std::optional<std::uint32_t> protocol;  ///< it selects
  std::optional<std::uint32_t> failure;   ///< of an RDP Negotiation Failure
};

/// Client Core Data (2.2.1.3.2). What is optional needs all before it.
struct ClientCore {
  std::uint32_t version = 0, keyboard_layout = 0, build = 0, keyboard_type = 0,
                keyboard_subtype = 0, function_keys = 0;
  std::uint16_t width = 0, height = 0, color_depth = 0;
  std::string name, ime;
  std::optional<std::uint16_t> post_beta2_color_depth, product_id, high_color_depth,
      early_capabilities, orientation;
  std::optional<std::uint32_t> serial_number, physical_width, physical_height, desktop_scale,
      device_scale;
  std::optional<std::string> id;  ///< clientDigProductId
  std::optional<std::uint8_t> connection_hint;
};
struct ConnectRequest {
  std::optional<ClientCore> core;
  std::vector<std::string> channels;  ///< static virtual channels
};

enum class Kind : std::uint8_t {
  other,
  connection_request,
  connection_confirm,
  connect_request,
  connect_response
};
struct Message {
  Kind kind = Kind::other;
  ConnectionRequest request;
  ConnectionConfirm confirm;
  ConnectRequest connect;
};

/// One TPKT at the start of `in`; what it carries may be unknown (Kind::other).
/// @param used  ok: its octets; need_more: octets needed, 0 when not known yet
[[nodiscard]] Status parse_tpkt(Bytes in, Message& out, std::size_t& used);

[[nodiscard]] std::string_view version_name(std::uint32_t version);  ///< "v5"; "unknown"
[[nodiscard]] std::string_view build_name(std::uint32_t build);      ///< "Windows XP"; "unknown"
[[nodiscard]] std::string_view keyboard_name(std::uint32_t type);    ///< empty when unknown
/// Name of a Windows locale ([MS-LCID]); "unknown".
[[nodiscard]] std::string_view locale_name(std::uint32_t id);

/// Serial numbers of an X.509 chain in a TLS Certificate message, lower-case hexadecimal without
/// leading zeros.
[[nodiscard]] std::vector<std::string> certificate_serials(Bytes message);

}  // namespace ww::rdp
