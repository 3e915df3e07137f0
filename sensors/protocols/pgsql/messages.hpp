#pragma once
/// PostgreSQL messages, protocol 3.0 ("Message Formats" of the PostgreSQL manual).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::pgsql {

/// Frame of a message. Start-up messages have no type octet: `type` is 0.
struct Header {
  char type = 0;
  std::size_t octets = 0;    ///< of type and length
  std::uint32_t length = 0;  ///< of what follows them
};
enum class Status : std::uint8_t { ok, need_more, bad_length };

/// @param client  the first octet 0 means a start-up message
[[nodiscard]] Status read_header(Bytes in, bool client, Header& out);

[[nodiscard]] bool known_client_type(char type);
[[nodiscard]] bool known_server_type(char type);

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

struct Startup {
  enum class Kind : std::uint8_t { startup, ssl, gss, cancel } kind = Kind::startup;
  std::uint16_t major = 0, minor = 0;
  std::string_view user;
  Pairs parameters;  ///< but the user
  std::uint32_t process_id = 0, secret_key = 0;
};
[[nodiscard]] std::optional<Startup> parse_startup(Bytes body);

struct SaslInitial {
  std::string_view mechanism, parameter;
};
[[nodiscard]] std::optional<SaslInitial> parse_sasl_initial(Bytes body);

/// AuthenticationXXX codes.
enum class Auth : std::uint32_t {
  ok = 0,
  kerberos5 = 2,
  cleartext = 3,
  scm = 6,
  md5 = 5,
  gss = 7,
  gss_continue = 8,
  sspi = 9,
  sasl = 10,
  sasl_continue = 11,
  sasl_final = 12
};
[[nodiscard]] std::string_view auth_name(Auth a);  ///< empty for an unknown one

/// Fields of ErrorResponse and NoticeResponse by their EVE names; what stands before a cut.
[[nodiscard]] Pairs parse_error_fields(Bytes body);
/// EVE name of a run-time parameter.
[[nodiscard]] std::string_view parameter_name(std::string_view name);
/// Text up to a NUL, or all of it.
[[nodiscard]] std::string_view c_string(Bytes body);

/// Octets of column values in a DataRow of `length` octets that starts with its column count.
[[nodiscard]] std::uint64_t row_size(std::uint32_t length, std::uint16_t columns);

}  // namespace ww::pgsql
