/// What MQTT offers to rules and outputs.
#include "sensors/protocols/mqtt/mqtt.hpp"

namespace ww::sensor::mqtt {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

BufferStatus later(const MqttTx& tx, Dir dir) {
  return tx.complete[sig::index(dir)] ? BufferStatus::absent : BufferStatus::not_ready;
}

const std::string* value(const std::string& s) { return &s; }
const std::string* value(const std::optional<std::string>& s) { return s ? &*s : nullptr; }

/// The first packet of a type decides, and no later one of the transaction has that type.
template <Type type, auto member>
BufferStatus text(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  if (i > 0) return BufferStatus::absent;
  for (const auto& m : as_mqtt(t).messages) {
    if (m.header.type != type) continue;
    const auto* s = value(m.*member);
    if (s == nullptr || s->empty()) continue;
    out.data = as_bytes(*s);
    return BufferStatus::ready;
  }
  return BufferStatus::absent;
}

template <Type type, std::size_t limit>
BufferStatus topic(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& tx = as_mqtt(t);
  if (tx.max_topics[limit] > 0 && i >= tx.max_topics[limit]) return BufferStatus::absent;
  for (const auto& m : tx.messages) {
    if (m.header.type != type) continue;
    if (i < m.topics.size()) {
      out.data = as_bytes(m.topics[i].name);
      return BufferStatus::ready;
    }
    i -= static_cast<std::uint32_t>(m.topics.size());
  }
  return BufferStatus::absent;
}

/// A number that every packet has.
template <auto get>
BufferStatus each(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_mqtt(t);
  if (i >= tx.messages.size()) return later(tx, dir);
  out = get(tx.messages[i]);
  return BufferStatus::ready;
}

/// A number of the packets of one type.
template <Type type, auto get>
BufferStatus of_type(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_mqtt(t);
  for (const auto& m : tx.messages) {
    if (m.header.type != type || m.truncated != 0 || i-- > 0) continue;
    out = get(m);
    return BufferStatus::ready;
  }
  return later(tx, dir);
}

BufferStatus version(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  if (i > 0) return BufferStatus::absent;
  out = as_mqtt(t).version;
  return BufferStatus::ready;
}

/// Reason codes of one packet, then of the next; those of SUBACK and UNSUBACK count too.
BufferStatus reason(const Transaction& t, Dir dir, std::uint32_t i, std::uint64_t& out) {
  const auto& tx = as_mqtt(t);
  std::size_t left = i;
  for (const auto& m : tx.messages) {
    if (m.reason && left-- == 0) {
      out = *m.reason;
      return BufferStatus::ready;
    }
    if (left < m.codes.size()) {
      out = m.codes[left];
      return BufferStatus::ready;
    }
    left -= m.codes.size();
  }
  return later(tx, dir);
}

constexpr auto get_type = [](const Message& m) -> std::uint64_t {
  return static_cast<std::uint64_t>(m.header.type);
};
constexpr auto get_qos = [](const Message& m) -> std::uint64_t { return m.header.qos; };
constexpr auto get_flags = [](const Message& m) -> std::uint64_t {
  return (m.header.retain ? 1U : 0U) | (m.header.dup ? 8U : 0U);
};
constexpr auto get_connect_flags = [](const Message& m) -> std::uint64_t { return m.flags; };
constexpr auto get_present = [](const Message& m) -> std::uint64_t { return m.session_present; };

void add_buffers(Protocol& p) {
  const auto add = [&](std::string_view name, Dir dir, sig::BufferGetter get) {
    p.buffers.buffers.push_back({sig::buffers().intern(name), dir, get});
  };
  constexpr auto c = Type::connect;
  const auto up = Dir::to_server;
  add("mqtt.connect.clientid", up, &text<c, &Message::client_id>);
  add("mqtt.connect.username", up, &text<c, &Message::username>);
  add("mqtt.connect.password", up, &text<c, &Message::password>);
  add("mqtt.connect.willtopic", up, &text<c, &Message::will_topic>);
  add("mqtt.connect.willmessage", up, &text<c, &Message::will_message>);
  add("mqtt.connect.protocol_string", up, &text<c, &Message::protocol>);
  add("mqtt.subscribe.topic", up, &topic<Type::subscribe, 0>);
  add("mqtt.unsubscribe.topic", up, &topic<Type::unsubscribe, 1>);
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    add("mqtt.publish.topic", dir, &text<Type::publish, &Message::topic>);
    add("mqtt.publish.message", dir, &text<Type::publish, &Message::payload>);
  }
}

void add_numbers(Protocol& p) {
  const auto add = [&](std::string_view name, Dir dir, sig::NumberGetter get) {
    p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
  };
  const auto up = Dir::to_server;
  add("mqtt.protocol_version", up, &version);
  add("mqtt.qos", up, &each<get_qos>);
  add("mqtt.flags", up, &each<get_flags>);
  add("mqtt.connect.flags", up, &of_type<Type::connect, get_connect_flags>);
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    add("mqtt.type", dir, &each<get_type>);
    add("mqtt.reason_code", dir, &reason);
    add("mqtt.connack.session_present", dir, &of_type<Type::connack, get_present>);
  }
}

/// The header of a packet that some version defines.
Probe probe(Bytes data, Dir, const sig::Flow&) {
  const auto h = parse_header(data);
  if (!h) return h.error() == Errc::need_more ? Probe::maybe : Probe::no;
  return h->type == Type::unassigned || h->qos > 2 ? Probe::no : Probe::yes;
}

std::unique_ptr<Parser> make(const Settings& s) {
  const std::string base = "app-layer.protocols.mqtt.";
  Limits limits;
  limits.max_message = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(s.size_or(base + "max-msg-length", limits.max_message), 64U << 20));
  const auto count = [&](const char* key, std::int64_t fallback) {
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(s.integer_or(base + key, fallback), 0, 1'000'000));
  };
  limits.max_open = count("max-tx", 1024);
  limits.max_topics[0] = count("subscribe-topic-match-limit", 100);
  limits.max_topics[1] = count("unsubscribe-topic-match-limit", 100);
  return std::make_unique<MqttParser>(limits);
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "mqtt";
  p.rule_names = {"mqtt"};
  p.tcp = true;
  p.tcp_ports = "1883";
  p.probe = &probe;
  p.probe_max = 16;
  p.make = &make;
  Logger logger;
  logger.event_type = logger.settings_name = "mqtt";
  logger.write = &write_eve;
  logger.direction = [](const Transaction& t) { return as_mqtt(t).dir; };
  p.loggers = {logger};
  add_buffers(p);
  add_numbers(p);
  (void)events();
  for (const auto* e :
       {"missing_connect", "missing_publish", "missing_subscribe", "missing_unsubscribe",
        "double_connect", "unintroduced_message", "invalid_qos_level", "missing_msg_id",
        "unassigned_msg_type", "too_many_transactions", "malformed_traffic"})
    p.events.push_back("mqtt." + std::string(e));
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor::mqtt
