#include "sensors/protocols/pgsql/messages.hpp"

namespace ww::pgsql {
namespace {

constexpr std::size_t max_parameters = 256;

/// The text before the next NUL; fails the reader when there is none.
std::string_view take_string(ByteReader& in) {
  const auto rest = as_text(in.rest());
  const auto nul = rest.find('\0');
  if (nul == std::string_view::npos) {
    in.fail();
    return {};
  }
  in.skip(nul + 1);
  return rest.substr(0, nul);
}

}  // namespace

Status read_header(Bytes in, bool client, Header& out) {
  if (in.empty()) return Status::need_more;
  const bool typed = !client || in[0] != 0;
  out.type = typed ? static_cast<char>(in[0]) : '\0';
  out.octets = typed ? 5 : 4;
  if (in.size() < out.octets) return Status::need_more;
  const auto length = load_be32(in.data() + out.octets - 4);
  // The length counts itself; a start-up message has a version too.
  if (length < (typed ? 4U : 8U)) return Status::bad_length;
  out.length = length - 4;
  return Status::ok;
}

bool known_client_type(char type) {
  return std::string_view("QXpPBDECSHFdcf").find(type) != std::string_view::npos;
}
bool known_server_type(char type) {
  return std::string_view("RKSNETDCZAGHWdc123InstvV").find(type) != std::string_view::npos;
}

std::optional<Startup> parse_startup(Bytes body) {
  ByteReader in(body);
  Startup s;
  s.major = in.u16be();
  s.minor = in.u16be();
  if (s.major == 1234) {  // no version at all, but a request of its own
    if (s.minor == 5679) {
      s.kind = Startup::Kind::ssl;
    } else if (s.minor == 5680) {
      s.kind = Startup::Kind::gss;
    } else if (s.minor == 5678) {
      s.kind = Startup::Kind::cancel;
      s.process_id = in.u32be();
      s.secret_key = in.u32be();
    } else {
      return {};
    }
    return in.ok() ? std::optional(s) : std::nullopt;
  }
  if (s.major < 1 || s.major > 3) return {};
  while (in.ok() && !in.empty() && in.peek() != 0) {
    const auto name = take_string(in);
    const auto value = take_string(in);
    if (!in.ok()) return {};
    if (name == "user")
      s.user = value;
    else if (s.parameters.size() < max_parameters)
      s.parameters.emplace_back(name, value);
  }
  return s.user.empty() ? std::nullopt : std::optional(s);
}

std::optional<SaslInitial> parse_sasl_initial(Bytes body) {
  ByteReader in(body);
  SaslInitial s;
  s.mechanism = take_string(in);
  const auto length = in.u32be();
  if (length != UINT32_MAX) s.parameter = in.text(length);  // -1: none
  return in.ok() && !s.mechanism.empty() ? std::optional(s) : std::nullopt;
}

std::string_view auth_name(Auth a) {
  switch (a) {
    case Auth::ok:
      return "authentication_ok";
    case Auth::kerberos5:
      return "authentication_kerb5";
    case Auth::cleartext:
      return "authentication_cleartext_password";
    case Auth::scm:
      return "authentication_scm_credentials";
    case Auth::md5:
      return "authentication_md5_password";
    case Auth::gss:
      return "authentication_gss";
    case Auth::gss_continue:
      return "authentication_gss_continue";
    case Auth::sspi:
      return "authentication_sspi";
    case Auth::sasl:
      return "authentication_sasl";
    case Auth::sasl_continue:
      return "authentication_sasl_continue";
    case Auth::sasl_final:
      return "authentication_sasl_final";
  }
  return {};
}

Pairs parse_error_fields(Bytes body) {
  const auto name = [](std::uint8_t type) -> std::string_view {
    switch (type) {
      case 'S':
        return "severity_localizable";
      case 'V':
        return "severity_non_localizable";
      case 'C':
        return "code";
      case 'M':
        return "message";
      case 'D':
        return "detail";
      case 'H':
        return "hint";
      case 'P':
        return "position";
      case 'p':
        return "internal_position";
      case 'q':
        return "internal_query";
      case 'W':
        return "where";
      case 's':
        return "schema_name";
      case 't':
        return "table_name";
      case 'c':
        return "column_name";
      case 'd':
        return "data_type";
      case 'n':
        return "constraint_name";
      case 'F':
        return "file";
      case 'L':
        return "line";
      case 'R':
        return "routine";
      default:
        return "unknown_field_type";
    }
  };
  Pairs out;
  ByteReader in(body);
  while (in.peek() != 0 && out.size() < max_parameters) {
    const auto type = in.u8();
    const auto value = take_string(in);
    if (!in.ok()) break;
    out.emplace_back(name(type), value);
  }
  return out;
}

std::string_view parameter_name(std::string_view name) {
  if (name == "DateStyle") return "date_style";
  if (name == "IntervalStyle") return "interval_style";
  if (name == "TimeZone") return "time_zone";
  return name;
}

std::string_view c_string(Bytes body) {
  const auto text = as_text(body);
  return text.substr(0, text.find('\0'));
}

std::uint64_t row_size(std::uint32_t length, std::uint16_t columns) {
  const std::uint64_t frame = 2 + 4 * std::uint64_t{columns};  // the count and a length a column
  return length > frame ? length - frame : 0;
}

}  // namespace ww::pgsql
