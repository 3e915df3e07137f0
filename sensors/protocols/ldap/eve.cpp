/// EVE `ldap` records.
#include "sensors/protocols/ldap/ldap.hpp"

namespace ww::sensor::ldap {
namespace {

using ww::ldap::Attribute;

void text(JsonWriter& json, std::string_view key, std::string_view value) {
  json.field_bytes(key, as_bytes(value));
}
void optional_text(JsonWriter& json, std::string_view key, std::optional<std::string_view> value) {
  if (value) text(json, key, *value);
}
void list(JsonWriter& json, std::string_view key, const std::vector<std::string_view>& values) {
  if (values.empty()) return;
  json.begin_array(key);
  for (const auto v : values) json.value_bytes(as_bytes(v));
  json.end_array();
}
void hex(JsonWriter& json, std::string_view key, std::string_view octets) {
  json.key(key);
  json.value_hex(as_bytes(octets));
}

void attributes(JsonWriter& json, std::string_view name_key, const std::vector<Attribute>& all) {
  if (all.empty()) return;
  json.begin_array("attributes");
  for (const auto& a : all) {
    json.begin_object();
    text(json, name_key, a.type);
    list(json, "values", a.values);
    json.end_object();
  }
  json.end_array();
}

void outcome(JsonWriter& json, const Message& m) {
  if (!m.outcome) return;
  json.field("result_code", ww::ldap::result_name(m.outcome->code));
  text(json, "matched_dn", m.outcome->matched_dn);
  text(json, "message", m.outcome->message);
}

void search_request(JsonWriter& json, const Message& m) {
  text(json, "base_object", m.dn);
  json.field("scope", m.scope);
  json.field("deref_alias", m.deref_aliases);
  json.field("size_limit", m.size_limit);
  json.field("time_limit", m.time_limit);
  json.field("types_only", m.types_only);
  if (m.filter_present) {
    json.begin_object("filter");
    json.field("type", "present");
    text(json, "value", *m.filter_present);
    json.end_object();
  }
  list(json, "attributes", m.selection);
}

void modify_request(JsonWriter& json, const Message& m) {
  static constexpr std::string_view operations[] = {"add", "delete", "replace"};
  text(json, "object", m.dn);
  if (m.changes.empty()) return;
  json.begin_array("changes");
  for (const auto& c : m.changes) {
    json.begin_object();
    json.field("operation", c.operation < 3 ? std::string(operations[c.operation])
                                            : std::to_string(c.operation));
    json.begin_object("modification");
    text(json, "attribute_type", c.modification.type);
    list(json, "attribute_values", c.modification.values);
    json.end_object();
    json.end_object();
  }
  json.end_array();
}

/// What an operation says beyond its name, under that name.
void details(JsonWriter& json, const Message& m) {
  json.begin_object(ww::ldap::op_name(m.op));
  outcome(json, m);
  switch (m.op) {
    case Op::bind_request:
      json.field("version", m.version);
      text(json, "name", m.dn);
      if (m.sasl) {
        json.begin_object("sasl");
        text(json, "mechanism", m.sasl->mechanism);
        if (m.sasl->credentials) hex(json, "credentials", *m.sasl->credentials);
        json.end_object();
      }
      break;
    case Op::bind_response:
      if (m.server_credentials) hex(json, "server_sasl_creds", *m.server_credentials);
      break;
    case Op::search_request:
      search_request(json, m);
      break;
    case Op::search_result_entry:
      text(json, "base_object", m.dn);
      attributes(json, "type", m.attributes);
      break;
    case Op::modify_request:
      modify_request(json, m);
      break;
    case Op::add_request:
      text(json, "entry", m.dn);
      attributes(json, "name", m.attributes);
      break;
    case Op::del_request:
      text(json, "dn", m.dn);
      break;
    case Op::mod_dn_request:
      text(json, "entry", m.dn);
      text(json, "new_rdn", m.new_rdn);
      json.field("delete_old_rdn", m.delete_old_rdn);
      optional_text(json, "new_superior", m.new_superior);
      break;
    case Op::compare_request:
      text(json, "entry", m.dn);
      json.begin_object("attribute_value_assertion");
      optional_text(json, "description", m.name);
      optional_text(json, "value", m.value);
      json.end_object();
      break;
    case Op::abandon_request:
      json.field("message_id", m.abandoned);
      break;
    case Op::extended_request:
    case Op::extended_response:
    case Op::intermediate_response:
      optional_text(json, "name", m.name);
      optional_text(json, "value", m.value);
      break;
    default:
      break;
  }
  json.end_object();
}

void controls(JsonWriter& json, const Message& m) {
  if (!m.controls) return;
  json.begin_array("controls");
  for (const auto& c : *m.controls) {
    json.begin_object();
    text(json, "control_type", c.type);
    json.field("criticality", c.criticality);
    if (c.value) hex(json, "control_value", *c.value);
    json.end_object();
  }
  json.end_array();
}

void message(JsonWriter& json, const Message& m, bool with_id) {
  if (with_id) json.field("message_id", m.id);
  json.field("operation", ww::ldap::op_name(m.op));
  if (m.op != Op::unbind_request && m.op != Op::search_result_reference) details(json, m);
  controls(json, m);
}

}  // namespace

void write_ldap(const LdapTx& tx, JsonWriter& json) {
  json.begin_object("ldap");
  if (tx.request) {
    json.begin_object("request");
    message(json, *tx.request, true);
    json.end_object();
  }
  if (!tx.responses.empty()) {
    json.begin_array("responses");
    for (const auto& r : tx.responses) {
      json.begin_object();
      message(json, *r, !tx.request);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

}  // namespace ww::sensor::ldap
