#pragma once
/// SIP over UDP and TCP as the sensor follows it: every message is a transaction of its direction.
#include <optional>

#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/sip/message.hpp"

namespace ww::sensor::sip {

struct SipTx final : Transaction {
  Dir dir{};
  std::optional<ww::sip::Message> message;  ///< none: something that could not be read
};

[[nodiscard]] inline const SipTx& as_sip(const Transaction& t) {
  return static_cast<const SipTx&>(t);
}

/// A request of the server or a response of the client: the called side started an exchange.
[[nodiscard]] inline bool against_the_flow(const SipTx& tx) {
  return tx.message && tx.message->request != (tx.dir == Dir::to_server);
}

class SipParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;

 private:
  ParseResult parse_stream(ParserContext& ctx, Dir dir, const StreamInput& input);
  void parse_datagram(ParserContext& ctx, Dir dir, const StreamInput& input);
  void keep(ParserContext& ctx, Dir dir, std::uint64_t offset, ww::sip::Message message);
  void refuse(ParserContext& ctx, Dir dir, EventId event);
  std::optional<std::uint64_t> open_pdu_[2];  ///< frame of a message that is not whole yet
};

/// Writes `"sip": {...}` with `sdp` in it. Option: `all-messages` (off) also writes those against
/// the flow, which Suricata does not log.
bool write_eve(const Transaction& tx, const LogContext& context, JsonWriter& json);
/// The same for an alert, whatever the direction.
bool write_alert(const Transaction& tx, const LogContext& context, JsonWriter& json);

}  // namespace ww::sensor::sip
