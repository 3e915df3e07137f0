/// DNS over UDP and TCP as a sensor protocol: one transaction a message, as EVE's dns version 3 has
/// it.
#include <algorithm>
#include <map>

#include "sensors/protocols/dns/dns.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

struct Events {
  EventId malformed, not_request, not_response, z_flag, opcode, name_too_long, infinite_loop,
      too_many_labels, bad_authorities, bad_additionals;
};
const Events& event_ids() {
  static const Events e{sig::events().intern("dns.malformed_data"),
                        sig::events().intern("dns.not_request"),
                        sig::events().intern("dns.not_response"),
                        sig::events().intern("dns.z_flag_set"),
                        sig::events().intern("dns.invalid_opcode"),
                        sig::events().intern("dns.name_too_long"),
                        sig::events().intern("dns.infinite_loop"),
                        sig::events().intern("dns.too_many_labels"),
                        sig::events().intern("dns.invalid_authorities"),
                        sig::events().intern("dns.invalid_additionals")};
  return e;
}

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::FrameType pdu = sig::frame_types().intern("dns.pdu");

const sig::AppProto dns_proto = sig::app_protos().intern("dns");

struct DnsTx final : Transaction {
  dns::Message message;
  Dir dir = Dir::to_server;
  std::vector<std::string_view>
      response_names;  ///< every name of a response, for dns.response.rrname
};

void collect_names(DnsTx& tx) {
  auto& out = tx.response_names;
  const auto& m = tx.message;
  for (const auto& q : m.questions) out.emplace_back(q.name.text);
  for (const auto* section : {&m.answers, &m.authorities, &m.additionals})
    for (const auto& r : *section) {
      out.emplace_back(r.name.text);
      if (!r.known) continue;
      if (r.type == 2 || r.type == 5 || r.type == 12 || r.type == 15)
        out.emplace_back(r.target.text);
      if (r.type == 6) out.emplace_back(r.soa.mname.text);
      if (r.type == 33) out.emplace_back(r.srv.target.text);
    }
}

void name_events(DnsTx& tx) {
  std::uint8_t flags = 0;
  for (const auto& q : tx.message.questions) flags |= q.name.flags;
  for (const auto* section :
       {&tx.message.answers, &tx.message.authorities, &tx.message.additionals})
    for (const auto& r : *section)
      flags |= r.name.flags | r.target.flags | r.soa.mname.flags | r.soa.rname.flags;
  if ((flags & dns::name_flag::truncated) != 0) tx.add_event(event_ids().name_too_long);
  if ((flags & dns::name_flag::infinite_loop) != 0) tx.add_event(event_ids().infinite_loop);
  if ((flags & dns::name_flag::label_limit) != 0) tx.add_event(event_ids().too_many_labels);
}

class DnsParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (ctx.flow().ip_proto == 17) {
      if (input.data.empty()) return ParseResult::ok();
      return message(ctx, dir, input.data, 0) ? ParseResult::ok() : ParseResult::error();
    }
    return stream(ctx, dir, input);
  }
  [[nodiscard]] bool accepts_gaps() const override { return true; }

 private:
  // TCP: two octets of length before each message (RFC 1035 section 4.2.2).
  ParseResult stream(ParserContext& ctx, Dir dir, const StreamInput& input) {
    auto& lost = lost_[sig::index(dir)];
    if (input.gap > 0) lost = true;
    std::size_t at = 0;
    while (input.data.size() - at >= 2) {
      const std::size_t length = load_be16(input.data.data() + at);
      if (lost) {
        // After a gap, go on where a length and a plausible message stand.
        const auto rest = input.data.subspan(at);
        if (length < 12 || rest.size() < 14 || !dns::looks_like_dns(rest.subspan(2), false)) {
          if (rest.size() < 14) return ParseResult::more(at, 14);
          at = input.data.size();
          break;
        }
        lost = false;
      }
      if (length == 0) {
        at += 2;
        continue;
      }
      if (input.data.size() - at - 2 < length) return ParseResult::more(at, 2 + length);
      message(ctx, dir, input.data.subspan(at + 2, length), input.offset + at + 2);
      at += 2 + length;
    }
    if (at < input.data.size()) return ParseResult::more(at, 2);
    return ParseResult::ok();
  }

  bool message(ParserContext& ctx, Dir dir, Bytes octets, std::uint64_t offset) {
    auto parsed = dns::parse_message(octets);
    if (!parsed) {
      ctx.add_frame(pdu, dir, offset, static_cast<std::int64_t>(octets.size()));
      flag_last(ctx, event_ids().malformed);
      return false;
    }
    const bool wrong_way = parsed->response() != (dir == Dir::to_client);
    if (wrong_way) {
      flag_last(ctx, dir == Dir::to_server ? event_ids().not_request : event_ids().not_response);
      return false;
    }
    auto owned = std::make_unique<DnsTx>();
    owned->message = std::move(*parsed);
    owned->dir = dir;
    owned->proto = dns_proto;
    auto& tx = add(std::move(owned), ctx);
    ctx.add_frame(pdu, dir, offset, static_cast<std::int64_t>(octets.size()), tx.id);
    tx.only[sig::index(dir)] = true;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    tx.revision = 1;
    if ((tx.message.flags & 0x0040) != 0) tx.add_event(event_ids().z_flag);
    if (tx.message.opcode() >= 7) tx.add_event(event_ids().opcode);
    if (tx.message.bad_authorities) tx.add_event(event_ids().bad_authorities);
    if (tx.message.bad_additionals) tx.add_event(event_ids().bad_additionals);
    name_events(tx);
    if (dir == Dir::to_client) collect_names(tx);
    return true;
  }

  void flag_last(ParserContext& ctx, EventId event) {
    if (owned_.empty())
      ctx.add_event(event);
    else
      owned_.back()->add_event(event);
  }

  bool lost_[2] = {false, false};
};

const DnsTx& as_dns(const Transaction& tx) { return static_cast<const DnsTx&>(tx); }

