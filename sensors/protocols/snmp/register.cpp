/// SNMP as a sensor protocol: one transaction a message.
#include "sensors/protocols/parser.hpp"
#include "sensors/protocols/snmp/message.hpp"

namespace ww::sensor {
namespace {

using sig::BufferSlice;
using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto snmp_proto = sig::app_protos().intern("snmp");
const EventId malformed_data = sig::events().intern("snmp.malformed_data");
const EventId unknown_security_model = sig::events().intern("snmp.unknown_security_model");
const EventId version_mismatch = sig::events().intern("snmp.version_mismatch");

struct SnmpTx final : Transaction {
  snmp::Message message;
  std::uint32_t version = 0;  ///< of the flow
};

class SnmpParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (input.data.empty()) return ParseResult::ok();
    auto owned = std::make_unique<SnmpTx>();
    auto& tx = *owned;
    if (!snmp::parse_message(input.data, tx.message)) {
      if (owned_.empty())
        ctx.add_event(malformed_data);
      else
        owned_.back()->add_event(malformed_data);
      return ParseResult::error();
    }
    if (version_ == 0) version_ = tx.message.version;
    tx.proto = snmp_proto;
    tx.version = version_;
    tx.only[sig::index(dir)] = true;
    tx.complete[0] = tx.complete[1] = true;
    tx.progress[0] = tx.progress[1] = 1;
    tx.revision = 1;
    if (tx.message.version != version_) tx.add_event(version_mismatch);
    if (tx.message.unknown_security_model) tx.add_event(unknown_security_model);
    add(std::move(owned), ctx);
    return ParseResult::ok();
  }

 private:
  std::uint32_t version_ = 0;
};

Probe probe(Bytes data, Dir, const sig::Flow&) {
  return snmp::peek_version(data) != 0 ? Probe::yes : Probe::no;
}

const SnmpTx& as_snmp(const Transaction& t) { return static_cast<const SnmpTx&>(t); }

template <std::optional<std::string> snmp::Message::* member>
BufferStatus get_text(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& text = as_snmp(t).message.*member;
  if (i > 0 || !text) return BufferStatus::absent;
  out.data = as_bytes(*text);
  return BufferStatus::ready;
}
BufferStatus get_oid(const Transaction& t, Dir, std::uint32_t i, BufferSlice& out) {
  const auto& all = as_snmp(t).message.variables;
  if (i >= all.size()) return BufferStatus::absent;
  out.data = as_bytes(all[i]);
  return BufferStatus::ready;
}
BufferStatus get_version(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  out = as_snmp(t).version;
  return i == 0 ? BufferStatus::ready : BufferStatus::absent;
}
BufferStatus get_pdu(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& pdu = as_snmp(t).message.pdu;
  if (i > 0 || !pdu) return BufferStatus::absent;
  out = static_cast<std::uint64_t>(*pdu);
  return BufferStatus::ready;
}
BufferStatus get_trap(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto& trap = as_snmp(t).message.trap;
  if (i > 0 || !trap) return BufferStatus::absent;
  out = trap->generic;
  return BufferStatus::ready;
}

bool log(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& tx = as_snmp(t);
  const auto& m = tx.message;
  json.begin_object("snmp");
  json.field("version", tx.version);
  if (m.encrypted) {
    json.field("pdu_type", "encrypted");
  } else {
    if (m.pdu) json.field("pdu_type", snmp::pdu_name(*m.pdu));
    if (m.error != 0) json.field("error", snmp::error_name(m.error));
    if (m.trap) {
      json.field("trap_type", snmp::trap_name(m.trap->generic));
      json.field("trap_oid", m.trap->enterprise);
      json.field("trap_address", m.trap->address);
    }
    if (!m.variables.empty()) {
      json.begin_array("vars");
      for (const auto& v : m.variables) json.value(v);
      json.end_array();
    }
    if (m.community) json.field_bytes("community", as_bytes(*m.community));
    if (m.user) json.field_bytes("usm", as_bytes(*m.user));
  }
  json.end_object();
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "snmp";
  p.rule_names = {"snmp"};
  p.udp = true;
  p.udp_ports = "[161,162]";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<SnmpParser>();
  };
  Logger logger;
  logger.event_type = logger.settings_name = "snmp";
  logger.write = &log;
  logger.direction = [](const Transaction& t) {
    return t.only[1] ? Dir::to_client : Dir::to_server;
  };
  p.loggers = {logger};
  for (const auto dir : {Dir::to_server, Dir::to_client}) {
    const auto buffer = [&](std::string_view name, sig::BufferGetter get) {
      p.buffers.buffers.push_back({sig::buffers().intern(name), dir, get});
    };
    const auto number = [&](std::string_view name, sig::NumberGetter get) {
      p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
    };
    buffer("snmp.community", &get_text<&snmp::Message::community>);
    buffer("snmp.usm", &get_text<&snmp::Message::user>);
    buffer("snmp.oid", &get_oid);
    number("snmp.version", &get_version);
    number("snmp.pdu_type", &get_pdu);
    number("snmp.trap_type", &get_trap);
  }
  p.events = {"snmp.malformed_data", "snmp.unknown_security_model", "snmp.version_mismatch"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
