#pragma once
/// Kerberos 5 messages (RFC 4120 section 5): what is in the clear.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::krb5 {

namespace type {
constexpr std::uint32_t as_req = 10, as_rep = 11, tgs_req = 12, tgs_rep = 13, ap_req = 14,
                        ap_rep = 15, error = 30;
}

/// PrincipalName: its parts; at most 64 are kept.
using Name = std::vector<std::string>;

struct Message {
  std::uint32_t type = 0;  ///< the APPLICATION tag, which is the message type
  std::optional<Name> cname, sname;
  std::optional<std::string> realm;                 ///< of the client, of the server in a request
  std::optional<std::int32_t> etype, ticket_etype;  ///< encryption of the reply and its ticket
  std::optional<std::int32_t> error_code;
};

enum class Status : std::uint8_t {
  ok,
  other,  ///< a Kerberos message that is not read further (AP-REQ, KRB-SAFE...), or none at all
  malformed
};

/// @param octets  one message, without the length that TCP puts before it
/// `out.type` is set for `other` too, 0 when it is no APPLICATION element.
[[nodiscard]] Status parse_message(Bytes octets, Message& out);

/// Does this start like a Kerberos 5 message? Looks at the first 16 octets or so.
enum class Looks : std::uint8_t { no, maybe, yes };
[[nodiscard]] Looks looks_like_kerberos(Bytes octets);

[[nodiscard]] std::string type_name(std::uint32_t type);        ///< "KRB_AS_REQ"
[[nodiscard]] std::string error_name(std::int32_t code);        ///< "KDC_ERR_PREAUTH_REQUIRED"
[[nodiscard]] std::string encryption_name(std::int32_t etype);  ///< "rc4-hmac"
/// Deprecated or broken: all but the AES and Camellia types.
[[nodiscard]] bool is_weak(std::int32_t etype);
/// Parts joined by '/'.
[[nodiscard]] std::string name_text(const Name& name);

}  // namespace ww::krb5
