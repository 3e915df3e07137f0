/// EVE `mqtt`: one object for each packet of the transaction, named after its type.
#include "sensors/protocols/mqtt/mqtt.hpp"

namespace ww::sensor::mqtt {
namespace {

class Writer {
 public:
  Writer(JsonWriter& json, const Settings& options)
      : json_(json),
        limit_(static_cast<std::size_t>(options.size_or("string-log-limit", 1024))),
        passwords_(options.flag_or("passwords", true)) {}

  void message(const Message& m) {
    if (m.header.type == Type::unassigned && m.truncated == 0) return;
    json_.begin_object(type_name(m.header.type));
    json_.field("qos", m.header.qos);
    json_.field("retain", m.header.retain);
    json_.field("dup", m.header.dup);
    if (m.truncated != 0) {
      json_.field("truncated", true);
      json_.field("skipped_length", m.truncated);
    } else {
      body(m);
      properties(m.properties);
    }
    json_.end_object();
  }

 private:
  void body(const Message& m) {
    switch (m.header.type) {
      case Type::connect:
        connect(m);
        break;
      case Type::connack:
        json_.field("session_present", m.session_present);
        json_.field("return_code", m.reason.value_or(0));
        break;
      case Type::publish:
        text("topic", m.topic);
        message_id(m);
        text("message", m.payload);
        break;
      case Type::subscribe:
      case Type::unsubscribe:
        message_id(m);
        topics(m);
        break;
      case Type::suback:
        message_id(m);
        codes("qos_granted", m);
        break;
      case Type::unsuback:
        message_id(m);
        if (!m.codes.empty()) codes("reason_codes", m);
        break;
      default:
        message_id(m);
        if (m.reason) json_.field("reason_code", *m.reason);
        break;
    }
  }

  void connect(const Message& m) {
    text("protocol_string", m.protocol);
    json_.field("protocol_version", m.version);
    text("client_id", m.client_id);
    json_.begin_object("flags");
    json_.field("username", has(m.flags, Connect::username));
    json_.field("password", has(m.flags, Connect::password));
    json_.field("will_retain", has(m.flags, Connect::will_retain));
    json_.field("will", has(m.flags, Connect::will));
    json_.field("clean_session", has(m.flags, Connect::clean_session));
    json_.end_object();
    if (m.username) text("username", *m.username);
    if (m.password && passwords_) text("password", *m.password);
    if (!has(m.flags, Connect::will)) return;
    json_.begin_object("will");
    if (m.will_topic) text("topic", *m.will_topic);
    if (m.will_message) text("message", *m.will_message);
    properties(m.will_properties);
    json_.end_object();
  }

  void message_id(const Message& m) {
    if (m.message_id) json_.field("message_id", *m.message_id);
  }

  void codes(std::string_view key, const Message& m) {
    json_.begin_array(key);
    for (const auto c : m.codes) json_.value(c);
    json_.end_array();
  }

  /// The limit is for all topics together: many short ones are as long as one long one.
  void topics(const Message& m) {
    const bool objects = m.header.type == Type::subscribe;
    bool left_out = false;
    json_.begin_array("topics");
    auto room = limit_;
    for (const auto& t : m.topics) {
      if (room == 0) {
        left_out = true;
        break;
      }
      if (objects) {
        json_.begin_object();
        json_.key("topic");
        limited(t.name, room);
        json_.field("qos", t.options);
        json_.end_object();
      } else {
        limited(t.name, room);
      }
      room -= std::min(room, t.name.size());
    }
    json_.end_array();
    if (left_out) json_.field("topics_truncated", true);
  }

  void properties(const Properties& list) {
    if (!list) return;
    json_.begin_object("properties");
    for (const auto& p : *list) {
      json_.key_text(p.name);
      if (const auto* n = std::get_if<std::uint32_t>(&p.value))
        json_.value(*n);
      else
        limited(std::get<std::string>(p.value), limit_);
    }
    json_.end_object();
  }

  void text(std::string_view key, std::string_view value) {
    json_.key(key);
    limited(value, limit_);
  }

  void limited(std::string_view value, std::size_t limit) {
    if (value.size() <= limit) {
      json_.value_bytes(as_bytes(value));
      return;
    }
    const auto cut = std::string(value.substr(0, limit)) + "[truncated " +
                     std::to_string(value.size() - limit) + " additional bytes]";
    json_.value_bytes(as_bytes(cut));
  }

  JsonWriter& json_;
  std::size_t limit_;
  bool passwords_;
};

}  // namespace

bool write_eve(const Transaction& t, const LogContext& context, JsonWriter& json) {
  json.begin_object("mqtt");
  Writer writer(json, context.options);
  for (const auto& m : as_mqtt(t).messages) writer.message(m);
  json.end_object();
  return true;
}

}  // namespace ww::sensor::mqtt
