#include "sensors/protocols/mqtt/mqtt.hpp"

#include <algorithm>

namespace ww::sensor::mqtt {
namespace {

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto mqtt_proto = sig::app_protos().intern("mqtt");
const sig::FrameType frame_pdu = sig::frame_types().intern("mqtt.pdu");
const sig::FrameType frame_header = sig::frame_types().intern("mqtt.header");
const sig::FrameType frame_data = sig::frame_types().intern("mqtt.data");

/// Stands for the packet identifier of CONNECT, which has none; real ones have 16 bits.
constexpr std::uint32_t connect_id = UINT32_MAX;

EventId event(std::string_view name) { return sig::events().intern("mqtt." + std::string(name)); }

}  // namespace

const Events& events() {
  static const Events all{
      event("missing_connect"),       event("missing_publish"),  event("missing_subscribe"),
      event("missing_unsubscribe"),   event("double_connect"),   event("unintroduced_message"),
      event("invalid_qos_level"),     event("missing_msg_id"),   event("unassigned_msg_type"),
      event("too_many_transactions"), event("malformed_traffic")};
  return all;
}

ParseResult MqttParser::parse(ParserContext& ctx, Dir dir, const StreamInput& input) {
  const auto d = sig::index(dir);
  if (transactions().empty()) {  // the owner may have dropped what waited
    open_.clear();
    held_ = 0;
  }
  if (input.gap > 0) {
    lost_[d] = lost_[d] || input.gap > skip_[d];
    skip_[d] -= std::min(skip_[d], input.gap);
  }
  if (lost_[d]) return ParseResult::ok();
  std::size_t at = 0;
  while (at < input.data.size()) {
    const auto rest = input.data.subspan(at);
    if (skip_[d] > 0) {
      const auto n = std::min<std::uint64_t>(skip_[d], rest.size());
      skip_[d] -= n;
      at += static_cast<std::size_t>(n);
      continue;
    }
    const auto malformed = [&] {
      auto& tx = start(ctx, dir, {});
      tx.messages.clear();
      tx.add_event(events().malformed_traffic);
      close(tx);
      return ParseResult::error();
    };
    const auto header = parse_header(rest);
    if (!header) {
      if (header.error() == Errc::need_more) return ParseResult::more(at, rest.size() + 1);
      return malformed();
    }
    const auto whole = std::size_t{header->length} + header->remaining;
    if (header->remaining > limits_.max_message) {
      Message m;
      m.header = *header;
      m.truncated = whole;
      close(start(ctx, dir, std::move(m)));
      skip_[d] = whole;
      continue;
    }
    if (rest.size() < whole) return ParseResult::more(at, whole);
    auto message = parse_body(*header, rest.subspan(header->length, header->remaining), version_);
    ctx.add_frame(frame_pdu, dir, input.offset + at, static_cast<std::int64_t>(whole));
    if (!message) return malformed();
    frames(ctx, dir, input, *header);
    handle(ctx, dir, std::move(*message));
    at += whole;
  }
  return ParseResult::ok();
}

/// Header and data frames of every packet of a piece are counted from the start of the piece, as
/// rules written for Suricata expect it.
void MqttParser::frames(ParserContext& ctx, Dir dir, const StreamInput& input,
                        const Header& header) {
  ctx.add_frame(frame_header, dir, input.offset, 2);
  ctx.add_frame(frame_data, dir, input.offset + 2, header.remaining);
}

void MqttParser::handle(ParserContext& ctx, Dir dir, Message m) {
  const auto& e = events();
  const std::uint32_t id = m.message_id.value_or(0);
  switch (m.header.type) {
    case Type::connect:
      version_ = m.version;
      open(ctx, dir, std::move(m), connect_id);
      break;
    case Type::publish:
    case Type::subscribe:
    case Type::unsubscribe: {
      std::optional<std::uint32_t> waits_for;
      if (m.message_id) waits_for = *m.message_id;
      open(ctx, dir, std::move(m), waits_for);
      break;
    }
    case Type::connack:
      answer(ctx, dir, std::move(m), connect_id, true, e.missing_connect);
      break;
    case Type::pubrec:
    case Type::pubrel:
      answer(ctx, dir, std::move(m), id, false, e.missing_publish);
      break;
    case Type::puback:
    case Type::pubcomp:
      answer(ctx, dir, std::move(m), id, true, e.missing_publish);
      break;
    case Type::suback:
      answer(ctx, dir, std::move(m), id, true, e.missing_subscribe);
      break;
    case Type::unsuback:
      answer(ctx, dir, std::move(m), id, true, e.missing_unsubscribe);
      break;
    case Type::unassigned: {
      auto& tx = start(ctx, dir, std::move(m));
      tx.add_event(e.unassigned_msg_type);
      close(tx);
      break;
    }
    case Type::pingreq:
    case Type::pingresp:
    case Type::disconnect:
    case Type::auth: {
      auto& tx = start(ctx, dir, std::move(m));
      if (!connected_) tx.add_event(e.unintroduced_message);
      close(tx);
      break;
    }
  }
}

/// A packet that is answered, unless its quality of service says that nothing will come.
void MqttParser::open(ParserContext& ctx, Dir dir, Message m,
                      std::optional<std::uint32_t> waits_for) {
  const auto& e = events();
  const auto qos = m.header.qos;
  const bool connect = m.header.type == Type::connect;
  auto& tx = start(ctx, dir, std::move(m));
  if (connect) {
    if (connected_) tx.add_event(e.double_connect);
  } else {
    if (!connected_) tx.add_event(e.unintroduced_message);
    if (qos == 0) {
      close(tx);
      return;
    }
    if (qos == 3) {
      tx.add_event(e.invalid_qos_level);
      waits_for.reset();
    } else if (!waits_for || *waits_for == 0) {
      // Zero is no identifier (MQTT 5, 2.2.1), but an answer may still repeat it.
      tx.add_event(e.missing_msg_id);
    }
  }
  tx.waits_for = waits_for;
  held_ += tx.weight;
  open_.push_back(&tx);
}

void MqttParser::answer(ParserContext& ctx, Dir dir, Message m, std::uint32_t id, bool last,
                        EventId missing) {
  const auto it = std::find_if(open_.begin(), open_.end(),
                               [&](const MqttTx* tx) { return tx->waits_for == id; });
  if (it == open_.end()) {
    auto& tx = start(ctx, dir, std::move(m));
    tx.add_event(missing);
    if (!connected_ && id != connect_id) tx.add_event(events().unintroduced_message);
    close(tx);
    return;
  }
  auto& tx = **it;
  const auto weight = m.weight();
  tx.weight += weight;
  held_ += weight;
  tx.messages.push_back(std::move(m));
  ++tx.revision;
  if (id == connect_id) {
    connected_ = true;
    tx.version = version_;
  }
  if (!last && tx.messages.size() >= limits_.max_messages) {
    tx.add_event(events().too_many_transactions);
    last = true;
  }
  if (last) close(tx);
}

MqttTx& MqttParser::start(ParserContext& ctx, Dir dir, Message m) {
  make_room();
  auto owned = std::make_unique<MqttTx>();
  owned->proto = mqtt_proto;
  owned->dir = dir;
  owned->only[sig::index(dir)] = true;
  owned->version = version_;
  owned->max_topics[0] = limits_.max_topics[0];
  owned->max_topics[1] = limits_.max_topics[1];
  owned->weight = m.weight();
  owned->messages.push_back(std::move(m));
  owned->revision = 1;
  return add(std::move(owned), ctx);
}

void MqttParser::close(MqttTx& tx) {
  tx.complete[0] = tx.complete[1] = true;
  tx.progress[0] = tx.progress[1] = 1;
  tx.waits_for.reset();
  ++tx.revision;
  const auto it = std::find(open_.begin(), open_.end(), &tx);
  if (it == open_.end()) return;
  held_ -= std::min(held_, tx.weight);
  open_.erase(it);
}

/// The oldest that wait are given up when there are too many or they hold too much.
void MqttParser::make_room() {
  while (!open_.empty() && (open_.size() > limits_.max_open || held_ > limits_.max_held)) {
    auto& oldest = *open_.front();
    oldest.add_event(events().too_many_transactions);
    close(oldest);
  }
}

}  // namespace ww::sensor::mqtt
