/// Multicast DNS (RFC 6762): parser, EVE `mdns`, buffers.
#include <algorithm>

#include "sensors/protocols/dns/transaction.hpp"

namespace ww::sensor {
namespace {

using dns_app::DnsTx;

const sig::FrameType pdu = sig::frame_types().intern("mdns.pdu");

/// What is odd about a message has the same names as in DNS, under this protocol's.
struct EventPair {
  EventId dns, mdns;
};
std::string own_name(std::string_view dns_event) { return "m" + std::string(dns_event); }
const std::vector<EventPair>& event_pairs() {
  static const auto all = [] {
    std::vector<EventPair> out;
    for (const auto& name : dns_app::event_names())
      out.push_back({sig::events().intern(name), sig::events().intern(own_name(name))});
    return out;
  }();
  return all;
}
const EventId malformed = sig::events().intern("mdns.malformed_data");

class MdnsParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    static const auto proto = sig::app_protos().find("mdns");
    if (input.data.empty()) return ParseResult::ok();
    auto message = dns::parse_message(input.data);
    const auto length = static_cast<std::int64_t>(input.data.size());
    if (!message) {
      ctx.add_frame(pdu, dir, 0, length);
      ctx.add_event(malformed);
      return ParseResult::error();
    }
    auto tx = dns_app::make_transaction(std::move(*message), dir);
    tx->proto = proto;
    if (!tx->message.response()) tx->response_names.clear();  // both sides ask
    for (auto& e : tx->event_ids)
      for (const auto& pair : event_pairs())
        if (e == pair.dns) {
          e = pair.mdns;
          break;
        }
    ctx.add_frame(pdu, dir, 0, length, add(std::move(tx), ctx).id);
    return ParseResult::ok();
  }
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

void write_record(const dns::Record& r, JsonWriter& json) {
  const auto type = lower(dns::type_text(r.type));
  json.begin_object();
  dns_app::write_name(json, "rrname", r.name);
  if (r.known && r.type == 16) {
    json.begin_array(type);
    for (const auto& t : r.texts) json.value_bytes(as_bytes(t));
    json.end_array();
  } else if (!dns_app::write_data(r, json, type) && r.known && !r.octets.empty()) {
    json.field_bytes(type, as_bytes(r.octets));
  }
  if ((r.target.flags & dns::name_flag::truncated) != 0) json.field("rdata_truncated", true);
  json.end_object();
}

void write_section(std::string_view key, const std::vector<dns::Record>& section,
                   JsonWriter& json) {
  constexpr std::uint16_t opt = 41;
  const auto shown = [](const dns::Record& r) { return r.type != opt || !r.options.empty(); };
  if (std::none_of(section.begin(), section.end(), shown)) return;
  json.begin_array(key);
  for (const auto& r : section)
    if (shown(r)) write_record(r, json);
  json.end_array();
}

bool write(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& m = static_cast<const DnsTx&>(t).message;
  json.begin_object("mdns");
  json.field("type", m.response() ? "response" : "request");
  json.field("id", m.id);
  static constexpr std::pair<std::uint16_t, std::string_view> bits[] = {
      {0x0400, "aa"}, {0x0200, "tc"}, {0x0100, "rd"}, {0x0080, "ra"},
      {0x0040, "z"},  {0x0020, "ad"}, {0x0010, "cd"}};
  if ((m.flags & 0x07f0) != 0) {
    json.begin_array("flags");
    for (const auto& [bit, name] : bits)
      if ((m.flags & bit) != 0) json.value(name);
    json.end_array();
  }
  json.field("opcode", m.opcode());
  json.field("rcode", m.rcode());
  if (!m.questions.empty()) {
    json.begin_array("queries");
    for (const auto& q : m.questions) {
      json.begin_object();
      dns_app::write_name(json, "rrname", q.name);
      json.field("rrtype", lower(dns::type_text(q.type)));
      json.end_object();
    }
    json.end_array();
  }
  write_section("answers", m.answers, json);
  write_section("authorities", m.authorities, json);
  write_section("additionals", m.additionals, json);
  json.end_object();
  return true;
}

/// Nobody is the client: whoever speaks first is taken for it.
Probe probe(Bytes data, Dir, const sig::Flow&) {
  // Most answers repeat no question.
  return dns::counts_fit(data) && dns::parse_message(data) ? Probe::yes : Probe::no;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "mdns";
  p.rule_names = {"mdns"};
  p.udp = true;
  p.udp_ports = "5353";
  p.probe = &probe;
  p.probe_min = 12;
  p.make = [](const Settings&) -> std::unique_ptr<Parser> {
    return std::make_unique<MdnsParser>();
  };
  Logger logger;
  logger.event_type = logger.settings_name = "mdns";
  logger.write = &write;
  logger.direction = [](const Transaction& tx) { return static_cast<const DnsTx&>(tx).dir; };
  p.loggers = {logger};
  const auto buffer = [&](std::string_view name, sig::BufferGetter get) {
    for (const auto d : {Dir::to_server, Dir::to_client})
      p.buffers.buffers.push_back({sig::buffers().intern(name), d, get});
  };
  buffer("mdns.queries.rrname", &dns_app::query);
  buffer("mdns.answers.rrname", &dns_app::answer);
  buffer("mdns.authorities.rrname", &dns_app::authority);
  buffer("mdns.additionals.rrname", &dns_app::additional);
  buffer("mdns.response.rrname", &dns_app::response_name);
  (void)event_pairs();  // interned before threads start
  for (const auto& name : dns_app::event_names()) p.events.push_back(own_name(name));
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
