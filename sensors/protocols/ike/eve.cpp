/// EVE `ike` records.
#include <algorithm>

#include "sensors/protocols/ike/ike.hpp"

namespace ww::sensor::ike {
namespace {

using ww::ike::Kind2;

/// Each attribute by name and as it stands on the wire; a repeated one is shown once.
void attributes(JsonWriter& json, const Transform& transform) {
  std::vector<std::string_view> seen;
  for (const auto& a : transform) {
    const std::string name(ww::ike::attribute_name(a.type));
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    seen.push_back(ww::ike::attribute_name(a.type));
    json.field(name, ww::ike::attribute_value(a));
    const auto raw = name + "_raw";
    if (a.number)
      json.field(raw, *a.number);
    else if (!a.hex.empty())
      json.field(raw, a.hex);
  }
}

void side(JsonWriter& json, std::string_view name, const Side1& s,
          const std::vector<Transform>* proposals) {
  json.begin_object(name);
  const auto octets = [&](const char* key, const char* length_key, const std::string& value) {
    if (value.empty()) return;
    json.key(key);
    json.value_hex(as_bytes(value));
    json.field(length_key, value.size());
  };
  octets("key_exchange_payload", "key_exchange_payload_length", s.key_exchange);
  octets("nonce_payload", "nonce_payload_length", s.nonce);
  if (proposals != nullptr && !proposals->empty()) {
    json.begin_array("proposals");
    for (const auto& t : *proposals) {
      json.begin_object();
      attributes(json, t);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

void version1(JsonWriter& json, const IkeTx& tx) {
  json.begin_object("ikev1");
  if (tx.v1.doi) json.field("doi", *tx.v1.doi);
  json.field("encrypted_payloads", tx.encrypted);
  if (!tx.encrypted) {
    side(json, "client", tx.client, tx.dir == sig::Dir::to_server ? &tx.v1.transforms : nullptr);
    side(json, "server", tx.server, nullptr);
    if (!tx.v1.vendors.empty()) {
      json.begin_array("vendor_ids");
      for (const auto& v : tx.v1.vendors) json.value(v);
      json.end_array();
    }
  }
  json.end_object();
}

void version2(JsonWriter& json, const IkeTx& tx) {
  json.begin_object("ikev2");
  const auto& all = tx.v2.notifications;
  json.field("errors", std::count_if(all.begin(), all.end(), [](auto n) { return n < 16384; }));
  if (!all.empty()) {
    json.begin_array("notify");
    for (const auto n : all) json.value(ww::ike::notification_name(n));
    json.end_array();
  }
  json.end_object();
}

}  // namespace

void write_ike(const IkeTx& tx, bool extended, JsonWriter& json) {
  const auto& h = tx.header;
  json.begin_object("ike");
  json.field("version_major", h.major);
  json.field("version_minor", h.minor);
  json.field("init_spi", tx.init_spi);
  json.field("resp_spi", tx.resp_spi);
  json.field("message_id", h.message_id);
  json.field("exchange_type", h.exchange);
  if (h.major == 1) {
    if (const auto name = ww::ike::exchange_name1(h.exchange); extended && !name.empty())
      json.field("exchange_type_verbose", name);
    if (tx.server.transform_count > 0) attributes(json, tx.server.first);
    if (tx.dir == sig::Dir::to_client && tx.v1.transforms.size() > 1) {
      json.begin_array("server_proposals");
      for (const auto& t : tx.v1.transforms) {
        json.begin_object();
        attributes(json, t);
        json.end_object();
      }
      json.end_array();
    }
  } else {
    const bool initiator = (h.flags & 8) != 0;
    json.field("role", initiator ? "initiator" : "responder");
    if (!initiator) {
      const auto& c = tx.chosen;
      json.field("alg_enc", ww::ike::transform_name2(Kind2::encryption, c.encryption));
      json.field("alg_auth", ww::ike::transform_name2(Kind2::integrity, c.integrity));
      json.field("alg_prf", ww::ike::transform_name2(Kind2::prf, c.prf));
      json.field("alg_dh", ww::ike::transform_name2(Kind2::dh, c.dh));
      json.field("alg_esn", ww::ike::transform_name2(Kind2::esn, c.esn));
    }
  }
  json.begin_array("payload");
  if (h.major == 1) {
    for (const auto p : tx.v1.payloads)
      if (const auto name = ww::ike::payload_name1(p); !name.empty()) json.value(name);
  } else {
    for (const auto p : tx.v2.payloads) json.value(ww::ike::payload_name2(p));
  }
  json.end_array();
  if (h.major == 1)
    version1(json, tx);
  else
    version2(json, tx);
  json.end_object();
}

}  // namespace ww::sensor::ike
