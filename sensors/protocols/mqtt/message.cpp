#include "sensors/protocols/mqtt/message.hpp"

#include <array>

namespace ww::mqtt {
namespace {

enum class Kind : std::uint8_t { none, u8, u16, u32, varint, text, binary, pair };
struct PropertyRow {
  std::string_view name;
  Kind kind = Kind::none;
};

/// By identifier (MQTT 5, table 2-4).
constexpr std::array<PropertyRow, 43> property_rows = [] {
  std::array<PropertyRow, 43> t{};
  t[1] = {"payload_format_indicator", Kind::u8};
  t[2] = {"message_expiry_interval", Kind::u32};
  t[3] = {"content_type", Kind::text};
  t[8] = {"response_topic", Kind::text};
  t[9] = {"correlation_data", Kind::binary};
  t[11] = {"subscription_identifier", Kind::varint};
  t[17] = {"session_expiry_interval", Kind::u32};
  t[18] = {"assigned_client_identifier", Kind::text};
  t[19] = {"server_keep_alive", Kind::u16};
  t[21] = {"authentication_method", Kind::text};
  t[22] = {"authentication_data", Kind::binary};
  t[23] = {"request_problem_information", Kind::u8};
  t[24] = {"will_delay_interval", Kind::u32};
  t[25] = {"request_response_information", Kind::u8};
  t[26] = {"response_information", Kind::text};
  t[28] = {"server_reference", Kind::text};
  t[31] = {"reason_string", Kind::text};
  t[33] = {"receive_maximum", Kind::u16};
  t[34] = {"topic_alias_maximum", Kind::u16};
  t[35] = {"topic_alias", Kind::u16};
  t[36] = {"maximum_qos", Kind::u8};
  t[37] = {"retain_available", Kind::u8};
  t[38] = {"", Kind::pair};
  t[39] = {"maximum_packet_size", Kind::u32};
  t[40] = {"wildcard_subscription_available", Kind::u8};
  t[41] = {"subscription_identifier_available", Kind::u8};
  t[42] = {"shared_subscription_available", Kind::u8};
  return t;
}();

/// Variable byte integer, at most four octets (MQTT 5, 1.5.5).
std::uint32_t varint(ByteReader& in) {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const auto octet = in.u8();
    value |= static_cast<std::uint32_t>(octet & 0x7f) << shift;
    if ((octet & 0x80) == 0) return value;
  }
  in.fail();
  return 0;
}

std::string text(ByteReader& in) {
  const auto n = in.u16be();
  return std::string(in.text(n));
}

Property property(ByteReader& in) {
  const auto id = varint(in);
  const auto row = id < property_rows.size() ? property_rows[id] : PropertyRow{};
  Property p;
  p.name = row.name;
  switch (row.kind) {
    case Kind::u8:
      p.value = std::uint32_t{in.u8()};
      break;
    case Kind::u16:
      p.value = std::uint32_t{in.u16be()};
      break;
    case Kind::u32:
      p.value = in.u32be();
      break;
    case Kind::varint:
      p.value = varint(in);
      break;
    case Kind::text:
    case Kind::binary:
      p.value = text(in);
      break;
    case Kind::pair:
      p.name = text(in);
      p.value = text(in);
      break;
    case Kind::none:  // unknown: its length is not known either, the next identifier is tried
      break;
  }
  return p;
}

Properties properties(ByteReader& in, bool there) {
  if (!there) return {};
  const auto n = varint(in);
  ByteReader list(in.bytes(n));
  if (!in.ok() || n == 0) return {};
  std::vector<Property> out;
  while (!list.empty() && list.ok()) {
    auto p = property(list);
    if (!p.name.empty()) out.push_back(std::move(p));
  }
  if (!list.ok()) in.fail();
  return out;
}

void read_connect(ByteReader& in, Message& m) {
  m.protocol = text(in);
  m.version = in.u8();
  m.flags = in.u8();
  in.skip(2);  // keep alive
  const bool v5 = m.version == 5, will = has(m.flags, Connect::will);
  m.properties = properties(in, v5);
  m.client_id = text(in);
  m.will_properties = properties(in, v5 && will);
  if (will) m.will_topic = text(in);
  if (will) m.will_message = text(in);
  if (has(m.flags, Connect::username)) m.username = text(in);
  if (has(m.flags, Connect::password)) m.password = text(in);
}

void read_publish(ByteReader& in, Message& m, bool v5) {
  m.topic = text(in);
  if (m.header.qos > 0) m.message_id = in.u16be();
  m.properties = properties(in, v5);
  if (in.ok()) m.payload = as_text(in.rest());
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP: what is left out of version 5 means success.
void read_acknowledgement(ByteReader& in, Message& m, std::uint8_t version) {
  m.message_id = in.u16be();
  if (version < 5) return;
  m.reason = in.empty() ? std::uint8_t{0} : in.u8();
  if (!in.empty()) m.properties = properties(in, true);
}

void read_disconnect(ByteReader& in, Message& m, std::uint8_t version) {
  if (version < 5) return;
  m.reason = std::uint8_t{0};
  if (in.empty()) return;
  const auto reason = in.u8();
  // Suricata reads a lone reason code as 0, and rules and searches are written against that.
  if (in.empty()) return;
  m.reason = reason;
  m.properties = properties(in, true);
}

void read_topics(ByteReader& in, Message& m, bool v5) {
  m.message_id = in.u16be();
  m.properties = properties(in, v5);
  const bool with_options = m.header.type == Type::subscribe;
  while (in.ok() && !in.empty()) {
    ByteReader next = in;
    Topic t{text(next), with_options ? next.u8() : std::uint8_t{0}};
    if (!next.ok()) break;  // cut off: what was whole counts
    m.topics.push_back(std::move(t));
    in = next;
  }
  if (with_options && m.topics.empty()) in.fail();
}

void read_codes(ByteReader& in, Message& m, bool v5) {
  m.message_id = in.u16be();
  m.properties = properties(in, v5);
  if (in.ok()) m.codes.assign(in.rest().begin(), in.rest().end());
}

std::size_t weigh(const Properties& list) {
  std::size_t n = 0;
  if (!list) return n;
  for (const auto& p : *list) {
    n += sizeof(p) + p.name.size();
    if (const auto* s = std::get_if<std::string>(&p.value)) n += s->size();
  }
  return n;
}

}  // namespace

std::string_view type_name(Type type) {
  constexpr std::array<std::string_view, 16> names = {
      "unassigned", "connect",  "connack",    "publish", "puback",      "pubrec",
      "pubrel",     "pubcomp",  "subscribe",  "suback",  "unsubscribe", "unsuback",
      "pingreq",    "pingresp", "disconnect", "auth"};
  return names[static_cast<std::size_t>(type) & 15];
}

std::size_t Message::weight() const {
  std::size_t n = sizeof(*this) + protocol.size() + client_id.size() + topic.size() +
                  payload.size() + codes.size() + weigh(properties) + weigh(will_properties);
  for (const auto* s : {&username, &password, &will_topic, &will_message})
    if (*s) n += (*s)->size();
  for (const auto& t : topics) n += sizeof(t) + t.name.size();
  return n;
}

Result<Header, Errc> parse_header(Bytes octets) {
  if (octets.size() < 2) return fail(Errc::need_more);
  Header h;
  const auto first = octets[0];
  h.type = static_cast<Type>(first >> 4);
  h.dup = (first & 8) != 0;
  h.qos = (first >> 1) & 3;
  h.retain = (first & 1) != 0;
  // All four continued is no length whatever follows.
  std::size_t i = 1;
  for (unsigned shift = 0;; shift += 7, ++i) {
    if (i > 4) return fail(Errc::malformed);
    if (i >= octets.size()) return fail(Errc::need_more);
    h.remaining |= static_cast<std::uint32_t>(octets[i] & 0x7f) << shift;
    if ((octets[i] & 0x80) == 0) break;
  }
  h.length = static_cast<std::uint8_t>(i + 1);
  return h;
}

Result<Message, Errc> parse_body(const Header& header, Bytes body, std::uint8_t version) {
  Message m;
  m.header = header;
  ByteReader in(body);
  const bool v5 = version == 5;
  switch (header.type) {
    case Type::connect:
      read_connect(in, m);
      break;
    case Type::connack:
      m.session_present = (in.u8() & 1) != 0;
      m.reason = in.u8();
      m.properties = properties(in, v5);
      break;
    case Type::publish:
      read_publish(in, m, v5);
      break;
    case Type::puback:
    case Type::pubrec:
    case Type::pubrel:
    case Type::pubcomp:
      read_acknowledgement(in, m, version);
      break;
    case Type::subscribe:
    case Type::unsubscribe:
      read_topics(in, m, v5);
      break;
    case Type::suback:
    case Type::unsuback:
      read_codes(in, m, v5);
      break;
    case Type::disconnect:
      read_disconnect(in, m, version);
      break;
    case Type::auth:
      // Zero octets mean success as for DISCONNECT (MQTT 5, 3.15.2.1).
      m.reason = in.empty() ? std::uint8_t{0} : in.u8();
      if (!in.empty()) m.properties = properties(in, true);
      break;
    case Type::pingreq:
    case Type::pingresp:
    case Type::unassigned:
      break;
  }
  if (!in.ok()) return fail(Errc::malformed);
  return m;
}

}  // namespace ww::mqtt
