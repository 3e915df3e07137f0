/// MQTT.
#include "rules/signature/keyword.hpp"

namespace ww::sig {
namespace {

const BufferRegistration mqtt_buffers{
    "mqtt",
    "mqtt",
    {
        {"mqtt.connect.clientid", "client identifier", "content:\"sensor\";"},
        {"mqtt.connect.username", "user name", "content:\"admin\";"},
        {"mqtt.connect.password", "password", "content:\"secret\";"},
        {"mqtt.connect.willtopic", "topic of the will", "content:\"hospital\";"},
        {"mqtt.connect.willmessage", "message of the will", "content:\"offline\";"},
        {"mqtt.connect.protocol_string", "protocol name", "content:\"MQTT\"; bsize:4;"},
        {"mqtt.publish.topic", "topic of PUBLISH", "content:\"ward/\"; startswith;"},
        {"mqtt.publish.message", "payload of PUBLISH", "content:\"alarm\";"},
        {"mqtt.subscribe.topic", "each topic of SUBSCRIBE", "content:\"#\";", {}, "", true},
        {"mqtt.unsubscribe.topic", "each topic of UNSUBSCRIBE", "content:\"#\";", {}, "", true},
    }};
const NumberRegistration mqtt_numbers{
    "mqtt",
    "mqtt",
    {
        {"mqtt.protocol_version", "3, 4 or 5", "5", 255},
        {"mqtt.type",
         "type of any message of the transaction",
         "CONNECT",
         255,
         {{"UNASSIGNED", 0},
          {"CONNECT", 1},
          {"CONNACK", 2},
          {"PUBLISH", 3},
          {"PUBACK", 4},
          {"PUBREC", 5},
          {"PUBREL", 6},
          {"PUBCOMP", 7},
          {"SUBSCRIBE", 8},
          {"SUBACK", 9},
          {"UNSUBSCRIBE", 10},
          {"UNSUBACK", 11},
          {"PINGREQ", 12},
          {"PINGRESP", 13},
          {"DISCONNECT", 14},
          {"AUTH", 15}}},
        {"mqtt.qos", "quality of service", "0", 2},
        {"mqtt.reason_code", "reason or return code", "134", 255, {}, {"mqtt.connack.return_code"}},
    }};

template <int Unused>
Status flags(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  return setup_flag_list(b, k.buffer, o.value, k);
}
Status session_present(RuleBuilder& b, const Option& o, const Keyword& k) {
  if (auto ok = b.restrict_protos(std::string_view(k.protos)); !ok) return ok;
  return setup_number(b, k.buffer, o.value, k);
}
const KeywordRegistration registration{{
    {.name = "mqtt.flags",
     .group = "mqtt",
     .summary = "retain and dup of the fixed header",
     .example = "mqtt.flags:!retain,!dup;",
     .setup = &flags<0>,
     .buffer = "mqtt.flags",
     .protos = "mqtt",
     .max = 255,
     .names = {{"retain", 1}, {"dup", 8}}},
    {.name = "mqtt.connect.flags",
     .group = "mqtt",
     .summary = "flags of CONNECT",
     .example = "mqtt.connect.flags:username,password,clean_session;",
     .setup = &flags<1>,
     .buffer = "mqtt.connect.flags",
     .protos = "mqtt",
     .max = 255,
     .names = {{"username", 0x80},
               {"password", 0x40},
               {"will_retain", 0x20},
               {"will", 0x04},
               {"clean_session", 0x02}}},
    {.name = "mqtt.connack.session_present",
     .group = "mqtt",
     .summary = "the server kept a session",
     .example = "mqtt.connack.session_present:yes;",
     .setup = &session_present,
     .buffer = "mqtt.connack.session_present",
     .protos = "mqtt",
     .max = 1,
     .names = {{"yes", 1}, {"true", 1}, {"on", 1}, {"no", 0}, {"false", 0}, {"off", 0}}},
}};

}  // namespace
}  // namespace ww::sig
