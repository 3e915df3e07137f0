#pragma once
/// An MQTT connection as the sensor follows it: control packets of both sides grouped into
/// transactions (CONNECT with CONNACK, PUBLISH with what acknowledges it, SUBSCRIBE with
/// SUBACK...), the rest one packet a transaction.
#include <cstdint>
#include <optional>
#include <vector>

#include "sensors/protocols/mqtt/message.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor::mqtt {

using namespace ww::mqtt;  // NOLINT: the messages are this parser's own vocabulary

struct Limits {
  std::uint32_t max_message = 1U << 20;      ///< octets behind a header; longer packets are skipped
  std::size_t max_open = 1024;               ///< transactions that wait for an answer
  std::size_t max_held = 8U << 20;           ///< octets kept in transactions that wait
  std::size_t max_messages = 256;            ///< packets of one transaction
  std::uint32_t max_topics[2] = {100, 100};  ///< SUBSCRIBE, UNSUBSCRIBE: rules see so many; 0: all
};

struct MqttTx final : Transaction {
  Dir dir{};  ///< of the packet that opened it
  std::vector<Message> messages;
  std::optional<std::uint32_t> waits_for;  ///< packet identifier that the answer will carry
  std::uint8_t version = 0;                ///< of the connection
  std::uint32_t max_topics[2] = {0, 0};
  std::size_t weight = 0;
};

class MqttParser final : public Parser {
 public:
  explicit MqttParser(const Limits& limits) : limits_(limits) { release_any_ = true; }
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override;
  /// A gap ends its own direction, unless it lies in a packet that is skipped anyway.
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  void handle(ParserContext& ctx, Dir dir, Message message);
  void open(ParserContext& ctx, Dir dir, Message message, std::optional<std::uint32_t> waits_for);
  void answer(ParserContext& ctx, Dir dir, Message message, std::uint32_t id, bool last,
              EventId missing);
  MqttTx& start(ParserContext& ctx, Dir dir, Message message);
  void close(MqttTx& tx);
  void make_room();
  static void frames(ParserContext& ctx, Dir dir, const StreamInput& input, const Header& header);

  Limits limits_;
  std::vector<MqttTx*> open_;  ///< wait for an answer, oldest first; owned by the base
  std::size_t held_ = 0;
  std::uint64_t skip_[2] = {0, 0};  ///< octets left of a packet that is too long
  std::uint8_t version_ = 0;
  bool connected_ = false;
  bool lost_[2] = {false, false};  ///< after a gap nobody knows where packets begin
};

/// The parser's events, interned before threads start.
struct Events {
  EventId missing_connect, missing_publish, missing_subscribe, missing_unsubscribe, double_connect,
      unintroduced_message, invalid_qos_level, missing_msg_id, unassigned_msg_type,
      too_many_transactions, malformed_traffic;
};
[[nodiscard]] const Events& events();

[[nodiscard]] inline const MqttTx& as_mqtt(const Transaction& t) {
  return static_cast<const MqttTx&>(t);
}

/// Writes `"mqtt": {...}`. Options: `passwords` (on), `string-log-limit` (1 KiB).
bool write_eve(const Transaction& tx, const LogContext& context, JsonWriter& json);

}  // namespace ww::sensor::mqtt
