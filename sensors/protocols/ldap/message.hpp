#pragma once
/// LDAP messages (RFC 4511 section 4), and CLDAP, which is the same message in a datagram.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/bytes.hpp"

namespace ww::ldap {

/// protocolOp: the APPLICATION tag numbers.
enum class Op : std::uint8_t {
  bind_request = 0,
  bind_response = 1,
  unbind_request = 2,
  search_request = 3,
  search_result_entry = 4,
  search_result_done = 5,
  modify_request = 6,
  modify_response = 7,
  add_request = 8,
  add_response = 9,
  del_request = 10,
  del_response = 11,
  mod_dn_request = 12,
  mod_dn_response = 13,
  compare_request = 14,
  compare_response = 15,
  abandon_request = 16,
  search_result_reference = 19,
  extended_request = 23,
  extended_response = 24,
  intermediate_response = 25
};
[[nodiscard]] std::string_view op_name(Op op);  ///< "bind_request"; empty for what is none
[[nodiscard]] bool is_request(Op op);
/// Ends its operation: a response that is followed by no other.
[[nodiscard]] bool is_final(Op op);
/// "success", or the number for what has no name.
[[nodiscard]] std::string result_name(std::uint32_t code);

struct Attribute {
  std::string_view type;
  std::vector<std::string_view> values;
};
struct Change {
  std::uint32_t operation = 0;
  Attribute modification;
};
struct Control {
  std::string_view type;
  bool criticality = false;
  std::optional<std::string_view> value;
};
struct Sasl {
  std::string_view mechanism;
  std::optional<std::string_view> credentials;
};
/// LDAPResult (4.1.9).
struct Outcome {
  std::uint32_t code = 0;
  std::string_view matched_dn, message;
};

/// One message; which members mean something depends on `op`. Views point into `octets`.
struct Message {
  std::string octets;
  std::uint32_t id = 0;
  Op op{};
  std::string_view dn;  ///< bind name, search base, object or entry
  std::optional<Outcome> outcome;
  std::optional<std::vector<Control>> controls;
  // bind
  std::uint32_t version = 0;
  std::optional<Sasl> sasl;
  std::optional<std::string_view> server_credentials;
  // search
  std::uint32_t scope = 0, deref_aliases = 0, size_limit = 0, time_limit = 0;
  bool types_only = false;
  std::optional<std::string_view> filter_present;  ///< attribute of a filter that is only (attr=*)
  std::vector<std::string_view> selection;         ///< attributes asked for, or referral URIs
  std::vector<Attribute> attributes;               ///< add request, search result entry
  std::vector<Change> changes;
  // modify DN
  std::string_view new_rdn;
  bool delete_old_rdn = false;
  std::optional<std::string_view> new_superior;
  // compare: attribute and value; extended and intermediate: name (an OID) and value
  std::optional<std::string_view> name, value;
  std::uint32_t abandoned = 0;
};

constexpr std::size_t max_message = 4U << 20;  ///< octets; a longer one is malformed
constexpr std::size_t max_items = 16384;       ///< attributes, values, changes kept of one message

enum class Status : std::uint8_t { ok, need_more, malformed };

/// Parses the message at the start of `in`.
/// @param used  ok: octets of the message; need_more: octets of it in all, 0 when not known yet
/// Cost: linear in the message.
[[nodiscard]] Status parse_message(Bytes in, std::unique_ptr<Message>& out, std::size_t& used);

/// Reads no further than the kind of operation: does this start like an LDAP message?
[[nodiscard]] Status peek_message(Bytes in, Op& op);

}  // namespace ww::ldap