BufferStatus slice(std::string_view text, BufferSlice& out) {
  out.data = as_bytes(text);
  return BufferStatus::ready;
}
template <class Section>
BufferStatus name_of(const Section& section, std::uint32_t i, BufferSlice& out) {
  return i < section.size() ? slice(section[i].name.text, out) : BufferStatus::absent;
}
BufferStatus get_query(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.questions, i, out);
}
BufferStatus get_answer(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.answers, i, out);
}
BufferStatus get_authority(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.authorities, i, out);
}
BufferStatus get_additional(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  return name_of(as_dns(tx).message.additionals, i, out);
}
BufferStatus get_response(const Transaction& tx, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& names = as_dns(tx).response_names;
  return i < names.size() ? slice(names[i], out) : BufferStatus::absent;
}
BufferStatus get_opcode(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_dns(tx).message.opcode();
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus get_rcode(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_dns(tx).message.rcode();
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus get_rrtype(const Transaction& tx, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& m = as_dns(tx).message;
  if (i < m.questions.size()) {
    out = m.questions[i].type;
    return BufferStatus::ready;
  }
  const std::size_t j = i - m.questions.size();
  if (j >= m.answers.size()) return BufferStatus::absent;
  out = m.answers[j].type;
  return BufferStatus::ready;
}

// ---------------------------------------------------------------- EVE

/// The options of the eve-log type `dns`.
struct LogOptions {
  bool requests = true, responses = true, detailed = true, grouped = true;
  std::vector<std::uint16_t> types;  ///< empty: all
  [[nodiscard]] bool wants(std::uint16_t type) const {
    return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
  }
};

LogOptions read_options(const Settings& s) {
  LogOptions o;
  o.requests = s.flag_or("requests", s.flag_or("query", true));
  o.responses = s.flag_or("responses", s.flag_or("answer", true));
  if (const auto formats = s.list("formats"); !formats.empty()) {
    o.detailed = std::find(formats.begin(), formats.end(), "detailed") != formats.end();
    o.grouped = std::find(formats.begin(), formats.end(), "grouped") != formats.end();
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

void write_name(JsonWriter& json, std::string_view key, const dns::Name& name) {
  json.field_bytes(key, as_bytes(name.text));
  if ((name.flags & (dns::name_flag::truncated | dns::name_flag::label_limit)) != 0) {
    json.key(std::string(key) + "_truncated");
    json.value(true);
  }
}

std::string address_text(std::string_view octets) {
  const auto* p = as_bytes(octets).data();
  return ip_text(octets.size() == 4 ? IpAddress::v4(p) : IpAddress::v6(p));
}

/// The data of a record as one JSON value; false when the record has none that can be shown.
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
                   const LogOptions* only, JsonWriter& json) {
  const auto wanted = [&](const dns::Record& r) { return only == nullptr || only->wants(r.type); };
  if (std::none_of(section.begin(), section.end(), wanted)) return;
  json.begin_array(key);
  for (const auto& r : section) {
    if (!wanted(r)) continue;
    if (r.known && r.type == 16 && !r.texts.empty())
      for (const auto& t : r.texts) write_record(r, &t, json);
    else
      write_record(r, nullptr, json);
  }
  json.end_array();
}

void write_grouped(const std::vector<dns::Record>& answers, const LogOptions& o, JsonWriter& json) {
  std::map<std::string, std::vector<const dns::Record*>> groups;
  for (const auto& r : answers) {
    const bool shown = r.type == 1 || r.type == 28 || r.type == 2 || r.type == 5 || r.type == 12 ||
                       r.type == 15 || r.type == 16 || r.type == 10 || r.type == 6 ||
                       r.type == 33 || r.type == 44;
    if (r.known && shown && o.wants(r.type)) groups[dns::type_text(r.type)].push_back(&r);
  }
  if (groups.empty()) return;
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

void write_dns(const DnsTx& tx, const LogOptions& o, JsonWriter& json) {
  const auto& m = tx.message;
  json.begin_object("dns");
  json.field("version", 3);
  json.field("type", m.response() ? "response" : "request");
  json.field("tx_id", tx.id);
  json.field("id", m.id);
  char flags[8];
  std::snprintf(flags, sizeof flags, "%x", m.flags);
  json.field("flags", static_cast<const char*>(flags));
  static constexpr std::pair<std::uint16_t, std::string_view> bits[] = {
      {0x8000, "qr"}, {0x0400, "aa"}, {0x0200, "tc"},
      {0x0100, "rd"}, {0x0080, "ra"}, {0x0040, "z"}};
  for (const auto& [bit, name] : bits)
    if ((m.flags & bit) != 0) json.field(name, true);
  json.field("opcode", m.opcode());
  json.field("rcode", dns::rcode_text(m.rcode()));
  if (!m.questions.empty()) {
    json.begin_array("queries");
    for (const auto& q : m.questions) {
      if (!o.wants(q.type)) continue;
      json.begin_object();
      write_name(json, "rrname", q.name);
      json.field("rrtype", dns::type_text(q.type));
      json.end_object();
    }
    json.end_array();
  }
  if (o.detailed) write_section("answers", m.answers, &o, json);
  if (o.grouped) write_grouped(m.answers, o, json);
  write_section("authorities", m.authorities, nullptr, json);
  write_section("additionals", m.additionals, nullptr, json);
  json.end_object();
}

bool log_dns(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  const auto& tx = as_dns(t);
  const auto& o = options_of(ctx.options);
  if (!(tx.message.response() ? o.responses : o.requests)) return false;
  if (!o.types.empty()) {
    const auto& q = tx.message.questions;
    const auto& a = tx.message.answers;
    if (std::none_of(q.begin(), q.end(), [&](const auto& x) { return o.wants(x.type); }) &&
        std::none_of(a.begin(), a.end(), [&](const auto& x) { return o.wants(x.type); }))
      return false;
  }
  write_dns(tx, o, json);
  return true;
}

bool alert_dns(const Transaction& t, const LogContext&, JsonWriter& json) {
  static const LogOptions everything;
  write_dns(as_dns(t), everything, json);
  return true;
}

Probe probe(Bytes data, Dir dir, const sig::Flow& flow) {
  // Multicast DNS, LLMNR and NetBIOS names share the format but are other protocols.
  for (const auto port : {flow.sport, flow.dport})
    if (port == 5353 || port == 5355 || port == 137) return Probe::no;
  const bool usual_port = flow.sport == 53 || flow.dport == 53;
  Bytes message = data;
  if (flow.ip_proto == 6) {
    if (data.size() < 14) return Probe::maybe;
    const std::size_t length = load_be16(data.data());
    if (length < 12) return Probe::no;
    const bool whole = data.size() >= 2 + length;
    message = data.subspan(2, std::min(length, data.size() - 2));
    if (!dns::looks_like_dns(message, false))
      return !whole && usual_port && data.size() < 300 ? Probe::maybe : Probe::no;
  } else if (usual_port) {
    // Junk sent to the name server's port does not make what follows junk: look at the next
    // datagram too.
    const auto m = dns::parse_message(message);
    if (!m || m->opcode() > 6 ||
        m->questions.size() + m->answers.size() + m->authorities.size() == 0)
      return Probe::maybe;
  } else if (!dns::looks_like_dns(message, true)) {
    return Probe::no;
  }
  const bool response = (message[2] & 0x80) != 0;
  if (response == (dir == Dir::to_client)) return Probe::yes;
  return usual_port ? Probe::reversed
                    : Probe::no;  // elsewhere a lone answer is too little to turn a flow round
}

Protocol describe() {
  Protocol p;
  p.name = "dns";
  p.settings_name = "dns";
  p.rule_names = {"dns"};
  p.tcp = p.udp = true;
  p.tcp_ports = p.udp_ports = "53";
  p.probe = &probe;
  p.probe_any_port = true;
  p.probe_min = 12;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<DnsParser>(); };
  Logger logger;
  logger.event_type = logger.settings_name = "dns";
  logger.write = &log_dns;
  logger.write_alert = &alert_dns;
  logger.direction = [](const Transaction& tx) { return as_dns(tx).dir; };
  p.loggers = {logger};
  const auto id = [](std::string_view name) { return sig::buffers().intern(name); };
  const auto number = [](std::string_view name) { return sig::numbers().intern(name); };
  p.buffers.buffers = {{id("dns.query"), Dir::to_server, &get_query},
                       {id("dns.response.rrname"), Dir::to_client, &get_response}};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    p.buffers.buffers.push_back({id("dns.queries.rrname"), dir, &get_query});
    p.buffers.buffers.push_back({id("dns.answers.rrname"), dir, &get_answer});
    p.buffers.buffers.push_back({id("dns.authorities.rrname"), dir, &get_authority});
    p.buffers.buffers.push_back({id("dns.additionals.rrname"), dir, &get_additional});
    p.buffers.numbers.push_back({number("dns.opcode"), dir, &get_opcode});
    p.buffers.numbers.push_back({number("dns.rcode"), dir, &get_rcode});
    p.buffers.numbers.push_back({number("dns.rrtype"), dir, &get_rrtype});
  }
  p.events = {"dns.malformed_data",     "dns.not_request",     "dns.not_response",
              "dns.z_flag_set",         "dns.invalid_opcode",  "dns.name_too_long",
              "dns.infinite_loop",      "dns.too_many_labels", "dns.invalid_additionals",
              "dns.invalid_authorities"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
