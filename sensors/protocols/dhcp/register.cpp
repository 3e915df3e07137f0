/// DHCP as a sensor protocol: one transaction a message.
#include "sensors/protocols/dhcp/dhcp.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using sig::BufferStatus;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto dhcp_proto = sig::app_protos().intern("dhcp");
const EventId truncated_options = sig::events().intern("dhcp.truncated_options");
const EventId malformed_options = sig::events().intern("dhcp.malformed_options");

struct DhcpTx final : Transaction {
  Dir dir = Dir::to_server;
  dhcp::Message message;
};

class DhcpParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    if (input.data.empty()) return ParseResult::ok();
    auto message = dhcp::parse_message(input.data);
    if (!message) return ParseResult::error();
    auto owned = std::make_unique<DhcpTx>();
    owned->proto = dhcp_proto;
    owned->revision = 1;
    owned->dir = dir;
    owned->only[sig::index(dir)] = true;
    owned->complete[0] = owned->complete[1] = true;
    owned->progress[0] = owned->progress[1] = 1;
    owned->message = std::move(*message);
    if (owned->message.truncated) owned->add_event(truncated_options);
    if (owned->message.malformed) owned->add_event(malformed_options);
    add(std::move(owned), ctx);
    return ParseResult::ok();
  }
};

const DhcpTx& as_tx(const Transaction& t) { return static_cast<const DhcpTx&>(t); }

template <std::uint8_t code>
BufferStatus get_time(const Transaction& t, Dir, std::uint32_t i, std::uint64_t& out) {
  const auto seconds = as_tx(t).message.seconds(code);
  if (i > 0 || !seconds) return BufferStatus::absent;
  out = *seconds;
  return BufferStatus::ready;
}

std::string address(std::string_view octets) {
  std::string out;
  for (const char c : octets) {
    if (!out.empty()) out += '.';
    out += std::to_string(static_cast<std::uint8_t>(c));
  }
  return out;
}
void write_addresses(JsonWriter& json, std::string_view key, std::string_view octets) {
  json.begin_array(key);
  for (std::size_t i = 0; i + 4 <= octets.size(); i += 4) json.value(address(octets.substr(i, 4)));
  json.end_array();
}
void write_hardware(JsonWriter& json, std::string_view key, std::string_view octets) {
  json.key(key);
  json.value_hex(as_bytes(octets), ':');
}

void write_option(JsonWriter& json, const dhcp::Option& o, bool extended) {
  namespace opt = dhcp::option;
  const std::string_view data = o.data;
  const auto seconds = [&] { return load_be32(as_bytes(data).data()); };
  switch (o.code) {
    case opt::client_id:  // behind the hardware type
      write_hardware(json, "client_id", data.substr(1));
      break;
    case opt::renewal_time:
      json.field("renewal_time", seconds());
      break;
    case opt::hostname:
      if (!data.empty()) json.field_bytes("hostname", as_bytes(data));
      break;
    case opt::message_type:
      if (!data.empty())
        json.field("dhcp_type", dhcp::type_name(static_cast<std::uint8_t>(data[0])));
      break;
    default:
      break;
  }
  if (!extended) return;
  switch (o.code) {
    case opt::lease_time:
      json.field("lease_time", seconds());
      break;
    case opt::rebinding_time:
      json.field("rebinding_time", seconds());
      break;
    case opt::vendor_class:
      if (!data.empty()) json.field_bytes("vendor_class_identifier", as_bytes(data));
      break;
    case opt::subnet_mask:
      json.field("subnet_mask", address(data.substr(0, 4)));
      break;
    case opt::requested_ip:
      json.field("requested_ip", address(data.substr(0, 4)));
      break;
    case opt::parameters:
      json.begin_array("params");
      for (const char c : data)
        if (const auto name = dhcp::parameter_name(static_cast<std::uint8_t>(c)); !name.empty())
          json.value(name);
      json.end_array();
      break;
    case opt::dns_servers:
      write_addresses(json, "dns_servers", data);
      break;
    case opt::routers:
      write_addresses(json, "routers", data);
      break;
    default:
      break;
  }
}

void write(const dhcp::Message& m, bool extended, JsonWriter& json) {
  json.begin_object("dhcp");
  json.field("type", m.opcode == 1 ? "request" : m.opcode == 2 ? "reply" : "<unknown>");
  json.field("id", m.id);
  write_hardware(json, "client_mac", m.client_hardware);
  json.field("assigned_ip", address(m.your_ip));
  if (extended) {
    json.field("client_ip", address(m.client_ip));
    if (m.opcode == 2) {
      json.field("relay_ip", address(m.relay_ip));
      json.field("next_server_ip", address(m.server_ip));
    }
  }
  std::vector<std::uint8_t> seen;
  for (const auto& o : m.options) {
    // A key may come once in an object.
    if (std::find(seen.begin(), seen.end(), o.code) != seen.end()) continue;
    seen.push_back(o.code);
    write_option(json, o, extended);
  }
  json.end_object();
}

bool log(const Transaction& t, const LogContext& ctx, JsonWriter& json) {
  const auto& m = as_tx(t).message;
  const bool extended = ctx.options.flag_or("extended", false);
  const auto* type = m.find(dhcp::option::message_type);
  const bool ack = type != nullptr && !type->data.empty() &&
                   static_cast<std::uint8_t>(type->data[0]) == dhcp::type::ack;
  if (!extended && !ack) return false;
  write(m, extended, json);
  return true;
}
bool log_alert(const Transaction& t, const LogContext&, JsonWriter& json) {
  write(as_tx(t).message, true, json);
  return true;
}

Probe probe(Bytes data, Dir dir, const sig::Flow&) {
  if (data.size() < dhcp::header_octets || !dhcp::parse_message(data)) return Probe::no;
  if (data[0] != 1 && data[0] != 2) return Probe::no;
  const bool reply = data[0] == 2;
  return reply == (dir == Dir::to_client) ? Probe::yes : Probe::reversed;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "dhcp";
  p.rule_names = {"dhcp"};
  p.udp = true;
  p.udp_ports = "[67,68]";
  p.probe = &probe;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<DhcpParser>();
  };
  Logger logger;
  logger.event_type = logger.settings_name = "dhcp";
  logger.write = &log;
  logger.write_alert = &log_alert;
  logger.direction = [](const Transaction& t) { return as_tx(t).dir; };
  p.loggers = {logger};
  const auto number = [&](std::string_view name, sig::NumberGetter get) {
    for (const auto dir : {Dir::to_server, Dir::to_client})
      p.buffers.numbers.push_back({sig::numbers().intern(name), dir, get});
  };
  number("dhcp.leasetime", &get_time<dhcp::option::lease_time>);
  number("dhcp.rebinding_time", &get_time<dhcp::option::rebinding_time>);
  number("dhcp.renewal_time", &get_time<dhcp::option::renewal_time>);
  p.events = {"dhcp.truncated_options", "dhcp.malformed_options"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
