#pragma once
/// IKE transactions: one message each, with what its flow had agreed on by then.
#include <memory>
#include <string>
#include <vector>

#include "rules/signature/inspect.hpp"
#include "sensors/protocols/ike/message.hpp"
#include "telemetry/json_writer.hpp"

namespace ww::sensor::ike {

using ww::ike::Header;
using ww::ike::Transform;

/// What one side of a version 1 exchange has said.
struct Side1 {
  std::string key_exchange, nonce;
  std::uint64_t transform_count = 0;
  Transform first;  ///< first transform; the server's is the chosen one
};

/// Transforms the responder of a version 2 exchange selected.
struct Chosen2 {
  std::uint16_t encryption = 11, integrity = 0, prf = 0, dh = 0, esn = 0;
};

struct IkeTx final : sig::Transaction {
  Header header;
  sig::Dir dir = sig::Dir::to_server;
  std::string init_spi, resp_spi;  ///< 16 hexadecimal digits
  bool encrypted = false;          ///< version 1
  ww::ike::Message1 v1;
  Side1 client, server;  ///< after this message
  ww::ike::Message2 v2;
  Chosen2 chosen;
  std::vector<ww::ike::Transform2> selected;  ///< by the server, in its messages
};

void write_ike(const IkeTx& tx, bool extended, JsonWriter& json);

}  // namespace ww::sensor::ike
