#pragma once
/// An LDAP operation: a request with its responses, or responses nobody asked for.
#include <memory>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "sensors/protocols/ldap/message.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::sensor::ldap {

using ww::ldap::Message;
using ww::ldap::Op;

constexpr std::size_t max_responses = 4096;  ///< kept per transaction
constexpr std::size_t max_response_octets = 1U
                                            << 20;  ///< their octets; later ones are counted only

struct LdapTx final : sig::Transaction {
  std::unique_ptr<Message> request;
  std::vector<std::unique_ptr<Message>> responses;
  std::uint64_t response_count = 0;  ///< also those that were not kept
  std::size_t response_octets = 0;

  void add_response(std::unique_ptr<Message> m);
  void finish() {
    complete[0] = complete[1] = true;
    progress[0] = progress[1] = 1;
    ++revision;
  }
};

void write_ldap(const LdapTx& tx, JsonWriter& json);

}  // namespace ww::sensor::ldap
