/// BitTorrent DHT over UDP: every datagram is a transaction of its direction.
#include "sensors/protocols/bittorrent_dht/message.hpp"
#include "sensors/protocols/parser.hpp"

namespace ww::sensor {
namespace {

using bittorrent_dht::Message;
using bittorrent_dht::Node;
using bittorrent_dht::Peer;

// Interned before threads start: the name tables are read without a lock afterwards.
const sig::AppProto dht_proto = sig::app_protos().intern("bittorrent-dht");
const EventId malformed_packet = sig::events().intern("bittorrent-dht.malformed_packet");

struct DhtTx final : Transaction {
  Dir dir{};
  Message message;
};
const DhtTx& as_tx(const Transaction& t) { return static_cast<const DhtTx&>(t); }

class DhtParser final : public Parser {
 public:
  ParseResult parse(ParserContext& ctx, Dir dir, const StreamInput& input) override {
    auto tx = std::make_unique<DhtTx>();
    tx->proto = dht_proto;
    tx->dir = dir;
    tx->only[sig::index(dir)] = true;
    tx->complete[0] = tx->complete[1] = true;
    tx->progress[0] = tx->progress[1] = 1;
    tx->revision = 1;
    tx->message = bittorrent_dht::parse(input.data);
    if (tx->message.malformed) tx->add_event(malformed_packet);
    add(std::move(tx), ctx);
    return ParseResult::ok();
  }
};

void hex(JsonWriter& json, std::string_view key, std::string_view octets) {
  json.key(key);
  json.value_hex(as_bytes(octets));
}
void hex(JsonWriter& json, std::string_view key, const std::optional<std::string>& octets) {
  if (octets) hex(json, key, std::string_view(*octets));
}

void write_peer(JsonWriter& json, const Peer& p) {
  json.field("ip", p.ip.family == 6 ? ip_short(p.ip) : ip_text(p.ip));
  json.field("port", p.port);
}
void write_nodes(JsonWriter& json, std::string_view key, const std::vector<Node>& nodes) {
  if (nodes.empty()) return;
  json.begin_array(key);
  for (const auto& n : nodes) {
    json.begin_object();
    hex(json, "id", std::string_view(n.id));
    write_peer(json, n.peer);
    json.end_object();
  }
  json.end_array();
}

void write_request(JsonWriter& json, const bittorrent_dht::Request& r) {
  json.begin_object("request");
  hex(json, "id", std::string_view(r.id));
  hex(json, "target", r.target);
  hex(json, "info_hash", r.info_hash);
  hex(json, "token", r.token);
  if (r.implied_port) json.field("implied_port", *r.implied_port);
  if (r.port) json.field("port", *r.port);
  json.end_object();
}

void write_response(JsonWriter& json, const bittorrent_dht::Response& r) {
  json.begin_object("response");
  hex(json, "id", std::string_view(r.id));
  write_nodes(json, "nodes", r.nodes);
  write_nodes(json, "nodes6", r.nodes6);
  if (!r.values.empty()) {
    json.begin_array("values");
    for (const auto& p : r.values) {
      json.begin_object();
      write_peer(json, p);
      json.end_object();
    }
    json.end_array();
  }
  hex(json, "token", r.token);
  json.end_object();
}

bool write_eve(const Transaction& t, const LogContext&, JsonWriter& json) {
  const auto& m = as_tx(t).message;
  json.begin_object("bittorrent_dht");
  hex(json, "transaction_id", std::string_view(m.transaction));
  hex(json, "client_version", m.client_version);
  if (m.request_type) json.field_bytes("request_type", as_bytes(*m.request_type));
  if (m.error) {
    json.begin_object("error");
    json.field("num", m.error->number);
    json.field_bytes("msg", as_bytes(m.error->text));
    json.end_object();
  }
  if (m.request) write_request(json, *m.request);
  if (m.response) write_response(json, *m.response);
  json.end_object();
  return true;
}

Protocol describe() {
  Protocol p;
  p.name = p.settings_name = "bittorrent-dht";
  p.rule_names = {"bittorrent-dht"};
  p.udp = true;
  for (const auto dir : {Dir::to_server, Dir::to_client})
    for (const std::string start : {"d1:ad2:id20:", "d1:rd2:id20:", "d2:ip", "d1:el"})
      p.patterns.push_back({.ip_proto = 17,
                            .dir = dir,
                            .octets = start,
                            .offset = 0,
                            .depth = static_cast<std::uint16_t>(start.size())});
  p.make = [](const Settings&) -> std::unique_ptr<Parser> { return std::make_unique<DhtParser>(); };
  Logger logger;
  logger.event_type = "bittorrent_dht";
  logger.settings_name = "bittorrent-dht";
  logger.write = &write_eve;
  logger.direction = [](const Transaction& t) { return as_tx(t).dir; };
  p.loggers = {logger};
  p.events = {"bittorrent-dht.malformed_packet"};
  return p;
}

const ProtocolRegistration registration{describe()};

}  // namespace
}  // namespace ww::sensor
