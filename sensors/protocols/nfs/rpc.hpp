#pragma once
/// Sun RPC messages (RFC 5531) as NFS uses them, and the XDR pieces (RFC 4506) they are made of.
/// Pure functions over borrowed octets.
#include <cstdint>
#include <optional>
#include <string>

#include "telemetry/bytes.hpp"

namespace ww::sensor::nfs {

constexpr std::uint32_t nfs_program = 100003;

namespace auth {
constexpr std::uint32_t unix_style = 1, gss = 6;
}

struct Credentials {
  std::uint32_t flavor = 0;
  std::string machine_name;  ///< unix_style
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t gss_procedure = 0, gss_service = 0;
};

struct Call {
  std::uint32_t xid = 0, program = 0, version = 0, procedure = 0;
  Credentials credentials;
  std::size_t credentials_at = 0, credentials_length = 0;  ///< flavor, length and body
  std::size_t body_at = 0;                                 ///< where the arguments start
};
struct Reply {
  std::uint32_t xid = 0;
  std::uint32_t state = 0;   ///< 0 accepted, 1 denied
  std::uint32_t accept = 0;  ///< 0 success, when accepted
  std::size_t body_at = 0;
};

/// Whether a header that is cut off could still become right is the reader's ok().
/// @param message  without the record mark of TCP; may be cut off after the header
[[nodiscard]] std::optional<Call> parse_call(Bytes message);
[[nodiscard]] std::optional<Reply> parse_reply(Bytes message);
/// Does it look like the start of a call to NFS 2, 3 or 4?  At least 20 octets.
[[nodiscard]] bool looks_like_call(Bytes message);

/// Variable-length opaque data with its padding. @param max  more octets than that fail the reader
[[nodiscard]] Bytes read_opaque(ByteReader& in, std::size_t max);
/// Octets that pad `length` to a multiple of four.
[[nodiscard]] constexpr std::uint32_t padding_of(std::uint32_t length) {
  return (4 - length % 4) % 4;
}

/// EVE texts.
[[nodiscard]] std::string procedure_name(std::uint32_t version, std::uint32_t procedure);
[[nodiscard]] std::string status_name(std::uint32_t status);
[[nodiscard]] std::string rpc_status_name(std::uint32_t state);
[[nodiscard]] std::string auth_name(std::uint32_t flavor);
/// CRC-32 (IEEE 802.3) of a file handle: how events name it.
[[nodiscard]] std::uint32_t handle_hash(std::string_view handle);

}  // namespace ww::sensor::nfs
