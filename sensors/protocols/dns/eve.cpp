/// EVE's `dns` object, version 3, and version 2 where `version: 2` asks for it.
#include <algorithm>
#include <cstdio>
#include <map>

#include "sensors/protocols/dns/transaction.hpp"

namespace ww::sensor::dns_app {
namespace {

/// The options of the eve-log type `dns`.
struct LogOptions {
  bool requests = true, responses = true, detailed = true, grouped = true;
  bool version2 = false;
  std::vector<std::uint16_t> types;  ///< empty: all
  [[nodiscard]] bool wants(std::uint16_t type) const {
    return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
  }
};

LogOptions read_options(const Settings& s) {
  LogOptions o;
  o.requests = s.flag_or("requests", s.flag_or("query", true));
  o.responses = s.flag_or("responses", s.flag_or("answer", true));
  o.version2 = s.integer_or("version", 3) == 2;
  const auto formats = s.list("formats");
  const auto named = [&](const char* f) {
    return std::find(formats.begin(), formats.end(), f) != formats.end();
  };
  if (named("detailed") || named("grouped")) {
    o.detailed = named("detailed");
    o.grouped = named("grouped");
  }
  for (const auto* key : {"types", "custom"})
    for (const auto& name : s.list(key))
      if (const auto n = dns::type_number(name); n != 0) o.types.push_back(n);
  return o;
}

/// Options are read once per settings object, not per message.
const LogOptions& options_of(const Settings& s) {
  thread_local const Settings* last = nullptr;
  thread_local std::uint64_t revision = 0;
  thread_local LogOptions options;
  if (last != &s || revision != s.revision()) {
    options = read_options(s);
    last = &s;
    revision = s.revision();
  }
  return options;
}

std::string address_text(std::string_view octets) {
  const auto* p = as_bytes(octets).data();
  return ip_text(octets.size() == 4 ? IpAddress::v4(p) : IpAddress::v6(p));
}

}  // namespace

void write_name(JsonWriter& json, std::string_view key, const dns::Name& name) {
  json.field_bytes(key, as_bytes(name.text));
  if ((name.flags & (dns::name_flag::truncated | dns::name_flag::label_limit)) != 0) {
    json.key(std::string(key) + "_truncated");
    json.value(true);
  }
}

bool write_data(const dns::Record& r, JsonWriter& json, std::string_view key) {
  if (!r.known) return false;
  const auto open = [&] {
    if (!key.empty()) json.key(key);
  };
  switch (r.type) {
    case 1:
    case 28:
      open();
      json.value(address_text(r.octets));
      return true;
    case 2:
    case 5:
    case 12:
    case 15:
      open();
      json.value_bytes(as_bytes(r.target.text));
      return true;
    case 10:
      open();
      json.value_bytes(as_bytes(r.octets));
      return true;
    case 6:
      if (key.empty())
        json.begin_object();
      else
        json.begin_object("soa");
      write_name(json, "mname", r.soa.mname);
      write_name(json, "rname", r.soa.rname);
      json.field("serial", r.soa.serial);
      json.field("refresh", r.soa.refresh);
      json.field("retry", r.soa.retry);
      json.field("expire", r.soa.expire);
      json.field("minimum", r.soa.minimum);
      json.end_object();
      return true;
    case 33:
      if (key.empty())
        json.begin_object();
      else
        json.begin_object("srv");
      json.field("priority", r.srv.priority);
      json.field("weight", r.srv.weight);
      json.field("port", r.srv.port);
      write_name(json, "name", r.srv.target);
      json.end_object();
      return true;
    case 44:
      if (key.empty())
        json.begin_object();
      else
        json.begin_object("sshfp");
      json.key("fingerprint");
      json.value_hex(as_bytes(r.sshfp.fingerprint), ':');
      json.field("algo", r.sshfp.algorithm);
      json.field("type", r.sshfp.type);
      json.end_object();
      return true;
    case 41:
      if (r.options.empty() || key.empty()) return false;
      json.begin_array("opt");
      for (const auto& o : r.options) {
        json.begin_object();
        json.field("code", o.code);
        json.key("data");
        json.value_hex(as_bytes(o.data));
        json.end_object();
      }
      json.end_array();
      return true;
    default:
      return false;
  }
}

namespace {

void write_record(const dns::Record& r, const std::string* text, JsonWriter& json) {
  json.begin_object();
  write_name(json, "rrname", r.name);
  json.field("rrtype", dns::type_text(r.type));
  json.field("ttl", r.ttl);
  if (text != nullptr) {
    json.field_bytes("rdata", as_bytes(*text));
  } else {
    write_data(r, json, "rdata");
    if ((r.target.flags & dns::name_flag::truncated) != 0) json.field("rdata_truncated", true);
  }
  json.end_object();
}

void write_section(std::string_view key, const std::vector<dns::Record>& section,
                   JsonWriter& json) {
  constexpr std::uint16_t opt = 41;
  const auto shown = [](const dns::Record& r) { return r.type != opt || !r.options.empty(); };
  if (std::none_of(section.begin(), section.end(), shown)) return;
  json.begin_array(key);
  for (const auto& r : section) {
    if (!shown(r)) continue;
    if (r.known && r.type == 16 && !r.texts.empty())
      for (const auto& t : r.texts) write_record(r, &t, json);
    else
      write_record(r, nullptr, json);
  }
  json.end_array();
}

void write_grouped(const std::vector<dns::Record>& answers, JsonWriter& json) {
  std::map<std::string, std::vector<const dns::Record*>> groups;
  for (const auto& r : answers) {
    const bool shown = r.type == 1 || r.type == 28 || r.type == 2 || r.type == 5 || r.type == 12 ||
                       r.type == 15 || r.type == 16 || r.type == 10 || r.type == 6 ||
                       r.type == 33 || r.type == 44;
    if (r.known && shown) groups[dns::type_text(r.type)].push_back(&r);
  }
  json.begin_object("grouped");
  for (const auto& [name, records] : groups) {
    json.begin_array(name);
    for (const auto* r : records) {
      if (r->type == 16)
        for (const auto& t : r->texts) json.value_bytes(as_bytes(t));
      else
        write_data(*r, json, "");
    }
    json.end_array();
  }
  json.end_object();
}

void write_flags(const dns::Message& m, JsonWriter& json) {
  char flags[8];
  std::snprintf(flags, sizeof flags, "%x", m.flags);
  json.field("flags", static_cast<const char*>(flags));
  static constexpr std::pair<std::uint16_t, std::string_view> bits[] = {
      {0x8000, "qr"}, {0x0400, "aa"}, {0x0200, "tc"},
      {0x0100, "rd"}, {0x0080, "ra"}, {0x0040, "z"}};
  for (const auto& [bit, name] : bits)
    if ((m.flags & bit) != 0) json.field(name, true);
  json.field("opcode", m.opcode());
}

void write_sections(const dns::Message& m, const LogOptions& o, JsonWriter& json) {
  if (!m.answers.empty()) {
    if (o.detailed) write_section("answers", m.answers, json);
    if (o.grouped) write_grouped(m.answers, json);
  }
  write_section("authorities", m.authorities, json);
  write_section("additionals", m.additionals, json);
}

void write_question(const dns::Question& q, JsonWriter& json) {
  write_name(json, "rrname", q.name);
  json.field("rrtype", dns::type_text(q.type));
}

/// One question an event; of a request with several the first is shown.
void write_version2(const DnsTx& tx, const LogOptions& o, JsonWriter& json) {
  const auto& m = tx.message;
  json.begin_object("dns");
  json.field("version", 2);
  json.field("type", tx.response() ? "answer" : "query");
  json.field("id", m.id);
  if (tx.response()) {
    write_flags(m, json);
    if (!m.questions.empty()) write_question(m.questions.front(), json);
    json.field("rcode", dns::rcode_text(m.rcode()));
    write_sections(m, o, json);
  } else {
    if (!m.questions.empty()) write_question(m.questions.front(), json);
    json.field("tx_id", tx.id);
    if ((m.flags & 0x0040) != 0) json.field("z", true);
    json.field("opcode", m.opcode());
  }
  json.end_object();
}

void write_dns(const DnsTx& tx, const LogOptions& o, JsonWriter& json) {
  const auto& m = tx.message;
  json.begin_object("dns");
  json.field("version", 3);
  json.field("type", tx.response() ? "response" : "request");
  json.field("tx_id", tx.id);
  json.field("id", m.id);
  write_flags(m, json);
  json.field("rcode", dns::rcode_text(m.rcode()));
  if (!m.questions.empty()) {
    json.begin_array("queries");
    for (const auto& q : m.questions) {
      if (!o.wants(q.type)) continue;
      json.begin_object();
      write_question(q, json);
      json.end_object();
    }
    json.end_array();
  }
  write_sections(m, o, json);
  json.end_object();
}

}  // namespace

bool log(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  const auto& tx = static_cast<const DnsTx&>(t);
  const auto& o = options_of(ctx.options);
  if (!(tx.response() ? o.responses : o.requests)) return false;
  // The type asked for decides, whatever the answers are.
  const auto& q = tx.message.questions;
  if (!o.types.empty() &&
      std::none_of(q.begin(), q.end(), [&](const auto& x) { return o.wants(x.type); }))
    return false;
  if (o.version2)
    write_version2(tx, o, json);
  else
    write_dns(tx, o, json);
  return true;
}

bool log_alert(const Transaction& t, const LogContext&, JsonWriter& json) {
  static const LogOptions everything = [] {
    LogOptions o;
    o.grouped = false;
    return o;
  }();
  write_dns(static_cast<const DnsTx&>(t), everything, json);
  return true;
}
}  // namespace ww::sensor::dns_app
