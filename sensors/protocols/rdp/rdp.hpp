#pragma once
/// A remote desktop connection: each step of its start is a transaction.
#include <string>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "sensors/protocols/rdp/message.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::sensor::rdp {

struct RdpTx final : sig::Transaction {
  ww::rdp::Message message;
  std::vector<std::string> serials;  ///< of the server's certificates
  bool tls = false;                  ///< the TLS handshake instead of a message
};

void write_rdp(const RdpTx& tx, JsonWriter& json);

}  // namespace ww::sensor::rdp
